//! Exim's main log: one message that was received (`<=`).
//!
//! The prefix is that of `log.c log_vwrite()` and `tod.c`; the line that of `receive.c
//! receive_msg()`, whose fields stand in a fixed order:
//!
//! ```text
//! STAMP [" " ZONE] [" [" PID "]"] " " ID " <= " SENDER [" R=" ID] [" DS"]
//!   [" H=" HOST [" I=[" IP "]" [":" PORT]]] [" TFO" …] [" U=" IDENT] [" Ci=" ID] [" P=" PROTOCOL]
//!   [" L"…] [" X=" …] [" CV=" …] [" DN=\"" … "\""] [" SNI=" …] [" A=" DRIVER ":" ID] … " S=" BYTES …
//! ```
//!
//! HOST is `[ip]`, `(helo) [ip]`, `name [ip]` or `name (helo) [ip]`, each with `:port`.
//!
//! SENDER, HELO, IDENT behind `H=`, the authenticated ID and all that stands behind `S=` are text of
//! strangers. So the sender is read byte by byte (a backslash takes the next byte with it, a quote
//! opens or closes a quoted word anywhere in it, it ends at the first blank outside quotes), a HELO
//! ends at the first `) [ADDRESS]`, and the authenticated id ends at the first ` S=` from which the
//! rest of the line is of the grammar. `U=` is a local user only where no `H=` stands before it.
//!
//! Through syslog (`log.c write_syslog()`) the same line comes with or without its own stamp, as the
//! message of `exim`, and a long one in pieces `[1/4]`, of which only the first has the id. The stamp
//! that counts is then that of the syslog file.

use super::syslog;
use super::{Event, Hit, Kind, Line, Parser, Stamped, counted, is_address_byte, syslog_line};
use crate::stamp::Stamp;
use crate::walk::{Walk, positions};

/// The parser of Exim's main log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exim {
    /// Whether authenticated ids are read too.
    pub authenticated: bool,
}

impl Parser for Exim {
    fn needle(&self) -> &'static [u8] {
        b" <= "
    }

    fn line<'a>(&self, line: &'a [u8]) -> Line<'a> {
        let mut walk = Walk::new(line);
        if let Some(stamp) = Stamp::of_exim(&mut walk) {
            let event = walk.take(b" ").then(|| self.received(walk, false)).flatten();
            return Line { stamp: Stamped::At(stamp), hit: event.map(|e| Hit::Counts(e, 1)) };
        }
        syslog_line(self, line)
    }

    fn stamp<'a>(&self, line: &'a [u8]) -> Stamped<'a> {
        Stamp::of_exim(&mut Walk::new(line)).map_or_else(|| syslog::stamp(line), Stamped::At)
    }

    fn message<'a>(&self, name: &'a [u8], message: &'a [u8], times: u64) -> Option<Hit<'a>> {
        let event =
            matches!(name, b"exim" | b"exim4").then(|| self.syslog_message(message)).flatten()?;
        Some(counted(event, times))
    }
}

impl Exim {
    /// The message, without a piece number and Exim's own stamp.
    fn syslog_message<'a>(&self, message: &'a [u8]) -> Option<Event<'a>> {
        let mut walk = Walk::new(message);
        let cut = walk.take(b"[1/") || walk.take(b"[1\\");
        if cut {
            walk.number(1, 6)?;
            if !walk.take(b"] ") {
                return None;
            }
        }
        if Stamp::of_exim(&mut walk).is_some() && !walk.take(b" ") {
            return None;
        }
        self.received(walk, cut)
    }

    /// The line behind its stamp; whether it is only the first piece of one.
    fn received<'a>(&self, mut walk: Walk<'a>, cut: bool) -> Option<Event<'a>> {
        if walk.take(b"[") {
            walk.number(1, 10)?;
            if !walk.take(b"] ") {
                return None;
            }
        }
        if !(is_message_id(walk.word()?) && walk.take(b" <= ")) {
            return None;
        }
        take_word(&mut walk)?;
        if walk.take(b" R=") {
            walk.word()?;
        }
        walk.take(b" DS");
        if walk.take(b" H=") {
            let (kind, sender) = host(&mut walk)?;
            let authenticated = self.authenticated.then(|| authenticated_id(walk, cut)).flatten();
            Some(Event { kind, sender, authenticated, client: None })
        } else if walk.take(b" U=") {
            let user = without_connection_id(walk.until(b" P=")?);
            let authenticated = self.authenticated.then(|| local_id(walk, cut)).flatten();
            Some(Event { kind: Kind::User, sender: user, authenticated, client: None })
        } else {
            None
        }
    }
}

/// `1xVYRD-0008N8-0D`, or `1x5dJQ-00000002ksM-1pMm` since Exim 4.97.
#[inline]
fn is_message_id(id: &[u8]) -> bool {
    let second = match id.len() {
        16 => 13,
        23 => 18,
        _ => return false,
    };
    let fine = |part: &[u8]| part.iter().fold(true, |fine, &b| fine & ALPHANUMERIC[usize::from(b)]);
    id[6] == b'-'
        && id[second] == b'-'
        && fine(&id[..6])
        && fine(&id[7..second])
        && fine(&id[second + 1..])
}

const ALPHANUMERIC: [bool; 256] = of_each_byte!(|b| b.is_ascii_alphanumeric());

/// An address as Exim takes it, up to the first blank outside quotes; none where it is empty or its
/// quotes do not close.
fn take_word<'a>(walk: &mut Walk<'a>) -> Option<&'a [u8]> {
    let mut plain = *walk;
    let word = plain.before([b' ', b'"', b'\\']);
    if plain.is_done() || plain.rest().starts_with(b" ") {
        *walk = plain;
        return (!word.is_empty()).then_some(word);
    }
    let text = walk.rest();
    let mut quoted = false;
    let mut at = 0;
    while let Some(&b) = text.get(at) {
        match b {
            b'\\' => at += 1,
            b'"' => quoted = !quoted,
            b' ' if !quoted => break,
            _ => {}
        }
        at += 1;
    }
    let word = &text[..at.min(text.len())];
    walk.skip(word.len());
    (!quoted && !word.is_empty()).then_some(word)
}

/// The name that an SMTP client is known by; takes `HOST` with its port.
fn host<'a>(walk: &mut Walk<'a>) -> Option<(Kind, &'a [u8])> {
    if walk.rest().starts_with(b"[") {
        let address = take_address(walk)?;
        return Some((Kind::Address, address));
    }
    let mut name = None;
    if !walk.rest().starts_with(b"(") {
        name = Some(walk.word()?);
        if !walk.take(b" ") {
            return None;
        }
    }
    if walk.take(b"(") {
        let helo = take_helo(walk)?;
        return Some((Kind::Helo, helo));
    }
    take_address(walk)?;
    Some((Kind::HostName, name?))
}

/// A HELO ends at the first `) [ADDRESS]`; the address is taken too.
fn take_helo<'a>(walk: &mut Walk<'a>) -> Option<&'a [u8]> {
    let text = walk.rest();
    positions(text, b") [").find_map(|at| {
        let mut here = Walk::new(&text[at + 2..]);
        take_address(&mut here)?;
        *walk = here;
        Some(&text[..at])
    })
}

/// `[192.0.2.1]`, and `:port` behind it.
fn take_address<'a>(walk: &mut Walk<'a>) -> Option<&'a [u8]> {
    if !walk.take(b"[") {
        return None;
    }
    let address = walk.take_while(is_address_byte);
    if address.is_empty() || !walk.take(b"]") {
        return None;
    }
    let mut port = *walk;
    if port.take(b":") && port.number(1, 5).is_some() {
        *walk = port;
    }
    Some(address)
}

/// A login name in `U=`, without the ` Ci=ID` that the selector `connection_id` puts behind it.
fn without_connection_id(user: &[u8]) -> &[u8] {
    let last = user.iter().rposition(|&b| b == b' ').unwrap_or(user.len());
    match user[last..].strip_prefix(b" Ci=") {
        Some(id) if id.iter().all(u8::is_ascii_alphanumeric) => &user[..last],
        _ => user,
    }
}

/// The authenticated id of a remote client, from behind `HOST` on: that behind the first ` P=` from which
/// the line is of the grammar to its end.
///
/// What stands before may be the answer of an ident server, which is the remote host's text and can hold
/// a ` P=` too. Behind the fields of [`FREE_TEXT`] there is none of ours: a subject is never looked at.
fn authenticated_id(walk: Walk<'_>, cut: bool) -> Option<&[u8]> {
    let text = walk.rest();
    let free = FREE_TEXT.iter().filter_map(|field| memchr::memmem::find(text, field)).min();
    let ours = &text[..free.unwrap_or(text.len())];
    memchr::memmem::find_iter(ours, b" P=").find_map(|at| {
        let mut here = Walk::new(&text[at..]);
        here.take(b" P=");
        local_id(here, cut)
    })
}

/// The fields that text of strangers follows, behind the size.
const FREE_TEXT: [&[u8]; 5] = [b" id=", b" id*=", b" T=\"", b" from <", b" for "];

/// The authenticated id, from behind ` P=` on.
fn local_id(mut walk: Walk<'_>, cut: bool) -> Option<&[u8]> {
    walk.word()?;
    if walk.take(b" L") {
        walk.take_while(|b| matches!(b, b'*' | b'.' | b'-'));
    }
    if walk.take(b" X=") {
        walk.word()?;
    }
    if walk.take(b" CV=") {
        walk.word()?;
    }
    if walk.take(b" DN=\"") {
        walk.until(b"\"")?;
    }
    if walk.take(b" SNI=") {
        walk.word()?;
    }
    if !walk.take(b" A=") {
        return None;
    }
    walk.take_while(|b| b != b':' && b != b' ');
    if !walk.take(b":") {
        return None;
    }
    let text = walk.rest();
    memchr::memmem::find_iter(text, b" S=").find_map(|at| {
        let id = &text[..at];
        is_tail(Walk::new(&text[at..]), cut).then_some(without_flags(id))
    })
}

/// The id without the flags that may stand between it and the size: ` PRDR`, ` PRX=ip`, ` K`.
fn without_flags(id: &[u8]) -> &[u8] {
    let id = id.strip_suffix(b" K").unwrap_or(id);
    let id = match memchr::memmem::rfind(id, b" PRX=") {
        Some(at) if id[at + 5..].iter().all(|&b| is_address_byte(b)) => &id[..at],
        _ => id,
    };
    id.strip_suffix(b" PRDR").unwrap_or(id)
}

/// Whether a line can end so, from ` S=` on.
///
/// It must not be easy to fail: who makes his own line fail hides from the count. So a message id and
/// recipients may be any word, as Exim takes them; but a word that is a field of ours is none. A line that
/// was `cut` (a piece of a long one in syslog) may end anywhere in them.
fn is_tail(mut walk: Walk<'_>, cut: bool) -> bool {
    if !(walk.take(b" S=") && walk.number(1, 18).is_some()) {
        return false;
    }
    if walk.take(b" M8S=") && walk.number(1, 18).is_none() {
        return false;
    }
    for field in [&b" DKIM="[..], b" ARC", b" DMARC", b" RT=", b" Q="] {
        if walk.take(field) {
            walk.take_while(|b| b != b' ' && b != b'"');
        }
    }
    if walk.take(b" id=") || walk.take(b" id*=") {
        let word = walk;
        if !take_word(&mut walk).is_some_and(is_address) || !is_behind_id(walk, cut) {
            // Quotes that do not close are bytes like others.
            walk = word;
            walk.take_while(|b| b != b' ');
        }
    }
    is_behind_id(walk, cut)
}

/// Whether a line can end so, from behind the message id on.
fn is_behind_id(mut walk: Walk<'_>, cut: bool) -> bool {
    let text = walk.rest().trim_ascii_end();
    let cut = cut || text.ends_with(OVERFLOWED);
    // Where a size stands in what may be cut, there is no telling whose it is.
    let cut = cut && memchr::memmem::find(text, b" S=").is_none();
    walk = Walk::new(text.strip_suffix(OVERFLOWED).unwrap_or(text).trim_ascii_end());
    if walk.take(b" T=\"") && !take_quoted(&mut walk) {
        return cut;
    }
    if walk.take(b" from <") {
        let Some(sender) = take_word(&mut walk) else { return cut };
        if !sender.ends_with(b">") {
            return cut && walk.is_done();
        }
    }
    if walk.take(b" for") {
        while walk.take(b" ") {
            let Some(word) = take_word(&mut walk) else { return cut };
            if !is_address(word) {
                return false;
            }
        }
    }
    walk.is_done()
}

/// Whether a word that [`take_word`] took can be an address, and is no field of ours.
///
/// Blanks, quotes and backslashes stand in local parts only. Else a backslash at the end of an authenticated
/// id would take the blank before ` S=` with it, and the size would be part of a word of the id's own.
fn is_address(word: &[u8]) -> bool {
    match word.iter().rposition(|&b| b == b'@') {
        Some(at) => !word[at..].iter().any(|b| matches!(b, b' ' | b'"' | b'\\')),
        None => !word.iter().any(|b| matches!(b, b' ' | b'=')),
    }
}

/// What Exim writes where a line is longer than its buffer.
const OVERFLOWED: &[u8] = b" **** log string overflowed log buffer ****";

/// Anything up to the quote that ends it; `\` takes the next byte with it. The quote is taken.
fn take_quoted(walk: &mut Walk<'_>) -> bool {
    loop {
        walk.take_while(|b| b != b'"' && b != b'\\');
        if walk.take(b"\"") {
            return true;
        }
        if walk.rest().len() < 2 {
            return false;
        }
        walk.skip(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(line: &str) -> String {
        let parser = Exim { authenticated: true };
        match parser.line(line.as_bytes()).hit {
            Some(Hit::Counts(event, times)) => {
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                let id = event.authenticated.map_or(String::new(), |id| format!(" A={}", text(id)));
                format!("{:?} {}{id} {times}", event.kind, text(event.sender))
            }
            Some(other) => format!("{other:?}"),
            None => "-".into(),
        }
    }

    const ID: &str = "2026-11-23 18:06:47 1xVYRD-0008N8-0D <= ";

    #[test]
    fn senders_of_every_kind() {
        for (rest, want) in [
            ("a@b U=www P=local S=307", "User www 1"),
            ("\"spaced user\"@w U=spaced user P=local S=4", "User spaced user 1"),
            ("<> R=1xVYRD-0008N8-0D U=Debian-exim P=local S=3", "User Debian-exim 1"),
            ("a@b U=www Ci=123 P=local S=307", "User www 1"),
            ("a@b H=mx1.example.com [192.0.2.1] P=esmtp S=4 id=1@x", "HostName mx1.example.com 1"),
            ("a@b H=mx1.example.com [192.0.2.1]:2525 P=esmtp S=4", "HostName mx1.example.com 1"),
            ("a@b H=(helo-a) [192.0.2.2] P=esmtp S=4", "Helo helo-a 1"),
            ("a@b H=real.net (helo-a) [192.0.2.3]:4444 P=esmtp S=4", "Helo helo-a 1"),
            ("a@b H=[192.0.2.9]:25 P=esmtp S=4", "Address 192.0.2.9 1"),
            ("a@b H=([192.0.2.77]) [192.0.2.10] P=esmtp S=4", "Helo [192.0.2.77] 1"),
            ("a@b DS H=v6.example.com [2001:db8::9]:587 P=esmtp S=4", "HostName v6.example.com 1"),
            ("a@b H=(x\u{1}y) [1.1.1.1] P=esmtp S=4", "Helo x\u{1}y 1"),
        ] {
            assert_eq!(show(&format!("{ID}{rest}")), want, "{rest}");
        }
    }

    #[test]
    fn prefixes_and_syslog() {
        let rest = "<= a@b U=web P=local S=4";
        for (prefix, want) in [
            ("2026-11-23 17:54:00.999 +0000 [77] 1ABCDE-000004-XY ", "User web 1"),
            ("2026-11-23 17:20:00 1rAbCd-000000001kl-0abc ", "User web 1"),
            ("Nov 23 17:57:00 vm exim[5006]: 2026-11-23 17:57:00 1xVYTC-0001Ik-2L ", "User web 1"),
            (
                "Nov 23 17:57:00 vm exim[5006]: [1/4] 2026-11-23 18:08:50.743 +0000 [5008] 1xVYTC-0001Im-2O ",
                "User web 1",
            ),
            ("Nov 23 17:57:10 vm exim[5013]: 1xVYTC-0001Ir-2Q ", "User web 1"),
            ("<22>Nov 23 18:08:50 exim[5013]: 1xVYTC-0001Ir-2Q ", "User web 1"),
            ("Nov 23 17:57:10 vm cron[1]: 1xVYTC-0001Ir-2Q ", "-"),
            ("Nov 23 17:57:10 vm exim[5013]: [2/4] 1xVYTC-0001Ir-2Q ", "-"),
            ("2026-11-23 17:54:00 vm exim[5013]: 1xVYTC-0001Ir-2Q ", "-"),
            ("2026-11-23 17:54:00 1ABCDE-000004-X ", "-"),
            ("2026-11-23 17:54:00 1ABCDE-000004-XY-Z ", "-"),
            ("2026-11-23 17:54:00 1ABCDE-000004-X. ", "-"),
            ("2026-11-23 17:54:00 ", "-"),
            (" 2026-11-23 17:54:00 1ABCDE-000004-XY ", "-"),
        ] {
            assert_eq!(show(&format!("{prefix}{rest}")), want, "{prefix}");
        }
        let repeated = "Nov 23 17:57:10 vm exim[5]: message repeated 3 times: [ 1xVYTC-0001Ir-2Q <= a@b U=web P=local S=4]";
        assert_eq!(show(repeated), "User web 3");
    }

    #[test]
    fn what_strangers_write_is_no_field() {
        for (rest, want) in [
            (
                "a@b H=(pc-1) [192.0.2.5] P=esmtp S=4 id=U=root@x T=\"U=root P=local H=(v) [1.2.3.4]\" for z@z",
                "Helo pc-1 1",
            ),
            ("\"x U=root \"@d.example U=joe P=local S=4", "User joe 1"),
            ("\"x\\\" U=root P=local\"@d.example U=joe P=local S=4", "User joe 1"),
            (
                "a.\"b U=victim P=local S=1\"@evil.example H=(pc-4) [192.0.2.5] P=esmtp S=4",
                "Helo pc-4 1",
            ),
            ("x\\ U=root\\ P=local@evil.example H=(pc-5) [192.0.2.5] P=esmtp S=4", "Helo pc-5 1"),
            (
                "a@b H=(pc-6) [1.2.3.4] U=victim P=local S=1 (b) [203.0.113.5] P=esmtp S=4",
                "Helo pc-6 1",
            ),
            ("a@b H=(a b) [9.9.9.9] P=local U=root) [127.0.0.1] P=esmtp S=4", "Helo a b 1"),
            ("a@b H=(a) [x] U=root) [127.0.0.1] P=esmtp S=4", "Helo a) [x] U=root 1"),
            ("a@b H=(pc-2) [192.0.2.6] U=root P=esmtp S=4", "Helo pc-2 1"),
            ("a@b P=local S=4", "-"),
            ("a@b H=(x", "-"),
            ("a@b H=name P=esmtp U=root P=local S=4", "-"),
        ] {
            assert_eq!(show(&format!("{ID}{rest}")), want, "{rest}");
        }
        for line in [
            "2026-11-23 18:06:47 1xVYRD-0008N8-0D => a <a@b> R=x T=y H=mx [1.1.1.1] C=\"250 <= U=root P=local ok\"",
            "2026-11-23 18:06:47 1xVYRD-0008N8-0D (= a@b U=www P=local S=307",
            "2026-11-23 18:06:47 1xVYRD-0008N8-0D rejected RCPT <\"x <= U=root P=local \"@y>: no",
            "2026-11-23 18:06:47 H=(a exim[1]: 1xVYTC-0001Ir-2Q <= x U=v P=local S=1) [1.2.3.4] rejected",
        ] {
            assert_eq!(show(line), "-", "{line}");
        }
    }

    #[test]
    fn authenticated_ids() {
        for (rest, want) in [
            ("P=esmtpa A=plain:bob@example.com S=216", "bob@example.com"),
            ("P=esmtpsa X=TLS1.3:C:256 CV=no SNI=x A=login:bob S=216 id=x@y.z", "bob"),
            (
                "I=[192.0.2.1]:25 P=esmtpa L.- A=plain:bob PRDR K S=281 M8S=0 RT=0.000s id=x@y T=\"a\" from <s@e> for r@e",
                "bob",
            ),
            ("P=esmtpa A=plain:bob smith S=234 id=x@y.z", "bob smith"),
            ("P=esmtpa A=plain: S=234 id=x@y.z", ""),
            ("P=esmtpa A=plain:x:y S=234", "x:y"),
            ("P=esmtpa A=plain:a S=1 U=root P=local S=234 id=x@y.z", "a S=1 U=root P=local"),
            ("P=esmtpa A=plain:v S=1 for S=234 id=x@y.z", "v S=1 for"),
            ("P=esmtpa A=plain:v S=1 T=\" S=234 id=x@y.z T=\" for a@b\"", "v S=1 T=\""),
            ("P=esmtpa A=plain:v S=1 id=\" S=234 id=x@y.z T=\"@x\"", "v S=1 id=\""),
            ("P=esmtpa A=plain:v S=1 for a@b\\ S=234 id=x@y.z", "v S=1 for a@b\\"),
            ("P=esmtpa A=plain:v S=1 for a@b\\ S=234 id=\"p q\"@y.z", "v S=1 for a@b\\"),
            ("P=esmtpa A=plain:v S=1 for a@\\ S=234", "v S=1 for a@\\"),
            ("P=esmtpa A=plain:v S=1 id=a@b\\ S=234", "v S=1 id=a@b\\"),
            ("P=esmtpa A=plain:v S=1 id=a\\ S=234", "v S=1 id=a\\"),
            ("P=esmtpa A=plain:v S=1 id=a\\ S=234 T=\"@x\" for a@b", "v S=1 id=a\\"),
            ("P=esmtpa A=plain:bob S=2 T=\"x S=5 id=1@2\" for \"q r\"@e.net c@e.net", "bob"),
            ("U=ident P=esmtpa A=plain:bob S=2", "bob"),
            ("U=ident P=esmtpa A=plain:bob S=2 T=\"a P=b\"", "bob"),
            ("P=esmtpa A=plain:bob S=2 id=x", "bob"),
            ("P=esmtpa A=plain:bob S=2 id=a\\ b@c", "bob"),
            ("P=esmtpa A=plain:bob S=2 id=a\"b T=\"x\"", "bob"),
            ("P=esmtpa A=plain:bob S=2 id=x for postmaster a\\ b@c", "bob"),
            ("P=esmtpa A=plain:bob S=2 id=x for a@b <trunc>", "bob"),
            ("P=esmtpa A=plain:bob S=2 id=x T=\"y\" from <\"a b\"@c> for a@b", "bob"),
            ("P=esmtpa A=plain:v S=1 from < S=234 id=x from <a@c>", "v S=1 from <"),
            ("P=esmtpa A=plain:bob S=2 id=x T=\"y\" from <a@c>", "bob"),
            (
                "P=esmtpa A=plain:bob S=2 id=x T=\"y **** log string overflowed log buffer ****",
                "bob",
            ),
            ("P=esmtpa A=plain:bob S=2 id=x \r", "bob"),
            ("P=esmtpa A=plain:v S=1 id= S=234 id=x", "v S=1 id="),
            ("U=x P=esmtpa A=plain:v S=1 P=esmtp S=4", "v S=1 P=esmtp"),
            ("U=x P=esmtpa A=plain:v S=1 for a@b P=esmtp S=4", "v S=1 for a@b P=esmtp"),
        ] {
            let line = format!("{ID}s@e H=(pc) [192.0.2.8] {rest}");
            assert_eq!(show(&line), format!("Helo pc A={want} 1"), "{rest}");
        }
        for rest in [
            "P=esmtp S=4",
            "P=esmtp S=4 T=\" A=plain:victim S=1\"",
            "P=esmtpa A=plain S=4",
            "P=esmtp S=4 id=x T=\"y P=esmtpa A=plain:victim S=1 id=z\"",
            "P=esmtp S=4 id=x for \"x P=esmtpa A=plain:victim S=1 id=z\"@d",
            "U=i P=esmtp S=4 id=x T=\"y P=esmtpa A=plain:victim S=1 id=z\"",
        ] {
            let line = format!("{ID}s@e H=(pc) [192.0.2.8] {rest}");
            assert_eq!(show(&line), "Helo pc 1", "{rest}");
        }
    }
}
