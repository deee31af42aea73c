//! A command of the administrator, for accounts that are kept elsewhere.
//!
//! Takes an absolute path that, like its directories, only root can write (checked if root runs the program),
//! and runs it with the account name as its only argument; exit status 0 means done. What the command did
//! cannot be verified: only the state knows whether an account is locked. A second command may undo it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use spamcore::self_test::Fact;

use super::{AccountStatus, Error, LockMethod, checked, program, shell_quoted};
use crate::account::{AccountName, NameRule};
use crate::system::Invalid;
use crate::system::files::trusted;
use crate::system::process::run;

/// What separates the two commands in the remembered kind.
const UNDONE: &str = " undone-by:";

/// The path of a command: absolute, and such that the kind of the method can be read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandPath(PathBuf);

impl CommandPath {
    /// Checks a path. Whether the file can be trusted is checked each time before it is run.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if !Path::new(text).is_absolute() {
            return Err(Invalid("not an absolute path"));
        }
        if text.contains(char::is_control) || text.contains(UNDONE) {
            return Err(Invalid("a path with characters that cannot be remembered"));
        }
        Ok(Self(text.into()))
    }
}

/// Locks by a command.
#[derive(Clone, Debug)]
pub struct Command {
    /// The command that locks.
    pub lock: CommandPath,
    /// The command that unlocks, if there is one.
    pub unlock: Option<CommandPath>,
    /// Whether root runs the program.
    pub root: bool,
    /// How long a command may take.
    pub limit: Duration,
}

impl Command {
    pub(super) const KIND: &'static str = "command";

    /// Locks by `lock`, and unlocks by `unlock`.
    pub fn new(lock: CommandPath, unlock: Option<CommandPath>, root: bool) -> Self {
        Self { lock, unlock, root, limit: Duration::from_secs(60) }
    }

    pub(super) fn remembered(text: &str, root: bool) -> Result<Self, Invalid> {
        let (lock, unlock) = match text.split_once(UNDONE) {
            Some((lock, unlock)) => (lock, Some(CommandPath::parse(unlock)?)),
            None => (text, None),
        };
        Ok(Self::new(CommandPath::parse(lock)?, unlock, root))
    }

    fn call(&self, CommandPath(program): &CommandPath, name: &AccountName) -> Result<(), Error> {
        trusted(program, self.root)?;
        run(program, &[name.as_ref()], None, self.limit)?.success(program)?;
        Ok(())
    }
}

impl LockMethod for Command {
    fn kind(&self) -> String {
        let unlock = self.unlock.as_ref();
        let undone =
            unlock.map_or_else(String::new, |path| format!("{UNDONE}{}", path.0.display()));
        format!("{}:{}{undone}", Self::KIND, self.lock.0.display())
    }

    fn description(&self) -> String {
        self.lock.0.display().to_string()
    }

    fn names(&self) -> NameRule {
        NameRule::Account
    }

    fn needs(&self) -> Vec<Fact> {
        let commands = [Some(&self.lock), self.unlock.as_ref()].into_iter().flatten();
        let fact = |CommandPath(path): &CommandPath| match trusted(path, self.root) {
            Ok(()) => program(path),
            refused => checked(path, refused),
        };
        commands.map(fact).collect()
    }

    /// A command cannot say. A lock that was started is therefore not taken for made: the command is run again.
    fn status(&self, _name: &AccountName) -> Result<AccountStatus, Error> {
        Ok(AccountStatus::Unknown)
    }

    fn lock(&self, name: &AccountName) -> Result<(), Error> {
        self.call(&self.lock, name)
    }

    fn unlock(&self, name: &AccountName) -> Result<(), Error> {
        let unlock = self.unlock.as_ref().ok_or_else(|| Error::ByHand { name: name.clone() })?;
        self.call(unlock, name)
    }

    fn manual(&self, name: &AccountName) -> Vec<String> {
        match &self.unlock {
            Some(unlock) => vec![format!("{} {name}", shell_quoted(&unlock.0))],
            None => vec![format!("# undo what was done by: {} {name}", shell_quoted(&self.lock.0))],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fakes, name, reason};
    use super::*;

    fn command(lock: &Path, unlock: Option<&Path>, root: bool) -> Command {
        let text = |path: &Path| {
            CommandPath::parse(path.to_str().expect("a path")).expect("an absolute one")
        };
        Command::new(text(lock), unlock.map(text), root)
    }

    #[test]
    fn the_name_is_the_only_argument() {
        let fakes = Fakes::new();
        let (lock, unlock) = (fakes.program("lock it", "exit 0"), fakes.program("undo", "exit 0"));
        let both = command(&lock, Some(&unlock), false);
        both.lock(&name("a+b@example.org")).expect("it locks");
        both.unlock(&name("a+b@example.org")).expect("it unlocks");
        assert_eq!(fakes.calls(), ["[lock it][a+b@example.org]", "[undo][a+b@example.org]"]);
        assert_eq!(both.manual(&name("bob")), [format!("{} bob", unlock.display())]);
        let one = command(&lock, None, false);
        let error = one.unlock(&name("bob")).expect_err("there is no way back");
        assert_eq!(reason(&error), "by hand only");
        assert_eq!(
            one.manual(&name("bob")),
            [format!("# undo what was done by: '{}' bob", lock.display())]
        );
    }

    #[test]
    fn only_status_0_is_done() {
        let fakes = Fakes::new();
        for script in ["exit 1", "exit 255", "kill -15 $$", "echo done; exit 75"] {
            let lock = fakes.program("lock", script);
            let error = command(&lock, None, false).lock(&name("bob")).expect_err("it fails");
            assert_eq!(reason(&error), "lock failed");
        }
        let mut slow = command(&fakes.program("slow", "sleep 60"), None, false);
        slow.limit = Duration::from_secs(1);
        assert_eq!(reason(&slow.lock(&name("bob")).expect_err("it sleeps")), "slow took too long");
        let missing = command(&fakes.path("missing"), None, false);
        missing.lock(&name("bob")).expect_err("it is not there");
        command(fakes.dir(), None, false).lock(&name("bob")).expect_err("a directory");
    }

    #[test]
    fn root_runs_only_what_nobody_else_can_write() {
        use std::os::unix::fs::PermissionsExt;
        let fakes = Fakes::new();
        let lock = fakes.program("lock", "exit 0");
        std::fs::set_permissions(&lock, std::fs::Permissions::from_mode(0o777)).expect("its mode");
        let error =
            command(&lock, None, true).lock(&name("bob")).expect_err("anybody can write it");
        assert!(matches!(error, Error::System(crate::system::Error::Refused { .. })), "{error}");
        assert!(fakes.calls().is_empty());
    }
}
