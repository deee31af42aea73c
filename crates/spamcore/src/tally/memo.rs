//! What an event of a known text is of: most events have the text of one before.
//!
//! A cache of fixed size, for the tally: each text has one place, by a hash seeded at random, and the
//! last one that came there stays. Nothing is allocated for a text and a text lies beside what is known
//! of it, because lines pass faster than memory answers. A text that is not found costs time, never a
//! count, so that nobody gains by filling it.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;

/// How many texts are known at most: more than a busy server has pairs of client and sender in an hour.
const SLOTS: usize = 8192;

/// The longest text that is remembered, in bytes: with it, a slot fills two lines of a cache.
const LONGEST: usize = 118;

/// What an event is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Of {
    /// The sender's place in the tally. It, and the client, are in its sets already.
    pub(crate) sender: usize,
    /// Whether the client is a webmail host.
    pub(crate) webmail: bool,
}

/// The texts.
#[derive(Debug, Default)]
pub(crate) struct ClientMemo {
    /// None until the first text is put.
    slots: Vec<Slot>,
    hasher: RandomState,
}

#[derive(Clone, Debug)]
#[repr(align(64))]
struct Slot {
    of: Of,
    /// Bytes of the text; 0 where there is none.
    length: u8,
    text: [u8; LONGEST],
}

impl ClientMemo {
    /// What an event of this text is of, if that is known.
    #[inline]
    pub(crate) fn get(&self, text: &[u8]) -> Option<Of> {
        let slot = self.slots.get(self.place(text))?;
        let known = usize::from(slot.length);
        (known == text.len() && slot.text[..known] == *text && known > 0).then_some(slot.of)
    }

    /// Remembers what events of this text are of.
    pub(crate) fn put(&mut self, text: &[u8], of: Of) {
        let Ok(length) = u8::try_from(text.len()) else { return };
        if text.len() > LONGEST {
            return;
        }
        if self.slots.is_empty() {
            let empty = Slot { of: Of::default(), length: 0, text: [0; LONGEST] };
            self.slots.resize(SLOTS, empty);
        }
        let place = self.place(text);
        let slot = &mut self.slots[place];
        slot.text[..text.len()].copy_from_slice(text);
        (slot.length, slot.of) = (length, of);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.slots = Vec::new();
    }

    fn place(&self, text: &[u8]) -> usize {
        usize::try_from(self.hasher.hash_one(text) % SLOTS as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_text_is_found_as_it_was_put_or_not_at_all() {
        let mut known = ClientMemo::default();
        let mut all = HashMap::new();
        for n in 0..40_000_usize {
            let text = format!("{:>1$}", n, n % 130);
            let of = Of { sender: n, webmail: n.is_multiple_of(3) };
            known.put(text.as_bytes(), of);
            let found = known.get(text.as_bytes());
            assert_eq!(found, (!text.is_empty() && text.len() <= LONGEST).then_some(of));
            all.insert(text, of);
        }
        let found = all.iter().filter(|(text, of)| match known.get(text.as_bytes()) {
            Some(found) => {
                assert_eq!(found, **of, "{text}");
                true
            }
            None => false,
        });
        assert!((SLOTS / 2..=SLOTS).contains(&found.count()));
        known.clear();
        assert!(all.keys().all(|text| known.get(text.as_bytes()).is_none()));
    }

    #[test]
    fn no_text_is_unknown() {
        let mut known = ClientMemo::default();
        known.put(b"", Of::default());
        assert_eq!(known.get(b""), None);
        known.put(b"a text", Of::default());
        assert_eq!(known.get(b""), None);
    }
}
