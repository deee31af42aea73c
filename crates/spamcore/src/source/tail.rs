//! The end of an uncompressed file: its last lines, and the newest timestamp among them.
//!
//! What it is asked for is when a log was last written, and how. It looks at the last 64 KiB only. More of the end, and
//! of the beginning, is looked at where nothing else tells what a log is.

use std::io::Read;

use super::{Input, InstantOf, LogFile, Span};
use crate::source::lines::split;

/// How much of the end is looked at, in bytes.
const LENGTH: u64 = 64 << 10;

/// How many lines are looked at to tell what a log is, at its beginning and at its end, and how much of it, in bytes.
const LINES: usize = 10_000;
const LENGTH_OF_LINES: u64 = 4 << 20;

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

impl LogFile {
    /// Calls `look` with the first and the last 10,000 lines of an uncompressed file, until it returns true.
    pub(crate) fn look_at_edges(&self, mut look: impl FnMut(&[u8]) -> bool) {
        let (Input::Plain { file, .. }, Some(end)) = (&self.input, self.end_of_data()) else {
            return;
        };
        let text = |from: u64, to: u64| {
            let mut text = Vec::new();
            // What cannot be read here could not be read before either, which has been reported.
            let _ = Span::of_lines(file, from, to, false).read_to_end(&mut text);
            text
        };
        let first = text(0, end.min(LENGTH_OF_LINES));
        let last = text(end.saturating_sub(LENGTH_OF_LINES), end);
        let mut last: Vec<_> = split(&last).collect();
        let last = last.split_off(last.len().saturating_sub(LINES));
        let _ = split(&first).take(LINES).chain(last).any(&mut look);
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
