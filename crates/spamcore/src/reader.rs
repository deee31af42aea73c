//! Counting: the way of a line through parser, clock and window into the tally.
//!
//! Candidate lines are found by a search for the parser's needle over whole runs of lines; nothing is
//! parsed or copied before that. Only where the order of lines matters (an hour that repeats lies near,
//! or the parser wants it) is every line read.

use std::collections::BTreeMap;
use std::io;

use memchr::{memchr, memmem, memrchr};

use crate::parse::{Event, Hit, Line, Parser, Stamped, unescaped};
use crate::source::Reader;
use crate::source::lines::{Lines, head, split, trimmed};
use crate::tally::Tally;
use crate::time::clock::{Clock, MAX_CLOCK_SKEW, Reading};
use crate::time::window::Window;
use crate::time::zone::Zone;

/// Around an hour that repeats, the order of lines matters this far. Seconds.
const NEAR: i64 = 2 * 86_400;

/// An hour that repeats makes stamps uncertain by this much. Seconds.
const UNSURE: i64 = 2 * 3600;

/// How many different tags of unclear lines are kept.
const TAGS: usize = 8;

/// Counts the lines of one file after the other.
#[derive(Debug)]
pub struct Counter<'a, P> {
    parser: &'a P,
    window: Window,
    zone: Zone,
    /// Every line is to be read, in order.
    ordered: bool,
    clock: Clock,
    /// What was counted.
    pub tally: Tally,
    /// What was learned of the file that is being read.
    pub facts: Facts,
    /// Lines that count for nobody.
    pub unclear: Unclear,
}

/// What is learned of one file while it is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Lines that were asked for a stamp, until one could be read.
    pub lines: u64,
    /// A stamp could be read.
    pub readable: bool,
    /// Messages stamped too far ahead of now.
    pub ahead: u64,
    /// Messages whose stamp is no date or in a zone that is not known here.
    pub unread: u64,
    /// Lines with too many repeats, and the most.
    pub unbelievable: (u64, u64),
}

/// Lines that count for nobody because they have two readings.
#[derive(Clone, Debug, Default)]
pub struct Unclear {
    /// How many.
    pub total: u64,
    /// The first tags, and how many came with each.
    pub tags: BTreeMap<Box<[u8]>, u64>,
}

/// How the reading of a file, or of a part of it, ended.
#[derive(Debug)]
pub struct End {
    /// How many bytes of lines were read, unpacked.
    pub bytes: u64,
    /// How many lines were too long to be read.
    pub overlong: u64,
    /// Where the file ended before the length that it had, and that length.
    pub shrunk: Option<(u64, u64)>,
    /// What stopped it.
    pub error: Option<io::Error>,
}

impl<'a, P: Parser> Counter<'a, P> {
    /// A counter into `tally`.
    pub fn new(parser: &'a P, tally: Tally, zone: &Zone) -> Self {
        let window = tally.window();
        let ordered =
            parser.wants_all() || zone.repeats_between(window.start - NEAR, window.end + NEAR);
        Self {
            parser,
            window,
            zone: zone.clone(),
            ordered,
            clock: Clock::new(window.now, zone.clone()),
            tally,
            facts: Facts::default(),
            unclear: Unclear::default(),
        }
    }

    /// A counter for a later part of the same file, if what it counts can be [absorbed](Self::absorb).
    ///
    /// `before` are the lines before that part. They must tell the time for sure, so that the part is
    /// read as if all before it had been read.
    pub fn for_later_part(&self, before: &[u8]) -> Option<Self> {
        let mut later = Self::new(self.parser, self.tally.sibling()?, &self.zone);
        let mut year_is_ambiguous = false;
        for line in split(before).filter_map(trimmed) {
            year_is_ambiguous = later
                .reading_of(line)
                .map_or(year_is_ambiguous, |reading| reading.year_is_ambiguous);
        }
        (later.clock.is_anchored() && !year_is_ambiguous).then_some(later)
    }

    /// Adds what a later part counted.
    pub fn absorb(&mut self, later: Self) {
        self.tally.absorb(later.tally);
        let (facts, more) = (&mut self.facts, later.facts);
        facts.lines += more.lines;
        facts.readable |= more.readable;
        facts.ahead += more.ahead;
        facts.unread += more.unread;
        facts.unbelievable.0 += more.unbelievable.0;
        facts.unbelievable.1 = facts.unbelievable.1.max(more.unbelievable.1);
        let total = self.unclear.total.saturating_add(later.unclear.total);
        for (tag, times) in later.unclear.tags {
            self.unclear.add(&tag, times);
        }
        self.unclear.total = total;
    }

    /// By how much the begin of the period is uncertain, in seconds, where hours repeat.
    pub fn unsure(&self) -> i64 {
        if self.ordered { UNSURE } else { 0 }
    }

    /// Begins another file, which may be of the same log as the one before.
    pub fn begin_file(&mut self, same_log: bool) {
        self.clock.next_file(same_log);
        self.facts = Facts::default();
    }

    /// The instant of a line by another clock, where it has one.
    pub fn instant(&self, clock: &mut Clock, line: &[u8]) -> Option<i64> {
        reading(self.parser, clock, line).map(|reading| reading.instant)
    }

    /// Counts lines to their end. Those of a rotated log count only with a stamp.
    pub fn read(&mut self, lines: &mut Lines<Reader<'_>>, rotated: bool) -> End {
        let needle = memmem::Finder::new(self.parser.needle());
        let mut bytes = 0;
        let error = loop {
            match lines.next_block() {
                Ok(Some(run)) => {
                    bytes += run.len() as u64;
                    self.read_run(run, &needle, rotated);
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        let overlong = if self.parser.reads_heads() { 0 } else { lines.overlong() };
        End { bytes, overlong, shrunk: lines.input().shrunk(), error }
    }

    /// Counts a message whose sender and time are known without a line's envelope. `line` makes the
    /// line that is reported.
    pub fn message(&mut self, name: &[u8], message: &[u8], at: i64, line: impl Fn() -> Vec<u8>) {
        self.facts.readable = true;
        let Some(hit) = self.parser.message(name, message, 1) else { return };
        if at > self.window.now + MAX_CLOCK_SKEW {
            self.facts.ahead += self.times(Some(hit));
        } else if self.window.holds(at) {
            self.add(hit, Some(at), &line());
        }
    }

    fn reading_of(&mut self, line: &[u8]) -> Option<Reading> {
        reading(self.parser, &mut self.clock, line)
    }

    fn read_run(&mut self, run: &[u8], needle: &memmem::Finder<'_>, rotated: bool) {
        if self.ordered {
            for line in split(run) {
                let line = if self.parser.reads_heads() { Some(head(line)) } else { trimmed(line) };
                if let Some(line) = line {
                    self.count(line, rotated, None);
                }
            }
            return;
        }
        if !self.facts.readable {
            // Until one stamp can be read, every line is asked: a log without any is told.
            for line in split(run).filter_map(trimmed) {
                let Line { stamp, hit } = self.parser.line(line);
                self.look(line, &stamp, hit.is_some());
                if self.facts.readable {
                    break;
                }
            }
        }
        let (mut from, mut shown) = (0, 0);
        while let Some(at) = needle.find(&run[from..]) {
            let at = from + at;
            let begin = memrchr(b'\n', &run[from..at]).map_or(from, |n| from + n + 1);
            let end = memchr(b'\n', &run[at..]).map_or(run.len(), |n| at + n);
            if let Some(line) = trimmed(&run[begin..end])
                && self.count(line, rotated, Some(&run[shown..begin]))
            {
                shown = begin;
            }
            from = (end + 1).min(run.len());
        }
        // The next run's lines stand behind these.
        self.look_back(&run[shown..]);
    }

    /// Notes whether a line shows that stamps can be read here.
    fn look(&mut self, line: &[u8], stamp: &Stamped<'_>, hit: bool) {
        if line.trim_ascii().is_empty() {
            return;
        }
        self.facts.lines += 1;
        self.facts.readable = match stamp {
            Stamped::At(stamp) => self.clock.knows(stamp),
            Stamped::Bare => hit,
            Stamped::Unreadable => false,
        };
    }

    /// Counts a line, if it is one that counts. `before` is what stands before it in the file, where
    /// the clock has not been shown every line; whether it was looked at now.
    fn count(&mut self, line: &[u8], rotated: bool, before: Option<&[u8]>) -> bool {
        let Line { stamp, hit } = self.parser.line(line);
        if !self.facts.readable {
            self.look(line, &stamp, hit.is_some());
        }
        if hit.is_none() && before.is_some() {
            return false;
        }
        let mut looked = false;
        let at = match stamp {
            Stamped::At(stamp) => {
                let Some(mut reading) = self.clock.read(&stamp) else {
                    self.facts.unread += self.times(hit);
                    return looked;
                };
                if reading.year_is_ambiguous
                    && let Some(before) = before
                {
                    self.look_back(before);
                    looked = true;
                    reading = self.clock.read(&stamp).unwrap_or(reading);
                }
                if reading.in_future {
                    self.facts.ahead += self.times(hit);
                    return looked;
                }
                if !self.window.holds(reading.instant) {
                    return looked;
                }
                Some(reading.instant)
            }
            Stamped::Bare if rotated => return looked,
            Stamped::Bare => None,
            Stamped::Unreadable => return looked,
        };
        if let Some(hit) = hit {
            self.add(hit, at, line);
        }
        looked
    }

    /// How many messages a hit is worth that is not counted.
    fn times(&self, hit: Option<Hit<'_>>) -> u64 {
        hit.and_then(|hit| hit.read(self.parser)).map_or(0, |hit| hit.times())
    }

    fn add(&mut self, hit: Hit<'_>, at: Option<i64>, line: &[u8]) {
        match hit {
            Hit::Counts(event, times) => self.tally.add(&event, times, at, line),
            Hit::Told(text, times) => {
                if !self.tally.add_known(text, times, at)
                    && let Some(event) = self.parser.told(text)
                {
                    self.tally.add(&event, times, at, line);
                }
            }
            Hit::Escaped(event, times) => {
                let sender = unescaped(event.sender);
                self.tally.add(&Event { sender: &sender, ..event }, times, at, line);
            }
            Hit::Unclear(tag, times) => self.unclear.add(tag, times),
            Hit::Unbelievable(times) => {
                let (lines, most) = self.facts.unbelievable;
                self.facts.unbelievable = (lines + 1, most.max(times));
            }
        }
    }

    /// Shows the clock lines back to the nearest whose stamp leaves no doubt of its year.
    fn look_back(&mut self, before: &[u8]) {
        let mut rest = before.strip_suffix(b"\n").unwrap_or(before);
        loop {
            let begin = memrchr(b'\n', rest).map_or(0, |n| n + 1);
            let found = trimmed(&rest[begin..]).and_then(|line| self.reading_of(line));
            if found.is_some_and(|reading| !reading.year_is_ambiguous && !reading.in_future)
                || begin == 0
            {
                return;
            }
            rest = &rest[..begin - 1];
        }
    }
}

impl Unclear {
    fn add(&mut self, tag: &[u8], times: u64) {
        self.total = self.total.saturating_add(times);
        if self.tags.len() < TAGS || self.tags.contains_key(tag) {
            *self.tags.entry(tag.into()).or_default() += times;
        }
    }
}

/// When a line was written, where it says so.
fn reading(parser: &impl Parser, clock: &mut Clock, line: &[u8]) -> Option<Reading> {
    match parser.stamp(line) {
        Stamped::At(stamp) => clock.read(&stamp),
        Stamped::Bare | Stamped::Unreadable => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::parse::{php::Php, php_wrapper::PhpWrapper};
    use crate::tally::Detail;
    use crate::tally::network::Webmail;

    const NOW: i64 = 1_795_456_680; // 2026-11-23 17:58:00 UTC

    fn counter<P: Parser>(parser: &P) -> Counter<'_, P> {
        let window = Window::until_now(NOW - 3600, NOW);
        let detail = Detail { line: true, activity: false };
        let mut tally = Tally::new(window, Limits::new(2, false), Webmail::default(), detail);
        tally.reads_again(true);
        Counter::new(parser, tally, &Zone::utc())
    }

    fn read<P: Parser>(counter: &mut Counter<'_, P>, text: &str) {
        let needle = memmem::Finder::new(counter.parser.needle());
        counter.read_run(text.as_bytes(), &needle, false);
    }

    /// All that was counted and learned.
    fn told<P: Parser>(counter: &Counter<'_, P>) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut told: Vec<_> = counter
            .tally
            .senders()
            .map(|(_, name, seen)| format!("{} {} {:?}", text(name), seen.messages, seen.span))
            .collect();
        told.sort_unstable();
        let Facts { readable, ahead, unread, unbelievable, .. } = counter.facts;
        told.push(format!("{readable} {ahead} ahead {unread} unread {unbelievable:?}"));
        let Unclear { total, tags } = &counter.unclear;
        told.push(format!("{total} unclear"));
        told.extend(tags.iter().map(|(tag, times)| format!("{} {times}", text(tag))));
        told
    }

    const SENT: &str = "sendmail-php url=h, client=8.8.8.8, filename=/a, uid=1, user=u";

    /// Lines of all kinds.
    fn log() -> Vec<String> {
        let repeated = |times: u64| format!("message repeated {times} times: [ {SENT}]");
        vec![
            format!("Nov 23 16:57:59 web www: {SENT}\n"), // before the period
            format!("Nov 23 17:00:00 web www: {SENT}\n"),
            "Nov 23 17:00:01 web cron: something else\n".into(),
            format!("Nov 23 17:00:02 web www: {}\n", repeated(2)),
            format!("2026-11-23T19:30:00Z web www: {}\n", repeated(3)),
            format!("Feb 30 17:00:00 web www: {}\n", repeated(4)),
            "Nov 23 17:00:04 web shop: sendmail-php url=h/cut\n".into(),
            format!("Nov 23 17:00:05 web www: {}\n", repeated(1_000_002)),
            format!("2026-11-23T19:31:00Z web www: {}\n", repeated(2_000_000)),
            format!("Nov 23 17:00:06 web www: {}\n", SENT.replace("/a", "/b")),
            "Nov 23 17:00:07 web shop: sendmail-php url=h/cut\n".into(),
            "Nov 23 17:00:07 web blog: sendmail-php url=h/cut\n".into(),
            format!("Nov 23 17:00:08 web www: {}\n", repeated(1_000_001)),
            format!("2026-11-23T19:30:00Z web www: {SENT}\n"),
            format!("Feb 30 17:00:00 web www: {SENT}\n"),
            format!("Nov 23 17:00:09 web www: {SENT}\n"),
        ]
    }

    #[test]
    fn parts_of_a_log_add_up_to_the_whole() {
        let lines = log();
        let mut whole = counter(&PhpWrapper);
        read(&mut whole, &lines.concat());
        let want = [
            format!("/a 4 Some(({}, {}))", NOW - 58 * 60, NOW - 58 * 60 + 9),
            format!("/b 1 Some(({0}, {0}))", NOW - 58 * 60 + 6),
            "true 5 ahead 5 unread (2, 1000002)".into(),
            "3 unclear".into(),
            "blog 1".into(),
            "shop 2".into(),
        ];
        assert_eq!(told(&whole), want);
        for at in 1..=lines.len() {
            let (before, after) = (lines[..at].concat(), lines[at..].concat());
            let mut counter = counter(&PhpWrapper);
            let later = counter.for_later_part(before.as_bytes());
            let mut later = later.expect("the lines before tell the time");
            read(&mut counter, &before);
            read(&mut later, &after);
            counter.absorb(later);
            assert_eq!(told(&counter), want, "{at}");
        }
        assert!(counter(&PhpWrapper).for_later_part(b"no stamp\n").is_none());
    }

    #[test]
    fn names_are_counted_without_their_escapes() {
        let mut counter = counter(&PhpWrapper);
        let line = "Nov 23 17:00:00 web www: sendmail-php v=2, url=, client=, filename=/a%20%2c, uid=1, user=u, args=\n";
        read(&mut counter, line);
        assert_eq!(counter.tally.senders().map(|(_, name, _)| name).collect::<Vec<_>>(), [b"/a ,"]);
    }

    #[test]
    fn before_a_line_that_may_be_ahead_one_of_the_last_day_is_looked_for() {
        let ahead = format!("Nov 24 09:00:00 web www: {SENT}\n");
        let no_stamp = |lines| "no stamp\n".repeat(lines);
        let today = || "Nov 23 17:00:00 web cron: x\n".to_owned();
        for (before, found) in [
            (today(), 1),
            (today() + &no_stamp(100), 1),
            (today() + "Nov 24 09:00:00 web cron: x\n" + &no_stamp(100), 1),
            (today() + &ahead.repeat(200), 201),
            // Nothing before it, or nothing that was written lately: a line of last year.
            (String::new(), 0),
            ("\n".into(), 0),
            (no_stamp(1), 0),
            ("Nov 24 08:00:00 web cron: x\n".into(), 0),
            (today() + "Sep  3 08:00:00 web cron: x\n", 0),
        ] {
            let mut whole = counter(&PhpWrapper);
            read(&mut whole, &(before.clone() + &ahead));
            let told = |counter: &Counter<'_, PhpWrapper>| {
                (counter.facts.ahead, counter.tally.senders().count())
            };
            assert_eq!(told(&whole), (found, 0), "{before}");
            // What stands in another run of lines is known all the same; in another file of the log, too.
            for another_file in [false, true] {
                let mut parts = counter(&PhpWrapper);
                read(&mut parts, &before);
                let before = parts.facts.ahead;
                if another_file {
                    parts.begin_file(true);
                    parts.facts.ahead = before;
                }
                read(&mut parts, &ahead);
                assert_eq!(told(&parts), (found, 0), "{before}");
            }
        }
    }

    #[test]
    fn a_log_that_cannot_be_read_is_known_and_another_file_begins_anew() {
        let mut counter = counter(&PhpWrapper);
        read(&mut counter, "what is\nthis?\n\n");
        assert_eq!((counter.facts.readable, counter.facts.lines), (false, 2));
        let mut later = counter.for_later_part(b"Nov 23 17:00:00 web x: y\n").expect("a time");
        read(&mut later, "no stamp here\n");
        assert_eq!((later.facts.readable, later.facts.lines), (false, 1));
        counter.absorb(later);
        assert_eq!((counter.facts.readable, counter.facts.lines), (false, 3));
        read(&mut counter, "Nov 23 17:00:00 web x: y\nmore\n");
        assert_eq!((counter.facts.readable, counter.facts.lines), (true, 4));
        counter.begin_file(false);
        assert_eq!((counter.facts.readable, counter.facts.lines), (false, 0));
    }

    #[test]
    fn messages_of_the_journal_come_with_their_time() {
        let mut counter = counter(&PhpWrapper);
        for at in [
            NOW - 3600,
            NOW - 3599,
            NOW,
            NOW + MAX_CLOCK_SKEW,
            NOW + MAX_CLOCK_SKEW + 1,
            NOW + 9999,
        ] {
            counter.message(b"www", SENT.as_bytes(), at, || b"a line".to_vec());
        }
        counter.message(b"www", b"something else", NOW, || b"a line".to_vec());
        let want = [
            &format!("/a 3 Some(({}, {}))", NOW - 3599, NOW + MAX_CLOCK_SKEW)[..],
            "true 2 ahead 0 unread (0, 0)",
            "0 unclear",
        ];
        assert_eq!(told(&counter), want);
    }

    #[test]
    fn where_hours_repeat_the_order_of_lines_matters() {
        assert_eq!(counter(&PhpWrapper).unsure(), 0);
        assert_eq!(counter(&Php).unsure(), 7200, "it may name any zone");
        let night = 1_792_888_200; // of 25 October 2026
        for (days, unsure) in [(-3, 0), (-2, 7200), (0, 7200), (2, 7200), (3, 0)] {
            let now = night + days * 86_400;
            let detail = Detail { line: false, activity: false };
            let window = Window::until_now(now - 3600, now);
            let tally = Tally::new(window, Limits::new(2, false), Webmail::default(), detail);
            let zone = Zone::local(Some("Europe/Madrid"));
            assert_eq!(Counter::new(&PhpWrapper, tally, &zone).unsure(), unsure, "{days}");
        }
    }

    #[test]
    fn the_instant_of_a_line_is_asked_of_another_clock() {
        let counter = counter(&PhpWrapper);
        let mut clock = Clock::new(NOW, Zone::local(Some("Europe/Madrid")));
        let mut instant = |line: &[u8]| counter.instant(&mut clock, line);
        assert_eq!(instant(b"Nov 23 17:00:00 web x: y"), Some(NOW - 58 * 60 - 3600));
        assert_eq!(instant(b"no stamp"), None);
    }

    #[test]
    fn of_many_tags_the_first_are_kept() {
        let mut unclear = Unclear::default();
        for round in 0..2 {
            for tag in 0..TAGS + 5 {
                unclear.add(format!("tag{tag}").as_bytes(), 2);
            }
            assert_eq!(unclear.tags.len(), TAGS, "{round}");
        }
        assert_eq!(unclear.total, 2 * 2 * (TAGS as u64 + 5));
        assert!(unclear.tags.values().all(|times| *times == 4));
    }
}
