//! From a line to what it says: one file a format.
//!
//! A [`Parser`] takes one line and walks its grammar from the left. It gives the line's stamp and,
//! where the line is one that counts, a [`Hit`]. It searches nothing but the end of a field, as the
//! software that writes the line defines that end, so that text which a stranger could place in a
//! line is never taken for a field. Lines are bytes: any byte may stand in a name.

/// A table of what is said of each byte: parsers ask it of every byte of every line.
macro_rules! of_each_byte {
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

use crate::time::stamp::Stamp;

/// Beyond this many repeats, `message repeated N times` is not believed.
pub const MOST_REPEATS: u64 = 1_000_000;

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

/// A client as Postfix names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client<'a> {
    /// The verified host name, or `unknown`.
    pub name: &'a [u8],
    /// The address, or `unknown`.
    pub address: &'a [u8],
    /// The text of a [`Hit::Told`] that said all this. None where it does not come again, because it
    /// holds a port or more fields.
    pub text: Option<&'a [u8]>,
}

/// What a line that counts says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// What the sender is known by.
    pub kind: Kind,
    /// The sender's name, as logged.
    pub sender: &'a [u8],
    /// The authenticated id, where the format has one besides the sender.
    pub authenticated: Option<&'a [u8]>,
    /// The client, where the format names one that is counted.
    pub client: Option<Client<'a>>,
}

/// What a line is to the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit<'a> {
    /// It counts this many times.
    Counts(Event<'a>, u64),
    /// It counts this many times if [`Parser::told`] can read this text, which alone says of whom. Such
    /// text comes again and again, and need not be read each time.
    Told(&'a [u8], u64),
    /// It counts this many times, and the sender is written with [escapes](unescaped).
    Escaped(Event<'a>, u64),
    /// It is of the format, but what it says has two readings: it counts for nobody. The tag that it
    /// came with.
    Unclear(&'a [u8], u64),
    /// It claims this many repeats, which is not believed.
    Unbelievable(u64),
}

/// The stamp of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamped<'a> {
    /// It has one.
    At(Stamp<'a>),
    /// It has none, and its format allows that.
    Bare,
    /// It has none that can be read.
    Unreadable,
}

/// A line, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// When.
    pub stamp: Stamped<'a>,
    /// What, if it is a line that counts.
    pub hit: Option<Hit<'a>>,
}

/// A format of log lines.
pub trait Parser {
    /// Bytes that every line that counts holds; a line without them need not be read.
    fn needle(&self) -> &'static [u8];

    /// Reads a line of a log, without its newline.
    fn line<'a>(&self, line: &'a [u8]) -> Line<'a>;

    /// Reads the stamp of a line of a log, and nothing else of it.
    fn stamp<'a>(&self, line: &'a [u8]) -> Stamped<'a> {
        syslog::stamp(line)
    }

    /// Reads a message that a program of that name logged so many times, without an envelope.
    fn message<'a>(&self, name: &'a [u8], message: &'a [u8], times: u64) -> Option<Hit<'a>>;

    /// Reads the text of a [`Hit::Told`]; none where the line is not one that counts.
    fn told<'a>(&self, _text: &'a [u8]) -> Option<Event<'a>> {
        None
    }

    /// The user id that a message says it is of, where it says so: the journal knows the true one.
    fn claimed_uid<'a>(&self, _message: &'a [u8]) -> Option<&'a [u8]> {
        None
    }

    /// Whether the begin of a line that is too long says all there is to know: it is read then.
    fn reads_heads(&self) -> bool {
        false
    }

    /// Whether every line is to be read, because nearly every one counts or their order matters.
    fn wants_all(&self) -> bool {
        false
    }
}

/// A line of a syslog file, read by the parser of its message.
#[inline]
fn syslog_line<'a>(parser: &impl Parser, line: &'a [u8]) -> Line<'a> {
    match syslog::envelope(line) {
        Ok(syslog::Envelope { stamp, name, message, times }) => {
            Line { stamp: Stamped::At(stamp), hit: parser.message(name, message, times) }
        }
        Err(stamp) => Line { stamp, hit: None },
    }
}

/// An event that is said to have happened so many times.
#[inline]
fn counted(event: Event<'_>, times: u64) -> Hit<'_> {
    match times {
        ..=MOST_REPEATS => Hit::Counts(event, times),
        _ => Hit::Unbelievable(times),
    }
}

impl Hit<'_> {
    /// The same, read to its end; none where that shows that the line does not count.
    pub fn read(self, parser: &impl Parser) -> Option<Self> {
        match self {
            Self::Told(text, times) => Some(Self::Counts(parser.told(text)?, times)),
            other => Some(other),
        }
    }

    /// How many messages it is worth, once it is [read](Self::read).
    pub fn times(&self) -> u64 {
        match *self {
            Self::Counts(_, times)
            | Self::Told(_, times)
            | Self::Escaped(_, times)
            | Self::Unclear(_, times) => times,
            Self::Unbelievable(_) => 1,
        }
    }
}

/// The bytes that are written with escapes: `%hh` is the byte of that number, all else is itself.
pub fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        let byte = if first == b'%' { escape(behind) } else { None };
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &behind[2..] } else { behind };
    }
    bytes
}

/// The byte of the two lower-case hexadecimal digits that the text begins with.
fn escape(text: &[u8]) -> Option<u8> {
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
    const TABLE: [bool; 256] = of_each_byte!(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.');
    TABLE[usize::from(b)]
}
