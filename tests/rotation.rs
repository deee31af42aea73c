//! Logs that are written, rotated and compressed while they are read: every line counts exactly once.
//!
//! `SPAM_CHECK_SCANS` sets the number of scans for each way of rotating; the default is small. Figures are printed on standard
//! error, in lines that start with `figure: `. The tests of the module `logrotate` are ignored by default:
//! `tests/rotation-logrotate` installs what they need, and runs them.

#![expect(clippy::print_stderr, reason = "figures are printed")]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tests::{Directory, accepted, program, times};

/// What a scan counted for the one sender that there is, and its exit status and standard error.
fn look(log: &Path) -> (u64, Option<i32>, String) {
    let output = Command::new(program("postfix-spam-check"))
        .args(["-m", "1", "--now", "2026-11-23 17:58:00", "--overrides=/dev/null", "-l"])
        .arg(log)
        .env_clear()
        .env("TZ", "UTC")
        .output()
        .expect("the program starts");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = text.lines().find_map(|line| line.split_once(" (")).map(|(count, _)| count);
    (count.map_or(0, |count| count.parse().expect("a count")), output.status.code(), err)
}

/// What a scan counted that reported no problem.
fn scan(log: &Path) -> u64 {
    let (count, status, err) = look(log);
    assert_eq!((status, &*err), (Some(0), ""));
    count
}

/// Scans a log that a writer appends to and `rotate` rotates, with the number of the rotation.
fn scans(way: &str, rotate: impl Fn(&Path, u32) + Sync) {
    scans_by(way, |log| Some(scan(log)), Meanwhile::Waits, rotate);
}

/// What the writer does during a rotation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    /// It waits.
    Waits,
    /// It continues to write to its open file, as `rsyslogd` does until it gets a signal.
    Writes,
}

/// What scans have shown.
#[derive(Default)]
struct Shown {
    rotations: u64,
    lost: u64,
    twice: u64,
    /// The first scan that was wrong: its number, the lines that it counted, how many there were at least and
    /// at most, and when it was.
    wrong: Option<(u64, u64, u64, u64, Duration)>,
}

/// The same, with another way to scan, which returns no count if the program reports that it has no true one.
fn scans_by(
    way: &str,
    scan: impl Fn(&Path) -> Option<u64>,
    meanwhile: Meanwhile,
    rotate: impl Fn(&Path, u32) + Sync,
) {
    let scans = times("SPAM_CHECK_SCANS", 60);
    let mut shown = Shown::default();
    // With a fresh log now and then: with hundreds of rotated logs a scan is slow.
    let mut left = scans;
    while left > 0 {
        let some = left.min(100);
        scans_of_one_log(some, &scan, meanwhile, &rotate, &mut shown);
        left -= some;
    }
    let Shown { rotations, lost, twice, wrong } = shown;
    eprintln!(
        "figure: {way}: {scans} scans, {rotations} rotations, {lost} lines lost, {twice} twice"
    );
    assert_eq!(wrong, None, "scan, lines counted of so many to so many, after");
    assert!(rotations > 0, "nothing was rotated");
}

/// So many scans of one log.
fn scans_of_one_log(
    scans: u64,
    scan: impl Fn(&Path) -> Option<u64>,
    meanwhile: Meanwhile,
    rotate: impl Fn(&Path, u32) + Sync,
    shown: &mut Shown,
) {
    let dir = Directory::new();
    let log = PathBuf::from(dir.file("mail.log", ""));
    let (written, rotated, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let (log, rotate, written, rotated, done) = (&log, &rotate, &written, &rotated, &done);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let (mut rotations, mut number) = (0, 0);
            let mut file = append(log);
            let mut write = |file: &mut File| {
                let line = accepted("17:50:00", "bob").replace("NOQUEUE", &format!("{number:08}"));
                file.write_all(line.as_bytes()).expect("a temporary file");
                written.fetch_add(1, Ordering::Release);
                number += 1;
            };
            while !done.load(Ordering::Acquire) {
                for _ in 0..200 {
                    write(&mut file);
                }
                rotations += 1;
                let rotation = scope.spawn(move || rotate(log, rotations));
                while meanwhile == Meanwhile::Writes && !rotation.is_finished() {
                    write(&mut file);
                    std::thread::sleep(Duration::from_micros(200));
                }
                rotation.join().expect("the log is rotated");
                rotated.fetch_add(1, Ordering::Relaxed);
                file = append(log);
            }
        });
        // A scan that fails must not leave the writer writing.
        let _stop = Stop(done);
        let begin = Instant::now();
        for number in 0..scans {
            let least = written.load(Ordering::Acquire);
            let counted = scan(log);
            let most = written.load(Ordering::Acquire) + 1;
            let Some(counted) = counted else { continue };
            shown.lost += least.saturating_sub(counted);
            shown.twice += counted.saturating_sub(most);
            if !(least..=most).contains(&counted) {
                shown.wrong.get_or_insert((number, counted, least, most, begin.elapsed()));
            }
        }
    });
    shown.rotations += rotated.load(Ordering::Relaxed);
}

/// Says that all is done when it goes.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Between two rotations: a day is long, and a scan is short, though it grows with the number of rotated logs.
fn pause(rotated: u32) {
    std::thread::sleep(Duration::from_millis(30 + u64::from(rotated)));
}

fn append(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).expect("a temporary file")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Moves `LOG.1` to `LOG.2` and so on, oldest first.
fn shift(log: &Path, suffix: &str) {
    for number in (1..3000).rev() {
        let from = with_suffix(log, &format!(".{number}{suffix}"));
        if from.exists() {
            let to = with_suffix(log, &format!(".{}{suffix}", number + 1));
            fs::rename(from, to).expect("a temporary file");
        }
    }
}

#[test]
fn rename_and_create() {
    scans("rename and create", |log, number| {
        shift(log, "");
        fs::rename(log, with_suffix(log, ".1")).expect("a temporary file");
        append(log);
        pause(number);
    });
}

#[test]
fn dated_names() {
    scans("dated names", |log, number| {
        let rotated = with_suffix(log, &format!("-20261123-{number:08}"));
        fs::rename(log, rotated).expect("a temporary file");
        append(log);
        pause(number);
    });
}

#[test]
fn compressed_a_rotation_later() {
    scans("compressed a rotation later", |log, number| {
        shift(log, ".gz");
        let first = with_suffix(log, ".1");
        if first.exists() {
            // As logrotate does: write the packed file, then remove the plain one.
            let second = with_suffix(log, ".2");
            fs::rename(&first, &second).expect("a temporary file");
            let packed = Command::new("gzip").arg("-q").arg(&second).status();
            assert!(packed.expect("gzip runs").success());
        }
        fs::rename(log, first).expect("a temporary file");
        append(log);
        pause(number);
    });
}

#[test]
fn a_log_that_is_truncated_or_removed_under_a_scan_is_told_or_was_read_whole() {
    let line = accepted("17:50:00", "bob");
    let lines = (24 << 20) / line.len();
    for round in 0..24 {
        let dir = Directory::new();
        let log = dir.file("mail.log", line.repeat(lines));
        let child = Command::new(program("postfix-spam-check"))
            .args(["-m", "1", "--now", "2026-11-23 17:58:00", "--overrides=/dev/null", "-l", &log])
            .env_clear()
            .env("TZ", "UTC")
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("the program starts");
        std::thread::sleep(Duration::from_millis(round));
        match round % 3 {
            0 => fs::remove_file(&log).expect("it was just written"),
            1 => File::create(&log).map(|_| ()).expect("it was just written"),
            _ => File::create(&log)
                .and_then(|mut log| log.write_all(&vec![b'x'; 32 << 20]))
                .expect("it was just written"),
        }
        let output = child.wait_with_output().expect("it ends");
        let (out, err) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
        let whole = String::from_utf8_lossy(&out).contains(&format!("\n{lines} ("));
        let told = ["shrank while", "rewritten", "cannot be read", "nothing was checked"];
        match output.status.code() {
            Some(0) => assert!(err.is_empty() && (whole || out.is_empty()), "{round}: {err}"),
            Some(1) => assert!(told.iter().any(|told| err.contains(told)), "{round}: {err}"),
            other => panic!("{round}: {other:?}: {err}"),
        }
    }
}

/// Real logrotate(8).
mod logrotate {
    use super::*;

    /// Rotates by force, as the options say; each rotation is a day after the last, as names with a date in
    /// them need it.
    fn logrotate(log: &Path, day: u32, options: &str) {
        let dir = log.parent().expect("a directory");
        let config = dir.join("logrotate.conf");
        let text = format!("{} {{\nrotate 5000\n{options}\n}}\n", log.display());
        fs::write(&config, text).expect("a temporary file");
        let output = Command::new("faketime")
            .args(["-f", &format!("+{day}d"), "logrotate", "-f", "-s"])
            .args([&dir.join("state"), &config])
            .output();
        let output = output.expect("logrotate and faketime are there");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && err.is_empty(), "{err}");
        assert_eq!(fs::metadata(log).expect("a new log").len(), 0, "rotation {day} did nothing");
        pause(day);
    }

    /// Every line once, whatever is written meanwhile.
    fn each_line_once(meanwhile: Meanwhile, options: &str) {
        let writer = if meanwhile == Meanwhile::Writes { ", the writer goes on" } else { "" };
        let way = format!("logrotate, {}{writer}", options.replace('\n', ", "));
        scans_by(&way, |log| Some(scan(log)), meanwhile, |log, day| logrotate(log, day, options));
    }

    #[test]
    #[ignore = "takes logrotate: tests/rotation-logrotate"]
    fn create() {
        each_line_once(Meanwhile::Waits, "create");
    }

    #[test]
    #[ignore = "takes logrotate: tests/rotation-logrotate"]
    fn create_while_the_writer_goes_on() {
        each_line_once(Meanwhile::Writes, "create");
    }

    #[test]
    #[ignore = "takes logrotate: tests/rotation-logrotate"]
    fn dateext() {
        each_line_once(Meanwhile::Waits, "create\ndateext");
    }

    #[test]
    #[ignore = "takes logrotate: tests/rotation-logrotate"]
    fn compress() {
        each_line_once(Meanwhile::Waits, "create\ncompress");
    }

    #[test]
    #[ignore = "takes logrotate: tests/rotation-logrotate"]
    fn compress_dateext() {
        each_line_once(Meanwhile::Waits, "create\ncompress\ndateext");
    }

    #[test]
    #[ignore = "takes logrotate: tests/rotation-logrotate"]
    fn delaycompress_while_the_writer_goes_on() {
        each_line_once(Meanwhile::Writes, "create\ncompress\ndelaycompress");
    }

    #[test]
    #[ignore = "takes logrotate: tests/rotation-logrotate"]
    fn delaycompress_dateext_while_the_writer_goes_on() {
        each_line_once(Meanwhile::Writes, "create\ncompress\ndelaycompress\ndateext");
    }

    /// A log that is truncated while it is read cannot be counted; that is told, and the next run counts.
    #[test]
    #[ignore = "takes logrotate: tests/rotation-logrotate"]
    fn copytruncate_is_exact_or_told() {
        let told = AtomicU64::new(0);
        let exact_or_told = |log: &Path| {
            let (count, status, err) = look(log);
            match (status, &*err) {
                (Some(0), "") => Some(count),
                (Some(1), err) if err.contains("shrank while") || err.contains("rewritten") => {
                    told.fetch_add(1, Ordering::Relaxed);
                    None
                }
                other => panic!("{other:?}"),
            }
        };
        scans_by("logrotate, copytruncate", exact_or_told, Meanwhile::Waits, |log, day| {
            logrotate(log, day, "copytruncate");
        });
        let (told, scans) = (told.into_inner(), times("SPAM_CHECK_SCANS", 60));
        eprintln!("figure: {told} of {scans} scans met a log that shrank, and said so");
        assert!(told <= scans / 10, "{told} of {scans} scans had no count");
    }
}
