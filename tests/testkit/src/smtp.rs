//! A mail server on loopback that takes every mail, or misbehaves at one step: threads and std, and rustls for its TLS.
//!
//! `examples/smtp-sink.rs` is the same server as a program, for tests in shell. It relays nothing and looks nothing up.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How the server misbehaves at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It refuses for good (5yz).
    Refuse,
    /// It refuses for now (4yz).
    Defer,
    /// It closes the connection.
    Drop,
    /// It says nothing more.
    Stall,
    /// It sends what is not a reply.
    Babble,
    /// It sends the beginning of a reply that never ends.
    Trickle,
}

/// A server, as it will be when it listens.
#[derive(Clone, Debug, Default)]
pub struct Sink {
    /// The step at which it misbehaves, and how. The steps are those of the client's errors, and `dot` for the end of the
    /// mail, `QUIT` for the end of the session.
    pub fault: Option<(&'static str, Fault)>,
    /// Whether it offers STARTTLS.
    pub start_tls: bool,
    /// Whether it speaks TLS from the first byte.
    pub implicit_tls: bool,
    /// The mechanisms of AUTH that it offers; without a login it takes no mail then.
    pub auth: Option<&'static str>,
    /// Whether it refuses addresses without a domain.
    pub whole_addresses: bool,
    /// The file to which it appends each mail, before it says that it took it.
    pub mails: Option<PathBuf>,
}

/// One session, as the server saw it.
#[derive(Debug, Default)]
pub struct Session {
    /// The commands, without their line ends.
    pub commands: Vec<String>,
    /// The mails, as they were sent: dots doubled, with the final dot.
    pub data: Vec<u8>,
    /// Whether the session came to be under TLS.
    pub tls: bool,
}

/// A certificate for `localhost` and 127.0.0.1 that is its own CA, and its key.
static CERTIFICATE: LazyLock<rcgen::CertifiedKey<rcgen::KeyPair>> = LazyLock::new(|| {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    rcgen::generate_simple_self_signed(names).expect("valid names")
});

/// The certificate of every [`Sink`] of this process, for a client that shall trust it.
pub fn certificate() -> String {
    CERTIFICATE.cert.pem()
}

/// A certificate that no [`Sink`] uses.
pub fn other_certificate() -> String {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    made.expect("a valid name").cert.pem()
}

impl Sink {
    /// Listens on a free port, and serves each session in a thread of its own until the process ends. A session is handed
    /// on when it has ended.
    pub fn listen(self) -> (SocketAddr, Receiver<Session>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (sender, sessions) = mpsc::channel();
        thread::spawn(move || self.serve(&listener, &sender));
        (address, sessions)
    }

    /// Serves each session in a thread of its own, for as long as the listener works.
    pub fn serve(self, listener: &TcpListener, sessions: &Sender<Session>) {
        for stream in listener.incoming().flatten() {
            let (sink, sessions) = (self.clone(), sessions.clone());
            thread::spawn(move || {
                let mut session = Session::default();
                // A client that hangs up is not the server's failure, nor is a test that does not look at sessions.
                let _ = sink.session(stream, &mut session);
                let _ = sessions.send(session);
            });
        }
    }

    fn session(&self, stream: TcpStream, session: &mut Session) -> io::Result<()> {
        if self.implicit_tls {
            session.tls = true;
            let mut stream = BufReader::new(tls(stream)?);
            self.reply(&mut stream, "greeting", "220 sink ESMTP")?;
            return self.talk(&mut stream, session, &[]).map(|_| ());
        }
        let mut plain = BufReader::new(stream);
        self.reply(&mut plain, "greeting", "220-sink\r\n220 ESMTP")?;
        let offers: &[&str] = if self.start_tls { &["STARTTLS"] } else { &[] };
        if self.talk(&mut plain, session, offers)? {
            let mut secure = BufReader::new(tls(plain.into_inner())?);
            session.tls = true;
            self.talk(&mut secure, session, &[])?;
        }
        Ok(())
    }

    /// Replies until QUIT, or until TLS is to begin (`true`).
    fn talk<T: Read + Write>(
        &self,
        stream: &mut BufReader<T>,
        session: &mut Session,
        offers: &[&str],
    ) -> io::Result<bool> {
        let mut logged_in = self.auth.is_none();
        loop {
            let line = read_line(stream)?;
            session.commands.push(line.clone());
            let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    let mut reply = String::from("250-sink\r\n");
                    for offer in offers {
                        reply.push_str(&format!("250-{offer}\r\n"));
                    }
                    if let Some(auth) = self.auth {
                        reply.push_str(&format!("250-AUTH {auth}\r\n"));
                    }
                    reply.push_str("250 8BITMIME");
                    self.reply(stream, "EHLO", &reply)?;
                }
                "STARTTLS" => {
                    // The second reply is what an attacker could inject before TLS: the client must ignore it.
                    self.reply(stream, "STARTTLS", "220 go on\r\n250 injected")?;
                    return Ok(true);
                }
                "AUTH" => {
                    let right = if line == "AUTH LOGIN" {
                        let user = ask(stream, "VXNlcm5hbWU6")?;
                        (user, ask(stream, "UGFzc3dvcmQ6")?)
                            == ("YWxpY2U=".into(), "c2VjcmV0".into())
                    } else {
                        // \0alice\0secret
                        line == "AUTH PLAIN AGFsaWNlAHNlY3JldA=="
                    };
                    logged_in |= right;
                    let reply = if right { "235 welcome" } else { "535 no" };
                    self.reply(stream, "AUTH", reply)?;
                }
                "MAIL" if !logged_in => write_reply(stream, "530 log in first")?,
                "MAIL" | "RCPT" if self.whole_addresses && !line.contains('@') => {
                    write_reply(stream, "504 5.5.2 need fully-qualified address")?;
                }
                "MAIL" => self.reply(stream, "MAIL", "250 fine")?,
                "RCPT" => self.reply(stream, "RCPT", "250 fine")?,
                "DATA" => {
                    self.reply(stream, "DATA", "354 go on")?;
                    let Some(mail) = read_mail(stream)? else { return Ok(false) };
                    session.data.extend_from_slice(&mail);
                    self.keep(&mail)?;
                    self.reply(stream, "dot", "250 taken")?;
                }
                "QUIT" => {
                    self.reply(stream, "QUIT", "221 bye")?;
                    return Ok(false);
                }
                _ => write_reply(stream, "502 what?")?,
            }
        }
    }

    fn keep(&self, mail: &[u8]) -> io::Result<()> {
        let Some(path) = &self.mails else { return Ok(()) };
        let mail = mail.strip_suffix(b".\r\n").unwrap_or(mail);
        OpenOptions::new().append(true).create(true).open(path)?.write_all(mail)
    }

    /// Replies, or misbehaves where it is to.
    fn reply<T: Read + Write>(
        &self,
        stream: &mut BufReader<T>,
        step: &str,
        reply: &str,
    ) -> io::Result<()> {
        let fault = self.fault.filter(|(faulty, _)| *faulty == step).map(|(_, fault)| fault);
        match fault {
            None => write_reply(stream, reply),
            Some(Fault::Refuse) => write_reply(stream, "554 5.7.1 no\x1b[31m\u{f6}"),
            Some(Fault::Defer) => write_reply(stream, "451 later"),
            Some(Fault::Babble) => write_reply(stream, "HTTP/1.1 200 OK"),
            Some(Fault::Drop) => Err(io::ErrorKind::ConnectionAborted.into()),
            Some(Fault::Stall) => {
                thread::sleep(Duration::from_secs(600));
                Ok(())
            }
            Some(Fault::Trickle) => loop {
                write_reply(stream, "250-and")?;
                thread::sleep(Duration::from_millis(20));
            },
        }
    }
}

fn tls(stream: TcpStream) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
    let key = PrivateKeyDer::try_from(CERTIFICATE.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_no_client_auth()
        .with_single_cert(vec![CERTIFICATE.cert.der().clone()], key.expect("a key"))
        .expect("the key of the certificate");
    let connection = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

fn read_line<T: Read>(stream: &mut BufReader<T>) -> io::Result<String> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
}

/// Reads a mail with its final dot; `None` where the client hangs up before that.
fn read_mail<T: Read>(stream: &mut BufReader<T>) -> io::Result<Option<Vec<u8>>> {
    let mut mail = Vec::new();
    while !mail.ends_with(b"\r\n.\r\n") {
        if stream.read_until(b'\n', &mut mail)? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(mail))
}

fn ask<T: Read + Write>(stream: &mut BufReader<T>, what: &str) -> io::Result<String> {
    write_reply(stream, &format!("334 {what}"))?;
    read_line(stream)
}

fn write_reply<T: Read + Write>(stream: &mut BufReader<T>, reply: &str) -> io::Result<()> {
    stream.get_mut().write_all(format!("{reply}\r\n").as_bytes())?;
    stream.get_mut().flush()
}
