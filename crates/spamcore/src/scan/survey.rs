//! What a scan reads, and what is in it, line by line: for a self-test.
//!
//! A reading only looks at lines that may count. This looks at each line from the start of the period on, and at the
//! first and last ones of each file: who wrote it, and when. It takes time in proportion to that, and memory for at most
//! a thousand names of programs. A stream is looked at while it is read. What cannot be read, the reading before has
//! reported.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

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
use crate::time::zone::Zone;

/// How many names of programs are kept; a local user can log under any number of them.
const TAGS: usize = 1000;

/// The name of the journal, in the place of a path.
pub const JOURNAL: &str = "journal";

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
    /// Of several logs, the one whose newest timestamp is the oldest, and that.
    pub idlest: Option<(String, i64)>,
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

    fn add(&mut self, other: Self) {
        for (tag, times) in other.tags {
            if self.tags.len() < TAGS || self.tags.contains_key(&tag) {
                *self.tags.entry(tag).or_default() += times;
            } else {
                self.other_tags += times;
            }
        }
        self.lines += other.lines;
        self.other_tags += other.other_tags;
        self.kin = self.kin.max(other.kin);
        for at in other.oldest.into_iter().chain(other.newest) {
            self.see(at);
        }
    }

    fn see(&mut self, instant: i64) {
        self.oldest = Some(self.oldest.map_or(instant, |oldest| oldest.min(instant)));
        self.newest = Some(self.newest.map_or(instant, |newest| newest.max(instant)));
    }
}

/// Looks at lines.
pub(super) struct Look<P> {
    parser: P,
    /// The end of the window, and the time that clocks show.
    end: i64,
    now: i64,
    zone: Zone,
    clock: Clock,
    survey: Survey,
}

impl<P: Parser> Look<P> {
    /// Counts a line, and notes when it was written and by whom.
    fn at_line(&mut self, line: &[u8]) {
        let truncated = self.parser.accepts_truncated_lines();
        let line = if truncated { Some(head(line)) } else { trimmed(line) };
        let Some(line) = line.filter(|line| !line.trim_ascii().is_empty()) else { return };
        let Self { parser, end, clock, survey, .. } = self;
        note(parser, *end, clock, survey, line);
        survey.count(tag(parser, line));
    }

    fn at_log(&mut self, log: &mut Log) {
        let mut same_log = false;
        // The edges of a file are not in order, as the lines between them are left out.
        let mut of_edges = Clock::new(self.now, self.zone.clone());
        for file in &mut log.files {
            of_edges.next_file(same_log);
            let Self { parser, end, survey, .. } = self;
            file.look_at_edges(|line| {
                if let Some(line) = trimmed(line) {
                    note(parser, *end, &mut of_edges, survey, line);
                }
                false
            });
            self.clock.next_file(same_log);
            same_log = true;
            for mut part in file.parts() {
                while let Ok(Some(block)) = part.lines.next_block() {
                    split(block).for_each(|line| self.at_line(line));
                }
            }
        }
    }
}

/// Notes when a line was written and by whom.
fn note(parser: &impl Parser, end: i64, clock: &mut Clock, survey: &mut Survey, line: &[u8]) {
    survey.kin = survey.kin.max(parser.kin(line));
    if let Some(reading) = reading(parser, clock, line)
        && !reading.in_future
        && reading.instant <= end
    {
        survey.see(reading.instant);
    }
}

impl<P: Parser + Copy + Send + Sync + 'static> Scan<'_, P> {
    /// Has the lines of streams looked at when they are read, for a [`survey`](Self::survey).
    pub fn look_at_streams(&mut self) {
        let streams = Arc::new(Mutex::new(self.look()));
        for (_, source) in &mut self.sources {
            if let Source::Log(log) = source {
                log.look_at_streams(|| {
                    let streams = Arc::clone(&streams);
                    Box::new(move |line| {
                        if let Ok(mut look) = streams.lock() {
                            look.at_line(line);
                        }
                    })
                });
            }
        }
        self.streams = Some(streams);
    }

    /// What is read, in order, and why.
    pub fn log_facts(&self, logs: &Logs) -> Vec<LogFacts> {
        let defaults = || logs.default.iter().filter(|path| is_there(Path::new(path))).count();
        let facts = |source: &Source| LogFacts {
            name: source.name(),
            why: match source {
                Source::Journal(_, Why::NoLog(_)) => Reason::NoDefault,
                Source::Journal(_, Why::Stale) => Reason::Stale,
                Source::Log(_) if !logs.asked && !logs.journal => Reason::Default(defaults()),
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

    /// Looks at all lines of the period. Those of streams were looked at when they were read.
    pub fn survey(&mut self) -> Survey {
        let (mut look, mut newest) = (self.look(), Vec::new());
        let mut sources = std::mem::take(&mut self.sources);
        for (_, source) in &mut sources {
            match source {
                Source::Log(log) if log.is_rereadable() => {
                    let others = look.survey.newest.take();
                    look.at_log(log);
                    newest.extend(look.survey.newest.map(|at| (source.name(), at)));
                    look.survey.newest = look.survey.newest.max(others);
                }
                Source::Log(_) => {}
                Source::Journal(author, _) => self.survey_journal(*author, &mut look.survey),
            }
        }
        self.sources = sources;
        if let Some(streams) = &self.streams {
            // Nothing that holds the lock panics.
            if let Ok(mut streams) = streams.lock() {
                look.survey.add(std::mem::take(&mut streams.survey));
            }
        }
        if newest.len() > 1 {
            look.survey.idlest = newest.into_iter().min_by_key(|(_, at)| *at);
        }
        look.survey
    }

    fn look(&self) -> Look<P> {
        let (now, zone) = (self.window.now, self.zone.clone());
        Look {
            parser: *self.parser,
            end: self.window.end,
            now,
            clock: Clock::new(now, zone.clone()),
            zone,
            survey: Survey::default(),
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
