//! What is remembered from run to run: what was locked, when, how and why, and which notices were sent.
//!
//! Takes the directory (`/var/lib/spam-check`) and the caller's time, in Unix seconds; gives a [`State`], kept
//! as JSON in `state.json`, and in a copy elsewhere while that cannot be written ([`Store`]). Loading changes nothing on disk, so that a dry run can look; [`State::save`]
//! replaces the file atomically. The caller holds the [`RunLock`](crate::system::run_lock::RunLock) from before
//! the one until after the other.
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
mod tests {
    use super::*;

    fn name(name: &str) -> AccountName {
        AccountName::check(name.as_bytes()).expect("a name")
    }

    fn lock(method: &str, at: i64) -> Lock {
        let undo = vec![format!("undo {method}")];
        let (period, log) = ("1hour".into(), "/var/log/mail.log".into());
        let logins = Vec::new();
        Lock {
            logins,
            method: method.into(),
            undo,
            at,
            counts: Counts::default(),
            period,
            log,
            pending: false,
        }
    }

    /// A lock that was made, and its notice sent.
    fn add_lock(state: &mut State, name: &AccountName, lock: Lock) {
        let (method, at) = (lock.method.clone(), lock.at);
        state.begin_lock(name, lock, notice());
        state.finish_lock(name, &method, at);
        state.record_mut(name).waiting.clear();
    }

    fn notice() -> Notice {
        Notice { subject: "subject".into(), body: "body\n".into() }
    }

    #[test]
    fn an_account_may_be_locked_in_several_ways_and_once_in_each() {
        let mut state = State::default();
        add_lock(&mut state, &name("alice"), lock("local", 100));
        add_lock(&mut state, &name("alice"), lock("nis:localhost", 200));
        add_lock(&mut state, &name("alice"), lock("local", 300));
        let methods = |state: &State| {
            let record = state.record(&name("alice")).expect("it is remembered");
            record.locks.iter().map(|lock| (lock.method.clone(), lock.at)).collect::<Vec<_>>()
        };
        assert_eq!(methods(&state), [("nis:localhost".into(), 200), ("local".into(), 300)]);
        state.drop_lock(&name("alice"), "nis:localhost");
        assert_eq!(methods(&state), [("local".into(), 300)]);
        assert_eq!(state.seen_locked(&name("alice")), Some(300));
        assert_eq!(state.record(&name("Alice")), None);
    }

    #[test]
    fn an_account_that_was_unlocked_is_not_locked_again_on_old_lines() {
        let mut state = State::default();
        add_lock(&mut state, &name("alice"), lock("local", 100));
        state.see_locked(&name("alice"), 150);
        state.wait(&name("alice"), NoticeKind::Disabled, notice());
        state.forget(&name("alice"), 200);
        let record = state.record(&name("alice")).expect("it is remembered");
        assert_eq!(*record, Record { seen_locked: Some(200), ..Record::default() });
        // Of one that was locked by others too.
        state.forget(&name("bob"), 200);
        assert_eq!(state.seen_locked(&name("bob")), Some(200));
    }

    #[test]
    fn locks_of_the_last_day_are_counted_also_those_undone() {
        let mut state = State::default();
        for at in [0, 10, DAY] {
            add_lock(&mut state, &name("alice"), lock("local", at));
        }
        state.forget(&name("alice"), DAY);
        assert_eq!(state.recent_locks(DAY - 1), 3);
        assert_eq!(state.recent_locks(DAY), 2);
        assert_eq!(state.recent_locks(2 * DAY), 0);
    }

    #[test]
    fn one_notice_an_incident_and_again_after_a_day() {
        let mut state = State::default();
        let alice = name("alice");
        add_lock(&mut state, &alice, lock("local", 100));
        assert!(state.due(&alice, NoticeKind::Disabled, 100));
        state.wait(&alice, NoticeKind::Disabled, notice());
        assert!(state.due(&alice, NoticeKind::Disabled, 101));
        let waiting: Vec<_> =
            state.waiting().into_iter().map(|(name, kind, _)| (name, kind)).collect();
        assert_eq!(waiting, [(alice.clone(), NoticeKind::Disabled)]);
        state.notified(&alice, NoticeKind::Disabled, 110);
        assert_eq!(state.waiting().len(), 0);
        assert!(!state.due(&alice, NoticeKind::Disabled, 110));
        assert!(state.due(&alice, NoticeKind::StillSending, 110));
        state.notified(&alice, NoticeKind::StillSending, 120);
        assert!(!state.due(&alice, NoticeKind::StillSending, 119 + DAY));
        assert!(state.due(&alice, NoticeKind::StillSending, 120 + DAY));
        // A new lock is a new incident.
        add_lock(&mut state, &alice, lock("local", 130));
        assert!(state.due(&alice, NoticeKind::Disabled, 130));
    }

    #[test]
    fn a_clock_set_back_holds_nothing_up() {
        let mut state = State::default();
        let alice = name("alice");
        add_lock(&mut state, &alice, lock("local", 1_000_000));
        state.notified(&alice, NoticeKind::Disabled, 1_000_000);
        state.changed = false;
        for now in [500, 600] {
            state.tidy(now);
            assert!(state.changed);
            assert_eq!(state.seen_locked(&alice), Some(500));
            assert_eq!(state.recent_locks(now), 1);
        }
        assert!(!state.due(&alice, NoticeKind::Disabled, 501));
        assert!(state.due(&alice, NoticeKind::Disabled, 500 + DAY));
        state.tidy(500 + DAY);
        assert_eq!(state.recent_locks(500 + DAY), 0);
        // What happens by the new clock counts by it.
        state.see_locked(&alice, 900);
        state.notified(&alice, NoticeKind::Disabled, 900);
        assert_eq!(state.seen_locked(&alice), Some(900));
        assert!(!state.due(&alice, NoticeKind::Disabled, 899 + DAY));
        for now in [i64::MIN, -1, 0, i64::MAX] {
            state.tidy(now);
            state.due(&alice, NoticeKind::Disabled, now);
            state.recent_locks(now);
        }
    }

    #[test]
    fn a_clock_that_was_wrong_for_a_while_makes_nothing_forgotten() {
        let mut state = State::default();
        let (alice, now) = (name("alice"), 1_000_000);
        add_lock(&mut state, &alice, lock("local", now));
        state.notified(&alice, NoticeKind::Disabled, now);
        for wrong in [500, 400, 700] {
            state.tidy(wrong);
            assert!(!state.due(&alice, NoticeKind::Disabled, wrong), "no notice is repeated");
            state.see_locked(&alice, wrong);
            state.notified(&alice, NoticeKind::Disabled, wrong);
        }
        state.forget(&alice, 701);
        assert_eq!(state.seen_locked(&alice), Some(701));
        state.tidy(now + 60);
        assert_eq!(state.seen_locked(&alice), Some(now));
        assert_eq!(state.recent_locks(now + 60), 1);
        let record = state.record(&alice).expect("it is remembered");
        assert!(record.behind.is_empty() && state.recent_behind.is_none());
    }

    #[test]
    fn a_lock_of_others_counts_if_it_is_newer() {
        let mut state = State::default();
        let seconds = |at: i64| at * 1_000_000_000;
        for (until, want) in [(100, 100), (50, 100), (150, 150), (999, 200)] {
            state.recall_unlocked(seconds(until), &[name("alice")], 200);
            assert_eq!(state.seen_locked(&name("alice")), Some(want));
        }
        // What was noted is not noted again.
        state.recall_unlocked(seconds(999), &[name("bob")], 300);
        assert_eq!(state.seen_locked(&name("bob")), None);
    }

    #[test]
    fn a_lock_that_was_begun_is_finished_or_abandoned_and_its_notice_with_it() {
        let (alice, bob) = (name("alice"), name("bob"));
        let mut state = State::default();
        for account in [&alice, &bob] {
            state.begin_lock(account, lock("local", 100), notice());
        }
        assert_eq!(
            (state.pending("local"), state.pending("nis:a")),
            (vec![alice.clone(), bob.clone()], vec![])
        );
        assert_eq!((state.waiting(), state.recent_locks(100), state.is_done()), (vec![], 2, false));
        assert_eq!(state.seen_locked(&alice), None, "nobody has seen it locked");
        state.finish_lock(&alice, "local", 105);
        state.abandon_lock(&bob, "local");
        assert_eq!(state.waiting(), [(alice.clone(), NoticeKind::Disabled, notice())]);
        assert_eq!((state.seen_locked(&alice), state.recent_locks(105)), (Some(105), 1));
        assert_eq!(
            state.lock_of(&alice, "local").map(|lock| (lock.at, lock.pending)),
            Some((105, false))
        );
        assert_eq!(state.lock_of(&bob, "local"), None);
        state.notified(&alice, NoticeKind::Disabled, 106);
        assert!(state.is_done());
    }

    #[test]
    fn old_entries_go_but_not_what_is_locked_or_waits() {
        let mut state = State::default();
        state.see_locked(&name("old"), 0);
        add_lock(&mut state, &name("locked"), lock("local", 0));
        state.wait(&name("waits"), NoticeKind::StillSending, notice());
        state.see_locked(&name("recent"), 1);
        state.tidy(400 * 86_400 + 1);
        let names: Vec<_> = state.accounts().map(|(name, _)| name).collect();
        assert_eq!(names, ["locked", "recent", "waits"]);
    }

    #[test]
    fn the_notices_that_wait_are_bounded_and_one_that_is_not_kept_is_still_due() {
        let mut state = State::default();
        for number in 0..=WAITING {
            state.wait(&name(&format!("user{number}")), NoticeKind::Disabled, notice());
        }
        assert_eq!(state.waiting().len(), WAITING);
        assert!(state.due(&name(&format!("user{WAITING}")), NoticeKind::Disabled, 0));
    }

    #[test]
    fn of_too_many_entries_the_newest_stay() {
        let mut state = State::default();
        for (number, at) in (0..).zip(0..i64::try_from(ENTRIES).expect("small") + 50) {
            state.see_locked(&name(&format!("user{number}")), at);
        }
        add_lock(&mut state, &name("locked"), lock("local", 0));
        state.tidy(DAY);
        assert_eq!(state.accounts().count(), ENTRIES + 1);
        assert!(state.record(&name("user49")).is_none());
        assert!(state.record(&name("user50")).is_some());
    }
}
