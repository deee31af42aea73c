//! PHP's `mail.log`: one call of `mail()` (`ext/standard/mail.c php_mail()`).
//!
//! ```text
//! [23-Nov-2026 19:04:25 Europe/Madrid] mail() on [PATH:LINE]: To: … -- Headers: … -- Subject: …
//! mail() on [PATH:LINE]: To: … -- Headers: …                      PHP 5.3, no timestamp
//! Nov 23 18:04:26 host php: mail() on [PATH:LINE]: To: …          mail.log = syslog, any ident
//! 2026-11-23T18:04:25.1Z [23-Nov-2026 19:04:25 …] mail() on [ …   the first two in a container's log
//! ```
//!
//! The path ends at the first `:DIGITS]: To: `; the caller of `mail()` chooses what follows. A line or message
//! that starts with a space or a TAB continues a folded header, which a caller can use to smuggle in a line,
//! and counts for nobody. A path with a newline breaks its line in two; the first half is ambiguous. Code that
//! a script evaluates (`zend.c COMPILED_STRING_DESCRIPTION_FORMAT`, which is `%s(%d) : %s`) counts as that
//! script.

use super::kin::{self, Kin};
use super::php_wrapper::script;
use super::unread::{self, has_time};
use super::{Content, Line, Parser, Stamped, syslog, syslog_line};
use crate::cursor::{Cursor, positions};
use crate::source::journal::Author;
use crate::time::stamp::Stamp;

const MAIL: &[u8; 11] = b"mail() on [";

/// How many bytes of a broken line are shown.
const SHOWN: usize = 80;

/// The parser for PHP's `mail.log`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Php;

impl Parser for Php {
    fn needle(&self) -> &'static [u8] {
        MAIL
    }

    fn line<'a>(&self, line: &'a [u8]) -> Line<'a> {
        match line.first() {
            Some(b'[') => stamped(line),
            Some(b'm') if line.starts_with(MAIL) => Line::once(Stamped::Bare, mail(line)),
            _ => behind_runtime(line).unwrap_or_else(|| syslog_line(self, line)),
        }
    }

    fn occurs_in(&self, text: &[u8]) -> bool {
        // A caller can make a line of his own, but then nothing says when.
        positions(text, MAIL)
            .next()
            .is_some_and(|at| path(&text[at..]).is_some() && has_time(&text[..at]))
    }

    fn program(&self) -> &'static str {
        "PHP"
    }

    fn kin(&self, line: &[u8]) -> Kin {
        let parsed = self.line(line);
        // With `mail.log = syslog`, its lines are in the log of the mail program, and few of them.
        match (line.first(), parsed.stamp) {
            (Some(b'['), Stamped::At(_)) => Kin::Own,
            _ if parsed.content.is_some() => Kin::Own,
            _ => kin::in_syslog(line, kin::is_mail),
        }
    }

    fn is_unread(&self, line: &[u8]) -> bool {
        match line.first() {
            // A continuation, or PHP's own line.
            Some(b' ' | b'\t' | b'm') => false,
            Some(b'[') => matches!(self.stamp(line), Stamped::Unreadable) && self.occurs_in(line),
            _ => unread::in_syslog(self, line),
        }
    }

    fn stamp<'a>(&self, line: &'a [u8]) -> Stamped<'a> {
        self.line(line).stamp
    }

    fn journal_author(&self) -> Option<Author> {
        Some(Author::Anybody)
    }

    fn message<'a>(&self, _name: &'a [u8], message: &'a [u8]) -> Option<Content<'a>> {
        // PHP 5.5 to 7.1.1 also put their own timestamp into the message.
        let mut cursor = Cursor::new(message);
        if !(cursor.take(b"[") && Stamp::of_php(&mut cursor).is_some() && cursor.take(b"] ")) {
            cursor = Cursor::new(message);
        }
        mail(cursor.rest())
    }

    // The script comes before the headers, where a list of recipients can be as long as a caller wants.
    fn accepts_truncated_lines(&self) -> bool {
        true
    }

    // Nearly every line counts, and each may be in another zone, whose hours repeat at another time.
    fn needs_every_line(&self) -> bool {
        true
    }
}

/// A line of PHP behind the timestamp of a container runtime, which counts.
fn behind_runtime(line: &[u8]) -> Option<Line<'_>> {
    let (stamp, inner) = syslog::behind_runtime(line)?;
    let content = match inner.first() {
        Some(b'[') => stamped(inner).content,
        Some(b'm') if inner.starts_with(MAIL) => mail(inner),
        _ => return None,
    };
    Some(Line::once(Stamped::At(stamp), content))
}

/// `[TIMESTAMP] mail() on …`
fn stamped(line: &[u8]) -> Line<'_> {
    let mut cursor = Cursor::new(line);
    cursor.take(b"[");
    match Stamp::of_php(&mut cursor) {
        Some(stamp) => {
            let content = cursor.take(b"] ").then(|| mail(cursor.rest())).flatten();
            Line::once(Stamped::At(stamp), content)
        }
        None => Line::once(Stamped::Unreadable, None),
    }
}

fn mail(message: &[u8]) -> Option<Content<'_>> {
    match path(message) {
        Some(path) => Some(script(path.into())),
        None => {
            is_broken(message).then(|| Content::Ambiguous(&message[..message.len().min(SHOWN)]))
        }
    }
}

/// Whether this is the start of a line that a newline in the path has broken in two.
fn is_broken(message: &[u8]) -> bool {
    message.starts_with(MAIL) && positions(message, b"]: To: ").next().is_none()
}

/// The script that called `mail()`; none if this is another message.
pub fn path(message: &[u8]) -> Option<&[u8]> {
    let text = message.strip_prefix(MAIL)?;
    let end = positions(text, b"]: To: ").find_map(|at| {
        let digits = text[..at].iter().rev().take_while(|b| b.is_ascii_digit()).count();
        (digits > 0 && text[..at - digits].ends_with(b":")).then(|| at - digits - 1)
    })?;
    let script = evaluated_by(&text[..end]);
    (!script.is_empty()).then_some(script)
}

/// `PATH(12) : eval()'d code`, which can be nested, is PATH.
fn evaluated_by(mut path: &[u8]) -> &[u8] {
    const KINDS: [&[u8]; 5] = [
        b") : eval()'d code",
        b") : runtime-created function",
        b") : assert code",
        b") : regexp code",
        b") : mbregex replace",
    ];
    while let Some(rest) = KINDS.iter().find_map(|kind| path.strip_suffix(*kind)) {
        let digits = rest.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        match rest[..rest.len() - digits].strip_suffix(b"(") {
            Some(script) if digits > 0 => path = script,
            _ => break,
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::*;

    fn show(line: &str) -> String {
        let line = Php.line(line.as_bytes());
        let stamp = match line.stamp {
            Stamped::At(_) => "at",
            Stamped::Bare => "bare",
            Stamped::Unreadable => "unreadable",
        };
        let Some(event) = line.event() else { return stamp.into() };
        let Event::Accepted(accepted) = &*event else { return "-".into() };
        let name = String::from_utf8_lossy(&accepted.senders.first().name);
        format!("{stamp} {name} {}", line.times)
    }

    #[test]
    fn lines_of_every_release() {
        for (line, want) in [
            ("mail() on [/a/x.php:12]: To: a@b -- Headers: ", "bare /a/x.php 1"),
            (
                "[23-Nov-2026 18:04:25 UTC] mail() on [/a/x.php:2]: To: a@b -- Headers:  -- Subject: Hi",
                "at /a/x.php 1",
            ),
            ("Nov 23 18:04:26 web php: mail() on [/a/x.php:2]: To: a@b", "at /a/x.php 1"),
            ("Nov 23 18:04:26 web my-app[7]: mail() on [/a/x.php:2]: To: a@b", "at /a/x.php 1"),
            (
                "Nov 23 18:04:26 web php: [23-Nov-2026 18:04:25 UTC] mail() on [/a/x.php:2]: To: a@b",
                "at /a/x.php 1",
            ),
            (
                "Nov 23 18:04:26 web php: message repeated 3 times: [ mail() on [/a/x.php:2]: To: a@b]",
                "at /a/x.php 3",
            ),
            (
                "Nov 23 18:04:26 web php: message repeated 1000001 times: [ mail() on [/a/x.php:2]: To: a@b]",
                "at /a/x.php 1000001",
            ),
        ] {
            assert_eq!(show(line), want, "{line}");
        }
    }

    #[test]
    fn what_a_caller_smuggled_in_does_not_count() {
        for (line, want) in [
            (" [02-Jul-2026 10:10:10 UTC] mail() on [/v/x.php:1]: To: z@z", "unreadable"),
            (" mail() on [/v/x.php:1]: To: z@z", "unreadable"),
            ("\tmail() on [/v/x.php:1]: To: z@z", "unreadable"),
            ("next: mail() on [/v/x.php:1]: To: z@z", "unreadable"),
            (
                "Nov 23 18:04:26 web php:  [02-Jul-2026 10:10:10 UTC] mail() on [/v/x.php:1]: To: z",
                "at",
            ),
            ("Nov 23 18:04:26 web php:  mail() on [/v/x.php:1]: To: z", "at"),
            ("Nov 23 18:04:26 web php: next: mail() on [/v/x.php:1]: To: z", "at"),
            ("[23-Nov-2026 18:04:25 UTC]  mail() on [/v/x.php:1]: To: z", "at"),
            ("[nonsense] mail() on [/v/x.php:1]: To: z", "unreadable"),
            ("[23-Nov-2026 18:04:25 UTC] mail() on [/v/x.php:x]: To: z", "at"),
            ("mail() on [/v/x.php]: To: z", "bare"),
            ("mail() on [/v/x.php:]: To: z", "bare"),
            ("mail() of [/v/x.php:1]: To: z", "unreadable"),
        ] {
            assert_eq!(show(line), want, "{line}");
        }
    }

    #[test]
    fn the_script_of_evaluated_code_and_odd_paths() {
        for (inside, want) in [
            ("/a/we [ird]:12]: To.php:2", "/a/we [ird]:12]: To.php"),
            ("/a/a:b/c.php:12", "/a/a:b/c.php"),
            ("/a/x.php(3) : eval()'d code(1) : eval()'d code:12", "/a/x.php"),
            ("/a/x.php(7) : runtime-created function(1) : assert code:1", "/a/x.php"),
            ("/a/x.php(7) : regexp code:1", "/a/x.php"),
            ("/a/x.php(7) : mbregex replace:1", "/a/x.php"),
            ("/a/x.php() : eval()'d code:1", "/a/x.php() : eval()'d code"),
            ("/a(1) : eval()'d code/y.php:1", "/a(1) : eval()'d code/y.php"),
            ("Command line code:1", "Command line code"),
        ] {
            let line = format!("mail() on [{inside}]: To: a@b]: To: c:5]: To: d");
            let path = path(line.as_bytes()).map(String::from_utf8_lossy);
            assert_eq!(path.as_deref(), Some(want));
        }
        assert_eq!(path(b"mail() on [(1) : eval()'d code:1]: To: x"), None, "no script");
    }
}
