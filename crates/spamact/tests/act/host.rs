//! A host of a test's own, below a directory: scripts that record stand in for what locks and sends, and lines are
//! evidence by the rules of the man page.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use spamact::account::{AccountName, Exempt, NameRule, Realms, Rules};
use spamact::act::undo::Undo;
use spamact::act::{Actor, Evidence, Lines, Suspect, Wanted};
use spamact::mail::{Address, Mailer, Patience, Route};
use spamact::method::{AccountStatus, Command, CommandPath, Error, Local, LockMethod};
use spamact::notice::Counts;
use spamact::state::State;
use spamact::system::syslog::Audit;
use spamcore::check::{Message, Weight};
use spamcore::verdict::Action;
use tempfile::{TempDir, tempdir};
use time::OffsetDateTime;

/// A script that is being written cannot be run, and another test's child may hold it open.
static SCRIPTS: Mutex<()> = Mutex::new(());

pub(super) const NOW: i64 = 1_795_500_000;

const REALM: &str = "example.org";

/// So many lines of an account make it look stolen here.
pub(super) const ENOUGH: usize = 3;

pub(super) struct Host {
    pub(super) dir: TempDir,
    pub(super) now: AtomicI64,
    pub(super) verify_journal: bool,
    pub(super) max_locks: usize,
    pub(super) names: NameRule,
    /// What the command has locked can be unlocked by another.
    pub(super) undone: bool,
    /// Where the mail server listens.
    pub(super) smtp: SocketAddr,
    _one: MutexGuard<'static, ()>,
}

/// What a run did.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) actions: Vec<Action>,
    pub(super) failures: Vec<String>,
}

impl Host {
    pub(super) fn new() -> Self {
        let one = SCRIPTS.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempdir().expect("a directory");
        let host = Self {
            dir,
            now: AtomicI64::new(NOW),
            verify_journal: false,
            max_locks: 5,
            names: NameRule::Account,
            undone: true,
            // The discard port: nobody listens.
            smtp: ([127, 0, 0, 1], 9).into(),
            _one: one,
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
        fs::write(self.path().join(name), text).expect("the directory is ours");
    }

    pub(super) fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, now: i64) {
        self.now.store(now, Ordering::Relaxed);
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn script(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::write(&path, format!("#!/bin/sh\ncd '{}'\n{text}\n", self.path().display()))
            .expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap_or_default()
    }

    pub(super) fn subjects(&self) -> Vec<String> {
        let mails = self.read("mails");
        mails.lines().filter_map(|line| line.strip_prefix("Subject: ")).map(String::from).collect()
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
        let patience = Patience {
            step: Duration::from_secs(5),
            all: Duration::from_secs(10),
            stuck: Duration::from_secs(1),
        };
        let host = "mail.example.org".to_owned();
        Actor {
            rules: Rules {
                passwd: b"root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n\
                          alice:x:1001:1::/:/bin/sh\nbob:x:1002:1::/:/bin/sh\n"
                    .to_vec(),
                realms: Realms::new([REALM.to_owned()]),
                exempt: Exempt::of(b"boss\n"),
                ..Rules::default()
            },
            verify_journal: self.verify_journal,
            max_locks: self.max_locks,
            dir: self.path().join("state"),
            root: false,
            wait: Duration::from_secs(30),
            to: Address::parse("root").expect("an address"),
            mailer: Ok(Mailer { route, host: host.clone(), patience }),
            audit: Audit { socket: self.path().join("no-syslog"), process: 7 },
            host,
            period: "1 hour".into(),
            log: "/var/log/mail.log".into(),
            clock,
        }
    }

    /// A run on a log of these lines, sender and stamp; the journal holds those of `journal`.
    pub(super) fn run(&self, log: &[(&str, i64)], journal: &[(&str, i64)], dry: bool) -> Run {
        let now = self.now();
        let look = |lines, wanted: &[Wanted]| {
            let of = if lines == Lines::Log { log } else { journal };
            let evidence = |(sender, after): &Wanted| {
                count(of, std::str::from_utf8(sender).expect("text"), *after, now)
            };
            Some(wanted.iter().map(evidence).collect())
        };
        self.run_with(log, look, dry)
    }

    /// The same, with another way to look at lines once more.
    pub(super) fn run_with(
        &self,
        log: &[(&str, i64)],
        mut look: impl FnMut(Lines, &[Wanted]) -> Option<Vec<Evidence>>,
        dry: bool,
    ) -> Run {
        let now = self.now();
        let clock = move || OffsetDateTime::from_unix_timestamp(now).expect("in range");
        let actor = self.actor(&clock);
        let mut names: Vec<&str> = log.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        let suspects: Vec<Suspect> = names.iter().map(|name| suspect(name, log)).collect();
        let mut messages = Vec::new();
        let actions = if dry {
            actor.dry_run(&*self.method(), &suspects, &mut look, &mut messages)
        } else {
            actor.act(&*self.method(), &suspects, &mut look, &mut messages)
        };
        Run { actions, failures: failures(messages) }
    }

    pub(super) fn state(&self) -> State {
        State::load(&self.path().join("state"), false, self.now()).expect("it is whole").0
    }
}

/// A command whose accounts have the names of another method.
struct Renamed {
    command: Command,
    names: NameRule,
}

impl LockMethod for Renamed {
    fn kind(&self) -> String {
        self.command.kind()
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
    dir: &'a Path,
    audit: &'a Audit,
    clock: &'a dyn Fn() -> OffsetDateTime,
) -> Undo<'a> {
    static REALMS: LazyLock<Realms> = LazyLock::new(|| Realms::new([REALM.to_owned()]));
    Undo { dir, root: false, names: &[], realms: &REALMS, audit, clock }
}

pub(super) fn failures(messages: Vec<Message>) -> Vec<String> {
    messages.into_iter().filter(|m| m.weight == Weight::Failure).map(|m| m.text).collect()
}

pub(super) fn count(log: &[(&str, i64)], name: &str, after: Option<i64>, until: i64) -> Evidence {
    let new = |at: i64| at <= until && after.is_none_or(|after| at > after);
    let messages = log.iter().filter(|(n, at)| *n == name && new(*at)).count();
    let many = messages as u64;
    Evidence {
        counts: Counts { messages: many, nets: many, unknowns: many, ips: many },
        enough: messages >= ENOUGH,
        lines: vec![b"a line".to_vec()],
        ..Evidence::default()
    }
}

/// What the lines of a log make of an account.
pub(super) fn suspect(name: &str, log: &[(&str, i64)]) -> Suspect {
    Suspect {
        sender: name.as_bytes().to_vec(),
        report_line: b"3 -- line".to_vec(),
        counts: count(log, name, None, i64::MAX).counts,
        last: log.iter().filter(|(n, _)| *n == name).map(|(_, at)| *at).max().unwrap_or(0),
    }
}

/// Lines of an account that looks stolen, from an instant on.
pub(super) fn stolen(name: &str, from: i64) -> Vec<(&str, i64)> {
    (0..4).map(|n| (name, from + n)).collect()
}

pub(super) fn not_disabled(reason: &str) -> Vec<Action> {
    vec![Action::NotDisabled(reason.into())]
}
