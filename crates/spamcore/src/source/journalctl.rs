//! Runs `journalctl`, which reads the systemd journal.
//!
//! Takes what is looked for and gives entries ([`super::journal`]), or an error; it opens no journal file itself.
//! What `journalctl` hints at is told from its errors: a user who may not read the messages of others sees only his
//! own, and it says so on standard error. So it is asked once without `--quiet`, for something short; what is read
//! as entries must come without remarks.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::journal::{Author, DRIVER, DROPPED, Entries, Entry, Service};
use crate::error::Error;

/// Where `journalctl` is. The paths are absolute because the invoking user may be root.
const PROGRAMS: [&str; 2] = ["/usr/bin/journalctl", "/bin/journalctl"];

const NAME: &str = "journalctl";

/// The most that is read of an answer of `journalctl` that is kept whole, in bytes.
const LARGEST_ANSWER: u64 = 16 << 20;

/// How many of the newest entries of containers are looked at.
const CONTAINER_ENTRIES: &str = "--lines=10000";

/// How many names of containers are looked for.
const MAX_CONTAINERS: usize = 100;

/// What logs in place of a container that is not named.
const RUNTIMES: [&str; 4] = [
    "_SYSTEMD_UNIT=docker.service",
    "SYSLOG_IDENTIFIER=docker",
    "SYSLOG_IDENTIFIER=podman",
    "SYSLOG_IDENTIFIER=conmon",
];

/// What stands for the name of a container that is not known.
const UNNAMED: &str = "NAME";

/// The entries of the journal after a point in time.
#[derive(Debug)]
pub struct Journal {
    child: Child,
    /// At least one entry was read.
    any: bool,
    /// The invoking user may not see the entries of others.
    is_partial: bool,
    entries: Entries<BufReader<ChildStdout>>,
}

impl Journal {
    /// Starts `journalctl`, to read from `start`, in Unix seconds. `uid` is the user id of the service, if the
    /// author is one.
    pub fn open(author: Author, start: i64, uid: Option<u32>) -> Result<Self, Error> {
        let (units, is_partial) = units()?;
        let mut command = command()?;
        command.args(["--quiet", "--output=export", &format!("--since=@{}", start.max(0))]);
        // Of anybody, all come.
        if let Author::Service(service) = author {
            let mut matches = matches(&service, &units, uid);
            matches.push(format!("_TRANSPORT={DRIVER} MESSAGE_ID={DROPPED}"));
            command.args(matches.join(" + ").split(' '));
        }
        let mut child =
            command.stdout(Stdio::piped()).spawn().map_err(|error| cannot_run(&error))?;
        let output = child.stdout.take().ok_or_else(|| failed("no output"))?;
        Ok(Self {
            child,
            any: false,
            is_partial,
            entries: Entries::new(BufReader::with_capacity(64 << 10, output)),
        })
    }

    /// The next entry, or none at the end.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let entry = self.entries.next_entry()?;
        self.any |= entry.is_some();
        Ok(entry)
    }

    /// Waits for `journalctl`. It is an error if that failed, or if there is no journal at all. If there is one, but
    /// the invoking user may not see all of it, that is [`Error::Denied`].
    pub fn close(self) -> Result<(), Error> {
        let Self { mut child, any, is_partial, entries } = self;
        // It must not go on waiting for somebody to read.
        drop(entries);
        ended(&mut child)?;
        if is_partial {
            return Err(Error::Denied);
        }
        if any || newest_entry(&[])?.is_some() { Ok(()) } else { Err(no_journal()) }
    }
}

/// When the newest entry of an author was written, in Unix seconds; none if there is none. `uid` is the user id of a
/// service. Of anybody, only messages that contain `needle` are looked for, and none before `start`: those of a whole
/// journal can be very many.
pub fn newest(
    author: Author,
    uid: Option<u32>,
    needle: &[u8],
    start: i64,
) -> Result<Option<i64>, Error> {
    let (units, is_partial) = units()?;
    let arguments = match author {
        Author::Service(service) => {
            let matches = matches(&service, &units, uid).join(" + ");
            matches.split(' ').map(String::from).collect()
        }
        Author::Anybody => vec![
            format!("--since=@{}", start.max(0)),
            "--case-sensitive=yes".into(),
            format!("--grep=\\Q{}\\E", String::from_utf8_lossy(needle)),
        ],
    };
    match newest_entry(&arguments)? {
        None if is_partial => Err(Error::Denied),
        entry => Ok(entry.and_then(|entry| i64::try_from(entry.realtime / 1_000_000).ok())),
    }
}

/// The containers among whose newest entries are messages that contain `needle`: by name, as far as names can be
/// typed as they are, or `NAME` if that is not known. None if there are no such messages.
pub fn containers_with(needle: &[u8]) -> Result<Vec<String>, Error> {
    let (names, _) = values("CONTAINER_NAME")?;
    let names = names.iter().take(MAX_CONTAINERS).map(|name| format!("CONTAINER_NAME={name}"));
    let names = names.collect::<Vec<_>>();
    let mut command = command()?;
    command.args(["--quiet", "--output=export", CONTAINER_ENTRIES]);
    command.args(RUNTIMES.join(" + ").split(' '));
    if !names.is_empty() {
        command.arg("+").args(names);
    }
    let text = output(command)?.0;
    let (mut entries, mut found) = (Entries::new(&text[..]), BTreeSet::new());
    // An answer that is too long is cut off.
    while let Ok(Some(entry)) = entries.next_entry() {
        if memchr::memmem::find(&entry.message, needle).is_some() {
            found.insert(plain_name(&entry.container).unwrap_or(UNNAMED).to_owned());
        }
    }
    // A name that can be typed is worth more than any other.
    if found.len() > 1 {
        found.remove(UNNAMED);
    }
    Ok(found.into_iter().collect())
}

/// The name of a container, unless it has characters that mean something to a shell or to the runtime: any local user
/// can make one up, and root may type what the message says.
fn plain_name(name: &[u8]) -> Option<&str> {
    let is_allowed = |b: &u8| b.is_ascii_alphanumeric() || b"_.-".contains(b);
    let is_plain =
        name.iter().all(is_allowed) && name.first().is_some_and(u8::is_ascii_alphanumeric);
    std::str::from_utf8(name).ok().filter(|_| is_plain)
}

/// What to look for, of which any is enough, so that all entries of a service come.
fn matches(service: &Service, units: &[String], uid: Option<u32>) -> Vec<String> {
    let units = units.iter().filter(|unit| (service.is_unit)(unit.as_bytes()));
    let mut matches: Vec<String> = units.map(|unit| format!("_SYSTEMD_UNIT={unit}")).collect();
    matches.extend(uid.map(|uid| format!("_UID={uid}")));
    if matches.is_empty() {
        // No entry can be from the service. This unit has none; without a match, all would come.
        matches.push(format!("_SYSTEMD_UNIT={}", service.unit));
    }
    matches
}

/// The units that have entries in the journal, and whether the invoking user may not see all of them.
fn units() -> Result<(Vec<String>, bool), Error> {
    values("_SYSTEMD_UNIT")
}

/// The values of a field in all entries, and whether the invoking user may not see all of them.
fn values(field: &str) -> Result<(Vec<String>, bool), Error> {
    let mut command = command()?;
    command.arg(format!("--field={field}"));
    let (text, is_partial) = output(command)?;
    let text = String::from_utf8_lossy(&text);
    Ok((text.lines().map(String::from).collect(), is_partial))
}

/// The newest entry that matches.
fn newest_entry(arguments: &[String]) -> Result<Option<Entry>, Error> {
    let mut command = command()?;
    command.args(["--quiet", "--output=export", "--lines=1"]).args(arguments);
    let text = output(command)?.0;
    Entries::new(&text[..]).next_entry().map_err(|error| cannot_run(&error))
}

/// Runs `journalctl` to its end, and gives the start of its output, and whether it hints that the invoking user may
/// not see everything.
fn output(mut command: Command) -> Result<(Vec<u8>, bool), Error> {
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| cannot_run(&error))?;
    let mut text = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(LARGEST_ANSWER).read_to_end(&mut text).map_err(|error| cannot_run(&error))?;
    }
    let is_partial = ended(&mut child)?;
    Ok((text, is_partial))
}

/// Waits for `journalctl`, all of whose output has been read. It is an error if it failed. Gives whether it hints that
/// the invoking user may not see everything.
fn ended(child: &mut Child) -> Result<bool, Error> {
    // Its error output is short.
    let mut said = Vec::new();
    if let Some(errors) = child.stderr.take() {
        let _ = errors.take(4096).read_to_end(&mut said);
    }
    let remarks = Remarks::read(&String::from_utf8_lossy(&said));
    let failure = match child.wait() {
        Ok(status) if status.success() => false,
        Ok(_) => true,
        // Whoever started this program ignores SIGCHLD, and so do its children: the status is lost. What it said,
        // but for its hints, tells whether it failed.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::CHILD.raw_os_error()) => {
            remarks.error.is_some()
        }
        Err(error) => return Err(cannot_run(&error)),
    };
    match remarks {
        Remarks { is_denied: true, .. } => Err(Error::Denied),
        Remarks { is_missing: true, .. } => Err(no_journal()),
        Remarks { error, .. } if failure => {
            Err(failed(&error.unwrap_or_else(|| "it failed without a message".into())))
        }
        Remarks { is_partial, .. } => Ok(is_partial),
    }
}

/// What `journalctl` says on standard error (systemd, journal-util.c, `journal_access_check_and_warn()`).
#[derive(Debug, Default, PartialEq, Eq)]
struct Remarks {
    /// The invoking user may see only some entries.
    is_partial: bool,
    /// The invoking user may see none.
    is_denied: bool,
    /// There is no journal.
    is_missing: bool,
    /// The first line that is none of these.
    error: Option<String>,
}

impl Remarks {
    fn read(said: &str) -> Self {
        let mut remarks = Self::default();
        for line in said.lines() {
            if line.starts_with("Hint: You are currently not seeing messages from ") {
                remarks.is_partial = true;
            } else if line.contains("due to insufficient permissions") {
                remarks.is_denied = true;
            } else if line.starts_with("No journal files were found") {
                remarks.is_missing = true;
            } else if !line.starts_with(' ') && remarks.error.is_none() {
                remarks.error = Some(line.into());
            }
        }
        remarks
    }
}

fn command() -> Result<Command, Error> {
    let path = PROGRAMS.iter().find(|path| Path::new(path).exists());
    let mut command = Command::new(path.ok_or_else(|| failed("it is not installed"))?);
    // Its hints are recognized by their words.
    command.arg("--no-pager").env_clear().env("LC_ALL", "C");
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    Ok(command)
}

fn no_journal() -> Error {
    failed("there is no journal")
}

fn cannot_run(error: &io::Error) -> Error {
    failed(&error.to_string())
}

fn failed(what: &str) -> Error {
    Error::Program { program: NAME, what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_told_from_errors() {
        let groups = "Hint: You are currently not seeing messages from other users and the system.\n      \
                      Users in groups 'adm', 'systemd-journal' can see all messages.\n      \
                      Pass -q to turn off this notice.\n";
        let none = "No journal files were opened due to insufficient permissions.\n";
        let of = |is_partial, is_denied, is_missing, error: Option<&str>| Remarks {
            is_partial,
            is_denied,
            is_missing,
            error: error.map(String::from),
        };
        for (said, want) in [
            ("", of(false, false, false, None)),
            (groups, of(true, false, false, None)),
            (&format!("{groups}{none}"), of(true, true, false, None)),
            ("No journal files were found.\n", of(false, false, true, None)),
            (
                "Failed to open root directory: no\nmore\n",
                of(false, false, false, Some("Failed to open root directory: no")),
            ),
        ] {
            assert_eq!(Remarks::read(said), want, "{said}");
        }
    }
}
