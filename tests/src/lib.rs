//! Running the programs as a user would, and what strangers plant in logs.

pub mod planted;
pub mod random;

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time that most tests look at.
pub const NOW: &str = "2026-11-23 17:58:00";

/// How often something is tried: the number in a variable of the environment, else a few times. Who
/// proves something sets it.
pub fn times(variable: &str, few: u64) -> u64 {
    std::env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(few)
}

/// Figures that are never the same twice, for moments.
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// Begins with the clock.
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(now.as_nanos().try_into().unwrap_or(1) | 1)
    }

    /// A duration from nothing to `longest` (xorshift).
    pub fn below(&mut self, longest: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        longest * u32::try_from(self.0 >> 40).unwrap_or(0) / (1 << 24)
    }
}

impl Default for Chance {
    fn default() -> Self {
        Self::new()
    }
}

/// The built program of that name, of the same profile as the tests.
pub fn program(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let dir = DIRECTORY.get_or_init(|| {
        let test = std::env::current_exe().expect("a test is a program");
        let dir = test.parent().and_then(Path::parent).expect("target/PROFILE/deps").to_owned();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--workspace", "--bins", "--locked", "--profile"]);
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        // A profile's directory bears its name, but for that of `dev`.
        let profile = dir.file_name().expect("a profile");
        build.arg(if profile == "debug" { "dev".as_ref() } else { profile });
        assert!(build.status().expect("cargo runs").success(), "the programs build");
        dir
    });
    dir.join(name)
}

/// A run of a program: in UTC, without an environment, without standard input.
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
    /// The exit status; none where a signal ended it.
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
        // A program that refuses its arguments does not read.
        let _ = stdin.write_all(&input);
    });
    let run = child.wait_with_output().expect("the program ends").into();
    writer.join().expect("the writer ends");
    run
}

/// A directory of a test's own, gone with it.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// Makes a directory.
    #[expect(clippy::new_without_default, reason = "it makes something on disk")]
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Built before a file is written: some tests look at how old it is.
        program("");
        let path = std::env::temp_dir().join(format!("spam-check-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in it, and gives its path as text.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a temporary file");
        path.to_str().expect("a plain name").to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left in the temporary directory harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a mount namespace is made into a host of a test's own by, in bash: `$W`, an empty directory, is one in
/// memory then, and `/usr/sbin` and `/dev` can be changed. Where that cannot be had it ends with status 99.
pub const HOST: &str = r#"
mount -t tmpfs -o mode=755 none "$W" || exit 99
set -e
mkdir "$W/upper" "$W/work" "$W/dev"
mount -t overlay overlay -o "lowerdir=/usr/sbin,upperdir=$W/upper,workdir=$W/work" /usr/sbin 2>/dev/null || {
    cp -a /usr/sbin "$W/sbin"; mount --bind "$W/sbin" /usr/sbin
}
mount -t tmpfs -o mode=755 none "$W/dev"
for device in null zero full random urandom; do
    : >"$W/dev/$device"; mount --bind "/dev/$device" "$W/dev/$device"
done
ln -s /proc/self/fd "$W/dev/fd"
mount --rbind "$W/dev" /dev
"#;

/// An accept line of Postfix at a time of the day that most tests look at.
pub fn accepted(time: &str, user: &str) -> String {
    format!(
        "Nov 23 {time} mx postfix/smtpd[7]: 3F1A2B: client=a1.isp.net[192.0.2.7], \
         sasl_method=PLAIN, sasl_username={user}\n"
    )
}
