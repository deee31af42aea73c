//! One run that acts, from the state that it finds to the state that it leaves.
//!
//! Write-ahead: the intended lock and its notice are saved before the lock is made, so that the next run can
//! recover after a crash.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::HashMap;

use spamcore::error::chain;
use spamcore::evidence::{Counts, SenderEvidence};
use spamcore::messages::Messages;
use spamcore::report::{self, Style};
use spamcore::verdict::{Action, Finding};

use super::decide::{Case, Decision, Refused, UNCONFIRMED, UNCOVERED};
use super::sessions::{Ended, Sessions};
use super::{Actor, Looked, reason};
use crate::account::{AccountName, NameRule, Refusal};
use crate::method::{AccountStatus, Error, LockMethod, Unlocked};
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
    /// Whose sessions are to be ended: the account, its logins, and which notice tells of it.
    to_end: Vec<(AccountName, Vec<AccountName>, NoticeKind)>,
    /// What outlives a lock on this host, once that was looked for.
    sessions: OnceCell<Sessions>,
}

/// Takes note in the state of the accounts that were unlocked by others, so that old lines do not lock them.
pub(super) fn recall_unlocked(method: &dyn LockMethod, state: &mut State, now: i64) {
    if let Some(Unlocked { at, accounts }) = method.unlocked() {
        state.recall_unlocked(at, &accounts, now);
    }
}

/// The names under which an account may have sessions.
fn names_of(account: &AccountName, suspect: &Finding<'_>) -> Vec<AccountName> {
    let logged = AccountName::check(suspect.stats.first_spelling(suspect.sender)).ok();
    let logged = logged.filter(|logged| logged != account);
    std::iter::once(account.clone()).chain(logged).collect()
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
            to_end: Vec::new(),
            sessions: OnceCell::new(),
        }
    }

    /// Takes note of what an administrator has locked and unlocked since the last run.
    pub(super) fn recall_unlocked(&mut self) {
        recall_unlocked(self.method, &mut self.state, self.actor.now());
    }

    /// Finds out what became of locks that an earlier run started and did not finish.
    pub(super) fn recover_pending_locks(&mut self) {
        for account in self.state.pending(&self.kind) {
            match self.recover(&account) {
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

    /// What became of the lock of an account. If it has several logins, the lock holds where all are locked;
    /// else none is left.
    fn recover(&self, account: &AccountName) -> Result<AccountStatus, Error> {
        let lock = self.state.lock_of(account, &self.kind);
        let logins = lock.map_or_else(|| vec![account.clone()], |lock| lock.names(account));
        let mut locked = Vec::new();
        for login in &logins {
            if self.method.recover(login)? == AccountStatus::Locked {
                locked.push(login);
            }
        }
        if locked.len() == logins.len() {
            return Ok(AccountStatus::Locked);
        }
        for login in locked {
            match self.method.unlock(login) {
                // Somebody else refuses this login, too.
                Ok(()) | Err(Error::StillLocked { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(AccountStatus::Open)
    }

    /// The lock in the state was never made, or an administrator has undone it. If an account was changed
    /// after the state was written, assume that an administrator unlocked it; lines before the lock no longer
    /// count.
    fn abandon(&mut self, account: &AccountName) {
        let started = self.state.lock_of(account, &self.kind).map(|lock| lock.at);
        self.state.abandon_lock(account, &self.kind);
        if let Some(started) = started
            && self.method.last_change() > self.actor.store.written()
        {
            self.state.see_locked(account, started.min(self.actor.now()));
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
        let Refused { number, refusal, evidence, elsewhere, .. } = refused;
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
        let mut logins =
            remembered.map_or_else(|| vec![account.clone()], |lock| lock.names(account));
        for login in &case.logins {
            if !logins.contains(login) {
                logins.push(login.clone());
            }
        }
        // The logins that are not locked.
        let mut open = Vec::new();
        for login in &logins {
            match self.method.status(login) {
                Ok(AccountStatus::Missing) => {
                    let place = self.kind.clone();
                    return self.refuse(case, &Error::Missing { name: login.clone(), place });
                }
                Ok(status) => {
                    if status.or_remembered(remembered.is_some()) != AccountStatus::Locked {
                        open.push(login.clone());
                    }
                }
                Err(error) => return self.refuse(case, &error),
            }
        }
        let status = if open.is_empty() { AccountStatus::Locked } else { AccountStatus::Open };
        if open.len() == logins.len() && remembered.is_some() {
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
                self.lock(case, suspect, &logins, &open)
            }
        }
    }

    fn is_locked(&mut self, case: &Case, suspect: &Finding<'_>, sends: bool) -> Action {
        let (account, now) = (&case.account, self.actor.now());
        let since = self.state.lock_of(account, &self.kind).map(|lock| lock.at);
        self.state.see_locked(account, now);
        if !sends && case.uncovered {
            return self.uncovered(account);
        }
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
            let lock = self.state.lock_of(account, &self.kind);
            let logins = lock.map_or_else(|| vec![account.clone()], |lock| lock.names(account));
            let incident = IncidentKind::StillSending { since };
            let notice = self.notice(account, suspect, &evidence, incident, &logins);
            self.state.wait(account, kind, notice);
            self.to_end.push((account.clone(), names_of(account, suspect), kind));
        }
        Action::StillSending
    }

    /// Locks an account: of its logins those that are open.
    fn lock(
        &mut self,
        case: &Case,
        suspect: &Finding<'_>,
        logins: &[AccountName],
        open: &[AccountName],
    ) -> Action {
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
        let incident =
            if case.uncovered { IncidentKind::PartlyDisabled } else { IncidentKind::Disabled };
        let notice = self.notice(account, suspect, &evidence, incident, logins);
        let before = self.state.lock_of(account, &self.kind).cloned();
        let lock = Lock {
            method: self.kind.clone(),
            logins: logins.iter().skip(1).map(ToString::to_string).collect(),
            undo: self.manual(logins),
            at: self.actor.now(),
            counts,
            period: period.clone(),
            log: log.clone(),
            pending: true,
        };
        self.state.begin_lock(account, lock, notice);
        self.save();
        self.audit(&format!("disabling {what}"));
        let locked = open.iter().try_for_each(|login| self.method.lock(login));
        let action = match locked {
            Ok(()) => {
                self.locks += 1;
                self.state.finish_lock(account, &self.kind, self.actor.now());
                self.to_end.push((
                    account.clone(),
                    names_of(account, suspect),
                    NoticeKind::Disabled,
                ));
                let part = if case.uncovered { " in part" } else { "" };
                self.audit(&format!("disabled{part} {what}"));
                if case.uncovered { self.uncovered(account) } else { Action::Disabled }
            }
            Err(error) => {
                // All of them, also after one could not be.
                let left = open.iter().filter(|login| !self.method.roll_back(login)).count();
                if left == 0 {
                    self.state.abandon_lock(account, &self.kind);
                    // What was locked before still is.
                    if let Some(before) = before {
                        self.state.restore_lock(account, before);
                    }
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

    /// What can be refused of an account is, but it can log in under other names.
    fn uncovered(&mut self, account: &AccountName) -> Action {
        self.messages.fail(format!(
            "{account}: not disabled: {UNCOVERED}, by {}; it can still log in under others",
            self.method.description()
        ));
        Action::NotDisabled(UNCOVERED.into())
    }

    /// The commands that undo the locks of these logins by hand.
    fn manual(&self, logins: &[AccountName]) -> Vec<String> {
        let all: Vec<_> = logins.iter().flat_map(|login| self.method.manual(login)).collect();
        // A command that completes each of them is needed once, at the end.
        let is_last = |at: usize| !all[at + 1..].contains(&all[at]);
        (0..all.len()).filter(|&at| is_last(at)).map(|at| all[at].clone()).collect()
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
        let logins = std::slice::from_ref(worst);
        let notice = self.notice(worst, suspects[*number], evidence, incident, logins);
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
        let logins = std::slice::from_ref(&worst.name);
        let notice = self.notice(&worst.name, suspect, &evidence, incident, logins);
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
        logins: &[AccountName],
    ) -> Notice {
        let incident = Incident {
            application: self.actor.application,
            host: &self.actor.host,
            account,
            sender: suspect.stats.first_spelling(suspect.sender),
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
            undo: &self.manual(logins),
            caches: &self.sessions().caches,
        };
        incident.notice()
    }

    fn sessions(&self) -> &Sessions {
        let table = self.actor.application.mail_server.end_sessions;
        self.sessions.get_or_init(|| Sessions::find(table, &self.actor.proc))
    }

    /// Ends the sessions of the accounts that were locked, if asked to, and says what each command gave.
    pub(super) fn end_sessions(&mut self) {
        let to_end = std::mem::take(&mut self.to_end);
        if !self.actor.end_sessions || to_end.is_empty() {
            return;
        }
        let own: Vec<_> = to_end.iter().map(|(_, logins, _)| self.sessions().end(logins)).collect();
        let all = self.sessions().end_all();
        let lines =
            |ended: &[Ended]| -> Vec<_> { ended.iter().map(|ended| ended.line.clone()).collect() };
        for ((account, _, kind), own) in to_end.iter().zip(&own) {
            let done = [lines(own), lines(&all)].concat();
            if !done.is_empty() {
                self.state.add_done(account, *kind, "DONE ALREADY (--end-sessions)", &done);
            }
            for ended in own {
                self.tell_ended(ended, &format!("{account}: "));
            }
        }
        for ended in &all {
            self.tell_ended(ended, "");
        }
    }

    fn tell_ended(&mut self, Ended { line, failed }: &Ended, whose: &str) {
        let text = format!("{whose}{line}");
        if *failed { self.messages.fail(text) } else { self.messages.note(text) }
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
        let saved = self.actor.store.save(&mut self.state);
        if let Err(error) = &saved {
            self.messages.fail_with(error);
        }
        saved.is_ok()
    }
}
