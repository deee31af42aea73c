//! Where in a file the period begins, found from its end without reading what lies before.
//!
//! # The order that is assumed
//!
//! Lines stand in a log in the order in which they arrived, so their stamps go up, roughly: some come
//! late, hosts differ, a clock is set back, an hour repeats. The search looks at chunks of
//! [`CHUNK`] bytes; a chunk is old when it holds stamps and all of them lie before the period. From
//! the end it goes back in growing steps to an old chunk, then halves the distance between that and
//! the oldest that is not.
//!
//! # When that does not hold
//!
//! Where the lines just before the period are missing at that place (the newest of them is more than
//! [`CLOSE`] seconds older), a burst of late lines may lie between two parts of the period, or nothing
//! was written for a while: then the file is read as a whole.
//!
//! What stands before the place found may still hold lines of the period: behind a burst of lines that
//! another host delivered a day late, or before a clock was set back. So the [`MARGIN`] bytes before
//! it are read as a whole, and of all the rest [`PROBE`] bytes at [`PROBES`] even distances: wherever a line of
//! the period is seen, the search goes on before it. Lines of the period are passed over only if, in
//! a file without other such lines near, they fill less than a [`PROBES`]th of what lies before, and
//! stand more than the margin before all others.
//!
//! A chunk without a stamp that can be read counts as not old, so a doubt costs time, not lines.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::InstantOf;
use crate::source::lines::split;

/// How close to the period the lines before it are in a log that is written all the time. Seconds.
const CLOSE: i64 = 900;

/// How much is looked at, in bytes.
const CHUNK: usize = 32 << 10;

/// How much of a chunk is looked at again with the next one: a line that one cuts is whole in the other.
const OVERLAP: usize = 4 << 10;

/// The first step from the end, and what is read as a whole before the place found, in bytes.
const MARGIN: u64 = 1 << 20;

/// How much is looked at in what lies before, at each place; a chunk where that leaves a doubt.
const PROBE: usize = 4 << 10;

/// How many places are looked at in what lies before.
const PROBES: u64 = 64;

/// The offset from which a file of length `to` is read, so that no line after `start` is missed: that
/// of a line's first byte, or of a byte inside a line that is old.
pub(super) fn find(file: &File, to: u64, start: i64, instant_of: InstantOf<'_>) -> io::Result<u64> {
    let mut search = Search { file, start, instant_of, chunk: vec![0; CHUNK] };
    let Some((mut old, mut young)) = search.gallop(to)? else { return Ok(0) };
    loop {
        while young - old > CHUNK as u64 {
            let middle = old + (young - old) / 2;
            if search.is_old(middle)? { old = middle } else { young = middle }
        }
        if search.newest(old)?.is_none_or(|newest| newest < start.saturating_sub(CLOSE)) {
            return Ok(0);
        }
        match search.young_before(old)? {
            // Nothing of the period was seen before: reading begins behind the line that is cut there.
            None => return search.next_line(old),
            Some(0) => return Ok(0),
            // Go on before it, from a chunk that is old again.
            Some(at) => match search.gallop(at)? {
                Some(pair) => (old, young) = pair,
                None => return Ok(0),
            },
        }
    }
}

/// The offset of a line's first byte near the middle of a part of a file, and the whole lines before it;
/// none where there is no line near, or it cannot be read.
pub(super) fn line_near_middle(file: &File, from: u64, to: u64) -> Option<(u64, Vec<u8>)> {
    let at = from + (to - from) / 2;
    let mut chunk = vec![0; CHUNK];
    file.read_exact_at(&mut chunk, at).ok()?;
    let start = memchr::memchr(b'\n', &chunk)? + 1;
    let end = memchr::memrchr(b'\n', &chunk)? + 1;
    Some((at + end as u64, chunk[start..end].to_vec()))
}

struct Search<'a> {
    file: &'a File,
    start: i64,
    instant_of: InstantOf<'a>,
    chunk: Vec<u8>,
}

impl Search<'_> {
    /// Goes back from `end` in growing steps: the first old chunk, and the place after it that is not.
    fn gallop(&mut self, end: u64) -> io::Result<Option<(u64, u64)>> {
        let (mut step, mut young) = (MARGIN, end);
        while step < end {
            let at = end - step;
            if self.is_old(at)? {
                return Ok(Some((at, young)));
            }
            young = at;
            step *= 2;
        }
        Ok(None)
    }

    /// Whether the chunk at an offset holds stamps, and all of them lie before the period.
    fn is_old(&mut self, at: u64) -> io::Result<bool> {
        Ok(self.newest(at)?.is_some_and(|newest| newest <= self.start))
    }

    /// An offset before `old` from which on lines of the period were seen.
    fn young_before(&mut self, old: u64) -> io::Result<Option<u64>> {
        // The rest first: what is found there is further back.
        let far = old.saturating_sub(MARGIN);
        let distance = (far / PROBES).max(CHUNK as u64);
        let mut at = 0;
        while at + CHUNK as u64 <= far {
            if self.newest_of(at, PROBE)?.is_none_or(|newest| newest > self.start)
                && !self.is_old(at)?
            {
                return Ok(Some(at));
            }
            at += distance;
        }
        let mut at = far;
        while at < old {
            if !self.is_old(at)? {
                return Ok(Some(at));
            }
            at += (CHUNK - OVERLAP) as u64;
        }
        Ok(None)
    }

    /// The newest stamp among the whole lines of a chunk; none when no stamp can be read.
    fn newest(&mut self, at: u64) -> io::Result<Option<i64>> {
        self.newest_of(at, CHUNK)
    }

    /// The same of a chunk of another length, [`CHUNK`] at most.
    fn newest_of(&mut self, at: u64, length: usize) -> io::Result<Option<i64>> {
        let mut filled = 0;
        while filled < length {
            match self.file.read_at(&mut self.chunk[filled..length], at + filled as u64) {
                Ok(0) => break,
                Ok(got) => filled += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let chunk = &self.chunk[..filled];
        // The first line may be cut, unless it is the file's first; the last one always may.
        let first =
            if at == 0 { 0 } else { memchr::memchr(b'\n', chunk).map_or(filled, |n| n + 1) };
        let last = memchr::memrchr(b'\n', chunk).map_or(0, |n| n + 1);
        if first >= last {
            return Ok(None);
        }
        Ok(split(&chunk[first..last]).filter_map(|line| (self.instant_of)(line)).max())
    }

    /// The offset behind the next newline at or after `at`.
    fn next_line(&mut self, at: u64) -> io::Result<u64> {
        let got = self.file.read_at(&mut self.chunk, at)?;
        Ok(at + memchr::memchr(b'\n', &self.chunk[..got]).map_or(0, |n| n as u64 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A file of lines `N` padded to 100 bytes, and where it says the lines after `start` begin.
    fn first_read(numbers: &[i64], start: i64) -> (u64, usize) {
        let path = std::env::temp_dir().join(format!(
            "spamcore-start-{}-{start}-{}",
            std::process::id(),
            numbers.len()
        ));
        let mut text = Vec::new();
        for number in numbers {
            writeln!(text, "{number:<99}").expect("memory");
        }
        std::fs::write(&path, &text).expect("a temporary file");
        let file = File::open(&path).expect("it was just written");
        std::fs::remove_file(&path).expect("it was just written");
        let mut read = 0;
        let mut instant_of = |line: &[u8]| {
            read += 1;
            std::str::from_utf8(line).ok()?.trim().parse().ok()
        };
        let at = find(&file, text.len() as u64, start, &mut instant_of).expect("readable");
        (at, read)
    }

    #[test]
    fn the_start_is_found_without_reading_what_lies_before() {
        let numbers: Vec<i64> = (0..400_000).collect(); // 40 MB
        for start in [10, 200_000, 389_000, 399_990] {
            let (at, read) = first_read(&numbers, start);
            let line = at / 100;
            assert!(line <= start.cast_unsigned() + 1, "{start}: begins at {line}");
            assert!(line + 3000 > start.cast_unsigned(), "{start}: begins at {line}");
            assert!(read < 80_000, "{start}: {read} lines looked at");
        }
        assert_eq!(first_read(&numbers, -1).0, 0);
        assert_eq!(first_read(&numbers[..1000], 500).0, 0, "small files are read whole");
    }

    #[test]
    fn late_bursts_and_clocks_set_back_do_not_end_the_search() {
        // In the period: 100,000 lines, then 30,000 old ones that came late, then 50,000 more.
        let mut numbers: Vec<i64> = (0..200_000).collect();
        numbers.extend(0..30_000);
        numbers.extend(200_000..250_000);
        let (at, _) = first_read(&numbers, 100_000);
        assert!(at / 100 <= 100_001, "begins at line {}", at / 100);
        // A clock that was set back by a lot.
        let mut numbers: Vec<i64> = (0..200_000).collect();
        numbers.extend(150_000..190_000);
        let (at, _) = first_read(&numbers, 180_000);
        assert!(at / 100 <= 180_001, "begins at line {}", at / 100);
    }

    #[test]
    fn lines_without_stamps_are_not_taken_for_old() {
        let mut numbers = vec![-1; 1];
        numbers.extend(vec![i64::MAX; 0]);
        numbers.extend(0..100_000);
        assert_eq!(first_read(&numbers, i64::MIN).0, 0);
    }
}
