//! What a reading of all logs leaves out, or cannot read.

use super::{Pass, Scan};
use crate::escape::display;
use crate::messages::number;
use crate::parse::Parser;
use crate::reader::{Ambiguous, Guard};
use crate::sink::Sink;

/// How much of the logs was read, and what was not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Lines of the period that count.
    pub read: u64,
    /// Lines that look like ones that count, but whose time or program cannot be told.
    pub unread: u64,
    /// Messages whose lines are copies of others.
    pub copies: u64,
}

impl LeftOut {
    /// Adds what was found in one log.
    pub(super) fn add(&mut self, guard: &Guard) {
        self.read += guard.read;
        self.unread += guard.unread;
    }
}

impl<P> Scan<'_, P> {
    /// What the last reading of all logs left out.
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }
}

impl<P: Parser + Sync, S: Sink + Send> Pass<'_, P, S> {
    /// Reports that messages were left out, because their lines are copies of others.
    pub(super) fn report_copies(&mut self) {
        let copies = self.reader.copies();
        self.left_out.copies = copies;
        if copies > 0 {
            let messages = number(copies, "message");
            self.messages.note(format!(
                "not counted: {messages} logged more than once (the same queue id; is the log written twice?)"
            ));
        }
    }

    /// Reports lines that count for nobody, if a sender could hide that way.
    pub(super) fn report_ambiguous(&mut self) {
        let Ambiguous { total, tags } = &self.reader.ambiguous;
        if self.scan.hiding_limit.is_some_and(|limit| *total >= limit.max(1)) {
            let tags: Vec<String> =
                tags.iter().map(|(tag, times)| format!("{} ({times})", display(tag))).collect();
            self.messages.unclear(format!(
                "ignored {} that can be read in two ways or are cut off, logged as {}",
                number(*total, "line"),
                tags.join(", ")
            ));
        }
    }
}
