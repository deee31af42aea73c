//! What is known of one sender: how many messages, when, from where.
//!
//! Everything is bounded: sets are exact up to [`BOUND`](super::bounded_set::BOUND), and of a name that is too
//! long for a host only the end is kept.

use std::borrow::Cow;
use std::net::IpAddr;

use super::bounded_set::{BoundedSet, Cardinality};
use super::network::{Webmail, network_of};
use super::sources::Sources;
use crate::parse::Client;
use crate::time::window::Window;

/// Into how many parts the window is divided for the activity of a sender.
pub const PARTS: usize = 16;

/// The longest host name, in bytes (RFC 1035, 2.3.4). Of a longer one, only the end is kept.
const LONGEST_NAME: usize = 255;

/// Roughly what a member of a set costs in bytes, not counting a name.
const MEMBER: usize = 48;

/// A client's address: an IP address, or some other text such as `unknown`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    Ip(IpAddr),
    Text(Box<[u8]>),
}

/// Where the messages of a sender came from.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    nets: BoundedSet<Box<[u8]>>,
    unknowns: BoundedSet<Address>,
    ips: BoundedSet<Address>,
    name: OnlyName,
    webmail: u64,
}

/// The client name of a sender, as long as there is only one.
#[derive(Clone, Debug, Default)]
enum OnlyName {
    #[default]
    None,
    One(Box<[u8]>),
    Several,
}

impl OnlyName {
    fn add(&mut self, name: &[u8]) {
        match self {
            Self::None => *self = Self::One(last_bytes(name).into()),
            Self::One(first) if **first != *last_bytes(name) => *self = Self::Several,
            Self::One(_) | Self::Several => {}
        }
    }

    fn join(&mut self, later: Self) {
        match later {
            Self::None => {}
            Self::One(name) => self.add(&name),
            Self::Several => *self = Self::Several,
        }
    }
}

impl Origins {
    /// The distinct network names.
    pub fn nets(&self) -> Cardinality {
        self.nets.cardinality()
    }

    /// The distinct addresses of clients named `unknown`.
    pub fn unknowns(&self) -> Cardinality {
        self.unknowns.cardinality()
    }

    /// The distinct addresses.
    pub fn ips(&self) -> Cardinality {
        self.ips.cardinality()
    }

    /// The name of the client, if there is only one. Of a name that is too long for a host, only the end counts.
    pub(crate) fn only_name(&self) -> Option<&[u8]> {
        if let OnlyName::One(name) = &self.name { Some(name) } else { None }
    }

    /// The address, if there is only one.
    pub(crate) fn only_address(&self) -> Option<&Address> {
        self.ips.only()
    }

    /// The messages from webmail hosts.
    pub fn webmail(&self) -> u64 {
        self.webmail
    }

    pub(crate) fn join(&mut self, later: Self) {
        self.nets.join(later.nets);
        self.unknowns.join(later.unknowns);
        self.ips.join(later.ips);
        self.name.join(later.name);
        self.webmail = self.webmail.saturating_add(later.webmail);
    }

    /// Adds a client. Returns whether it is a webmail host, and roughly how many more bytes are kept now.
    pub(crate) fn add(
        &mut self,
        client: Client<'_>,
        times: u64,
        webmail: &Webmail,
    ) -> (bool, usize) {
        let ip = std::str::from_utf8(client.address).ok().and_then(|text| text.parse().ok());
        let address = match ip {
            Some(ip) => Address::Ip(ip),
            None => Address::Text(last_bytes(client.address).into()),
        };
        self.name.add(client.name);
        let net = last_bytes(network_of(client.name));
        let mut bytes = 0;
        if !self.nets.contains(net) && self.nets.insert(net.into()) {
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

/// What is known of one sender.
#[derive(Clone, Debug, Default)]
pub struct SenderStats {
    /// How many messages.
    pub messages: u64,
    /// The first line in reading order, as logged, without its newline.
    pub line: Box<[u8]>,
    /// The earliest and the latest timestamp, in Unix seconds; none if no line had one.
    pub span: Option<(i64, i64)>,
    /// The messages in each of [`PARTS`] equal parts of the window, if they are asked for. Messages without
    /// a timestamp are in none of them.
    pub activity: Option<Box<[u64; PARTS]>>,
    /// How its name was spelled on the first line, where that is not the name under which it is counted.
    pub(crate) spelling: Option<Box<[u8]>>,
    /// Hashes of its other spellings, as one login can have any number of them.
    pub(crate) other_spellings: Option<Box<BoundedSet<u64>>>,
    /// Where they came from, if lines name a client.
    pub(crate) origins: Option<Box<Origins>>,
    /// What else is known of a client of Exim.
    pub(crate) client: ClientStats,
}

/// What is known of a client of Exim besides its messages.
#[derive(Clone, Debug, Default)]
pub(crate) enum ClientStats {
    /// Nothing, or it is none.
    #[default]
    Nothing,
    /// Of a name: the addresses that used it.
    Name(Sources),
    /// Of an address: the highest limit of the names that Exim verified for it.
    Address(u64),
}

/// The last bytes of a name, as many as a host name can have.
pub(crate) fn last_bytes(name: &[u8]) -> &[u8] {
    &name[name.len().saturating_sub(LONGEST_NAME)..]
}

impl SenderStats {
    /// Where the messages came from; empty if lines name no client.
    pub fn origins(&self) -> Cow<'_, Origins> {
        self.origins.as_deref().map_or_else(|| Cow::Owned(Origins::default()), Cow::Borrowed)
    }

    /// How the name was spelled on the first line. `name` is the one under which it is counted.
    pub fn first_spelling<'a>(&'a self, name: &'a [u8]) -> &'a [u8] {
        self.spelling.as_deref().unwrap_or(name)
    }

    /// How many spellings the name has.
    pub fn spellings(&self) -> u64 {
        1 + self.other_spellings.as_ref().map_or(0, |others| others.cardinality().count)
    }

    /// Adds a spelling that is not the first one, by its hash. Returns roughly how many more bytes are kept now.
    pub(crate) fn add_spelling(&mut self, hash: u64) -> usize {
        if self.other_spellings.get_or_insert_default().insert(hash) { MEMBER } else { 0 }
    }

    /// Adds the spellings of a later part of the log, before the parts are [joined](Self::join).
    pub(crate) fn join_spellings(
        &mut self,
        later: &mut Self,
        name: &[u8],
        hash: impl Fn(&[u8]) -> u64,
    ) {
        let (first, other) = (self.first_spelling(name), later.first_spelling(name));
        let is_other = first != other;
        if !is_other && later.other_spellings.is_none() {
            return;
        }
        let (first, other) = (hash(first), hash(other));
        let others = self.other_spellings.get_or_insert_default();
        if is_other {
            others.insert(other);
        }
        if let Some(mut more) = later.other_spellings.take() {
            more.remove(&first);
            others.join(*more);
        }
    }

    /// Adds the statistics of a later part of the log. The first line is this one's.
    pub(crate) fn join(&mut self, later: Self) {
        self.messages = self.messages.saturating_add(later.messages);
        self.span = match (self.span, later.span) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
        if let (Some(activity), Some(more)) = (&mut self.activity, later.activity) {
            activity.iter_mut().zip(*more).for_each(|(n, more)| *n = n.saturating_add(more));
        }
        match (&mut self.origins, later.origins) {
            (Some(origins), Some(more)) => origins.join(*more),
            (origins, more) => *origins = origins.take().or(more),
        }
        match (&mut self.client, later.client) {
            (ClientStats::Name(sources), ClientStats::Name(more)) => sources.join(&more),
            (ClientStats::Address(limit), ClientStats::Address(other)) => {
                *limit = other.max(*limit);
            }
            (client @ ClientStats::Nothing, more) => *client = more,
            _ => {}
        }
    }

    /// The addresses that used a client's name.
    pub(crate) fn sources(&self) -> Option<&Sources> {
        match &self.client {
            ClientStats::Name(sources) => Some(sources),
            _ => None,
        }
    }

    #[inline]
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

    /// The statistics of a sender of these messages: the time, the client's name and address, and how often.
    fn stats(messages: &[(i64, &str, &str, u64)]) -> SenderStats {
        let mut stats = SenderStats {
            line: b"a line"[..].into(),
            activity: Some(Box::default()),
            ..SenderStats::default()
        };
        let mut webmail = Webmail::default();
        webmail.add("192.0.2.0/24").expect("a network");
        for &(at, name, address, times) in messages {
            let client = Client { name: name.as_bytes(), address: address.as_bytes() };
            stats.add(times, Some(at), &Window::until(0, 1600));
            stats.origins.get_or_insert_default().add(client, times, &webmail);
        }
        stats
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
        let whole = stats(&messages);
        let origins = whole.origins();
        let counts = [origins.nets(), origins.unknowns(), origins.ips()].map(|size| size.count);
        assert_eq!((counts, origins.webmail()), ([3, 2, 4], 7));
        for at in 0..=messages.len() {
            let mut sum = stats(&messages[..at]);
            sum.join(stats(&messages[at..]));
            assert_eq!((sum.messages, sum.span), (45, Some((20, 1500))), "{at}");
            assert_eq!(sum.activity, whole.activity);
            let from = sum.origins();
            assert_eq!(
                [from.nets(), from.unknowns(), from.ips()],
                [origins.nets(), origins.unknowns(), origins.ips()]
            );
            assert_eq!(from.webmail(), origins.webmail());
        }
    }

    #[test]
    fn of_a_name_too_long_for_a_host_only_the_end_is_kept() {
        let long = [&b"x".repeat(60_000)[..], b".example"].concat();
        let client = Client { name: &long, address: &long };
        let mut origins = Origins::default();
        let (_, bytes) = origins.add(client, 1, &Webmail::default());
        assert_eq!(bytes, LONGEST_NAME + 2 * MEMBER);
        let kept: Vec<usize> = origins.nets.iter().map(|net| net.len()).collect();
        assert_eq!(kept, [LONGEST_NAME]);
        let unknown = Client { name: b"unknown", address: b"192.0.2.1" };
        for bytes in [b"unknown".len() + 3 * MEMBER, 0] {
            assert_eq!(origins.add(unknown, 1, &Webmail::default()), (false, bytes));
        }
    }
}
