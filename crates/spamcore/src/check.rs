//! The check: logs in, a tally and what is to be told out.
//!
//! It opens the logs, hands their lines to a [`Counter`], a second time where the tally wants that, and
//! turns what was learned into messages.
//!
//! Large plain files are read in two parts by two threads. Where a file is parted depends on nothing but
//! its size and its lines, and the second part begins with what the lines before it say about the time,
//! so that the answer is the same on any machine.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, chain};
use crate::escape::display;
use crate::host::Host;
use crate::parse::Parser;
use crate::reader::{Counter, End, Facts, Unclear};
use crate::source::journal::{self, Entry, Journal, Origin};
use crate::source::lines::{LONGEST, trimmed};
use crate::source::{self, Log, LogFile, Part};
use crate::tally::Tally;
use crate::time::clock::Clock;
use crate::time::window::Window;
use crate::time::zone::Zone;

/// How long a default log may stand still while the journal goes on. Seconds.
const STALE: i64 = 24 * 3600;

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

/// What a check has found.
#[derive(Debug)]
pub struct Checked {
    /// What was counted.
    pub tally: Tally,
    /// What is to be told.
    pub messages: Vec<Message>,
    /// Whether the logs can be read once more.
    pub again: bool,
    /// What was read: paths of logs, without the rotated ones, or `journal`.
    pub read: Vec<String>,
}

/// A check under way.
pub struct Check<'a, P> {
    parser: &'a P,
    counter: Counter<'a, P>,
    window: Window,
    zone: Zone,
    wall: SystemTime,
    now: i64,
    unclear_limit: Option<u64>,
    messages: Vec<Message>,
    /// The files that are open, by device and inode.
    seen: HashSet<(u64, u64)>,
}

impl<'a, P: Parser + Sync> Check<'a, P> {
    /// A check that counts into `tally`. Unclear lines are told once there are `unclear_limit` of them.
    pub fn new(parser: &'a P, tally: Tally, host: &Host, unclear_limit: Option<u64>) -> Self {
        Self {
            parser,
            window: tally.window(),
            counter: Counter::new(parser, tally, &host.zone),
            zone: host.zone.clone(),
            wall: host.wall,
            now: host.now,
            unclear_limit,
            messages: Vec::new(),
            seen: HashSet::new(),
        }
    }

    /// Reads all logs.
    pub fn run(mut self, logs: &Logs, host: &mut Host) -> Checked {
        let mut sources = self.open(logs, host);
        let again = sources.iter().all(Source::can_be_read_again);
        let read = sources.iter().map(Source::name).collect();
        self.counter.tally.reads_again(again);
        self.read_all(&mut sources, host);
        if self.counter.tally.wants_second_pass() {
            self.counter.unclear = Unclear::default();
            self.read_all(&mut sources, host);
        }
        self.tell_totals();
        Checked { tally: self.counter.tally, messages: self.messages, again, read }
    }

    fn open(&mut self, logs: &Logs, host: &mut Host) -> Vec<Source> {
        let mut sources = Vec::new();
        for path in &logs.named {
            if path.as_os_str() == "-" {
                if host.stdin_closed {
                    self.tell(Weight::Failure, "standard input is closed".into());
                }
                // A second `-` finds nothing left to read.
                let input = host.input.take().unwrap_or_else(|| Box::new(std::io::empty()));
                sources.push(Source::Log(Log::stream("standard input", input)));
            } else {
                sources.extend(self.open_log(path, false));
            }
        }
        if logs.journal {
            sources.extend(logs.origin.map(|origin| Source::Journal { origin, why: Why::Asked }));
        }
        if sources.is_empty() && logs.named.is_empty() {
            sources.extend(self.open_default(logs));
        }
        sources
    }

    fn open_default(&mut self, logs: &Logs) -> Option<Source> {
        let Some(path) = logs.default.iter().map(Path::new).find(|path| source::is_there(path))
        else {
            let none = Error::NoLog(logs.default.join(", ")).to_string();
            let Some(origin) = logs.origin else {
                self.tell(Weight::Blind, none);
                return None;
            };
            return Some(Source::Journal { origin, why: Why::NoLog(none) });
        };
        if let Some(origin) = logs.origin
            && let Some(hours) = self.stands_still(path)
        {
            let path = path.display();
            let text = format!(
                "{path}: not written for {hours} hours while the journal goes on: reading the journal"
            );
            self.tell(Weight::Note, text);
            return Some(Source::Journal { origin, why: Why::StandsStill });
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
        let mut instant_of = |line: &[u8]| self.counter.instant(&mut clock, trimmed(line)?);
        let start = self.window.start - self.counter.unsure();
        match Log::open(path, start, self.wall, plain_only, &mut instant_of) {
            Ok(mut log) => {
                for problem in std::mem::take(&mut log.problems) {
                    self.fail(&problem);
                }
                // Each file is read once, by whatever names it was given.
                log.files.retain(|file| file.identity.is_none_or(|id| self.seen.insert(id)));
                Some(Source::Log(log))
            }
            Err(error) => {
                self.fail(&error);
                None
            }
        }
    }

    fn read_all(&mut self, sources: &mut [Source], host: &Host) {
        for source in sources {
            match source {
                Source::Log(log) => {
                    let mut same_log = false;
                    for file in &mut log.files {
                        self.read_file(file, same_log);
                        same_log = true;
                    }
                }
                Source::Journal { origin, why } => self.read_journal(*origin, why, host),
            }
        }
    }

    fn read_file(&mut self, file: &mut LogFile, same_log: bool) {
        let (path, rotated) = (file.path.clone(), file.rotated);
        let path = path.display();
        self.counter.begin_file(same_log);
        for end in self.read_parts(file.parts(), rotated) {
            if let Some(error) = end.error {
                let bytes = end.bytes;
                let text = format!("{path}: cannot be read: {error}, after {bytes} bytes");
                self.tell(Weight::Failure, text);
            }
            if let Some((at, to)) = end.shrunk {
                let text = format!("{path}: shrank while it was read, to {at} of {to} bytes");
                self.tell(Weight::Failure, text);
            }
            self.tell_overlong(&path.to_string(), end.overlong);
        }
        if file.was_rewritten() {
            let text = format!("{path}: was truncated and written anew while it was read");
            self.tell(Weight::Failure, text);
        }
        self.tell_facts(&path.to_string());
    }

    /// Reads the parts of a file: two at once where that gives the same answer; one that is compressed
    /// is unpacked meanwhile.
    fn read_parts(&mut self, parts: Vec<Part<'_>>, rotated: bool) -> Vec<End> {
        let mut parts = parts.into_iter();
        let Some(mut first) = parts.next() else { return Vec::new() };
        let mut ends = Vec::new();
        for mut second in parts {
            let Some(mut later) = self.counter.for_later_part(&second.before) else {
                ends.push(self.counter.read(&mut first.lines, rotated));
                first = second;
                continue;
            };
            let end = std::thread::scope(|scope| {
                let other = scope.spawn(|| later.read(&mut second.lines, rotated));
                ends.push(self.counter.read(&mut first.lines, rotated));
                other.join()
            });
            ends.extend(end.map_err(|panic| std::panic::resume_unwind(panic)).ok());
            self.counter.absorb(later);
            return ends;
        }
        let end = std::thread::scope(|scope| {
            self.counter.read(&mut first.decompressed_in_background(scope).lines, rotated)
        });
        ends.push(end);
        ends
    }

    fn read_journal(&mut self, origin: Origin, why: &Why, host: &Host) {
        let passwd = std::fs::read_to_string(&host.passwd).unwrap_or_default();
        let postfix = journal::uid_of_postfix(&passwd);
        self.counter.begin_file(false);
        let mut overlong = 0;
        let result = Journal::open(origin, self.window.start, postfix).and_then(|mut journal| {
            let failed = loop {
                match journal.next_entry() {
                    Ok(Some(entry)) => {
                        if entry.overlong && !self.parser.reads_heads() {
                            overlong += 1;
                        } else {
                            self.count_entry(&entry, origin, postfix);
                        }
                    }
                    Ok(None) => break None,
                    Err(source) => break Some(Error::Read { path: "journal".into(), source }),
                }
            };
            journal.close()?;
            failed.map_or(Ok(()), Err)
        });
        if let Err(error) = result {
            let text = format!("the journal cannot be read: {}", chain(&error));
            match why {
                Why::Asked => self.tell(Weight::Failure, text),
                Why::NoLog(none) => self.tell(Weight::Blind, format!("{none}, and {text}")),
                Why::StandsStill => self.tell(Weight::Blind, text),
            }
        } else if origin == Origin::Postfix && postfix.is_none() {
            let path = host.passwd.display();
            let text =
                format!("journal: {path} has no user postfix, whose lines are those that count");
            self.tell(Weight::Blind, text);
        }
        self.tell_overlong("journal", overlong);
        self.tell_facts("journal");
    }

    fn count_entry(&mut self, entry: &Entry, origin: Origin, postfix: Option<u32>) {
        if origin == Origin::Postfix && !entry.is_of_postfix(postfix) {
            return;
        }
        // A user id that the message claims must be the one that journald saw.
        if self.parser.claimed_uid(&entry.message).is_some_and(|uid| uid != entry.uid) {
            return;
        }
        let Ok(at) = i64::try_from(entry.realtime / 1_000_000) else { return };
        let line = || entry.line(&self.zone);
        self.counter.message(&entry.identifier, &entry.message, at, line);
    }

    fn tell_overlong(&mut self, name: &str, count: u64) {
        if count > 0 {
            let lines = number(count, "line");
            self.tell(
                Weight::Note,
                format!("{name}: skipped: {lines} longer than {LONGEST} bytes"),
            );
        }
    }

    fn tell_facts(&mut self, name: &str) {
        let Facts { lines, readable, ahead, unread, unbelievable } = self.counter.facts;
        if lines > 0 && !readable {
            let lines = number(lines, "line");
            let text = format!("{name}: blind: no time stamp can be read in any of {lines}");
            self.tell(Weight::Failure, text);
        }
        if unread > 0 {
            let messages = number(unread, "message");
            let text = format!(
                "{name}: not counted: {messages} with a stamp that is no date or in an unknown zone"
            );
            // A script of PHP chooses its zone: it must not hide in one that is not known here.
            let hides = self.unclear_limit.is_some_and(|limit| unread >= limit.max(1));
            self.tell(if hides { Weight::Failure } else { Weight::Note }, text);
        }
        // Looking back, what came later is no surprise.
        if ahead > 0 && self.window.end > self.window.now {
            let messages = number(ahead, "message");
            let text =
                format!("{name}: not counted: {messages} stamped more than an hour ahead of now");
            self.tell(Weight::Note, text);
        }
        if let (lines @ 1.., most) = unbelievable {
            let lines = number(lines, "line");
            let text = format!(
                "{name}: not counted: {lines} with up to {most} repeats, which is not believed"
            );
            self.tell(Weight::Note, text);
        }
    }

    fn tell_totals(&mut self) {
        let beyond = self.counter.tally.beyond();
        if beyond > 0 {
            let text = format!(
                "more than a million senders in what can be read only once: {beyond} messages of others \
                 were not counted; give the log's name instead of a pipe"
            );
            self.tell(Weight::Failure, text);
        }
        let Unclear { total, tags } = &self.counter.unclear;
        if self.unclear_limit.is_some_and(|limit| *total >= limit.max(1)) {
            let tags: Vec<String> =
                tags.iter().map(|(tag, times)| format!("{} ({times})", display(tag))).collect();
            let text = format!(
                "counted for nobody: {} that can be read in two ways or are cut off; logged as {}",
                number(*total, "line"),
                tags.join(", ")
            );
            self.tell(Weight::Failure, text);
        }
    }

    fn fail(&mut self, error: &Error) {
        self.tell(Weight::Failure, chain(error));
    }

    /// Notes a message, once: a second reading may say it again.
    fn tell(&mut self, weight: Weight, text: String) {
        let message = Message { text, weight };
        if !self.messages.contains(&message) {
            self.messages.push(message);
        }
    }
}

/// `1 line`, `2 lines`.
fn number(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

enum Source {
    Log(Log),
    Journal { origin: Origin, why: Why },
}

/// Why the journal is read.
enum Why {
    /// It was asked for.
    Asked,
    /// There is no log, as this says.
    NoLog(String),
    /// The log has not been written for long.
    StandsStill,
}

impl Source {
    fn name(&self) -> String {
        match self {
            // The log itself stands last.
            Self::Log(log) => log.files.last().map_or_else(String::new, |file| {
                let whole = std::path::absolute(&file.path).ok();
                let stream = file.identity.is_none();
                let path = whole.filter(|_| !stream).unwrap_or_else(|| file.path.clone());
                path.display().to_string()
            }),
            Self::Journal { .. } => "journal".into(),
        }
    }

    fn can_be_read_again(&self) -> bool {
        match self {
            Self::Log(log) => log.can_be_read_again(),
            Self::Journal { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests;
