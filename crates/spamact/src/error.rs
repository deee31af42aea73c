//! What can go wrong when acting, with the file, program, account or host it happened to.
//!
//! Texts are lower case without a full stop; a cause is in `#[source]`. [`Error::reason`] is the short
//! form for the end of a report line: a closed vocabulary, of our own words, names of programs, and
//! paths that were given to us. What a program said on stderr is in the full text only, made printable.

use std::io;
use std::path::{Path, PathBuf};

use spamcore::error::chain;

use crate::account::{AccountName, Refusal};
use crate::mail::SmtpFailure;

/// The step of a session with a mail server in which it reads a notice.
pub(crate) const DATA: &str = "DATA";

/// A failure to act, or to find out.
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
    /// A file or a setting is not taken as it is.
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
    /// A program ended badly, or said what is not understood.
    #[error("{}: {how}", program.display())]
    Failed {
        /// Its path.
        program: PathBuf,
        /// How it ended, and the first line that it said.
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
    /// The lock of the password files stayed taken.
    #[error("{}: held by another program", path.display())]
    Busy {
        /// The lock file.
        path: PathBuf,
    },
    /// There is no such account where it should be locked.
    #[error("{name}: no such account in {place}")]
    Missing {
        /// The account.
        name: AccountName,
        /// Where it was looked for.
        place: String,
    },
    /// An account that must not be locked.
    #[error("{name}: {refusal}")]
    Unfit {
        /// The account.
        name: AccountName,
        /// Why.
        refusal: Refusal,
    },
    /// Everything ran, and the account is open all the same.
    #[error("{name}: still open in {place}")]
    StillOpen {
        /// The account.
        name: AccountName,
        /// Where it was looked at.
        place: String,
    },
    /// It could not be unlocked: somebody else locked it, or it would have no password.
    #[error("{name}: still locked in {place}")]
    StillLocked {
        /// The account.
        name: AccountName,
        /// Where it was looked at.
        place: String,
    },
    /// The table has an entry of somebody else for the name, which would win.
    #[error("{name}: {} has another entry for it", table.display())]
    Entry {
        /// The account.
        name: AccountName,
        /// The table.
        table: PathBuf,
    },
    /// The shadow file of NIS is written, but its maps could not be made from it.
    #[error("the maps of NIS are not made: {how}")]
    Maps {
        /// How `make` ended, and the first line that it said.
        how: String,
    },
    /// The connection to the master of NIS failed.
    #[error("{master}: {what}")]
    Master {
        /// The master.
        master: String,
        /// What happened, in our words or those of `ssh`, made printable.
        what: String,
    },
    /// There is no way to undo the lock but by hand.
    #[error("{name}: can only be enabled by hand")]
    ByHand {
        /// The account.
        name: AccountName,
    },
    /// Another run held the right to act for as long as it was waited for.
    #[error("another run is acting")]
    AnotherRun,
    /// An address that a notice is not sent to.
    #[error("{0}: not a mail address that can be used")]
    Address(String),
    /// What was given as a mail server is none.
    #[error("{0}: not a mail server: HOST or HOST:PORT, an IPv6 address in brackets")]
    Server(String),
    /// How notices go was not said in a way that can be used.
    #[error("{0}")]
    Mailer(String),
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
    /// Neither way out of this host took a notice.
    #[error("{}, and {}", chain(smtp.as_ref()), chain(sendmail.as_ref()))]
    NoWayOut {
        /// Why the mail server of this host did not.
        smtp: Box<Error>,
        /// Why its sendmail did not.
        sendmail: Box<Error>,
    },
}

impl Error {
    /// Whether a mail server read a notice and said no: it may take another one. One that said no before
    /// (to a password, to an address) would say so again.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Smtp { step, source, .. } => {
                *step == DATA && matches!(source, SmtpFailure::Said(_))
            }
            Self::NoWayOut { smtp, .. } => smtp.is_refusal(),
            _ => false,
        }
    }

    /// The reason for the report line, `[NOT DISABLED: reason]`.
    pub fn reason(&self) -> String {
        match self {
            Self::Read { path, .. } => format!("{} cannot be read", path.display()),
            Self::Write { path, .. } => format!("{} cannot be written", path.display()),
            Self::Refused { what, .. } => format!("{what} refused"),
            Self::Start { program, .. } => format!("{} cannot be run", base(program)),
            Self::Failed { program, .. } => format!("{} failed", base(program)),
            Self::TimeLimit { program, .. } => format!("{} took too long", base(program)),
            Self::Busy { .. } => "the password files are held by another program".into(),
            Self::Missing { .. } => Refusal::NoAccount.to_string(),
            Self::Unfit { refusal, .. } => refusal.to_string(),
            Self::StillOpen { .. } => "it is still open".into(),
            Self::StillLocked { .. } => "it is still locked".into(),
            Self::Entry { .. } => "the table has another entry for it".into(),
            Self::Maps { .. } => "make failed".into(),
            Self::Master { .. } => "no connection to the master".into(),
            Self::ByHand { .. } => "by hand only".into(),
            Self::AnotherRun => "another run is acting".into(),
            Self::Address(_)
            | Self::Server(_)
            | Self::Mailer(_)
            | Self::Smtp { .. }
            | Self::NoWayOut { .. } => "no notice can be sent".into(),
        }
    }
}

/// The last part of a program's path.
fn base(program: &Path) -> String {
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_read_the_notice_has_refused_it() {
        for (step, refusal) in [("AUTH", false), ("MAIL", false), ("RCPT", false), (DATA, true)] {
            let source = SmtpFailure::Said("554 no".into());
            let smtp = Error::Smtp { server: "127.0.0.1:25".into(), step, source };
            assert_eq!(smtp.is_refusal(), refusal, "{step}");
        }
        let source = SmtpFailure::TimedOut;
        let silent = Error::Smtp { server: "127.0.0.1:25".into(), step: DATA, source };
        assert!(!silent.is_refusal());
    }

    #[test]
    fn a_reason_is_short_and_the_text_is_full() {
        let error = Error::Failed {
            program: "/usr/bin/passwd".into(),
            how: "exit status 1: passwd: no".into(),
        };
        assert_eq!(error.reason(), "passwd failed");
        assert_eq!(error.to_string(), "/usr/bin/passwd: exit status 1: passwd: no");
        let name = AccountName::check(b"alice").expect("a name");
        let error = Error::Missing { name, place: "/etc/shadow".into() };
        assert_eq!(error.reason(), "no such account");
        assert_eq!(error.to_string(), "alice: no such account in /etc/shadow");
    }
}
