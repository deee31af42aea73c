//! The verdict: who has sent too much, and whose account looks stolen.
//!
//! Takes a tally and gives findings, in the order of the report. Pure functions; nobody acts here.

use std::collections::HashMap;

use foldhash::quality::RandomState;

use crate::evidence::Counts;
use crate::parse::Kind;
use crate::tally::Tally;
use crate::tally::sources::Sources;
use crate::tally::stats::SenderStats;

/// The limits of `--disable-account`: the mail of an account that exceeds both comes from a botnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// How many distinct network names a legitimate user may have.
    pub nets: u64,
    /// How many distinct addresses without a name a legitimate user may have.
    pub unknowns: u64,
}

/// What was done, or would be done, to an account that exceeds the limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A dry run: it would be locked.
    WouldDisable,
    /// It was locked.
    Disabled,
    /// It was locked before.
    AlreadyDisabled,
    /// It was locked before, but there are newer lines.
    StillSending,
    /// It is not locked, for this reason.
    NotDisabled(String),
}

impl Action {
    /// The text in brackets at the end of a report line.
    pub fn note(&self) -> String {
        match self {
            Self::WouldDisable => "WOULD DISABLE".into(),
            Self::Disabled => "DISABLED".into(),
            Self::AlreadyDisabled => "ALREADY DISABLED".into(),
            Self::StillSending => "ALREADY DISABLED, STILL SENDING".into(),
            Self::NotDisabled(reason) => format!("NOT DISABLED: {reason}"),
        }
    }

    /// The word for it in JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::WouldDisable => "would_disable",
            Self::Disabled => "disabled",
            Self::AlreadyDisabled => "already_disabled",
            Self::StillSending => "still_sending",
            Self::NotDisabled(_) => "not_disabled",
        }
    }
}

/// A sender that is reported.
#[derive(Clone, Debug)]
pub struct Finding<'a> {
    /// What kind of name the sender has.
    pub kind: Kind,
    /// The number of the log in which it was counted by itself; 0 if it was counted in all of them, or there is only
    /// one.
    pub log: u32,
    /// The name: of several spellings, the [folded](crate::identity) one.
    pub sender: &'a [u8],
    /// What is known about the sender.
    pub stats: &'a SenderStats,
    /// From how many addresses the messages came, if the sender is a client's name.
    pub addresses: Option<u64>,
    /// The limit that was reached.
    pub limit: u64,
    /// Whether its mail exceeds both limits of `--disable-account`.
    pub spread: bool,
    /// What was done about it.
    pub action: Option<Action>,
}

/// The senders that have reached their limit, in the order of the report: by kind, then in byte order
/// of their names, then in the order of the logs.
///
/// For this, the names of SMTP clients of Exim are one kind; of equal names, the HELO name comes first, then
/// the verified host name. So are scripts and their directories. The address of a client is reported only if
/// some of its messages are not reported under a name.
pub fn judge(tally: &Tally, spread: Option<Spread>) -> Vec<Finding<'_>> {
    let limits = tally.limits();
    let mut findings: Vec<_> = tally
        .senders_by_log()
        .chain(
            tally
                .directories()
                .iter()
                .map(|dir| (dir.log, Kind::Directory, &dir.name[..], &dir.stats)),
        )
        .map(|(log, kind, sender, stats)| Finding {
            kind,
            log,
            sender,
            stats,
            addresses: tally.address_count(stats).map(|count| count.count),
            limit: tally.limit_for(sender, stats),
            spread: spread.is_some_and(|spread| is_spread(&stats.into(), spread)),
            action: None,
        })
        .filter(|finding| limits.exceeds(finding.limit, finding.stats.messages))
        .collect();
    let named = messages_by_address(tally, &findings);
    findings.retain(|finding| {
        finding.kind != Kind::Address
            || named.get(&tally.address_hash(finding.sender)) != Some(&finding.stats.messages)
    });
    findings.sort_unstable_by_key(|finding| {
        (group(finding.kind), finding.sender, finding.kind, finding.log)
    });
    findings
}

/// Of each address that is reported, by its hash, how many of its messages are reported under a name too.
fn messages_by_address(tally: &Tally, findings: &[Finding<'_>]) -> HashMap<u64, u64, RandomState> {
    let of_kind = |kind| findings.iter().filter(move |finding| finding.kind == kind);
    let mut named: HashMap<_, _, RandomState> =
        of_kind(Kind::Address).map(|finding| (tally.address_hash(finding.sender), 0)).collect();
    if named.is_empty() {
        return named;
    }
    for finding in of_kind(Kind::Helo).chain(of_kind(Kind::HostName)) {
        for (address, messages) in finding.stats.sources().into_iter().flat_map(Sources::iter) {
            if let Some(sum) = named.get_mut(&address) {
                *sum = messages.saturating_add(*sum);
            }
        }
    }
    named
}

/// Whether mail with these counts exceeds both limits.
pub fn is_spread(counts: &Counts, spread: Spread) -> bool {
    counts.nets > spread.nets && counts.unknowns > spread.unknowns
}

/// The kind to sort by.
fn group(kind: Kind) -> Kind {
    match kind {
        Kind::HostName => Kind::Helo,
        Kind::Directory => Kind::Script,
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::parse::{Accepted, Client, Sender, Senders};
    use crate::sink::Sink;
    use crate::tally::Detail;
    use crate::tally::network::Webmail;
    use crate::time::window::Window;

    fn tally(limit: u64) -> Tally {
        let detail = Detail { line: true, activity: false };
        let (window, limits) = (Window::until(0, 100), Limits::new(limit, false));
        Tally::new(window, limits, Webmail::default(), detail, true)
    }

    fn add(tally: &mut Tally, kind: Kind, sender: &str, client: Option<(&str, &str)>) {
        let senders = Senders::new(Sender::new(kind, sender.as_bytes()), None);
        let client =
            client.map(|(name, ip)| Client { name: name.as_bytes(), address: ip.as_bytes() });
        let accepted = Accepted { senders, client, recurs: false, id: None };
        tally.event(Some(50), 1, &accepted.into(), b"line");
    }

    #[test]
    fn findings_are_sorted_by_kind_and_then_by_the_bytes_of_names() {
        let mut tally = tally(1);
        for (kind, name) in [
            (Kind::Address, "a"),
            (Kind::Authenticated, "a"),
            (Kind::HostName, "a"),
            (Kind::Helo, "b"),
            (Kind::User, "z"),
            (Kind::HostName, "b"),
        ] {
            add(&mut tally, kind, name, None);
        }
        let order: Vec<_> = judge(&tally, None).iter().map(|f| (f.kind, f.sender)).collect();
        assert_eq!(
            order,
            [
                (Kind::User, &b"z"[..]),
                (Kind::HostName, b"a"),
                (Kind::Helo, b"b"),
                (Kind::HostName, b"b"),
                (Kind::Address, b"a"),
                (Kind::Authenticated, b"a"),
            ]
        );
    }

    #[test]
    fn an_account_must_exceed_both_limits() {
        let mut tally = tally(3);
        for (name, ip) in [("a1.x.net", "1.1.1.1"), ("unknown", "2.2.2.2"), ("unknown", "3.3.3.3")]
        {
            add(&mut tally, Kind::Sasl, "bot", Some((name, ip)));
        }
        let spread = |nets, unknowns| judge(&tally, Some(Spread { nets, unknowns }))[0].spread;
        assert!(spread(1, 1));
        assert!(!spread(2, 1), "two networks are not more than two");
        assert!(!spread(1, 2), "two unknowns are not more than two");
        assert!(!judge(&tally, None)[0].spread);
    }
}
