//! How accounts are locked: [`LockMethod`], and one file for each method.
//!
//! Takes checked account names; whether an account may be locked was decided before (see
//! [`Rules`](crate::account::Rules)). Every lock is verified after it was made: `Ok` means that the account
//! is locked now. A method never reads the clock and keeps nothing between runs: when an account was locked,
//! and by whom, is for the caller to remember, together with [`LockMethod::kind`].

mod command;
mod error;
mod local;
mod nis;
mod sasl_access;
pub mod shadow;
pub mod table;
#[cfg(test)]
mod testing;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

pub use command::{Command, CommandPath};
pub use error::Error;
pub use local::Local;
pub use nis::{Master, Nis};
pub use sasl_access::{Postfix, SaslAccess, Table};

use spamcore::error::chain;
use spamcore::escape::shell_word;
use spamcore::self_test::Fact;

use crate::account::{AccountName, NameRule};
use crate::system::{self, Invalid};

/// The status of an account under a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    /// It can be used.
    Open,
    /// It cannot, whoever locked it.
    Locked,
    /// There is no such account.
    Missing,
    /// The method cannot say: only the state knows whether it was locked.
    Unknown,
}

impl AccountStatus {
    /// The status; where the method cannot say, what the state remembers.
    #[must_use]
    pub fn or_remembered(self, locked: bool) -> Self {
        match self {
            Self::Unknown if locked => Self::Locked,
            Self::Unknown => Self::Open,
            status => status,
        }
    }
}

/// Accounts that were unlocked, whoever had locked them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlocked {
    /// When, in Unix nanoseconds.
    pub at: i64,
    /// Their names.
    pub accounts: Vec<AccountName>,
}

/// A method of locking accounts.
///
/// Until [`prepare`](Self::prepare) was called, a method runs no program and opens no table:
/// [`names`](Self::names) and [`peek`](Self::peek) are all that a dry run asks for, and a self-test
/// [`needs`](Self::needs), too.
pub trait LockMethod {
    /// The method as it is remembered and shown, for instance `nis:MASTER`. [`remembered`] reads it.
    fn kind(&self) -> String;

    /// What the account is locked with, for a person.
    fn description(&self) -> String;

    /// Which names its accounts have.
    fn names(&self) -> NameRule;

    /// Asks the host for what the arguments left open, before the method is used. A program may be run.
    fn prepare(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// The status of an account as far as a file of this host shows it, without a program being run.
    fn peek(&self, _name: &AccountName) -> Result<AccountStatus, Error> {
        Ok(AccountStatus::Unknown)
    }

    /// What the method needs on this host, as far as that can be told without running a program or asking another
    /// host: each with whether it is there.
    fn needs(&self) -> Vec<Fact> {
        Vec::new()
    }

    /// The status of an account.
    fn status(&self, name: &AccountName) -> Result<AccountStatus, Error>;

    /// Locks an account; `Ok` when it is locked now, also where it was before.
    ///
    /// A method cannot report that the account is locked, but a later step has failed (the NIS maps were not
    /// made, for example): that is an error too. [`roll_back`](Self::roll_back) then returns false, the report
    /// says that the account is not locked, and why, and the next run calls [`recover`](Self::recover).
    fn lock(&self, name: &AccountName) -> Result<(), Error>;

    /// Unlocks an account; `Ok` when it is open now, also where it was before.
    fn unlock(&self, name: &AccountName) -> Result<(), Error>;

    /// Completes or reverts a lock that an earlier run began and may not have finished. On return either the
    /// account is [`Locked`](AccountStatus::Locked), or nothing remains of the attempt.
    fn recover(&self, name: &AccountName) -> Result<AccountStatus, Error> {
        self.status(name)
    }

    /// Undoes what a failed [`lock`](Self::lock) may have left behind, where the method can. Returns true if
    /// nothing remains; otherwise the next run calls [`recover`](Self::recover).
    fn roll_back(&self, name: &AccountName) -> bool {
        self.status(name).is_ok_and(|status| status != AccountStatus::Locked)
    }

    /// When an account of this method was last changed by anybody, if that is known.
    fn last_change(&self) -> Option<SystemTime> {
        None
    }

    /// What the last change of the accounts' file has unlocked, if that can be seen. An administrator may have locked
    /// and unlocked an account between two runs: lines before that are no evidence.
    fn unlocked(&self) -> Option<Unlocked> {
        None
    }

    /// The commands that undo the lock by hand, for a person.
    fn manual(&self, name: &AccountName) -> Vec<String>;
}

/// The method that was remembered as `kind`, with the paths of the real system. `host` are the names of
/// this host, `root` whether root runs the program. It is not [prepared](LockMethod::prepare).
pub fn remembered(
    kind: &str,
    host: &[String],
    root: bool,
) -> Result<Box<dyn LockMethod>, system::Error> {
    let (word, rest) = kind.split_once(':').unwrap_or((kind, ""));
    let refused = |Invalid(why)| system::Error::Refused { what: shown(kind), why };
    Ok(match word {
        Local::KIND if rest.is_empty() => Box::new(Local::default()),
        Nis::KIND => Box::new(Nis::new(Master::parse(rest).map_err(refused)?, host)),
        SaslAccess::KIND => {
            let table = Table::parse(rest).map_err(refused)?;
            Box::new(SaslAccess::new(table, root, Postfix::default()))
        }
        Command::KIND => Box::new(Command::remembered(rest, root).map_err(refused)?),
        _ => return Err(refused(Invalid("not a lock method"))),
    })
}

/// Whether a lock that was remembered as of this kind locks a login in all its spellings, upper and lower
/// case.
pub(crate) fn folds_case(kind: &str) -> bool {
    remembered(kind, &[], false).is_ok_and(|method| method.names().folds_case())
}

/// Whether an account has the wanted status after all was done.
fn expect_status(
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
        AccountStatus::Open | AccountStatus::Unknown => Error::StillOpen { name, place: place() },
        AccountStatus::Locked => Error::StillLocked { name, place: place() },
    })
}

/// Whether a program is there, and can be run.
fn program(path: &Path) -> Fact {
    let path_shown = shown(&path.display().to_string());
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.mode() & 0o111 != 0 => {
            Fact::fine(path_shown)
        }
        Ok(_) => Fact::problem(format!("{path_shown} cannot be run")),
        Err(error) => Fact::problem(format!("{path_shown} cannot be run: {error}")),
    }
}

/// Whether a file is there, and can be read.
fn file(path: &Path) -> Fact {
    let path_shown = shown(&path.display().to_string());
    match std::fs::metadata(path) {
        Ok(_) => Fact::fine(path_shown),
        Err(error) => Fact::problem(format!("{path_shown}: {error}")),
    }
}

/// Whether a file is one that may be used.
fn checked(path: &Path, result: Result<(), system::Error>) -> Fact {
    match result {
        Ok(()) => Fact::fine(shown(&path.display().to_string())),
        Err(error) => Fact::problem(shown(&chain(&error))),
    }
}

/// A path as a person types it in a shell.
fn shell_quoted(path: &Path) -> String {
    shell_word(&path.display().to_string())
}

/// A checked name inside a regular expression of `sed`: of its bytes only the dot is special there.
fn sed_escaped(name: &AccountName) -> String {
    name.as_ref().replace('.', r"\.")
}

/// What somebody typed, in a message.
fn shown(text: &str) -> String {
    spamcore::escape::display(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_back_as_the_same_method() {
        for kind in [
            "local",
            "nis:localhost",
            "nis:root@nis.example.org",
            "nis:2001:db8::5",
            "sasl-access:hash:/etc/postfix/sasl_access",
            "command:/usr/local/sbin/lock it",
            "command:/usr/local/sbin/lock undone-by:/usr/local/sbin/un lock",
        ] {
            let method = remembered(kind, &[], false).expect("a method");
            assert_eq!(method.kind(), kind);
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
            assert!(remembered(kind, &[], false).is_err(), "{kind}");
        }
    }

    #[test]
    fn what_a_person_types_is_quoted() {
        assert_eq!(shell_quoted(Path::new("/etc/a-b.c")), "/etc/a-b.c");
        assert_eq!(shell_quoted(Path::new("/etc/it's $x")), r"'/etc/it'\''s $x'");
    }
}
