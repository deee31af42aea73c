//! The end of an uncompressed file: its last lines, and the newest timestamp among them.
//!
//! What it is asked for is when a log was last written, and how. It looks at the last 64 KiB only.

use std::io::Read;

use super::{Input, InstantOf, LogFile, Span};
use crate::source::lines::split;

/// How much of the end is looked at, in bytes.
const LENGTH: u64 = 64 << 10;

/// The whole lines at the end of a file; the last of them may be without its newline.
#[derive(Debug)]
pub(crate) struct Tail {
    text: Vec<u8>,
}

impl LogFile {
    /// The end of an uncompressed file, before the hole there if there is one; none if it cannot be read.
    pub(crate) fn tail(&self) -> Option<Tail> {
        let end = self.end_of_data()?;
        let Input::Plain { file, .. } = &self.input else { return None };
        let from = end.saturating_sub(LENGTH);
        let mut text = Vec::new();
        Span::of_lines(file, from, end, false).read_to_end(&mut text).ok()?;
        if from > 0 {
            text.drain(..=memchr::memchr(b'\n', &text)?);
        }
        Some(Tail { text })
    }
}

impl Tail {
    /// The lines that are not blank.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        split(&self.text).filter(|line| !line.trim_ascii().is_empty())
    }

    /// The newest timestamp; none if none can be read.
    pub(super) fn newest(&self, instant_of: InstantOf<'_>) -> Option<i64> {
        self.lines().filter_map(instant_of).max()
    }

    /// Whether the last line of one of two files is in the other one, too: they are written at the same time, and
    /// hold the same.
    pub(super) fn is_copy_of(&self, other: &Self) -> bool {
        let holds_last = |one: &Self, other: &Self| {
            one.lines().last().is_some_and(|last| other.lines().any(|line| line == last))
        };
        holds_last(self, other) || holds_last(other, self)
    }
}
