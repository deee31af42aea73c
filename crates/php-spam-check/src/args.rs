//! The options of `php-spam-check`, and what they ask for.

use std::ffi::OsString;
use std::io::Write;

use spamcore::check::{Check, Defaults};
use spamcore::cli::options::{self, SharedArgs};
use spamcore::cli::{Argument, Program};
use spamcore::host::Host;
use spamcore::messages::{Messages, Outcome};
use spamcore::parse::php::Php;
use spamcore::report::Style;

/// The program.
pub const PROGRAM: Program<SharedArgs> = Program {
    name: "php-spam-check",
    old_name: Some("php-spam"),
    about: "find PHP scripts that send too much mail in a day",
    description: &[
        "Counts the messages that each PHP script has sent, as logged by PHP itself (mail.log in php.ini), and \
         prints the paths of the scripts that sent at least MAX_DAILY_MAILS, one per line, ready to be \
         passed to a malware scanner. If there are none, nothing is printed.",
        "A script can be given any name. So a name that is not an absolute path is not printed, and a path \
         with a space, quote, backslash or control character is printed only with --null or, escaped, on a \
         terminal. Such names and their number of messages are reported on stderr.",
        "Scripts that send at most three messages each, at least twenty of them, are added up: if those of one \
         directory reach MAX_DAILY_MAILS together, the directory is printed (/home/a/tmp/). If only those in \
         the directories below a common one do (/home/a, not /home), or names that are not absolute paths, \
         that is reported on stderr.",
        "Of several logs (--logs), each script is counted for each log by itself: the same path on another host, or in \
         another container, is another script. Its path is printed once; --format=json says in which log it was \
         counted.",
        "Lines with a timestamp count if they are less than 24 hours old, in the time zone that the \
         timestamp names. Lines without one (PHP 5.3) count for as long as they are in the log, which \
         should therefore be rotated daily. Mail from code that a script evaluates counts for that script. \
         If MAX_DAILY_MAILS or more lines have an unreadable timestamp, their number is reported on stderr; \
         with --exit-code the exit status is then 3 if nothing is reported.",
    ],
    arguments: &[Argument {
        name: "MAX_DAILY_MAILS",
        help: "Report scripts with at least this many messages per day. Default: 500.",
        set: |args, value| options::set_limit(args, value),
    }],
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
        "THE LOG",
        &[
            "PHP 5.3 and newer log each call of mail() to the file that mail.log in php.ini names. The file \
             must exist and must belong to the user that PHP runs as:",
            "    install -o www-data -g adm -m 0640 /dev/null /var/log/phpmail.log",
            "Then, in php.ini:",
            "    mail.log = /var/log/phpmail.log",
            "Alternatively, set mail.log = syslog and use --logs=/var/log/user.log.",
            "The package rotates /var/log/phpmail.log daily. If each site runs as a user of its own, give \
             each a log of its own, and use --logs with a pattern, or --logs-from.",
        ],
    )],
    files: &[
        ("/var/log/phpmail.log", "The log, as named by mail.log in php.ini."),
        ("/etc/logrotate.d/spam-check", "Rotates the log."),
    ],
    fields: &[],
    examples: &[
        ("Pass the scripts to a malware scanner:", "php-spam-check 100 | full-scan -q --"),
        (
            "A log per site, in directories of the sites:",
            "php-spam-check 500 -l '/srv/*/log/php.log'",
        ),
        (
            "Pass them on with any character in a path:",
            "php-spam-check -0 100 | xargs -0 -r full-scan -q --",
        ),
    ],
    differences: &[
        "Timestamps are read, so only the last 24 hours count even if the log is not rotated daily.",
        "Paths may contain colons and brackets, and with --null any character. What is not an absolute path is \
         not printed.",
        "A directory of many scripts that send little each is reported.",
        "Lines that a caller has injected with a folded subject are not counted.",
    ],
    see_also: &["postfix-spam-check", "exim-spam-check", "php-legacy-spam-check"],
};

const DEFAULTS: Defaults = Defaults {
    program: PROGRAM.name,
    period: "24hours",
    limit: 500,
    exclusive: false,
    overrides: None,
    logs: &["/var/log/phpmail.log"],
    or_journal: false,
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
    let mut check = Check::new(Php, &DEFAULTS, args, &host, &mut messages)?;
    check.directories = true;
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
    fn one_number_and_no_more() {
        let parse = |line: &[&str]| PROGRAM.parse(line.iter().map(OsString::from));
        let Ok(Parsed::Run(args)) = parse(&["0100"]) else { panic!("a crontab line") };
        assert_eq!(args.limit, Some(100));
        for (line, want) in [
            (&["x"][..], "MAX_DAILY_MAILS 'x': expected a whole number"),
            (&["1", "2"], "unexpected argument '2'"),
            (&["-p", "1hour"], "invalid option '-p'"),
            (&["-d", "5"], "invalid option '-d'"),
        ] {
            assert_eq!(
                parse(line).map_err(|error| error.to_string()),
                Err(want.into()),
                "{line:?}"
            );
        }
    }
}
