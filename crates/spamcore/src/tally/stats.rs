//! What was seen of one sender: how often, when, from where.
//!
//! Sets of addresses and networks are exact up to [`MOST`] members and then say that there are more.
//! Their hash is seeded at random: members come from strangers.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use foldhash::quality::RandomState;

use crate::parse::Client;
use crate::tally::network::{self, Webmail};
use crate::time::window::Window;

/// How many members a set of addresses or networks is exact to.
pub const MOST: usize = 100_000;

/// How many parts the activity of a sender is told in.
pub const PARTS: usize = 16;

/// How many lines a dossier has.
const LINES: usize = 10;

/// How many networks and addresses a dossier has.
const LISTED: usize = 1000;

/// No name of a host is longer (RFC 1035, 2.3.4). Of what is, its end is kept.
const LONGEST: usize = 255;

/// What a member of a set costs, about.
const MEMBER: usize = 48;

/// A set that is exact up to [`MOST`] members.
#[derive(Clone, Debug)]
pub struct BoundedSet<T> {
    members: HashSet<T, RandomState>,
    more: bool,
}

impl<T> Default for BoundedSet<T> {
    fn default() -> Self {
        Self { members: HashSet::default(), more: false }
    }
}

impl<T: Eq + std::hash::Hash> BoundedSet<T> {
    /// Adds a member, and says whether it is kept and new.
    fn insert(&mut self, member: T) -> bool {
        if self.members.len() < MOST {
            return self.members.insert(member);
        }
        if !self.more {
            self.more = !self.members.contains(&member);
        }
        false
    }

    fn absorb(&mut self, more: Self) {
        for member in more.members {
            self.insert(member);
        }
        self.more |= more.more;
    }

    /// How many members there are, [`MOST`] at most.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether there are more than [`MOST`].
    pub fn more(&self) -> bool {
        self.more
    }
}

/// A client's address: an IP address, or another text such as `unknown`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Address {
    Ip(IpAddr),
    Text(Box<[u8]>),
}

/// Where the messages of a login name came from.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    nets: BoundedSet<Box<[u8]>>,
    unknowns: BoundedSet<Address>,
    ips: BoundedSet<Address>,
    webmail: u64,
}

impl Origins {
    /// The distinct network names.
    pub fn nets(&self) -> Cardinality {
        Cardinality::of(&self.nets)
    }

    /// The distinct addresses of clients named `unknown`.
    pub fn unknowns(&self) -> Cardinality {
        Cardinality::of(&self.unknowns)
    }

    /// The distinct addresses.
    pub fn ips(&self) -> Cardinality {
        Cardinality::of(&self.ips)
    }

    /// The messages from webmail hosts.
    pub fn webmail(&self) -> u64 {
        self.webmail
    }

    fn absorb(&mut self, more: Self) {
        self.nets.absorb(more.nets);
        self.unknowns.absorb(more.unknowns);
        self.ips.absorb(more.ips);
        self.webmail = self.webmail.saturating_add(more.webmail);
    }

    /// Adds a client, and says whether it is a webmail host, and about how many bytes are kept of it that
    /// were not before.
    pub(crate) fn add(
        &mut self,
        client: Client<'_>,
        times: u64,
        webmail: &Webmail,
    ) -> (bool, usize) {
        let ip = std::str::from_utf8(client.address).ok().and_then(|text| text.parse().ok());
        let address = match ip {
            Some(ip) => Address::Ip(ip),
            None => Address::Text(end_of(client.address).into()),
        };
        let net = end_of(network::of_name(client.name));
        let mut bytes = 0;
        if !self.nets.members.contains(net) && self.nets.insert(net.into()) {
            bytes += net.len() + MEMBER;
        }
        if client.name == b"unknown" && self.unknowns.insert(address.clone()) {
            bytes += MEMBER;
        }
        if self.ips.insert(address) {
            bytes += MEMBER;
        }
        let is_webmail = ip.is_some_and(|ip| webmail.holds(ip));
        if is_webmail {
            self.add_webmail(times);
        }
        (is_webmail, bytes)
    }

    pub(crate) fn add_webmail(&mut self, times: u64) {
        self.webmail = self.webmail.saturating_add(times);
    }
}

/// The size of a set that is counted up to [`MOST`]; it prints as `100000+` beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cardinality {
    /// The members, [`MOST`] at most.
    pub known: u64,
    /// Whether there are more.
    pub more: bool,
}

impl Cardinality {
    fn of<T: Eq + std::hash::Hash>(set: &BoundedSet<T>) -> Self {
        Self { known: set.len() as u64, more: set.more() }
    }
}

impl std::fmt::Display for Cardinality {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.known, if self.more { "+" } else { "" })
    }
}

/// What was seen of one sender.
#[derive(Clone, Debug)]
pub struct SenderStats {
    /// How many messages.
    pub messages: u64,
    /// The first line in reading order, as logged, without its newline.
    pub line: Box<[u8]>,
    /// The earliest and the latest stamp, in Unix seconds; none where no line had one.
    pub span: Option<(i64, i64)>,
    /// The messages in each of [`PARTS`] equal parts of the window, where they are wanted. Unstamped
    /// ones are in none.
    pub activity: Option<Box<[u64; PARTS]>>,
    /// Where they came from, where lines name a client.
    pub(crate) origins: Option<Box<Origins>>,
    /// What is told of the sender to a person, where that is wanted.
    pub dossier: Option<Box<Dossier>>,
}

/// What is told of a sender to a person: lines, and how many messages came from where.
#[derive(Clone, Debug, Default)]
pub struct Dossier {
    /// The first few lines in reading order.
    pub lines: Vec<Box<[u8]>>,
    /// Messages by network, of the first thousand networks.
    pub networks: HashMap<Box<[u8]>, u64, RandomState>,
    /// Messages by address, of the first thousand addresses.
    pub addresses: HashMap<Box<[u8]>, u64, RandomState>,
}

impl Dossier {
    pub(crate) fn add(&mut self, client: Client<'_>, times: u64, line: &[u8]) {
        if self.lines.len() < LINES {
            self.lines.push(line.into());
        }
        add_times(&mut self.networks, end_of(network::of_name(client.name)), times);
        add_times(&mut self.addresses, end_of(client.address), times);
    }

    fn absorb(&mut self, later: Self) {
        let room = LINES.saturating_sub(self.lines.len());
        self.lines.extend(later.lines.into_iter().take(room));
        for (mine, more) in
            [(&mut self.networks, later.networks), (&mut self.addresses, later.addresses)]
        {
            for (key, &times) in &more {
                add_times(mine, key, times);
            }
        }
    }
}

fn end_of(name: &[u8]) -> &[u8] {
    &name[name.len().saturating_sub(LONGEST)..]
}

fn add_times(counts: &mut HashMap<Box<[u8]>, u64, RandomState>, key: &[u8], times: u64) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_add(times);
    } else if counts.len() < LISTED {
        counts.insert(key.into(), times);
    }
}

impl SenderStats {
    /// Where the messages came from; nowhere, where lines name no client.
    pub fn origins(&self) -> Cow<'_, Origins> {
        self.origins.as_deref().map_or_else(|| Cow::Owned(Origins::default()), Cow::Borrowed)
    }

    /// Adds what was seen in a later part: its line is not the first.
    pub(crate) fn absorb(&mut self, later: Self) {
        self.messages = self.messages.saturating_add(later.messages);
        self.span = match (self.span, later.span) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
        if let (Some(activity), Some(more)) = (&mut self.activity, later.activity) {
            activity.iter_mut().zip(*more).for_each(|(n, more)| *n = n.saturating_add(more));
        }
        match (&mut self.origins, later.origins) {
            (Some(from), Some(more)) => from.absorb(*more),
            (from, more) => *from = from.take().or(more),
        }
        if let (Some(dossier), Some(more)) = (&mut self.dossier, later.dossier) {
            dossier.absorb(*more);
        }
    }

    pub(crate) fn add(&mut self, times: u64, at: Option<i64>, window: &Window) {
        self.messages = self.messages.saturating_add(times);
        let Some(at) = at else { return };
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
        if let Some(activity) = &mut self.activity {
            let part = &mut activity[window.part(at, PARTS)];
            *part = part.saturating_add(times);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_exact_and_then_say_that_there_are_more() {
        let mut set = BoundedSet::default();
        for n in 0..MOST {
            set.insert(n);
            set.insert(n);
        }
        assert_eq!((set.len(), set.more()), (MOST, false));
        set.insert(0);
        assert!(!set.more());
        set.insert(MOST);
        assert_eq!(Cardinality::of(&set).to_string(), "100000+");
    }

    #[test]
    fn a_set_takes_in_another_and_that_it_had_more() {
        let set = |members: std::ops::Range<usize>| {
            let mut set = BoundedSet::default();
            for member in members {
                set.insert(member);
            }
            set
        };
        let mut few = set(0..0);
        assert!(few.is_empty());
        few.absorb(set(0..3));
        few.absorb(set(2..5));
        assert_eq!((few.len(), few.more(), few.is_empty()), (5, false, false));
        for (one, other) in [(0..1, 0..MOST + 1), (0..MOST, 0..MOST + 1), (0..MOST + 1, 0..1)] {
            let mut sum = set(one);
            sum.absorb(set(other));
            assert_eq!((sum.len(), sum.more()), (MOST, true));
        }
    }

    /// What is seen of a sender in messages: the time, the client and how often.
    fn seen(messages: &[(i64, &str, &str, u64)]) -> SenderStats {
        let mut seen = SenderStats {
            messages: 0,
            line: b"a line"[..].into(),
            span: None,
            activity: Some(Box::default()),
            origins: None,
            dossier: Some(Box::default()),
        };
        let mut webmail = Webmail::default();
        webmail.add("192.0.2.0/24").expect("a network");
        for &(at, name, address, times) in messages {
            let client = Client { name: name.as_bytes(), address: address.as_bytes(), text: None };
            seen.add(times, Some(at), &Window::until(0, 1600));
            seen.origins.get_or_insert_default().add(client, times, &webmail);
            let line = format!("{at} {name}");
            seen.dossier.as_mut().expect("one").add(client, times, line.as_bytes());
        }
        seen
    }

    #[test]
    fn parts_of_a_log_add_up_to_the_whole() {
        let mut messages = vec![
            (50, "a.example.org", "192.0.2.1", 2),
            (900, "unknown", "203.0.113.7", 1),
            (20, "unknown", "unknown", 1),
        ];
        messages.extend((0..12).map(|n| (1000 + n, "dsl7.example.com", "198.51.100.7", 3)));
        messages.push((1500, "a.example.org", "192.0.2.1", 5));
        let whole = seen(&messages);
        let origins = whole.origins();
        let counts = [origins.nets(), origins.unknowns(), origins.ips()].map(|count| count.known);
        assert_eq!((counts, origins.webmail()), ([3, 2, 4], 7));
        let dossier = whole.dossier.as_ref().expect("one");
        assert_eq!(dossier.lines.len(), LINES);
        assert_eq!(dossier.networks[&b"example.com"[..]], 36);
        assert_eq!(dossier.addresses[&b"192.0.2.1"[..]], 7);
        for at in 0..=messages.len() {
            let mut sum = seen(&messages[..at]);
            sum.absorb(seen(&messages[at..]));
            assert_eq!((sum.messages, sum.span), (45, Some((20, 1500))), "{at}");
            assert_eq!(sum.activity, whole.activity);
            let from = sum.origins();
            assert_eq!(
                [from.nets(), from.unknowns(), from.ips()],
                [origins.nets(), origins.unknowns(), origins.ips()]
            );
            assert_eq!(from.webmail(), origins.webmail());
            let told = sum.dossier.as_ref().expect("one");
            assert_eq!(told.lines, dossier.lines);
            assert_eq!(told.networks, dossier.networks);
            assert_eq!(told.addresses, dossier.addresses);
        }
    }

    #[test]
    fn a_dossier_lists_a_thousand_addresses() {
        let mut dossier = Dossier::default();
        for n in 0..LISTED + 50 {
            let address = n.to_string();
            let client = Client { name: b"unknown", address: address.as_bytes(), text: None };
            dossier.add(client, 1, b"a line");
            dossier.add(client, 1, b"a line");
        }
        assert_eq!(dossier.addresses.len(), LISTED);
        assert!(dossier.addresses.values().all(|times| *times == 2));
    }

    #[test]
    fn of_a_name_that_no_host_has_the_end_is_kept() {
        let long = [&b"x".repeat(60_000)[..], b".example"].concat();
        let client = Client { name: &long, address: &long, text: None };
        let mut origins = Origins::default();
        let (_, bytes) = origins.add(client, 1, &Webmail::default());
        assert_eq!(bytes, LONGEST + 2 * MEMBER);
        let kept: Vec<usize> = origins.nets.members.iter().map(|net| net.len()).collect();
        assert_eq!(kept, [LONGEST]);
        let mut dossier = Dossier::default();
        dossier.add(client, 1, b"a line");
        assert!(
            dossier.networks.keys().chain(dossier.addresses.keys()).all(|k| k.len() == LONGEST)
        );
        let unknown = Client { name: b"unknown", address: b"192.0.2.1", text: None };
        for bytes in [b"unknown".len() + 3 * MEMBER, 0] {
            assert_eq!(Origins::add(&mut origins, unknown, 1, &Webmail::default()), (false, bytes));
        }
    }
}
