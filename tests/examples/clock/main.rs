//! Compares the clock with GNU date(1): every minute of two years in eight zones, one of the years with a
//! 29 February.
//!
//! `clock [ZONE…]`, all eight where none is named. What the wall clock showed at each minute comes from
//! date(1); what a stamp then means, where an hour repeats, is skipped, or has no year, follows by the
//! rules of the man page from a table of that, by looking it up. Compared are, in all forms that
//! rsyslog, Exim, PHP and the journal write: every minute read line by line; every minute alone; every
//! minute that was skipped; readings that come twice at each side of now; stamps without a year as now
//! passes New Year and 29 February; and periods, where date(1) has the same rules. Prints how many, and
//! how many differ; the exit status is 1 where some do.

#![expect(clippy::print_stdout, reason = "it is a command")]
#![expect(clippy::cast_possible_wrap, reason = "minutes of some years are no large numbers")]

mod table;

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use spamcore::cursor::Cursor;
use spamcore::time::clock::{Clock, MAX_CLOCK_SKEW, Reading};
use spamcore::time::period::Period;
use spamcore::time::stamp::Stamp;
use spamcore::time::zone::Zone;
use table::{Meaning, Table, calendar, civil, date};

/// The zones, and the first of the two years.
const ZONES: [(&str, i64); 8] = [
    ("UTC", 2027),
    ("Europe/Madrid", 2027),
    ("America/New_York", 2027),
    // Its clocks change by half an hour.
    ("Australia/Lord_Howe", 2027),
    // 30 December 2011 was left out.
    ("Pacific/Apia", 2011),
    // Its clocks changed at midnight.
    ("America/Sao_Paulo", 2015),
    ("Asia/Kolkata", 2027),
    // Its clocks go back for Ramadan.
    ("Africa/Casablanca", 2027),
];

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const DAY: i64 = 86_400;

/// How far a repeated reading may lie before the line above it. Seconds.
const LATE: i64 = 1800;

fn main() -> ExitCode {
    let named: Vec<String> = std::env::args().skip(1).collect();
    let unknown = named.iter().find(|name| !ZONES.iter().any(|(zone, _)| zone == name));
    if let Some(unknown) = unknown {
        println!("clock [ZONE…]: {unknown} is none of {}", ZONES.map(|(zone, _)| zone).join(", "));
        return ExitCode::from(2);
    }
    let wanted = |zone: &&(&str, i64)| named.is_empty() || named.iter().any(|name| name == zone.0);
    let zones = Mutex::new(ZONES.iter().filter(wanted));
    let begin = Instant::now();
    let totals = Mutex::new((0, 0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = zones.lock().expect("no panic there").next();
                    let Some((zone, year)) = next else { break };
                    let check = compare(zone, *year);
                    let Check { compared, differences, .. } = check;
                    println!("{zone:20} {compared:>10} compared, {differences} differences");
                    let mut totals = totals.lock().expect("no panic there");
                    *totals = (totals.0 + compared, totals.1 + differences);
                }
            });
        }
    });
    let (compared, differences) = totals.into_inner().expect("no panic there");
    println!("clock: {compared} compared, {differences} differences, {:.0?}", begin.elapsed());
    ExitCode::from(u8::from(differences > 0 || compared == 0))
}

/// What was compared in a zone.
struct Check {
    name: &'static str,
    zone: Zone,
    compared: u64,
    differences: u64,
}

impl Check {
    fn same(&mut self, got: Option<i64>, want: i64, what: impl FnOnce() -> String) {
        self.compared += 1;
        if got != Some(want) {
            self.differences += 1;
            if self.differences <= 10 {
                println!("{}: {}: {got:?}, and by date(1) {want}", self.name, what());
            }
        }
    }
}

fn compare(name: &'static str, year: i64) -> Check {
    let zone = Zone::local(Some(name));
    let mut check = Check { name, zone, compared: 0, differences: 0 };
    // Two days around, so that what lies near is there.
    let begin = civil(year, 1, 1, 0, 0) - 2 * DAY;
    let minutes = (civil(year + 2, 1, 1, 0, 0) + 2 * DAY - begin) / 60;
    let table = Table::ask(name, begin, usize::try_from(minutes).expect("it is positive"));
    in_order(&mut check, &table);
    alone(&mut check, &table);
    skipped(&mut check, &table);
    missing_years(&mut check, year + 1);
    periods(&mut check, &table, year + 1);
    check
}

/// What a reading means by the rules: one that comes twice is the earlier unless that lies more than
/// half an hour before the line above; without one, the latest that is not in the future.
fn meant(table: &Table, local: i64, second: i64, previous: Option<i64>, now: i64) -> i64 {
    match table.meaning(local) {
        Meaning::Once(instant) | Meaning::Never(instant) => instant + second,
        Meaning::Twice(first, again) => {
            let early = match previous {
                Some(previous) => first + second >= previous - LATE,
                None => again + second > now,
            };
            second + if early { first } else { again }
        }
    }
}

/// The stamp of a wall clock as its software writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// rsyslog's traditional one, without a year.
    Traditional,
    /// Exim's.
    Exim,
    /// PHP's, with the zone's name.
    Php,
    /// rsyslog's, with the offset.
    Precise,
    /// The journal's, with an abbreviation.
    Full,
}

fn write(form: Form, local: i64, second: i64, instant: i64, zone: &str, name: &str) -> String {
    let [year, month, day, hour, minute] = calendar(local);
    let word = MONTHS[usize::try_from(month - 1).expect("a month")];
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    match form {
        Form::Traditional => format!("{word} {day:>2} {time} host"),
        Form::Exim => format!("{year}-{month:02}-{day:02} {time} 1ABCDE"),
        Form::Php => format!("{day:02}-{word}-{year} {time} {zone}] mail()"),
        Form::Precise => {
            let offset = (local - instant) / 60;
            let (sign, offset) = (if offset < 0 { '-' } else { '+' }, offset.abs());
            let (hours, minutes) = (offset / 60, offset % 60);
            format!("{year}-{month:02}-{day:02}T{time}.123456{sign}{hours:02}:{minutes:02} host")
        }
        Form::Full => format!("Thu {year}-{month:02}-{day:02} {time} {name} host"),
    }
}

fn read(clock: &mut Clock, form: Form, text: &str) -> Option<Reading> {
    let mut cursor = Cursor::new(text.as_bytes());
    let stamp = match form {
        Form::Exim => Stamp::of_exim(&mut cursor),
        Form::Php => Stamp::of_php(&mut cursor),
        Form::Traditional | Form::Precise | Form::Full => Stamp::of_syslog(&mut cursor),
    };
    clock.read(&stamp?)
}

/// Every minute, line by line, a day at a time: as a log is read at the end of that day.
fn in_order(check: &mut Check, table: &Table) {
    for form in [Form::Traditional, Form::Exim, Form::Php, Form::Precise, Form::Full] {
        // PHP's stamps are of their own zone, wherever they are read.
        let local = if form == Form::Php { Zone::utc() } else { check.zone.clone() };
        let mut previous = None;
        for (day, minutes) in table.shown.chunks(1440).enumerate() {
            let begin = table.begin + day as i64 * DAY;
            let now = begin + DAY;
            let mut clock = Clock::new(now, local.clone());
            if let Some(instant) = previous {
                clock.read(&Stamp::Unix(instant));
            }
            for (minute, (local, name)) in minutes.iter().enumerate() {
                let instant = begin + 60 * minute as i64;
                let second = instant / 60 % 60;
                let name = &table.names[usize::from(*name)];
                let text = write(form, *local, second, instant, check.name, name);
                let want = match form {
                    Form::Precise | Form::Full => instant + second,
                    _ => meant(table, *local, second, previous, now),
                };
                let got = read(&mut clock, form, &text).filter(|got| !got.in_future);
                check.same(got.map(|got| got.instant), want, || format!("{form:?}: {text}"));
                previous = Some(want);
            }
        }
    }
}

/// Every minute alone; where a reading comes twice, at each side of its two times.
fn alone(check: &mut Check, table: &Table) {
    let end = table.begin + 60 * table.shown.len() as i64;
    let mut clock = Clock::new(end, check.zone.clone());
    for (minute, (local, _)) in table.shown.iter().enumerate() {
        let instant = table.begin + 60 * minute as i64;
        let text = write(Form::Exim, *local, 0, instant, check.name, "");
        clock.next_file(false);
        let got = read(&mut clock, Form::Exim, &text).map(|got| got.instant);
        check.same(got, meant(table, *local, 0, None, end), || text.clone());
        if let Meaning::Twice(first, again) = table.meaning(*local) {
            for now in [
                first - MAX_CLOCK_SKEW - 1,
                first - MAX_CLOCK_SKEW,
                first,
                again - 1,
                again,
                again + 1,
            ] {
                let want = meant(table, *local, 0, None, now);
                for form in [Form::Exim, Form::Php] {
                    let text = write(form, *local, 0, instant, check.name, "");
                    let mut clock = Clock::new(now, check.zone.clone());
                    let got = read(&mut clock, form, &text);
                    let at = || format!("{text} at {now}");
                    check.same(got.map(|got| got.instant), want, at);
                    let ahead = got.map(|got| i64::from(got.in_future));
                    check.same(ahead, i64::from(want > now + MAX_CLOCK_SKEW), at);
                }
            }
        }
    }
}

/// Every minute that the clocks skipped.
fn skipped(check: &mut Check, table: &Table) {
    for local in table.skipped() {
        let want = meant(table, local, 30, None, 0);
        for form in [Form::Traditional, Form::Exim, Form::Php] {
            let text = write(form, local, 30, want, check.name, "");
            let mut clock = Clock::new(want + DAY, check.zone.clone());
            let got = read(&mut clock, form, &text).map(|got| got.instant);
            check.same(got, want, || format!("{form:?}: {text}, which never was"));
        }
    }
}

/// Stamps without a year, around New Year and 29 February, as now passes them: the newest year that puts
/// them no later than an hour ahead. `year` is a leap year.
fn missing_years(check: &mut Check, year: i64) {
    let windows = [(12, 29, 5), (2, 27, 4)];
    let mut tables = Vec::new();
    for of in year - 9..=year + 1 {
        for (month, day, days) in windows {
            // A day more on each side: the wall clock is not UTC.
            let begin = civil(of, month, day, 0, 0) - DAY;
            let minutes = usize::try_from((days + 2) * 1440).expect("it is positive");
            tables.push(Table::ask(check.name, begin, minutes));
        }
    }
    let mut nows = Vec::new();
    for minute in 0..240 {
        // New Year, 28 February to 1 March, and every third day.
        nows.push(civil(year, 1, 1, 0, 0) - DAY + minute * 727);
        nows.push(civil(year, 2, 29, 0, 0) - DAY + minute * 1031);
        nows.push(civil(year, 1, 1, 0, 0) + minute * (3 * DAY + 61));
    }
    for (month, day, days) in windows {
        for minute in (0..days * 1440).step_by(13) {
            // The same words in each year, where it has that day.
            let (day, hour, minute) = (day + minute / 1440, minute % 1440 / 60, minute % 60);
            let readings = (year - 9..=year + 1).filter_map(|of| {
                let local = civil(of, month, day, hour, minute);
                let [_, same_month, same_day, ..] = calendar(local);
                // 30 February is no day, 29 February not every year; 32 December is 1 January.
                let exists = (same_month, same_day) == (month, day);
                let table = tables.iter().find(|table| table.holds(local));
                let table = table.filter(|_| exists)?;
                Some((local, meant(table, local, 0, None, i64::MIN)))
            });
            let readings: Vec<(i64, i64)> = readings.collect();
            let Some((local, _)) = readings.first() else { continue };
            let text = write(Form::Traditional, *local, 0, 0, check.name, "");
            for now in &nows {
                let fits = readings.iter().filter(|(_, instant)| *instant <= now + MAX_CLOCK_SKEW);
                let Some(want) = fits.map(|(_, instant)| *instant).max() else { continue };
                let mut clock = Clock::new(*now, check.zone.clone());
                let got = read(&mut clock, Form::Traditional, &text).map(|got| got.instant);
                check.same(got, want, || format!("{text} at {now}"));
            }
        }
    }
}

/// Periods, in the year whose year before lies in the table too.
fn periods(check: &mut Check, table: &Table, year: i64) {
    // Ours, date(1)'s, and the months and days in it.
    const PERIODS: [(&str, &str, i64, i64); 22] = [
        ("1hour", "-1hour", 0, 0),
        ("10minute", "-10minute", 0, 0),
        ("30 minutes", "-30 minutes", 0, 0),
        ("90sec", "-90sec", 0, 0),
        ("36hours", "-36hours", 0, 0),
        ("100000 seconds", "-100000 seconds", 0, 0),
        ("2 days", "-2 days", 0, 2),
        ("1day", "-1day", 0, 1),
        ("1week", "-1week", 0, 7),
        ("3 weeks", "-3 weeks", 0, 21),
        ("1fortnight", "-1fortnight", 0, 14),
        ("1month", "-1month", 1, 0),
        ("5 MONTHS", "-5 MONTHS", 5, 0),
        ("11months", "-11months", 11, 0),
        ("1year", "-1year", 12, 0),
        ("yesterday", "yesterday", 0, 1),
        ("last week", "last week", 0, 7),
        ("last month", "last month", 1, 0),
        ("last hour", "last hour", 0, 0),
        ("1 day -2 hours", "-1 day -2 hours", 0, 1),
        ("1month 3days 90minutes", "-1month -3days -90minutes", 1, 3),
        ("-1hour", "-1hour", 0, 0),
    ];
    let from = civil(year, 1, 2, 0, 0);
    let nows: Vec<(i64, i64)> = (from..civil(year, 12, 31, 0, 0))
        .step_by(60 * 487)
        .map(|instant| {
            (instant, table.shown[usize::try_from((instant - table.begin) / 60).expect("in it")].0)
        })
        .filter(|(_, local)| matches!(table.meaning(*local), Meaning::Once(_)))
        .collect();
    for (ours, theirs, months, days) in PERIODS {
        let questions: Vec<String> = nows
            .iter()
            .map(|(_, local)| {
                let [year, month, day, hour, minute] = calendar(*local);
                format!("{theirs} {year}-{month:02}-{day:02} {hour:02}:{minute:02}:00\n")
            })
            .collect();
        let answers =
            date(check.name, questions.into_iter(), "%s", |line| line.parse().expect("a number"));
        assert_eq!(answers.len(), nows.len(), "date(1) left some out");
        let period = Period::parse(ours).expect("a period");
        for ((now, local), want) in nows.iter().zip(answers) {
            // Where the steps of the calendar lead to a reading that was skipped or comes twice, date(1)
            // has rules of its own.
            let [year, month, day, hour, minute] = calendar(*local);
            let of_year = month - 1 - months;
            let (year, month) = (year + of_year.div_euclid(12), of_year.rem_euclid(12) + 1);
            let stepped = civil(year, month, day, hour, minute) - days * DAY;
            if matches!(table.meaning(stepped), Meaning::Once(_)) {
                let got = period.before(*now, &check.zone).ok();
                check.same(got, want, || format!("{ours} before {now}"));
            }
        }
    }
}
