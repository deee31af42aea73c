//! What is to be done to an account, before anything is.
//!
//! Takes the suspects, the state and the logs once more; gives a [`Case`] for each suspect that the rules
//! allow to lock, with its evidence, worst first. [`Case::decide`] is a pure function of that and of the
//! account's status.

use std::cmp::Reverse;
use std::collections::HashMap;

use spamcore::evidence::{EvidenceSource, Lines, Selection, SenderEvidence};
use spamcore::messages::Messages;
use spamcore::verdict::{Action, Finding};

use super::Actor;
use crate::account::{AccountName, NameRule, Refusal};
use crate::method::AccountStatus;
use crate::state::State;
use crate::system::escape::escape_ascii;

/// How many accounts are looked up per run, the worst ones: each takes a program or a question to another host, and a
/// local user can write any number of names into a log.
const LOOKED_AT: usize = 1000;

/// Why an account that was not looked up is not locked.
pub(super) const LEFT_OUT: &str = "more than 1000 are beyond the limits: the log may be forged";

/// Why an account that the journal does not confirm is not locked.
pub(super) const UNCONFIRMED: &str = "the journal does not confirm it";

/// Why an account is not locked if this host alone has logged too few of its lines, and it is not known which other
/// hosts did.
const ELSEWHERE: &str = "logged by other hosts";

/// A suspect that the rules allow to lock.
pub(super) struct Case {
    /// Which of the suspects.
    pub(super) number: usize,
    pub(super) account: AccountName,
    /// When the account was last seen locked.
    seen_locked: Option<i64>,
    /// The state has a lock of it.
    pub(super) remembered: bool,
    /// That its lines are beyond the limits only with those of other hosts, as a reason not to lock it.
    elsewhere: Option<String>,
    /// None where the lines cannot be read again.
    pub(super) evidence: Option<SenderEvidence>,
    /// Whether the journal's trusted lines alone are beyond all limits; false where that was not looked up.
    pub(super) vouched: bool,
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
    /// It is not locked, because it was mostly other hosts that logged its lines: for this reason.
    Elsewhere(String),
    /// It is to be locked.
    Lock,
}

impl Case {
    fn is_sufficient(&self) -> bool {
        self.evidence.as_ref().is_some_and(|evidence| evidence.sufficient)
    }

    pub(super) fn decide(&self, status: AccountStatus) -> Decision {
        match (status, &self.evidence, &self.elsewhere) {
            (AccountStatus::Locked, ..) => Decision::Locked { sends: self.sends },
            (_, None, _) => {
                Decision::Spare("a pipe cannot be read again to tell new lines from old")
            }
            (_, Some(evidence), _) if evidence.sufficient => Decision::Lock,
            (.., Some(why)) => Decision::Elsewhere(why.clone()),
            _ if self.seen_locked.is_some() => {
                Decision::Spare("no new evidence since it was last seen locked")
            }
            _ => Decision::Spare("too few of its lines lie before now"),
        }
    }
}

/// How much of a host's name is shown.
const HOST: usize = 64;

/// Why lines of other hosts are no evidence: the host that has logged most is named.
fn logged_by(hosts: &[(Box<[u8]>, u64)]) -> Option<String> {
    let (host, _) = hosts.iter().min_by_key(|(host, messages)| (Reverse(*messages), host))?;
    // A bracket in it could end the note, or begin another.
    let mut host = escape_ascii(host).replace('[', "\\x5b").replace(']', "\\x5d");
    host.truncate(HOST);
    Some(match hosts.len() - 1 {
        0 => format!("logged by {host}"),
        more => format!("logged by {host} and {more} more"),
    })
}

/// A suspect that the rules do not allow to lock.
pub(super) struct Refused {
    /// Which of the suspects.
    pub(super) number: usize,
    pub(super) refusal: Refusal,
    /// What it sent, by the lines of this host.
    pub(super) evidence: SenderEvidence,
    /// That its lines are beyond the limits only with those of other hosts, as a reason.
    pub(super) elsewhere: Option<String>,
}

impl Refused {
    /// What is noted on it.
    pub(super) fn action(&self) -> Action {
        let why = self.elsewhere.clone().unwrap_or_else(|| self.refusal.to_string());
        Action::NotDisabled(why)
    }
}

/// What is known of the suspects before anything is done.
pub(super) struct Judged {
    /// Those that may be locked, worst first.
    pub(super) cases: Vec<Case>,
    /// Those that must not, or cannot.
    pub(super) refused: Vec<Refused>,
    /// Which of the suspects were not looked at.
    pub(super) left_out: Vec<usize>,
}

impl Actor<'_> {
    /// Looks closely at the suspects.
    pub(super) fn judge(
        &self,
        names: NameRule,
        suspects: &[&Finding<'_>],
        state: &State,
        source: &mut dyn EvidenceSource,
        messages: &mut Messages,
    ) -> Judged {
        let (mut cases, mut refused) = (Vec::new(), Vec::new());
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
                        elsewhere: None,
                        evidence: None,
                        vouched: false,
                        sends: false,
                    });
                }
                Err(refusal) => {
                    let evidence = SenderEvidence::default();
                    refused.push(Refused { number, refusal, evidence, elsewhere: None });
                }
            }
        }
        let confirm = |cases: &mut [Case], found: Option<Vec<SenderEvidence>>| {
            let found = found.unwrap_or_default();
            cases.iter_mut().zip(found).for_each(|(case, found)| case.vouched = found.sufficient);
        };
        let sent = |number: usize| suspects[number].stats.messages;
        let mut left_out = Vec::new();
        let too_many = cases.len() > LOOKED_AT;
        if too_many {
            if self.verify_journal {
                let found = self.look(suspects, &whose(&cases), Lines::Trusted, source, messages);
                confirm(&mut cases, found);
            }
            cases.sort_by_key(|case| (!case.vouched, Reverse(sent(case.number)), case.number));
            left_out.extend(cases.drain(LOOKED_AT..).map(|case| case.number));
        }
        refused.sort_by_key(|refused| (Reverse(sent(refused.number)), refused.number));
        let mut both = whose(&cases);
        both.extend(refused.iter().take(LOOKED_AT).map(|refused| (refused.number, None)));
        if let Some(mut all) = self.look(suspects, &both, Lines::Logged, source, messages) {
            for (refused, evidence) in refused.iter_mut().zip(all.split_off(cases.len())) {
                refused.elsewhere = logged_by(&evidence.elsewhere);
                refused.evidence = evidence;
            }
            for (case, evidence) in cases.iter_mut().zip(all) {
                case.sends = case.seen_locked.is_some() && evidence.counts.messages > 0;
                case.elsewhere = logged_by(&evidence.elsewhere);
                case.evidence = Some(evidence);
            }
        } else {
            // If all lines are evidence, the first reading is enough.
            for refused in &mut refused {
                let (evidence, _) = counted(suspects[refused.number], source);
                refused.elsewhere = (!evidence.sufficient).then(|| ELSEWHERE.into());
                refused.evidence = evidence;
            }
            let now = self.now();
            for case in &mut cases {
                let (evidence, last) = counted(suspects[case.number], source);
                if let Some(seen) = case.seen_locked {
                    case.sends = evidence.counts.messages > 0 && last > seen && last <= now;
                } else if last <= now {
                    case.elsewhere = (!evidence.sufficient).then(|| ELSEWHERE.into());
                    case.evidence = Some(evidence);
                }
            }
        }
        let due = cases.iter().filter(|case| case.is_sufficient()).count();
        if self.verify_journal {
            if !too_many && due > 0 {
                let found = self.look(suspects, &whose(&cases), Lines::Trusted, source, messages);
                confirm(&mut cases, found);
            }
        } else if due > 0 && state.recent_locks(self.now()) + due > self.locks_per_day() {
            // Nobody asked for the journal: that it cannot be read is no failure.
            let mut unasked = Messages::default();
            let found = self.look(suspects, &whose(&cases), Lines::Trusted, source, &mut unasked);
            confirm(&mut cases, found);
        }
        let sent = |case: &Case| case.evidence.as_ref().map_or(0, |e| e.counts.messages);
        cases.sort_by_key(|case| (Reverse(sent(case)), case.number));
        Judged { cases, refused, left_out }
    }

    /// What the lines of some suspects amount to, in their order; `whose` has the number of each, and the instant
    /// after which its lines are evidence. All at once: the logs may be long.
    fn look(
        &self,
        suspects: &[&Finding<'_>],
        whose: &[(usize, Option<i64>)],
        lines: Lines,
        source: &mut dyn EvidenceSource,
        messages: &mut Messages,
    ) -> Option<Vec<SenderEvidence>> {
        let Some(kind) = suspects.first().map(|suspect| suspect.kind) else {
            return Some(Vec::new());
        };
        let senders =
            whose.iter().map(|&(number, after)| (suspects[number].sender.to_vec(), after));
        let selection = Selection {
            kind,
            senders: senders.collect(),
            until: self.looked.now,
            // The lines of the journal are this host's, whatever it was called when they were written.
            hosts: (lines == Lines::Logged).then(|| self.hosts.clone()),
        };
        let mut found = source.evidence(selection, lines, messages)?;
        let evidence =
            |&(number, _): &(usize, _)| found.remove(suspects[number].sender).unwrap_or_default();
        Some(whose.iter().map(evidence).collect())
    }
}

/// Whose lines are evidence in some cases, and after which instant.
fn whose(cases: &[Case]) -> Vec<(usize, Option<i64>)> {
    cases.iter().map(|case| (case.number, case.seen_locked)).collect()
}

/// What was counted of a suspect at the first reading, in the lines of this host; and the instant of the last one,
/// or where there is none, of the last line of all.
fn counted(suspect: &Finding<'_>, source: &dyn EvidenceSource) -> (SenderEvidence, i64) {
    let counted = source.counted(suspect.kind, suspect.sender);
    let last = match counted {
        Some(counted) => counted.last,
        None => suspect.stats.span.map(|(_, last)| last),
    };
    let counted = counted.map(|counted| (counted.counts, counted.sufficient));
    let (counts, sufficient) = counted.unwrap_or_default();
    let evidence = SenderEvidence { counts, sufficient, ..SenderEvidence::default() };
    (evidence, last.unwrap_or(i64::MAX))
}
