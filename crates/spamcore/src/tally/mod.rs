//! Counting: the senders of a window, and what is known of each.
//!
//! Takes accepted messages and gives a [`SenderStats`] per sender. Names come from strangers, so the hash maps
//! have a random seed.
//!
//! # Memory
//!
//! A sender costs its name, its first line and a few hundred bytes. Anybody can invent any number of names, or
//! send from ever new addresses. So a tally keeps everything only as long as that takes less than a budget.
//! Beyond that, it drops what it has kept and goes on with a sketch: it counts by a hash of the name, in a table
//! of fixed size. Each bucket counts the messages of all names that fall into it, so no name has more messages
//! than its bucket. Then the logs are read again, and only names whose bucket reaches their limit are kept, this
//! time exactly: every sender that is reported has the count, the first line and the addresses that a tally
//! without a budget would have given. Of logs that cannot be read twice (a pipe), a tally keeps the first
//! million names instead, at most a gibibyte of them, and counts the messages that it dropped.
//!
//! A client of Exim is counted under the name that it gives itself, and under its address, which it cannot
//! choose. Of each name the tally knows from which addresses it came (`sources`), because the line that is
//! reported is one of the address that sent most; that line may be found only by reading the logs again.
//!
//! Names of users and paths belong to a host. Where several logs are read, they are counted for each log by itself;
//! logins and clients are counted over all of them.
//!
//! With limits below ten, names that are nowhere near their limit can share a bucket that reaches it, and
//! the bound does not hold.
//!
//! Scripts that send a few messages each are added up by [`directories`]: when all have been counted, where
//! their names are kept. A sketch counts their directories too, like senders, and the second pass adds up the
//! scripts of those that may reach the limit. There a script counts only if nothing else in its bucket makes it
//! seem to have more messages, so the sums are lower bounds: of the messages a few per cent may be missing, of
//! the scripts a few more.

pub mod bounded_set;
pub mod directories;
mod memo;
pub mod network;
pub(crate) mod sources;
pub mod stats;

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::identity::Identity;
use crate::limits::Limits;
use crate::parse::{Accepted, Client, Event, Kind, LazyEvent, Sender};
use crate::sink::Sink;
use crate::tally::bounded_set::Cardinality;
use crate::tally::directories::{Directories, Directory, Scattered, Share, above, directory_of};
use crate::tally::memo::{ClientMemo, Entry};
use crate::tally::network::Webmail;
use crate::tally::sources::{Representative, Sources};
use crate::tally::stats::{ClientStats, PARTS, SenderStats};
use crate::time::window::Window;

/// How many bytes of names and lines are kept before the tally switches to a sketch.
const BUDGET: usize = 6 << 20;

/// How many bytes of networks and addresses are kept before the tally switches to a sketch.
const ORIGINS_BUDGET: usize = 6 << 20;

/// How many bytes are kept at most of logs that cannot be read twice.
const STREAM_BUDGET: usize = 1 << 30;

/// How many bytes are kept at most of the addresses that used the names of clients, if there is no other way.
const SOURCES_BUDGET: usize = 256 << 20;

/// How many names are kept of logs that cannot be read twice: a million, but fewer in tests.
pub(crate) const STREAM_NAMES: usize = if cfg!(test) { 20_000 } else { 1_000_000 };

/// How many buckets the sketch has.
const BUCKETS: usize = 1 << 24;

/// Roughly what a sender costs in bytes, apart from its name and line, and from its networks and activity.
const OVERHEAD: usize = 320;

/// Roughly what the activity of a sender, or the sets of its networks and addresses, cost besides.
const MORE_OVERHEAD: usize = 192;

/// What is kept of a sender besides the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The first line.
    pub line: bool,
    /// The activity over the window.
    pub activity: bool,
}

/// The names of one kind, with their indexes in the list of all senders.
type Index = HashMap<Box<[u8]>, usize, RandomState>;

/// The names of each kind.
type Indexes = [Index; Kind::COUNT];

/// The senders of a window: a [`Sink`] of accepted messages.
#[derive(Debug)]
pub struct Tally {
    window: Window,
    limits: Limits,
    identity: Identity,
    /// The lowest of all limits.
    lowest_limit: u64,
    webmail: Webmail,
    detail: Detail,
    /// The number of the log that is being read; 0 if there is only one.
    log: u32,
    /// By the number of a log, the names that belong to its host; at 0 also all names that belong to none.
    senders: Vec<Indexes>,
    stats: Vec<SenderStats>,
    memo: ClientMemo,
    /// Scripts of few messages that are not kept, by directory, for each log.
    unkept: BTreeMap<u32, Directories>,
    directories: Vec<Directory>,
    scattered: Vec<Scattered>,
    mode: Mode,
    /// Everything has been counted; a further pass is for another sink.
    complete: bool,
    /// Bytes of names and lines that are kept.
    used: usize,
    /// Bytes of networks and addresses that are kept.
    origins_used: usize,
    /// Bytes of the addresses that used the names of clients.
    sources_used: usize,
    names: usize,
    hasher: RandomState,
    /// Where the line is that is being counted.
    place: u64,
    /// A name of the line that is being counted was dropped.
    dropped_name: bool,
    unclear: UnclearAddresses,
}

/// Messages from clients of Exim whose address cannot be told.
#[derive(Clone, Debug, Default)]
pub struct UnclearAddresses {
    /// How many.
    pub messages: u64,
    /// The line of the first one.
    pub line: Box<[u8]>,
}

/// Lines that are looked for: of each name, by its index, a hash of the address whose first line it is, and where
/// that line is.
type WantedLines = HashMap<usize, (u64, u64), RandomState>;

#[derive(Debug)]
enum Mode {
    /// Everything is kept as long as it fits. `rereadable` is whether the logs can be read again if it does not.
    Everything { rereadable: bool },
    /// The first names of a stream are kept; the messages of all others are dropped.
    StreamNames { dropped: u64 },
    /// Only a count per bucket is kept.
    Sketch(Vec<u8>),
    /// Only names whose bucket reaches their limit are kept.
    Candidates(Arc<Vec<u8>>),
    /// All is counted. The lines that stand for some names are looked for, at their places or everywhere.
    Lines { wanted: WantedLines, everywhere: bool },
}

impl Tally {
    /// An empty tally. `rereadable` says whether the logs can be read again.
    pub fn new(
        window: Window,
        limits: Limits,
        webmail: Webmail,
        detail: Detail,
        rereadable: bool,
    ) -> Self {
        Self {
            window,
            lowest_limit: limits.lowest(),
            limits,
            identity: Identity::exact(),
            webmail,
            detail,
            log: 0,
            senders: vec![Indexes::default()],
            stats: Vec::new(),
            memo: ClientMemo::default(),
            unkept: BTreeMap::new(),
            directories: Vec::new(),
            scattered: Vec::new(),
            mode: Mode::Everything { rereadable },
            complete: false,
            used: 0,
            origins_used: 0,
            sources_used: 0,
            names: 0,
            hasher: RandomState::default(),
            place: 0,
            dropped_name: false,
            unclear: UnclearAddresses::default(),
        }
    }

    /// Counts spellings of a name as one sender, if they are that.
    #[must_use]
    pub fn with_identity(self, identity: Identity) -> Self {
        Self { identity, ..self }
    }

    /// How many messages of a stream were dropped, because a million senders were kept already.
    pub fn dropped(&self) -> u64 {
        if let Mode::StreamNames { dropped } = self.mode { dropped } else { 0 }
    }

    /// The limits by which the senders are judged.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether the senders that were kept are all there are, but for those of a stream that were dropped.
    pub fn has_all_senders(&self) -> bool {
        !matches!(self.mode, Mode::Sketch(_) | Mode::Candidates(_))
    }

    /// The limit of a sender. An address without an individual one has the highest of those of the names that
    /// Exim verified for it.
    pub fn limit_for(&self, name: &[u8], stats: &SenderStats) -> u64 {
        match stats.client {
            ClientStats::Address(limit) => self.limits.individual(name).unwrap_or(limit),
            _ => self.limits.limit_for(name),
        }
    }

    /// Messages from clients of Exim that are counted for no address.
    pub fn unclear_addresses(&self) -> &UnclearAddresses {
        &self.unclear
    }

    /// From how many addresses the messages of a client of Exim came.
    pub fn address_count(&self, stats: &SenderStats) -> Option<Cardinality> {
        Some(stats.sources()?.cardinality(self.address_hash(b"")))
    }

    /// What an address is told apart by among the [sources](SenderStats::sources) of a name.
    pub(crate) fn address_hash(&self, address: &[u8]) -> u64 {
        self.hasher.hash_one(address)
    }

    /// The senders that were kept, in no particular order.
    pub fn senders(&self) -> impl Iterator<Item = (Kind, &[u8], &SenderStats)> {
        self.senders_by_log().map(|(_, kind, name, stats)| (kind, name, stats))
    }

    /// The same, each with the number of its log; 0 if it belongs to no host, or there is only one.
    pub fn senders_by_log(&self) -> impl Iterator<Item = (u32, Kind, &[u8], &SenderStats)> {
        (0..).zip(&self.senders).flat_map(move |(log, indexes)| {
            Kind::ALL.into_iter().zip(indexes).flat_map(move |(kind, senders)| {
                let stats = |index: usize| &self.stats[index];
                senders.iter().map(move |(name, &index)| (log, kind, &**name, stats(index)))
            })
        })
    }

    /// The directories whose scripts reach the limit only together, in byte order; once all is counted.
    pub fn directories(&self) -> &[Directory] {
        &self.directories
    }

    /// The directories below which other scripts reach the limit together, in byte order; once all is counted.
    pub fn scattered(&self) -> &[Scattered] {
        &self.scattered
    }

    /// What was kept of a sender that belongs to no host, or of the only one, by its folded name.
    pub fn sender(&self, kind: Kind, name: &[u8]) -> Option<&SenderStats> {
        self.senders[0][kind as usize].get(name).map(|&index| &self.stats[index])
    }

    /// The number of the log for which a sender is counted; 0 if it belongs to no host.
    fn log_of(&self, kind: Kind) -> u32 {
        if kind.is_of_one_host() { self.log } else { 0 }
    }

    /// Where senders of this kind are found that are in the log that is being read.
    fn index(&self, kind: Kind) -> &Index {
        &self.senders[self.log_of(kind) as usize][kind as usize]
    }

    /// Counts an event whose text is known, and so its sender and client. False if the text is not known.
    #[inline]
    fn count_known(&mut self, text: &[u8], times: u64, at: Option<i64>) -> bool {
        let Some(entry) = self.memo.get(text) else { return false };
        let stats = &mut self.stats[entry.sender];
        stats.add(times, at, &self.window);
        if entry.webmail {
            stats.origins.get_or_insert_default().add_webmail(times);
        }
        true
    }

    /// Counts a message for each of its senders. The text that determines it, if there is one, is remembered.
    fn count_accepted(
        &mut self,
        accepted: &Accepted<'_>,
        text: Option<&[u8]>,
        times: u64,
        at: Option<i64>,
        line: &[u8],
    ) {
        let first = self.count(accepted.senders.first(), times, at, line);
        if accepted.senders.first().kind.is_client() {
            return self.count_client(first, accepted, times, at, line);
        }
        if let (Some(sender), Some(client)) = (first, accepted.client) {
            let origins = self.stats[sender].origins.get_or_insert_default();
            let (webmail, bytes) = origins.add(client, times, &self.webmail);
            if let Some(text) = text.filter(|_| accepted.recurs) {
                self.memo.put(text, Entry { sender, webmail });
            }
            self.origins_used += bytes;
            self.check_origins();
        }
        for sender in accepted.senders.others() {
            self.count(sender, times, at, line);
        }
        self.count_dropped(times);
    }

    /// Counts the address and the id of a client of Exim, whose name has been counted as the sender with the
    /// index `first` if it is kept.
    fn count_client(
        &mut self,
        first: Option<usize>,
        accepted: &Accepted<'_>,
        times: u64,
        at: Option<i64>,
        line: &[u8],
    ) {
        let Some(client) = accepted.client else { return };
        if client.address.is_empty() {
            if self.unclear.messages == 0 {
                self.unclear.line = line.into();
            }
            self.unclear.messages = self.unclear.messages.saturating_add(times);
        }
        if accepted.senders.first().kind != Kind::Address
            && let Some(name) = first
        {
            self.add_source(name, client, times, line);
        }
        for sender in accepted.senders.others() {
            let index = self.count(sender, times, at, line);
            // Without individual limits, all have the same.
            if sender.kind == Kind::Address
                && self.limits.has_individual()
                && !client.name.is_empty()
                && let Some(index) = index
            {
                let limit = self.limits.limit_for(client.name);
                let highest = match self.stats[index].client {
                    ClientStats::Address(highest) => limit.max(highest),
                    _ => limit,
                };
                self.stats[index].client = ClientStats::Address(highest);
            }
        }
        self.count_dropped(times);
    }

    /// Adds messages from an address to those of a client's name.
    fn add_source(&mut self, name: usize, client: Client<'_>, times: u64, line: &[u8]) {
        if self.sources_used > SOURCES_BUDGET {
            return;
        }
        let address = self.address_hash(client.address);
        // Other logs are read again for a line.
        let stream =
            matches!(self.mode, Mode::Everything { rereadable: false } | Mode::StreamNames { .. });
        let line = (self.detail.line && stream).then_some(line);
        let stats = &mut self.stats[name];
        if matches!(stats.client, ClientStats::Nothing) {
            stats.client = ClientStats::Name(Sources::new(address, self.place));
        }
        if let ClientStats::Name(sources) = &mut stats.client {
            let bytes = sources.add(address, times, self.place, line);
            if bytes > 0 {
                self.sources_used += bytes;
                self.check_origins();
            }
        }
    }

    /// Counts the messages of a line as dropped if one of its names was.
    fn count_dropped(&mut self, times: u64) {
        if std::mem::take(&mut self.dropped_name)
            && let Mode::StreamNames { dropped } = &mut self.mode
        {
            *dropped = dropped.saturating_add(times);
        }
    }

    /// Counts messages of a sender, and gives its index if it is kept.
    fn count(
        &mut self,
        sender: &Sender<'_>,
        times: u64,
        at: Option<i64>,
        line: &[u8],
    ) -> Option<usize> {
        let (kind, spelling) = (sender.kind, &sender.name[..]);
        let folded = self.identity.fold(spelling);
        let name = &folded[..];
        let log = self.log_of(kind);
        if let Some(&index) = self.index(kind).get(name) {
            let stats = &mut self.stats[index];
            stats.add(times, at, &self.window);
            if !self.identity.is_exact() && stats.first_spelling(name) != spelling {
                self.origins_used += stats.add_spelling(self.hasher.hash_one(spelling));
            }
            return Some(index);
        }
        let line = if self.detail.line { line } else { b"" };
        if !self.keeps(log, kind, name, times, line) {
            if kind == Kind::Script {
                self.count_in_directories(name, times, at, line);
            }
            return None;
        }
        let mut stats = self.stats_of(times, at, line);
        if spelling != name {
            self.used += spelling.len();
            stats.spelling = Some(spelling.into());
        }
        Some(self.insert(log, kind, name.into(), stats))
    }

    /// What is known of a sender after its first line.
    fn stats_of(&self, times: u64, at: Option<i64>, line: &[u8]) -> SenderStats {
        let mut stats = SenderStats {
            line: line.into(),
            activity: self.detail.activity.then(|| Box::new([0; PARTS])),
            ..SenderStats::default()
        };
        stats.add(times, at, &self.window);
        stats
    }

    /// Counts messages of a script that is not kept in those of its directories that may reach the limit.
    fn count_in_directories(&mut self, script: &[u8], times: u64, at: Option<i64>, line: &[u8]) {
        let Mode::Candidates(buckets) = &self.mode else { return };
        let mut unkept = self.unkept.remove(&self.log).unwrap_or_default();
        let in_bucket = |name: &[u8], kind| buckets[self.bucket(self.log, kind, name)];
        let all = u64::from(in_bucket(script, Kind::Script));
        let share = Share::of_messages(times, all);
        let may_reach = |name: &&[u8]| {
            let most = in_bucket(name, Kind::Directory);
            most == u8::MAX || self.limits.reached(name, u64::from(most))
        };
        if let Some(share) = share {
            if let Some(directory) = directory_of(script).filter(may_reach) {
                unkept.add(directory, share, self.stats_of(times, at, line));
            }
            above(script).filter(may_reach).for_each(|above| unkept.add_below(above, share));
        }
        self.unkept.insert(self.log, unkept);
    }

    /// Finds the directories whose scripts reach the limit only together.
    fn finish_directories(&mut self) {
        for log in (0..).take(self.senders.len()) {
            let (directories, scattered) = self.directories_of(log);
            self.directories.extend(directories);
            self.scattered.extend(scattered);
        }
        self.directories
            .sort_unstable_by(|one, other| (&one.name, one.log).cmp(&(&other.name, other.log)));
        self.scattered
            .sort_unstable_by(|one, other| (&one.below, one.log).cmp(&(&other.below, other.log)));
    }

    fn directories_of(&mut self, log: u32) -> (Vec<Directory>, Vec<Scattered>) {
        let limits = &self.limits;
        let mut directories = self.unkept.remove(&log).unwrap_or_default();
        let indexes = &self.senders[log as usize];
        let scripts = || {
            indexes[Kind::Script as usize].iter().filter_map(|(name, &index)| {
                let stats = &self.stats[index];
                let share = Share::of_script(stats.messages)?;
                (!limits.reached(name, stats.messages)).then_some((name, stats, share))
            })
        };
        // Mostly, all of them together do not reach it.
        let messages = scripts().map(|(_, stats, _)| stats.messages).sum();
        if !directories.is_empty() || limits.reached(b"", messages) {
            for (script, stats, share) in scripts() {
                if let Some(directory) = directory_of(script) {
                    directories.add(directory, share, stats.clone());
                }
                above(script).for_each(|directory| directories.add_below(directory, share));
            }
        }
        let reached = |name: &[u8], messages| limits.reached(name, messages);
        directories.finish(log, reached)
    }

    fn insert(&mut self, log: u32, kind: Kind, name: Box<[u8]>, stats: SenderStats) -> usize {
        let index = self.stats.len();
        self.stats.push(stats);
        self.senders[log as usize][kind as usize].insert(name, index);
        index
    }

    /// Makes room for senders of so many logs.
    fn make_indexes(&mut self, logs: usize) {
        if self.senders.len() < logs {
            self.senders.resize_with(logs, Indexes::default);
        }
    }

    /// Whether a new name is to be kept. If not, its messages are counted in the sketch, or as dropped.
    fn keeps(&mut self, log: u32, kind: Kind, name: &[u8], times: u64, line: &[u8]) -> bool {
        if let Mode::Everything { rereadable } = self.mode {
            self.names += 1;
            let more = usize::from(kind == Kind::Sasl) + usize::from(self.detail.activity);
            self.used += name.len() + line.len() + OVERHEAD + more * MORE_OVERHEAD;
            let fits = if rereadable {
                self.used <= BUDGET
            } else {
                self.names <= STREAM_NAMES && self.used <= STREAM_BUDGET
            };
            if fits {
                return true;
            }
            if rereadable {
                self.switch_to_sketch();
            } else {
                self.mode = Mode::StreamNames { dropped: 0 };
            }
        }
        let hasher = &self.hasher;
        let bucket = bucket(hasher, log, kind, name);
        match &mut self.mode {
            Mode::Everything { .. } => true,
            Mode::StreamNames { .. } => {
                self.dropped_name = true;
                false
            }
            Mode::Lines { .. } => false,
            Mode::Sketch(buckets) => {
                add_to(buckets, bucket, times);
                if kind == Kind::Script {
                    add_directories(buckets, hasher, log, name, times);
                }
                false
            }
            Mode::Candidates(buckets) => {
                let most = buckets[bucket];
                // Which names Exim verifies for an address is known only in the end.
                let limit = match kind {
                    Kind::Address => self.limits.individual(name).unwrap_or(self.lowest_limit),
                    _ => self.limits.limit_for(name),
                };
                most == u8::MAX || self.limits.exceeds(limit, u64::from(most))
            }
        }
    }

    /// Switches to a sketch if there are too many networks and addresses to keep.
    fn check_origins(&mut self) {
        if self.origins_used + self.sources_used > ORIGINS_BUDGET
            && matches!(self.mode, Mode::Everything { rereadable: true })
        {
            self.switch_to_sketch();
        }
    }

    /// Switches from keeping everything to a sketch.
    fn switch_to_sketch(&mut self) {
        if !matches!(self.mode, Mode::Everything { .. }) {
            return;
        }
        let mut buckets = vec![0; BUCKETS];
        for (log, kind, name, stats) in self.senders_by_log() {
            add_to(&mut buckets, self.bucket(log, kind, name), stats.messages);
            if kind == Kind::Script {
                add_directories(&mut buckets, &self.hasher, log, name, stats.messages);
            }
        }
        self.senders.iter_mut().for_each(|indexes| *indexes = Indexes::default());
        self.stats = Vec::new();
        self.origins_used = 0;
        self.sources_used = 0;
        self.memo.clear();
        self.mode = Mode::Sketch(buckets);
    }

    /// Puts the line of the address that sent most in the place of the first line of each name that is reported.
    /// Returns which lines are not kept.
    fn choose_lines(&mut self, rereadable: bool) -> WantedLines {
        let mut wanted = HashMap::default();
        if !self.detail.line {
            return wanted;
        }
        for kind in [Kind::Helo, Kind::HostName] {
            // They belong to no host.
            for (name, &index) in &self.senders[0][kind as usize] {
                let stats = &mut self.stats[index];
                if !self.limits.reached(name, stats.messages) {
                    continue;
                }
                match stats.sources().map(|sources| sources.representative(rereadable)) {
                    Some(Representative::Line(line)) => stats.line = line.into(),
                    Some(Representative::Unknown { address, place }) => {
                        wanted.insert(index, (address, place));
                    }
                    Some(Representative::First) | None => {}
                }
            }
        }
        wanted
    }

    /// Keeps the line of an event if it is one that is looked for.
    fn search_line(&mut self, event: &LazyEvent<'_>, line: &[u8]) {
        let Some(event) = event.parse() else { return };
        let Event::Accepted(accepted) = &*event else { return };
        let (first, Some(client)) = (accepted.senders.first(), accepted.client) else { return };
        let name = self.identity.fold(&first.name);
        let Some(&index) = self.index(first.kind).get(&name[..]) else { return };
        let address = self.address_hash(client.address);
        if let Mode::Lines { wanted, .. } = &mut self.mode
            && wanted.get(&index).is_some_and(|wanted| wanted.0 == address)
        {
            wanted.remove(&index);
            self.stats[index].line = line.into();
        }
    }

    fn bucket(&self, log: u32, kind: Kind, name: &[u8]) -> usize {
        bucket(&self.hasher, log, kind, name)
    }
}

impl Sink for Tally {
    #[inline]
    fn event(&mut self, at: Option<i64>, times: u64, event: &LazyEvent<'_>, line: &[u8]) {
        if self.complete || at.is_some_and(|at| !self.window.holds(at)) {
            return;
        }
        if matches!(self.mode, Mode::Lines { .. }) {
            return self.search_line(event, line);
        }
        match *event {
            LazyEvent::Parsed(Event::Accepted(ref accepted)) => {
                self.count_accepted(accepted, None, times, at, line);
            }
            LazyEvent::Parsed(Event::Completed(_)) => {}
            LazyEvent::Deferred { text, parse, .. } => {
                if !self.count_known(text, times, at)
                    && let Some(Event::Accepted(accepted)) = parse(text)
                {
                    self.count_accepted(&accepted, Some(text), times, at, line);
                }
            }
        }
    }

    fn begin_log(&mut self, number: u32) {
        if number != self.log {
            // The same text may be of another host.
            self.memo.clear();
            self.log = number;
        }
        self.make_indexes(number as usize + 1);
    }

    fn place(&mut self, place: u64) {
        self.place = place;
    }

    fn places(&self) -> Option<Vec<u64>> {
        match &self.mode {
            _ if self.complete => Some(Vec::new()),
            Mode::Lines { wanted, everywhere: false } => {
                let mut places: Vec<_> = wanted.values().map(|&(_, place)| place).collect();
                places.sort_unstable();
                Some(places)
            }
            _ => None,
        }
    }

    fn needs_completions(&self) -> bool {
        false
    }

    fn completed(&mut self, _id: &[u8]) -> bool {
        true
    }

    fn fork(&self) -> Option<Self> {
        let mode = match &self.mode {
            Mode::Everything { rereadable: true } | Mode::Sketch(_) => {
                Mode::Everything { rereadable: true }
            }
            Mode::Candidates(buckets) => Mode::Candidates(Arc::clone(buckets)),
            // In order, so that the first line is found.
            Mode::Lines { .. }
            | Mode::Everything { rereadable: false }
            | Mode::StreamNames { .. } => {
                return None;
            }
        };
        let mut fork =
            Self::new(self.window, self.limits.clone(), self.webmail.clone(), self.detail, true);
        fork.identity = self.identity.clone();
        fork.mode = mode;
        fork.complete = self.complete;
        fork.hasher = self.hasher.clone();
        fork.begin_log(self.log);
        Some(fork)
    }

    fn join(&mut self, later: Self) {
        let UnclearAddresses { messages, line } = later.unclear;
        if self.unclear.messages == 0 {
            self.unclear.line = line;
        }
        self.unclear.messages = self.unclear.messages.saturating_add(messages);
        if let Mode::Sketch(more) = &later.mode {
            self.switch_to_sketch();
            if let Mode::Sketch(buckets) = &mut self.mode {
                buckets.iter_mut().zip(more).for_each(|(n, &more)| *n = n.saturating_add(more));
            }
        }
        self.origins_used += later.origins_used;
        for (log, unkept) in later.unkept {
            self.unkept.entry(log).or_default().join(unkept);
        }
        self.make_indexes(later.senders.len());
        let mut more: Vec<_> = later.stats.into_iter().map(Some).collect();
        let logs = (0..).zip(later.senders);
        for (log, kind, senders) in logs.flat_map(|(log, indexes)| {
            Kind::ALL.into_iter().zip(indexes).map(move |(kind, senders)| (log, kind, senders))
        }) {
            for (name, index) in senders {
                let Some(mut stats) = more[index].take() else { continue };
                let index = &self.senders[log as usize][kind as usize];
                if let Some(&known) = index.get(&name) {
                    let hash = |spelling: &[u8]| self.hasher.hash_one(spelling);
                    self.stats[known].join_spellings(&mut stats, &name, hash);
                    self.stats[known].join(stats);
                } else if self.keeps(log, kind, &name, stats.messages, &stats.line) {
                    self.insert(log, kind, name, stats);
                }
            }
        }
        self.sources_used =
            self.stats.iter().filter_map(SenderStats::sources).map(Sources::bytes).sum();
        self.check_origins();
    }

    fn needs_another_pass(&mut self) -> bool {
        if self.complete {
            return false;
        }
        match std::mem::replace(&mut self.mode, Mode::Everything { rereadable: false }) {
            Mode::Sketch(buckets) => {
                self.mode = Mode::Candidates(Arc::new(buckets));
                self.unclear = UnclearAddresses::default();
                return true;
            }
            // Something has changed since then. What is not found anywhere is not there any more.
            Mode::Lines { wanted, everywhere: false } if !wanted.is_empty() => {
                self.mode = Mode::Lines { wanted, everywhere: true };
                return true;
            }
            Mode::Lines { .. } => {}
            mode => {
                let rereadable = match mode {
                    Mode::Everything { rereadable } => rereadable,
                    Mode::StreamNames { .. } => false,
                    _ => true,
                };
                self.finish_directories();
                let wanted = self.choose_lines(rereadable);
                if !wanted.is_empty() {
                    self.mode = Mode::Lines { wanted, everywhere: false };
                    return true;
                }
                self.mode = mode;
            }
        }
        self.complete = true;
        false
    }
}

fn bucket(hasher: &RandomState, log: u32, kind: Kind, name: &[u8]) -> usize {
    usize::try_from(hasher.hash_one((log, kind, name)) % BUCKETS as u64).unwrap_or(0)
}

/// Adds messages of a script to the buckets of its directories.
fn add_directories(buckets: &mut [u8], hasher: &RandomState, log: u32, script: &[u8], times: u64) {
    for directory in directory_of(script).into_iter().chain(above(script)) {
        add_to(buckets, bucket(hasher, log, Kind::Directory, directory), times);
    }
}

fn add_to(buckets: &mut [u8], bucket: usize, times: u64) {
    let times = u8::try_from(times).unwrap_or(u8::MAX);
    buckets[bucket] = buckets[bucket].saturating_add(times);
}

#[cfg(test)]
mod tests;
