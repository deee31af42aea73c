//! Which names are spellings of one sender.
//!
//! Takes names as logged, and gives the name under which they are counted. A mail system that lets `alice` log
//! in usually lets in `Alice`, `alice.` and `alice@example.org`, too, with the same password. If each counted by
//! itself, whoever knows the password would send as much as he likes without ever reaching a limit. So of a
//! login, these do not count: upper or lower case (ASCII), dots and blanks at the end, and the domains that the
//! administrator has named as [`Realms`].
//!
//! Names that are not logins (Exim's, and scripts) are what they are.

use std::borrow::Cow;
use std::collections::HashSet;

use foldhash::quality::RandomState;

/// The domains whose `user@DOMAIN` is the account `user`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Realms {
    domains: Vec<String>,
    any: bool,
    denied: bool,
}

impl Realms {
    /// These domains, in upper or lower case.
    pub fn new(domains: impl IntoIterator<Item = String>) -> Self {
        let mut realms = Self::default();
        domains.into_iter().for_each(|domain| realms.add(&domain));
        realms
    }

    /// Adds a domain, in upper or lower case. `*` is every domain; `none` says that there are no other realms
    /// than those that are named.
    pub fn add(&mut self, domain: &str) {
        match domain {
            "*" => self.any = true,
            "none" => self.denied = true,
            _ => self.domains.push(domain.to_ascii_lowercase()),
        }
    }

    /// The domains that are named, in lower case.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.domains.iter().map(String::as_str)
    }

    /// Whether every domain is one of them.
    pub fn any(&self) -> bool {
        self.any
    }

    /// Whether the administrator has said that there are no others.
    pub fn denied(&self) -> bool {
        self.denied
    }

    /// A login without blanks and dots at its end, and without its domain if that is one of these.
    fn account<'a>(&self, login: &'a [u8]) -> &'a [u8] {
        let mut name = trim_end(login);
        if self.domains.is_empty() && !self.any {
            return name;
        }
        while let Some(at) = name.iter().rposition(|&b| b == b'@').filter(|&at| at > 0)
            && self.has(&name[at + 1..])
        {
            name = trim_end(&name[..at]);
        }
        name
    }

    fn has(&self, domain: &[u8]) -> bool {
        self.any || self.domains().any(|own| own.as_bytes().eq_ignore_ascii_case(domain))
    }
}

fn trim_end(name: &[u8]) -> &[u8] {
    let end = name.iter().rposition(|b| !b". \t".contains(b));
    &name[..end.map_or(0, |last| last + 1)]
}

/// When two names are one sender.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// None if the names are no logins.
    realms: Option<Realms>,
    /// Logins that are never taken for another one.
    apart: HashSet<Vec<u8>, RandomState>,
}

impl Identity {
    /// Every name is a sender of its own.
    pub fn exact() -> Self {
        Self::default()
    }

    /// The names are logins, and their domains do not count if they are in `realms`.
    pub fn logins(realms: Realms) -> Self {
        Self { realms: Some(realms), ..Self::default() }
    }

    /// The same, but logins of exactly these spellings are kept apart from all others.
    #[must_use]
    pub fn keeping_apart(self, apart: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self { apart: apart.into_iter().collect(), ..self }
    }

    /// Whether every name is a sender of its own.
    #[inline]
    pub fn is_exact(&self) -> bool {
        self.realms.is_none()
    }

    /// The senders that a folded name stands for: those that are kept apart, in the order of their names, or
    /// else only itself.
    pub fn senders<'a>(&'a self, folded: &'a [u8]) -> Vec<&'a [u8]> {
        let merged = Self { realms: self.realms.clone(), ..Self::default() };
        let apart = self.apart.iter().map(Vec::as_slice);
        let mut senders: Vec<_> = apart.filter(|name| *merged.fold(name) == *folded).collect();
        senders.sort_unstable();
        if senders.is_empty() {
            senders.push(folded);
        }
        senders
    }

    /// The name under which a name is counted. Folding what is folded changes nothing. Only a name that is not
    /// a part of the one logged costs an allocation.
    #[inline]
    pub fn fold<'a>(&self, name: &'a [u8]) -> Cow<'a, [u8]> {
        match &self.realms {
            Some(realms) => self.fold_login(realms, name),
            None => Cow::Borrowed(name),
        }
    }

    fn fold_login<'a>(&self, realms: &Realms, name: &'a [u8]) -> Cow<'a, [u8]> {
        let account = realms.account(name);
        if !self.apart.is_empty() {
            for exact in [name, account] {
                if self.apart.contains(exact) {
                    return Cow::Borrowed(exact);
                }
            }
        }
        if account.iter().any(u8::is_ascii_uppercase) {
            Cow::Owned(account.to_ascii_lowercase())
        } else {
            Cow::Borrowed(account)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(realms: &[&str], name: &str) -> String {
        let realms = Realms::new(realms.iter().map(|&realm| realm.to_owned()));
        let identity = Identity::logins(realms);
        let once = identity.fold(name.as_bytes()).into_owned();
        assert_eq!(*identity.fold(&once), once[..], "{name:?}: folding twice changes it");
        String::from_utf8_lossy(&once).into_owned()
    }

    #[test]
    fn spellings_of_a_login_are_one() {
        for (realms, name, want) in [
            (&[][..], "alice", "alice"),
            (&[], "Alice", "alice"),
            (&[], "ALICE@Example.ORG", "alice@example.org"),
            (&[], "alice@example.org.", "alice@example.org"),
            (&[], "alice .\t. ", "alice"),
            (&[], " alice", " alice"),
            (&[], ".alice", ".alice"),
            (&[], "al ice", "al ice"),
            (&[], "...", ""),
            (&[], "\u{c9}va", "\u{c9}va"),
            (&["example.org"], "Alice@EXAMPLE.org", "alice"),
            (&["Example.ORG"], "alice@example.org. ", "alice"),
            (&["example.org"], "alice.@example.org", "alice"),
            (&["example.org"], "alice@example.org@example.org", "alice"),
            (&["example.org"], "x@y@example.org", "x@y"),
            (&["example.org"], "alice@sub.example.org", "alice@sub.example.org"),
            (&["example.org"], "@example.org", "@example.org"),
            (&["a", "b"], "x@b", "x"),
            (&["none"], "alice@none", "alice@none"),
            (&["*"], "alice@r17.example", "alice"),
            (&["*"], "alice@a@b", "alice"),
            (&["*"], "alice@", "alice"),
            (&["*"], "@a", "@a"),
        ] {
            assert_eq!(fold(realms, name), want, "{name:?} with {realms:?}");
        }
    }

    #[test]
    fn logins_that_are_kept_apart_are_never_another_one() {
        let identity = Identity::logins(Realms::new(["example.org".into()]))
            .keeping_apart([b"alice".to_vec(), b"Alice".to_vec()]);
        for (name, want) in [
            ("alice", "alice"),
            ("Alice", "Alice"),
            ("Alice@Example.org", "Alice"),
            ("ALICE", "alice"),
            ("Alice.", "Alice"),
            ("Bob", "bob"),
        ] {
            assert_eq!(*identity.fold(name.as_bytes()), *want.as_bytes(), "{name}");
        }
        assert_eq!(identity.senders(b"alice"), [b"Alice", b"alice"]);
        assert_eq!(identity.senders(b"bob"), [b"bob"]);
    }

    #[test]
    fn other_names_are_what_they_are() {
        assert_eq!(*Identity::exact().fold(b"Host.example.ORG. "), *b"Host.example.ORG. ");
    }
}
