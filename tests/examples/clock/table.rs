//! What the wall clock of a zone showed at every minute, by GNU date(1), and what follows from that for a
//! reading: the slow way, by looking it up.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// The wall clock of a zone over some time.
pub(crate) struct Table {
    /// The first minute. Unix seconds.
    pub(crate) begin: i64,
    /// What the wall clock showed: seconds since 1970 on that clock, and the zone's abbreviation.
    pub(crate) shown: Vec<(i64, u8)>,
    /// The abbreviations.
    pub(crate) names: Vec<String>,
    /// By minute of the wall clock from the first one on: when it was shown, first and again.
    first: Vec<i64>,
    again: Vec<i64>,
    earliest: i64,
}

/// No minute.
const NEVER: i64 = i64::MIN;

/// What a reading of a wall clock means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Once(i64),
    Twice(i64, i64),
    /// It was never shown; this is the reading with the offset before the change.
    Never(i64),
}

impl Table {
    /// Asks date(1) for every minute.
    pub(crate) fn ask(zone: &str, begin: i64, minutes: usize) -> Self {
        let mut names = Vec::new();
        let instants = (0..minutes as i64).map(move |n| format!("@{}\n", begin + 60 * n));
        let shown: Vec<(i64, u8)> = date(zone, instants, "%Y %m %d %H %M %Z", |line| {
            let mut words = line.split(' ');
            let mut number = || words.next().expect("a word").parse::<i64>().expect("a number");
            let local = civil(number(), number(), number(), number(), number());
            let name = words.next().expect("a name");
            let at = names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(name.to_owned());
                names.len() - 1
            });
            (local, u8::try_from(at).expect("a zone has few names"))
        });
        assert_eq!(shown.len(), minutes, "date(1) left some out");
        let earliest = shown.iter().map(|(local, _)| *local).min().expect("some minutes");
        let latest = shown.iter().map(|(local, _)| *local).max().expect("some minutes");
        let length = index(latest - earliest) + 1;
        let (mut first, mut again) = (vec![NEVER; length], vec![NEVER; length]);
        for (n, (local, _)) in shown.iter().enumerate() {
            let instant = begin + 60 * n as i64;
            let at = index(local - earliest);
            if first[at] == NEVER {
                first[at] = instant;
            } else {
                assert_eq!(again[at], NEVER, "{zone}: a reading that comes three times");
                again[at] = instant;
            }
        }
        Self { begin, shown, names, first, again, earliest }
    }

    /// What a minute of the wall clock means.
    pub(crate) fn meaning(&self, local: i64) -> Meaning {
        let at = index(local - self.earliest);
        match (self.first[at], self.again[at]) {
            (NEVER, _) => {
                let before = self.first[..at].iter().rposition(|known| *known != NEVER);
                let before = before.expect("the first minute was shown");
                // The last time that the clock went on as before.
                let instant = self.first[before].max(self.again[before]);
                Meaning::Never(instant + 60 * (at - before) as i64)
            }
            (once, NEVER) => Meaning::Once(once),
            (first, again) => Meaning::Twice(first, again),
        }
    }

    /// Whether a minute of the wall clock lies in the table.
    pub(crate) fn holds(&self, local: i64) -> bool {
        local >= self.earliest && index(local - self.earliest) < self.first.len()
    }

    /// The minutes that the wall clock skipped.
    pub(crate) fn skipped(&self) -> Vec<i64> {
        let never = self.first.iter().enumerate().filter(|(_, first)| **first == NEVER);
        never.map(|(at, _)| self.earliest + 60 * at as i64).collect()
    }
}

fn index(seconds: i64) -> usize {
    usize::try_from(seconds / 60).expect("it lies behind the first minute")
}

/// Runs date(1) in a zone over lines, and reads what it prints, line by line.
pub(crate) fn date<T>(
    zone: &str,
    lines: impl Iterator<Item = String> + Send + 'static,
    format: &str,
    read: impl FnMut(&str) -> T,
) -> Vec<T> {
    let mut child = Command::new("date")
        .args(["-f", "-", &format!("+{format}")])
        .env_clear()
        .envs([("TZ", zone), ("LC_ALL", "C"), ("PATH", "/usr/bin:/bin")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("date(1) runs");
    let mut input = std::io::BufWriter::new(child.stdin.take().expect("it was piped"));
    let writer = std::thread::spawn(move || {
        for line in lines {
            input.write_all(line.as_bytes()).expect("date(1) reads");
        }
    });
    let output = BufReader::new(child.stdout.take().expect("it was piped"));
    let read = output.lines().map(|line| line.expect("text")).map({
        let mut read = read;
        move |line| read(&line)
    });
    let read = read.collect();
    writer.join().expect("it has written all");
    assert!(child.wait().expect("it ends").success(), "date(1) failed");
    read
}

/// Seconds since 1970 on a wall clock, by counting days from year to year and month to month.
pub(crate) fn civil(year: i64, month: i64, day: i64, hour: i64, minute: i64) -> i64 {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut days: i64 = (1970..year).map(|year| 365 + i64::from(leap(year))).sum();
    for past in 1..month {
        days += match past {
            2 => 28 + i64::from(leap(year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
    }
    (days + day - 1) * 86_400 + hour * 3600 + minute * 60
}

/// A minute of a wall clock as year, month, day, hour, minute: the way back, by search.
pub(crate) fn calendar(local: i64) -> [i64; 5] {
    let mut year = 1970 + local / (366 * 86_400);
    while civil(year + 1, 1, 1, 0, 0) <= local {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && civil(year, month + 1, 1, 0, 0) <= local {
        month += 1;
    }
    let rest = local - civil(year, month, 1, 0, 0);
    [year, month, rest / 86_400 + 1, rest % 86_400 / 3600, rest % 3600 / 60]
}
