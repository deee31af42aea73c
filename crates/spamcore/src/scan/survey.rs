//! What a scan reads, and what is in it, line by line: for a self-test.
//!
//! A reading only looks at lines that may count. This looks at each line from the start of the period on, and at the
//! first and last ones of each file: who wrote it, and when. It takes time in proportion to that, and memory for at
//! most [`TAGS`] names of programs. A stream is left alone, because it can be read only once. What cannot be read, the
//! reading before has reported.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use foldhash::quality::RandomState;

use super::Scan;
use crate::parse::Parser;
use crate::parse::kin::{Kin, tag};
use crate::reader::reading;
use crate::source::choose::{Logs, Source, Why};
use crate::source::journal::Author;
use crate::source::journalctl::{self, Journal};
use crate::source::lines::{head, split, trimmed};
use crate::source::{Log, is_there};
use crate::time::clock::Clock;

/// How many names of programs are kept; a local user can log under any number of them.
const TAGS: usize = 1000;

/// Why a log is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was asked for.
    Asked,
    /// Of so many default logs that exist it was written last.
    Default(usize),
    /// It is the journal, and none of the default logs exists.
    NoDefault,
    /// It is the journal, which is newer than the default log.
    Stale,
}

/// A log that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFacts {
    /// Its path, `standard input`, or `journal`.
    pub name: String,
    /// Why it is read.
    pub why: Reason,
    /// Its rotated logs that are read, newest first.
    pub rotated: Vec<PathBuf>,
}

/// What is in the logs.
#[derive(Debug, Default)]
pub struct Survey {
    /// How many lines there are from the start of the period on.
    pub lines: u64,
    /// Of them, by the program that wrote them; empty if it cannot be told.
    pub tags: HashMap<Box<[u8]>, u64, RandomState>,
    /// Of them, how many are of programs whose names are not kept.
    pub other_tags: u64,
    /// What wrote the lines, as far as it matters.
    pub kin: Kin,
    /// The oldest timestamp, in Unix seconds.
    pub oldest: Option<i64>,
    /// The newest timestamp that is not too far in the future.
    pub newest: Option<i64>,
}

impl Survey {
    fn count(&mut self, tag: &[u8]) {
        self.lines += 1;
        if let Some(times) = self.tags.get_mut(tag) {
            *times += 1;
        } else if self.tags.len() < TAGS {
            self.tags.insert(tag.into(), 1);
        } else {
            self.other_tags += 1;
        }
    }

    fn see(&mut self, instant: i64) {
        self.oldest = Some(self.oldest.map_or(instant, |oldest| oldest.min(instant)));
        self.newest = Some(self.newest.map_or(instant, |newest| newest.max(instant)));
    }
}

impl<P: Parser + Sync> Scan<'_, P> {
    /// What is read, in order, and why.
    pub fn log_facts(&self, logs: &Logs) -> Vec<LogFacts> {
        let defaults = logs.default.iter().filter(|path| is_there(Path::new(path))).count();
        let facts = |source: &Source| LogFacts {
            name: source.name(),
            why: match source {
                Source::Journal(_, Why::NoLog(_)) => Reason::NoDefault,
                Source::Journal(_, Why::Stale) => Reason::Stale,
                Source::Log(_) if !logs.asked && !logs.journal => Reason::Default(defaults),
                Source::Log(_) | Source::Journal(_, Why::Asked) => Reason::Asked,
            },
            rotated: match source {
                Source::Log(Log { files, .. }) => {
                    let rotated = files.iter().rev().filter(|file| file.rotated);
                    rotated.map(|file| file.path.clone()).collect()
                }
                Source::Journal(..) => Vec::new(),
            },
        };
        self.sources.iter().map(|(_, source)| facts(source)).collect()
    }

    /// Looks at all lines of the period.
    pub fn survey(&mut self) -> Survey {
        let mut survey = Survey::default();
        let mut sources = std::mem::take(&mut self.sources);
        for (_, source) in &mut sources {
            match source {
                Source::Log(log) if log.is_rereadable() => self.survey_log(log, &mut survey),
                Source::Log(_) => {}
                Source::Journal(author, _) => self.survey_journal(*author, &mut survey),
            }
        }
        self.sources = sources;
        survey
    }

    fn survey_log(&self, log: &mut Log, survey: &mut Survey) {
        let (parser, end) = (self.parser, self.window.end);
        let clock = || Clock::new(self.window.now, self.zone.clone());
        let see = |line: &[u8], clock: &mut Clock, survey: &mut Survey| {
            survey.kin = survey.kin.max(parser.kin(line));
            if let Some(reading) = reading(parser, clock, line)
                && !reading.in_future
                && reading.instant <= end
            {
                survey.see(reading.instant);
            }
        };
        // Its lines are not in order: what is in between is left out.
        let mut clock_of_edges = clock();
        let mut clock = clock();
        let mut same_log = false;
        for file in &mut log.files {
            clock_of_edges.next_file(same_log);
            file.look_at_edges(|line| {
                if let Some(line) = trimmed(line) {
                    see(line, &mut clock_of_edges, survey);
                }
                false
            });
            clock.next_file(same_log);
            same_log = true;
            for mut part in file.parts() {
                while let Ok(Some(block)) = part.lines.next_block() {
                    for line in split(block) {
                        let truncated = parser.accepts_truncated_lines();
                        let line = if truncated { Some(head(line)) } else { trimmed(line) };
                        if let Some(line) = line.filter(|line| !line.trim_ascii().is_empty()) {
                            see(line, &mut clock, survey);
                            survey.count(tag(parser, line));
                        }
                    }
                }
            }
        }
    }

    fn survey_journal(&self, author: Author, survey: &mut Survey) {
        let uid = author.uid(&self.passwd);
        let Ok(mut journal) = Journal::open(author, self.window.start, uid) else { return };
        while let Ok(Some(entry)) = journal.next_entry() {
            let is_wanted = match author {
                Author::Service(service) => service.wrote(&entry, uid),
                Author::Anybody => true,
            };
            let at = i64::try_from(entry.realtime / 1_000_000).unwrap_or(i64::MAX);
            if is_wanted && entry.dropped().is_none() && at <= self.window.end {
                survey.kin = Kin::Own;
                survey.see(at);
                survey.count(&entry.identifier);
            }
        }
        let closed = journal.close().is_ok();
        if closed && survey.newest.is_none() {
            let newest = journalctl::newest(author, uid, self.parser.needle(), 0);
            if let Ok(Some(at)) = newest {
                survey.see(at);
                survey.kin = Kin::Own;
            }
        }
    }
}
