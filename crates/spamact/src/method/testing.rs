//! Fakes of other programs, for the tests of this module: shell scripts that record how they were run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::account::AccountName;

/// How the report line names an error.
pub(crate) use crate::act::reason;

/// A directory with fakes, and what they recorded.
pub(crate) struct Fakes(TempDir);

impl Fakes {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file");
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("the file")
    }

    /// A program that records its arguments and environment, and then runs `script`, in which `$here` is this
    /// directory.
    ///
    /// Another process writes it. Otherwise a test that forks at that moment would keep the file open for
    /// writing, and it could not be run.
    pub(crate) fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.path(name);
        let text = format!(
            "#!/bin/sh\nhere='{}'\n{{ printf '[%s]' \"$0\" \"$@\"; echo; env | sort; }} \
             | sed \"s#$here/##g\" >>\"$here/record\"\n{script}\n",
            self.0.path().display()
        );
        let made = Command::new("/bin/sh")
            .args(["-c", "printf %s \"$1\" >\"$2\" && chmod 755 \"$2\"", "sh", &text])
            .arg(&path)
            .status()
            .expect("sh runs");
        assert!(made.success());
        path
    }

    /// The calls so far, each as `[PROGRAM][ARGUMENT]…`. Their environment must be the one that is set for them.
    pub(crate) fn calls(&self) -> Vec<String> {
        let record = fs::read_to_string(self.path("record")).unwrap_or_default();
        let known = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "PWD=/"];
        let (calls, environment): (Vec<_>, Vec<_>) =
            record.lines().partition(|line| line.starts_with('['));
        for line in environment {
            // The shell sets these two by itself.
            let shell = line.starts_with("_=") || line.starts_with("OLDPWD=") || line == "SHLVL=0";
            assert!(known.contains(&line) || shell, "{line}");
        }
        calls.into_iter().map(str::to_owned).collect()
    }

    pub(crate) fn dir(&self) -> &Path {
        self.0.path()
    }
}

pub(crate) fn name(text: &str) -> AccountName {
    AccountName::check(text.as_bytes()).expect("a name")
}
