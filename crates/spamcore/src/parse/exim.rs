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
//! message of a name that begins with `exim`, and a long one in pieces `[1/4]`, of which only the first has the id. The stamp
//! that counts is then that of the syslog file.

use super::syslog;
use super::{
    Accepted, Content, Kind, Line, Parser, Sender, Senders, Stamped, is_address_byte, syslog_line,
};
use crate::cursor::{Cursor, positions};
use crate::time::stamp::Stamp;

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
        let mut cursor = Cursor::new(line);
        if let Some(stamp) = Stamp::of_exim(&mut cursor) {
            let received = cursor.take(b" ").then(|| self.received(cursor, false)).flatten();
            let content = received.map(|accepted| Content::Event(accepted.into()));
            return Line::once(Stamped::At(stamp), content);
        }
        syslog_line(self, line)
    }

    fn stamp<'a>(&self, line: &'a [u8]) -> Stamped<'a> {
        Stamp::of_exim(&mut Cursor::new(line)).map_or_else(|| syslog::stamp(line), Stamped::At)
    }

    fn message<'a>(&self, name: &'a [u8], message: &'a [u8]) -> Option<Content<'a>> {
        // The option `syslog_processname` makes it another.
        let ours = name.starts_with(b"exim") && !name.contains(&b'[');
        let received = ours.then(|| self.syslog_message(message)).flatten()?;
        Some(Content::Event(received.into()))
    }
}

impl Exim {
    /// The message, without a piece number and Exim's own stamp.
    fn syslog_message<'a>(&self, message: &'a [u8]) -> Option<Accepted<'a>> {
        let mut cursor = Cursor::new(message);
        let cut = cursor.take(b"[1/") || cursor.take(b"[1\\");
        if cut {
            cursor.number(1, 6)?;
            if !cursor.take(b"] ") {
                return None;
            }
        }
        if Stamp::of_exim(&mut cursor).is_some() && !cursor.take(b" ") {
            return None;
        }
        self.received(cursor, cut)
    }

    /// The line behind its stamp; whether it is only the first piece of one.
    fn received<'a>(&self, mut cursor: Cursor<'a>, cut: bool) -> Option<Accepted<'a>> {
        if cursor.take(b"[") {
            cursor.number(1, 10)?;
            if !cursor.take(b"] ") {
                return None;
            }
        }
        if !(is_message_id(cursor.word()?) && cursor.take(b" <= ")) {
            return None;
        }
        take_word(&mut cursor)?;
        if cursor.take(b" R=") {
            cursor.word()?;
        }
        cursor.take(b" DS");
        let (sender, id): (_, fn(Cursor<'a>, bool) -> Option<&'a [u8]>) = if cursor.take(b" H=") {
            (host(&mut cursor, cut)?, authenticated_id)
        } else if cursor.take(b" U=") {
            let user = without_connection_id(cursor.until(b" P=")?);
            (Sender::new(Kind::User, user), local_id)
        } else {
            return None;
        };
        let id = self.authenticated.then(|| id(cursor, cut)).flatten();
        let senders = Senders::new(sender, id.map(|id| Sender::new(Kind::Authenticated, id)));
        Some(Accepted { senders, client: None, recurs: false })
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
    let is_alphanumeric =
        |part: &[u8]| part.iter().fold(true, |all, &b| all & ALPHANUMERIC[usize::from(b)]);
    id[6] == b'-'
        && id[second] == b'-'
        && is_alphanumeric(&id[..6])
        && is_alphanumeric(&id[7..second])
        && is_alphanumeric(&id[second + 1..])
}

const ALPHANUMERIC: [bool; 256] = byte_table!(|b| b.is_ascii_alphanumeric());

/// An address as Exim takes it, up to the first blank outside quotes; none where it is empty or its
/// quotes do not close.
fn take_word<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let mut plain = *cursor;
    let word = plain.before([b' ', b'"', b'\\']);
    if plain.is_done() || plain.rest().starts_with(b" ") {
        *cursor = plain;
        return (!word.is_empty()).then_some(word);
    }
    let text = cursor.rest();
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
    cursor.skip(word.len());
    (!quoted && !word.is_empty()).then_some(word)
}

/// The name that an SMTP client is known by; takes `HOST` with its port. A HELO that does not end in a line
/// that was `cut` is known by what is there of it, so that nobody hides behind a long one.
fn host<'a>(cursor: &mut Cursor<'a>, cut: bool) -> Option<Sender<'a>> {
    if cursor.rest().starts_with(b"[") {
        let address = take_address(cursor)?;
        return Some(Sender::new(Kind::Address, address));
    }
    let mut name = None;
    if !cursor.rest().starts_with(b"(") {
        name = Some(cursor.word()?);
        if !cursor.take(b" ") {
            return None;
        }
    }
    if cursor.take(b"(") {
        let helo = take_helo(cursor).or_else(|| cut.then(|| cursor.take_while(|_| true)))?;
        return Some(Sender::new(Kind::Helo, helo));
    }
    take_address(cursor)?;
    Some(Sender::new(Kind::HostName, name?))
}

/// A HELO ends at the first `) [ADDRESS]`; the address is taken too.
fn take_helo<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let text = cursor.rest();
    positions(text, b") [").find_map(|at| {
        let mut here = Cursor::new(&text[at + 2..]);
        take_address(&mut here)?;
        *cursor = here;
        Some(&text[..at])
    })
}

/// `[192.0.2.1]`, and `:port` behind it.
fn take_address<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    if !cursor.take(b"[") {
        return None;
    }
    let address = cursor.take_while(is_address_byte);
    if address.is_empty() || !cursor.take(b"]") {
        return None;
    }
    let mut port = *cursor;
    if port.take(b":") && port.number(1, 5).is_some() {
        *cursor = port;
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

/// The authenticated id of a remote client, from behind `HOST` on.
///
/// It stands behind the first ` P=`. Only where the answer of an ident server stands before that, which is
/// the remote host's text and can hold a ` P=` too, may it be another: the first behind which a protocol's
/// fields stand. So a subject is never looked at.
///
/// A HELO that goes on behind what looks like its end, or an ident answer, can hold all fields up to an id;
/// the true ones are in that id then. Such a line has two readings, and none of them is taken.
fn authenticated_id(cursor: Cursor<'_>, cut: bool) -> Option<&[u8]> {
    let text = cursor.rest();
    for at in positions(text, b" P=") {
        let of_ident = memchr::memmem::find(&text[..at], b" U=").is_some();
        let here = Cursor::new(&text[at + 3..]);
        match after_protocol(here, cut) {
            Some(End::Authenticated(id)) => {
                let of_helo = memchr::memmem::find(id, b") [").is_some();
                let mut inside = positions(id, b" P=").map(|at| Cursor::new(&id[at + 3..]));
                // A size in the id is none: it would end there.
                let two = (of_ident || of_helo) && inside.any(|here| is_protocol(here, false));
                return (!two).then_some(id);
            }
            None if of_ident && !is_protocol(here, true) => {}
            _ => return None,
        }
    }
    None
}

/// Whether these are the fields of a protocol, from behind ` P=` on, up to an id, the end or, `with_size`,
/// a size.
fn is_protocol(mut cursor: Cursor<'_>, with_size: bool) -> bool {
    const NEXT: [&[u8]; 3] = [b" DN=\"", b" SNI=", b" A="];
    take_protocol(&mut cursor).is_some()
        && (cursor.is_done()
            || NEXT.iter().any(|next| cursor.rest().starts_with(next))
            || (with_size && cursor.rest().starts_with(b" S=")))
}

/// How a line of the grammar goes on behind ` P=`.
enum End<'a> {
    /// With an authenticated id.
    Authenticated(&'a [u8]),
    /// Without.
    Plain,
}

/// The authenticated id of a local user, from behind ` P=` on.
fn local_id(cursor: Cursor<'_>, cut: bool) -> Option<&[u8]> {
    match after_protocol(cursor, cut)? {
        End::Authenticated(id) => Some(id),
        End::Plain => None,
    }
}

/// Takes the protocol, and what is plain of the fields behind it.
fn take_protocol(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.word()?;
    if cursor.take(b" L") {
        cursor.take_while(|b| matches!(b, b'*' | b'.' | b'-'));
    }
    if cursor.take(b" X=") {
        cursor.word()?;
    }
    if cursor.take(b" CV=") {
        cursor.word()?;
    }
    Some(())
}

/// What stands from behind ` P=` on, if it is of the grammar.
fn after_protocol(mut cursor: Cursor<'_>, cut: bool) -> Option<End<'_>> {
    take_protocol(&mut cursor)?;
    if cursor.take(b" DN=\"") {
        // GnuTLS writes a quote in a name as `\"`, OpenSSL as it is.
        let mut escaped = cursor;
        let end = take_quoted(&mut escaped).then(|| after_certificate(escaped, cut)).flatten();
        if end.is_some() {
            return end;
        }
        cursor.until(b"\"")?;
    }
    after_certificate(cursor, cut)
}

/// What stands from behind the name of the client's certificate on, if it is of the grammar.
fn after_certificate(mut cursor: Cursor<'_>, cut: bool) -> Option<End<'_>> {
    if cursor.take(b" SNI=") {
        cursor.word()?;
    }
    if !cursor.take(b" A=") {
        return is_tail(cursor, cut).then_some(End::Plain);
    }
    cursor.take_while(|b| b != b':' && b != b' ');
    if !cursor.take(b":") {
        return None;
    }
    let text = cursor.rest();
    memchr::memmem::find_iter(text, b" S=").find_map(|at| {
        let id = &text[..at];
        is_tail(Cursor::new(&text[at..]), cut).then_some(End::Authenticated(without_flags(id)))
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
fn is_tail(mut cursor: Cursor<'_>, cut: bool) -> bool {
    if !(cursor.take(b" S=") && cursor.number(1, 18).is_some()) {
        return false;
    }
    if cursor.take(b" M8S=") && cursor.number(1, 18).is_none() {
        return false;
    }
    for field in [&b" DKIM="[..], b" ARC", b" DMARC", b" RT=", b" Q="] {
        if cursor.take(field) {
            cursor.take_while(|b| b != b' ' && b != b'"');
        }
    }
    if cursor.take(b" id=") || cursor.take(b" id*=") {
        let word = cursor;
        if !take_word(&mut cursor).is_some_and(is_address) || !is_after_id(cursor, cut) {
            // Quotes that do not close are bytes like others.
            cursor = word;
            cursor.take_while(|b| b != b' ');
        }
    }
    is_after_id(cursor, cut)
}

/// Whether a line can end so, from behind the message id on.
fn is_after_id(mut cursor: Cursor<'_>, cut: bool) -> bool {
    let text = cursor.rest().trim_ascii_end();
    let cut = cut || text.ends_with(OVERFLOWED);
    // Where a size stands in what may be cut, there is no telling whose it is.
    let cut = cut && memchr::memmem::find(text, b" S=").is_none();
    cursor = Cursor::new(text.strip_suffix(OVERFLOWED).unwrap_or(text).trim_ascii_end());
    if cursor.take(b" T=\"") && !take_quoted(&mut cursor) {
        return cut;
    }
    if cursor.take(b" from <") {
        let Some(sender) = take_word(&mut cursor) else { return cut };
        if !sender.ends_with(b">") {
            return cut && cursor.is_done();
        }
    }
    if cursor.take(b" for") {
        while cursor.take(b" ") {
            let Some(word) = take_word(&mut cursor) else { return cut };
            if !is_address(word) {
                return false;
            }
        }
    }
    cursor.is_done()
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
fn take_quoted(cursor: &mut Cursor<'_>) -> bool {
    loop {
        cursor.take_while(|b| b != b'"' && b != b'\\');
        if cursor.take(b"\"") {
            return true;
        }
        if cursor.rest().len() < 2 {
            return false;
        }
        cursor.skip(2);
    }
}

#[cfg(test)]
mod tests;
