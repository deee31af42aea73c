//! Programs that record how they were run, for tests of what starts other programs.
//!
//! They need no privileges and no namespace: the code under test is given their paths.

use std::ops::Deref;
use std::path::PathBuf;

use crate::Directory;

/// A directory with fake programs, and what they recorded.
#[derive(Debug)]
pub struct Fakes(Directory);

impl Deref for Fakes {
    type Target = Directory;

    fn deref(&self) -> &Directory {
        &self.0
    }
}

impl Fakes {
    /// Makes an empty directory.
    #[expect(clippy::new_without_default, reason = "it makes something on disk")]
    pub fn new() -> Self {
        Self(Directory::new())
    }

    /// Writes a file, and gives its path.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        self.file(name, text).into()
    }

    /// A program that records its arguments and environment, and then runs `script`, in which `$here` is this
    /// directory.
    pub fn program(&self, name: &str, script: &str) -> PathBuf {
        let here = self.dir().display();
        let text = format!(
            "#!/bin/sh\nhere='{here}'\n{{ printf '[%s]' \"$0\" \"$@\"; echo; env | sort; }} \
             | sed \"s#$here/##g\" >>\"$here/record\"\n{script}\n"
        );
        self.0.program(name, &text)
    }

    /// The calls so far, each as `[PROGRAM][ARGUMENT]…`. Panics where a program was run with any environment but the
    /// one that spamact gives.
    pub fn calls(&self) -> Vec<String> {
        let record = self.read("record");
        let given = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "PWD=/"];
        let (calls, environment): (Vec<_>, Vec<_>) =
            record.lines().partition(|line| line.starts_with('['));
        for line in environment {
            // The shell sets these by itself.
            let shell = line.starts_with("_=") || line.starts_with("OLDPWD=") || line == "SHLVL=0";
            assert!(given.contains(&line) || shell, "{line}");
        }
        calls.into_iter().map(str::to_owned).collect()
    }
}
