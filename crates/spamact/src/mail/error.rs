//! What can go wrong when a notice is sent.
//!
//! Texts are lower case without a full stop; a cause is in `#[source]`.

#[cfg(feature = "smtp")]
use spamcore::error::chain;

#[cfg(feature = "smtp")]
use super::SmtpFailure;
use crate::system;

#[cfg(feature = "smtp")]
/// The steps of a session with a mail server in which it is told the sender and the recipient.
pub(super) const ADDRESSES: [&str; 2] = ["MAIL", "RCPT"];

#[cfg(feature = "smtp")]
/// The step of a session with a mail server in which it reads a notice.
pub(super) const DATA: &str = "DATA";

/// A failure to send a notice.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or a program failed.
    #[error(transparent)]
    System(#[from] system::Error),
    /// The options that say how notices are sent cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// A mail server did not take a notice.
    #[cfg(feature = "smtp")]
    #[error("{server}: {step} failed")]
    Smtp {
        /// Its host and port.
        server: String,
        /// The step of the session.
        step: &'static str,
        /// The cause.
        source: SmtpFailure,
    },
    #[cfg(feature = "smtp")]
    /// Neither the mail server of this host nor its sendmail took a notice.
    #[error("{}, and {}", chain(smtp.as_ref()), chain(sendmail))]
    NoWayOut {
        /// Why the mail server did not.
        smtp: Box<Error>,
        /// Why sendmail did not.
        sendmail: system::Error,
    },
}

impl Error {
    /// Whether a mail server did not accept the sender or the recipient of a notice.
    #[cfg(feature = "smtp")]
    pub(super) fn is_of_address(&self) -> bool {
        match self {
            Self::Smtp { step, source, .. } => {
                ADDRESSES.contains(step) && matches!(source, SmtpFailure::Rejected(_))
            }
            _ => false,
        }
    }

    /// Whether the server refused this notice's content, so that a shorter one may be accepted. A server that
    /// said no before (to a password, to an address) would say so again.
    pub fn is_refusal(&self) -> bool {
        match self {
            #[cfg(feature = "smtp")]
            Self::Smtp { step, source, .. } => {
                *step == DATA && matches!(source, SmtpFailure::Rejected(_))
            }
            #[cfg(feature = "smtp")]
            Self::NoWayOut { smtp, .. } => smtp.is_refusal(),
            _ => false,
        }
    }
}

#[cfg(all(test, feature = "smtp"))]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_read_the_notice_has_refused_it() {
        for (step, refusal) in [("AUTH", false), ("MAIL", false), ("RCPT", false), (DATA, true)] {
            let source = SmtpFailure::Rejected("554 no".into());
            let smtp = Error::Smtp { server: "127.0.0.1:25".into(), step, source };
            assert_eq!(smtp.is_refusal(), refusal, "{step}");
        }
        let source = SmtpFailure::TimedOut;
        let silent = Error::Smtp { server: "127.0.0.1:25".into(), step: DATA, source };
        assert!(!silent.is_refusal());
    }
}
