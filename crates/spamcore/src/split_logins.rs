//! Accounts of this host that may be sending under many domains: a hint for the administrator.
//!
//! Takes the messages of every login (as a [`Sink`], where a tally does not keep them all), and the names of
//! the regular users of this host. Where the mail system takes any domain behind a user's name, whoever knows
//! one password can spread his messages over `user@a`, `user@b` and so on, none of which reaches the limit.
//! Only the administrator knows whether these are one account; then `--realm` makes them one sender. So this
//! counts for each user what all his logins have sent together, and [`SplitLogins::hint`] names those whose
//! logins look like one account: some have no domain, or twenty and more have a domain that nobody else uses.
//!
//! Memory is bounded by the number of regular users, and [`DOMAINS`]. What is beyond that may be missing from
//! the hint; nothing else depends on it.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::escape::display;
use crate::identity::{Identity, Realms};
use crate::limits::Limits;
use crate::parse::{Event, LazyEvent};
use crate::sink::Sink;
use crate::time::window::Window;
use crate::verdict::Finding;

/// How many domains are remembered, of all users. Others than the users of this host can fill one half.
pub const DOMAINS: usize = 1 << 16;

/// How many domains of one user are remembered.
const DOMAINS_OF_ONE: usize = 1 << 10;

/// So many domains that nobody else uses are not those of so many mailboxes.
const OWN_DOMAINS: usize = 20;

/// How many users a hint names.
const NAMED: usize = 5;

/// The hash that stands for somebody else: several logins, or one that is no user of this host.
const OTHERS: u64 = 0;

/// A [`Sink`] of logins.
#[derive(Debug)]
pub struct SplitLogins {
    window: Window,
    /// Which spellings are one sender.
    identity: Identity,
    /// The same, without any domain.
    users_of: Identity,
    /// The regular users, folded.
    users: Arc<HashSet<Vec<u8>, RandomState>>,
    sums: HashMap<Vec<u8>, Sum, RandomState>,
    /// By the hash of a domain, the hash of the only user that used it, or [`OTHERS`].
    owners: HashMap<u64, u64, RandomState>,
    /// How many domains are remembered in all sums.
    kept: usize,
    hasher: RandomState,
    complete: bool,
}

/// What the logins of one user have in common.
#[derive(Debug, Default)]
struct Sum {
    messages: u64,
    /// Some had no domain.
    bare: bool,
    /// The hashes of the domains.
    domains: HashSet<u64, RandomState>,
}

impl SplitLogins {
    /// Nothing was counted yet. `users` are the regular users of this host.
    pub fn new(
        window: Window,
        identity: Identity,
        users: impl IntoIterator<Item = Vec<u8>>,
    ) -> Self {
        let users_of = Identity::logins(Realms::new(["*".to_owned()]));
        let users = users.into_iter().map(|user| users_of.fold(&user).into_owned()).collect();
        Self {
            window,
            identity,
            users_of,
            users: Arc::new(users),
            sums: HashMap::default(),
            owners: HashMap::default(),
            kept: 0,
            hasher: RandomState::default(),
            complete: false,
        }
    }

    /// Adds messages of a login.
    pub fn add(&mut self, name: &[u8], times: u64) {
        let login = self.identity.fold(name);
        let user = self.users_of.fold(&login);
        let domain = &login[user.len().min(login.len())..];
        if self.users.contains(&*user) {
            if !self.sums.contains_key(&*user) {
                self.sums.insert(user.to_vec(), Sum::default());
            }
            let (owner, domain_hash) = (self.hash(&user), self.hash(domain));
            let Some(sum) = self.sums.get_mut(&*user) else { return };
            sum.messages = sum.messages.saturating_add(times);
            if domain.is_empty() {
                sum.bare = true;
            } else {
                self.kept += sum.add_domain(domain_hash, self.kept);
                own(&mut self.owners, domain_hash, owner);
            }
        } else if !domain.is_empty() {
            let domain = self.hash(domain);
            own(&mut self.owners, domain, OTHERS);
        }
    }

    fn hash(&self, text: &[u8]) -> u64 {
        self.hasher.hash_one(text).max(OTHERS + 1)
    }

    /// What to tell the administrator, if anything: which users reach their limit only with all their logins
    /// together.
    pub fn hint(&self, limits: &Limits, findings: &[Finding<'_>]) -> Option<String> {
        let reported: HashSet<_> =
            findings.iter().map(|finding| self.users_of.fold(finding.sender)).collect();
        let mut users: Vec<_> = self
            .sums
            .iter()
            .filter(|(user, sum)| {
                let own = sum.domains.iter().filter(|domain| self.is_own(user, **domain));
                let is_one = (sum.bare && !sum.domains.is_empty()) || own.count() >= OWN_DOMAINS;
                is_one && limits.reached(user, sum.messages) && !reported.contains(user.as_slice())
            })
            .collect();
        users.sort_unstable_by_key(|(user, sum)| (Reverse(sum.messages), *user));
        let named = |(user, sum): &(&Vec<u8>, &Sum)| {
            let domains = sum.domains.len();
            let s = if domains == 1 { "" } else { "s" };
            format!("{} ({} messages, {domains} domain{s})", display(user), sum.messages)
        };
        let mut names: Vec<_> = users.iter().take(NAMED).map(named).collect();
        if users.len() > NAMED {
            names.push(format!("{} more", users.len() - NAMED));
        }
        (!names.is_empty()).then(|| {
            format!(
                "below the limit under each domain, but not in sum: {}; if USER@DOMAIN is the account \
                 USER, use --realm=DOMAIN or --realm='*', otherwise --realm=none",
                names.join(", ")
            )
        })
    }

    fn is_own(&self, user: &[u8], domain: u64) -> bool {
        self.owners.get(&domain) == Some(&self.hash(user))
    }
}

impl Sum {
    /// Adds a domain, and gives how many more are remembered now; `kept` are so far.
    fn add_domain(&mut self, domain: u64, kept: usize) -> usize {
        let fits = kept < DOMAINS && self.domains.len() < DOMAINS_OF_ONE;
        usize::from(fits && self.domains.insert(domain))
    }
}

/// Notes who uses a domain.
fn own(owners: &mut HashMap<u64, u64, RandomState>, domain: u64, owner: u64) {
    let room = if owner == OTHERS { DOMAINS / 2 } else { DOMAINS };
    if let Some(before) = owners.get_mut(&domain) {
        if *before != owner {
            *before = OTHERS;
        }
    } else if owners.len() < room {
        owners.insert(domain, owner);
    }
}

impl Sink for SplitLogins {
    fn event(&mut self, at: Option<i64>, times: u64, event: &LazyEvent<'_>, _line: &[u8]) {
        if self.complete || at.is_some_and(|at| !self.window.holds(at)) {
            return;
        }
        let Some(event) = event.parse() else { return };
        let Event::Accepted(accepted) = &*event else { return };
        self.add(&accepted.senders.first().name, times);
    }

    fn fork(&self) -> Option<Self> {
        Some(Self {
            window: self.window,
            identity: self.identity.clone(),
            users_of: self.users_of.clone(),
            users: Arc::clone(&self.users),
            sums: HashMap::default(),
            owners: HashMap::default(),
            kept: 0,
            hasher: self.hasher.clone(),
            complete: self.complete,
        })
    }

    fn join(&mut self, later: Self) {
        for (user, more) in later.sums {
            let sum = self.sums.entry(user).or_default();
            sum.messages = sum.messages.saturating_add(more.messages);
            sum.bare |= more.bare;
            for domain in more.domains {
                self.kept += sum.add_domain(domain, self.kept);
            }
        }
        for (domain, owner) in later.owners {
            own(&mut self.owners, domain, owner);
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
    use crate::parse::{Accepted, Kind, Sender, Senders};

    /// The hint after these logins have sent a message each; the users are alice and bob. The log is read in two
    /// parts, or not.
    fn hint(logins: &[String], limit: u64) -> Option<String> {
        let mut hints = [0, 1, logins.len() / 2].map(|at| {
            let users = [b"alice".to_vec(), b"Bob".to_vec()];
            let identity = Identity::logins(Realms::new(["here".into()]));
            let mut sums = SplitLogins::new(Window::until(0, 100), identity, users);
            let mut later = sums.fork().expect("it can be read in parts");
            for (number, login) in logins.iter().enumerate() {
                let senders = Senders::new(Sender::new(Kind::Sasl, login.as_bytes()), None);
                let accepted = Accepted { senders, client: None, recurs: true, id: None };
                let part = if number < at { &mut sums } else { &mut later };
                part.event(Some(50), 1, &accepted.into(), b"");
            }
            sums.join(later);
            assert!(!sums.needs_another_pass());
            sums.hint(&Limits::new(limit, false), &[])
        });
        assert!(hints.iter().all(|hint| *hint == hints[0]), "{hints:?}");
        hints[0].take()
    }

    fn logins(user: &str, domains: std::ops::Range<u32>) -> Vec<String> {
        domains.map(|n| format!("{user}@r{n}.example")).collect()
    }

    #[test]
    fn a_user_who_reaches_the_limit_only_in_sum_is_named() {
        let all = logins("Alice", 0..20);
        let said = hint(&all, 20).expect("twenty domains");
        assert!(said.contains(" alice (20 messages, 20 domains); "), "{said}");
        assert!(said.contains("--realm=DOMAIN"), "{said}");
        assert_eq!(hint(&all, 21), None, "below the limit");
        assert_eq!(hint(&all[..19], 5), None, "nineteen domains can be mailboxes");
        assert_eq!(hint(&logins("carol", 0..50), 5), None, "no user of this host");
        let shared = [logins("alice", 0..20), vec!["carol@r7.example".into()]].concat();
        assert_eq!(hint(&shared, 5), None, "one domain is somebody else's, too");
        let shared = [vec!["Bob@r7.example".into()], logins("alice", 0..20)].concat();
        assert_eq!(hint(&shared, 5), None);
        let bare = ["alice", "alice@here", "bob@here", "ALICE@x", "carol@x"].map(str::to_owned);
        let said = hint(&bare, 3).expect("one login has no domain");
        assert!(said.contains(" alice (3 messages, 1 domain); "), "{said}");
    }

    #[test]
    fn memory_is_bounded() {
        let users = (0..200).map(|n| format!("u{n}").into_bytes());
        let identity = Identity::logins(Realms::default());
        let mut sums = SplitLogins::new(Window::until(0, 100), identity, users);
        for n in 0..2 * DOMAINS {
            sums.add(format!("stranger@s{n}").as_bytes(), 1);
        }
        assert_eq!(sums.owners.len(), DOMAINS / 2);
        for n in 0..4 * DOMAINS {
            sums.add(format!("u{}@d{n}", n % 200).as_bytes(), 1);
        }
        assert!(sums.owners.len() <= DOMAINS && sums.kept <= DOMAINS);
        assert!(sums.sums.values().all(|sum| sum.domains.len() <= DOMAINS_OF_ONE));
    }
}
