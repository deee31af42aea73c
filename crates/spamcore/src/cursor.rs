//! Matching a grammar against bytes, from left to right.
//!
//! Every parser of this crate reads a line through a [`Cursor`]: it takes what the grammar expects next,
//! or stops. Nothing here searches ahead for a field except [`Cursor::until`], which ends a field at the
//! first occurrence of its terminator, as the programs that write the logs define it. Never panics.
//!
//! Fields are short, one or two dozen bytes, and every line has many of them. So [`find_any`] looks at
//! eight bytes at a time and, unlike a vectorised search, has no set-up cost.

/// What is left of a line, and the methods that consume it.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// A cursor at the first byte of `text`.
    #[inline]
    pub fn new(text: &'a [u8]) -> Self {
        Self { rest: text }
    }

    /// The bytes that have not been taken yet.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything has been taken.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes `text` if it comes next.
    #[inline]
    pub fn take<const N: usize>(&mut self, text: &[u8; N]) -> bool {
        match self.rest.split_first_chunk() {
            Some((first, rest)) if first == text => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes `text`, whose length is not known when this is compiled, if it comes next.
    #[inline]
    pub fn take_text(&mut self, text: &[u8]) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Takes `count` bytes, or all that are left.
    #[inline]
    pub fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    /// Takes bytes for as long as `wanted` accepts them, perhaps none.
    #[inline]
    pub fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&b| !wanted(b)).unwrap_or(self.rest.len());
        self.take_bytes(end)
    }

    /// Takes everything before the first of these bytes, or all that is left.
    #[inline]
    pub fn before<const N: usize>(&mut self, bytes: [u8; N]) -> &'a [u8] {
        let end = find_any(self.rest, bytes).unwrap_or(self.rest.len());
        self.take_bytes(end)
    }

    /// Takes everything up to the first `end`, and `end` itself, but returns only what comes before it.
    /// Takes nothing if there is no `end`.
    #[inline]
    pub fn until<const N: usize>(&mut self, end: &[u8; N]) -> Option<&'a [u8]> {
        let at = positions(self.rest, end).next()?;
        let taken = self.take_bytes(at);
        self.rest = &self.rest[end.len()..];
        Some(taken)
    }

    /// Takes a word: at least one byte, up to the next space or the end. The space is not taken.
    #[inline]
    pub fn word(&mut self) -> Option<&'a [u8]> {
        let word = self.before([b' ']);
        (!word.is_empty()).then_some(word)
    }

    /// Takes between `min` and `max` decimal digits, as many as there are, but no more than 18.
    pub fn number(&mut self, min: usize, max: usize) -> Option<u64> {
        let (mut number, mut digits) = (0, 0);
        while digits < max.min(18)
            && let Some(digit @ b'0'..=b'9') = self.rest.get(digits)
        {
            number = number * 10 + u64::from(digit - b'0');
            digits += 1;
        }
        if digits < min || digits == 0 {
            return None;
        }
        self.rest = &self.rest[digits..];
        Some(number)
    }

    /// Takes exactly two digits.
    #[inline]
    pub fn two(&mut self) -> Option<u8> {
        match *self.rest {
            [a @ b'0'..=b'9', b @ b'0'..=b'9', ..] => {
                self.rest = &self.rest[2..];
                Some((a - b'0') * 10 + (b - b'0'))
            }
            _ => None,
        }
    }

    #[inline]
    fn take_bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken
    }
}

/// The offsets at which `text` occurs in a field, in order.
#[inline]
pub fn positions<'a, const N: usize>(
    field: &'a [u8],
    text: &'a [u8; N],
) -> impl Iterator<Item = usize> + 'a {
    const { assert!(N > 0, "an empty text would be found everywhere") }
    let (mut from, first) = (0, text[0]);
    std::iter::from_fn(move || {
        loop {
            let at = from + find_any(field.get(from..)?, [first])?;
            from = at + 1;
            if field[at..].first_chunk() == Some(text) {
                return Some(at);
            }
        }
    })
}

/// The offset of the first of these bytes.
#[inline]
pub fn find_any<const N: usize>(text: &[u8], bytes: [u8; N]) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        if let Some(at) = find_in_word(*word, bytes) {
            return Some(number * 8 + at);
        }
    }
    match text.last_chunk::<8>() {
        // The bytes before the rest are none of them.
        Some(last) => find_in_word(*last, bytes).map(|at| text.len() - 8 + at),
        None => rest.iter().position(|byte| bytes.contains(byte)),
    }
}

/// The offset of the first of these bytes in eight.
#[inline]
fn find_in_word<const N: usize>(word: [u8; 8], bytes: [u8; N]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    let word = u64::from_le_bytes(word);
    let mut found = 0;
    for byte in bytes {
        // The XOR makes a byte that is looked for zero, and subtracting one sets its high bit. A borrow can
        // set other high bits too, but only above it: the lowest one is always right.
        let zero = word ^ (ONES * u64::from(byte));
        found |= zero.wrapping_sub(ONES) & !zero;
    }
    found &= HIGHS;
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_of_several_bytes_is_found_at_any_offset(
            text in proptest::collection::vec(prop_oneof![0_u8..3, 0x7f_u8..0x83, any::<u8>()], 0..40),
            bytes in proptest::array::uniform3(prop_oneof![0_u8..3, 0x7f_u8..0x83, any::<u8>()]),
        ) {
            let want = |bytes: &[u8]| text.iter().position(|byte| bytes.contains(byte));
            prop_assert_eq!(find_any(&text, bytes), want(&bytes));
            prop_assert_eq!(find_any(&text, [bytes[0]]), want(&bytes[..1]));
        }
    }

    #[test]
    fn takes_what_comes_next_and_nothing_else() {
        let mut cursor = Cursor::new(b"12ab, cd=e f");
        assert!(!cursor.take(b"x"));
        assert_eq!(cursor.two(), Some(12));
        assert_eq!(cursor.two(), None);
        assert_eq!(cursor.until(b", "), Some(&b"ab"[..]));
        assert_eq!(cursor.until(b"zz"), None);
        assert!(cursor.take(b"cd="));
        assert_eq!(cursor.word(), Some(&b"e"[..]));
        assert_eq!(cursor.word(), None, "a space comes next");
        assert_eq!(cursor.rest(), b" f");
    }

    #[test]
    fn numbers_are_bounded() {
        assert_eq!(Cursor::new(b"007x").number(1, 3), Some(7));
        assert_eq!(Cursor::new(b"1234").number(1, 3), Some(123));
        assert_eq!(Cursor::new(b"1").number(2, 3), None);
        assert_eq!(
            Cursor::new(b"99999999999999999999").number(1, 40),
            Some(999_999_999_999_999_999)
        );
        assert_eq!(Cursor::new(b"x").number(0, 3), None);
    }
}
