//! A host of a test's own: a mount namespace in which `/usr/sbin`, `/dev` and, if asked for, more are private copies
//! (`tests/testkit/host.bash`). It takes root.
//!
//! A test hands its body to [`Namespace::test`], which runs that very test once more inside. [`Namespace::bash`] runs a
//! script instead. Debian roots with real servers are something else: they are whole systems, made by
//! `tests/roots.bash`.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::{Directory, cannot_run, is_root};

/// Where a test finds its directory when it runs inside.
const INSIDE: &str = "TESTKIT_INSIDE";

/// What a host has.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    /// A network of its own, with nothing in it.
    pub network: bool,
    /// Whether it sees only its own processes.
    pub processes: bool,
    /// Bash that makes more of the host, with the functions of `host.bash`; `$W` is the test's directory, in memory.
    pub setup: &'static str,
    /// More for the environment.
    pub environment: Vec<(&'static str, OsString)>,
}

impl Namespace {
    /// Runs a test on such a host. `test` is its name, with its modules; `body` is run inside, with the test's directory.
    /// Figures that it prints are passed on. It returns both inside and outside.
    #[expect(clippy::print_stderr, reason = "figures go to standard error")]
    pub fn test(&self, test: &str, body: impl FnOnce(&Path)) {
        if let Some(dir) = std::env::var_os(INSIDE) {
            return body(Path::new(&dir));
        }
        let dir = Directory::new();
        let script = format!("set -e\nprivate_host \"$W\"\n{}\nexec \"$@\"", self.setup);
        let own = std::env::current_exe().expect("a test is a program");
        let args = [own.as_os_str(), "--exact".as_ref(), "--nocapture".as_ref(), test.as_ref()];
        let Some(output) = self.run(&script, &args, dir.dir()) else { return };
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{test}: {}\n{out}\n{err}", output.status);
        assert!(out.contains("1 passed"), "there is no test of the name {test}: {out}");
        err.lines()
            .filter(|line| line.starts_with("figure: "))
            .for_each(|line| eprintln!("{line}"));
    }

    /// Whether this is the test that runs inside.
    pub fn is_inside() -> bool {
        std::env::var_os(INSIDE).is_some()
    }

    /// Runs a bash script in a mount namespace of its own; where it cannot have what it needs there, it ends with status
    /// 99. `None` if no namespace can be had, and that may be skipped.
    pub fn bash(&self, script: &str) -> Option<Output> {
        let dir = Directory::new();
        self.run(script, &[], dir.dir())
    }

    fn run(&self, script: &str, args: &[&OsStr], dir: &Path) -> Option<Output> {
        if !is_root() {
            cannot_run("namespaces take root");
            return None;
        }
        let kit = concat!(env!("CARGO_MANIFEST_DIR"), "/host.bash");
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if self.network {
            command.arg("--net");
        }
        if self.processes {
            command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
        }
        let output = command
            .args(["bash", "-c", &format!(". '{kit}'\n{script}"), "host"])
            .args(args)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("W", dir)
            .env(INSIDE, dir)
            .env_remove("SUDO_USER")
            .stdin(Stdio::null())
            .output()
            .expect("unshare runs");
        let err = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(99) || err.starts_with("unshare:") {
            cannot_run(&format!("no namespace can be made: {}", err.trim_end()));
            return None;
        }
        Some(output)
    }
}
