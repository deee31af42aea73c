//! What is remembered from run to run: what was locked, when, how and why, and which notices were sent.
//!
//! Takes the directory (`/var/lib/spam-check`) and the caller's time, in Unix seconds; gives a [`State`], kept as JSON in
//! `state.json`, and in a copy elsewhere while that cannot be written ([`Store`]). Loading changes nothing on disk, so
//! that a dry run can look; [`State::save`] replaces the file atomically. The caller holds the
//! [`RunLock`](crate::system::run_lock::RunLock) from before the one until after the other.
//!
//! A file that is damaged, or of an unknown version, stops nobody: the state is then empty, a message says so
//! once, and saving renames the old file to `state.json.damaged-TIME`.
//!
//! A clock that was set back leaves times that are in the future. They count as the time at which that was first
//! noticed: otherwise an account could not be locked again, nor a notice sent, until the time of the wrong clock.
//! But it may be the clock of now that is wrong. So the later times are kept, and count again once they are past:
//! a clock that shows 2015 for a minute makes nobody forget what was done in 2026.
//!
//! The state is bounded: an account that is not locked, and of which no notice waits, is dropped after [`KEPT`],
//! or earlier if there are more than [`ENTRIES`]; names that were never seen locked, which anybody can invent, go
//! first, and after a day. All names in it are checked ones.

mod file;

pub use file::Store;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use spamcore::evidence::Counts;
use spamcore::identity::Identity;

use crate::account::AccountName;
use crate::notice::{Notice, NoticeKind};

/// A day, in seconds.
pub(crate) const DAY: i64 = 24 * 60 * 60;

/// How long, in seconds, an account is remembered that is no longer locked. Longer than any sensible period, so that
/// old lines do not lock it again.
pub const KEPT: i64 = 400 * DAY;

/// How many accounts that are not locked are remembered at most. The newest stay.
pub const ENTRIES: usize = 10_000;

/// How many notices wait at most, each of some 20 KiB. A further one is not kept: it is due again with the next
/// evidence.
pub const WAITING: usize = 1000;

/// What is remembered.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    version: u32,
    /// How many times it was written: of two copies the one with the higher number counts.
    #[serde(default)]
    serial: u64,
    accounts: BTreeMap<String, Record>,
    /// When locks were made, in the last 24 hours.
    recent: Vec<i64>,
    /// When it was noticed that some of those are in the future.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recent_behind: Option<i64>,
    /// When accounts were last unlocked by others, in Unix nanoseconds, as far as that was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unlocked: Option<i64>,
    /// Whether the file must be written.
    #[serde(skip)]
    changed: bool,
    /// The new name of the damaged file.
    #[serde(skip)]
    aside: Option<PathBuf>,
    /// It was read from the copy, and the file that it is a copy of must be written.
    #[serde(skip)]
    from_copy: bool,
}

/// What is remembered of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Locks made by spam-check that are still in place: at most one per method.
    pub locks: Vec<Lock>,
    /// When the account was last seen locked, whoever had locked it. Only newer lines are evidence.
    pub seen_locked: Option<i64>,
    /// When the last notice of each kind was sent.
    // The name is part of the file format.
    #[serde(rename = "told")]
    pub notified_at: BTreeMap<NoticeKind, i64>,
    /// Notices that could not be sent yet.
    pub waiting: BTreeMap<NoticeKind, Notice>,
    /// The same times by a clock that is behind them.
    #[serde(default, skip_serializing_if = "Behind::is_empty")]
    behind: Behind,
}

/// What stands for times that are in the future, because the clock was set back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Behind {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen_locked: Option<i64>,
    #[serde(default, rename = "told", skip_serializing_if = "BTreeMap::is_empty")]
    notified_at: BTreeMap<NoticeKind, i64>,
}

impl Behind {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One lock that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The lock method: `local`, `nis:MASTER` and so on.
    // The name is part of the file format.
    #[serde(rename = "way")]
    pub method: String,
    /// The other names under which the account can log in, where logins are locked by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logins: Vec<String>,
    /// The commands that undo it by hand.
    pub undo: Vec<String>,
    /// When, in Unix seconds.
    pub at: i64,
    /// On what counts.
    pub counts: Counts,
    /// The period that was searched, as typed.
    pub period: String,
    /// The log that was read.
    pub log: String,
    /// It was started, and may not be complete: the run was killed, or a last step failed.
    #[serde(default)]
    pub pending: bool,
}

impl Lock {
    /// All names that were locked for an account.
    pub fn names(&self, account: &AccountName) -> Vec<AccountName> {
        let logins =
            self.logins.iter().filter_map(|login| AccountName::check(login.as_bytes()).ok());
        std::iter::once(account.clone()).chain(logins).collect()
    }
}

impl Record {
    fn idle(&self) -> bool {
        self.locks.is_empty() && self.waiting.is_empty()
    }

    /// When the account was last seen locked, by the clock of now.
    pub fn seen_locked(&self) -> Option<i64> {
        self.behind.seen_locked.or(self.seen_locked)
    }

    fn see_locked(&mut self, now: i64) {
        match self.seen_locked {
            Some(seen) if seen > now => self.behind.seen_locked = Some(now),
            _ => self.seen_locked = Some(now),
        }
    }

    /// When the last notice of a kind was sent, by the clock of now.
    fn notified_at(&self, kind: NoticeKind) -> Option<i64> {
        self.behind.notified_at.get(&kind).or(self.notified_at.get(&kind)).copied()
    }

    fn notified(&mut self, kind: NoticeKind, now: i64) {
        match self.notified_at.get(&kind) {
            Some(last) if *last > now => self.behind.notified_at.insert(kind, now),
            _ => self.notified_at.insert(kind, now),
        };
    }

    /// A new incident: of no kind but these was a notice sent.
    fn retain_notified(&mut self, keep: impl Fn(NoticeKind) -> bool) {
        self.notified_at.retain(|kind, _| keep(*kind));
        self.behind.notified_at.retain(|kind, _| keep(*kind));
    }

    /// Notes what of it is in the future now, and no longer.
    fn set_behind(&mut self, now: i64) {
        let old = std::mem::take(&mut self.behind);
        let behind = |time: &i64, old: Option<&i64>| {
            (*time > now).then(|| old.copied().unwrap_or(now).min(now))
        };
        self.behind.seen_locked =
            self.seen_locked.and_then(|seen| behind(&seen, old.seen_locked.as_ref()));
        for (kind, at) in &self.notified_at {
            if let Some(at) = behind(at, old.notified_at.get(kind)) {
                self.behind.notified_at.insert(*kind, at);
            }
        }
    }

    /// The newest time in it, by the clock of now.
    fn newest(&self) -> i64 {
        let times = self.notified_at.keys().filter_map(|kind| self.notified_at(*kind));
        let times = times.chain(self.seen_locked());
        times.chain(self.locks.iter().map(|lock| lock.at)).max().unwrap_or(i64::MIN)
    }
}

impl State {
    /// The accounts in the order of their names.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, &Record)> {
        self.accounts.iter().map(|(name, record)| (name.as_str(), record))
    }

    /// What is remembered of an account.
    pub fn record(&self, name: &AccountName) -> Option<&Record> {
        self.accounts.get(name.as_ref())
    }

    /// When the account was last seen locked: only lines stamped after that are evidence.
    pub fn seen_locked(&self, name: &AccountName) -> Option<i64> {
        self.record(name)?.seen_locked()
    }

    /// What is remembered where all spellings of a name are one account: when it was last seen locked, and
    /// whether a lock holds, by the folded name.
    pub fn folded(&self, identity: &Identity) -> HashMap<Vec<u8>, (Option<i64>, bool)> {
        let mut known: HashMap<_, (Option<i64>, bool)> = HashMap::new();
        for (name, record) in &self.accounts {
            let name = identity.fold(name.as_bytes()).into_owned();
            let (seen_locked, locked) = known.entry(name).or_default();
            *seen_locked = record.seen_locked().max(*seen_locked);
            *locked |= !record.locks.is_empty();
        }
        known
    }

    /// The account is locked now, whoever locked it.
    pub fn see_locked(&mut self, name: &AccountName, now: i64) {
        self.record_mut(name).see_locked(now);
    }

    /// These accounts were locked until this time, in Unix nanoseconds, whoever locked and unlocked them. That is
    /// noted once.
    pub fn recall_unlocked(&mut self, at: i64, names: &[AccountName], now: i64) {
        if names.is_empty() || self.unlocked == Some(at) {
            return;
        }
        self.unlocked = Some(at);
        let until = now.min(at.div_euclid(1_000_000_000));
        for name in names {
            if self.seen_locked(name).is_none_or(|seen| seen < until) {
                self.see_locked(name, until);
            }
        }
    }

    /// An account is about to be locked: a new incident, about which no notice was sent yet. Its notice waits until
    /// the lock is [finished](Self::finish_lock), by a later run if this one is killed.
    pub fn begin_lock(&mut self, name: &AccountName, lock: Lock, notice: Notice) {
        let record = self.record_mut(name);
        // That it was not locked stays reported until it is.
        record.retain_notified(|kind| kind == NoticeKind::Spared);
        record.locks.retain(|old| old.method != lock.method);
        record.locks.push(Lock { pending: true, ..lock });
        self.wait(name, NoticeKind::Disabled, notice);
    }

    /// The account is locked.
    pub fn finish_lock(&mut self, name: &AccountName, method: &str, at: i64) {
        let record = self.record_mut(name);
        record.see_locked(at);
        record.retain_notified(|kind| kind != NoticeKind::Spared);
        for lock in record.locks.iter_mut().filter(|lock| lock.method == method) {
            (lock.pending, lock.at) = (false, at);
        }
        self.recent.push(at);
    }

    /// A lock was not extended to further logins: it is what it was before.
    pub fn restore_lock(&mut self, name: &AccountName, lock: Lock) {
        self.record_mut(name).locks.push(lock);
    }

    /// The account was not locked after all.
    pub fn abandon_lock(&mut self, name: &AccountName, method: &str) {
        let record = self.record_mut(name);
        record.locks.retain(|lock| lock.method != method);
        record.waiting.remove(&NoticeKind::Disabled);
    }

    /// The accounts whose lock by this method was started and not finished.
    pub fn pending(&self, method: &str) -> Vec<AccountName> {
        let started =
            |record: &Record| record.locks.iter().any(|l| l.pending && l.method == method);
        let names = self.accounts.iter().filter(|(_, record)| started(record));
        names.filter_map(|(name, _)| AccountName::check(name.as_bytes()).ok()).collect()
    }

    /// The lock of an account by this method.
    pub fn lock_of(&self, name: &AccountName, method: &str) -> Option<&Lock> {
        self.record(name)?.locks.iter().find(|lock| lock.method == method)
    }

    /// One lock of an account was undone, by spam-check or by hand. When it was seen locked is kept: old lines must
    /// not lock it again.
    pub fn drop_lock(&mut self, name: &AccountName, method: &str) {
        if let Some(record) = self.accounts.get_mut(name.as_ref()) {
            record.locks.retain(|lock| lock.method != method);
            self.changed = true;
        }
    }

    /// All locks of an account were undone at this time: they, and the notices of it that wait, are forgotten.
    /// It was locked until now, so that no older line counts against it.
    pub fn forget(&mut self, name: &AccountName, now: i64) {
        let record = self.record_mut(name);
        let (seen_locked, behind) = (record.seen_locked, record.behind.seen_locked);
        *record = Record { seen_locked, ..Record::default() };
        record.behind.seen_locked = behind;
        record.see_locked(now);
    }

    /// How many locks were made in the last 24 hours, or started.
    pub fn recent_locks(&self, now: i64) -> usize {
        let noticed = self.recent_behind.unwrap_or(now);
        let at = |at: &i64| if *at > now { noticed } else { *at };
        let made = self.recent.iter().filter(|made| now.saturating_sub(at(made)) < DAY).count();
        let locks = self.accounts.values().flat_map(|record| &record.locks);
        made + locks.filter(|lock| lock.pending).count()
    }

    /// Whether a notice of this kind is due: none was sent yet, or the last one 24 hours ago.
    pub fn due(&self, name: &AccountName, kind: NoticeKind, now: i64) -> bool {
        let last = self.record(name).and_then(|record| record.notified_at(kind));
        last.is_none_or(|last| now.saturating_sub(last) >= DAY)
    }

    /// A notice is to be sent, by this run or a later one. The newest of each kind waits, and no more than
    /// [`WAITING`] of all.
    pub fn wait(&mut self, name: &AccountName, kind: NoticeKind, notice: Notice) {
        let waiting: usize = self.accounts.values().map(|record| record.waiting.len()).sum();
        if waiting < WAITING {
            self.record_mut(name).waiting.insert(kind, notice);
        }
    }

    /// Adds to a notice that waits what was done meanwhile.
    pub fn add_done(
        &mut self,
        name: &AccountName,
        kind: NoticeKind,
        title: &str,
        lines: &[String],
    ) {
        if let Some(notice) = self.record_mut(name).waiting.get_mut(&kind) {
            notice.add_done(title, lines);
        }
    }

    /// A notice was sent.
    pub fn notified(&mut self, name: &AccountName, kind: NoticeKind, now: i64) {
        let record = self.record_mut(name);
        record.waiting.remove(&kind);
        record.notified(kind, now);
    }

    /// The notices that wait to be sent, without those of locks that are not finished.
    pub fn waiting(&self) -> Vec<(AccountName, NoticeKind, Notice)> {
        let mut all = Vec::new();
        for (name, record) in &self.accounts {
            let Ok(name) = AccountName::spelled(name.as_bytes()) else { continue };
            let started = record.locks.iter().any(|lock| lock.pending);
            for (kind, notice) in &record.waiting {
                if !(started && *kind == NoticeKind::Disabled) {
                    all.push((name.clone(), *kind, notice.clone()));
                }
            }
        }
        all
    }

    /// Whether a notice of this kind waits.
    pub fn is_waiting(&self, name: &AccountName, kind: NoticeKind) -> bool {
        self.record(name).is_some_and(|record| record.waiting.contains_key(&kind))
    }

    /// Whether only a copy of it has what has changed.
    pub fn is_copied(&self) -> bool {
        self.from_copy
    }

    /// Whether nothing is left to do: no notice waits, and no lock is unfinished.
    pub fn is_done(&self) -> bool {
        !self.from_copy
            && self.accounts.values().all(|record| {
                record.waiting.is_empty() && !record.locks.iter().any(|lock| lock.pending)
            })
    }

    fn record_mut(&mut self, name: &AccountName) -> &mut Record {
        self.changed = true;
        self.accounts.entry(name.as_ref().to_owned()).or_default()
    }

    /// Notes which times are in the future, and drops what is old.
    fn tidy(&mut self, now: i64) {
        for record in self.accounts.values_mut() {
            let before = record.behind.clone();
            record.set_behind(now);
            self.changed |= record.behind != before;
        }
        let is_ahead = self.recent.iter().any(|at| *at > now);
        let noticed = is_ahead.then(|| self.recent_behind.unwrap_or(now).min(now));
        self.changed |= noticed != self.recent_behind;
        self.recent_behind = noticed;

        let at = |at: &i64| noticed.filter(|_| *at > now).unwrap_or(*at);
        self.recent.retain(|made| now.saturating_sub(at(made)) < DAY);
        // After a day a notice is due again, so that it need not be known that one was sent.
        let kept = |record: &Record| if record.seen_locked.is_some() { KEPT } else { DAY - 1 };
        self.accounts.retain(|_, record| {
            !record.idle() || now.saturating_sub(record.newest()) <= kept(record)
        });
        let worth = |record: &Record| (record.seen_locked.is_some(), record.newest());
        let mut idle: Vec<_> =
            self.accounts.values().filter(|record| record.idle()).map(worth).collect();
        idle.sort_unstable_by(|a, b| b.cmp(a));
        if let Some(first_to_go) = idle.get(ENTRIES) {
            self.accounts.retain(|_, record| !record.idle() || worth(record) > *first_to_go);
        }
    }
}

#[cfg(test)]
mod tests;
