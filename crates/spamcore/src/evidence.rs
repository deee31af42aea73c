//! A few senders, looked at closely: what an account is judged on, and what people are shown.
//!
//! Takes a [`Selection`] of senders, each with the instant after which its lines are evidence, and gives what
//! those lines alone amount to ([`SenderEvidence`]). Lines that another host has logged are no evidence. The
//! logs are read again for that, because a tally does not keep lines and cannot tell new ones from old ones.
//! What is then done to an account is decided elsewhere.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::quality::RandomState;
use serde::{Deserialize, Serialize};

use crate::hosts::Hosts;
use crate::identity::Identity;
use crate::messages::Messages;
use crate::parse::{Client, Event, Kind, LazyEvent};
use crate::sink::Sink;
use crate::tally::network::{Webmail, network_of};
use crate::tally::stats::{Origins, SenderStats, last_bytes};

/// How many lines of a sender are kept.
const LINES: usize = 10;

/// How many networks, and how many addresses, of a sender are listed.
const LISTED: usize = 1000;

/// How many spellings of a name are listed.
const SPELLINGS: usize = 64;

/// The longest spelling that is listed, in bytes. No account name is longer.
const LONGEST_SPELLING: usize = 255;

/// What an account is judged on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Messages.
    pub messages: u64,
    /// Distinct networks.
    pub nets: u64,
    /// Distinct addresses of clients without a name.
    pub unknowns: u64,
    /// Distinct addresses.
    pub ips: u64,
}

impl Counts {
    /// The counts of messages from these origins.
    pub fn new(messages: u64, origins: &Origins) -> Self {
        Self {
            messages,
            nets: origins.nets().count,
            unknowns: origins.unknowns().count,
            ips: origins.ips().count,
        }
    }
}

impl From<&SenderStats> for Counts {
    fn from(stats: &SenderStats) -> Self {
        Self::new(stats.messages, &stats.origins())
    }
}

/// The senders to look at, all of one kind.
#[derive(Clone, Debug)]
pub struct Selection {
    /// What kind of names they have.
    pub kind: Kind,
    /// Which spellings are one name.
    pub identity: Identity,
    /// Their names, folded, each with the instant after which its lines are evidence; none if all of them are.
    pub senders: HashMap<Vec<u8>, Option<i64>, RandomState>,
    /// The last instant at which a line is evidence, in Unix seconds.
    pub until: i64,
    /// The hosts whose lines are evidence; none if those of any host are.
    pub hosts: Option<Hosts>,
}

impl Selection {
    /// Whether a line of this sender (a folded name) and instant is evidence. A line without a timestamp never is.
    fn includes(&self, kind: Kind, name: &[u8], at: Option<i64>) -> bool {
        kind == self.kind
            && self.senders.get(name).is_some_and(|after| {
                at.is_some_and(|at| at <= self.until && after.is_none_or(|after| at > after))
            })
    }
}

/// What those lines of a sender that are evidence amount to.
#[derive(Clone, Debug, Default)]
pub struct SenderEvidence {
    /// Their counts.
    pub counts: Counts,
    /// Whether they alone exceed all limits.
    pub sufficient: bool,
    /// The other hosts whose lines would have to be counted for them to exceed all limits, each with its number of
    /// messages.
    pub elsewhere: Vec<(Box<[u8]>, u64)>,
    /// The first few of them, in reading order.
    pub lines: Vec<Box<[u8]>>,
    /// The spellings of the name: the first 64, in the order of their bytes.
    pub spellings: Vec<Box<[u8]>>,
    /// Whether there were others, or longer ones than an account name can be.
    pub more_spellings: bool,
    /// Messages by network, of the first thousand networks.
    pub networks: Vec<(Box<[u8]>, u64)>,
    /// Messages by address, of the first thousand addresses.
    pub addresses: Vec<(Box<[u8]>, u64)>,
}

/// Which lines are read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Those from which the report was made.
    Logged,
    /// Those in the journal for whose author journald vouches.
    Trusted,
}

/// Reads the lines of a few senders again.
pub trait EvidenceSource {
    /// What the lines of the selected senders amount to, by name; senders without a line are left out. None if
    /// the lines cannot be read again.
    fn evidence(
        &mut self,
        selection: Selection,
        lines: Lines,
        messages: &mut Messages,
    ) -> Option<HashMap<Vec<u8>, SenderEvidence>>;

    /// What was counted of a sender where the lines cannot be read again, in the lines of the hosts that are
    /// evidence; none if there was no such line.
    fn counted(&self, kind: Kind, sender: &[u8]) -> Option<Counted>;
}

/// What was counted of a sender at the first reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The counts.
    pub counts: Counts,
    /// Whether they exceed all limits.
    pub sufficient: bool,
    /// The latest timestamp, in Unix seconds; none if no line had one.
    pub last: Option<i64>,
    /// The spelling of the first line.
    pub first_spelling: Box<[u8]>,
    /// Whether there were others.
    pub more_spellings: bool,
}

/// What was found about one sender.
#[derive(Clone, Debug, Default)]
struct Found {
    messages: u64,
    origins: Origins,
    lines: Vec<Box<[u8]>>,
    spellings: BTreeSet<Box<[u8]>>,
    more_spellings: bool,
    networks: HashMap<Box<[u8]>, u64, RandomState>,
    addresses: HashMap<Box<[u8]>, u64, RandomState>,
    /// The same of other hosts, and the messages of each.
    elsewhere: Option<Box<Elsewhere>>,
}

/// What other hosts have logged of a sender.
#[derive(Clone, Debug, Default)]
struct Elsewhere {
    messages: u64,
    origins: Origins,
    hosts: HashMap<Box<[u8]>, u64, RandomState>,
}

/// A function that gives the host of a line: [`Parser::host`](crate::parse::Parser::host).
pub type HostOf = fn(&[u8]) -> Option<&[u8]>;

/// A [`Sink`] that looks closely at a few senders.
#[derive(Clone, Debug)]
pub struct Evidence {
    selection: Arc<Selection>,
    host_of: HostOf,
    found: HashMap<Vec<u8>, Found, RandomState>,
    complete: bool,
}

impl Evidence {
    /// A sink that has not seen any lines yet.
    pub fn new(selection: Selection, host_of: HostOf) -> Self {
        let selection = Arc::new(selection);
        Self { selection, host_of, found: HashMap::default(), complete: false }
    }

    /// What was found, by sender. `sufficient` judges a sender by name and counts.
    pub fn into_senders(
        self,
        sufficient: impl Fn(&[u8], &Counts) -> bool,
    ) -> HashMap<Vec<u8>, SenderEvidence> {
        let listed = |counts: HashMap<Box<[u8]>, u64, _>| counts.into_iter().collect();
        let summed = |(name, mut found): (Vec<u8>, Found)| {
            let counts = Counts::new(found.messages, &found.origins);
            let enough = sufficient(&name, &counts);
            let elsewhere = found.elsewhere.take().filter(|elsewhere| {
                let messages = found.messages.saturating_add(elsewhere.messages);
                let mut origins = found.origins.clone();
                origins.join(elsewhere.origins.clone());
                !enough && sufficient(&name, &Counts::new(messages, &origins))
            });
            let evidence = SenderEvidence {
                counts,
                sufficient: enough,
                elsewhere: elsewhere.map(|elsewhere| listed(elsewhere.hosts)).unwrap_or_default(),
                lines: found.lines,
                spellings: found.spellings.into_iter().collect(),
                more_spellings: found.more_spellings,
                networks: listed(found.networks),
                addresses: listed(found.addresses),
            };
            (name, evidence)
        };
        self.found.into_iter().map(summed).collect()
    }
}

impl Sink for Evidence {
    fn event(&mut self, at: Option<i64>, times: u64, event: &LazyEvent<'_>, line: &[u8]) {
        if self.complete {
            return;
        }
        let Some(event) = event.parse() else { return };
        let Event::Accepted(accepted) = &*event else { return };
        // Most lines are of other senders: their host is not looked for.
        let other_host = || {
            let hosts = self.selection.hosts.as_ref()?;
            let host = (self.host_of)(line);
            host.filter(|_| !hosts.include(host))
        };
        for sender in accepted.senders.iter() {
            let name = self.selection.identity.fold(&sender.name);
            if !self.selection.includes(sender.kind, &name, at) {
                continue;
            }
            if !self.found.contains_key(&*name) {
                self.found.insert(name.to_vec(), Found::default());
            }
            if let Some(found) = self.found.get_mut(&*name) {
                match other_host() {
                    None => {
                        found.add(accepted.client, times, line);
                        found.add_spelling(&sender.name);
                    }
                    Some(host) => found.add_elsewhere(accepted.client, times, host),
                }
            }
        }
    }

    fn fork(&self) -> Option<Self> {
        let (selection, host_of) = (Arc::clone(&self.selection), self.host_of);
        Some(Self { selection, host_of, found: HashMap::default(), complete: self.complete })
    }

    fn join(&mut self, later: Self) {
        for (name, found) in later.found {
            self.found.entry(name).or_default().join(found);
        }
    }

    fn needs_another_pass(&mut self) -> bool {
        self.complete = true;
        false
    }
}

impl Found {
    fn add(&mut self, client: Option<Client<'_>>, times: u64, line: &[u8]) {
        self.messages = self.messages.saturating_add(times);
        if self.lines.len() < LINES {
            self.lines.push(line.into());
        }
        if let Some(client) = client {
            // Webmail hosts are only counted for the report.
            self.origins.add(client, times, &Webmail::default());
            add_times(&mut self.networks, last_bytes(network_of(client.name)), times);
            add_times(&mut self.addresses, last_bytes(client.address), times);
        }
    }

    fn add_spelling(&mut self, spelling: &[u8]) {
        if self.spellings.contains(spelling) {
            return;
        }
        if self.spellings.len() < SPELLINGS && spelling.len() <= LONGEST_SPELLING {
            self.spellings.insert(spelling.into());
        } else {
            self.more_spellings = true;
        }
    }

    fn add_elsewhere(&mut self, client: Option<Client<'_>>, times: u64, host: &[u8]) {
        let elsewhere = self.elsewhere.get_or_insert_default();
        elsewhere.messages = elsewhere.messages.saturating_add(times);
        if let Some(client) = client {
            elsewhere.origins.add(client, times, &Webmail::default());
        }
        add_times(&mut elsewhere.hosts, last_bytes(host), times);
    }

    fn join(&mut self, later: Self) {
        later.spellings.iter().for_each(|spelling| self.add_spelling(spelling));
        self.more_spellings |= later.more_spellings;
        if let Some(later) = later.elsewhere {
            let elsewhere = self.elsewhere.get_or_insert_default();
            elsewhere.messages = elsewhere.messages.saturating_add(later.messages);
            elsewhere.origins.join(later.origins);
            for (host, &times) in &later.hosts {
                add_times(&mut elsewhere.hosts, host, times);
            }
        }
        self.messages = self.messages.saturating_add(later.messages);
        self.origins.join(later.origins);
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

fn add_times(counts: &mut HashMap<Box<[u8]>, u64, RandomState>, key: &[u8], times: u64) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_add(times);
    } else if counts.len() < LISTED {
        counts.insert(key.into(), times);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Realms;
    use crate::parse::{Accepted, Sender, Senders};

    fn selection(senders: &[(&str, Option<i64>)]) -> Selection {
        let senders = senders.iter().map(|(name, after)| (name.as_bytes().to_vec(), *after));
        let senders = senders.collect();
        let identity = Identity::logins(Realms::default());
        Selection { kind: Kind::Sasl, identity, senders, until: 200, hosts: None }
    }

    fn add(evidence: &mut Evidence, name: &str, host: &str, address: &str, at: i64, times: u64) {
        let accepted = Accepted {
            senders: Senders::new(Sender::new(Kind::Sasl, name.as_bytes()), None),
            client: Some(Client { name: host.as_bytes(), address: address.as_bytes() }),
            recurs: true,
            id: None,
        };
        let line = format!("{at} {name}");
        evidence.event(Some(at), times, &accepted.into(), line.as_bytes());
    }

    #[test]
    fn only_new_lines_of_the_selected_senders_are_evidence() {
        let selection = selection(&[("a", Some(100)), ("b", None)]);
        for (sender, at, want) in [
            ("a", Some(100), false),
            ("a", Some(101), true),
            ("a", Some(200), true),
            ("a", Some(201), false),
            ("a", None, false),
            ("b", Some(-1), true),
            ("b", Some(201), false),
            ("c", Some(150), false),
        ] {
            let included = |kind| selection.includes(kind, sender.as_bytes(), at);
            assert_eq!(included(Kind::Sasl), want, "{sender:?} {at:?}");
            assert!(!included(Kind::Authenticated));
        }
    }

    #[test]
    fn parts_of_a_log_add_up_to_the_whole() {
        let mut messages = vec![
            ("a.example.org", "192.0.2.1", 2),
            ("unknown", "203.0.113.7", 1),
            ("unknown", "unknown", 1),
        ];
        messages.extend((0..12).map(|_| ("dsl7.example.com", "198.51.100.7", 3)));
        messages.push(("a.example.org", "192.0.2.1", 5));
        let fill = |evidence: &mut Evidence, from: usize, to: usize| {
            for (n, (host, address, times)) in messages.iter().enumerate().take(to).skip(from) {
                add(evidence, "a", host, address, 100 + i64::try_from(n).expect("few"), *times);
                add(evidence, "other", host, address, 150, *times);
            }
        };
        let sorted = |mut list: Vec<(Box<[u8]>, u64)>| {
            list.sort_unstable();
            list
        };
        for at in 0..=messages.len() {
            let mut evidence = Evidence::new(selection(&[("a", None)]), |_| None);
            let mut later = evidence.fork().expect("it can be read in parts");
            fill(&mut evidence, 0, at);
            fill(&mut later, at, messages.len());
            evidence.join(later);
            assert!(!evidence.needs_another_pass());
            // A pass that another sink needs.
            fill(&mut evidence, 0, messages.len());
            let mut senders =
                evidence.into_senders(|name, counts| name == b"a" && counts.nets == 3);
            assert_eq!(senders.len(), 1, "{at}");
            let a = senders.remove(&b"a"[..]).expect("it sent");
            assert_eq!(a.counts, Counts { messages: 45, nets: 3, unknowns: 2, ips: 4 }, "{at}");
            assert!(a.sufficient);
            let lines: Vec<_> =
                (100..110).map(|at| format!("{at} a").into_bytes().into()).collect();
            assert_eq!(a.lines, lines);
            let network = |name: &[u8], times| (name.into(), times);
            let networks =
                [network(b"a.example.org", 7), network(b"example.com", 36), network(b"unknown", 2)];
            assert_eq!(sorted(a.networks), networks);
            assert_eq!(sorted(a.addresses)[0], network(b"192.0.2.1", 7));
        }
    }

    #[test]
    fn all_spellings_of_a_name_are_evidence_and_the_first_are_listed() {
        let mut evidence = Evidence::new(selection(&[("a", None)]), |_| None);
        let mut later = evidence.fork().expect("it can be read in parts");
        add(&mut evidence, "A", "unknown", "192.0.2.1", 150, 1);
        for name in ["a", "A", "a."] {
            add(&mut later, name, "unknown", "192.0.2.1", 150, 1);
        }
        evidence.join(later);
        let a = &evidence.clone().into_senders(|_, _| false)[&b"a"[..]];
        assert_eq!((a.counts.messages, a.more_spellings), (4, false));
        assert_eq!(a.spellings, [&b"A"[..], b"a", b"a."].map(Box::from));
        for dots in 2..SPELLINGS + 10 {
            let name = format!("a{}", ".".repeat(dots));
            add(&mut evidence, &name, "unknown", "192.0.2.1", 150, 1);
        }
        let a = &evidence.into_senders(|_, _| false)[&b"a"[..]];
        assert_eq!((a.spellings.len(), a.more_spellings), (SPELLINGS, true));
        let mut evidence = Evidence::new(selection(&[("a", None)]), |_| None);
        add(&mut evidence, &format!("a{}", ".".repeat(255)), "unknown", "192.0.2.1", 150, 1);
        let a = &evidence.into_senders(|_, _| false)[&b"a"[..]];
        assert!(a.spellings.is_empty() && a.more_spellings);
    }

    #[test]
    fn lines_of_other_hosts_are_no_evidence() {
        let selection = Selection {
            hosts: Some(Hosts::named(["mx1.example.org"])),
            ..selection(&[("a", None)])
        };
        let host_of: HostOf = |line| line.strip_suffix(b" a")?.strip_prefix(b"15");
        let mut evidence = Evidence::new(selection, host_of);
        for (name, address, at) in
            [("a.b", "192.0.2.1", 1), ("b.c", "192.0.2.2", 150), ("c.d", "192.0.2.3", 151)]
        {
            add(&mut evidence, "a", name, address, at, 2);
        }
        let mut later = evidence.fork().expect("it can be read in parts");
        add(&mut later, "a", "c.d", "192.0.2.3", 150, 1);
        evidence.join(later);
        let found = |enough| {
            let sufficient = move |_: &[u8], counts: &Counts| counts.messages >= enough;
            evidence.clone().into_senders(sufficient).remove(&b"a"[..]).expect("it sent")
        };
        for (enough, sufficient, hosts) in
            [(2, true, 0), (3, false, 2), (7, false, 2), (8, false, 0)]
        {
            let a = found(enough);
            assert_eq!(
                (a.counts, a.sufficient),
                (Counts { messages: 2, nets: 1, unknowns: 0, ips: 1 }, sufficient)
            );
            assert_eq!(a.elsewhere.len(), hosts, "{enough}");
        }
        let mut hosts = found(3).elsewhere;
        hosts.sort_unstable();
        assert_eq!(hosts, [(b"0"[..].into(), 3), (b"1"[..].into(), 2)]);
    }

    #[test]
    fn a_thousand_addresses_are_listed_by_the_ends_of_their_names() {
        let mut evidence = Evidence::new(selection(&[("a", None)]), |_| None);
        for n in 0..LISTED + 50 {
            for _ in 0..2 {
                add(&mut evidence, "a", "unknown", &n.to_string(), 150, 1);
            }
        }
        let a = &evidence.into_senders(|_, _| false)[&b"a"[..]];
        assert_eq!((a.addresses.len(), a.counts.ips), (LISTED, LISTED as u64 + 50));
        assert!(a.addresses.iter().all(|(_, times)| *times == 2) && !a.sufficient);
        let mut evidence = Evidence::new(selection(&[("a", None)]), |_| None);
        let long = "x".repeat(60_000) + ".example";
        add(&mut evidence, "a", &long, &long, 150, 1);
        let a = &evidence.into_senders(|_, _| true)[&b"a"[..]];
        assert!(a.networks.iter().chain(&a.addresses).all(|(name, _)| name.len() == 255));
    }
}
