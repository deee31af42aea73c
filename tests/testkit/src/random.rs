//! Random numbers: `fastrand` with a seed that can be told, so that what failed can be repeated.
//!
//! Inputs of fuzzing are something else: `tests/fuzz/src/choices.rs` takes its numbers from the bytes of an input.

use std::time::Duration;

/// A source of random numbers. Where a test fails while it has one, the seed is printed.
#[derive(Debug)]
pub struct Random {
    numbers: fastrand::Rng,
    seed: u64,
}

impl Random {
    /// The source of a seed: the same numbers each time.
    pub fn new(seed: u64) -> Self {
        Self { numbers: fastrand::Rng::with_seed(seed), seed }
    }

    /// A source of other numbers each time, unless the environment has a seed: `SPAM_CHECK_SEED`.
    pub fn from_environment() -> Self {
        let seed = std::env::var("SPAM_CHECK_SEED").ok();
        Self::new(match seed {
            Some(seed) => seed.parse().expect("SPAM_CHECK_SEED is a number"),
            None => fastrand::u64(..),
        })
    }

    /// The next number of 64 bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.numbers.u64(..)
    }

    /// A number below another; 0 where that is 0.
    #[inline]
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { self.numbers.usize(..limit) }
    }

    /// True once in so many times, on average.
    #[inline]
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// A duration that is shorter than `limit`.
    pub fn shorter_than(&mut self, limit: Duration) -> Duration {
        limit.mul_f64(self.numbers.f64())
    }
}

impl Drop for Random {
    #[expect(clippy::print_stderr, reason = "it is needed to repeat a failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("random numbers were those of SPAM_CHECK_SEED={}", self.seed);
        }
    }
}
