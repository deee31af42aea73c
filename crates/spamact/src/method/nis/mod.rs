//! NIS accounts: a `*` before the password in the master's shadow file, then `make -C /var/yp`.
//!
//! Takes a master: this host, whose file is edited directly, or another one, where a constant program does
//! the same over SSH. Both hold the lock of lckpwdf(3), as shadow-utils and `rpc.yppasswdd` do, replace the
//! file atomically, and make the maps even if nothing had to be edited: an earlier run may have been killed
//! in between. An account that is locked already is left as it is.
//!
//! Whether an account may be locked is also checked on the master: the name must be in the passwd file of NIS,
//! with the uid of a regular user, and must not be a system account in the master's own passwd file. To undo a
//! lock, that is not checked.
//!
//! SSH accepts known hosts only, and keys without a passphrase, and asks no questions. `ssh` is found in the
//! `PATH` of the process and inherits its environment, because the library that runs it offers nothing else;
//! the program therefore cleans both ([`crate::system::clean_environment`]). `ssh` reads root's own
//! configuration, on purpose.

mod here;
#[cfg_attr(not(feature = "ssh"), path = "no_ssh.rs")]
mod ssh;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use regex_lite::Regex;
use spamcore::self_test::Fact;

use super::{
    AccountStatus, Error, LockMethod, expect_status, file, program, sed_escaped, shell_quoted,
};
use crate::account::{AccountName, NameRule, Refusal, is_nis_name};
use crate::system::Invalid;
use crate::system::process::PATH;

/// A user, and a host name or address that cannot be taken for an option.
static MASTER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:([A-Za-z0-9][A-Za-z0-9._-]*)@)?([A-Za-z0-9][A-Za-z0-9._:-]*)\z")
        .expect("the pattern is a constant")
});

/// What to do on a master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Status,
    Lock,
    Unlock,
}

/// A NIS master, `[USER@]HOST[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    text: String,
    user: String,
    host: String,
    port: Option<u16>,
}

impl Master {
    /// Reads a master. The user is `root` unless one is named. With more than one colon, HOST is an IPv6 address
    /// and there is no PORT.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refused = || Invalid("expected [USER@]HOST[:PORT]");
        let parts = MASTER.captures(text).ok_or_else(refused)?;
        let user = parts.get(1).map_or("root", |user| user.as_str());
        let (name, port) = match parts[2].split_once(':') {
            Some((name, port)) if !port.contains(':') => {
                (name, Some(port.parse().ok().filter(|&port| port != 0).ok_or_else(refused)?))
            }
            _ => (&parts[2], None),
        };
        Ok(Self { text: text.to_owned(), user: user.to_owned(), host: name.to_owned(), port })
    }

    /// Whether it is this host, which has these names and addresses. A master with a PORT is always another
    /// one: it may be this host's end of a tunnel.
    fn is_here(&self, names: &[String]) -> bool {
        let name = self.host.as_str();
        let is = |own: &String| own.trim_end_matches('.').eq_ignore_ascii_case(name);
        let loopback = name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
        let here = name.eq_ignore_ascii_case("localhost") || loopback || names.iter().any(is);
        here && self.port.is_none()
    }
}

/// Locks on a NIS master. [`Nis::new`] has the paths of the real system.
#[derive(Debug)]
pub struct Nis {
    /// The master.
    pub master: Master,
    /// Whether it is this host, whose files are edited without SSH.
    here: bool,
    /// The directory of the passwd and shadow files of NIS, on the master.
    pub files: PathBuf,
    /// The password file of the master itself.
    pub passwd: PathBuf,
    /// Its `login.defs`.
    pub login_defs: PathBuf,
    /// The lock file of lckpwdf(3).
    pub lock_file: PathBuf,
    /// The program `make` on the master.
    pub make: PathBuf,
    /// The directory where the maps are made.
    pub maps: PathBuf,
    /// How long `make` may take. Editing may take 15 seconds more.
    pub make_limit: Duration,
    /// A private directory for the sockets of `ssh`, created if it is missing.
    pub control: PathBuf,
    /// A file of known hosts, instead of the user's.
    pub known_hosts: Option<PathBuf>,
    /// A key, instead of the user's.
    pub identity: Option<PathBuf>,
    /// How long connecting to the master may take.
    pub connect_limit: Duration,
    /// One connection serves a whole run. If it fails, no other is tried: otherwise each account would wait for
    /// a dead master.
    connection: RefCell<Option<Result<ssh::Connection, String>>>,
}

impl Nis {
    pub(super) const KIND: &'static str = "nis";

    /// The real system of a master. `names` are those of this host; its addresses are looked up by
    /// [`LockMethod::prepare`].
    pub fn new(master: Master, names: &[String]) -> Self {
        Self {
            here: master.is_here(names),
            master,
            files: "/var/yp/ypfiles".into(),
            passwd: "/etc/passwd".into(),
            login_defs: "/etc/login.defs".into(),
            lock_file: "/etc/.pwd.lock".into(),
            make: "/usr/bin/make".into(),
            maps: "/var/yp".into(),
            make_limit: Duration::from_secs(120),
            control: "/run/spam-check".into(),
            known_hosts: None,
            identity: None,
            connect_limit: Duration::from_secs(20),
            connection: RefCell::new(None),
        }
    }

    fn ensure_status(
        &self,
        action: Action,
        name: &AccountName,
        want: AccountStatus,
    ) -> Result<(), Error> {
        expect_status(self.act(action, name)?, want, name, || {
            format!("{} of {}", self.files.join("shadow").display(), self.master.text)
        })
    }

    /// Makes the maps once more, after [`Error::Maps`].
    pub fn make_again(&self) -> Result<(), Error> {
        if self.here { here::make(self) } else { self.over_ssh(|c| c.make(self)) }
    }

    /// Does something to an account, and gives its status afterwards.
    fn act(&self, action: Action, name: &AccountName) -> Result<AccountStatus, Error> {
        if !is_nis_name(name) {
            return Err(Error::Unfit { name: name.clone(), refusal: Refusal::NotAName });
        }
        if self.here {
            return here::act(self, action, name);
        }
        self.over_ssh(|connection| connection.act(self, action, name))
    }

    fn over_ssh<T>(
        &self,
        ask: impl FnOnce(&ssh::Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut connection = self.connection.borrow_mut();
        let answer = match connection.get_or_insert_with(|| ssh::Connection::open(self)) {
            Ok(connection) => ask(connection),
            Err(what) => Err(self.no_master(what.clone())),
        };
        if let Err(Error::Master { what, .. }) = &answer {
            *connection = Some(Err(what.clone()));
        }
        answer
    }

    fn no_master(&self, what: String) -> Error {
        Error::Master { master: self.master.text.clone(), what }
    }
}

impl LockMethod for Nis {
    fn kind(&self) -> String {
        format!("{}:{}", Self::KIND, self.master.text)
    }

    fn description(&self) -> String {
        format!("the shadow file of the NIS master {}", self.master.text)
    }

    fn names(&self) -> NameRule {
        NameRule::Nis
    }

    fn needs(&self) -> Vec<Fact> {
        if self.here {
            return vec![
                file(&self.files.join("passwd")),
                file(&self.files.join("shadow")),
                program(&self.make),
            ];
        }
        let ssh = PATH.split(':').map(|dir| Path::new(dir).join("ssh")).find(|ssh| ssh.is_file());
        let ssh = ssh.map_or_else(
            || Fact::problem(format!("no ssh in {PATH}")),
            |ssh| Fact::fine(format!("{} (no connection was tried)", ssh.display())),
        );
        vec![ssh]
    }

    #[cfg(feature = "ssh")]
    fn prepare(&mut self) -> Result<(), Error> {
        self.here = self.here || self.master.is_here(&addresses());
        Ok(())
    }

    fn status(&self, name: &AccountName) -> Result<AccountStatus, Error> {
        self.act(Action::Status, name)
    }

    fn lock(&self, name: &AccountName) -> Result<(), Error> {
        self.ensure_status(Action::Lock, name, AccountStatus::Locked)
    }

    fn unlock(&self, name: &AccountName) -> Result<(), Error> {
        self.ensure_status(Action::Unlock, name, AccountStatus::Open)
    }

    /// The file may be written without the maps having been made from it.
    fn recover(&self, name: &AccountName) -> Result<AccountStatus, Error> {
        let status = self.status(name)?;
        if status == AccountStatus::Locked {
            self.make_again()?;
        }
        Ok(status)
    }

    fn manual(&self, name: &AccountName) -> Vec<String> {
        let shadow = shell_quoted(&self.files.join("shadow"));
        // Only if something follows the `*`: an empty field would mean no password.
        let edit = format!(
            r"sed -i --follow-symlinks 's/^{}:\*\([^:]\)/{name}:\1/' {shadow}",
            sed_escaped(name)
        );
        let make = format!("make -C {}", shell_quoted(&self.maps));
        if self.here {
            return vec![edit, make];
        }
        let port = self.master.port.map_or_else(String::new, |port| format!("-p {port} "));
        let Master { user, host, .. } = &self.master;
        vec![format!("ssh {port}{user}@{host} \"{edit} && {make}\"")]
    }
}

#[cfg(feature = "ssh")]
/// The addresses of this host. The kernel is asked for them through a socket.
fn addresses() -> Vec<String> {
    let addresses = if_addrs::get_if_addrs().unwrap_or_default();
    addresses.iter().map(|interface| interface.ip().to_string()).collect()
}

#[cfg(all(test, feature = "ssh"))]
mod tests;
