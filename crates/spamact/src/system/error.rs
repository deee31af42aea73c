//! What can go wrong with the host's files and programs, with the path it happened to.
//!
//! Texts are lower case without a full stop; a cause is in `#[source]`. What another program wrote to its
//! standard error is made printable.

use std::io;
use std::path::PathBuf;

/// A failure of a file or a program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file could not be written, or not for certain.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file or a setting is not accepted as it is.
    #[error("{what}: refused: {why}")]
    Refused {
        /// The file or the setting.
        what: String,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// A program could not be started.
    #[error("{}: cannot be run", program.display())]
    Start {
        /// Its path.
        program: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A program failed, or its answer is not understood.
    #[error("{}: {how}", program.display())]
    Failed {
        /// Its path.
        program: PathBuf,
        /// How it ended, and the first line of its standard error.
        how: String,
    },
    /// A program took too long and was killed.
    #[error("{}: killed after {seconds} seconds", program.display())]
    TimeLimit {
        /// Its path.
        program: PathBuf,
        /// The limit.
        seconds: u64,
    },
    /// Another run held the lock for as long as this one was willing to wait.
    #[error("another run is acting")]
    AnotherRun,
}

impl Error {
    /// Whether this user may not write a file.
    pub(crate) fn is_permission_denied(&self) -> bool {
        let denied = io::ErrorKind::PermissionDenied;
        matches!(self, Self::Write { source, .. } if source.kind() == denied)
    }

    /// Whether a file could not be read because it does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Why a value that somebody typed, or that was remembered, is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);
