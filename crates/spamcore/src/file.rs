//! Small files that an administrator writes: read whole, or refused.
//!
//! Takes a path and gives the file's bytes. Root only gets a file that nobody else can have written; a
//! file that is not regular, or is too long, is an error. What the bytes mean is up to the caller.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::error::Error;

/// The longest file that is read, in MiB, unless the caller allows for more.
const LONGEST: u64 = 16;

/// A text without the byte order mark that some editors write at its start.
pub fn strip_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text)
}

/// Reads a whole file; `/dev/null` is an empty one.
///
/// As root, only a file that root owns and nobody else can write to is read: whoever can raise a limit
/// can hide a spammer. (The directories above it are not checked here.)
pub fn read_file(path: &Path, root: bool) -> Result<Vec<u8>, Error> {
    read_long_file(path, root, LONGEST)
}

/// [`read_file`], of as many MiB.
pub fn read_long_file(path: &Path, root: bool, longest: u64) -> Result<Vec<u8>, Error> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    let refused = |why| Error::Refused { path: path.to_owned(), why };
    // Opening a FIFO would block: look before opening, and look again at what was opened.
    let kind = std::fs::metadata(path).map_err(read)?.file_type();
    if kind.is_char_device() && path == Path::new("/dev/null") {
        return Ok(Vec::new());
    }
    if !kind.is_file() {
        return Err(refused("not a regular file"));
    }
    let file = File::open(path).map_err(read)?;
    let metadata = file.metadata().map_err(read)?;
    if !metadata.is_file() {
        return Err(refused("not a regular file"));
    }
    if root && (metadata.uid() != 0 || metadata.mode() & 0o022 != 0) {
        return Err(refused("writable by users other than root"));
    }
    let mut text = Vec::new();
    file.take((longest << 20) + 1).read_to_end(&mut text).map_err(read)?;
    if text.len() as u64 > longest << 20 {
        let why = format!("more than {longest} MiB");
        return Err(read(io::Error::new(io::ErrorKind::FileTooLarge, why)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whole_or_refused() {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        let is_root = rustix::process::geteuid().is_root();
        for (size, mode, root, want) in [
            (0, 0o600, false, Ok(0)),
            (7, 0o666, false, Ok(7)),
            (7, 0o644, true, if is_root { Ok(7) } else { Err("users other than root") }),
            (7, 0o664, true, Err("users other than root")),
            (7, 0o646, true, Err("users other than root")),
            (LONGEST << 20, 0o600, false, Ok(LONGEST << 20)),
            ((LONGEST << 20) + 1, 0o600, false, Err("16 MiB")),
        ] {
            let file = File::create(&path).expect("a file");
            file.set_len(size).expect("its size");
            file.set_permissions(Permissions::from_mode(mode)).expect("its mode");
            let read = read_file(&path, root).map(|text| text.len() as u64);
            let read = read.map_err(|error| crate::error::chain(&error));
            match (&read, want) {
                (Ok(read), Ok(size)) => assert_eq!(*read, size),
                (Err(error), Err(why)) => assert!(error.contains(why), "{error}"),
                _ => panic!("{size} {mode:o} {root}: {read:?}"),
            }
        }
        assert_eq!(read_file(Path::new("/dev/null"), true).expect("it is empty"), b"");
        for other in ["/dev/zero", "/dev", path.to_str().expect("text")] {
            assert!(read_file(Path::new(other), false).is_err(), "{other}");
        }
    }
}
