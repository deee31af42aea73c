//! Postfix smtpd: one accepted message of an authenticated client.
//!
//! `smtpd.c mail_open_stream()` writes this once per message, in this order:
//!
//! ```text
//! QUEUEID|NOQUEUE ": client=" NAME "[" ADDRESS "]" [":" PORT]
//!    ", sasl_method=" M ", sasl_username=" U
//!    [", sasl_sender=" S] [", orig_queue_id=" ID] [", orig_client=" …]
//! ```
//!
//! The tag is `<syslog_name>/smtpd`, whatever the administrator has set `syslog_name` to; if rsyslog has
//! forwarded it, its end may be missing, and a template may print `%programname%`, which is `postfix` alone. No
//! other program of Postfix starts a message as smtpd does. U is what the authentication server returned, and can
//! contain anything but control characters. So it ends at the first of the three fields that can follow, or at
//! the end of the line. All other lines that contain `sasl_username=` (failed logins, rejects, headers that
//! cleanup quotes) start differently.

use super::kin::{self, Kin};
use super::syslog::FORWARDED;
use super::{
    Accepted, Client, Content, Event, Identity, Kind, LazyEvent, Line, Parser, Sender, Senders,
    exim, syslog, syslog_line,
};
use crate::cursor::{Cursor, positions};
use crate::source::journal::{Author, Service};

/// The parser for Postfix's lines in a mail log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Postfix;

impl Parser for Postfix {
    fn needle(&self) -> &'static [u8] {
        b", sasl_username="
    }

    #[inline]
    fn line<'a>(&self, line: &'a [u8]) -> Line<'a> {
        syslog_line(self, line)
    }

    fn occurs_in(&self, text: &[u8]) -> bool {
        let method = |at: usize| positions(&text[at..], b", sasl_method=").next().is_some();
        positions(text, b": client=").next().is_some_and(method)
    }

    fn begins(&self, message: &[u8]) -> bool {
        after_queue_id(message).is_some_and(|(_, text)| accepted(text).is_some())
    }

    fn program(&self) -> &'static str {
        "Postfix"
    }

    fn kin(&self, line: &[u8]) -> Kin {
        match kin::in_syslog(line, kin::is_postfix) {
            Kin::Other if exim::is_own(line) => Kin::Mail,
            kin => kin,
        }
    }

    fn host(line: &[u8]) -> Option<&[u8]> {
        syslog::host(line)
    }

    fn journal_author(&self) -> Option<Author> {
        Some(Author::Service(Service { user: "postfix", is_unit, unit: "postfix.service" }))
    }

    fn names_logins(&self) -> bool {
        true
    }

    #[inline]
    fn message<'a>(&self, name: &'a [u8], message: &'a [u8]) -> Option<Content<'a>> {
        if !(name.ends_with(b"/smtpd") || name == b"postfix" || is_cut(name)) {
            return None;
        }
        let (id, text) = after_queue_id(message)?;
        // Short ids are used again, so that client and login must be the same, too.
        let identity = Identity { text: message, recurs: true };
        let identity = (id != NO_QUEUE).then_some(identity);
        let parse = |text| accepted(text).map(Event::Accepted);
        Some(Content::Event(LazyEvent::Deferred { identity, text, parse }))
    }
}

/// `postfix.service` or `postfix@INSTANCE.service`.
fn is_unit(unit: &[u8]) -> bool {
    let Some(name) = unit.strip_prefix(b"postfix").and_then(|n| n.strip_suffix(b".service")) else {
        return false;
    };
    let is_allowed = |b: &u8| b.is_ascii_alphanumeric() || b"_-.\\:".contains(b);
    name.is_empty()
        || name.strip_prefix(b"@").is_some_and(|instance| instance.iter().all(is_allowed))
}

/// Whether a name was cut off within `/smtpd`. Other programs of Postfix may look the same then.
fn is_cut(name: &[u8]) -> bool {
    name.len() == FORWARDED && (2..6).any(|kept| name.ends_with(&b"/smtpd"[..kept]))
}

/// The queue id, or `NOQUEUE`, and what smtpd logs about a client after it.
#[inline]
fn after_queue_id(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut cursor = Cursor::new(message);
    let id = cursor.before([b':', b' ']);
    (cursor.take(b": client=") && is_queue_id(id)).then_some((id, cursor.rest()))
}

/// What stands in the place of the queue id while a message has none.
const NO_QUEUE: &[u8] = b"NOQUEUE";

/// Reads what follows `client=`, if this is the line of a message from an authenticated client.
fn accepted(text: &[u8]) -> Option<Accepted<'_>> {
    let mut cursor = Cursor::new(text);
    let name = cursor.before([b'[', b' ']);
    if !cursor.take(b"[") {
        return None;
    }
    let address = cursor.before([b']', b' ']);
    if !cursor.take(b"]") {
        return None;
    }
    let port = cursor.take(b":");
    if port {
        cursor.number(1, 5)?;
    }
    if !cursor.take(b", sasl_method=") {
        return None;
    }
    cursor.before([b',', b' ']);
    if !cursor.take(b", sasl_username=") {
        return None;
    }
    let user = user(cursor.rest());
    Some(Accepted {
        senders: Senders::new(Sender::new(Kind::Sasl, user), None),
        client: Some(Client { name, address }),
        recurs: !port && user.len() == cursor.rest().len(),
        id: None,
    })
}

/// The login name at the start of the rest of a line.
#[inline]
fn user(rest: &[u8]) -> &[u8] {
    const FOLLOWERS: [&[u8]; 3] = [b", sasl_sender=", b", orig_queue_id=", b", orig_client="];
    let end = positions(rest, b", ")
        .find(|&at| FOLLOWERS.iter().any(|follower| rest[at..].starts_with(follower)));
    &rest[..end.unwrap_or(rest.len())]
}

/// `NOQUEUE`, a short id (hexadecimal) or a long one (base 52, without vowels; `mail_queue.h`).
#[inline]
fn is_queue_id(id: &[u8]) -> bool {
    let kinds = id.iter().fold(SHORT | LONG, |kinds, &b| kinds & ID_BYTES[usize::from(b)]);
    (kinds & SHORT != 0 && id.len() >= 5) || (kinds & LONG != 0 && id.len() >= 10) || id == NO_QUEUE
}

const SHORT: u8 = 1;
const LONG: u8 = 2;

/// The kinds of queue ids in which a byte can occur.
const ID_BYTES: [u8; 256] = byte_table!(|b| {
    let vowel = matches!(b.to_ascii_uppercase(), b'A' | b'E' | b'I' | b'O' | b'U');
    let short = matches!(b, b'0'..=b'9' | b'A'..=b'F');
    let long = b.is_ascii_alphanumeric() && !vowel;
    (if short { SHORT } else { 0 }) | (if long { LONG } else { 0 })
});

#[cfg(test)]
mod tests {
    use super::*;

    fn show(message: &str) -> String {
        let event = after_queue_id(message.as_bytes()).and_then(|(_, text)| accepted(text));
        event.map_or("-".into(), |event| {
            let client = event.client.expect("Postfix names the client");
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            let sender = &event.senders.first().name;
            format!("{}[{}] {}", text(client.name), text(client.address), text(sender))
        })
    }

    #[test]
    fn the_line_of_an_accepted_message_in_all_its_variants() {
        for (message, want) in [
            (
                "3F1A2B: client=a.b[192.0.2.7], sasl_method=PLAIN, sasl_username=bob",
                "a.b[192.0.2.7] bob",
            ),
            ("NOQUEUE: client=a[::1]:60436, sasl_method=login, sasl_username=b", "a[::1] b"),
            (
                "4jYDVw0hbHz1TsNr: client=unknown[unknown], sasl_method=X, sasl_username=b",
                "unknown[unknown] b",
            ),
            ("3F1A2B: client=a[1.2.3.4], sasl_method=P, sasl_username=", "a[1.2.3.4] "),
            (
                "3F1A2B: client=a[1.2.3.4], sasl_method=P, sasl_username=b, sasl_sender=x",
                "a[1.2.3.4] b",
            ),
            (
                "3F1A2B: client=a[1.2.3.4], sasl_method=P, sasl_username=b, orig_queue_id=1, orig_client=x[y]",
                "a[1.2.3.4] b",
            ),
            (
                "3F1A2B: client=a[1.2.3.4], sasl_method=P, sasl_username=b, c, orig_client=x[y]",
                "a[1.2.3.4] b, c",
            ),
            ("00FF9: client=a[1.2.3.4], sasl_method=P, sasl_username=b", "a[1.2.3.4] b"),
            ("bcdfZYXW01: client=a[1.2.3.4], sasl_method=P, sasl_username=b", "a[1.2.3.4] b"),
            (
                "3F1A2B: client=a[1.2.3.4], sasl_method=P, sasl_username=a, sasl_method=P, sasl_username=v",
                "a[1.2.3.4] a, sasl_method=P, sasl_username=v",
            ),
        ] {
            assert_eq!(show(message), want, "{message}");
        }
    }

    #[test]
    fn units_of_postfix() {
        for (unit, want) in [
            ("postfix.service", true),
            ("postfix@-.service", true),
            ("postfix@mx\\x2dout.service", true),
            ("postfix-evil.service", false),
            ("postfix@a b.service", false),
            ("session-1.scope", false),
        ] {
            assert_eq!(is_unit(unit.as_bytes()), want, "{unit}");
        }
    }

    #[test]
    fn what_is_not_an_accepted_message() {
        for message in [
            "warning: unknown[1.2.3.4]: SASL LOGIN authentication failed: x, sasl_username=bob",
            "warning: client=a[1.2.3.4], sasl_method=P, sasl_username=bob",
            "error: client=a[1.2.3.4], sasl_method=P, sasl_username=bob",
            "3F1A: client=a[1.2.3.4], sasl_method=P, sasl_username=bob",
            "3f1a2b: client=a[1.2.3.4], sasl_method=P, sasl_username=bob",
            "bcdfZYXW0: client=a[1.2.3.4], sasl_method=P, sasl_username=bob",
            "bcdfZYXW0a: client=a[1.2.3.4], sasl_method=P, sasl_username=bob",
            "3F1A2G: client=a[1.2.3.4], sasl_method=P, sasl_username=bob",
            "x 3F1A2B: client=a[1.2.3.4], sasl_method=P, sasl_username=bob",
            "3F1A2B: client=a[1.2.3.4], sasl_username=bob",
            "3F1A2B: client=a[1.2.3.4]:x, sasl_method=P, sasl_username=bob",
            "3F1A2B: client=a[1.2.3.4], sasl_method=P x, sasl_username=bob",
            "3F1A2B: client=a b[1.2.3.4], sasl_method=P, sasl_username=bob",
            "3F1A2B: client=localhost[127.0.0.1]",
            "NOQUEUE: reject: RCPT from a[1.2.3.4]: 554; sasl_method=P sasl_username=bob",
            "",
        ] {
            assert_eq!(show(message), "-", "{message}");
        }
    }
}
