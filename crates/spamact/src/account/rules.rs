//! Whether a sender may be locked: the rules, as a pure function of texts.
//!
//! Takes the sender as logged, and which names the lock method has; gives the name to lock, or the refusal.
//! What only a NIS master knows is asked there, not here.
//!
//! A login has many spellings (see [`spamcore::identity`]): mail systems let `WWW-Data` log in as `www-data`. So
//! names are compared folded, and a rule that protects one spelling protects all. But what is locked is an
//! exact entry, and where several entries are spellings of one name, each is an account of its own.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use regex_lite::Regex;
use spamcore::file::strip_bom;
use spamcore::identity::{Identity, Realms};

use super::passwd::{Uids, entries, is_shadowed};
use super::{AccountName, Refusal};

/// Names that useradd(8) and passwd(1) accept, and some more: on some hosts names contain a domain.
static LOCAL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[A-Za-z_][A-Za-z0-9_.@-]{0,31}\z").expect("the pattern is a constant")
});

/// Names that accounts can have in NIS maps.
static NIS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[a-z_][a-z0-9_.-]{0,31}\z").expect("the pattern is a constant"));

/// What names a lock method accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// An exact entry of `/etc/passwd` whose password is in `/etc/shadow`.
    LocalEntry,
    /// A valid NIS name; only the master knows whether it exists.
    Nis,
    /// The login, realm included, because that is the key that the mail server looks up; in any case, upper
    /// or lower. An account that can log in under several names has several keys.
    Login,
    /// Any account name.
    Account,
}

impl NameRule {
    /// Whether all spellings of a name, upper and lower case, are one account.
    pub fn folds_case(self) -> bool {
        self == Self::Login
    }

    /// Whether the realm of a login is part of the account's name.
    pub fn keeps_realm(self) -> bool {
        self == Self::Login
    }
}

/// Accounts that the administrator has exempted from locking.
#[derive(Clone, Debug, Default)]
pub struct Exempt(HashSet<Vec<u8>>);

impl Exempt {
    /// Reads a list with one name per line. `#` starts a comment, at the start of a line or after a space.
    pub fn parse(text: &[u8]) -> Self {
        Self(
            exempt_lines(text)
                .filter(|name| !name.is_empty())
                .map(<[u8]>::to_ascii_lowercase)
                .collect(),
        )
    }

    /// The numbers of the lines that are not the name of any account: nothing is exempt because of them.
    pub fn mistakes(text: &[u8]) -> Vec<usize> {
        let numbered = (1..).zip(exempt_lines(text));
        let wrong =
            numbered.filter(|(_, name)| !name.is_empty() && AccountName::spelled(name).is_err());
        wrong.map(|(number, _)| number).collect()
    }

    /// The names on the list, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// Whether a name is on the list, in upper or lower case.
    pub fn has(&self, name: &[u8]) -> bool {
        self.0.contains(&name.to_ascii_lowercase())
    }
}

/// The lines of a list of exempt accounts, without comments.
fn exempt_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    strip_bom(text).split(|&b| b == b'\n').map(|line| {
        let comment = (0..line.len())
            .find(|&at| line[at] == b'#' && (at == 0 || line[at - 1].is_ascii_whitespace()));
        line[..comment.unwrap_or(line.len())].trim_ascii()
    })
}

/// Everything that decides whether an account may be locked.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The text of `/etc/passwd`.
    pub passwd: Vec<u8>,
    /// The uids of regular users.
    pub uids: Uids,
    /// Who is never locked here.
    pub exempt: Exempt,
    /// The domains that do not count as a part of a login.
    pub realms: Realms,
    /// The administrators of the host.
    pub administrators: Vec<String>,
    /// The users who invoke the program: the one it runs as, and the one who called `sudo` for it.
    pub invokers: Vec<String>,
}

impl Rules {
    /// Which spellings of a login are one account: as in the report, except that accounts of `/etc/passwd`
    /// whose names differ only in spelling (`alice` and `Alice`) are different people. A login that is spelled
    /// exactly as one of them is never merged with another.
    pub fn identity(&self) -> Identity {
        let logins = Identity::logins(self.realms.clone());
        let mut accounts: HashMap<Cow<'_, [u8]>, Vec<&[u8]>> = HashMap::new();
        for (entry, _) in entries(&self.passwd) {
            let same = accounts.entry(logins.fold(entry)).or_default();
            if !same.contains(&entry) {
                same.push(entry);
            }
        }
        let apart: Vec<_> = accounts
            .into_values()
            .filter(|same| same.len() > 1)
            .flatten()
            .map(<[u8]>::to_vec)
            .collect();
        logins.keeping_apart(apart)
    }

    /// The regular users of this host.
    pub fn regular_users(&self) -> Vec<Vec<u8>> {
        let is_regular = |uid: Option<u32>| uid.is_some_and(|uid| self.uids.has(uid));
        let regular = entries(&self.passwd).filter(|(_, uid)| is_regular(*uid));
        regular.map(|(entry, _)| entry.to_vec()).collect()
    }

    /// The name to lock for a sender, or why not. A sender is a login in any spelling, most often the folded
    /// one.
    pub fn account(&self, sender: &[u8], names: NameRule) -> Result<AccountName, Refusal> {
        let identity = Identity::logins(self.realms.clone());
        let same = |name: &[u8]| identity.fold(name) == identity.fold(sender);
        // First of all: an exempt sender is reported as exempt, whatever else it is.
        if self.exempt.names().any(same) {
            return Err(Refusal::Exempt);
        }
        let folded = AccountName::check(&identity.fold(sender))?;
        let is_in = |names: &[String]| names.iter().any(|name| same(name.as_bytes()));
        if is_in(&self.invokers) {
            return Err(Refusal::Invoker);
        }
        if is_in(&self.administrators) {
            return Err(Refusal::Administrator);
        }
        let is_regular = |uid: Option<u32>| uid.is_some_and(|uid| self.uids.has(uid));
        if entries(&self.passwd).any(|(entry, uid)| !is_regular(uid) && same(entry)) {
            return Err(Refusal::System);
        }
        let local = self.local_entry(sender, &identity);
        let exact = || local.and_then(|entry| AccountName::check(entry).ok());
        match names {
            NameRule::LocalEntry => {
                let Some(entry) = local else {
                    let fits = LOCAL.is_match(folded.as_ref());
                    return Err(if fits { Refusal::NoAccount } else { Refusal::NotAName });
                };
                let name = exact().filter(|name| LOCAL.is_match(name.as_ref()));
                let name = name.ok_or(Refusal::NotAName)?;
                if !is_shadowed(&self.passwd, entry) {
                    return Err(Refusal::NotShadowed);
                }
                Ok(name)
            }
            NameRule::Nis => {
                // An account of this host whose name NIS cannot have is not the one that has the folded name.
                let name = exact().filter(|name| name.as_ref().as_bytes() == sender);
                let name = name.unwrap_or(folded);
                if is_nis_name(&name) { Ok(name) } else { Err(Refusal::NotAName) }
            }
            NameRule::Login => Ok(folded),
            NameRule::Account => Ok(exact().unwrap_or(folded)),
        }
    }

    /// The entry of `/etc/passwd` that a login is: the one of exactly its spelling or of the folded one, or the
    /// only one that differs from it in spelling.
    fn local_entry(&self, sender: &[u8], identity: &Identity) -> Option<&[u8]> {
        let folded = identity.fold(sender);
        let names = || entries(&self.passwd).map(|(entry, _)| entry);
        for exact in [sender, &folded] {
            if let Some(entry) = names().find(|entry| *entry == exact) {
                return Some(entry);
            }
        }
        let mut same = names().filter(|entry| identity.fold(entry) == folded);
        let entry = same.next()?;
        same.all(|other| other == entry).then_some(entry)
    }
}

/// Whether an account in NIS can have this name.
pub(crate) fn is_nis_name(name: &AccountName) -> bool {
    NIS.is_match(name.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: [NameRule; 4] =
        [NameRule::LocalEntry, NameRule::Nis, NameRule::Login, NameRule::Account];

    fn rules() -> Rules {
        Rules {
            passwd: b"root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/:/bin/false\n\
                      alice:x:1000:1000::/home/alice:/bin/sh\nodd:x:y:1::/:\n\
                      two:x:1002:1::/:\ntwo:x:2:1::/:\nnobody:x:65534:65534::/:\n\
                      Bob:x:1001:1001::/:\nvic@example.org:x:1003:1::/:\nadmin:x:1004:1::/:\n\
                      here:$6$x:1005:1::/:\nnone::1006:1::/:"
                .to_vec(),
            uids: Uids::default(),
            exempt: Exempt::parse(b"# who\nBoss\n  vip@Example.org  # pays\n#carol\n\ncarl#x\n"),
            realms: Realms::new(["example.org".into(), "Example.NET".into()]),
            administrators: vec!["alicia".into()],
            invokers: vec!["admin".into()],
        }
    }

    fn ask(sender: &str, names: NameRule) -> Result<String, Refusal> {
        rules().account(sender.as_bytes(), names).map(|name| name.to_string())
    }

    #[test]
    fn accounts_of_the_system_are_never_locked_by_whatever_way() {
        for names in RULES {
            for name in ["www-data", "WWW-Data", "odd", "two", "nobody", "www-data@example.org"] {
                assert_eq!(ask(name, names), Err(Refusal::System), "{name} {names:?}");
            }
            for name in ["root", "ROOT", "Root@example.org", "abuse@elsewhere", "postmaster"] {
                assert_eq!(ask(name, names), Err(Refusal::Never), "{name} {names:?}");
            }
        }
    }

    #[test]
    fn who_is_exempt_or_runs_the_program_is_never_locked() {
        for names in RULES {
            for name in ["boss", "BOSS", "boss@EXAMPLE.org", "VIP@example.ORG"] {
                assert_eq!(ask(name, names), Err(Refusal::Exempt), "{name} {names:?}");
            }
            for name in ["admin", "ADMIN", "Admin@example.net"] {
                assert_eq!(ask(name, names), Err(Refusal::Invoker), "{name} {names:?}");
            }
            for name in ["alicia", "ALICIA", "alicia@example.NET"] {
                assert_eq!(ask(name, names), Err(Refusal::Administrator), "{name} {names:?}");
            }
            // The account at a realm is on the list.
            assert_eq!(ask("vip", names), Err(Refusal::Exempt));
        }
        for name in ["boss ", "boss@example.net.", "vip@example.org."] {
            assert_eq!(ask(name, NameRule::LocalEntry), Err(Refusal::Exempt), "{name:?}");
        }
        assert!(Exempt::parse(b"a b\n").has(b"A b"));
        assert!(Exempt::parse(b"carl#x").has(b"carl#x"));
        assert!(Exempt::parse(b"carol #x").has(b"carol"));
        assert!(Exempt::parse("\u{feff}carol\r\n".as_bytes()).has(b"carol"));
        assert!(!Exempt::parse(b"#carol\n\n").has(b"carol") && !Exempt::parse(b"\n\n").has(b""));
    }

    #[test]
    fn a_local_account_is_an_exact_entry() {
        for (name, want) in [
            ("alice", Ok("alice".into())),
            ("alice@example.org", Ok("alice".into())),
            ("alice@EXAMPLE.NET", Ok("alice".into())),
            ("Bob", Ok("Bob".into())),
            // The only account of that name, however it is spelled.
            ("bob", Ok("Bob".into())),
            ("Alice", Ok("alice".into())),
            ("ALICE@example.net. ", Ok("alice".into())),
            ("alice\t", Ok("alice".into())),
            ("alice@elsewhere.org", Err(Refusal::NoAccount)),
            ("here", Err(Refusal::NotShadowed)),
            ("none", Err(Refusal::NotShadowed)),
            ("alic", Err(Refusal::NoAccount)),
            ("al.ce", Err(Refusal::NoAccount)),
            ("vic@example.org", Ok("vic@example.org".into())),
            ("Vic", Ok("vic@example.org".into())),
            ("a+b", Err(Refusal::NotAName)),
            ("9lives", Err(Refusal::NotAName)),
            ("al ice", Err(Refusal::NotAName)),
            ("@example.org", Err(Refusal::NotAName)),
            ("alice\n", Err(Refusal::NotAName)),
        ] {
            assert_eq!(ask(name, NameRule::LocalEntry), want, "{name:?}");
        }
        assert_eq!(ask(&"a".repeat(33), NameRule::LocalEntry), Err(Refusal::NotAName));
        assert_eq!(ask(&"a".repeat(32), NameRule::LocalEntry), Err(Refusal::NoAccount));
    }

    #[test]
    fn other_methods_know_names_that_are_not_local() {
        assert_eq!(ask("carol", NameRule::Nis), Ok("carol".into()));
        assert_eq!(ask("carol@example.org", NameRule::Nis), Ok("carol".into()));
        assert_eq!(ask("Carol", NameRule::Nis), Ok("carol".into()));
        for name in ["carol@elsewhere.org", "9x", "a+b"] {
            assert_eq!(ask(name, NameRule::Nis), Err(Refusal::NotAName), "{name}");
        }
        assert_eq!(ask("Carol@example.org", NameRule::Login), Ok("carol".into()));
        assert_eq!(ask("alice@elsewhere.org", NameRule::Login), Ok("alice@elsewhere.org".into()));
        assert_eq!(ask("Carol@example.org", NameRule::Account), Ok("carol".into()));
        assert_eq!(ask("BOB@example.org", NameRule::Account), Ok("Bob".into()));
        assert_eq!(ask("x@y@example.org", NameRule::Account), Ok("x@y".into()));
    }

    #[test]
    fn accounts_that_differ_only_in_spelling_are_different_people() {
        let passwd =
            [&rules().passwd[..], b"\nAlice:x:1010:1::/:\ncarl.:x:1011:1::/:\ncarl:x:1012:1::/:"];
        let rules = Rules { passwd: passwd.concat(), ..rules() };
        let identity = rules.identity();
        assert_eq!(identity.senders(b"alice"), [b"Alice", b"alice"]);
        assert_eq!(identity.senders(b"bob"), [b"bob"]);
        for (login, account) in [
            ("alice", "alice"),
            ("Alice", "Alice"),
            ("Alice@example.org", "Alice"),
            ("ALICE", "alice"),
            ("carl.", "carl."),
            ("carl", "carl"),
            ("Carl", "carl"),
        ] {
            let sender = identity.fold(login.as_bytes());
            for names in [NameRule::LocalEntry, NameRule::Account] {
                let name = rules.account(&sender, names).map(|name| name.to_string());
                assert_eq!(name, Ok(account.into()), "{login}");
            }
        }
        assert_eq!(rules.account(b"Alice", NameRule::Nis), Err(Refusal::NotAName));
    }

    #[test]
    fn every_domain_can_be_a_realm() {
        let realms = Realms::new(["*".into()]);
        let exempt = Exempt::parse(b"vip@example.org\n");
        let rules = Rules { exempt, realms, ..rules() };
        let ask = |name: &str| rules.account(name.as_bytes(), NameRule::LocalEntry);
        assert_eq!(ask("alice@r7.example").map(|name| name.to_string()), Ok("alice".into()));
        assert_eq!(ask("vip@elsewhere.net"), Err(Refusal::Exempt));
        assert_eq!(ask("www-data@r7.example"), Err(Refusal::System));
        assert_eq!(ask("Admin@r7.example"), Err(Refusal::Invoker));
    }

    #[test]
    fn a_rule_is_no_failure() {
        assert!(Refusal::Exempt.is_rule() && Refusal::System.is_rule());
        assert!(
            !Refusal::NotShadowed.is_rule()
                && !Refusal::NoAccount.is_rule()
                && !Refusal::NotAName.is_rule()
        );
    }

    proptest! {
        #[test]
        fn what_may_be_locked_is_a_name_of_its_method(
            sender in prop_oneof![any::<Vec<u8>>(), "[a-zA-Z_@.+-]{1,9}".prop_map(String::into_bytes)],
        ) {
            for names in RULES {
                let Ok(name) = rules().account(&sender, names) else { continue };
                let name = name.as_ref();
                let is_allowed = |more: &[u8]| {
                    name.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
                };
                prop_assert!(is_allowed(b"_.@+-") && !name.starts_with(['-', '.', '@', '+']));
                prop_assert!(names != NameRule::Nis || is_allowed(b"_.-") && name.len() <= 32);
                prop_assert!(names != NameRule::LocalEntry || ["alice", "Bob", "vic@example.org"].contains(&name));
                let identity = rules().identity();
                prop_assert_eq!(identity.fold(&sender), identity.fold(name.as_bytes()));
            }
        }
    }
}
