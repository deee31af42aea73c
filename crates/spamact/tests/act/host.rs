//! A host in a temporary directory: scripts that record their calls stand in for the programs that lock and send, and lines
//! are evidence by the rules of the man page. It is for tests of the library, to which every path is an argument, and needs
//! no root. Whole programs, whose paths are fixed, run in a namespace instead (`tests/acting/host.rs`).

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use spamact::account::{AccountName, Exempt, NameRule, Rules};
use spamact::act::undo::Undo;
use spamact::act::{Actor, Looked};
use spamact::mail::{Address, Mailer, Route, Timeouts};
use spamact::method::{AccountStatus, Command, CommandPath, Error, Local, LockMethod};
use spamact::notice::{Application, MailServer};
use spamact::state::{State, Store};
use spamact::system::syslog::Audit;
use spamcore::evidence::{Counted, Counts, EvidenceSource, Lines, Selection, SenderEvidence};
use spamcore::hosts::Hosts;
use spamcore::identity::{Identity, Realms};
use spamcore::limits::Limits;
use spamcore::messages::{Messages, Weight};
use spamcore::parse::{Accepted, Client, Kind, Sender, Senders};
use spamcore::sink::Sink;
use spamcore::tally::network::Webmail;
use spamcore::tally::{Detail, Tally};
use spamcore::time::window::Window;
use spamcore::verdict::{Action, Finding, judge};
use testkit::Directory;
use time::OffsetDateTime;

pub(super) const NOW: i64 = 1_795_500_000;

static APPLICATION: Application = Application {
    name: "mail-check",
    mail_server: MailServer {
        name: "Mailer",
        journal: "show the journal",
        hold: &["hold {login}"],
        delete_or_release: &["delete {login}"],
        end_sessions: &[],
        sessions_note: "All are kicked.",
        confirm: "{journal} | grep '^{pattern}$'",
        journal_note: "Or not.",
        not_reached: "Ask somebody.",
    },
};

const REALM: &str = "example.org";

/// With this many lines, an account looks stolen.
const ENOUGH: u64 = 3;

pub(super) struct Host {
    pub(super) dir: Directory,
    pub(super) now: AtomicI64,
    pub(super) verify_journal: bool,
    pub(super) max_locks: usize,
    pub(super) names: NameRule,
    /// Whether there is a command that unlocks.
    pub(super) undone: bool,
    /// Where the mail server listens.
    pub(super) smtp: SocketAddr,
}

/// What a run did.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) actions: Vec<Action>,
    pub(super) failures: Vec<String>,
}

impl Host {
    pub(super) fn new() -> Self {
        let host = Self {
            dir: Directory::new(),
            now: AtomicI64::new(NOW),
            verify_journal: false,
            max_locks: 5,
            names: NameRule::Account,
            undone: true,
            // The discard port: nothing listens there.
            smtp: ([127, 0, 0, 1], 9).into(),
        };
        host.script("lock", "echo \"lock $*\" >>done");
        host.script("unlock", "echo \"unlock $*\" >>done");
        host.script("sendmail", "cat >>mails; echo >>mails");
        host
    }

    /// A host of local accounts: a shadow file, and a `passwd` that writes it.
    pub(super) fn local() -> Self {
        let host = Self { names: NameRule::LocalEntry, ..Self::new() };
        host.write("shadow", "alice:$6$x:1::::::\nbob:$6$x:1::::::\n");
        host.script(
            "passwd",
            "echo \"$*\" >>done\ncase $1 in -l) sed -i \"s/^$3:/&!/\" shadow ;; -u) sed -i \"s/^$3:!/$3:/\" shadow ;; esac",
        );
        host
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        self.dir.file(name, text);
    }

    pub(super) fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, now: i64) {
        self.now.store(now, Ordering::Relaxed);
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.dir()
    }

    pub(super) fn script(&self, name: &str, text: &str) {
        self.dir.program(name, &format!("#!/bin/sh\ncd '{}'\n{text}\n", self.path().display()));
    }

    pub(super) fn read(&self, name: &str) -> String {
        self.dir.read(name)
    }

    pub(super) fn subjects(&self) -> Vec<String> {
        let mails = self.read("mails");
        mails.lines().filter_map(|line| line.strip_prefix("Subject: ")).map(String::from).collect()
    }

    pub(super) fn store(&self) -> Store {
        Store { dir: self.path().join("state"), copy: None, root: false }
    }

    pub(super) fn method(&self) -> Box<dyn LockMethod> {
        if self.names == NameRule::LocalEntry {
            return Box::new(Local {
                passwd: self.path().join("passwd"),
                shadow: self.path().join("shadow"),
                ..Local::default()
            });
        }
        let path = |name| {
            let path = self.path().join(name).display().to_string();
            CommandPath::parse(&path).expect("an absolute path")
        };
        let unlock = self.undone.then(|| path("unlock"));
        let command = Command::new(path("lock"), unlock, false);
        Box::new(Renamed { command, names: self.names })
    }

    pub(super) fn actor<'a>(&self, clock: &'a dyn Fn() -> OffsetDateTime) -> Actor<'a> {
        let route = Route::Here { smtp: self.smtp, sendmail: self.path().join("sendmail") };
        let timeouts = Timeouts {
            step: Duration::from_secs(5),
            total: Duration::from_secs(10),
            give_up_after: Duration::from_secs(1),
        };
        let host = "mail.example.org".to_owned();
        Actor {
            rules: Rules {
                passwd: b"root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n\
                          alice:x:1001:1::/:/bin/sh\nbob:x:1002:1::/:/bin/sh\n"
                    .to_vec(),
                realms: Realms::new([REALM.to_owned()]),
                exempt: Exempt::parse(b"boss\n"),
                ..Rules::default()
            },
            hosts: Hosts::named(["mail.example.org"]),
            verify_journal: self.verify_journal,
            end_sessions: false,
            proc: self.path().join("proc"),
            max_locks: self.max_locks,
            store: self.store(),
            wait: Duration::from_secs(30),
            to: Address::parse("root").expect("an address"),
            mailer: Ok(Mailer { route, host: host.clone(), timeouts }),
            application: &APPLICATION,
            audit: Audit {
                socket: self.path().join("no-syslog"),
                program: APPLICATION.name,
                process: 7,
            },
            host,
            looked: Looked {
                period: "1 hour".into(),
                log: "/var/log/mail.log".into(),
                now: self.now(),
            },
            clock,
        }
    }

    /// A run on a log with these lines (sender, timestamp); `journal` are the lines of the journal.
    pub(super) fn run(&self, log: &[(&str, i64)], journal: &[(&str, i64)], dry: bool) -> Run {
        self.run_on(log, &mut Source { log: Some(log), journal, piped: &[] }, dry)
    }

    /// The same on a pipe, which cannot be read again.
    pub(super) fn run_on_pipe(&self, log: &[(&str, i64)]) -> Run {
        self.run_on(log, &mut Source { log: None, journal: &[], piped: log }, false)
    }

    fn run_on(&self, log: &[(&str, i64)], source: &mut Source<'_>, dry: bool) -> Run {
        let now = self.now();
        let clock = move || OffsetDateTime::from_unix_timestamp(now).expect("in range");
        let actor = self.actor(&clock);
        let tally = tally(log);
        let mut findings = findings(&tally);
        let mut messages = Messages::default();
        let act = if dry { Actor::dry_run } else { Actor::act };
        act(&actor, &*self.method(), &mut findings, source, &mut messages);
        Run { actions: actions(findings), failures: failures(&messages) }
    }

    pub(super) fn state(&self) -> State {
        State::load(&self.path().join("state"), false, self.now()).expect("it is whole").0
    }
}

/// A command with the account names of another method.
struct Renamed {
    command: Command,
    names: NameRule,
}

impl LockMethod for Renamed {
    fn kind(&self) -> String {
        self.command.kind()
    }

    fn description(&self) -> String {
        self.command.description()
    }

    fn names(&self) -> NameRule {
        self.names
    }

    fn status(&self, name: &AccountName) -> Result<AccountStatus, Error> {
        self.command.status(name)
    }

    fn lock(&self, name: &AccountName) -> Result<(), Error> {
        self.command.lock(name)
    }

    fn unlock(&self, name: &AccountName) -> Result<(), Error> {
        self.command.unlock(name)
    }

    fn manual(&self, name: &AccountName) -> Vec<String> {
        self.command.manual(name)
    }
}

/// Undoes locks, for local accounts of one realm.
pub(super) fn undo<'a>(
    store: &'a Store,
    audit: &'a Audit,
    clock: &'a dyn Fn() -> OffsetDateTime,
) -> Undo<'a> {
    static REALMS: LazyLock<Realms> = LazyLock::new(|| Realms::new([REALM.to_owned()]));
    Undo { store, names: &[], realms: &REALMS, audit, clock }
}

pub(super) fn failures(messages: &Messages) -> Vec<String> {
    let failed = messages.iter().filter(|(weight, _)| *weight == Weight::Failure);
    failed.map(|(_, text)| text.to_owned()).collect()
}

/// What can be read again: the lines of a log, unless it is a pipe, and of the journal.
pub(super) struct Source<'a> {
    pub(super) log: Option<&'a [(&'a str, i64)]>,
    pub(super) journal: &'a [(&'a str, i64)],
    /// The lines of a pipe.
    pub(super) piped: &'a [(&'a str, i64)],
}

impl EvidenceSource for Source<'_> {
    fn evidence(
        &mut self,
        selection: Selection,
        lines: Lines,
        _messages: &mut Messages,
    ) -> Option<HashMap<Vec<u8>, SenderEvidence>> {
        let lines = match lines {
            Lines::Logged => self.log?,
            Lines::Trusted => self.journal,
        };
        let mut found: HashMap<Vec<u8>, SenderEvidence> = HashMap::new();
        for (name, at) in lines {
            let sender = selection.identity.fold(name.as_bytes()).into_owned();
            let Some(after) = selection.senders.get(&sender) else { continue };
            if *at <= selection.until && after.is_none_or(|after| *at > after) {
                let evidence = found.entry(sender).or_default();
                let many = evidence.counts.messages + 1;
                evidence.counts = Counts { messages: many, nets: many, unknowns: many, ips: many };
                evidence.sufficient = many >= ENOUGH;
                evidence.lines = vec![Box::from(*b"a line")];
            }
        }
        Some(found)
    }

    fn counted(&self, _kind: Kind, sender: &[u8]) -> Option<Counted> {
        let identity = Identity::logins(Realms::new([REALM.to_owned()]));
        let of_sender = |name: &str| *identity.fold(name.as_bytes()) == *sender;
        let lines = self.piped.iter().filter(|(name, _)| of_sender(name));
        let last = lines.clone().map(|(_, at)| *at).max()?;
        let many = lines.clone().count() as u64;
        let spellings: BTreeSet<_> = lines.clone().map(|(name, _)| name).collect();
        let (first, _) = lines.clone().next()?;
        let counts = Counts { messages: many, nets: many, unknowns: many, ips: many };
        Some(Counted {
            counts,
            sufficient: many >= ENOUGH,
            last: Some(last),
            first_spelling: first.as_bytes().into(),
            more_spellings: spellings.len() > 1,
        })
    }
}

/// The senders of a log, each message from a host and a network of its own.
pub(super) fn tally(log: &[(&str, i64)]) -> Tally {
    let detail = Detail { line: true, activity: false };
    let (window, limits) = (Window::until(0, i64::MAX), Limits::new(1, false));
    let mut tally = Tally::new(window, limits, Webmail::default(), detail, false)
        .with_identity(Identity::logins(Realms::new([REALM.to_owned()])));
    for (number, (name, at)) in log.iter().enumerate() {
        let senders = Senders::new(Sender::new(Kind::Sasl, name.as_bytes()), None);
        // In letters: the network is what follows the digits in a host's name.
        let letters = number.to_string().into_bytes().into_iter().map(|b| char::from(b + 49));
        let host = format!("{}.example.org", letters.collect::<String>());
        let address = format!("2001:db8::{number:x}");
        let client = Client { name: host.as_bytes(), address: address.as_bytes() };
        let accepted = Accepted { senders, client: Some(client), recurs: false, id: None };
        tally.event(Some(*at), 1, &accepted.into(), b"line");
    }
    tally
}

/// The senders, all of them beyond the limits.
pub(super) fn findings(tally: &Tally) -> Vec<Finding<'_>> {
    let findings = judge(tally, None).into_iter();
    findings.map(|finding| Finding { spread: true, ..finding }).collect()
}

/// What was done to each.
pub(super) fn actions(findings: Vec<Finding<'_>>) -> Vec<Action> {
    findings.into_iter().map(|finding| finding.action.expect("all are decided")).collect()
}

/// Lines of an account that looks stolen, from a time on.
pub(super) fn stolen(name: &str, from: i64) -> Vec<(&str, i64)> {
    (0..4).map(|n| (name, from + n)).collect()
}

pub(super) fn not_disabled(reason: &str) -> Vec<Action> {
    vec![Action::NotDisabled(reason.into())]
}
