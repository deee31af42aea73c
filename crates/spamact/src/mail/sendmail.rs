//! The sendmail of this host, for when its mail server does not answer.
//!
//! Takes the program's path, an address and a mail; gives `Ok` when the program ended with status 0.
//! No shell, no environment but a fixed `PATH`, and a time limit after which its whole process group is
//! killed. What it says goes nowhere but into the error, cut.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::Address;
use crate::error::Error;
use crate::printable::cut;

/// How much of what it says is kept.
const KEPT: usize = 4096;
const SHOWN: usize = 300;

/// How long its output is waited for once it has ended: a process it left may hold the pipe open.
const AFTERWARDS: Duration = Duration::from_millis(500);

/// The pause between two looks at whether it has ended.
const PAUSE: Duration = Duration::from_millis(10);

/// Sends a mail, its lines ended by CR LF.
pub(super) fn send(
    program: &Path,
    to: &Address,
    message: &[u8],
    longest: Duration,
) -> Result<(), Error> {
    let failed = |what: String| Error::Program { program: program.to_owned(), what };
    let mut child = Command::new(program)
        .args(["-i", "--", to.as_ref()])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| failed(format!("cannot be run: {error}")))?;
    let (said, heard) = mpsc::channel();
    listen(child.stdout.take(), said.clone());
    listen(child.stderr.take(), said);
    // Lines of a file on this host end in LF.
    let message: Vec<u8> = message.iter().copied().filter(|b| *b != b'\r').collect();
    let mut stdin = child.stdin.take();
    // Who ends without reading says why by its status.
    thread::spawn(move || stdin.as_mut().map(|stdin| stdin.write_all(&message)));
    let status = match end(&mut child, longest) {
        Ok(Some(status)) => status,
        Ok(None) => {
            return Err(failed(format!("killed: it took more than {} s", longest.as_secs())));
        }
        Err(error) => return Err(failed(error.to_string())),
    };
    if status.success() {
        return Ok(());
    }
    let mut what = status.to_string();
    let until = Instant::now() + AFTERWARDS;
    while let Ok(text) = heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
        let first = text.split(|b| *b == b'\n').find(|line| !line.trim_ascii().is_empty());
        if let Some(first) = first {
            what.push_str(": ");
            what.push_str(&cut(first.trim_ascii(), SHOWN));
            break;
        }
    }
    Err(failed(what))
}

/// Waits for the end; one that does not come in time is brought about.
fn end(child: &mut Child, longest: Duration) -> std::io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begun.elapsed() >= longest {
            // It leads a group of its own, and is not reaped: the number is still its.
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(PAUSE);
    }
}

/// Reads a pipe to its end, so that the writer never waits, and hands on its beginning.
fn listen(pipe: Option<impl Read + Send + 'static>, said: mpsc::Sender<Vec<u8>>) {
    let Some(mut pipe) = pipe else { return };
    thread::spawn(move || {
        let (mut kept, mut part) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = pipe.read(&mut part) {
            let room = KEPT.saturating_sub(kept.len());
            kept.extend_from_slice(&part[..length.min(room)]);
        }
        // Nobody may be listening any more.
        let _ = said.send(kept);
    });
}
