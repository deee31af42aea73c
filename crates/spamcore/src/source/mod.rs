//! Where lines come from: a log with its rotated logs, a pipe, the journal.
//!
//! A [`Log`] is what `-l` names, or a default log: the files that hold its lines, in reading order,
//! rotated logs before their log. All of them are open before the first is read, so that a rotation
//! meanwhile changes nothing. Files are read with plain reads at offsets of our own, up to the length
//! that they had when they were opened; a file that turns out shorter, or begins anew, is told, never a
//! crash.
//!
//! The begin of the period is found from the end of a plain file, without reading what lies before. It is
//! missed only where lines of the period stand before older ones: the search assumes that stamps go up,
//! roughly, and checks that in three ways. The lines just before the place found must be of the time just
//! before the period, or the file is read as a whole; a mebibyte before it is read line by line; and 64
//! places at even distances in the rest are looked at.

mod compressed;
pub mod journal;
pub mod lines;
mod read_ahead;
mod rotated;
mod rotated_names;
mod seek;

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::Scope;
use std::time::SystemTime;

use crate::error::Error;
use crate::source::lines::Lines;
use compressed::Compression;
use read_ahead::ReadAhead;

/// Within this time after its last write, a log's last line without newline is still being written.
const LIVE: std::time::Duration = std::time::Duration::from_secs(60);

/// So many of a file's first bytes tell whether it is still the one that was opened.
const HEAD: usize = 512;

/// A file of which so many bytes are to be read is read in two parts.
const LARGE: u64 = 8 << 20;

/// The instant of a line, in Unix seconds, where it has one that can be read.
pub type InstantOf<'a> = &'a mut dyn FnMut(&[u8]) -> Option<i64>;

/// A log: its files in reading order.
#[derive(Debug)]
pub struct Log {
    /// The files.
    pub files: Vec<LogFile>,
    /// What could not be opened, or is not read, and why. The rest is read all the same.
    pub problems: Vec<Error>,
}

/// One open file of a log.
#[derive(Debug)]
pub struct LogFile {
    /// Its name.
    pub path: PathBuf,
    /// Whether it was rotated away.
    pub rotated: bool,
    /// Device and inode, of a plain or compressed file.
    pub identity: Option<(u64, u64)>,
    input: Input,
}

enum Input {
    /// A plain file, from an offset to the length it had; its first bytes; whether its last line may be
    /// unfinished.
    Plain { file: File, from: u64, to: u64, head: Vec<u8>, hold_last: bool },
    /// A compressed file, to the length it had.
    Compressed { file: File, to: u64, compression: Compression },
    /// What can be read only once.
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
            input: Input::Stream(input),
        };
        Self { files: vec![file], problems: Vec::new() }
    }

    /// The log at `path` with its rotated logs, as far as a period reaches that began at `start`.
    ///
    /// A path that is compressed or named like a rotated log has no rotated logs. With `plain_only`, anything but
    /// a regular file is refused instead of waited for. `wall` is the time on this host's clock.
    pub fn open(
        path: &Path,
        start: i64,
        wall: SystemTime,
        plain_only: bool,
        instant_of: InstantOf<'_>,
    ) -> Result<Self, Error> {
        let read = |source| Error::Read { path: path.to_owned(), source };
        let metadata = match std::fs::metadata(path) {
            // It is being rotated, or was, and nothing has been written since.
            Err(_) if rotated_names::has_rotated_logs(path) => {
                return rotated::open(path, start, wall, instant_of);
            }
            result => result.map_err(read)?,
        };
        if plain_only && !metadata.is_file() {
            return Err(Error::Refused { path: path.to_owned(), why: "not a regular file" });
        }
        if metadata.is_dir() {
            return Err(read(io::ErrorKind::IsADirectory.into()));
        }
        if !metadata.is_file() {
            let kind = metadata.file_type();
            if kind.is_block_device() || kind.is_socket() {
                return Err(Error::Refused { path: path.to_owned(), why: "it holds no lines" });
            }
            let file = File::open(path).map_err(read)?;
            return Ok(Self::stream(&path.to_string_lossy(), Box::new(file)));
        }
        rotated::open(path, start, wall, instant_of)
    }

    /// Whether all of it can be read a second time.
    pub fn can_be_read_again(&self) -> bool {
        !self.files.iter().any(|file| matches!(file.input, Input::Stream(_)))
    }
}

impl LogFile {
    /// Opens a file of a log. One that cannot be unpacked is an error.
    fn open(path: &Path, rotated: bool, wall: SystemTime) -> Result<(Self, Metadata), Error> {
        let read = |source| Error::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        if !metadata.is_file() {
            return Err(Error::Refused { path: path.to_owned(), why: "not a regular file" });
        }
        let to = metadata.len();
        let mut head = vec![0; HEAD];
        let known = read_up_to(&file, &mut head).map_err(read)?;
        head.truncate(known);
        let input = match compressed::recognize(&head) {
            Some(Ok(compression)) => Input::Compressed { file, to, compression },
            Some(Err(why)) => return Err(Error::Refused { path: path.to_owned(), why }),
            None => {
                let age = |at| wall.duration_since(at).unwrap_or_else(|error| error.duration());
                let live = metadata.modified().is_ok_and(|at| age(at) < LIVE);
                Input::Plain { file, from: 0, to, head, hold_last: live && !rotated }
            }
        };
        let identity = Some(identity(&metadata));
        Ok((Self { path: path.to_owned(), rotated, identity, input }, metadata))
    }

    /// Its lines, from where the period begins, in one part or, of a large plain file, in two. A stream
    /// gives them once.
    pub fn parts(&mut self) -> Vec<Part<'_>> {
        let (reader, hold_last) = match &mut self.input {
            Input::Plain { file, from, to, hold_last, .. } => {
                if *to - *from >= LARGE
                    && let Some((middle, before)) = seek::line_near_middle(file, *from, *to)
                {
                    let first = Reader::Plain(Span { file, at: *from, to: middle });
                    let second = Reader::Plain(Span { file, at: middle, to: *to });
                    return vec![
                        Part { before: Vec::new(), lines: Lines::new(first, false) },
                        Part { before, lines: Lines::new(second, *hold_last) },
                    ];
                }
                (Reader::Plain(Span { file, at: *from, to: *to }), *hold_last)
            }
            Input::Compressed { file, to, compression } => {
                let span = Span { file, at: 0, to: *to };
                (Reader::Compressed(compression.decompress(Box::new(span))), false)
            }
            Input::Stream(input) => (Reader::Stream(input), false),
        };
        vec![Part { before: Vec::new(), lines: Lines::new(reader, hold_last) }]
    }

    /// Whether a plain file begins with other bytes than when it was opened: it was truncated, and has
    /// been written anew since. (A [`Reader`] tells where one ended early.)
    pub fn was_rewritten(&self) -> bool {
        let Input::Plain { file, head, .. } = &self.input else { return false };
        let mut now = vec![0; head.len()];
        read_up_to(file, &mut now).is_ok_and(|known| now[..known] != head[..known])
    }

    /// Skips what lies before the period, where that can be found without reading it all.
    fn skip_to(&mut self, start: i64, instant_of: InstantOf<'_>) -> io::Result<()> {
        if let Input::Plain { file, from, to, .. } = &mut self.input {
            *from = seek::find(file, *to, start, instant_of)?;
        }
        Ok(())
    }
}

/// A part of a file of a log.
pub struct Part<'a> {
    /// Whole lines that stand before it, where it is not the first.
    pub before: Vec<u8>,
    /// Its lines.
    pub lines: Lines<Reader<'a>>,
}

impl<'a> Part<'a> {
    /// The same, unpacked by a thread of its own where it is compressed. To be called before the first
    /// line is read.
    pub fn decompressed_in_background<'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
    ) -> Part<'scope>
    where
        'a: 'scope,
    {
        let Self { before, lines } = self;
        let lines = lines.map_input(|reader| match reader {
            Reader::Compressed(input) => Reader::ReadAhead(ReadAhead::start(input, scope)),
            Reader::ReadAhead(input) => Reader::ReadAhead(input),
            Reader::Plain(span) => Reader::Plain(span),
            Reader::Stream(input) => Reader::Stream(input),
        });
        Part { before, lines }
    }
}

/// The bytes of a file of a log, unpacked.
pub enum Reader<'a> {
    /// Of a plain file.
    Plain(Span<'a>),
    /// Of a compressed file.
    Compressed(Box<dyn Read + Send + 'a>),
    /// Of a compressed file, unpacked by another thread.
    ReadAhead(ReadAhead),
    /// Of a stream.
    Stream(&'a mut (dyn Read + Send)),
}

impl Reader<'_> {
    /// Where a plain file ended before the length that it had, and that length.
    pub fn shrunk(&self) -> Option<(u64, u64)> {
        match self {
            Self::Plain(span) if span.at < span.to => Some((span.at, span.to)),
            _ => None,
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

/// A part of a file, read at offsets of its own.
#[derive(Debug)]
pub struct Span<'a> {
    file: &'a File,
    at: u64,
    to: u64,
}

impl Read for Span<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.to - self.at).unwrap_or(usize::MAX).min(into.len());
        let got = self.file.read_at(&mut into[..left], self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}

/// Whether a log is there, or cannot be seen, or is just being rotated: its rotated logs are.
pub fn is_there(path: &Path) -> bool {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            rotated_names::has_rotated_logs(path)
        }
        _ => true,
    }
}

/// Which file it is, whatever it is called.
fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Reads from the begin of a file until the buffer is full or the file ends.
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

    /// A log, opened; then `change` happens, and it is read: the lines, where it had shrunk, and
    /// whether it begins anew.
    fn read(name: &str, change: impl FnOnce(&Path)) -> (usize, Option<(u64, u64)>, bool) {
        let name = format!("spamcore-source-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let text: String = (0..200_000).map(|n| format!("line {n:094}\n")).collect();
        std::fs::write(&path, text).expect("a temporary file");
        let log = Log::open(&path, 0, SystemTime::now(), true, &mut |_| None);
        let mut log = log.expect("it was just written");
        change(&path);
        let (mut lines, mut shrunk) = (0, None);
        for mut part in log.files[0].parts() {
            while let Some(block) = part.lines.next_block().expect("readable") {
                lines += lines::split(block).count();
            }
            shrunk = shrunk.or(part.lines.input().shrunk());
        }
        let anew = log.files[0].was_rewritten();
        let _ = std::fs::remove_file(&path);
        (lines, shrunk, anew)
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
        assert_eq!(read("as-it-was", |_| ()), whole);
        assert_eq!(read("grown", |path| append(path, b"more\n")), whole);
        assert_eq!(read("gone", |path| std::fs::remove_file(path).expect("it is there")), whole);
        let (lines, shrunk, anew) = read("cut", |path| truncate(path, 150));
        assert_eq!((lines, shrunk, anew), (1, Some((150, 20_000_000)), false));
        let anew = read("anew", |path| {
            truncate(path, 0);
            append(path, &vec![b'x'; 30_000_000]);
        });
        assert!(anew.2, "it has grown beyond its old length");
    }
}
