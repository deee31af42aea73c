//! Lines that are copies of others: the same message, logged more than once.
//!
//! Two inputs of rsyslog that read the same messages, a rule that matches twice, or a host that sends its messages
//! by two ways write each line twice or more, most often next to each other. The id of a message is the same then.
//! So a line with the id, client and login of one of the last [`WINDOW`] lines of its host, stamped at most
//! [`APART`] seconds before or after it, is the same message. (Postfix uses an id again, but not so soon. Exim never
//! does, so that the time does not matter.)

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use crate::parse::Identity;

/// How many of a host's last lines may have been copied.
const WINDOW: usize = 64;

/// How far apart the timestamps of copies may be. Seconds.
const APART: u64 = 60;

/// Of how many hosts lines are remembered. A stranger can invent more only where he can send to the syslog daemon; all
/// are forgotten then.
const HOSTS: usize = 256;

/// How many lists a host's lines are spread over, by a byte of their hashes.
const LISTS: usize = 256;

/// Remembers the last lines of each host.
#[derive(Clone, Debug, Default)]
pub(super) struct Copies {
    hosts: HashMap<Box<[u8]>, usize, RandomState>,
    lines: Vec<LastLines>,
    /// The host of the line before, most often that of the next one too.
    host: Option<Box<[u8]>>,
    current: usize,
    /// How many messages were left out, because they are copies.
    pub left_out: u64,
}

impl Copies {
    /// Whether a line is a copy of an earlier one. `at` is in Unix seconds.
    pub(super) fn is_copy(&mut self, host: Option<&[u8]>, identity: Identity<'_>, at: i64) -> bool {
        if self.lines.is_empty() || self.host.as_deref() != host {
            self.turn_to(host);
        }
        let Identity { text, recurs } = identity;
        let hash = self.hosts.hasher().hash_one(text);
        self.lines[self.current].is_copy(hash, if recurs { at } else { 0 })
    }

    #[cold]
    fn turn_to(&mut self, host: Option<&[u8]>) {
        let name = host.unwrap_or_default();
        self.current = match self.hosts.get(name) {
            Some(known) => *known,
            None => {
                if self.lines.len() == HOSTS {
                    self.hosts.clear();
                    self.lines.clear();
                }
                self.hosts.insert(name.into(), self.lines.len());
                self.lines.push(LastLines::default());
                self.lines.len() - 1
            }
        };
        self.host = host.map(Box::from);
    }

    /// Begins the lines of another log, which may be of another host.
    pub(super) fn begin_log(&mut self) {
        *self = Self { left_out: self.left_out, ..Self::default() };
    }

    /// For a later part of the log, whose first lines come after these.
    pub(super) fn fork(&self) -> Self {
        Self { left_out: 0, ..self.clone() }
    }

    /// Goes on where `later` ended, which began with the last lines of this one.
    pub(super) fn join(&mut self, later: Self) {
        *self = Self { left_out: self.left_out + later.left_out, ..later };
    }
}

/// The last lines of a host, in a ring. Lines of equal hashes are in the same list, the latest first, so that hardly
/// more than one has to be compared.
#[derive(Clone, Debug)]
struct LastLines {
    ring: Vec<Kept>,
    /// The number of the next line; zero is none.
    next: usize,
    /// The number of the latest line of each list.
    lists: [usize; LISTS],
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    hash: u64,
    at: i64,
    /// The number of the line before it in its list.
    before: usize,
}

impl Default for LastLines {
    fn default() -> Self {
        Self { ring: Vec::new(), next: 1, lists: [0; LISTS] }
    }
}

impl LastLines {
    fn is_copy(&mut self, hash: u64, at: i64) -> bool {
        let list = usize::from(hash.to_le_bytes()[0]);
        let mut number = self.lists[list];
        // Whatever is older has been overwritten.
        while number > 0 && self.next - number <= WINDOW {
            let kept = self.ring[number % WINDOW];
            if kept.hash == hash && kept.at.abs_diff(at) <= APART {
                return true;
            }
            number = kept.before;
        }
        let kept = Kept { hash, at, before: self.lists[list] };
        match self.ring.get_mut(self.next % WINDOW) {
            Some(place) => *place = kept,
            None => {
                // The first one has the number 1.
                self.ring.resize(self.next % WINDOW, kept);
                self.ring.push(kept);
            }
        }
        self.lists[list] = self.next;
        self.next += 1;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_postfix(text: &[u8]) -> Identity<'_> {
        Identity { text, recurs: true }
    }

    #[test]
    fn a_copy_has_the_same_identity_host_and_time() {
        let mut copies = Copies::default();
        let mut is_copy = |host: &str, id: &str, text: &str, at| {
            copies.is_copy(
                Some(host.as_bytes()),
                of_postfix(format!("{id}: {text}").as_bytes()),
                at,
            )
        };
        assert!(!is_copy("mx", "3F1A2B", "alice", 1000));
        assert!(is_copy("mx", "3F1A2B", "alice", 1000));
        assert!(is_copy("mx", "3F1A2B", "alice", 1060));
        assert!(is_copy("mx", "3F1A2B", "alice", 940));
        assert!(!is_copy("mx", "3F1A2C", "alice", 1000));
        assert!(!is_copy("mx", "3F1A2B", "bob", 1000));
        assert!(!is_copy("my", "3F1A2B", "alice", 1000));
        assert!(is_copy("mx", "3F1A2B", "alice", 1000), "hosts are remembered");
        assert!(!is_copy("mx", "3F1A2B", "alice", 1061), "the id has come again");
        let of_exim = Identity { text: b"1ABCDE-000001-XY", recurs: false };
        assert!(!copies.is_copy(None, of_exim, 1000));
        assert!(copies.is_copy(None, of_exim, 9000), "it does not come again");
    }

    #[test]
    fn of_each_host_the_last_lines_are_remembered() {
        let mut copies = Copies::default();
        for n in 0_u64..1000 {
            for host in [Some(&b"a"[..]), Some(b"b"), None] {
                assert!(!copies.is_copy(host, of_postfix(&n.to_le_bytes()), 7));
                for back in 0..80.min(n) {
                    let mut later = copies.clone();
                    let is_copy = later.is_copy(host, of_postfix(&(n - back).to_le_bytes()), 7);
                    assert_eq!(is_copy, back < WINDOW as u64, "{back} before {n}");
                }
            }
        }
    }

    #[test]
    fn what_was_left_out_is_added_up_over_parts_and_logs() {
        let mut copies = Copies { left_out: 3, ..Copies::default() };
        assert!(!copies.is_copy(None, of_postfix(b"3F1A2B"), 7));
        let mut later = copies.fork();
        assert_eq!(later.left_out, 0);
        assert!(
            later.is_copy(None, of_postfix(b"3F1A2B"), 7),
            "it goes on where the first part ended"
        );
        later.left_out = 4;
        copies.join(later);
        assert_eq!(copies.left_out, 7);
        copies.begin_log();
        assert_eq!(copies.left_out, 7);
        assert!(
            !copies.is_copy(None, of_postfix(b"3F1A2B"), 7),
            "another log may be another host's"
        );
    }

    #[test]
    fn memory_is_bounded() {
        let mut copies = Copies::default();
        for n in 0..3000 {
            copies.is_copy(Some(format!("host{n}").as_bytes()), of_postfix(b"3F1A2B"), 7);
            assert!(copies.lines.len() <= HOSTS && copies.hosts.len() <= HOSTS);
        }
    }
}
