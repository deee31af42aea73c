//! What the host says: the clock, the zone, the environment, who runs us.
//!
//! [`Host::look`] is the one place of this library that asks; `main` calls it and hands the answer
//! down, so that everything below is a function of its arguments.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::zone::Zone;

/// The host, as a program finds it.
pub struct Host {
    /// Now, in Unix seconds.
    pub now: i64,
    /// Now, as files are stamped.
    pub wall: SystemTime,
    /// The local zone: `TZ`, else `/etc/localtime`.
    pub zone: Zone,
    /// Whether standard output is a terminal.
    pub terminal: bool,
    /// Whether colour may be used there: `NO_COLOR` is not set.
    pub colour: bool,
    /// Whether root runs the program.
    pub root: bool,
    /// Standard input, for who reads it.
    pub input: Option<Box<dyn Read + Send>>,
    /// The password file.
    pub passwd: PathBuf,
}

impl Host {
    /// Looks the host up.
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
            colour: terminal && !no_colour,
            root: rustix::process::geteuid().is_root(),
            input: Some(Box::new(std::io::stdin())),
            passwd: "/etc/passwd".into(),
        }
    }
}
