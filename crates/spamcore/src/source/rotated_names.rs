//! The names of rotated logs, as `logrotate` and `newsyslog` choose them.
//!
//! Takes the path of a log and gives the paths of its rotated logs, newest first. It reads directories, and
//! where names are not enough, the times of files; it does not open them.
//!
//! The names are `LOG.1`, `LOG-YYYYMMDD` or `LOG-YYYY-MM-DD` (optionally with a time of day) and
//! `LOG-SECONDS`, with or without the suffix of a compression. For `mail.log` also `mail.1.log` and so on
//! (logrotate's `extension`). `LOG-YYYYMMDDHH.backup` is a log that was in logrotate's way: a program had
//! already created and written it when logrotate was about to create the new one. Rotated logs are in the
//! directory of the log, or of the file to which it is a symbolic link.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A log that is being compressed is compressed within this time.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A directory whose last change is longer ago than this when the program starts has not changed since: times of
/// files are less exact than the clock.
const SETTLED: Duration = Duration::from_secs(2);

/// Directories, listed as often as necessary. Where there are many logs in one directory, it would be listed for
/// each of them again and again.
#[derive(Debug)]
pub struct Directories {
    /// The time on this host's clock when the program started.
    pub wall: SystemTime,
    /// The device and inode of the directory that was listed last, and its names, sorted.
    last: RefCell<Option<(Identity, Vec<OsString>)>>,
}

/// Device and inode.
type Identity = (u64, u64);

impl Directories {
    /// None has been listed yet. `wall` is the time on this host's clock.
    pub fn new(wall: SystemTime) -> Self {
        Self { wall, last: RefCell::default() }
    }

    /// The names in a directory that begin with this text, in byte order.
    fn names(&self, dir: &Path, start: &[u8]) -> io::Result<Vec<OsString>> {
        let begins = |name: &OsString| name.as_encoded_bytes().starts_with(start);
        let metadata = std::fs::metadata(dir)?;
        let identity = super::identity(&metadata);
        let is_settled = metadata.modified().is_ok_and(|at| at + SETTLED < self.wall);
        if is_settled
            && let Some((known, names)) = &*self.last.borrow()
            && *known == identity
        {
            let first = names.partition_point(|name| name.as_encoded_bytes() < start);
            return Ok(names[first..].iter().take_while(|name| begins(name)).cloned().collect());
        }
        let names: io::Result<Vec<_>> =
            std::fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect();
        let mut names = names?;
        names.sort_unstable();
        let found = names.iter().filter(|name| begins(name)).cloned().collect();
        *self.last.borrow_mut() = is_settled.then_some((identity, names));
        Ok(found)
    }
}

/// Whether a log has rotated logs.
pub(super) fn has_rotated_logs(path: &Path, directories: &Directories) -> bool {
    rotated_logs_of(path, directories).is_ok_and(|names| !names.is_empty())
}

/// The rotated logs of a log, newest first: those next to the target of its link, or else next to itself.
pub(super) fn rotated_logs_of(path: &Path, directories: &Directories) -> io::Result<Vec<PathBuf>> {
    // The link may be dangling while its target is being rotated.
    let end = std::fs::canonicalize(path)
        .or_else(|_| std::fs::read_link(path).map(|end| parent_of(path).join(end)));
    if path.is_symlink()
        && let Ok(end) = end
        && let Ok(rotated @ [_, ..]) = rotated_logs_beside(&end, directories).as_deref()
    {
        return Ok(rotated.to_vec());
    }
    rotated_logs_beside(path, directories)
}

/// The rotated logs in the directory of a log, newest first. One that is there both plain and compressed is
/// given once, usually plain.
fn rotated_logs_beside(path: &Path, directories: &Directories) -> io::Result<Vec<PathBuf>> {
    let Some(log) = path.file_name() else { return Ok(Vec::new()) };
    let dir = parent_of(path);
    let mut found: Vec<(Age, bool, PathBuf)> = Vec::new();
    for name in directories.names(dir, before_extension(log.as_encoded_bytes()))? {
        if let Some((age, compressed)) = age_of(name.as_encoded_bytes(), log.as_encoded_bytes()) {
            found.push((age, compressed, dir.join(&name)));
        }
    }
    found.sort();
    found.dedup_by(|(later, _, other), (kept, _, path)| {
        let same = later == kept;
        // Over a day older than the other: left behind when logrotate's compression was changed. If the log
        // is only just being compressed, the difference is smaller.
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
    // After a change of logrotate's dateext there are both kinds, and the one in use is newer.
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

/// The age of a rotated log according to its name. The newest is the least.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    /// Of any age: it says nothing about the age of others.
    Backup(Reverse<Vec<u8>>),
    Number(u64),
    Date(Reverse<Vec<u8>>),
}

/// The suffixes of compressed files.
const SUFFIXES: [&[u8]; 7] = [b".gz", b".xz", b".zst", b".bz2", b".lz4", b".Z", b".lzma"];

/// If a file's name is that of a rotated log of `log`: its age, and whether the name has the suffix of a
/// compression.
fn age_of(name: &[u8], log: &[u8]) -> Option<(Age, bool)> {
    let plain = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(*suffix));
    let name = plain.unwrap_or(name);
    if let Some(suffix) = name.strip_prefix(log).and_then(|name| name.strip_suffix(BACKUP)) {
        let hour = suffix.strip_prefix(b"-").filter(|hour| hour.len() == 10)?;
        let digits = hour.iter().all(u8::is_ascii_digit);
        return digits.then(|| (Age::Backup(Reverse(hour.to_vec())), plain.is_some()));
    }
    let after_name = || age(name.strip_prefix(log)?);
    let before_extension = || {
        let (stem, extension) = log.split_at(before_extension(log).len());
        let extension = Some(extension).filter(|extension| !extension.is_empty())?;
        age(name.strip_prefix(stem)?.strip_suffix(extension)?)
    };
    Some((after_name().or_else(before_extension)?, plain.is_some()))
}

/// The name of a log up to its extension, with which the names of all its rotated logs begin.
fn before_extension(log: &[u8]) -> &[u8] {
    let dot = log.iter().rposition(|b| *b == b'.').filter(|dot| *dot > 0);
    &log[..dot.unwrap_or(log.len())]
}

/// The suffix that logrotate gives to a file that was in the way of the new log.
const BACKUP: &[u8] = b".backup";

pub(super) fn is_backup(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(BACKUP)
}

/// The age that a suffix of a name expresses.
fn age(suffix: &[u8]) -> Option<Age> {
    let (&separator, name) = suffix.split_first()?;
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    match separator {
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

/// Ten digits are seconds since 1970 (logrotate's `%s`) if they are less than this, which is right until
/// 2032; otherwise they are a date and an hour.
const EPOCH: &[u8] = b"1970010100";

/// Seconds since 1970 as `YYYYMMDDhhmmss`.
fn date_of(seconds: &[u8]) -> Option<Vec<u8>> {
    let seconds = std::str::from_utf8(seconds).ok()?.parse().ok()?;
    let at = time::OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    let ((year, month, day), (hour, minute, second)) =
        (at.date().to_calendar_date(), at.time().as_hms());
    let month = u8::from(month);
    Some(format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}").into_bytes())
}

/// Whether a path has the name of a rotated log itself. An IP address, as logs of other hosts are sometimes
/// named, is not such a name.
pub(super) fn is_rotated_name(path: &Path) -> bool {
    let name = path.file_name().map(std::ffi::OsStr::as_encoded_bytes);
    name.is_some_and(|name| bases_after_name(name).next().is_some())
}

/// The logs of which a file with this name could be a rotated log, by names such as `mail.log.1`.
pub(super) fn bases_after_name(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_address =
        std::str::from_utf8(name).is_ok_and(|name| name.parse::<std::net::IpAddr>().is_ok());
    let ends = if is_address { 0 } else { name.len() };
    (1..ends).filter(|&at| age_of(&name[at..], b"").is_some()).map(|at| &name[..at])
}

/// The logs of which a file with this name could be a rotated log, also by names such as `mail.1.log`.
pub(super) fn bases_of(name: &[u8]) -> Vec<Vec<u8>> {
    let mut bases: Vec<_> = bases_after_name(name).map(<[u8]>::to_vec).collect();
    // A suffix of a compression is not the extension.
    let end = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(*suffix)).unwrap_or(name);
    if let Some(dot) = end.iter().rposition(|b| *b == b'.') {
        let (stem, extension) = end.split_at(dot);
        bases.extend(bases_after_name(stem).map(|base| [base, extension].concat()));
    }
    bases
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
        assert!(age_of(b"-20261123.htaccess", b".htaccess").is_none(), "not an extension");
        assert!(is_rotated_name(Path::new("/var/log/mail.log.1")));
        assert!(is_rotated_name(Path::new("mail.log-20261123.gz")));
        assert!(!is_rotated_name(Path::new("/var/log/mail.log")));
        assert!(!is_rotated_name(Path::new("/var/log/host-1/mail.log")));
        assert!(!is_rotated_name(Path::new("/var/log/hosts/192.0.2.5")));
    }

    fn dir(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for name in names {
            std::fs::write(dir.path().join(name), "x").expect("a temporary file");
        }
        dir
    }

    fn names(path: &Path) -> Vec<String> {
        let directories = Directories::new(SystemTime::now());
        let names = rotated_logs_of(path, &directories).expect("readable");
        names.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
    }

    #[test]
    fn a_directory_is_listed_once_unless_it_has_changed() {
        let dir = dir(&["a.log", "a.log.1", "a.1.log", "b.log.1"]);
        let change = |days: u64| {
            let at = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
            std::fs::File::open(dir.path()).and_then(|file| file.set_modified(at)).expect("ours");
        };
        let directories = Directories::new(SystemTime::now());
        let count = || {
            let names = rotated_logs_of(&dir.path().join("a.log"), &directories).expect("readable");
            names.len()
        };
        assert_eq!(count(), 1, "of two copies one");
        assert!(directories.last.borrow().is_none(), "it was made just now");
        change(2);
        assert_eq!(count(), 1);
        assert!(directories.last.borrow().is_some());
        std::fs::write(dir.path().join("a.log.2"), "x").expect("a temporary file");
        assert_eq!(count(), 2, "it has changed");
        change(1);
        assert_eq!((count(), count()), (2, 2));
        std::fs::remove_file(dir.path().join("a.log.2")).expect("it was just made");
        change(1);
        assert_eq!(count(), 2, "nobody changes a directory and the time of that");
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
        let at = dir(&numbered);
        let want = ["log-2026112317.backup", "log.1", "log.2", "log.3.xz", "log.10.gz"];
        assert_eq!(names(&at.path().join("log")), want);

        let dated = [
            "log-20261122",
            "log-1795456675",
            "log-2026-11-24-01",
            "log-2026112318",
            "log-20261123",
        ];
        let at = dir(&dated);
        let want = [
            "log-2026-11-24-01",
            "log-2026112318",
            "log-1795456675",
            "log-20261123",
            "log-20261122",
        ];
        assert_eq!(names(&at.path().join("log")), want);
    }

    #[test]
    fn of_two_copies_the_one_that_is_not_left_over_is_taken() {
        let dir = dir(&["log", "log.1", "log.1.gz", "log.2.gz", "log.2.xz"]);
        let aged = |name: &str, days: u32| {
            let written = SystemTime::now() - DAY * days;
            let file = std::fs::File::open(dir.path().join(name)).expect("it was just made");
            file.set_modified(written).expect("it was just made");
        };
        aged("log.1", 1);
        assert_eq!(names(&dir.path().join("log")), ["log.1", "log.2.gz"], "it is being compressed");
        aged("log.1", 2);
        aged("log.2.gz", 30);
        assert_eq!(names(&dir.path().join("log")), ["log.1.gz", "log.2.xz"]);
    }

    #[test]
    fn rotated_logs_are_next_to_the_target_of_a_link() {
        let dir = dir(&["real.log", "real.log.1"]);
        let link = dir.path().join("log");
        std::os::unix::fs::symlink("real.log", &link).expect("a link");
        assert_eq!(names(&link), ["real.log.1"]);
        std::fs::remove_file(dir.path().join("real.log")).expect("it is rotated");
        assert_eq!(names(&link), ["real.log.1"]);
        std::fs::remove_file(dir.path().join("real.log.1")).expect("it was just made");
        std::fs::write(dir.path().join("log.1"), "x").expect("a temporary file");
        assert_eq!(names(&link), ["log.1"], "from before it was a link");
    }
}
