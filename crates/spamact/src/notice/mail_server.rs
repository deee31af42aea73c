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
    pub end_sessions: &'static [&'static str],
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
