//! Local accounts: `passwd -l`, and `passwd -u` to undo it.
//!
//! Takes a name that has an entry in `/etc/passwd`; looks the account up in `/etc/shadow` before and after. An
//! account that is locked already, by whatever mark, is left as it is. What passwd(1) does not reach (SSH keys,
//! open sessions, caches of other programs) stays usable.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use spamcore::self_test::Fact;

use super::{AccountStatus, Error, LockMethod, Unlocked, expect_status, file, program, shadow};
use crate::account::{AccountName, NameRule};
use crate::system::files;
use crate::system::process::run;

/// How long after a copy of the shadow file was made the new file is put in place at most, in seconds.
const AT_ONCE: i64 = 60;

/// Locks local accounts. The default is the real system.
#[derive(Clone, Debug)]
pub struct Local {
    /// The program `passwd`.
    pub passwd: PathBuf,
    /// The shadow file that it writes.
    pub shadow: PathBuf,
    /// How long the program may take. It waits for the lock of the password files itself.
    pub limit: Duration,
}

impl Default for Local {
    fn default() -> Self {
        Self {
            passwd: "/usr/bin/passwd".into(),
            shadow: "/etc/shadow".into(),
            limit: Duration::from_secs(60),
        }
    }
}

impl Local {
    pub(super) const KIND: &'static str = "local";

    /// Runs `passwd` with an option, where the account does not have the wanted status yet.
    fn ensure_status(
        &self,
        name: &AccountName,
        option: &str,
        want: AccountStatus,
    ) -> Result<(), Error> {
        let now = self.status(name)?;
        if now != want && now != AccountStatus::Missing {
            let args = [option, "--", name.as_ref()];
            let ended = run(&self.passwd, &args, None, self.limit)
                .and_then(|out| out.success(&self.passwd));
            // What counts is the account's status, even where passwd was killed right after setting it.
            if let Err(error) = ended
                && self.status(name)? != want
            {
                return Err(error.into());
            }
        }
        expect_status(self.status(name)?, want, name, || self.shadow.display().to_string())
    }
}

impl LockMethod for Local {
    fn kind(&self) -> String {
        Self::KIND.into()
    }

    fn description(&self) -> String {
        "passwd -l (local account)".into()
    }

    fn names(&self) -> NameRule {
        NameRule::LocalEntry
    }

    fn peek(&self, name: &AccountName) -> Result<AccountStatus, Error> {
        self.status(name)
    }

    fn needs(&self) -> Vec<Fact> {
        vec![program(&self.passwd), file(&self.shadow)]
    }

    fn status(&self, name: &AccountName) -> Result<AccountStatus, Error> {
        status(&self.shadow, name)
    }

    fn lock(&self, name: &AccountName) -> Result<(), Error> {
        self.ensure_status(name, "-l", AccountStatus::Locked)
    }

    fn unlock(&self, name: &AccountName) -> Result<(), Error> {
        self.ensure_status(name, "-u", AccountStatus::Open)
    }

    /// When the shadow file was last written.
    fn last_change(&self) -> Option<SystemTime> {
        std::fs::metadata(&self.shadow).ok()?.modified().ok()
    }

    /// What `/etc/shadow-` shows, the text before the last change: shadow(5)'s programs write it right before the new
    /// file is put in place. Another change since then hides it.
    fn unlocked(&self) -> Option<Unlocked> {
        let mut backup = self.shadow.clone().into_os_string();
        backup.push("-");
        unlocked(Path::new(&backup), &self.shadow)
    }

    fn manual(&self, name: &AccountName) -> Vec<String> {
        vec![format!("passwd -u -- {name}")]
    }
}

/// The accounts that the change from `backup` to `file` has unlocked.
fn unlocked(backup: &Path, file: &Path) -> Option<Unlocked> {
    let changed = std::fs::metadata(file).ok()?;
    // The other time of the copy is that of the text in it.
    let copied = std::fs::metadata(backup).ok()?.ctime();
    if !(0..=AT_ONCE).contains(&changed.mtime().saturating_sub(copied)) {
        return None;
    }
    let at = changed.mtime().checked_mul(1_000_000_000)?.checked_add(changed.mtime_nsec())?;
    let (before, now) = (files::read(backup, false).ok()?, files::read(file, false).ok()?);
    let names = shadow::names_unlocked(&before, &now).into_iter();
    let accounts = names.filter_map(|name| AccountName::check(name).ok()).collect();
    Some(Unlocked { at, accounts })
}

/// The status of an account in a shadow file.
pub(super) fn status(file: &Path, name: &AccountName) -> Result<AccountStatus, Error> {
    // On a NIS host its directory may belong to somebody else. It is only read here.
    Ok(shadow::status(&files::read(file, false)?, name.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fakes, name, reason};
    use super::*;
    use std::time::Instant;

    const SHADOW: &str = "root:*:1::\nalice:$y$x:1::\nalicia:$y$z:1::\noff:!$y$w:1::\n";

    fn local(fakes: &Fakes, script: &str) -> Local {
        Local {
            passwd: fakes.program("passwd", script),
            shadow: fakes.write("shadow", SHADOW),
            limit: Duration::from_secs(30),
        }
    }

    const REAL: &str = r#"case $1 in
        -l) sed -i "s/^$3:/$3:!/" $here/shadow ;;
        -u) sed -i "s/^$3:!/$3:/" $here/shadow ;;
    esac; echo "passwd: password changed.""#;

    #[test]
    fn it_locks_once_and_unlocks() {
        let fakes = Fakes::new();
        let local = local(&fakes, REAL);
        let alice = name("alice");
        assert_eq!(local.status(&alice).expect("its status"), AccountStatus::Open);
        local.lock(&alice).expect("it locks");
        assert_eq!(local.status(&alice).expect("its status"), AccountStatus::Locked);
        assert_eq!(fakes.read("shadow"), SHADOW.replace("alice:", "alice:!"));
        local.lock(&alice).expect("it is locked already");
        local.unlock(&alice).expect("it unlocks");
        local.unlock(&alice).expect("it is open already");
        assert_eq!(fakes.read("shadow"), SHADOW);
        assert_eq!(fakes.calls(), ["[passwd][-l][--][alice]", "[passwd][-u][--][alice]"]);
        assert_eq!(local.manual(&alice), ["passwd -u -- alice"]);
    }

    #[test]
    fn locked_and_missing_accounts_run_nothing() {
        let fakes = Fakes::new();
        let local = local(&fakes, REAL);
        local.lock(&name("off")).expect("it is locked already");
        for missing in ["ali", "alice2", "ALICE", "a.ice", "nobody"] {
            let missing = name(missing);
            assert_eq!(local.status(&missing).expect("its status"), AccountStatus::Missing);
            for end in [local.lock(&missing), local.unlock(&missing)] {
                assert_eq!(reason(&end.expect_err("no account")), "no such account");
            }
        }
        assert!(fakes.calls().is_empty());
        assert_eq!(fakes.read("shadow"), SHADOW);
    }

    #[test]
    fn a_lock_that_is_not_there_afterwards_is_no_lock() {
        for (script, want) in [
            ("echo 'no such user' >&2; exit 1", "passwd failed"),
            ("exit 0", "it is still open"),
            ("rm $here/shadow", "shadow cannot be read"),
            ("sed -i /^alice:/d $here/shadow", "no such account"),
            ("kill -9 $$", "passwd failed"),
        ] {
            let fakes = Fakes::new();
            let error = local(&fakes, script).lock(&name("alice")).expect_err("not locked");
            assert!(reason(&error).ends_with(want), "{script}: {}", reason(&error));
        }
        let fakes = Fakes::new();
        let mut slow = local(&fakes, "sleep 60");
        slow.limit = Duration::from_secs(1);
        let started = Instant::now();
        let error = slow.lock(&name("alice")).expect_err("it sleeps");
        assert_eq!(reason(&error), "passwd took too long");
        assert!(started.elapsed() < Duration::from_secs(20));
        let gone = Local { passwd: fakes.path("gone"), ..local(&fakes, "") };
        let error = gone.lock(&name("alice")).expect_err("no program");
        assert_eq!(reason(&error), "gone cannot be run");
        let error = Local { passwd: fakes.write("plain", ""), ..gone }.lock(&name("alice"));
        assert_eq!(reason(&error.expect_err("no program")), "plain cannot be run");
    }

    #[test]
    fn a_lock_that_is_there_is_one_however_passwd_ended() {
        for end in ["exit 1", "kill -9 $$", "exec sleep 60"] {
            let fakes = Fakes::new();
            let mut local = local(&fakes, &format!("{REAL}\n{end}"));
            local.limit = Duration::from_secs(2);
            local.lock(&name("alice")).expect("it is locked");
            assert_eq!(fakes.read("shadow"), SHADOW.replace("alice:", "alice:!"));
        }
    }

    #[test]
    fn an_unlock_that_leaves_it_locked_is_told() {
        let fakes = Fakes::new();
        let error = local(&fakes, "exit 0").unlock(&name("off")).expect_err("still locked");
        assert_eq!(reason(&error), "it is still locked");
    }
}
