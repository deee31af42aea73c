//! A part of a file: positioned reads, and holes passed over.
//!
//! Takes an open file and two offsets, and gives the bytes between them. A hole takes no space on the disk, so
//! it can be of any size (`truncate -s 15T`): it must cost no more than what stands before and after it. Where
//! the file system tells where the holes are (`SEEK_DATA`), none is read. After a whole line, a hole adds
//! nothing, because NULs before a line do not count. Anywhere else it becomes [`NULS`] bytes, which are more
//! than a line may have, so that what stands before it and after it never make one line.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// How many NULs stand for a larger hole after a part of a line.
const NULS: u64 = 128 << 10;

/// What is left out of a hole is a multiple of this, because in a compressed file the number of NULs may
/// matter: xz pads to four bytes.
const BLOCK: u64 = 4096;

/// The unit of `st_blocks`.
const SECTOR: u64 = 512;

/// Whether a file takes less space than it is long, so that it may have holes.
pub(super) fn is_sparse(metadata: &Metadata) -> bool {
    metadata.blocks().saturating_mul(SECTOR) < metadata.len()
}

/// Where the data of a sparse file end: no later than `to`, before which there may be a hole.
pub(super) fn end_of_data(file: &File, to: u64) -> u64 {
    let (mut from, mut end) = (0, to);
    while from < end {
        let middle = from + (end - from) / 2;
        match seek(file, SeekFrom::Data(middle)) {
            Ok(data) if data < end => from = data + 1,
            Ok(_) | Err(Errno::NXIO) => end = middle,
            // The file system does not tell.
            Err(_) => return to,
        }
    }
    end
}

/// A part of a file, read without moving the file's own offset.
#[derive(Debug)]
pub struct Span<'a> {
    file: &'a File,
    at: u64,
    to: u64,
    /// Up to here there are data, as far as is known; to the end, if the file is not sparse.
    data: u64,
    /// How many NULs are still to be given for the hole before `data`.
    nuls: u64,
    /// Whether a whole line was given last, or nothing; in a file of lines.
    after_line: bool,
    lines: bool,
    skipped: u64,
}

impl<'a> Span<'a> {
    /// A part of a file of lines, which starts with one.
    pub(super) fn of_lines(file: &'a File, from: u64, to: u64, is_sparse: bool) -> Self {
        let data = if is_sparse { from } else { to };
        Self { file, at: from, to, data, nuls: 0, after_line: true, lines: true, skipped: 0 }
    }

    /// A file of any bytes, up to an offset.
    pub(super) fn of_bytes(file: &'a File, to: u64, is_sparse: bool) -> Self {
        let lines = Self::of_lines(file, 0, to, is_sparse);
        Self { after_line: false, lines: false, ..lines }
    }

    /// If it ended early: the offset at which it did, and where it should have ended.
    pub(super) fn shrunk(&self) -> Option<(u64, u64)> {
        (self.at < self.to).then_some((self.at, self.to))
    }

    /// How many bytes of holes were left out.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Finds out what comes next, data or a hole, and passes over the hole.
    fn look_ahead(&mut self) -> io::Result<()> {
        while self.at == self.data && self.nuls == 0 && self.at < self.to {
            let data = match seek(self.file, SeekFrom::Data(self.at)) {
                Ok(data) => data.min(self.to),
                // A hole up to the end; unless the file has shrunk, which reading shows.
                Err(Errno::NXIO) if self.file.metadata()?.len() >= self.to => self.to,
                Err(_) => {
                    self.data = self.to;
                    return Ok(());
                }
            };
            if data == self.at {
                let hole = seek(self.file, SeekFrom::Hole(self.at)).unwrap_or(self.to);
                // Not less, whatever the file system says: something must be read.
                self.data = hole.clamp(self.at + 1, self.to);
                return Ok(());
            }
            let hole = data - self.at;
            let left_out =
                if self.after_line { hole } else { hole.saturating_sub(NULS) / BLOCK * BLOCK };
            self.skipped += left_out;
            self.nuls = hole - left_out;
            self.at += left_out;
            self.data = data;
        }
        Ok(())
    }
}

impl Read for Span<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.look_ahead()?;
        let end = if self.nuls > 0 { self.at + self.nuls } else { self.data };
        let left = usize::try_from(end - self.at).unwrap_or(usize::MAX).min(into.len());
        let got = if self.nuls > 0 {
            into[..left].fill(0);
            self.nuls -= left as u64;
            left
        } else {
            self.file.read_at(&mut into[..left], self.at)?
        };
        if got > 0 {
            self.after_line = self.lines && into[got - 1] == b'\n';
        }
        self.at += got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A file of that length with these texts at these offsets.
    fn sparse(name: &str, length: u64, texts: &[(u64, &[u8])]) -> File {
        let name = format!("spamcore-span-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.expect("a temporary file");
        std::fs::remove_file(&path).expect("it is ours");
        file.set_len(length).expect("its length");
        for (at, text) in texts {
            file.write_all_at(text, *at).expect("a temporary file");
        }
        file
    }

    fn read(mut span: Span<'_>) -> (Vec<u8>, u64) {
        let mut bytes = Vec::new();
        span.read_to_end(&mut bytes).expect("readable");
        assert_eq!(span.shrunk(), None);
        (bytes, span.skipped())
    }

    #[test]
    fn a_hole_costs_nothing_and_joins_nothing() {
        let length = 8 << 40;
        let texts: [(u64, &[u8]); 4] =
            [(MIB, b"a\n"), (9 << 20, b"b"), (1 << 40, b"\0\0c\n"), (2 << 40, b"d")];
        let file = sparse("holes", length, &texts);
        assert!(is_sparse(&file.metadata().expect("its metadata")));
        let end = end_of_data(&file, length);
        assert!(end > 2 << 40 && end <= (2 << 40) + (64 << 10), "{end}");
        let (bytes, skipped) = read(Span::of_lines(&file, 0, length, true));
        assert!(bytes.len() < 2 << 20, "{}", bytes.len());
        assert_eq!(skipped + bytes.len() as u64, length);
        let mut lines = crate::source::lines::Lines::new(&bytes[..], false);
        let mut seen = Vec::new();
        while let Some(block) = lines.next_block().expect("no errors here") {
            seen.extend(
                crate::source::lines::split(block)
                    .filter_map(crate::source::lines::trimmed)
                    .map(<[u8]>::to_vec),
            );
        }
        assert_eq!(seen, [b"a".to_vec()], "b and c are not one line");
        let (bytes, skipped) = read(Span::of_bytes(&file, length, true));
        assert!(bytes.len() < 3 << 20 && skipped % BLOCK == 0);
    }

    #[test]
    fn without_long_holes_every_byte_is_given() {
        let text: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0] | 1).collect();
        for (length, texts) in [
            (0, vec![]),
            (300_000, vec![(0, &text[..])]),
            (400_000, vec![(0, &text[..100_000]), (200_000, &text[..200_000])]),
        ] {
            let file = sparse("short", length, &texts);
            let mut want = vec![0; usize::try_from(length).expect("short")];
            for (at, text) in texts {
                let at = usize::try_from(at).expect("short");
                want[at..at + text.len()].copy_from_slice(text);
            }
            for is_sparse in [true, false] {
                let (bytes, skipped) = read(Span::of_bytes(&file, length, is_sparse));
                assert!(bytes == want && skipped == 0, "{length}");
            }
            assert!(end_of_data(&file, length) <= length);
        }
    }

    #[test]
    fn a_file_that_shrank_is_not_taken_for_a_hole() {
        let file = sparse("shrunk", 64 * MIB, &[(0, b"a\n"), (32 * MIB, b"b\n")]);
        let mut span = Span::of_lines(&file, 0, 64 * MIB, true);
        let mut start = [0; 2];
        span.read_exact(&mut start).expect("readable");
        file.set_len(16 * MIB).expect("its length");
        span.read_to_end(&mut Vec::new()).expect("readable");
        let (at, to) = span.shrunk().expect("it shrank");
        assert!(at <= 16 * MIB && to == 64 * MIB, "{at}");
    }
}
