//! One run that acts, from the state it found to the state it leaves.

use spamcore::check::{Message, Weight};
use spamcore::error::chain;
use spamcore::verdict::Action;
use time::OffsetDateTime;

use super::{Actor, Case, Evidence, Finding, Look, Suspect, UNCONFIRMED, failure};
use crate::account::AccountName;
use crate::error::Error;
use crate::lock::{Standing, Way};
use crate::notice::{Head, Incident, Text, What};
use crate::state::{Counts, Kind, Lock, State};

pub(super) struct Run<'a> {
    actor: &'a Actor<'a>,
    way: &'a Way,
    kind: String,
    pub(super) state: State,
    pub(super) messages: &'a mut Vec<Message>,
    /// How many accounts this run has locked.
    locks: usize,
    incidents: Vec<Told>,
    /// Those that were not locked because there were too many.
    beyond: Vec<Told>,
}

/// What is to be told of an account.
struct Told {
    number: usize,
    account: AccountName,
    kind: Kind,
    /// When it was locked, as far as we know.
    since: Option<i64>,
    evidence: Evidence,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        actor: &'a Actor<'a>,
        way: &'a Way,
        state: State,
        messages: &'a mut Vec<Message>,
    ) -> Self {
        let kind = way.kind();
        let (incidents, beyond) = (Vec::new(), Vec::new());
        Self { actor, way, kind, state, messages, locks: 0, incidents, beyond }
    }

    /// The maps of NIS that could not be made in an earlier run.
    pub(super) fn finish_what_was_left(&mut self) {
        let Way::Nis(nis) = self.way else { return };
        if !self.state.unfinished().any(|(kind, _)| kind == self.kind) {
            return;
        }
        match nis.make_again() {
            Ok(()) => self.state.finish(&self.kind),
            Err(error) => self.messages.push(failure(chain(&error))),
        }
    }

    /// Looks at an account, and locks it where that is right.
    pub(super) fn deal_with(&mut self, case: &Case, suspect: &Suspect, look: Look<'_>) -> Action {
        let account = &case.account;
        let standing = match self.standing(account) {
            Ok(Standing::Missing) => {
                let place = self.kind.clone();
                return self.failed(account, &Error::Missing { name: account.clone(), place });
            }
            Ok(standing) => standing,
            Err(error) => return self.failed(account, &error),
        };
        match case.judge(standing) {
            Finding::Spared(why) => {
                if case.evidence.is_none() {
                    self.messages.push(failure(format!("{account}: not disabled: {why}")));
                }
                Action::NotDisabled(why.into())
            }
            Finding::Locked { sends } => self.is_locked(case, sends),
            Finding::Stolen => {
                if !self.actor.is_confirmed(case, suspect, look) {
                    let text = format!("{account}: not disabled: {UNCONFIRMED}");
                    self.messages.push(failure(text));
                    return Action::NotDisabled(UNCONFIRMED.into());
                }
                let today = self.state.recent_locks(self.actor.now());
                if self.actor.has_locked_enough(self.locks, today) {
                    let why = self.actor.too_many();
                    self.messages.push(failure(format!("{account}: not disabled: {why}")));
                    self.beyond.push(Told::of(case, Kind::NotDisabled, None));
                    return Action::NotDisabled(why);
                }
                self.lock(case)
            }
        }
    }

    /// How an account stands; what a command has locked, only the state knows.
    fn standing(&self, account: &AccountName) -> Result<Standing, Error> {
        if matches!(self.way, Way::Command(_)) {
            let locked = self.locked_at(account).is_some();
            return Ok(if locked { Standing::Locked } else { Standing::Open });
        }
        self.way.standing(account)
    }

    /// When this way has locked an account, as the state knows.
    fn locked_at(&self, account: &AccountName) -> Option<i64> {
        let record = self.state.record(account)?;
        record.locks.iter().find(|lock| lock.way == self.kind).map(|lock| lock.at)
    }

    fn is_locked(&mut self, case: &Case, sends: bool) -> Action {
        let account = &case.account;
        let since = self.locked_at(account);
        // A run that was killed after it wrote the shadow file may not have made the maps.
        if since.is_none()
            && matches!(self.way, Way::Nis(_))
            && let Err(error) = self.way.lock(account)
        {
            return self.failed(account, &error);
        }
        self.state.see_locked(account, self.actor.now());
        let untold = since.is_some()
            && self.state.record(account).is_some_and(|record| {
                !record.told.contains_key(&Kind::Disabled)
                    && !record.waiting.contains_key(&Kind::Disabled)
            });
        if untold {
            // Killed before the notice went out.
            self.incidents.push(Told::of(case, Kind::Disabled, since));
        }
        if !sends {
            return Action::AlreadyDisabled;
        }
        let text = format!("{account}: disabled before, and still sending");
        self.messages.push(failure(text));
        if !untold && self.state.due(account, Kind::StillSending, self.actor.now()) {
            self.incidents.push(Told::of(case, Kind::StillSending, since));
        }
        Action::StillSending
    }

    fn lock(&mut self, case: &Case) -> Action {
        let Case { account, evidence, .. } = case;
        let counts = evidence.as_ref().map(|evidence| evidence.counts).unwrap_or_default();
        let Counts { messages, nets, unknowns, ips } = counts;
        let Actor { period, log, .. } = self.actor;
        self.audit(&format!(
            "disabling {account} ({}): {messages} messages from {nets} networks, {unknowns} unknown \
             hosts, {ips} addresses in {period}, by {log}",
            self.kind
        ));
        let locked = self.way.lock(account);
        let at = self.actor.now();
        if let Err(error) = locked {
            self.audit(&format!("{account} not disabled: {}", error.reason()));
            if let Error::Maps { .. } = error {
                self.state.leave_unfinished(&self.kind, at);
                self.save();
            }
            return self.failed(account, &error);
        }
        self.audit(&format!("{account} disabled ({})", self.kind));
        self.locks += 1;
        let undo = self.way.by_hand(account);
        let (way, period, log) = (self.kind.clone(), period.clone(), log.clone());
        self.state.add_lock(account, Lock { way, undo, at, counts, period, log });
        self.save();
        self.incidents.push(Told::of(case, Kind::Disabled, Some(at)));
        Action::Disabled
    }

    fn failed(&mut self, account: &AccountName, error: &Error) -> Action {
        self.messages.push(failure(format!("{account}: not disabled: {}", chain(error))));
        Action::NotDisabled(error.reason())
    }

    fn audit(&mut self, text: &str) {
        if let Err(error) = self.actor.audit.tell((self.actor.clock)(), text) {
            let text = format!("syslog cannot be told: {error}");
            let message = Message { text, weight: Weight::Note };
            if !self.messages.contains(&message) {
                self.messages.push(message);
            }
        }
    }

    pub(super) fn save(&mut self) {
        if let Err(error) = self.state.save(&self.actor.folder, self.actor.root) {
            self.messages.push(failure(chain(&error)));
        }
    }

    /// Sends the notices of this run, then those that wait from earlier ones.
    pub(super) fn notify(&mut self, suspects: &[Suspect]) {
        let mut all: Vec<(AccountName, Kind, Text)> = Vec::new();
        for told in std::mem::take(&mut self.incidents) {
            let text = self.text(&told, &suspects[told.number], &[]);
            all.push((told.account, told.kind, text));
        }
        // One notice stands for all that were too many.
        let beyond = std::mem::take(&mut self.beyond);
        let now = self.actor.now();
        if let [worst, others @ ..] = &beyond[..]
            && beyond.iter().any(|told| self.state.due(&told.account, Kind::NotDisabled, now))
        {
            let others: Vec<_> = others.iter().map(|told| told.account.clone()).collect();
            let text = self.text(worst, &suspects[worst.number], &others);
            all.push((worst.account.clone(), Kind::NotDisabled, text));
        }
        let fresh = all.len();
        for (account, kind, text) in self.state.waiting() {
            if !all.iter().any(|(other, k, _)| (other, *k) == (&account, kind)) {
                all.push((account, kind, text.clone()));
            }
        }
        // After one that failed the others would only wait as long.
        let mut stuck = false;
        for (number, (account, kind, text)) in all.into_iter().enumerate() {
            if !stuck && self.send(&text, number) {
                self.state.told(&account, kind, self.actor.now());
                if kind == Kind::NotDisabled {
                    for told in &beyond {
                        self.state.told(&told.account, kind, self.actor.now());
                    }
                }
            } else {
                stuck = true;
                if number < fresh {
                    self.state.wait(&account, kind, text);
                }
            }
            self.save();
        }
    }

    fn send(&mut self, text: &Text, number: usize) -> bool {
        let Actor { mailer, to, host, .. } = self.actor;
        let at = (self.actor.clock)();
        let id = format!("{}.{}.{number}", at.unix_timestamp(), self.actor.audit.process);
        let from = mailer.route.sender(host);
        let message = text.message(&Head { from: &from, to, at, id: &id, host });
        match mailer.send(to, &message) {
            Ok(()) => true,
            Err(error) => {
                let text = format!("no notice could be sent to {to}, it waits: {}", chain(&error));
                self.messages.push(failure(text));
                false
            }
        }
    }

    fn text(&self, told: &Told, suspect: &Suspect, others: &[AccountName]) -> Text {
        let at = (self.actor.clock)();
        let since = told.since.and_then(|since| {
            let since = OffsetDateTime::from_unix_timestamp(since).ok()?;
            Some(since.to_offset(at.offset()))
        });
        let Evidence { counts, lines, networks, addresses, .. } = &told.evidence;
        let limit = self.actor.max_locks;
        let incident = Incident {
            host: &self.actor.host,
            account: &told.account,
            sender: &suspect.sender,
            what: match told.kind {
                Kind::Disabled => What::Disabled,
                Kind::StillSending => What::StillSending { since },
                Kind::NotDisabled => What::NotDisabled { limit, others },
            },
            way: &self.kind,
            at: if told.kind == Kind::Disabled { since.unwrap_or(at) } else { at },
            period: &self.actor.period,
            log: &self.actor.log,
            counts: *counts,
            report_line: &suspect.report_line,
            first_lines: lines,
            networks,
            addresses,
            undo: &self.way.by_hand(&told.account),
        };
        incident.text()
    }
}

impl Told {
    fn of(case: &Case, kind: Kind, since: Option<i64>) -> Self {
        Self {
            number: case.number,
            account: case.account.clone(),
            kind,
            since,
            evidence: case.evidence.clone().unwrap_or_default(),
        }
    }
}
