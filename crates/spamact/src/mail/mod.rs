//! Sending a notice.
//!
//! Takes a whole mail, its lines ended by CR LF, and an address; gives `Ok` once a mail server or
//! sendmail has taken it. By default that is the mail server of this host, at its loopback address and
//! in plain text, else its `sendmail`, so that a notice leaves even where no daemon listens. With
//! another host (`--smtp`) there is no such second way: it was named because the own queue cannot be
//! trusted to get the notice out, and a notice that was not sent waits in the state for the next run.
//!
//! Where another host offers STARTTLS it is used, and its certificate must be good; with a password
//! STARTTLS is required, and on port 465 TLS comes first. Only PLAIN and LOGIN are used as logins.
//!
//! Every step is under a time limit, and all of them under another. A mail whose last answer was lost
//! may go out twice: better than not at all.
//!
//! The envelope sender is an address, not `<>`: servers that want a login often refuse `<>`, and a
//! notice that cannot be delivered should be returned to somebody. It cannot loop: what is returned
//! comes from `<>`, is of no login, and so is never counted nor answered.

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

/// How long a notice may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// A step: connecting, an answer.
    pub step: Duration,
    /// All of a way out.
    pub total: Duration,
    /// After a notice that failed and took longer than this, others would take as long: they are not tried.
    pub give_up_after: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { step: seconds(30), total: seconds(90), give_up_after: seconds(10) }
    }
}

/// The way a notice takes.
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
        /// How we log in, if at all.
        login: Option<Login>,
        /// Files of CA certificates, of which the first that is there counts.
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

    /// Whom notices are from: the login where that is an address, for such servers often take no
    /// other, else `root@` the domain of this host.
    pub fn sender(&self, host: &str) -> Address {
        #[cfg(feature = "smtp")]
        if let Self::Server { login: Some(login), .. } = self
            && let Some(address) = login.address()
        {
            return address;
        }
        Address::root_of(host)
    }
}

/// Sends notices.
#[derive(Clone, Debug, Default)]
pub struct Mailer {
    /// The way they take.
    pub route: Route,
    /// The name of this host, for EHLO.
    pub host: String,
    /// How long one may take, and several.
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
                let from = self.route.sender(&self.host);
                let mail = smtp::Mail { from: &from, to, message };
                let Err(failed) = smtp::send(&server, None, &[], &self.host, self.timeouts, &mail)
                else {
                    return Ok(());
                };
                sendmail::send(sendmail, to, message, self.timeouts.total)
                    .map_err(|error| Error::NoWayOut { smtp: Box::new(failed), sendmail: error })
            }
            #[cfg(feature = "smtp")]
            Route::Server { server, login, ca_files } => {
                let from = self.route.sender(&self.host);
                let mail = smtp::Mail { from: &from, to, message };
                smtp::send(server, login.as_ref(), ca_files, &self.host, self.timeouts, &mail)
            }
        }
    }
}
