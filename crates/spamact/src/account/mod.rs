//! Which accounts may be locked.
//!
//! A log names senders in bytes of anybody's choice. Only a name of letters, digits and `_.@+-`, whose first
//! character cannot start an option or a path, can be an account; and some names are never locked, because
//! mail to them must arrive or because the system depends on them. [`Rules`] holds everything that decides
//! *whether* a name may be locked. It works on texts that were read before, and opens no file.

mod passwd;
mod rules;

use std::fmt;
use std::sync::LazyLock;

use regex_lite::Regex;

pub(crate) use passwd::{administrators, entries, name_of_uid};
pub(crate) use rules::is_nis_name;

pub use passwd::Uids;
pub use rules::{Exempt, NameRule, Rules};

static NAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,254}\z").expect("the pattern is a constant")
});

/// Names that are never locked, in lower case.
const NEVER: [&str; 4] = ["root", "postmaster", "abuse", "mailer-daemon"];

/// A checked account name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(String);

/// Why a sender is not an account that can be locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Bytes that no account name has.
    #[error("not a name of an account")]
    NotAName,
    /// One of the names that are never locked.
    #[error("never locked")]
    Never,
    /// There is no entry of exactly that name where the account would be locked.
    #[error("no such account")]
    NoAccount,
    /// Its password is not in `/etc/shadow`, where it would be locked.
    #[error("its password is not in the shadow file")]
    NotShadowed,
    /// Its uid is not that of a regular user.
    #[error("a system account")]
    System,
    /// Its uid is unknown: the NIS master's password file does not have it.
    #[error("its uid is not known")]
    Unknown,
    /// It is in the list of exempt accounts.
    #[error("exempt")]
    Exempt,
    /// It is an account of an administrator: who locks the last one out is locked out.
    #[error("an administrator")]
    Administrator,
    /// It is the user who runs the program, or who called `sudo` for it.
    #[error("runs this program")]
    Invoker,
}

impl AccountName {
    /// Checks the name of a sender, as logged.
    pub fn check(sender: &[u8]) -> Result<Self, Refusal> {
        let name = Self::spelled(sender)?;
        let local = name.0.split('@').next().unwrap_or(&name.0).to_ascii_lowercase();
        if NEVER.contains(&local.as_str()) {
            return Err(Refusal::Never);
        }
        Ok(name)
    }

    /// Checks only the bytes of a name, which may be one that is never locked: for what is told of it.
    pub fn spelled(sender: &[u8]) -> Result<Self, Refusal> {
        let name = std::str::from_utf8(sender).map_err(|_| Refusal::NotAName)?;
        if !NAME.is_match(name) {
            return Err(Refusal::NotAName);
        }
        Ok(Self(name.to_owned()))
    }
}

impl Refusal {
    /// Whether this is a deliberate exemption, not an error. The other refusals are of names that no account
    /// has.
    pub fn is_rule(self) -> bool {
        matches!(
            self,
            Self::Never | Self::System | Self::Exempt | Self::Administrator | Self::Invoker
        )
    }
}

impl AsRef<str> for AccountName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_what_is_none() {
        for name in ["alice", "a.c", "_x", "9lives", "alice@example.org", "a+b", "A-b"] {
            let checked = AccountName::check(name.as_bytes()).map(|name| name.to_string());
            assert_eq!(checked, Ok(name.into()));
        }
        for name in [
            "",
            "*",
            "-l",
            ".x",
            "@x",
            "+x",
            "al ice",
            "a\n",
            "a\nb",
            "a;b",
            "$(id)",
            "a/b",
            "..",
            "b\u{f6}b",
            "DOMAIN\\bob",
            "a'b",
            "a\0",
        ] {
            assert_eq!(AccountName::check(name.as_bytes()), Err(Refusal::NotAName), "{name:?}");
        }
        assert_eq!(AccountName::check(b"a\xff"), Err(Refusal::NotAName));
        assert_eq!(AccountName::check(&[b'a'; 256]), Err(Refusal::NotAName));
        for name in ["root", "Postmaster", "ABUSE@example.org", "mailer-daemon"] {
            assert_eq!(AccountName::check(name.as_bytes()), Err(Refusal::Never), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_byte_but_the_allowed_ones_is_in_a_checked_name(name in any::<Vec<u8>>()) {
            if let Ok(checked) = AccountName::check(&name) {
                let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.@+-".contains(&b);
                prop_assert!(checked.as_ref().bytes().all(is_allowed));
                prop_assert_eq!(checked.as_ref().as_bytes(), &name[..]);
                prop_assert!(name[0].is_ascii_alphanumeric() || name[0] == b'_');
            }
        }
    }
}
