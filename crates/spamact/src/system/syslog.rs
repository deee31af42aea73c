//! What was done to an account, written to syslog.
//!
//! Takes the socket of syslog, and a text; sends one datagram as rsyslog and journald accept it (RFC 3164 without the
//! host, as `syslog(3)` writes it), facility `auth`, severity `notice`. It never waits: a syslog that is missing,
//! full or stalled is an error for the caller, and no lock depends on it. Text that is not printable ASCII is
//! escaped, and the line is truncated to 1 KiB.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use time::OffsetDateTime;
use time::macros::format_description;

use crate::system::escape::escape_ascii;

/// `auth` is facility 4, `notice` severity 5.
const PRIORITY: u8 = 4 * 8 + 5;

/// RFC 3164, 4.1: a packet has at most 1024 bytes.
const LONGEST: usize = 1024;

/// Where to write, and as which process.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The socket: `/dev/log`.
    pub socket: PathBuf,
    /// The name of the program.
    pub program: &'static str,
    /// The id of its process.
    pub process: u32,
}

impl Audit {
    /// Writes one line. `at` is the local time.
    pub fn record(&self, at: OffsetDateTime, text: &str) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        let line = self.line(at, text);
        socket.send_to(&line, &self.socket).map(|_| ())
    }

    fn line(&self, at: OffsetDateTime, text: &str) -> Vec<u8> {
        let format =
            format_description!("[month repr:short] [day padding:space] [hour]:[minute]:[second]");
        let stamp = at.format(&format).unwrap_or_else(|_| "Jan  1 00:00:00".into());
        let text = escape_ascii(text.as_bytes());
        let Self { program, process, .. } = self;
        let mut line = format!("<{PRIORITY}>{stamp} {program}[{process}]: {text}");
        // All of it is ASCII, and can be cut anywhere.
        line.truncate(LONGEST);
        line.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::tempdir;
    use time::macros::datetime;

    const AT: OffsetDateTime = datetime!(2026-11-03 07:05:09 +1);

    #[test]
    fn a_line_as_syslog_takes_it() {
        let scratch = tempdir().expect("a directory");
        let path = scratch.path().join("log");
        let syslog = UnixDatagram::bind(&path).expect("the directory is ours");
        let audit = Audit { socket: path, program: "mail-check", process: 77 };
        audit.record(AT, "locking alice: 95 messages").expect("somebody listens");
        let mut got = [0; 2048];
        let length = syslog.recv(&mut got).expect("it was sent");
        assert_eq!(
            &got[..length],
            b"<37>Nov  3 07:05:09 mail-check[77]: locking alice: 95 messages"
        );
    }

    #[test]
    fn any_byte_stays_in_one_short_line() {
        let audit = Audit { socket: "/dev/log".into(), program: "mail-check", process: 1 };
        let all: String = (0..=0x2ff).filter_map(char::from_u32).collect();
        for text in [all, "\n<0>x".into(), "\u{202e}".repeat(5000)] {
            let line = audit.line(AT, &text);
            assert!(line.len() <= LONGEST);
            assert!(line.iter().all(|b| matches!(b, b' '..=b'~')), "{text:?}");
        }
    }

    #[test]
    fn a_missing_or_a_full_syslog_is_an_error_and_never_waits() {
        let scratch = tempdir().expect("a directory");
        let path = scratch.path().join("log");
        let audit = Audit { socket: path.clone(), program: "mail-check", process: 1 };
        audit.record(AT, "x").expect_err("nobody is there");
        let _stalled = UnixDatagram::bind(&path).expect("the directory is ours");
        let started = std::time::Instant::now();
        let failed = (0..100_000).find_map(|_| audit.record(AT, "x").err());
        assert_eq!(failed.expect("its queue is bounded").kind(), io::ErrorKind::WouldBlock);
        assert!(started.elapsed() < std::time::Duration::from_secs(20));
    }
}
