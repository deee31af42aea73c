//! Whether a log was written in another time zone than the local one.
//!
//! Takes the timestamp of a line that was just written, and the time of the file. If they differ by whole half hours,
//! the program that writes the log has another idea of the local time: it runs in a container, say, that has no zone.
//! Zones that are not whole half hours away (Nepal, the Chatham Islands) are not recognized.

use super::clock::{local_minute, year_of};
use super::stamp::{Stamp, StampZone};
use super::zone::{Instants, Zone};

/// Seconds.
const HALF_HOUR: i64 = 1800;

/// How much later than a line's timestamp, or earlier, the file may have been written: a minute, for the line before
/// the last in a log that gets one each minute, and what it takes to write it. Seconds.
const NEAR: i64 = 65;

/// No two zones are further apart, in half hours, that both have servers.
const MOST: i64 = 28;

/// By how many half hours the timestamp of a line is ahead of the time at which it was `written`, in Unix seconds, or
/// behind it if that is negative. None if it is not whole half hours, or the timestamp has a zone of its own.
///
/// A timestamp without a year is taken in the one that brings it nearest.
pub fn half_hours(stamp: &Stamp<'_>, written: i64, zone: &Zone) -> Option<i64> {
    let Stamp::Civil { minute, second, zone: StampZone::Local } = stamp else { return None };
    let this_year = year_of(written + i64::from(zone.offset_at(written)))?;
    let years = match minute.year {
        Some(year) => year..=year,
        None => this_year.saturating_sub(1)..=this_year + 1,
    };
    let instants = years.filter_map(|year| Some(zone.instants(local_minute(minute, year)?)));
    let instants = instants.flat_map(|instants| match instants {
        Instants::One(instant) => [instant; 2],
        Instants::Two(first, second) => [first, second],
    });
    let ahead = instants
        .map(|instant| instant + i64::from(*second) - written)
        .min_by_key(|ahead| ahead.abs())?;
    let half_hours = (ahead + HALF_HOUR / 2).div_euclid(HALF_HOUR);
    let is_near = (ahead - half_hours * HALF_HOUR).abs() <= NEAR;
    (is_near && half_hours.abs() <= MOST).then_some(half_hours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::Cursor;
    use crate::time::clock::instant_of;

    #[test]
    fn whole_half_hours_are_another_zone() {
        for (written, tz, stamp, want) in [
            ("2026-11-23 17:58:30", "UTC", "Nov 23 17:58:30", Some(0)),
            ("2026-11-23 17:58:30", "UTC", "Nov 23 23:28:29", Some(11)),
            ("2026-11-23 17:58:30", "Asia/Kolkata", "Nov 23 12:28:29", Some(-11)),
            ("2026-11-23 17:58:30", "UTC", "Nov 23 16:57:25", Some(-2)),
            ("2026-11-23 17:58:30", "UTC", "Nov 23 16:57:24", None),
            ("2026-11-23 17:58:30", "UTC", "Nov 23 18:59:35", Some(2)),
            ("2026-11-23 17:58:30", "UTC", "Nov 23 18:59:36", None),
            ("2026-11-23 17:58:30", "UTC", "Nov 24 07:58:30", Some(28)),
            ("2026-11-23 17:58:30", "UTC", "Nov 24 08:28:30", None),
            ("2026-11-23 17:58:30", "UTC", "Nov 23 03:58:30", Some(-28)),
            ("2026-11-23 17:58:30", "UTC", "2026-11-23 19:58:30", Some(4)),
            ("2026-11-23 17:58:30", "UTC", "2025-11-23 19:58:30", None),
            ("2026-11-23 17:58:30", "UTC", "2026-11-23T19:58:30+00:00", None),
            ("2026-11-23 17:58:30", "UTC", "Feb 30 17:58:30", None),
            // Around New Year, in both directions.
            ("2027-01-01 00:10:00", "UTC", "Dec 31 19:10:00", Some(-10)),
            ("2026-12-31 20:10:00", "UTC", "Jan  1 01:40:00", Some(11)),
            // An hour that repeats is not another zone, whichever of the two it is.
            ("2026-10-25T02:30:00+02:00", "Europe/Madrid", "Oct 25 02:30:00", Some(0)),
            ("2026-10-25T02:30:00+01:00", "Europe/Madrid", "Oct 25 02:30:00", Some(0)),
        ] {
            let zone = Zone::local(Some(tz));
            let written = Stamp::of_argument(written.as_bytes()).expect("a time");
            let written = instant_of(&written, &zone).expect("a date");
            let line = Stamp::of_syslog(&mut Cursor::new(stamp.as_bytes())).expect("a timestamp");
            assert_eq!(half_hours(&line, written, &zone), want, "{stamp} in {tz}");
        }
    }
}
