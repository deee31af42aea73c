//! The report of a self-test (`--check`): whether a run can be trusted, and why.
//!
//! Takes plain [`Facts`] and gives [`Fact`]s, one line each; [`write()`] adds the problems that a run would report, and
//! the verdict as the last line. Whether something is a problem is decided here. It opens nothing. Names of programs
//! and paths come from logs and arguments, so they are escaped.

use std::io::{self, Write};
use std::path::PathBuf;

use time::OffsetDateTime;
use time::macros::format_description;

use crate::escape::display;
use crate::messages::number;
use crate::parse::kin::Kin;
use crate::scan::survey::{JOURNAL, LogFacts, Reason, Survey};
use crate::time::window::Window;
use crate::time::zone::Zone;

/// How old the newest line of a log may be that a service writes all the time. Seconds.
const STALE: i64 = 24 * 3600;

/// How many logs, rotated logs and wrong lines are named.
const LISTED: usize = 8;

/// How many programs are named.
const PROGRAMS: usize = 5;

/// How much of a program's name is shown, in bytes.
const NAME: usize = 48;

/// One line of a self-test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What was found.
    pub text: String,
    /// Whether a run cannot be trusted because of that.
    pub is_problem: bool,
}

impl Fact {
    /// Something that is as it should be.
    pub fn fine(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_problem: false }
    }

    /// Something because of which a run cannot be trusted.
    pub fn problem(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_problem: true }
    }

    /// Something that is a problem only sometimes.
    pub fn new(text: impl Into<String>, is_problem: bool) -> Self {
        Self { text: text.into(), is_problem }
    }
}

/// A file of individual limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OverridesFacts {
    /// Its path.
    pub path: PathBuf,
    /// How many senders have a limit of their own; none if the file does not exist.
    pub limits: Option<usize>,
    /// The numbers of the lines that are wrong.
    pub wrong: Vec<usize>,
}

/// What a self-test has found.
#[derive(Debug)]
pub struct Facts<'a> {
    /// What is read, in order.
    pub logs: Vec<LogFacts>,
    /// What is in it.
    pub survey: Survey,
    /// The program whose lines count.
    pub program: &'static str,
    /// Whether a service writes to the log all the time, whether or not mail is sent.
    pub is_busy: bool,
    /// Whether it is about another time than now.
    pub looks_back: bool,
    /// Whether a message of the run is about a problem.
    pub has_problems: bool,
    /// How many messages count.
    pub messages: u64,
    /// How many lines would count if they could be read.
    pub unread: u64,
    /// How many messages are copies.
    pub copies: u64,
    /// How many senders there are; none if they are too many to be kept.
    pub senders: Option<usize>,
    /// How many of them would be reported.
    pub reported: usize,
    /// The limit, and whether exactly as many messages are allowed.
    pub limit: (u64, bool),
    /// The period, for a person.
    pub period: String,
    /// The same.
    pub window: Window,
    /// The local time zone.
    pub zone: &'a Zone,
    /// The file of individual limits, if the program has any.
    pub overrides: Option<OverridesFacts>,
}

impl Facts<'_> {
    /// The lines, in order.
    pub fn lines(&self) -> Vec<Fact> {
        let mut lines = vec![self.log()];
        if self.logs.iter().any(|log| log.name != JOURNAL) {
            lines.push(self.reach());
        }
        if !self.logs.is_empty() {
            lines.extend([self.programs(), self.counted(), self.newest()]);
        }
        lines.extend([self.time_zone(), self.senders()]);
        lines.extend(self.overrides.as_ref().map(overrides));
        lines
    }

    fn log(&self) -> Fact {
        let [first, others @ ..] = &self.logs[..] else {
            return Fact::new("log: none can be read", !self.has_problems);
        };
        let name = display(first.name.as_bytes());
        Fact::fine(match &first.why {
            Reason::Asked if others.is_empty() => format!("log: {name}, as asked for"),
            Reason::Asked => {
                let names = self.logs.iter().map(|log| log.name.clone());
                format!("logs: {}, as asked for", listed(names, LISTED))
            }
            Reason::Default(many @ 2..) => {
                format!("log: {name}, of {many} default logs the one that was written last")
            }
            Reason::Default(_) => format!("log: {name}, the only default log that exists"),
            Reason::NoDefault => "log: the journal, because no default log exists".into(),
            Reason::Stale => "log: the journal, because it is newer than the default log".into(),
        })
    }

    /// How far back the logs reach.
    fn reach(&self) -> Fact {
        let rotated = self.logs.iter().flat_map(|log| &log.rotated);
        let rotated = listed(rotated.map(|path| path.display().to_string()), LISTED);
        let start = self.window.start;
        let rotated = match (rotated.is_empty(), self.survey.oldest.is_some_and(|at| at <= start)) {
            (false, _) => rotated,
            (true, true) => "none needed".into(),
            (true, false) => "none".into(),
        };
        let reach = self.survey.oldest.map(|oldest| {
            let (at, apart) = (self.local(oldest), duration(oldest.abs_diff(start)));
            if oldest <= start {
                format!("; the oldest line is of {at}, {apart} before the period begins")
            } else {
                format!("; the oldest line is of {at}, {apart} after the period has begun")
            }
        });
        Fact::fine(format!("rotated logs: {rotated}{}", reach.unwrap_or_default()))
    }

    fn programs(&self) -> Fact {
        let Survey { lines, tags, other_tags, kin, .. } = &self.survey;
        let mut sorted: Vec<_> = tags.iter().collect();
        sorted.sort_by_key(|(tag, times)| (std::cmp::Reverse(**times), *tag));
        let shown = sorted.iter().take(PROGRAMS).map(|(tag, times)| {
            let name = display(&tag[..tag.len().min(NAME)]);
            format!("{} {times}", if name.is_empty() { "unknown" } else { &name })
        });
        let mut text = shown.collect::<Vec<_>>().join(", ");
        let more = sorted.len().saturating_sub(PROGRAMS) as u64 + u64::from(*other_tags > 0);
        if more > 0 {
            text += &format!(" and {}", number(more, "other program"));
        }
        let program = self.program;
        if *lines == 0 {
            return Fact::fine("lines: none since the period began");
        }
        if *kin == Kin::Own {
            return Fact::fine(format!("lines: {lines} read ({text})"));
        }
        let text = format!("lines: {lines} read, none of them of {program} ({text})");
        // A log that is shared with a mail server may have none of a script. That it is the wrong log may have been
        // said before.
        let is_wrong = *kin == Kin::Other || self.is_busy;
        Fact::new(text, is_wrong && !self.has_problems)
    }

    fn counted(&self) -> Fact {
        let (unread, copies) = (self.unread, self.copies);
        let messages = number(self.messages, "message");
        Fact::fine(format!(
            "counted: {messages}; left out: {copies} logged more than once, {unread} that cannot be read"
        ))
    }

    fn newest(&self) -> Fact {
        let Some(newest) = self.survey.newest else {
            return Fact::fine("newest line: none");
        };
        let (at, now) = (self.local(newest), self.window.now);
        let mut age = self.age(newest);
        if let Some((name, newest)) = &self.survey.idlest {
            let (name, newest) = (display(name.as_bytes()), self.age(*newest));
            age += &format!("; longest ago in {name}, {newest}");
        }
        let is_stale = now.saturating_sub(newest) >= STALE && newest <= self.window.start;
        if is_stale && self.is_busy && !self.looks_back {
            return Fact::problem(format!("newest line: {at}, {age}: is it still written?"));
        }
        Fact::fine(format!("newest line: {at}, {age}"))
    }

    fn age(&self, instant: i64) -> String {
        let now = self.window.now;
        let apart = duration(instant.abs_diff(now));
        match (instant > now, self.looks_back) {
            (true, _) => format!("{apart} in the future"),
            (false, true) => format!("{apart} before that time"),
            (false, false) => format!("{apart} ago"),
        }
    }

    fn time_zone(&self) -> Fact {
        let offset = self.zone.offset_at(self.window.now);
        let sign = if offset < 0 { '-' } else { '+' };
        let minutes = offset.unsigned_abs() / 60;
        let name = self.zone.name();
        Fact::fine(format!(
            "time zone: {}, now UTC{sign}{:02}:{:02}",
            display(name.as_bytes()),
            minutes / 60,
            minutes % 60
        ))
    }

    fn senders(&self) -> Fact {
        let senders = match self.senders {
            Some(senders) => senders.to_string(),
            None => "too many to be counted".into(),
        };
        let (limit, exclusive) = self.limit;
        let limit = format!("{} {limit}", if exclusive { "more than" } else { "at least" });
        let (period, since) = (&self.period, self.local(self.window.start));
        let reported = self.reported;
        Fact::fine(format!(
            "senders: {senders} in {period}, since {since}; {reported} would be reported, with {limit} messages"
        ))
    }

    fn local(&self, instant: i64) -> String {
        let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
        let seconds = instant.saturating_add(i64::from(self.zone.offset_at(instant)));
        let at = OffsetDateTime::from_unix_timestamp(seconds).ok();
        at.and_then(|at| at.format(format).ok()).unwrap_or_else(|| "?".into())
    }
}

fn overrides(facts: &OverridesFacts) -> Fact {
    let OverridesFacts { path, limits, wrong } = facts;
    let path = display(path.display().to_string().as_bytes());
    let Some(limits) = limits else {
        return Fact::fine(format!("overrides: none, {path} does not exist"));
    };
    let text = format!("overrides: {path}, {}", number(*limits as u64, "limit"));
    if wrong.is_empty() {
        return Fact::fine(text);
    }
    Fact::problem(format!("{text}; not 'NAME NUMBER': {}", lines_listed(wrong)))
}

/// The numbers of lines that are wrong, as a text.
pub fn lines_listed(numbers: &[usize]) -> String {
    let noun = if numbers.len() == 1 { "line" } else { "lines" };
    format!("{noun} {}", listed(numbers.iter().map(ToString::to_string), LISTED))
}

/// The first of some texts, escaped, and how many more there are.
fn listed(mut texts: impl Iterator<Item = String>, most: usize) -> String {
    let first: Vec<_> = texts.by_ref().take(most).map(|text| display(text.as_bytes())).collect();
    let more = texts.count();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    first.join(", ") + &more
}

/// A duration, to two units.
fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{} {} h", number(days, "day"), hours % 24),
    }
}

/// Writes the lines of a self-test, then the problems that a run would report, then the verdict. Gives the number of
/// problems.
pub fn write(facts: &[Fact], problems: &[&str], out: &mut impl Write) -> (u64, io::Result<()>) {
    let own = facts.iter().filter(|fact| fact.is_problem).count();
    let many = (own + problems.len()) as u64;
    let mut text = String::new();
    for Fact { text: line, is_problem } in facts {
        text += &format!("{}{line}\n", if *is_problem { "problem: " } else { "" });
    }
    for problem in problems {
        text += &format!("problem: {}\n", display(problem.as_bytes()));
    }
    text += &match many {
        0 => "OK: a run can be trusted\n".to_owned(),
        _ => format!("NOT OK: {}, above\n", number(many, "problem")),
    };
    (many, out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_the_problems_above_it() {
        let written = |facts: &[Fact], problems: &[&str]| {
            let mut out = Vec::new();
            let (many, result) = write(facts, problems, &mut out);
            result.expect("memory can be written");
            (many, String::from_utf8(out).expect("text"))
        };
        let fine = Fact::fine("log: x");
        assert_eq!(
            written(std::slice::from_ref(&fine), &[]),
            (0, "log: x\nOK: a run can be trusted\n".into())
        );
        assert_eq!(
            written(&[fine, Fact::problem("a")], &["b\n"]),
            (2, "log: x\nproblem: a\nproblem: b\\x0a\nNOT OK: 2 problems, above\n".into())
        );
    }

    #[test]
    fn durations_and_lists() {
        for (seconds, want) in [
            (0, "0 s"),
            (59, "59 s"),
            (3599, "59 min"),
            (3600, "1 h 0 min"),
            (86_399, "23 h 59 min"),
            (86_400, "1 day 0 h"),
            (200_000, "2 days 7 h"),
        ] {
            assert_eq!(duration(seconds), want);
        }
        assert_eq!(lines_listed(&[7]), "line 7");
        let many: Vec<usize> = (1..=10).collect();
        assert_eq!(lines_listed(&many), "lines 1, 2, 3, 4, 5, 6, 7, 8 and 2 more");
    }
}
