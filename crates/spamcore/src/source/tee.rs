//! A stream whose lines are looked at while it is read, because that cannot be done later.

use std::io::{self, Read};

use super::lines::LONGEST;
use super::{Input, Log};

/// Looks at a line, which is without its newline.
pub(crate) type Look = Box<dyn FnMut(&[u8]) + Send>;

struct Tee {
    input: Box<dyn Read + Send>,
    look: Look,
    /// The start of a line whose end has not been read, up to [`LONGEST`] bytes and one more.
    line: Vec<u8>,
}

impl Log {
    /// Has each line of its streams looked at when it is read. A line that is too long is cut off.
    pub(crate) fn look_at_streams(&mut self, mut look: impl FnMut() -> Look) {
        for file in &mut self.files {
            if let Input::Stream(input) = &mut file.input {
                let input = std::mem::replace(input, Box::new(io::empty()));
                let tee = Tee { input, look: look(), line: Vec::new() };
                file.input = Input::Stream(Box::new(tee));
            }
        }
    }
}

impl Tee {
    fn add(&mut self, text: &[u8]) {
        let room = (LONGEST + 1).saturating_sub(self.line.len());
        self.line.extend_from_slice(&text[..text.len().min(room)]);
    }

    fn end_line(&mut self) {
        (self.look)(&self.line);
        self.line.clear();
    }
}

impl Read for Tee {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.input.read(into)?;
        if got == 0 && !into.is_empty() && !self.line.is_empty() {
            self.end_line();
        }
        for text in into[..got].split_inclusive(|&b| b == b'\n') {
            match text.strip_suffix(b"\n") {
                Some(end) => {
                    self.add(end);
                    self.end_line();
                }
                None => self.add(text),
            }
        }
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn each_line_is_looked_at_once() {
        let long = "x".repeat(2 * LONGEST);
        let text = format!("a\n\n{long}\nlast").into_bytes();
        let mut log = Log::stream("x", Box::new(io::Cursor::new(text.clone())));
        let seen = Arc::new(Mutex::new(Vec::new()));
        log.look_at_streams(|| {
            let seen = Arc::clone(&seen);
            Box::new(move |line| seen.lock().expect("a lock").push(line.len()))
        });
        let Input::Stream(input) = &mut log.files[0].input else { panic!("a stream") };
        let mut read = Vec::new();
        input.read_to_end(&mut read).expect("memory can be read");
        assert!(read == text);
        assert_eq!(*seen.lock().expect("a lock"), [1, 0, LONGEST + 1, 4]);
    }
}
