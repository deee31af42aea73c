//! What the options of acting ask for, handed to `spamact`: who is looked at once more, in what way
//! accounts are locked, where notices go.

use spamact::account::{AccountName, Place, Realms};
use spamact::act::undo::{Undo, is_open, list};
use spamact::act::{Actor, Evidence, Lines, Suspect, Wanted};
use spamact::mail::{Address, Login, Mailer, Route, Server};
use spamact::method::{Command, Local, Master, Nis, Postfix, SaslAccess, Way};
use spamact::state::{Counts, Lock, State};
use spamact::system::run_lock::WAIT;
use spamact::system::site::{Site, local, local_now};
use spamcore::check::{Checked, Message, Weight};
use spamcore::cli::options::{Again, Outcome};
use spamcore::error::chain;
use spamcore::host::Host;
use spamcore::parse::postfix;
use spamcore::report::{self, Style};
use spamcore::tally::Only;
use spamcore::tally::stats::SenderStats;
use spamcore::time::zone::Zone;
use spamcore::verdict::{Action, Finding};
use time::OffsetDateTime;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

/// The options of acting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acting {
    /// `--niss`
    pub nis_master: Option<String>,
    /// `--sasl-access`
    pub sasl_access: Option<String>,
    /// `--disable-command`
    pub command: Option<String>,
    /// `--enable-command`
    pub undo_command: Option<String>,
    /// `--realm`
    pub realms: Vec<String>,
    /// `--verify-journal`
    pub verify_journal: bool,
    /// `--max-locks`
    pub max_locks: Option<u64>,
    /// `--notify`
    pub notify: Option<String>,
    /// `--smtp`
    pub smtp: Option<String>,
    /// `--smtp-auth-file`
    pub smtp_auth: Option<PathBuf>,
    /// `--dry-run`, or implied by `--now`
    pub dry_run: bool,
    /// `--list-disabled`
    pub list: bool,
    /// `--enable-account`
    pub enable: Option<String>,
}

/// How many accounts are locked in a run at most, where the arguments do not say.
const MAX_LOCKS: u64 = 5;

impl Acting {
    /// What does not go together.
    pub(crate) fn check(&self, judged: bool) -> Result<(), String> {
        let ways = [
            ("--niss", self.nis_master.is_some()),
            ("--sasl-access", self.sasl_access.is_some()),
            ("--disable-command", self.command.is_some()),
        ];
        let given: Vec<&str> = ways.iter().filter(|(_, given)| *given).map(|(n, _)| *n).collect();
        if let [one, other, ..] = given[..] {
            return Err(format!("{one} and {other}: one way of locking is wanted"));
        }
        if self.undo_command.is_some() && self.command.is_none() {
            return Err("--enable-command goes with --disable-command".into());
        }
        if self.smtp_auth.is_some() && self.smtp.is_none() {
            return Err("--smtp-auth-file goes with --smtp".into());
        }
        // Said here, and not when the first account is to be locked.
        if let Some(command) = &self.command {
            let undo = self.undo_command.as_deref();
            Command::new(command, undo, false).map_err(|error| of("--disable-command", &error))?;
        }
        if let Some(table) = &self.sasl_access {
            SaslAccess::check(table).map_err(|error| of("--sasl-access", &error))?;
        }
        if self.dry_run && (self.list || self.enable.is_some()) {
            return Err(
                "--dry-run goes neither with --list-disabled nor with --enable-account".into()
            );
        }
        if judged && (self.list || self.enable.is_some()) {
            return Err(
                "--dissable-account goes neither with --list-disabled nor with --enable-account"
                    .into(),
            );
        }
        Ok(())
    }

    /// Whether `ssh` may be started, which sees the environment of this process.
    pub(crate) fn may_connect(&self, judged: bool) -> bool {
        self.enable.is_some() || (judged && !self.dry_run && self.nis_master.is_some())
    }

    fn place(&self) -> Place {
        match (&self.nis_master, &self.sasl_access, &self.command) {
            (Some(_), _, _) => Place::Nis,
            (_, Some(_), _) => Place::Table,
            (_, _, Some(_)) => Place::Command,
            _ => Place::Local,
        }
    }

    /// The way of locking. Its paths are looked at, and `postconf` may be run.
    fn way(&self, site: &Site) -> Result<Way, spamact::Error> {
        if let Some(master) = &self.nis_master {
            let master = Master::parse(master, &site.names_and_addresses())?;
            return Ok(Way::Nis(Nis::new(master)));
        }
        if let Some(table) = &self.sasl_access {
            return SaslAccess::new(table, site.root, Postfix::default()).map(Way::SaslAccess);
        }
        if let Some(command) = &self.command {
            let undo = self.undo_command.as_deref();
            return Command::new(command, undo, site.root).map(Way::Command);
        }
        Ok(Way::Local(Local::default()))
    }

    fn mailer(&self, site: &Site) -> Result<Mailer, spamact::Error> {
        let login =
            self.smtp_auth.as_deref().map(|path| Login::read(path, site.root)).transpose()?;
        let route = match &self.smtp {
            Some(server) => Route::server(Server::parse(server, login.is_some())?, login),
            None => Route::default(),
        };
        Ok(Mailer { route, host: site.name.clone(), ..Mailer::default() })
    }

    fn address(&self, site: &Site) -> Result<Address, spamact::Error> {
        match &self.notify {
            Some(address) => Address::check(address),
            None => Ok(Address::root_of(&site.name)),
        }
    }

    /// Acts on the findings that are beyond the limits, or says what would be done.
    pub(crate) fn act(
        &self,
        site: &Site,
        findings: &mut [Finding<'_>],
        again: &mut Again<'_, postfix::Postfix>,
        messages: &mut Vec<Message>,
    ) {
        let suspects: Vec<Suspect> = findings.iter().filter(|f| f.spread).map(suspect).collect();
        let actions = self.actions(site, &suspects, again, messages);
        let spread = findings.iter_mut().filter(|finding| finding.spread);
        spread.zip(actions).for_each(|(finding, action)| finding.action = Some(action));
    }

    fn actions(
        &self,
        site: &Site,
        suspects: &[Suspect],
        again: &mut Again<'_, postfix::Postfix>,
        messages: &mut Vec<Message>,
    ) -> Vec<Action> {
        let mut refuse = |error: &spamact::Error| {
            messages.push(Message { text: chain(error), weight: Weight::Failure });
            suspects.iter().map(|_| Action::NotDisabled(error.reason())).collect()
        };
        let parts = || Ok((site.rules(Realms::new(self.realms.clone()))?, self.address(site)?));
        let (rules, to) = match parts() {
            Ok(parts) => parts,
            Err(error) => return refuse(&error),
        };
        let zone = again.host.zone.clone();
        let (now, clock) = (again.host.now, move || local_now(&zone));
        let (now, clock): (i64, &dyn Fn() -> OffsetDateTime) = (now.min(again.window.now), &clock);
        let actor = Actor {
            rules,
            place: self.place(),
            local: Local::default(),
            verify_journal: self.verify_journal,
            max_locks: usize::try_from(self.max_locks.unwrap_or(MAX_LOCKS)).unwrap_or(usize::MAX),
            dir: site.state.clone(),
            root: site.root,
            wait: WAIT,
            to,
            mailer: self.mailer(site).map_err(|error| chain(&error)),
            audit: site.audit(),
            host: site.name.clone(),
            period: again.period.clone(),
            log: again.read.clone(),
            clock,
        };
        let mut told = Vec::new();
        let mut look = |lines, wanted: &[Wanted]| look(again, now, lines, wanted, &mut told);
        let actions = if self.dry_run {
            actor.dry_run(suspects, &mut look, messages)
        } else {
            match self.way(site) {
                Ok(way) => actor.act(&way, suspects, &mut look, messages),
                Err(error) => return refuse(&error),
            }
        };
        // What the first reading said already is not said again.
        messages.extend(told.into_iter().filter(|m| !messages.contains(m)).collect::<Vec<_>>());
        actions
    }

    /// `--list-disabled` and `--enable-account`: no log is read.
    pub(crate) fn manage(&self, site: &Site, host: &Host) -> (String, Outcome) {
        match &self.enable {
            Some(account) => self.enable(account, site, &host.zone),
            None => {
                let at = |seconds| {
                    let at = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
                    Some(local(at, &host.zone))
                };
                match State::load(&site.state, site.root, host.now) {
                    Ok((state, damaged)) => {
                        let open = |account: &str, lock: &Lock| {
                            is_open(account, lock, &site.names, site.root)
                        };
                        (list(&state, &at, &open), ended(damaged.into_iter().collect()))
                    }
                    Err(error) => (String::new(), ended(vec![chain(&error)])),
                }
            }
        }
    }

    fn enable(&self, account: &str, site: &Site, zone: &Zone) -> (String, Outcome) {
        let names = site.names_and_addresses();
        let undo = Undo {
            dir: &site.state,
            root: site.root,
            names: &names,
            realms: &Realms::new(self.realms.clone()),
            audit: &site.audit(),
            clock: &|| local_now(zone),
        };
        let undone = AccountName::check(account.as_bytes())
            .map_err(|refusal| refusal.to_string())
            .and_then(|name| {
                let way = self.way(site).map_err(|error| chain(&error))?;
                undo.enable(&name, &way).map_err(|error| chain(&error))
            });
        let shown = spamcore::escape::display(account.as_bytes());
        match undone {
            Ok(mut undone) => {
                let text =
                    undone.ways.iter().map(|way| format!("{shown} enabled ({way})\n")).collect();
                let tell = |why| format!("{shown}: not enabled: {why}");
                undone.told.extend(undone.failures.into_iter().map(tell));
                (text, ended(undone.told))
            }
            Err(why) => (String::new(), ended(vec![format!("{shown}: not enabled: {why}")])),
        }
    }
}

/// What is wrong with an option's value.
fn of(option: &str, error: &spamact::Error) -> String {
    format!("{option}: {error}")
}

/// How a run ends that has nothing to report but failures.
fn ended(messages: Vec<String>) -> Outcome {
    Outcome { status: u8::from(!messages.is_empty()), messages }
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
