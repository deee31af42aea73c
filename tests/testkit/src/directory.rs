//! A temporary directory of a test's own: files and programs are written into it, and it is removed with the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A temporary directory, removed when it is dropped.
#[derive(Debug)]
pub struct Directory(TempDir);

impl Directory {
    /// Makes an empty directory.
    #[expect(clippy::new_without_default, reason = "it makes something on disk")]
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    /// Makes one in memory, where the system has `/dev/shm`: for tests that write very often.
    pub fn in_memory() -> Self {
        Self(tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| Self::new().0))
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        self.0.path()
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Writes a file in it, and gives its path as text.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).expect("a temporary file");
        path.to_str().expect("a name in ASCII").to_owned()
    }

    /// The text of a file in it; empty where there is no such file.
    pub fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.path(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Writes an executable file, such as a script with its `#!` line.
    pub fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        write_program(&path, text);
        path
    }
}

/// Writes an executable file.
///
/// Another process writes it. Otherwise a child that another thread of the test starts at the same moment would
/// inherit the open file, and the program could not be run for as long as that child lives (`ETXTBSY`).
pub(crate) fn write_program(path: &Path, text: &str) {
    let written = Command::new("/bin/sh")
        .args(["-c", "rm -f \"$2\" && printf %s \"$1\" >\"$2\" && chmod 755 \"$2\"", "sh", text])
        .arg(path)
        .status();
    assert!(written.expect("sh runs").success(), "{} cannot be written", path.display());
}
