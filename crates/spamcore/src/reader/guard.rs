//! Against a log that looks empty because it cannot be read.
//!
//! Counts the lines that [look like ones that count](crate::parse::unread) but cannot be read, and those that can.
//! Only those from the beginning of the period on matter: what cannot be read has no time, so lines are forgotten as
//! soon as one is read after them that is older than the period.

use super::SHOWN;

/// What was read of a log, and what could not be.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Lines that look like ones that count, but whose time or program cannot be told.
    pub unread: u64,
    /// Lines that count.
    pub read: u64,
    /// The first line that could not be read.
    pub first: Option<Box<[u8]>>,
    /// A line older than the period was read.
    begun_anew: bool,
    /// The offsets of such lines in the block that is being read.
    pending: Vec<usize>,
}

impl Guard {
    /// The line at an offset in the block cannot be read.
    pub(super) fn add_unread(&mut self, at: usize) {
        self.pending.push(at);
    }

    /// A line was read that is older than the period.
    pub(super) fn begin_anew(&mut self) {
        if self.unread + self.read > 0 || !self.pending.is_empty() || !self.begun_anew {
            *self = Self { begun_anew: true, ..Self::default() };
        }
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
                self.begin_anew();
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
        if later.begun_anew {
            *self = later;
            return;
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
