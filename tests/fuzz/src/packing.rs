//! Claims about compressed logs, and a little of each format: a truncated file gives the text before the cut and an error, and
//! any bytes after a magic number come to an end.

use std::io::{self, Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use spamcore::source::{Log, LogFile};

use crate::choices::Choices;

/// No input decompresses to this much, but one may claim to.
const MOST: usize = 8 << 20;

/// What a stream decompresses to, up to [`MOST`], and whether it was complete.
fn unpacked(input: Vec<u8>) -> (Vec<u8>, io::Result<()>) {
    let mut log = Log::stream("input", Box::new(Cursor::new(input)));
    let mut text = Vec::new();
    for mut part in log.files.iter_mut().flat_map(LogFile::parts) {
        loop {
            match part.lines.next_block() {
                Ok(Some(run)) => text.extend_from_slice(run),
                Ok(None) => break,
                Err(error) => return (text, Err(error)),
            }
            if text.len() > MOST {
                return (text, Ok(()));
            }
        }
    }
    (text, Ok(()))
}

/// A compression format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Gzip,
    Xz,
    Zstd,
}

impl Packing {
    pub(crate) const ALL: [Self; 3] = [Self::Gzip, Self::Xz, Self::Zstd];

    /// The suffix of file names.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Xz => ".xz",
            Self::Zstd => ".zst",
        }
    }

    /// Compresses a text: gzip does, the others store it in uncompressed blocks.
    pub(crate) fn pack(self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(text).and_then(|()| encoder.finish()).expect("memory")
            }
            Self::Xz => xz(text),
            Self::Zstd => zstd(text),
        }
    }
}

fn crc32(bytes: &[u8]) -> [u8; 4] {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum().to_le_bytes()
}

/// The xz file format, 1.2.1, without a check: one block of stored chunks of LZMA2.
fn xz(text: &[u8]) -> Vec<u8> {
    let flags = [0, 0];
    let mut out = [b"\xfd7zXZ\0", &flags[..], &crc32(&flags)].concat();
    // A header of 12 bytes: one filter, LZMA2 with a dictionary of 64 KiB.
    let header = [2, 0, 0x21, 1, 8, 0, 0, 0];
    let begin = out.len();
    out.extend_from_slice(&header);
    out.extend_from_slice(&crc32(&header));
    for (number, chunk) in text.chunks(1 << 16).enumerate() {
        let size = u16::try_from(chunk.len() - 1).expect("it is a chunk");
        out.push(if number == 0 { 1 } else { 2 });
        out.extend_from_slice(&size.to_be_bytes());
        out.extend_from_slice(chunk);
    }
    out.push(0);
    let unpadded = out.len() - begin;
    out.resize(begin + unpadded.next_multiple_of(4), 0);
    let mut index = vec![0, 1];
    for mut number in [unpadded, text.len()] {
        while number >= 128 {
            index.push(u8::try_from(number % 128).expect("below 128") | 128);
            number /= 128;
        }
        index.push(u8::try_from(number).expect("below 128"));
    }
    index.resize(index.len().next_multiple_of(4), 0);
    out.extend_from_slice(&index);
    out.extend_from_slice(&crc32(&index));
    let size = u32::try_from(index.len() / 4).expect("it is short").to_le_bytes();
    let footer = [&size[..], &flags].concat();
    out.extend_from_slice(&crc32(&footer));
    out.extend_from_slice(&footer);
    out.extend_from_slice(b"YZ");
    out
}

/// RFC 8878: a frame of raw blocks, its content size of eight bytes.
fn zstd(text: &[u8]) -> Vec<u8> {
    let mut out = b"\x28\xb5\x2f\xfd\xe0".to_vec();
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    let mut chunks = text.chunks(1 << 16).peekable();
    if chunks.peek().is_none() {
        out.extend_from_slice(&[1, 0, 0]);
    }
    while let Some(chunk) = chunks.next() {
        let last = u32::from(chunks.peek().is_none());
        let size = u32::try_from(chunk.len()).expect("it is a chunk");
        out.extend_from_slice(&(size << 3 | last).to_le_bytes()[..3]);
        out.extend_from_slice(chunk);
    }
    out
}

pub(crate) fn packed(input: &[u8]) {
    let mut choices = Choices::new(input);
    let packing = Packing::ALL[choices.below(3)];
    // Any bytes: unchanged, and after each magic number.
    let raw = choices.rest();
    for magic in
        [&b""[..], b"\x1f\x8b\x08", b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46", b"\x28\xb5\x2f\xfd"]
    {
        let (text, _) = unpacked([magic, raw].concat());
        assert!(text.len() <= MOST + (1 << 20), "more than one run beyond the most");
    }
    // A compressed text is read unchanged, in one or in two members.
    let cut = choices.below(1 << 12);
    let text = choices.rest();
    let text = &text[text.iter().position(|&b| b != 0).unwrap_or(text.len())..];
    let whole = packing.pack(text);
    let (got, result) = unpacked(whole.clone());
    assert!(got == text && result.is_ok(), "{packing:?}: {result:?}");
    let twice = unpacked([&whole[..], &whole].concat());
    assert!(twice.0 == [text, text].concat() && twice.1.is_ok(), "{packing:?}: {:?}", twice.1);
    // Truncated, it gives the start of the text, and an error.
    if text.is_empty() {
        return;
    }
    let short = whole[..6 + cut % (whole.len() - 6)].to_vec();
    let (got, result) = unpacked(short);
    assert!(text.starts_with(&got), "{packing:?}");
    assert!(result.is_err(), "{packing:?}: it was cut off");
}
