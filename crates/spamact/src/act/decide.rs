//! What is to be done to an account, before anything is.
//!
//! Takes the suspects, the state and the logs once more; gives a [`Case`] for each suspect that the rules
//! allow to lock, with its evidence, worst first. [`Case::decide`] is a pure function of that and of the
//! account's status.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use spamcore::evidence::{Counts, EvidenceSource, Lines, Selection, SenderEvidence};
use spamcore::identity::{Identity, Realms};
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

/// Why an account is not said to be locked whose logins are refused by name, where that cannot be done for all
/// names under which it can log in.
pub(super) const UNCOVERED: &str = "only some of its spellings can be refused";

/// Why none of several accounts is locked whose names differ only in spelling.
const NONE_ALONE: &str = "accounts of that name do not send so much each by itself";

/// What is noted on an account that was not looked up.
pub(super) fn left_out() -> Action {
    Action::NotDisabled(LEFT_OUT.into())
}

/// An account of a suspect that the rules allow to lock.
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(super) struct Case {
    /// Which of the suspects.
    pub(super) number: usize,
    pub(super) account: AccountName,
    /// The sender as the evidence names it.
    sender: Vec<u8>,
    /// There are other accounts whose names differ from this one only in spelling.
    is_apart: bool,
    /// Under what other names it can log in, where logins are refused by name.
    pub(super) logins: Vec<AccountName>,
    /// It can log in under names that cannot be refused.
    pub(super) uncovered: bool,
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
    /// Finds the names under which the account can log in: with each realm, and as it did.
    fn find_logins(&mut self, realms: &Realms) {
        let Self { account, evidence, logins, .. } = self;
        let mut covers = |name: &[u8]| {
            let Ok(login) = AccountName::check(name) else { return false };
            let same = |other: &AccountName| other.as_ref().eq_ignore_ascii_case(login.as_ref());
            if !same(account) && !logins.iter().any(same) {
                logins.push(login);
            }
            true
        };
        let mut covered = !realms.any();
        // A name that has a domain already has no second one.
        if !account.as_ref().contains('@') {
            for domain in realms.domains() {
                covered &= covers(format!("{account}@{domain}").as_bytes());
            }
        }
        if let Some(evidence) = evidence {
            covered &= !evidence.more_spellings;
            for spelling in &evidence.spellings {
                covered &= covers(spelling);
            }
        }
        self.uncovered = !covered;
    }

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

/// Of accounts whose names differ only in spelling, leaves those whose own lines are evidence.
fn drop_innocent_namesakes(cases: &mut Vec<Case>, actions: &mut [Option<Action>]) {
    let is_suspect = |case: &Case| {
        !case.is_apart
            || case.seen_locked.is_some()
            || case.evidence.as_ref().is_none_or(|evidence| evidence.sufficient)
    };
    let suspects: HashSet<_> =
        cases.iter().filter(|case| is_suspect(case)).map(|case| case.number).collect();
    cases.retain(|case| {
        if !suspects.contains(&case.number) {
            actions[case.number] = Some(Action::NotDisabled(NONE_ALONE.into()));
        }
        is_suspect(case)
    });
}

/// What is noted on a suspect that is several accounts: what is worst for the administrator to miss.
pub(super) fn worse(one: Option<Action>, other: Action) -> Action {
    let rank = |action: &Action| match action {
        Action::NotDisabled(_) => 0,
        Action::StillSending => 1,
        Action::Disabled => 2,
        Action::WouldDisable => 3,
        Action::AlreadyDisabled => 4,
    };
    match one {
        Some(one) if rank(&one) <= rank(&other) => one,
        _ => other,
    }
}

/// The latest timestamp of a suspect's lines, in Unix seconds.
fn last(suspect: &Finding<'_>) -> i64 {
    suspect.stats.span.map_or(i64::MAX, |(_, last)| last)
}

impl Actor<'_> {
    /// The accounts that the rules allow to lock, and for the other suspects what the rules say of them.
    fn accounts(
        &self,
        identity: &Identity,
        names: NameRule,
        suspects: &[&Finding<'_>],
        state: &State,
    ) -> (Vec<Case>, Vec<Option<Action>>) {
        let (mut cases, mut actions) = (Vec::new(), Vec::new());
        let folded = if names.folds_case() { state.folded(identity) } else { HashMap::new() };
        let known = |account: &AccountName| {
            if names.folds_case() {
                return folded.get(&*identity.fold(account.as_ref().as_bytes())).copied();
            }
            state.record(account).map(|record| (record.seen_locked, !record.locks.is_empty()))
        };
        for (number, suspect) in suspects.iter().enumerate() {
            let senders = identity.senders(suspect.sender);
            let is_apart = senders.len() > 1;
            let mut refused = None;
            for sender in senders {
                match self.rules.account(sender, names) {
                    Ok(account) => {
                        let (seen_locked, remembered) = known(&account).unwrap_or_default();
                        cases.push(Case {
                            number,
                            account,
                            sender: sender.to_vec(),
                            is_apart,
                            logins: Vec::new(),
                            uncovered: false,
                            seen_locked,
                            remembered,
                            evidence: None,
                            confirmed: !self.verify_journal,
                            sends: false,
                        });
                    }
                    Err(refusal) => refused = Some(Action::NotDisabled(refusal.to_string())),
                }
            }
            let is_case = cases.last().is_some_and(|case| case.number == number);
            actions.push(refused.filter(|_| !is_case));
        }
        (cases, actions)
    }

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
        let identity = self.rules.identity();
        let (mut cases, mut actions) = self.accounts(&identity, names, suspects, state);
        let Some(kind) = suspects.first().map(|suspect| suspect.kind) else {
            return (cases, actions);
        };
        if cases.is_empty() {
            return (cases, actions);
        }
        // All at once: the logs may be long.
        let mut look = |cases: &[Case], lines| {
            let senders = cases.iter().map(|case| (case.sender.clone(), case.seen_locked));
            let selection = Selection {
                kind,
                identity: identity.clone(),
                senders: senders.collect(),
                until: self.looked.now,
            };
            let mut found = source.evidence(selection, lines, messages)?;
            let evidence = |case: &Case| found.remove(&case.sender).unwrap_or_default();
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
                    // The first reading has counted accounts together whose names differ only in spelling.
                    if case.seen_locked.is_none() && last <= now && !case.is_apart {
                        let stats = suspect.stats;
                        case.evidence = Some(SenderEvidence {
                            counts: Counts::from(stats),
                            sufficient: true,
                            spellings: vec![stats.first_spelling(suspect.sender).into()],
                            more_spellings: stats.spellings() > 1,
                            ..SenderEvidence::default()
                        });
                    }
                }
            }
        }
        drop_innocent_namesakes(&mut cases, &mut actions);
        if names.keeps_realm() {
            for case in &mut cases {
                case.find_logins(&self.rules.realms);
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
