//! The options of `postfix-spam-check`, and what they ask for.

use std::ffi::{OsStr, OsString};
use std::io::Write;

use spamact::AccountName;
use spamcore::check::{Message, Weight};
use spamcore::cli::common::{self, Common, HasCommon, Job, Outcome, why};
use spamcore::cli::{Argument, Opt, Program, Value, number, text};
use spamcore::host::Host;
use spamcore::network::Webmail;
use spamcore::parse::postfix::Postfix;
use spamcore::report::Style;
use spamcore::source::journal::Origin;
use spamcore::verdict::{Action, Finding, Spread};
use spamcore::window::Period;

/// The program.
pub(crate) const PROGRAM: Program<Args> = Program {
    name: "postfix-spam-check",
    old_name: "postfix-spam-scan",
    about: "tells which logged-in senders of Postfix send too much",
    description: &[
        "Counts the messages that each login name (SASL) has handed to Postfix during the last hour, or \
         another period, and reports the names that reach a limit: with the networks, unknown hosts, \
         addresses and webmail hosts that they came from, and with the first line of each. Nothing \
         found, nothing printed: it is made for cron and for pipes.",
        "A message counts when smtpd has accepted it from an authenticated client. Failed logins, rejects \
         and text that a client made Postfix quote never count.",
        "With --disable-account, names whose mail comes from more networks and more unknown hosts than \
         given are picked out: the mark of a stolen password in a botnet. This version decides and, with \
         --dry-run, says what it would lock; it does not lock yet.",
    ],
    arguments: &[
        Argument { name: "PERIOD", help: "The same as --period.", set: set_period },
        common::max_argument(),
    ],
    options: &[
        common::period(),
        common::max_connections("Report senders with at least so many messages. Default: 90."),
        Opt {
            long: "dissable-account",
            aliases: &["disable-account", "dissable-acount"],
            short: Some('d'),
            value: Value::Required("NETS,UNKNOWNS"),
            help: "Pick out accounts of which both the networks and the unknown hosts are more than these; \
                   one number stands for both. Also spelled --disable-account and --dissable-acount.",
            set: |args, value| {
                args.spread = Some(spread(value)?);
                Ok(())
            },
        },
        Opt {
            long: "niss",
            aliases: &["nis"],
            short: Some('n'),
            value: Value::Optional("MASTER"),
            help: "The accounts are those of a NIS master, by default of localhost. The next argument is \
                   the master, unless it begins with '-'. Also spelled --nis.",
            set: |args, value| {
                args.nis_master = Some(master(value)?);
                Ok(())
            },
        },
        Opt {
            long: "webmail",
            aliases: &[],
            short: Some('w'),
            value: Value::Required("IP,..."),
            help: "Addresses or networks (CIDR) of webmail hosts, separated by commas or blanks: messages \
                   from there are counted in the report. May be given again.",
            set: |args, value| {
                let list = text(value)?;
                args.webmail
                    .add(list)
                    .map_err(|item| format!("'{item}' is neither an address nor a network"))
            },
        },
        Opt {
            long: "dry-run",
            aliases: &[],
            short: None,
            value: Value::None,
            help: "With --disable-account: decide and report, touch nothing. Implied by --now.",
            set: |args, _| {
                args.dry_run = true;
                Ok(())
            },
        },
        common::overrides(),
        common::logs(),
        common::journal(),
        common::now(),
        common::format(),
        common::exit_code(),
    ],
    files: &[
        (
            "/var/log/mail.log, /var/log/maillog",
            "The log: the first that exists, else the journal.",
        ),
        ("/etc/spam-check/postfix-spam-check.overrides", "Limits of their own for some senders."),
    ],
    fields: &[
        (
            "nets, unknowns, ips",
            "distinct network names, addresses of unknown hosts, addresses; 100000 \
          stands for that many or more",
        ),
        ("webmail", "messages from webmail hosts"),
        (
            "action",
            "with --disable-account: would_disable, not_disabled, or null where the account is \
          within the limits",
        ),
        ("reason", "why it was not disabled, or null"),
    ],
    examples: &[
        (
            "Every 20 minutes, who sent 90 messages in an hour; piped to whatever mails you:",
            "*/20 * * * *  postfix-spam-check -p 1hour -m 90 -w 192.0.2.201,10.0.0.21 | emergency-mail 3000",
        ),
        (
            "Who is it right now, for a person:",
            "postfix-spam-check --format=table -p 30minutes -m 60",
        ),
        ("Which accounts look stolen:", "postfix-spam-check -d 10,10 --dry-run"),
        ("What happened that night:", "postfix-spam-check --now '2026-11-23 03:00' -p 6hours"),
    ],
    differences: &[
        "Every service and instance name of smtpd counts, NOQUEUE too, with ports, IPv6 and long queue \
         ids; every form of time stamp is read; the period reaches into rotated logs.",
        "A name is text: no pattern, not split at blanks; what follows it in the line is not part of it.",
        "Failed logins and text that a client made Postfix quote do not count.",
        "Several terms of a period add up: '1hour 30minutes' is ninety minutes.",
    ],
};

/// The arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Args {
    common: Common,
    spread: Option<Spread>,
    nis_master: Option<String>,
    webmail: Webmail,
    dry_run: bool,
}

impl HasCommon for Args {
    fn common(&mut self) -> &mut Common {
        &mut self.common
    }
}

fn set_period(args: &mut Args, value: &OsStr) -> Result<(), String> {
    common::set_period(args, Period::parse(text(value)?).map_err(why)?)
}

/// `NETS,UNKNOWNS`, or one number for both.
fn spread(value: &OsStr) -> Result<Spread, String> {
    let value = text(value)?;
    let (nets, unknowns) = value.split_once(',').unwrap_or((value, value));
    Ok(Spread { nets: number(OsStr::new(nets))?, unknowns: number(OsStr::new(unknowns))? })
}

/// A host, perhaps behind a user; `localhost` where none is given.
fn master(value: &OsStr) -> Result<String, String> {
    let value = text(value)?;
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"._:@-".contains(&b);
    match value.as_bytes() {
        [] => Ok("localhost".into()),
        [first, rest @ ..] if first.is_ascii_alphanumeric() && rest.iter().all(|&b| fine(b)) => {
            Ok(value.into())
        }
        _ => Err("a host's name is wanted".into()),
    }
}

/// Runs the program.
pub(crate) fn run(
    arguments: impl IntoIterator<Item = OsString>,
    host: Host,
    out: &mut impl Write,
) -> Outcome {
    common::run(&PROGRAM, arguments, out, |args: Args, out| {
        let dry_run = args.dry_run || args.common.now.is_some();
        let Ok(period) = Period::parse("1hour") else { unreachable!("it is a period") };
        let job = Job {
            parser: Postfix,
            period,
            limit: 90,
            exclusive: false,
            overrides: Some("/etc/spam-check/postfix-spam-check.overrides"),
            logs: &["/var/log/mail.log", "/var/log/maillog"],
            origin: Some(Origin::Postfix),
            style: Style::Origins,
            webmail: args.webmail,
            spread: args.spread,
        };
        job.run(PROGRAM.name, args.common, host, out, |findings, messages| {
            if args.spread.is_some() {
                decide(findings, dry_run, messages);
            }
        })
    })
}

/// Says of each account that is beyond the limits what is done to it.
fn decide(findings: &mut [Finding<'_>], dry_run: bool, messages: &mut Vec<Message>) {
    for finding in findings.iter_mut().filter(|finding| finding.spread) {
        finding.action = Some(match AccountName::check(finding.sender) {
            Err(refusal) => Action::NotDisabled(refusal.to_string()),
            Ok(_) if dry_run => Action::WouldDisable,
            Ok(_) => Action::NotDisabled("this version does not lock accounts".into()),
        });
    }
    if !dry_run {
        let text = "this version does not lock accounts: nothing was touched; \
                    see with --dry-run what would be locked"
            .into();
        messages.push(Message { text, weight: Weight::Failure });
    }
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
    fn man_page_and_completion_are_in_step() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        spamcore::cli::in_step::assert_in_step(&PROGRAM, root.as_ref());
    }

    #[test]
    fn crontab_lines_keep_their_meaning() {
        let args = parse(&["-p", "1hour", "-m", "90", "-d", "5,5", "-w", "192.0.2.201,10.0.0.21"])
            .expect("a crontab line");
        assert_eq!(args.spread, Some(Spread { nets: 5, unknowns: 5 }));
        assert_eq!(args.common.limit, Some(90));
        assert!(args.webmail.holds("10.0.0.21".parse().expect("an address")));
        let args = parse(&["1hour", "90"]).expect("a crontab line");
        assert_eq!(args.common.period.map(|period| period.to_string()), Some("1 hour".into()));
        assert_eq!(args.common.limit, Some(90));
    }

    #[test]
    fn every_spelling_of_locking() {
        for line in [
            &["-d10"][..],
            &["-d", "10,10"],
            &["--dissable-account=10"],
            &["--disable-account", "10"],
            &["--dissable-acount=10"],
        ] {
            let args = parse(line).expect("a spelling");
            assert_eq!(args.spread, Some(Spread { nets: 10, unknowns: 10 }), "{line:?}");
        }
        for (line, master, period) in [
            (&["-n"][..], "localhost", None),
            (&["--nis=master.example.org"], "master.example.org", None),
            (&["--niss", "root@10.0.0.1"], "root@10.0.0.1", None),
            (&["-n", "localhost", "1hour"], "localhost", Some("1 hour")),
            (&["-n", "", "1hour"], "localhost", Some("1 hour")),
        ] {
            let args = parse(line).expect("a spelling");
            assert_eq!(args.nis_master.as_deref(), Some(master), "{line:?}");
            assert_eq!(args.common.period.map(|p| p.to_string()).as_deref(), period, "{line:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, want) in [
            (&["3600"][..], "PERIOD '3600': a unit is missing: did you mean 3600sec?"),
            (&["-p", "1parsec"], "--period '1parsec': 'parsec' is no unit of time"),
            (&["-p", ""], "--period: a period is wanted, such as 1hour"),
            (&["-d", "5,"], "--dissable-account '5,': a whole number is wanted"),
            (&["-d", "5,5,5"], "--dissable-account '5,5,5': a whole number is wanted"),
            (&["-n", "a;b"], "--niss 'a;b': a host's name is wanted"),
            (&["--nis=-oProxyCommand=x"], "--niss '-oProxyCommand=x': a host's name is wanted"),
            (
                &["-w", "10.0.0.1,mail"],
                "--webmail '10.0.0.1,mail': 'mail' is neither an address nor a network",
            ),
            (
                &["-p", "1hour", "2hours"],
                "PERIOD '2hours': given both as an option and as an argument",
            ),
            (
                &["1hour", "5", "-m", "6"],
                "--max-connections '6': given both as an option and as an argument",
            ),
            (&["1hour", "5", "6"], "one argument too many: '6'"),
            (&["--auth"], "invalid option '--auth'"),
            (&["-l", ""], "--logs: a file is wanted"),
            (&["--now", "2026-02-30 10:00"], "--now '2026-02-30 10:00': there is no such day"),
            (&["--format=xml"], "--format 'xml': text, table or json is wanted"),
        ] {
            assert_eq!(parse(line), Err(want.into()), "{line:?}");
        }
    }
}
