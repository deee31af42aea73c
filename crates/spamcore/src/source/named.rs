//! Which logs `--logs` and `--logs-from` name.
//!
//! Takes paths, patterns and files that list them, and gives [`NamedLogs`]: each log once, with the number of the
//! host that it belongs to. A path that exists is never a pattern. Of the files that match one, each is a log, in
//! byte order; rotated logs of another match are not logs of their own, because they are read with that log. One
//! that is missing only because it has just been rotated matches too.
//!
//! A pattern may lead through directories of customers, who can put there what they like. So a match that is not a
//! regular file is refused when it is opened, and no more than a hundred logs are read below a directory
//! of another user. Directories are listed here; no log is opened.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::is_there;
use super::rotated::{is_missing_after_rotation, is_recent};
use super::rotated_names::{Directories, bases_after_name, bases_of, is_rotated_name};
use crate::error::Error;
use crate::file::{read_file, strip_bom};
use crate::host::Host;
use crate::messages::{Messages, number};
use crate::pattern::Pattern;

/// How many logs one pattern may match.
const MOST: usize = 10_000;

/// How many logs are read below a directory of another user: he could make any number of them.
const MOST_OF_ANOTHER: usize = 100;

/// How many names are looked at in a directory of another user because of its logs.
const MOST_LISTED: usize = 1_000_000;

/// What an option names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogArg {
    /// A log or a pattern of logs; `-` is standard input.
    Path(PathBuf),
    /// A file with one of these on each line.
    List(PathBuf),
}

/// A log to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedLog {
    /// Its path; `-` for standard input.
    pub path: PathBuf,
    /// The number of its host, from 1; 0 if there is only one.
    pub number: u32,
    /// Only a regular file is read.
    pub plain_only: bool,
}

/// The logs to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedLogs {
    /// The logs, in order.
    pub list: Vec<NamedLog>,
    /// The log of each host, by its number less 1, as it was named; empty if there is only one host.
    pub names: Vec<String>,
}

impl NamedLogs {
    /// The logs that these arguments name, and with `journal` the journal too. What cannot be found is reported.
    pub fn new(args: &[LogArg], journal: bool, host: &Host, messages: &mut Messages) -> Self {
        let mut search = Search { host, messages, found: Vec::new() };
        for arg in args {
            match arg {
                LogArg::Path(path) => search.add(path),
                LogArg::List(file) => search.add_list(file),
            }
        }
        Self::numbered(search.found, journal)
    }

    /// Gives each host a number. A log that was named together with its rotated logs is of one host.
    fn numbered(found: Vec<(PathBuf, bool)>, journal: bool) -> Self {
        let named: HashSet<PathBuf> = found.iter().map(|(path, _)| path.clone()).collect();
        let mut numbers: HashMap<PathBuf, u32> = HashMap::new();
        let (mut list, mut names) = (Vec::new(), Vec::new());
        for (path, plain_only) in found {
            let base = if is_rotated_name(&path) { base_of(&path, &named) } else { None };
            let name = base.as_deref().filter(|base| named.contains(*base)).unwrap_or(&path);
            let name = name.display().to_string();
            let number =
                *numbers.entry(base.unwrap_or_else(|| path.clone())).or_insert_with(|| {
                    names.push(name);
                    u32::try_from(names.len()).unwrap_or(u32::MAX)
                });
            list.push(NamedLog { path, number, plain_only });
        }
        if journal {
            names.push("journal".into());
        }
        if names.len() < 2 {
            names.clear();
            for log in &mut list {
                log.number = 0;
            }
        }
        Self { list, names }
    }
}

/// The log of which a path is a rotated log, if that was named too, or exists.
fn base_of(path: &Path, named: &HashSet<PathBuf>) -> Option<PathBuf> {
    let mut bases = bases_after_name(path.file_name()?.as_bytes())
        .map(|base| path.with_file_name(OsStr::from_bytes(base)));
    bases.find(|base| named.contains(base) || base.exists())
}

/// Looks for logs. The paths that were found, each with whether it must be a regular file.
struct Search<'a> {
    host: &'a Host,
    messages: &'a mut Messages,
    found: Vec<(PathBuf, bool)>,
}

impl Search<'_> {
    fn add(&mut self, path: &Path) {
        if !Pattern::is_one(path.as_os_str().as_bytes()) || is_there(path) {
            return self.found.push((path.to_owned(), false));
        }
        let Host { uid, wall, .. } = *self.host;
        let directories = Directories::new(wall);
        let (found, problems) = (Vec::new(), Vec::new());
        let mut matches = Matches { uid, directories, found, problems, left_out: false };
        let components: Vec<_> = path.components().collect();
        let mut room = MOST;
        matches.walk(Path::new(""), &components, false, &mut room);
        let path = path.display();
        if matches.left_out {
            self.messages.fail(format!("{path}: only the first {MOST} logs that match are read"));
        }
        if matches.found.is_empty() && matches.problems.is_empty() {
            self.messages.fail(format!("{path}: no such file, and no log matches it as a pattern"));
        }
        for problem in matches.problems {
            self.messages.fail(problem);
        }
        matches.found.sort_unstable_by(|one, other| one.as_os_str().cmp(other.as_os_str()));
        self.found.extend(matches.found.into_iter().map(|path| (path, true)));
    }

    fn add_list(&mut self, file: &Path) {
        let text = match read_file(file, self.host.root) {
            Ok(text) => text,
            Err(error) => return self.messages.fail_with(&error),
        };
        let mut is_empty = true;
        for (number, line) in strip_bom(&text).split(|&b| b == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            is_empty = false;
            if line.starts_with(b"-") || line.contains(&0) {
                let (file, number) = (file.display(), number + 1);
                self.messages.fail(format!("{file}: line {number} is not a path; skipped"));
            } else {
                self.add(&PathBuf::from(OsString::from_vec(line.to_vec())));
            }
        }
        if is_empty {
            self.messages.fail(format!("{}: names no log", file.display()));
        }
    }
}

/// The logs that match a pattern.
struct Matches {
    uid: u32,
    directories: Directories,
    found: Vec<PathBuf>,
    problems: Vec<String>,
    /// There were more than may be found.
    left_out: bool,
}

impl Matches {
    /// Follows a pattern from a directory. `foreign` is whether another user has a say in what is there, and
    /// `room` how many logs may still be found.
    fn walk(&mut self, dir: &Path, pattern: &[Component<'_>], foreign: bool, room: &mut usize) {
        let Some((first, rest)) = pattern.split_first() else { return };
        let first = first.as_os_str();
        if !Pattern::is_one(first.as_bytes()) {
            let path = dir.join(first);
            if !rest.is_empty() {
                self.enter(&path, rest, foreign, room);
            } else if is_log(&path) || is_missing_after_rotation(&path, &self.directories) {
                self.take(path, room);
            }
            return;
        }
        let names = match names_in(dir) {
            Ok(names) => names,
            Err(error) => {
                if !is_absence(&error) {
                    let path = dir.to_owned();
                    self.fail(&Error::Read { path, source: error });
                }
                return;
            }
        };
        let hidden = first.as_bytes().starts_with(b".");
        let pattern = Pattern::of_file(first.as_bytes());
        let matches = |name: &[u8]| (hidden || !name.starts_with(b".")) && pattern.matches(name);
        if rest.is_empty() {
            // The directory may be listed for each of them.
            let most = if foreign { (MOST_LISTED / names.len().max(1)).max(1) } else { usize::MAX };
            let logs = self.logs_in(dir, &names, matches);
            if logs.len() > most {
                *room = most.min(*room);
            }
            for name in logs {
                self.take(dir.join(OsStr::from_bytes(&name)), room);
            }
        } else {
            for name in names.iter().filter(|name| matches(name)) {
                self.enter(&dir.join(OsStr::from_bytes(name)), rest, foreign, room);
            }
        }
    }

    /// Follows the rest of a pattern from a directory that it leads to, if that is one.
    fn enter(&mut self, dir: &Path, rest: &[Component<'_>], foreign: bool, room: &mut usize) {
        let owners = std::fs::metadata(dir).and_then(|metadata| {
            let link = std::fs::symlink_metadata(dir)?;
            Ok(metadata.is_dir().then_some([metadata.uid(), link.uid()]))
        });
        let owners = match owners {
            Ok(Some(owners)) => owners,
            Err(source) if !is_absence(&source) => {
                return self.fail(&Error::Read { path: dir.to_owned(), source });
            }
            Ok(None) | Err(_) => return,
        };
        if foreign || owners.iter().all(|owner| *owner == 0 || *owner == self.uid) {
            return self.walk(dir, rest, foreign, room);
        }
        let before = MOST_OF_ANOTHER.min(*room);
        let (mut left, found) = (before, self.found.len());
        self.walk(dir, rest, true, &mut left);
        *room -= before - left;
        if std::mem::take(&mut self.left_out) {
            let logs = number((self.found.len() - found) as u64, "log");
            self.problems.push(format!(
                "{}: it belongs to another user: only the first {logs} that match below it are read",
                dir.display(),
            ));
        }
    }

    /// The names of the logs in a directory, in byte order.
    fn logs_in(
        &self,
        dir: &Path,
        names: &[Vec<u8>],
        matches: impl Fn(&[u8]) -> bool,
    ) -> Vec<Vec<u8>> {
        let path = |name: &[u8]| dir.join(OsStr::from_bytes(name));
        let mut logs: HashSet<&[u8]> =
            names.iter().map(|name| &name[..]).filter(|name| matches(name)).collect();
        for name in names {
            for base in bases_after_name(name) {
                if matches(base)
                    && !logs.contains(base)
                    && is_recent(&path(name), self.directories.wall)
                {
                    logs.insert(base);
                }
            }
        }
        let own = |name: &&[u8]| !bases_of(name).iter().any(|base| logs.contains(&base[..]));
        let mut own: Vec<Vec<u8>> = logs.iter().copied().filter(own).map(<[u8]>::to_vec).collect();
        own.retain(|name| !path(name).is_dir());
        own.sort_unstable();
        own
    }

    fn take(&mut self, path: PathBuf, room: &mut usize) {
        if *room > 0 {
            *room -= 1;
            self.found.push(path);
        } else {
            self.left_out = true;
        }
    }

    fn fail(&mut self, error: &Error) {
        self.problems.push(crate::error::chain(error));
    }
}

/// The names in a directory, in byte order.
fn names_in(dir: &Path) -> io::Result<Vec<Vec<u8>>> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let names: io::Result<Vec<_>> =
        std::fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().into_vec())).collect();
    names.map(|mut names| {
        names.sort_unstable();
        names
    })
}

/// Whether there is something at a path that may be a log. If it cannot be looked at, it may be, so that opening
/// it reports the error.
fn is_log(path: &Path) -> bool {
    match std::fs::symlink_metadata(path) {
        Ok(_) => !path.is_dir(),
        Err(error) => !is_absence(&error),
    }
}

/// Whether an error only says that there is nothing.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
