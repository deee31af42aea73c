//! The sendmail wrapper for old PHP: one message passed to sendmail.
//!
//! ```text
//! sendmail-php v=2, url=URL, client=ADDRESS, filename=PATH, uid=N, user=NAME, args=+ARG+ARG…
//! sendmail-php url=URL, client=ADDRESS, filename=PATH, uid=N, user=NAME, args=…
//! ```
//!
//! The first format is that of spam-check's own wrapper, `packaging/php/phpsendmail`. There is exactly one way
//! to write each byte of a value, either as itself or as `%hh`, so that a line can be read in only one way and a
//! path has only one spelling. A `*` shows that the wrapper has cut a value off. A line that departs from this
//! grammar by a single byte is ambiguous. Visitors cannot turn a line of one format into one of the other,
//! because the format is given before the first value.
//!
//! The second format is that of the wrappers that sites wrote following the old documentation, and escapes
//! nothing.
//! URL is what a visitor requested, and may contain all of the other fields; `args` is up to the caller of
//! `mail()`. So the URL ends at the `, client=` that comes before the next `, filename=`; the client consists of
//! bytes that occur in addresses; the path ends at the first `, uid=DIGITS, user=`; and `args` is not read. A
//! line that contains a second complete group of fields can be read in two ways and is ambiguous; so is one that
//! ends before its path does. A visitor can also make a URL so long that the log cuts the line off after his own
//! group, and the true one is lost; so a line of 900 bytes or more is ambiguous too. Ambiguous lines count for
//! nobody, but their number is known.

use std::borrow::Cow;

use super::kin::{self, Kin};
use super::{
    Accepted, Content, Kind, Line, Parser, Sender, Senders, hex_byte, is_address_byte, syslog_line,
    unescape,
};
use crate::cursor::{Cursor, positions};
use crate::source::journal::Author;

/// The parser for the wrapper's lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct PhpWrapper;

/// What a message of the wrapper means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// This script sent a mail under this user id.
    Sent {
        /// The script's path as logged. It may be empty, for PHP on a command line.
        path: &'a [u8],
        /// The path contains [escapes](super::unescape).
        escaped: bool,
        /// The digits after `uid=`.
        uid: &'a [u8],
    },
    /// It cannot be read, or can be read in two ways.
    Ambiguous,
}

impl Parser for PhpWrapper {
    fn needle(&self) -> &'static [u8] {
        PREFIX
    }

    fn line<'a>(&self, line: &'a [u8]) -> Line<'a> {
        syslog_line(self, line)
    }

    fn occurs_in(&self, text: &[u8]) -> bool {
        let mut found = positions(text, PREFIX);
        found.any(|at| {
            matches!(&text[at + PREFIX.len()..], [b'u', b'r', b'l', b'=', ..] | [b'v', b'=', ..])
        })
    }

    fn program(&self) -> &'static str {
        "a wrapper of sendmail"
    }

    fn kin(&self, line: &[u8]) -> Kin {
        // Its lines are in the log of the mail program, and few of them.
        if self.line(line).content.is_some() {
            Kin::Own
        } else {
            kin::in_syslog(line, kin::is_mail)
        }
    }

    fn journal_author(&self) -> Option<Author> {
        Some(Author::Anybody)
    }

    fn message<'a>(&self, name: &'a [u8], message: &'a [u8]) -> Option<Content<'a>> {
        match read(message)? {
            Message::Sent { path: b"", .. } => None,
            Message::Sent { path, escaped: true, .. } => Some(script(unescape(path).into())),
            Message::Sent { path, .. } => Some(script(path.into())),
            Message::Ambiguous => Some(Content::Ambiguous(name)),
        }
    }

    fn claimed_uid<'a>(&self, message: &'a [u8]) -> Option<&'a [u8]> {
        match read(message)? {
            Message::Sent { uid, .. } => Some(uid),
            Message::Ambiguous => None,
        }
    }
}

/// A mail that a script sent.
pub(super) fn script(path: Cow<'_, [u8]>) -> Content<'_> {
    let senders = Senders::new(Sender { kind: Kind::Script, name: path }, None);
    Content::Event(Accepted { senders, client: None, recurs: false, id: None }.into())
}

/// How every message of a wrapper starts.
const PREFIX: &[u8; 13] = b"sendmail-php ";

/// Reads a message; none if it is not from a wrapper.
pub fn read(message: &[u8]) -> Option<Message<'_>> {
    let mut cursor = Cursor::new(message);
    if !cursor.take(PREFIX) {
        return None;
    }
    let sent = if cursor.take(b"url=") {
        if message.len() < CUT { group(cursor.rest()) } else { None }
    } else if cursor.take(b"v=") {
        // The format of a future wrapper is ambiguous too.
        escaped_group(cursor)
    } else {
        return None;
    };
    Some(sent.unwrap_or(Message::Ambiguous))
}

/// Whether spam-check's wrapper writes a byte as itself.
#[inline]
fn is_plain(b: u8) -> bool {
    const TABLE: [bool; 256] = byte_table!(|b| b.is_ascii_alphanumeric()
        || matches!(b, b'/' | b'.' | b'_' | b'-' | b'~' | b':' | b'?' | b'&' | b'=' | b'@'));
    TABLE[usize::from(b)]
}

/// Reads the fields as spam-check's wrapper writes them.
fn escaped_group(mut cursor: Cursor<'_>) -> Option<Message<'_>> {
    let mut field = |name: &[u8]| {
        let value = cursor.take_text(name).then(|| value(&mut cursor))??;
        Some((value, cursor.take(b"*")))
    };
    field(b"2, url=")?;
    field(b", client=")?;
    let (path, path_cut) = field(b", filename=")?;
    let (uid, uid_cut) = field(b", uid=")?;
    field(b", user=")?;
    let number = !uid.is_empty() && uid.iter().all(u8::is_ascii_digit);
    if path_cut || uid_cut || !number || !cursor.take(b", args=") {
        return None;
    }
    while cursor.take(b"+") {
        value(&mut cursor)?;
    }
    cursor.take(b"*");
    let escaped = memchr::memchr(b'%', path).is_some();
    cursor.is_done().then_some(Message::Sent { path, escaped, uid })
}

/// Takes a value as spam-check's wrapper writes it. None if a byte is escaped that should be written as itself
/// or that no value can contain.
fn value<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let value = cursor.take_while(|b| is_plain(b) || b == b'%');
    let escapes = memchr::memchr_iter(b'%', value);
    let mut escaped = escapes.map(|at| hex_byte(&value[at + 1..]));
    escaped.all(|byte| byte.is_some_and(|b| b != 0 && !is_plain(b))).then_some(value)
}

/// The shortest length at which a message may have been cut off: `logger(1)` cuts after 1024 bytes, and syslog
/// servers that follow RFC 3164 after 1024 including the timestamp, the host and the tag.
const CUT: usize = 900;

const CLIENT: &[u8] = b", client=";
const FILENAME: &[u8] = b", filename=";

/// Reads the group of fields after the URL, if it is the only one. Linear time.
fn group(text: &[u8]) -> Option<Message<'_>> {
    // A client cannot contain `, client=`, so the last of several in a row starts the group.
    let mut starts = memchr::memmem::find_iter(text, CLIENT).peekable();
    let mut heads = std::iter::from_fn(|| {
        loop {
            let start = starts.next()? + CLIENT.len();
            let end = starts.peek().copied().unwrap_or(text.len());
            if let Some(at) = memchr::memmem::find(&text[start..end.max(start)], FILENAME) {
                let fields = &text[start + at + FILENAME.len()..];
                return Some((&text[start..start + at], fields));
            }
        }
    });
    let (client, fields) = heads.next()?;
    let (path, uid) = path_and_uid(fields)?;
    // A second group may start within the path of the first one, and then ends where that ends.
    if heads.next().is_some_and(|(_, second)| path_and_uid(second).is_some()) {
        return Some(Message::Ambiguous);
    }
    client.iter().all(|&b| is_address_byte(b)).then_some(Message::Sent {
        path,
        escaped: false,
        uid,
    })
}

/// What comes before the first `, uid=DIGITS, user=`, and the digits.
fn path_and_uid(text: &[u8]) -> Option<(&[u8], &[u8])> {
    memchr::memmem::find_iter(text, b", uid=").find_map(|at| {
        let mut cursor = Cursor::new(&text[at..]);
        cursor.take(b", uid=");
        let uid = cursor.take_while(|b| b.is_ascii_digit());
        (!uid.is_empty() && cursor.take(b", user=")).then(|| (&text[..at], uid))
    })
}

#[cfg(test)]
mod tests {
    use super::super::MAX_REPEATS;
    use super::*;

    fn show(rest: &str) -> String {
        match read(format!("sendmail-php {rest}").as_bytes()) {
            Some(Message::Sent { path, escaped: true, .. }) => {
                unescape(path).escape_ascii().to_string()
            }
            Some(Message::Sent { path, .. }) => String::from_utf8_lossy(path).into_owned(),
            Some(Message::Ambiguous) => "ambiguous".into(),
            None => "-".into(),
        }
    }

    #[test]
    fn a_line_that_a_log_may_have_cut_off_is_ambiguous() {
        // The true group after the padding has been cut off.
        let forged = "/?x, client=1.1.1.1, filename=/home/victim/x.php, uid=1, user=v, args=";
        let message = |length: usize| format!("{forged:A<length$}");
        let longest = CUT - PREFIX.len() - "url=".len() - 1;
        assert_eq!(show(&format!("url={}", message(longest))), "/home/victim/x.php");
        assert_eq!(show(&format!("url={}", message(longest + 1))), "ambiguous");
        assert_eq!(show(&format!("url={}", message(1000))), "ambiguous");
    }

    #[test]
    fn the_path_and_nothing_more() {
        for (rest, want) in [
            ("h/s.php, client=8.8.8.8, filename=/a/s.php, uid=1, user=u, args=", "/a/s.php"),
            (", client=, filename=, uid=1007, user=w, args=", ""),
            ("h, client=2001:db8::1, filename=/a, b/c.php, uid=1, user=u", "/a, b/c.php"),
            ("h, client=1.1.1.1, filename=/a, uid=x, uid=1, user=u", "/a, uid=x"),
            ("h, client=1.1.1.1, filename=/a, uid=7x, uid=1, user=u", "/a, uid=7x"),
            ("h, client=1.1.1.1, filename=/a, uid=, user=, uid=1, user=u", "/a, uid=, user="),
            ("?a=,client=1.1.1.1,filename=/v,, client=8.8.8.8, filename=/a, uid=1, user=u", "/a"),
            ("?a=, client=zzz, client=8.8.8.8, filename=/a, uid=1, user=u", "/a"),
            (
                "h, client=1.1.1.1, filename=/a, uid=1, user=u, args=-f a, filename=/v, uid=0, user=r",
                "/a",
            ),
        ] {
            assert_eq!(show(&format!("url={rest}")), want, "{rest}");
        }
    }

    #[test]
    fn implausible_repeats_stand_for_one_message() {
        let messages = |rest: &str, times| {
            let message = format!("sendmail-php url=h, client=8.8.8.8, filename={rest}");
            let content = PhpWrapper.message(b"www", message.as_bytes());
            let ambiguous = matches!(content, Some(Content::Ambiguous(b"www")));
            (ambiguous, content.map(|content| content.messages(times)))
        };
        let sent = "/a, uid=1, user=u";
        for (rest, times, want) in [
            (sent, MAX_REPEATS, (false, Some(MAX_REPEATS))),
            (sent, MAX_REPEATS + 1, (false, Some(1))),
            ("/cut", MAX_REPEATS, (true, Some(MAX_REPEATS))),
            ("/cut", MAX_REPEATS + 1, (true, Some(1))),
            (", uid=1, user=u", 1, (false, None)),
        ] {
            assert_eq!(messages(rest, times), want, "{rest}");
        }
    }

    #[test]
    fn a_line_with_two_readings_is_ambiguous() {
        for rest in [
            "?, client=1.2.3.4, filename=/v, uid=0, user=r, args=, client=8.8.8.8, filename=/a, uid=1, user=u, args=",
            "?, client=1.2.3.4, filename=/v, client=8.8.8.8, filename=/a, uid=1, user=u, args=",
            "h, client=8.8.8.8, filename=/a, uid=1, user=u, args=, client=1.2.3.4, filename=/v, uid=0, user=r",
            "?a=, client=zzz, filename=/v, uid=0, user=r, client=8.8.8.8, filename=/a, uid=1, user=u",
            "h, client=8.8.8.8, filename=/a, uid=1, user=u, args=, client=z z, filename=/v, uid=0, user=r",
            "h, client=fe80::1%eth0, filename=/a, uid=1, user=u",
            "h/cut",
            "h, client=8.8.8.8, filename=/a/cu",
        ] {
            assert_eq!(show(&format!("url={rest}")), "ambiguous", "{rest}");
        }
        assert_eq!(read(b"x sendmail-php url="), None);
    }

    #[test]
    fn lines_of_the_packaged_wrapper_have_one_reading() {
        for (rest, want) in [
            (
                "url=h/s.php?a=1&b=%2c, client=::1, filename=/a/s.php, uid=1, user=u, args=",
                "/a/s.php",
            ),
            ("url=, client=, filename=, uid=0, user=, args=", ""),
            (
                "url=, client=, filename=/a%20%25%ff%0a%2c.php, uid=0, user=u, args=",
                r"/a %\xff\n,.php",
            ),
            ("url=h*, client=x*, filename=/a, uid=0, user=u*, args=+-fa@b+*", "/a"),
            ("url=, client=, filename=/a, uid=0, user=u, args=+", "/a"),
            ("url=%2c%20client=1.1.1.1, client=, filename=/a, uid=0, user=u, args=+-i+x%2b", "/a"),
        ] {
            assert_eq!(show(&format!("v=2, {rest}")), want, "{rest}");
        }
    }

    #[test]
    fn what_the_packaged_wrapper_does_not_write_is_ambiguous() {
        let right = "v=2, url=u, client=1.1.1.1, filename=/a, uid=0, user=u, args=+-i";
        assert_eq!(show(right), "/a");
        for (from, to) in [
            ("v=2", "v=3"),
            ("v=2", "v=22"),
            ("url=u", "url=u x"),
            ("url=u", "url=u,x"),
            ("url=u", "url=u+x"),
            ("url=u", "url=u%"),
            ("url=u", "url=u%2"),
            ("url=u", "url=u%2C"),
            ("url=u", "url=u%41"),
            ("url=u", "url=u%00"),
            ("url=u", "url=u%zz"),
            ("url=u", "url=u**"),
            ("url=u", "url=u\u{e9}"),
            ("url=u", "url=u, client=1.1.1.1, filename=/v, uid=0, user=u, args="),
            ("url=u, client", "client"),
            ("filename=/a", "filename=/a*"),
            ("filename=/a", "filename=/a%2f"),
            ("filename=/a", "filename=/a]"),
            ("filename=/a", "filename=/a, filename=/v"),
            ("uid=0", "uid="),
            ("uid=0", "uid=0*"),
            ("uid=0", "uid=%30"),
            ("uid=0", "uid=x"),
            ("uid=0, user=u", "user=u, uid=0"),
            ("user=u, args=+-i", "user=u"),
            ("args=+-i", "args=-i"),
            ("args=+-i", "args=+-i x"),
            ("args=+-i", "args=+-i, args=+"),
            (", ", ","),
        ] {
            let wrong = right.replace(from, to);
            assert_ne!(wrong, right);
            assert_eq!(show(&wrong), "ambiguous", "{wrong}");
        }
        for cut in 4..right.len() - "args=+-i".len() {
            assert_eq!(show(&right[..cut]), "ambiguous", "{cut}");
        }
        assert_eq!(show("x=2"), "-");
    }
}
