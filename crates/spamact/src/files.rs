//! Files that change as a whole or not at all, and the folder they live in.
//!
//! Takes a path and the contents; gives the new file under the old name, or the old file and an error.
//! It will not follow a symbolic link at the name it writes under, and leaves no half file behind. Two
//! processes must not replace the same file at once: the temporary name is fixed, so that a left-over
//! of a killed run is found and removed by the next.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Replaces a file: written beside, synced, renamed, and the folder synced.
///
/// An error leaves the old file and no temporary; only where the last step fails, the folder's sync,
/// the new file stands already, and a crash of the host may still bring back the old one.
pub(crate) fn replace(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let beside = beside(path)?;
    // Opened first: a folder that cannot be opened could not be synced afterwards.
    let folder = File::open(folder_of(path))?;
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = write(&beside, contents, mode).and_then(|()| fs::rename(&beside, path));
    if let Err(error) = written {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    folder.sync_all()
}

fn write(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(contents)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

/// The temporary name: `.NAME.new` in the same folder.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".new");
    Ok(path.with_file_name(hidden))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Makes the folder, 0700, where it is missing, and checks it.
pub(crate) fn make_folder(path: &Path, root: bool) -> Result<(), Error> {
    if check_folder(path, root)? {
        return Ok(());
    }
    match DirBuilder::new().mode(0o700).create(path) {
        // Another run was quicker.
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            Err(Error::Write { path: path.to_owned(), source })
        }
        _ => check_folder(path, root).map(|_| ()),
    }
}

/// Whether the folder is there. One that is no folder, or, for root, one that belongs to somebody
/// else or that others can write, is refused: what lies in it could be anybody's.
pub(crate) fn check_folder(path: &Path, root: bool) -> Result<bool, Error> {
    let refused = |why| Error::Refused { path: path.to_owned(), why };
    let about = match fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(Error::Read { path: path.to_owned(), source }),
    };
    if !about.is_dir() {
        return Err(refused("it is not a folder"));
    }
    if root && about.uid() != 0 {
        return Err(refused("it does not belong to root"));
    }
    if root && about.mode() & 0o022 != 0 {
        return Err(refused("others than root can write it"));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_file_is_replaced_with_its_mode_and_nothing_is_left_beside_it() {
        let scratch = Scratch::new();
        let path = scratch.path().join("file");
        for (contents, mode) in [(&b"one\n"[..], 0o600), (b"", 0o644), (b"three", 0o640)] {
            replace(&path, contents, mode).expect("the folder is ours");
            assert_eq!(fs::read(&path).expect("it was written"), contents);
            assert_eq!(fs::metadata(&path).expect("it is there").mode() & 0o7777, mode);
            assert_eq!(scratch.names(), ["file"]);
        }
    }

    #[test]
    fn what_a_killed_run_left_is_not_in_the_way() {
        let scratch = Scratch::new();
        let path = scratch.path().join("file");
        fs::write(&path, "old").expect("the folder is ours");
        fs::write(scratch.path().join(".file.new"), "half").expect("the folder is ours");
        replace(&path, b"new", 0o600).expect("a left-over is removed");
        assert_eq!(fs::read(&path).expect("it was written"), b"new");
        assert_eq!(scratch.names(), ["file"]);
    }

    #[test]
    fn a_link_at_the_temporary_name_is_not_followed() {
        let scratch = Scratch::new();
        let victim = scratch.path().join("victim");
        fs::write(&victim, "precious").expect("the folder is ours");
        std::os::unix::fs::symlink(&victim, scratch.path().join(".file.new")).expect("ours");
        replace(&scratch.path().join("file"), b"new", 0o600).expect("the link is removed");
        assert_eq!(fs::read(&victim).expect("it is there"), b"precious");
    }

    #[test]
    fn an_error_leaves_the_old_file_and_no_temporary() {
        let scratch = Scratch::new();
        // A folder cannot be replaced by a file, whoever runs this.
        let path = scratch.path().join("file");
        fs::create_dir(&path).expect("the folder is ours");
        fs::write(path.join("inside"), "old").expect("the folder is ours");
        replace(&path, b"new", 0o600).expect_err("a folder stands there");
        assert_eq!(scratch.names(), ["file"]);
        assert_eq!(fs::read(path.join("inside")).expect("it is there"), b"old");
        replace(&scratch.path().join("missing/file"), b"new", 0o600).expect_err("no such folder");
        replace(Path::new("/"), b"new", 0o600).expect_err("no file at all");
    }

    #[test]
    fn the_folder_is_made_and_checked() {
        let scratch = Scratch::new();
        let folder = scratch.path().join("state");
        assert!(!check_folder(&folder, false).expect("it is only missing"));
        make_folder(&folder, false).expect("the parent is ours");
        assert_eq!(fs::metadata(&folder).expect("it was made").mode() & 0o777, 0o700);
        make_folder(&folder, false).expect("it is there already");
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).expect("it is ours");
        assert!(matches!(make_folder(&folder, true), Err(Error::Refused { .. })));
        let link = scratch.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).expect("ours");
        assert!(matches!(make_folder(&link, false), Err(Error::Refused { .. })));
        let file = scratch.path().join("plain");
        fs::write(&file, "").expect("the folder is ours");
        assert!(matches!(make_folder(&file, false), Err(Error::Refused { .. })));
        assert!(make_folder(&scratch.path().join("a/b"), false).is_err());
    }
}
