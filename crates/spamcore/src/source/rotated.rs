//! Opening a log together with its rotated logs, as far back as the period requires.
//!
//! Takes a path and the start of the period, and gives open files, the oldest first. Nothing is counted
//! twice or lost because of a rotation in the meantime:
//!
//! - The newest file is opened first, and all are held open. A file is taken once, whatever its names are
//!   (by device and inode). If names or files change while they are being opened, everything is opened again.
//! - A rotated log that starts as the log does, and was written just now, may be the copy that `copytruncate`
//!   makes. A moment later the log has been truncated; or the copy has grown, and is left out; or the two are
//!   alike by chance, and both count.
//! - A log that is missing (with logrotate's `nocreate`, until the next line is written) still has its
//!   rotated logs, if they were written recently.
//!
//! How far back: a plain rotated log is taken if its last lines are in the period. A compressed one would
//! have to be decompressed to see that, so it is taken if most of the first lines of the next newer file are
//! in the period; a single late line makes no difference.

use std::collections::HashSet;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::access::Access;
use super::rotated_names::{
    Directories, has_rotated_logs, is_backup, is_rotated_name, parent_of, rotated_logs_of,
};
use super::{Input, InstantOf, Log, LogFile, Span, identity, read_up_to};
use crate::error::Error;
use crate::source::lines::split;

/// How much of the start of a file is looked at to see when it was written, in bytes.
const SAMPLE: u64 = 64 << 10;

/// How many lines at the start of a file are looked at.
const VOTES: usize = 15;

/// For about how long a log is missing while it is rotated.
const ROTATION: Duration = Duration::from_millis(10);

/// How often to wait for that.
const WAITS: usize = 100;

/// A copy that was last written longer ago is finished.
const FRESH: Duration = Duration::from_secs(2);

/// A missing log counts as rotated if the newest rotated log is no older: even programs that log rarely do so
/// once a day.
const RECENT: Duration = Duration::from_secs(24 * 3600);

/// A file that starts or ends this shortly before the period counts as reaching into it, because its first
/// and last lines may be out of order. Seconds.
const NEAR: i64 = 300;

/// How often to open all files again if they are rotated in the meantime.
const TRIES: usize = 20;

/// Opens a log and the rotated logs into which a period that starts at `start` reaches.
pub(super) fn open(
    path: &Path,
    start: i64,
    directories: &Directories,
    access: Access,
    instant_of: InstantOf<'_>,
) -> Result<Log, Error> {
    // The length of a rotated log that may be an unfinished copy, and whether it was seen to grow.
    let (mut copied, mut grew) = (None, false);
    for _ in 1..TRIES {
        let is_missing = match wait_for(path, directories) {
            Ok(_) => false,
            Err(_) if is_missing_after_rotation(path, directories) => true,
            Err(source) => return Err(Error::Read { path: path.to_owned(), source }),
        };
        match Attempt::open(path, is_missing, start, directories, access, instant_of) {
            Ok(attempt) if attempt.copy.is_some() => {
                grew |= copied.is_some() && copied != attempt.copy;
                copied = attempt.copy;
                std::thread::sleep(2 * ROTATION);
            }
            Ok(attempt) if attempt.is_unchanged(path, directories) => {
                return attempt.finish(start, instant_of);
            }
            // Rotated logs are renamed one after the other; if there are many, that takes a while.
            Ok(_) => std::thread::sleep(ROTATION / 2),
            Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let mut attempt = Attempt::open(
        path,
        is_missing_after_rotation(path, directories),
        start,
        directories,
        access,
        instant_of,
    )?;
    if grew {
        attempt
            .files
            .retain(|(file, metadata)| !file.rotated || Some(metadata.len()) != attempt.copy);
    }
    if !attempt.is_unchanged(path, directories) {
        attempt.problems.push(Error::Rotating(path.to_owned()));
    }
    attempt.finish(start, instant_of)
}

/// Whether a log is missing, but a rotated log was written recently: it was rotated, and will be created when
/// the next line is logged.
pub(super) fn is_missing_after_rotation(path: &Path, directories: &Directories) -> bool {
    let missing = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
    std::fs::metadata(path).is_err_and(missing)
        && rotated_logs_of(path, directories)
            .is_ok_and(|names| names.iter().any(|name| is_recent(name, directories.wall)))
}

/// Whether a file was written recently, if it is a rotated log.
pub(super) fn is_recent(path: &Path, wall: SystemTime) -> bool {
    let written = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    written.is_ok_and(|written| wall.duration_since(written).unwrap_or_default() < RECENT)
}

/// Looks at a log. If it is missing, but has rotated logs, it is being rotated, and is waited for.
fn wait_for(path: &Path, directories: &Directories) -> io::Result<Metadata> {
    for _ in 1..WAITS {
        match std::fs::metadata(path) {
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && has_rotated_logs(path, directories) =>
            {
                std::thread::sleep(ROTATION);
            }
            other => return other,
        }
    }
    std::fs::metadata(path)
}

/// The files as they were opened, the newest first.
struct Attempt {
    /// Whether the log itself does not exist.
    is_missing: bool,
    files: Vec<(LogFile, Metadata)>,
    problems: Vec<Error>,
    names: Vec<PathBuf>,
    /// The length of a rotated log that was written just now and starts as the log does: `copytruncate` may
    /// be between its two steps.
    copy: Option<u64>,
}

impl Attempt {
    fn open(
        path: &Path,
        is_missing: bool,
        start: i64,
        directories: &Directories,
        access: Access,
        instant_of: InstantOf<'_>,
    ) -> Result<Self, Error> {
        let wall = directories.wall;
        let (files, problems, names) = (Vec::new(), Vec::new(), Vec::new());
        let mut attempt = Self { is_missing, files, problems, names, copy: None };
        if !is_missing {
            let first = LogFile::open(path, false, wall, access)?;
            let alone = matches!(first.0.input, Input::Compressed { .. }) || is_rotated_name(path);
            attempt.files.push(first);
            if alone {
                return Ok(attempt);
            }
        }
        match rotated_logs_of(path, directories) {
            Ok(names) => attempt.names = names,
            Err(source) => {
                let dir = parent_of(path).to_owned();
                attempt.problems.push(Error::Read { path: dir, source });
            }
        }
        attempt.open_rotated(start, wall, access, instant_of);
        Ok(attempt)
    }

    fn open_rotated(
        &mut self,
        start: i64,
        wall: SystemTime,
        access: Access,
        instant_of: InstantOf<'_>,
    ) {
        let start = start - NEAR;
        let mut known: HashSet<_> =
            self.files.iter().map(|(_, metadata)| identity(metadata)).collect();
        for name in self.names.clone() {
            // Only regular files are opened: opening a FIFO would block.
            match std::fs::metadata(&name) {
                Ok(metadata) if !metadata.is_file() => {
                    let why = "not a regular file";
                    self.problems.push(Error::Refused { path: name, why });
                    continue;
                }
                Ok(_) => {}
                // Renamed or removed in the meantime. The names are compared again at the end.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => {
                    self.problems.push(Error::Read { path: name, source });
                    continue;
                }
            }
            let needed_if_compressed = self.oldest_reaches_into_period(start, instant_of);
            let (file, metadata) = match LogFile::open(&name, true, wall, access) {
                Ok(opened) => opened,
                Err(_) if !needed_if_compressed => return,
                Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    continue;
                }
                Err(error) => {
                    self.problems.push(error);
                    continue;
                }
            };
            if !known.insert(identity(&metadata)) {
                continue;
            }
            if !self.is_missing && self.may_be_copy(&file, &metadata, wall) {
                self.copy = Some(metadata.len());
            }
            let needed = match &file.input {
                Input::Plain { .. } => newest_in(&file, instant_of).is_none_or(|at| at > start),
                _ => needed_if_compressed,
            };
            if !needed && is_backup(&name) {
                continue;
            }
            if !needed {
                return;
            }
            self.files.push((file, metadata));
        }
    }

    /// Whether the oldest file so far starts in the period, so that older files may be needed.
    fn oldest_reaches_into_period(&self, start: i64, instant_of: InstantOf<'_>) -> bool {
        self.files.last().is_none_or(|(file, _)| begins_after(file, start, instant_of))
    }

    /// Whether a rotated log may be a copy of the log, which was made a moment ago, before truncating it.
    fn may_be_copy(&self, rotated: &LogFile, metadata: &Metadata, wall: SystemTime) -> bool {
        let age = metadata.modified().ok().and_then(|at| wall.duration_since(at).ok());
        if age.is_some_and(|age| age > FRESH) {
            return false;
        }
        let (Input::Plain { file: copy, to, .. }, Some((log, _))) =
            (&rotated.input, self.files.first())
        else {
            return false;
        };
        let Input::Plain { file: log, to: length, .. } = &log.input else { return false };
        let size = usize::try_from((*to).min(4096)).unwrap_or(4096);
        let (mut a, mut b) = (vec![0; size], vec![0; size]);
        size > 0
            && *to <= *length
            && read_up_to(copy, &mut a).is_ok_and(|got| got == size)
            && read_up_to(log, &mut b).is_ok_and(|got| got == size)
            && a == b
    }

    /// Whether the names still belong to the files that were opened, and there are no others.
    fn is_unchanged(&self, path: &Path, directories: &Directories) -> bool {
        let same = |(file, metadata): &(LogFile, Metadata)| {
            std::fs::metadata(&file.path).is_ok_and(|now| identity(&now) == identity(metadata))
        };
        self.files.iter().all(same)
            && !(self.is_missing && path.exists())
            && (self.names.is_empty()
                || rotated_logs_of(path, directories).is_ok_and(|names| names == self.names))
    }

    /// The log, the oldest file first, each positioned at the start of the period.
    fn finish(mut self, start: i64, instant_of: InstantOf<'_>) -> Result<Log, Error> {
        for (file, _) in &mut self.files {
            let skipped = file.skip_to(start, instant_of);
            skipped.map_err(|source| Error::Read { path: file.path.clone(), source })?;
        }
        let files = self.files.into_iter().rev().map(|(file, _)| file).collect();
        Ok(Log { files, problems: self.problems })
    }
}

/// The newest timestamp at the end of an uncompressed file; none if none can be read there.
fn newest_in(file: &LogFile, instant_of: InstantOf<'_>) -> Option<i64> {
    file.tail()?.newest(instant_of)
}

/// Whether most of the first lines of a file with a timestamp are after `start`; true if none has one.
fn begins_after(file: &LogFile, start: i64, instant_of: InstantOf<'_>) -> bool {
    let head = match &file.input {
        Input::Plain { file, to, .. } => sample(file, (*to).min(SAMPLE)),
        Input::Compressed { file, to, compression, is_sparse } => {
            let span = Box::new(Span::of_bytes(file, *to, *is_sparse));
            let mut head = Vec::new();
            let mut input = io::Read::take(compression.decompress(span, Some(*to)), SAMPLE);
            // What comes before an error is enough here. The error is reported when the file is read.
            let _ = io::Read::read_to_end(&mut input, &mut head);
            Some(head)
        }
        Input::Stream(_) => None,
    };
    let head = head.unwrap_or_default();
    let votes: Vec<bool> =
        split(&head).filter_map(instant_of).take(VOTES).map(|at| at > start).collect();
    let after = votes.iter().filter(|after| **after).count();
    after * 2 >= votes.len()
}

fn sample(file: &std::fs::File, to: u64) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut text = Vec::new();
    Span::of_lines(file, 0, to, false).read_to_end(&mut text).ok()?;
    Some(text)
}
