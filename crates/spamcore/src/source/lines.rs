//! From bytes to lines: large reads, and blocks of whole lines borrowed from one buffer.
//!
//! [`Lines`] hands out as many whole lines at a time as its buffer holds, so that they can be searched at
//! the speed of memory. It does not map files, does not allocate per line, and its buffer does not grow.
//! Lines longer than [`LONGEST`] are counted, however long they are, and only their start can be used. NUL
//! bytes before a line are dropped: `copytruncate` leaves a hole in a file if its writer goes on at the old
//! offset.

use std::io::{self, Read};

use memchr::{memchr, memrchr};

/// The longest line that is read, in bytes, without its newline.
pub const LONGEST: usize = 64 << 10;

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// Reads lines in blocks.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// Bytes of the buffer that hold input.
    filled: usize,
    /// Bytes of the buffer that have been handed out.
    given: usize,
    /// Inside a line that is too long.
    skipping: bool,
    overlong: u64,
    hold_last: bool,
    done: bool,
}

impl<R: Read> Lines<R> {
    /// The lines of `input`. With `hold_last`, whatever follows the last newline is left out: that line
    /// is still being written.
    pub fn new(input: R, hold_last: bool) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            filled: 0,
            given: 0,
            skipping: false,
            overlong: 0,
            hold_last,
            done: false,
        }
    }

    /// Replaces the input by what `other` makes of it. To be called before the first line is read.
    pub fn map_input<S: Read>(self, other: impl FnOnce(R) -> S) -> Lines<S> {
        Lines::new(other(self.input), self.hold_last)
    }

    /// Where the bytes come from.
    pub fn input(&self) -> &R {
        &self.input
    }

    /// How many lines were too long so far.
    pub fn overlong(&self) -> u64 {
        self.overlong
    }

    /// The next block of whole lines, or none at the end. Every line has its newline, except perhaps the
    /// last one of the input. A block may contain lines that are too long, and a block may be just the
    /// start of such a line, which is too long itself; [`trimmed`] rejects both.
    ///
    /// When it returns an error, everything that was read before it has been handed out.
    pub fn next_block(&mut self) -> io::Result<Option<&[u8]>> {
        if self.buffer.is_empty() {
            self.buffer.resize(CHUNK + LONGEST + 1, 0);
        }
        loop {
            if self.given > 0 {
                self.buffer.copy_within(self.given..self.filled, 0);
                self.filled -= self.given;
                self.given = 0;
            }
            if self.done {
                return Ok(self.rest());
            }
            let room = &mut self.buffer[self.filled..];
            let got = match self.input.read(room) {
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.done = got == 0;
            let fresh = self.filled;
            self.filled += got;
            if self.done {
                continue;
            }
            if self.skipping {
                // The overlong line goes on: drop it up to its newline.
                match memchr(b'\n', &self.buffer[fresh..self.filled]) {
                    Some(at) => {
                        self.skipping = false;
                        self.given = fresh + at + 1;
                    }
                    None => {
                        self.given = self.filled;
                        continue;
                    }
                }
            }
            if let Some(at) = memrchr(b'\n', &self.buffer[fresh..self.filled])
                && fresh + at + 1 > self.given
            {
                let block = self.given..fresh + at + 1;
                self.given = block.end;
                self.overlong += count_overlong(&self.buffer[block.clone()]);
                return Ok(Some(&self.buffer[block]));
            }
            // There is no newline yet.
            self.given += leading_nuls(&self.buffer[self.given..self.filled]);
            if self.filled - self.given > LONGEST {
                self.overlong += 1;
                self.skipping = true;
                let block = self.given..self.filled;
                self.given = block.end;
                return Ok(Some(&self.buffer[block]));
            }
        }
    }

    /// What follows the last newline, once.
    fn rest(&mut self) -> Option<&[u8]> {
        let block = self.given..self.filled;
        self.given = self.filled;
        self.overlong += count_overlong(&self.buffer[block.clone()]);
        (!block.is_empty() && !self.hold_last && !self.skipping).then(|| &self.buffer[block])
    }
}

/// A line without what does not belong to it; none if it is longer than [`LONGEST`].
///
/// That is NULs before it, a byte order mark, with which an editor may have saved the file, and a carriage return
/// after it, which a terminal adds (`ssh -t`, `docker exec -t`).
#[inline]
pub fn trimmed(line: &[u8]) -> Option<&[u8]> {
    let line = &line[leading_nuls(line)..];
    (line.len() <= LONGEST).then(|| stripped(line))
}

/// The first [`LONGEST`] bytes of a line, at most, without what does not belong to it.
pub fn head(line: &[u8]) -> &[u8] {
    let line = &line[leading_nuls(line)..];
    stripped(&line[..line.len().min(LONGEST)])
}

#[inline]
fn stripped(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line)
}

/// The lines of a block, without their newlines.
pub fn split(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let block = block.strip_suffix(b"\n").unwrap_or(block);
    let mut rest = Some(block);
    std::iter::from_fn(move || {
        let text = rest?;
        match memchr(b'\n', text) {
            Some(at) => {
                rest = Some(&text[at + 1..]);
                Some(&text[..at])
            }
            None => rest.take(),
        }
    })
}

#[inline]
fn leading_nuls(line: &[u8]) -> usize {
    // Most lines have none.
    if line.first() == Some(&0) { length_of_nuls(line) } else { 0 }
}

/// How many NULs a line starts with; there may be very many.
#[cold]
fn length_of_nuls(line: &[u8]) -> usize {
    let words = line.chunks_exact(64).take_while(|word| word.iter().fold(0, |any, b| any | b) == 0);
    let at = words.count() * 64;
    line[at..].iter().position(|&b| b != 0).map_or(line.len(), |more| at + more)
}

/// How many lines of a block are too long. Looks for only one newline in every [`LONGEST`] bytes.
fn count_overlong(block: &[u8]) -> u64 {
    let (mut at, mut count) = (0, 0);
    while block.len() - at > LONGEST {
        match memrchr(b'\n', &block[at..=at + LONGEST]) {
            Some(newline) => at += newline + 1,
            None => {
                let end = memchr(b'\n', &block[at..]).map_or(block.len(), |end| at + end);
                count += u64::from(trimmed(&block[at..end]).is_none());
                at = (end + 1).min(block.len());
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that returns its bytes in chunks of the given sizes, cyclically.
    struct Chunks<'a>(&'a [u8], Vec<usize>, usize);

    impl Read for Chunks<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let size = self.1[self.2 % self.1.len()].min(into.len()).min(self.0.len());
            self.2 += 1;
            into[..size].copy_from_slice(&self.0[..size]);
            self.0 = &self.0[size..];
            Ok(size)
        }
    }

    fn read(input: &[u8], sizes: &[usize], hold_last: bool) -> (Vec<Vec<u8>>, u64) {
        let mut lines = Lines::new(Chunks(input, sizes.to_vec(), 0), hold_last);
        let mut seen = Vec::new();
        while let Some(block) = lines.next_block().expect("no errors here") {
            seen.extend(split(block).filter_map(trimmed).map(<[u8]>::to_vec));
        }
        (seen, lines.overlong())
    }

    #[test]
    fn lines_do_not_depend_on_how_they_are_read() {
        let mut input = Vec::new();
        for n in 0..2000 {
            input.extend_from_slice(format!("line {n} {}\n", "x".repeat(n % 700)).as_bytes());
        }
        input.extend_from_slice(&vec![b'y'; LONGEST]);
        input.extend_from_slice(b"\n\n");
        input.extend_from_slice(&vec![b'z'; LONGEST + 1]);
        input.extend_from_slice(b"\nafter\n");
        input.extend_from_slice(&vec![0; 3 * CHUNK]);
        input.extend_from_slice(b"after the hole\n");
        input.extend_from_slice(&vec![b'w'; 2 * CHUNK]);
        input.extend_from_slice(b"\nlast");
        let whole = read(&input, &[usize::MAX], false);
        assert_eq!(whole.1, 2);
        assert_eq!(whole.0.len(), 2000 + 5);
        assert_eq!(whole.0[2000].len(), LONGEST);
        assert_eq!(
            whole.0[2002..],
            [b"after".to_vec(), b"after the hole".to_vec(), b"last".to_vec()]
        );
        for sizes in [&[1][..], &[7, 4096], &[65_536], &[65_537, 3], &[CHUNK - 1]] {
            assert_eq!(read(&input, sizes, false), whole, "{sizes:?}");
        }
    }

    #[test]
    fn a_last_line_without_newline_is_held_back_on_request() {
        assert_eq!(read(b"a\nb", &[1], false).0, [b"a".to_vec(), b"b".to_vec()]);
        assert_eq!(read(b"a\nb", &[1], true).0, [b"a".to_vec()]);
        assert_eq!(read(b"", &[1], false).0, Vec::<Vec<u8>>::new());
        assert_eq!(read(b"\n", &[1], false).0, [b"".to_vec()]);
    }

    #[test]
    fn a_last_line_that_is_too_long_is_counted_however_it_is_read() {
        for (length, overlong) in [(LONGEST, 0), (LONGEST + 1, 1), (3 * CHUNK, 1)] {
            let input = [b"a\n", &vec![b'x'; length][..]].concat();
            for sizes in [&[usize::MAX][..], &[4096], &[LONGEST, 1]] {
                for hold_last in [false, true] {
                    assert_eq!(read(&input, sizes, hold_last).1, overlong, "{length} {sizes:?}");
                }
            }
        }
    }

    /// A reader that returns these results, the last one first, and then the end.
    struct Scripted(Vec<io::Result<&'static [u8]>>);

    impl Read for Scripted {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let bytes = self.0.pop().unwrap_or(Ok(b""))?;
            into[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        }
    }

    #[test]
    fn a_signal_changes_nothing_and_an_error_is_returned() {
        let error = |kind: io::ErrorKind| Err(io::Error::from(kind));
        let results = vec![
            error(io::ErrorKind::BrokenPipe),
            Ok(&b"b\nc\n"[..]),
            error(io::ErrorKind::Interrupted),
            Ok(b"a\n"),
            error(io::ErrorKind::Interrupted),
        ];
        let mut lines = Lines::new(Scripted(results), false);
        let mut next = || lines.next_block().map(|block| block.map(<[u8]>::to_vec));
        assert_eq!(next().expect("a block"), Some(b"a\n".to_vec()));
        assert_eq!(next().expect("a block"), Some(b"b\nc\n".to_vec()));
        assert_eq!(next().expect_err("an error").kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn the_start_of_a_line_follows_its_nuls() {
        assert_eq!(head(b"\0\0abc"), b"abc");
        let long = [&b"\0"[..], &b"y".repeat(LONGEST + 1)].concat();
        assert_eq!(head(&long), b"y".repeat(LONGEST));
        assert!(head(b"\0\0").is_empty());
    }

    #[test]
    fn endless_input_takes_no_more_memory() {
        let mut lines = Lines::new(io::repeat(b'x').take(64 << 20), false);
        let start = lines.next_block().expect("no errors here").map(<[u8]>::to_vec);
        let start = start.expect("the start of the line");
        assert!(trimmed(&start).is_none());
        assert_eq!(head(&start), b"x".repeat(LONGEST));
        assert!(lines.next_block().expect("no errors here").is_none(), "nothing else");
        assert_eq!(lines.overlong(), 1);
        assert!(lines.buffer.capacity() < 1 << 20);
        let mut lines = Lines::new(io::repeat(0).take(64 << 20), false);
        while let Some(block) = lines.next_block().expect("no errors here") {
            assert!(split(block).filter_map(trimmed).all(<[u8]>::is_empty));
        }
        assert_eq!(lines.overlong(), 0);
    }
}
