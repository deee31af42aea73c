//! Why an account was not locked, in the few words that fit at the end of a report line:
//! `[NOT DISABLED: reason]`.
//!
//! A closed vocabulary: fixed words, names of programs, and paths from the configuration. What a program wrote to its
//! standard error is only in the full text of the error.

use std::path::Path;

use crate::account::Refusal;
use crate::method::Error;
use crate::system;

/// The reason, for the report line.
pub fn reason(error: &Error) -> String {
    match error {
        Error::System(error) => system_reason(error),
        Error::Busy { .. } => "the password files are held by another program".into(),
        Error::Missing { .. } => Refusal::NoAccount.to_string(),
        Error::Unfit { refusal, .. } => refusal.to_string(),
        Error::StillOpen { .. } => "it is still open".into(),
        Error::StillLocked { .. } => "it is still locked".into(),
        Error::Entry { .. } => "the table has another entry for it".into(),
        Error::Maps { .. } => "make failed".into(),
        Error::Master { .. } => "no connection to the master".into(),
        Error::ByHand { .. } => "by hand only".into(),
    }
}

fn system_reason(error: &system::Error) -> String {
    use system::Error as E;
    match error {
        E::Read { path, .. } => format!("{} cannot be read", path.display()),
        E::Write { path, .. } => format!("{} cannot be written", path.display()),
        E::Refused { what, .. } => format!("{what} refused"),
        E::Start { program, .. } => format!("{} cannot be run", base(program)),
        E::Failed { program, .. } => format!("{} failed", base(program)),
        E::TimeLimit { program, .. } => format!("{} took too long", base(program)),
        E::AnotherRun => error.to_string(),
    }
}

/// The last part of a program's path.
fn base(program: &Path) -> String {
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountName;

    #[test]
    fn a_reason_is_short_and_the_text_is_full() {
        let error = Error::from(system::Error::Failed {
            program: "/usr/bin/passwd".into(),
            how: "exit status 1: passwd: no".into(),
        });
        assert_eq!(reason(&error), "passwd failed");
        assert_eq!(error.to_string(), "/usr/bin/passwd: exit status 1: passwd: no");
        let name = AccountName::check(b"alice").expect("a name");
        let error = Error::Missing { name, place: "/etc/shadow".into() };
        assert_eq!(reason(&error), "no such account");
        assert_eq!(error.to_string(), "there is no such account (/etc/shadow)");
    }
}
