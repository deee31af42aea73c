//! The NIS master is another host: a fixed Perl program does the work there.
//!
//! The master's answers are not trusted: at most 64 KiB of its output are kept, and they must be one of a few
//! words. Every step has a time limit. The session ends with its [`Connection`]; if this process is killed,
//! `ssh` ends it a minute later.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::process::ExitStatus;
use std::sync::LazyLock;
use std::time::Duration;

use openssh::{ControlPersist, KnownHosts, Session, SessionBuilder, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::super::{AccountStatus, Error};
use super::{Action, Nis};
use crate::account::{AccountName, Refusal};
use crate::system;
use crate::system::process::first_line;

/// The interpreter of the program.
const PERL: &str = "/usr/bin/perl";

/// The program without comments, joined to one line, so that it works with any login shell on the master.
pub(super) static PROGRAM: LazyLock<String> = LazyLock::new(|| {
    let lines = include_str!("program.pl").lines().map(str::trim);
    let code: Vec<_> = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    code.join(" ")
});

/// How much of an output is kept.
const KEPT: usize = 64 << 10;

/// The interval of keep-alive messages. Three in a row without an answer end the session.
const ALIVE: Duration = Duration::from_secs(10);

/// How long `ssh` keeps a connection that nobody uses.
const IDLE: NonZeroUsize = NonZeroUsize::new(60).expect("a constant");

/// How much longer each step may take than the limits that apply within it.
const GRACE: Duration = Duration::from_secs(30);

impl Action {
    /// What the program on the master calls it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Lock => "lock",
            Self::Unlock => "unlock",
        }
    }
}

/// A session on a master.
#[derive(Debug)]
pub(super) struct Connection {
    session: Session,
    runtime: Runtime,
}

impl Connection {
    /// Connects, or says why it cannot.
    pub(super) fn open(nis: &Nis) -> Result<Self, String> {
        control(&nis.control)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
        let mut builder = SessionBuilder::default();
        builder
            .known_hosts_check(KnownHosts::Strict)
            .connect_timeout(nis.connect_limit)
            .server_alive_interval(ALIVE)
            .control_directory(&nis.control)
            .control_persist(ControlPersist::IdleFor(IDLE))
            .user(nis.master.user.clone());
        if let Some(port) = nis.master.port {
            builder.port(port);
        }
        if let Some(file) = &nis.known_hosts {
            builder.user_known_hosts_file(file);
        }
        if let Some(key) = &nis.identity {
            builder.keyfile(key);
        }
        // ssh's own limit expires first; this one is for what ssh does not limit.
        let limit = nis.connect_limit + nis.connect_limit / 2;
        let connect = async { timeout(limit, builder.connect(&nis.master.host)).await };
        match runtime.block_on(connect) {
            Ok(Ok(session)) => Ok(Self { session, runtime }),
            Ok(Err(error)) => Err(complaint(&error)),
            Err(_) => Err(format!("no answer within {} seconds", limit.as_secs())),
        }
    }

    /// Does something to an account, and gives its status afterwards.
    pub(super) fn act(
        &self,
        nis: &Nis,
        action: Action,
        name: &AccountName,
    ) -> Result<AccountStatus, Error> {
        let answer = self.ask(nis, arguments(nis, action.word(), name.as_ref()))?;
        status(nis, name, &answer)
    }

    /// Makes the maps.
    pub(super) fn make(&self, nis: &Nis) -> Result<(), Error> {
        made(nis, &self.ask(nis, arguments(nis, "make", "-"))?)
    }

    fn ask(&self, nis: &Nis, arguments: Vec<String>) -> Result<Answer, Error> {
        let limit = nis.make_limit + GRACE;
        let asked = async { timeout(limit, self.call(arguments)).await };
        match self.runtime.block_on(asked) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(nis.no_master(complaint(&error))),
            Err(_) => Err(nis.no_master(format!("no answer within {} seconds", limit.as_secs()))),
        }
    }

    async fn call(&self, arguments: Vec<String>) -> Result<Answer, openssh::Error> {
        let mut child = self
            .session
            .command(PERL)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .await?;
        let stdout = tokio::spawn(kept(child.stdout().take()));
        let stderr = tokio::spawn(kept(child.stderr().take()));
        let status = child.wait().await?;
        let (stdout, stderr) = (stdout.await.unwrap_or_default(), stderr.await.unwrap_or_default());
        Ok(Answer { status, stdout, stderr })
    }
}

/// How the program ended on the master, and what it wrote.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// The arguments of perl.
pub(super) fn arguments(nis: &Nis, action: &str, name: &str) -> Vec<String> {
    let path = |path: &Path| path.display().to_string();
    vec![
        "-e".into(),
        PROGRAM.clone(),
        "--".into(),
        action.into(),
        name.into(),
        path(&nis.files),
        path(&nis.passwd),
        path(&nis.login_defs),
        path(&nis.lock_file),
        path(&nis.make),
        path(&nis.maps),
        // An alarm after 0 seconds would be no alarm.
        nis.make_limit.as_secs().max(1).to_string(),
    ]
}

/// The status of an account, from the program's answer.
pub(super) fn status(
    nis: &Nis,
    name: &AccountName,
    answer: &Answer,
) -> Result<AccountStatus, Error> {
    let unfit = |refusal| Err(Error::Unfit { name: name.clone(), refusal });
    match word(nis, answer)? {
        "open" => Ok(AccountStatus::Open),
        "locked" => Ok(AccountStatus::Locked),
        "missing" => Ok(AccountStatus::Missing),
        "system" => unfit(Refusal::System),
        "unknown" => unfit(Refusal::Unknown),
        word => refusal(nis, word, answer),
    }
}

/// Whether the maps were made, from the program's answer.
pub(super) fn made(nis: &Nis, answer: &Answer) -> Result<(), Error> {
    match word(nis, answer)? {
        "made" => Ok(()),
        word => refusal(nis, word, answer),
    }
}

fn word<'a>(nis: &Nis, answer: &'a Answer) -> Result<&'a str, Error> {
    if !answer.status.success() {
        let said = first_line(&answer.stderr);
        return Err(failed(nis, if said.is_empty() { answer.status.to_string() } else { said }));
    }
    let word = answer.stdout.strip_suffix(b"\n").unwrap_or(&answer.stdout);
    Ok(std::str::from_utf8(word).unwrap_or_default())
}

/// Errors that any action may return.
fn refusal<T>(nis: &Nis, word: &str, answer: &Answer) -> Result<T, Error> {
    Err(match word {
        "busy" => Error::Busy { path: nis.lock_file.clone() },
        "make" => Error::Maps { how: format!("make: {}", first_line(&answer.stderr)) },
        _ => failed(nis, format!("not understood: {}", first_line(&answer.stdout))),
    })
}

fn failed(nis: &Nis, how: String) -> Error {
    system::Error::Failed { program: format!("{}:{PERL}", nis.master.text).into(), how }.into()
}

/// The first 64 KiB of an output. The rest is read and dropped.
async fn kept(output: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    if let Some(mut output) = output {
        while let Ok(n @ 1..) = output.read(&mut buffer).await {
            text.extend_from_slice(&buffer[..n.min(KEPT - text.len())]);
        }
    }
    text
}

/// What `ssh` complained of: the last line sums up the ones before it.
fn complaint(error: &openssh::Error) -> String {
    let text = spamcore::error::chain(error);
    first_line(text.trim_end().lines().next_back().unwrap_or_default().as_bytes())
}

/// Makes and checks the directory for the sockets of `ssh`. It must be private: whoever can reach the sockets
/// is root on the master.
fn control(dir: &Path) -> Result<(), String> {
    let failed = |what: String| format!("{}: {what}", dir.display());
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(failed(error.to_string()));
        }
        _ => {}
    }
    let metadata = fs::symlink_metadata(dir).map_err(|error| failed(error.to_string()))?;
    let is_own = metadata.uid() == rustix::process::geteuid().as_raw();
    if !metadata.is_dir() || !is_own || metadata.mode() & 0o077 != 0 {
        return Err(failed("not a private directory".into()));
    }
    Ok(())
}
