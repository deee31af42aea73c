//! Against a log that looks empty because it cannot be read.
//!
//! Counts the lines that [look like ones that count](crate::parse::unread) but cannot be read, and those of the
//! period that can. What cannot be read may have no time: it is forgotten as soon as a line is read after it that is
//! older than the period.

use super::SHOWN;

/// What was read of a log, and what could not be.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Lines that look like ones that count, but whose time or program cannot be told.
    pub unread: u64,
    /// Lines of the period that count.
    pub read: u64,
    /// The first line that could not be read.
    pub first: Option<Box<[u8]>>,
    /// What could not be read before was forgotten.
    forgot: bool,
    /// The offsets of such lines in the block that is being read.
    pending: Vec<usize>,
}

impl Guard {
    /// The line at an offset in the block cannot be read.
    pub(super) fn add_unread(&mut self, at: usize) {
        self.pending.push(at);
    }

    /// A line was read that is older than the period, and so is all that could not be read before it.
    #[inline]
    pub(super) fn forget(&mut self) {
        self.unread = 0;
        self.forgot = true;
        self.first = None;
        self.pending.clear();
    }

    /// Whether the block has no such line.
    pub(super) fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// At the end of a block: counts its lines that cannot be read. `is_old` says of a line whether it is older than
    /// the period, if it has a time.
    pub(super) fn settle(&mut self, block: &[u8], mut is_old: impl FnMut(&[u8]) -> Option<bool>) {
        // The first line after one that has a time, up to which all were looked at, and whether it is old.
        let (mut to, mut old) = (0, false);
        for at in std::mem::take(&mut self.pending) {
            if at >= to {
                (to, old) = next_time(block, at, &mut is_old);
            }
            if old {
                self.forget();
                continue;
            }
            self.unread += 1;
            self.first.get_or_insert_with(|| {
                let line = block[at..].split(|b| *b == b'\n').next().unwrap_or_default();
                line[..line.len().min(SHOWN)].into()
            });
        }
    }

    /// Adds what was read in a later part of the log.
    pub(super) fn join(&mut self, later: Self) {
        if later.forgot {
            self.forget();
        }
        self.unread += later.unread;
        self.read += later.read;
        self.first = self.first.take().or(later.first);
    }
}

/// The offset behind the first line from `from` on that has a time, or of the block's end, and whether it is old.
fn next_time(
    block: &[u8],
    from: usize,
    is_old: &mut impl FnMut(&[u8]) -> Option<bool>,
) -> (usize, bool) {
    let mut at = from;
    while at < block.len() {
        let end = memchr::memchr(b'\n', &block[at..]).map_or(block.len(), |end| at + end);
        if let Some(old) = is_old(&block[at..end]) {
            return (end, old);
        }
        at = end + 1;
    }
    (block.len(), false)
}
