//! Logs that are written, rotated and compressed while they are read: every line counts exactly once.
//!
//! `SPAM_CHECK_SCANS` says how many scans each way of rotating gets; a few by default. What was tried is told
//! on standard error, in lines that begin with `figure: `.

#![expect(clippy::print_stderr, reason = "figures are told")]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tests::{Folder, accepted, program, times};

/// What a scan counted for the one sender that there is.
fn scan(log: &Path) -> u64 {
    let output = Command::new(program("postfix-spam-check"))
        .args(["-m", "1", "--now", "2026-11-23 17:58:00", "--overrides=/dev/null", "-l"])
        .arg(log)
        .env_clear()
        .env("TZ", "UTC")
        .output()
        .expect("the program starts");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*err), (Some(0), ""));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = text.lines().find_map(|line| line.split_once(" (")).map(|(count, _)| count);
    count.map_or(0, |count| count.parse().expect("a count"))
}

/// Scans a log that a writer appends to and `rotate` rotates, with the number of the rotation.
fn scans(way: &str, rotate: impl Fn(&Path, u32) + Sync) {
    let scans = times("SPAM_CHECK_SCANS", 60);
    let folder = Folder::new();
    let log = PathBuf::from(folder.file("mail.log", ""));
    let (written, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let rotated = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut rotations = 0;
            let mut file = append(&log);
            while !done.load(Ordering::Acquire) {
                for number in 0..200 {
                    let line = accepted("17:50:00", "bob")
                        .replace("3F1A2B", &format!("{rotations:05}{number}"));
                    file.write_all(line.as_bytes()).expect("a temporary file");
                    written.fetch_add(1, Ordering::Release);
                }
                rotations += 1;
                rotate(&log, rotations);
                rotated.fetch_add(1, Ordering::Relaxed);
                file = append(&log);
            }
        });
        // A scan that fails must not leave the writer writing.
        let _stop = Stop(&done);
        let begin = Instant::now();
        let (mut lost, mut twice, mut first) = (0, 0, None);
        for number in 0..scans {
            let least = written.load(Ordering::Acquire);
            let counted = scan(&log);
            let most = written.load(Ordering::Acquire) + 1;
            lost += least.saturating_sub(counted);
            twice += counted.saturating_sub(most);
            if !(least..=most).contains(&counted) {
                first.get_or_insert((number, counted, least, most, begin.elapsed()));
            }
        }
        let rotated = rotated.load(Ordering::Relaxed);
        eprintln!(
            "figure: {way}: {scans} scans, {rotated} rotations, {lost} lines lost, {twice} twice"
        );
        assert_eq!(first, None, "scan, lines counted of so many to so many, after");
        assert!(rotated > 0, "nothing was rotated");
    });
}

/// Says that all is done when it goes.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Between two rotations: a day is long, and a scan is short, though it grows with the number of elders.
fn pause(elders: u32) {
    std::thread::sleep(Duration::from_millis(30 + u64::from(elders)));
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
        let elder = with_suffix(log, &format!("-20261123-{number:08}"));
        fs::rename(log, elder).expect("a temporary file");
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
        let folder = Folder::new();
        let log = folder.file("mail.log", line.repeat(lines));
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
        let told = ["shrank while", "written anew", "cannot be read", "blind"];
        match output.status.code() {
            Some(0) => assert!(err.is_empty() && (whole || out.is_empty()), "{round}: {err}"),
            Some(1) => assert!(told.iter().any(|told| err.contains(told)), "{round}: {err}"),
            other => panic!("{round}: {other:?}: {err}"),
        }
    }
}
