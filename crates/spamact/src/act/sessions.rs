//! What outlives a lock: which caches run, and ending them with the sessions.
//!
//! Takes the table of the mail server ([`SessionCommand`]) and the processes of this host; gives the caches by name, and
//! the commands that are of use here. They are run as any other program: by absolute path, with a cleared environment
//! and a time limit.

use std::path::Path;
use std::time::Duration;

use spamcore::error::chain;

use crate::account::AccountName;
use crate::notice::SessionCommand;
use crate::system::daemons::running;
use crate::system::process::run;

/// How long a command may take. Postfix waits for its processes when it is restarted.
const LIMIT: Duration = Duration::from_secs(30);

/// How long the question may take whether there is a cache.
const ASK: Duration = Duration::from_secs(5);

/// What of a table is of use on this host.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// The caches of passwords, for a person.
    pub(super) caches: Vec<&'static str>,
    commands: Vec<&'static SessionCommand>,
}

/// What became of a command.
pub(super) struct Ended {
    /// The command, and how it ended.
    pub(super) line: String,
    pub(super) failed: bool,
}

impl Sessions {
    /// Looks for the daemons of the table. `proc` is the directory of processes.
    pub(super) fn find(table: &'static [SessionCommand], proc: &Path) -> Self {
        let processes = running(proc);
        let mut found = Self::default();
        for command in table {
            let daemon = command.daemon;
            let runs = processes.iter().any(|process| {
                process.is(daemon.process)
                    && (daemon.option.is_empty() || process.has(daemon.option))
            });
            if !runs {
                continue;
            }
            found.commands.push(command);
            if !daemon.cache.is_empty()
                && !found.caches.contains(&daemon.cache)
                && keeps_passwords(daemon.ask)
            {
                found.caches.push(daemon.cache);
            }
        }
        found
    }

    /// Ends what belongs to these logins of an account.
    pub(super) fn end(&self, logins: &[AccountName]) -> Vec<Ended> {
        let commands = self.commands.iter().filter(|command| command.is_of_login());
        let of_login = |login: &AccountName| {
            commands.clone().map(|command| end(command, login.as_ref())).collect::<Vec<_>>()
        };
        logins.iter().flat_map(of_login).collect()
    }

    /// Ends what belongs to everybody.
    pub(super) fn end_all(&self) -> Vec<Ended> {
        let commands = self.commands.iter().filter(|command| !command.is_of_login());
        commands.map(|command| end(command, "")).collect()
    }
}

/// Whether a daemon has a cache, as far as it says. If it cannot be asked, it may have one.
fn keeps_passwords(ask: &[&str]) -> bool {
    let [program, arguments @ ..] = ask else { return true };
    let answer = run(Path::new(program), arguments, None, ASK);
    let Ok(answer) = answer.and_then(|answer| answer.success(Path::new(program))) else {
        return true;
    };
    // `0`, or with its unit `0 B`.
    answer.stdout.trim_ascii().split(|&b| b == b' ').next() != Some(b"0")
}

fn end(command: &SessionCommand, login: &str) -> Ended {
    let words = command.for_login(login);
    let [program, arguments @ ..] = &words[..] else {
        return Ended { line: String::new(), failed: true };
    };
    let (how, failed) = match run(Path::new(program), arguments, None, LIMIT) {
        Ok(outcome) if outcome.status.success() => ("done".into(), false),
        Ok(outcome) if command.nothing.is_some() && outcome.status.code() == command.nothing => {
            ("there was nothing to end".into(), false)
        }
        Ok(outcome) => (outcome.how(), true),
        Err(error) => (chain(&error), true),
    };
    Ended { line: format!("{}: {how}", command.typed(login)), failed }
}
