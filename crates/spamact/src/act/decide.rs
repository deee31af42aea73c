//! What is to be done to an account, before anything is.
//!
//! Takes the suspects, the state and the logs once more; gives a [`Case`] for each suspect that the rules
//! allow to lock, with its evidence, worst first. [`Case::decide`] is a pure function of that and of the
//! account's status.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use spamcore::evidence::{EvidenceSource, Lines, Selection, SenderEvidence};
use spamcore::identity::{Identity, Realms};
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

/// The reason given for accounts beyond [`LOOKED_AT`].
pub(super) const LEFT_OUT: &str = "more than 1000 are beyond the limits: the log may be forged";

/// Why an account that the journal does not confirm is not locked.
pub(super) const UNCONFIRMED: &str = "the journal does not confirm it";

/// Why an account is not said to be locked whose logins are refused by name, where that cannot be done for all
/// names under which it can log in.
pub(super) const UNCOVERED: &str = "only some of its spellings can be refused";

/// Why none of several accounts is locked whose names differ only in spelling.
const NONE_ALONE: &str = "accounts of that name do not send so much each by itself";

/// Why an account is not locked if this host alone has logged too few of its lines, and it is not known which
/// other hosts did.
const ELSEWHERE: &str = "logged by other hosts";

/// How much of a host's name is shown, in bytes.
const HOST: usize = 64;

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

/// A suspect that the rules do not allow to lock.
pub(super) struct Refused {
    /// Which of the suspects.
    pub(super) number: usize,
    pub(super) refusal: Refusal,
    /// The sender as the evidence names it.
    sender: Vec<u8>,
    /// What it sent, by the lines of this host.
    pub(super) evidence: SenderEvidence,
    /// That its lines are beyond the limits only with those of other hosts, as a reason.
    pub(super) elsewhere: Option<String>,
}

impl Refused {
    /// What is noted on it.
    pub(super) fn action(&self) -> Action {
        // Who must not be locked is not, whoever has logged it.
        let elsewhere = self.elsewhere.clone().filter(|_| !self.refusal.is_rule());
        Action::NotDisabled(elsewhere.unwrap_or_else(|| self.refusal.to_string()))
    }
}

/// What is known of the suspects before anything is done.
#[derive(Default)]
pub(super) struct Judged {
    /// The accounts that may be locked, worst first. A suspect can be several.
    pub(super) cases: Vec<Case>,
    /// The suspects that must not be locked, or cannot.
    pub(super) refused: Vec<Refused>,
    /// Which of the suspects were not looked at.
    pub(super) left_out: Vec<usize>,
    /// Which of them are several accounts, none of which sends so much by itself.
    none_alone: Vec<usize>,
}

impl Judged {
    /// What is already to be noted on the suspects, of whom there are `many`.
    pub(super) fn actions(&self, many: usize) -> Vec<Option<Action>> {
        let mut actions = vec![None; many];
        for refused in &self.refused {
            actions[refused.number] = Some(refused.action());
        }
        for (numbers, why) in [(&self.none_alone, NONE_ALONE), (&self.left_out, LEFT_OUT)] {
            for &number in numbers {
                actions[number] = Some(Action::NotDisabled(why.into()));
            }
        }
        actions
    }

    /// Of accounts whose names differ only in spelling, leaves those whose own lines are evidence.
    fn drop_innocent_namesakes(&mut self) {
        let is_suspect = |case: &Case| {
            !case.is_apart
                || case.seen_locked.is_some()
                || case.evidence.as_ref().is_none_or(|evidence| evidence.sufficient)
        };
        let suspects: HashSet<_> =
            self.cases.iter().filter(|case| is_suspect(case)).map(|case| case.number).collect();
        self.cases.retain(|case| {
            if !suspects.contains(&case.number) {
                self.none_alone.push(case.number);
            }
            is_suspect(case)
        });
    }
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

impl Actor<'_> {
    /// The accounts that the rules allow to lock, and the suspects that they do not.
    fn accounts(
        &self,
        identity: &Identity,
        names: NameRule,
        suspects: &[&Finding<'_>],
        state: &State,
    ) -> Judged {
        let mut judged = Judged::default();
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
                        judged.cases.push(Case {
                            number,
                            account,
                            sender: sender.to_vec(),
                            is_apart,
                            logins: Vec::new(),
                            uncovered: false,
                            seen_locked,
                            remembered,
                            elsewhere: None,
                            evidence: None,
                            vouched: false,
                            sends: false,
                        });
                    }
                    Err(refusal) => {
                        let sender = sender.to_vec();
                        let evidence = SenderEvidence::default();
                        refused =
                            Some(Refused { number, refusal, sender, evidence, elsewhere: None });
                    }
                }
            }
            let is_case = judged.cases.last().is_some_and(|case| case.number == number);
            judged.refused.extend(refused.filter(|_| !is_case));
        }
        judged
    }

    /// Looks closely at the suspects.
    pub(super) fn judge(
        &self,
        names: NameRule,
        suspects: &[&Finding<'_>],
        state: &State,
        source: &mut dyn EvidenceSource,
        messages: &mut Messages,
    ) -> Judged {
        let identity = self.rules.identity();
        let mut judged = self.accounts(&identity, names, suspects, state);
        let Some(kind) = suspects.first().map(|suspect| suspect.kind) else { return judged };
        let all = Selection {
            kind,
            identity,
            senders: HashMap::default(),
            until: self.looked.now,
            hosts: Some(self.hosts.clone()),
        };
        let Judged { cases, refused, left_out, .. } = &mut judged;
        let confirm = |cases: &mut [Case], found: Option<Vec<SenderEvidence>>| {
            let found = found.unwrap_or_default();
            cases.iter_mut().zip(found).for_each(|(case, found)| case.vouched = found.sufficient);
        };
        let sent = |number: usize| suspects[number].stats.messages;
        let too_many = cases.len() > LOOKED_AT;
        if too_many {
            if self.verify_journal {
                let found = look(&all, whose(cases), Lines::Trusted, source, messages);
                confirm(cases, found);
            }
            cases.sort_by_key(|case| (!case.vouched, Reverse(sent(case.number)), case.number));
            left_out.extend(cases.drain(LOOKED_AT..).map(|case| case.number));
        }
        refused.sort_by_key(|refused| (Reverse(sent(refused.number)), refused.number));
        let mut both = whose(cases);
        both.extend(refused.iter().take(LOOKED_AT).map(|refused| (refused.sender.clone(), None)));
        if let Some(mut found) = look(&all, both, Lines::Logged, source, messages) {
            for (refused, evidence) in refused.iter_mut().zip(found.split_off(cases.len())) {
                refused.elsewhere = logged_by(&evidence.elsewhere);
                refused.evidence = evidence;
            }
            for (case, evidence) in cases.iter_mut().zip(found) {
                case.sends = case.seen_locked.is_some() && evidence.counts.messages > 0;
                case.elsewhere = logged_by(&evidence.elsewhere);
                case.evidence = Some(evidence);
            }
        } else {
            // If all lines are evidence, the first reading is enough.
            for refused in refused {
                let (evidence, _) = counted(suspects[refused.number], source);
                refused.elsewhere = (!evidence.sufficient).then(|| ELSEWHERE.into());
                refused.evidence = evidence;
            }
            let now = self.now();
            for case in cases {
                let (evidence, last) = counted(suspects[case.number], source);
                if let Some(seen) = case.seen_locked {
                    case.sends = evidence.counts.messages > 0 && last > seen && last <= now;
                } else if last <= now && !case.is_apart {
                    // It has counted accounts together whose names differ only in spelling.
                    case.elsewhere = (!evidence.sufficient).then(|| ELSEWHERE.into());
                    case.evidence = Some(evidence);
                }
            }
        }
        judged.drop_innocent_namesakes();
        let cases = &mut judged.cases;
        if names.keeps_realm() {
            for case in &mut *cases {
                case.find_logins(&self.rules.realms);
            }
        }
        let due = cases.iter().filter(|case| case.is_sufficient()).count();
        if self.verify_journal {
            if !too_many && due > 0 {
                let found = look(&all, whose(cases), Lines::Trusted, source, messages);
                confirm(cases, found);
            }
        } else if due > 0 && state.recent_locks(self.now()) + due > self.locks_per_day() {
            // Nobody asked for the journal: that it cannot be read is no failure.
            let mut unasked = Messages::default();
            let found = look(&all, whose(cases), Lines::Trusted, source, &mut unasked);
            confirm(cases, found);
        }
        let sent = |case: &Case| case.evidence.as_ref().map_or(0, |e| e.counts.messages);
        cases.sort_by_key(|case| (Reverse(sent(case)), case.number));
        judged
    }
}

/// What the lines of some senders amount to, in their order; each has the instant after which its lines are
/// evidence. All at once: the logs may be long. `of` says the rest.
fn look(
    of: &Selection,
    whose: Vec<(Vec<u8>, Option<i64>)>,
    lines: Lines,
    source: &mut dyn EvidenceSource,
    messages: &mut Messages,
) -> Option<Vec<SenderEvidence>> {
    if whose.is_empty() {
        return Some(Vec::new());
    }
    let mut selection = Selection { senders: whose.iter().cloned().collect(), ..of.clone() };
    if lines == Lines::Trusted {
        // The lines of the journal are this host's, whatever it was called when they were written.
        selection.hosts = None;
    }
    let mut found = source.evidence(selection, lines, messages)?;
    let evidence = |(sender, _)| found.remove(&sender).unwrap_or_default();
    Some(whose.into_iter().map(evidence).collect())
}

/// Whose lines are evidence in some cases, and after which instant.
fn whose(cases: &[Case]) -> Vec<(Vec<u8>, Option<i64>)> {
    cases.iter().map(|case| (case.sender.clone(), case.seen_locked)).collect()
}

/// What was counted of a suspect at the first reading, in the lines of this host; and the instant of the last
/// one, or where there is none, of the last line of all.
fn counted(suspect: &Finding<'_>, source: &dyn EvidenceSource) -> (SenderEvidence, i64) {
    let counted = source.counted(suspect.kind, suspect.sender);
    let last = match &counted {
        Some(counted) => counted.last,
        None => suspect.stats.span.map(|(_, last)| last),
    };
    let evidence = counted.map(|counted| SenderEvidence {
        counts: counted.counts,
        sufficient: counted.sufficient,
        spellings: vec![counted.first_spelling],
        more_spellings: counted.more_spellings,
        ..SenderEvidence::default()
    });
    (evidence.unwrap_or_default(), last.unwrap_or(i64::MAX))
}
