//! Opening the file at a path on which other users may have a say.
//!
//! A log may be in a directory of a customer, who can put there what he likes while root reads it: a link to
//! `/dev/zero` or `/proc/kmsg`, a FIFO that nobody writes, a device that acts when it is opened. So a path is
//! walked component by component, through descriptors that open nothing (`O_PATH`). A directory or link that
//! belongs neither to root nor to the invoking user is another user's: a path with one must end below that
//! directory, or below the directory of that link, at a regular file. Other users can then name only what is
//! theirs, whatever they rename in the meantime. Nothing below `/proc` is opened, nor a device whose bytes
//! never end, except the invoking user's own descriptors: `/dev/stdin`, `/dev/fd/N`, `/proc/self/fd/N`.
//!
//! Limit: a directory of root counts as root's, even if others can write to it; only a FIFO or device there
//! must then belong to root or the invoking user.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FileType, Mode, OFlags, PROC_SUPER_MAGIC, Stat};

use crate::error::Error;

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;

/// The major number of the devices for memory, the null device, zeros, random bytes and kernel messages; and the
/// minor number of the only one of them that ends.
const MEMORY: (u32, u32) = (1, 3);

/// Who opens a log, and what may be opened.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// The invoking user.
    pub uid: u32,
    /// Only regular files: anything else could block.
    pub plain_only: bool,
}

/// What a path leads to.
pub(super) enum Opened {
    /// A regular file.
    Regular(File),
    /// A FIFO, a terminal or another character device.
    Stream(File),
}

impl Access {
    /// Opens the file at `path`.
    pub(super) fn open(self, path: &Path) -> Result<Opened, Error> {
        let read = |source: io::Error| Error::Read { path: path.to_owned(), source };
        let refused = |why| Error::Refused { path: path.to_owned(), why };
        let end = match self.walk(path).map_err(|errno| read(errno.into()))? {
            Ok(end) => end,
            Err(why) => return Err(refused(why)),
        };
        let End { dir, name, stat, is_foreign } = match end {
            Found::End(end) => end,
            Found::Descriptor(path) => {
                let file = File::open(path).map_err(read)?;
                let is_file = file.metadata().map_err(read)?.is_file();
                return self.opened(file, is_file).map_err(refused);
            }
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        // It is not waited for: neither for a FIFO that has taken the file's place, nor for a lease.
        let mut wait = OFlags::NONBLOCK;
        match kind {
            FileType::RegularFile => {}
            _ if is_foreign => {
                return Err(refused("not a regular file, and another user may have put it there"));
            }
            FileType::CharacterDevice if major == MEMORY.0 && minor != MEMORY.1 => {
                return Err(refused("a device that never ends"));
            }
            FileType::Fifo | FileType::CharacterDevice => wait = OFlags::empty(),
            _ => return Err(refused("it is a block device or socket")),
        }
        if self.plain_only && kind != FileType::RegularFile {
            return Err(refused("not a regular file"));
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC | wait;
        let file = rustix::fs::openat(&dir, &*name, flags, Mode::empty());
        let file = File::from(file.map_err(|errno| read(errno.into()))?);
        // It may have been renamed in the meantime, as logs are, and another have taken its place.
        let is_file = file.metadata().map_err(read)?.is_file();
        if is_file != (kind == FileType::RegularFile) {
            return Err(refused("not a regular file"));
        }
        self.opened(file, is_file).map_err(refused)
    }

    fn opened(self, file: File, is_file: bool) -> Result<Opened, &'static str> {
        match (is_file, self.plain_only) {
            (true, _) => Ok(Opened::Regular(file)),
            (false, false) => Ok(Opened::Stream(file)),
            (false, true) => Err("not a regular file"),
        }
    }

    fn walk(self, path: &Path) -> rustix::io::Result<Result<Found, &'static str>> {
        let mut walk = Walk::new(self.uid, path)?;
        let mut links = 0;
        loop {
            if walk.foreign.is_empty() && is_own_descriptor(&walk.rest) {
                return Ok(Ok(Found::Descriptor(walk.rest)));
            }
            let Some((name, rest)) = walk.next_name() else {
                return Ok(Err("not a regular file"));
            };
            if walk.is_below_proc()? {
                return Ok(Err("below /proc"));
            }
            if name == ".." {
                if !walk.leave()? {
                    return Ok(Err("a directory was moved while it was being opened"));
                }
                walk.rest = rest;
                continue;
            }
            let found = look_up(&walk.dir, &name)?;
            let stat = rustix::fs::fstat(&found)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(rustix::io::Errno::LOOP);
                    }
                    walk.note_owner(stat.st_uid);
                    let target = rustix::fs::readlinkat(&found, "", Vec::new())?;
                    let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                    if target.is_absolute() {
                        walk.enter_root()?;
                    }
                    walk.rest = join(target, &rest);
                }
                FileType::Directory if rest.as_os_str().is_empty() => {
                    return Err(rustix::io::Errno::ISDIR);
                }
                FileType::Directory => {
                    walk.enter(found)?;
                    walk.rest = rest;
                }
                _ if !rest.as_os_str().is_empty() => return Err(rustix::io::Errno::NOTDIR),
                _ if walk.has_left() => {
                    return Ok(Err("a link of another user leads out of that user's directory"));
                }
                _ => {
                    let is_foreign = !walk.foreign.is_empty()
                        || (!walk.is_trusted(stat.st_uid) && walk.others_can_write()?);
                    return Ok(Ok(Found::End(End { dir: walk.dir, name, stat, is_foreign })));
                }
            }
        }
    }
}

/// Where a path leads.
enum Found {
    /// To an entry of a directory.
    End(End),
    /// To a descriptor of this process.
    Descriptor(PathBuf),
}

struct End {
    dir: OwnedFd,
    name: OsString,
    stat: Stat,
    /// Whether other users have a say in what is there.
    is_foreign: bool,
}

/// Device and inode of a directory.
type Id = (u64, u64);

struct Walk {
    uid: u32,
    dir: OwnedFd,
    /// The directories from the root, or the working directory, to `dir`.
    above: Vec<Id>,
    /// The directories that the path must not leave, with the user to whom each belongs.
    foreign: Vec<(u32, Id)>,
    rest: PathBuf,
}

impl Walk {
    fn new(uid: u32, path: &Path) -> rustix::io::Result<Self> {
        let start = if path.is_absolute() { "/" } else { "." };
        let dir = look_up(CWD, OsStr::new(start))?;
        let (above, foreign) = (Vec::new(), Vec::new());
        let mut walk = Self { uid, dir, above, foreign, rest: path.to_owned() };
        walk.arrive()?;
        Ok(walk)
    }

    /// The next component, and those after it; the root and `.` are passed over.
    fn next_name(&self) -> Option<(OsString, PathBuf)> {
        let mut components = self.rest.components();
        loop {
            match components.next()? {
                Component::Normal(name) => {
                    return Some((name.to_owned(), components.as_path().to_owned()));
                }
                Component::ParentDir => {
                    return Some(("..".into(), components.as_path().to_owned()));
                }
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
    }

    fn enter(&mut self, dir: OwnedFd) -> rustix::io::Result<()> {
        self.dir = dir;
        self.arrive()
    }

    fn enter_root(&mut self) -> rustix::io::Result<()> {
        self.above.clear();
        self.enter(look_up(CWD, OsStr::new("/"))?)
    }

    fn arrive(&mut self) -> rustix::io::Result<()> {
        let stat = rustix::fs::fstat(&self.dir)?;
        self.above.push(id(&stat));
        self.note_owner(stat.st_uid);
        Ok(())
    }

    /// Goes to the parent directory. False if that is not the directory from which this one was entered.
    fn leave(&mut self) -> rustix::io::Result<bool> {
        self.dir = look_up(&self.dir, OsStr::new(".."))?;
        let stat = rustix::fs::fstat(&self.dir)?;
        let left = self.above.pop();
        match self.above.last() {
            Some(parent) => Ok(*parent == id(&stat)),
            // The working directory is left, or the root, which is its own parent.
            None => {
                self.above.push(id(&stat));
                if left != Some(id(&stat)) {
                    self.note_owner(stat.st_uid);
                }
                Ok(true)
            }
        }
    }

    /// Notes that the current directory, or a link in it, belongs to a user. What is below the first directory
    /// of another user may be his as well.
    fn note_owner(&mut self, owner: u32) {
        if !self.is_trusted(owner)
            && !self.foreign.iter().any(|(known, _)| *known == owner)
            && let Some(dir) = self.above.last()
        {
            self.foreign.push((owner, *dir));
        }
    }

    fn is_trusted(&self, owner: u32) -> bool {
        owner == 0 || owner == self.uid
    }

    /// Whether the path has left a directory that it must not leave.
    fn has_left(&self) -> bool {
        self.foreign.iter().any(|(_, dir)| !self.above.contains(dir))
    }

    fn is_below_proc(&self) -> rustix::io::Result<bool> {
        Ok(rustix::fs::fstatfs(&self.dir)?.f_type == PROC_SUPER_MAGIC)
    }

    fn others_can_write(&self) -> rustix::io::Result<bool> {
        Ok(rustix::fs::fstat(&self.dir)?.st_mode & 0o022 != 0)
    }
}

fn id(stat: &Stat) -> Id {
    (stat.st_dev, stat.st_ino)
}

/// A descriptor of an entry of a directory, which is not opened, and a link not followed.
fn look_up(dir: impl rustix::fd::AsFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

/// `target/rest`, without a slash at the end if there is no rest.
fn join(target: PathBuf, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { target } else { target.join(rest) }
}

/// Whether a path names a descriptor of this process. `/dev/stdin` and `/dev/fd` are links to such.
fn is_own_descriptor(path: &Path) -> bool {
    let number = path.strip_prefix("/proc/self/fd").map(|number| number.as_os_str().as_bytes());
    number.is_ok_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{chown, symlink};

    /// What opening a path gives: `file`, `stream`, or why not.
    fn open(uid: u32, path: &Path) -> String {
        match (Access { uid, plain_only: false }).open(path) {
            Ok(Opened::Regular(_)) => "file".into(),
            Ok(Opened::Stream(_)) => "stream".into(),
            Err(Error::Refused { why, .. }) => why.into(),
            Err(error) => crate::error::chain(&error).rsplit(": ").next().unwrap_or("").into(),
        }
    }

    #[test]
    fn devices_that_never_end_and_what_is_below_proc_are_not_opened() {
        let uid = rustix::process::geteuid().as_raw();
        for (path, want) in [
            ("/dev/null", "stream"),
            ("/dev/zero", "a device that never ends"),
            ("/dev/full", "a device that never ends"),
            ("/dev/urandom", "a device that never ends"),
            ("/dev/../dev/zero", "a device that never ends"),
            ("/proc/kmsg", "below /proc"),
            ("/proc/self/maps", "below /proc"),
            ("/proc/self/root/etc/passwd", "below /proc"),
            ("/etc/passwd", "file"),
            ("/etc//./../etc/passwd", "file"),
            ("/etc", "Is a directory (os error 21)"),
            ("/etc/passwd/x", "Not a directory (os error 20)"),
            ("/etc/no-such-file", "No such file or directory (os error 2)"),
            ("", "not a regular file"),
        ] {
            assert_eq!(open(uid, Path::new(path)), want, "{path}");
        }
        let file = File::open("/etc/passwd").expect("it is there");
        let number = std::os::fd::AsRawFd::as_raw_fd(&file);
        for path in [format!("/dev/fd/{number}"), format!("/proc/self/fd/{number}")] {
            assert_eq!(open(uid, Path::new(&path)), "file", "{path}");
        }
    }

    #[test]
    fn what_another_user_owns_must_end_at_a_regular_file_below_it() {
        if !rustix::process::geteuid().is_root() {
            // Files of other users take root; tests/bounded.rs says so.
            return;
        }
        let name = format!("spamcore-access-{}", std::process::id());
        let top = std::env::temp_dir().join(name);
        let theirs = top.join("theirs");
        fs::create_dir_all(theirs.join("logs")).expect("a directory");
        fs::create_dir_all(theirs.join("data")).expect("a directory");
        fs::write(theirs.join("data/log"), "x").expect("a file");
        fs::write(top.join("ours"), "x").expect("a file");
        let fifo = rustix::fs::mknodat(CWD, theirs.join("fifo"), FileType::Fifo, Mode::RUSR, 0);
        fifo.expect("a FIFO");
        for (link, target) in [
            ("theirs/zero", "/dev/zero".into()),
            ("theirs/kmsg", "/proc/kmsg".into()),
            ("theirs/stdin", "/dev/stdin".into()),
            ("theirs/out", top.join("ours")),
            ("theirs/up", "../ours".into()),
            ("theirs/beside", "data/log".into()),
            ("theirs/logs/across", "../data/log".into()),
            ("theirs/logs/absolute", theirs.join("data/log")),
            ("theirs/loop", "loop".into()),
            ("into", theirs.join("up")),
            ("alias", PathBuf::from("theirs/logs/across")),
        ] {
            symlink(target, top.join(link)).expect("a link");
        }
        for path in ["theirs", "theirs/logs", "theirs/data", "theirs/fifo"] {
            chown(top.join(path), Some(4106), None).expect("root may");
        }
        let leaves = "a link of another user leads out of that user's directory";
        for (path, want) in [
            ("ours", "file"),
            ("theirs/data/log", "file"),
            ("theirs/beside", "file"),
            ("theirs/logs/across", "file"),
            ("theirs/logs/absolute", "file"),
            ("alias", "file"),
            ("theirs/../ours", leaves),
            ("theirs/out", leaves),
            ("theirs/up", leaves),
            ("into", leaves),
            ("theirs/zero", leaves),
            ("theirs/kmsg", "below /proc"),
            ("theirs/stdin", "below /proc"),
            ("theirs/fifo", "not a regular file, and another user may have put it there"),
            ("theirs/loop", "Too many levels of symbolic links (os error 40)"),
        ] {
            assert_eq!(open(0, &top.join(path)), want, "{path}");
        }
        assert_eq!(open(4106, &top.join("theirs/up")), "file", "the user's own links");
        fs::remove_dir_all(&top).expect("it is ours");
    }
}
