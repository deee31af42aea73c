//! The sendmail wrapper of old PHP: one message handed to sendmail.
//!
//! ```text
//! sendmail-php v=2, url=URL, client=ADDRESS, filename=PATH, uid=N, user=NAME, args=+ARG+ARG…
//! sendmail-php url=URL, client=ADDRESS, filename=PATH, uid=N, user=NAME, args=…
//! ```
//!
//! The first form is that of our own wrapper, `packaging/php/phpsendmail`. Every byte of a value is written
//! either as itself or as `%hh`, and in no other way, so that the line has one reading and a path one
//! spelling. A `*` stands where the wrapper has cut a value. What departs from this grammar by a byte is
//! unclear. No visitor can make a line of the other form out of it, or the reverse: the form is said before
//! the first value.
//!
//! The second form is that of the wrappers that sites wrote after the old documentation, with nothing
//! escaped. URL is what a visitor asked for, and may hold the whole of the rest; `args` is the caller's. So the
//! url ends at the `, client=` that the next `, filename=` follows, the client is of the letters of an
//! address, the path ends at the first `, uid=DIGITS, user=`, and `args` is not read. A line that holds a second
//! whole group has two readings and is unclear, as is one that ends before its path does. A url can be made so
//! long that the log cuts the line behind a group of the visitor's, so that the true one is not there: from
//! 900 bytes on a line is unclear, too. It counts for nobody, but it is counted as unclear.

use std::borrow::Cow;

use super::{
    Accepted, Content, Kind, Line, Parser, Sender, Senders, hex_byte, is_address_byte, syslog_line,
    unescape,
};
use crate::cursor::Cursor;
use crate::source::journal::Author;

/// The parser of the wrapper's lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct PhpWrapper;

/// What a message of the wrapper says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// This script sent a mail, as this user id.
    Sent {
        /// The script's path as logged; it may be empty (a command line).
        path: &'a [u8],
        /// The path holds [escapes](super::unescape).
        escaped: bool,
        /// The digits after `uid=`.
        uid: &'a [u8],
    },
    /// It has no reading, or two.
    Ambiguous,
}

impl Parser for PhpWrapper {
    fn needle(&self) -> &'static [u8] {
        PREFIX
    }

    fn line<'a>(&self, line: &'a [u8]) -> Line<'a> {
        syslog_line(self, line)
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
    Content::Event(Accepted { senders, client: None, recurs: false }.into())
}

/// What every message of a wrapper begins with.
const PREFIX: &[u8] = b"sendmail-php ";

/// Reads a message; none when it is not of the wrapper.
pub fn read(message: &[u8]) -> Option<Message<'_>> {
    let mut cursor = Cursor::new(message);
    if !cursor.take(PREFIX) {
        return None;
    }
    let sent = if cursor.take(b"url=") {
        if message.len() < CUT { group(cursor.rest()) } else { None }
    } else if cursor.take(b"v=") {
        // A form of a later wrapper is unclear here too.
        escaped_group(cursor)
    } else {
        return None;
    };
    Some(sent.unwrap_or(Message::Ambiguous))
}

/// Whether our wrapper writes the byte as itself.
#[inline]
fn is_plain(b: u8) -> bool {
    const TABLE: [bool; 256] = byte_table!(|b| b.is_ascii_alphanumeric()
        || matches!(b, b'/' | b'.' | b'_' | b'-' | b'~' | b':' | b'?' | b'&' | b'=' | b'@'));
    TABLE[usize::from(b)]
}

/// The fields as our wrapper writes them.
fn escaped_group(mut cursor: Cursor<'_>) -> Option<Message<'_>> {
    let mut field = |name: &[u8]| {
        let value = cursor.take(name).then(|| value(&mut cursor))??;
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

/// Takes a value as our wrapper writes it. None where a byte that is written as itself, or that no value
/// can hold, is escaped.
fn value<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let value = cursor.take_while(|b| is_plain(b) || b == b'%');
    let escapes = memchr::memchr_iter(b'%', value);
    let mut escaped = escapes.map(|at| hex_byte(&value[at + 1..]));
    escaped.all(|byte| byte.is_some_and(|b| b != 0 && !is_plain(b))).then_some(value)
}

/// The least length at which a message may have been cut: `logger(1)` cuts at 1024 bytes, syslog servers that keep
/// to RFC 3164 at as many with the stamp, the host and the tag.
const CUT: usize = 900;

const CLIENT: &[u8] = b", client=";
const FILENAME: &[u8] = b", filename=";

/// The group of fields that ends the url, if it is the only one. Takes no longer than the text is long.
fn group(text: &[u8]) -> Option<Message<'_>> {
    // A client holds no `, client=`, so of several in a row the last one begins the group.
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
    // A second group may begin within the first one's path, and then ends where that ends.
    if heads.next().is_some_and(|(_, second)| path_and_uid(second).is_some()) {
        return Some(Message::Ambiguous);
    }
    client.iter().all(|&b| is_address_byte(b)).then_some(Message::Sent {
        path,
        escaped: false,
        uid,
    })
}

/// What stands before the first `, uid=DIGITS, user=`, and the digits.
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
    fn what_a_log_may_have_cut_is_ambiguous() {
        // The true group was cut away behind the padding.
        let forged = "/?x, client=1.1.1.1, filename=/home/victim/x.php, uid=1, user=v, args=";
        let message = |length: usize| format!("{forged:A<length$}");
        let longest = CUT - PREFIX.len() - "url=".len() - 1;
        assert_eq!(show(&format!("url={}", message(longest))), "/home/victim/x.php");
        assert_eq!(show(&format!("url={}", message(longest + 1))), "ambiguous");
        assert_eq!(show(&format!("url={}", message(1000))), "ambiguous");
    }

    #[test]
    fn the_path_and_nothing_else() {
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
    fn two_readings_are_none() {
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
    fn our_wrappers_lines_have_one_reading() {
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
    fn what_our_wrapper_does_not_write_is_ambiguous() {
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
