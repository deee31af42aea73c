//! What a notice says of the mail server whose log was read. The program that acts knows it.
//!
//! In the commands, `{login}` stands for the login as logged, `{pattern}` for an extended regular expression
//! that matches it and nothing else, `{log}` for the command that shows the log, and `{journal}` for
//! [`MailServer::journal`]. A login is a checked name, so that neither it nor its pattern needs quoting but for
//! the characters of the expression: a pattern belongs in single quotes.

/// The program that acts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Application {
    /// Its name, as administrators type it and as syslog has it.
    pub name: &'static str,
    /// The mail server whose log it reads.
    pub mail_server: MailServer,
}

/// A daemon of which something outlives a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Daemon {
    /// The name of its program.
    pub process: &'static str,
    /// The option without which it does not matter; none if empty.
    pub option: &'static str,
    /// What it keeps passwords in, for a person; none if empty.
    pub cache: &'static str,
    /// A program, with its arguments, that prints `0` if it keeps none; none if empty.
    pub ask: &'static [&'static str],
}

/// A command that ends sessions or empties a cache.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionCommand {
    /// The absolute path of a program, and its arguments.
    pub command: &'static [&'static str],
    /// What a person should know of it.
    pub note: &'static str,
    /// It is of use where this daemon runs.
    pub daemon: Daemon,
    /// The exit status with which it says that there was nothing to end, if it says so.
    pub nothing: Option<i32>,
}

impl SessionCommand {
    /// Whether it is of one login, and not of all.
    pub fn is_of_login(&self) -> bool {
        self.command.contains(&"{login}")
    }

    /// The program and its arguments, for a checked name.
    pub fn for_login<'a>(&'a self, login: &'a str) -> Vec<&'a str> {
        let filled = |word: &&'a str| if *word == "{login}" { login } else { *word };
        self.command.iter().map(filled).collect()
    }

    /// The command as a person types it.
    pub fn typed(&self, login: &str) -> String {
        let words = self.for_login(login);
        let program = words.first().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        let rest = words.iter().skip(1).flat_map(|word| [" ", word]);
        std::iter::once(program).chain(rest).collect()
    }
}

/// The parts of a notice that only the program knows: commands, one per line, and sentences.
#[derive(Clone, Copy, Debug, Default)]
pub struct MailServer {
    /// Its name.
    pub name: &'static str,
    /// The command that shows those lines of the journal that only the server can have written.
    pub journal: &'static str,
    /// Hold what the login still has in the queue, and show it.
    pub hold: &'static [&'static str],
    /// Two commands: delete the held mail, or release it.
    pub delete_or_release: &'static [&'static str],
    /// End the sessions and empty the caches that outlive a lock.
    pub end_sessions: &'static [SessionCommand],
    /// What the last of those commands does to others.
    pub sessions_note: &'static str,
    /// Finds the messages of the login in the journal.
    pub confirm: &'static str,
    /// Why a line may be missing in the journal though it is genuine.
    pub journal_note: &'static str,
    /// What to do where a lock does not reach the passwords that the server checks.
    pub not_reached: &'static str,
}

impl MailServer {
    /// A command with its placeholders filled in.
    pub(super) fn command(&self, template: &str, login: &str, log: &str) -> String {
        template
            .replace("{log}", log)
            .replace("{journal}", self.journal)
            .replace("{login}", login)
            .replace("{pattern}", &pattern(login))
    }
}

/// A checked name as an extended regular expression that matches nothing else: `a.c` is not `abc`.
fn pattern(name: &str) -> String {
    name.replace('.', "[.]").replace('+', "[+]")
}
