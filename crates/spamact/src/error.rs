//! What can go wrong in acting, with the path, host or program it happened to.
//!
//! Texts are lower case without a full stop; a cause is in `#[source]`. What a server or a program
//! said is escaped before it gets here, so that an error can be printed as it is.

use std::io;
use std::path::PathBuf;

use crate::mail::SmtpFailure;

/// A failure of an act, or of what is around it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file or folder could not be written.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file or folder is not taken as it is.
    #[error("{}: refused: {why}", path.display())]
    Refused {
        /// The file or folder.
        path: PathBuf,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// Another run held the lock for as long as it was waited for.
    #[error("another run is acting")]
    Busy,
    /// An address that a notice is not sent to.
    #[error("{0}: not a mail address that can be used")]
    Address(String),
    /// What was given as a mail server is none.
    #[error("{0}: not a mail server: HOST or HOST:PORT, an IPv6 address in brackets")]
    Server(String),
    /// A mail server did not take a notice.
    #[error("{server}: {step} failed")]
    Smtp {
        /// Its host and port.
        server: String,
        /// The step of the session.
        step: &'static str,
        /// The cause.
        source: SmtpFailure,
    },
    /// A program could not be run, failed, or took too long.
    #[error("{}: {what}", program.display())]
    Program {
        /// Its path.
        program: PathBuf,
        /// How it ended, and the first line of what it said.
        what: String,
    },
    /// Neither way out of this host took a notice.
    #[error("{smtp}, and {sendmail}", smtp = spamcore::error::chain(smtp.as_ref()), sendmail = spamcore::error::chain(sendmail.as_ref()))]
    NoWayOut {
        /// Why the mail server of this host did not.
        smtp: Box<Error>,
        /// Why its sendmail did not.
        sendmail: Box<Error>,
    },
}
