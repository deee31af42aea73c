//! Lines that look like ones that count, but whose time or program cannot be told.
//!
//! They are not counted; but a log in which they are the majority must not look like one in which nobody sends
//! anything. No line of a program that can be told is one of them, whatever it quotes: strangers write parts of such
//! lines, and must not be able to make a run fail. So what matters is
//!
//! - a line without a readable timestamp that contains what is searched for;
//! - a line whose tag is no program's name (an id of a container, a unit, nothing), and whose message begins as one
//!   that counts does, or is a whole line itself.

use super::{Parser, Stamped, syslog};
use crate::cursor::{Cursor, positions};

/// The most bytes before the text of a JSON object or of another wrapping that are looked at for a time of day.
const WRAPPING: usize = 256;

/// The digits of a container's id: as `docker ps` shows it, and in full.
const CONTAINER_IDS: [usize; 2] = [12, 64];

/// Whether a line of a syslog file, in which nothing was found that counts, looks as if something should have been.
pub(super) fn in_syslog(parser: &impl Parser, line: &[u8]) -> bool {
    let Ok(envelope) = syslog::envelope(line) else { return parser.occurs_in(line) };
    let is_line = |line: &[u8]| {
        let line = parser.line(line);
        line.event().is_some() && matches!(line.stamp, Stamped::At(_))
    };
    match NoProgram::of(envelope.name) {
        None => false,
        // Without the priority and the version before it.
        Some(NoProgram::Version) => is_line(&[b"<22>1 ", envelope.message].concat()),
        Some(_) => parser.begins(envelope.message) || is_line(envelope.message),
    }
}

/// What stands where a program's name should be, and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoProgram {
    /// Nothing, because the program's name is in brackets (metalog).
    Nothing,
    /// The version of RFC 5424, behind the header of a relay that writes the older format.
    Version,
    /// A container, whose output docker's `syslog` driver passes on.
    Container,
    /// A unit (`journalctl -o with-unit`).
    Unit,
}

impl NoProgram {
    fn of(name: &[u8]) -> Option<Self> {
        let is_id = CONTAINER_IDS.contains(&name.len()) && name.iter().all(u8::is_ascii_hexdigit);
        match name {
            b"" => Some(Self::Nothing),
            b"1" => Some(Self::Version),
            _ if is_id || name.starts_with(b"docker/") => Some(Self::Container),
            _ if name.ends_with(b".service") || name.ends_with(b".scope") => Some(Self::Unit),
            _ => None,
        }
    }
}

/// Whether a text has a time of day, `HH:MM`, within its first bytes.
pub(super) fn has_time(text: &[u8]) -> bool {
    let text = &text[..text.len().min(WRAPPING)];
    positions(text, b":").any(|at| {
        at >= 2
            && Cursor::new(&text[at - 2..]).two().is_some()
            && Cursor::new(&text[at + 1..]).two().is_some()
    })
}

/// What may help to read lines of this kind, for the administrator; none if nothing is known that does.
pub fn hint(line: &[u8]) -> Option<&'static str> {
    const IN_ENGLISH: &str =
        "is it from journalctl? LC_ALL=C journalctl -o short-iso can be read, and so can --journal";
    const DOCKER: &str =
        "is it from a container? docker logs -t CONTAINER 2>&1 can be read, with -l -";
    let starts = |text: &[u8]| line.starts_with(text);
    let has = |text: &[u8]| memchr::memmem::find(line, text).is_some();
    if starts(b"{\"log\":") {
        return Some(DOCKER);
    }
    if starts(b"{") && has(b"\"__REALTIME_TIMESTAMP\"") {
        return Some(IN_ENGLISH);
    }
    if starts(b"{") {
        return Some(
            "is it JSON? a template of syslog lines can be read, RSYSLOG_FileFormat for example",
        );
    }
    match syslog::envelope(line).map(|envelope| NoProgram::of(envelope.name)) {
        Ok(Some(NoProgram::Unit)) => Some(IN_ENGLISH),
        Ok(Some(NoProgram::Container)) => Some(DOCKER),
        Ok(_) => None,
        // A month in another language, before a day and a time?
        Err(_) => {
            let is_word = line.first().is_some_and(|b| b.is_ascii_alphabetic() || !b.is_ascii());
            (is_word && has_time(line)).then_some(IN_ENGLISH)
        }
    }
}
