//! One run that acts, from the state that it finds to the state that it leaves.
//!
//! Write-ahead: the intended lock and its notice are saved before the lock is made, so that the next run can
//! recover after a crash.

use std::collections::HashMap;

use spamcore::error::chain;
use spamcore::evidence::{Counts, SenderEvidence};
use spamcore::messages::Messages;
use spamcore::report::{self, Style};
use spamcore::verdict::{Action, Finding};

use super::decide::{Case, Decision, UNCONFIRMED};
use super::{Actor, Looked, reason};
use crate::account::AccountName;
use crate::method::{AccountStatus, Error, LockMethod};
use crate::notice::{Incident, IncidentKind, Notice, NoticeKind};
use crate::state::{Lock, State};

/// Why an account is not locked while an earlier lock of it can neither be completed nor reverted, because
/// `make` fails for the NIS maps, for example.
const UNFINISHED: &str = "a lock that was begun cannot be finished";

/// Of the accounts that were too many to lock, so many are remembered as reported, the worst first: anybody
/// can invent names.
const REMEMBERED: usize = 100;

/// A run under way.
pub(super) struct Run<'a> {
    actor: &'a Actor<'a>,
    method: &'a dyn LockMethod,
    kind: String,
    pub(super) state: State,
    pub(super) messages: &'a mut Messages,
    /// How many locks this run has made, or started and could not undo.
    locks: usize,
    /// How many of its locks failed.
    failed: usize,
    /// What was done, by account: senders in several spellings can be one account.
    handled: HashMap<AccountName, Action>,
    /// The accounts that were too many to lock, with the number of the suspect and the evidence.
    beyond: Vec<(usize, AccountName, SenderEvidence)>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        actor: &'a Actor<'a>,
        method: &'a dyn LockMethod,
        state: State,
        messages: &'a mut Messages,
    ) -> Self {
        let (kind, handled, beyond) = (method.kind(), HashMap::new(), Vec::new());
        Self { actor, method, kind, state, messages, locks: 0, failed: 0, handled, beyond }
    }

    /// Finds out what became of locks that an earlier run started and did not finish.
    pub(super) fn recover_pending_locks(&mut self) {
        for account in self.state.pending(&self.kind) {
            match self.method.recover(&account) {
                Ok(AccountStatus::Locked) => {
                    self.state.finish_lock(&account, &self.kind, self.actor.now());
                    self.audit(&format!(
                        "disabled {account} ({}), started by an earlier run",
                        self.kind
                    ));
                }
                Ok(_) => self.abandon(&account),
                Err(error) => {
                    let why = chain(&error);
                    self.messages.fail(format!("{account}: {UNFINISHED}: {why}"));
                }
            }
        }
    }

    /// The lock in the state was never made, or an administrator has undone it. If an account was changed
    /// after the state was written, assume that an administrator unlocked it; lines before the lock no longer
    /// count.
    fn abandon(&mut self, account: &AccountName) {
        let started = self.state.lock_of(account, &self.kind).map(|lock| lock.at);
        self.state.abandon_lock(account, &self.kind);
        if let Some(started) = started
            && self.method.last_change() > State::written(&self.actor.dir)
        {
            self.state.see_locked(account, started);
        }
    }

    /// Looks an account up, and locks it if that is right.
    pub(super) fn handle(&mut self, case: &Case, suspect: &Finding<'_>) -> Action {
        let account = &case.account;
        // Another spelling of it was handled before.
        if let Some(Action::Disabled | Action::AlreadyDisabled | Action::StillSending) =
            self.handled.get(account)
        {
            return Action::AlreadyDisabled;
        }
        let action = self.decide(case, suspect);
        self.handled.insert(account.clone(), action.clone());
        action
    }

    fn decide(&mut self, case: &Case, suspect: &Finding<'_>) -> Action {
        let account = &case.account;
        let remembered = self.state.lock_of(account, &self.kind);
        if remembered.is_some_and(|lock| lock.pending) {
            return Action::NotDisabled(UNFINISHED.into());
        }
        let status = match self.method.status(account) {
            Ok(AccountStatus::Missing) => {
                let place = self.kind.clone();
                return self.refuse(account, &Error::Missing { name: account.clone(), place });
            }
            Ok(status) => status.or_remembered(remembered.is_some()),
            Err(error) => return self.refuse(account, &error),
        };
        if status == AccountStatus::Open && remembered.is_some() {
            // It was unlocked by hand.
            self.state.drop_lock(account, &self.kind);
        }
        match case.decide(status) {
            Decision::Locked { sends } => self.is_locked(case, suspect, sends),
            Decision::Spare(why) if case.evidence.is_none() => self.leave_open(account, why.into()),
            Decision::Spare(why) => Action::NotDisabled(why.into()),
            Decision::Lock if !case.confirmed => self.leave_open(account, UNCONFIRMED.into()),
            Decision::Lock => {
                let today = self.state.recent_locks(self.actor.now());
                if let Some(why) = self.actor.too_many(self.locks, today) {
                    let evidence = case.evidence.clone().unwrap_or_default();
                    self.beyond.push((case.number, account.clone(), evidence));
                    return self.leave_open(account, why);
                }
                if self.failed >= self.actor.locks_per_day() {
                    return self
                        .leave_open(account, format!("{} locks failed before", self.failed));
                }
                self.lock(case, suspect)
            }
        }
    }

    fn is_locked(&mut self, case: &Case, suspect: &Finding<'_>, sends: bool) -> Action {
        let (account, now) = (&case.account, self.actor.now());
        let since = self.state.lock_of(account, &self.kind).map(|lock| lock.at);
        self.state.see_locked(account, now);
        if !sends {
            return Action::AlreadyDisabled;
        }
        self.messages.fail(format!("{account}: disabled before, and still sending"));
        let kind = NoticeKind::StillSending;
        if self.state.due(account, kind, now) && !self.state.is_waiting(account, kind) {
            let evidence = case.evidence.clone();
            let evidence = evidence.unwrap_or_else(|| SenderEvidence {
                counts: suspect.stats.into(),
                ..SenderEvidence::default()
            });
            let since = since.and_then(|since| self.actor.local(since));
            let notice =
                self.notice(account, suspect, &evidence, IncidentKind::StillSending { since });
            self.state.wait(account, kind, notice);
        }
        Action::StillSending
    }

    fn lock(&mut self, case: &Case, suspect: &Finding<'_>) -> Action {
        let account = &case.account;
        let evidence = case.evidence.clone().unwrap_or_default();
        let counts = evidence.counts;
        let Counts { messages, nets, unknowns, ips } = counts;
        let Looked { period, log, .. } = &self.actor.looked;
        let what = format!(
            "{account} ({}): {messages} messages from {nets} networks, {unknowns} unknown hosts, \
             {ips} addresses in {period}, by {log}",
            self.kind
        );
        let notice = self.notice(account, suspect, &evidence, IncidentKind::Disabled);
        let lock = Lock {
            method: self.kind.clone(),
            undo: self.method.manual(account),
            at: self.actor.now(),
            counts,
            period: period.clone(),
            log: log.clone(),
            pending: true,
        };
        self.state.begin_lock(account, lock, notice);
        self.save();
        self.audit(&format!("disabling {what}"));
        let locked = self.method.lock(account);
        let action = match locked {
            Ok(()) => {
                self.locks += 1;
                self.state.finish_lock(account, &self.kind, self.actor.now());
                self.audit(&format!("disabled {what}"));
                Action::Disabled
            }
            Err(error) => {
                if self.method.roll_back(account) {
                    self.state.abandon_lock(account, &self.kind);
                    // With somebody else's entry in the table, no lock was attempted.
                    self.failed += usize::from(!matches!(error, Error::Entry { .. }));
                } else {
                    self.locks += 1;
                }
                self.audit(&format!("not disabled, {}: {what}", reason(&error)));
                self.refuse(account, &error)
            }
        };
        self.save();
        action
    }

    /// An account is not locked, because something failed or because it must not be.
    fn refuse(&mut self, account: &AccountName, error: &Error) -> Action {
        if !matches!(error, Error::Unfit { refusal, .. } if refusal.is_rule()) {
            self.messages.fail(format!("{account}: not disabled: {}", chain(error)));
        }
        Action::NotDisabled(reason(error))
    }

    /// An account that should be locked is left open.
    fn leave_open(&mut self, account: &AccountName, why: String) -> Action {
        self.messages.fail(format!("{account}: not disabled: {why}"));
        Action::NotDisabled(why)
    }

    /// Makes one notice for all accounts that were too many to lock.
    pub(super) fn notify_of_too_many(&mut self, suspects: &[&Finding<'_>]) {
        let beyond = std::mem::take(&mut self.beyond);
        let (kind, now) = (NoticeKind::NotDisabled, self.actor.now());
        let [(number, worst, evidence), others @ ..] = &beyond[..] else { return };
        let due = |account: &AccountName| {
            self.state.due(account, kind, now) && !self.state.is_waiting(account, kind)
        };
        if !beyond.iter().take(REMEMBERED).any(|(_, account, _)| due(account)) {
            return;
        }
        let others: Vec<_> = others.iter().map(|(_, account, _)| account.clone()).collect();
        let incident = IncidentKind::NotDisabled { limit: self.actor.max_locks, others: &others };
        let notice = self.notice(worst, suspects[*number], evidence, incident);
        for other in others.iter().take(REMEMBERED) {
            self.state.notified(other, kind, now);
        }
        self.state.wait(worst, kind, notice);
    }

    fn notice(
        &self,
        account: &AccountName,
        suspect: &Finding<'_>,
        evidence: &SenderEvidence,
        kind: IncidentKind<'_>,
    ) -> Notice {
        let incident = Incident {
            application: self.actor.application,
            host: &self.actor.host,
            account,
            sender: suspect.sender,
            kind,
            method: &self.method.description(),
            at: (self.actor.clock)(),
            period: &self.actor.looked.period,
            log: &self.actor.looked.log,
            counts: evidence.counts,
            report_line: &report::line(Style::Origins, suspect),
            first_lines: &evidence.lines,
            networks: &evidence.networks,
            addresses: &evidence.addresses,
            undo: &self.method.manual(account),
        };
        incident.notice()
    }

    fn audit(&mut self, text: &str) {
        if let Err(error) = self.actor.audit.record((self.actor.clock)(), text) {
            self.messages.note(format!(
                "cannot write to syslog ({}): {error}",
                self.actor.audit.socket.display()
            ));
        }
    }

    /// Writes the state. Whether that worked.
    pub(super) fn save(&mut self) -> bool {
        let saved = self.state.save(&self.actor.dir, self.actor.root);
        if let Err(error) = &saved {
            self.messages.fail_with(error);
        }
        saved.is_ok()
    }
}
