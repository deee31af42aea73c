//! Reading ahead: another thread fills the next buffers while the lines of this one are counted.
//!
//! This pays off where reading takes computation, as decompression does. Bytes and errors come in the same
//! order as without it; only the speed differs. At most [`BUFFERS`] buffers of [`CHUNK`] bytes are in use,
//! and they are reused. Where no thread can be started (`RLIMIT_NPROC`, `pids.max`), the input is given back.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, Scope};

use crate::threads;

/// How many buffers there are.
const BUFFERS: usize = 3;

/// The size of a buffer, in bytes.
const CHUNK: usize = 256 << 10;

/// A reader whose bytes are read by another thread.
#[derive(Debug)]
pub struct ReadAhead {
    full: Receiver<io::Result<Vec<u8>>>,
    empty: Sender<Vec<u8>>,
    buffer: Vec<u8>,
    /// How much of the buffer has been handed out.
    given: usize,
}

impl ReadAhead {
    /// Starts to read `input`, or gives it back if no thread can be started. The thread ends at the end of the
    /// input, at an error, or when this reader is dropped.
    pub(super) fn start<'scope, R: Read + Send + 'scope>(
        input: R,
        scope: &'scope Scope<'scope, '_>,
    ) -> Result<Self, R> {
        if !threads::have_room() {
            return Err(input);
        }
        let (full, filled) = sync_channel(BUFFERS);
        let (empty, to_fill) = channel();
        for _ in 0..BUFFERS {
            // The receiver still exists, so this cannot fail.
            let _ = empty.send(Vec::with_capacity(CHUNK));
        }
        // The thread is handed the input only when it runs: what a thread that was not started would own is lost.
        let (hand, handed) = channel::<R>();
        let thread = move || {
            if let Ok(input) = handed.recv() {
                fill(input, &full, &to_fill);
            }
        };
        if Builder::new().spawn_scoped(scope, thread).is_err() {
            return Err(input);
        }
        match hand.send(input) {
            Ok(()) => Ok(Self { full: filled, empty, buffer: Vec::new(), given: 0 }),
            Err(unsent) => Err(unsent.0),
        }
    }
}

/// Fills buffers until the end of the input, an error, or until the reader is dropped.
fn fill(mut input: impl Read, full: &SyncSender<io::Result<Vec<u8>>>, empty: &Receiver<Vec<u8>>) {
    while let Ok(mut buffer) = empty.recv() {
        buffer.clear();
        let result = input.by_ref().take(CHUNK as u64).read_to_end(&mut buffer);
        let done = buffer.len() < CHUNK;
        // What was read before an error is handed out first.
        if !buffer.is_empty() && full.send(Ok(buffer)).is_err() {
            return;
        }
        if let Err(error) = result {
            let _ = full.send(Err(error));
            return;
        }
        if done {
            return;
        }
    }
}

impl Read for ReadAhead {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given == self.buffer.len() {
            let next = match self.full.recv() {
                Ok(next) => next?,
                // The thread has ended, and so has the input.
                Err(_) => return Ok(0),
            };
            let done = std::mem::replace(&mut self.buffer, next);
            self.given = 0;
            if done.capacity() > 0 {
                let _ = self.empty.send(done);
            }
        }
        let got = (&self.buffer[self.given..]).read(into)?;
        self.given += got;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns this many bytes in uneven chunks, then an error.
    struct Failing(usize);

    impl Read for Failing {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::other("it is cut off"));
            }
            let size = into.len().min(self.0).min(70_001);
            into[..size].fill(b'x');
            self.0 -= size;
            Ok(size)
        }
    }

    #[test]
    fn everything_comes_in_order_and_an_error_after_what_was_read() {
        let text: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
        std::thread::scope(|scope| {
            let mut read = Vec::new();
            let mut ahead = ReadAhead::start(&text[..], scope).expect("a thread");
            ahead.read_to_end(&mut read).expect("no errors here");
            assert!(read == text);
            for size in [0, 1, CHUNK, 5 * CHUNK + 1] {
                let mut read = Vec::new();
                let mut ahead = ReadAhead::start(Failing(size), scope).ok().expect("a thread");
                let error = ahead.read_to_end(&mut read);
                assert_eq!(error.expect_err("it fails").to_string(), "it is cut off");
                assert_eq!(read.len(), size);
            }
        });
    }

    #[test]
    fn dropping_the_reader_stops_the_thread() {
        std::thread::scope(|scope| {
            let mut ahead = ReadAhead::start(io::repeat(b'x'), scope).expect("a thread");
            assert_eq!(ahead.read(&mut [0; 10]).expect("no errors here"), 10);
        });
    }
}
