//! Unpacks a gzip file to nowhere, with the library that the programs use, for measuring: `unpack FILE`.

use std::fs::File;
use std::io::{self, BufReader};

fn main() -> io::Result<()> {
    let path = std::env::args_os().nth(1).ok_or(io::ErrorKind::InvalidInput)?;
    let input = BufReader::with_capacity(128 << 10, File::open(path)?);
    let mut unpacked = flate2::bufread::MultiGzDecoder::new(input);
    io::copy(&mut unpacked, &mut io::sink()).map(|_| ())
}
