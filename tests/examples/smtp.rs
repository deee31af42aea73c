//! An SMTP client for tests with real servers: sends what it is given, word for word, and prints the reply codes.
//! `smtp ADDRESS:PORT <SESSIONS`
//!
//! Sessions are separated by empty lines. Each line is sent with CR LF, and its reply is awaited. A line that starts with `|`
//! is sent without the bar, and no reply is awaited: the text of a message, or pipelined commands; a line `<` sends nothing,
//! and awaits one more reply, to such a command. `\xNN` is a byte, `\\` a backslash. A first line `@ADDRESS` connects from
//! that address. One line per session is printed: the codes of the greeting and of the replies, separated by spaces, and
//! `error: …` if the connection broke, or a reply took longer than a minute.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

fn main() -> io::Result<()> {
    let server = std::env::args().nth(1).and_then(|server| server.parse().ok());
    let server = server.ok_or_else(|| io::Error::other("expected ADDRESS:PORT"))?;
    let mut sessions = Vec::new();
    io::stdin().lock().read_to_end(&mut sessions)?;
    let lines: Vec<&[u8]> = sessions.split(|&b| b == b'\n').collect();
    let mut out = BufWriter::new(io::stdout().lock());
    for session in lines.split(|line| line.is_empty()).filter(|session| !session.is_empty()) {
        let mut codes = Vec::new();
        let end = talk(server, session, &mut codes);
        let line = codes.join(" ");
        match end {
            Ok(()) => writeln!(out, "{line}"),
            Err(error) => writeln!(out, "{line} error: {error}"),
        }?;
    }
    out.flush()
}

/// Runs a session, and adds the codes of the replies.
fn talk(server: SocketAddr, session: &[&[u8]], codes: &mut Vec<String>) -> io::Result<()> {
    let (source, words) = match session {
        [[b'@', source @ ..], words @ ..] => (Some(source), words),
        words => (None, words),
    };
    let stream = match source {
        None => TcpStream::connect(server)?,
        Some(source) => {
            let source: IpAddr = std::str::from_utf8(source)
                .ok()
                .and_then(|source| source.parse().ok())
                .ok_or(io::ErrorKind::InvalidInput)?;
            let family = if source.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket = socket(family, SocketType::STREAM, None)?;
            bind(&socket, &SocketAddr::new(source, 0))?;
            connect(&socket, &server)?;
            TcpStream::from(socket)
        }
    };
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut replies = BufReader::new(&stream);
    codes.push(reply(&mut replies)?);
    for line in words {
        if *line == b"<" {
            codes.push(reply(&mut replies)?);
            continue;
        }
        let (line, awaited) = match line {
            [b'|', line @ ..] => (line, false),
            line => (*line, true),
        };
        let mut bytes = unescaped(line);
        bytes.extend(b"\r\n");
        (&stream).write_all(&bytes)?;
        if awaited {
            codes.push(reply(&mut replies)?);
        }
    }
    Ok(())
}

/// The code of a reply; in its last line a space follows the code.
fn reply(replies: &mut impl BufRead) -> io::Result<String> {
    loop {
        let mut line = Vec::new();
        if replies.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.get(3) != Some(&b'-') {
            return Ok(String::from_utf8_lossy(&line[..line.len().min(3)]).into_owned());
        }
    }
}

/// `\xNN` and `\\`, as bytes.
fn unescaped(mut text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some((&first, rest)) = text.split_first() {
        let (byte, rest) = match (first, rest) {
            (b'\\', [b'\\', rest @ ..]) => (b'\\', rest),
            (b'\\', [b'x', high, low, rest @ ..]) => {
                let digits = [*high, *low];
                let byte =
                    std::str::from_utf8(&digits).ok().and_then(|d| u8::from_str_radix(d, 16).ok());
                (byte.unwrap_or(b'?'), rest)
            }
            _ => (first, rest),
        };
        bytes.push(byte);
        text = rest;
    }
    bytes
}
