//! How far back: a [`Period`], as an administrator types it.
//!
//! Takes a text such as `1hour` and, given now, gives the start of the period. A period is anything that
//! people give to GNU `date -d "-PERIOD"` in practice: one or more terms that add up, such as `1hour`,
//! `30 minutes`, `2 days`, `1hour 30minutes`, `90s`, `1w`, `yesterday` or `last week`, in upper or lower
//! case. Days, weeks, months and years go back in the calendar to the same local time of day, and are
//! subtracted first; smaller units are elapsed time. As in `date`, a month before 31 March is 3 March.

use std::fmt;

use time::{Date, Duration, Month};

use crate::cursor::Cursor;
use crate::time::zone::{Instants, Zone};

const DAY: i64 = 86_400;

/// A length of time, in calendar months, days and seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    text: String,
    months: i64,
    days: i64,
    seconds: i64,
}

/// Why a text is not a period.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// Nothing but spaces.
    #[error("expected a period, such as 1hour")]
    Empty,
    /// A number without a unit.
    #[error("a unit is missing: did you mean {0}sec?")]
    Bare(String),
    /// A word that is not a unit.
    #[error("'{0}' is not a unit of time")]
    Unit(String),
    /// Not a whole number, or too large.
    #[error("'{0}' is not a whole number, or is too large")]
    Number(String),
    /// `1 hour ago`, which is more than a period; without `ago` and spaces it is this.
    #[error("'ago' is not part of a period: did you mean {0}?")]
    Ago(String),
    /// It would end after now.
    #[error("a period cannot lie in the future")]
    Future,
    /// It has no length.
    #[error("the period is zero")]
    Nothing,
    /// Before the year 1.
    #[error("the period reaches too far back")]
    TooFar,
}

impl Period {
    /// Reads a period such as `1hour`, `2 days` or `last week`.
    pub fn parse(text: &str) -> Result<Self, PeriodError> {
        let lower = text.to_ascii_lowercase();
        let mut cursor = Cursor::new(lower.as_bytes());
        let mut period = Self { text: text.to_owned(), months: 0, days: 0, seconds: 0 };
        let blank = |b| b == b' ' || b == b'\t';
        cursor.take_while(blank);
        if cursor.is_done() {
            return Err(PeriodError::Empty);
        }
        while !cursor.is_done() {
            let signed = cursor.take(b"-");
            cursor.take_while(blank);
            let digits = cursor.take_while(|b| b.is_ascii_digit());
            cursor.take_while(blank);
            let word = cursor.take_while(|b| b.is_ascii_alphabetic());
            cursor.take_while(blank);
            let (count, unit) = match (digits, word) {
                (b"", b"") => return Err(PeriodError::Unit(lossy(cursor.rest()))),
                (b"", b"yesterday") if !signed => (1, "day"),
                (b"", b"last") if !signed => {
                    let unit = cursor.take_while(|b| b.is_ascii_alphabetic());
                    cursor.take_while(blank);
                    (1, as_str(unit))
                }
                (b"", b"ago") if cursor.is_done() && period.has_length() => {
                    let typed = lower.trim().trim_start_matches('-').trim_end_matches("ago");
                    let bare = typed.chars().filter(|c| !c.is_whitespace()).collect();
                    return Err(PeriodError::Ago(bare));
                }
                (b"", b"tomorrow" | b"next" | b"ago") => return Err(PeriodError::Future),
                (b"", word) if step(as_str(word)).is_some() => return Err(PeriodError::Future),
                (b"", word) => return Err(PeriodError::Unit(lossy(word))),
                (digits, b"") if cursor.is_done() => return Err(PeriodError::Bare(lossy(digits))),
                (_, b"") => return Err(PeriodError::Number(text.to_owned())),
                (digits, word) => {
                    let digits = as_str(digits);
                    let count = digits.parse().map_err(|_| PeriodError::Number(digits.into()))?;
                    (count, as_str(word))
                }
            };
            period.add(count, unit)?;
        }
        if !period.has_length() {
            return Err(PeriodError::Nothing);
        }
        Ok(period)
    }

    fn has_length(&self) -> bool {
        (self.months, self.days, self.seconds) != (0, 0, 0)
    }

    /// A period of this many seconds, given in digits.
    pub fn of_seconds(digits: &str) -> Result<Self, PeriodError> {
        let number = || PeriodError::Number(digits.to_owned());
        let seconds: i64 = digits.parse().map_err(|_| number())?;
        match seconds {
            i64::MIN..=-1 => Err(number()),
            0 => Err(PeriodError::Nothing),
            _ => Ok(Self { text: format!("{digits} seconds"), months: 0, days: 0, seconds }),
        }
    }

    /// A period of this many minutes, and reported in minutes.
    pub fn of_minutes(minutes: u64) -> Result<Self, PeriodError> {
        let number = || PeriodError::Number(minutes.to_string());
        let seconds =
            i64::try_from(minutes).ok().and_then(|m| m.checked_mul(60)).ok_or_else(number)?;
        if seconds == 0 {
            return Err(PeriodError::Nothing);
        }
        Ok(Self { text: format!("{minutes} minutes"), months: 0, days: 0, seconds })
    }

    /// The period as it was typed.
    pub fn typed(&self) -> &str {
        &self.text
    }

    /// The start of the period that ends at `now`, both in Unix seconds.
    pub fn before(&self, now: i64, zone: &Zone) -> Result<i64, PeriodError> {
        let stepped = if self.months == 0 && self.days == 0 {
            now
        } else {
            let local =
                now.checked_add(i64::from(zone.offset_at(now))).ok_or(PeriodError::TooFar)?;
            let (days, of_day) = (local.div_euclid(DAY), local.rem_euclid(DAY));
            let date = step_back(days, self.months, self.days).ok_or(PeriodError::TooFar)?;
            match zone.instants(date * DAY + of_day) {
                Instants::One(instant) => instant,
                // Both have that time of day; the nearer one is what was meant.
                Instants::Two(_, later) => later,
            }
        };
        let start = stepped.checked_sub(self.seconds).ok_or(PeriodError::TooFar)?;
        if start < FIRST {
            return Err(PeriodError::TooFar);
        }
        Ok(start)
    }

    fn add(&mut self, count: i64, unit: &str) -> Result<(), PeriodError> {
        let step = step(unit).ok_or_else(|| PeriodError::Unit(lossy(unit.as_bytes())))?;
        let (sum, each) = match step {
            Step::Months(each) => (&mut self.months, each),
            Step::Days(each) => (&mut self.days, each),
            Step::Seconds(each) => (&mut self.seconds, each),
        };
        *sum = count
            .checked_mul(each)
            .and_then(|more| sum.checked_add(more))
            .ok_or_else(|| PeriodError::Number(count.to_string()))?;
        Ok(())
    }
}

/// As typed, with a space after its first number if there is none: `30minutes` is `30 minutes`.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        let number = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
        let after =
            text[number..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |n| n + number);
        let (before, rest) = text.split_at(after);
        let blank = if rest.is_empty() || rest.starts_with([' ', '\t']) || before.is_empty() {
            ""
        } else {
            " "
        };
        // A period such as `yesterday` has no number.
        if number == text.len() { f.write_str(text) } else { write!(f, "{before}{blank}{rest}") }
    }
}

enum Step {
    Months(i64),
    Days(i64),
    Seconds(i64),
}

fn step(unit: &str) -> Option<Step> {
    Some(match unit {
        "year" | "years" => Step::Months(12),
        "month" | "months" => Step::Months(1),
        "fortnight" | "fortnights" => Step::Days(14),
        "week" | "weeks" | "w" => Step::Days(7),
        "day" | "days" | "d" => Step::Days(1),
        "hour" | "hours" | "h" => Step::Seconds(3600),
        "minute" | "minutes" | "min" | "mins" | "m" => Step::Seconds(60),
        "second" | "seconds" | "sec" | "secs" | "s" => Step::Seconds(1),
        _ => return None,
    })
}

/// 0001-01-01 00:00:00 UTC.
const FIRST: i64 = -62_135_596_800;

/// Goes back from a day, in days since 1970-01-01. A day that the month does not have runs over into the
/// next.
fn step_back(days: i64, months: i64, days_back: i64) -> Option<i64> {
    let epoch = Date::from_ordinal_date(1970, 1).ok()?;
    let date = epoch.checked_add(Duration::days(days))?;
    let month = i64::from(date.year()) * 12 + i64::from(u8::from(date.month())) - 1;
    let month = month.checked_sub(months)?;
    let year = i32::try_from(month.div_euclid(12)).ok().filter(|year| *year >= 1)?;
    let month = Month::try_from(u8::try_from(month.rem_euclid(12) + 1).ok()?).ok()?;
    let first = Date::from_calendar_date(year, month, 1).ok()?;
    let first = i64::from(first.to_julian_day()) - i64::from(epoch.to_julian_day());
    (first + i64::from(date.day()) - 1).checked_sub(days_back).filter(|days| *days > -1_000_000)
}

fn as_str(word: &[u8]) -> &str {
    std::str::from_utf8(word).unwrap_or_default()
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_795_435_200; // 2026-11-23 12:00:00 UTC

    fn back(text: &str) -> Result<i64, PeriodError> {
        Period::parse(text)?.before(NOON, &Zone::utc()).map(|start| NOON - start)
    }

    #[test]
    fn periods_that_date_accepts() {
        for (text, want) in [
            ("1hour", 3600),
            ("10minute", 600),
            ("30minutes", 1800),
            ("90sec", 90),
            ("2 days", 2 * DAY),
            ("1week", 7 * DAY),
            ("1fortnight", 14 * DAY),
            ("1month", 31 * DAY),
            ("1year", 365 * DAY),
            ("1HOUR", 3600),
            ("  1  Hour ", 3600),
            ("1\thour", 3600),
            ("1hour 30minutes", 5400),
            ("1hour30min", 5400),
            ("1 hour -30 minutes", 5400),
            ("-1hour", 3600),
            ("- 1 hour", 3600),
            ("010minutes", 600),
            ("90s", 90),
            ("30m", 1800),
            ("1h", 3600),
            ("2d", 2 * DAY),
            ("1w", 7 * DAY),
            ("yesterday", DAY),
            ("last week", 7 * DAY),
            ("last Month", 31 * DAY),
            ("last hour", 3600),
            ("0hours 5min", 300),
        ] {
            assert_eq!(back(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_period_and_why() {
        use PeriodError::{Ago, Bare, Empty, Future, Nothing, Number, TooFar, Unit};
        for (text, want) in [
            ("", Empty),
            ("  ", Empty),
            ("60", Bare("60".into())),
            ("1.5hours", Number("1.5hours".into())),
            ("hour", Future),
            ("fortnight", Future),
            ("tomorrow", Future),
            ("next week", Future),
            ("1hour ago", Ago("1hour".into())),
            ("-2 Days ago ", Ago("2days".into())),
            ("1hour 30 min ago", Ago("1hour30min".into())),
            ("1hour ago 5min", Future),
            ("ago", Future),
            ("0hours", Nothing),
            ("0s 0d", Nothing),
            ("1parsec", Unit("parsec".into())),
            ("+1hour", Unit("+1hour".into())),
            ("parsec", Unit("parsec".into())),
            ("last", Unit(String::new())),
            ("-last week", Unit("last".into())),
            ("-yesterday", Unit("yesterday".into())),
            ("--1hour", Unit("-1hour".into())),
            ("1hour;reboot", Unit(";reboot".into())),
            ("2 3hours", Number("2 3hours".into())),
            ("99999999999999999999hours", Number("99999999999999999999".into())),
            ("9223372036854775807hours", Number("9223372036854775807".into())),
            ("99999999999hours", TooFar),
            ("9999999999999days", TooFar),
            ("3000years", TooFar),
            ("9223372036854775807sec", TooFar),
        ] {
            assert_eq!(back(text), Err(want), "{text}");
        }
    }

    #[test]
    fn the_calendar_starts_with_the_year_1() {
        let start = |seconds: i64| {
            Period::of_seconds(&seconds.to_string()).and_then(|p| p.before(NOON, &Zone::utc()))
        };
        assert_eq!(start(NOON - FIRST), Ok(FIRST));
        assert_eq!(start(NOON - FIRST + 1), Err(PeriodError::TooFar));
    }

    #[test]
    fn the_heading_repeats_what_was_typed() {
        for (text, want) in [
            ("1hour", "1 hour"),
            ("30minutes", "30 minutes"),
            ("2 days", "2 days"),
            ("1hour 30minutes", "1 hour 30minutes"),
            ("-1hour", "-1 hour"),
            ("yesterday", "yesterday"),
            ("last Week", "last Week"),
        ] {
            assert_eq!(Period::parse(text).map(|p| p.to_string()), Ok(want.into()), "{text}");
        }
        assert_eq!(Period::of_seconds("3600").map(|p| p.to_string()), Ok("3600 seconds".into()));
        assert_eq!(Period::of_seconds("0"), Err(PeriodError::Nothing));
        assert_eq!(Period::of_seconds("-1"), Err(PeriodError::Number("-1".into())));
        assert_eq!(Period::of_minutes(10).map(|p| p.to_string()), Ok("10 minutes".into()));
        assert_eq!(Period::of_minutes(0), Err(PeriodError::Nothing));
        assert_eq!(Period::parse(" 1Hour").as_ref().map(Period::typed), Ok(" 1Hour"));
    }

    #[test]
    fn days_and_months_follow_the_calendar() {
        let madrid = Zone::local(Some("Europe/Madrid"));
        let back = |text: &str, now: i64| {
            Period::parse(text).and_then(|p| p.before(now, &madrid)).map(|start| now - start)
        };
        let march_31_noon = 1_774_951_200; // 2026-03-31 12:00:00 CEST
        assert_eq!(back("1month", march_31_noon), Ok(28 * DAY - 3600), "3 March 12:00 CET");
        assert_eq!(back("1week", march_31_noon), Ok(7 * DAY - 3600), "24 March 12:00 CET");
        assert_eq!(back("7d 1h", march_31_noon), Ok(7 * DAY), "24 March 11:00 CET");
        assert_eq!(back("168hours", march_31_noon), Ok(7 * DAY), "hours are elapsed time");
    }
}
