//! Options for locking accounts, for any program, and what they ask for.
//!
//! Takes the values of a command line, each parsed once into a type that cannot hold a wrong one; gives a
//! [`Task`], or what is wrong: that is a usage error, before a log is opened or anything is done. What needs
//! the host (files that only root may write, `postconf`, the addresses of this host) is looked at when
//! acting.

mod self_test;

#[cfg(feature = "smtp")]
use std::path::PathBuf;

use spamcore::cli::options::why;
use spamcore::cli::{Opt, Value, number, text};
use spamcore::error::chain;
use spamcore::evidence::EvidenceSource;
use spamcore::hosts::Hosts;
use spamcore::identity::Realms;
use spamcore::messages::Messages;
use spamcore::time::zone::Zone;
use spamcore::verdict::{Action, Finding, Spread};
use time::OffsetDateTime;

use crate::account::{AccountName, Exempt, Rules, Uids, administrators, name_of_uid};
use crate::act::undo::{Undo, is_open, list};
use crate::act::{Actor, Looked, reason};
use crate::mail::{Address, Mailer};
#[cfg(feature = "smtp")]
use crate::mail::{Login, Route, Server};
use crate::method::{
    Command, CommandPath, Error, Local, LockMethod, Master, Nis, Postfix, SaslAccess, Table,
};
use crate::notice::Application;
use crate::state::{Lock, Store};
use crate::system::run_lock::WAIT;

use crate::system::{self, System, files, local, local_now};

/// The values of the options of acting.
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActingArgs {
    /// `--disable-account`: the limits of an account.
    pub spread: Option<Spread>,
    nis: Option<Master>,
    sasl_access: Option<Table>,
    command: Option<CommandPath>,
    undo_command: Option<CommandPath>,
    hosts: Vec<String>,
    verify_journal: bool,
    end_sessions: bool,
    max_locks: Option<u64>,
    notify: Option<Address>,
    #[cfg(feature = "smtp")]
    smtp: Option<Server>,
    #[cfg(feature = "smtp")]
    smtp_auth: Option<PathBuf>,
    dry_run: bool,
    list: bool,
    enable: Option<AccountName>,
}

/// `-d`, `--disable-account`
pub const fn disable_account<A: AsMut<ActingArgs>>() -> Opt<A> {
    Opt {
        long: "disable-account",
        aliases: &["dissable-account", "dissable-acount"],
        short: Some('d'),
        value: Value::Required("NETS,UNKNOWNS"),
        help: "Lock accounts seen from more than NETS networks and more than UNKNOWNS hosts without reverse \
               DNS. A single number sets both.",
        set: |args, value| {
            let value = text(value)?;
            let (nets, unknowns) = value.split_once(',').unwrap_or((value, value));
            let spread =
                Spread { nets: number(nets.as_ref())?, unknowns: number(unknowns.as_ref())? };
            args.as_mut().spread = Some(spread);
            Ok(())
        },
    }
}

/// `-n`, `--nis`
pub const fn nis<A: AsMut<ActingArgs>>() -> Opt<A> {
    Opt {
        long: "nis",
        aliases: &["niss"],
        short: Some('n'),
        value: Value::Optional("MASTER"),
        help: "Lock accounts on a NIS master ([USER@]HOST[:PORT]), over SSH as root; by default on localhost, \
               without SSH. The next argument is the master, unless it starts with '-'.",
        set: |args, value| {
            let master = match text(value)? {
                "" => "localhost",
                master => master,
            };
            args.as_mut().nis = Some(Master::parse(master).map_err(why)?);
            Ok(())
        },
    }
}

/// `--dry-run`
pub const fn dry_run<A: AsMut<ActingArgs>>() -> Opt<A> {
    Opt {
        long: "dry-run",
        aliases: &[],
        short: None,
        value: Value::None,
        help: "With --disable-account: decide and report, but change nothing and send nothing. Implied by \
               --now.",
        set: |args, _| {
            args.as_mut().dry_run = true;
            Ok(())
        },
    }
}

/// `--sasl-access`
pub const fn sasl_access<A: AsMut<ActingArgs>>() -> Opt<A> {
    Opt {
        long: "sasl-access",
        aliases: &[],
        short: None,
        value: Value::Required("[TYPE:]FILE"),
        help: "Lock logins, those of virtual mailboxes too, in Postfix itself: in a table that \
               check_sasl_access queries, from the next connection on. TYPE: hash, btree, lmdb, cdb, dbm or \
               sdbm; default: Postfix's default_database_type.",
        set: |args, value| {
            args.as_mut().sasl_access = Some(Table::parse(text(value)?).map_err(why)?);
            Ok(())
        },
    }
}

/// `--disable-command`
pub const fn disable_command<A: AsMut<ActingArgs>>() -> Opt<A> {
    Opt {
        long: "disable-command",
        aliases: &[],
        short: None,
        value: Value::Required("CMD"),
        help: "Lock an account by running this program: an absolute path that only root can write. Its only \
               argument is the account name; exit status 0 means that the account is locked.",
        set: |args, value| {
            args.as_mut().command = Some(CommandPath::parse(text(value)?).map_err(why)?);
            Ok(())
        },
    }
}

/// `--enable-command`
pub const fn enable_command<A: AsMut<ActingArgs>>() -> Opt<A> {
    Opt {
        long: "enable-command",
        aliases: &[],
        short: None,
        value: Value::Required("CMD"),
        help: "The program that undoes --disable-command, called the same way; it is remembered with the \
               lock for --enable-account.",
        set: |args, value| {
            args.as_mut().undo_command = Some(CommandPath::parse(text(value)?).map_err(why)?);
            Ok(())
        },
    }
}

/// `--host`
pub const fn host<A: AsMut<ActingArgs>>() -> Opt<A> {
    Opt {
        long: "host",
        aliases: &[],
        short: None,
        value: Value::Required("NAME"),
        help: "Lines that this host has logged are evidence, too; * and ? are wildcards. By default only lines of \
               this host are, because whoever can send to the syslog daemon can write any host. May be repeated.",
        set: |args, value| {
            let name = text(value)?;
            if name.is_empty() || name.contains(|c: char| !c.is_ascii_graphic()) {
                return Err("expected the name of a host, or a pattern".into());
            }
            args.as_mut().hosts.push(name.to_owned());
            Ok(())
        },
    }
}

/// `--verify-journal`
pub const fn verify_journal<A: AsMut<ActingArgs>>() -> Opt<A> {
    Opt {
        long: "verify-journal",
        aliases: &[],
        short: None,
        value: Value::None,
        help: "Lock only if trusted journal lines by themselves also exceed the limits, so that no local user can \
               get somebody locked.",
        set: |args, _| {
            args.as_mut().verify_journal = true;
            Ok(())
        },
    }
}

/// `--end-sessions`
pub const fn end_sessions<A: AsMut<ActingArgs>>() -> Opt<A> {
    Opt {
        long: "end-sessions",
        aliases: &[],
        short: None,
        value: Value::None,
        help: "After a lock, also end the sessions and empty the password caches that outlive it (Dovecot, saslauthd, \
               nscd, sssd, Postfix), with the commands that the notice lists. Restarting Postfix cuts off every \
               client; legitimate ones reconnect.",
        set: |args, _| {
            args.as_mut().end_sessions = true;
            Ok(())
        },
    }
}

/// `--max-locks`
pub const fn max_locks<A: AsMut<ActingArgs>>() -> Opt<A> {
    Opt {
        long: "max-locks",
        aliases: &[],
        short: None,
        value: Value::Required("N"),
        help: "Lock at most N accounts per run, the worst first, and four times that in 24 hours. Default: 5.",
        set: |args, value| {
            args.as_mut().max_locks = Some(number(value)?);
            Ok(())
        },
    }
}

/// `--list-disabled`
pub const fn list_disabled<A: AsMut<ActingArgs>>() -> Opt<A> {
    Opt {
        long: "list-disabled",
        aliases: &[],
        short: None,
        value: Value::None,
        help: "List the locked accounts: when each was locked, how and why. No log is read.",
        set: |args, _| {
            args.as_mut().list = true;
            Ok(())
        },
    }
}

/// `--enable-account`
pub const fn enable_account<A: AsMut<ActingArgs>>() -> Opt<A> {
    Opt {
        long: "enable-account",
        aliases: &[],
        short: None,
        value: Value::Required("NAME"),
        help: "Undo the locks of an account, whatever their method, and forget them. No log is read.",
        set: |args, value| {
            let name = AccountName::check(text(value)?.as_bytes()).map_err(why)?;
            args.as_mut().enable = Some(name);
            Ok(())
        },
    }
}

/// `--notify`
pub const fn notify<A: AsMut<ActingArgs>>() -> Opt<A> {
    Opt {
        long: "notify",
        aliases: &[],
        short: None,
        value: Value::Required("ADDRESS"),
        help: "Where notices of locked accounts are sent. Default: root, which the mail server completes.",
        set: |args, value| {
            args.as_mut().notify = Some(Address::parse(text(value)?).map_err(why)?);
            Ok(())
        },
    }
}

#[cfg(feature = "smtp")]
/// `--smtp`
pub const fn smtp<A: AsMut<ActingArgs>>() -> Opt<A> {
    Opt {
        long: "smtp",
        aliases: &[],
        short: None,
        value: Value::Required("HOST[:PORT]"),
        help: "The mail server for notices, with STARTTLS where it is offered: so that notices get out even \
               while this server's queue is full of spam. Default: 127.0.0.1:25, else sendmail.",
        set: |args, value| {
            args.as_mut().smtp = Some(Server::parse(text(value)?).map_err(why)?);
            Ok(())
        },
    }
}

#[cfg(feature = "smtp")]
/// `--smtp-auth-file`
pub const fn smtp_auth_file<A: AsMut<ActingArgs>>() -> Opt<A> {
    Opt {
        long: "smtp-auth-file",
        aliases: &[],
        short: None,
        value: Value::File,
        help: "User name and password for --smtp, one per line, in a file that only root can read. TLS is \
               then required.",
        set: |args, value| {
            args.as_mut().smtp_auth = Some(value.into());
            Ok(())
        },
    }
}

/// How many accounts are locked in a run at most, by default.
const MAX_LOCKS: u64 = 5;

/// What the options of acting ask for.
#[derive(Clone, Debug)]
pub enum Task {
    /// To act on findings, or to say what would be done.
    Act(Plan),
    /// To list what was locked.
    List,
    /// To undo the locks of an account; where none is remembered, by the plan's method.
    Enable(AccountName, Plan),
}

impl ActingArgs {
    /// What is asked for, if anything; an error names the options that cannot be combined. `application` is
    /// the program that acts. `look_only` is the option, if there is one, because of which nobody may be
    /// locked: the report is about another time (`--now`), or there is none (`--check`). `realms` are those of the report.
    pub fn task(
        self,
        application: &'static Application,
        look_only: Option<&'static str>,
        realms: Realms,
    ) -> Result<Option<Task>, String> {
        let methods = [
            ("--nis", self.nis.is_some()),
            ("--sasl-access", self.sasl_access.is_some()),
            ("--disable-command", self.command.is_some()),
        ];
        let given: Vec<&str> =
            methods.iter().filter(|(_, given)| *given).map(|(n, _)| *n).collect();
        if let [one, other, ..] = given[..] {
            return Err(format!("{one} and {other}: only one lock method can be used"));
        }
        if self.undo_command.is_some() && self.command.is_none() {
            return Err("--enable-command needs --disable-command".into());
        }
        #[cfg(feature = "smtp")]
        if self.smtp_auth.is_some() && self.smtp.is_none() {
            return Err("--smtp-auth-file needs --smtp".into());
        }
        let look_only = look_only.filter(|_| !self.dry_run);
        let dry_run = self.dry_run || look_only.is_some();
        let manages = self.list || self.enable.is_some();
        for (option, given) in [
            (look_only.unwrap_or("--dry-run"), dry_run),
            ("--disable-account", self.spread.is_some()),
        ] {
            if given && manages {
                return Err(format!(
                    "{option} cannot be combined with --list-disabled or --enable-account"
                ));
            }
        }
        let method = match (self.nis, self.sasl_access, self.command) {
            (Some(master), ..) => Method::Nis(master),
            (_, Some(table), _) => Method::SaslAccess(table),
            (.., Some(lock)) => Method::Command(lock, self.undo_command),
            _ => Method::Local,
        };
        let max_locks = self.max_locks.unwrap_or(MAX_LOCKS);
        let plan = Plan {
            application,
            method,
            realms,
            hosts: self.hosts,
            verify_journal: self.verify_journal,
            end_sessions: self.end_sessions,
            max_locks: usize::try_from(max_locks).unwrap_or(usize::MAX),
            notify: self.notify,
            #[cfg(feature = "smtp")]
            smtp: self.smtp,
            #[cfg(feature = "smtp")]
            smtp_auth: self.smtp_auth,
            dry_run,
        };
        Ok(match (self.enable, self.list, self.spread) {
            (Some(account), ..) => Some(Task::Enable(account, plan)),
            (_, true, _) => Some(Task::List),
            (.., Some(_)) => Some(Task::Act(plan)),
            _ => None,
        })
    }
}

impl Task {
    /// Whether `ssh` may be started, which inherits the environment of this process. Undoing may need ssh
    /// whatever the options, since the method comes from the state.
    pub fn may_connect(&self) -> bool {
        match self {
            Self::Act(plan) => !plan.dry_run && matches!(plan.method, Method::Nis(_)),
            Self::List => false,
            Self::Enable(..) => true,
        }
    }
}

/// A lock method, as the arguments name it.
#[derive(Clone, Debug)]
enum Method {
    Local,
    Nis(Master),
    SaslAccess(Table),
    Command(CommandPath, Option<CommandPath>),
}

/// How to act, as the arguments say.
#[derive(Clone, Debug)]
pub struct Plan {
    application: &'static Application,
    method: Method,
    realms: Realms,
    hosts: Vec<String>,
    verify_journal: bool,
    end_sessions: bool,
    max_locks: usize,
    notify: Option<Address>,
    #[cfg(feature = "smtp")]
    smtp: Option<Server>,
    #[cfg(feature = "smtp")]
    smtp_auth: Option<PathBuf>,
    dry_run: bool,
}

impl Plan {
    /// Acts on the findings that are spread out, or says what would be done, and notes that on each.
    pub fn act(
        &self,
        findings: &mut [Finding<'_>],
        source: &mut dyn EvidenceSource,
        system: &System,
        zone: &Zone,
        looked: Looked,
        messages: &mut Messages,
    ) {
        let rules = match self.rules(system) {
            Ok(rules) => rules,
            Err(error) => return refuse(findings, &error.into(), messages),
        };
        let clock = || local_now(zone);
        let actor = Actor {
            rules,
            hosts: self.hosts(system),
            verify_journal: self.verify_journal,
            end_sessions: self.end_sessions,
            proc: system.proc.clone(),
            max_locks: self.max_locks,
            store: store(system),
            wait: WAIT,
            to: self.notify.clone().unwrap_or_else(Address::root),
            mailer: self.mailer(system).map_err(|error| chain(&error)),
            application: self.application,
            audit: system.audit(self.application.name),
            host: system.name.clone(),
            looked,
            clock: &clock,
        };
        let mut method = self.method(system);
        if self.dry_run {
            return actor.dry_run(&*method, findings, source, messages);
        }
        if let Err(error) = method.prepare() {
            return refuse(findings, &error, messages);
        }
        actor.act(&*method, findings, source, messages);
    }

    /// The hosts whose lines are evidence.
    pub fn hosts(&self, system: &System) -> Hosts {
        let names = system.log_names();
        let mut hosts = Hosts::named(names.iter().map(String::as_str));
        self.hosts.iter().for_each(|pattern| hosts.add_pattern(pattern));
        hosts
    }

    /// The lock method, not prepared yet.
    fn method(&self, system: &System) -> Box<dyn LockMethod> {
        match &self.method {
            Method::Local => Box::new(Local::default()),
            Method::Nis(master) => Box::new(Nis::new(master.clone(), &system.names)),
            Method::SaslAccess(table) => {
                Box::new(SaslAccess::new(table.clone(), system.root, Postfix::default()))
            }
            Method::Command(lock, unlock) => {
                Box::new(Command::new(lock.clone(), unlock.clone(), system.root))
            }
        }
    }

    #[cfg(not(feature = "smtp"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "with SMTP it takes options")]
    fn mailer(&self, system: &System) -> Result<Mailer, system::Error> {
        Ok(Mailer { host: system.name.clone(), ..Mailer::default() })
    }

    #[cfg(feature = "smtp")]
    fn mailer(&self, system: &System) -> Result<Mailer, system::Error> {
        let login =
            self.smtp_auth.as_deref().map(|path| Login::read(path, system.root)).transpose()?;
        let route = match &self.smtp {
            Some(server) => Route::server(server.clone(), login),
            None => Route::default(),
        };
        Ok(Mailer { route, host: system.name.clone(), ..Mailer::default() })
    }

    /// Who can be locked here. A list of exempt accounts that cannot be read, or that others could have
    /// written, is an error, because it might exempt anybody.
    fn rules(&self, system: &System) -> Result<Rules, system::Error> {
        let passwd = files::read(&system.passwd, false)?;
        let uids = uids(system)?;
        let exempt = match files::read(&system.exempt, system.root) {
            Ok(text) => Exempt::parse(&text),
            // A link that leads nowhere is a list that is lost.
            Err(error) if error.is_not_found() && system.exempt.symlink_metadata().is_err() => {
                Exempt::default()
            }
            Err(error) => return Err(error),
        };
        let administrators = match files::read(&system.group, false) {
            Ok(group) => administrators(&passwd, &group),
            Err(error) if error.is_not_found() => Vec::new(),
            Err(error) => return Err(error),
        };
        let invokers = name_of_uid(&passwd, system.uid).into_iter().chain(system.sudo_user.clone());
        let invokers = invokers.collect();
        Ok(Rules { uids, exempt, realms: self.realms.clone(), administrators, invokers, passwd })
    }

    /// Undoes the locks of an account, and gives what to print.
    pub fn enable(
        &self,
        account: &AccountName,
        system: &System,
        zone: &Zone,
        messages: &mut Messages,
    ) -> String {
        let undo = Undo {
            store: &store(system),
            names: &system.names,
            realms: &self.realms,
            audit: &system.audit(self.application.name),
            clock: &|| local_now(zone),
        };
        let mut method = self.method(system);
        match method.prepare().and_then(|()| undo.enable(account, &*method)) {
            Ok(undone) => {
                undone.warnings.into_iter().for_each(|text| messages.fail(text));
                for why in undone.failures {
                    messages.fail(format!("{account}: not enabled: {why}"));
                }
                undone
                    .methods
                    .iter()
                    .map(|method| format!("{account} enabled ({method})\n"))
                    .collect()
            }
            Err(error) => {
                messages.fail(format!("{account}: not enabled: {}", chain(&error)));
                String::new()
            }
        }
    }
}

/// The regular users of this host, if they can be read: whose logins may come with any domain.
pub fn regular_users(system: &System) -> Option<Vec<Vec<u8>>> {
    let passwd = files::read(&system.passwd, false).ok()?;
    let uids = uids(system).ok()?;
    Some(Rules { passwd, uids, ..Rules::default() }.regular_users())
}

/// The uids of regular users on this host.
fn uids(system: &System) -> Result<Uids, system::Error> {
    match files::read(&system.login_defs, false) {
        Ok(text) => Ok(Uids::from_login_defs(&text)),
        Err(error) if error.is_not_found() => Ok(Uids::default()),
        Err(error) => Err(error),
    }
}

/// Nobody is locked, for one reason.
fn refuse(findings: &mut [Finding<'_>], error: &Error, messages: &mut Messages) {
    messages.fail_with(error);
    for finding in findings.iter_mut().filter(|finding| finding.spread) {
        finding.action = Some(Action::NotDisabled(reason(error)));
    }
}

/// Where the state of this host is kept.
fn store(system: &System) -> Store {
    let copy = Some(system.state_copy.clone());
    Store { dir: system.state.clone(), copy, root: system.root }
}

/// What was locked, to print. `now` is in Unix seconds.
pub fn list_disabled_accounts(
    system: &System,
    zone: &Zone,
    now: i64,
    messages: &mut Messages,
) -> String {
    let at = |seconds| {
        let at = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        Some(local(at, zone))
    };
    match store(system).load(now) {
        Ok((state, damaged)) => {
            if let Some(damaged) = damaged {
                messages.fail(damaged);
            }
            let open =
                |account: &str, lock: &Lock| is_open(account, lock, &system.names, system.root);
            list(&state, &at, &open)
        }
        Err(error) => {
            messages.fail_with(&error);
            String::new()
        }
    }
}
