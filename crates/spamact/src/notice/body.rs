//! The body of a notice, for a person at three in the morning.
//!
//! The first two lines say what happened. Then comes what to do now, how to undo the lock, how certain all of
//! it is, and what was seen. Commands are indented by four spaces, to be pasted as they are; nothing in them is
//! variable but checked names and a path of plain characters.

use std::fmt::Write as _;

use time::OffsetDateTime;
use time::macros::format_description;

use super::{Incident, IncidentKind, MailServer};
use crate::account::AccountName;
use crate::system::escape::cut;

/// How many log lines, networks and addresses are shown.
const LINES: usize = 10;
const PLACES: usize = 20;
const ACCOUNTS: usize = 40;

/// How much of a line, and of a name, is shown.
const LINE: usize = 900;
const NAME: usize = 255;

/// The width of prose.
const WIDTH: usize = 76;

pub(super) fn body(incident: &Incident<'_>) -> String {
    let mut body = Body(String::with_capacity(8 << 10));
    body.what_happened(incident);
    match incident.kind {
        IncidentKind::Disabled | IncidentKind::PartlyDisabled => {
            body.heading(TO_DO);
            body.queue(incident, 1);
            body.sessions(incident, 2);
            body.undo(incident);
        }
        IncidentKind::StillSending { .. } => {
            body.heading(TO_DO);
            body.sessions(incident, 1);
            body.queue(incident, 2);
            body.prose(&format!(
                "3. If it still goes on after that, the lock does not reach the passwords that \
                 {} checks. {}",
                incident.application.mail_server.name, incident.application.mail_server.not_reached
            ));
            body.undo(incident);
        }
        IncidentKind::NotDisabled { others, .. } => {
            body.heading(TO_DO);
            body.prose(
                "1. Look at the lines below, and compare them with the journal (see HOW SURE IS \
                 THIS). If they are genuine, run the check again with a larger --max-locks. If they \
                 are forged, find the local user who wrote them, and use --verify-journal.",
            );
            body.gap();
            body.queue(incident, 2);
            if !others.is_empty() {
                body.heading("NOT LOCKED FOR THE SAME REASON");
                body.names(others.iter().map(ToString::to_string));
            }
        }
        IncidentKind::Spared { others, .. } => {
            body.heading(TO_DO);
            body.prose(
                "1. Look at the lines below. If they are genuine, somebody else knows the password of an account \
                 that is not locked for you: give it a new one.",
            );
            body.gap();
            body.queue(incident, 2);
            body.sessions(incident, 3);
            if !others.is_empty() {
                body.heading("NOT LOCKED EITHER");
                let line = |(name, why): &(AccountName, String)| {
                    format!("{name}: {}", cut(why.as_bytes(), NAME))
                };
                body.names(others.iter().map(line));
            }
        }
    }
    body.how_sure(incident);
    body.evidence(incident);
    body.0
}

/// A body that is being written.
struct Body(String);

impl Body {
    fn what_happened(&mut self, incident: &Incident<'_>) {
        let host = cut(incident.host.as_bytes(), NAME);
        let (account, at) = (incident.account, stamp(incident.at));
        match incident.kind {
            IncidentKind::Disabled => {
                self.line(&format!("{account} was locked on {host} at {at}."));
                self.line(&sent(incident));
                self.gap();
                self.prose(
                    "Nobody works from so many places at once: most likely somebody else knows the \
                     password.",
                );
            }
            IncidentKind::PartlyDisabled => {
                self.line(&format!("{account} was locked IN PART on {host} at {at}."));
                self.line(&sent(incident));
                self.gap();
                self.prose(
                    "Only some of the names under which it can log in could be refused: not those with \
                     every domain (--realm=*), nor names that a table cannot hold. Lock the account \
                     itself, or change its password.",
                );
            }
            IncidentKind::StillSending { since } => {
                let since = since.map(|since| format!(" since {}", stamp(since)));
                let since = since.unwrap_or_default();
                self.line(&format!("{account} is locked on {host}{since}, but still sends mail."));
                self.line(&format!("Newer than the lock: {}", sent(incident)));
                self.gap();
                self.prose(
                    "Either a session that was open before the lock stays open, or a cache or \
                     another password database lets it in.",
                );
            }
            IncidentKind::NotDisabled { limit, others } => {
                let many = match others.len() {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                self.line(&format!("NOT locked on {host} at {at}: {account}{many}."));
                self.line(&format!(
                    "More locks were asked for than --max-locks={limit} allows: the log may be forged."
                ));
                self.gap();
                self.prose(&format!("Of {account}: {}", sent(incident)));
            }
            IncidentKind::Spared { why, others } => {
                let many = match others.len() {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                self.line(&format!("NOT locked on {host} at {at}: {account}{many}."));
                self.line(&format!("Why: {}", cut(why.as_bytes(), NAME)));
                self.gap();
                self.prose(&format!("Of {account}: {}", sent(incident)));
            }
        }
        self.gap();
        let with = match incident.kind {
            IncidentKind::NotDisabled { .. } | IncidentKind::Spared { .. } => "Lock method",
            _ => "Locked with",
        };
        self.prose(&format!("{with}: {}", cut(incident.method.as_bytes(), NAME)));
        let sender = cut(incident.sender, NAME);
        if sender != incident.account.as_ref() {
            self.prose(&format!("Login name in the log: {sender}"));
        }
    }

    /// Hold first: that can be undone.
    fn queue(&mut self, incident: &Incident<'_>, step: u8) {
        let login = login(incident);
        let real = match incident.kind {
            IncidentKind::NotDisabled { .. } | IncidentKind::Spared { .. } => {
                "If they are genuine, hold"
            }
            _ => "Hold",
        };
        self.prose(&format!(
            "{step}. {real} what {login} still has in the queue (nothing is lost by that), and \
             look at it. The queue ids come from the log, because a spammer's sender address is \
             seldom the account's."
        ));
        self.gap();
        self.commands(incident, incident.application.mail_server.hold);
        self.gap();
        self.prose("When you have seen that it is spam, delete it; otherwise release it:");
        self.gap();
        self.commands(incident, incident.application.mail_server.delete_or_release);
        self.gap();
    }

    fn sessions(&mut self, incident: &Incident<'_>, step: u8) {
        let MailServer { end_sessions, sessions_note, .. } = incident.application.mail_server;
        self.prose(&format!(
            "{step}. End the sessions and flush the caches that outlive a lock (those that this host has):"
        ));
        self.gap();
        for command in end_sessions {
            let typed = command.typed(login(incident));
            match command.note {
                "" => self.line(&format!("    {typed}")),
                note => self.line(&format!("    {typed:<34} # {note}")),
            }
        }
        self.gap();
        self.prose(sessions_note);
        if !incident.caches.is_empty() {
            self.gap();
            self.prose(&format!("Found running: {}.", incident.caches.join(", ")));
        }
        self.gap();
    }

    /// Commands of the mail server, to be pasted.
    fn commands(&mut self, incident: &Incident<'_>, commands: &[&str]) {
        let server = incident.application.mail_server;
        for command in commands {
            let command = server.command(command, login(incident), &source(incident));
            self.line(&format!("    {command}"));
        }
    }

    fn undo(&mut self, incident: &Incident<'_>) {
        let account = incident.account;
        self.heading("TO UNLOCK IT");
        self.prose("Give it a new password first: the spammer knows the old one. Then:");
        self.gap();
        let program = incident.application.name;
        self.line(&format!("    {program} --enable-account={account}"));
        if !incident.undo.is_empty() {
            self.gap();
            self.prose("By hand, that is:");
            self.gap();
            for command in incident.undo {
                self.line(&format!("    {}", cut(command.as_bytes(), LINE)));
            }
            self.gap();
            self.prose("(If you unlock by hand, older log lines can still count against it.)");
        }
    }

    fn how_sure(&mut self, incident: &Incident<'_>) {
        self.heading("HOW SURE IS THIS");
        let MailServer { name, confirm, journal_note, .. } = incident.application.mail_server;
        self.prose(&format!(
            "A syslog file cannot prove who wrote a line: any user of this host can write one, and \
             get somebody else locked. The journal knows who wrote its lines. If these are in it, \
             {name} wrote them:"
        ));
        self.gap();
        self.commands(incident, &[confirm]);
        self.gap();
        self.prose(&format!(
            "With --verify-journal an account is locked only on lines that are in the journal. \
             ({journal_note})"
        ));
    }

    fn evidence(&mut self, incident: &Incident<'_>) {
        self.heading(SEEN);
        self.prose(&format!(
            "Period: {}. Log: {}",
            cut(incident.period.as_bytes(), NAME),
            cut(incident.log.as_bytes(), LINE)
        ));
        self.gap();
        self.line("The report says:");
        self.gap();
        self.line(&format!("    {}", cut(incident.report_line, LINE)));
        if !incident.first_lines.is_empty() {
            self.gap();
            self.line("The first lines of the log:");
            self.gap();
            for line in incident.first_lines.iter().take(LINES) {
                self.line(&format!("    {}", cut(line, LINE)));
            }
        }
        self.places("Networks, and messages from each:", incident.networks);
        self.places("Addresses, and messages from each:", incident.addresses);
    }

    /// A list, the worst first.
    fn places(&mut self, title: &str, places: &[(Box<[u8]>, u64)]) {
        if places.is_empty() {
            return;
        }
        let mut sorted: Vec<_> = places.iter().collect();
        sorted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        self.gap();
        self.line(title);
        self.gap();
        for (place, messages) in sorted.iter().take(PLACES) {
            let place = if place.is_empty() { "(no name)".into() } else { cut(place, NAME) };
            self.line(&format!("    {messages:>7}  {place}"));
        }
        self.and_more(sorted.len(), PLACES);
    }

    fn names(&mut self, names: impl ExactSizeIterator<Item = String>) {
        let all = names.len();
        for name in names.take(ACCOUNTS) {
            self.line(&format!("    {name}"));
        }
        self.and_more(all, ACCOUNTS);
    }

    fn and_more(&mut self, all: usize, shown: usize) {
        if all > shown {
            self.line(&format!("    and {} more", all - shown));
        }
    }

    fn heading(&mut self, title: &str) {
        if !self.0.ends_with("\n\n") {
            self.gap();
        }
        self.line(title);
        self.gap();
    }

    fn gap(&mut self) {
        self.0.push('\n');
    }

    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// A paragraph, broken between words.
    fn prose(&mut self, text: &str) {
        let mut width = 0;
        for word in text.split(' ') {
            if width > 0 && width + 1 + word.len() > WIDTH {
                self.gap();
                width = 0;
            }
            if width > 0 {
                self.0.push(' ');
                width += 1;
            }
            self.0.push_str(word);
            width += word.len();
        }
        self.gap();
    }
}

/// The counts, in a sentence.
fn sent(incident: &Incident<'_>) -> String {
    let counts = incident.counts;
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "{} messages in {} from {} networks ({} addresses, {} of them without a name).",
        counts.messages,
        cut(incident.period.as_bytes(), NAME),
        counts.nets,
        counts.ips,
        counts.unknowns
    );
    text
}

fn stamp(at: OffsetDateTime) -> String {
    let format = format_description!(
        "[year]-[month]-[day] [hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute]"
    );
    // A time always has these parts.
    at.format(&format).unwrap_or_default()
}

/// The name to look for in logs and in Dovecot: the sender as logged if that is a valid name, otherwise the
/// account.
fn login<'a>(incident: &Incident<'a>) -> &'a str {
    match AccountName::check(incident.sender) {
        // A checked name is ASCII.
        Ok(_) => std::str::from_utf8(incident.sender).unwrap_or(incident.account.as_ref()),
        Err(_) => incident.account.as_ref(),
    }
}

/// The heading above what the administrator is to do.
pub(super) const TO_DO: &str = "WHAT TO DO NOW";

/// The heading above the text of strangers. Nothing above it is free text from strangers.
pub(super) const SEEN: &str = "WHAT WAS SEEN";

/// The command that shows the log and the newest rotated log, into which the lines may just have moved.
/// (If there is no `LOG.1`, gzip takes `LOG.1.gz`, or complains.) No older ones, because short queue ids are used
/// again. A path that would need quoting is left to the reader.
fn source(incident: &Incident<'_>) -> String {
    let log = incident.log;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
    if log.starts_with('/') && log.bytes().all(plain) && log.len() <= NAME {
        format!("zcat -f {log}.1 {log} 2>/dev/null")
    } else if log == "journal" {
        incident.application.mail_server.journal.into()
    } else {
        "cat LOG".into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{incident, name};
    use super::*;

    #[test]
    fn what_happened_stands_in_the_first_two_lines() {
        let alice = name("alice");
        let others = [name("bob")];
        let sent =
            "412 messages in 1hour from 14 networks (30 addresses, 9 of them without a name).";
        for (kind, first, second) in [
            (
                IncidentKind::Disabled,
                "alice was locked on host.example.org at 2026-11-03 17:20:04 +0100.",
                sent.to_owned(),
            ),
            (
                IncidentKind::PartlyDisabled,
                "alice was locked IN PART on host.example.org at 2026-11-03 17:20:04 +0100.",
                sent.to_owned(),
            ),
            (
                IncidentKind::StillSending { since: None },
                "alice is locked on host.example.org, but still sends mail.",
                format!("Newer than the lock: {sent}"),
            ),
            (
                IncidentKind::NotDisabled { limit: 5, others: &others },
                "NOT locked on host.example.org at 2026-11-03 17:20:04 +0100: alice and 1 more.",
                "More locks were asked for than --max-locks=5 allows: the log may be forged."
                    .into(),
            ),
        ] {
            let body = body(&incident(&alice, kind));
            let lines: Vec<_> = body.lines().take(2).collect();
            assert_eq!(lines, [first, &second]);
        }
    }

    #[test]
    fn the_commands_are_there_and_only_where_they_make_sense() {
        let alice = name("alice");
        let undo = ["passwd -u alice".to_owned()];
        let caches = ["a", "b"];
        let made =
            |kind| body(&Incident { undo: &undo, caches: &caches, ..incident(&alice, kind) });
        let unlock = "\n    mail-check --enable-account=alice\n";
        for kind in [IncidentKind::Disabled, IncidentKind::StillSending { since: None }] {
            let body = made(kind);
            for command in [
                unlock,
                "\n    passwd -u alice\n",
                "\n    hold alice '^alice$' zcat -f /var/log/mail.log.1 /var/log/mail.log 2>/dev/null\n",
                "\n    delete alice\n    release alice\n",
                "\n    kick alice                         # hard\n",
                "\nFound running: a, b.\n",
                "\n    show the journal | grep '^alice$'\n",
                "--verify-journal",
            ] {
                assert!(body.contains(command), "{command}\n{body}");
            }
        }
        let body = made(IncidentKind::NotDisabled { limit: 5, others: &[] });
        assert!(!body.contains(unlock) && !body.contains("passwd -u"));
        assert!(body.contains("--verify-journal"));
    }

    #[test]
    fn lists_are_the_worst_first_and_bounded() {
        let alice = name("alice");
        let mut places: Vec<_> =
            (1..=50).map(|n| (format!("net{n}").into_bytes().into(), n)).collect();
        places.push((Box::default(), 99));
        let lines = vec![Box::from(*b"line"); 50];
        let incident = Incident {
            networks: &places,
            first_lines: &lines,
            ..incident(&alice, IncidentKind::Disabled)
        };
        let body = body(&incident);
        let list = body.split("Networks, and messages from each:\n\n").nth(1).expect("a list");
        assert!(list.starts_with("         99  (no name)\n         50  net50\n"), "{list}");
        assert!(list.ends_with("         32  net32\n    and 31 more\n"), "{list}");
        assert_eq!(body.matches("\n    line").count(), LINES);
    }

    #[test]
    fn no_text_of_a_stranger_is_in_a_command() {
        let alice = name("alice");
        for evil in ["$(id)", "'; id; '", "/var/log/a b", "/var/log/$(id)", "-x", "a\nb"] {
            let incident = Incident {
                sender: evil.as_bytes(),
                log: evil,
                ..incident(&alice, IncidentKind::Disabled)
            };
            assert_eq!(login(&incident), "alice");
            assert_eq!(source(&incident), "cat LOG");
        }
        let incident = Incident { log: "journal", ..incident(&alice, IncidentKind::Disabled) };
        assert_eq!(source(&incident), "show the journal");
    }
}
