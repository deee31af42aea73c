//! Running another program.
//!
//! Takes an absolute path, arguments and a time limit; gives how the program ended and the start of its output.
//! There is no shell. The environment has nothing but `PATH` and `LC_ALL=C`, the working directory is `/`, and
//! standard input is `/dev/null` or the given bytes; nothing is written to the outputs of this process. When the
//! time is over, the program's whole process group is killed and the program reaped. A descendant that has left
//! the group (a daemon) is not killed, and it is not waited for, even if it keeps an output open.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::system::Error;
use crate::system::escape::cut;

/// The `PATH` of the programs.
pub(crate) const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// How much of an output is kept.
const KEPT: usize = 64 << 10;

/// How long an output is still read after the program has ended.
const DRAIN: Duration = Duration::from_secs(1);

/// The pause between two checks whether a program has ended, once it takes longer.
const PAUSE: Duration = Duration::from_millis(20);

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its exit status, or the signal that ended it.
    pub status: ExitStatus,
    /// The first 64 KiB of its standard output.
    pub stdout: Vec<u8>,
    /// The first 64 KiB of its standard error.
    pub stderr: Vec<u8>,
}

impl Outcome {
    /// The first line on standard error that is not empty, escaped.
    pub fn complaint(&self) -> String {
        first_line(&self.stderr)
    }

    /// How it ended and what it complained of: `exit status 1: no such user`.
    pub fn how(&self) -> String {
        let end = match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("killed by signal {signal}"),
            (None, None) => "ended".into(),
        };
        match self.complaint() {
            said if said.is_empty() => end,
            said => format!("{end}: {said}"),
        }
    }

    /// This outcome, if the program succeeded; anything else is an error.
    pub fn success(self, program: &Path) -> Result<Self, Error> {
        if self.status.success() {
            return Ok(self);
        }
        Err(Error::Failed { program: program.to_owned(), how: self.how() })
    }
}

/// The first line of a text that is not empty, escaped and truncated to 200 bytes.
pub(crate) fn first_line(text: &[u8]) -> String {
    let mut lines = text.split(|&b| b == b'\n').map(<[u8]>::trim_ascii);
    let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
    cut(line, 200)
}

/// Runs a program and waits for it. `input` is what it reads; `None` is `/dev/null`.
///
/// An exit status other than 0 is not an error here, see [`Outcome::success`].
pub fn run<A: AsRef<OsStr>>(
    program: &Path,
    args: &[A],
    input: Option<&[u8]>,
    limit: Duration,
) -> Result<Outcome, Error> {
    let start = |source| Error::Start { program: program.to_owned(), source };
    if !program.is_absolute() {
        return Err(start(io::Error::new(io::ErrorKind::InvalidInput, "the path is not absolute")));
    }
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .current_dir("/")
        .process_group(0)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let until = Instant::now() + limit;
    let mut child = command.spawn().map_err(start)?;
    let pipes = Pipes::of(&mut child, input);
    let mut pipes = pipes.map_err(|source| {
        end(&mut child);
        start(source)
    })?;
    let mut pause = Duration::from_millis(1);
    let status = loop {
        if let Some(status) = child.try_wait().map_err(start)? {
            break status;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            end(&mut child);
            return Err(Error::TimeLimit { program: program.to_owned(), seconds: limit.as_secs() });
        }
        if let Err(source) = pipes.pump(pause.min(left)) {
            // With half of its input it must not go on.
            end(&mut child);
            return Err(start(source));
        }
        pause = (pause * 2).min(PAUSE);
    };
    let drained = Instant::now() + DRAIN;
    while pipes.are_read() && Instant::now() < drained {
        pipes.pump(PAUSE).map_err(start)?;
    }
    let [stdout, stderr] = pipes.outputs.map(|output| output.text);
    Ok(Outcome { status, stdout, stderr })
}

/// The pipes of a child. They are read and written as far as the child allows, without a thread for each: a program
/// that was started must not be killed only because no thread can be.
struct Pipes<'a> {
    input: Option<(File, &'a [u8])>,
    outputs: [Output; 2],
}

/// An output of a child, and the part of it that is kept.
struct Output {
    pipe: Option<File>,
    text: Vec<u8>,
}

impl<'a> Pipes<'a> {
    fn of(child: &mut Child, input: Option<&'a [u8]>) -> io::Result<Self> {
        let pipe = |fd: Option<OwnedFd>| -> io::Result<Option<File>> {
            let Some(fd) = fd else { return Ok(None) };
            fcntl_setfl(&fd, fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
            Ok(Some(fd.into()))
        };
        let stdin = pipe(child.stdin.take().map(OwnedFd::from))?;
        let outputs =
            [child.stdout.take().map(OwnedFd::from), child.stderr.take().map(OwnedFd::from)];
        let [stdout, stderr] = outputs.map(pipe);
        let output = |pipe| Output { pipe, text: Vec::new() };
        Ok(Self { input: stdin.zip(input), outputs: [output(stdout?), output(stderr?)] })
    }

    /// Whether an output may still have something.
    fn are_read(&self) -> bool {
        self.outputs.iter().any(|output| output.pipe.is_some())
    }

    /// Waits until a pipe is ready, but no longer than that, and moves what can be moved. It is an error if the input
    /// cannot be written.
    fn pump(&mut self, longest: Duration) -> io::Result<()> {
        let input = self.input.iter().map(|(pipe, _)| PollFd::new(pipe, PollFlags::OUT));
        let outputs = self.outputs.iter().filter_map(|output| output.pipe.as_ref());
        let mut all: Vec<_> =
            input.chain(outputs.map(|pipe| PollFd::new(pipe, PollFlags::IN))).collect();
        let Ok(timeout) = Timespec::try_from(longest) else { return Ok(()) };
        if all.is_empty() || poll(&mut all, Some(&timeout)).is_err() {
            thread::sleep(longest);
        }
        self.feed()?;
        self.outputs.iter_mut().for_each(Output::read);
        Ok(())
    }

    fn feed(&mut self) -> io::Result<()> {
        let Some((pipe, text)) = &mut self.input else { return Ok(()) };
        while !text.is_empty() {
            match pipe.write(text) {
                Ok(written) => *text = &text[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // A program that does not read its input is not an error: its exit status counts.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                Err(error) => return Err(error),
            }
        }
        self.input = None;
        Ok(())
    }
}

impl Output {
    /// Reads what there is, but no more than a pipe holds: the time limit must be looked at.
    fn read(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        let mut buffer = [0; 4096];
        for _ in 0..16 {
            match pipe.read(&mut buffer) {
                Ok(read) if read > 0 => {
                    let kept = read.min(KEPT - self.text.len());
                    self.text.extend_from_slice(&buffer[..kept]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                _ => {
                    self.pipe = None;
                    return;
                }
            }
        }
    }
}

/// Kills the child's group, and reaps the child. It is not yet reaped, so its pid cannot have been reused.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn sh(script: &str, input: Option<&[u8]>, limit: Duration) -> Result<Outcome, Error> {
        run(Path::new("/bin/sh"), &["-c", script], input, limit)
    }

    #[test]
    fn the_environment_is_ours_and_the_input_empty() {
        let out = run::<&str>(Path::new("/usr/bin/env"), &[], None, SOON).expect("env runs");
        let mut lines: Vec<_> = out.stdout.split_inclusive(|&b| b == b'\n').collect();
        lines.sort_unstable();
        assert_eq!(lines.concat(), format!("LC_ALL=C\nPATH={PATH}\n").as_bytes());
        let out = sh("pwd; cat; echo two; echo one >&2", None, SOON).expect("sh runs");
        assert_eq!((&out.stdout[..], &out.stderr[..]), (&b"/\ntwo\n"[..], &b"one\n"[..]));
    }

    #[test]
    fn arguments_reach_the_program_byte_for_byte() {
        let hostile = ["$(id)", "a b", "", "-n", "'\"\\", "a\nb", "*", "~", "\u{f6}"];
        let mut args = vec!["%s\\0"];
        args.extend(hostile);
        let out = run(Path::new("/usr/bin/printf"), &args, None, SOON).expect("printf runs");
        let want: Vec<u8> = hostile.iter().flat_map(|a| a.bytes().chain([0])).collect();
        assert_eq!(out.stdout, want);
    }

    #[test]
    fn input_is_given_even_where_nobody_reads_it() {
        let big = vec![b'x'; 300_000];
        let out = sh("wc -c", Some(&big), SOON).expect("sh runs");
        assert_eq!(out.stdout.trim_ascii(), b"300000");
        assert!(sh("exit 0", Some(&big), SOON).expect("sh runs").status.success());
    }

    #[test]
    fn failures_are_told_with_their_first_line() {
        let out = sh("echo >&2; printf 'so\\033[1m it is\\nmore\\n' >&2; exit 3", None, SOON)
            .expect("sh runs");
        assert_eq!(out.how(), "exit status 3: so\\x1b[1m it is");
        let error = out.success(Path::new("/bin/sh")).expect_err("a bad status");
        assert!(matches!(error, Error::Failed { .. }), "{error}");
        let out = sh("kill -9 $$", None, SOON).expect("sh runs");
        assert_eq!(out.how(), "killed by signal 9");
    }

    #[test]
    fn what_cannot_be_started_is_an_error() {
        let missing = Path::new("/nowhere/passwd");
        let error = run(missing, &["x"], None, SOON).expect_err("a missing program");
        assert!(matches!(error, Error::Start { .. }));
        let error = run(Path::new("sh"), &["x"], None, SOON).expect_err("a name without a path");
        assert!(matches!(error, Error::Start { .. }));
    }

    #[test]
    fn output_is_bounded_and_read_to_its_end() {
        let out =
            sh("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 7", None, SOON)
                .expect("sh runs");
        assert_eq!((out.stdout.len(), out.stderr.len(), out.status.code()), (KEPT, KEPT, Some(7)));
    }

    #[test]
    fn over_time_the_whole_group_dies() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("pids");
        let script = format!("sleep 300 & echo $! >{0}; echo $$ >>{0}; wait", file.display());
        let started = Instant::now();
        let error = sh(&script, None, Duration::from_secs(1)).expect_err("it sleeps");
        assert!(matches!(error, Error::TimeLimit { seconds: 1, .. }), "{error}");
        assert!(started.elapsed() < Duration::from_secs(10));
        for pid in std::fs::read_to_string(file).expect("the pids").lines() {
            // Killed, or already reaped by whoever inherited it.
            let gone = || {
                std::fs::read_to_string(format!("/proc/{pid}/stat"))
                    .map_or(true, |stat| stat.contains(") Z "))
            };
            let until = Instant::now() + SOON;
            while !gone() && Instant::now() < until {
                thread::sleep(Duration::from_millis(10));
            }
            assert!(gone(), "{pid} lives");
        }
    }

    #[test]
    fn a_daemon_that_keeps_the_outputs_is_not_waited_for() {
        let started = Instant::now();
        let out = sh("setsid sleep 15 & echo done", None, SOON).expect("sh runs");
        assert_eq!(out.stdout, b"done\n");
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
