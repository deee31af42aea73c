//! Compressed logs, known by their content: gzip (all members), xz, Zstandard.
//!
//! What is read is bounded by the reader above; a small file that unpacks to terabytes takes time but
//! no memory. Other compressions are recognized so that they can be told, and are not unpacked.

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

/// How many bytes tell the compression.
pub(super) const MAGIC: usize = 6;

/// How much compressed data is read at once.
const CHUNK: usize = 128 << 10;

/// What an xz dictionary may take, in KiB: that of `xz -9`, and a little.
const XZ_MEMORY: u32 = 80 << 10;

/// A compression that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Xz,
    Zstd,
}

/// What the first bytes of a file say: nothing, a compression, or one that is not undone here.
pub(super) fn recognize(head: &[u8]) -> Option<Result<Compression, &'static str>> {
    Some(match head {
        [0x1f, 0x8b, ..] => Ok(Compression::Gzip),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Ok(Compression::Xz),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Compression::Zstd),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Err("bzip2 is not unpacked here"),
        [0x04, 0x22, 0x4d, 0x18, ..] => Err("lz4 is not unpacked here"),
        [0x5d, 0, 0, ..] => Err("lzma (not xz) is not unpacked here"),
        [0x1f, 0x9d, ..] => Err("compress (.Z) is not unpacked here"),
        _ => return None,
    })
}

impl Compression {
    /// The unpacked bytes. Errors come when they are reached, what stands before them is read.
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

/// A stream, unpacked where it is compressed.
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

/// Gives an error once, then nothing.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Zstandard frames one after the other, as `cat` of two files makes them.
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
