//! Whether the timestamps of a log are in another time zone than the local one.
//!
//! Takes a log that was just opened, and gives what to say of it. It looks only at a log that is being written and whose
//! timestamps name no zone: their zone is the local one, unless the program that writes them runs in a container.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::parse::{Parser, Stamped};
use crate::source::Log;
use crate::source::lines::trimmed;
use crate::time::shift::half_hours;
use crate::time::zone::Zone;

/// For this long after the last write to a log, its newest line should be about as old as the file.
const LIVE: Duration = Duration::from_secs(600);

/// What to say of a log if the timestamps of its last two lines are off by the same number of half hours, so that the
/// lines of the period are not where they seem to be. `wall` is the time on this host's clock.
pub(super) fn hint(
    parser: &impl Parser,
    log: &Log,
    wall: SystemTime,
    zone: &Zone,
) -> Option<String> {
    let file = log.files.iter().find(|file| !file.rotated)?;
    let written = file.written?;
    let age = wall.duration_since(written).unwrap_or_else(|error| error.duration());
    if age > LIVE {
        return None;
    }
    let written = i64::try_from(written.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()?;
    let tail = file.tail()?;
    let lines: Vec<_> = tail.lines().filter_map(trimmed).collect();
    let mut stamps = lines.iter().rev().filter_map(|line| match parser.stamp(line) {
        Stamped::At(stamp) => Some(stamp),
        Stamped::Bare | Stamped::Unreadable => None,
    });
    let (last, before) = (stamps.next()?, stamps.next()?);
    let ahead = half_hours(&last, written, zone).filter(|ahead| *ahead != 0)?;
    if half_hours(&before, written, zone) != Some(ahead) {
        return None;
    }
    let is_utc = half_hours(&last, written, &Zone::utc()) == Some(0);
    Some(format!(
        "{}: was written just now, but its newest line is stamped {} {}: another time zone? ({})",
        file.path.display(),
        hours(ahead.unsigned_abs()),
        if ahead < 0 { "earlier" } else { "later" },
        if is_utc { "try TZ=UTC" } else { "set TZ to that of the log" },
    ))
}

/// Half hours as hours and minutes.
fn hours(half_hours: u64) -> String {
    match (half_hours / 2, half_hours % 2) {
        (0, _) => "30 min".into(),
        (hours, 0) => format!("{hours} h"),
        (hours, _) => format!("{hours} h 30 min"),
    }
}
