//! The NIS master is this host: its shadow file is edited directly.
//!
//! Does what `program.pl` does on another master, step by step; the tests give both the same files.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;

use super::super::{AccountStatus, Error, local, shadow};
use super::{Action, Nis};
use crate::account::{AccountName, Refusal, Uids, entries};
use crate::system::process::run;
use crate::system::{self, files};

/// How often the lock of the password files is tried, and the pause between: 15 seconds in all, as
/// lckpwdf(3) waits.
const TRIES: u32 = 150;
const PAUSE: Duration = Duration::from_millis(100);

/// The clock that sets modification times advances only every few milliseconds. `make` considers a map up to
/// date if its time is that of its source: a lock right after another one would get into no map. The program
/// for another master waits as long.
const TICK: Duration = Duration::from_millis(20);

/// Does something to an account, and gives its status afterwards.
pub(super) fn act(nis: &Nis, action: Action, name: &AccountName) -> Result<AccountStatus, Error> {
    let shadow = nis.files.join("shadow");
    let before = local::status(&shadow, name)?;
    if before == AccountStatus::Missing {
        return Ok(before);
    }
    if action != Action::Unlock {
        check_regular_user(nis, name)?;
    }
    if action == Action::Status {
        return Ok(before);
    }
    edit(nis, &shadow, action, name)?;
    make(nis)?;
    local::status(&shadow, name)
}

/// Refuses an account unless it is known to belong to a regular user.
fn check_regular_user(nis: &Nis, name: &AccountName) -> Result<(), Error> {
    let unfit = |refusal| Error::Unfit { name: name.clone(), refusal };
    let uids = Uids::from_login_defs(&optional(&nis.login_defs)?.unwrap_or_default());
    let own = optional(&nis.files.join("passwd"))?.ok_or_else(|| unfit(Refusal::Unknown))?;
    let system = files::read(&nis.passwd, false)?;
    let mut known = false;
    for text in [&own, &system] {
        for (_, uid) in entries(text).filter(|(entry, _)| *entry == name.as_ref().as_bytes()) {
            if !uid.is_some_and(|uid| uids.has(uid)) {
                return Err(unfit(Refusal::System));
            }
            known = true;
        }
        // The NIS passwd file must contain it; the host's own need not.
        if !known {
            return Err(unfit(Refusal::Unknown));
        }
    }
    Ok(())
}

/// The text of a file that may be missing.
fn optional(path: &Path) -> Result<Option<Vec<u8>>, system::Error> {
    match files::read(path, false) {
        Err(error) if error.is_not_found() => Ok(None),
        text => text.map(Some),
    }
}

fn edit(nis: &Nis, file: &Path, action: Action, name: &AccountName) -> Result<(), Error> {
    let _held = Held::new(&nis.lock_file)?;
    let text = files::read(file, false)?;
    let edited = match action {
        Action::Unlock => shadow::unlocked(&text, name.as_ref()),
        _ => shadow::locked(&text, name.as_ref()),
    };
    let Some(text) = edited else { return Ok(()) };
    sleep(TICK);
    Ok(files::write_atomically(file, &text)?)
}

/// Makes the maps.
pub(super) fn make(nis: &Nis) -> Result<(), Error> {
    let args = ["-C".as_ref(), nis.maps.as_os_str()];
    run(&nis.make, &args, None, nis.make_limit)
        .and_then(|out| out.success(&nis.make))
        .map(drop)
        .map_err(|error| Error::Maps { how: spamcore::error::chain(&error) })
}

/// The lock of the password files, as lckpwdf(3) takes it: a POSIX lock on the whole file, which belongs to a
/// process. Two threads of one process would both get it, so they take turns.
struct Held {
    _file: File,
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl Held {
    fn new(path: &Path) -> Result<Self, Error> {
        let write = |source| system::Error::Write { path: path.to_owned(), source };
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(write)?;
        for _ in 0..TRIES {
            match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file, _turn: turn }),
                Err(Errno::AGAIN | Errno::ACCESS) => sleep(PAUSE),
                Err(error) => return Err(write(error.into()).into()),
            }
        }
        Err(Error::Busy { path: path.to_owned() })
    }
}
