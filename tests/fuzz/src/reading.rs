//! Claims about reading: lines do not depend on how bytes come, counts not on how lines are found.

use std::collections::BTreeMap;
use std::io::{self, Read};

use spamcore::limits::Limits;
use spamcore::parse::exim::Exim;
use spamcore::parse::php::Php;
use spamcore::parse::php_wrapper::PhpWrapper;
use spamcore::parse::postfix::Postfix;
use spamcore::parse::{Content, Event, Kind, MAX_REPEATS, Parser, Stamped};
use spamcore::reader::LogReader;
use spamcore::source::Reader;
use spamcore::source::journal::Entries;
use spamcore::source::lines::{LONGEST, Lines, head, split, trimmed};
use spamcore::tally::network::Webmail;
use spamcore::tally::{Detail, Tally};
use spamcore::time::clock::Clock;
use spamcore::time::window::Window;
use spamcore::time::zone::Zone;

use crate::choices::Choices;
use crate::parsing::NOW;

/// Gives bytes in pieces of these sizes, over and over.
struct Pieces<'a> {
    rest: &'a [u8],
    sizes: [usize; 3],
    number: usize,
}

impl<'a> Pieces<'a> {
    fn new(rest: &'a [u8], choices: &mut Choices<'_>) -> Self {
        const SIZES: [usize; 8] = [1, 2, 7, 100, 4096, LONGEST, LONGEST + 1, 1 << 20];
        // Single bytes of a large input take long.
        let from = if rest.len() > 4096 { 3 } else { 0 };
        let sizes = [(); 3].map(|()| SIZES[from + choices.below(SIZES.len() - from)]);
        Self { rest, sizes, number: 0 }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.number += 1;
        let size = self.sizes[self.number % 3].min(into.len()).min(self.rest.len());
        into[..size].copy_from_slice(&self.rest[..size]);
        self.rest = &self.rest[size..];
        Ok(size)
    }
}

/// Lines, the simple way, without the NULs before them.
fn simple(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = text.split(|&b| b == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    for line in &mut lines {
        while let Some(rest) = line.strip_prefix(b"\0") {
            *line = rest;
        }
    }
    lines
}

fn is_too_long(line: &&[u8]) -> bool {
    line.len() > LONGEST
}

/// Input with some of its bytes made into long runs: `\x01` to `\x08`.
fn stretched(input: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for &b in input {
        let (byte, count) = match b {
            1 => (0, LONGEST),
            2 => (0, 700),
            3 => (b'x', LONGEST - 1),
            4 => (b'x', LONGEST),
            5 => (b'y', LONGEST + 1),
            6 => (b'z', 5 * LONGEST),
            7 => (b'\n', 2000),
            8 => (b'x', 1000),
            b => (b, 1),
        };
        text.resize(text.len() + count, byte);
        if text.len() > 2 << 20 {
            break;
        }
    }
    text
}

pub(crate) fn lines(input: &[u8]) {
    let mut choices = Choices::new(input);
    let hold_last = choices.byte().is_multiple_of(2);
    let text = stretched(choices.rest());
    let all = simple(&text);
    let overlong = all.iter().filter(|line| is_too_long(line)).count() as u64;
    let mut want = all.clone();
    let ends = text.is_empty() || text.ends_with(b"\n");
    let mut lines = Lines::new(Pieces::new(&text, &mut choices), hold_last);
    let mut got: Vec<Vec<u8>> = Vec::new();
    while let Some(run) = lines.next_block().expect("no errors here") {
        for line in split(run) {
            // Of a line that is too long, the begin.
            assert!(trimmed(line).is_none_or(|whole| whole == head(line)));
            got.push(head(line).to_vec());
        }
    }
    // Bytes that are nothing but NULs, a byte order mark or a carriage return are no line.
    let kept = |line: &&[u8]| !head(line).is_empty();
    let got: Vec<&[u8]> = got.iter().map(Vec::as_slice).filter(kept).collect();
    want.retain(kept);
    // The start of one that is too long may be read though it is still being written.
    if hold_last
        && !ends
        && all.last().is_some_and(|last| !is_too_long(last) || got.len() < want.len())
        && all.last().is_some_and(kept)
    {
        want.pop();
    }
    let want: Vec<&[u8]> = want.into_iter().map(head).collect();
    assert!(got == want, "{} lines, and there are {}", got.len(), want.len());
    assert_eq!(lines.overlong(), overlong);
}

type Counts = BTreeMap<(Kind, Vec<u8>), (u64, Vec<u8>)>;

/// The simple way from lines to counts: every line is read, in order.
fn counted(
    parser: &impl Parser,
    text: &[u8],
    window: Window,
    zone: &Zone,
    rotated: bool,
) -> Counts {
    let mut clock = Clock::new(window.now, zone.clone());
    let mut counts = Counts::new();
    let mut copies: Vec<(Vec<u8>, Vec<u8>, i64)> = Vec::new();
    for line in simple(text) {
        if is_too_long(&line) && !parser.accepts_truncated_lines() {
            continue;
        }
        let line = head(line);
        let read = parser.line(line);
        let at = match read.stamp {
            Stamped::At(stamp) => clock.read(&stamp).filter(|reading| !reading.in_future),
            Stamped::Bare | Stamped::Unreadable => None,
        };
        let at = at.map(|reading| reading.instant).filter(|at| window.holds(*at));
        let inside = match read.stamp {
            Stamped::At(_) => at.is_some(),
            Stamped::Bare => !rotated,
            Stamped::Unreadable => false,
        };
        let identity = read.content.as_ref().and_then(Content::identity);
        if let (Some(at), Some(identity)) = (at, identity) {
            let host = read.host.unwrap_or_default().to_vec();
            // The last ones of its host.
            let same_host = copies.iter().rev().filter(|(other, ..)| *other == host);
            let is_copy = |(_, other, other_at): &(Vec<u8>, Vec<u8>, i64)| {
                other == identity.text && (!identity.recurs || other_at.abs_diff(at) <= 60)
            };
            if same_host.take(64).any(is_copy) {
                continue;
            }
            copies.push((host, identity.text.to_vec(), at));
        }
        let times = if identity.is_some() { 1 } else { read.times };
        let Some(event) = read.event() else { continue };
        let Event::Accepted(accepted) = &*event else { continue };
        if !inside || times > MAX_REPEATS {
            continue;
        }
        for sender in accepted.senders.iter() {
            let key = (sender.kind, sender.name.to_vec());
            let count = counts.entry(key).or_insert((0, line.to_vec()));
            count.0 += times;
        }
    }
    counts
}

fn read<P: Parser>(
    reader: &mut LogReader<'_, P, Tally>,
    text: &[u8],
    choices: &mut Choices<'_>,
    rotated: bool,
) {
    let mut pieces = PiecesOwned(text.to_vec(), Pieces::new(text, choices).sizes, 0, 0);
    let mut lines = Lines::new(Reader::Stream(&mut pieces), false);
    assert!(reader.read(&mut lines, rotated).error.is_none());
}

/// [`Pieces`] that can be sent to another thread for good.
struct PiecesOwned(Vec<u8>, [usize; 3], usize, usize);

impl Read for PiecesOwned {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Self(text, sizes, number, at) = self;
        *number += 1;
        let size = sizes[*number % 3].min(into.len()).min(text.len() - *at);
        into[..size].copy_from_slice(&text[*at..*at + size]);
        *at += size;
        Ok(size)
    }
}

fn all(tally: &Tally) -> Counts {
    let senders = tally.senders().filter(|(_, _, seen)| seen.messages > 0);
    senders
        .map(|(kind, name, seen)| ((kind, name.to_vec()), (seen.messages, seen.line.to_vec())))
        .collect()
}

fn same<P: Parser>(parser: &P, input: &[u8]) {
    let mut choices = Choices::new(input);
    let rotated = choices.byte().is_multiple_of(4);
    // An hour that repeats lies near the second of these: then every line is read.
    let (zone, now) = match choices.below(3) {
        0 => ("UTC", NOW),
        1 => ("Europe/Madrid", 1_792_897_200),
        _ => ("Europe/Madrid", NOW),
    };
    let zone = Zone::local(Some(zone));
    let window = Window::until_now(now - [600, 3600, 86_400][choices.below(3)], now);
    let cut = choices.below(1 << 12);
    let text = choices.rest();
    let want = counted(parser, text, window, &zone, rotated);
    let tally = || {
        let detail = Detail { line: true, activity: true };
        Tally::new(window, Limits::new(10, false), Webmail::default(), detail, true)
    };
    let mut whole = LogReader::new(parser, window, &zone, tally());
    whole.begin_file(false);
    read(&mut whole, text, &mut choices, rotated);
    assert_eq!(all(&whole.sink), want, "a big run is not line by line");

    // In two parts, cut behind a newline.
    let newlines = text.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1);
    let places: Vec<usize> = newlines.collect();
    if places.is_empty() {
        return;
    }
    let (before, after) = text.split_at(places[cut % places.len()]);
    let mut first = LogReader::new(parser, window, &zone, tally());
    first.begin_file(false);
    let Some(mut second) = first.fork(before) else { return };
    read(&mut first, before, &mut choices, rotated);
    read(&mut second, after, &mut choices, rotated);
    first.join(second);
    assert_eq!(all(&first.sink), want, "two parts are not the whole");
}

pub(crate) fn count(input: &[u8]) {
    let (&which, input) = input.split_last().unwrap_or((&0, &[]));
    match which % 4 {
        0 => same(&Postfix, input),
        1 => same(&Exim, input),
        2 => same(&Php, input),
        _ => same(&PhpWrapper, input),
    }
}

/// Entries in the export format: any bytes end, and a message that was written is read, or told where it
/// is too long.
pub(crate) fn journal(input: &[u8]) {
    let mut entries = Entries::new(input);
    let mut left = input.len() + 1;
    while let Ok(Some(entry)) = entries.next_entry() {
        left -= 1;
        assert!(entry.message.len() <= LONGEST + 64 && entry.host.len() <= LONGEST + 64);
        let line = entry.line(&Zone::utc());
        assert!(line.ends_with(&entry.message));
    }
    assert!(left > 0, "more entries than bytes");

    let mut text = b"__REALTIME_TIMESTAMP=1795456680000000\nMESSAGE\n".to_vec();
    text.extend_from_slice(&(input.len() as u64).to_le_bytes());
    text.extend_from_slice(input);
    text.extend_from_slice(b"\n_UID=5\n\nMESSAGE=next\n\n");
    let mut entries = Entries::new(&text[..]);
    let first = entries.next_entry().expect("whole").expect("an entry");
    let fits = input.len() <= LONGEST;
    assert_eq!((&first.message[..], &first.uid[..]), (if fits { input } else { b"" }, &b"5"[..]));
    assert_eq!(first.overlong, !fits);
    let next = entries.next_entry().expect("whole").expect("an entry");
    assert_eq!(next.message, b"next");
    assert_eq!(entries.next_entry().expect("whole"), None);
}
