//! The master of NIS is another host: a constant program does there what is to be done.
//!
//! Takes the answers of strangers: a master's output is read to 64 KiB and is one word of a few, or it is
//! not understood. Every step has its time limit. The session ends with its [`Connection`]; when we are
//! killed, `ssh` ends it a minute later.

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

/// What runs the program.
const PERL: &str = "/usr/bin/perl";

/// The program in one line, whatever shell the master's user has: without comments, lines joined.
pub(super) static PROGRAM: LazyLock<String> = LazyLock::new(|| {
    let lines = include_str!("program.pl").lines().map(str::trim);
    let code: Vec<_> = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    code.join(" ")
});

/// So much of an output is kept.
const KEPT: usize = 64 << 10;

/// Two of three unanswered questions whether the master still lives may get lost.
const ALIVE: Duration = Duration::from_secs(10);

/// How long `ssh` keeps a connection that nobody uses.
const IDLE: NonZeroUsize = NonZeroUsize::new(60).expect("a constant");

/// What is granted to each step beyond the limits that hold within it.
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
    /// Connects, or says what happened.
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
        // ssh's own limit comes first; this one is for what it does not time.
        let limit = nis.connect_limit + nis.connect_limit / 2;
        let connect = async { timeout(limit, builder.connect(&nis.master.host)).await };
        match runtime.block_on(connect) {
            Ok(Ok(session)) => Ok(Self { session, runtime }),
            Ok(Err(error)) => Err(complaint(&error)),
            Err(_) => Err(format!("no answer within {} seconds", limit.as_secs())),
        }
    }

    /// Does something to an account; gives how it stands at the end.
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

/// How the program ended on the master, and what it said.
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
        // An alarm of 0 seconds would be none.
        nis.make_limit.as_secs().max(1).to_string(),
    ]
}

/// How an account stands, by the program's word.
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

/// Whether the maps are made, by the program's word.
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

/// The words that any action may end with; others are not understood.
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

/// The first 64 KiB of an output, which is read to its end.
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

/// What `ssh` complained of: its last line sums up the ones before, if there are any.
fn complaint(error: &openssh::Error) -> String {
    let text = spamcore::error::chain(error);
    first_line(text.trim_end().lines().next_back().unwrap_or_default().as_bytes())
}

/// The directory for the sockets of `ssh`: ours alone, or whoever can reach them is root on the master.
fn control(dir: &Path) -> Result<(), String> {
    let failed = |what: String| format!("{}: {what}", dir.display());
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(failed(error.to_string()));
        }
        _ => {}
    }
    let metadata = fs::symlink_metadata(dir).map_err(|error| failed(error.to_string()))?;
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    if !metadata.is_dir() || !ours || metadata.mode() & 0o077 != 0 {
        return Err(failed("not a private directory".into()));
    }
    Ok(())
}
