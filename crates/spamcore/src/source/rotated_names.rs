//! The names of rotated logs, as `logrotate` and `newsyslog` give them.
//!
//! Takes a log's path and gives the paths of its rotated logs, newest first. It reads directories and, where
//! names leave a doubt, asks when files were last written; it opens none of them.

use std::cmp::Reverse;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Compressing a log takes no longer.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Whether a log has rotated logs.
pub(super) fn has_rotated_logs(path: &Path) -> bool {
    rotated_logs_of(path).is_ok_and(|names| !names.is_empty())
}

/// The rotated logs of a log, newest first: those beside what it is a link to, else those beside itself.
pub(super) fn rotated_logs_of(path: &Path) -> io::Result<Vec<PathBuf>> {
    // A link may lead nowhere while what it leads to is rotated.
    let end = std::fs::canonicalize(path)
        .or_else(|_| std::fs::read_link(path).map(|end| parent_of(path).join(end)));
    if path.is_symlink()
        && let Ok(end) = end
        && let Ok(rotated @ [_, ..]) = rotated_logs_beside(&end).as_deref()
    {
        return Ok(rotated.to_vec());
    }
    rotated_logs_beside(path)
}

/// The rotated logs of a log in its directory, newest first, each once: plain where it is there both ways.
fn rotated_logs_beside(path: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(log) = path.file_name() else { return Ok(Vec::new()) };
    let dir = parent_of(path);
    let mut found: Vec<(Age, bool, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        if let Some((age, compressed)) = age_of(name.as_encoded_bytes(), log.as_encoded_bytes()) {
            found.push((age, compressed, dir.join(&name)));
        }
    }
    found.sort();
    found.dedup_by(|(later, _, other), (kept, _, path)| {
        let same = later == kept;
        // One was left there when logrotate was told to compress otherwise. Compressing takes no day.
        if same && written(other) > written(path).map(|at| at + DAY) {
            std::mem::swap(other, path);
        }
        same
    });
    let mut numbered: Vec<_> = Vec::new();
    let mut dated: Vec<_> = Vec::new();
    let mut backups: Vec<_> = Vec::new();
    for (age, _, path) in found {
        match age {
            Age::Backup(_) => backups.push(path),
            Age::Number(_) => numbered.push(path),
            Age::Date(_) => dated.push(path),
        }
    }
    // Both kinds stand side by side after a change of logrotate's dateext: the one in use is newer.
    let newest = |paths: &[PathBuf]| paths.first().and_then(|path| written(path));
    let (first, second) =
        if newest(&dated) >= newest(&numbered) { (dated, numbered) } else { (numbered, dated) };
    Ok(backups.into_iter().chain(first).chain(second).collect())
}

fn written(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

pub(super) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// How old a rotated log is by its name; the newest is the least.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    /// Of whatever time: it does not say how old others are.
    Backup(Reverse<Vec<u8>>),
    Number(u64),
    Date(Reverse<Vec<u8>>),
}

/// What a file's name says if it is a rotated log of a log of that name, and whether it says that the file is
/// compressed.
fn age_of(name: &[u8], log: &[u8]) -> Option<(Age, bool)> {
    const COMPRESSED: [&[u8]; 7] = [b".gz", b".xz", b".zst", b".bz2", b".lz4", b".Z", b".lzma"];
    let plain = COMPRESSED.iter().find_map(|compressed| name.strip_suffix(*compressed));
    let name = plain.unwrap_or(name);
    if let Some(suffix) = name.strip_prefix(log).and_then(|name| name.strip_suffix(BACKUP)) {
        let hour = suffix.strip_prefix(b"-").filter(|hour| hour.len() == 10)?;
        let digits = hour.iter().all(u8::is_ascii_digit);
        return digits.then(|| (Age::Backup(Reverse(hour.to_vec())), plain.is_some()));
    }
    let behind = || age(name.strip_prefix(log)?);
    let before_extension = || {
        let dot = log.iter().rposition(|b| *b == b'.').filter(|dot| *dot > 0)?;
        age(name.strip_prefix(&log[..dot])?.strip_suffix(&log[dot..])?)
    };
    Some((behind().or_else(before_extension)?, plain.is_some()))
}

/// How logrotate ends the name of a file that was in the way of the new log.
const BACKUP: &[u8] = b".backup";

pub(super) fn is_backup(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(BACKUP)
}

/// What a suffix says.
fn age(suffix: &[u8]) -> Option<Age> {
    let (&mark, name) = suffix.split_first()?;
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    match mark {
        b'.' if digits(name) && name.len() <= 6 => {
            Some(Age::Number(std::str::from_utf8(name).ok()?.parse().ok()?))
        }
        b'-' | b'.' => {
            let dashed = |(at, b): (usize, &u8)| {
                if at == 4 || at == 7 { *b == b'-' } else { b.is_ascii_digit() }
            };
            let (date, rest) = match name.split_at_checked(10) {
                Some((date, rest)) if date.iter().enumerate().all(dashed) => {
                    (date.iter().copied().filter(|b| *b != b'-').collect(), rest)
                }
                Some((seconds, rest)) if digits(seconds) && seconds < EPOCH => {
                    (date_of(seconds)?, rest)
                }
                _ => (name.get(..8).filter(|date| digits(date))?.to_vec(), &name[8..]),
            };
            let is_allowed = |b: &u8| b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'T' | b'.');
            rest.iter().all(is_allowed).then(|| Age::Date(Reverse([&date, rest].concat())))
        }
        _ => None,
    }
}

/// Of ten digits, less than this are seconds since 1970 (logrotate's `%s`), until 2032; what is not less is
/// a date of this century and an hour.
const EPOCH: &[u8] = b"1970010100";

/// `YYYYMMDDhhmmss` of seconds since 1970.
fn date_of(seconds: &[u8]) -> Option<Vec<u8>> {
    let seconds = std::str::from_utf8(seconds).ok()?.parse().ok()?;
    let at = time::OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    let ((year, month, day), (hour, minute, second)) =
        (at.date().to_calendar_date(), at.time().as_hms());
    let month = u8::from(month);
    Some(format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}").into_bytes())
}

/// Whether a path is named like a rotated log itself, so that it has none. The address of a host is no such name.
pub(super) fn is_rotated_name(path: &Path) -> bool {
    let Some(name) = path.file_name() else { return false };
    if name.to_str().is_some_and(|name| name.parse::<std::net::IpAddr>().is_ok()) {
        return false;
    }
    let name = name.as_encoded_bytes();
    (1..name.len()).any(|at| age_of(&name[at..], b"").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rotated_logs() {
        for (name, want) in [
            ("mail.log.1", true),
            ("mail.log.12.gz", true),
            ("mail.log-20261123", true),
            ("mail.log-20261123.gz", true),
            ("mail.log-2026-11-23", true),
            ("mail.log-2026-11-23.gz", true),
            ("mail.log-2026-11-23-17.gz", true),
            ("mail.log-2026-11-2x", false),
            ("mail.log-2026-11-23x", false),
            ("mail.log-20261123-1795456675.zst", true),
            ("mail.log.20261123", true),
            ("mail.log-1795456675", true),
            ("mail-20261123.log", true),
            ("mail-20261123.log.gz", true),
            ("mail.1.log", true),
            ("mail.log", false),
            ("mail.log.gz", false),
            ("mail.log-2026112317.backup", true),
            ("mail.log-20261123.backup", false),
            ("mail.log.backup", false),
            ("mail.log.old", false),
            ("mail.old.log", false),
            ("mail.log-2026", false),
            ("mail.log.1.bak", false),
            ("mail.logger.1", false),
            ("mail-1.log", false),
        ] {
            assert_eq!(age_of(name.as_bytes(), b"mail.log").is_some(), want, "{name}");
        }
        assert!(age_of(b"-20261123.htaccess", b".htaccess").is_none(), "that is no extension");
        assert!(is_rotated_name(Path::new("/var/log/mail.log.1")));
        assert!(is_rotated_name(Path::new("mail.log-20261123.gz")));
        assert!(!is_rotated_name(Path::new("/var/log/mail.log")));
        assert!(!is_rotated_name(Path::new("/var/log/host-1/mail.log")));
        assert!(!is_rotated_name(Path::new("/var/log/hosts/192.0.2.5")));
    }

    fn dir(of: &str, names: &[&str]) -> PathBuf {
        let dir =
            std::env::temp_dir().join(format!("spamcore-rotated-{of}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a temporary directory");
        for name in names {
            std::fs::write(dir.join(name), "x").expect("a temporary file");
        }
        dir
    }

    fn names(path: &Path) -> Vec<String> {
        let names = rotated_logs_of(path).expect("readable");
        names.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
    }

    #[test]
    fn the_newest_rotated_log_comes_first() {
        let numbered = [
            "log",
            "log.1",
            "log.10.gz",
            "log.2",
            "log.2.gz",
            "log.x",
            "log.3.xz",
            "log-2026112317.backup",
        ];
        let at = dir("numbers", &numbered);
        let want = ["log-2026112317.backup", "log.1", "log.2", "log.3.xz", "log.10.gz"];
        assert_eq!(names(&at.join("log")), want);
        std::fs::remove_dir_all(&at).expect("it was just made");

        let dated = [
            "log-20261122",
            "log-1795456675",
            "log-2026-11-24-01",
            "log-2026112318",
            "log-20261123",
        ];
        let at = dir("dates", &dated);
        let want = [
            "log-2026-11-24-01",
            "log-2026112318",
            "log-1795456675",
            "log-20261123",
            "log-20261122",
        ];
        assert_eq!(names(&at.join("log")), want);
        std::fs::remove_dir_all(&at).expect("it was just made");
    }

    #[test]
    fn of_two_that_were_compressed_otherwise_the_one_in_use_is_taken() {
        let at = dir("stale", &["log", "log.1", "log.1.gz", "log.2.gz", "log.2.xz"]);
        let aged = |name: &str, days: u32| {
            let written = SystemTime::now() - DAY * days;
            let file = std::fs::File::open(at.join(name)).expect("it was just made");
            file.set_modified(written).expect("it is ours");
        };
        aged("log.1", 1);
        assert_eq!(names(&at.join("log")), ["log.1", "log.2.gz"], "it is being compressed");
        aged("log.1", 2);
        aged("log.2.gz", 30);
        assert_eq!(names(&at.join("log")), ["log.1.gz", "log.2.xz"]);
        std::fs::remove_dir_all(&at).expect("it was just made");
    }

    #[test]
    fn rotated_logs_stand_beside_the_end_of_a_link() {
        let at = dir("linked", &["real.log", "real.log.1"]);
        let link = at.join("log");
        std::os::unix::fs::symlink("real.log", &link).expect("a link");
        assert_eq!(names(&link), ["real.log.1"]);
        std::fs::remove_file(at.join("real.log")).expect("it is rotated");
        assert_eq!(names(&link), ["real.log.1"]);
        std::fs::remove_file(at.join("real.log.1")).expect("it was just made");
        std::fs::write(at.join("log.1"), "x").expect("a temporary file");
        assert_eq!(names(&link), ["log.1"], "it was a plain log before");
        std::fs::remove_dir_all(&at).expect("it was just made");
    }
}
