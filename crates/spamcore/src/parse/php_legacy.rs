//! The sendmail wrapper of old PHP: one message handed to sendmail.
//!
//! ```text
//! sendmail-php url=URL, client=ADDRESS, filename=PATH, uid=N, user=NAME, args=…
//! ```
//!
//! URL is what a visitor asked for, and may hold the whole of the rest; `args` is the caller's. So the
//! url ends at the `, client=` that the next `, filename=` follows, the client is of the letters of an
//! address, the path ends at the first `, uid=DIGITS, user=`, and `args` is not read. A line that holds a second
//! whole group has two readings and is unclear, as is one that ends before its path does (a url can be
//! made so long that the log cuts the line): it counts for nobody, but it is counted as unclear.

use super::{Event, Hit, Kind, Line, MOST_REPEATS, Parser, counted, is_address_byte, syslog_line};
use crate::walk::Walk;

/// The parser of the wrapper's lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct PhpLegacy;

/// What a message of the wrapper says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// This script sent a mail, as this user id.
    Sent {
        /// The script's path; it may be empty (a command line).
        path: &'a [u8],
        /// The digits after `uid=`.
        uid: &'a [u8],
    },
    /// It has no reading, or two.
    Unclear,
}

impl Parser for PhpLegacy {
    fn needle(&self) -> &'static [u8] {
        b"sendmail-php url="
    }

    fn line<'a>(&self, line: &'a [u8]) -> Line<'a> {
        syslog_line(self, line)
    }

    fn message<'a>(&self, name: &'a [u8], message: &'a [u8], times: u64) -> Option<Hit<'a>> {
        match read(message)? {
            Message::Sent { path: b"", .. } => None,
            Message::Sent { path, .. } => Some(counted(script(path), times)),
            Message::Unclear if times > MOST_REPEATS => Some(Hit::Unbelievable(times)),
            Message::Unclear => Some(Hit::Unclear(name, times)),
        }
    }

    fn claimed_uid<'a>(&self, message: &'a [u8]) -> Option<&'a [u8]> {
        match read(message)? {
            Message::Sent { uid, .. } => Some(uid),
            Message::Unclear => None,
        }
    }
}

/// A mail that a script sent.
pub(super) fn script(path: &[u8]) -> Event<'_> {
    Event { kind: Kind::Script, sender: path, authenticated: None, client: None }
}

/// Reads a message; none when it is not of the wrapper.
pub fn read(message: &[u8]) -> Option<Message<'_>> {
    let mut walk = Walk::new(message);
    if !walk.take(b"sendmail-php url=") {
        return None;
    }
    Some(group(walk.rest()).unwrap_or(Message::Unclear))
}

const CLIENT: &[u8] = b", client=";
const FILENAME: &[u8] = b", filename=";

/// The group of fields that ends the url, if it is the only one. Takes no longer than the text is long.
fn group(text: &[u8]) -> Option<Message<'_>> {
    // A client holds no `, client=`, so of several in a row the last one begins the group.
    let mut starts = memchr::memmem::find_iter(text, CLIENT).peekable();
    let mut heads = std::iter::from_fn(|| {
        loop {
            let begin = starts.next()? + CLIENT.len();
            let end = starts.peek().copied().unwrap_or(text.len());
            if let Some(at) = memchr::memmem::find(&text[begin..end.max(begin)], FILENAME) {
                let fields = &text[begin + at + FILENAME.len()..];
                return Some((&text[begin..begin + at], fields));
            }
        }
    });
    let (client, fields) = heads.next()?;
    let (path, uid) = owner(fields)?;
    // A second group may begin within the first one's path, and then ends where that ends.
    if heads.next().is_some_and(|(_, second)| owner(second).is_some()) {
        return Some(Message::Unclear);
    }
    client.iter().all(|&b| is_address_byte(b)).then_some(Message::Sent { path, uid })
}

/// What stands before the first `, uid=DIGITS, user=`, and the digits.
fn owner(text: &[u8]) -> Option<(&[u8], &[u8])> {
    memchr::memmem::find_iter(text, b", uid=").find_map(|at| {
        let mut walk = Walk::new(&text[at..]);
        walk.take(b", uid=");
        let uid = walk.take_while(|b| b.is_ascii_digit());
        (!uid.is_empty() && walk.take(b", user=")).then(|| (&text[..at], uid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(rest: &str) -> String {
        match read(format!("sendmail-php url={rest}").as_bytes()) {
            Some(Message::Sent { path, .. }) => String::from_utf8_lossy(path).into_owned(),
            Some(Message::Unclear) => "unclear".into(),
            None => "-".into(),
        }
    }

    #[test]
    fn the_path_and_nothing_else() {
        for (rest, want) in [
            ("h/s.php, client=8.8.8.8, filename=/a/s.php, uid=1, user=u, args=", "/a/s.php"),
            (", client=, filename=, uid=1007, user=w, args=", ""),
            ("h, client=2001:db8::1, filename=/a, b/c.php, uid=1, user=u", "/a, b/c.php"),
            ("h, client=1.1.1.1, filename=/a, uid=x, uid=1, user=u", "/a, uid=x"),
            ("?a=,client=1.1.1.1,filename=/v,, client=8.8.8.8, filename=/a, uid=1, user=u", "/a"),
            ("?a=, client=zzz, client=8.8.8.8, filename=/a, uid=1, user=u", "/a"),
            (
                "h, client=1.1.1.1, filename=/a, uid=1, user=u, args=-f a, filename=/v, uid=0, user=r",
                "/a",
            ),
        ] {
            assert_eq!(show(rest), want, "{rest}");
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
            assert_eq!(show(rest), "unclear", "{rest}");
        }
        assert_eq!(read(b"x sendmail-php url="), None);
    }
}
