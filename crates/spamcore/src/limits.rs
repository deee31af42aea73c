//! How many messages are too many: for everybody, and for those who have a limit of their own.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::error::Error;

/// No file of limits is longer.
const LONGEST: u64 = 16 << 20;

/// A text without the mark of UTF-8 that some editors write at its begin.
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text)
}

/// Limits on the number of messages.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// The limit of who has none of their own.
    pub everybody: u64,
    /// Whether the limit itself is still allowed (Exim), or already too many (the others).
    pub exclusive: bool,
    own: HashMap<Box<[u8]>, u64>,
}

impl Limits {
    /// One limit for everybody.
    pub fn new(everybody: u64, exclusive: bool) -> Self {
        Self { everybody, exclusive, own: HashMap::new() }
    }

    /// The limit of a sender.
    pub fn of(&self, sender: &[u8]) -> u64 {
        self.own.get(sender).copied().unwrap_or(self.everybody)
    }

    /// Whether so many messages of a sender are reported.
    pub fn reached(&self, sender: &[u8], messages: u64) -> bool {
        let limit = self.of(sender);
        if self.exclusive { messages > limit } else { messages >= limit }
    }

    /// Adds the limits of a text: `NAME N` a line, the number being the last word. Of two lines for a
    /// name the last counts. Lines that begin with `#` and blank lines are comments.
    ///
    /// Returns the numbers of the lines that are wrong; they are skipped.
    pub fn add(&mut self, text: &[u8]) -> Vec<usize> {
        let mut wrong = Vec::new();
        let text = without_mark(text);
        for (number, line) in text.split(|&b| b == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            match name_and_limit(line) {
                Some((name, limit)) => {
                    self.own.insert(name.into(), limit);
                }
                None => wrong.push(number + 1),
            }
        }
        wrong
    }
}

fn name_and_limit(line: &[u8]) -> Option<(&[u8], u64)> {
    let at = line.iter().rposition(|b| *b == b' ' || *b == b'\t')?;
    let digits = &line[at + 1..];
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let limit = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((line[..at].trim_ascii(), limit))
}

/// Reads a file of limits as it stands; `/dev/null` is an empty one.
///
/// Root takes it only where it belongs to root and nobody else can write it: whoever can raise a
/// limit can hide a spammer.
pub fn read_file(path: &Path, root: bool) -> Result<Vec<u8>, Error> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    let refused = |why| Error::Refused { path: path.to_owned(), why };
    // A FIFO would be waited for: look before opening, and again at what was opened.
    let kind = std::fs::metadata(path).map_err(read)?.file_type();
    if kind.is_char_device() && path == Path::new("/dev/null") {
        return Ok(Vec::new());
    }
    if !kind.is_file() {
        return Err(refused("not a regular file"));
    }
    let file = File::open(path).map_err(read)?;
    let about = file.metadata().map_err(read)?;
    if !about.is_file() {
        return Err(refused("not a regular file"));
    }
    if root && (about.uid() != 0 || about.mode() & 0o022 != 0) {
        return Err(refused("writable by users other than root"));
    }
    let mut text = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut text).map_err(read)?;
    if text.len() as u64 > LONGEST {
        return Err(read(io::Error::new(io::ErrorKind::FileTooLarge, "more than 16 MiB")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_limits_are_names_and_a_last_number() {
        let mut limits = Limits::new(90, false);
        let text = b"# a comment\nalice 500\nspaced user\t 7\n\n  bob  010 \nalice 600\r\n\
                     wrong\nalso wrong x\nneg -5\nbig 99999999999999999999\n\xff\xfe 3\na # b 4\n";
        assert_eq!(limits.add(text), vec![7, 8, 9, 10]);
        assert!(limits.add("\u{feff}marked 8\n".as_bytes()).is_empty());
        for (name, want) in [
            (&b"alice"[..], 600),
            (b"marked", 8),
            (b"spaced user", 7),
            (b"bob", 10),
            (b"\xff\xfe", 3),
            (b"a # b", 4),
            (b"carol", 90),
        ] {
            assert_eq!(limits.of(name), want);
        }
    }

    #[test]
    fn a_file_is_read_whole_or_refused() {
        use std::fs::{self, Permissions};
        use std::os::unix::fs::PermissionsExt;

        let name = format!("spamcore-limits-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let ours = rustix::process::geteuid().is_root();
        for (size, mode, root, want) in [
            (0, 0o600, false, Ok(0)),
            (7, 0o666, false, Ok(7)),
            (7, 0o644, true, if ours { Ok(7) } else { Err("users other than root") }),
            (7, 0o664, true, Err("users other than root")),
            (7, 0o646, true, Err("users other than root")),
            (LONGEST, 0o600, false, Ok(LONGEST)),
            (LONGEST + 1, 0o600, false, Err("16 MiB")),
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
        fs::remove_file(&path).expect("it is there");
        assert_eq!(read_file(Path::new("/dev/null"), true).expect("it is empty"), b"");
        for other in ["/dev/zero", "/dev", path.to_str().expect("text")] {
            assert!(read_file(Path::new(other), false).is_err(), "{other}");
        }
    }

    #[test]
    fn at_least_or_more_than() {
        assert!(Limits::new(3, false).reached(b"a", 3));
        assert!(!Limits::new(3, true).reached(b"a", 3));
        assert!(Limits::new(3, true).reached(b"a", 4));
    }
}
