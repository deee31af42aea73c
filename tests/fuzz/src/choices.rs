//! Choices that an input makes: numbers taken from its end, so that its start stays text. They are input, not randomness: the
//! same input makes the same choices.

/// What is left of an input.
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// The next byte; 0 at the end.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((last, rest)) = self.0.split_last() else { return 0 };
        self.0 = rest;
        *last
    }

    /// A number below another.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let number = usize::from(self.byte());
        if limit > 256 { (number << 8 | usize::from(self.byte())) % limit } else { number % limit }
    }

    /// The bytes that no choice has taken.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }
}
