//! What is to be done to an account, before anything is.
//!
//! Takes the suspects, the state and the logs once more; gives a [`Case`] for each suspect that the rules
//! allow to lock, with its evidence, worst first. [`Case::decide`] is a pure function of that and of the
//! account's status.

use std::cmp::Reverse;
use std::collections::HashMap;

use spamcore::evidence::{Counts, EvidenceSource, Lines, Selection, SenderEvidence};
use spamcore::messages::Messages;
use spamcore::verdict::{Action, Finding};

use super::Actor;
use crate::account::{AccountName, NameRule};
use crate::method::AccountStatus;
use crate::state::State;

/// How many accounts are looked up per run, the worst ones: each takes a program or a question to another host, and a
/// local user can write any number of names into a log.
const LOOKED_AT: usize = 1000;

/// The reason given for accounts beyond [`LOOKED_AT`].
pub(super) const LEFT_OUT: &str = "more than 1000 are beyond the limits: the log may be forged";

/// Why an account that the journal does not confirm is not locked.
pub(super) const UNCONFIRMED: &str = "the journal does not confirm it";

/// What is noted on an account that was not looked up.
pub(super) fn left_out() -> Action {
    Action::NotDisabled(LEFT_OUT.into())
}

/// A suspect that the rules allow to lock.
pub(super) struct Case {
    /// Which of the suspects.
    pub(super) number: usize,
    pub(super) account: AccountName,
    /// When the account was last seen locked.
    seen_locked: Option<i64>,
    /// The state has a lock of it.
    pub(super) remembered: bool,
    /// None where the lines cannot be read again.
    pub(super) evidence: Option<SenderEvidence>,
    /// Whether the journal confirms it, where it must.
    pub(super) confirmed: bool,
    /// There are lines of it after it was last seen locked.
    sends: bool,
}

/// What a case comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is locked, and still sends or not.
    Locked { sends: bool },
    /// It is not locked, and there is not enough evidence to lock it, for this reason.
    Spare(&'static str),
    /// It is to be locked.
    Lock,
}

impl Case {
    pub(super) fn decide(&self, status: AccountStatus) -> Decision {
        match (status, &self.evidence) {
            (AccountStatus::Locked, _) => Decision::Locked { sends: self.sends },
            (_, None) => Decision::Spare("a pipe cannot be read again to tell new lines from old"),
            (_, Some(evidence)) if evidence.sufficient => Decision::Lock,
            _ if self.seen_locked.is_some() => {
                Decision::Spare("no new evidence since it was last seen locked")
            }
            _ => Decision::Spare("too few of its lines lie before now"),
        }
    }
}

/// The latest timestamp of a suspect's lines, in Unix seconds.
fn last(suspect: &Finding<'_>) -> i64 {
    suspect.stats.span.map_or(i64::MAX, |(_, last)| last)
}

impl Actor<'_> {
    /// The suspects that may be locked, worst first; and for the others, in the order of the suspects, what
    /// the rules say of them.
    pub(super) fn cases(
        &self,
        names: NameRule,
        suspects: &[&Finding<'_>],
        state: &State,
        source: &mut dyn EvidenceSource,
        messages: &mut Messages,
    ) -> (Vec<Case>, Vec<Option<Action>>) {
        let (mut cases, mut actions) = (Vec::new(), Vec::new());
        let folded = if names.folds_case() { state.in_any_case() } else { HashMap::new() };
        let known = |account: &AccountName| {
            if names.folds_case() {
                return folded.get(&account.as_ref().to_ascii_lowercase()).copied();
            }
            state.record(account).map(|record| (record.seen_locked, !record.locks.is_empty()))
        };
        for (number, suspect) in suspects.iter().enumerate() {
            match self.rules.account(suspect.sender, names) {
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
        let Some(kind) = suspects.first().map(|suspect| suspect.kind) else {
            return (cases, actions);
        };
        if cases.is_empty() {
            return (cases, actions);
        }
        // All at once: the logs may be long.
        let mut look = |cases: &[Case], lines| {
            let sender = |case: &Case| suspects[case.number].sender;
            let senders = cases.iter().map(|case| (sender(case).to_vec(), case.seen_locked));
            let selection = Selection { kind, senders: senders.collect(), until: self.looked.now };
            let mut found = source.evidence(selection, lines, messages)?;
            let evidence = |case| found.remove(sender(case)).unwrap_or_default();
            Some(cases.iter().map(evidence).collect::<Vec<_>>())
        };
        let confirm = |cases: &mut [Case], found: Option<Vec<SenderEvidence>>| {
            let found = found.unwrap_or_default();
            cases.iter_mut().zip(found).for_each(|(case, found)| case.confirmed = found.sufficient);
        };
        let too_many = cases.len() > LOOKED_AT;
        if too_many {
            if self.verify_journal {
                let found = look(&cases, Lines::Trusted);
                confirm(&mut cases, found);
            }
            let sent = |case: &Case| suspects[case.number].stats.messages;
            cases.sort_by_key(|case| (!case.confirmed, Reverse(sent(case)), case.number));
            for case in cases.drain(LOOKED_AT..) {
                actions[case.number] = Some(left_out());
            }
        }
        match look(&cases, Lines::Logged) {
            Some(all) => {
                for (case, evidence) in cases.iter_mut().zip(all) {
                    case.sends = case.seen_locked.is_some() && evidence.counts.messages > 0;
                    case.evidence = Some(evidence);
                }
            }
            // If all lines are evidence, the first reading is enough.
            None => {
                let now = self.now();
                for case in &mut cases {
                    let suspect = suspects[case.number];
                    let last = last(suspect);
                    case.sends = case.seen_locked.is_some_and(|seen| last > seen && last <= now);
                    if case.seen_locked.is_none() && last <= now {
                        let counts = Counts::from(suspect.stats);
                        let rest = SenderEvidence::default();
                        case.evidence = Some(SenderEvidence { counts, sufficient: true, ..rest });
                    }
                }
            }
        }
        let sufficient = |case: &Case| case.evidence.as_ref().is_some_and(|e| e.sufficient);
        if self.verify_journal && !too_many && cases.iter().any(sufficient) {
            let found = look(&cases, Lines::Trusted);
            confirm(&mut cases, found);
        }
        let sent = |case: &Case| case.evidence.as_ref().map_or(0, |e| e.counts.messages);
        cases.sort_by_key(|case| (Reverse(sent(case)), case.number));
        (cases, actions)
    }
}
