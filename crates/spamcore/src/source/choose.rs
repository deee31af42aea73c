//! Which logs are read: those that were asked for, else the default one that is written, else the journal.
//!
//! Takes paths and gives the one to open. Of several default logs, the one with the newest line is read; an old or
//! empty log is left for the journal if that is newer. So it looks at the end of each default log, and asks the
//! journal only if the newest line is a day old, or there is none.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::access::Access;
use super::journal::Author;
use super::journalctl;
use super::named::NamedLogs;
use super::rotated_names::{Directories, rotated_logs_of};
use super::tail::Tail;
use super::{InstantOf, Log, LogFile, is_there};
use crate::error::{Error, chain};
use crate::messages::Messages;

/// How far the newest line of a default log may be behind the journal. Seconds.
const STALE: i64 = 24 * 3600;

/// Which logs are to be read.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub struct Logs {
    /// Those that were asked for.
    pub named: NamedLogs,
    /// Some were asked for, even if none was found: the default ones are not read.
    pub asked: bool,
    /// Where to look if none were asked for.
    pub default: &'static [&'static str],
    /// The journal was asked for.
    pub journal: bool,
    /// The journal is read if there is no default log, or only an old or empty one.
    pub or_journal: bool,
    /// The name of the program, for hints that contain a command.
    pub program: &'static str,
    /// Default logs that are not read are always reported, not only if lines of the period may be in them.
    pub report_others: bool,
}

/// Something from which lines are read.
pub(crate) enum Source {
    /// A log.
    Log(Log),
    /// The journal: the entries of this author.
    Journal(Author, Why),
}

/// Why the journal is read.
pub(crate) enum Why {
    /// It was asked for.
    Asked,
    /// There is no default log. This is the message about that.
    NoLog(String),
    /// Nothing has been written to the default log for a long time, or nothing at all.
    Stale,
}

impl Source {
    /// The path of the log, without the rotated ones, or `journal`.
    pub(crate) fn name(&self) -> String {
        match self {
            // The log itself comes last.
            Self::Log(log) => log.files.last().map_or_else(String::new, |file| {
                let absolute = std::path::absolute(&file.path).ok();
                let stream = file.identity.is_none();
                let path = absolute.filter(|_| !stream).unwrap_or_else(|| file.path.clone());
                path.display().to_string()
            }),
            Self::Journal(..) => "journal".into(),
        }
    }

    /// Whether its lines can be read more than once.
    pub(crate) fn is_rereadable(&self) -> bool {
        match self {
            Self::Log(log) => log.is_rereadable(),
            Self::Journal(..) => true,
        }
    }
}

/// What is read if nothing was asked for.
pub(crate) enum Fallback {
    /// This log.
    Log(&'static Path),
    /// The journal.
    Journal(Author, Why),
    /// Nothing, which has been reported.
    Nothing,
}

/// What the choice depends on.
pub(crate) struct Chooser<'a> {
    pub(crate) logs: &'a Logs,
    /// Whose entries of the journal are read, if any are.
    pub(crate) author: Option<Author>,
    /// The password file, for the user id of a service.
    pub(crate) passwd: &'a Path,
    /// Bytes that are in every message that counts.
    pub(crate) needle: &'a [u8],
    /// The start of the period, in Unix seconds.
    pub(crate) start: i64,
    /// The time on this host's clock, which is what logs are written by, whatever period is looked at.
    pub(crate) wall: SystemTime,
    pub(crate) access: Access,
}

/// A default log that exists.
struct Candidate {
    path: &'static Path,
    identity: Option<(u64, u64)>,
    tail: Option<Tail>,
    newest: Newest,
}

/// When a log was last written, in Unix seconds.
#[derive(Clone, Copy)]
enum Newest {
    /// The newest timestamp of a line, in the log or, if that is empty, in the one that was rotated last.
    Line(i64),
    /// The time of the file: it has lines, but no timestamp can be read.
    File(i64),
    /// The time of the file: it has no lines.
    Empty(i64),
}

impl Chooser<'_> {
    /// The default log that was written last, unless it is old or empty and the journal is newer; else the journal.
    pub(crate) fn choose(self, instant_of: InstantOf<'_>, messages: &mut Messages) -> Fallback {
        let author = self.author.filter(|_| self.logs.or_journal);
        let paths = self.logs.default.iter().map(Path::new).filter(|path| is_there(path));
        let candidates: Vec<_> = paths.map(|path| self.candidate(path, instant_of)).collect();
        // Of equals, the first.
        let best = candidates.iter().rev().max_by_key(|candidate| self.rank(candidate));
        let Some(best) = best else {
            let none = Error::NoLog(self.logs.default.join(", ")).to_string();
            return match author {
                Some(author) => Fallback::Journal(author, Why::NoLog(none)),
                None => {
                    messages.blind(none);
                    Fallback::Nothing
                }
            };
        };
        if let Some(author) = author
            && self.is_behind_journal(best, author, messages)
        {
            return Fallback::Journal(author, Why::Stale);
        }
        for other in &candidates {
            self.report_other(other, best, messages);
        }
        Fallback::Log(best.path)
    }

    fn now(&self) -> i64 {
        seconds(self.wall).unwrap_or(i64::MAX)
    }

    fn candidate(&self, path: &'static Path, instant_of: InstantOf<'_>) -> Candidate {
        let written = || std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let Ok((log, metadata)) = LogFile::open(path, false, self.wall, self.access) else {
            // If it is missing, it is being rotated.
            let rotated = self.newest_rotated(path, instant_of);
            let written = written().and_then(seconds).unwrap_or(i64::MIN);
            let newest = rotated.map_or(Newest::File(written), Newest::Line);
            return Candidate { path, identity: None, tail: None, newest };
        };
        let tail = log.tail();
        let written = log.written.and_then(seconds).unwrap_or(i64::MIN);
        let newest = match tail.as_ref().and_then(|tail| tail.newest(instant_of)) {
            Some(at) => Newest::Line(at),
            None if metadata.len() > 0 => Newest::File(written),
            None => {
                self.newest_rotated(path, instant_of).map_or(Newest::Empty(written), Newest::Line)
            }
        };
        Candidate { path, identity: log.identity, tail, newest }
    }

    /// The newest timestamp in the log that was rotated last.
    fn newest_rotated(&self, path: &Path, instant_of: InstantOf<'_>) -> Option<i64> {
        let rotated = rotated_logs_of(path, &Directories::new(self.wall)).ok()?;
        let (file, _) = LogFile::open(rotated.first()?, true, self.wall, self.access).ok()?;
        file.tail()?.newest(instant_of)
    }

    /// The log with the highest rank is read.
    fn rank(&self, candidate: &Candidate) -> i64 {
        match candidate.newest {
            Newest::Line(at) | Newest::File(at) => at,
            // It must not hide a log that is written: anybody may have touched it.
            Newest::Empty(at) => at.min(self.now() - STALE),
        }
    }

    /// Whether a log is left for the journal, which is then reported.
    fn is_behind_journal(&self, log: &Candidate, author: Author, messages: &mut Messages) -> bool {
        let now = self.now();
        let (Newest::Line(at) | Newest::File(at) | Newest::Empty(at)) = log.newest;
        let recent = self.start.min(now - STALE);
        let path = log.path.display();
        let hours = now.saturating_sub(at) / 3600;
        let state = match log.newest {
            Newest::Line(_) | Newest::File(_) if now.saturating_sub(at) < STALE => return false,
            Newest::Line(_) => format!("{path}: its newest line is {hours} hours old"),
            Newest::File(_) => format!("{path}: not written for {hours} hours"),
            Newest::Empty(_) => format!("{path}: is empty"),
        };
        let newest = match journalctl::newest(author, author.uid(self.passwd), self.needle, recent)
        {
            Ok(newest) => newest,
            Err(error @ Error::Denied) => {
                messages
                    .blind(format!("{state}, and the journal cannot be read: {}", chain(&error)));
                return false;
            }
            // There may be no journal on this host.
            Err(_) => None,
        };
        let is_newer = newest.is_some_and(|newest| {
            newest.saturating_sub(at) >= STALE
                || (matches!(log.newest, Newest::Empty(_)) && newest > recent)
        });
        if is_newer {
            messages.note(format!("{state}, but the journal is newer: reading the journal"));
        }
        is_newer
    }

    /// Reports a default log that is not read, if its lines may be missed.
    fn report_other(&self, other: &Candidate, read: &Candidate, messages: &mut Messages) {
        let is_same = std::ptr::eq(other, read)
            || (other.identity.is_some() && other.identity == read.identity)
            || matches!((&other.tail, &read.tail), (Some(a), Some(b)) if a.is_copy_of(b));
        let is_told = match other.newest {
            Newest::Line(at) => self.logs.report_others || at > self.start,
            Newest::File(_) => self.logs.report_others,
            Newest::Empty(_) => false,
        };
        if is_told && !is_same {
            let (other, read) = (other.path.display(), read.path.display());
            messages.note(format!(
                "{other}: not read, because {read} was written later (to read both: -l {read} -l {other})"
            ));
        }
    }
}

/// Unix seconds.
fn seconds(at: SystemTime) -> Option<i64> {
    i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}
