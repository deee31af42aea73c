//! Compressed logs, recognised by their content: gzip (all members), xz, Zstandard.
//!
//! Takes compressed bytes and gives decompressed ones as a stream. A small file can expand to terabytes, which
//! takes no memory, but would take time: it is read only as far as it can be a log (see [`Bomb`]). Other formats
//! are recognised only to say so, and are not decompressed.

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

/// How many bytes are needed to recognise a compression.
pub(super) const MAGIC: usize = 6;

/// How much compressed data is read at once, in bytes.
const CHUNK: usize = 128 << 10;

/// This many bytes without a newline are not of a log.
const LONGEST_LINE: u64 = 64 << 20;

/// No log is compressed better than this; and gzip can do no better, whatever is compressed.
const BEST_RATIO: u64 = 1100;

/// So much is decompressed in any case, however small the file is, in bytes.
const ALWAYS: u64 = 1 << 30;

/// Why a compressed file is not read to its end. Nobody writes such a log by logging.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bomb {
    /// It has no lines.
    #[error("it expands to more than {} MiB without a newline", LONGEST_LINE >> 20)]
    Line,
    /// It expands to very much more than its size.
    #[error("it expands to more than {BEST_RATIO} times its size")]
    Size,
}

/// The memory that xz may use, in KiB: the 64 MiB dictionary of `xz -9`, and a little more.
const XZ_MEMORY: u32 = 80 << 10;

/// A supported compression format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Xz,
    Zstd,
}

/// The compression that the first bytes of a file show. One that is not supported is an error.
pub(super) fn recognize(head: &[u8]) -> Option<Result<Compression, &'static str>> {
    Some(match head {
        [0x1f, 0x8b, ..] => Ok(Compression::Gzip),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Ok(Compression::Xz),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Compression::Zstd),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => {
            Err("bzip2 is not supported; try bzcat and --logs=-")
        }
        [0x04, 0x22, 0x4d, 0x18, ..] => Err("lz4 is not supported; try lz4cat and --logs=-"),
        [0x5d, 0, 0, ..] => Err("lzma is not supported; try lzcat and --logs=-"),
        [0x1f, 0x9d, ..] => Err("compress (.Z) is not supported; try zcat and --logs=-"),
        _ => return None,
    })
}

impl Compression {
    /// The decompressed bytes of an input of this size, if it is known. An error comes after the bytes before it
    /// have been read; one may be a [`Bomb`].
    pub(super) fn decompress<'a>(
        self,
        input: Box<dyn Read + Send + 'a>,
        size: Option<u64>,
    ) -> Box<dyn Read + Send + 'a> {
        let input = BufReader::with_capacity(CHUNK, input);
        let most = size.map_or(u64::MAX, |size| size.saturating_mul(BEST_RATIO).max(ALWAYS));
        match self {
            Self::Gzip => Box::new(Defused::new(MultiGzDecoder::new(input), most)),
            Self::Xz => {
                let input = XzReader::new_mem_limit(input, true, XZ_MEMORY);
                Box::new(Defused::new(input, most))
            }
            Self::Zstd => Box::new(Defused::new(Frames { input: Some(input), frame: None }, most)),
        }
    }
}

/// Decompressed bytes, as far as they can be those of a log.
struct Defused<R> {
    input: R,
    /// How many bytes may still be given.
    left: u64,
    /// How many bytes were given since the last newline.
    line: u64,
}

impl<R: Read> Defused<R> {
    fn new(input: R, most: u64) -> Self {
        Self { input, left: most, line: 0 }
    }
}

impl<R: Read> Read for Defused<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.line > LONGEST_LINE {
            return Err(io::Error::other(Bomb::Line));
        }
        if self.left == 0 {
            return Err(io::Error::other(Bomb::Size));
        }
        let got = self.input.read(into)?;
        self.left = self.left.saturating_sub(got as u64);
        self.line = match memchr::memrchr(b'\n', &into[..got]) {
            Some(at) => (got - at - 1) as u64,
            None => self.line + got as u64,
        };
        Ok(got)
    }
}

/// A stream, decompressed if it is compressed.
pub(super) fn decompress_stream(mut input: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
    let mut head = Vec::with_capacity(MAGIC);
    let result = input.by_ref().take(MAGIC as u64).read_to_end(&mut head);
    let compression = recognize(&head);
    let failed = Failing(result.err());
    let whole = Box::new(Cursor::new(head).chain(failed).chain(input));
    match compression {
        Some(Ok(compression)) => compression.decompress(whole, None),
        Some(Err(why)) => Box::new(Failing(Some(io::Error::new(io::ErrorKind::Unsupported, why)))),
        None => whole,
    }
}

/// Returns an error once, and then the end.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Concatenated Zstandard frames, such as `cat` makes of two files.
struct Frames<R: Read> {
    input: Option<BufReader<R>>,
    frame: Option<StreamingDecoder<BufReader<R>, ruzstd::decoding::FrameDecoder>>,
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let got = frame.read(into)?;
                if got > 0 || into.is_empty() {
                    return Ok(got);
                }
                self.input = self.frame.take().map(StreamingDecoder::into_inner);
            }
            let Some(mut input) = self.input.take() else { return Ok(0) };
            if io::BufRead::fill_buf(&mut input)?.is_empty() {
                return Ok(0);
            }
            let frame = StreamingDecoder::new(input).map_err(io::Error::other)?;
            self.frame = Some(frame);
        }
    }
}
