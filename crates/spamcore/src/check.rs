//! The check: sources in, a tally and what went wrong out.
//!
//! This is the way of the data in one place: every line of every source goes through its parser, its
//! stamp through the clock, and what is inside the window into the tally. Candidate lines are found by
//! a search for the parser's needle over whole runs; only where the order of lines matters (an hour
//! that repeats lies near, or the parser wants it) is every line read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use memchr::{memchr, memmem, memrchr};

use crate::clock::{AHEAD, Clock};
use crate::error::{Error, chain};
use crate::host::Host;
use crate::lines::{split, trimmed};
use crate::parse::{Hit, Line, Parser, Stamped};
use crate::report::shown;
use crate::source::journal::{self, Entry, Journal, Origin};
use crate::source::{Log, LogFile};
use crate::tally::Tally;
use crate::window::Window;
use crate::zone::Zone;

/// How long a default log may stand still while the journal goes on. Seconds.
const STALE: i64 = 24 * 3600;

/// Around an hour that repeats, the order of lines matters this far. Seconds.
const NEAR: i64 = 2 * 86_400;

/// An hour that repeats makes stamps uncertain by this much. Seconds.
const UNSURE: i64 = 2 * 3600;

/// How many lines are looked back over for the stamp before a doubtful one.
const LOOK_BACK: usize = 64;

/// How many different tags of unclear lines are told.
const TAGS: usize = 8;

/// Which logs are read.
#[derive(Clone, Debug)]
pub struct Logs {
    /// Those that were asked for, `-` for standard input; else the default ones.
    pub named: Vec<PathBuf>,
    /// Where to look, if none were asked for: the first that exists.
    pub default: &'static [&'static str],
    /// The journal was asked for.
    pub journal: bool,
    /// Whose entries of the journal count; none where the program does not read it.
    pub origin: Option<Origin>,
}

/// Something to be told on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// One line, without the program's name.
    pub text: String,
    /// What it means for the exit status.
    pub weight: Weight,
}

/// What a message means for the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Nothing.
    Note,
    /// Nothing by default, but with `--exit-code` the program was blind.
    Blind,
    /// Something failed.
    Failure,
}

/// A check under way.
pub struct Check<'a, P> {
    parser: &'a P,
    window: Window,
    zone: Zone,
    wall: SystemTime,
    now: i64,
    ordered: bool,
    tally: Tally,
    unclear: BTreeMap<Box<[u8]>, u64>,
    unclear_total: u64,
    unclear_limit: Option<u64>,
    messages: Vec<Message>,
}

/// What is learned of one file while it is read.
#[derive(Debug, Default)]
struct Facts {
    lines: u64,
    readable: bool,
    ahead: u64,
    unbelievable: u64,
    largest: u64,
}

impl<'a, P: Parser> Check<'a, P> {
    /// A check of `window` that counts into `tally`. Unclear lines are told once there are
    /// `unclear_limit` of them.
    pub fn new(parser: &'a P, tally: Tally, host: &Host, unclear_limit: Option<u64>) -> Self {
        let window = tally.window();
        let ordered =
            parser.wants_all() || host.zone.repeats_between(window.start - NEAR, window.end + NEAR);
        Self {
            parser,
            window,
            zone: host.zone.clone(),
            wall: host.wall,
            now: host.now,
            ordered,
            tally,
            unclear: BTreeMap::new(),
            unclear_total: 0,
            unclear_limit,
            messages: Vec::new(),
        }
    }

    /// Reads all logs, and gives what was counted and what is to be told.
    pub fn run(mut self, logs: &Logs, host: &mut Host) -> (Tally, Vec<Message>) {
        let mut sources = self.open(logs, host);
        let again = sources.iter().all(Source::can_be_read_again);
        self.tally.reads_again(again);
        self.read_all(&mut sources, host, true);
        if self.tally.wants_second_pass() {
            self.read_all(&mut sources, host, false);
        }
        self.tell_totals();
        (self.tally, self.messages)
    }

    fn open(&mut self, logs: &Logs, host: &mut Host) -> Vec<Source> {
        let mut sources = Vec::new();
        for path in &logs.named {
            if path.as_os_str() == "-" {
                // A second `-` finds nothing left to read.
                let input = host.input.take().unwrap_or_else(|| Box::new(std::io::empty()));
                sources.push(Source::Log(Log::stream("standard input", input)));
            } else {
                sources.extend(self.open_log(path, false));
            }
        }
        if logs.journal {
            sources.extend(logs.origin.map(|origin| Source::Journal { origin, asked: true }));
        }
        if sources.is_empty() && logs.named.is_empty() {
            sources.extend(self.open_default(logs));
        }
        sources
    }

    fn open_default(&mut self, logs: &Logs) -> Option<Source> {
        let journal = logs.origin.map(|origin| Source::Journal { origin, asked: false });
        let Some(path) = logs.default.iter().map(Path::new).find(|path| path.exists()) else {
            if journal.is_some() {
                return journal;
            }
            let none = Error::NoLog(logs.default.join(", "));
            self.tell(Weight::Blind, none.to_string());
            return None;
        };
        if journal.is_some()
            && let Some(hours) = self.stands_still(path)
        {
            let path = path.display();
            let text = format!(
                "{path}: not written for {hours} hours while the journal goes on: reading the journal"
            );
            self.tell(Weight::Note, text);
            return journal;
        }
        self.open_log(path, true)
    }

    /// For how many hours a log has not been written, if that is long and the journal is newer.
    fn stands_still(&self, path: &Path) -> Option<i64> {
        let about = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        let written = about.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let written = i64::try_from(written.as_secs()).ok()?;
        let age = self.now - written;
        (age > STALE && journal::newest()? > written).then_some(age / 3600)
    }

    fn open_log(&mut self, path: &Path, plain_only: bool) -> Option<Source> {
        let mut clock = Clock::new(self.window.now, self.zone.clone());
        let parser = self.parser;
        let mut instant_of = |line: &[u8]| instant(parser, &mut clock, trimmed(line)?);
        let start = if self.ordered { self.window.start - UNSURE } else { self.window.start };
        match Log::open(path, start, self.wall, plain_only, &mut instant_of) {
            Ok(mut log) => {
                for problem in std::mem::take(&mut log.problems) {
                    self.fail(&problem);
                }
                Some(Source::Log(log))
            }
            Err(error) => {
                self.fail(&error);
                None
            }
        }
    }

    fn read_all(&mut self, sources: &mut [Source], host: &Host, tell: bool) {
        let told = self.messages.len();
        let unclear = (std::mem::take(&mut self.unclear), std::mem::take(&mut self.unclear_total));
        for source in sources {
            match source {
                Source::Log(log) => {
                    for file in &mut log.files {
                        self.read_file(file);
                    }
                }
                Source::Journal { origin, asked } => self.read_journal(*origin, *asked, host),
            }
        }
        if !tell {
            // The second time says nothing new.
            self.messages.truncate(told);
            (self.unclear, self.unclear_total) = unclear;
        }
    }

    fn read_file(&mut self, file: &mut LogFile) {
        let mut clock = Clock::new(self.window.now, self.zone.clone());
        let mut facts = Facts::default();
        let (path, elder) = (file.path.clone(), file.elder);
        let needle = memmem::Finder::new(self.parser.needle());
        let mut lines = file.lines();
        let mut bytes = 0;
        let failed = loop {
            match lines.next_run() {
                Ok(Some(run)) => {
                    bytes += run.len() as u64;
                    self.read_run(run, &needle, elder, &mut clock, &mut facts);
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        let (overlong, shrunk) = (lines.overlong(), lines.input().shrunk());
        if let Some(source) = failed {
            let error = Error::Read { path: path.clone(), source };
            self.tell(Weight::Failure, format!("{}, after {bytes} bytes", chain(&error)));
        }
        if let Some((at, to)) = shrunk {
            let text =
                format!("{}: shrank while it was read, to {at} of {to} bytes", path.display());
            self.tell(Weight::Failure, text);
        }
        if overlong > 0 {
            let most = crate::lines::LONGEST;
            let text = format!(
                "{}: {overlong} lines longer than {most} bytes were skipped",
                path.display()
            );
            self.tell(Weight::Note, text);
        }
        self.tell_facts(&path.to_string_lossy(), &facts);
    }

    fn read_run(
        &mut self,
        run: &[u8],
        needle: &memmem::Finder<'_>,
        elder: bool,
        clock: &mut Clock,
        facts: &mut Facts,
    ) {
        if self.ordered {
            for line in split(run).filter_map(trimmed) {
                self.look(line, clock, facts);
                self.count(line, elder, clock, facts, None);
            }
            return;
        }
        if !facts.readable {
            // Until one stamp can be read, every line is asked: a log without any is told.
            for line in split(run).filter_map(trimmed) {
                self.look(line, clock, facts);
                if facts.readable {
                    break;
                }
            }
        }
        let mut from = 0;
        while let Some(at) = needle.find(&run[from..]) {
            let at = from + at;
            let begin = memrchr(b'\n', &run[from..at]).map_or(from, |n| from + n + 1);
            let end = memchr(b'\n', &run[at..]).map_or(run.len(), |n| at + n);
            if let Some(line) = trimmed(&run[begin..end]) {
                self.count(line, elder, clock, facts, Some(&run[..begin]));
            }
            from = (end + 1).min(run.len());
        }
    }

    /// Notes whether a line shows that stamps can be read here.
    fn look(&self, line: &[u8], clock: &mut Clock, facts: &mut Facts) {
        if facts.readable || line.trim_ascii().is_empty() {
            return;
        }
        facts.lines += 1;
        let Line { stamp, hit } = self.parser.line(line);
        facts.readable = match stamp {
            Stamped::At(stamp) => clock.read(&stamp).is_some(),
            Stamped::Bare => hit.is_some(),
            Stamped::Unreadable => false,
        };
    }

    /// Counts a line, if it is one that counts. `before` is what stands before it in the file, where
    /// the clock has not been shown every line.
    fn count(
        &mut self,
        line: &[u8],
        elder: bool,
        clock: &mut Clock,
        facts: &mut Facts,
        before: Option<&[u8]>,
    ) {
        let Line { stamp, hit } = self.parser.line(line);
        if hit.is_none() && before.is_some() {
            return;
        }
        let at = match stamp {
            Stamped::At(stamp) => {
                let Some(mut reading) = clock.read(&stamp) else { return };
                if reading.doubtful
                    && let Some(before) = before
                {
                    self.look_back(before, clock);
                    reading = clock.read(&stamp).unwrap_or(reading);
                }
                if reading.ahead {
                    facts.ahead += hit.as_ref().map_or(0, times);
                    return;
                }
                if !self.window.holds(reading.instant) {
                    return;
                }
                Some(reading.instant)
            }
            Stamped::Bare if elder => return,
            Stamped::Bare => None,
            Stamped::Unreadable => return,
        };
        if let Some(hit) = hit {
            self.add(&hit, at, line, facts);
        }
    }

    fn add(&mut self, hit: &Hit<'_>, at: Option<i64>, line: &[u8], facts: &mut Facts) {
        match *hit {
            Hit::Counts(event, times) => self.tally.add(&event, times, at, line),
            Hit::Unclear(tag, times) => {
                self.unclear_total = self.unclear_total.saturating_add(times);
                if self.unclear.len() < TAGS || self.unclear.contains_key(tag) {
                    *self.unclear.entry(tag.into()).or_default() += times;
                }
            }
            Hit::Unbelievable(times) => {
                facts.unbelievable += 1;
                facts.largest = facts.largest.max(times);
            }
        }
    }

    /// Shows the clock the nearest stamped line before a doubtful one.
    fn look_back(&self, before: &[u8], clock: &mut Clock) {
        let mut rest = before.strip_suffix(b"\n").unwrap_or(before);
        for _ in 0..LOOK_BACK {
            let begin = memrchr(b'\n', rest).map_or(0, |n| n + 1);
            let found = trimmed(&rest[begin..]).and_then(|line| instant(self.parser, clock, line));
            if found.is_some() || begin == 0 {
                return;
            }
            rest = &rest[..begin - 1];
        }
    }

    fn read_journal(&mut self, origin: Origin, asked: bool, host: &Host) {
        let passwd = std::fs::read_to_string(&host.passwd).unwrap_or_default();
        let postfix = journal::uid_of_postfix(&passwd);
        let mut facts = Facts { readable: true, ..Facts::default() };
        let result = Journal::open(origin, self.window.start, postfix).and_then(|mut journal| {
            let failed = loop {
                match journal.next_entry() {
                    Ok(Some(entry)) => self.count_entry(&entry, origin, postfix, &mut facts),
                    Ok(None) => break None,
                    Err(source) => break Some(Error::Read { path: "journal".into(), source }),
                }
            };
            journal.close()?;
            failed.map_or(Ok(()), Err)
        });
        if let Err(error) = result {
            let weight = if asked { Weight::Failure } else { Weight::Blind };
            self.tell(weight, format!("the journal cannot be read: {}", chain(&error)));
        }
        self.tell_facts("journal", &facts);
    }

    fn count_entry(
        &mut self,
        entry: &Entry,
        origin: Origin,
        postfix: Option<u32>,
        facts: &mut Facts,
    ) {
        if origin == Origin::Postfix && !entry.is_of_postfix(postfix) {
            return;
        }
        // A user id that the message claims must be the one that journald saw.
        if self.parser.claimed_uid(&entry.message).is_some_and(|uid| uid != entry.uid) {
            return;
        }
        let Some(hit) = self.parser.message(&entry.identifier, &entry.message, 1) else { return };
        let Ok(at) = i64::try_from(entry.realtime / 1_000_000) else { return };
        if at > self.window.now + AHEAD {
            facts.ahead += times(&hit);
        } else if self.window.holds(at) {
            self.add(&hit, Some(at), &entry.line(&self.zone), facts);
        }
    }

    fn tell_facts(&mut self, name: &str, facts: &Facts) {
        if facts.lines > 0 && !facts.readable {
            let text =
                format!("{name}: blind: no time stamp can be read in any of {} lines", facts.lines);
            self.tell(Weight::Failure, text);
        }
        // Looking back, what came later is no surprise.
        if facts.ahead > 0 && self.window.end > self.window.now {
            let text = format!(
                "{name}: {} messages are stamped more than an hour ahead of now and not counted",
                facts.ahead
            );
            self.tell(Weight::Note, text);
        }
        if facts.unbelievable > 0 {
            let text = format!(
                "{name}: {} lines claim up to {} repeats, which is not believed; not counted",
                facts.unbelievable, facts.largest
            );
            self.tell(Weight::Note, text);
        }
    }

    fn tell_totals(&mut self) {
        let beyond = self.tally.beyond();
        if beyond > 0 {
            let text = format!(
                "more than a million senders in what can be read only once: {beyond} messages of others \
                 were not counted; give the log's name instead of a pipe"
            );
            self.tell(Weight::Failure, text);
        }
        if self.unclear_limit.is_some_and(|limit| self.unclear_total >= limit.max(1)) {
            let tags: Vec<String> = self
                .unclear
                .iter()
                .map(|(tag, times)| format!("{} ({times})", shown(tag)))
                .collect();
            let text = format!(
                "{} lines are unclear (two readings, or cut off) and counted for nobody; logged as {}",
                self.unclear_total,
                tags.join(", ")
            );
            self.tell(Weight::Failure, text);
        }
    }

    fn fail(&mut self, error: &Error) {
        self.tell(Weight::Failure, chain(error));
    }

    fn tell(&mut self, weight: Weight, text: String) {
        self.messages.push(Message { text, weight });
    }
}

/// The instant of a line, where it has one.
fn instant(parser: &impl Parser, clock: &mut Clock, line: &[u8]) -> Option<i64> {
    match parser.line(line).stamp {
        Stamped::At(stamp) => clock.read(&stamp).map(|reading| reading.instant),
        Stamped::Bare | Stamped::Unreadable => None,
    }
}

/// How many messages a hit is worth.
fn times(hit: &Hit<'_>) -> u64 {
    match *hit {
        Hit::Counts(_, times) | Hit::Unclear(_, times) => times,
        Hit::Unbelievable(_) => 1,
    }
}

enum Source {
    Log(Log),
    Journal { origin: Origin, asked: bool },
}

impl Source {
    fn can_be_read_again(&self) -> bool {
        match self {
            Self::Log(log) => log.can_be_read_again(),
            Self::Journal { .. } => true,
        }
    }
}
