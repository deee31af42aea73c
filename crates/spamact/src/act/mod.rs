//! Acting on accounts that look stolen.
//!
//! Takes the findings that are beyond the limits of `--disable-account`, a lock method, and the logs once
//! more ([`EvidenceSource`]); notes on each finding what was done to it, and reports what failed. The steps:
//!
//! 1. The [rules](crate::account::Rules) say whether a sender is an account that may be locked.
//! 2. The state says when it was last seen locked, and the logs are read once more: only lines after that,
//!    up to now, and of this host, are evidence, and they alone must be beyond all limits.
//! 3. With `--verify-journal`, the trusted lines of the journal alone must be beyond them, too.
//! 4. The worst are locked first, no more than [`Actor::max_locks`] per run and four times that per day, those
//!    that the journal confirms aside. Of more than a thousand suspects only the worst thousand are looked at.
//! 5. Write-ahead: each intended lock and its notice are saved before the lock is made, then the lock is
//!    made and verified. Syslog has a line before and after.
//! 6. One notice tells of suspects that were not locked, for whatever reason but that there is no new evidence.
//! 7. Notices are sent; those that cannot be sent wait in the state for the next run. Other runs may act
//!    meanwhile.
//!
//! A [dry run](Actor::dry_run) takes the first three steps and counts the fourth. It writes nothing, opens no
//! socket, and runs no program but the `journalctl` of the third step.

mod decide;
mod notices;
mod reason;
mod run;
mod sessions;
pub mod undo;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use spamcore::evidence::EvidenceSource;
use spamcore::hosts::Hosts;
use spamcore::messages::Messages;
use spamcore::verdict::{Action, Finding};
use time::OffsetDateTime;

use crate::account::{NameRule, Refusal, Rules};
use crate::mail::{Address, Mailer};
use crate::method::{AccountStatus, Error, LockMethod};
use crate::notice::Application;
use crate::state::{State, Store};
use crate::system;
use crate::system::run_lock::RunLock;
use crate::system::syslog::Audit;
use decide::{Decision, LEFT_OUT, UNCONFIRMED, UNCOVERED, worse};
pub use reason::reason;
use run::{Run, recall_unlocked};

/// What the logs were searched for, and when.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The period, as typed.
    pub period: String,
    /// What was read: paths of logs, or `journal`.
    pub log: String,
    /// The last instant at which a line is evidence, in Unix seconds.
    pub now: i64,
}

/// How to act.
pub struct Actor<'a> {
    /// Which accounts may be locked.
    pub rules: Rules,
    /// The hosts whose lines are evidence.
    pub hosts: Hosts,
    /// Whether the journal must confirm what the log says.
    pub verify_journal: bool,
    /// Whether the sessions of an account that was locked are ended, and caches of passwords emptied.
    pub end_sessions: bool,
    /// The directory of the kernel's processes.
    pub proc: PathBuf,
    /// How many accounts are locked at most in one run; in 24 hours, four times that.
    pub max_locks: usize,
    /// Where the state is kept, and whether root runs the program.
    pub store: Store,
    /// How long to wait for another run that is acting.
    pub wait: Duration,
    /// Where notices are sent.
    pub to: Address,
    /// How they are sent, or why they cannot be: that does not stop a lock.
    pub mailer: Result<Mailer, String>,
    /// The program that acts.
    pub application: &'static Application,
    /// Where each lock is recorded.
    pub audit: Audit,
    /// The name of this host.
    pub host: String,
    /// What the logs were searched for.
    pub looked: Looked,
    /// The time on this host's clock, in its zone.
    pub clock: &'a dyn Fn() -> OffsetDateTime,
}

impl Actor<'_> {
    /// Acts on the findings that are spread out, all of one kind, and notes on each what was done to it.
    /// Sends what waits to be sent.
    pub fn act(
        &self,
        method: &dyn LockMethod,
        findings: &mut [Finding<'_>],
        source: &mut dyn EvidenceSource,
        messages: &mut Messages,
    ) {
        let suspects = suspects(findings);
        let actions = self.act_on(method, &suspects, source, messages);
        note(findings, actions);
    }

    fn act_on(
        &self,
        method: &dyn LockMethod,
        suspects: &[&Finding<'_>],
        source: &mut dyn EvidenceSource,
        messages: &mut Messages,
    ) -> Vec<Action> {
        let names = method.names();
        // With nothing to do, nothing is written: not even the lock file.
        let idle = self.store.load(self.now());
        if suspects.is_empty()
            && idle.is_ok_and(|(state, damaged)| damaged.is_none() && state.is_done())
        {
            return Vec::new();
        }
        let lock = match RunLock::acquire(&self.store.dir, self.store.root, self.wait) {
            Ok(lock) => Some(lock),
            // A full or read-only disk does not stop a lock, though a second run might act at the same time.
            Err(error @ system::Error::Write { .. }) => {
                if !self.store.root && error.is_permission_denied() {
                    messages.fail("locking accounts needs root (or use --dry-run)");
                } else {
                    messages.fail_with(&error);
                }
                None
            }
            Err(error) => return self.refuse_all(names, suspects, &error.into(), messages),
        };
        let state = match self.store.load(self.now()) {
            Ok((state, damaged)) => {
                if let Some(damaged) = damaged {
                    messages.fail(damaged);
                }
                state
            }
            Err(error) => return self.refuse_all(names, suspects, &error.into(), messages),
        };
        let mut run = Run::new(self, method, state, messages);
        run.recall_unlocked();
        run.recover_pending_locks();
        let judged = self.judge(names, suspects, &run.state, source, &mut *run.messages);
        let mut actions = judged.actions(suspects.len());
        if !judged.left_out.is_empty() {
            let many = judged.left_out.len();
            run.messages.fail(format!("{many} accounts: not disabled: {LEFT_OUT}"));
        }
        for refused in judged.refused {
            run.refuse_suspect(refused, suspects, names);
        }
        for case in judged.cases {
            let action = run.handle(&case, suspects[case.number]);
            actions[case.number] = Some(worse(actions[case.number].take(), action));
        }
        run.end_sessions();
        run.notify_of_too_many(suspects);
        run.notify_of_spared(suspects);
        let saved = run.save();
        let Run { state, .. } = run;
        drop(lock);
        notices::send_all(self, &state, saved, messages);
        all_decided(actions)
    }

    /// Notes on each finding that is spread out what would be done to it. The method is not
    /// [prepared](LockMethod::prepare), only asked what a file of this host shows: an account on another host, in
    /// a table or behind a command counts as locked if the state says so.
    pub fn dry_run(
        &self,
        method: &dyn LockMethod,
        findings: &mut [Finding<'_>],
        source: &mut dyn EvidenceSource,
        messages: &mut Messages,
    ) {
        let suspects = suspects(findings);
        let actions = self.dry_run_on(method, &suspects, source, messages);
        note(findings, actions);
    }

    fn dry_run_on(
        &self,
        method: &dyn LockMethod,
        suspects: &[&Finding<'_>],
        source: &mut dyn EvidenceSource,
        messages: &mut Messages,
    ) -> Vec<Action> {
        let names = method.names();
        let mut state = match self.store.load(self.now()) {
            Ok((state, _)) => state,
            // Only root can read it, and anybody may do a dry run.
            Err(system::Error::Read { .. }) if !self.store.root => State::default(),
            Err(error) => return self.refuse_all(names, suspects, &error.into(), messages),
        };
        recall_unlocked(method, &mut state, self.now());
        let judged = self.judge(names, suspects, &state, source, messages);
        let mut actions = judged.actions(suspects.len());
        let (mut locks, today) = (HashSet::new(), state.recent_locks(self.now()));
        for case in &judged.cases {
            let status = method.peek(&case.account).unwrap_or(AccountStatus::Open);
            let status = status.or_remembered(case.remembered);
            let action = match case.decide(status) {
                _ if locks.contains(&case.account) => Action::AlreadyDisabled,
                _ if status == AccountStatus::Missing => {
                    Action::NotDisabled(Refusal::NoAccount.to_string())
                }
                Decision::Locked { sends: true } => Action::StillSending,
                Decision::Locked { .. } | Decision::Lock if case.uncovered => {
                    Action::NotDisabled(UNCOVERED.into())
                }
                Decision::Locked { sends: false } => Action::AlreadyDisabled,
                Decision::Spare(why) => Action::NotDisabled(why.into()),
                Decision::Elsewhere(why) => Action::NotDisabled(why),
                Decision::Lock if self.verify_journal && !case.vouched => {
                    Action::NotDisabled(UNCONFIRMED.into())
                }
                Decision::Lock => {
                    match self.too_many(locks.len(), today + locks.len(), case.vouched) {
                        Some(why) => Action::NotDisabled(why),
                        None => {
                            locks.insert(case.account.clone());
                            Action::WouldDisable
                        }
                    }
                }
            };
            actions[case.number] = Some(worse(actions[case.number].take(), action));
        }
        all_decided(actions)
    }

    /// How many accounts are locked in 24 hours at most.
    fn locks_per_day(&self) -> usize {
        self.max_locks.saturating_mul(4)
    }

    /// Why one more lock would be too many, after so many in this run and in the last 24 hours. A sender for whom
    /// the journal vouches is not held back by the locks of the day: accounts that somebody gives away must not
    /// buy another one a day.
    fn too_many(&self, this_run: usize, today: usize, vouched: bool) -> Option<String> {
        let day = self.locks_per_day();
        let (limit, when) = if this_run >= self.max_locks {
            (self.max_locks, "at once")
        } else if today >= day && !vouched {
            (day, "in 24 hours")
        } else {
            return None;
        };
        Some(format!("more than {limit} {when}: the log may be forged"))
    }

    /// Nobody is locked, for one reason.
    fn refuse_all(
        &self,
        names: NameRule,
        suspects: &[&Finding<'_>],
        error: &Error,
        messages: &mut Messages,
    ) -> Vec<Action> {
        messages.fail_with(error);
        let refuse = |suspect: &&Finding<'_>| match self.rules.account(suspect.sender, names) {
            Ok(_) => Action::NotDisabled(reason(error)),
            Err(refusal) => Action::NotDisabled(refusal.to_string()),
        };
        suspects.iter().map(refuse).collect()
    }

    fn now(&self) -> i64 {
        (self.clock)().unix_timestamp()
    }

    /// An instant, in the zone of this host's clock.
    fn local(&self, at: i64) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(at).ok()?.checked_to_offset((self.clock)().offset())
    }
}

/// The findings to act on.
fn suspects<'f, 'a>(findings: &'f [Finding<'a>]) -> Vec<&'f Finding<'a>> {
    findings.iter().filter(|finding| finding.spread).collect()
}

/// Notes on the suspects among the findings what was done to them. `actions` is empty or has one entry per
/// suspect.
fn note(findings: &mut [Finding<'_>], actions: Vec<Action>) {
    let suspects = findings.iter_mut().filter(|finding| finding.spread);
    suspects.zip(actions).for_each(|(finding, action)| finding.action = Some(action));
}

/// What was done to each suspect. None is left undecided.
fn all_decided(actions: Vec<Option<Action>>) -> Vec<Action> {
    let none = || Action::NotDisabled(Refusal::NotAName.to_string());
    actions.into_iter().map(|action| action.unwrap_or_else(none)).collect()
}
