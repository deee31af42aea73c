//! What acting needs to know of this host: who runs the program, what the host is called, and where its files are.
//!
//! [`System::look`] is the one place of this library that asks; `main` calls it and passes the answer down.

use std::net::IpAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::time::SystemTime;

use spamcore::time::zone::Zone;
use time::{OffsetDateTime, UtcOffset};

use crate::system::process::PATH;
use crate::system::syslog::Audit;

/// This host, as a program that acts finds it. It complements [`spamcore::host::Host`], which all programs need.
#[derive(Clone, Debug)]
pub struct System {
    /// Whether root runs the program.
    pub root: bool,
    /// The user whom the program runs as.
    pub uid: u32,
    /// The user who called `sudo` to run it.
    pub sudo_user: Option<String>,
    /// The id of this process.
    pub process: u32,
    /// The host's name, with its domain where that is known.
    pub name: String,
    /// All its names.
    pub names: Vec<String>,
    /// The file with the name of this host in mail addresses.
    pub mail_name: PathBuf,
    /// The configuration of Postfix.
    pub main_cf: PathBuf,
    /// The password file.
    pub passwd: PathBuf,
    /// The file of groups.
    pub group: PathBuf,
    /// The file with the range of uids of regular users.
    pub login_defs: PathBuf,
    /// The list of accounts that are never locked.
    pub exempt: PathBuf,
    /// The directory of the state.
    pub state: PathBuf,
    /// The directory of its copy, while it cannot be written.
    pub state_copy: PathBuf,
    /// The socket of syslog.
    pub syslog: PathBuf,
    /// The directory of the kernel's processes.
    pub proc: PathBuf,
}

impl System {
    /// Asks the host.
    pub fn look() -> Self {
        let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        let name = full_name(&node, &hosts);
        let uid = rustix::process::geteuid();
        Self {
            root: uid.is_root(),
            uid: uid.as_raw(),
            sudo_user: std::env::var("SUDO_USER").ok().filter(|user| !user.is_empty()),
            process: std::process::id(),
            names: vec![name.clone(), node],
            name,
            mail_name: "/etc/mailname".into(),
            main_cf: "/etc/postfix/main.cf".into(),
            passwd: "/etc/passwd".into(),
            group: "/etc/group".into(),
            login_defs: "/etc/login.defs".into(),
            exempt: "/etc/spam-check/exempt".into(),
            state: "/var/lib/spam-check".into(),
            state_copy: "/run/spam-check".into(),
            syslog: "/dev/log".into(),
            proc: "/proc".into(),
        }
    }

    /// The names under which this host can be in its own log: that of the kernel and its full form, that in mail
    /// addresses, and that of Postfix, as far as each is known.
    pub fn log_names(&self) -> Vec<String> {
        let text =
            |path| std::fs::read(path).map(|text| String::from_utf8_lossy(&text).into_owned());
        let mut names = self.names.clone();
        if let Ok(text) = text(&self.mail_name) {
            names.extend(text.lines().next().map(|line| line.trim().to_owned()));
        }
        if let Ok(text) = text(&self.main_cf) {
            names.extend(my_hostname(&text));
        }
        names
    }

    /// The syslog of this host, as a program of that name writes to it.
    pub fn audit(&self, program: &'static str) -> Audit {
        Audit { socket: self.syslog.clone(), program, process: self.process }
    }
}

/// The variables that programs which are started may inherit.
const KEPT: [&str; 4] = ["TZ", "TERM", "NO_COLOR", "SUDO_USER"];

/// Makes sure that the environment has nothing but `TZ`, `TERM`, `NO_COLOR`, `SUDO_USER` and a fixed `PATH`. Does
/// nothing if it is clean; otherwise re-executes the program and returns only on error.
///
/// Needed because the openssh crate starts `ssh` by name, with this process's environment.
pub fn clean_environment() -> Option<std::io::Error> {
    let is_clean = std::env::vars_os().all(|(name, value)| {
        KEPT.iter().any(|kept| name == *kept) || (name == "PATH" && value == PATH)
    });
    if is_clean {
        return None;
    }
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let kept = KEPT.iter().filter_map(|kept| Some((kept, std::env::var_os(kept)?)));
    let mut command = std::process::Command::new("/proc/self/exe");
    command.arg0(name).args(arguments).env_clear().env("PATH", PATH).envs(kept);
    Some(command.exec())
}

/// The time on this host's clock, in its zone.
pub fn local_now(zone: &Zone) -> OffsetDateTime {
    local(OffsetDateTime::from(SystemTime::now()), zone)
}

/// A time, in a zone.
pub fn local(at: OffsetDateTime, zone: &Zone) -> OffsetDateTime {
    let offset = UtcOffset::from_whole_seconds(zone.offset_at(at.unix_timestamp()));
    offset.map_or(at, |offset| at.checked_to_offset(offset).unwrap_or(at))
}

/// The value of `myhostname` in a `main.cf` (postconf(5)): the last one counts. A value that refers to other
/// parameters is none.
fn my_hostname(main_cf: &str) -> Option<String> {
    let mut values = main_cf.lines().filter_map(|line| {
        // A line that begins with a space continues the one before, and a comment is no line.
        let (name, value) = line.split_once('=')?;
        (name.trim_end() == "myhostname").then(|| value.trim())
    });
    values.next_back().filter(|name| !name.contains(['$', ' ', '\t'])).map(str::to_owned)
}

/// The name of a host with its domain: as the host has it, or else as `/etc/hosts` has it.
fn full_name(node: &str, hosts: &str) -> String {
    let names = |line: &'_ str| -> Option<String> {
        let mut words = line.split('#').next()?.split_whitespace();
        words.next()?.parse::<IpAddr>().ok()?;
        let names: Vec<&str> = words.collect();
        let full = names
            .iter()
            .find(|name| name.split_once('.').is_some_and(|(first, _)| first == node))?;
        names.contains(&node).then(|| (*full).to_owned())
    };
    if node.contains('.') {
        return node.to_owned();
    }
    hosts.lines().find_map(names).unwrap_or_else(|| node.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_postfix_is_the_last_one_without_parameters() {
        for (text, want) in [
            ("", None),
            ("#myhostname = a\n myhostname = b\nmyhostnames = c\n", None),
            ("myhostname=a.b\nmyhostname = mx1.example.org  \n", Some("mx1.example.org")),
            ("myhostname = a\nmyhostname = mx.$mydomain\n", None),
        ] {
            assert_eq!(my_hostname(text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn the_domain_is_that_of_the_name_or_of_hosts() {
        let hosts = "127.0.0.1 localhost\n# 10.0.0.1 mail.commented.org mail\n\
                     127.0.1.1\tmail.example.org mail # here\n10.0.0.2 mailer.example.com mailer\n";
        assert_eq!(full_name("mail", hosts), "mail.example.org");
        assert_eq!(full_name("mail.example.net", hosts), "mail.example.net");
        assert_eq!(full_name("web", hosts), "web");
        assert_eq!(full_name("localhost", hosts), "localhost");
    }
}
