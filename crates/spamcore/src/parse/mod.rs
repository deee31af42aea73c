//! From a line to what it means: one file per format.
//!
//! A [`Parser`] takes one line and matches its grammar from left to right. It gives the line's timestamp and,
//! if the line is one that counts, its [`Content`]: usually an event. It never searches for a field, only for
//! the end of one, as the program that writes the line defines it. So text that a stranger managed to put into
//! a line is never taken for a field. Lines are bytes: a name can contain any byte.

/// A table of a property of each byte, which is looked up for every byte of every line.
macro_rules! byte_table {
    (|$byte:ident| $value:expr) => {{
        let mut table = [{
            let $byte = 0_u8;
            $value
        }; 256];
        let mut $byte = 0_u8;
        loop {
            table[$byte as usize] = $value;
            if $byte == u8::MAX {
                break table;
            }
            $byte += 1;
        }
    }};
}

pub mod exim;
pub mod kin;
pub mod php;
pub mod php_wrapper;
pub mod postfix;
pub mod syslog;
pub mod unread;

use std::borrow::Cow;

use crate::source::journal::Author;
use crate::time::stamp::Stamp;
use kin::Kin;

/// The most repeats that are believed of `message repeated N times`.
pub const MAX_REPEATS: u64 = 1_000_000;

/// What kind of name a sender has. Names of different kinds are counted separately.
///
/// The order is that of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The SASL login name of a Postfix client.
    Sasl,
    /// A local user of Exim (`U=` without `H=`).
    User,
    /// The name that an SMTP client gave Exim in HELO.
    Helo,
    /// The verified host name of an SMTP client of Exim, if the line has no HELO name.
    HostName,
    /// The address of an SMTP client of Exim.
    Address,
    /// The authenticated id of a client of Exim (`A=DRIVER:ID`).
    Authenticated,
    /// The path of a PHP script.
    Script,
    /// A directory of PHP scripts, with a slash at its end. No line names one: the tally adds them up.
    Directory,
}

/// Makes `Kind::COUNT` and `Kind::ALL` from a list. It does not compile if a kind is missing from the list or
/// is not in its place.
macro_rules! list_kinds {
    ($($kind:ident),*) => {
        impl Kind {
            /// How many kinds there are.
            pub const COUNT: usize = [$(Self::$kind),*].len();

            /// All kinds, in order.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$kind),*];
        }

        const _: fn(Kind) = |kind| match kind {
            $(Kind::$kind => {})*
        };

        const _: () = {
            let mut place = 0;
            while place < Kind::COUNT {
                assert!(Kind::ALL[place] as usize == place, "the list is not in the order of the enum");
                place += 1;
            }
        };
    };
}

list_kinds!(Sasl, User, Helo, HostName, Address, Authenticated, Script, Directory);

impl Kind {
    /// Whether it names an SMTP client of Exim, which is also counted under its address.
    pub fn is_client(self) -> bool {
        matches!(self, Self::Helo | Self::HostName | Self::Address)
    }

    /// Whether the same name on another host is another sender: a local user, a path.
    pub fn is_of_one_host(self) -> bool {
        matches!(self, Self::User | Self::Script | Self::Directory)
    }
}

/// A name under which messages are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender<'a> {
    /// What kind of name it is.
    pub kind: Kind,
    /// The name as logged, with the escapes of its format undone.
    pub name: Cow<'a, [u8]>,
}

impl<'a> Sender<'a> {
    /// A sender whose name needs no unescaping.
    pub fn new(kind: Kind, name: &'a [u8]) -> Self {
        Self { kind, name: Cow::Borrowed(name) }
    }
}

/// The senders that one line names. Each of them is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Senders<'a> {
    first: Sender<'a>,
    others: [Option<Sender<'a>>; 2],
}

impl<'a> Senders<'a> {
    /// One sender, or two of different kinds, so that none is counted twice.
    pub fn new(first: Sender<'a>, second: Option<Sender<'a>>) -> Self {
        debug_assert!(second.as_ref().is_none_or(|second| second.kind != first.kind));
        Self { first, others: [second, None] }
    }

    /// One more, of yet another kind, if the line names one.
    #[must_use]
    pub fn with(self, third: Option<Sender<'a>>) -> Self {
        debug_assert!(third.as_ref().is_none_or(|third| self.iter().all(|s| s.kind != third.kind)));
        let [second, _] = self.others;
        Self { others: [second, third], ..self }
    }

    /// The main sender, to which the client belongs.
    pub fn first(&self) -> &Sender<'a> {
        &self.first
    }

    /// The other senders, if there are any.
    pub fn others(&self) -> impl Iterator<Item = &Sender<'a>> {
        self.others.iter().flatten()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Sender<'a>> {
        std::iter::once(&self.first).chain(self.others())
    }
}

/// A client as a server names it, without what the client says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client<'a> {
    /// The verified host name. If there is none, Postfix writes `unknown`, and of Exim this is empty.
    pub name: &'a [u8],
    /// The address, or `unknown`; empty if a line of Exim does not show which of its addresses it is.
    pub address: &'a [u8],
}

/// A message that a server accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted<'a> {
    /// Who sent it.
    pub senders: Senders<'a>,
    /// Where it came from, if clients are counted for this format.
    pub client: Option<Client<'a>>,
    /// Whether the text ([`LazyEvent::Deferred`]) fully determines the event, so that it may be cached, and is
    /// the same for other messages from this sender and client: it contains no port and no queue id.
    pub recurs: bool,
    /// Its id, if this format also says when messages are [completed](Event::Completed).
    pub id: Option<&'a [u8]>,
}

/// What happened to a message: one variant per step in its life that logs record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A server accepted it.
    Accepted(Accepted<'a>),
    /// It left the server's queue: it was delivered, or bounced. This is its id.
    Completed(&'a [u8]),
}

/// What is the same in all copies of the line of an accepted message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// Its id, and what else must be the same.
    pub text: &'a [u8],
    /// Whether another message can have the same after a while.
    pub recurs: bool,
}

/// An event that is only parsed when it is asked for.
///
/// Most lines of Postfix repeat the text of an earlier one: the same sender, from the same client. A sink
/// that remembers what a text meant, as the tally does, need not parse it again. That saves a third of all
/// instructions of a run.
#[derive(Clone, Debug)]
pub enum LazyEvent<'a> {
    /// It had to be parsed to tell that the line counts.
    Parsed(Event<'a>),
    /// It has not been parsed.
    Deferred {
        /// What is the same in a copy of the line, if the message has an id.
        identity: Option<Identity<'a>>,
        /// What the event is made of, without the id.
        text: &'a [u8],
        /// Makes the event of the text; none if the line turns out not to be one that counts.
        parse: fn(&'a [u8]) -> Option<Event<'a>>,
    },
}

impl<'a> LazyEvent<'a> {
    /// The event, parsed now if it was not yet; none if the line is not one that counts.
    #[inline]
    pub fn parse(&self) -> Option<Cow<'_, Event<'a>>> {
        match *self {
            Self::Parsed(ref event) => Some(Cow::Borrowed(event)),
            Self::Deferred { text, parse, .. } => parse(text).map(Cow::Owned),
        }
    }

    /// Of a message that was accepted and has an id: what is the same in a copy of its line.
    #[inline]
    pub fn identity(&self) -> Option<Identity<'a>> {
        match *self {
            Self::Deferred { identity, .. } => identity,
            Self::Parsed(Event::Accepted(Accepted { id, .. })) => {
                Some(Identity { text: id?, recurs: false })
            }
            Self::Parsed(Event::Completed(_)) => None,
        }
    }
}

impl<'a> From<Accepted<'a>> for LazyEvent<'a> {
    #[inline]
    fn from(accepted: Accepted<'a>) -> Self {
        Self::Parsed(Event::Accepted(accepted))
    }
}

/// What a program counts in a line.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// An event.
    Event(LazyEvent<'a>),
    /// The line has this format, but can be read in two ways, or may have been truncated where a stranger
    /// wanted it to be: it counts for nobody. It is reported under this name, its syslog tag or how it starts.
    Ambiguous(&'a [u8]),
}

impl<'a> Content<'a> {
    /// The [identity](LazyEvent::identity) of the message that was accepted, if it has an id.
    #[inline]
    pub fn identity(&self) -> Option<Identity<'a>> {
        match self {
            Self::Event(event) => event.identity(),
            Self::Ambiguous(_) => None,
        }
    }

    /// How many messages a line stands for if it says that this happened `times` times. Zero if it turns out
    /// not to be a line of a message that counts; one if the number of repeats is implausible.
    pub fn messages(&self, times: u64) -> u64 {
        match self {
            Self::Event(event) if !matches!(event.parse().as_deref(), Some(Event::Accepted(_))) => {
                0
            }
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
    /// It has none, which its format allows.
    Bare,
    /// It has none that can be read.
    Unreadable,
}

/// A parsed line.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// When it was written.
    pub stamp: Stamped<'a>,
    /// The host that logged it, if it has one.
    pub host: Option<&'a [u8]>,
    /// How often it happened: 1, or more according to syslog's `message repeated N times`.
    pub times: u64,
    /// What happened, if it is a line that counts.
    pub content: Option<Content<'a>>,
}

impl<'a> Line<'a> {
    /// The event, if the line is one that counts.
    pub fn event(&self) -> Option<Cow<'_, Event<'a>>> {
        match &self.content {
            Some(Content::Event(event)) => event.parse(),
            _ => None,
        }
    }

    /// A line without repeats.
    pub fn once(stamp: Stamped<'a>, content: Option<Content<'a>>) -> Self {
        Self { stamp, host: None, times: 1, content }
    }
}

/// What can be told of a line without parsing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance<'a> {
    /// It has no event.
    Nothing,
    /// The message with this id was [completed](Event::Completed).
    Completed(&'a [u8]),
    /// It must be parsed.
    Event,
    /// It must be parsed if it contains a needle.
    Unclear,
}

/// A format of log lines.
///
/// A parser is stateless: what a line means does not depend on the lines before it, so that a file can be read
/// in parts, and from anywhere.
pub trait Parser {
    /// Bytes that every line that counts contains, the same for all of them. Lines without them need not be
    /// parsed; a format whose lines have nothing in common [needs every line](Self::needs_every_line).
    fn needle(&self) -> &'static [u8];

    /// Bytes that every line of a message that was [completed](Event::Completed) contains, if there are such lines.
    fn second_needle(&self) -> Option<&'static [u8]> {
        None
    }

    /// What can be told of a line without parsing it.
    fn glance<'a>(&self, _line: &'a [u8]) -> Glance<'a> {
        Glance::Unclear
    }

    /// Whether most lines can be told at a [glance](Self::glance), so that this saves a search for the needles.
    fn glances(&self) -> bool {
        false
    }

    /// Parses a line of a log, without its newline.
    fn line<'a>(&self, line: &'a [u8]) -> Line<'a>;

    /// Reads only the timestamp of a line of a log.
    fn stamp<'a>(&self, line: &'a [u8]) -> Stamped<'a> {
        syslog::stamp(line)
    }

    /// Parses a message without its syslog envelope; `name` is that of the program that logged it.
    fn message<'a>(&self, name: &'a [u8], message: &'a [u8]) -> Option<Content<'a>>;

    /// Whether a text has what is searched for, wherever it stands.
    fn occurs_in(&self, text: &[u8]) -> bool;

    /// Whether a message is one that counts, whatever the name of the program that logged it.
    fn begins(&self, message: &[u8]) -> bool {
        self.message(b"", message).is_some()
    }

    /// Whether a line that has no content looks like one that should have, because its time or its program cannot
    /// be told: see [`unread`].
    fn is_unread(&self, line: &[u8]) -> bool
    where
        Self: Sized,
    {
        unread::in_syslog(self, line)
    }

    /// What writes the lines that count, for messages.
    fn program(&self) -> &'static str;

    /// What wrote a line.
    fn kin(&self, line: &[u8]) -> Kin;

    /// Who must have written an entry of the journal for it to count; none if the journal is not read for
    /// this format.
    fn journal_author(&self) -> Option<Author> {
        None
    }

    /// The user id that a message claims to come from, if it does. The journal knows the true one.
    fn claimed_uid<'a>(&self, _message: &'a [u8]) -> Option<&'a [u8]> {
        None
    }

    /// Whether senders are logins, which have several spellings (see [`crate::identity`]).
    fn names_logins(&self) -> bool {
        false
    }

    /// The host that logged a line, if its format names one. Only evidence needs it.
    fn host(_line: &[u8]) -> Option<&[u8]>
    where
        Self: Sized,
    {
        None
    }

    /// Whether the start of a line that is too long has all that matters, and is parsed.
    fn accepts_truncated_lines(&self) -> bool {
        false
    }

    /// Whether every line must be read, because nearly all of them count or their order matters.
    fn needs_every_line(&self) -> bool {
        false
    }
}

/// Parses a line of a syslog file; `parser` reads its message.
#[inline]
fn syslog_line<'a>(parser: &impl Parser, line: &'a [u8]) -> Line<'a> {
    match syslog::envelope(line) {
        Ok(syslog::Envelope { stamp, host, name, message, times }) => {
            Line { stamp: Stamped::At(stamp), host, times, content: parser.message(name, message) }
        }
        Err(stamp) => Line::once(stamp, None),
    }
}

/// Undoes the escapes `%hh`. Everything else is kept.
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

/// The byte that the first two characters of a text are, as lower-case hexadecimal digits.
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

/// Whether a byte can occur in an IPv4 or IPv6 address as programs print it.
#[inline]
fn is_address_byte(b: u8) -> bool {
    const TABLE: [bool; 256] = byte_table!(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.');
    TABLE[usize::from(b)]
}
