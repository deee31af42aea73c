//! A set that is exact up to a bound, and beyond that only knows that it has more members.
//!
//! Its hash has a random seed, because the members come from strangers.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;

use foldhash::quality::RandomState;

/// Up to how many members a set is exact.
pub const BOUND: usize = 100_000;

/// A set that is exact up to [`BOUND`] members.
#[derive(Clone, Debug)]
pub(crate) struct BoundedSet<T> {
    members: HashSet<T, RandomState>,
    saturated: bool,
}

impl<T> Default for BoundedSet<T> {
    fn default() -> Self {
        Self { members: HashSet::default(), saturated: false }
    }
}

impl<T: Eq + Hash> BoundedSet<T> {
    /// Adds a member. Returns whether it is new and was kept.
    pub(crate) fn insert(&mut self, member: T) -> bool {
        if self.members.len() < BOUND {
            return self.members.insert(member);
        }
        if !self.saturated {
            self.saturated = !self.members.contains(&member);
        }
        false
    }

    /// Whether this is one of the members that are kept.
    pub(crate) fn contains<Q: Eq + Hash + ?Sized>(&self, member: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.members.contains(member)
    }

    /// The member, if it is the only one.
    pub(crate) fn only(&self) -> Option<&T> {
        self.members.iter().next().filter(|_| self.members.len() == 1)
    }

    /// Removes a member.
    pub(crate) fn remove(&mut self, member: &T) {
        self.members.remove(member);
    }

    /// Adds the members of another set.
    pub(crate) fn join(&mut self, other: Self) {
        for member in other.members {
            self.insert(member);
        }
        self.saturated |= other.saturated;
    }

    /// How many members there are.
    pub(crate) fn cardinality(&self) -> Cardinality {
        Cardinality { count: self.members.len() as u64, saturated: self.saturated }
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.members.iter()
    }
}

/// The size of a set that is exact up to [`BOUND`]; beyond that it is shown as `100000+`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cardinality {
    /// The number of members, at most [`BOUND`].
    pub count: u64,
    /// Whether there are more.
    pub saturated: bool,
}

impl fmt::Display for Cardinality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, if self.saturated { "+" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(members: std::ops::Range<usize>) -> BoundedSet<usize> {
        let mut set = BoundedSet::default();
        for member in members {
            set.insert(member);
        }
        set
    }

    fn size(count: usize, saturated: bool) -> Cardinality {
        Cardinality { count: count as u64, saturated }
    }

    #[test]
    fn a_set_is_exact_up_to_its_bound_and_then_has_more() {
        let mut set = set(0..BOUND);
        for n in 0..BOUND {
            assert!(!set.insert(n));
        }
        assert_eq!(set.cardinality(), size(BOUND, false));
        set.insert(0);
        assert_eq!(set.cardinality().to_string(), "100000");
        set.insert(BOUND);
        assert_eq!(set.cardinality().to_string(), "100000+");
    }

    #[test]
    fn a_joined_set_has_more_if_either_had() {
        let mut few = set(0..0);
        assert_eq!(few.cardinality(), size(0, false));
        few.join(set(0..3));
        few.join(set(2..5));
        assert_eq!(few.cardinality(), size(5, false));
        for (one, other) in [(0..1, 0..BOUND + 1), (0..BOUND, 0..BOUND + 1), (0..BOUND + 1, 0..1)] {
            let mut sum = set(one);
            sum.join(set(other));
            assert_eq!(sum.cardinality(), size(BOUND, true));
        }
    }
}
