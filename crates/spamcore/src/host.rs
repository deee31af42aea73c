//! The host: its clock, time zone, environment, standard streams and the invoking user.
//!
//! [`Host::look`] is the only place in this library that asks the system for them. `main` calls it and
//! passes the answers down, so that everything else is a function of its arguments. It changes nothing.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fd::BorrowedFd;
use rustix::fs::{FileType, OFlags};
use rustix::process::Resource;
use signal_hook::consts::{SIGCHLD, SIGXFSZ};

use crate::time::zone::{UnknownZone, Zone};

/// The host, as a program finds it.
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub struct Host {
    /// Now, in Unix seconds.
    pub now: i64,
    /// Now, to compare with the times of files.
    pub wall: SystemTime,
    /// The local zone: `TZ`, else `/etc/localtime`; UTC if `TZ` names an unknown one.
    pub zone: Zone,
    /// What is wrong with `TZ`. Then the times of most logs cannot be read as they are meant.
    pub unknown_zone: Option<UnknownZone>,
    /// Whether standard output is a terminal.
    pub terminal: bool,
    /// Whether standard output is open for reading only, and is not `/dev/null`.
    pub stdout_read_only: bool,
    /// Whether standard input was closed when the program started, or is not open for reading.
    pub stdin_closed: bool,
    /// Whether colour may be used: standard output is a terminal, which is not `TERM=dumb`, and `NO_COLOR` is
    /// not set.
    pub colour: bool,
    /// Whether the locale is one of UTF-8.
    pub utf8: bool,
    /// Whether root runs the program.
    pub root: bool,
    /// The user id of the invoking user.
    pub uid: u32,
    /// Standard input, until somebody takes it.
    pub input: Option<Box<dyn Read + Send>>,
    /// The password file.
    pub passwd: PathBuf,
}

impl Host {
    /// Asks the system.
    pub fn look() -> Self {
        let wall = SystemTime::now();
        let now = wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let tz = std::env::var_os("TZ").map(|tz| tz.to_string_lossy().into_owned());
        let (zone, unknown_zone) = match Zone::of_host(tz.as_deref()) {
            Ok(zone) => (zone, None),
            Err(unknown) => (Zone::utc(), Some(unknown)),
        };
        let terminal = std::io::stdout().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            now: i64::try_from(now).unwrap_or(i64::MAX),
            wall,
            zone,
            unknown_zone,
            terminal,
            stdout_read_only: is_read_only(rustix::stdio::stdout()),
            stdin_closed: is_closed(rustix::stdio::stdin()),
            colour: terminal && !no_colour,
            utf8: is_utf8(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned())),
            root: rustix::process::geteuid().is_root(),
            uid: rustix::process::geteuid().as_raw(),
            input: Some(Box::new(std::io::stdin())),
            passwd: "/etc/passwd".into(),
        }
    }
}

/// Takes back what the caller may have done to signals. Programs that this one starts are not affected.
///
/// Whoever starts a program with `SIGCHLD` ignored takes away the exit status of all programs that it starts. And a
/// file that grows beyond its limit (`ulimit -f`) would end the program in the middle of whatever it does; now that is
/// an error of the write.
pub fn settle_signals() {
    for signal in [SIGCHLD, SIGXFSZ] {
        // Nobody looks at the flag: a signal that is handled is neither ignored nor deadly. That cannot fail for
        // these two, and if it did, all would be as the caller wanted it.
        let _ = signal_hook::flag::register(signal, Arc::default());
    }
}

/// Whether the locale of an environment is one of UTF-8: the first of its variables that is not empty counts.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let mut values = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable);
    let locale = values.find(|value| !value.is_empty()).unwrap_or_default().to_ascii_lowercase();
    let codeset = locale.split('@').next().and_then(|locale| locale.split_once('.'));
    codeset.is_some_and(|(_, codeset)| codeset == "utf-8" || codeset == "utf8")
}

/// Allows this process as many open files as it may have at all: by default most systems allow 1024.
pub fn allow_many_files() {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where that fails, a log that cannot be opened is reported.
    let _ = rustix::process::setrlimit(Resource::Nofile, limit);
}

/// Whether a stream is open for reading only, so that nothing can be written to it. Rust's runtime treats the
/// `EBADF` that this gives on standard output as success.
///
/// `/dev/null` is a place to write, however it was opened: services and monitors open it for both reading and
/// writing, and a stream that was closed when the program started was replaced with it by the runtime.
fn is_read_only(stream: BorrowedFd<'_>) -> bool {
    rustix::fs::fcntl_getfl(stream).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDONLY)
        && !is_null(stream)
}

/// Whether standard input was closed when the program started, or is not open for reading.
///
/// Rust's runtime replaces a closed stream with /dev/null, open for both reading and writing. A user who redirects
/// from /dev/null opens it one way only.
fn is_closed(stream: BorrowedFd<'_>) -> bool {
    let Ok(flags) = rustix::fs::fcntl_getfl(stream) else { return true };
    match flags & OFlags::RWMODE {
        OFlags::RDWR => is_null(stream),
        mode => mode != OFlags::RDONLY,
    }
}

/// Whether a stream is `/dev/null`.
fn is_null(stream: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(stream).is_ok_and(|stat| {
        let null = rustix::fs::stat("/dev/null");
        FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
            && null.is_ok_and(|null| null.st_rdev == stat.st_rdev)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_not_empty_names_the_locale() {
        for (all, ctype, lang, want) in [
            ("", "", "", false),
            ("", "", "C", false),
            ("", "", "C.UTF-8", true),
            ("", "", "cs_CZ.utf8@euro", true),
            ("", "C", "en_US.UTF-8", false),
            ("", "en_US.UTF-8", "C", true),
            ("POSIX", "en_US.UTF-8", "en_US.UTF-8", false),
            ("de_DE.UTF-8", "C", "C", true),
            ("", "", "de_DE.ISO-8859-1", false),
            ("", "", "de_DE@utf8", false),
        ] {
            let variable = |name: &str| {
                let value = match name {
                    "LC_ALL" => all,
                    "LC_CTYPE" => ctype,
                    _ => lang,
                };
                Some(value.to_owned())
            };
            assert_eq!(is_utf8(variable), want, "{all} {ctype} {lang}");
        }
        assert!(!is_utf8(|_| None));
    }
}
