//! Running the programs as a user would, and the lines that strangers forge in logs.

pub mod injection;

use std::ffi::OsStr;
use std::io::Write;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The current time in most tests.
pub const NOW: &str = "2026-11-23 17:58:00";

/// How often something is repeated: the number in an environment variable, which `scripts/prove` sets, or else a few times.
pub fn times(variable: &str, few: u64) -> u64 {
    std::env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(few)
}

/// The program of that name, built with the same profile as the tests.
pub fn program(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let dir = DIRECTORY.get_or_init(|| {
        let test = std::env::current_exe().expect("a test is a program");
        let dir = test.parent().and_then(Path::parent).expect("target/PROFILE/deps").to_owned();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--workspace", "--bins", "--locked", "--profile"]);
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        // The directory of a profile has its name, except that of `dev`.
        let profile = dir.file_name().expect("a profile");
        build.arg(if profile == "debug" { "dev".as_ref() } else { profile });
        assert!(build.status().expect("cargo runs").success(), "the programs build");
        dir
    });
    dir.join(name)
}

/// A command that runs a program: in UTC, with an empty environment and without standard input.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(program(name));
    command.env_clear().env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// What a run printed and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error.
    pub err: String,
    /// The exit status; none if a signal ended it.
    pub status: Option<i32>,
}

impl Run {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            out: output.stdout,
            status: output.status.code(),
        }
    }
}

/// Runs a program to its end.
pub fn run<S: AsRef<OsStr>>(name: &str, args: &[S]) -> Run {
    command(name).args(args).output().expect("the program starts").into()
}

/// Runs a program to its end, with standard input.
pub fn run_with_input<S: AsRef<OsStr>>(name: &str, args: &[S], input: &[u8]) -> Run {
    let mut child = command(name)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("it was piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A program that rejects its arguments does not read.
        let _ = stdin.write_all(&input);
    });
    let run = child.wait_with_output().expect("the program ends").into();
    writer.join().expect("the writer ends");
    run
}

/// A temporary directory that is made after the programs are built: some tests depend on the age of their files.
#[derive(Debug)]
pub struct Directory(testkit::Directory);

impl Directory {
    /// Makes an empty directory.
    #[expect(clippy::new_without_default, reason = "it makes something on disk")]
    pub fn new() -> Self {
        program("");
        Self(testkit::Directory::new())
    }
}

impl Deref for Directory {
    type Target = testkit::Directory;

    fn deref(&self) -> &testkit::Directory {
        &self.0
    }
}

/// A line of an accepted message of Postfix, on the day that most tests use. It has no queue id, so that the same line
/// is another message each time.
pub fn accepted(time: &str, user: &str) -> String {
    format!(
        "Nov 23 {time} mx postfix/smtpd[7]: NOQUEUE: client=a1.isp.net[192.0.2.7], \
         sasl_method=PLAIN, sasl_username={user}\n"
    )
}
