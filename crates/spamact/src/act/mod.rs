//! Acting on accounts that look stolen.
//!
//! Takes senders that are beyond the limits of `--disable-account` ([`Suspect`]), a way of locking and a
//! way to look at their lines once more; gives what was done to each, and what is to be told. The steps:
//!
//! 1. The [rules](crate::account::Rules) say whether a sender is an account that may be locked.
//! 2. The state says when it was last seen locked, and the logs are read once more: only lines after that
//!    and up to now are evidence, and they alone must be beyond all limits.
//! 3. With `--verify-journal`, the trusted lines of the journal alone must be, too.
//! 4. The worst are locked first, no more than [`Actor::max_locks`] a run and four times that a day.
//! 5. What was done is checked, told to syslog, and written to the state, each lock by itself.
//! 6. Notices go out; those that cannot wait in the state for the next run.
//!
//! A [dry run](Actor::dry_run) takes the first three steps and counts the fourth; it writes nothing, starts
//! no program, and opens no socket.

mod run;
pub mod undo;

use std::cmp::Reverse;
use std::path::PathBuf;
use std::time::Duration;

use spamcore::check::{Message, Weight};
use spamcore::error::chain;
use spamcore::verdict::Action;
use time::OffsetDateTime;

use crate::account::{AccountName, Place, Refusal, Rules};
use crate::audit::Audit;
use crate::error::Error;
use crate::lock::{Local, Standing, Way};
use crate::mail::{Address, Mailer};
use crate::once::Once;
use crate::state::{Counts, State};
use run::Run;

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
    /// Whether the journal must confirm what the log says.
    pub verify_journal: bool,
    /// How many accounts are locked in a run at most; in 24 hours, four times that.
    pub max_locks: usize,
    /// The folder of the state.
    pub folder: PathBuf,
    /// Whether root runs us.
    pub root: bool,
    /// How long another run that acts is waited for.
    pub wait: Duration,
    /// Whom notices go to.
    pub to: Address,
    /// How they go.
    pub mailer: Mailer,
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
    /// None where the lines cannot be looked at again.
    evidence: Option<Evidence>,
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
    fn judge(&self, standing: Standing) -> Finding {
        let Some(evidence) = &self.evidence else {
            return Finding::Spared("a pipe cannot be read again to tell new lines from old");
        };
        match standing {
            Standing::Locked => Finding::Locked {
                sends: self.seen_locked.is_some() && evidence.counts.messages > 0,
            },
            _ if evidence.enough => Finding::Stolen,
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
        let idle = State::load(&self.folder, self.root, self.now());
        if suspects.is_empty() && idle.is_ok_and(|(state, told)| told.is_none() && state.is_done())
        {
            return Vec::new();
        }
        let once = match Once::wait(&self.folder, self.root, self.wait) {
            Ok(once) => once,
            Err(error) => return self.refuse_all(suspects, &error, messages),
        };
        let state = match State::load(&self.folder, self.root, self.now()) {
            Ok((state, damaged)) => {
                messages.extend(damaged.map(failure));
                state
            }
            Err(error @ Error::Refused { .. }) => {
                return self.refuse_all(suspects, &error, messages);
            }
            // A state that cannot be read does not stop a lock.
            Err(error) => {
                messages.push(failure(chain(&error)));
                State::default()
            }
        };
        let mut run = Run::new(self, way, state, messages);
        run.finish_what_was_left();
        let (cases, mut actions) = self.cases(suspects, &run.state, look);
        for case in cases {
            actions[case.number] = Some(run.deal_with(&case, &suspects[case.number], look));
        }
        self.tell_refusals(suspects, run.messages);
        run.notify(suspects);
        run.save();
        drop(once);
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
        let state = match State::load(&self.folder, self.root, self.now()) {
            Ok((state, _)) => state,
            // Only root can read it, and a dry run is everybody's.
            Err(Error::Read { .. }) if !self.root => State::default(),
            Err(error) => return self.refuse_all(suspects, &error, messages),
        };
        let (cases, mut actions) = self.cases(suspects, &state, look);
        let (mut locks, today) = (0, state.recent_locks(self.now()));
        for case in &cases {
            let known = state.record(&case.account).is_some_and(|record| !record.locks.is_empty());
            let standing = match self.place {
                Place::Local => Way::Local(Local::default()).standing(&case.account).ok(),
                _ => known.then_some(Standing::Locked),
            };
            let action = match case.judge(standing.unwrap_or(Standing::Open)) {
                Finding::Locked { sends: true } => Action::StillSending,
                Finding::Locked { sends: false } => Action::AlreadyDisabled,
                Finding::Spared(why) => Action::NotDisabled(why.into()),
                Finding::Stolen if !self.is_confirmed(case, &suspects[case.number], look) => {
                    Action::NotDisabled(UNCONFIRMED.into())
                }
                Finding::Stolen if self.has_locked_enough(locks, today + locks) => {
                    Action::NotDisabled(self.too_many())
                }
                Finding::Stolen => {
                    locks += 1;
                    Action::WouldDisable
                }
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
        look: Look<'_>,
    ) -> (Vec<Case>, Vec<Option<Action>>) {
        let (mut cases, mut actions) = (Vec::new(), Vec::new());
        for (number, suspect) in suspects.iter().enumerate() {
            match self.rules.account(&suspect.sender, self.place) {
                Ok(account) => {
                    let seen_locked = state.seen_locked(&account);
                    cases.push(Case { number, account, seen_locked, evidence: None });
                    actions.push(None);
                }
                Err(refusal) => actions.push(Some(Action::NotDisabled(refusal.to_string()))),
            }
        }
        if cases.is_empty() {
            return (cases, actions);
        }
        let wanted: Vec<Wanted> =
            cases.iter().map(|c| (suspects[c.number].sender.clone(), c.seen_locked)).collect();
        match look(Lines::Log, &wanted) {
            Some(all) => cases.iter_mut().zip(all).for_each(|(c, e)| c.evidence = Some(e)),
            // What was read once is enough where all of it is evidence.
            None => {
                let now = self.now();
                for case in &mut cases {
                    let Suspect { counts, last, .. } = suspects[case.number];
                    if case.seen_locked.is_none() && last <= now {
                        case.evidence =
                            Some(Evidence { counts, enough: true, ..Evidence::default() });
                    }
                }
            }
        }
        let messages = |case: &Case| case.evidence.as_ref().map_or(0, |e| e.counts.messages);
        cases.sort_by_key(|case| (Reverse(messages(case)), case.number));
        (cases, actions)
    }

    /// Whether the journal confirms a case, where it must.
    fn is_confirmed(&self, case: &Case, suspect: &Suspect, look: Look<'_>) -> bool {
        if !self.verify_journal {
            return true;
        }
        let wanted = (suspect.sender.clone(), case.seen_locked);
        let seen = look(Lines::Journal, &[wanted]);
        seen.is_some_and(|seen| seen.first().is_some_and(|evidence| evidence.enough))
    }

    /// Whether one more lock would be too many, after so many in this run and in the last 24 hours.
    fn has_locked_enough(&self, this_run: usize, today: usize) -> bool {
        this_run >= self.max_locks || today >= self.max_locks.saturating_mul(4)
    }

    fn too_many(&self) -> String {
        format!("more than {} at once: the log may be forged", self.max_locks)
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
                let sender = spamcore::report::shown(&suspect.sender);
                messages.push(failure(format!("{sender}: not disabled: {refusal}")));
            }
        }
    }

    fn now(&self) -> i64 {
        (self.clock)().unix_timestamp()
    }
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
