//! The options of `php-spam-check`, and what they ask for.

use std::ffi::OsString;
use std::io::Write;

use spamcore::cli::options::{self, Common, Job, Outcome};
use spamcore::cli::{Argument, Program};
use spamcore::host::Host;
use spamcore::parse::php::Php;
use spamcore::report::Style;
use spamcore::source::journal::Origin;
use spamcore::tally::network::Webmail;
use spamcore::time::window::Period;

/// The program.
pub const PROGRAM: Program<Common> = Program {
    name: "php-spam-check",
    old_name: "php-spam",
    about: "tells which PHP scripts send too much in a day",
    description: &[
        "Counts the mails that each PHP script has sent, as PHP logs them (mail.log in php.ini), and \
         prints the paths of the scripts that sent at least MAX_DAILY_MAILS, one a line, for a scanner \
         to read.",
        "Lines that PHP has stamped count while they are less than 24 hours old, in the zone that they \
         name; lines without a stamp (PHP 5.3) count as long as they stand in the log, which is meant to \
         be rotated daily. Code that a script evaluates is that script. Once there are MAX_DAILY_MAILS lines \
         whose stamp cannot be read, their number is told and the exit status is 1.",
    ],
    arguments: &[Argument {
        name: "MAX_DAILY_MAILS",
        help: "How many mails a day are too many. Default: 500.",
        set: |args, value| options::set_limit(args, value),
    }],
    options: &[
        options::logs(),
        options::journal(),
        options::now(),
        options::format(),
        options::null(),
        options::exit_code(),
    ],
    chapters: &[(
        "THE LOG",
        &[
            "PHP 5.3 and newer log each mail() when php.ini names a file, which must be there, and be the PHP \
             user's:",
            "    install -o www-data -g adm -m 0640 /dev/null /var/log/phpmail.log",
            "    mail.log = /var/log/phpmail.log",
            "or mail.log = syslog, and then --logs=/var/log/user.log. The package rotates /var/log/phpmail.log \
             daily. Where each site has a user of its own, give each a log of its own, and --logs again and \
             again.",
        ],
    )],
    files: &[
        ("/var/log/phpmail.log", "The log that mail.log in php.ini names."),
        ("/etc/logrotate.d/spam-check", "Its rotation."),
    ],
    fields: &[],
    examples: &[
        ("Hand the scripts to a malware scanner:", "php-spam-check 100 | full-scan -q"),
        (
            "The same for paths with any character in them:",
            "php-spam-check -0 100 | xargs -0 -r ls -l",
        ),
    ],
    differences: &[
        "Stamps are read, so that a log that is not rotated daily is counted by the day.",
        "Paths may hold blanks, colons and brackets.",
        "Lines that a caller smuggled in with a folded subject do not count.",
    ],
};

/// Runs the program.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    host: Host,
    out: &mut impl Write,
) -> Outcome {
    options::run(&PROGRAM, arguments, out, |args: Common, out| {
        let Ok(period) = Period::parse("24hours") else { unreachable!("it is a period") };
        let job = Job {
            parser: Php,
            period,
            limit: 500,
            exclusive: false,
            overrides: None,
            logs: &["/var/log/phpmail.log"],
            origin: None,
            style: Style::Names,
            webmail: Webmail::default(),
            spread: None,
        };
        let origin = args.journal.then_some(Origin::Anybody);
        Job { origin, ..job }.run(PROGRAM.name, args, host, out, |_, _, _| {})
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use spamcore::cli::Parsed;

    #[test]
    fn man_page_and_completion_are_in_step() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        spamcore::cli::in_step::assert_in_step(&PROGRAM, root.as_ref());
    }

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
