//! One session with a mail server.
//!
//! Takes a server, perhaps a login, and a mail; gives `Ok` if the server has accepted the mail, or else the step
//! that failed and why. The runtime that it needs is built here and dropped at the end. What a server says is
//! escaped and truncated.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mail_send::smtp::AssertReply;
use mail_send::smtp::message::Parameters;
use mail_send::{Credentials, SmtpClient};
use smtp_proto::{AUTH_LOGIN, AUTH_PLAIN, EXT_START_TLS, EhloResponse};
use spamcore::threads;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::error::{ADDRESSES, DATA};
use super::server::Tls;
use super::{Address, Error, Login, Server, Timeouts};
use crate::system::escape::cut;

/// How much of a server's answer is shown.
const LONGEST_ANSWER: usize = 300;

/// Why a mail server did not take a notice.
#[derive(Debug, thiserror::Error)]
pub enum SmtpFailure {
    /// The network.
    #[error("{0}")]
    Io(io::Error),
    /// No answer within the time limit.
    #[error("no answer in time")]
    TimedOut,
    /// The server rejected the mail, the login or an address.
    #[error("the server said {0}")]
    Rejected(String),
    /// The connection ended, or what the server sent is not SMTP.
    #[error("the server closed the connection, or its answer is not SMTP")]
    Protocol,
    /// TLS, in most cases the certificate.
    #[error("{0}")]
    Tls(String),
    /// A password is not sent in plain text.
    #[error("it does not offer STARTTLS, and a password is not sent without it")]
    NoStartTls,
    /// The server offers no method of login that is supported.
    #[error("it offers neither PLAIN nor LOGIN")]
    NoMechanism,
}

impl From<mail_send::Error> for SmtpFailure {
    fn from(error: mail_send::Error) -> Self {
        use mail_send::Error as E;
        match error {
            E::Io(error) => Self::Io(error),
            E::Tls(error) => Self::Tls(cut(error.to_string().as_bytes(), LONGEST_ANSWER)),
            E::UnexpectedReply(reply) | E::AuthenticationFailed(reply) => {
                let said = format!("{} {}", reply.code(), reply.message());
                Self::Rejected(cut(said.as_bytes(), LONGEST_ANSWER))
            }
            E::Timeout => Self::TimedOut,
            E::MissingStartTls => Self::NoStartTls,
            E::UnsupportedAuthMechanism => Self::NoMechanism,
            E::InvalidTLSName => Self::Tls("not a name that a certificate can have".into()),
            _ => Self::Protocol,
        }
    }
}

/// As many files as the runtime and a connection open, and some more.
const DESCRIPTORS: usize = 12;

/// What is sent.
pub(super) struct Mail<'a> {
    pub(super) from: &'a Address,
    pub(super) to: &'a Address,
    pub(super) message: &'a [u8],
}

/// Sends a mail to a server. `host` is the name of this host.
pub(super) fn send(
    server: &Server,
    login: Option<&Login>,
    ca_files: &[PathBuf],
    host: &str,
    timeouts: Timeouts,
    mail: &Mail<'_>,
) -> Result<(), Error> {
    let at = Cell::new("start");
    let session =
        Session { server, login, ca_files, helo: helo(host), step: timeouts.step, mail, at: &at };
    let failed = |source| Error::Smtp { server: server.to_string(), step: at.get(), source };
    has_descriptors().map_err(|error| failed(SmtpFailure::Io(error)))?;
    if server.host.parse::<IpAddr>().is_err() {
        // A name is looked up in a thread: the runtime panics where it cannot start one.
        threads::can_start().map_err(|error| failed(SmtpFailure::Io(error)))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(SmtpFailure::Io(error)))?;
    let done = runtime.block_on(async { timeout(timeouts.total, session.run()).await });
    // A DNS lookup that is still running cannot be cancelled, and is not waited for.
    runtime.shutdown_background();
    done.map_err(|_| failed(SmtpFailure::TimedOut))?.map_err(failed)
}

/// Whether some more files can be opened: the runtime panics where it cannot open its own.
fn has_descriptors() -> io::Result<()> {
    let descriptors: io::Result<Vec<_>> =
        (0..DESCRIPTORS).map(|_| io::stderr().as_fd().try_clone_to_owned()).collect();
    descriptors.map(drop)
}

/// The name for EHLO: that of this host if it is a plain host name, otherwise the loopback address.
fn helo(host: &str) -> String {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b".-".contains(&b);
    if !host.is_empty() && host.len() <= 255 && host.bytes().all(is_allowed) {
        host.to_owned()
    } else {
        "[127.0.0.1]".into()
    }
}

struct Session<'a> {
    server: &'a Server,
    login: Option<&'a Login>,
    ca_files: &'a [PathBuf],
    helo: String,
    step: Duration,
    mail: &'a Mail<'a>,
    /// The current step, for the error.
    at: &'a Cell<&'static str>,
}

impl Session<'_> {
    async fn run(&self) -> Result<(), SmtpFailure> {
        let stream = self.connect().await?;
        // Otherwise each command would wait for the answer to a delayed one.
        stream.set_nodelay(true).map_err(SmtpFailure::Io)?;
        let mut client = SmtpClient { stream, timeout: self.step };
        if self.server.tls == Tls::Implicit {
            self.at.set("TLS");
            let mut client = client.into_tls(&self.connector()?, &self.server.host).await?;
            self.greeting(&mut client).await?;
            let offers = self.ehlo(&mut client).await?;
            return self.deliver(client, offers).await;
        }
        self.greeting(&mut client).await?;
        let offers = self.ehlo(&mut client).await?;
        if self.server.tls == Tls::Start && offers.has_capability(EXT_START_TLS) {
            self.at.set("STARTTLS");
            // What follows the answer to STARTTLS is dropped with it: nothing that was injected into the plain
            // text is taken for an answer under TLS.
            let mut client = client.start_tls(&self.connector()?, &self.server.host).await?;
            let offers = self.ehlo(&mut client).await?;
            return self.deliver(client, offers).await;
        }
        if self.login.is_some() {
            self.at.set("STARTTLS");
            return Err(SmtpFailure::NoStartTls);
        }
        self.deliver(client, offers).await
    }

    async fn connect(&self) -> Result<TcpStream, SmtpFailure> {
        self.at.set("lookup");
        let (host, port) = (self.server.host.as_str(), self.server.port.unwrap_or(25));
        let looked_up = timeout(self.step, tokio::net::lookup_host((host, port))).await;
        let addresses: Vec<SocketAddr> =
            looked_up.map_err(|_| SmtpFailure::TimedOut)?.map_err(SmtpFailure::Io)?.collect();
        self.at.set("connection");
        let mut failure = SmtpFailure::Io(io::ErrorKind::AddrNotAvailable.into());
        for address in addresses {
            match timeout(self.step, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = SmtpFailure::Io(error),
                Err(_) => failure = SmtpFailure::TimedOut,
            }
        }
        Err(failure)
    }

    async fn greeting<T>(&self, client: &mut SmtpClient<T>) -> Result<(), SmtpFailure>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        self.at.set("greeting");
        // Reading has no limit of its own.
        let greeting = timeout(self.step, client.read()).await;
        greeting.map_err(|_| SmtpFailure::TimedOut)??.assert_positive_completion()?;
        Ok(())
    }

    async fn ehlo<T>(&self, client: &mut SmtpClient<T>) -> Result<EhloResponse<String>, SmtpFailure>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        self.at.set("EHLO");
        Ok(client.ehlo(&self.helo).await?)
    }

    async fn deliver<T>(
        &self,
        mut client: SmtpClient<T>,
        mut offers: EhloResponse<String>,
    ) -> Result<(), SmtpFailure>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        if let Some(login) = self.login {
            self.at.set("AUTH");
            // mail-send implements only the start of the others, and the dialogue would then fail.
            offers.auth_mechanisms &= AUTH_PLAIN | AUTH_LOGIN;
            let login = Credentials::new(login.user.as_str(), login.password.as_str());
            client.authenticate(&login, &offers).await?;
        }
        self.at.set(ADDRESSES[0]);
        client.mail_from(self.mail.from.as_ref(), &Parameters::new()).await?;
        self.at.set(ADDRESSES[1]);
        client.rcpt_to(self.mail.to.as_ref(), &Parameters::new()).await?;
        self.at.set(DATA);
        // The end of the last line is written together with the dot.
        let message = self.mail.message.strip_suffix(b"\r\n").unwrap_or(self.mail.message);
        client.data(message).await?;
        // The server has accepted it, whatever it answers to QUIT.
        let _ = client.quit().await;
        Ok(())
    }

    /// TLS that trusts the first CA file that exists, and nothing else.
    fn connector(&self) -> Result<TlsConnector, SmtpFailure> {
        let Some(file) = self.ca_files.iter().find(|file| file.is_file()) else {
            return Err(SmtpFailure::Tls("no file of CA certificates found".into()));
        };
        let bad = |why: &dyn std::fmt::Display| {
            SmtpFailure::Tls(cut(format!("{}: {why}", file.display()).as_bytes(), LONGEST_ANSWER))
        };
        let mut roots = RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(file).map_err(|error| bad(&error))?;
        let (added, _) = roots.add_parsable_certificates(certificates.flatten());
        if added == 0 {
            return Err(bad(&"no certificate in it"));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| bad(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config).into())
    }
}
