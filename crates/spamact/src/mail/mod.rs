//! Sending a notice.
//!
//! Takes a whole mail, its lines ended by CR LF, and an address; gives `Ok` once a mail server or sendmail has
//! accepted it. By default that is the mail server of this host, at its loopback address and in plain text,
//! and otherwise its `sendmail`, so that a notice gets out even where no daemon listens. With another mail
//! server (`--smtp`) there is no such fallback: the administrator named it because this server's own queue
//! cannot be trusted to deliver in time, and a notice that was not sent waits in the state for the next run.
//!
//! If another server offers STARTTLS it is used, and its certificate must be valid. With a password STARTTLS
//! is required, and on port 465 TLS comes first. Only PLAIN and LOGIN are used to log in.
//!
//! Every step has a time limit, and so has the whole. A mail whose last answer was lost may be sent twice: better
//! than not at all.
//!
//! The envelope sender is an address, not `<>`: servers that require a login often refuse `<>`, and a notice
//! that cannot be delivered should bounce to somebody. That cannot loop: a bounce comes from `<>` and from no
//! login, and so is neither counted nor answered.

mod address;
mod error;
mod sendmail;
#[cfg(feature = "smtp")]
mod server;
#[cfg(feature = "smtp")]
mod smtp;

#[cfg(feature = "smtp")]
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use address::Address;
pub use error::Error;
#[cfg(feature = "smtp")]
pub use server::{Login, Server};
#[cfg(feature = "smtp")]
pub use smtp::SmtpFailure;

/// How long sending a notice may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// One step: connecting, an answer.
    pub step: Duration,
    /// All steps with one server, or with sendmail.
    pub total: Duration,
    /// If a notice failed and took longer than this, the others would take as long: they are not tried.
    pub give_up_after: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { step: seconds(30), total: seconds(90), give_up_after: seconds(10) }
    }
}

/// Where a notice is handed in.
#[derive(Clone, Debug)]
pub enum Route {
    /// The sendmail of this host, by the program's whole path.
    Sendmail(PathBuf),
    /// The mail server of this host, else its sendmail.
    #[cfg(feature = "smtp")]
    Here {
        /// Where the server listens.
        smtp: SocketAddr,
        /// The program, by its whole path.
        sendmail: PathBuf,
    },
    /// Another host.
    #[cfg(feature = "smtp")]
    Server {
        /// Its name and port.
        server: Server,
        /// How to log in, if at all.
        login: Option<Login>,
        /// Files of CA certificates. The first that exists is used.
        ca_files: Vec<PathBuf>,
    },
}

impl Default for Route {
    fn default() -> Self {
        let sendmail = "/usr/sbin/sendmail".into();
        #[cfg(feature = "smtp")]
        return Self::Here { smtp: (Ipv4Addr::LOCALHOST, 25).into(), sendmail };
        #[cfg(not(feature = "smtp"))]
        Self::Sendmail(sendmail)
    }
}

impl Route {
    /// Another host, with the CA files of the system.
    #[cfg(feature = "smtp")]
    pub fn server(server: Server, login: Option<Login>) -> Self {
        // Debian, Red Hat, SUSE.
        let files = [
            "/etc/ssl/certs/ca-certificates.crt",
            "/etc/pki/tls/certs/ca-bundle.crt",
            "/etc/ssl/ca-bundle.pem",
        ];
        let server = server.with_port(login.is_some());
        Self::Server { server, login, ca_files: files.map(PathBuf::from).to_vec() }
    }

    /// The sender of notices: the login if that is an address, because servers often accept no other from it;
    /// otherwise `root`, which another server cannot complete: for that one it is at the full name of this host.
    pub fn sender(&self, host: &str) -> Address {
        #[cfg(feature = "smtp")]
        if let Self::Server { login, .. } = self {
            let address = login.as_ref().and_then(Login::address);
            return address.unwrap_or_else(|| Address::root().at(host));
        }
        #[cfg(not(feature = "smtp"))]
        let _ = host;
        Address::root()
    }
}

/// Sends notices.
#[derive(Clone, Debug, Default)]
pub struct Mailer {
    /// Where they are handed in.
    pub route: Route,
    /// The name of this host, for EHLO.
    pub host: String,
    /// How long that may take.
    pub timeouts: Timeouts,
}

impl Mailer {
    /// Sends one.
    pub fn send(&self, to: &Address, message: &[u8]) -> Result<(), Error> {
        match &self.route {
            Route::Sendmail(program) => {
                Ok(sendmail::send(program, to, message, self.timeouts.total)?)
            }
            #[cfg(feature = "smtp")]
            Route::Here { smtp, sendmail } => {
                let server = Server::plain(*smtp);
                let Err(failed) = self.send_by(&server, None, &[], to, message) else {
                    return Ok(());
                };
                sendmail::send(sendmail, to, message, self.timeouts.total)
                    .map_err(|error| Error::NoWayOut { smtp: Box::new(failed), sendmail: error })
            }
            #[cfg(feature = "smtp")]
            Route::Server { server, login, ca_files } => {
                self.send_by(server, login.as_ref(), ca_files, to, message)
            }
        }
    }

    /// Sends one by SMTP. Where the server refuses an address without a domain, the addresses get one.
    #[cfg(feature = "smtp")]
    fn send_by(
        &self,
        server: &Server,
        login: Option<&Login>,
        ca_files: &[PathBuf],
        to: &Address,
        message: &[u8],
    ) -> Result<(), Error> {
        let (host, from) = (&self.host, self.route.sender(&self.host));
        let send = |from: &Address, to: &Address| {
            let mail = smtp::Mail { from, to, message };
            smtp::send(server, login, ca_files, host, self.timeouts, &mail)
        };
        let (whole_from, whole_to) = (from.at(host), to.at(host));
        match send(&from, to) {
            Err(error) if error.is_of_address() && (&whole_from, &whole_to) != (&from, to) => {
                send(&whole_from, &whole_to)
            }
            other => other,
        }
    }
}
