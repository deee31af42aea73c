//! All logs of a check, read in order into a [`Sink`].
//!
//! [`Scan::open`] opens the logs and holds them open, so that a rotation loses nothing. [`Scan::read`] pushes
//! the events of the window into a sink, twice if the sink needs that, and reports what could not be read. A
//! scan does not know what the events are for, nor that anybody acts on them.
//!
//! Large uncompressed files are read in two parts by two threads, if a second one can be started. Where a file
//! is divided depends only on its size and its lines, and the second part starts with what the lines before it
//! show about the time, so the result is the same on any machine.

mod another_zone;
mod left_out;
pub mod survey;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, ScopedJoinHandle};

use crate::error::{Error, chain};
use crate::escape::display;
use crate::host::{Host, allow_many_files};
use crate::messages::{Messages, Weight, number};
use crate::parse::kin::Kin;
use crate::parse::{MAX_REPEATS, Parser, Stamped, unread};
use crate::reader::{FileStats, Guard, LogReader, ReadOutcome, dst_margin, reading};
use crate::sink::Sink;
use crate::source::access::Access;
use crate::source::choose::{Chooser, Fallback, Logs, Source, Why};
use crate::source::journal::{Author, Entry, Service};
use crate::source::journalctl::{self, Journal};
use crate::source::lines::{LONGEST, trimmed};
use crate::source::named::NamedLog;
use crate::source::{Bomb, Directories, Log, LogFile, Part};
use crate::threads;
use crate::time::clock::Clock;
use crate::time::window::Window;
use crate::time::zone::Zone;
use left_out::LeftOut;
use survey::Look;

/// Holes that have at least this size in sum are reported. `copytruncate` may leave smaller ones. In bytes.
const LARGE_HOLE: u64 = 1 << 30;

/// All logs are open at the same time. From this many on, a process may need more open files than are usually allowed.
const MANY_LOGS: usize = 64;

/// The logs of a check, open.
pub struct Scan<'a, P> {
    parser: &'a P,
    window: Window,
    zone: Zone,
    /// The password file, for the user id of a service in the journal.
    passwd: PathBuf,
    /// The name of the program, for hints.
    program: &'static str,
    /// What is read, each with the number of its host: 0 if all is of one.
    sources: Vec<(u32, Source)>,
    /// The logs were named, perhaps by mistake.
    named: bool,
    hiding_limit: Option<u64>,
    /// What the last reading left out.
    left_out: LeftOut,
    /// What looks at the lines of streams, for a survey.
    streams: Option<Arc<Mutex<Look<P>>>>,
}

impl<'a, P: Parser + Sync> Scan<'a, P> {
    /// Opens the logs, as far back as `window` reaches.
    pub fn open(
        parser: &'a P,
        logs: &Logs,
        window: Window,
        host: &mut Host,
        messages: &mut Messages,
    ) -> Self {
        let opening = Opening {
            parser,
            window,
            margin: dst_margin(parser, &window, &host.zone),
            zone: host.zone.clone(),
            directories: Directories::new(host.wall),
            uid: host.uid,
            identities: HashSet::new(),
        };
        Self {
            parser,
            window,
            zone: host.zone.clone(),
            passwd: host.passwd.clone(),
            program: logs.program,
            sources: opening.open(logs, host, messages),
            named: logs.asked,
            hiding_limit: None,
            left_out: LeftOut::default(),
            streams: None,
        }
    }

    /// Reports that `limit` or more lines count for nobody, or have no readable timestamp, because a sender
    /// could hide that way; strangers can cause it, so it is no failure. Without it, lines that count for
    /// nobody are not reported.
    #[must_use]
    pub fn with_hiding_limit(self, limit: Option<u64>) -> Self {
        Self { hiding_limit: limit, ..self }
    }

    /// Whether the logs can be read more than once; pipes cannot.
    pub fn is_rereadable(&self) -> bool {
        self.sources.iter().all(|(_, source)| source.is_rereadable())
    }

    /// What is read: the paths of the logs, without the rotated ones, or `journal`.
    pub fn names(&self) -> Vec<String> {
        self.sources.iter().map(|(_, source)| source.name()).collect()
    }

    /// Reads all logs into `sink`, and gives it back.
    pub fn read<S: Sink + Send>(&mut self, sink: S, messages: &mut Messages) -> S {
        let mut sources = std::mem::take(&mut self.sources);
        let (sink, left_out) = self.read_sources(&mut sources, sink, messages);
        (self.sources, self.left_out) = (sources, left_out);
        sink
    }

    /// Reads only entries of the journal for whose author journald vouches into `sink`, and gives it back;
    /// none if the journal is not read for this format.
    pub fn read_trusted<S: Sink + Send>(&self, sink: S, messages: &mut Messages) -> Option<S> {
        let journal = Source::Journal(self.parser.journal_author()?, Why::Asked);
        Some(self.read_sources(&mut [(0, journal)], sink, messages).0)
    }

    fn read_sources<S: Sink + Send>(
        &self,
        sources: &mut [(u32, Source)],
        sink: S,
        messages: &mut Messages,
    ) -> (S, LeftOut) {
        let reader =
            LogReader::new(self.parser, self.window, &self.zone, sink).asking_kin(self.named);
        let mut pass = Pass { scan: self, reader, messages, left_out: LeftOut::default() };
        pass.read_all(sources);
        pass.report_copies();
        let left_out = pass.left_out;
        while pass.reader.sink.needs_another_pass() {
            let ambiguous = std::mem::take(&mut pass.reader.ambiguous);
            pass.reader.begin_pass();
            pass.read_all(sources);
            if pass.reader.reads_places() {
                pass.reader.ambiguous = ambiguous;
            }
        }
        pass.report_ambiguous();
        (pass.reader.sink, left_out)
    }
}

/// Opens logs, each file once.
struct Opening<'a, P> {
    parser: &'a P,
    window: Window,
    /// How uncertain the start of the window is, in seconds.
    margin: i64,
    zone: Zone,
    directories: Directories,
    /// The invoking user.
    uid: u32,
    /// The files that are open, by device and inode.
    identities: HashSet<(u64, u64)>,
}

impl<P: Parser> Opening<'_, P> {
    fn open(mut self, logs: &Logs, host: &mut Host, messages: &mut Messages) -> Vec<(u32, Source)> {
        let mut sources = Vec::new();
        if logs.named.list.len() > MANY_LOGS {
            allow_many_files();
        }
        for NamedLog { path, number, plain_only } in &logs.named.list {
            if path.as_os_str() == "-" {
                if host.stdin_closed {
                    messages.fail("standard input is closed");
                }
                // A second `-` finds nothing left to read.
                let input = host.input.take().unwrap_or_else(|| Box::new(std::io::empty()));
                sources.push((*number, Source::Log(Log::stream("standard input", input))));
            } else {
                let source = self.open_log(path, *plain_only, messages);
                sources.extend(source.map(|source| (*number, source)));
            }
        }
        let author = self.parser.journal_author();
        if logs.journal {
            let number = u32::try_from(logs.named.names.len()).unwrap_or(u32::MAX);
            sources.extend(author.map(|author| (number, Source::Journal(author, Why::Asked))));
        }
        if sources.is_empty() && !logs.asked {
            let chooser = Chooser {
                logs,
                author,
                passwd: &host.passwd,
                needle: self.parser.needle(),
                start: self.window.start,
                wall: host.wall,
                access: Access { uid: self.uid, plain_only: true },
            };
            // Logs are written by the host's clock, even if the period is in the past.
            let mut clock = Clock::new(host.now, self.zone.clone());
            let mut instant_of = |line: &[u8]| {
                let reading = reading(self.parser, &mut clock, trimmed(line)?)?;
                (!reading.in_future && !reading.year_is_ambiguous).then_some(reading.instant)
            };
            let source = match chooser.choose(&mut instant_of, messages) {
                Fallback::Log(path) => self.open_log(path, true, messages),
                Fallback::Journal(author, why) => Some(Source::Journal(author, why)),
                Fallback::Nothing => None,
            };
            sources.extend(source.map(|source| (0, source)));
        }
        sources
    }

    fn open_log(
        &mut self,
        path: &Path,
        plain_only: bool,
        messages: &mut Messages,
    ) -> Option<Source> {
        let mut clock = Clock::new(self.window.now, self.zone.clone());
        let mut instant_of = |line: &[u8]| {
            reading(self.parser, &mut clock, trimmed(line)?).map(|reading| reading.instant)
        };
        let start = self.window.start - self.margin;
        let access = Access { uid: self.uid, plain_only };
        match Log::open(path, start, &self.directories, access, &mut instant_of) {
            Ok(mut log) => {
                for problem in std::mem::take(&mut log.problems) {
                    messages.fail_with(&problem);
                }
                // What was written in the past cannot be told from the time of the file.
                if self.window.end > self.window.now
                    && let Some(hint) =
                        another_zone::hint(self.parser, &log, self.directories.wall, &self.zone)
                {
                    messages.fail(hint);
                }
                // Each file is read once, whatever names it has.
                log.files.retain(|file| file.identity.is_none_or(|id| self.identities.insert(id)));
                Some(Source::Log(log))
            }
            Err(_) if path.is_dir() => {
                let (pattern, path) = (path.join("*.log"), path.display());
                messages.fail(format!(
                    "{path}: it is a directory; to read the logs in it, use a pattern: -l '{}'",
                    pattern.display()
                ));
                None
            }
            Err(error) => {
                messages.fail_with(&error);
                None
            }
        }
    }
}

/// One reading of all logs.
struct Pass<'a, P, S> {
    scan: &'a Scan<'a, P>,
    reader: LogReader<'a, P, S>,
    messages: &'a mut Messages,
    left_out: LeftOut,
}

impl<P: Parser + Sync, S: Sink + Send> Pass<'_, P, S> {
    fn read_all(&mut self, sources: &mut [(u32, Source)]) {
        for (number, source) in sources {
            if self.reader.has_all() {
                return;
            }
            self.reader.sink.begin_log(*number);
            match source {
                Source::Log(log) => {
                    let mut same_log = false;
                    for file in &mut log.files {
                        self.read_file(file, same_log);
                        same_log = true;
                    }
                    self.report_unread(log);
                    self.report_kin(log);
                }
                Source::Journal(author, why) => self.read_journal(*author, why),
            }
            self.left_out.add(&self.reader.guard);
        }
    }

    fn read_file(&mut self, file: &mut LogFile, same_log: bool) {
        let (path, rotated) = (file.path.display().to_string(), file.rotated);
        self.reader.begin_file(same_log);
        let mut skipped = 0;
        let outcomes = self.read_parts(file.parts(), rotated);
        if self.reader.reads_places() {
            // What there is to report, an earlier pass did.
            return;
        }
        for outcome in outcomes {
            skipped += outcome.skipped;
            if let Some(error) = outcome.error {
                if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Bomb>) {
                    // Whoever may put a file there must not be able to end a chain of commands.
                    self.messages.blind(format!("{path}: the rest was not read: {error}"));
                    // What was read may be half a line.
                    self.reader.file.readable = true;
                    continue;
                }
                let bytes = outcome.bytes;
                self.messages.fail(format!("{path}: cannot be read: {error}, after {bytes} bytes"));
            }
            if let Some((at, to)) = outcome.shrunk {
                self.messages
                    .fail(format!("{path}: shrank while it was being read, to {at} of {to} bytes"));
            }
            self.report_overlong(&path, outcome.overlong);
        }
        if skipped >= LARGE_HOLE {
            let gib = skipped >> 30;
            self.messages
                .note(format!("{path}: skipped {gib} GiB that were never written (a hole)"));
        }
        if file.was_rewritten() {
            self.messages
                .fail(format!("{path}: was truncated and rewritten while it was being read"));
        }
        self.report_file(&path);
    }

    /// Reads the parts of a file, two at once if that gives the same result. A compressed file is decompressed
    /// in the background.
    fn read_parts(&mut self, parts: Vec<Part<'_>>, rotated: bool) -> Vec<ReadOutcome> {
        let mut parts = parts.into_iter();
        let Some(mut first) = parts.next() else { return Vec::new() };
        let mut outcomes = Vec::new();
        for mut second in parts {
            let Some(mut later) = self.reader.fork(&second.before) else {
                outcomes.push(self.reader.read(&mut first.lines, rotated));
                first = second;
                continue;
            };
            let outcome = std::thread::scope(|scope| {
                let read_second = || later.read(&mut second.lines, rotated);
                let start = || Builder::new().spawn_scoped(scope, read_second).ok();
                let other = threads::have_room().then(start).flatten();
                outcomes.push(self.reader.read(&mut first.lines, rotated));
                other.map(ScopedJoinHandle::join)
            });
            outcomes.push(match outcome {
                Some(Ok(outcome)) => outcome,
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                // No thread could be started: one after the other.
                None => later.read(&mut second.lines, rotated),
            });
            self.reader.join(later);
            return outcomes;
        }
        let outcome = std::thread::scope(|scope| {
            self.reader.read(&mut first.decompressed_in_background(scope).lines, rotated)
        });
        outcomes.push(outcome);
        outcomes
    }

    fn read_journal(&mut self, author: Author, why: &Why) {
        let uid = author.uid(&self.scan.passwd);
        self.reader.begin_file(false);
        let (mut overlong, mut dropped, mut any) = (0, BTreeMap::new(), false);
        let start = self.scan.window.start;
        let result = Journal::open(author, start, uid).and_then(|mut journal| {
            let failed = loop {
                match journal.next_entry() {
                    Ok(Some(entry)) => {
                        if let Some((count, unit)) = entry.dropped() {
                            if self.concerns(&entry, author, unit) {
                                *dropped.entry(unit.to_vec()).or_default() += count;
                            }
                            continue;
                        }
                        any = true;
                        if entry.overlong && !self.scan.parser.accepts_truncated_lines() {
                            overlong += 1;
                        } else {
                            self.read_entry(&entry, author, uid);
                        }
                    }
                    Ok(None) => break None,
                    Err(source) => break Some(Error::Read { path: "journal".into(), source }),
                }
            };
            journal.close()?;
            failed.map_or(Ok(()), Err)
        });
        match (result, author) {
            (Err(error), _) => {
                let text = format!("the journal cannot be read: {}", chain(&error));
                match why {
                    Why::Asked => self.messages.fail(text),
                    Why::NoLog(none) => self.messages.blind(format!("{none}, and {text}")),
                    Why::Stale => self.messages.blind(text),
                }
            }
            (Ok(()), Author::Service(service)) => {
                if !any && self.has_no_entry_ever(author, uid) {
                    self.report_no_entry(service, why);
                } else if uid.is_none() {
                    let (path, user) = (self.scan.passwd.display(), service.user);
                    self.messages.blind(format!(
                        "journal: {path} has no user {user}, and only entries of that user count"
                    ));
                }
            }
            (Ok(()), Author::Anybody) => {}
        }
        for (unit, count) in dropped {
            let (messages, unit) = (number(count, "message"), display(&unit));
            self.messages.note(format!(
                "journal: {messages} of {unit} were dropped by journald and are not counted \
                 (see RateLimitBurst= in journald.conf)"
            ));
        }
        self.report_overlong("journal", overlong);
        self.report_file("journal");
    }

    /// Whether no entry of the journal, however old, is from the author. If it cannot be told, there may be some.
    fn has_no_entry_ever(&self, author: Author, uid: Option<u32>) -> bool {
        let newest = journalctl::newest(author, uid, self.scan.parser.needle(), 0);
        newest.is_ok_and(|newest| newest.is_none())
    }

    /// Reports that the journal, which is all there is to read, has nothing of a service; and if a container logs
    /// what is looked for, how to read that.
    fn report_no_entry(&mut self, service: Service, why: &Why) {
        let Service { user, unit, .. } = service;
        let none = match why {
            Why::NoLog(none) => format!("{none}, and "),
            Why::Asked | Why::Stale => String::new(),
        };
        let containers = journalctl::containers_with(self.scan.parser.needle());
        let hint = match containers.unwrap_or_default().as_slice() {
            [] => String::new(),
            [first, others @ ..] => {
                let program = self.scan.program;
                let others = if others.is_empty() {
                    String::new()
                } else {
                    format!(" (likewise {})", others.join(", "))
                };
                format!(
                    "; a container logs there: docker logs -t {first} 2>&1 | {program} -l -{others}"
                )
            }
        };
        self.messages.fail(format!(
            "{none}the journal has no entry of {unit}, nor of the user {user}: nothing was checked{hint}"
        ));
    }

    /// Whether messages that were dropped in a unit may have counted.
    fn concerns(&self, entry: &Entry, author: Author, unit: &[u8]) -> bool {
        let at = i64::try_from(entry.realtime / 1_000_000);
        at.is_ok_and(|at| self.scan.window.holds(at))
            && match author {
                Author::Service(service) => (service.is_unit)(unit),
                Author::Anybody => true,
            }
    }

    fn read_entry(&mut self, entry: &Entry, author: Author, uid: Option<u32>) {
        if let Author::Service(service) = author
            && !service.wrote(entry, uid)
        {
            return;
        }
        // A user id that the message claims must be the one that journald saw.
        if self.scan.parser.claimed_uid(&entry.message).is_some_and(|uid| uid != entry.uid) {
            return;
        }
        let Ok(at) = i64::try_from(entry.realtime / 1_000_000) else { return };
        let line = || entry.line(&self.scan.zone);
        let at = (&entry.host[..], at);
        self.reader.read_message(&entry.identifier, &entry.message, at, line);
    }

    fn report_overlong(&mut self, name: &str, count: u64) {
        if count > 0 {
            let lines = number(count, "line");
            self.messages.note(format!("{name}: skipped {lines} longer than {LONGEST} bytes"));
        }
    }

    fn report_file(&mut self, name: &str) {
        let FileStats { lines, ref first, readable, in_future, unreadable, implausible } =
            self.reader.file;
        if lines > 0 && !readable {
            let first = first.as_deref().unwrap_or_default();
            let which =
                if lines == 1 { "its only line".into() } else { format!("any of {lines} lines") };
            self.messages.fail(format!(
                "{name}: no time stamp can be read in {which} (not a mail log?), so nothing was checked; the \
                 first: {}{}",
                display(first),
                hint(first)
            ));
        }
        if unreadable > 0 {
            let messages = number(unreadable, "message");
            let text = format!(
                "{name}: not counted: {messages} whose timestamp is not a date, or is in an unknown time zone"
            );
            // A PHP script chooses its time zone. It must not be able to hide in one that is not known here.
            let hides = self.scan.hiding_limit.is_some_and(|limit| unreadable >= limit.max(1));
            self.messages.add(if hides { Weight::Unclear } else { Weight::Note }, text);
        }
        let window = &self.scan.window;
        // With --now, later lines are to be expected.
        if in_future > 0 && window.end > window.now {
            let messages = number(in_future, "message");
            self.messages.note(format!(
                "{name}: not counted: {messages} with a timestamp more than an hour in the future"
            ));
        }
        if let (lines @ 1.., most) = implausible {
            let lines = number(lines, "line");
            self.messages.note(format!(
                "{name}: ignored {lines} with up to {most} repeats (the limit is {MAX_REPEATS})"
            ));
        }
    }

    /// Reports a log that has no line of the program whose lines are searched for: was it named by mistake?
    fn report_kin(&mut self, log: &Log) {
        let is_known = self.reader.kin == Kin::Own || self.reader.guard.unread > 0;
        if !self.scan.named || self.reader.reads_places() || is_known {
            return;
        }
        let (mut kin, mut readable) = (self.reader.kin, self.reader.file.readable);
        for file in &log.files {
            file.look_at_edges(|line| {
                let Some(line) = trimmed(line) else { return false };
                readable |= !matches!(self.scan.parser.stamp(line), Stamped::Unreadable);
                kin = kin.max(self.scan.parser.kin(line));
                kin == Kin::Own
            });
        }
        // An empty log may be the right one, and one that cannot be read is reported already.
        let (Some(last), true) = (log.files.last(), readable) else { return };
        let (name, program) = (last.path.display(), self.scan.parser.program());
        match kin {
            Kin::Own => {}
            Kin::Mail => self.messages.note(format!(
                "{name}: no line of {program} was found, but lines of other mail programs: is it the right log?"
            )),
            Kin::Other => self.messages.blind(format!(
                "{name}: no line of {program} was found, nor of another mail program: is it the right log?"
            )),
        }
    }

    /// Reports that more lines of a log look like ones that count than do count, because they cannot be read.
    fn report_unread(&mut self, log: &Log) {
        let Some(last) = log.files.last() else { return };
        let name = last.path.display();
        let Guard { unread, read, first: Some(first), .. } = &self.reader.guard else { return };
        // Of a log without any readable timestamp that is known already.
        if unread > read && self.reader.file.readable {
            self.messages.fail(format!(
                "{name}: {} would count, but the time or the program cannot be told; {read} could be read; the \
                 first: {}{}",
                number(*unread, "line"),
                display(first),
                hint(first)
            ));
        }
    }
}

/// What may help to read a line, to be added to a message.
fn hint(line: &[u8]) -> String {
    unread::hint(line).map_or_else(String::new, |hint| format!("; {hint}"))
}

#[cfg(test)]
mod tests;
