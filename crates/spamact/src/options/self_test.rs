//! The self-test of acting: whether the accounts that are beyond the limits could be locked.
//!
//! Takes the findings after a dry run, and says what the lock method needs and has, who is exempt, where notices would
//! go, and what would be done to each suspect. It runs no program, connects to nothing, and writes nothing.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use spamcore::error::chain;
use spamcore::escape::display;
use spamcore::messages::number;
use spamcore::self_test::{Fact, lines_listed};
use spamcore::verdict::{Action, Finding};

use super::{Method, Plan, store};
use crate::account::Exempt;
use crate::mail::{Address, Mailer, Route};
use crate::method::Table;
use crate::system::{System, files};

/// How many suspects are named.
const LISTED: usize = 8;

/// How much of a suspect's name is shown, in bytes.
const NAME: usize = 64;

impl Plan {
    /// What there is to say of findings on which a dry run has noted what would be done. `now` is in Unix seconds.
    pub fn self_test(&self, findings: &[Finding<'_>], system: &System, now: i64) -> Vec<Fact> {
        let mut facts = vec![self.method_fact(system)];
        if !system.root {
            facts.push(Fact::problem("locks: only root can lock accounts"));
        }
        facts.extend(exempt(system));
        facts.push(self.notices(system));
        // That it cannot be read, the dry run has reported.
        if let Ok((_, Some(damaged))) = store(system).load(now) {
            facts.push(Fact::problem(damaged));
        }
        let suspects: Vec<_> = findings.iter().filter(|finding| finding.spread).collect();
        if suspects.is_empty() {
            facts.push(Fact::fine("suspects: none is beyond the limits"));
        }
        facts.extend(suspects.iter().take(LISTED).map(|suspect| self.suspect(suspect, system)));
        if let more @ 1.. = suspects.len().saturating_sub(LISTED) {
            facts.push(Fact::fine(format!("suspects: {more} more")));
        }
        facts
    }

    fn method_fact(&self, system: &System) -> Fact {
        let method = self.method(system);
        let needs = method.needs();
        let texts = |is_problem| {
            let texts = needs.iter().filter(|need| need.is_problem == is_problem);
            texts.map(|need| need.text.clone()).collect::<Vec<_>>().join(", ")
        };
        let description = display(method.description().as_bytes());
        if let Method::SaslAccess(table) = &self.method
            && !is_asked(&system.main_cf, table)
        {
            return Fact::problem(format!(
                "locks: by {description}, which neither {} nor the master.cf beside it names",
                system.main_cf.display()
            ));
        }
        if needs.iter().any(|need| need.is_problem) {
            return Fact::problem(format!("locks: by {description}: {}", texts(true)));
        }
        Fact::fine(format!("locks: by {description}, with {}", texts(false)))
    }

    fn notices(&self, system: &System) -> Fact {
        let to = self.notify.clone().unwrap_or_else(Address::root);
        match self.mailer(system) {
            Ok(Mailer { route, .. }) => {
                Fact::fine(format!("notices: to {to}, through {}", description(&route)))
            }
            Err(error) => {
                Fact::problem(format!("notices: to {to}: {}", display(chain(&error).as_bytes())))
            }
        }
    }

    fn suspect(&self, suspect: &Finding<'_>, system: &System) -> Fact {
        let sender = suspect.sender;
        let name = display(&sender[..sender.len().min(NAME)]);
        let (what, is_problem) = match &suspect.action {
            Some(Action::WouldDisable) => ("would be locked".into(), false),
            Some(Action::AlreadyDisabled) => ("is locked already".into(), false),
            Some(Action::StillSending) => ("is locked already, and still sends".into(), true),
            Some(Action::NotDisabled(why)) => {
                (format!("would not be locked: {why}"), self.is_failure(sender, why, system))
            }
            Some(Action::Disabled) | None => ("was not looked at".into(), false),
        };
        Fact::new(format!("suspect {name}: {what}"), is_problem)
    }

    /// Whether a sender would not be locked because it is no account, and not because it must not be.
    fn is_failure(&self, sender: &[u8], why: &str, system: &System) -> bool {
        let names = self.method(system).names();
        let account = self.rules(system).map(|rules| rules.account(sender, names));
        account.is_ok_and(|account| {
            account.is_err_and(|refusal| !refusal.is_rule() && refusal.to_string() == why)
        })
    }
}

/// The list of exempt accounts. That it cannot be read, the dry run has reported.
fn exempt(system: &System) -> Option<Fact> {
    let path = system.exempt.display();
    let text = match files::read(&system.exempt, system.root) {
        Ok(text) => text,
        Err(error) if error.is_not_found() => {
            return Some(Fact::fine(format!("exempt: nobody, {path} does not exist")));
        }
        Err(_) => return None,
    };
    let names = number(Exempt::parse(&text).names().count() as u64, "name");
    let wrong = Exempt::mistakes(&text);
    if wrong.is_empty() {
        return Some(Fact::fine(format!("exempt: {path}, {names}")));
    }
    let lines = lines_listed(&wrong);
    Some(Fact::problem(format!("exempt: {path}, {names}; not the name of an account: {lines}")))
}

/// Whether Postfix may query a table: its configuration, if it can be read, has the name of the table's file.
fn is_asked(main_cf: &Path, table: &Table) -> bool {
    let texts = [main_cf.to_owned(), main_cf.with_file_name("master.cf")].map(std::fs::read);
    let name = table.file_name().as_encoded_bytes();
    let mut known = texts.iter().flatten().peekable();
    known.peek().is_none()
        || known.any(|text| text.windows(name.len().max(1)).any(|part| part == name))
}

/// How notices are sent.
fn description(route: &Route) -> String {
    match route {
        Route::Sendmail(program) => sendmail(program),
        #[cfg(feature = "smtp")]
        Route::Here { smtp, sendmail: program } => {
            format!("{smtp}, else {}", sendmail(program))
        }
        #[cfg(feature = "smtp")]
        Route::Server { server, login, .. } => {
            let login = if login.is_some() { ", with a login" } else { "" };
            format!("{server}{login} (no connection was tried)")
        }
    }
}

fn sendmail(program: &Path) -> String {
    let is_there = std::fs::metadata(program)
        .is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o111 != 0);
    let missing = if is_there { "" } else { ", which is missing" };
    format!("{}{missing}", program.display())
}
