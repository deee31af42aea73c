//! The options of `exim-spam-check`, and what they ask for.

use std::ffi::{OsStr, OsString};
use std::io::Write;

use spamcore::check::{Check, Defaults};
use spamcore::cli::options::{self, SharedArgs};
use spamcore::cli::{Argument, Opt, Program, Value, text};
use spamcore::host::Host;
use spamcore::messages::{Messages, Outcome};
use spamcore::parse::exim::Exim;
use spamcore::report::Style;
use spamcore::time::period::Period;

/// The program.
pub const PROGRAM: Program<Args> = Program {
    name: "exim-spam-check",
    old_name: Some("exim-spam-scan"),
    about: "find local users and clients of Exim that send too much mail",
    description: &[
        "Counts the messages that Exim received (the <= lines of its main log) during the last hour, or \
         another period, and reports the senders above the limit, each with the first of its log lines: \
         local users first, then SMTP clients by name, then addresses, then authenticated ids. If there is \
         nothing to report, nothing is printed, which suits cron jobs and pipes.",
        "A message of an SMTP client counts for the name that the client gave in HELO (in parentheses in the \
         log), or else for its verified host name; the counts of the two are never added together. A client \
         can give any name, so the message also counts for its address and, if there is one, for its \
         authenticated id. An address is reported if it is above its limit and not all of its messages are \
         reported under a name. Of a name that several addresses used, the line shown is the first one of the \
         address that sent most.",
        "Of several logs (--logs), local users are counted for each log by itself: www on another host is \
         another user. Clients, addresses and authenticated ids are counted over all of them. --format=json says \
         in which log a local user was counted.",
        "The limit of an address is its own in the overrides file, or else the highest of the limits of the \
         host names that Exim verified for it in the period.",
    ],
    arguments: &[
        Argument {
            name: "SECONDS",
            help: "How far back to look, in seconds; or a PERIOD as for --period.",
            set: set_period,
        },
        options::max_argument(),
    ],
    options: &[
        options::period(),
        options::max_connections("Report senders with more than N messages. Default: 90."),
        Opt {
            long: "auth",
            aliases: &[],
            short: None,
            value: Value::None,
            help: "Has no effect: authenticated ids (A=DRIVER:ID in the log) are always counted.",
            set: |_, _| Ok(()),
        },
        options::overrides(),
        options::logs(),
        options::logs_from(),
        options::now(),
        options::format(),
        options::exit_code(),
        options::check(),
    ],
    chapters: &[],
    files: &[
        (
            "/var/log/exim4/mainlog, /var/log/exim/mainlog, /var/log/exim/main.log, /var/log/exim_mainlog",
            "The log: the one of these that was written last.",
        ),
        (
            "/etc/spam-check/exim-spam-check.overrides",
            "Per-sender limits. The file exim-spam-scan.overrides of the old script can be used unchanged.",
        ),
    ],
    fields: &[
        ("named_by", "for kind client, what the name is: helo or name (verified)"),
        (
            "address_count",
            "for kind client, the number of addresses that used the name, at most 100000",
        ),
    ],
    examples: &[
        (
            "From cron every 20 minutes, piped to a command that sends an alert:",
            "*/20 * * * *  exim-spam-check -p 1hour -m 90 | emergency-mail 2000",
        ),
        ("With the arguments of the old script:", "exim-spam-check 3600 60"),
        ("As a table:", "exim-spam-check --format=table"),
    ],
    differences: &[
        "Lines with milliseconds, a time zone, a process id or a long message id are counted, and so are \
         lines logged through syslog.",
        "Text supplied by a sender, a HELO, an ident server, an authenticated id or a subject is never read \
         as a field of the log.",
        "A HELO name is never added to the verified name of another client.",
        "Messages are also counted by address and by authenticated id, so that no client hides behind ever new \
         HELO names.",
        "Of a HELO name that several addresses used, the line is of the address that sent most.",
    ],
    see_also: &["postfix-spam-check", "php-spam-check", "php-legacy-spam-check"],
};

/// The arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    shared: SharedArgs,
}

impl AsMut<SharedArgs> for Args {
    fn as_mut(&mut self) -> &mut SharedArgs {
        &mut self.shared
    }
}

fn set_period(args: &mut Args, value: &OsStr) -> Result<(), String> {
    let value = text(value)?;
    let seconds = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let period = if seconds { Period::of_seconds(value) } else { Period::parse(value) };
    options::set_period(args, period.map_err(options::why)?)
}

const DEFAULTS: Defaults = Defaults {
    program: PROGRAM.name,
    period: "1hour",
    limit: 90,
    exclusive: true,
    overrides: Some("/etc/spam-check/exim-spam-check.overrides"),
    logs: &[
        "/var/log/exim4/mainlog",
        "/var/log/exim/mainlog",
        "/var/log/exim/main.log",
        "/var/log/exim_mainlog",
    ],
    or_journal: false,
    style: Style::Counts,
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
    let check = Check::new(Exim, &DEFAULTS, args.shared, &host, &mut messages)?;
    let mut scan = check.open(&mut host, &mut messages);
    let tally = check.count_and_find_unlogged(&mut scan, &mut messages);
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

    fn parse(line: &[&str]) -> Result<Args, String> {
        match PROGRAM.parse(line.iter().map(OsString::from)) {
            Ok(Parsed::Run(args)) => Ok(args),
            Ok(other) => panic!("{line:?}: {other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn seconds_or_a_period() {
        for (line, period, limit) in [
            (&["3600", "60"][..], "3600 seconds", Some(60)),
            (&["3600"], "3600 seconds", None),
            (&["1hour", "60"], "1 hour", Some(60)),
            (&["-p", "1hour", "-m", "90"], "1 hour", Some(90)),
        ] {
            let args = parse(line).expect("a crontab line");
            let given = args.shared.period.map(|period| period.to_string());
            assert_eq!((given.as_deref(), args.shared.limit), (Some(period), limit), "{line:?}");
        }
        for (line, want) in [
            (&["-p", "3600"][..], "-p '3600': a unit is missing: did you mean 3600sec?"),
            (&["0"], "SECONDS '0': the period is zero"),
            (
                &["99999999999999999999"],
                "SECONDS '99999999999999999999': '99999999999999999999' is not a whole number, or is too large",
            ),
            (
                &["exim4/mainlog"],
                "SECONDS 'exim4/mainlog': not a period or number; to read a file: -l exim4/mainlog",
            ),
            (&["--journal"], "invalid option '--journal'"),
        ] {
            assert_eq!(parse(line), Err(want.into()), "{line:?}");
        }
    }
}
