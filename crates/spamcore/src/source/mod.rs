//! Where lines come from: a log with its rotated logs, a pipe, the journal.
//!
//! Takes a path or a stream and gives a [`Log`]: the files that hold its lines, in reading order, rotated
//! logs before the log itself. All of them are opened before the first is read, so that a rotation in the
//! meantime changes nothing. Files are read with positioned reads, never mapped, up to the length that they
//! had when they were opened. If one turns out shorter, or was rewritten, that can be asked afterwards. What
//! may be opened, where other users have a say in it, is up to [`access`]; `span` passes over holes.
//!
//! In an uncompressed file, the start of the period is found from the end, without reading what comes before.
//! Lines can be missed only if lines of the period come before older ones: the search assumes that
//! timestamps roughly increase, and checks that in three ways. The lines just before the offset found must be from
//! just before the period, or the whole file is read; a mebibyte before it is read line by line; and samples
//! are taken at 64 evenly spaced offsets in the rest. See `seek`.

pub mod access;
pub mod choose;
mod compressed;
pub mod journal;
pub mod journalctl;
pub mod lines;
pub mod named;
mod read_ahead;
mod rotated;
mod rotated_names;
mod seek;
mod span;
mod tail;
mod tee;

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::Scope;
use std::time::SystemTime;

use crate::error::Error;
use crate::source::lines::Lines;
use access::{Access, Opened};
pub use compressed::Bomb;
use compressed::Compression;
use read_ahead::ReadAhead;
pub use rotated_names::Directories;
pub use span::Span;

/// For this long after the last write to a log, a last line without a newline is still being written.
const LIVE: std::time::Duration = std::time::Duration::from_secs(60);

/// How many bytes at the start of a file are compared to see whether it was rewritten.
const HEAD: usize = 512;

/// From this many bytes on, a file is read in two parts.
const LARGE: u64 = 8 << 20;

/// Gives the instant of a line, in Unix seconds, if it has a readable timestamp.
pub type InstantOf<'a> = &'a mut dyn FnMut(&[u8]) -> Option<i64>;

/// A log: its files in reading order.
#[derive(Debug)]
pub struct Log {
    /// The files.
    pub files: Vec<LogFile>,
    /// Files that could not be opened, or are refused, and why. The others are read all the same.
    pub problems: Vec<Error>,
}

/// One open file of a log.
#[derive(Debug)]
pub struct LogFile {
    /// Its path, or the name of a stream.
    pub path: PathBuf,
    /// Whether it is a rotated log.
    pub rotated: bool,
    /// Device and inode; none for a stream.
    pub identity: Option<(u64, u64)>,
    /// When it was last written, if that is known; none for a stream.
    pub written: Option<SystemTime>,
    input: Input,
}

enum Input {
    /// An uncompressed file, from an offset to its length when it was opened; its first bytes; whether its last line
    /// may still be being written; and whether it may have holes.
    Plain { file: File, from: u64, to: u64, head: Vec<u8>, hold_last: bool, is_sparse: bool },
    /// A compressed file, to its length when it was opened, and whether it may have holes.
    Compressed { file: File, to: u64, compression: Compression, is_sparse: bool },
    /// A stream, which can be read only once.
    Stream(Box<dyn Read + Send>),
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain { .. } => "Plain",
            Self::Compressed { .. } => "Compressed",
            Self::Stream(_) => "Stream",
        })
    }
}

impl Log {
    /// Standard input, or another stream.
    pub fn stream(name: &str, input: Box<dyn Read + Send>) -> Self {
        let input = compressed::decompress_stream(input);
        let file = LogFile {
            path: name.into(),
            rotated: false,
            identity: None,
            written: None,
            input: Input::Stream(input),
        };
        Self { files: vec![file], problems: Vec::new() }
    }

    /// Opens the log at `path` with its rotated logs, as far back as a period that starts at `start` requires.
    ///
    /// A file that is compressed or has the name of a rotated log is read alone. `access` says what may be
    /// opened.
    pub fn open(
        path: &Path,
        start: i64,
        directories: &Directories,
        access: Access,
        instant_of: InstantOf<'_>,
    ) -> Result<Self, Error> {
        let read = |source| Error::Read { path: path.to_owned(), source };
        let metadata = match std::fs::metadata(path) {
            // It is being rotated, or nothing has been written since it was.
            Err(_) if rotated_names::has_rotated_logs(path, directories) => {
                return rotated::open(path, start, directories, access, instant_of);
            }
            result => result.map_err(read)?,
        };
        if metadata.is_file() || metadata.is_dir() {
            return rotated::open(path, start, directories, access, instant_of);
        }
        match access.open(path)? {
            Opened::Stream(file) => Ok(Self::stream(&path.to_string_lossy(), Box::new(file))),
            // It was replaced a moment ago.
            Opened::Regular(_) => rotated::open(path, start, directories, access, instant_of),
        }
    }

    /// Whether all files of it can be read a second time.
    pub fn is_rereadable(&self) -> bool {
        !self.files.iter().any(|file| matches!(file.input, Input::Stream(_)))
    }
}

impl LogFile {
    /// Opens a file of a log. A compression that is not supported is an error.
    fn open(
        path: &Path,
        rotated: bool,
        wall: SystemTime,
        access: Access,
    ) -> Result<(Self, Metadata), Error> {
        let read = |source| Error::Read { path: path.to_owned(), source };
        let Opened::Regular(file) = (Access { plain_only: true, ..access }).open(path)? else {
            return Err(Error::Refused { path: path.to_owned(), why: "not a regular file" });
        };
        let metadata = file.metadata().map_err(read)?;
        let is_sparse = span::is_sparse(&metadata);
        let to = metadata.len();
        let mut head = vec![0; HEAD];
        let known = read_up_to(&file, &mut head).map_err(read)?;
        head.truncate(known);
        let input = match compressed::recognize(&head) {
            Some(Ok(compression)) => Input::Compressed { file, to, compression, is_sparse },
            Some(Err(why)) => return Err(Error::Refused { path: path.to_owned(), why }),
            None => {
                let age = |at| wall.duration_since(at).unwrap_or_else(|error| error.duration());
                let live = metadata.modified().is_ok_and(|at| age(at) < LIVE);
                let hold_last = live && !rotated;
                Input::Plain { file, from: 0, to, head, hold_last, is_sparse }
            }
        };
        let (identity, written) = (Some(identity(&metadata)), metadata.modified().ok());
        Ok((Self { path: path.to_owned(), rotated, identity, written, input }, metadata))
    }

    /// Its lines, from the start of the period, in one part, or in two if it is a large uncompressed file.
    /// A stream gives its lines only once.
    pub fn parts(&mut self) -> Vec<Part<'_>> {
        let (reader, hold_last) = match &mut self.input {
            Input::Plain { file, from, to, hold_last, is_sparse, .. } => {
                let span = |from, to| Reader::Plain(Span::of_lines(file, from, to, *is_sparse));
                if *to - *from >= LARGE
                    && let Some((middle, before)) = seek::line_near_middle(file, *from, *to)
                {
                    let first = Lines::new(span(*from, middle), false);
                    let second = Lines::new(span(middle, *to), *hold_last);
                    return vec![
                        Part { before: Vec::new(), lines: first },
                        Part { before, lines: second },
                    ];
                }
                (span(*from, *to), *hold_last)
            }
            Input::Compressed { file, to, compression, is_sparse } => {
                let span = Span::of_bytes(file, *to, *is_sparse);
                (Reader::Compressed(compression.decompress(Box::new(span), Some(*to))), false)
            }
            Input::Stream(input) => (Reader::Stream(input), false),
        };
        vec![Part { before: Vec::new(), lines: Lines::new(reader, hold_last) }]
    }

    /// Whether the first bytes of an uncompressed file have changed since it was opened: it was truncated, and
    /// something else was written to it. (For a file that only shrank, see [`Reader::shrunk`].)
    pub fn was_rewritten(&self) -> bool {
        let Input::Plain { file, head, .. } = &self.input else { return false };
        let mut now = vec![0; head.len()];
        read_up_to(file, &mut now).is_ok_and(|known| now[..known] != head[..known])
    }

    /// Skips what is older than the period, where that can be found without reading all of it.
    fn skip_to(&mut self, start: i64, instant_of: InstantOf<'_>) -> io::Result<()> {
        if let Some(end) = self.end_of_data()
            && let Input::Plain { file, from, .. } = &mut self.input
        {
            *from = seek::find(file, end, start, instant_of)?;
        }
        Ok(())
    }

    /// Where the text of an uncompressed file ends: at its end, or before the hole there.
    fn end_of_data(&self) -> Option<u64> {
        match &self.input {
            Input::Plain { file, to, is_sparse: true, .. } => Some(span::end_of_data(file, *to)),
            Input::Plain { to, .. } => Some(*to),
            Input::Compressed { .. } | Input::Stream(_) => None,
        }
    }
}

/// A part of a file of a log.
pub struct Part<'a> {
    /// Some whole lines from just before it, unless it is the first part.
    pub before: Vec<u8>,
    /// Its lines.
    pub lines: Lines<Reader<'a>>,
}

impl<'a> Part<'a> {
    /// If it is compressed, has another thread decompress it, where one can be started. To be called before the
    /// first line is read.
    pub fn decompressed_in_background<'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
    ) -> Part<'scope>
    where
        'a: 'scope,
    {
        let Self { before, lines } = self;
        let lines = lines.map_input(|reader| match reader {
            Reader::Compressed(input) => {
                ReadAhead::start(input, scope).map_or_else(Reader::Compressed, Reader::ReadAhead)
            }
            Reader::ReadAhead(input) => Reader::ReadAhead(input),
            Reader::Plain(span) => Reader::Plain(span),
            Reader::Stream(input) => Reader::Stream(input),
        });
        Part { before, lines }
    }
}

/// The decompressed bytes of a file of a log.
pub enum Reader<'a> {
    /// Of an uncompressed file.
    Plain(Span<'a>),
    /// Of a compressed file.
    Compressed(Box<dyn Read + Send + 'a>),
    /// Of a compressed file, decompressed by another thread.
    ReadAhead(ReadAhead),
    /// Of a stream.
    Stream(&'a mut (dyn Read + Send)),
}

impl Reader<'_> {
    /// If an uncompressed file ended early: the offset at which it did, and the length it had when it was
    /// opened.
    pub fn shrunk(&self) -> Option<(u64, u64)> {
        match self {
            Self::Plain(span) => span.shrunk(),
            _ => None,
        }
    }

    /// How many bytes of holes in an uncompressed file were left out.
    pub fn skipped(&self) -> u64 {
        match self {
            Self::Plain(span) => span.skipped(),
            _ => 0,
        }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(span) => span.read(into),
            Self::Compressed(input) => input.read(into),
            Self::ReadAhead(input) => input.read(into),
            Self::Stream(input) => input.read(into),
        }
    }
}

/// Whether a log exists, or would if it were not just being rotated. If it cannot be looked at, it is
/// taken to exist, so that opening it reports the error.
pub fn is_there(path: &Path) -> bool {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            rotated_names::has_rotated_logs(path, &Directories::new(SystemTime::UNIX_EPOCH))
        }
        _ => true,
    }
}

/// Device and inode: which file it is, whatever its name.
fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Reads from the start of a file until the buffer is full or the file ends.
fn read_up_to(file: &File, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read_at(&mut into[filled..], filled as u64) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens a log, calls `change`, and reads it. Returns the number of lines, where it had shrunk, and
    /// whether it was rewritten.
    fn read(name: &str, change: impl FnOnce(&Path)) -> (usize, Option<(u64, u64)>, bool) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join(name);
        let text: String = (0..200_000).map(|n| format!("line {n:094}\n")).collect();
        std::fs::write(&path, text).expect("a temporary file");
        let access = Access { uid: rustix::process::geteuid().as_raw(), plain_only: true };
        let log = Log::open(&path, 0, &Directories::new(SystemTime::now()), access, &mut |_| None);
        let mut log = log.expect("it was just written");
        change(&path);
        let (mut lines, mut shrunk) = (0, None);
        for mut part in log.files[0].parts() {
            while let Some(block) = part.lines.next_block().expect("readable") {
                lines += lines::split(block).count();
            }
            shrunk = shrunk.or(part.lines.input().shrunk());
        }
        let rewritten = log.files[0].was_rewritten();
        (lines, shrunk, rewritten)
    }

    #[test]
    fn what_happens_to_a_log_after_it_was_opened() {
        let append = |path: &Path, text: &[u8]| {
            use std::io::Write;
            let file = File::options().append(true).open(path);
            file.and_then(|mut file| file.write_all(text)).expect("a temporary file");
        };
        let truncate = |path: &Path, to: u64| {
            let file = File::options().write(true).open(path);
            file.and_then(|file| file.set_len(to)).expect("a temporary file");
        };
        let whole = (200_000, None, false);
        assert_eq!(read("unchanged", |_| ()), whole);
        assert_eq!(read("grown", |path| append(path, b"more\n")), whole);
        assert_eq!(read("removed", |path| std::fs::remove_file(path).expect("it exists")), whole);
        let (lines, shrunk, rewritten) = read("truncated", |path| truncate(path, 150));
        assert_eq!((lines, shrunk, rewritten), (1, Some((150, 20_000_000)), false));
        let (_, _, rewritten) = read("rewritten", |path| {
            truncate(path, 0);
            append(path, &vec![b'x'; 30_000_000]);
        });
        assert!(rewritten, "though it has grown beyond its old length");
    }
}
