//! [`Sink`]: the interface between reading logs and whatever they are read for.
//!
//! A [`Scan`](crate::scan::Scan) reads the logs of a check in order and pushes each event of the window
//! into one sink. It does not know what the events are for. A [`Tally`](crate::tally::Tally), which counts
//! senders, is a sink; so is [`Evidence`](crate::evidence::Evidence), which looks closely at a few of them.
//! A pair of sinks and a `Vec` of sinks are sinks too: several windows, or two purposes, in one reading of
//! the logs.
//!
//! Ambiguous lines, and lines that claim an implausible number of repeats, never reach a sink: the reader
//! counts them. A sink cannot report an error either: one that can fail keeps its error, ignores what follows,
//! and is asked for the error after the scan.

use crate::parse::LazyEvent;

/// Takes the events of a window, in reading order. A scan requires a sink to be `Send`, because another thread may
/// fill a [fork](Self::fork) of it.
pub trait Sink: Sized {
    /// Takes an event that happened `times` times. `at` is its instant in Unix seconds, or none if the line
    /// has no timestamp; `line` is the line as logged, without its newline.
    ///
    /// The events are those of the window that is read. A sink for a smaller window ignores the others.
    fn event(&mut self, at: Option<i64>, times: u64, event: &LazyEvent<'_>, line: &[u8]);

    /// Says that the next events are from the log with this number, where there are several; 0 is the only log. A
    /// log and its rotated logs have one number. Names of users and paths belong to the host whose log it is.
    fn begin_log(&mut self, _number: u32) {}

    /// Says where the line of the next event is: places are in reading order, and the same in each pass.
    fn place(&mut self, _place: u64) {}

    /// The places of the lines that matter in this pass, in order; none if any line may. Nothing after the last of
    /// them is read. Events of other lines may come all the same, because of another sink, or where the order of
    /// lines matters.
    fn places(&self) -> Option<Vec<u64>> {
        None
    }

    /// Whether it needs to know when messages were [completed](crate::parse::Event::Completed), in this pass.
    fn needs_completions(&self) -> bool {
        true
    }

    /// Takes the id of a message that was completed, whose line has not been fully read, and says whether it
    /// need not be: neither its time nor anything else of it matters. The event may come all the same, because
    /// of another sink.
    fn completed(&mut self, _id: &[u8]) -> bool {
        false
    }

    /// An empty sink for a later part of the same file, which another thread reads; none if reading in parts
    /// would not give the same result. None is the default, and costs the sinks beside it in a pair or a `Vec`
    /// the second thread too.
    fn fork(&self) -> Option<Self> {
        None
    }

    /// Adds what a [fork](Self::fork) took. Forks are joined in reading order.
    fn join(&mut self, _later: Self) {}

    /// Whether all logs must be read again into this sink. Asked each time all of them have been read.
    ///
    /// A sink that says no is complete. It must ignore any further events, which come if another sink needs
    /// another pass.
    fn needs_another_pass(&mut self) -> bool {
        false
    }
}

/// Both sinks take every event.
impl<A: Sink, B: Sink> Sink for (A, B) {
    fn event(&mut self, at: Option<i64>, times: u64, event: &LazyEvent<'_>, line: &[u8]) {
        self.0.event(at, times, event, line);
        self.1.event(at, times, event, line);
    }

    fn begin_log(&mut self, number: u32) {
        self.0.begin_log(number);
        self.1.begin_log(number);
    }

    fn place(&mut self, place: u64) {
        self.0.place(place);
        self.1.place(place);
    }

    fn places(&self) -> Option<Vec<u64>> {
        let mut places = self.0.places()?;
        places.append(&mut self.1.places()?);
        places.sort_unstable();
        Some(places)
    }

    fn needs_completions(&self) -> bool {
        self.0.needs_completions() || self.1.needs_completions()
    }

    fn completed(&mut self, id: &[u8]) -> bool {
        self.0.completed(id) & self.1.completed(id)
    }

    fn fork(&self) -> Option<Self> {
        Some((self.0.fork()?, self.1.fork()?))
    }

    fn join(&mut self, later: Self) {
        self.0.join(later.0);
        self.1.join(later.1);
    }

    fn needs_another_pass(&mut self) -> bool {
        // Both must be asked.
        let (first, second) = (self.0.needs_another_pass(), self.1.needs_another_pass());
        first || second
    }
}

/// All of the sinks take every event.
impl<S: Sink> Sink for Vec<S> {
    fn event(&mut self, at: Option<i64>, times: u64, event: &LazyEvent<'_>, line: &[u8]) {
        for sink in self {
            sink.event(at, times, event, line);
        }
    }

    fn begin_log(&mut self, number: u32) {
        for sink in self {
            sink.begin_log(number);
        }
    }

    fn place(&mut self, place: u64) {
        for sink in self {
            sink.place(place);
        }
    }

    fn places(&self) -> Option<Vec<u64>> {
        let places: Option<Vec<_>> = self.iter().map(Sink::places).collect();
        let mut places = places?.concat();
        places.sort_unstable();
        Some(places)
    }

    fn needs_completions(&self) -> bool {
        self.iter().any(Sink::needs_completions)
    }

    fn completed(&mut self, id: &[u8]) -> bool {
        self.iter_mut().fold(true, |all, sink| sink.completed(id) & all)
    }

    fn fork(&self) -> Option<Self> {
        self.iter().map(Sink::fork).collect()
    }

    fn join(&mut self, later: Self) {
        for (sink, later) in self.iter_mut().zip(later) {
            sink.join(later);
        }
    }

    fn needs_another_pass(&mut self) -> bool {
        self.iter_mut().fold(false, |any, sink| sink.needs_another_pass() | any)
    }
}
