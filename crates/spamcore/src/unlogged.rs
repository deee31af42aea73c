//! Messages that Exim completed although it did not log that it received them.
//!
//! Exim drops a line that does not fit into its log buffer, and a HELO can be that long: the message then
//! counts for nobody. But its deliveries are logged. [`Unlogged`] is a [`Sink`] that counts the messages of
//! which only the end is in the log. It knows those in flight, i.e. received and not yet completed; what is
//! completed without having been in flight is missing. A message id tells when the message came, so nothing
//! is missing that came before the period.
//!
//! Ids are told apart by a hash of 64 bits with a random seed. No more than [`MOST`] are kept of messages in
//! flight, and of missing ones: if there are more in flight, or a log has its lines twice, some may only seem
//! to be missing. So if many are, the logs are read again to look for them.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::parse::{Event, LazyEvent};
use crate::sink::Sink;
use crate::time::window::Window;

/// How many ids are kept at most.
pub const MOST: usize = 65_536;

/// So many missing messages are reported. A few can have other reasons: a line that was damaged, say.
const REPORTED: usize = 10;

/// This long after the start of the period a message must have come, in seconds. Receiving it can take some
/// time, and its id says when that began.
const MARGIN: i64 = 600;

/// Lines that a log has twice are this close to each other, in completed messages.
const RECENT: usize = 64;

type Ids = HashSet<u64, BuildHasherDefault<AsItIs>>;

/// The hash of what is a hash already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.0 = self.0 << 8 | u64::from(b);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// How many places the first table of [`InFlight`] has.
const PLACES: usize = 4096;

/// The messages in flight. Most of them are there for a moment, so each has a place in a table, and only if
/// that is taken it is kept in a set.
#[derive(Debug, Default)]
struct InFlight {
    /// Empty until there is a message; an empty place is 0.
    table: Vec<u64>,
    others: Ids,
    count: usize,
}

impl InFlight {
    #[inline]
    fn place(id: u64) -> usize {
        usize::try_from(id % PLACES as u64).unwrap_or(0)
    }

    #[inline]
    fn insert(&mut self, id: u64) {
        if self.table.is_empty() {
            self.table.resize(PLACES, 0);
        }
        let place = &mut self.table[Self::place(id)];
        if *place == id {
            return;
        }
        if *place == 0 {
            *place = id;
            self.count += 1;
            // If the place was taken before, it may be there too.
            if !self.others.is_empty() && self.others.remove(&id) {
                self.count -= 1;
            }
        } else if self.others.insert(id) {
            self.count += 1;
        }
    }

    #[inline]
    fn remove(&mut self, id: u64) -> bool {
        let was_there = match self.table.get_mut(Self::place(id)) {
            Some(place) if *place == id => {
                *place = 0;
                true
            }
            _ => self.others.remove(&id),
        };
        self.count -= usize::from(was_there);
        was_there
    }

    fn iter(&self) -> impl Iterator<Item = u64> {
        self.table.iter().copied().filter(|&id| id != 0).chain(self.others.iter().copied())
    }
}

/// Counts messages that were completed, and whose reception is not in the logs.
#[derive(Debug)]
pub struct Unlogged {
    window: Window,
    rereadable: bool,
    /// How many ids are kept at most.
    most: usize,
    hasher: RandomState,
    in_flight: InFlight,
    /// There were more in flight than are kept.
    overflowed: bool,
    /// The last messages that were completed, the oldest at `next`.
    recent: [u64; RECENT],
    next: usize,
    missing: Arc<Ids>,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Count,
    /// The logs are read again; these of the missing ones were received.
    Search(Ids),
    Complete,
}

impl Unlogged {
    /// A sink that has not seen any lines yet. `rereadable` says whether the logs can be read again.
    pub fn new(window: Window, rereadable: bool) -> Self {
        Self {
            window,
            rereadable,
            most: MOST,
            hasher: RandomState::default(),
            in_flight: InFlight::default(),
            overflowed: false,
            recent: [0; RECENT],
            next: 0,
            missing: Arc::default(),
            phase: Phase::Count,
        }
    }

    /// What an id is told apart by. It is not 0.
    fn hash(&self, id: &[u8]) -> u64 {
        self.hasher.hash_one(id).max(1)
    }

    /// How many messages are missing; none if there are so few that it may mean nothing.
    pub fn count(&self) -> Option<usize> {
        // What was in flight and is not kept cannot be told from what is missing.
        let sure = self.rereadable || !self.overflowed;
        (sure && self.missing.len() >= REPORTED).then(|| self.missing.len().min(MOST))
    }

    fn received(&mut self, id: u64) {
        match &mut self.phase {
            Phase::Count => {
                // Syslog may have changed the order of lines.
                if !self.missing.is_empty() && Arc::make_mut(&mut self.missing).remove(&id) {
                    return;
                }
                if self.in_flight.count < self.most {
                    self.in_flight.insert(id);
                } else {
                    self.overflowed = true;
                }
            }
            Phase::Search(found) => {
                if self.missing.contains(&id) {
                    found.insert(id);
                }
            }
            Phase::Complete => {}
        }
    }

    fn take(&mut self, event: &Event<'_>) {
        match *event {
            Event::Accepted(ref accepted) => {
                if let Some(id) = accepted.id {
                    self.received(self.hash(id));
                }
            }
            Event::Completed(id) => {
                let hash = self.hash(id);
                if matches!(self.phase, Phase::Count)
                    && !self.complete(hash)
                    && self.began_inside(id)
                {
                    self.miss(hash);
                }
            }
        }
    }

    /// Whether a message that was completed was in flight. It no longer is.
    fn complete(&mut self, id: u64) -> bool {
        let was_in_flight = self.in_flight.remove(id);
        if was_in_flight {
            self.recent[self.next % RECENT] = id;
            self.next += 1;
        }
        was_in_flight
    }

    fn miss(&mut self, id: u64) {
        if !self.recent.contains(&id) && self.missing.len() < self.most {
            Arc::make_mut(&mut self.missing).insert(id);
        }
    }

    /// Whether a message came in the period, and not at its very start.
    fn began_inside(&self, id: &[u8]) -> bool {
        let time = time_of(id);
        time >= self.window.start.saturating_add(MARGIN) && time <= self.window.now
    }
}

/// When a message came, in Unix seconds: the first six characters of its id (`string.c string_base62_32()`).
fn time_of(id: &[u8]) -> i64 {
    let digit = |b: u8| match b {
        b'0'..=b'9' => b - b'0',
        b'A'..=b'Z' => b - b'A' + 10,
        _ => b.wrapping_sub(b'a').wrapping_add(36),
    };
    id.iter().take(6).fold(0, |time, &b| time * 62 + i64::from(digit(b)))
}

impl Sink for Unlogged {
    fn event(&mut self, _at: Option<i64>, _times: u64, event: &LazyEvent<'_>, _line: &[u8]) {
        match event {
            LazyEvent::Parsed(event) => self.take(event),
            LazyEvent::Deferred { text, parse, .. } => {
                if let Some(event) = parse(text) {
                    self.take(&event);
                }
            }
        }
    }

    fn places(&self) -> Option<Vec<u64>> {
        matches!(self.phase, Phase::Complete).then(Vec::new)
    }

    fn needs_completions(&self) -> bool {
        matches!(self.phase, Phase::Count)
    }

    fn completed(&mut self, id: &[u8]) -> bool {
        let id = self.hash(id);
        !matches!(self.phase, Phase::Count) || self.complete(id)
    }

    fn fork(&self) -> Option<Self> {
        let (missing, phase) = match self.phase {
            Phase::Count => (Arc::default(), Phase::Count),
            Phase::Search(_) => (Arc::clone(&self.missing), Phase::Search(Ids::default())),
            Phase::Complete => (Arc::default(), Phase::Complete),
        };
        let hasher = self.hasher.clone();
        // What is in flight at its start seems to be missing there, besides what is.
        let most = 2 * MOST;
        Some(Self { most, hasher, missing, phase, ..Self::new(self.window, self.rereadable) })
    }

    fn join(&mut self, later: Self) {
        match (&mut self.phase, later.phase) {
            (Phase::Search(found), Phase::Search(more)) => found.extend(more),
            (Phase::Count, _) => {
                for &id in &*later.missing {
                    if !self.in_flight.remove(id) {
                        self.miss(id);
                    }
                }
                self.overflowed |= later.overflowed;
                for id in later.in_flight.iter() {
                    self.received(id);
                }
                if later.next > 0 {
                    (self.recent, self.next) = (later.recent, later.next);
                }
            }
            _ => {}
        }
    }

    fn needs_another_pass(&mut self) -> bool {
        match std::mem::replace(&mut self.phase, Phase::Complete) {
            Phase::Count if self.rereadable && self.missing.len() >= REPORTED => {
                self.phase = Phase::Search(Ids::default());
                self.in_flight = InFlight::default();
                true
            }
            Phase::Search(found) => {
                Arc::make_mut(&mut self.missing).retain(|id| !found.contains(id));
                false
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Accepted, Kind, Sender, Senders};

    /// 2026-11-23 18:06:47, the time of the ids `1xVYRD-…`.
    const NOW: i64 = 1_795_457_207;

    enum Line {
        Received(u32),
        Completed(u32),
    }
    use Line::{Completed, Received};

    fn take(unlogged: &mut Unlogged, lines: &[Line]) {
        for line in lines {
            let (Received(number) | Completed(number)) = line;
            let id = format!("1xVYRD-{number:06}-0D");
            let event = match line {
                Received(_) => {
                    let senders = Senders::new(Sender::new(Kind::User, b"www"), None);
                    let id = Some(id.as_bytes());
                    Event::Accepted(Accepted { senders, client: None, recurs: false, id })
                }
                Completed(_) => Event::Completed(id.as_bytes()),
            };
            unlogged.event(Some(NOW), 1, &LazyEvent::Parsed(event), b"");
        }
    }

    /// What is missing of a log that is read at once, and in two parts.
    fn missing(rereadable: bool, log: &[Line]) -> Option<usize> {
        let read = |at: usize| {
            let mut unlogged = Unlogged::new(Window::until(NOW - 3600, NOW), rereadable);
            loop {
                let mut later = unlogged.fork().expect("it can be read in parts");
                take(&mut unlogged, &log[..at]);
                take(&mut later, &log[at..]);
                unlogged.join(later);
                if !unlogged.needs_another_pass() {
                    assert!(!unlogged.needs_another_pass());
                    return unlogged.count();
                }
            }
        };
        let whole = read(log.len());
        for at in [0, log.len() / 3, log.len() / 2] {
            assert_eq!(read(at), whole, "in two parts at {at}");
        }
        whole
    }

    #[test]
    fn what_is_in_flight_is_a_set() {
        let mut state = 7_u64;
        let mut random = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            state >> 33
        };
        let (mut in_flight, mut set) = (InFlight::default(), std::collections::BTreeSet::new());
        for _ in 0..100_000 {
            // Few places, so that most are taken.
            let id = 1 + random() % 40 + PLACES as u64 * (random() % 40);
            if random().is_multiple_of(2) {
                in_flight.insert(id);
                set.insert(id);
            } else {
                assert_eq!(in_flight.remove(id), set.remove(&id));
            }
            assert_eq!(in_flight.count, set.len());
        }
        assert!(in_flight.others.len() > 100);
        assert_eq!(in_flight.iter().collect::<std::collections::BTreeSet<_>>(), set);
    }

    #[test]
    fn the_time_of_an_id() {
        assert_eq!(time_of(b"1xVYRD-0008N8-0D"), NOW);
        assert_eq!(time_of(b"zzzzzz-0008N8-0D"), 62_i64.pow(6) - 1);
    }

    #[test]
    fn what_is_completed_without_having_been_received_is_missing_from_the_tenth_on() {
        let honest = || (0..100).flat_map(|n| [Received(n), Completed(n)]);
        let lost = |count: u32| (200..200 + count).map(Completed);
        for rereadable in [true, false] {
            assert_eq!(missing(rereadable, &honest().collect::<Vec<_>>()), None);
            assert_eq!(missing(rereadable, &honest().chain(lost(9)).collect::<Vec<_>>()), None);
            let log: Vec<_> = lost(5).chain(honest()).chain(lost(11)).collect();
            assert_eq!(missing(rereadable, &log), Some(11), "each id is one");
            // In flight for long, logged twice, or in another order.
            let log: Vec<_> = (0..100).map(Received).chain((0..100).map(Completed)).collect();
            assert_eq!(missing(rereadable, &log), None);
            let twice = |n| [Received(n), Received(n), Completed(n), Completed(n)];
            assert_eq!(missing(rereadable, &(0..99).flat_map(twice).collect::<Vec<_>>()), None);
            let log: Vec<_> = honest().collect::<Vec<_>>().into_iter().rev().collect();
            assert_eq!(missing(rereadable, &log), None);
        }
        // A whole log twice shows only when it is read again.
        let log: Vec<_> = honest().chain((0..100).map(Completed)).collect();
        assert_eq!(missing(true, &log), None);
    }

    #[test]
    fn what_is_not_kept_is_found_by_reading_again() {
        let most = u32::try_from(MOST).expect("it is small");
        let log = |lost: u32| -> Vec<Line> {
            let ids = 0..most + 20;
            ids.clone()
                .map(Received)
                .chain(ids.map(Completed))
                .chain((100_000..100_000 + lost).map(Completed))
                .collect()
        };
        assert_eq!(missing(true, &log(0)), None);
        assert_eq!(missing(true, &log(10)), Some(10));
        let mut stream = Unlogged::new(Window::until(NOW - 3600, NOW), false);
        take(&mut stream, &log(10));
        assert!(!stream.needs_another_pass());
        assert_eq!(stream.count(), None, "nobody knows");
        let lost: Vec<_> = (0..most + 20).map(Completed).collect();
        assert_eq!(missing(true, &lost), Some(MOST));
    }

    #[test]
    fn messages_from_before_the_period_are_not_missing() {
        let log: Vec<_> = (0..20).map(Completed).collect();
        for (start, now, want) in [
            (NOW - MARGIN, NOW, Some(20)),
            (NOW - MARGIN + 1, NOW, None),
            (NOW - 3600, NOW - 1, None),
        ] {
            let mut unlogged = Unlogged::new(Window::until(start, now), true);
            take(&mut unlogged, &log);
            assert_eq!(unlogged.count(), want, "{start} {now}");
        }
    }
}
