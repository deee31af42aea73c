//! What can go wrong, with the path it happened to.
//!
//! Texts are lower case without a full stop; a cause is in `#[source]`, and [`chain`] joins the two for
//! the one place that prints.

use std::io;
use std::path::PathBuf;

/// A failure: of one log, one file, or of the whole run.
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
    /// A file is not taken as it is.
    #[error("{}: refused: {why}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// A log was rotated each time it was opened.
    #[error("{}: was rotated again and again: lines may be missing", .0.display())]
    Rotating(PathBuf),
    /// None of the logs that are looked for is there.
    #[error("no log: none of {0} exists")]
    NoLog(String),
    /// A program that is needed could not be run, or failed.
    #[error("{program}: {what}")]
    Program {
        /// Its name.
        program: &'static str,
        /// What it said, or how it ended.
        what: String,
    },
    /// The report could not be written.
    #[error("standard output cannot be written")]
    Output(#[source] io::Error),
}

/// The error and its causes in one line, joined by colons.
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
