//! Listing and undoing locks.
//!
//! Takes the state, or its directory; gives the list as text, or what was unlocked and what failed. A lock that
//! cannot be undone stays in the state; where the state knows of none, one given method is tried.

use std::fmt::Write as _;

use spamcore::error::chain;
use spamcore::escape::display;
use spamcore::identity::{Identity, Realms};
use time::OffsetDateTime;
use time::macros::format_description;

use super::reason;
use crate::account::{AccountName, NameRule};
use crate::method::{self, AccountStatus, Error, LockMethod};
use crate::state::{Lock, State, Store};
use crate::system;
use crate::system::run_lock::{RunLock, WAIT};
use crate::system::syslog::Audit;

/// The locks, one per line: account, when, method, on what counts, and whether the account was unlocked by
/// other means. `local` turns Unix seconds into local time; `open` says whether the account of a lock can be
/// used again, as far as that can be seen from here.
pub fn list(
    state: &State,
    local: &dyn Fn(i64) -> Option<OffsetDateTime>,
    open: &dyn Fn(&str, &Lock) -> bool,
) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let mut text = String::new();
    for (account, record) in state.accounts() {
        for lock in &record.locks {
            let Lock { method, at, counts, period, log, .. } = lock;
            let again = if open(account, lock) { ", open again" } else { "" };
            let when = local(*at).and_then(|at| at.format(format).ok()).unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{account}  {when}  {}  {} messages, {} nets, {} unknowns, {} IPs in {} of {}{again}",
                display(method.as_bytes()),
                counts.messages,
                counts.nets,
                counts.unknowns,
                counts.ips,
                display(period.as_bytes()),
                display(log.as_bytes()),
            );
        }
        if !record.waiting.is_empty() {
            let _ = writeln!(text, "{account}  a notice waits to be sent");
        }
    }
    text
}

/// Whether an account that was locked can be used again, where a file of this host shows that. Other methods
/// are not asked: that would take programs, or another host.
pub fn is_open(account: &str, lock: &Lock, names: &[String], root: bool) -> bool {
    let name = AccountName::check(account.as_bytes());
    let method = method::remembered(&lock.method, names, root);
    match (name, method) {
        (Ok(name), Ok(method)) => matches!(method.peek(&name), Ok(AccountStatus::Open)),
        _ => false,
    }
}

/// Undoes locks.
pub struct Undo<'a> {
    /// Where the state is kept, and whether root runs the program.
    pub store: &'a Store,
    /// The names of this host.
    pub names: &'a [String],
    /// The domains that do not count as a part of a login.
    pub realms: &'a Realms,
    /// Where it is recorded.
    pub audit: &'a Audit,
    /// The time on this host's clock, in its zone.
    pub clock: &'a dyn Fn() -> OffsetDateTime,
}

/// What came of undoing the locks of an account.
#[derive(Debug, Default)]
pub struct Undone {
    /// The methods by which it was locked and no longer is.
    pub methods: Vec<String>,
    /// What failed, and what is left to do by hand.
    pub failures: Vec<String>,
    /// What else the administrator should know.
    pub warnings: Vec<String>,
}

impl Undo<'_> {
    /// Undoes all locks that the state has of a login in any spelling, or of the account that the login is, and
    /// forgets them. `otherwise` is the method to try if the state has no lock.
    pub fn enable(&self, login: &AccountName, otherwise: &dyn LockMethod) -> Result<Undone, Error> {
        let lock = RunLock::acquire(&self.store.dir, self.store.root, WAIT);
        if let Err(error @ system::Error::AnotherRun) = lock {
            return Err(error.into());
        }
        let (mut state, damaged) = self.store.load(self.now())?;
        let mut undone = Undone { warnings: damaged.into_iter().collect(), ..Undone::default() };
        // A full or read-only disk keeps nobody locked.
        undone.warnings.extend(lock.as_ref().err().map(|error| chain(error)));
        let locks = locks_of(&state, login, &Identity::logins(self.realms.clone()));
        if locks.is_empty() {
            // Locked by hand, or before a state was lost.
            let names = self.names_of(login, otherwise)?;
            let mut locked = Vec::new();
            let mut status = AccountStatus::Missing;
            for name in &names {
                status = otherwise.status(name)?;
                if status == AccountStatus::Locked {
                    locked.push(name);
                }
            }
            for name in &locked {
                self.undo(name, otherwise)?;
            }
            let account = &names[0];
            match status {
                _ if !locked.is_empty() => undone.methods.push(otherwise.kind()),
                AccountStatus::Missing => {
                    return Err(Error::Missing { name: account.clone(), place: otherwise.kind() });
                }
                AccountStatus::Unknown => {
                    undone.failures.push(format!("no lock of it is known ({})", otherwise.kind()));
                }
                AccountStatus::Open | AccountStatus::Locked => {
                    let method = otherwise.kind();
                    let why = format!("no lock of it is known, and it is not locked ({method})");
                    undone.failures.push(why);
                }
            }
            state.forget(account, self.now());
        }
        for (name, lock) in locks {
            let method = method::remembered(&lock.method, self.names, self.store.root);
            let undone_now = method.map_err(Error::from).and_then(|mut method| {
                method.prepare()?;
                lock.names(&name).iter().try_for_each(|login| self.undo(login, &*method))
            });
            match undone_now {
                Ok(()) => undone.methods.push(lock.method.clone()),
                Err(error) => {
                    let (why, by_hand) = (chain(&error), lock.undo.join("; "));
                    undone.failures.push(format!("{why}; by hand: {by_hand}"));
                    if !matches!(error, Error::ByHand { .. }) {
                        continue;
                    }
                }
            }
            state.drop_lock(&name, &lock.method);
            if state.record(&name).is_none_or(|record| record.locks.is_empty()) {
                state.forget(&name, self.now());
            }
        }
        if let Err(error) = self.store.save(&mut state) {
            let why = chain(&error);
            undone.warnings.push(if state.is_copied() {
                format!("the state could not be written, only a copy in memory: {why}")
            } else {
                format!("the state still has the lock, because it could not be written: {why}")
            });
        }
        Ok(undone)
    }

    /// The names under which a method may have locked a login of which the state has no lock. The first is the
    /// account.
    fn names_of(
        &self,
        login: &AccountName,
        method: &dyn LockMethod,
    ) -> Result<Vec<AccountName>, Error> {
        let folded = Identity::logins(self.realms.clone());
        let folded = folded.fold(login.as_ref().as_bytes());
        // If it is no account name without its realm, it is kept as it is.
        let folded = AccountName::check(&folded).unwrap_or_else(|_| login.clone());
        let mut names = vec![folded.clone()];
        match method.names() {
            // An account of exactly this spelling.
            NameRule::LocalEntry if method.status(login)? != AccountStatus::Missing => {
                names = vec![login.clone()];
            }
            NameRule::Login => {
                let realms = self.realms.domains().map(|domain| format!("{folded}@{domain}"));
                names.extend(realms.filter_map(|name| AccountName::check(name.as_bytes()).ok()));
                names.push(login.clone());
            }
            NameRule::LocalEntry | NameRule::Nis | NameRule::Account => {}
        }
        Ok(names)
    }

    fn undo(&self, account: &AccountName, method: &dyn LockMethod) -> Result<(), Error> {
        let done = method.unlock(account);
        let how = match &done {
            Ok(()) => format!("{account} enabled ({})", method.kind()),
            Err(error) => format!("{account} not enabled ({}): {}", method.kind(), reason(error)),
        };
        // A syslog that does not work must not keep anybody locked.
        let _ = self.audit.record((self.clock)(), &how);
        done
    }

    fn now(&self) -> i64 {
        (self.clock)().unix_timestamp()
    }
}

/// The locks of an account: of exactly that name, and under some methods of all its spellings. If there are none,
/// those of all its spellings under any method.
fn locks_of(state: &State, account: &AccountName, identity: &Identity) -> Vec<(AccountName, Lock)> {
    let folded = identity.fold(account.as_ref().as_bytes());
    let (mut locks, mut others) = (Vec::new(), Vec::new());
    for (name, record) in state.accounts() {
        let exact = name == account.as_ref();
        let Ok(known) = AccountName::check(name.as_bytes()) else { continue };
        let is_spelling = identity.fold(name.as_bytes()) == folded;
        for lock in &record.locks {
            let is_login = lock.logins.iter().any(|l| l.eq_ignore_ascii_case(account.as_ref()));
            let its = (known.clone(), lock.clone());
            if exact || ((is_spelling || is_login) && method::folds_case(&lock.method)) {
                locks.push(its);
            } else if is_spelling {
                others.push(its);
            }
        }
    }
    if locks.is_empty() { others } else { locks }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::Notice;

    #[test]
    fn only_in_tables_all_spellings_are_one_account() {
        let name = |name: &str| AccountName::check(name.as_bytes()).expect("a name");
        let mut state = State::default();
        for (account, method) in [
            ("alice", "local"),
            ("Alice", "local"),
            ("Alice", "sasl-access:hash:/a"),
            ("bob", "sasl-access:hash:/a"),
            ("bob", "local"),
        ] {
            let lock = Lock {
                method: method.into(),
                logins: Vec::new(),
                undo: Vec::new(),
                at: 0,
                counts: spamcore::evidence::Counts::default(),
                period: String::new(),
                log: String::new(),
                pending: false,
            };
            let notice = Notice { subject: String::new(), body: String::new() };
            state.begin_lock(&name(account), lock, notice);
        }
        let identity = Identity::logins(Realms::default());
        let mut locks: Vec<_> = locks_of(&state, &name("alice"), &identity)
            .into_iter()
            .map(|(account, lock)| format!("{account} {}", lock.method))
            .collect();
        locks.sort_unstable();
        assert_eq!(locks, ["Alice sasl-access:hash:/a", "alice local"]);
    }
}
