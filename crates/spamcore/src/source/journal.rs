//! Entries of the systemd journal, in the form of `journalctl --output=export`.
//!
//! Takes the output of `journalctl` ([`super::journalctl`] runs it) and gives entries. The export format preserves
//! messages, whatever bytes they contain: a field is `FIELD=value`, or `FIELD`, a newline, a 64-bit little-endian
//! length and that many bytes; an empty line ends an entry. (systemd, "Journal Export Formats".) Fields whose names begin with `_` are set by journald, and the client cannot
//! forge them; all others are set by the client. Fields longer than the longest line are dropped, except
//! that a message is cut off, and its entry marked.

use std::io::{self, BufRead, Read};
use std::path::Path;

use time::OffsetDateTime;
use time::macros::format_description;

use crate::cursor::Cursor;
use crate::source::lines::LONGEST;
use crate::time::zone::Zone;

/// The transport of journald's own messages.
pub(super) const DRIVER: &str = "driver";

/// `SD_MESSAGE_JOURNAL_DROPPED`: journald dropped messages because a unit logged too many (sd-messages.h).
pub(super) const DROPPED: &str = "a596d6fe7bfa4994828e72309e95d61e";

/// Who must have written an entry for it to count, according to fields that only journald sets.
#[derive(Clone, Copy, Debug)]
pub enum Author {
    /// Anybody.
    Anybody,
    /// A service.
    Service(Service),
}

/// A service whose entries can be told from those of others: its user wrote them, or root did in one of its
/// units. The unit alone proves nothing: commands to which a mail server delivers (`~/.forward`, mailing
/// lists) run in it too, as the recipient.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// The name of its user.
    pub user: &'static str,
    /// Whether a unit is one of its units.
    pub is_unit: fn(&[u8]) -> bool,
    /// The unit that the query names if there is no user of the service, and the journal knows none of its
    /// units.
    pub unit: &'static str,
}

impl Author {
    /// The user id of a service, from the password file at that path.
    pub fn uid(self, passwd: &Path) -> Option<u32> {
        match self {
            Self::Service(service) => service.uid(&std::fs::read_to_string(passwd).ok()?),
            Self::Anybody => None,
        }
    }
}

impl Service {
    /// The user id of the service, from the text of the password file.
    pub fn uid(&self, passwd: &str) -> Option<u32> {
        let entry = |line: &'_ str| {
            let mut fields = line.split(':');
            (fields.next() == Some(self.user)).then(|| fields.nth(1)?.parse().ok()).flatten()
        };
        passwd.lines().find_map(entry)
    }

    /// Whether the service wrote an entry. `uid` is its user id.
    pub fn wrote(&self, entry: &Entry, uid: Option<u32>) -> bool {
        ((self.is_unit)(&entry.unit) && entry.uid == b"0")
            || uid.is_some_and(|uid| entry.uid == uid.to_string().into_bytes())
    }
}

/// An entry of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// When journald received it, in microseconds since 1970.
    pub realtime: u64,
    /// The host name.
    pub host: Vec<u8>,
    /// The syslog tag, as the client chose it.
    pub identifier: Vec<u8>,
    /// The client's process id, from journald.
    pub pid: Vec<u8>,
    /// The client's user id, from journald.
    pub uid: Vec<u8>,
    /// The client's unit, from journald.
    pub unit: Vec<u8>,
    /// The message.
    pub message: Vec<u8>,
    /// The message was longer than the longest line, and only its start is here.
    pub overlong: bool,
    /// How it reached journald, from journald: `driver` if journald wrote it itself.
    pub transport: Vec<u8>,
    /// What kind of message it is, if its client says so.
    pub message_id: Vec<u8>,
    /// The container that it comes from, if its client says so.
    pub container: Vec<u8>,
}

impl Entry {
    /// If journald itself says that it dropped messages because a unit logged too many: how many, and the unit.
    ///
    /// (systemd, journald-server.c: `Suppressed %i messages from %s`.)
    pub fn dropped(&self) -> Option<(u64, &[u8])> {
        if self.transport != DRIVER.as_bytes() || self.message_id != DROPPED.as_bytes() {
            return None;
        }
        let mut cursor = Cursor::new(&self.message);
        cursor.take(b"Suppressed ").then_some(())?;
        let count = cursor.number(1, 10)?;
        cursor.take(b" messages from ").then_some(())?;
        Some((count, cursor.rest()))
    }

    /// The entry as a line of a syslog file, with the time at which journald received it.
    pub fn line(&self, zone: &Zone) -> Vec<u8> {
        let seconds = i64::try_from(self.realtime / 1_000_000).unwrap_or(0);
        let offset = zone.offset_at(seconds);
        let local = OffsetDateTime::from_unix_timestamp(seconds + i64::from(offset));
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
        let stamp = local.ok().and_then(|at| at.format(format).ok()).unwrap_or_default();
        let sign = if offset < 0 { '-' } else { '+' };
        let minutes = offset.abs() / 60;
        let micros = self.realtime % 1_000_000;
        let mut line = format!("{stamp}.{micros:06}{sign}{:02}:{:02} ", minutes / 60, minutes % 60)
            .into_bytes();
        line.extend_from_slice(&self.host);
        line.push(b' ');
        line.extend_from_slice(&self.identifier);
        for part in [&b"["[..], &self.pid, b"]: ", &self.message] {
            line.extend_from_slice(part);
        }
        line
    }
}

/// Entries in the export format.
#[derive(Debug)]
pub struct Entries<R> {
    input: R,
    field: Vec<u8>,
    /// The value of the last field was too long.
    overlong: bool,
}

impl<R: BufRead> Entries<R> {
    /// The entries of `input`.
    pub fn new(input: R) -> Self {
        Self { input, field: Vec::new(), overlong: false }
    }

    /// The next entry, or none at the end.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let mut entry = Entry::default();
        let mut any = false;
        loop {
            let whole = self.line()?;
            if self.field.is_empty() {
                match (any, whole) {
                    (true, _) => return Ok(Some(entry)),
                    (false, true) => continue,
                    (false, false) => return Ok(None),
                }
            }
            any = true;
            let at = self.field.iter().position(|&b| b == b'=');
            let (name, value) = match at {
                Some(at) => (self.field[..at].to_vec(), self.field.split_off(at + 1)),
                None => {
                    let name = std::mem::take(&mut self.field);
                    (name, self.binary()?)
                }
            };
            if !self.overlong {
                entry.set(&name, value);
            } else if name == b"MESSAGE" {
                entry.overlong = true;
                entry.set(&name, value);
            }
        }
    }

    /// Reads a line, cutting it off if it is too long. Returns whether it ended in a newline.
    fn line(&mut self) -> io::Result<bool> {
        self.field.clear();
        self.overlong = false;
        let most = LONGEST as u64 + 64;
        self.input.by_ref().take(most).read_until(b'\n', &mut self.field)?;
        if self.field.last() == Some(&b'\n') {
            self.field.pop();
            return Ok(true);
        }
        if self.field.len() as u64 == most {
            self.overlong = true;
            self.field.truncate(LONGEST);
            skip_line(&mut self.input)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Reads a length, a value, which is cut off if it is too long, and the newline after it.
    fn binary(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 8];
        self.input.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        let (mut value, most) = (Vec::new(), length.min(LONGEST as u64));
        self.overlong = length > most;
        self.input.by_ref().take(most).read_to_end(&mut value)?;
        io::copy(&mut self.input.by_ref().take(length - most), &mut io::sink())?;
        let mut newline = [0; 1];
        self.input.read_exact(&mut newline)?;
        Ok(value)
    }
}

impl Entry {
    fn set(&mut self, name: &[u8], value: Vec<u8>) {
        let field = match name {
            b"__REALTIME_TIMESTAMP" => {
                let digits = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
                self.realtime = digits.unwrap_or(0);
                return;
            }
            b"_HOSTNAME" => &mut self.host,
            b"SYSLOG_IDENTIFIER" => &mut self.identifier,
            b"_PID" => &mut self.pid,
            b"_UID" => &mut self.uid,
            b"_SYSTEMD_UNIT" => &mut self.unit,
            b"MESSAGE" => &mut self.message,
            b"_TRANSPORT" => &mut self.transport,
            b"MESSAGE_ID" => &mut self.message_id,
            b"CONTAINER_NAME" => &mut self.container,
            _ => return,
        };
        *field = value;
    }
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let (used, done) = match memchr::memchr(b'\n', buffer) {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(used);
        if done {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: Service = Service {
        user: "postfix",
        is_unit: |unit| unit == b"postfix@-.service",
        unit: "postfix.service",
    };

    #[test]
    fn entries_in_the_export_format() {
        let mut text = b"__CURSOR=x\n__REALTIME_TIMESTAMP=1782979878123480\n_UID=33\n".to_vec();
        text.extend_from_slice(b"MESSAGE\n");
        text.extend_from_slice(&7_u64.to_le_bytes());
        text.extend_from_slice(b"a\nb\n\nc=\nSYSLOG_IDENTIFIER=php\n\n");
        text.extend_from_slice(
            b"MESSAGE=second = one\n_SYSTEMD_UNIT=postfix@-.service\n_UID=0\n\n",
        );
        text.extend_from_slice(
            b"MESSAGE=of a command\n_SYSTEMD_UNIT=postfix@-.service\n_UID=1001\n",
        );
        let mut entries = Entries::new(&text[..]);
        let first = entries.next_entry().expect("readable").expect("an entry");
        assert_eq!(first.message, b"a\nb\n\nc=");
        assert_eq!((first.realtime, &first.uid[..]), (1_782_979_878_123_480, &b"33"[..]));
        assert!(!SERVICE.wrote(&first, Some(34)));
        assert!(SERVICE.wrote(&first, Some(33)));
        let line = first.line(&Zone::local(Some("IST-5:30")));
        assert_eq!(line, b"2026-07-02T13:41:18.123480+05:30  php[]: a\nb\n\nc=");
        let second = entries.next_entry().expect("readable").expect("an entry");
        assert_eq!(second.message, b"second = one");
        assert!(SERVICE.wrote(&second, None));
        let third = entries.next_entry().expect("readable").expect("an entry");
        assert!(!SERVICE.wrote(&third, None) && !SERVICE.wrote(&third, Some(106)));
        assert_eq!(entries.next_entry().expect("readable"), None);
    }

    #[test]
    fn long_fields_are_dropped_and_long_messages_cut_off() {
        let mut text = b"MESSAGE=".to_vec();
        text.extend_from_slice(&vec![b'x'; 200_000]);
        text.extend_from_slice(b"\n_UID=5\nSYSLOG_IDENTIFIER\n");
        text.extend_from_slice(&200_000_u64.to_le_bytes());
        text.extend_from_slice(&vec![b'y'; 200_000]);
        text.extend_from_slice(b"\n_PID=7\n\n");
        let entry = Entries::new(&text[..]).next_entry().expect("readable").expect("an entry");
        assert_eq!((&entry.uid[..], &entry.pid[..]), (&b"5"[..], &b"7"[..]));
        assert!(entry.overlong && entry.identifier.is_empty());
        assert_eq!(entry.message, b"x".repeat(LONGEST - b"MESSAGE=".len()));
        let mut text = b"MESSAGE\n".to_vec();
        text.extend_from_slice(&(LONGEST as u64 + 1).to_le_bytes());
        text.extend_from_slice(&vec![b'z'; LONGEST + 1]);
        text.extend_from_slice(b"\n_PID=7\n\n");
        let entry = Entries::new(&text[..]).next_entry().expect("readable").expect("an entry");
        assert_eq!((&entry.message[..], &entry.pid[..]), (&b"z".repeat(LONGEST)[..], &b"7"[..]));
        assert!(entry.overlong);
        let entry = Entries::new(&b"MESSAGE=x\n_PID=7\n\n"[..]).next_entry().expect("readable");
        assert!(!entry.expect("an entry").overlong);
        let cut = Entries::new(&b"MESSAGE\n\x05\0\0\0"[..]).next_entry();
        assert!(cut.is_err(), "the length is truncated");
    }

    #[test]
    fn the_user_of_a_service_is_the_one_of_exactly_that_name() {
        let passwd =
            "root:x:0:0::/root:/bin/sh\npostfix:x:106:113::/var/spool/postfix:/bin/false\n";
        assert_eq!(SERVICE.uid(passwd), Some(106));
        assert_eq!(SERVICE.uid("xpostfix:x:1:1\npostfix\npostfixx:x:2:2\n"), None);
    }
}
