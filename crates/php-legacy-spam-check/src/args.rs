//! The options of `php-legacy-spam-check`, and what they ask for.

use std::ffi::{OsStr, OsString};
use std::io::Write;

use spamcore::check::{Check, Defaults};
use spamcore::cli::options::{self, SharedArgs, why};
use spamcore::cli::{Argument, Program, number};
use spamcore::host::Host;
use spamcore::messages::{Messages, Outcome};
use spamcore::parse::php_wrapper::PhpWrapper;
use spamcore::report::Style;
use spamcore::time::period::Period;

/// The program.
pub const PROGRAM: Program<SharedArgs> = Program {
    name: "php-legacy-spam-check",
    old_name: Some("php-spam-legacy"),
    about: "find scripts of PHP before 5.3 that send too much mail",
    description: &[
        "Counts the messages that each script of a PHP older than 5.3 has sent, as logged through syslog by a \
         sendmail wrapper, and prints the paths of the scripts that sent at least MAX_MAILS in MINUTES, one \
         per line, ready to be passed to a malware scanner. If there are none, nothing is printed.",
        "MINUTES is extended by a fifth, rounded down to a whole minute (10 becomes 12), so that the runs of \
         a cron job overlap. Ambiguous lines count for nobody: those whose URL allows two readings, and those \
         of an older wrapper that the log may have truncated (900 bytes or more). Once there are MAX_MAILS \
         of them, their number is reported on stderr; with --exit-code the exit status is then 3 if no script \
         is reported.",
        "Of several logs (--logs), each script is counted for each log by itself: the same path on another host, or in \
         another container, is another script. Its path is printed once; --format=json says in which log it was \
         counted.",
        "A script can be given any name. So a name that is not an absolute path is not printed, and a path \
         with a space, quote, backslash or control character is printed only with --null or, escaped, on a \
         terminal. Such names are reported on stderr, with their number of messages; so are twenty or more \
         scripts that send at most three messages each and reach MAX_MAILS together, in one directory or in \
         those below a common one (/home/a, not /home).",
    ],
    arguments: &[
        Argument { name: "MINUTES", help: "How far back to look. Default: 10.", set: set_minutes },
        Argument {
            name: "MAX_MAILS",
            help: "Report scripts with at least this many messages. Default: 10.",
            set: |args, value| options::set_limit(args, value),
        },
    ],
    options: &[
        options::logs(),
        options::logs_from(),
        options::journal(),
        options::now(),
        options::format(),
        options::null(),
        options::exit_code(),
        options::check(),
    ],
    chapters: &[(
        "THE WRAPPER",
        &[
            "PHP before 5.3 cannot log its mail. Two lines of php.ini make it send through a wrapper that logs \
             to syslog which script is sending, and then executes sendmail:",
            "    sendmail_path = /usr/lib/spam-check/phpsendmail\n\
             auto_prepend_file = /usr/share/spam-check/phpsendmail.php",
            "The wrapper escapes everything that a visitor can supply, so that its lines have only one reading. \
             Lines written by the wrapper that the old script's documentation describes are read as well.",
        ],
    )],
    files: &[
        (
            "/var/log/mail.log, /var/log/maillog",
            "The log: the one that was written last. If neither exists, or the journal is newer by a day, the journal is read.",
        ),
        ("/usr/lib/spam-check/phpsendmail", "The sendmail wrapper."),
        (
            "/usr/share/spam-check/phpsendmail.php",
            "Passes details of the web request to the wrapper.",
        ),
    ],
    fields: &[],
    examples: &[(
        "Every ten minutes, together with php-spam-check:",
        "*/10 * * * *  { php-legacy-spam-check 10 10 && php-spam-check 500; } | full-scan -q --",
    )],
    differences: &[
        "Text that a visitor puts into the URL is never taken for the path.",
        "Paths may contain equals signs, and with --null any character; lines without a path are not counted, \
         and what is not an absolute path is not printed.",
        "A repeated message counts as often as syslog says it was repeated. All formats of timestamps are \
         read.",
    ],
    see_also: &["postfix-spam-check", "exim-spam-check", "php-spam-check"],
};

/// Minutes, extended by a fifth, rounded down to a whole minute.
fn set_minutes(args: &mut SharedArgs, value: &OsStr) -> Result<(), String> {
    let minutes = number(value)?;
    let stretched = minutes.checked_add(minutes / 5).ok_or("the number is too large")?;
    options::set_period(args, Period::of_minutes(stretched).map_err(why)?)
}

const DEFAULTS: Defaults = Defaults {
    program: PROGRAM.name,
    period: "12minutes",
    limit: 10,
    exclusive: false,
    overrides: None,
    logs: &["/var/log/mail.log", "/var/log/maillog"],
    or_journal: true,
    style: Style::Names,
};

/// Runs the program.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    host: Host,
    out: &mut impl Write,
) -> Outcome {
    steps(arguments, host, out).unwrap_or_else(|ended| ended)
}

/// Parses, reads and reports. `Err` is the outcome of a run that ends early.
fn steps(
    arguments: impl IntoIterator<Item = OsString>,
    mut host: Host,
    out: &mut impl Write,
) -> Result<Outcome, Outcome> {
    let args = PROGRAM.start(arguments, out)?;
    let mut messages = Messages::default();
    let check = Check::new(PhpWrapper, &DEFAULTS, args, &host, &mut messages)?;
    let mut scan = check.open(&mut host, &mut messages);
    let tally = check.count(&mut scan, &mut messages);
    let findings = check.judge(&tally);
    if check.is_self_test() {
        let found = (&tally, findings.len());
        return Ok(check.self_test(&mut scan, found, Vec::new(), &host, out, messages));
    }
    Ok(check.report(&findings, &host, out, messages))
}

#[cfg(test)]
mod tests {
    use super::*;
    use spamcore::cli::Parsed;

    #[test]
    fn minutes_are_extended_by_a_fifth() {
        let parse = |line: &[&str]| PROGRAM.parse(line.iter().map(OsString::from));
        for (minutes, want) in [("10", 12), ("1", 1), ("4", 4), ("5", 6), ("100", 120), ("010", 12)]
        {
            let Ok(Parsed::Run(args)) = parse(&[minutes, "10"]) else { panic!("a crontab line") };
            assert_eq!(args.period, Period::of_minutes(want).ok(), "{minutes}");
        }
        for (minutes, want) in [
            ("0", "MINUTES '0': the period is zero"),
            ("18446744073709551615", "MINUTES '18446744073709551615': the number is too large"),
            ("1hour", "MINUTES '1hour': expected a whole number"),
        ] {
            assert_eq!(parse(&[minutes]).map_err(|error| error.to_string()), Err(want.into()));
        }
    }
}
