//! Where in a file the period starts, found from the end without reading everything before it.
//!
//! Takes an open file and the start of the period, and gives the offset from which it must be read. It never
//! skips a line of the period, as far as the order of lines allows: see below.
//!
//! # The order that is assumed
//!
//! Lines are in the order in which they arrived, so their timestamps roughly increase: but some lines come
//! late, the clocks of hosts differ, a clock is set back, an hour repeats. The search looks at chunks of
//! [`CHUNK`] bytes; a chunk is old if it has timestamps and all of them are before the period. From the end,
//! the search goes back in growing steps until it meets an old chunk, and then bisects between that and
//! the oldest one that is not.
//!
//! # When that does not hold
//!
//! If the lines before the offset found are not from just before the period (the newest of them is more than
//! [`CLOSE`] seconds older), a burst of late lines may lie between two parts of the period, or nothing was
//! logged for a while. Then the whole file is read.
//!
//! Before the offset found there may still be lines of the period: before a burst of lines that another host
//! delivered a day late, or before a clock was set back. So the [`MARGIN`] bytes before it are read
//! completely, and in the rest [`PROBE`] bytes at each of [`PROBES`] evenly spaced offsets. If a line of the
//! period is seen, the search goes on before it. Lines of the period are missed only if they make up less
//! than a [`PROBES`]th of what comes before the offset, and are further from all others than the margin.
//!
//! A chunk without a readable timestamp counts as not old: doubt costs time, not lines.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::InstantOf;
use crate::source::lines::split;

/// In a log that is written all the time, the last lines before the period are no older than this, compared
/// with its start. Seconds.
const CLOSE: i64 = 900;

/// How much is looked at in one place, in bytes.
const CHUNK: usize = 32 << 10;

/// By how much neighbouring chunks overlap, in bytes: a line that is cut in one is whole in the other.
const OVERLAP: usize = 4 << 10;

/// The first step from the end, and how much is read completely before the offset found, in bytes.
const MARGIN: u64 = 1 << 20;

/// The size of a sample before that, in bytes. Where it leaves a doubt, a whole chunk is looked at.
const PROBE: usize = 4 << 10;

/// How many samples are taken.
const PROBES: u64 = 64;

/// The offset from which a file of length `to` must be read so that no line after `start` is missed: that of
/// the first byte of a line, or an offset inside an old line, which is harmless.
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
            // Nothing of the period was seen before it: reading starts after the line that is cut there.
            None => return search.next_line(old),
            Some(0) => return Ok(0),
            // Go on before it, from the next chunk that is old.
            Some(at) => match search.gallop(at)? {
                Some(pair) => (old, young) = pair,
                None => return Ok(0),
            },
        }
    }
}

/// The offset of the first byte of a line near the middle of a part of a file, and some whole lines before
/// it. None if there is no line near the middle, or the file cannot be read there.
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
    /// Goes back from `end` in growing steps. Gives the offset of the first old chunk, and the one after it
    /// that is not old.
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

    /// Whether the chunk at an offset has timestamps, and all of them are before the period.
    fn is_old(&mut self, at: u64) -> io::Result<bool> {
        Ok(self.newest(at)?.is_some_and(|newest| newest <= self.start))
    }

    /// The offset of a chunk before `old` in which a line of the period was seen.
    fn young_before(&mut self, old: u64) -> io::Result<Option<u64>> {
        // The samples first: what is found there is further back.
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

    /// The newest timestamp among the whole lines of a chunk; none if none can be read.
    fn newest(&mut self, at: u64) -> io::Result<Option<i64>> {
        self.newest_of(at, CHUNK)
    }

    /// The same for another length, [`CHUNK`] at most.
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
        // The first line may be cut, unless it is the first of the file; the last line may always be.
        let first =
            if at == 0 { 0 } else { memchr::memchr(b'\n', chunk).map_or(filled, |n| n + 1) };
        let last = memchr::memrchr(b'\n', chunk).map_or(0, |n| n + 1);
        if first >= last {
            return Ok(None);
        }
        Ok(split(&chunk[first..last]).filter_map(|line| (self.instant_of)(line)).max())
    }

    /// The offset after the next newline at or after `at`.
    fn next_line(&mut self, at: u64) -> io::Result<u64> {
        let got = self.file.read_at(&mut self.chunk, at)?;
        Ok(at + memchr::memchr(b'\n', &self.chunk[..got]).map_or(0, |n| n as u64 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A number that stands for a line without a timestamp.
    const UNREADABLE: i64 = -1;

    /// Searches a file of numbers, one per line of 100 bytes, each its own timestamp. Returns the offset
    /// found, and how many lines were looked at.
    fn first_read(numbers: &[i64], start: i64) -> (u64, usize) {
        let mut text = Vec::new();
        for number in numbers {
            writeln!(text, "{number:<99}").expect("memory");
        }
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(&text).expect("it can be written");
        let mut read = 0;
        let mut instant_of = |line: &[u8]| {
            read += 1;
            let number = std::str::from_utf8(line).ok()?.trim().parse().ok();
            number.filter(|number| *number != UNREADABLE)
        };
        let at = find(&file, text.len() as u64, start, &mut instant_of).expect("readable");
        (at, read)
    }

    #[test]
    fn the_start_is_found_without_reading_everything_before_it() {
        let numbers: Vec<i64> = (0..400_000).collect(); // 40 MB
        for start in [10, 200_000, 389_000, 399_990] {
            let (at, read) = first_read(&numbers, start);
            let line = at / 100;
            assert!(line <= start.cast_unsigned() + 1, "{start}: starts at {line}");
            assert!(line + 3000 > start.cast_unsigned(), "{start}: starts at {line}");
            assert!(read < 80_000, "{start}: {read} lines looked at");
        }
        assert_eq!(first_read(&numbers, -1).0, 0);
        assert_eq!(first_read(&numbers[..1000], 500).0, 0, "small files are read whole");
    }

    #[test]
    fn late_bursts_and_clocks_set_back_do_not_end_the_search() {
        // 100,000 lines of the period, then 30,000 old ones that came late, then 50,000 more.
        let mut numbers: Vec<i64> = (0..200_000).collect();
        numbers.extend(0..30_000);
        numbers.extend(200_000..250_000);
        let (at, _) = first_read(&numbers, 100_000);
        assert!(at / 100 <= 100_001, "starts at line {}", at / 100);
        // A clock that was set back a long way.
        let mut numbers: Vec<i64> = (0..200_000).collect();
        numbers.extend(150_000..190_000);
        let (at, _) = first_read(&numbers, 180_000);
        assert!(at / 100 <= 180_001, "starts at line {}", at / 100);
    }

    #[test]
    fn lines_without_timestamps_are_not_taken_for_old() {
        let mut numbers = vec![UNREADABLE; 100_000];
        numbers.extend(0..100_000);
        assert_eq!(first_read(&numbers, 90_000).0, 0);
        numbers[..100_000].fill(0);
        assert_ne!(first_read(&numbers, 90_000).0, 0, "with old timestamps instead");
    }
}
