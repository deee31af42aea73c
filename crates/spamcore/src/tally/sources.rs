//! From which addresses the messages of a client's name came, and whose line stands for the name.
//!
//! Anybody can use a name in HELO. So the line that is shown is the first one of the address that sent most
//! under it, and not the first of all: nobody who sent a single message stands for somebody else's ninety.
//!
//! Addresses are told apart by a hash of 64 bits with a random seed, and counted exactly up to
//! [`BOUND`]. Lines are kept of the first [`LINES`] addresses. If another address sent most, its line is
//! found by reading the logs again.

use std::collections::HashMap;

use foldhash::quality::RandomState;

use super::bounded_set::{BOUND, Cardinality};

/// Of how many addresses a line is kept.
const LINES: usize = 64;

/// Roughly what an address costs in bytes, not counting its line.
const COST: usize = 32;

/// The messages from one address.
#[derive(Clone, Copy, Debug)]
struct Source {
    messages: u64,
    /// How many addresses were seen before it.
    order: usize,
}

/// The addresses of a name. The first one is that of the name's first line, which is kept elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    first: u64,
    messages: u64,
    others: Option<Box<Others>>,
}

#[derive(Clone, Debug, Default)]
struct Others {
    sources: HashMap<u64, Source, RandomState>,
    /// The first lines of the first of them, in the order in which they were seen.
    lines: Vec<Box<[u8]>>,
    saturated: bool,
}

/// The address whose line stands for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Representative<'a> {
    /// That of the name's first line.
    First,
    /// The one of this line.
    Line(&'a [u8]),
    /// One of which no line was kept.
    Unknown(u64),
}

impl Sources {
    /// The addresses of a name that has been seen once, with this one.
    pub(crate) fn new(address: u64) -> Self {
        Self { first: address, messages: 0, others: None }
    }

    /// Adds messages from an address. Returns roughly how many more bytes are kept now.
    #[inline]
    pub(crate) fn add(&mut self, address: u64, times: u64, line: &[u8]) -> usize {
        if address == self.first {
            self.messages = self.messages.saturating_add(times);
            return 0;
        }
        self.others.get_or_insert_default().add(address, times, line)
    }

    /// The messages from each address.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        let others = self.others.iter().flat_map(|others| &others.sources);
        let others = others.map(|(address, source)| (*address, source.messages));
        std::iter::once((self.first, self.messages)).chain(others)
    }

    /// How many addresses there are, not counting the one with the hash `unclear`.
    pub(crate) fn cardinality(&self, unclear: u64) -> Cardinality {
        let others = self.others.as_deref();
        let known = |others: &Others| others.sources.contains_key(&unclear);
        let all = 1 + others.map_or(0, |others| others.sources.len());
        let unclear = self.first == unclear || others.is_some_and(known);
        let saturated = others.is_some_and(|others| others.saturated);
        Cardinality { count: (all - usize::from(unclear)) as u64, saturated }
    }

    /// The address that sent most; of equals, the one that was seen first. Beyond [`BOUND`] addresses, and if
    /// the logs are not `rereadable`, it is one of those of which a line was kept.
    pub(crate) fn representative(&self, rereadable: bool) -> Representative<'_> {
        let Some(others) = self.others.as_deref() else { return Representative::First };
        let any = rereadable && !others.saturated;
        let most = others
            .sources
            .iter()
            .filter(|(_, source)| any || source.order <= others.lines.len())
            .max_by_key(|(_, source)| (source.messages, std::cmp::Reverse(source.order)));
        match most {
            Some((&address, source)) if source.messages > self.messages => others
                .lines
                .get(source.order - 1)
                .map_or(Representative::Unknown(address), |line| Representative::Line(line)),
            _ => Representative::First,
        }
    }

    /// Adds the addresses of a later part of the log, and the first line there.
    pub(crate) fn join(&mut self, later: Self, line: &[u8]) {
        self.add(later.first, later.messages, line);
        let Some(mut others) = later.others else { return };
        let mut sources: Vec<_> = others.sources.drain().collect();
        sources.sort_unstable_by_key(|(_, source)| source.order);
        for (address, Source { messages, order }) in sources {
            let line = others.lines.get(order - 1).map_or(&b""[..], |line| line);
            self.add(address, messages, line);
        }
        if others.saturated {
            self.others.get_or_insert_default().saturated = true;
        }
    }
}

impl Others {
    fn add(&mut self, address: u64, times: u64, line: &[u8]) -> usize {
        if let Some(source) = self.sources.get_mut(&address) {
            source.messages = source.messages.saturating_add(times);
            return 0;
        }
        // With the first one, there are as many as the bound.
        if self.sources.len() + 1 >= BOUND {
            self.saturated = true;
            return 0;
        }
        let order = self.sources.len() + 1;
        self.sources.insert(address, Source { messages: times, order });
        if self.lines.len() + 1 < LINES && self.lines.len() + 1 == order {
            self.lines.push(line.into());
            return COST + size_of::<Box<[u8]>>() + line.len();
        }
        COST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The addresses of a name after these messages, each with its number as its line.
    fn sources(addresses: &[u64]) -> Sources {
        let mut sources = Sources::new(addresses[0]);
        for (number, &address) in addresses.iter().enumerate() {
            sources.add(address, 1, number.to_string().as_bytes());
        }
        sources
    }

    #[test]
    fn the_address_that_sent_most_stands_for_a_name_and_of_equals_the_first() {
        use Representative::{First, Line, Unknown};
        let many: Vec<u64> = (0..70).collect();
        for (addresses, want) in [
            (&[1][..], First),
            (&[1, 2], First),
            (&[1, 2, 2], Line(b"1")),
            (&[1, 2, 3, 3, 2], Line(b"1")),
            (&[1, 2, 3, 3, 1], First),
            (&[1, 2, 2, 3, 3, 3], Line(b"3")),
            (&[&many[..], &[63]].concat(), Line(b"63")),
            (&[&many[..], &[64]].concat(), Unknown(64)),
        ] {
            assert_eq!(sources(addresses).representative(true), want, "{addresses:?}");
            // The same in two parts.
            for at in 1..addresses.len() {
                let (before, after) = addresses.split_at(at);
                let mut sum = sources(before);
                let mut later = Sources::new(after[0]);
                for (number, &address) in after.iter().enumerate() {
                    later.add(address, 1, (at + number).to_string().as_bytes());
                }
                sum.join(later, at.to_string().as_bytes());
                assert_eq!(sum.representative(true), want, "{addresses:?} at {at}");
                assert_eq!(sum.iter().map(|(_, n)| n).sum::<u64>(), addresses.len() as u64);
            }
        }
        let late = [&many[..], &[64, 5]].concat();
        assert_eq!(sources(&late).representative(false), Line(b"5"), "of those with a line");
        assert_eq!(sources(&late).cardinality(0).count, 69, "one of them is none");
        assert_eq!(sources(&late).cardinality(99).count, 70);
    }

    #[test]
    fn addresses_are_counted_up_to_a_bound() {
        let all: Vec<u64> = (0..BOUND as u64).collect();
        let full = Cardinality { count: BOUND as u64, saturated: false };
        assert_eq!(sources(&all).cardinality(u64::MAX), full);
        let more = [&all[..], &[u64::MAX - 1, 500, 500]].concat();
        let full = Cardinality { saturated: true, ..full };
        assert_eq!(sources(&more).cardinality(u64::MAX), full);
        assert_eq!(sources(&more).representative(true), Representative::First, "500 has no line");
        let mut sum = sources(&[7, 7, 7]);
        sum.join(sources(&more), b"");
        assert_eq!(sum.cardinality(u64::MAX), full);
    }
}
