//! Only one run acts at a time.
//!
//! Takes the directory of the state; gives a guard, or [`Error::AnotherRun`] if another run held the lock for the
//! whole time that this one was willing to wait. The lock is a `flock` on a file that is never deleted: the kernel
//! releases it when the process ends, however it ends, and two runs can never lock two files of the same name. If
//! the file cannot be written because the disk is read-only or full, the existing file is locked, or the directory.
//! Runs on other hosts are not excluded.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::system::Error;
use crate::system::files;

/// How long to wait for another run, by default.
pub const WAIT: Duration = Duration::from_secs(30);

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// The file of the lock to act on accounts.
const NAME: &str = "lock";

/// The file of the lock to send the notices that wait.
const SENDING: &str = "sending";

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Waits for the lock to act. `root` says whether root runs the program; the directory is created if it is
    /// missing.
    pub fn acquire(dir: &Path, root: bool, longest: Duration) -> Result<Self, Error> {
        Self::acquire_named(NAME, dir, root, longest)
    }

    /// Waits for the lock to send notices: that may take long, and other runs act meanwhile.
    pub fn acquire_to_send(dir: &Path, root: bool, longest: Duration) -> Result<Self, Error> {
        Self::acquire_named(SENDING, dir, root, longest)
    }

    fn acquire_named(name: &str, dir: &Path, root: bool, longest: Duration) -> Result<Self, Error> {
        files::create_dir(dir, root)?;
        let path = dir.join(name);
        let failed = |source| Error::Write { path: path.clone(), source };
        let nofollow = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits())
            .expect("flags of open(2) are an int");
        let open = |path: &Path, writes: bool| {
            OpenOptions::new()
                .read(true)
                .write(writes)
                .create(writes)
                .truncate(false)
                .mode(0o600)
                .custom_flags(nofollow)
                .open(path)
        };
        let file = match open(&path, true) {
            Err(error)
                if matches!(error.kind(), ReadOnlyFilesystem | StorageFull | QuotaExceeded) =>
            {
                match open(&path, false) {
                    // Not the directory for sending: other runs must be able to act meanwhile.
                    Err(_) if name == NAME => open(dir, false),
                    other => other,
                }
                .map_err(|_| error)
            }
            other => other,
        };
        let file = file.map_err(failed)?;
        let started = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => {
                    let left = longest.saturating_sub(started.elapsed());
                    if left.is_zero() {
                        return Err(Error::AnotherRun);
                    }
                    std::thread::sleep(left.min(PAUSE));
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::files::tests::names;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tempfile::tempdir;

    #[test]
    fn twenty_at_once_act_one_after_the_other() {
        let scratch = tempdir().expect("a directory");
        let (inside, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let guard = RunLock::acquire(scratch.path(), false, Duration::from_secs(60));
                    let guard = guard.expect("each has its turn");
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::sleep(Duration::from_millis(2));
                    inside.fetch_sub(1, Ordering::SeqCst);
                    done.fetch_add(1, Ordering::SeqCst);
                    drop(guard);
                });
            }
        });
        assert_eq!(done.into_inner(), 20);
        assert_eq!(names(scratch.path()), [NAME]);
    }

    #[test]
    fn a_run_that_holds_it_too_long_is_told() {
        let scratch = tempdir().expect("a directory");
        let held = RunLock::acquire(scratch.path(), false, Duration::ZERO).expect("it is free");
        for longest in [Duration::ZERO, Duration::from_millis(80)] {
            let started = Instant::now();
            let second = RunLock::acquire(scratch.path(), false, longest);
            assert!(matches!(second, Err(Error::AnotherRun)));
            assert!(started.elapsed() >= longest);
        }
        drop(held);
        RunLock::acquire(scratch.path(), false, Duration::ZERO).expect("it is free again");
    }

    #[test]
    fn a_killed_process_holds_it_no_longer() {
        let scratch = tempdir().expect("a directory");
        drop(RunLock::acquire(scratch.path(), false, Duration::ZERO).expect("it is free"));
        let lock = scratch.path().join(NAME);
        let script = "exec 9<\"$1\"; flock 9 && echo held && exec sleep 60";
        let child = std::process::Command::new("/bin/sh")
            .args(["-c", script, "sh"])
            .arg(&lock)
            .stdout(std::process::Stdio::piped())
            .spawn();
        let mut child = child.expect("there is a shell");
        let mut said = [0; 5];
        let out = child.stdout.as_mut().expect("it is piped");
        std::io::Read::read_exact(out, &mut said).expect("flock(1) is part of util-linux");
        assert!(matches!(
            RunLock::acquire(scratch.path(), false, Duration::ZERO),
            Err(Error::AnotherRun)
        ));
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        RunLock::acquire(scratch.path(), false, Duration::from_secs(10))
            .expect("the kernel dropped it");
    }

    #[test]
    fn a_link_or_a_directory_in_its_place_is_an_error() {
        let scratch = tempdir().expect("a directory");
        let lock = scratch.path().join(NAME);
        std::os::unix::fs::symlink("elsewhere", &lock).expect("ours");
        assert!(matches!(
            RunLock::acquire(scratch.path(), false, Duration::ZERO),
            Err(Error::Write { .. })
        ));
        std::fs::remove_file(&lock).expect("ours");
        std::fs::create_dir(&lock).expect("ours");
        assert!(RunLock::acquire(scratch.path(), false, Duration::ZERO).is_err());
    }
}
