//! The ways of locking an account: each looks at it, locks, unlocks, and says how that is undone by hand.
//!
//! Takes checked names of accounts; whether one may be locked was decided before (see
//! [`Rules`](crate::account::Rules)). A lock is looked at again after it was made: `Ok` means that the
//! account is locked now. No way asks the clock, and none remembers anything: when it was locked, and by
//! whom, is for the caller to keep, together with [`Way::kind`].

mod command;
mod local;
mod nis;
mod sasl_access;
pub mod shadow;
pub mod table;
#[cfg(test)]
mod testing;

use std::path::Path;

pub use command::Command;
pub use local::Local;
pub use nis::{Master, Nis};
pub use sasl_access::{Postfix, SaslAccess};

use crate::account::AccountName;
use crate::error::Error;

/// How an account stands where it would be locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    /// It can be used.
    Open,
    /// It cannot, whoever locked it.
    Locked,
    /// There is no such account there.
    Missing,
}

/// A way of locking.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a run has one or two")]
pub enum Way {
    /// The local account, by `passwd -l`.
    Local(Local),
    /// The account on a master of NIS.
    Nis(Nis),
    /// The login, by a table that Postfix asks.
    SaslAccess(SaslAccess),
    /// Whatever a command of the administrator does.
    Command(Command),
}

impl Way {
    /// The way as it is remembered and shown, for instance `nis:MASTER`. [`Way::remembered`] reads it.
    pub fn kind(&self) -> String {
        match self {
            Self::Local(_) => Local::KIND.into(),
            Self::Nis(way) => way.kind(),
            Self::SaslAccess(way) => way.kind(),
            Self::Command(way) => way.kind(),
        }
    }

    /// The way that was remembered as `kind`, with the paths of the real system. `host` are the names and
    /// addresses of this host, `root` whether root runs us.
    pub fn remembered(kind: &str, host: &[String], root: bool) -> Result<Self, Error> {
        let (word, rest) = kind.split_once(':').unwrap_or((kind, ""));
        match word {
            Local::KIND if rest.is_empty() => Ok(Self::Local(Local::default())),
            Nis::KIND => Ok(Self::Nis(Nis::new(Master::parse(rest, host)?))),
            SaslAccess::KIND => {
                SaslAccess::new(rest, root, Postfix::default()).map(Self::SaslAccess)
            }
            Command::KIND => Command::remembered(rest, root).map(Self::Command),
            _ => Err(Error::Refused { what: shown(kind), why: "it is no way of locking" }),
        }
    }

    /// How an account stands. A command cannot tell: open.
    pub fn status(&self, name: &AccountName) -> Result<AccountStatus, Error> {
        match self {
            Self::Local(way) => way.status(name),
            Self::Nis(way) => way.status(name),
            Self::SaslAccess(way) => way.status(name),
            Self::Command(_) => Ok(AccountStatus::Open),
        }
    }

    /// Locks an account; `Ok` when it is locked now, also where it was before.
    pub fn lock(&self, name: &AccountName) -> Result<(), Error> {
        match self {
            Self::Local(way) => way.lock(name),
            Self::Nis(way) => way.lock(name),
            Self::SaslAccess(way) => way.lock(name),
            Self::Command(way) => way.lock(name),
        }
    }

    /// Unlocks an account; `Ok` when it is open now, also where it was before.
    pub fn unlock(&self, name: &AccountName) -> Result<(), Error> {
        match self {
            Self::Local(way) => way.unlock(name),
            Self::Nis(way) => way.unlock(name),
            Self::SaslAccess(way) => way.unlock(name),
            Self::Command(way) => way.unlock(name),
        }
    }

    /// The commands that undo the lock by hand, for a person.
    pub fn by_hand(&self, name: &AccountName) -> Vec<String> {
        match self {
            Self::Local(_) => Local::by_hand(name),
            Self::Nis(way) => way.by_hand(name),
            Self::SaslAccess(way) => way.by_hand(name),
            Self::Command(way) => way.by_hand(name),
        }
    }
}

/// Whether an account stands as it should after all was done.
fn settled(
    status: AccountStatus,
    want: AccountStatus,
    name: &AccountName,
    place: impl FnOnce() -> String,
) -> Result<(), Error> {
    if status == want {
        return Ok(());
    }
    let name = name.clone();
    Err(match status {
        AccountStatus::Missing => Error::Missing { name, place: place() },
        AccountStatus::Open => Error::StillOpen { name, place: place() },
        AccountStatus::Locked => Error::StillLocked { name, place: place() },
    })
}

/// A path as a person types it to a shell.
fn typed(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+@:".contains(&b);
    if text.bytes().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A checked name inside a pattern of `sed`: of its bytes only the dot means something there.
fn in_pattern(name: &AccountName) -> String {
    name.as_ref().replace('.', r"\.")
}

/// A setting of the caller in a message.
fn shown(text: &str) -> String {
    spamcore::escape::display(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_back_as_the_same_way() {
        for kind in [
            "local",
            "nis:localhost",
            "nis:root@nis.example.org",
            "nis:2001:db8::5",
            "sasl-access:hash:/etc/postfix/sasl_access",
            "command:/usr/local/sbin/lock it",
            "command:/usr/local/sbin/lock undone-by:/usr/local/sbin/un lock",
        ] {
            let way = Way::remembered(kind, &[], false).expect("a way");
            assert_eq!(way.kind(), kind);
        }
        for kind in [
            "",
            "local:x",
            "nis:",
            "nis:-oProxyCommand=x",
            "sasl-access:",
            "sasl-access:hash:relative",
            "sasl-access:pcre:/x",
            "command:",
            "command:relative",
            "command:/x undone-by:relative",
            "magic:/x",
        ] {
            Way::remembered(kind, &[], false).expect_err(kind);
        }
    }

    #[test]
    fn what_a_person_types_is_quoted() {
        assert_eq!(typed(Path::new("/etc/a-b.c")), "/etc/a-b.c");
        assert_eq!(typed(Path::new("/etc/it's $x")), r"'/etc/it'\''s $x'");
    }
}
