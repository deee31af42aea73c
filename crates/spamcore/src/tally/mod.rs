//! The count: senders, and what was seen of each.
//!
//! Names come from strangers, so the maps are keyed with a hash seeded at random.
//!
//! # Memory
//!
//! A sender costs its name, its first line and a hundred bytes or so, and who invents names can make
//! any number of senders; so can who sends from ever new addresses, with what is kept of these. So the tally
//! keeps everything only while that takes less than a budget.
//! Beyond it, it forgets what it kept and counts by a hash of the name into a table of fixed size:
//! each place holds the messages of all names that fall on it, so no name has more messages than its
//! place says. The logs are then read a second time, and only names whose place reaches their limit
//! are kept, this time exactly: whoever is reported has the count, the first line, the addresses that a
//! tally without a budget would have given. Logs that cannot be read twice (a pipe) keep a million
//! names instead (and no more than a gibibyte), and the tally says when there were more.
//!
//! With limits below ten, names that were never near them can share a place that reaches them, and the
//! bound does not hold.

mod memo;
pub mod network;
pub mod stats;

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::limits::Limits;
use crate::parse::{Event, Kind};
use crate::tally::memo::{ClientMemo, Of};
use crate::tally::network::Webmail;
use crate::tally::stats::{PARTS, SenderStats};
use crate::time::window::Window;

/// How many bytes of names and lines are kept before counting goes by hash.
const BUDGET: usize = 6 << 20;

/// How many bytes of networks and addresses are kept before counting goes by hash.
const ORIGINS: usize = 6 << 20;

/// How many bytes are kept, at most, of logs that cannot be read twice.
const STREAM_BUDGET: usize = 1 << 30;

/// How many names are kept of logs that cannot be read twice: a million. Tests make do with fewer.
pub(crate) const NAMES: usize = if cfg!(test) { 20_000 } else { 1_000_000 };

/// How many places the table of hashes has.
const PLACES: usize = 1 << 24;

/// What a sender costs beside its name and line, about.
const OVERHEAD: usize = 512;

/// The senders that a tally is about, where it is not about all.
#[derive(Clone, Debug, Default)]
pub struct Only {
    /// Their names, and the instant after which their lines count, if not all do.
    pub senders: HashMap<Vec<u8>, Option<i64>, RandomState>,
    /// The last instant that counts.
    pub until: i64,
}

impl Only {
    fn wants(&self, sender: &[u8], at: Option<i64>) -> bool {
        self.senders.get(sender).is_some_and(|after| {
            at.is_some_and(|at| at <= self.until && after.is_none_or(|after| at > after))
        })
    }
}

/// What is kept of a sender beside the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The first line.
    pub line: bool,
    /// The activity over the window.
    pub activity: bool,
}

/// The places of senders of one kind among all that were seen.
type Index = HashMap<Box<[u8]>, usize, RandomState>;

/// The senders of the window.
#[derive(Debug)]
pub struct Tally {
    window: Window,
    limits: Limits,
    webmail: Webmail,
    detail: Detail,
    senders: [Index; Kind::COUNT],
    seen: Vec<SenderStats>,
    known: ClientMemo,
    mode: Mode,
    used: usize,
    /// The bytes of networks and addresses that are kept.
    origins: usize,
    names: usize,
    hasher: RandomState,
}

#[derive(Debug)]
enum Mode {
    /// Everything is kept, while it fits.
    Everything { again: bool },
    /// A million names are kept; so many messages were of others.
    Names { beyond: u64 },
    /// Only places are counted.
    Places(Vec<u8>),
    /// Only names whose place reaches their limit are kept.
    Near(Arc<Vec<u8>>),
    /// Only these are kept, with a dossier each.
    Only(Arc<Only>),
}

impl Tally {
    /// An empty tally of logs that can be read a second time.
    pub fn new(window: Window, limits: Limits, webmail: Webmail, detail: Detail) -> Self {
        Self {
            window,
            limits,
            webmail,
            detail,
            senders: Default::default(),
            seen: Vec::new(),
            known: ClientMemo::default(),
            mode: Mode::Everything { again: true },
            used: 0,
            origins: 0,
            names: 0,
            hasher: RandomState::default(),
        }
    }

    /// An empty tally of some senders, with a dossier each.
    pub fn of(only: Only, window: Window, limits: Limits, webmail: Webmail) -> Self {
        let detail = Detail { line: true, activity: false };
        let mode = Mode::Only(Arc::new(only));
        Self { mode, ..Self::new(window, limits, webmail, detail) }
    }

    /// Says whether the logs can be read a second time. To be said before the first event.
    pub fn reads_again(&mut self, again: bool) {
        if let Mode::Everything { again: mode } = &mut self.mode {
            *mode = again;
        }
    }

    /// An empty tally for a later part of a file, that can be [absorbed](Self::absorb); none where
    /// that would not give the same.
    pub fn sibling(&self) -> Option<Self> {
        let mode = match &self.mode {
            Mode::Everything { again: true } | Mode::Places(_) => Mode::Everything { again: true },
            Mode::Near(places) => Mode::Near(Arc::clone(places)),
            Mode::Only(only) => Mode::Only(Arc::clone(only)),
            Mode::Everything { again: false } | Mode::Names { .. } => return None,
        };
        let mut sibling =
            Self::new(self.window, self.limits.clone(), self.webmail.clone(), self.detail);
        sibling.mode = mode;
        sibling.hasher = self.hasher.clone();
        Some(sibling)
    }

    /// Adds what a sibling has counted of a later part.
    pub fn absorb(&mut self, later: Self) {
        if let Mode::Places(more) = &later.mode {
            self.count_by_place();
            if let Mode::Places(places) = &mut self.mode {
                places.iter_mut().zip(more).for_each(|(n, &more)| *n = n.saturating_add(more));
            }
        }
        self.origins += later.origins;
        self.keeps_origins();
        let mut more: Vec<_> = later.seen.into_iter().map(Some).collect();
        for (kind, senders) in Kind::ALL.into_iter().zip(later.senders) {
            for (name, place) in senders {
                let Some(seen) = more[place].take() else { continue };
                if let Some(&known) = self.senders[kind as usize].get(&name) {
                    self.seen[known].absorb(seen);
                } else if self.keeps(kind, &name, seen.messages, &seen.line) {
                    self.insert(kind, name, seen);
                }
            }
        }
    }

    /// Counts an event `times` times. `at` is its instant; it is inside the window.
    pub fn add(&mut self, event: &Event<'_>, times: u64, at: Option<i64>, line: &[u8]) {
        if let Mode::Only(only) = &self.mode
            && !only.wants(event.sender, at)
        {
            return;
        }
        let sender = self.count(event.kind, event.sender, times, at, line);
        if let Some(id) = event.authenticated {
            self.count(Kind::Authenticated, id, times, at, line);
        }
        if let (Some(sender), Some(client)) = (sender, event.client) {
            let origins = self.seen[sender].origins.get_or_insert_default();
            let (webmail, bytes) = origins.add(client, times, &self.webmail);
            if let Some(dossier) = &mut self.seen[sender].dossier {
                dossier.add(client, times, line);
            } else if let Some(text) = client.text {
                self.known.put(text, Of { sender, webmail });
            }
            self.origins += bytes;
            self.keeps_origins();
        }
    }

    /// Goes over to counting by place where networks and addresses are too many to be kept.
    fn keeps_origins(&mut self) {
        if self.origins > ORIGINS && matches!(self.mode, Mode::Everything { again: true }) {
            self.count_by_place();
        }
    }

    /// Counts an event that a text tells, if one of the same text was counted before: the same sender's,
    /// from the same client.
    #[inline]
    pub fn add_known(&mut self, text: &[u8], times: u64, at: Option<i64>) -> bool {
        let Some(of) = self.known.get(text) else { return false };
        let seen = &mut self.seen[of.sender];
        seen.add(times, at, &self.window);
        if of.webmail {
            seen.origins.get_or_insert_default().add_webmail(times);
        }
        true
    }

    /// Whether the logs are to be read a second time, with this same tally.
    pub fn wants_second_pass(&mut self) -> bool {
        match std::mem::replace(&mut self.mode, Mode::Everything { again: false }) {
            Mode::Places(places) => {
                self.mode = Mode::Near(Arc::new(places));
                true
            }
            mode => {
                self.mode = mode;
                false
            }
        }
    }

    /// How many messages were left out because their senders were beyond the million that is kept.
    pub fn beyond(&self) -> u64 {
        if let Mode::Names { beyond } = self.mode { beyond } else { 0 }
    }

    /// The limits that the senders are judged by.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The window that is looked at.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The senders that were kept, in no order.
    pub fn senders(&self) -> impl Iterator<Item = (Kind, &[u8], &SenderStats)> {
        Kind::ALL.into_iter().zip(&self.senders).flat_map(move |(kind, senders)| {
            senders.iter().map(move |(name, &place)| (kind, &name[..], &self.seen[place]))
        })
    }

    /// Counts an event of a sender, and gives the sender's place, where it is kept.
    fn count(
        &mut self,
        kind: Kind,
        name: &[u8],
        times: u64,
        at: Option<i64>,
        line: &[u8],
    ) -> Option<usize> {
        if let Some(&place) = self.senders[kind as usize].get(name) {
            self.seen[place].add(times, at, &self.window);
            return Some(place);
        }
        let line = if self.detail.line { line } else { b"" };
        if !self.keeps(kind, name, times, line) {
            return None;
        }
        let mut seen = SenderStats {
            messages: 0,
            line: line.into(),
            span: None,
            activity: self.detail.activity.then(|| Box::new([0; PARTS])),
            origins: None,
            dossier: matches!(self.mode, Mode::Only(_)).then(Box::default),
        };
        seen.add(times, at, &self.window);
        Some(self.insert(kind, name.into(), seen))
    }

    fn insert(&mut self, kind: Kind, name: Box<[u8]>, seen: SenderStats) -> usize {
        let place = self.seen.len();
        self.seen.push(seen);
        self.senders[kind as usize].insert(name, place);
        place
    }

    /// Whether a name that is new is to be kept; what is not, is counted by place.
    fn keeps(&mut self, kind: Kind, name: &[u8], times: u64, line: &[u8]) -> bool {
        if let Mode::Everything { again } = self.mode {
            self.names += 1;
            self.used += name.len() + line.len() + OVERHEAD;
            let fits = if again {
                self.used <= BUDGET
            } else {
                self.names <= NAMES && self.used <= STREAM_BUDGET
            };
            if fits {
                return true;
            }
            if again {
                self.count_by_place();
            } else {
                self.mode = Mode::Names { beyond: 0 };
            }
        }
        let place = self.place(kind, name);
        match &mut self.mode {
            Mode::Everything { .. } | Mode::Only(_) => true,
            Mode::Names { beyond } => {
                *beyond = beyond.saturating_add(times);
                false
            }
            Mode::Places(places) => {
                add_to(places, place, times);
                false
            }
            Mode::Near(places) => {
                let most = places[place];
                most == u8::MAX || self.limits.reached(name, u64::from(most))
            }
        }
    }

    /// Goes over from keeping everything to counting by place.
    fn count_by_place(&mut self) {
        if !matches!(self.mode, Mode::Everything { .. }) {
            return;
        }
        let mut places = vec![0; PLACES];
        for (kind, name, seen) in self.senders() {
            add_to(&mut places, self.place(kind, name), seen.messages);
        }
        self.senders = Default::default();
        self.seen = Vec::new();
        self.origins = 0;
        self.known.clear();
        self.mode = Mode::Places(places);
    }

    fn place(&self, kind: Kind, name: &[u8]) -> usize {
        usize::try_from(self.hasher.hash_one((kind, name)) % PLACES as u64).unwrap_or(0)
    }
}

fn add_to(places: &mut [u8], place: usize, times: u64) {
    let times = u8::try_from(times).unwrap_or(u8::MAX);
    places[place] = places[place].saturating_add(times);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::Client;

    fn tally(again: bool) -> Tally {
        let window = Window::until(0, 3600);
        let detail = Detail { line: true, activity: false };
        let mut tally = Tally::new(window, Limits::new(90, false), Webmail::default(), detail);
        tally.reads_again(again);
        tally
    }

    fn script(name: &[u8]) -> Event<'_> {
        Event { kind: Kind::Script, sender: name, authenticated: None, client: None }
    }

    fn fill(tally: &mut Tally, names: u32) {
        for n in 0..names {
            tally.add(&script(format!("/invented/{n}").as_bytes()), 1, Some(5), &[b'x'; 300]);
            if n % 1000 == 0 {
                tally.add(&script(b"/spammer"), 1, Some(7), format!("line {n}").as_bytes());
            }
        }
    }

    #[test]
    fn only_lines_that_are_new_are_evidence() {
        let senders = [(b"a".to_vec(), Some(100)), (b"b".to_vec(), None)].into_iter().collect();
        let only = Only { senders, until: 200 };
        for (sender, at, want) in [
            (b"a", Some(100), false),
            (b"a", Some(101), true),
            (b"a", Some(200), true),
            (b"a", Some(201), false),
            (b"a", None, false),
            (b"b", Some(-1), true),
            (b"b", Some(201), false),
            (b"c", Some(150), false),
        ] {
            assert_eq!(only.wants(sender, at), want, "{sender:?} {at:?}");
        }
    }

    #[test]
    fn too_many_names_are_read_twice_and_the_count_is_exact() {
        let mut tally = tally(true);
        fill(&mut tally, 120_000);
        assert!(tally.wants_second_pass());
        fill(&mut tally, 120_000);
        assert!(!tally.wants_second_pass());
        let kept: Vec<_> = tally.senders().collect();
        assert_eq!(kept.len(), 1, "only who is near the limit is kept");
        let (kind, name, seen) = kept[0];
        assert_eq!((kind, name, seen.messages), (Kind::Script, &b"/spammer"[..], 120));
        assert_eq!(&*seen.line, b"line 0");
        assert_eq!(seen.span, Some((7, 7)));
    }

    #[test]
    fn too_many_addresses_are_read_twice_and_the_count_is_exact() {
        let mut tally = tally(true);
        let send = |tally: &mut Tally, sender: u32, n: u32| {
            let (name, address) = (format!("user{sender}"), format!("10.{n}.{}.7", sender % 250));
            let client = Client { name: b"unknown", address: address.as_bytes(), text: None };
            let event = Event {
                kind: Kind::Authenticated,
                sender: name.as_bytes(),
                authenticated: None,
                client: Some(client),
            };
            tally.add(&event, 1, Some(5), b"a line");
        };
        let fill = |tally: &mut Tally| {
            for n in 0..80 {
                (0..2000).for_each(|sender| send(tally, sender, n));
            }
            (0..20).for_each(|n| send(tally, 7, 100 + n));
        };
        fill(&mut tally);
        assert!(tally.seen.is_empty() && tally.wants_second_pass());
        fill(&mut tally);
        assert!(!tally.wants_second_pass());
        // Who is near the limit is kept, and who shares a place with others by the chance of hashing.
        assert!(tally.senders().count() < 200);
        let kept = tally.senders().find(|(_, name, _)| name == b"user7");
        let (_, _, seen) = kept.expect("it is near the limit");
        assert_eq!(seen.messages, 100);
        let origins = seen.origins();
        assert_eq!((origins.ips().known, origins.unknowns().known), (100, 100));
    }

    /// A log that is read in three parts at once, each of them of these names.
    fn fill_in_parts(tally: &mut Tally, names: u32) {
        let mut later = [(); 2].map(|()| tally.sibling().expect("it can be read in parts"));
        fill(tally, names);
        for part in &mut later {
            fill(part, names);
        }
        for part in later {
            tally.absorb(part);
        }
    }

    #[test]
    fn parts_of_a_log_add_up_to_the_whole() {
        let mut few = tally(true);
        fill_in_parts(&mut few, 1000);
        assert!(!few.wants_second_pass());
        assert_eq!(few.senders().count(), 1001);
        assert!(few.senders().all(|(_, _, seen)| seen.messages == 3));
        let mut many = tally(true);
        fill_in_parts(&mut many, 40_000);
        assert!(many.wants_second_pass());
        fill_in_parts(&mut many, 40_000);
        assert!(!many.wants_second_pass());
        let kept: Vec<_> = many.senders().map(|(_, name, seen)| (name, seen.messages)).collect();
        assert_eq!(kept, [(&b"/spammer"[..], 120)]);
        assert!(tally(false).sibling().is_none(), "a stream has no parts");
        let client = Client { name: b"unknown", address: b"192.0.2.1", text: None };
        let event = Event { client: Some(client), ..script(b"bob") };
        let mut sum = tally(true);
        let mut part = sum.sibling().expect("it can be read in parts");
        sum.add(&event, 1, Some(5), b"");
        part.add(&event, 1, Some(5), b"");
        let (one, other) = (sum.origins, part.origins);
        assert!(one > 0 && one == other);
        sum.absorb(part);
        assert_eq!(sum.origins, one + other);
    }

    #[test]
    fn of_who_is_asked_for_there_is_a_dossier() {
        let senders = [(b"/spammer".to_vec(), Some(6))].into_iter().collect();
        let only = Only { senders, until: 3600 };
        let window = Window::until(0, 3600);
        let mut tally = Tally::of(only, window, Limits::new(90, false), Webmail::default());
        fill(&mut tally, 2000);
        let mut sibling = tally.sibling().expect("it can be read in parts");
        fill(&mut sibling, 1000);
        tally.absorb(sibling);
        let kept: Vec<_> = tally
            .senders()
            .map(|(_, name, seen)| (name, seen.messages, seen.dossier.is_some()))
            .collect();
        assert_eq!(kept, [(&b"/spammer"[..], 3, true)]);
    }

    #[test]
    fn a_few_names_are_read_once() {
        let mut tally = tally(true);
        fill(&mut tally, 5000);
        assert!(!tally.wants_second_pass());
        assert_eq!(tally.senders().count(), 5001);
        assert_eq!(tally.beyond(), 0);
    }

    #[test]
    fn a_pipe_keeps_so_many_names_and_says_what_it_left_out() {
        let mut tally = tally(false);
        for n in 0..=NAMES {
            tally.add(&script(&n.to_le_bytes()), 2, None, b"");
        }
        tally.add(&script(&0_usize.to_le_bytes()), 1, None, b"");
        assert!(!tally.wants_second_pass());
        assert_eq!(tally.senders().count(), NAMES);
        assert_eq!(tally.beyond(), 2);
    }
}
