//! From the lines of one file to the events of the window, into a [`Sink`].
//!
//! Candidate lines are found by a search for the parser's needle over whole blocks of lines, or by a glance at
//! each line where that tells most of them; nothing is parsed or copied before that. Only where the order of
//! lines matters (an hour that repeats is near, or the parser says so) is every line read. Where a sink wants only
//! some lines that an earlier pass has read, their places are enough: nothing else is looked at.

mod copies;
mod guard;

use std::collections::{BTreeMap, VecDeque};
use std::io;

use memchr::{memchr, memmem, memrchr};

use crate::parse::kin::Kin;
use crate::parse::{Content, Glance, Line, MAX_REPEATS, Parser, Stamped};
use crate::sink::Sink;
use crate::source::Reader;
use crate::source::lines::{Lines, head, split, trimmed};
use crate::time::clock::{Clock, MAX_CLOCK_SKEW, Reading};
use crate::time::window::Window;
use crate::time::zone::Zone;
use copies::Copies;
pub use guard::Guard;

/// This close to an hour that repeats, the order of lines matters. Seconds.
const NEAR_REPEATED_HOUR: i64 = 2 * 86_400;

/// By how much an hour that repeats makes the start of the period uncertain. Seconds.
const DST_MARGIN: i64 = 2 * 3600;

/// The lower bits of a place are the offset in a part of a file, the higher ones the number of that part.
const PART_BITS: u32 = 44;

/// How many different tags of ambiguous lines are kept.
const TAGS: usize = 8;

/// How many bytes of a line that cannot be read are kept, to be shown.
const SHOWN: usize = 160;

/// Finds the lines that may have an event.
struct Needles {
    first: memmem::Finder<'static>,
    second: Option<memmem::Finder<'static>>,
}

impl Needles {
    /// The second one finds only completions.
    fn new(parser: &impl Parser, completions: bool) -> Self {
        let second = parser.second_needle().filter(|_| completions);
        Self {
            first: memmem::Finder::new(parser.needle()),
            second: second.map(memmem::Finder::new),
        }
    }

    /// Whether one of them is in a line.
    fn are_in(&self, line: &[u8]) -> bool {
        let is_in = |needle: &memmem::Finder<'_>| needle.find(line).is_some();
        is_in(&self.first) || self.second.as_ref().is_some_and(is_in)
    }
}

/// Reads one file after the other into a sink.
#[derive(Debug)]
pub struct LogReader<'a, P, S> {
    parser: &'a P,
    window: Window,
    zone: Zone,
    /// Every line is read, in order.
    in_order: bool,
    clock: Clock,
    /// How many parts of files have been read in this pass.
    part: u64,
    /// Where the line is that is being read.
    place: u64,
    /// Where the block is that is being read.
    block: u64,
    /// Finds the lines that may count.
    needle: memmem::Finder<'static>,
    /// The places that matter in this pass and have not been read, if only some do.
    places: Option<VecDeque<u64>>,
    /// What takes the events.
    pub sink: S,
    /// What was learned about the file that is being read.
    pub file: FileStats,
    /// What of the log that is being read could not be read, of all its files.
    pub guard: Guard,
    copies: Copies,
    /// What wrote the lines of the log that is being read, as far as that is asked for.
    pub kin: Kin,
    asks_kin: bool,
    /// Lines that count for nobody, of all files.
    pub ambiguous: Ambiguous,
}

/// What is learned about one file while it is read.
#[derive(Clone, Debug, Default)]
pub struct FileStats {
    /// Lines that were searched for a timestamp, until one could be read.
    pub lines: u64,
    /// The first of them.
    pub first: Option<Box<[u8]>>,
    /// A timestamp could be read.
    pub readable: bool,
    /// Messages with a timestamp too far in the future.
    pub in_future: u64,
    /// Messages whose timestamp is not a date, or is in a zone that is not known here.
    pub unreadable: u64,
    /// Lines that claim too many repeats, and the most that one of them claims.
    pub implausible: (u64, u64),
}

/// Lines that count for nobody because they can be read in two ways.
#[derive(Clone, Debug, Default)]
pub struct Ambiguous {
    /// How many.
    pub total: u64,
    /// The first few tags, and how many lines came with each.
    pub tags: BTreeMap<Box<[u8]>, u64>,
}

/// How the reading of a file, or of a part of it, ended.
#[derive(Debug)]
pub struct ReadOutcome {
    /// How many bytes of lines were read, decompressed.
    pub bytes: u64,
    /// How many lines were too long to be read.
    pub overlong: u64,
    /// Where the file ended short of the length that it had, and that length.
    pub shrunk: Option<(u64, u64)>,
    /// How many bytes of holes were left out.
    pub skipped: u64,
    /// What stopped it.
    pub error: Option<io::Error>,
}

/// By how much the start of a period is uncertain, in seconds, because an hour repeats near it.
pub fn dst_margin(parser: &impl Parser, window: &Window, zone: &Zone) -> i64 {
    if needs_order(parser, window, zone) { DST_MARGIN } else { 0 }
}

fn needs_order(parser: &impl Parser, window: &Window, zone: &Zone) -> bool {
    let (from, to) = (window.start - NEAR_REPEATED_HOUR, window.end + NEAR_REPEATED_HOUR);
    parser.needs_every_line() || zone.repeats_between(from, to)
}

impl<'a, P: Parser, S: Sink> LogReader<'a, P, S> {
    /// A reader that pushes the events of `window` into `sink`. Timestamps without a zone are in `zone`.
    pub fn new(parser: &'a P, window: Window, zone: &Zone, sink: S) -> Self {
        Self {
            parser,
            window,
            zone: zone.clone(),
            in_order: needs_order(parser, &window, zone),
            clock: Clock::new(window.now, zone.clone()),
            part: 0,
            place: 0,
            block: 0,
            needle: memmem::Finder::new(parser.needle()),
            places: None,
            sink,
            file: FileStats::default(),
            guard: Guard::default(),
            copies: Copies::default(),
            kin: Kin::default(),
            asks_kin: false,
            ambiguous: Ambiguous::default(),
        }
    }

    /// A reader for a later part of the same file, if what it reads can be [joined](Self::join).
    ///
    /// `before` are the lines before that part. They must leave no doubt about the time, so that the part
    /// is read as if everything before it had been read.
    pub fn fork(&self, before: &[u8]) -> Option<Self> {
        let mut later = Self::new(self.parser, self.window, &self.zone, self.sink.fork()?);
        later.part = self.part + 1;
        later.copies = self.copies.fork();
        later.asks_kin = self.asks_kin;
        let mut ambiguous = false;
        for line in split(before).filter_map(trimmed) {
            let Some(reading) = later.reading(line) else { continue };
            ambiguous = reading.year_is_ambiguous;
            let Line { host, content, .. } = self.parser.line(line);
            if self.window.holds(reading.instant)
                && let Some(identity) = content.as_ref().and_then(Content::identity)
            {
                later.copies.is_copy(host, identity, reading.instant);
            }
        }
        (later.clock.is_anchored() && !ambiguous).then_some(later)
    }

    /// Adds what a fork has read.
    pub fn join(&mut self, later: Self) {
        self.sink.join(later.sink);
        self.part = later.part;
        self.guard.join(later.guard);
        self.copies.join(later.copies);
        self.kin = self.kin.max(later.kin);
        let (file, more) = (&mut self.file, later.file);
        file.lines += more.lines;
        file.first = file.first.take().or(more.first);
        file.readable |= more.readable;
        file.in_future += more.in_future;
        file.unreadable += more.unreadable;
        file.implausible.0 += more.implausible.0;
        file.implausible.1 = file.implausible.1.max(more.implausible.1);
        let total = self.ambiguous.total.saturating_add(later.ambiguous.total);
        for (tag, times) in later.ambiguous.tags {
            self.ambiguous.add(&tag, times);
        }
        self.ambiguous.total = total;
    }

    /// Begins another file, which may be of the same log as the one before.
    pub fn begin_file(&mut self, same_log: bool) {
        self.clock.next_file(same_log);
        self.file = FileStats::default();
        if !same_log {
            self.guard = Guard::default();
            self.kin = Kin::default();
            self.copies.begin_log();
        }
    }

    /// Asks of each log what wrote its lines, until one is of the program that is searched for.
    #[must_use]
    pub fn asking_kin(self, asks_kin: bool) -> Self {
        Self { asks_kin, ..self }
    }

    /// Reads all lines. Those of a rotated log count only if they have a timestamp.
    pub fn read(&mut self, lines: &mut Lines<Reader<'_>>, rotated: bool) -> ReadOutcome {
        let needles = Needles::new(self.parser, self.sink.needs_completions());
        let mut bytes = 0;
        self.part += 1;
        let error = loop {
            if self.has_all() {
                break None;
            }
            match lines.next_block() {
                Ok(Some(block)) => {
                    self.block = (self.part << PART_BITS) + bytes;
                    self.place = self.block;
                    bytes += block.len() as u64;
                    self.read_block(block, &needles, rotated);
                    self.settle(block);
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        let overlong = if self.parser.accepts_truncated_lines() { 0 } else { lines.overlong() };
        let input = lines.input();
        ReadOutcome { bytes, overlong, shrunk: input.shrunk(), skipped: input.skipped(), error }
    }

    /// Reads a message that has no syslog envelope, because its program and time are known from elsewhere.
    /// `line` makes the line that is reported; the host and the time, in Unix seconds, are known too.
    pub fn read_message(
        &mut self,
        name: &[u8],
        message: &[u8],
        (host, at): (&[u8], i64),
        line: impl Fn() -> Vec<u8>,
    ) {
        self.file.readable = true;
        let Some(content) = self.parser.message(name, message) else { return };
        if at > self.window.now + MAX_CLOCK_SKEW {
            self.file.in_future += content.messages(1);
        } else if self.window.holds(at) {
            self.guard.read += 1;
            self.push(&content, Some(host), 1, Some(at), &line());
        }
    }

    fn reading(&mut self, line: &[u8]) -> Option<Reading> {
        reading(self.parser, &mut self.clock, line)
    }

    fn read_block(&mut self, block: &[u8], needles: &Needles, rotated: bool) {
        if self.places.is_some() {
            return self.read_places(block, rotated);
        }
        if self.asks_kin {
            let mut lines = split(block).filter_map(trimmed);
            while self.kin < Kin::Own
                && let Some(line) = lines.next()
            {
                self.kin = self.kin.max(self.parser.kin(line));
            }
        }
        let first = self.place;
        if self.in_order {
            let truncated = self.parser.accepts_truncated_lines();
            let mut next = first;
            for line in split(block) {
                self.place = next;
                next += line.len() as u64 + 1;
                if let Some(line) = if truncated { Some(head(line)) } else { trimmed(line) } {
                    self.read_line(line, rotated, None);
                }
            }
            return;
        }
        if !self.file.readable {
            // Until a timestamp can be read, every line is tried, because a log without any is reported.
            for line in split(block).filter_map(trimmed) {
                let Line { stamp, content, .. } = self.parser.line(line);
                self.try_stamp(line, &stamp, content.is_some());
                if self.file.readable {
                    break;
                }
            }
        }
        let shown = if self.parser.glances() {
            self.read_at_a_glance(block, needles, rotated)
        } else {
            self.read_candidates(block, needles, rotated)
        };
        // The lines of the next block come after these.
        self.look_back(&block[shown..]);
    }

    /// Reads the lines in which needles are found. Returns up to where the clock was shown the block.
    fn read_candidates(&mut self, block: &[u8], needles: &Needles, rotated: bool) -> usize {
        let (first, mut from, mut shown) = (self.place, 0, 0);
        while let Some(at) = needles.first.find(&block[from..]).map(|at| from + at) {
            let start = memrchr(b'\n', &block[from..at]).map_or(from, |n| from + n + 1);
            let end = memchr(b'\n', &block[at..]).map_or(block.len(), |n| at + n);
            self.place = first + start as u64;
            if let Some(line) = trimmed(&block[start..end])
                && self.read_line(line, rotated, Some(&block[shown..start]))
            {
                shown = start;
            }
            from = (end + 1).min(block.len());
        }
        shown
    }

    /// Glances at all lines, and reads those of which that is not enough. Returns up to where the clock was shown
    /// the block.
    fn read_at_a_glance(&mut self, block: &[u8], needles: &Needles, rotated: bool) -> usize {
        let (first, mut start, mut shown) = (self.place, 0, 0);
        while start < block.len() {
            let end = memchr(b'\n', &block[start..]).map_or(block.len(), |n| start + n);
            let line = &block[start..end];
            let is_read = match self.parser.glance(line) {
                Glance::Nothing => false,
                Glance::Completed(id) => !self.sink.completed(id),
                Glance::Event => true,
                Glance::Unclear => needles.are_in(line),
            };
            self.place = first + start as u64;
            if is_read
                && let Some(line) = trimmed(line)
                && self.read_line(line, rotated, Some(&block[shown..start]))
            {
                shown = start;
            }
            start = end + 1;
        }
        shown
    }

    /// Reads only the lines at the places that matter.
    fn read_places(&mut self, block: &[u8], rotated: bool) {
        let first = self.place;
        while let Some(places) = &mut self.places
            && let Some(&place) = places.front()
            && place < first + block.len() as u64
        {
            places.pop_front();
            let start = place.checked_sub(first).and_then(|start| usize::try_from(start).ok());
            let Some(text) = start.and_then(|start| block.get(start..)) else { continue };
            if let Some(line) = split(text).next().and_then(trimmed) {
                self.place = place;
                self.read_line(line, rotated, None);
            }
        }
    }

    /// How many messages of all logs were left out, because their lines are copies of others.
    pub fn copies(&self) -> u64 {
        self.copies.left_out
    }

    /// Whether only lines at some places are read in this pass.
    pub fn reads_places(&self) -> bool {
        self.places.is_some()
    }

    /// Whether all of these have been read.
    pub fn has_all(&self) -> bool {
        self.places.as_ref().is_some_and(VecDeque::is_empty)
    }

    /// Begins another pass over all logs.
    pub fn begin_pass(&mut self) {
        self.part = 0;
        self.copies = Copies::default();
        // Where the order of lines matters, all are read.
        self.places = if self.in_order { None } else { self.sink.places().map(VecDeque::from) };
    }

    /// Counts the lines of a block that cannot be read.
    fn settle(&mut self, block: &[u8]) {
        if self.guard.is_settled() {
            return;
        }
        let (parser, start) = (self.parser, self.window.start);
        // Not the reader's clock, which goes by the order of lines.
        let mut clock = Clock::new(self.window.now, self.zone.clone());
        self.guard.settle(block, |line| {
            Some(reading(parser, &mut clock, trimmed(line)?)?.instant <= start)
        });
    }

    /// Notes whether a line shows that timestamps can be read here.
    fn try_stamp(&mut self, line: &[u8], stamp: &Stamped<'_>, counts: bool) {
        if line.trim_ascii().is_empty() {
            return;
        }
        self.file.lines += 1;
        self.file.first.get_or_insert_with(|| line[..line.len().min(SHOWN)].into());
        self.file.readable = match stamp {
            Stamped::At(stamp) => self.clock.knows(stamp),
            Stamped::Bare => counts,
            Stamped::Unreadable => false,
        };
    }

    /// Pushes the content of a line into the sink, if it is in the window. `before` is what precedes it in the
    /// block, unless the clock is shown every line anyway. Returns whether `before` has been shown to the clock.
    fn read_line(&mut self, line: &[u8], rotated: bool, before: Option<&[u8]>) -> bool {
        let parsed = self.parser.line(line);
        // An event is large, and not moved.
        let Line { stamp, host, times, content } = &parsed;
        let (host, times) = (*host, *times);
        // Lines that were searched for were tried before.
        if !self.file.readable && before.is_none() {
            self.try_stamp(line, stamp, content.is_some());
        }
        if content.is_none() {
            if self.places.is_none()
                && self.needle.find(line).is_some()
                && self.parser.is_unread(line)
            {
                self.guard.add_unread(usize::try_from(self.place - self.block).unwrap_or(0));
            }
            if before.is_some() {
                return false;
            }
        }
        let mut looked_back = false;
        let messages = || content.as_ref().map_or(0, |content| content.messages(times));
        let at = match stamp {
            Stamped::At(stamp) => {
                let Some(mut reading) = self.clock.read(stamp) else {
                    self.file.unreadable += messages();
                    return looked_back;
                };
                if reading.year_is_ambiguous
                    && let Some(before) = before
                {
                    self.look_back(before);
                    looked_back = true;
                    reading = self.clock.read(stamp).unwrap_or(reading);
                }
                if reading.in_future {
                    self.file.in_future += messages();
                    return looked_back;
                }
                if !self.window.holds(reading.instant) {
                    if reading.instant <= self.window.start {
                        self.guard.forget();
                    }
                    return looked_back;
                }
                Some(reading.instant)
            }
            Stamped::Bare if rotated => return looked_back,
            Stamped::Bare => None,
            Stamped::Unreadable => return looked_back,
        };
        if let Some(content) = content {
            self.guard.read += 1;
            self.push(content, host, times, at, line);
        }
        looked_back
    }

    fn push(
        &mut self,
        content: &Content<'_>,
        host: Option<&[u8]>,
        mut times: u64,
        at: Option<i64>,
        line: &[u8],
    ) {
        if times > MAX_REPEATS {
            if content.messages(times) > 0 {
                let (lines, most) = self.file.implausible;
                self.file.implausible = (lines + 1, most.max(times));
            }
            return;
        }
        if let (Some(identity), Some(at)) = (content.identity(), at) {
            // At the places of an earlier pass there are no copies.
            let is_copy = self.places.is_none() && self.copies.is_copy(host, identity, at);
            self.copies.left_out += if is_copy { times } else { times.saturating_sub(1) };
            if is_copy {
                return;
            }
            times = 1;
        }
        match content {
            Content::Event(event) => {
                self.sink.place(self.place);
                self.sink.event(at, times, event, line);
            }
            Content::Ambiguous(tag) => self.ambiguous.add(tag, times),
        }
    }

    /// Shows the clock the lines before, from the last one back to one whose year is certain.
    fn look_back(&mut self, before: &[u8]) {
        let mut rest = before.strip_suffix(b"\n").unwrap_or(before);
        loop {
            let start = memrchr(b'\n', rest).map_or(0, |n| n + 1);
            let found = trimmed(&rest[start..]).and_then(|line| self.reading(line));
            if found.is_some_and(|reading| !reading.year_is_ambiguous && !reading.in_future)
                || start == 0
            {
                return;
            }
            rest = &rest[..start - 1];
        }
    }
}

impl Ambiguous {
    fn add(&mut self, tag: &[u8], times: u64) {
        self.total = self.total.saturating_add(times);
        if self.tags.len() < TAGS || self.tags.contains_key(tag) {
            *self.tags.entry(tag.into()).or_default() += times;
        }
    }
}

/// When a line was written according to a clock, if it has a timestamp.
pub fn reading(parser: &impl Parser, clock: &mut Clock, line: &[u8]) -> Option<Reading> {
    match parser.stamp(line) {
        Stamped::At(stamp) => clock.read(&stamp),
        Stamped::Bare | Stamped::Unreadable => None,
    }
}

#[cfg(test)]
mod tests;
