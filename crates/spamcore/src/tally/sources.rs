//! From which addresses the messages of a client's name came, and whose line stands for the name.
//!
//! Anybody can use a name in HELO. So the line that is shown is the first one of the address that sent most
//! under it, and not the first of all: nobody who sent a single message stands for somebody else's ninety.
//!
//! Addresses are told apart by a hash of 64 bits with a random seed, and counted exactly up to [`BOUND`], in
//! the order in which they were seen. No lines are kept: that of another address than the first is found by
//! reading the logs again. Of logs that cannot be read again, the lines of the first [`FIRST`] addresses are
//! kept.

use std::cmp::Reverse;

use super::bounded_set::{BOUND, Cardinality};

/// Of how many addresses a line is kept if the logs cannot be read again. Only one of these stands for a name
/// with more than [`BOUND`] addresses.
const FIRST: usize = 64;

/// So many addresses are searched one after the other. If there are more, an index is kept.
const FEW: usize = 8;

/// The messages from one address.
#[derive(Clone, Copy, Debug)]
struct Source {
    address: u64,
    messages: u64,
    /// Where its first line is.
    place: u64,
}

/// The addresses of a name. Most names have one. It is that of the name's first line, which is kept elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    first: Source,
    others: Option<Box<Others>>,
}

/// The other addresses of a name.
#[derive(Clone, Debug, Default)]
struct Others {
    list: Vec<Source>,
    /// Where each address is in the list, plus one; 0 in empty places. Its length is a power of two, or zero as
    /// long as there are few.
    index: Vec<u32>,
    /// The first lines of the first of them, of logs that cannot be read again.
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
    Unknown {
        /// The address.
        address: u64,
        /// Where its first line is.
        place: u64,
    },
}

impl Sources {
    /// The addresses of a name that is seen for the first time, from this one, in the line at `place`.
    pub(crate) fn new(address: u64, place: u64) -> Self {
        Self { first: Source { address, messages: 0, place }, others: None }
    }

    /// Adds messages from an address. `place` is where the line is, and `line` is to be kept if this is one of
    /// the first addresses, and there is one. Returns roughly how many more bytes are kept now.
    #[inline]
    pub(crate) fn add(
        &mut self,
        address: u64,
        times: u64,
        place: u64,
        line: Option<&[u8]>,
    ) -> usize {
        if address == self.first.address {
            self.first.messages = self.first.messages.saturating_add(times);
            return 0;
        }
        let others = self.others.get_or_insert_default();
        if let Some(at) = others.position(address) {
            let messages = &mut others.list[at].messages;
            *messages = messages.saturating_add(times);
            return 0;
        }
        others.add_new(Source { address, messages: times, place }, line)
    }

    /// The messages from each address, in the order in which they were seen.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.in_order().map(|source| (source.address, source.messages))
    }

    fn in_order(&self) -> impl Iterator<Item = &Source> {
        std::iter::once(&self.first).chain(self.others.iter().flat_map(|others| &others.list))
    }

    /// How many addresses there are, not counting the one with the hash `unclear`.
    pub(crate) fn cardinality(&self, unclear: u64) -> Cardinality {
        let others = self.others.as_deref();
        let has_unclear = self.first.address == unclear
            || others.is_some_and(|others| others.position(unclear).is_some());
        let count = 1 + others.map_or(0, |others| others.list.len()) - usize::from(has_unclear);
        Cardinality {
            count: count as u64,
            saturated: others.is_some_and(|others| others.saturated),
        }
    }

    /// The address that sent most; of equals, the one that was seen first. Beyond [`BOUND`] addresses it is one
    /// of the first [`FIRST`]; if the logs are not `rereadable`, one of those of which a line was kept.
    pub(crate) fn representative(&self, rereadable: bool) -> Representative<'_> {
        let Some(others) = self.others.as_deref() else { return Representative::First };
        let count = match (rereadable, others.saturated) {
            (true, false) => usize::MAX,
            (true, true) => FIRST,
            (false, _) => 1 + others.lines.len(),
        };
        let sources = self.in_order().enumerate().take(count);
        let most = sources.max_by_key(|&(n, source)| (source.messages, Reverse(n)));
        match most {
            None | Some((0, _)) => Representative::First,
            Some((n, source)) => match others.lines.get(n - 1) {
                Some(line) => Representative::Line(line),
                None => {
                    let Source { address, place, .. } = *source;
                    Representative::Unknown { address, place }
                }
            },
        }
    }

    /// Adds the addresses of a later part of the log. Only logs that can be read again are read in parts, so
    /// there are no lines.
    pub(crate) fn join(&mut self, later: &Self) {
        for &Source { address, messages, place } in later.in_order() {
            self.add(address, messages, place, None);
        }
        if later.others.as_ref().is_some_and(|others| others.saturated) {
            self.others.get_or_insert_default().saturated = true;
        }
    }

    /// Roughly how many bytes are kept of the addresses after the first.
    pub(crate) fn bytes(&self) -> usize {
        self.others.as_ref().map_or(0, |others| others.bytes())
    }
}

impl Others {
    /// Where an address is in the list.
    #[inline]
    fn position(&self, address: u64) -> Option<usize> {
        if self.index.is_empty() {
            return self.list.iter().position(|source| source.address == address);
        }
        let mut place = self.place(address);
        loop {
            // It is at most half full, so there is an empty place.
            let at = (self.index[place] as usize).checked_sub(1)?;
            if self.list[at].address == address {
                return Some(at);
            }
            place = self.after(place);
        }
    }

    /// The first place of the index where an address may be: hashes are spread evenly.
    #[inline]
    fn place(&self, address: u64) -> usize {
        usize::try_from(address & (self.index.len() as u64 - 1)).unwrap_or(0)
    }

    /// The next place of the index.
    #[inline]
    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.index.len() - 1)
    }

    fn add_new(&mut self, source: Source, line: Option<&[u8]>) -> usize {
        // With the first one, there are as many as the bound.
        if self.list.len() + 1 >= BOUND {
            self.saturated = true;
            return 0;
        }
        let before = self.bytes();
        self.list.push(source);
        if self.list.len() > FEW {
            self.add_to_index();
        }
        let mut bytes = self.bytes() - before;
        if let Some(line) = line
            && self.list.len() < FIRST
            && self.lines.len() + 1 == self.list.len()
        {
            self.lines.push(line.into());
            bytes += size_of::<Box<[u8]>>() + line.len();
        }
        bytes
    }

    /// Adds the last address to the index; all of them if it has to grow.
    fn add_to_index(&mut self) {
        let mut from = self.list.len() - 1;
        if self.list.len() * 2 > self.index.len() {
            self.index = vec![0; (self.list.len() * 4).next_power_of_two()];
            from = 0;
        }
        for at in from..self.list.len() {
            let mut place = self.place(self.list[at].address);
            while self.index[place] != 0 {
                place = self.after(place);
            }
            self.index[place] = u32::try_from(at + 1).unwrap_or(u32::MAX);
        }
    }

    /// How many bytes are allocated for addresses.
    fn bytes(&self) -> usize {
        self.list.capacity() * size_of::<Source>() + self.index.len() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Representative::{First, Line, Unknown};

    /// The addresses of a name after these messages; on a stream each with its number as its line.
    fn sources(addresses: &[u64], stream: bool) -> Sources {
        part(addresses, 0, stream)
    }

    /// The same of a part that starts with a message of this number.
    fn part(addresses: &[u64], from: usize, stream: bool) -> Sources {
        let mut sources = Sources::new(addresses[0], from as u64);
        for (number, &address) in (from..).zip(addresses) {
            let line = number.to_string();
            sources.add(address, 1, number as u64, stream.then_some(line.as_bytes()));
        }
        sources
    }

    #[test]
    fn the_address_that_sent_most_stands_for_a_name_and_of_equals_the_first() {
        let many: Vec<u64> = (0..70).collect();
        for (addresses, want) in [
            (&[1][..], First),
            (&[1, 2], First),
            (&[1, 2, 2], Unknown { address: 2, place: 1 }),
            (&[1, 2, 3, 3, 2], Unknown { address: 2, place: 1 }),
            (&[1, 2, 3, 3, 1], First),
            (&[1, 2, 2, 3, 3, 3], Unknown { address: 3, place: 3 }),
            (&[&many[..], &[63]].concat(), Unknown { address: 63, place: 63 }),
            (&[&many[..], &[64]].concat(), Unknown { address: 64, place: 64 }),
        ] {
            assert_eq!(sources(addresses, false).representative(true), want, "{addresses:?}");
            // The same in two parts.
            for at in 1..addresses.len() {
                let (before, after) = addresses.split_at(at);
                let mut sum = sources(before, false);
                sum.join(&part(after, at, false));
                assert_eq!(sum.representative(true), want, "{addresses:?} at {at}");
                assert_eq!(sum.iter().map(|(_, n)| n).sum::<u64>(), addresses.len() as u64);
            }
        }
        let late = sources(&[&many[..], &[64, 5]].concat(), false);
        assert_eq!(late.cardinality(0).count, 69, "one of them is none");
        assert_eq!(late.cardinality(69).count, 69);
        assert_eq!(late.cardinality(99).count, 70);
    }

    #[test]
    fn of_a_stream_it_is_one_of_the_first_addresses() {
        let many: Vec<u64> = (0..70).collect();
        for (more, want) in
            [(&[][..], First), (&[64], First), (&[63], Line(b"63")), (&[64, 64, 5], Line(b"5"))]
        {
            let sources = sources(&[&many[..], more].concat(), true);
            assert_eq!(sources.representative(false), want, "{more:?}");
        }
        // Where the budget for lines was used up, one of those that have one.
        let mut sources = sources(&many[..3], true);
        for address in [3, 3, 4, 1, 1] {
            sources.add(address, 1, 0, None);
        }
        assert_eq!(sources.representative(false), Line(b"1"));
    }

    #[test]
    fn each_address_is_found_again() {
        let mut random = 1_u64;
        let mut next = || {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            random >> 8
        };
        for count in [1, FEW, FEW + 1, FEW + 2, 33, 1000] {
            let addresses: Vec<u64> = (0..count).map(|_| next()).collect();
            let mut sources = sources(&addresses, false);
            let before = sources.bytes();
            for &address in addresses.iter().rev() {
                assert_eq!(sources.add(address, 2, 0, None), 0, "it is known");
            }
            assert_eq!(sources.bytes(), before);
            assert!(sources.iter().eq(addresses.iter().map(|&address| (address, 3))), "{count}");
            assert_eq!(sources.others.as_ref().and_then(|others| others.position(next())), None);
        }
    }

    #[test]
    fn addresses_are_counted_up_to_a_bound() {
        let all: Vec<u64> = (0..BOUND as u64).collect();
        let full = Cardinality { count: BOUND as u64, saturated: false };
        assert_eq!(sources(&all, false).cardinality(u64::MAX), full);
        let more = sources(&[&all[..], &[u64::MAX - 1, 500, 500, 7]].concat(), false);
        let full = Cardinality { saturated: true, ..full };
        assert_eq!(more.cardinality(u64::MAX), full);
        assert_eq!(
            more.representative(true),
            Unknown { address: 7, place: 7 },
            "500 is none of the first"
        );
        let mut sum = sources(&[8, 8, 8], false);
        sum.join(&more);
        assert_eq!(sum.cardinality(u64::MAX), full);
        let mut whole = sources(&all, false);
        assert!(whole.bytes() < 48 * BOUND, "{}", whole.bytes());
        whole.join(&sources(&[3, 4], false));
        assert_eq!(whole.cardinality(u64::MAX), Cardinality { saturated: false, ..full });
    }
}
