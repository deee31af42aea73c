//! How many messages are too many: the common limit, and individual limits for some senders.
//!
//! Takes numbers and the text of a file of limits, and answers whether a sender has reached his limit. It
//! reads no files: see [`crate::file`].

use std::collections::HashMap;

use crate::file::strip_bom;
use crate::identity::Identity;

/// Limits on the number of messages.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// The limit for senders without an individual one.
    pub everybody: u64,
    /// Whether exactly as many messages as the limit are still allowed (Exim), or already too many.
    pub exclusive: bool,
    own: HashMap<Box<[u8]>, u64>,
}

impl Limits {
    /// The same limit for all senders.
    pub fn new(everybody: u64, exclusive: bool) -> Self {
        Self { everybody, exclusive, own: HashMap::new() }
    }

    /// The limit of a sender.
    pub fn limit_for(&self, sender: &[u8]) -> u64 {
        self.individual(sender).unwrap_or(self.everybody)
    }

    /// Whether anybody has an individual limit.
    pub fn has_individual(&self) -> bool {
        !self.own.is_empty()
    }

    /// How many senders have an individual limit.
    pub fn individuals(&self) -> usize {
        self.own.len()
    }

    /// The individual limit of a sender, if there is one.
    pub fn individual(&self, sender: &[u8]) -> Option<u64> {
        self.own.get(sender).copied()
    }

    /// The lowest limit that anybody has.
    pub fn lowest(&self) -> u64 {
        self.own.values().fold(self.everybody, |lowest, &limit| lowest.min(limit))
    }

    /// Whether a sender with this many messages is reported.
    pub fn reached(&self, sender: &[u8], messages: u64) -> bool {
        self.exceeds(self.limit_for(sender), messages)
    }

    /// Whether this many messages are too many for this limit.
    pub fn exceeds(&self, limit: u64, messages: u64) -> bool {
        if self.exclusive { messages > limit } else { messages >= limit }
    }

    /// Adds individual limits: one `NAME N` per line; N is the last word. If a name occurs twice, the last
    /// line counts. Blank lines and lines that begin with `#` are ignored. A name is folded as those of senders
    /// are.
    ///
    /// Returns the line numbers of invalid lines, which are skipped.
    pub fn add(&mut self, text: &[u8], identity: &Identity) -> Vec<usize> {
        let mut wrong = Vec::new();
        let text = strip_bom(text);
        for (number, line) in text.split(|&b| b == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            match name_and_limit(line) {
                Some((name, limit)) => {
                    self.own.insert(identity.fold(name).into(), limit);
                }
                None => wrong.push(number + 1),
            }
        }
        wrong
    }
}

fn name_and_limit(line: &[u8]) -> Option<(&[u8], u64)> {
    let at = line.iter().rposition(|b| *b == b' ' || *b == b'\t')?;
    let digits = &line[at + 1..];
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let limit = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((line[..at].trim_ascii(), limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Realms;

    #[test]
    fn a_line_is_a_name_and_a_number_as_its_last_word() {
        let mut limits = Limits::new(90, false);
        let text = b"# a comment\nalice 500\nspaced user\t 7\n\n  bob  010 \nalice 600\r\n\
                     wrong\nalso wrong x\nneg -5\nbig 99999999999999999999\n\xff\xfe 3\na # b 4\n";
        let exact = Identity::exact();
        assert_eq!(limits.add(text, &exact), vec![7, 8, 9, 10]);
        assert!(limits.add("\u{feff}marked 8\n".as_bytes(), &exact).is_empty());
        for (name, want) in [
            (&b"alice"[..], 600),
            (b"marked", 8),
            (b"spaced user", 7),
            (b"bob", 10),
            (b"\xff\xfe", 3),
            (b"a # b", 4),
            (b"carol", 90),
        ] {
            assert_eq!(limits.limit_for(name), want);
        }
    }

    #[test]
    fn a_name_is_folded_as_logins_are() {
        let mut limits = Limits::new(90, false);
        let text = b"Alice@Example.org 500\nbob. 7\nBOB 8\n";
        let identity = Identity::logins(Realms::new(["example.org".into()]));
        assert!(limits.add(text, &identity).is_empty());
        assert_eq!((limits.limit_for(b"alice"), limits.limit_for(b"bob")), (500, 8));
    }

    #[test]
    fn at_least_or_more_than() {
        assert!(Limits::new(3, false).reached(b"a", 3));
        assert!(!Limits::new(3, true).reached(b"a", 3));
        assert!(Limits::new(3, true).reached(b"a", 4));
    }
}
