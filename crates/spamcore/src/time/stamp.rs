//! Timestamps as text: from the first bytes of a line to a [`Stamp`].
//!
//! A [`Stamp`] holds the numbers as they are written in the line, and the zone they are in. It is not an
//! instant yet: [`Clock`](crate::time::clock::Clock) deals with the missing year, the local zone and hours
//! that repeat. Nothing is allocated, nothing is looked up.
//!
//! The formats, and what writes them:
//!
//! | format | written by |
//! |---|---|
//! | `Jul  2 09:31:10`, `Jul 02 …`, `Jul 2 …`, with a fraction | rsyslog `RSYSLOG_TraditionalFileFormat`, Postfix `util/msg_logger.c`, `journalctl -o short` |
//! | `Nov 23 2026 17:30:00`, `2026 Nov 23 17:30:00` | rsyslog templates, appliances |
//! | `2026-11-23T18:09:57.235697+00:00`, `Z`, `+0100`, `+01`, no zone | rsyslog `RSYSLOG_FileFormat`, `journalctl -o short-iso` |
//! | `2026-11-23 18:06:47.636 +0000` | Exim `log.c log_vwrite()`, `tod.c` |
//! | `Thu 2026-07-02 10:11:18 CEST` | `journalctl -o short-full` |
//! | `1782979878.123480` | `journalctl -o short-unix` |
//! | `23-Nov-2026 19:04:25 Europe/Madrid` | PHP `ext/standard/mail.c`, inside brackets |
//!
//! Fractions of a second are dropped; a leap second (60) is read as 59. Anything out of range (month 13,
//! hour 24) is not a timestamp; whether a day exists in its month is decided by the clock.

use crate::cursor::Cursor;

/// The time zone of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampZone<'a> {
    /// Not given: local time of the host that wrote it.
    Local,
    /// Seconds east of UTC.
    Offset(i32),
    /// A name such as `Europe/Madrid`, as it is written in the line.
    Name(&'a [u8]),
    /// An abbreviation such as `CEST`, as journalctl prints it.
    Abbreviation(&'a [u8]),
}

/// A minute of local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minute {
    /// 0 to 9999, or none if the format has no year.
    pub year: Option<u16>,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31; the month may have fewer days.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

/// A timestamp as it is written in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp<'a> {
    /// Seconds since 1970-01-01 00:00:00 UTC.
    Unix(i64),
    /// A date and a time of day.
    Civil {
        /// The minute.
        minute: Minute,
        /// 0 to 59.
        second: u8,
        /// The zone they are in.
        zone: StampZone<'a>,
    },
}

impl<'a> Stamp<'a> {
    /// Takes the timestamp at the start of a line of a syslog file, in any of the formats above but PHP's.
    ///
    /// It must be followed by a space, which is not taken, or by the end.
    #[inline]
    pub fn of_syslog(cursor: &mut Cursor<'a>) -> Option<Self> {
        high_precision(cursor).or_else(|| Self::of_any_format(cursor))
    }

    fn of_any_format(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut here = *cursor;
        let stamp = match here.rest().first()? {
            b'0'..=b'9' => starts_with_digit(&mut here)?,
            _ => starts_with_letter(&mut here)?,
        };
        if !(here.is_done() || here.rest()[0] == b' ') {
            return None;
        }
        *cursor = here;
        Some(stamp)
    }

    /// Takes the timestamp of a line in Exim's own log: `YYYY-MM-DD HH:MM:SS[.mmm][ +ZZZZ]`.
    #[inline]
    pub fn of_exim(cursor: &mut Cursor<'a>) -> Option<Self> {
        plain_stamp_of_exim(cursor).or_else(|| Self::of_exim_in_full(cursor))
    }

    fn of_exim_in_full(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut here = *cursor;
        let date = iso_date(&mut here)?;
        if !here.take(b" ") {
            return None;
        }
        let (hour, minute, second) = clock_time(&mut here)?;
        let zone = spaced_offset(&mut here);
        if !(here.is_done() || here.rest()[0] == b' ') {
            return None;
        }
        *cursor = here;
        Some(civil(date, (hour, minute, second), zone))
    }

    /// Takes what PHP writes inside brackets: `23-Nov-2026 19:04:25 Europe/Madrid`.
    pub fn of_php(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut here = *cursor;
        let day = here.number(1, 2)?;
        if !here.take(b"-") {
            return None;
        }
        let month = month_name(&mut here)?;
        if !here.take(b"-") {
            return None;
        }
        let year = four(&mut here)?;
        if !here.take(b" ") {
            return None;
        }
        let time = clock_time(&mut here)?;
        if !here.take(b" ") {
            return None;
        }
        let name = here.take_while(|b| b != b']' && b != b' ');
        let date = (Some(year), month, checked_day(day)?);
        let zone = match fixed_offset(&mut Cursor::new(name)) {
            Some(offset) => StampZone::Offset(offset),
            None if name.is_empty() => return None,
            None => StampZone::Name(name),
        };
        *cursor = here;
        Some(civil(date, time, zone))
    }
}

impl Stamp<'static> {
    /// Reads an RFC 3339 timestamp, or `YYYY-MM-DD HH:MM[:SS]` in local time, as `--now` accepts them.
    pub fn of_argument(text: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(text);
        let date = iso_date(&mut cursor)?;
        let rfc = cursor.take(b"T") || cursor.take(b"t");
        if !rfc && !cursor.take(b" ") {
            return None;
        }
        let time = if cursor.rest().len() == 5 && !rfc {
            let hour = cursor.two()?;
            if !cursor.take(b":") {
                return None;
            }
            (hour, cursor.two()?, 0)
        } else {
            clock_time(&mut cursor)?
        };
        let zone = match fixed_offset(&mut cursor) {
            Some(offset) => StampZone::Offset(offset),
            None if rfc => return None,
            None => StampZone::Local,
        };
        cursor.is_done().then(|| civil(date, time, zone))
    }
}

type Date = (Option<u16>, u8, u8);
type Time = (u8, u8, u8);

fn civil((year, month, day): Date, time: Time, zone: StampZone<'_>) -> Stamp<'_> {
    let (hour, minute, second) = time;
    Stamp::Civil { minute: Minute { year, month, day, hour, minute }, second, zone }
}

/// `YYYY-MM-DDTHH:MM:SS.ffffff+HH:MM `, rsyslog's default today and so what most lines begin with: every
/// field at a fixed offset, read eight bytes at a time. Anything else is left to the general parser, which
/// reads this format too.
#[inline]
fn high_precision<'a>(cursor: &mut Cursor<'a>) -> Option<Stamp<'a>> {
    let (text, rest) = cursor.rest().split_first_chunk::<32>()?;
    let (words, _) = text.as_chunks::<8>();
    let east = text[26] == b'+';
    let zone = if east { b"00+00:00" } else { b"00-00:00" };
    let date = digits(words[0], b"0000-00-")?;
    let hour_minute = digits(words[1], b"00T00:00")?;
    let second = digits(words[2], b":00.0000")?;
    let offset = digits(words[3], zone)?;
    let (year, month, day) = (two(date, 0), two(date, 5), two(hour_minute, 0));
    let (hour, minute, second) = (two(hour_minute, 3), two(hour_minute, 6), two(second, 1));
    let (hours, minutes) = (two(offset, 3), two(offset, 6));
    let exists = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
        && hours < 24
        && minutes < 60;
    if !exists || rest.first() != Some(&b' ') {
        return None;
    }
    cursor.skip(text.len());
    let year = u16::from(year) * 100 + u16::from(two(date, 2));
    let seconds = i32::from(hours) * 3600 + i32::from(minutes) * 60;
    let zone = StampZone::Offset(if east { seconds } else { -seconds });
    Some(civil((Some(year), month, day), (hour, minute, second), zone))
}

/// Takes `YYYY-MM-DD HH:MM:SS` if a space and no offset follow, which is what Exim writes unless it is told
/// otherwise.
#[inline]
fn plain_stamp_of_exim<'a>(cursor: &mut Cursor<'_>) -> Option<Stamp<'a>> {
    let text: &[u8; 21] = cursor.rest().first_chunk()?;
    let date = digits(*text.first_chunk()?, b"0000-00-")?;
    let hour = digits(*text[8..].first_chunk()?, b"00 00:00")?;
    let time = digits(*text[11..].first_chunk()?, b"00:00:00")?;
    let year = u16::from(two(date, 0)) * 100 + u16::from(two(date, 2));
    let (month, day) = (two(date, 5), two(hour, 0));
    let (hour, minute, second) = (two(time, 0), two(time, 3), two(time, 6));
    let is_plain = text[19] == b' ' && text[20] != b'+' && text[20] != b'-';
    let is_date = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !(is_plain && is_date && hour < 24 && minute < 60 && second <= 60) {
        return None;
    }
    cursor.skip(19);
    Some(civil((Some(year), month, day), (hour, minute, second.min(59)), StampZone::Local))
}

/// The values of the digits of a text, if it has a digit wherever the pattern has a `0` and is equal to the
/// pattern elsewhere, where the result is 0. The first byte of the text is the lowest byte.
#[inline]
fn digits(text: [u8; 8], pattern: &[u8; 8]) -> Option<u64> {
    const SIX: u64 = 0x0606_0606_0606_0606;
    const HIGH: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    let mut marks = 0;
    for (at, &b) in pattern.iter().enumerate() {
        marks |= if b == b'0' { 0 } else { 0xff << (8 * at) };
    }
    // A digit has become its value, 0 to 9. Only those stay below 16 when six is added.
    let values = u64::from_le_bytes(text) ^ u64::from_le_bytes(*pattern);
    let other = ((values | values.wrapping_add(SIX)) & HIGH) | (values & marks);
    (other == 0).then_some(values)
}

/// ISO 8601, a year before a month's name, or Unix seconds.
fn starts_with_digit<'a>(cursor: &mut Cursor<'a>) -> Option<Stamp<'a>> {
    let mut here = *cursor;
    if let Some(date) = iso_date(&mut here) {
        let spaced = here.take(b" ");
        if !spaced && !here.take(b"T") {
            return None;
        }
        let time = clock_time(&mut here)?;
        let zone = match fixed_offset(&mut here) {
            Some(offset) => StampZone::Offset(offset),
            None if spaced => spaced_offset(&mut here),
            None => StampZone::Local,
        };
        *cursor = here;
        return Some(civil(date, time, zone));
    }
    let digits = here.take_while(|b| b.is_ascii_digit());
    match digits.len() {
        4 => {
            let year = four(&mut Cursor::new(digits))?;
            if !here.take(b" ") {
                return None;
            }
            let (_, month, day) = month_and_day(&mut here)?;
            let time = clock_time(&mut here)?;
            *cursor = here;
            Some(civil((Some(year), month, day), time, StampZone::Local))
        }
        9..=12 => {
            fraction(&mut here)?;
            *cursor = here;
            let seconds = Cursor::new(digits).number(9, 12)?;
            Some(Stamp::Unix(i64::try_from(seconds).ok()?))
        }
        _ => None,
    }
}

/// A month's name, or a weekday before an ISO date.
fn starts_with_letter<'a>(cursor: &mut Cursor<'a>) -> Option<Stamp<'a>> {
    let mut here = *cursor;
    if let Some((_, month, day)) = month_and_day(&mut here) {
        let mut with_year = here;
        let year = four(&mut with_year).filter(|_| with_year.take(b" "));
        if year.is_some() {
            here = with_year;
        }
        let time = clock_time(&mut here)?;
        *cursor = here;
        return Some(civil((year, month, day), time, StampZone::Local));
    }
    const WEEKDAYS: [&[u8; 4]; 7] = [b"Mon ", b"Tue ", b"Wed ", b"Thu ", b"Fri ", b"Sat ", b"Sun "];
    if !WEEKDAYS.iter().any(|name| here.take(name)) {
        return None;
    }
    let date = iso_date(&mut here)?;
    if !here.take(b" ") {
        return None;
    }
    let time = clock_time(&mut here)?;
    if !here.take(b" ") {
        return None;
    }
    let name = here.word()?;
    let zone = match fixed_offset(&mut Cursor::new(name)) {
        Some(offset) => StampZone::Offset(offset),
        None => StampZone::Abbreviation(name),
    };
    *cursor = here;
    Some(civil(date, time, zone))
}

/// `Nov 23 `, `Nov  3 `, `Nov 03 ` or `Nov 3 `, with the space after it.
fn month_and_day(cursor: &mut Cursor<'_>) -> Option<Date> {
    let month = month_name(cursor)?;
    if !cursor.take(b" ") {
        return None;
    }
    cursor.take(b" ");
    let day = checked_day(cursor.number(1, 2)?)?;
    cursor.take(b" ").then_some((None, month, day))
}

fn month_name(cursor: &mut Cursor<'_>) -> Option<u8> {
    let &[a, b, c, ..] = cursor.rest() else { return None };
    let month = match &[a, b, c] {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    };
    cursor.take(&[a, b, c]);
    Some(month)
}

/// `YYYY-MM-DD`
#[inline]
fn iso_date(cursor: &mut Cursor<'_>) -> Option<Date> {
    let (text, rest) = cursor.rest().split_first_chunk::<8>()?;
    let values = digits(*text, b"0000-00-")?;
    let year = u16::from(two(values, 0)) * 100 + u16::from(two(values, 2));
    let month = two(values, 5);
    let day = match *rest {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', ..] => (a - b'0') * 10 + (b - b'0'),
        _ => return None,
    };
    if !(1..=12).contains(&month) {
        return None;
    }
    let day = checked_day(u64::from(day))?;
    cursor.skip(10);
    Some((Some(year), month, day))
}

/// `HH:MM:SS`, optionally with a fraction after `.` or `,`.
#[inline]
fn clock_time(cursor: &mut Cursor<'_>) -> Option<Time> {
    let (text, _) = cursor.rest().split_first_chunk::<8>()?;
    let values = digits(*text, b"00:00:00")?;
    let (hour, minute, second) = (two(values, 0), two(values, 3), two(values, 6));
    cursor.skip(8);
    fraction(cursor)?;
    (hour < 24 && minute < 60 && second <= 60).then(|| (hour, minute, second.min(59)))
}

/// The number that two digits at an offset make. `values` come from [`digits`].
#[inline]
fn two(values: u64, at: u32) -> u8 {
    let [tens, ones, ..] = (values >> (8 * at)).to_le_bytes();
    tens * 10 + ones
}

fn fraction(cursor: &mut Cursor<'_>) -> Option<()> {
    if cursor.take(b".") || cursor.take(b",") {
        return (!cursor.take_while(|b| b.is_ascii_digit()).is_empty()).then_some(());
    }
    Some(())
}

/// `Z`, `+01:00`, `+0100` or `+01`, if it comes next.
fn fixed_offset(cursor: &mut Cursor<'_>) -> Option<i32> {
    let mut here = *cursor;
    if here.take(b"Z") || here.take(b"z") {
        *cursor = here;
        return Some(0);
    }
    let sign = if here.take(b"+") {
        1
    } else if here.take(b"-") {
        -1
    } else {
        return None;
    };
    let hours = here.two().filter(|hours| *hours < 24)?;
    let colon = here.take(b":");
    let minutes = match here.two() {
        Some(minutes) if minutes < 60 => minutes,
        None if !colon => 0,
        _ => return None,
    };
    *cursor = here;
    Some(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60))
}

/// ` +0100`, as Exim and some rsyslog templates write it; else local time.
fn spaced_offset<'a>(cursor: &mut Cursor<'_>) -> StampZone<'a> {
    let mut here = *cursor;
    if here.take(b" ") && matches!(here.rest().first(), Some(b'+' | b'-')) {
        let offset = fixed_offset(&mut here);
        if let (Some(offset), true) = (offset, here.is_done() || here.rest()[0] == b' ') {
            *cursor = here;
            return StampZone::Offset(offset);
        }
    }
    StampZone::Local
}

fn four(cursor: &mut Cursor<'_>) -> Option<u16> {
    u16::try_from(cursor.number(4, 4)?).ok()
}

fn checked_day(day: u64) -> Option<u8> {
    u8::try_from(day).ok().filter(|day| (1..=31).contains(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(stamp: Option<Stamp<'_>>) -> String {
        match stamp {
            None => "-".into(),
            Some(Stamp::Unix(seconds)) => format!("@{seconds}"),
            Some(Stamp::Civil { minute: m, second, zone }) => {
                let year = m.year.map_or("----".into(), |year| format!("{year:04}"));
                let zone = match zone {
                    StampZone::Local => "local".into(),
                    StampZone::Offset(seconds) => format!("{seconds:+}"),
                    StampZone::Name(name) => String::from_utf8_lossy(name).into_owned(),
                    StampZone::Abbreviation(name) => format!("~{}", String::from_utf8_lossy(name)),
                };
                format!(
                    "{year}-{:02}-{:02} {:02}:{:02}:{second:02} {zone}",
                    m.month, m.day, m.hour, m.minute
                )
            }
        }
    }

    fn syslog(text: &str) -> String {
        let mut cursor = Cursor::new(text.as_bytes());
        let stamp = Stamp::of_syslog(&mut cursor);
        let rest = String::from_utf8_lossy(cursor.rest()).into_owned();
        format!("{}|{rest}", show(stamp))
    }

    #[test]
    fn every_format_of_a_syslog_file() {
        for (text, want) in [
            ("Jul  2 09:31:10 web", "-----07-02 09:31:10 local| web"),
            ("Jul 02 09:31:10 web", "-----07-02 09:31:10 local| web"),
            ("Jul 2 09:31:10 web", "-----07-02 09:31:10 local| web"),
            ("Jul 12 09:31:10.123456 web", "-----07-12 09:31:10 local| web"),
            ("Nov 23 2026 17:30:00 mx", "2026-11-23 17:30:00 local| mx"),
            ("2026 Nov 23 17:30:00 mx", "2026-11-23 17:30:00 local| mx"),
            ("2026-11-23T18:09:57.235697+00:00 vm", "2026-11-23 18:09:57 +0| vm"),
            ("2026-11-23T18:09:57+01:00 vm", "2026-11-23 18:09:57 +3600| vm"),
            ("2026-11-23T18:09:57-0330 vm", "2026-11-23 18:09:57 -12600| vm"),
            ("2026-11-23T18:09:57+02 vm", "2026-11-23 18:09:57 +7200| vm"),
            ("2026-11-23T18:09:57Z vm", "2026-11-23 18:09:57 +0| vm"),
            ("2026-11-23T18:09:57 vm", "2026-11-23 18:09:57 local| vm"),
            ("2026-11-23 18:09:57 vm", "2026-11-23 18:09:57 local| vm"),
            ("2026-11-23 18:09:57,5 +0100 vm", "2026-11-23 18:09:57 +3600| vm"),
            ("Thu 2026-07-02 10:11:18 CEST host", "2026-07-02 10:11:18 ~CEST| host"),
            ("1782979878.123480 host", "@1782979878| host"),
            ("1795456675 host", "@1795456675| host"),
            ("Nov 30 23:59:60 x", "-----11-30 23:59:59 local| x"),
            ("Jul  2 09:31:10", "-----07-02 09:31:10 local|"),
            // What follows is not an offset.
            ("2026-11-23T18:09:57 +0100 vm", "2026-11-23 18:09:57 local| +0100 vm"),
            ("2026-11-23 18:09:57 Z vm", "2026-11-23 18:09:57 local| Z vm"),
        ] {
            assert_eq!(syslog(text), want, "{text}");
        }
    }

    #[test]
    fn every_month() {
        const NAMES: &str = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";
        for (number, name) in (1..).zip(NAMES.split(' ')) {
            let want = format!("-----{number:02}-02 09:31:10 local| web");
            assert_eq!(syslog(&format!("{name}  2 09:31:10 web")), want);
        }
    }

    /// Whether the fast parser takes a text. If it does, the general parser must agree.
    fn is_fast(text: &[u8]) -> bool {
        let (mut fast, mut general) = (Cursor::new(text), Cursor::new(text));
        let want = Stamp::of_any_format(&mut general);
        let shown = text.escape_ascii();
        let Some(stamp) = high_precision(&mut fast) else {
            return false;
        };
        assert_eq!(Some(stamp), want, "{shown}");
        assert_eq!(fast.rest(), general.rest(), "{shown}");
        true
    }

    #[test]
    fn the_fast_parser_agrees_with_the_general_one() {
        for text in ["2026-11-23T17:58:31.235697+01:30 mx", "2026-02-09T07:08:01.000000-11:00 mx"] {
            assert!(is_fast(text.as_bytes()), "{text}");
            for at in 0..34 {
                let mut changed = text.as_bytes().to_vec();
                for byte in 0..=255 {
                    changed[at] = byte;
                    is_fast(&changed);
                }
            }
            // Month, day, hour, minute, second, and hours and minutes of the offset.
            for (at, most) in [(5, 12), (8, 31), (11, 23), (14, 59), (17, 59), (27, 23), (30, 59)] {
                for value in 0..100 {
                    let mut changed = text.to_owned();
                    changed.replace_range(at..at + 2, &format!("{value:02}"));
                    let exists = value <= most && (value > 0 || at > 8);
                    assert_eq!(is_fast(changed.as_bytes()), exists, "{changed}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_a_timestamp() {
        for text in [
            "",
            "x",
            "Jul",
            "Jul  2",
            "Jul   2 09:31:10 web",
            "Jul  2 9:31:10 web",
            "Jul  2 24:00:00 web",
            "Jul  2 09:60:00 web",
            "Jul  2 09:31:61 web",
            "Jul 32 09:31:10 web",
            "Jul  0 09:31:10 web",
            "jul  2 09:31:10 web",
            "Jul  2 09:31:10x web",
            "2026-13-23T18:09:57Z vm",
            "2026/11/23T18:09:57Z vm",
            "2026-11-23T18.09.57Z vm",
            "2026-11-23T18:09:57+24:00 vm",
            "2026-11-23T18:09:57+01:60 vm",
            "2026-11-23T18:09:57+01: vm",
            "2026-11-23T18:09:57. vm",
            "2026-11-23t18:09:57Z vm",
            "12345678 host",
            "Thu 2026-07-02 10:11:18",
            "[23-Nov-2026 19:04:25 UTC] x",
        ] {
            assert!(syslog(text).starts_with("-|"), "{text}");
        }
    }

    #[test]
    fn formats_of_exim_and_php() {
        for (text, want) in [
            ("2026-11-23 18:06:47 1x", "2026-11-23 18:06:47 local"),
            ("2026-11-23 18:06:47.636 +0000 [32290] 1x", "2026-11-23 18:06:47 +0"),
            ("2026-11-23 18:06:47 -0800 1x", "2026-11-23 18:06:47 -28800"),
            ("2026-11-23 18:06:47 +08x 1x", "2026-11-23 18:06:47 local"),
            ("2026-11-23T18:06:47 1x", "-"),
            ("Nov 23 18:06:47 1x", "-"),
        ] {
            assert_eq!(show(Stamp::of_exim(&mut Cursor::new(text.as_bytes()))), want, "{text}");
        }
        for (text, want) in [
            ("23-Nov-2026 19:04:25 Europe/Madrid]", "2026-11-23 19:04:25 Europe/Madrid"),
            ("2-Nov-2026 19:04:25 Etc/GMT+5]", "2026-11-02 19:04:25 Etc/GMT+5"),
            ("23-Nov-2026 19:04:25 +05:30]", "2026-11-23 19:04:25 +19800"),
            ("23-Nov-2026 19:04:25 ]", "-"),
            ("23-Nov-2026 19:04:25]", "-"),
            ("23-11-2026 19:04:25 UTC]", "-"),
        ] {
            assert_eq!(show(Stamp::of_php(&mut Cursor::new(text.as_bytes()))), want, "{text}");
        }
    }

    #[test]
    fn times_given_as_an_argument() {
        for (text, want) in [
            ("2026-11-23 17:58:00", "2026-11-23 17:58:00 local"),
            ("2026-11-23 17:58", "2026-11-23 17:58:00 local"),
            ("2026-11-23T17:58:00Z", "2026-11-23 17:58:00 +0"),
            ("2026-11-23T17:58:00.5+01:00", "2026-11-23 17:58:00 +3600"),
            ("2026-11-23 17:58:00+01:00", "2026-11-23 17:58:00 +3600"),
            ("2026-11-23T17:58:00", "-"),
            ("2026-11-23", "-"),
            ("2026-11-23 17:58:00 x", "-"),
            ("now", "-"),
        ] {
            assert_eq!(show(Stamp::of_argument(text.as_bytes())), want, "{text}");
        }
    }
}
