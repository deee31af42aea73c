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

use crate::time::zone::Zone;

/// The host, as a program finds it.
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub struct Host {
    /// Now, in Unix seconds.
    pub now: i64,
    /// Now, to compare with the times of files.
    pub wall: SystemTime,
    /// The local zone: `TZ`, else `/etc/localtime`.
    pub zone: Zone,
    /// Whether standard output is a terminal.
    pub terminal: bool,
    /// Whether standard output was closed when the program started, or is not open for writing.
    pub stdout_closed: bool,
    /// Whether standard input was closed when the program started, or is not open for reading.
    pub stdin_closed: bool,
    /// Whether colour may be used: standard output is a terminal, and `NO_COLOR` is not set.
    pub colour: bool,
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
        let terminal = std::io::stdout().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            now: i64::try_from(now).unwrap_or(i64::MAX),
            wall,
            zone: Zone::local(tz.as_deref()),
            terminal,
            stdout_closed: is_closed(rustix::stdio::stdout(), OFlags::WRONLY),
            stdin_closed: is_closed(rustix::stdio::stdin(), OFlags::RDONLY),
            colour: terminal && !no_colour,
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

/// Allows this process as many open files as it may have at all: by default most systems allow 1024.
pub fn allow_many_files() {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where that fails, a log that cannot be opened is reported.
    let _ = rustix::process::setrlimit(Resource::Nofile, limit);
}

/// Whether a standard stream was closed when the program started, or is not open for `wanted`.
///
/// Rust's runtime replaces a closed stream with /dev/null, open for both reading and writing, and treats
/// `EBADF` from a standard stream as success. A user who redirects to /dev/null opens it one way only.
fn is_closed(stream: BorrowedFd<'_>, wanted: OFlags) -> bool {
    let Ok(flags) = rustix::fs::fcntl_getfl(stream) else { return true };
    let mode = flags & OFlags::RWMODE;
    if mode != OFlags::RDWR {
        return mode != wanted;
    }
    rustix::fs::fstat(stream).is_ok_and(|stat| {
        let null = rustix::fs::stat("/dev/null");
        FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
            && null.is_ok_and(|null| null.st_rdev == stat.st_rdev)
    })
}
