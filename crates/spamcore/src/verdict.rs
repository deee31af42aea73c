//! The verdict: who has sent too much, and whose account looks stolen. Pure.

use crate::parse::Kind;
use crate::tally::Tally;
use crate::tally::stats::SenderStats;

/// The limits of `--disable-account`: beyond both, an account's mail comes from a botnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Distinct network names that are still honest.
    pub nets: u64,
    /// Distinct addresses without a name that are still honest.
    pub unknowns: u64,
}

/// What was done, or would be, to an account that is beyond the limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A dry run: it would be locked.
    WouldDisable,
    /// It was locked.
    Disabled,
    /// It was locked before.
    AlreadyDisabled,
    /// It was locked before, and lines newer than that go on.
    StillSending,
    /// It is not locked, for this reason.
    NotDisabled(String),
}

impl Action {
    /// As it stands at the end of a report line, in brackets.
    pub fn note(&self) -> String {
        match self {
            Self::WouldDisable => "WOULD DISABLE".into(),
            Self::Disabled => "DISABLED".into(),
            Self::AlreadyDisabled => "ALREADY DISABLED".into(),
            Self::StillSending => "ALREADY DISABLED, STILL SENDING".into(),
            Self::NotDisabled(reason) => format!("NOT DISABLED: {reason}"),
        }
    }

    /// As JSON has it.
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
    /// What the sender is known by.
    pub kind: Kind,
    /// The name, as logged.
    pub sender: &'a [u8],
    /// What was seen.
    pub seen: &'a SenderStats,
    /// The limit that was reached.
    pub limit: u64,
    /// Whether its mail is more spread out than the given limits.
    pub spread: bool,
    /// What was done to it.
    pub action: Option<Action>,
}

/// The senders that have reached their limit, in the order of the report: by kind, then in byte order
/// of their names.
///
/// Exim's SMTP clients are one kind there; of equal texts the HELO name comes first, then the verified
/// name, then the address.
pub fn judge(tally: &Tally, spread: Option<Spread>) -> Vec<Finding<'_>> {
    let limits = tally.limits();
    let mut findings: Vec<_> = tally
        .senders()
        .filter(|(_, sender, seen)| limits.reached(sender, seen.messages))
        .map(|(kind, sender, seen)| Finding {
            kind,
            sender,
            seen,
            limit: limits.limit_for(sender),
            spread: spread.is_some_and(|spread| is_beyond(seen, spread)),
            action: None,
        })
        .collect();
    findings.sort_unstable_by_key(|finding| (group(finding.kind), finding.sender, finding.kind));
    findings
}

fn is_beyond(seen: &SenderStats, spread: Spread) -> bool {
    let from = seen.origins();
    from.nets().known > spread.nets && from.unknowns().known > spread.unknowns
}

/// Kinds that are sorted as one.
fn group(kind: Kind) -> Kind {
    match kind {
        Kind::HostName | Kind::Address => Kind::Helo,
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::parse::{Client, Event};
    use crate::tally::Detail;
    use crate::tally::network::Webmail;
    use crate::time::window::Window;

    fn tally(limit: u64) -> Tally {
        Tally::new(
            Window::until(0, 100),
            Limits::new(limit, false),
            Webmail::default(),
            Detail { line: true, activity: false },
        )
    }

    fn add(tally: &mut Tally, kind: Kind, sender: &str, client: Option<(&str, &str)>) {
        let client = client.map(|(name, ip)| Client {
            name: name.as_bytes(),
            address: ip.as_bytes(),
            text: None,
        });
        let sender = sender.as_bytes();
        tally.add(&Event { kind, sender, authenticated: None, client }, 1, Some(50), b"line");
    }

    #[test]
    fn kinds_in_turn_and_names_in_byte_order() {
        let mut tally = tally(1);
        for (kind, name) in [
            (Kind::Address, "b"),
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
                (Kind::Address, b"b"),
                (Kind::Authenticated, b"a"),
            ]
        );
    }

    #[test]
    fn an_account_is_beyond_when_both_are_more_than_the_limits() {
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
