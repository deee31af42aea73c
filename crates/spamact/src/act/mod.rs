//! Acting on accounts that look stolen.
//!
//! Takes senders that are beyond the limits of `--disable-account` ([`Suspect`]), a way of locking and a
//! way to look at their lines once more; gives what was done to each, and what is to be told. The steps:
//!
//! 1. The [rules](crate::account::Rules) say whether a sender is an account that may be locked.
//! 2. The state says when it was last seen locked, and the logs are read once more: only lines after that
//!    and up to now are evidence, and they alone must be beyond all limits.
//! 3. With `--verify-journal`, the trusted lines of the journal alone must be, too.
//! 4. The worst are locked first, no more than [`Actor::max_locks`] a run and four times that a day; of
//!    more than a thousand only the worst are looked at.
//! 5. What is to be done is written to the state, done, checked, and told to syslog, each lock by itself.
//! 6. Notices go out; those that cannot wait in the state for the next run. Others may act meanwhile.
//!
//! A [dry run](Actor::dry_run) takes the first three steps and counts the fourth; it writes nothing and
//! opens no socket, and starts no program but the `journalctl` of the third.

mod run;
pub mod undo;

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use spamcore::check::{Message, Weight};
use spamcore::error::chain;
use spamcore::verdict::Action;
use time::OffsetDateTime;

use crate::account::{AccountName, Place, Refusal, Rules};
use crate::error::Error;
use crate::mail::{Address, Mailer};
use crate::method::{AccountStatus, Local, Way};
use crate::state::{Counts, State};
use crate::system::run_lock::Once;
use crate::system::syslog::Audit;
use run::{Run, send_all};

/// A sender that is reported and beyond both limits, by all its lines in the period.
#[derive(Clone, Debug)]
pub struct Suspect {
    /// Its name, as logged.
    pub sender: Vec<u8>,
    /// Its line in the report.
    pub report_line: Vec<u8>,
    /// What all its lines come to.
    pub counts: Counts,
    /// The latest stamp among them, in Unix seconds.
    pub last: i64,
}

/// What the lines of a suspect come to that are evidence.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Their counts.
    pub counts: Counts,
    /// Whether they alone are beyond all limits.
    pub enough: bool,
    /// The first few of them.
    pub lines: Vec<Vec<u8>>,
    /// Messages by network.
    pub networks: Vec<(Vec<u8>, u64)>,
    /// Messages by address.
    pub addresses: Vec<(Vec<u8>, u64)>,
}

/// Which lines are looked at once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Those that the report is made from.
    Log,
    /// Those of the journal that journald vouches for.
    Journal,
}

/// A sender, and the instant after which its lines are evidence, if not all are.
pub type Wanted = (Vec<u8>, Option<i64>);

/// Looks at the lines of senders up to now once more, in their order; none where that cannot be done.
pub type Look<'a> = &'a mut dyn FnMut(Lines, &[Wanted]) -> Option<Vec<Evidence>>;

/// How to act.
pub struct Actor<'a> {
    /// Who can be locked.
    pub rules: Rules,
    /// Where accounts are locked.
    pub place: Place,
    /// The local accounts, for a dry run.
    pub local: Local,
    /// Whether the journal must confirm what the log says.
    pub verify_journal: bool,
    /// How many accounts are locked in a run at most; in 24 hours, four times that.
    pub max_locks: usize,
    /// The directory of the state.
    pub dir: PathBuf,
    /// Whether root runs us.
    pub root: bool,
    /// How long another run that acts is waited for.
    pub wait: Duration,
    /// Whom notices go to.
    pub to: Address,
    /// How they go, or why they cannot: that keeps nobody from being locked.
    pub mailer: Result<Mailer, String>,
    /// Who is told of each lock.
    pub audit: Audit,
    /// The name of this host.
    pub host: String,
    /// The period that was looked at, as typed.
    pub period: String,
    /// What was read: paths of logs, or `journal`.
    pub log: String,
    /// The time on this host's clock, in its zone.
    pub clock: &'a dyn Fn() -> OffsetDateTime,
}

/// A suspect that the rules allow to lock.
struct Case {
    /// Which of the suspects.
    number: usize,
    account: AccountName,
    /// When the account was last seen locked.
    seen_locked: Option<i64>,
    /// The state has a lock of it.
    remembered: bool,
    /// None where the lines cannot be looked at again.
    evidence: Option<Evidence>,
    /// Whether the journal confirms it, where it must.
    confirmed: bool,
    /// There are lines of it after it was last seen locked.
    sends: bool,
}

/// What a case comes to, before anything is done.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    /// It is locked, and still sends or not.
    Locked { sends: bool },
    /// It is not locked, and there is not enough evidence to, for this reason.
    Spared(&'static str),
    /// It is to be locked.
    Stolen,
}

impl Case {
    fn judge(&self, status: AccountStatus) -> Finding {
        match (status, &self.evidence) {
            (AccountStatus::Locked, _) => Finding::Locked { sends: self.sends },
            (_, None) => Finding::Spared("a pipe cannot be read again to tell new lines from old"),
            (_, Some(evidence)) if evidence.enough => Finding::Stolen,
            _ if self.seen_locked.is_some() => {
                Finding::Spared("no new evidence since it was last seen locked")
            }
            _ => Finding::Spared("too few of its lines lie before now"),
        }
    }
}

impl Actor<'_> {
    /// Acts on the suspects, sends what waits to be sent, and says what was done to each.
    pub fn act(
        &self,
        way: &Way,
        suspects: &[Suspect],
        look: Look<'_>,
        messages: &mut Vec<Message>,
    ) -> Vec<Action> {
        // Without anything to do, nothing is written: not even the file that runs wait for.
        let idle = State::load(&self.dir, self.root, self.now());
        if suspects.is_empty() && idle.is_ok_and(|(state, told)| told.is_none() && state.is_done())
        {
            return Vec::new();
        }
        let once = match Once::wait(&self.dir, self.root, self.wait) {
            Ok(once) => Some(once),
            // A disk that is full or read-only does not stop a lock; a second run might lock too.
            Err(error @ Error::Write { .. }) => {
                messages.push(failure(chain(&error)));
                None
            }
            Err(error) => return self.refuse_all(suspects, &error, messages),
        };
        let state = match State::load(&self.dir, self.root, self.now()) {
            Ok((state, damaged)) => {
                messages.extend(damaged.map(failure));
                state
            }
            Err(error) => return self.refuse_all(suspects, &error, messages),
        };
        self.tell_refusals(suspects, messages);
        let mut run = Run::new(self, way, state, messages);
        run.finish_what_was_begun();
        let (cases, mut actions) = self.cases(suspects, &run.state, look);
        let left_out = actions.iter().flatten().filter(|action| **action == left_out()).count();
        if left_out > 0 {
            run.fail(format!("{left_out} accounts: not disabled: {LEFT_OUT}"));
        }
        for case in cases {
            actions[case.number] = Some(run.deal_with(&case, &suspects[case.number]));
        }
        run.tell_of_too_many(suspects);
        let saved = run.save();
        let Run { state, .. } = run;
        drop(once);
        send_all(self, &state, saved, messages);
        given(actions)
    }

    /// Says what would be done to the suspects. Only what a file of this host says is asked: an account on
    /// another host, in a table or behind a command counts as locked where the state says so.
    pub fn dry_run(
        &self,
        suspects: &[Suspect],
        look: Look<'_>,
        messages: &mut Vec<Message>,
    ) -> Vec<Action> {
        let state = match State::load(&self.dir, self.root, self.now()) {
            Ok((state, _)) => state,
            // Only root can read it, and a dry run is everybody's.
            Err(Error::Read { .. }) if !self.root => State::default(),
            Err(error) => return self.refuse_all(suspects, &error, messages),
        };
        let (cases, mut actions) = self.cases(suspects, &state, look);
        let (mut locks, today) = (HashSet::new(), state.recent_locks(self.now()));
        for case in &cases {
            let status = match self.place {
                Place::Local => Way::Local(self.local.clone()).status(&case.account).ok(),
                _ => case.remembered.then_some(AccountStatus::Locked),
            };
            let action = match case.judge(status.unwrap_or(AccountStatus::Open)) {
                _ if locks.contains(&case.account) => Action::AlreadyDisabled,
                _ if status == Some(AccountStatus::Missing) => {
                    Action::NotDisabled(Refusal::NoAccount.to_string())
                }
                Finding::Locked { sends: true } => Action::StillSending,
                Finding::Locked { sends: false } => Action::AlreadyDisabled,
                Finding::Spared(why) => Action::NotDisabled(why.into()),
                Finding::Stolen if !case.confirmed => Action::NotDisabled(UNCONFIRMED.into()),
                Finding::Stolen => match self.too_many(locks.len(), today + locks.len()) {
                    Some(why) => Action::NotDisabled(why),
                    None => {
                        locks.insert(case.account.clone());
                        Action::WouldDisable
                    }
                },
            };
            actions[case.number] = Some(action);
        }
        given(actions)
    }

    /// The suspects that may be locked, worst first; what the rules say of the others.
    fn cases(
        &self,
        suspects: &[Suspect],
        state: &State,
        mut look: Look<'_>,
    ) -> (Vec<Case>, Vec<Option<Action>>) {
        let (mut cases, mut actions) = (Vec::new(), Vec::new());
        // Postfix looks logins up in lower case.
        let folded = if self.place == Place::Table { state.in_any_case() } else { HashMap::new() };
        let known = |account: &AccountName| match self.place {
            Place::Table => folded.get(&account.as_ref().to_ascii_lowercase()).copied(),
            _ => state.record(account).map(|record| (record.seen_locked, !record.locks.is_empty())),
        };
        for (number, suspect) in suspects.iter().enumerate() {
            match self.rules.account(&suspect.sender, self.place) {
                Ok(account) => {
                    let (seen_locked, remembered) = known(&account).unwrap_or_default();
                    cases.push(Case {
                        number,
                        account,
                        seen_locked,
                        remembered,
                        evidence: None,
                        confirmed: !self.verify_journal,
                        sends: false,
                    });
                    actions.push(None);
                }
                Err(refusal) => actions.push(Some(Action::NotDisabled(refusal.to_string()))),
            }
        }
        if cases.is_empty() {
            return (cases, actions);
        }
        let wanted = |cases: &[Case]| -> Vec<Wanted> {
            cases.iter().map(|c| (suspects[c.number].sender.clone(), c.seen_locked)).collect()
        };
        // All at once: the journal may be long.
        let confirm = |cases: &mut [Case], look: &mut Look<'_>| {
            let seen = look(Lines::Journal, &wanted(cases)).unwrap_or_default();
            cases.iter_mut().zip(seen).for_each(|(case, seen)| case.confirmed = seen.enough);
        };
        let too_many = cases.len() > LOOKED_AT;
        if too_many {
            if self.verify_journal {
                confirm(&mut cases, &mut look);
            }
            let messages = |case: &Case| suspects[case.number].counts.messages;
            cases.sort_by_key(|case| (!case.confirmed, Reverse(messages(case)), case.number));
            for case in cases.drain(LOOKED_AT..) {
                actions[case.number] = Some(left_out());
            }
        }
        match look(Lines::Log, &wanted(&cases)) {
            Some(all) => {
                for (case, evidence) in cases.iter_mut().zip(all) {
                    case.sends = case.seen_locked.is_some() && evidence.counts.messages > 0;
                    case.evidence = Some(evidence);
                }
            }
            // What was read once is enough where all of it is evidence.
            None => {
                let now = self.now();
                for case in &mut cases {
                    let Suspect { counts, last, .. } = suspects[case.number];
                    case.sends = case.seen_locked.is_some_and(|seen| last > seen && last <= now);
                    if case.seen_locked.is_none() && last <= now {
                        case.evidence =
                            Some(Evidence { counts, enough: true, ..Evidence::default() });
                    }
                }
            }
        }
        let enough = |case: &Case| case.evidence.as_ref().is_some_and(|e| e.enough);
        if self.verify_journal && !too_many && cases.iter().any(enough) {
            confirm(&mut cases, &mut look);
        }
        let messages = |case: &Case| case.evidence.as_ref().map_or(0, |e| e.counts.messages);
        cases.sort_by_key(|case| (Reverse(messages(case)), case.number));
        (cases, actions)
    }

    /// How many accounts are locked in 24 hours at most.
    fn locks_of_a_day(&self) -> usize {
        self.max_locks.saturating_mul(4)
    }

    /// Why one more lock would be too many, after so many in this run and in the last 24 hours.
    fn too_many(&self, this_run: usize, today: usize) -> Option<String> {
        let day = self.locks_of_a_day();
        let (limit, when) = if this_run >= self.max_locks {
            (self.max_locks, "at once")
        } else if today >= day {
            (day, "in 24 hours")
        } else {
            return None;
        };
        Some(format!("more than {limit} {when}: the log may be forged"))
    }

    /// Nobody is locked, for one reason.
    fn refuse_all(
        &self,
        suspects: &[Suspect],
        error: &Error,
        messages: &mut Vec<Message>,
    ) -> Vec<Action> {
        messages.push(failure(chain(error)));
        let refuse = |suspect: &Suspect| match self.rules.account(&suspect.sender, self.place) {
            Ok(_) => Action::NotDisabled(error.reason()),
            Err(refusal) => Action::NotDisabled(refusal.to_string()),
        };
        suspects.iter().map(refuse).collect()
    }

    /// A sender that should have been locked and is no account is a failure; one that must not be locked
    /// is none.
    fn tell_refusals(&self, suspects: &[Suspect], messages: &mut Vec<Message>) {
        for suspect in suspects {
            let refusal = self.rules.account(&suspect.sender, self.place).err();
            if let Some(refusal) = refusal.filter(|refusal| !refusal.is_rule()) {
                let sender = spamcore::escape::display(&suspect.sender);
                messages.push(failure(format!("{sender}: not disabled: {refusal}")));
            }
        }
    }

    fn now(&self) -> i64 {
        (self.clock)().unix_timestamp()
    }

    /// An instant, in the zone of this host's clock.
    fn local(&self, at: i64) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(at).ok()?.checked_to_offset((self.clock)().offset())
    }
}

/// How many accounts are looked at in a run, the worst: that takes a program for each, or another host, and a
/// local user can write any number of names into a log.
const LOOKED_AT: usize = 1000;

/// Why an account is not locked that was not looked at.
const LEFT_OUT: &str = "more than 1000 are beyond the limits: the log may be forged";

fn left_out() -> Action {
    Action::NotDisabled(LEFT_OUT.into())
}

/// Why an account is not locked that the journal does not confirm.
const UNCONFIRMED: &str = "the journal does not confirm it";

fn failure(text: String) -> Message {
    Message { text, weight: Weight::Failure }
}

/// Every suspect has been dealt with.
fn given(actions: Vec<Option<Action>>) -> Vec<Action> {
    let none = || Action::NotDisabled(Refusal::NotAName.to_string());
    actions.into_iter().map(|action| action.unwrap_or_else(none)).collect()
}
