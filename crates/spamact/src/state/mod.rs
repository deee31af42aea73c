//! What is remembered from run to run: what was locked, when, how and why, and which notices were sent.
//!
//! Takes the directory (`/var/lib/spam-check`) and the caller's time, in Unix seconds; gives a [`State`], kept
//! as JSON in `state.json`. Loading changes nothing on disk, so that a dry run can look; [`State::save`]
//! replaces the file atomically. The caller holds the [`RunLock`](crate::system::run_lock::RunLock) from before
//! the one until after the other.
//!
//! A file that is damaged, or of an unknown version, stops nobody: the state is then empty, a message says so
//! once, and saving renames the old file to `state.json.damaged-TIME`.
//!
//! A clock that was set back leaves times that are in the future. They are taken as now: otherwise an account
//! could not be locked again, nor a notice sent, until the time of the wrong clock.
//!
//! The state is bounded: an account that is not locked, and of which no notice waits, is dropped after [`KEPT`],
//! or earlier if there are more than [`ENTRIES`]; names that were never seen locked, which anybody can invent, go
//! first, and after a day. All names in it are checked ones.

mod file;

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
    accounts: BTreeMap<String, Record>,
    /// When locks were made, in the last 24 hours.
    recent: Vec<i64>,
    /// Whether the file must be written.
    #[serde(skip)]
    changed: bool,
    /// The new name of the damaged file.
    #[serde(skip)]
    aside: Option<PathBuf>,
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

    /// The newest time in it.
    fn newest(&self) -> i64 {
        let times = self.notified_at.values().copied().chain(self.seen_locked);
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
        self.record(name)?.seen_locked
    }

    /// What is remembered where all spellings of a name are one account: when it was last seen locked, and
    /// whether a lock holds, by the folded name.
    pub fn folded(&self, identity: &Identity) -> HashMap<Vec<u8>, (Option<i64>, bool)> {
        let mut known: HashMap<_, (Option<i64>, bool)> = HashMap::new();
        for (name, record) in &self.accounts {
            let name = identity.fold(name.as_bytes()).into_owned();
            let (seen_locked, locked) = known.entry(name).or_default();
            *seen_locked = record.seen_locked.max(*seen_locked);
            *locked |= !record.locks.is_empty();
        }
        known
    }

    /// The account is locked now, whoever locked it.
    pub fn see_locked(&mut self, name: &AccountName, now: i64) {
        self.record_mut(name).seen_locked = Some(now);
    }

    /// An account is about to be locked: a new incident, about which no notice was sent yet. Its notice waits until
    /// the lock is [finished](Self::finish_lock), by a later run if this one is killed.
    pub fn begin_lock(&mut self, name: &AccountName, lock: Lock, notice: Notice) {
        let record = self.record_mut(name);
        // That it was not locked stays reported until it is.
        record.notified_at.retain(|kind, _| *kind == NoticeKind::Spared);
        record.locks.retain(|old| old.method != lock.method);
        record.locks.push(Lock { pending: true, ..lock });
        self.wait(name, NoticeKind::Disabled, notice);
    }

    /// The account is locked.
    pub fn finish_lock(&mut self, name: &AccountName, method: &str, at: i64) {
        let record = self.record_mut(name);
        record.seen_locked = Some(at);
        record.notified_at.remove(&NoticeKind::Spared);
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
        *self.record_mut(name) = Record { seen_locked: Some(now), ..Record::default() };
    }

    /// How many locks were made in the last 24 hours, or started.
    pub fn recent_locks(&self, now: i64) -> usize {
        let made = self.recent.iter().filter(|at| now.saturating_sub(**at) < DAY).count();
        let locks = self.accounts.values().flat_map(|record| &record.locks);
        made + locks.filter(|lock| lock.pending).count()
    }

    /// Whether a notice of this kind is due: none was sent yet, or the last one 24 hours ago.
    pub fn due(&self, name: &AccountName, kind: NoticeKind, now: i64) -> bool {
        let last = self.record(name).and_then(|record| record.notified_at.get(&kind));
        // A time in the future comes from a clock that was set back since.
        last.is_none_or(|last| *last > now || now.saturating_sub(*last) >= DAY)
    }

    /// A notice is to be sent, by this run or a later one. The newest of each kind waits, and no more than
    /// [`WAITING`] of all.
    pub fn wait(&mut self, name: &AccountName, kind: NoticeKind, notice: Notice) {
        let waiting: usize = self.accounts.values().map(|record| record.waiting.len()).sum();
        if waiting < WAITING {
            self.record_mut(name).waiting.insert(kind, notice);
        }
    }

    /// A notice was sent.
    pub fn notified(&mut self, name: &AccountName, kind: NoticeKind, now: i64) {
        let record = self.record_mut(name);
        record.waiting.remove(&kind);
        record.notified_at.insert(kind, now);
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

    /// Whether nothing is left to do: no notice waits, and no lock is unfinished.
    pub fn is_done(&self) -> bool {
        self.accounts.values().all(|record| {
            record.waiting.is_empty() && !record.locks.iter().any(|lock| lock.pending)
        })
    }

    fn record_mut(&mut self, name: &AccountName) -> &mut Record {
        self.changed = true;
        self.accounts.entry(name.as_ref().to_owned()).or_default()
    }

    /// Takes times in the future as now, and drops what is old.
    fn tidy(&mut self, now: i64) {
        let mut ahead = false;
        let mut pull = |time: &mut i64| {
            ahead |= *time > now;
            *time = now.min(*time);
        };
        for record in self.accounts.values_mut() {
            record.locks.iter_mut().for_each(|lock| pull(&mut lock.at));
            record.notified_at.values_mut().for_each(&mut pull);
            record.seen_locked.as_mut().map(&mut pull);
        }
        self.recent.iter_mut().for_each(&mut pull);
        self.changed |= ahead;

        self.recent.retain(|at| now.saturating_sub(*at) < DAY);
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
        assert!(state.due(&alice, NoticeKind::Disabled, 500));
        state.changed = false;
        state.tidy(500);
        assert!(state.changed);
        assert_eq!(state.seen_locked(&alice), Some(500));
        assert_eq!(state.recent_locks(500), 1);
        assert!(!state.due(&alice, NoticeKind::Disabled, 501));
        assert!(state.due(&alice, NoticeKind::Disabled, 500 + DAY));
        for now in [i64::MIN, -1, 0, i64::MAX] {
            state.tidy(now);
            state.due(&alice, NoticeKind::Disabled, now);
            state.recent_locks(now);
        }
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
