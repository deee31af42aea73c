//! Whether a sender may be locked: the rules, as a pure function of texts.
//!
//! Takes the sender as logged, and which names the lock method has; gives the name to lock, or the refusal.
//! What only a NIS master knows is asked there, not here.
//!
//! Names are compared exactly when an account is looked up, and without regard to case when one is protected:
//! mail systems let `WWW-Data` log in as `www-data`, so that a rule for one spelling must hold for all.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex_lite::Regex;
use spamcore::file::strip_bom;

use super::passwd::{Uids, entries, is_shadowed};
use super::{AccountName, Refusal};

/// Names that useradd(8) and passwd(1) accept, and some more: on some hosts names contain a domain.
static LOCAL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[A-Za-z_][A-Za-z0-9_.@-]{0,31}\z").expect("the pattern is a constant")
});

/// Names that accounts can have in NIS maps.
static NIS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[a-z_][a-z0-9_.-]{0,31}\z").expect("the pattern is a constant"));

/// Which names the accounts of a lock method have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// An exact entry of `/etc/passwd` whose password is in `/etc/shadow`.
    LocalEntry,
    /// A name that NIS can have; whether it has it, the master knows.
    Nis,
    /// The login as it was logged, realm included, because that is the key that the mail server looks up;
    /// in any case, upper or lower.
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
        let names = strip_bom(text).split(|&b| b == b'\n').map(|line| {
            let comment = (0..line.len())
                .find(|&at| line[at] == b'#' && (at == 0 || line[at - 1].is_ascii_whitespace()));
            line[..comment.unwrap_or(line.len())].trim_ascii().to_ascii_lowercase()
        });
        Self(names.filter(|name| !name.is_empty()).collect())
    }

    /// Whether a name is on the list, in upper or lower case.
    pub fn has(&self, name: &[u8]) -> bool {
        self.0.contains(&name.to_ascii_lowercase())
    }
}

/// Domains whose `user@DOMAIN` is the local account `user`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Realms(Vec<String>);

impl Realms {
    /// These domains, in upper or lower case.
    pub fn new(domains: impl IntoIterator<Item = String>) -> Self {
        Self(domains.into_iter().collect())
    }

    /// Adds a domain, in upper or lower case.
    pub fn add(&mut self, domain: &str) {
        self.0.push(domain.to_owned());
    }

    /// The account of a login: without its domain, if that is one of these.
    pub fn account(&self, login: &AccountName) -> Result<AccountName, Refusal> {
        match login.as_ref().rsplit_once('@') {
            Some((user, domain)) if self.0.iter().any(|own| own.eq_ignore_ascii_case(domain)) => {
                AccountName::check(user.as_bytes())
            }
            _ => Ok(login.clone()),
        }
    }
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
    /// The domains whose logins are local accounts.
    pub realms: Realms,
    /// The administrators of the host.
    pub administrators: Vec<String>,
    /// The users who invoke the program: the one it runs as, and the one who called `sudo` for it.
    pub invokers: Vec<String>,
}

impl Rules {
    /// The name to lock for a sender as logged, or why not.
    pub fn account(&self, sender: &[u8], names: NameRule) -> Result<AccountName, Refusal> {
        // First of all: an exempt sender is reported as exempt, whatever else it is.
        if self.exempt.has(sender) {
            return Err(Refusal::Exempt);
        }
        let login = AccountName::check(sender)?;
        let account = self.realms.account(&login)?;
        if self.exempt.has(account.as_ref().as_bytes()) {
            return Err(Refusal::Exempt);
        }
        for name in [&login, &account] {
            self.check_protected(name)?;
        }
        match names {
            NameRule::LocalEntry => {
                let name = account.as_ref();
                if !LOCAL.is_match(name) {
                    return Err(Refusal::NotAName);
                }
                if !entries(&self.passwd).any(|(entry, _)| entry == name.as_bytes()) {
                    return Err(Refusal::NoAccount);
                }
                if !is_shadowed(&self.passwd, name.as_bytes()) {
                    return Err(Refusal::NotShadowed);
                }
                Ok(account)
            }
            NameRule::Nis if !is_nis_name(&account) => Err(Refusal::NotAName),
            NameRule::Nis | NameRule::Account => Ok(account),
            NameRule::Login => Ok(login),
        }
    }

    /// Refuses the users who invoke the program, administrators and system accounts, whatever the lock method.
    fn check_protected(&self, name: &AccountName) -> Result<(), Refusal> {
        let is_in =
            |names: &[String]| names.iter().any(|own| own.eq_ignore_ascii_case(name.as_ref()));
        if is_in(&self.invokers) {
            return Err(Refusal::Invoker);
        }
        if is_in(&self.administrators) {
            return Err(Refusal::Administrator);
        }
        let is_regular = |uid: Option<u32>| uid.is_some_and(|uid| self.uids.has(uid));
        let system = entries(&self.passwd).any(|(entry, uid)| {
            entry.eq_ignore_ascii_case(name.as_ref().as_bytes()) && !is_regular(uid)
        });
        if system { Err(Refusal::System) } else { Ok(()) }
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
            assert!(ask("vip", NameRule::Account).is_ok());
        }
        assert_eq!(rules().account(b"boss ", NameRule::LocalEntry), Err(Refusal::NotAName));
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
            ("bob", Err(Refusal::NoAccount)),
            ("Alice", Err(Refusal::NoAccount)),
            ("alice@elsewhere.org", Err(Refusal::NoAccount)),
            ("here", Err(Refusal::NotShadowed)),
            ("none", Err(Refusal::NotShadowed)),
            ("alic", Err(Refusal::NoAccount)),
            ("al.ce", Err(Refusal::NoAccount)),
            // The realm wins over an account of that name.
            ("vic@example.org", Err(Refusal::NoAccount)),
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
        for name in ["Carol", "carol@elsewhere.org", "9x", "a+b"] {
            assert_eq!(ask(name, NameRule::Nis), Err(Refusal::NotAName), "{name}");
        }
        assert_eq!(ask("Carol@example.org", NameRule::Login), Ok("Carol@example.org".into()));
        assert_eq!(ask("alice@example.org", NameRule::Login), Ok("alice@example.org".into()));
        assert_eq!(ask("Carol@example.org", NameRule::Account), Ok("Carol".into()));
        assert_eq!(ask("x@y@example.org", NameRule::Account), Ok("x@y".into()));
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
                prop_assert!(names != NameRule::LocalEntry || ["alice", "Bob"].contains(&name));
                prop_assert!(sender.starts_with(name.as_bytes()));
            }
        }
    }
}
