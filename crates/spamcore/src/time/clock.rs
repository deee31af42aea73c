//! From a [`Stamp`] to an instant: the missing year, the local time zone, hours that repeat.
//!
//! The rules:
//!
//! - A timestamp without a year gets the newest year in which it is at most an hour in the future;
//!   29 February gets the newest such leap year.
//! - A local time that occurs twice is the earlier of its two instants, unless that is more than
//!   30 minutes before the nearest earlier timestamp of the file. If there is none, it is the later one,
//!   unless that is in the future. A local time that is skipped is read with the offset from before the
//!   change.
//! - A day that does not exist, or a zone that is not known here, gives no instant.
//!
//! Conversion is rare: the last minute is remembered, and as most lines are of the same minute as the
//! line before, they cost one comparison. Only local times that occur twice are worked out each time,
//! because they depend on the line before.

use time::{Date, Month};

use crate::time::stamp::{Minute, Stamp, StampZone};
use crate::time::zone::{Instants, Zone, Zones};

/// How far in the future a timestamp may be, because clocks differ. Seconds.
pub const MAX_CLOCK_SKEW: i64 = 3600;

/// How late a line in a repeated hour may be, compared with the line above it. Seconds.
const LATE: i64 = 1800;

/// A line that is no older shows that the log is still being written. Seconds.
const DAY: i64 = 86_400;

/// An instant that was read from a line's timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Unix seconds.
    pub instant: i64,
    /// The clock that wrote it was fast: it is more than [`MAX_CLOCK_SKEW`] in the future; or it has no
    /// year, follows lines of the last day, and is only in the past because the year rule put it there.
    pub in_future: bool,
    /// The year rule put it in the past, though next year would be nearer to now, and no earlier line of
    /// its log is of the last day.
    pub year_is_ambiguous: bool,
}

/// Reads the timestamps of a log, line after line, as this host understands them.
#[derive(Debug)]
pub struct Clock {
    now: i64,
    local: Zone,
    named: Zones,
    /// The nearest earlier instant of this file.
    previous: Option<i64>,
    /// A line of the last day was read in this log.
    recent: bool,
    anchored: bool,
    last: Option<Last>,
}

/// The last minute that was converted and is not ambiguous.
#[derive(Debug)]
struct Last {
    minute: Minute,
    offset: Option<i32>,
    /// The zone that the timestamp named, or empty.
    name: Vec<u8>,
    start: Converted,
}

/// A timestamp, or the start of its minute, as an instant.
#[derive(Clone, Copy, Debug)]
struct Converted {
    instant: i64,
    /// In the following year it would be in the future, but nearer to now.
    rolled_back_a_year: bool,
}

impl Clock {
    /// A clock that shows `now`, in Unix seconds, in the given local zone.
    pub fn new(now: i64, local: Zone) -> Self {
        Self {
            now,
            local,
            named: Zones::default(),
            previous: None,
            recent: false,
            anchored: false,
            last: None,
        }
    }

    /// Starts another file: the line before is forgotten. Whether a line of the last day was read is
    /// remembered from one file of a log to the next.
    pub fn next_file(&mut self, same_log: bool) {
        self.previous = None;
        self.recent &= same_log;
        self.anchored = false;
    }

    /// Whether an unambiguous timestamp of this file was read. From there on, readings no longer depend
    /// on the lines before it.
    pub fn is_anchored(&self) -> bool {
        self.anchored
    }

    /// The instant of a timestamp, or none if its date does not exist or its zone is not known.
    ///
    /// It is remembered as the nearest earlier one, unless it is in the future.
    pub fn read(&mut self, stamp: &Stamp<'_>) -> Option<Reading> {
        let Converted { instant, rolled_back_a_year } = self.convert(stamp)?;
        let in_future = instant > self.now + MAX_CLOCK_SKEW || (rolled_back_a_year && self.recent);
        if !in_future {
            self.previous = Some(instant);
            self.recent |= instant > self.now - DAY;
        }
        Some(Reading { instant, in_future, year_is_ambiguous: rolled_back_a_year && !in_future })
    }

    /// Whether a timestamp can be read. It is not remembered for the lines after it.
    pub fn knows(&mut self, stamp: &Stamp<'_>) -> bool {
        self.convert(stamp).is_some()
    }

    fn convert(&mut self, stamp: &Stamp<'_>) -> Option<Converted> {
        let (minute, second, zone) = match *stamp {
            Stamp::Unix(instant) => {
                self.anchored = true;
                return Some(Converted { instant, rolled_back_a_year: false });
            }
            Stamp::Civil { minute, second, zone } => (minute, i64::from(second), zone),
        };
        let (offset, name) = match zone {
            StampZone::Local => (None, &b""[..]),
            StampZone::Offset(offset) => (Some(offset), &b""[..]),
            StampZone::Abbreviation(name) => (Some(self.abbreviation(name, &minute)?), &b""[..]),
            StampZone::Name(name) => (None, name),
        };
        if let Some(last) = &self.last
            && last.minute == minute
            && last.offset == offset
            // Comparing two empty names would cost a call.
            && last.name.len() == name.len()
            && (name.is_empty() || last.name == name)
        {
            self.anchored = true;
            let start = last.start;
            return Some(Converted { instant: start.instant + second, ..start });
        }
        let (instants, rolled_back_a_year) = match zone {
            StampZone::Name(name) => {
                let local = local_minute(&minute, minute.year?)?;
                (self.named.get(name)?.instants(local), false)
            }
            _ => self.instants(&minute, offset)?,
        };
        if let Instants::One(instant) = instants {
            self.anchored = true;
            let start = Converted { instant, rolled_back_a_year };
            self.last = Some(Last { minute, offset, name: name.into(), start });
        }
        let instant = choose(instants, second, self.previous, self.now);
        Some(Converted { instant, rolled_back_a_year })
    }

    /// The instants at which a minute starts, in its year or the newest that fits, and whether it was
    /// rolled back a year.
    fn instants(&self, minute: &Minute, offset: Option<i32>) -> Option<(Instants, bool)> {
        let at = |year| {
            let local = local_minute(minute, year)?;
            Some(match offset {
                Some(offset) => Instants::One(local - i64::from(offset)),
                None => self.local.instants(local),
            })
        };
        if let Some(year) = minute.year {
            return Some((at(year)?, false));
        }
        let this_year = year_of(self.now + i64::from(self.local.offset_at(self.now)))?;
        // The last 29 February is at most eight years back; next year counts because of MAX_CLOCK_SKEW.
        let years = (this_year.saturating_sub(8)..=this_year + 1).rev();
        let mut later = None;
        for instants in years.filter_map(at) {
            let first = match instants {
                Instants::One(first) | Instants::Two(first, _) => first,
            };
            if first <= self.now + MAX_CLOCK_SKEW {
                let rolled_back_a_year =
                    later.is_some_and(|later| later - self.now < self.now - first);
                return Some((instants, rolled_back_a_year));
            }
            later = Some(first);
        }
        None
    }

    /// The offset that an abbreviation means in the local zone, or else in a zone of that name.
    fn abbreviation(&mut self, name: &[u8], minute: &Minute) -> Option<i32> {
        let local = local_minute(minute, minute.year?)?;
        match self.local.offset_called(name, local) {
            Some(offset) => Some(offset),
            None => {
                let zone = self.named.get(name)?;
                Some(zone.offset_called(name, local).unwrap_or_else(|| zone.offset_at(local)))
            }
        }
    }
}

/// Decides which of two instants a repeated local time means.
fn choose(instants: Instants, second: i64, previous: Option<i64>, now: i64) -> i64 {
    match instants {
        Instants::One(instant) => instant + second,
        Instants::Two(first, other) => {
            let (first, other) = (first + second, other + second);
            let earliest = match previous {
                Some(previous) => first >= previous - LATE,
                None => other > now,
            };
            if earliest { first } else { other }
        }
    }
}

/// Seconds since 1970-01-01 00:00:00 in local time; none if the day does not exist.
pub(super) fn local_minute(minute: &Minute, year: u16) -> Option<i64> {
    let month = Month::try_from(minute.month).ok()?;
    let date = Date::from_calendar_date(i32::from(year), month, minute.day).ok()?;
    let days = i64::from(date.to_julian_day()) - 2_440_588; // 1970-01-01
    Some(days * DAY + i64::from(minute.hour) * 3600 + i64::from(minute.minute) * 60)
}

pub(super) fn year_of(local: i64) -> Option<u16> {
    let day = i32::try_from(local.div_euclid(DAY)).ok()?.checked_add(2_440_588)?;
    u16::try_from(Date::from_julian_day(day).ok()?.year()).ok()
}

/// The instant of a timestamp with a year, in Unix seconds; none if there is no such day, or its zone is not
/// known. A timestamp without a zone is in `zone`.
pub fn instant_of(stamp: &Stamp<'_>, zone: &Zone) -> Option<i64> {
    Clock::new(i64::MAX / 2, zone.clone()).read(stamp).map(|reading| reading.instant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::Cursor;

    fn clock(now: &str, zone: &str) -> Clock {
        let zone = Zone::local(Some(zone));
        let stamp = Stamp::of_argument(now.as_bytes()).expect("a time");
        let now = Clock::new(i64::MAX / 2, zone.clone()).read(&stamp).expect("a date").instant;
        Clock::new(now, zone)
    }

    fn read(clock: &mut Clock, stamp: &str) -> Option<String> {
        let stamp = match stamp.strip_prefix('[') {
            Some(php) => Stamp::of_php(&mut Cursor::new(php.as_bytes())),
            None => Stamp::of_syslog(&mut Cursor::new(stamp.as_bytes())),
        };
        let reading = clock.read(&stamp.expect("a stamp"))?;
        let at = time::OffsetDateTime::from_unix_timestamp(reading.instant).expect("in range");
        let text = at.format(&time::format_description::well_known::Rfc3339).expect("formats");
        Some(if reading.in_future { text + ", in the future" } else { text })
    }

    fn check(now: &str, zone: &str, table: &[(&str, &str)]) {
        for (stamp, want) in table {
            let got = read(&mut clock(now, zone), stamp);
            assert_eq!(got.as_deref().unwrap_or("-"), *want, "{stamp} at {now} in {zone}");
        }
    }

    #[test]
    fn the_missing_year_is_the_newest_that_fits() {
        check(
            "2026-11-23 17:58:00",
            "UTC",
            &[
                ("Nov 23 17:58:00", "2026-11-23T17:58:00Z"),
                ("Nov 23 18:57:59", "2026-11-23T18:57:59Z"),
                ("Nov 23 18:59:00", "2025-11-23T18:59:00Z"),
                ("Nov 24 09:00:00", "2025-11-24T09:00:00Z"),
                ("Feb  2 09:00:00", "2026-02-02T09:00:00Z"),
                ("Feb 29 09:00:00", "2024-02-29T09:00:00Z"),
                ("Feb 30 09:00:00", "-"),
            ],
        );
        check(
            "2027-01-01 00:30:00",
            "UTC",
            &[
                ("Dec 31 23:45:00", "2026-12-31T23:45:00Z"),
                ("Jan  1 00:10:00", "2027-01-01T00:10:00Z"),
                ("Jan  1 01:30:00", "2027-01-01T01:30:00Z"),
            ],
        );
        check("2026-12-31 23:45:00", "UTC", &[("Jan  1 00:30:00", "2027-01-01T00:30:00Z")]);
        check("2027-01-15 12:00:00", "UTC", &[("Dec 20 11:30:00", "2026-12-20T11:30:00Z")]);
        check("2104-02-01 12:00:00", "UTC", &[("Feb 29 00:00:00", "2096-02-29T00:00:00Z")]);
    }

    #[test]
    fn timestamps_in_the_future_are_recognised_by_the_lines_before() {
        let mut clock = clock("2026-11-23 17:58:00", "UTC");
        for (stamp, want) in [
            ("Nov 24 09:00:00", "2025-11-24T09:00:00Z"), // the log's first line: a year old
            ("Nov 23 17:00:00", "2026-11-23T17:00:00Z"),
            ("Nov 24 09:00:00", "2025-11-24T09:00:00Z, in the future"),
            ("Sep 24 09:00:00", "2026-09-24T09:00:00Z"), // late
            ("2026-11-23T19:00:00Z", "2026-11-23T19:00:00Z, in the future"),
        ] {
            assert_eq!(read(&mut clock, stamp).as_deref(), Some(want), "{stamp}");
        }
    }

    #[test]
    fn only_lines_of_the_last_day_show_that_a_timestamp_is_in_the_future() {
        for (before, want) in [
            ("Nov 22 17:58:00", "2025-11-24T09:00:00Z"), // a day old
            ("Nov 22 17:58:01", "2025-11-24T09:00:00Z, in the future"),
            ("2026-11-23T18:58:00Z", "2025-11-24T09:00:00Z, in the future"),
            ("2026-11-23T18:58:01Z", "2025-11-24T09:00:00Z"), // in the future itself
        ] {
            let mut clock = clock("2026-11-23 17:58:00", "UTC");
            read(&mut clock, before);
            assert_eq!(read(&mut clock, "Nov 24 09:00:00").as_deref(), Some(want), "{before}");
            clock.next_file(true);
            assert_eq!(read(&mut clock, "Nov 24 09:00:00").as_deref(), Some(want), "the same log");
            clock.next_file(false);
            let text = read(&mut clock, "Nov 24 09:00:00");
            assert_eq!(text.as_deref(), Some("2025-11-24T09:00:00Z"), "another log");
        }
    }

    #[test]
    fn a_timestamp_that_was_rolled_back_is_ambiguous_until_a_recent_one_was_read() {
        let mut clock = clock("2026-11-23 12:00:00", "UTC");
        for (stamp, want) in [
            ("Nov 24 09:00:00", true),
            ("May 25 00:00:00", false), // next year's would be just as near
            ("May 24 23:59:00", true),
            ("Nov 23 11:00:00", false),
            ("Nov 24 09:00:00", false), // in the future
        ] {
            let stamp = Stamp::of_syslog(&mut Cursor::new(stamp.as_bytes())).expect("a stamp");
            let reading = clock.read(&stamp).expect("a date");
            assert_eq!(reading.year_is_ambiguous, want, "{stamp:?}");
        }
    }

    #[test]
    fn a_minute_is_remembered_with_its_zone() {
        let mut clock = clock("2026-11-23 17:58:00", "Europe/Madrid");
        for (stamp, want) in [
            ("2026-11-23T17:00:10+01:00", "2026-11-23T16:00:10Z"),
            ("2026-11-23T17:00:20+01:00", "2026-11-23T16:00:20Z"),
            ("2026-11-23T17:01:30+01:00", "2026-11-23T16:01:30Z"),
            ("2026-11-23T17:01:40+02:00", "2026-11-23T15:01:40Z"),
            ("2026-11-23T17:01:50", "2026-11-23T16:01:50Z"),
            ("[23-Nov-2026 17:01:05 Europe/Athens", "2026-11-23T15:01:05Z"),
            ("[23-Nov-2026 17:01:06 Europe/Athens", "2026-11-23T15:01:06Z"),
            ("[23-Nov-2026 17:01:07 Europe/Madrid", "2026-11-23T16:01:07Z"),
            ("[23-Nov-2026 17:01:08 UTC", "2026-11-23T17:01:08Z"),
            ("2026-11-23T17:01:09", "2026-11-23T16:01:09Z"),
        ] {
            assert_eq!(read(&mut clock, stamp).as_deref(), Some(want), "{stamp}");
        }
    }

    #[test]
    fn zones_and_skipped_hours() {
        check(
            "2026-11-23 18:58:00",
            "Europe/Madrid",
            &[
                ("Nov 23 18:00:00", "2026-11-23T17:00:00Z"),
                ("2026-11-23T18:00:00+0100", "2026-11-23T17:00:00Z"),
                ("2026-03-29 02:30:00", "2026-03-29T01:30:00Z"),
                ("Thu 2026-07-02 10:11:18 CEST", "2026-07-02T08:11:18Z"),
                ("Thu 2026-07-02 10:11:18 UTC", "2026-07-02T10:11:18Z"),
                ("Thu 2026-07-02 10:11:18 CET", "2026-07-02T09:11:18Z"),
                ("Thu 2026-07-02 10:11:18 +0530", "2026-07-02T04:41:18Z"),
                ("Thu 2026-07-02 10:11:18 -03", "2026-07-02T13:11:18Z"),
                ("Thu 2026-07-02 10:11:18 NOPE", "-"),
                ("1782979878.123480", "2026-07-02T08:11:18Z"),
                ("[22-Nov-2026 12:48:00 America/New_York", "2026-11-22T17:48:00Z"),
                ("[22-Nov-2026 12:48:00 No/Where", "-"),
                ("[31-Nov-2026 12:48:00 UTC", "-"),
            ],
        );
    }

    #[test]
    fn a_repeated_hour_follows_the_line_before() {
        let mut clock = clock("2026-10-25 04:00:00", "Europe/Madrid");
        // No line before it: the later one, which is not in the future.
        assert_eq!(read(&mut clock, "Oct 25 02:10:00").as_deref(), Some("2026-10-25T01:10:00Z"));
        clock.next_file(false);
        for (stamp, want) in [
            ("Oct 25 01:59:00", "2026-10-24T23:59:00Z"),
            ("Oct 25 02:10:30", "2026-10-25T00:10:30Z"),
            ("Oct 25 02:50:00", "2026-10-25T00:50:00Z"),
            ("Oct 25 02:25:00", "2026-10-25T00:25:00Z"), // 25 minutes late
            ("Oct 25 02:55:00", "2026-10-25T00:55:00Z"),
            ("Oct 25 02:05:30", "2026-10-25T01:05:30Z"), // the clocks went back
            ("Oct 25 02:30:00", "2026-10-25T01:30:00Z"),
            ("Oct 25 02:55:00", "2026-10-25T01:55:00Z"),
            ("Oct 25 03:05:00", "2026-10-25T02:05:00Z"),
        ] {
            assert_eq!(read(&mut clock, stamp).as_deref(), Some(want), "{stamp}");
        }
        clock.next_file(false);
        assert_eq!(
            read(&mut clock, "[25-Oct-2026 02:30:00 Europe/Paris").as_deref(),
            Some("2026-10-25T01:30:00Z")
        );
        // A line of another file does not count.
        assert_eq!(read(&mut clock, "Oct 25 01:59:00").as_deref(), Some("2026-10-24T23:59:00Z"));
        clock.next_file(false);
        assert_eq!(read(&mut clock, "Oct 25 02:10:00").as_deref(), Some("2026-10-25T01:10:00Z"));
    }

    #[test]
    fn a_clock_is_anchored_by_an_unambiguous_timestamp() {
        let mut clock = clock("2026-10-25 04:00:00", "Europe/Madrid");
        for stamp in ["2026-10-25T01:59:00", "1782979878 m", "2026-10-25T02:10:00+02:00"] {
            assert!(!clock.is_anchored(), "{stamp}");
            read(&mut clock, "Oct 25 02:10:00");
            assert!(!clock.is_anchored(), "it occurs twice");
            for _ in 0..2 {
                read(&mut clock, stamp);
                assert!(clock.is_anchored(), "{stamp}");
            }
            clock.next_file(false);
        }
        // The minute is remembered, and anchors the next file at once.
        read(&mut clock, "2026-10-25T02:10:30+02:00");
        assert!(clock.is_anchored());
    }

    #[test]
    fn asking_whether_a_timestamp_can_be_read_changes_nothing() {
        let mut clock = clock("2026-04-05 02:30:00", "Australia/Lord_Howe");
        let stamp = Stamp::of_syslog(&mut Cursor::new(b"Apr  5 01:45:00 m")).expect("a stamp");
        assert!(clock.knows(&stamp));
        let none = Stamp::of_syslog(&mut Cursor::new(b"Feb 30 01:45:00 m")).expect("a stamp");
        assert!(!clock.knows(&none));
        let text = read(&mut clock, "Apr  5 01:45:00");
        assert_eq!(text.as_deref(), Some("2026-04-04T15:15:00Z"), "the later of the two");
    }

    #[test]
    fn of_an_hour_that_repeats_an_argument_is_the_later_one() {
        let zone = Zone::local(Some("Europe/Madrid"));
        let at = |text: &str| {
            instant_of(&Stamp::of_argument(text.as_bytes()).expect("a timestamp"), &zone)
        };
        assert_eq!(at("2026-10-25 02:30"), at("2026-10-25T02:30:00+01:00"));
        assert_eq!(at("2026-10-25 01:59"), at("2026-10-25T01:59:00+02:00"));
    }

    #[test]
    fn a_repeated_time_without_a_line_before_is_not_in_the_future() {
        let zone = Zone::local(Some("Europe/Madrid"));
        let mut clock = Clock::new(1_792_888_200, zone); // the first 02:30 of that night
        assert_eq!(read(&mut clock, "Oct 25 02:20:00").as_deref(), Some("2026-10-25T00:20:00Z"));
        let mut clock = Clock::new(1_792_891_800, Zone::local(Some("Europe/Madrid"))); // the second
        assert_eq!(read(&mut clock, "Oct 25 02:30:00").as_deref(), Some("2026-10-25T01:30:00Z"));
    }
}
