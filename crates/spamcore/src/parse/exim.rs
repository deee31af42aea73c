//! Exim's main log: one message that was received (`<=`), or completed.
//!
//! The prefix comes from `log.c log_vwrite()` and `tod.c`, the rest from `receive.c receive_msg()`, which
//! writes its fields in a fixed order:
//!
//! ```text
//! STAMP [" " ZONE] [" [" PID "]"] " " ID " <= " SENDER [" R=" ID] [" DS"]
//!   [" H=" HOST [" I=[" IP "]" [":" PORT]]] [" TFO" …] [" U=" IDENT] [" Ci=" ID] [" P=" PROTOCOL]
//!   [" L"…] [" X=" …] [" CV=" …] [" DN=\"" … "\""] [" SNI=" …] [" A=" DRIVER ":" ID] … " S=" BYTES …
//! ```
//!
//! HOST is `[ip]`, `(helo) [ip]`, `name [ip]` or `name (helo) [ip]`, each with `:port`.
//!
//! SENDER, HELO, IDENT after `H=`, the authenticated ID and everything after `S=` are text from strangers.
//! So the sender is read byte by byte (a backslash escapes the next byte, a quote anywhere in it opens or
//! closes a quoted word, and it ends at the first space outside quotes); a HELO ends at the first
//! `) [ADDRESS]`, and if there is another one, the line counts for no address; and the authenticated id ends
//! at the first ` S=` from which the rest of the line matches the grammar. `U=` is a local user only if there is no `H=` before it.
//!
//! In syslog (`log.c write_syslog()`) the same line may or may not have its own timestamp, the program's name
//! starts with `exim`, and a long line is split into pieces `[1/4]`, of which only the first has the id. The
//! timestamp that counts is then that of the syslog file.

use super::kin::{self, Kin};
use super::{
    Accepted, Client, Content, Event, Glance, Kind, LazyEvent, Line, Parser, Sender, Senders,
    Stamped, is_address_byte, syslog, syslog_line, unread,
};
use crate::cursor::{Cursor, find_any, positions};
use crate::time::stamp::Stamp;

/// The parser for Exim's main log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exim;

impl Parser for Exim {
    fn needle(&self) -> &'static [u8] {
        b" <= "
    }

    fn second_needle(&self) -> Option<&'static [u8]> {
        Some(COMPLETED)
    }

    fn glance<'a>(&self, line: &'a [u8]) -> Glance<'a> {
        glance(line)
    }

    fn glances(&self) -> bool {
        true
    }

    fn line<'a>(&self, line: &'a [u8]) -> Line<'a> {
        let mut cursor = Cursor::new(line);
        if let Some(stamp) = Stamp::of_exim(&mut cursor) {
            let event = cursor.take(b" ").then(|| event(cursor, false)).flatten();
            if event.is_none() && is_of_syslog(line) {
                return syslog_line(self, line);
            }
            return Line::once(Stamped::At(stamp), event.map(content));
        }
        if let Some((stamp, inner)) = syslog::behind_runtime(line) {
            let mut cursor = Cursor::new(inner);
            if Stamp::of_exim(&mut cursor).is_some() && cursor.take(b" ") {
                return Line::once(Stamped::At(stamp), event(cursor, false).map(content));
            }
        }
        syslog_line(self, line)
    }

    fn occurs_in(&self, text: &[u8]) -> bool {
        positions(text, b" <= ").any(|at| {
            [16, 23].iter().any(|length| {
                at.checked_sub(*length).is_some_and(|from| is_message_id(&text[from..at]))
            })
        })
    }

    fn begins(&self, message: &[u8]) -> bool {
        matches!(syslog_message(message), Some(Event::Accepted(_)))
    }

    fn program(&self) -> &'static str {
        "Exim"
    }

    fn kin(&self, line: &[u8]) -> Kin {
        if is_own(line) { Kin::Own } else { kin::in_syslog(line, kin::is_exim) }
    }

    fn is_unread(&self, line: &[u8]) -> bool {
        let is_own = Stamp::of_exim(&mut Cursor::new(line)).is_some() && !is_of_syslog(line);
        !is_own && unread::in_syslog(self, line)
    }

    fn stamp<'a>(&self, line: &'a [u8]) -> Stamped<'a> {
        Stamp::of_exim(&mut Cursor::new(line)).map_or_else(|| syslog::stamp(line), Stamped::At)
    }

    fn message<'a>(&self, name: &'a [u8], message: &'a [u8]) -> Option<Content<'a>> {
        // It is `exim` unless the option `syslog_processname` says otherwise.
        let is_exim = kin::is_exim(name) && !name.contains(&b'[');
        is_exim.then(|| syslog_message(message)).flatten().map(content)
    }
}

/// Whether a line is of Exim's own log: after its timestamp come an id, or one of the words with which most other
/// lines start.
pub(super) fn is_own(line: &[u8]) -> bool {
    const OTHERS: [&[u8]; 7] = [
        b"Start queue run",
        b"End queue run",
        b"H=",
        b"SMTP ",
        b"exim ",
        b"cwd=",
        b"no host name found",
    ];
    let mut cursor = Cursor::new(line);
    if let Some((_, inner)) = syslog::behind_runtime(line) {
        cursor = Cursor::new(inner);
    }
    if Stamp::of_exim(&mut cursor).is_none() || !cursor.take(b" ") {
        return false;
    }
    if cursor.take(b"[") && cursor.number(1, 10).is_some() {
        cursor.take(b"] ");
    }
    let rest = cursor.rest();
    OTHERS.iter().any(|start| rest.starts_with(start)) || cursor.word().is_some_and(is_message_id)
}

fn content(event: Event<'_>) -> Content<'_> {
    Content::Event(LazyEvent::Parsed(event))
}

/// Whether a line whose timestamp looks like Exim's is of a syslog file: `2026-11-23 17:30:00 host exim[7]: …`. After
/// its own timestamp, Exim writes a message id or words of which none can be a host's name followed by a tag, except
/// perhaps ones that strangers chose; and these stand in brackets or after a `=`.
fn is_of_syslog(line: &[u8]) -> bool {
    let is_allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-._:".contains(b);
    words_after_stamp(line).is_some_and(|(host, tag)| {
        host.iter().all(is_allowed)
            && !host.ends_with(b":")
            && !is_message_id(host)
            && tag.ends_with(b":")
    })
}

/// The first two words after a timestamp.
fn words_after_stamp(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut cursor = Cursor::new(line);
    Stamp::of_syslog(&mut cursor)?;
    let mut word = || if cursor.take(b" ") { cursor.word() } else { None };
    Some((word()?, word()?))
}

/// Looks at the places where a line of Exim's own log with a plain timestamp has its id and what comes next.
#[inline]
fn glance(line: &[u8]) -> Glance<'_> {
    const PLAIN: usize = "YYYY-MM-DD HH:MM:SS ".len();
    let Some((stamp, rest)) = line.split_at_checked(PLAIN) else { return Glance::Unclear };
    if !has_places(stamp) {
        return Glance::Unclear;
    }
    let length = if rest.get(16) == Some(&b' ') { 16 } else { 23 };
    let Some((id, after)) = rest.split_at_checked(length) else { return Glance::Unclear };
    match after {
        [b' ', b'=' | b'-' | b'*' | b'>', b'=' | b'>' | b'*', b' ', ..] => Glance::Nothing,
        [b' ', b'<', b'=', b' ', ..] => Glance::Event,
        _ if after == COMPLETED && is_message_id(id) => Glance::Completed(id),
        _ => Glance::Unclear,
    }
}

/// Whether `YYYY-MM-DD HH:MM:SS ` has what is between its numbers.
#[inline]
fn has_places(stamp: &[u8]) -> bool {
    // Eight bytes at once: this is asked of every line.
    let has = |from: usize, wanted: &[u8; 8]| {
        let Some(text) = stamp[from..].first_chunk() else { return false };
        let mut places = 0;
        for (at, &b) in wanted.iter().enumerate() {
            places |= if b == 0 { 0 } else { 0xff << (8 * at) };
        }
        u64::from_le_bytes(*text) & places == u64::from_le_bytes(*wanted)
    };
    has(0, b"\0\0\0\0-\0\0-") && has(8, b"\0\0 \0\0:\0\0") && has(12, b"\0\0\0\0:\0\0 ")
}

/// Reads a message after its piece number and Exim's own timestamp, if it has them.
fn syslog_message(message: &[u8]) -> Option<Event<'_>> {
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
    event(cursor, cut)
}

/// Reads a line after its timestamp. `cut` says that it is only the first piece of a line.
fn event(mut cursor: Cursor<'_>, cut: bool) -> Option<Event<'_>> {
    if cursor.take(b"[") {
        cursor.number(1, 10)?;
        if !cursor.take(b"] ") {
            return None;
        }
    }
    let id = cursor.word()?;
    if !is_message_id(id) {
        return None;
    }
    if cursor.take(b" <= ") {
        return received(cursor, id, cut).map(Event::Accepted);
    }
    let completed = cursor.take(COMPLETED)
        && (cursor.rest().trim_ascii_end().is_empty() || cursor.rest().starts_with(b" QT="));
    completed.then_some(Event::Completed(id))
}

/// Reads the rest of the line of a message that was received, after ` <= `.
fn received<'a>(mut cursor: Cursor<'a>, id: &'a [u8], cut: bool) -> Option<Accepted<'a>> {
    take_word(&mut cursor)?;
    if cursor.take(b" R=") {
        cursor.word()?;
    }
    cursor.take(b" DS");
    let message = Some(id);
    let authenticated = |id| Sender::new(Kind::Authenticated, id);
    if cursor.take(b" H=") {
        let Host { name, client } = host(&mut cursor, cut)?;
        let address = Sender::new(Kind::Address, client.address);
        let id = authenticated_id(cursor, cut).map(authenticated);
        let senders = match name {
            Some(name) => {
                let address = (!client.address.is_empty()).then_some(address);
                Senders::new(name, address).with(id)
            }
            None => Senders::new(address, id),
        };
        return Some(Accepted { senders, client: Some(client), recurs: false, id: message });
    }
    if cursor.take(b" U=") {
        let user = without_connection_id(cursor.until(b" P=")?);
        let id = local_id(cursor, cut).map(authenticated);
        let senders = Senders::new(Sender::new(Kind::User, user), id);
        return Some(Accepted { senders, client: None, recurs: false, id: message });
    }
    None
}

/// What follows the id of a message that left the queue (`deliver.c`), perhaps before ` QT=` and a time.
const COMPLETED: &[u8; 10] = b" Completed";

/// `1xVYRD-0008N8-0D`, or `1x5dJQ-00000002ksM-1pMm` since Exim 4.97.
#[inline]
fn is_message_id(id: &[u8]) -> bool {
    // A dash at this place of eight bytes, and nothing else that is neither a letter nor a digit.
    const fn dash(place: usize) -> u64 {
        0x80 << (8 * place)
    }
    let others = |from: usize| id[from..].first_chunk().map(|word| others(*word));
    match id.len() {
        16 => {
            (id[6], id[13]) == (b'-', b'-')
                && (others(0), others(8)) == (Some(dash(6)), Some(dash(5)))
        }
        23 => {
            (id[6], id[18]) == (b'-', b'-')
                && others(8) == Some(0)
                && (others(0), others(15)) == (Some(dash(6)), Some(dash(3)))
        }
        _ => false,
    }
}

/// The high bit of each byte that is neither a letter nor a digit.
#[inline]
fn others(word: [u8; 8]) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    let word = u64::from_le_bytes(word);
    // Of bytes below 128, the high bit of those that are at least so much.
    let at_least = |word: u64, least: u8| (word & !HIGHS) + ONES * u64::from(0x80 - least);
    let lower = word | ONES << 5;
    let digits = at_least(word, b'0') & !at_least(word, b'9' + 1);
    let letters = at_least(lower, b'a') & !at_least(lower, b'z' + 1);
    (!(digits | letters) | word) & HIGHS
}

/// Takes an address as Exim reads it, up to the first space outside quotes. None if it is empty, or a quote
/// is not closed.
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

/// What a line says about a client.
struct Host<'a> {
    /// The name under which it is counted, if it has one.
    name: Option<Sender<'a>>,
    /// The name that Exim verified, and the address.
    client: Client<'a>,
}

/// Takes `HOST` with its port. If a line was `cut` within a HELO, that is counted as far as it goes, so that
/// nobody can hide behind a long one.
fn host<'a>(cursor: &mut Cursor<'a>, cut: bool) -> Option<Host<'a>> {
    if cursor.rest().starts_with(b"[") {
        let address = take_address(cursor)?;
        return Some(Host { name: None, client: Client { name: b"", address } });
    }
    let mut verified = &b""[..];
    if !cursor.rest().starts_with(b"(") {
        verified = cursor.word()?;
        if !cursor.take(b" ") {
            return None;
        }
    }
    if cursor.take(b"(") {
        let (helo, address) = match take_helo(cursor) {
            Some((helo, address)) if is_the_only_end(*cursor, cut) => (helo, address),
            Some((helo, _)) => (helo, &b""[..]),
            None if cut => (cursor.take_while(|_| true), &b""[..]),
            None => return None,
        };
        let name = Some(Sender::new(Kind::Helo, helo));
        return Some(Host { name, client: Client { name: verified, address } });
    }
    let address = take_address(cursor)?;
    let name = Some(Sender::new(Kind::HostName, verified));
    Some(Host { name, client: Client { name: verified, address } })
}

/// Whether a HELO ended where it seems to. `cursor` is after its address.
///
/// Where Exim takes junk in HELO, a client can write `) [ADDRESS]` there, with any address. So if there is
/// another one in the rest of the line, or may be in what was cut off, nobody knows which is the true one.
fn is_the_only_end(cursor: Cursor<'_>, cut: bool) -> bool {
    let text = cursor.rest();
    let is_end = |at: usize| take_address(&mut Cursor::new(&text[at + 2..])).is_some();
    !cut && !positions(text, b") [").any(is_end) && !text.ends_with(OVERFLOWED)
}

/// Takes a HELO, which ends at the first `) [ADDRESS]`, and the address.
fn take_helo<'a>(cursor: &mut Cursor<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let text = cursor.rest();
    positions(text, b") [").find_map(|at| {
        let mut here = Cursor::new(&text[at + 2..]);
        let address = take_address(&mut here)?;
        *cursor = here;
        Some((&text[..at], address))
    })
}

/// Takes `[192.0.2.1]`, and `:port` after it.
fn take_address<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    if !cursor.take(b"[") {
        return None;
    }
    let address = cursor.before([b']']);
    let is_address = address.iter().fold(true, |all, &b| all & is_address_byte(b));
    if address.is_empty() || !is_address || !cursor.take(b"]") {
        return None;
    }
    let mut port = *cursor;
    if port.take(b":") && port.number(1, 5).is_some() {
        *cursor = port;
    }
    Some(address)
}

/// A login name in `U=`, without the ` Ci=ID` that the log selector `connection_id` adds after it.
fn without_connection_id(user: &[u8]) -> &[u8] {
    let last = user.iter().rposition(|&b| b == b' ').unwrap_or(user.len());
    match user[last..].strip_prefix(b" Ci=") {
        Some(id) if id.iter().all(u8::is_ascii_alphanumeric) => &user[..last],
        _ => user,
    }
}

/// The authenticated id of a remote client. `cursor` is after `HOST`.
///
/// The id follows the first ` P=`; or a later one, if an ident response comes before that. Such a response is
/// text from the remote host and can contain ` P=` too, so the first one that is followed by the fields of a
/// protocol is taken. A subject is never looked at.
///
/// A HELO that goes on after what looks like its end, or an ident response, can contain all the fields up to
/// an id; the true fields are then part of that id. Such a line can be read in two ways, and gives no id.
fn authenticated_id(cursor: Cursor<'_>, cut: bool) -> Option<&[u8]> {
    let text = cursor.rest();
    for at in positions(text, b" P=") {
        let of_ident = positions(&text[..at], b" U=").next().is_some();
        let here = Cursor::new(&text[at + 3..]);
        match after_protocol(here, cut) {
            Some(End::Authenticated(id)) => {
                let of_helo = positions(id, b") [").next().is_some();
                let mut inside = positions(id, b" P=").map(|at| Cursor::new(&id[at + 3..]));
                // There cannot be a size in it, because the id would have ended there.
                let two = (of_ident || of_helo) && inside.any(|here| is_protocol(here, false));
                return (!two).then_some(id);
            }
            None if of_ident && !is_protocol(here, true) => {}
            _ => return None,
        }
    }
    None
}

/// Whether the fields of a protocol come next, followed by an id, the end or, `with_size`, a size. `cursor` is
/// after ` P=`.
fn is_protocol(mut cursor: Cursor<'_>, with_size: bool) -> bool {
    const NEXT: [&[u8]; 3] = [b" DN=\"", b" SNI=", b" A="];
    take_protocol(&mut cursor).is_some()
        && (cursor.is_done()
            || NEXT.iter().any(|next| cursor.rest().starts_with(next))
            || (with_size && cursor.rest().starts_with(b" S=")))
}

/// How a line that matches the grammar ends.
enum End<'a> {
    /// With this authenticated id.
    Authenticated(&'a [u8]),
    /// Without one.
    Plain,
}

/// The authenticated id of a local user. `cursor` is after ` P=`.
fn local_id(cursor: Cursor<'_>, cut: bool) -> Option<&[u8]> {
    match after_protocol(cursor, cut)? {
        End::Authenticated(id) => Some(id),
        End::Plain => None,
    }
}

/// Takes the protocol, and those fields after it that contain no text from strangers.
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

/// How the line goes on after ` P=`, if it matches the grammar.
fn after_protocol(mut cursor: Cursor<'_>, cut: bool) -> Option<End<'_>> {
    take_protocol(&mut cursor)?;
    if cursor.take(b" DN=\"") {
        // GnuTLS writes a quote in a name as `\"`, OpenSSL writes it as it is.
        let mut escaped = cursor;
        let end = take_quoted(&mut escaped).then(|| after_certificate(escaped, cut)).flatten();
        if end.is_some() {
            return end;
        }
        cursor.until(b"\"")?;
    }
    after_certificate(cursor, cut)
}

/// How the line goes on after the name of the client's certificate, if it matches the grammar.
fn after_certificate(mut cursor: Cursor<'_>, cut: bool) -> Option<End<'_>> {
    if cursor.take(b" SNI=") {
        cursor.word()?;
    }
    if !cursor.take(b" A=") {
        return is_tail(cursor, cut).then_some(End::Plain);
    }
    cursor.before([b':', b' ']);
    if !cursor.take(b":") {
        return None;
    }
    let text = cursor.rest();
    positions(text, b" S=").find_map(|at| {
        let id = &text[..at];
        is_tail(Cursor::new(&text[at..]), cut).then_some(End::Authenticated(without_flags(id)))
    })
}

/// An id without the flags that may come between it and the size: ` PRDR`, ` PRX=ip`, ` K`.
fn without_flags(id: &[u8]) -> &[u8] {
    if find_any(id, [b' ']).is_none() {
        return id;
    }
    let id = id.strip_suffix(b" K").unwrap_or(id);
    let id = match memchr::memmem::rfind(id, b" PRX=") {
        Some(at) if id[at + 5..].iter().all(|&b| is_address_byte(b)) => &id[..at],
        _ => id,
    };
    id.strip_suffix(b" PRDR").unwrap_or(id)
}

/// Whether this can be the rest of a line, from ` S=` on.
///
/// Deliberately permissive: a sender who can make his own line fail to parse would escape being counted. So
/// a message id and a recipient may be any word that Exim accepts, except one that looks like a field that is
/// read here. A line that was `cut` (the first piece of a long one in syslog) may end anywhere in them.
fn is_tail(mut cursor: Cursor<'_>, cut: bool) -> bool {
    if !(cursor.take(b" S=") && cursor.number(1, 18).is_some()) {
        return false;
    }
    if cursor.take(b" M8S=") && cursor.number(1, 18).is_none() {
        return false;
    }
    // Most lines have none of these.
    if matches!(cursor.rest(), [b' ', b'D' | b'A' | b'R' | b'Q', ..]) {
        for field in [&b" DKIM="[..], b" ARC", b" DMARC", b" RT=", b" Q="] {
            if cursor.take_text(field) {
                cursor.take_while(|b| b != b' ' && b != b'"');
            }
        }
    }
    if cursor.take(b" id=") || cursor.take(b" id*=") {
        // Most lines end with a plain one.
        let text = cursor.rest();
        if find_any(text, [b' ', b'"', b'\\']).is_none() && find_any(text, [b'@']).is_some() {
            return true;
        }
        let word = cursor;
        if !take_word(&mut cursor).is_some_and(is_address) || !is_after_id(cursor, cut) {
            // A quote that is not closed is an ordinary byte.
            cursor = word;
            cursor.take_while(|b| b != b' ');
        }
    }
    is_after_id(cursor, cut)
}

/// Whether this can be the rest of a line after the message id.
fn is_after_id(mut cursor: Cursor<'_>, cut: bool) -> bool {
    if cursor.is_done() {
        return true;
    }
    let text = cursor.rest().trim_ascii_end();
    let cut = cut || text.ends_with(OVERFLOWED);
    // If there is another size in what may have been cut off, nobody knows which is the true one.
    let cut = cut && positions(text, b" S=").next().is_none();
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

/// Whether a word from [`take_word`] can be an address, and does not look like a field that is read here.
///
/// Spaces, quotes and backslashes are only allowed in the local part. Otherwise a backslash at the end of an
/// authenticated id would escape the space before ` S=`, and the size would become part of a word in that id.
fn is_address(word: &[u8]) -> bool {
    match word.iter().rposition(|&b| b == b'@') {
        Some(at) => !word[at..].iter().any(|b| matches!(b, b' ' | b'"' | b'\\')),
        None => !word.iter().any(|b| matches!(b, b' ' | b'=')),
    }
}

/// What Exim writes at the end of a line that is longer than its buffer.
const OVERFLOWED: &[u8] = b" **** log string overflowed log buffer ****";

/// Takes everything up to the closing quote, and the quote. `\` escapes the next byte. False if there is none.
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
