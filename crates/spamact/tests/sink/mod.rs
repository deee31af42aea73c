//! A mail server on loopback that behaves well or badly, as it is told. Threads and std, and rustls
//! for its TLS.

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

/// What it does at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Says no for good.
    Refuse,
    /// Says not now.
    Defer,
    /// Hangs up.
    Drop,
    /// Says nothing more.
    Stall,
    /// Says what is no answer.
    Babble,
    /// Says the beginning of an answer that never ends.
    Trickle,
}

/// A server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sink {
    /// The step at which it misbehaves, and how. The steps are those of the client's errors, and `dot`
    /// for the end of the mail, `QUIT` for the goodbye.
    pub(crate) bad: Option<(&'static str, Deed)>,
    /// Offers STARTTLS.
    pub(crate) start_tls: bool,
    /// Speaks TLS at once.
    pub(crate) implicit: bool,
    /// Wants a login: the mechanisms that it offers.
    pub(crate) auth: Option<&'static str>,
}

/// One session, as the server saw it.
#[derive(Debug, Default)]
pub(crate) struct SenderStats {
    /// The commands, without their line ends.
    pub(crate) commands: Vec<String>,
    /// The mail, as sent, dots included.
    pub(crate) data: Vec<u8>,
    /// Whether it was said under TLS.
    pub(crate) tls: bool,
}

/// A certificate for `localhost` and 127.0.0.1 that is its own CA, and its key.
static CERTIFICATE: LazyLock<rcgen::CertifiedKey<rcgen::KeyPair>> = LazyLock::new(|| {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    rcgen::generate_simple_self_signed(names).expect("the names are fine")
});

/// The certificate in a file, for the client.
pub(crate) fn ca_file() -> PathBuf {
    static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
        let name = format!("spamact-ca-{}.pem", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, CERTIFICATE.cert.pem()).expect("the directory can be written");
        path
    });
    FILE.clone()
}

/// A certificate that is nobody's CA here.
pub(crate) fn other_certificate() -> String {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    made.expect("the name is fine").cert.pem()
}

impl Sink {
    /// Listens, and serves each session in a thread until the process ends. What was seen is handed on
    /// as each session ends.
    pub(crate) fn listen(self) -> (SocketAddr, Receiver<SenderStats>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback is there");
        let at = listener.local_addr().expect("it is bound");
        let (tell, seen) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (sink, tell) = (self.clone(), tell.clone());
                thread::spawn(move || sink.session(stream, &tell));
            }
        });
        (at, seen)
    }

    fn session(&self, stream: TcpStream, tell: &Sender<SenderStats>) {
        let mut seen = SenderStats::default();
        // A client that is gone is no failure of the server.
        let _ = self.serve(stream, &mut seen);
        let _ = tell.send(seen);
    }

    fn serve(&self, stream: TcpStream, seen: &mut SenderStats) -> io::Result<()> {
        if self.implicit {
            seen.tls = true;
            let mut stream = BufReader::new(tls(stream)?);
            self.answer(&mut stream, "greeting", "220 sink ESMTP")?;
            return self.talk(&mut stream, seen, &[]).map(|_| ());
        }
        let mut plain = BufReader::new(stream);
        self.answer(&mut plain, "greeting", "220-sink\r\n220 ESMTP")?;
        let offers: &[&str] = if self.start_tls { &["STARTTLS"] } else { &[] };
        if self.talk(&mut plain, seen, offers)? {
            let mut secure = BufReader::new(tls(plain.into_inner())?);
            seen.tls = true;
            self.talk(&mut secure, seen, &[])?;
        }
        Ok(())
    }

    /// Answers until QUIT, or until TLS is to begin (`true`).
    fn talk<T: Read + Write>(
        &self,
        stream: &mut BufReader<T>,
        seen: &mut SenderStats,
        offers: &[&str],
    ) -> io::Result<bool> {
        let mut login = self.auth.is_none();
        loop {
            let line = read_line(stream)?;
            seen.commands.push(line.clone());
            let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    let mut answer = String::from("250-sink\r\n");
                    for offer in offers {
                        answer.push_str(&format!("250-{offer}\r\n"));
                    }
                    if let Some(auth) = self.auth {
                        answer.push_str(&format!("250-AUTH {auth}\r\n"));
                    }
                    answer.push_str("250 8BITMIME");
                    self.answer(stream, "EHLO", &answer)?;
                }
                "STARTTLS" => {
                    // What an attacker slips in behind it must not be taken as an answer.
                    self.answer(stream, "STARTTLS", "220 go on\r\n250 slipped in")?;
                    return Ok(true);
                }
                "AUTH" => {
                    let good = if line == "AUTH LOGIN" {
                        let user = ask(stream, "VXNlcm5hbWU6")?;
                        (user, ask(stream, "UGFzc3dvcmQ6")?)
                            == ("YWxpY2U=".into(), "c2VjcmV0".into())
                    } else {
                        // \0alice\0secret
                        line == "AUTH PLAIN AGFsaWNlAHNlY3JldA=="
                    };
                    login |= good;
                    let answer = if good { "235 welcome" } else { "535 no" };
                    self.answer(stream, "AUTH", answer)?;
                }
                "MAIL" if !login => say(stream, "530 log in first")?,
                "MAIL" => self.answer(stream, "MAIL", "250 fine")?,
                "RCPT" => self.answer(stream, "RCPT", "250 fine")?,
                "DATA" => {
                    self.answer(stream, "DATA", "354 go on")?;
                    while !seen.data.ends_with(b"\r\n.\r\n") {
                        if stream.read_until(b'\n', &mut seen.data)? == 0 {
                            return Ok(false);
                        }
                    }
                    self.answer(stream, "dot", "250 taken")?;
                }
                "QUIT" => {
                    self.answer(stream, "QUIT", "221 bye")?;
                    return Ok(false);
                }
                _ => say(stream, "502 what?")?,
            }
        }
    }

    /// Answers, or misbehaves where it is told to.
    fn answer<T: Read + Write>(
        &self,
        stream: &mut BufReader<T>,
        step: &str,
        answer: &str,
    ) -> io::Result<()> {
        let deed = self.bad.filter(|(bad, _)| *bad == step).map(|(_, deed)| deed);
        match deed {
            None => say(stream, answer),
            Some(Deed::Refuse) => say(stream, "554 5.7.1 no\x1b[31m\u{f6}"),
            Some(Deed::Defer) => say(stream, "451 later"),
            Some(Deed::Babble) => say(stream, "HTTP/1.1 200 OK"),
            Some(Deed::Drop) => Err(io::ErrorKind::ConnectionAborted.into()),
            Some(Deed::Stall) => {
                thread::sleep(Duration::from_secs(600));
                Ok(())
            }
            Some(Deed::Trickle) => loop {
                say(stream, "250-and")?;
                thread::sleep(Duration::from_millis(20));
            },
        }
    }
}

fn tls(stream: TcpStream) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
    let key = PrivateKeyDer::try_from(CERTIFICATE.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("there are such")
        .with_no_client_auth()
        .with_single_cert(vec![CERTIFICATE.cert.der().clone()], key.expect("it is a key"))
        .expect("they fit");
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

fn ask<T: Read + Write>(stream: &mut BufReader<T>, what: &str) -> io::Result<String> {
    say(stream, &format!("334 {what}"))?;
    read_line(stream)
}

fn say<T: Read + Write>(stream: &mut BufReader<T>, answer: &str) -> io::Result<()> {
    stream.get_mut().write_all(format!("{answer}\r\n").as_bytes())?;
    stream.get_mut().flush()
}
