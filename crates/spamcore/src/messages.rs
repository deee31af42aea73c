//! What goes to standard error, and the exit status that follows from it.
//!
//! Everything that has something to report takes `&mut Messages`. A message is one line, without the
//! program's name and without a full stop; the same line is kept once, however often it is reported.
//! [`Messages::outcome`] turns the messages into an exit status, and [`Outcome::report`] is the one place
//! that prints them. It escapes them, because they may contain text from a log or an argument.

use std::collections::HashSet;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::error::chain;
use crate::escape::display;

/// What a message means for the exit status. The worst one of a run counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// Nothing.
    Note,
    /// Text that strangers can write keeps something from being counted: status 3 with `--exit-code` where
    /// nothing is reported, and nothing otherwise, because they must not be able to stop an `&&` chain, nor to
    /// cover a finding.
    Unclear,
    /// Something could not be checked, which is status 3 with `--exit-code`, and nothing without.
    Blind,
    /// Something failed: status 1, or 3 with `--exit-code`.
    Failure,
}

/// The messages of a run, in the order in which they were first reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    list: Vec<(Weight, Arc<str>)>,
    /// The same messages, to find duplicates. There can be 100,000: one per name that a flood of lines invents.
    known: HashSet<(Weight, Arc<str>), RandomState>,
}

impl Messages {
    /// Reports something that does not change the exit status.
    pub fn note(&mut self, text: impl Into<String>) {
        self.add(Weight::Note, text.into());
    }

    /// Reports that text of strangers keeps something from being counted.
    pub fn unclear(&mut self, text: impl Into<String>) {
        self.add(Weight::Unclear, text.into());
    }

    /// Reports that something could not be checked.
    pub fn blind(&mut self, text: impl Into<String>) {
        self.add(Weight::Blind, text.into());
    }

    /// Reports a failure.
    pub fn fail(&mut self, text: impl Into<String>) {
        self.add(Weight::Failure, text.into());
    }

    /// Reports an error, with its causes, as a failure.
    pub fn fail_with(&mut self, error: &dyn Error) {
        self.fail(chain(error));
    }

    /// Reports something, once.
    pub fn add(&mut self, weight: Weight, text: String) {
        let message = (weight, Arc::from(text));
        if self.known.insert(message.clone()) {
            self.list.push(message);
        }
    }

    /// Reports a failure to write to standard output. A reader that closes the pipe early is not a failure.
    pub fn fail_unless_written(&mut self, written: io::Result<()>) {
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.fail_with(&crate::error::Error::Output(error));
            }
            _ => {}
        }
    }

    /// All messages, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Weight, &str)> {
        self.list.iter().map(|(weight, text)| (*weight, &**text))
    }

    /// How the run ends. `found` is whether a sender is reported; `exit_code` is whether the exit status shows
    /// that (`--exit-code`).
    pub fn outcome(self, found: bool, exit_code: bool) -> Outcome {
        let worst = self.iter().map(|(weight, _)| weight).max().unwrap_or(Weight::Note);
        let status = match (exit_code, worst) {
            (false, Weight::Failure) => 1,
            (false, _) => 0,
            (true, Weight::Note) => u8::from(found),
            (true, Weight::Unclear) if found => 1,
            (true, _) => 3,
        };
        let messages = self.iter().map(|(_, text)| text.to_owned()).collect();
        Outcome { status, messages }
    }
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The exit status.
    pub status: u8,
    /// The lines for standard error, without the program's name.
    pub messages: Vec<String>,
}

impl Outcome {
    /// Wrong usage: nothing was done.
    pub fn usage(why: impl Display) -> Self {
        Self { status: 2, messages: vec![why.to_string()] }
    }

    /// Writes the messages, each after the program's name, and gives the exit status.
    pub fn report(&self, program: &str, errors: &mut impl Write) -> ExitCode {
        for message in &self.messages {
            // If standard error cannot be written to, there is nobody left to inform.
            let _ = writeln!(errors, "{program}: {}", display(message.as_bytes()));
        }
        ExitCode::from(self.status)
    }
}

/// A number with its noun: `1 line`, `2 lines`.
pub fn number(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_statuses() {
        let status = |weights: &[Weight], found, exit_code| {
            let mut messages = Messages::default();
            for (number, weight) in weights.iter().enumerate() {
                messages.add(*weight, number.to_string());
            }
            messages.outcome(found, exit_code).status
        };
        for (weights, found, by_default, with_e) in [
            (&[][..], false, 0, 0),
            (&[], true, 0, 1),
            (&[Weight::Note], false, 0, 0),
            (&[Weight::Note], true, 0, 1),
            (&[Weight::Unclear], false, 0, 3),
            (&[Weight::Unclear, Weight::Note], true, 0, 1),
            (&[Weight::Unclear, Weight::Blind], true, 0, 3),
            (&[Weight::Unclear, Weight::Failure], true, 1, 3),
            (&[Weight::Blind], false, 0, 3),
            (&[Weight::Failure, Weight::Note], true, 1, 3),
            (&[Weight::Failure], false, 1, 3),
        ] {
            assert_eq!(status(weights, found, false), by_default);
            assert_eq!(status(weights, found, true), with_e);
        }
        assert_eq!(Outcome::usage("x").status, 2);
    }

    #[test]
    fn a_message_is_kept_once_and_in_order() {
        let mut messages = Messages::default();
        messages.note("b");
        messages.fail("a");
        messages.note("b");
        messages.blind("a");
        let kept: Vec<_> = messages.iter().collect();
        assert_eq!(kept, [(Weight::Note, "b"), (Weight::Failure, "a"), (Weight::Blind, "a")]);
        assert_eq!(messages.outcome(false, false).messages, ["b", "a", "a"]);
    }

    #[test]
    fn a_closed_pipe_is_not_a_failure_and_a_full_disk_is() {
        let mut messages = Messages::default();
        messages.fail_unless_written(Ok(()));
        messages.fail_unless_written(Err(io::ErrorKind::BrokenPipe.into()));
        assert_eq!(messages, Messages::default());
        messages.fail_unless_written(Err(io::ErrorKind::StorageFull.into()));
        assert_eq!(
            messages.iter().map(|(weight, _)| weight).collect::<Vec<_>>(),
            [Weight::Failure]
        );
    }
}
