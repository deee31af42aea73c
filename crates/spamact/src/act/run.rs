//! One run that acts, from the state that it finds to the state that it leaves.
//!
//! Write-ahead: the intended lock and its notice are saved before the lock is made, so that the next run can
//! recover after a crash.

use std::cmp::Reverse;
use std::collections::HashMap;

use spamcore::error::chain;
use spamcore::evidence::{Counts, SenderEvidence};
use spamcore::messages::Messages;
use spamcore::report::{self, Style};
use spamcore::verdict::{Action, Finding};

use super::decide::{Case, Decision, Refused, UNCONFIRMED};
use super::{Actor, Looked, reason};
use crate::account::{AccountName, NameRule, Refusal};
use crate::method::{AccountStatus, Error, LockMethod};
use crate::notice::{Incident, IncidentKind, Notice, NoticeKind};
use crate::state::{DAY, Lock, State};

/// Why an account is not locked while an earlier lock of it can neither be completed nor reverted, because
/// `make` fails for the NIS maps, for example.
const UNFINISHED: &str = "a lock that was begun cannot be finished";

/// Of the accounts that were not locked, so many are remembered as reported, the worst first: anybody can
/// invent names.
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
    /// The suspects that were not locked for another reason.
    spared: Vec<Spared>,
}

/// A suspect that was not locked.
struct Spared {
    /// Which of the suspects.
    number: usize,
    name: AccountName,
    evidence: SenderEvidence,
    why: String,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        actor: &'a Actor<'a>,
        method: &'a dyn LockMethod,
        state: State,
        messages: &'a mut Messages,
    ) -> Self {
        Self {
            actor,
            method,
            kind: method.kind(),
            state,
            messages,
            locks: 0,
            failed: 0,
            handled: HashMap::new(),
            beyond: Vec::new(),
            spared: Vec::new(),
        }
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
    /// after the state was written, assume the latter and ignore older lines.
    fn abandon(&mut self, account: &AccountName) {
        let started = self.state.lock_of(account, &self.kind).map(|lock| lock.at);
        self.state.abandon_lock(account, &self.kind);
        if let Some(started) = started
            && self.method.last_change() > State::written(&self.actor.dir)
        {
            self.state.see_locked(account, started);
        }
    }

    /// Takes note of a suspect that must not be locked. A sender that should have been locked and is not an account
    /// is a failure, unless it was other hosts that logged it.
    pub(super) fn refuse_suspect(
        &mut self,
        refused: Refused,
        suspects: &[&Finding<'_>],
        names: NameRule,
    ) {
        let Action::NotDisabled(why) = refused.action() else { return };
        let Refused { number, refusal, evidence, elsewhere } = refused;
        let sender = suspects[number].sender;
        if elsewhere.is_none() && !refusal.is_rule() {
            let hint = match (refusal, names) {
                (Refusal::NoAccount, NameRule::LocalEntry) => {
                    "; for a virtual mailbox see --sasl-access, --realm and --disable-command"
                }
                _ => "",
            };
            let sender = spamcore::escape::display(sender);
            self.messages.fail(format!("{sender}: not disabled: {refusal}{hint}"));
        }
        // What cannot even be a name stands in no subject.
        if let Ok(name) = AccountName::spelled(sender) {
            self.spared.push(Spared { number, name, evidence, why });
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
            return self.spare(case, UNFINISHED.into());
        }
        let status = match self.method.status(account) {
            Ok(AccountStatus::Missing) => {
                let place = self.kind.clone();
                return self.refuse(case, &Error::Missing { name: account.clone(), place });
            }
            Ok(status) => status.or_remembered(remembered.is_some()),
            Err(error) => return self.refuse(case, &error),
        };
        if status == AccountStatus::Open && remembered.is_some() {
            // It was unlocked by hand.
            self.state.drop_lock(account, &self.kind);
        }
        match case.decide(status) {
            Decision::Locked { sends } => self.is_locked(case, suspect, sends),
            Decision::Spare(why) if case.evidence.is_none() => self.leave_open(case, why.into()),
            Decision::Spare(why) => Action::NotDisabled(why.into()),
            Decision::Elsewhere(why) => self.spare(case, why),
            Decision::Lock if self.actor.verify_journal && !case.vouched => {
                self.leave_open(case, UNCONFIRMED.into())
            }
            Decision::Lock => {
                let today = self.state.recent_locks(self.actor.now());
                if let Some(why) = self.actor.too_many(self.locks, today, case.vouched) {
                    let evidence = case.evidence.clone().unwrap_or_default();
                    self.beyond.push((case.number, account.clone(), evidence));
                    self.messages.fail(format!("{account}: not disabled: {why}"));
                    return Action::NotDisabled(why);
                }
                if self.failed >= self.actor.locks_per_day() {
                    return self.leave_open(case, format!("{} locks failed before", self.failed));
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
                self.refuse(case, &error)
            }
        };
        self.save();
        action
    }

    /// An account is not locked, because something failed or because it must not be.
    fn refuse(&mut self, case: &Case, error: &Error) -> Action {
        if !matches!(error, Error::Unfit { refusal, .. } if refusal.is_rule()) {
            self.messages.fail(format!("{}: not disabled: {}", case.account, chain(error)));
        }
        self.spare(case, reason(error))
    }

    /// An account that should be locked is left open.
    fn leave_open(&mut self, case: &Case, why: String) -> Action {
        self.messages.fail(format!("{}: not disabled: {why}", case.account));
        self.spare(case, why)
    }

    /// An account is not locked, and that is told.
    fn spare(&mut self, case: &Case, why: String) -> Action {
        let (name, evidence) = (case.account.clone(), case.evidence.clone().unwrap_or_default());
        self.spared.push(Spared { number: case.number, name, evidence, why: why.clone() });
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

    /// Makes one notice for all suspects that were not locked for other reasons, once per incident: those that still
    /// send a day later are a new one.
    pub(super) fn notify_of_spared(&mut self, suspects: &[&Finding<'_>]) {
        let mut spared = std::mem::take(&mut self.spared);
        let (kind, now) = (NoticeKind::Spared, self.actor.now());
        spared.sort_by_key(|spared| Reverse(suspects[spared.number].stats.messages));
        spared.truncate(REMEMBERED);
        spared.retain(|Spared { number, name, .. }| {
            let last = suspects[*number].stats.span.map(|(_, last)| last);
            last.is_some_and(|last| last > now - DAY)
                && self.state.due(name, kind, now)
                && !self.state.is_waiting(name, kind)
        });
        let [worst, rest @ ..] = &spared[..] else { return };
        let others: Vec<_> =
            rest.iter().map(|other| (other.name.clone(), other.why.clone())).collect();
        let incident = IncidentKind::Spared { why: &worst.why, others: &others };
        let suspect = suspects[worst.number];
        let mut evidence = worst.evidence.clone();
        if evidence.counts.messages == 0 {
            evidence.counts = suspect.stats.into();
        }
        let notice = self.notice(&worst.name, suspect, &evidence, incident);
        for (other, _) in &others {
            self.state.notified(other, kind, now);
        }
        self.state.wait(&worst.name, kind, notice);
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
