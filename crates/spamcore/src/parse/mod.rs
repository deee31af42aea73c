//! From a line to what it says: one file a format.
//!
//! A [`Parser`] takes one line and walks its grammar from the left. It gives the line's timestamp and,
//! where the line is one that counts, its [`Content`]: an event, most of the time. It searches nothing but the end of a field, as the
//! software that writes the line defines that end, so that text which a stranger could place in a
//! line is never taken for a field. Lines are bytes: any byte may stand in a name.

/// A table of what is said of each byte: parsers ask it of every byte of every line.
macro_rules! byte_table {
    (|$byte:ident| $said:expr) => {{
        let mut table = [{
            let $byte = 0_u8;
            $said
        }; 256];
        let mut $byte = 0_u8;
        loop {
            table[$byte as usize] = $said;
            if $byte == u8::MAX {
                break table;
            }
            $byte += 1;
        }
    }};
}

pub mod exim;
pub mod php;
pub mod php_wrapper;
pub mod postfix;
pub mod syslog;

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::source::journal::Author;
use crate::time::stamp::Stamp;

/// Beyond this many repeats, `message repeated N times` is not believed.
pub const MAX_REPEATS: u64 = 1_000_000;

/// What a sender is known by. Names of two kinds are never added together.
///
/// The order is that of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The SASL login name of a Postfix client.
    Sasl,
    /// A local user of Exim (`U=` without `H=`).
    User,
    /// The name that an SMTP client of Exim gave itself in HELO.
    Helo,
    /// The verified name of an SMTP client of Exim that gave itself no other.
    HostName,
    /// The address of an SMTP client of Exim without any name.
    Address,
    /// The authenticated id of a client of Exim (`A=DRIVER:ID`).
    Authenticated,
    /// The path of a PHP script.
    Script,
}

impl Kind {
    /// How many kinds there are.
    pub const COUNT: usize = 7;

    /// All kinds, in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Sasl,
        Self::User,
        Self::Helo,
        Self::HostName,
        Self::Address,
        Self::Authenticated,
        Self::Script,
    ];
}

/// A name that messages are counted under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender<'a> {
    /// What the name is.
    pub kind: Kind,
    /// The name as logged, with the escapes of its format undone.
    pub name: Cow<'a, [u8]>,
}

impl<'a> Sender<'a> {
    /// A sender whose name is in the line as it is.
    pub fn new(kind: Kind, name: &'a [u8]) -> Self {
        Self { kind, name: Cow::Borrowed(name) }
    }
}

/// The senders that one line names: each of them is counted, and none twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Senders<'a> {
    first: Sender<'a>,
    second: Option<Sender<'a>>,
}

impl<'a> Senders<'a> {
    /// One sender, or two of different kinds.
    pub fn new(first: Sender<'a>, second: Option<Sender<'a>>) -> Self {
        debug_assert!(second.as_ref().is_none_or(|second| second.kind != first.kind));
        Self { first, second }
    }

    /// The sender that the line is about; a client's origins are its.
    pub fn first(&self) -> &Sender<'a> {
        &self.first
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Sender<'a>> {
        std::iter::once(&self.first).chain(&self.second)
    }
}

/// A client as Postfix names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client<'a> {
    /// The verified host name, or `unknown`.
    pub name: &'a [u8],
    /// The address, or `unknown`.
    pub address: &'a [u8],
}

/// A message that a server accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted<'a> {
    /// Who sent it.
    pub senders: Senders<'a>,
    /// Where it came from, where the format names a client that is counted.
    pub client: Option<Client<'a>>,
    /// Whether other messages of the same sender from the same client have the same
    /// [text](LazyEvent::text): it holds no port and no queue id.
    pub recurs: bool,
}

/// What happened to a message. One variant per step in its life that a log records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A server accepted it.
    Accepted(Accepted<'a>),
}

/// An event that is parsed no further than somebody asks.
///
/// Most lines of Postfix repeat the text of an earlier one: the same sender, from the same client. Who
/// remembers what a text said (the tally does) need not parse it again, which saves a third of all
/// instructions of a run.
#[derive(Clone, Debug)]
pub struct LazyEvent<'a> {
    text: Option<&'a [u8]>,
    parse: fn(&'a [u8]) -> Option<Event<'a>>,
    parsed: OnceCell<Option<Event<'a>>>,
}

impl<'a> LazyEvent<'a> {
    /// The event that `parse` reads from `text`, which alone determines it; none where the line turns out
    /// not to be one.
    #[inline]
    pub fn deferred(text: &'a [u8], parse: fn(&'a [u8]) -> Option<Event<'a>>) -> Self {
        Self { text: Some(text), parse, parsed: OnceCell::new() }
    }

    /// The text that determines the event, where it is worth remembering.
    #[inline]
    pub fn text(&self) -> Option<&'a [u8]> {
        self.text
    }

    /// The event, parsed on the first call; none where the line is not one that counts.
    #[inline]
    pub fn get(&self) -> Option<&Event<'a>> {
        self.parsed.get_or_init(|| (self.parse)(self.text?)).as_ref()
    }
}

impl<'a> From<Accepted<'a>> for LazyEvent<'a> {
    #[inline]
    fn from(accepted: Accepted<'a>) -> Self {
        let parsed = OnceCell::from(Some(Event::Accepted(accepted)));
        Self { text: None, parse: |_| None, parsed }
    }
}

/// What a line holds that a program counts.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// An event.
    Event(LazyEvent<'a>),
    /// The line is of the format, but has two readings, or may have been cut where a stranger wanted: it
    /// counts for nobody. The tag that it came with.
    Ambiguous(&'a [u8]),
}

impl Content<'_> {
    /// How many messages a line stands for that says it happened `times` times. Zero where the line turns
    /// out not to be one that counts; an implausible number of repeats is not believed, and stands for one.
    pub fn messages(&self, times: u64) -> u64 {
        match self {
            Self::Event(event) if event.get().is_none() => 0,
            _ if times > MAX_REPEATS => 1,
            _ => times,
        }
    }
}

/// The timestamp of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamped<'a> {
    /// It has one.
    At(Stamp<'a>),
    /// It has none, and its format allows that.
    Bare,
    /// It has none that can be read.
    Unreadable,
}

/// A line, parsed.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// When.
    pub stamp: Stamped<'a>,
    /// How often, by syslog's `message repeated N times`; else once.
    pub times: u64,
    /// What, if it is a line that counts.
    pub content: Option<Content<'a>>,
}

impl<'a> Line<'a> {
    /// The event, if the line is one that counts.
    pub fn event(&self) -> Option<&Event<'a>> {
        match &self.content {
            Some(Content::Event(event)) => event.get(),
            _ => None,
        }
    }

    /// A line that says something happened once, if anything.
    pub fn once(stamp: Stamped<'a>, content: Option<Content<'a>>) -> Self {
        Self { stamp, times: 1, content }
    }
}

/// A format of log lines.
pub trait Parser {
    /// Bytes that every line that counts contains; a line without them need not be parsed.
    fn needle(&self) -> &'static [u8];

    /// Parses a line of a log, without its newline.
    fn line<'a>(&self, line: &'a [u8]) -> Line<'a>;

    /// Reads the timestamp of a line of a log, and nothing else of it.
    fn stamp<'a>(&self, line: &'a [u8]) -> Stamped<'a> {
        syslog::stamp(line)
    }

    /// Parses a message that a program of that name logged, without an envelope.
    fn message<'a>(&self, name: &'a [u8], message: &'a [u8]) -> Option<Content<'a>>;

    /// Who must have written an entry of the journal for it to count; none where the journal is not read
    /// for this format.
    fn journal_author(&self) -> Option<Author> {
        None
    }

    /// The user id that a message claims to be of, where it does: the journal knows the true one.
    fn claimed_uid<'a>(&self, _message: &'a [u8]) -> Option<&'a [u8]> {
        None
    }

    /// Whether the beginning of a line that is too long says all there is to know: it is parsed then.
    fn accepts_truncated_lines(&self) -> bool {
        false
    }

    /// Whether every line must be read, because nearly all of them count or their order matters.
    fn needs_every_line(&self) -> bool {
        false
    }
}

/// A line of a syslog file, whose message `parser` reads.
#[inline]
fn syslog_line<'a>(parser: &impl Parser, line: &'a [u8]) -> Line<'a> {
    match syslog::envelope(line) {
        Ok(syslog::Envelope { stamp, name, message, times }) => {
            Line { stamp: Stamped::At(stamp), times, content: parser.message(name, message) }
        }
        Err(stamp) => Line::once(stamp, None),
    }
}

/// The bytes that are written with escapes: `%hh` is the byte of that number, all else is itself.
pub fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let byte = if first == b'%' { hex_byte(after) } else { None };
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes
}

/// The byte of the two lower-case hexadecimal digits that the text begins with.
fn hex_byte(text: &[u8]) -> Option<u8> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    match *text {
        [high, low, ..] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    }
}

/// Whether the byte can be one of an IPv4 or IPv6 address as programs print it.
#[inline]
fn is_address_byte(b: u8) -> bool {
    const TABLE: [bool; 256] = byte_table!(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.');
    TABLE[usize::from(b)]
}
