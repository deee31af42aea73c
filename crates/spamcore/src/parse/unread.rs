//! Lines that look like ones that count, but whose time or program cannot be told.
//!
//! They are not counted; but a log in which they are the majority must not look like one in which nobody sends
//! anything. No line of a program that is known is one of them, whatever it quotes: strangers write parts of such
//! lines, and must not be able to make a run fail. So text within a message never matters. What does is
//!
//! - a line without a readable timestamp that contains what is searched for;
//! - a message that *begins* as one that counts does, but under the name of a program that never writes it, as
//!   with `journalctl -o with-unit` or metalog;
//! - a message that is a whole line itself, as docker's `syslog` driver passes them on, or a relay that puts its
//!   own timestamp before RFC 5424.

use super::{Parser, Stamped, syslog};
use crate::cursor::{Cursor, positions};

/// The programs of Postfix (`conf/postfix-files`), and one for its scripts.
const POSTFIX: [&[u8]; 30] = [
    b"anvil",
    b"bounce",
    b"cleanup",
    b"discard",
    b"dnsblog",
    b"error",
    b"flush",
    b"lmtp",
    b"local",
    b"master",
    b"oqmgr",
    b"pickup",
    b"pipe",
    b"postdrop",
    b"postfix-script",
    b"postlogd",
    b"postqueue",
    b"postscreen",
    b"proxymap",
    b"qmgr",
    b"qmqpd",
    b"scache",
    b"sendmail",
    b"showq",
    b"smtp",
    b"smtpd",
    b"tlsproxy",
    b"trivial-rewrite",
    b"verify",
    b"virtual",
];

/// The most bytes before the text of a JSON object or of another wrapping that are looked at for a time of day.
const WRAPPING: usize = 256;

/// Whether a line of a syslog file, in which nothing was found that counts, looks as if something should have been.
pub(super) fn in_syslog(parser: &impl Parser, line: &[u8]) -> bool {
    match syslog::envelope(line) {
        Err(_) => parser.occurs_in(line),
        Ok(envelope) => {
            !is_known(envelope.name) && is_message(parser, envelope.name, envelope.message)
        }
    }
}

/// Whether a message of an unknown program is one that counts, or a whole line.
pub(super) fn is_message(parser: &impl Parser, name: &[u8], message: &[u8]) -> bool {
    let is_line = |line: &[u8]| {
        let line = parser.line(line);
        line.event().is_some() && matches!(line.stamp, Stamped::At(_))
    };
    parser.begins(message)
        || is_line(message)
        // RFC 5424 without its priority: the version was taken for the name.
        || (name == b"1" && is_line(&[b"<22>1 ", message].concat()))
}

/// Whether a program is known not to write the lines that count, other than as it is expected to.
fn is_known(name: &[u8]) -> bool {
    let of_postfix = |at: usize| POSTFIX.contains(&&name[at + 1..]);
    name.iter().rposition(|b| *b == b'/').is_some_and(of_postfix)
        || name.starts_with(b"php")
        || name.starts_with(b"exim")
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
    let envelope = syslog::envelope(line);
    if envelope.is_ok_and(|envelope| is_unit(envelope.name)) {
        return Some(IN_ENGLISH);
    }
    if envelope.is_ok_and(|envelope| matches!(syslog::stamp(envelope.message), Stamped::At(_))) {
        return Some(DOCKER);
    }
    // A month in another language, before a day and a time?
    let is_word = line.first().is_some_and(|b| b.is_ascii_alphabetic() || !b.is_ascii());
    (envelope.is_err() && is_word && has_time(line)).then_some(IN_ENGLISH)
}

fn is_unit(name: &[u8]) -> bool {
    [&b".service"[..], b".scope"].iter().any(|end| name.ends_with(end))
}
