//! The envelope of a line in a syslog file: `<stamp> <host> <tag>: <message>`.
//!
//! Takes a line and gives its timestamp, the program's name and the message; what the message means is the
//! business of the other parsers.
//!
//! - The tag is the word after the host. If the word after the timestamp ends in `:` or contains `[`, that is
//!   the tag, and the line has no host; so a message can never pose as a tag.
//! - It is `name[pid]:` or `name:`, or lacks the colon, as with some templates. rsyslog's forwarding templates
//!   cut it off after 32 bytes (`%syslogtag:1:32%`), perhaps within the process id.
//! - The timestamp may be preceded by a priority (`<22>`), or be part of the header of RFC 5424 (`<22>1 stamp
//!   host name pid msgid structured-data message`, rsyslog's `RSYSLOG_SyslogProtocol23Format`).
//! - The tag may be preceded by facility and severity (`mail.info`), as BusyBox's syslogd writes them, or by a word
//!   that a template of rsyslog makes of them: `[mail.info]`, `<mail.info>`, `info`, `INFO`.
//! - The message may be preceded by `[ID 197553 mail.info] `, as Solaris's syslogd does (`msgid`, `log(4D)`).
//! - A whole line may be preceded by the timestamp of a container runtime (`docker logs -t`, `kubectl logs
//!   --timestamps`), perhaps with `stdout F` (CRI, `k8s.io/cri-api`). That timestamp counts: it has a zone.
//! - The byte order mark that syslog-ng writes before a message is not part of it.
//! - `message repeated N times: [ … ]` (rsyslog, `$RepeatedMsgReduction`) is the message in the brackets, N
//!   times.

use super::Stamped;
use crate::cursor::Cursor;
use crate::time::stamp::{Stamp, StampZone};

/// The length to which rsyslog cuts a tag when forwarding, in bytes.
pub const FORWARDED: usize = 32;

/// Facilities and severities as BusyBox names them (`sysklogd/syslogd.c`, from `syslog.h`).
const FACILITIES: [&[u8]; 22] = [
    b"auth",
    b"authpriv",
    b"cron",
    b"daemon",
    b"ftp",
    b"kern",
    b"local0",
    b"local1",
    b"local2",
    b"local3",
    b"local4",
    b"local5",
    b"local6",
    b"local7",
    b"lpr",
    b"mail",
    b"mark",
    b"news",
    b"security",
    b"syslog",
    b"user",
    b"uucp",
];
const SEVERITIES: [&[u8]; 11] = [
    b"alert", b"crit", b"debug", b"emerg", b"err", b"error", b"info", b"notice", b"panic", b"warn",
    b"warning",
];

/// A line of a syslog file, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// When it was logged.
    pub stamp: Stamp<'a>,
    /// The host that logged it, if the line has one.
    pub host: Option<&'a [u8]>,
    /// The program's name: the tag without the process id and the colon.
    pub name: &'a [u8],
    /// The message, without the space after the tag.
    pub message: &'a [u8],
    /// How often it was logged.
    pub times: u64,
}

/// Reads the envelope of a line.
///
/// The error is the timestamp, as far as it could be read, of a line that has no message.
#[inline]
pub fn envelope(line: &[u8]) -> Result<Envelope<'_>, Stamped<'_>> {
    let (mut cursor, mut protocol) = after_priority(line);
    let Some(stamp) = Stamp::of_syslog(&mut cursor) else {
        return Err(Stamped::Unreadable);
    };
    if line.get(RUNTIME_T) == Some(&b'T')
        && let Some(inner) = inner_line(cursor)
    {
        (cursor, protocol) = after_priority(inner);
        Stamp::of_syslog(&mut cursor);
    }
    let parts = if protocol { rfc5424(cursor) } else { bsd(cursor) };
    let Some((host, name, message)) = parts else {
        return Err(Stamped::At(stamp));
    };
    let message = message.strip_prefix("\u{feff}".as_bytes()).unwrap_or(message);
    let message = without_solaris_id(message);
    let (message, times) = repeated(message).unwrap_or((message, 1));
    Ok(Envelope { stamp, host, name, message, times })
}

/// Reads only the host of a line.
pub fn host(line: &[u8]) -> Option<&[u8]> {
    envelope(line).ok()?.host
}

/// Reads only the timestamp of a line.
pub fn stamp(line: &[u8]) -> Stamped<'_> {
    Stamp::of_syslog(&mut after_priority(line).0).map_or(Stamped::Unreadable, Stamped::At)
}

/// What follows `<22>` or `<22>1 `, if the line starts so, and whether it is of RFC 5424.
#[inline]
fn after_priority(line: &[u8]) -> (Cursor<'_>, bool) {
    let mut cursor = Cursor::new(line);
    if cursor.take(b"<") && cursor.number(1, 3).is_some() && cursor.take(b">") {
        let protocol = cursor.take(b"1 ");
        return (cursor, protocol);
    }
    (Cursor::new(line), false)
}

/// Where the `T` of an RFC 3339 timestamp is.
const RUNTIME_T: usize = "YYYY-MM-DD".len();

/// The whole stamped line after a timestamp, if the one before it is that of a container runtime. No host has a
/// name that reads as the rest of a timestamp.
#[inline]
fn inner_line(mut cursor: Cursor<'_>) -> Option<&[u8]> {
    let inner = after_runtime(&mut cursor)?;
    // What a timestamp or a priority can start with.
    if !matches!(inner.first(), Some(b'0'..=b'9' | b'A'..=b'Z' | b'<')) {
        return None;
    }
    let (mut within, _) = after_priority(inner);
    Stamp::of_syslog(&mut within)?;
    Some(inner)
}

/// The line after a timestamp of a container runtime, which has been taken, and `stdout F`.
#[inline]
fn after_runtime<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    if !cursor.take(b" ") {
        return None;
    }
    let _ = cursor.take(b"stdout F ") || cursor.take(b"stderr F ");
    Some(cursor.rest())
}

/// The line after an RFC 3339 timestamp with a zone, perhaps with `stdout F`, as a container runtime puts it before
/// each line; and that timestamp.
pub fn behind_runtime(line: &[u8]) -> Option<(Stamp<'_>, &[u8])> {
    if line.get(RUNTIME_T) != Some(&b'T') {
        return None;
    }
    let mut cursor = Cursor::new(line);
    let stamp = Stamp::of_syslog(&mut cursor)?;
    let has_zone = matches!(stamp, Stamp::Civil { zone: StampZone::Offset(_), .. });
    Some((stamp, after_runtime(&mut cursor).filter(|_| has_zone)?))
}

/// A message without `[ID 197553 mail.info] ` before it.
#[inline]
fn without_solaris_id(message: &[u8]) -> &[u8] {
    let mut cursor = Cursor::new(message);
    let is_one = cursor.take(b"[ID ")
        && cursor.number(1, 10).is_some()
        && cursor.take(b" ")
        && is_facility_and_severity(cursor.before([b']', b' ']))
        && cursor.take(b"] ");
    if is_one { cursor.rest() } else { message }
}

/// Whether a text is a facility and a severity, as in `mail.info`.
fn is_facility_and_severity(text: &[u8]) -> bool {
    text.iter().position(|b| *b == b'.').is_some_and(|dot| {
        FACILITIES.contains(&&text[..dot]) && SEVERITIES.contains(&&text[dot + 1..])
    })
}

/// The host, if there is one, the program's name and the message.
type Parts<'a> = (Option<&'a [u8]>, &'a [u8], &'a [u8]);

/// ` host tag: message`, with or without the host, or with a severity after it.
#[inline]
fn bsd(mut cursor: Cursor<'_>) -> Option<Parts<'_>> {
    if !cursor.take(b" ") {
        return None;
    }
    let mut tag = Tag::take(&mut cursor)?;
    let mut host = None;
    if !(tag.text.ends_with(b":") || tag.bracket.is_some()) {
        if !cursor.take(b" ") {
            return None;
        }
        host = Some(tag.text);
        tag = Tag::take(&mut cursor)?;
        if tag.is_priority() {
            if !cursor.take(b" ") {
                return None;
            }
            tag = Tag::take(&mut cursor)?;
        }
    }
    // A message may be empty, but there is always a space before it.
    cursor.take(b" ").then_some((host, tag.name(), cursor.rest()))
}

/// A word, and the offset of its first `[`.
struct Tag<'a> {
    text: &'a [u8],
    bracket: Option<usize>,
}

impl<'a> Tag<'a> {
    /// Takes a word of at least one byte.
    #[inline]
    fn take(cursor: &mut Cursor<'a>) -> Option<Self> {
        let from = cursor.rest();
        let head = cursor.before([b' ', b'[']).len();
        let bracket = cursor.rest().starts_with(b"[").then_some(head);
        cursor.before([b' ']);
        let text = &from[..from.len() - cursor.rest().len()];
        (!text.is_empty()).then_some(Self { text, bracket })
    }

    /// The tag without its colon and process id.
    #[inline]
    fn name(&self) -> &'a [u8] {
        let text = self.text.strip_suffix(b":").unwrap_or(self.text);
        match self.bracket {
            Some(at) if text.ends_with(b"]") || self.is_cut_after(at) => &text[..at],
            _ => text,
        }
    }

    /// Whether the tag was cut off within the process id that starts at `bracket`.
    fn is_cut_after(&self, bracket: usize) -> bool {
        self.text.len() == FORWARDED && self.text[bracket + 1..].iter().all(u8::is_ascii_digit)
    }

    /// Whether the word is a severity, with or without its facility.
    #[inline]
    fn is_priority(&self) -> bool {
        // Nearly every tag ends in a colon, and then this is all there is to do.
        !self.text.ends_with(b":") && is_priority(self.text)
    }
}

/// `info`, `INFO`, `mail.info`, `[mail.info]` or `<mail.info>`.
fn is_priority(word: &[u8]) -> bool {
    let word = match word {
        [b'[', inside @ .., b']'] | [b'<', inside @ .., b'>'] => inside,
        bare => bare,
    };
    let is_severity = |name: &[u8]| SEVERITIES.iter().any(|one| one.eq_ignore_ascii_case(name));
    is_severity(word) || is_facility_and_severity(word)
}

/// ` host name pid msgid structured-data message`.
fn rfc5424(mut cursor: Cursor<'_>) -> Option<Parts<'_>> {
    let mut words = [&b""[..]; 4];
    for word in &mut words {
        if !cursor.take(b" ") {
            return None;
        }
        *word = cursor.word()?;
    }
    if !cursor.take(b" ") {
        return None;
    }
    structured_data(&mut cursor)?;
    // rsyslog keeps the leading space of the message.
    if cursor.take(b" ") {
        cursor.take(b" ");
    }
    // `-` is no name (RFC 5424, 6.2.4).
    Some((Some(words[0]).filter(|host| *host != b"-"), words[1], cursor.rest()))
}

/// `-`, or elements `[id name="value"…]`, where `\` escapes the next byte of a value.
fn structured_data(cursor: &mut Cursor<'_>) -> Option<()> {
    if cursor.take(b"-") {
        return Some(());
    }
    while cursor.take(b"[") {
        loop {
            cursor.take_while(|b| b != b'"' && b != b']');
            if cursor.take(b"]") {
                break;
            }
            if !cursor.take(b"\"") {
                return None;
            }
            loop {
                cursor.take_while(|b| b != b'"' && b != b'\\');
                if cursor.take(b"\"") {
                    break;
                }
                cursor.rest().get(..2)?;
                cursor.skip(2);
            }
        }
    }
    Some(())
}

/// The message of `message repeated N times`, and N.
#[inline]
fn repeated(message: &[u8]) -> Option<(&[u8], u64)> {
    let mut cursor = Cursor::new(message);
    if !cursor.take(b"message repeated ") {
        return None;
    }
    let digits = cursor.take_while(|b| b.is_ascii_digit());
    // A number that does not fit is no more plausible than the largest one that does.
    let times = std::str::from_utf8(digits).ok().filter(|digits| !digits.is_empty())?;
    let times = times.parse().unwrap_or(u64::MAX);
    if !cursor.take(b" times: [") {
        return None;
    }
    cursor.take(b" ");
    Some((cursor.rest().strip_suffix(b"]")?, times))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(line: &str) -> String {
        match envelope(line.as_bytes()) {
            Err(_) => "-".into(),
            Ok(Envelope { name, message, times, .. }) => format!(
                "{}|{}|{times}",
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(message)
            ),
        }
    }

    #[test]
    fn tags_with_and_without_host_pid_and_colon() {
        for (line, want) in [
            ("Nov 23 18:09:53 mx1 postfix/smtpd[7202]: x: y", "postfix/smtpd|x: y|1"),
            ("Nov 23 18:09:53 mx1 root: hello", "root|hello|1"),
            ("Nov 23 18:09:53 postfix/smtpd[7202]: x", "postfix/smtpd|x|1"),
            ("Nov 23 18:09:53 root: postfix/smtpd[1]: x", "root|postfix/smtpd[1]: x|1"),
            ("Nov 23 18:09:53 mx1 postfix/smtpd[58176] x: y", "postfix/smtpd|x: y|1"),
            ("Nov 23 18:09:53 2001:db8::1 php: x", "php|x|1"),
            ("Nov 23 18:09:53 mx1 mail.info postfix/smtpd[7202]: x: y", "postfix/smtpd|x: y|1"),
            ("Nov 23 18:09:53 mx1 local7.warn php: x", "php|x|1"),
            ("Nov 23 18:09:53 mail.info postfix/smtpd[7202]: x", "postfix/smtpd|x|1"),
            ("Nov 23 18:09:53 mx1 INFO postfix/smtpd[7202]: x: y", "postfix/smtpd|x: y|1"),
            ("Nov 23 18:09:53 mx1 warning php: x", "php|x|1"),
            ("Nov 23 18:09:53 mx1 [mail.info] php: x", "php|x|1"),
            ("Nov 23 18:09:53 mx1 <mail.info> php: x", "php|x|1"),
            ("Nov 23 18:09:53 mx1 [mail.info> php: x", "[mail.info>|php: x|1"),
            ("Nov 23 18:09:53 mx1 [mail.infos] php: x", "|php: x|1"),
            ("Nov 23 18:09:53 mx1 php[1]: [ID 197553 mail.info] x", "php|x|1"),
            ("Nov 23 18:09:53 mx1 php[1]: [ID x mail.info] x", "php|[ID x mail.info] x|1"),
            ("Nov 23 18:09:53 mx1 php[1]: [ID 1 a.b] x", "php|[ID 1 a.b] x|1"),
            ("2026-11-23T18:09:53.123456789Z Nov 23 18:09:54 mx1 php: x", "php|x|1"),
            ("2026-11-23T18:09:53Z stdout F Nov 23 18:09:54 mx1 php: x", "php|x|1"),
            ("2026-11-23T18:09:53Z stderr F <22>Nov 23 18:09:54 mx1 php: x", "php|x|1"),
            ("2026-11-23T18:09:53+01:00 2026-11-23T17:09:54Z mx1 php: x", "php|x|1"),
            ("2026-11-23T18:09:53Z <22>1 2026-11-23T17:09:54Z mx1 php - - - x", "php|x|1"),
            (
                "2026-11-23T18:09:53Z Nova php: Nov 23 18:09:54 mx1 php: x",
                "php|Nov 23 18:09:54 mx1 php: x|1",
            ),
            (
                "2026-11-23T18:09:53Z stdout P Nov 23 18:09:54 mx1 php: x",
                "P|Nov 23 18:09:54 mx1 php: x|1",
            ),
            ("Nov 23 18:09:53 Nov 23 18:09:54 mx1 php: x", "23|18:09:54 mx1 php: x|1"),
            ("Nov 23 18:09:53 mx1 mail.info: php: x", "mail.info|php: x|1"),
            ("Nov 23 18:09:53 mx1 mail.infos php: x", "mail.infos|php: x|1"),
            ("Nov 23 18:09:53 mx1 male.info php: x", "male.info|php: x|1"),
            ("Nov 23 18:09:53 mx1 mail.info mail.info php: x", "mail.info|php: x|1"),
            ("Nov 23 18:09:53 mx1 mail.info", "-"),
            ("Nov 23 18:09:53 mx1 mail.info php:", "-"),
            // Cut off after 32 bytes: within the process id, after it, and before it.
            (
                "Nov 23 18:09:53 mx1 postfix/submission/smtpd[1234567 x: y",
                "postfix/submission/smtpd|x: y|1",
            ),
            (
                "Nov 23 18:09:53 mx1 postfix-a/submission/smtpd[12345 x",
                "postfix-a/submission/smtpd|x|1",
            ),
            (
                "Nov 23 18:09:53 mx1 postfix-abcde/submissions/smtpd[ x",
                "postfix-abcde/submissions/smtpd|x|1",
            ),
            (
                "Nov 23 18:09:53 mx1 postfix/submission/smtpd[123456] x",
                "postfix/submission/smtpd|x|1",
            ),
            (
                "Nov 23 18:09:53 mx1 postfix/submission/smtpd[123456 x",
                "postfix/submission/smtpd[123456|x|1",
            ),
            (
                "Nov 23 18:09:53 mx1 postfix/submission/smtpd[12345x7 x",
                "postfix/submission/smtpd[12345x7|x|1",
            ),
            ("Nov 23 18:09:53 mx1 php: \u{feff}x", "php|x|1"),
            ("<22>1 2026-11-23T18:09:57Z vm exim 12 - - \u{feff}x", "exim|x|1"),
            ("Nov 23 18:09:53 mx1 php:  x", "php| x|1"),
            ("<22>Nov 23 18:08:50 exim[5006]: x", "exim|x|1"),
            ("<22>1 2026-11-23T18:09:57+00:00 vm php - - -  x", "php|x|1"),
            ("<22>1 2026-11-23T18:09:57+00:00 vm exim 12 - - x", "exim|x|1"),
            ("<22>1 2026-11-23T18:09:57Z vm exim 12 - [a@1 b=\"]\\\"\"][c] x", "exim|x|1"),
            ("<22>1 2026-11-23T18:09:57Z vm exim 12 - [a@1 b=\"x", "-"),
            ("Nov 23 18:09:53 mx1", "-"),
            ("Nov 23 18:09:53 mx1 tag", "-"),
            ("Nov 23 18:09:53", "-"),
            ("mx1 php: x", "-"),
        ] {
            assert_eq!(show(line), want, "{line}");
        }
    }

    #[test]
    fn the_host_is_the_word_before_the_tag() {
        for (line, want) in [
            ("Nov 23 18:09:53 mx1 postfix/smtpd[7202]: x: y", Some("mx1")),
            ("Nov 23 18:09:53 mx1 mail.info postfix/smtpd[7202]: x: y", Some("mx1")),
            ("<22>1 2026-11-23T18:09:57Z mx1.example.org exim 12 - - x", Some("mx1.example.org")),
            ("<22>1 2026-11-23T18:09:57Z - exim 12 - - x", None),
            ("Nov 23 18:09:53 postfix/smtpd[7202]: mx1 x: y", None),
            ("Nov 23 18:09:53 mx1", None),
        ] {
            assert_eq!(host(line.as_bytes()), want.map(str::as_bytes), "{line}");
        }
    }

    #[test]
    fn repeats_are_unfolded() {
        for (message, want) in [
            ("message repeated 4 times: [ a b]", "t|a b|4"),
            ("message repeated 4 times: [a b]]", "t|a b]|4"),
            ("message repeated 4 times: [ a b", "t|message repeated 4 times: [ a b|1"),
            ("message repeated x times: [ a b]", "t|message repeated x times: [ a b]|1"),
            ("last message repeated 3 times", "t|last message repeated 3 times|1"),
            ("message repeated 18446744073709551617 times: [ a]", "t|a|18446744073709551615"),
            ("message repeated  times: [ a]", "t|message repeated  times: [ a]|1"),
        ] {
            assert_eq!(show(&format!("Nov 23 18:09:53 h t: {message}")), want);
        }
    }
}
