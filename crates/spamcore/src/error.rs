//! What can go wrong, and with which file or program.
//!
//! Messages are in lower case and have no full stop. The cause is in `#[source]`; [`chain`] joins it to
//! the message for the one place that prints. Nothing here decides how bad an error is.

use std::io;
use std::path::PathBuf;

/// A failure that concerns one log, one file or the whole run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or stream could not be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file is not accepted as it is.
    #[error("{}: refused: {why}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// A log was rotated each time it was opened.
    #[error("{}: rotated repeatedly while being opened; some lines may be missing", .0.display())]
    Rotating(PathBuf),
    /// None of the default logs exists.
    #[error("no log found (looked for {0})")]
    NoLog(String),
    /// A program could not be run, or failed.
    #[error("{program}: {what}")]
    Program {
        /// Its name.
        program: &'static str,
        /// The first line of its error output, or how it ended.
        what: String,
    },
    /// The invoking user may not see all of the journal.
    #[error(
        "this user may not see all messages (be root, or join the group systemd-journal or adm)"
    )]
    Denied,
    /// The report could not be written.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
}

/// The error and its causes on one line, joined by colons.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
