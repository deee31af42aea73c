//! Claims about one line: parsers, envelope, stamps, the clock.

use std::borrow::Cow;
use std::cell::RefCell;

use spamcore::cursor::Cursor;
use spamcore::parse::exim::Exim;
use spamcore::parse::php::Php;
use spamcore::parse::php_wrapper::PhpWrapper;
use spamcore::parse::postfix::Postfix;
use spamcore::parse::{
    Content, Event, Glance, LazyEvent, Line, MAX_REPEATS, Parser, Stamped, syslog,
};
use spamcore::time::clock::{Clock, MAX_CLOCK_SKEW};
use spamcore::time::stamp::{Minute, Stamp, StampZone};
use spamcore::time::zone::Zone;

/// Now: 2026-11-23 17:58:00 UTC.
pub(crate) const NOW: i64 = 1_795_456_680;

pub(crate) fn postfix(input: &[u8]) {
    reads(&Postfix, input);
}

pub(crate) fn exim(input: &[u8]) {
    reads(&Exim, input);
}

pub(crate) fn php(input: &[u8]) {
    reads(&Php, input);
}

pub(crate) fn php_legacy(input: &[u8]) {
    reads(&PhpWrapper, input);
}

/// Whether a text is a part of a line, not only equal to one.
fn is_part_of(line: &[u8], part: &[u8]) -> bool {
    let (all, part) = (line.as_ptr_range(), part.as_ptr_range());
    all.start <= part.start && part.end <= all.end
}

#[track_caller]
fn lies_in(part: &[u8], line: &[u8]) {
    assert!(is_part_of(line, part), "it is no part of the line");
}

fn is_sound(content: &Content<'_>, line: &[u8], name: &[u8]) {
    let event = match content {
        Content::Event(event) => event,
        Content::Ambiguous(text) => {
            return assert!([line, name].iter().any(|all| is_part_of(all, text)), "{text:?}");
        }
    };
    let Some(parsed) = event.parse() else { return };
    let accepted = match &*parsed {
        Event::Accepted(accepted) => accepted,
        Event::Completed(id) => return lies_in(id, line),
    };
    if let Some(id) = accepted.id {
        lies_in(id, line);
    }
    for sender in accepted.senders.iter() {
        // Escapes that were undone are not in the line.
        if let Cow::Borrowed(name) = sender.name {
            lies_in(name, line);
        }
    }
    if let Some(client) = accepted.client {
        // What is not known is empty.
        for part in [client.name, client.address].into_iter().filter(|part| !part.is_empty()) {
            lies_in(part, line);
        }
    }
    if let LazyEvent::Deferred { text, .. } = *event {
        lies_in(text, line);
        // What is remembered of a text must be all that it says.
        assert!(!accepted.recurs || text.ends_with(&accepted.senders.first().name));
    }
}

/// A parser takes what stands in a line and nothing else, and only where a search for its needle would
/// have found the line.
fn reads(parser: &impl Parser, input: &[u8]) {
    let line = input.split(|&b| b == b'\n').next().unwrap_or_default();
    let Line { stamp, host, times, content } = parser.line(line);
    assert_eq!(parser.stamp(line), stamp, "the stamp alone is another");
    if let Some(host) = host {
        lies_in(host, line);
    }
    // Only asked of a line that has no content.
    assert!(content.is_some() || !parser.is_unread(line) || !line.is_empty());
    match (parser.glance(line), &content) {
        (Glance::Nothing, content) => assert!(content.is_none(), "it has an event"),
        (Glance::Completed(id), Some(Content::Event(event))) => {
            assert_eq!(event.parse().as_deref(), Some(&Event::Completed(id)));
        }
        (Glance::Completed(_), _) => assert!(stamp == Stamped::Unreadable, "nothing was completed"),
        (Glance::Event | Glance::Unclear, _) => {}
    }
    if let Some(content) = content {
        let holds = |needle: &[u8]| line.windows(needle.len()).any(|window| window == needle);
        let found = holds(parser.needle());
        if let Content::Event(event) = &content
            && matches!(event.parse().as_deref(), Some(Event::Completed(_)))
        {
            assert!(parser.second_needle().is_some_and(holds), "a search would not find it");
        }
        is_sound(&content, line, line);
        if content.messages(times) > 0 {
            assert!(found, "a search would not find it");
            assert!(stamp != Stamped::Unreadable, "it counts without a time");
        }
    }
    for name in [&b"postfix/smtpd"[..], b"exim", b"php"] {
        if let Some(content) = parser.message(name, line) {
            is_sound(&content, line, name);
            let messages = |times| content.messages(times);
            assert!([0, 7].contains(&messages(7)));
            assert!(messages(MAX_REPEATS + 1) <= 1 && messages(1) == messages(MAX_REPEATS + 1));
        }
    }
    if let Some(uid) = parser.claimed_uid(line) {
        lies_in(uid, line);
        assert!(!uid.is_empty() && uid.iter().all(u8::is_ascii_digit));
    }
}

pub(crate) fn envelope(input: &[u8]) {
    if let Ok(syslog::Envelope { stamp, name, message, .. }) = syslog::envelope(input) {
        lies_in(name, input);
        lies_in(message, input);
        assert_eq!(syslog::stamp(input), Stamped::At(stamp));
        assert!(!name.contains(&b' '), "a tag is one word");
        assert!(name.as_ptr_range().end <= message.as_ptr(), "the tag stands before the message");
    }
}

thread_local! {
    static CLOCKS: RefCell<Vec<Clock>> = RefCell::new(
        ["UTC", "Europe/Madrid", "Australia/Lord_Howe", "America/New_York"]
            .map(|zone| Clock::new(NOW, Zone::local(Some(zone))))
            .into(),
    );
}

type Take = for<'a> fn(&mut Cursor<'a>) -> Option<Stamp<'a>>;

pub(crate) fn stamp(input: &[u8]) {
    let takes: [Take; 3] = [
        |cursor| Stamp::of_syslog(cursor),
        |cursor| Stamp::of_exim(cursor),
        |cursor| Stamp::of_php(cursor),
    ];
    for take in takes {
        let mut cursor = Cursor::new(input);
        match take(&mut cursor) {
            Some(stamp) => {
                assert!(cursor.rest().len() < input.len() && input.ends_with(cursor.rest()));
                told(&stamp);
            }
            None => assert_eq!(cursor.rest(), input, "what is no stamp is not taken"),
        }
    }
}

pub(crate) fn now(input: &[u8]) {
    if let Some(stamp) = Stamp::of_argument(input) {
        assert!(input.iter().all(|&b| (b' '..=b'z').contains(&b)));
        told(&stamp);
    }
}

/// What the clocks make of a stamp.
fn told(stamp: &Stamp<'_>) {
    CLOCKS.with_borrow_mut(|clocks| {
        for clock in clocks {
            clock.next_file(false);
            let known = clock.knows(stamp);
            let reading = clock.read(stamp);
            assert_eq!(known, reading.is_some());
            let Some(reading) = reading else {
                assert!(may_be_unknown(stamp), "a date in a known zone");
                continue;
            };
            match *stamp {
                Stamp::Unix(instant) => assert_eq!(reading.instant, instant),
                Stamp::Civil { minute, second, zone } => {
                    let at = reading.instant;
                    let Some(year) = minute.year else {
                        assert!(
                            reading.in_future || at <= NOW + MAX_CLOCK_SKEW,
                            "a year that is to come"
                        );
                        continue;
                    };
                    let local = civil(&minute, year) + i64::from(second);
                    let east = local - at;
                    match zone {
                        StampZone::Offset(offset) => assert_eq!(east, i64::from(offset)),
                        _ => assert!(east.abs() <= 26 * 3600, "{east} seconds east"),
                    }
                    assert_eq!(reading.in_future, at > NOW + MAX_CLOCK_SKEW);
                }
            }
        }
    });
}

/// Seconds of a wall clock since 1970, by counting days (the algorithm of Howard Hinnant).
fn civil(minute: &Minute, year: u16) -> i64 {
    let (month, day) = (i64::from(minute.month), i64::from(minute.day));
    let year = i64::from(year) - i64::from(month <= 2);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    let days = year.div_euclid(400) * 146_097 + days - 719_468;
    days * 86_400 + i64::from(minute.hour) * 3600 + i64::from(minute.minute) * 60
}

/// A day that its month does not have, a zone by name, or a 29 February.
fn may_be_unknown(stamp: &Stamp<'_>) -> bool {
    let Stamp::Civil { minute, zone, .. } = stamp else { return false };
    minute.day > 28 || matches!(zone, StampZone::Name(_) | StampZone::Abbreviation(_))
}
