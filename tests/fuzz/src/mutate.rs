//! Makes inputs: of seeds, by cutting and joining at the marks of their grammars, with pieces of other
//! grammars and numbers at the edge.

use testkit::Random;
use tests::injection::PIECES;

use crate::seeds::{NUMBERS, WORDS};

/// No input is longer.
const LONGEST: usize = 1 << 12;

/// A source of inputs.
pub struct Mutator {
    random: Random,
    seeds: Vec<Vec<u8>>,
    pieces: Vec<&'static [u8]>,
    input: Vec<u8>,
    tail: usize,
}

impl Mutator {
    /// A source by a seed, from these inputs; up to `tail` random bytes stand at the end of each.
    pub fn new(seed: u64, mut seeds: Vec<Vec<u8>>, tail: usize) -> Self {
        for seed in &mut seeds {
            seed.truncate(LONGEST);
        }
        let pieces = PIECES.iter().map(|piece| piece.as_bytes()).chain(WORDS.iter().copied());
        let pieces = pieces.collect();
        Self { random: Random::new(seed), seeds, pieces, input: Vec::new(), tail }
    }

    /// The input that was made last.
    pub fn input(&self) -> &[u8] {
        &self.input
    }

    /// Makes the next input.
    pub fn next_input(&mut self) -> &[u8] {
        self.input.clear();
        let seed = self.random.below(self.seeds.len());
        self.input.extend_from_slice(&self.seeds[seed]);
        for _ in 0..=self.random.below(4) {
            self.change();
        }
        self.input.truncate(LONGEST);
        if self.tail > 0 {
            for _ in 0..=self.random.below(self.tail) / 8 {
                let bytes = self.random.bits().to_le_bytes();
                self.input.extend_from_slice(&bytes);
            }
        }
        &self.input
    }

    fn change(&mut self) {
        let random = &mut self.random;
        let input = &mut self.input;
        let at = random.below(input.len() + 1);
        match random.below(16) {
            0 | 1 => {
                let piece = self.pieces[random.below(self.pieces.len())];
                insert(input, at, piece);
            }
            2 => {
                let piece = self.pieces[random.below(self.pieces.len())];
                input[at..].iter_mut().zip(piece).for_each(|(b, new)| *b = *new);
            }
            3 | 4 => {
                // Goes on as another seed does, from a mark.
                let other = &self.seeds[random.below(self.seeds.len())];
                let from = mark(other, random.below(other.len() + 1));
                input.truncate(mark(input, at));
                input.extend_from_slice(&other[from..]);
            }
            5 => {
                let other = &self.seeds[random.below(self.seeds.len())];
                let from = mark(other, random.below(other.len() + 1));
                let to = mark(other, (from + random.below(80)).min(other.len()));
                insert(input, mark(input, at), &other[from..to.max(from)]);
            }
            6 => {
                let to = mark(input, (at + random.below(60)).min(input.len()));
                if at < to {
                    input.extend_from_within(at..to);
                    let moved = to - at;
                    input[at..].rotate_right(moved);
                }
            }
            7 => {
                // Two neighbours change places.
                let first = mark(input, at);
                let second = mark(input, (first + 1).min(input.len()));
                let third = mark(input, (second + 1).min(input.len()));
                if first < second && second < third {
                    input[first..third].rotate_left(second - first);
                }
            }
            8 | 9 => number(input, at, NUMBERS[random.below(NUMBERS.len())]),
            10 if at < input.len() => input[at] = input[at].wrapping_add(1),
            11 if at < input.len() => input[at] ^= 1 << random.below(8),
            12 if at < input.len() => input[at] = random.bits().to_le_bytes()[7],
            13 => {
                let to = (at + random.below(40)).min(input.len());
                input.drain(at..to);
            }
            14 if random.once_in(4) => input.truncate(at),
            _ => {
                let bytes = b" \t\n\0\"\\x:,[]()=1-";
                let byte = bytes[random.below(bytes.len())];
                let old = input.len();
                input.resize(old + 1 + random.below(3) * random.below(30), byte);
                let more = input.len() - old;
                input[at..].rotate_right(more);
            }
        }
    }
}

fn insert(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    input.extend_from_slice(piece);
    input[at..].rotate_right(piece.len());
}

/// The next mark of a grammar at or behind a place.
fn mark(text: &[u8], from: usize) -> usize {
    let is_mark = |b: &u8| b" ,:=[]()<>\"\n;/@-".contains(b);
    text[from..].iter().position(is_mark).map_or(text.len(), |at| from + at)
}

/// Puts another number in the place of the next one.
fn number(input: &mut Vec<u8>, at: usize, number: &[u8]) {
    let Some(from) = input[at..].iter().position(u8::is_ascii_digit).map(|from| at + from) else {
        return;
    };
    let digits = input[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    input.splice(from..from + digits, number.iter().copied());
}
