//! The self-test of a check: what a run would read, and whether it could be trusted.
//!
//! Everything was read already, as a run reads it. Logs that can be read again are, twice: to count all messages,
//! whoever sent them, and to look at every line.

use std::io::Write;

use super::Check;
use crate::host::Host;
use crate::messages::{Messages, Outcome, Weight};
use crate::parse::{Event, LazyEvent, Parser};
use crate::report::Style;
use crate::scan::Scan;
use crate::self_test::{Fact, Facts, write};
use crate::sink::Sink;
use crate::tally::Tally;

/// Counts messages.
#[derive(Default)]
struct Counted {
    messages: u64,
}

impl Sink for Counted {
    fn event(&mut self, _at: Option<i64>, times: u64, event: &LazyEvent<'_>, _line: &[u8]) {
        if matches!(event.parse().as_deref(), Some(Event::Accepted(_))) {
            self.messages = self.messages.saturating_add(times);
        }
    }

    fn needs_completions(&self) -> bool {
        false
    }

    fn fork(&self) -> Option<Self> {
        Some(Self::default())
    }

    fn join(&mut self, later: Self) {
        self.messages = self.messages.saturating_add(later.messages);
    }
}

impl<P: Parser + Copy + Send + Sync + 'static> Check<P> {
    /// Whether a self-test is asked for, instead of a report.
    pub fn is_self_test(&self) -> bool {
        self.is_self_test
    }

    /// Writes the self-test to `out`, and returns how the run ends. `reported` is how many senders a run would report,
    /// `more` what else there is to say.
    pub fn self_test(
        &self,
        scan: &mut Scan<'_, P>,
        (tally, reported): (&Tally, usize),
        more: Vec<Fact>,
        host: &Host,
        out: &mut impl Write,
        mut messages: Messages,
    ) -> Outcome {
        // Lines of a stream, which cannot be read again, are most often messages.
        let left_out = scan.left_out();
        let counted =
            scan.is_rereadable().then(|| scan.read(Counted::default(), &mut Messages::default()));
        let lines = left_out.read.saturating_sub(left_out.copies);
        let facts = Facts {
            logs: scan.log_facts(&self.logs),
            survey: scan.survey(),
            program: self.parser.program(),
            is_busy: self.style != Style::Names,
            looks_back: self.looks_back,
            has_problems: problems(&messages).next().is_some(),
            messages: counted.map_or(lines, |counted| counted.messages),
            unread: left_out.unread,
            copies: left_out.copies,
            senders: tally.has_all_senders().then(|| tally.senders().count()),
            reported,
            limit: (self.limits.everybody, self.limits.exclusive),
            period: self.period(),
            window: self.window,
            zone: &host.zone,
            overrides: self.overrides.clone(),
        };
        let lines = [facts.lines(), more].concat();
        let (many, written) = write(&lines, &problems(&messages).collect::<Vec<_>>(), out);
        let written = if host.stdout_read_only {
            Err(std::io::Error::other("it is open for reading only"))
        } else {
            written
        };
        messages.fail_unless_written(written);
        let Outcome { status, messages } = messages.outcome(false, false);
        Outcome { status: status.max(u8::from(many > 0)), messages }
    }
}

/// The messages because of which a run cannot be trusted. What strangers can cause is not among them.
fn problems(messages: &Messages) -> impl Iterator<Item = &str> {
    let weighty = messages.iter().filter(|(weight, _)| *weight >= Weight::Blind);
    weighty.map(|(_, text)| text)
}
