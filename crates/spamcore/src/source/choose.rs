//! Which logs are read: those that were asked for, else the default ones, else the journal.
//!
//! Takes paths and gives the one to open. It looks at whether files exist and when they were written, but
//! opens none.

use std::path::Path;
use std::time::SystemTime;

use super::journal::{self, Author};
use super::named::NamedLogs;
use super::{Log, is_there};
use crate::error::Error;
use crate::messages::Messages;

/// How long a default log may go without a new line while the journal goes on. Seconds.
const STALE: i64 = 24 * 3600;

/// Which logs are to be read.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    /// Those that were asked for.
    pub named: NamedLogs,
    /// Some were asked for, even if none was found: the default ones are not read.
    pub asked: bool,
    /// Where to look if none were asked for: the first that exists.
    pub default: &'static [&'static str],
    /// The journal was asked for.
    pub journal: bool,
    /// The journal is read if there is no default log.
    pub or_journal: bool,
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
    /// Nothing has been written to the log for a long time.
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

/// The first default log that exists, unless it is stale while the journal goes on; else the journal of
/// `author`. `now` is in Unix seconds.
pub(crate) fn default_source(
    logs: &Logs,
    author: Option<Author>,
    now: i64,
    messages: &mut Messages,
) -> Fallback {
    let author = author.filter(|_| logs.or_journal);
    let Some(path) = logs.default.iter().map(Path::new).find(|path| is_there(path)) else {
        let none = Error::NoLog(logs.default.join(", ")).to_string();
        return match author {
            Some(author) => Fallback::Journal(author, Why::NoLog(none)),
            None => {
                messages.blind(none);
                Fallback::Nothing
            }
        };
    };
    if let Some(author) = author
        && let Some(hours) = stale_hours(path, now)
    {
        let path = path.display();
        messages.note(format!(
            "{path}: not written for {hours} hours, but the journal is newer: reading the journal"
        ));
        return Fallback::Journal(author, Why::Stale);
    }
    Fallback::Log(path)
}

/// For how many hours nothing has been written to a log, if that is long and the journal is newer.
fn stale_hours(path: &Path, now: i64) -> Option<i64> {
    let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let written = metadata.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let written = i64::try_from(written.as_secs()).ok()?;
    let age = now - written;
    (age > STALE && journal::newest()? > written).then_some(age / 3600)
}
