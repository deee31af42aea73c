//! What acting asks of the logs: the findings as suspects, and their lines once more.

use spamact::act::{Evidence, Lines, Suspect, Wanted};
use spamact::notice::Counts;
use spamact::options::{Looked, Plan};
use spamact::system::site::Site;
use spamcore::check::{Checked, Message};
use spamcore::cli::options::Again;
use spamcore::parse::postfix;
use spamcore::report::{self, Style};
use spamcore::tally::Only;
use spamcore::tally::stats::SenderStats;
use spamcore::verdict::Finding;

use std::collections::{HashMap, HashSet};

/// Acts on the findings that are beyond the limits, or says what would be done.
pub(crate) fn act(
    plan: &Plan,
    site: &Site,
    findings: &mut [Finding<'_>],
    again: &mut Again<'_, postfix::Postfix>,
    messages: &mut Vec<Message>,
) {
    let suspects: Vec<Suspect> = findings.iter().filter(|f| f.spread).map(suspect).collect();
    let zone = again.host.zone.clone();
    let looked = Looked { period: again.period.clone(), log: again.read.clone() };
    let now = again.host.now.min(again.window.now);
    let mut told = Vec::new();
    let mut look = |lines, wanted: &[Wanted]| look(again, now, lines, wanted, &mut told);
    let actions = plan.act(site, &zone, &looked, &suspects, &mut look, messages);
    // What the first reading said already is not said again.
    messages.extend(told.into_iter().filter(|m| !messages.contains(m)).collect::<Vec<_>>());
    let spread = findings.iter_mut().filter(|finding| finding.spread);
    spread.zip(actions).for_each(|(finding, action)| finding.action = Some(action));
}

fn suspect(finding: &Finding<'_>) -> Suspect {
    Suspect {
        sender: finding.sender.to_vec(),
        report_line: report::line(Style::Origins, finding),
        counts: counts(finding.seen),
        last: finding.seen.span.map_or(i64::MAX, |(_, last)| last),
    }
}

fn counts(seen: &SenderStats) -> Counts {
    let from = seen.origins();
    Counts {
        messages: seen.messages,
        nets: from.nets().known,
        unknowns: from.unknowns().known,
        ips: from.ips().known,
    }
}

/// Looks at the lines of senders once more, up to `now`.
fn look(
    again: &mut Again<'_, postfix::Postfix>,
    now: i64,
    lines: Lines,
    wanted: &[Wanted],
    told: &mut Vec<Message>,
) -> Option<Vec<Evidence>> {
    let journal = lines == Lines::Journal;
    if !(again.can || journal) {
        return None;
    }
    let only = Only { senders: wanted.iter().cloned().collect(), until: now };
    let Checked { tally, messages, .. } = again.look(only, journal);
    told.extend(messages);
    // There may be very many.
    let seen: HashMap<_, _> = tally.senders().map(|(_, name, seen)| (name, seen)).collect();
    let judged = again.judge(&tally);
    let spread = judged.iter().filter(|finding| finding.spread).map(|finding| finding.sender);
    let spread: HashSet<_> = spread.collect();
    let evidence = |(sender, _): &Wanted| {
        let seen = seen.get(&sender[..])?;
        let dossier = seen.dossier.as_deref().cloned().unwrap_or_default();
        let listed = |counts: HashMap<Box<[u8]>, u64, _>| {
            counts.into_iter().map(|(key, count)| (key.into_vec(), count)).collect()
        };
        Some(Evidence {
            counts: counts(seen),
            enough: spread.contains(&sender[..]),
            lines: dossier.lines.into_iter().map(<[u8]>::into_vec).collect(),
            networks: listed(dossier.networks),
            addresses: listed(dossier.addresses),
        })
    };
    Some(wanted.iter().map(|wanted| evidence(wanted).unwrap_or_default()).collect())
}
