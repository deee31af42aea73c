//! The options of `postfix-spam-check`, and what they ask for.

use std::ffi::{OsStr, OsString};
use std::io::Write;

use spamact::act::Looked;
use spamact::options::{self as acting, ActingArgs, Task};
use spamact::system::{System, clean_environment};
use spamcore::check::{Check, Defaults};
use spamcore::cli::options::{self, SharedArgs, why};
use spamcore::cli::{Argument, Opt, Program, Value, text};
use spamcore::host::Host;
use spamcore::messages::{Messages, Outcome};
use spamcore::parse::postfix::Postfix;
use spamcore::report::Style;
use spamcore::tally::network::Webmail;
use spamcore::time::window::Period;

use crate::notice::APPLICATION;

/// The program.
pub const PROGRAM: Program<Args> = Program {
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
        "With --disable-account, accounts whose mail comes from more networks and more unknown hosts than \
         given are disabled: the mark of a stolen password in a botnet. By default that is a local account, \
         by passwd -l; else one of a NIS master, a login in a table of Postfix, or whatever a command does. \
         What was done stands at the end of the account's line, and root gets a mail.",
    ],
    arguments: &[
        Argument { name: "PERIOD", help: "The same as --period.", set: set_period },
        options::max_argument(),
    ],
    options: &[
        options::period(),
        options::max_connections("Report senders with at least so many messages. Default: 90."),
        acting::disable_account(),
        acting::nis(),
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
        acting::dry_run(),
        acting::sasl_access(),
        acting::disable_command(),
        acting::enable_command(),
        acting::realm(),
        acting::verify_journal(),
        acting::max_locks(),
        acting::list_disabled(),
        acting::enable_account(),
        acting::notify(),
        acting::smtp(),
        acting::smtp_auth_file(),
        options::overrides(),
        options::logs(),
        options::journal(),
        options::now(),
        options::format(),
        options::exit_code(),
    ],
    chapters: &[(
        "DISABLING ACCOUNTS",
        &[
            "An account is disabled when its networks and its unknown hosts are both more than the numbers \
             of --disable-account, among senders that are reported. For local accounts (PAM, saslauthd) that \
             is passwd -l; for accounts of NIS, --niss; for virtual mailboxes (Dovecot, SQL), --sasl-access; \
             for all else, --disable-command. Where logins are user@example.org and accounts user, add \
             --realm=example.org.",
            "The table of --sasl-access is used by two lines of main.cf; the restriction stands before any \
             permit:",
            "    smtpd_sender_restrictions = check_sasl_access hash:/etc/postfix/sasl_access, ...\n\
             smtpd_delay_reject = yes",
            "It must be there before Postfix asks for it: touch the file, postmap it, reload Postfix.",
            "Never disabled: root, postmaster, abuse, mailer-daemon; uids outside UID_MIN to UID_MAX of \
             /etc/login.defs; who runs the program; the names in /etc/spam-check/exempt; names that no account \
             has. No more than --max-locks in a run, the worst first.",
            "It is done and told once. At the end of the account's line stands [DISABLED], when that was \
             looked at afterwards; [ALREADY DISABLED]; [ALREADY DISABLED, STILL SENDING] when lines newer \
             than the lock go on; [WOULD DISABLE] in a dry run; or [NOT DISABLED: reason], with status 1 unless \
             the account must not be disabled. Only lines after an account was last seen locked are \
             evidence, so that one that was enabled again is not disabled on old lines.",
            "The way back, whatever way it was:",
            "    postfix-spam-check --enable-account=alice",
            "A lock does not end open sessions (systemctl restart postfix, doveadm kick), empty caches (doveadm auth \
             cache flush, systemctl restart saslauthd, nscd -i passwd), take away SSH keys, or stop what is \
             in the queue (postsuper -h). The notice has these commands with the account's name.",
            "A syslog file cannot prove who wrote a line: every local user can write one, and have somebody \
             else disabled. Against that, --verify-journal, or --journal alone. A chrooted smtpd may not log to \
             the journal, which is why it is not the default.",
        ],
    )],
    files: &[
        (
            "/var/log/mail.log, /var/log/maillog",
            "The log: the first that exists, else the journal.",
        ),
        (
            "/etc/spam-check/postfix-spam-check.overrides",
            "Limits of their own for some senders; the place for the script's postfix-spam-scan.overrides, as it is.",
        ),
        ("/etc/spam-check/exempt", "Accounts that are never disabled, a name a line."),
        ("/var/lib/spam-check", "What was disabled, and which notices wait."),
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
            "with --disable-account: disabled, already_disabled, still_sending, would_disable, not_disabled, \
          or null where the account is within the limits",
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
        ("Disable them, and tell root:", "postfix-spam-check -d 10,10"),
        (
            "What was disabled, and the way back:",
            "postfix-spam-check --list-disabled; postfix-spam-check --enable-account=alice",
        ),
        ("What happened that night:", "postfix-spam-check --now '2026-11-23 03:00' -p 6hours"),
    ],
    differences: &[
        "Every service and instance name of smtpd counts, NOQUEUE too, with ports, IPv6 and long queue \
         ids; every form of time stamp is read; the period reaches into rotated logs.",
        "A name is text: no pattern, not split at blanks; what follows it in the line is not part of it.",
        "Failed logins and text that a client made Postfix quote do not count, and so disable nobody.",
        "An account is disabled once and told once; old lines do not disable one again that was enabled \
         since. [DISABLED] is only said when it was checked.",
        "Several terms of a period add up: '1hour 30minutes' is ninety minutes.",
    ],
};

/// The arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    shared: SharedArgs,
    webmail: Webmail,
    acting: ActingArgs,
}

impl AsMut<SharedArgs> for Args {
    fn as_mut(&mut self) -> &mut SharedArgs {
        &mut self.shared
    }
}

impl AsMut<ActingArgs> for Args {
    fn as_mut(&mut self) -> &mut ActingArgs {
        &mut self.acting
    }
}

fn set_period(args: &mut Args, value: &OsStr) -> Result<(), String> {
    options::set_period(args, Period::parse(text(value)?).map_err(why)?)
}

const DEFAULTS: Defaults = Defaults {
    program: PROGRAM.name,
    period: "1hour",
    limit: 90,
    exclusive: false,
    overrides: Some("/etc/spam-check/postfix-spam-check.overrides"),
    logs: &["/var/log/mail.log", "/var/log/maillog"],
    or_journal: true,
    style: Style::Origins,
};

/// Runs the program.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    host: Host,
    system: &System,
    out: &mut impl Write,
) -> Outcome {
    checked(arguments, host, system, out).unwrap_or_else(|ended| ended)
}

/// From the arguments to the report; how a run ends before it, where it does.
fn checked(
    arguments: impl IntoIterator<Item = OsString>,
    mut host: Host,
    system: &System,
    out: &mut impl Write,
) -> Result<Outcome, Outcome> {
    let args = PROGRAM.start(arguments, out)?;
    let spread = args.acting.spread;
    let task = args.acting.task(&APPLICATION, args.shared.now.is_some()).map_err(Outcome::usage)?;
    let mut messages = Messages::default();
    if task.as_ref().is_some_and(Task::may_connect)
        && let Some(error) = clean_environment()
    {
        messages.fail(format!("it cannot be started with a clean environment: {error}"));
        return Err(messages.outcome(false, false));
    }
    let plan = match task {
        Some(Task::Act(plan)) => Some(plan),
        Some(Task::List) => {
            let text = acting::list_disabled_accounts(system, &host.zone, host.now, &mut messages);
            return Err(printed(&text, messages, out));
        }
        Some(Task::Enable(account, plan)) => {
            let text = plan.enable(&account, system, &host.zone, &mut messages);
            return Err(printed(&text, messages, out));
        }
        None => None,
    };
    let mut check = Check::new(Postfix, &DEFAULTS, args.shared, &host, &mut messages)?;
    (check.webmail, check.spread) = (args.webmail, spread);
    let mut scan = check.open(&mut host, &mut messages);
    let tally = check.count(&mut scan, &mut messages);
    let mut findings = check.judge(&tally);
    if let Some(plan) = plan {
        let looked = Looked {
            period: check.period(),
            log: scan.names().join(", "),
            now: host.now.min(check.window().now),
        };
        let mut again = check.evidence(&mut scan);
        plan.act(&mut findings, &mut again, system, &host.zone, looked, &mut messages);
    }
    Ok(check.report(&findings, &host, out, messages))
}

/// Prints a text, and ends the run. A closed pipe is a failure here: what was done may be in the text.
fn printed(text: &str, mut messages: Messages, out: &mut impl Write) -> Outcome {
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        messages.fail(format!("standard output cannot be written: {error}"));
    }
    messages.outcome(false, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spamcore::cli::Parsed;
    use spamcore::verdict::Spread;

    fn parse(line: &[&str]) -> Result<Args, String> {
        match PROGRAM.parse(line.iter().map(OsString::from)) {
            Ok(Parsed::Run(args)) => Ok(args),
            Ok(other) => panic!("{line:?}: {other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn crontab_lines_keep_their_meaning() {
        let args = parse(&["-p", "1hour", "-m", "90", "-d", "5,5", "-w", "192.0.2.201,10.0.0.21"])
            .expect("a crontab line");
        assert_eq!(args.acting.spread, Some(Spread { nets: 5, unknowns: 5 }));
        assert_eq!(args.shared.limit, Some(90));
        assert!(args.webmail.holds("10.0.0.21".parse().expect("an address")));
        let args = parse(&["1hour", "90"]).expect("a crontab line");
        assert_eq!(args.shared.period.map(|period| period.to_string()), Some("1 hour".into()));
        assert_eq!(args.shared.limit, Some(90));
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
            assert_eq!(args.acting.spread, Some(Spread { nets: 10, unknowns: 10 }), "{line:?}");
        }
        for (line, same, period) in [
            (&["-n"][..], "--nis=localhost", None),
            (&["--niss", "root@10.0.0.1"], "--nis=root@10.0.0.1", None),
            (&["-n", "localhost", "1hour"], "--nis=localhost", Some("1 hour")),
            (&["-n", "", "1hour"], "--nis=localhost", Some("1 hour")),
        ] {
            let args = parse(line).expect("a spelling");
            assert_eq!(args.acting, parse(&[same]).expect("a master").acting, "{line:?}");
            assert_eq!(args.shared.period.map(|p| p.to_string()).as_deref(), period, "{line:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, want) in [
            (&["3600"][..], "PERIOD '3600': a unit is missing: did you mean 3600sec?"),
            (&["-p", "1parsec"], "--period '1parsec': 'parsec' is no unit of time"),
            (&["-p", ""], "--period: a period is wanted, such as 1hour"),
            (&["-d", "5,"], "--disable-account '5,': a whole number is wanted"),
            (&["-d", "5,5,5"], "--disable-account '5,5,5': a whole number is wanted"),
            (&["-n", "a;b"], "--nis 'a;b': expected [USER@]HOST[:PORT]"),
            (&["-n", "host:99999"], "--nis 'host:99999': expected [USER@]HOST[:PORT]"),
            (&["-n", "a@b@c"], "--nis 'a@b@c': expected [USER@]HOST[:PORT]"),
            (&["--nis=-oProxyCommand=x"], "--nis '-oProxyCommand=x': expected [USER@]HOST[:PORT]"),
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
