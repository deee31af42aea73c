//! Files of the system: whether they can be trusted, and replacing one atomically.
//!
//! [`write_atomically`] writes a temporary file in the same directory and renames it, so that a reader, a crash or
//! a full disk meets the old file or the new one, and nothing in between. It keeps owner, group and mode, but not
//! access control lists and other extended attributes; other hard links keep the old text. Two writers of one file
//! must exclude each other: the temporary file has a fixed name, so that one left by a killed run is found and
//! removed.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Mode, OFlags, Uid, fchmod, fchown};
use spamcore::file;

use crate::system::Error;

/// The mode of a file while it is being written.
const PRIVATE: u32 = 0o600;

/// Writable by the group or by everybody.
const SHARED: u32 = 0o022;

/// Only the owner of a file in such a directory can remove it.
const STICKY: u32 = 0o1000;

/// Replaces the text of a file. If the path is a symbolic link, its target is replaced. A missing file is created,
/// for its owner only.
///
/// On an error the old file is intact and no temporary file is left, with one exception: if the directory cannot
/// be synced at the very end, the new file is already in place.
pub fn write_atomically(path: &Path, contents: &[u8]) -> Result<(), Error> {
    write_atomically_with_mode(path, contents, PRIVATE)
}

/// Like [`write_atomically`]; `mode` is that of a new file.
pub fn write_atomically_with_mode(path: &Path, contents: &[u8], mode: u32) -> Result<(), Error> {
    let write = |source| Error::Write { path: path.to_owned(), source };
    let (target, old) = match fs::canonicalize(path) {
        Ok(target) => {
            let old = fs::metadata(&target).map_err(write)?;
            (target, Some(old))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A dangling link is somebody's mistake, not a place for a file.
            if fs::symlink_metadata(path).is_ok() {
                return Err(write(error));
            }
            (path.to_owned(), None)
        }
        Err(error) => return Err(write(error)),
    };
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return Err(not_regular(path));
    }
    let (dir, temp) = temp_path(&target).ok_or_else(|| not_regular(path))?;
    let dir = File::open(dir).map_err(write)?;
    remove(&temp).map_err(write)?;
    let written =
        write_temp(&temp, contents, old.as_ref(), mode).and_then(|()| fs::rename(&temp, &target));
    if let Err(error) = written {
        // The first error is the one that matters.
        let _ = remove(&temp);
        return Err(write(error));
    }
    dir.sync_all().map_err(write)
}

/// The directory of a file, and the path of the temporary file for its next text.
fn temp_path(target: &Path) -> Option<(&Path, PathBuf)> {
    let dir = target.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = dir.unwrap_or(Path::new("."));
    let mut name = OsString::from(".");
    name.push(target.file_name()?);
    name.push(".spam-check");
    Some((dir, dir.join(name)))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write_temp(path: &Path, contents: &[u8], old: Option<&Metadata>, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)?;
    file.write_all(contents)?;
    if let Some(old) = old {
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            fchown(&file, Some(Uid::from_raw(old.uid())), Some(Gid::from_raw(old.gid())))?;
        }
    }
    // After the owner: changing the owner clears bits of the mode.
    let mode = old.map_or(mode, |old| old.mode() & 0o7777);
    fchmod(&file, Mode::from_raw_mode(mode))?;
    file.sync_all()
}

/// Whether a program or file may be used: the path must be absolute and lead to a regular file. If root asks, the
/// file and its directory must be owned by root and writable by nobody else, and nobody may be able to replace
/// them: all directories above must be owned by root, too, and writable by nobody else, or sticky. For a symbolic
/// link, both the link and its target must satisfy this.
pub fn trusted(path: &Path, root: bool) -> Result<(), Error> {
    trusted_by(path, root.then_some(0))
}

/// [`trusted`] for a file that may not exist yet: then only its directory is checked.
pub fn trusted_place(path: &Path, root: bool) -> Result<(), Error> {
    match trusted(path, root) {
        Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            dirs(path, root.then_some(0))
        }
        other => other,
    }
}

/// [`trusted`] for any `owner`; tests need not be root.
fn trusted_by(path: &Path, owner: Option<u32>) -> Result<(), Error> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    if !path.is_absolute() {
        return Err(refused(path, "not an absolute path"));
    }
    let metadata = fs::metadata(path).map_err(read)?;
    if !metadata.is_file() {
        return Err(not_regular(path));
    }
    if owner.is_some_and(|owner| !owned(&metadata, owner) || metadata.mode() & SHARED != 0) {
        return Err(refused(path, "writable by users other than root"));
    }
    dirs(path, owner)?;
    dirs(&fs::canonicalize(path).map_err(read)?, owner)
}

fn owned(metadata: &Metadata, owner: u32) -> bool {
    metadata.uid() == owner || metadata.uid() == 0
}

/// Whether all directories above a path are owned by the owner, and writable by nobody else.
fn dirs(path: &Path, owner: Option<u32>) -> Result<(), Error> {
    let Some(owner) = owner else { return Ok(()) };
    for (above, dir) in path.ancestors().skip(1).enumerate() {
        let read = |source| Error::Read { path: dir.to_owned(), source };
        let metadata = fs::metadata(dir).map_err(read)?;
        let sticky = above > 0 && metadata.mode() & STICKY != 0;
        if !owned(&metadata, owner) || (metadata.mode() & SHARED != 0 && !sticky) {
            return Err(refused(path, "its directory is writable by users other than root"));
        }
    }
    Ok(())
}

/// The longest file that is read, in MiB: a shadow file with an entry for each of a million mailboxes.
const LONGEST: u64 = 256;

/// Reads a file of at most `LONGEST`, if it can be [`trusted`]; `/dev/null` is an empty file.
pub fn read(path: &Path, root: bool) -> Result<Vec<u8>, Error> {
    if path != Path::new("/dev/null") {
        trusted(path, root)?;
    }
    // It checks the owner once more, of the file that was opened.
    file::read_long_file(path, root, LONGEST).map_err(|error| match error {
        spamcore::error::Error::Read { path, source } => Error::Read { path, source },
        _ => refused(path, "writable by users other than root, or not a regular file"),
    })
}

/// Creates the directory with mode 0700 if it is missing, and checks it.
pub(crate) fn create_dir(path: &Path, root: bool) -> Result<(), Error> {
    if check_dir(path, root)? {
        return Ok(());
    }
    match DirBuilder::new().mode(0o700).create(path) {
        // Another run was faster.
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            Err(Error::Write { path: path.to_owned(), source })
        }
        _ => check_dir(path, root).map(|_| ()),
    }
}

/// Whether the directory exists. What is not a directory is refused, and for root also a directory that somebody else
/// owns or can write to: anybody could have put files there.
pub(crate) fn check_dir(path: &Path, root: bool) -> Result<bool, Error> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(Error::Read { path: path.to_owned(), source }),
    };
    if !metadata.is_dir() {
        return Err(refused(path, "not a directory"));
    }
    if root && metadata.uid() != 0 {
        return Err(refused(path, "not owned by root"));
    }
    if root && metadata.mode() & SHARED != 0 {
        return Err(refused(path, "writable by users other than root"));
    }
    Ok(true)
}

fn not_regular(path: &Path) -> Error {
    refused(path, "not a regular file")
}

fn refused(path: &Path, why: &'static str) -> Error {
    Error::Refused { what: path.display().to_string(), why }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn dir() -> tempfile::TempDir {
        tempfile::tempdir().expect("a directory")
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
    }

    /// What lies in a directory, sorted.
    pub(crate) fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_replaced_file_keeps_its_owner_and_mode() {
        let dir = dir();
        let path = dir.path().join("table");
        fs::write(&path, "old").expect("a file");
        mode(&path, 0o640);
        let root = rustix::process::geteuid().is_root();
        if root {
            std::os::unix::fs::chown(&path, Some(12), Some(34)).expect("its owner");
        }
        write_atomically(&path, b"new\n").expect("it is replaced");
        let metadata = fs::metadata(&path).expect("the file");
        assert_eq!(metadata.mode() & 0o7777, 0o640);
        if root {
            assert_eq!((metadata.uid(), metadata.gid()), (12, 34));
        }
        assert_eq!(fs::read(&path).expect("the text"), b"new\n");
        assert_eq!(names(dir.path()), ["table"]);
    }

    #[test]
    fn a_new_file_has_the_mode_that_was_asked_for() {
        let dir = dir();
        for (name, made, want) in [
            ("a", write_atomically as fn(&Path, &[u8]) -> _, 0o600),
            ("b", |path, text| write_atomically_with_mode(path, text, 0o644), 0o644),
        ] {
            let path = dir.path().join(name);
            made(&path, b"x").expect("it is made");
            assert_eq!(fs::metadata(&path).expect("the file").mode() & 0o7777, want);
        }
    }

    #[test]
    fn the_target_of_a_link_is_replaced_and_the_link_stays() {
        let (dir, other) = (dir(), dir());
        let (link, target) = (dir.path().join("link"), other.path().join("target"));
        fs::write(&target, "old").expect("a file");
        symlink(&target, &link).expect("a link");
        write_atomically(&link, b"new").expect("it is replaced");
        assert_eq!(fs::read_link(&link).expect("still a link"), target);
        assert_eq!(fs::read(&target).expect("the text"), b"new");
        fs::remove_file(&target).expect("it goes");
        write_atomically(&link, b"new").expect_err("it leads nowhere");
        assert!(names(other.path()).is_empty());
    }

    #[test]
    fn what_a_killed_run_left_is_removed_and_never_followed() {
        let dir = dir();
        let (path, victim) = (dir.path().join("t"), dir.path().join("victim"));
        fs::write(&path, "old").expect("a file");
        fs::write(&victim, "kept").expect("a file");
        let left = dir.path().join(".t.spam-check");
        fs::write(&left, "half").expect("a file");
        write_atomically(&path, b"new").expect("it is replaced");
        symlink(&victim, &left).expect("a link");
        write_atomically(&path, b"newer").expect("it is replaced");
        assert_eq!(fs::read(&victim).expect("the text"), b"kept");
        assert_eq!(fs::read(&path).expect("the text"), b"newer");
        assert_eq!(names(dir.path()), ["t", "victim"]);
    }

    #[test]
    fn an_error_leaves_the_old_file_and_nothing_beside() {
        let dir = dir();
        let path = dir.path().join("t");
        fs::write(&path, "old").expect("a file");
        let in_the_way = dir.path().join(".t.spam-check");
        fs::create_dir(&in_the_way).expect("a directory in the way");
        let error = write_atomically(&path, b"new").expect_err("it cannot be written");
        assert!(matches!(error, Error::Write { .. }));
        fs::remove_dir(&in_the_way).expect("it goes");
        assert_eq!(fs::read(&path).expect("the text"), b"old");
        assert_eq!(names(dir.path()), ["t"]);
        write_atomically(dir.path(), b"new").expect_err("a directory is no file");
        write_atomically(&dir.path().join("no/t"), b"new").expect_err("no such directory");
        write_atomically(Path::new("/dev/null"), b"new").expect_err("a device is no file");
        assert_eq!(names(dir.path()), ["t"]);
    }

    #[test]
    fn only_what_others_cannot_write_is_trusted() {
        let dir = dir();
        mode(dir.path(), 0o755);
        let path = dir.path().join("cmd");
        fs::write(&path, "text").expect("a file");
        mode(&path, 0o755);
        let me = Some(rustix::process::geteuid().as_raw());
        trusted_by(&path, me).expect("it is trusted");
        for (what, bits) in [(&path, 0o775), (&path, 0o757), (&dir.path().to_owned(), 0o1777)] {
            mode(what, bits);
            let error = trusted_by(&path, me).expect_err("others can write");
            assert!(matches!(error, Error::Refused { .. }), "{error}");
            trusted_by(&path, None).expect("nobody asked");
            mode(what, 0o755);
        }
        let open = dir.path().join("open");
        fs::create_dir(&open).expect("a directory");
        mode(&open, 0o777);
        // Either end of a link in a directory of others.
        let link = open.join("cmd");
        symlink(&path, &link).expect("a link");
        trusted_by(&link, me).expect_err("the link can be replaced");
        let below = open.join("below");
        fs::create_dir(&below).expect("a directory");
        fs::copy(&path, below.join("cmd")).expect("a copy");
        trusted_by(&below.join("cmd"), me).expect_err("the directory can be replaced");
        let far = dir.path().join("far");
        symlink(below.join("cmd"), &far).expect("a link");
        trusted_by(&far, me).expect_err("the target can be replaced");
        trusted_by(Path::new("cmd"), None).expect_err("not absolute");
        trusted_by(dir.path(), None).expect_err("not plain");
        if me == Some(0) {
            std::os::unix::fs::chown(&path, Some(12), None).expect("its owner");
            trusted_by(&path, me).expect_err("it is somebody else's");
        }
    }

    #[test]
    fn reading_asks_for_trust_and_dev_null_is_empty() {
        assert_eq!(read(Path::new("/dev/null"), true).expect("empty"), b"");
        let dir = dir();
        let path = dir.path().join("exempt");
        assert!(matches!(read(&path, false), Err(Error::Read { .. })));
        fs::write(&path, "alice\n").expect("a file");
        assert_eq!(read(&path, false).expect("the text"), b"alice\n");
        mode(&path, 0o666);
        assert!(matches!(read(&path, true), Err(Error::Refused { .. })));
    }

    #[test]
    fn the_directory_is_made_and_checked() {
        let scratch = dir();
        let dir = scratch.path().join("state");
        assert!(!check_dir(&dir, false).expect("it is only missing"));
        create_dir(&dir, false).expect("the parent is ours");
        assert_eq!(fs::metadata(&dir).expect("it was made").mode() & 0o777, 0o700);
        create_dir(&dir, false).expect("it is there already");
        mode(&dir, 0o777);
        assert!(matches!(create_dir(&dir, true), Err(Error::Refused { .. })));
        let link = scratch.path().join("link");
        symlink(&dir, &link).expect("ours");
        assert!(matches!(create_dir(&link, false), Err(Error::Refused { .. })));
        let file = scratch.path().join("plain");
        fs::write(&file, "").expect("the directory is ours");
        assert!(matches!(create_dir(&file, false), Err(Error::Refused { .. })));
        assert!(create_dir(&scratch.path().join("a/b"), false).is_err());
    }
}
