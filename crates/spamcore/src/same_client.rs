//! Whether most logins come from one and the same client, so that it says nothing how many networks a login was
//! seen from.
//!
//! Takes every accepted message, and gives a hint for the administrator. Behind a proxy all clients have its address;
//! without a resolver, or with `smtpd_peername_lookup = no`, all of them are `unknown`. No log can prove either. So
//! this counts of each login whether it was seen with one client name only, and with one address only, webmail hosts
//! aside.
//!
//! Memory is bounded by `LOGINS` and `CLIENTS`; what is beyond that is not counted.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use crate::escape::display;
use crate::identity::Identity;
use crate::parse::{Client, Event, LazyEvent};
use crate::sink::Sink;
use crate::tally::Tally;
use crate::tally::network::Webmail;
use crate::time::window::Window;

/// So many logins are few enough to share a client by chance.
const FEW: usize = 20;

/// How many logins are remembered.
const LOGINS: usize = 1 << 16;

/// How many names and addresses of clients are remembered. One that nine in ten logins have is soon among them.
const CLIENTS: usize = 1 << 12;

/// How much of a name is shown, in bytes.
const SHOWN: usize = 255;

/// Where a login was seen: the hash of the only text, or none if there were several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    name: Option<u64>,
    address: Option<u64>,
}

/// A [`Sink`] of logins and their clients.
#[derive(Debug)]
pub struct SameClient {
    window: Window,
    /// Which spellings are one login.
    identity: Identity,
    webmail: Webmail,
    /// By the hash of the login.
    logins: HashMap<u64, Seen, RandomState>,
    /// The texts of hashes.
    texts: HashMap<u64, Box<[u8]>, RandomState>,
    hasher: RandomState,
    complete: bool,
}

impl SameClient {
    /// Nothing was counted yet. Clients in `webmail` do not count.
    pub fn new(window: Window, identity: Identity, webmail: Webmail) -> Self {
        Self {
            window,
            identity,
            webmail,
            logins: HashMap::default(),
            texts: HashMap::default(),
            hasher: RandomState::default(),
            complete: false,
        }
    }

    fn add(&mut self, login: &[u8], client: Client<'_>) {
        let address = std::str::from_utf8(client.address).ok().and_then(|text| text.parse().ok());
        if address.is_some_and(|address| self.webmail.holds(address)) {
            return;
        }
        let login = self.hasher.hash_one(&*self.identity.fold(login));
        let seen = Seen {
            name: Some(self.remember(client.name)),
            address: Some(self.remember(client.address)),
        };
        self.join_login(login, seen);
    }

    fn join_login(&mut self, login: u64, seen: Seen) {
        if let Some(before) = self.logins.get_mut(&login) {
            before.name = before.name.filter(|_| before.name == seen.name);
            before.address = before.address.filter(|_| before.address == seen.address);
        } else if self.logins.len() < LOGINS {
            self.logins.insert(login, seen);
        }
    }

    fn remember(&mut self, text: &[u8]) -> u64 {
        let hash = self.hasher.hash_one(text);
        if self.texts.len() < CLIENTS && !self.texts.contains_key(&hash) {
            self.texts.insert(hash, text[..text.len().min(SHOWN)].into());
        }
        hash
    }

    /// What to tell the administrator, if anything.
    pub fn hint(&self) -> Option<String> {
        let all = self.logins.len();
        if all < FEW {
            return None;
        }
        let most = |of: fn(&Seen) -> Option<u64>| -> Option<(usize, &[u8])> {
            let mut counts: HashMap<u64, usize, RandomState> = HashMap::default();
            for text in self.logins.values().filter_map(of) {
                *counts.entry(text).or_default() += 1;
            }
            let (text, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
            let text = self.texts.get(&text)?;
            (count * 10 >= all * 9).then_some((count, text))
        };
        let meaningless = "so the numbers of networks and of unknown hosts mean nothing";
        if let Some((count, address)) = most(|seen| seen.address) {
            return Some(format!(
                "{count} of {all} logins come from {} alone, {meaningless}: a proxy in front of the mail server? \
                 (If it is a webmail host, give it with --webmail.)",
                display(address)
            ));
        }
        let (count, name) = most(|seen| seen.name)?;
        Some(format!(
            "{count} of {all} logins come from clients named {} alone, {meaningless}: a proxy, no resolver, or \
             smtpd_peername_lookup = no?",
            display(name)
        ))
    }
}

/// Whether [`SameClient`] may have a hint, by what is kept of the senders: whether most were seen with one and the
/// same name only, or with one and the same address only. What webmail hosts sent could be anything.
pub fn is_plausible(tally: &Tally) -> bool {
    let (mut all, mut any) = (0, 0);
    let (mut names, mut addresses) = (HashMap::new(), HashMap::new());
    for (_, _, stats) in tally.senders() {
        all += 1;
        let Some(origins) = stats.origins.as_deref() else { continue };
        if origins.webmail() > 0 {
            any += 1;
            continue;
        }
        if let Some(name) = origins.only_name() {
            *names.entry(name).or_insert(0) += 1;
        }
        if let Some(address) = origins.only_address() {
            *addresses.entry(address).or_insert(0) += 1;
        }
    }
    let most = names.into_values().chain(addresses.into_values()).max().unwrap_or(0);
    !tally.has_all_senders() || (all >= FEW && (most + any) * 10 >= all * 9)
}

impl Sink for SameClient {
    fn event(&mut self, at: Option<i64>, _times: u64, event: &LazyEvent<'_>, _line: &[u8]) {
        if self.complete || at.is_some_and(|at| !self.window.holds(at)) {
            return;
        }
        let Some(event) = event.parse() else { return };
        let Event::Accepted(accepted) = &*event else { return };
        if let Some(client) = accepted.client {
            self.add(&accepted.senders.first().name, client);
        }
    }

    fn fork(&self) -> Option<Self> {
        Some(Self {
            window: self.window,
            identity: self.identity.clone(),
            webmail: self.webmail.clone(),
            logins: HashMap::default(),
            texts: HashMap::default(),
            hasher: self.hasher.clone(),
            complete: self.complete,
        })
    }

    fn join(&mut self, later: Self) {
        for (login, seen) in later.logins {
            self.join_login(login, seen);
        }
        for (hash, text) in later.texts {
            if self.texts.len() < CLIENTS {
                self.texts.entry(hash).or_insert(text);
            }
        }
    }

    fn needs_another_pass(&mut self) -> bool {
        self.complete = true;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Realms;
    use crate::limits::Limits;
    use crate::parse::{Accepted, Kind, Sender, Senders};
    use crate::tally::Detail;

    fn hint(seen: &[(String, String, String)], webmail: &str) -> Option<String> {
        let mut networks = Webmail::default();
        if !webmail.is_empty() {
            networks.add(webmail).expect("a network");
        }
        let identity = Identity::logins(Realms::default());
        let mut first = SameClient::new(Window::until(0, i64::MAX), identity, networks);
        let mut later = first.fork().expect("it can be read in parts");
        for (number, (login, name, address)) in seen.iter().enumerate() {
            let senders = Senders::new(Sender::new(Kind::Sasl, login.as_bytes()), None);
            let client = Some(Client { name: name.as_bytes(), address: address.as_bytes() });
            let accepted = Accepted { senders, client, recurs: false, id: None };
            let sink = if number % 2 == 0 { &mut first } else { &mut later };
            sink.event(Some(100), 1, &accepted.into(), b"");
        }
        first.join(later);
        assert!(!first.needs_another_pass());
        first.hint()
    }

    fn seen(
        logins: std::ops::Range<usize>,
        name: &str,
        address: &str,
    ) -> Vec<(String, String, String)> {
        logins
            .map(|n| {
                let put = |text: &str| text.replace('#', &n.to_string());
                (format!("User{n}"), put(name), put(address))
            })
            .collect()
    }

    const NO_DETAIL: Detail = Detail { line: false, activity: false };

    fn tally_of(lines: &[(String, String, String)]) -> Tally {
        let window = Window::until(0, i64::MAX);
        let limits = Limits::new(1, false);
        let mut tally = Tally::new(window, limits, Webmail::default(), NO_DETAIL, true)
            .with_identity(Identity::logins(Realms::default()));
        for (login, name, address) in lines {
            let senders = Senders::new(Sender::new(Kind::Sasl, login.as_bytes()), None);
            let client = Some(Client { name: name.as_bytes(), address: address.as_bytes() });
            let accepted = Accepted { senders, client, recurs: false, id: None };
            tally.event(Some(100), 1, &accepted.into(), b"");
        }
        tally
    }

    #[test]
    fn it_is_implausible_where_clients_differ() {
        assert!(!is_plausible(&tally_of(&seen(0..30, "pc#.example", "198.51.100.#"))));
        assert!(!is_plausible(&tally_of(&seen(0..19, "unknown", "10.0.0.5"))));
        assert!(is_plausible(&tally_of(&seen(0..30, "pc#.example", "10.0.0.5"))));
        assert!(is_plausible(&tally_of(&seen(0..30, "unknown", "198.51.100.#"))));
    }

    #[test]
    fn one_client_of_nine_in_ten_logins_is_hinted_at() {
        let own = |logins| seen(logins, "pc#.example", "198.51.100.#");
        let proxy = |logins| seen(logins, "unknown", "10.0.0.5");
        let nameless = |logins| seen(logins, "unknown", "203.0.113.#");
        for (lines, webmail, want) in [
            (proxy(0..20), "", Some("20 of 20 logins come from 10.0.0.5 alone")),
            (proxy(0..19), "", None),
            (
                [proxy(0..18), own(18..20)].concat(),
                "",
                Some("18 of 20 logins come from 10.0.0.5 alone"),
            ),
            ([proxy(0..17), own(17..20)].concat(), "", None),
            (proxy(0..20), "10.0.0.0/8", None),
            (nameless(0..30), "", Some("30 of 30 logins come from clients named unknown alone")),
            (own(0..30), "", None),
            // Other logins, or the same in another spelling, or elsewhere too.
            ([proxy(0..20), seen(0..20, "pc#.example", "198.51.100.#")].concat(), "", None),
            ([proxy(0..20), proxy(0..20)].concat(), "", Some("20 of 20 logins")),
        ] {
            let hint = hint(&lines, webmail);
            assert!(hint.is_none() || is_plausible(&tally_of(&lines)), "{hint:?}");
            match want {
                Some(want) => {
                    assert!(hint.as_ref().is_some_and(|hint| hint.starts_with(want)), "{hint:?}");
                }
                None => assert_eq!(hint, None),
            }
        }
    }
}
