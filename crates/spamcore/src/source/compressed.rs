//! Compressed logs, recognised by their content: gzip (all members), xz, Zstandard.
//!
//! Takes compressed bytes and gives decompressed ones as a stream: a small file that expands to terabytes
//! takes time, but no memory. Other formats are recognised only to say so, and are not decompressed.

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

/// How many bytes are needed to recognise a compression.
pub(super) const MAGIC: usize = 6;

/// How much compressed data is read at once, in bytes.
const CHUNK: usize = 128 << 10;

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
    /// The decompressed bytes. An error comes after the bytes before it have been read.
    pub(super) fn decompress<'a>(
        self,
        input: Box<dyn Read + Send + 'a>,
    ) -> Box<dyn Read + Send + 'a> {
        let input = BufReader::with_capacity(CHUNK, input);
        match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(input)),
            Self::Xz => Box::new(XzReader::new_mem_limit(input, true, XZ_MEMORY)),
            Self::Zstd => Box::new(Frames { input: Some(input), frame: None }),
        }
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
        Some(Ok(compression)) => compression.decompress(whole),
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
