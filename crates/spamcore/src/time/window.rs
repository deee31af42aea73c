//! The [`Window`]: the instants that a period spans.
//!
//! Takes the start and the end of a period, and answers whether a line is inside: it is if
//! `start < timestamp ≤ end`, in whole seconds.

use crate::time::clock::MAX_CLOCK_SKEW;

/// The span of time that is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The last second before it, in Unix seconds.
    pub start: i64,
    /// Now: the end that is reported, in Unix seconds.
    pub now: i64,
    /// The last second inside, in Unix seconds: now, or later by [`MAX_CLOCK_SKEW`].
    pub end: i64,
}

impl Window {
    /// The window that ends now; timestamps may be up to [`MAX_CLOCK_SKEW`] in the future.
    pub fn until_now(start: i64, now: i64) -> Self {
        Self { start, now, end: now.saturating_add(MAX_CLOCK_SKEW) }
    }

    /// The window that ended at `then`; nothing after that counts.
    pub fn until(start: i64, then: i64) -> Self {
        Self { start, now: then, end: then }
    }

    /// Whether an instant is inside.
    pub fn holds(&self, instant: i64) -> bool {
        self.start < instant && instant <= self.end
    }

    /// Which of `count` equal parts of the period an instant is in, from 0. The future is in the last part.
    pub fn part(&self, instant: i64, count: usize) -> usize {
        let length = u128::from(self.now.abs_diff(self.start).max(1));
        let since = u128::from(instant.min(self.now).abs_diff(self.start + 1));
        let part = since * count as u128 / length;
        usize::try_from(part).unwrap_or(count).min(count.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_a_window() {
        let window = Window::until(100, 200);
        assert!(!window.holds(100));
        assert!(window.holds(101));
        assert!(window.holds(200));
        assert!(!window.holds(201));
        assert!(Window::until_now(100, 200).holds(200 + MAX_CLOCK_SKEW));
        assert!(!Window::until_now(100, 200).holds(201 + MAX_CLOCK_SKEW));
        assert_eq!([101, 110, 111, 200, 300].map(|at| window.part(at, 10)), [0, 0, 1, 9, 9]);
    }
}
