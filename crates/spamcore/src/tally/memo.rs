//! A cache from the text of an event to what it is counted under: most events have the text of an earlier one.
//!
//! It is direct-mapped and of fixed size: a hash with a random seed gives each text one slot, and the last text
//! that was put there stays. Nothing is allocated for a text. Key and value are next to each other, because a
//! lookup must not cost two cache misses. A text that is not found costs time, but never changes a count, so
//! nobody gains by filling the cache.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;

/// How many texts are kept at most. A busy server has fewer pairs of client and sender in an hour.
const SLOTS: usize = 8192;

/// The longest text that is kept, in bytes. With that, a slot fills two cache lines.
const LONGEST: usize = 118;

/// What an event is counted under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The index of the sender in the tally. Its sets already contain the client.
    pub(crate) sender: usize,
    /// Whether the client is a webmail host.
    pub(crate) webmail: bool,
}

/// The cache.
#[derive(Debug, Default)]
pub(crate) struct ClientMemo {
    /// Empty until the first text is put.
    slots: Vec<Slot>,
    hasher: RandomState,
}

#[derive(Clone, Debug)]
#[repr(align(64))]
struct Slot {
    entry: Entry,
    /// The length of the text in bytes; 0 if there is none.
    length: u8,
    text: [u8; LONGEST],
}

impl ClientMemo {
    /// What an event with this text is counted under, if that is known.
    #[inline]
    pub(crate) fn get(&self, text: &[u8]) -> Option<Entry> {
        let slot = self.slots.get(self.slot(text))?;
        let length = usize::from(slot.length);
        (length == text.len() && slot.text[..length] == *text && length > 0).then_some(slot.entry)
    }

    /// Remembers what events with this text are counted under.
    pub(crate) fn put(&mut self, text: &[u8], entry: Entry) {
        let Ok(length) = u8::try_from(text.len()) else { return };
        if text.len() > LONGEST {
            return;
        }
        if self.slots.is_empty() {
            let empty = Slot { entry: Entry::default(), length: 0, text: [0; LONGEST] };
            self.slots.resize(SLOTS, empty);
        }
        let slot = self.slot(text);
        let slot = &mut self.slots[slot];
        slot.text[..text.len()].copy_from_slice(text);
        (slot.length, slot.entry) = (length, entry);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.slots = Vec::new();
    }

    fn slot(&self, text: &[u8]) -> usize {
        usize::try_from(self.hasher.hash_one(text) % SLOTS as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_text_is_found_with_its_last_entry_or_not_at_all() {
        let mut memo = ClientMemo::default();
        let mut all = HashMap::new();
        for n in 0..40_000_usize {
            let text = format!("{:>1$}", n, n % 130);
            let entry = Entry { sender: n, webmail: n.is_multiple_of(3) };
            memo.put(text.as_bytes(), entry);
            let found = memo.get(text.as_bytes());
            assert_eq!(found, (!text.is_empty() && text.len() <= LONGEST).then_some(entry));
            all.insert(text, entry);
        }
        let found = all.iter().filter(|(text, entry)| match memo.get(text.as_bytes()) {
            Some(found) => {
                assert_eq!(found, **entry, "{text}");
                true
            }
            None => false,
        });
        assert!((SLOTS / 2..=SLOTS).contains(&found.count()));
        memo.clear();
        assert!(all.keys().all(|text| memo.get(text.as_bytes()).is_none()));
    }

    #[test]
    fn an_empty_text_is_never_found() {
        let mut memo = ClientMemo::default();
        memo.put(b"", Entry::default());
        assert_eq!(memo.get(b""), None);
        memo.put(b"a text", Entry::default());
        assert_eq!(memo.get(b""), None);
    }
}
