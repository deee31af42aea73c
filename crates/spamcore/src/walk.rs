//! Walking a grammar over bytes from the left.
//!
//! Every parser of this crate reads a line through a [`Walk`]: it takes what the grammar wants next
//! or stops. Nothing here searches ahead for a field, but [`Walk::until`], which ends a field at the
//! first occurrence of its terminator, as the writers of the logs define it. Never panics.

/// What is left of a line, and the ways to take from it.
#[derive(Clone, Copy, Debug)]
pub struct Walk<'a> {
    rest: &'a [u8],
}

impl<'a> Walk<'a> {
    /// A walk that begins at the first byte of `text`.
    pub fn new(text: &'a [u8]) -> Self {
        Self { rest: text }
    }

    /// What has not been taken yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything has been taken.
    pub fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes `text` if it stands here.
    pub fn take(&mut self, text: &[u8]) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes so many bytes, or all that are left.
    pub fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    /// Takes the bytes for which `wanted` holds, perhaps none.
    pub fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&b| !wanted(b)).unwrap_or(self.rest.len());
        self.take_bytes(end)
    }

    /// Takes everything up to the first `end`, and `end` itself; nothing when there is none.
    pub fn until(&mut self, end: &[u8]) -> Option<&'a [u8]> {
        // Fields are short: the next byte that may begin the end is near, and no search is prepared.
        let (&first, _) = end.split_first()?;
        let at =
            memchr::memchr_iter(first, self.rest).find(|&at| self.rest[at..].starts_with(end))?;
        let taken = self.take_bytes(at);
        self.rest = &self.rest[end.len()..];
        Some(taken)
    }

    /// Takes a word: the bytes up to the next blank or the end, at least one. The blank stays.
    pub fn word(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(b' ', self.rest).unwrap_or(self.rest.len());
        (end > 0).then(|| self.take_bytes(end))
    }

    /// Takes `min` to `max` decimal digits, and no more than stand here. At most 18 of them.
    pub fn number(&mut self, min: usize, max: usize) -> Option<u64> {
        let digits = self.rest.iter().take(max.min(18)).take_while(|b| b.is_ascii_digit()).count();
        if digits < min || digits == 0 {
            return None;
        }
        Some(self.take_bytes(digits).iter().fold(0, |n, &b| n * 10 + u64::from(b - b'0')))
    }

    /// Takes exactly two digits.
    pub fn two(&mut self) -> Option<u8> {
        match *self.rest {
            [a @ b'0'..=b'9', b @ b'0'..=b'9', ..] => {
                self.rest = &self.rest[2..];
                Some((a - b'0') * 10 + (b - b'0'))
            }
            _ => None,
        }
    }

    fn take_bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_stands_here_and_nothing_else() {
        let mut walk = Walk::new(b"12ab, cd=e f");
        assert!(!walk.take(b"x"));
        assert_eq!(walk.two(), Some(12));
        assert_eq!(walk.two(), None);
        assert_eq!(walk.until(b", "), Some(&b"ab"[..]));
        assert_eq!(walk.until(b"zz"), None);
        assert!(walk.take(b"cd="));
        assert_eq!(walk.word(), Some(&b"e"[..]));
        assert_eq!(walk.word(), None, "a blank stands here");
        assert_eq!(walk.rest(), b" f");
    }

    #[test]
    fn numbers_are_bounded() {
        assert_eq!(Walk::new(b"007x").number(1, 3), Some(7));
        assert_eq!(Walk::new(b"1234").number(1, 3), Some(123));
        assert_eq!(Walk::new(b"1").number(2, 3), None);
        assert_eq!(Walk::new(b"99999999999999999999").number(1, 40), Some(999_999_999_999_999_999));
        assert_eq!(Walk::new(b"x").number(0, 3), None);
    }
}
