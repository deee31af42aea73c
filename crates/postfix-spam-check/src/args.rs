//! The options of `postfix-spam-check`, and what they ask for.

use std::ffi::{OsStr, OsString};
use std::io::Write;

use spamact::act::Looked;
use spamact::options::{self as acting, ActingArgs, Task};
use spamact::system::{System, clean_environment};
use spamcore::check::{Check, Defaults};
use spamcore::cli::options::{self, SharedArgs};
use spamcore::cli::{Argument, Opt, Program, Value, text};
use spamcore::host::Host;
use spamcore::messages::{Messages, Outcome};
use spamcore::parse::postfix::Postfix;
use spamcore::report::Style;
use spamcore::tally::network::Webmail;
use spamcore::time::period::Period;

use crate::notice::APPLICATION;

/// The program.
pub const PROGRAM: Program<Args> = Program {
    name: "postfix-spam-check",
    old_name: Some("postfix-spam-scan"),
    about: "find authenticated Postfix users who send too much mail",
    description: &[
        "Counts the messages that each login name (SASL) has submitted to Postfix during the last hour, or \
         another period, and reports the names that reach the limit: each with the number of networks, of \
         hosts without reverse DNS, of IP addresses and of messages from webmail hosts, and with the first \
         of its log lines. If there is nothing to report, nothing is printed, which suits cron jobs and pipes.",
        "A message counts when smtpd has accepted it from an authenticated client. Failed logins, rejects \
         and text that Postfix quotes from a client never count.",
        "With --disable-account, accounts whose mail comes from more networks and more hosts without reverse \
         DNS than the given numbers are locked: that is the mark of a stolen password in the hands of a \
         botnet. By default a local account is locked with passwd -l; other methods lock an account on a NIS \
         master, refuse the login in Postfix itself, or run a command. The end of the account's line says \
         what was done, and root is notified by mail.",
    ],
    arguments: &[
        Argument { name: "PERIOD", help: "The same as --period.", set: set_period },
        options::max_argument(),
    ],
    options: &[
        options::period(),
        options::max_connections("Report senders with at least N messages. Default: 90."),
        acting::disable_account(),
        acting::nis(),
        Opt {
            long: "webmail",
            aliases: &[],
            short: Some('w'),
            value: Value::Required("IP,..."),
            help: "Addresses or networks (CIDR) of webmail hosts, separated by commas or spaces. The report \
                   says how many messages came from there. May be repeated.",
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
        options::realm(),
        acting::host(),
        acting::verify_journal(),
        acting::max_locks(),
        acting::end_sessions(),
        acting::list_disabled(),
        acting::enable_account(),
        acting::notify(),
        acting::smtp(),
        acting::smtp_auth_file(),
        options::overrides(),
        options::logs(),
        options::logs_from(),
        options::journal(),
        options::now(),
        options::format(),
        options::exit_code(),
        options::check(),
    ],
    chapters: &[(
        "LOCKING ACCOUNTS",
        &[
            "An account is locked if it is reported and if the number of its networks and that of its hosts \
             without reverse DNS both exceed the limits of --disable-account. How depends on where your accounts are: local accounts \
             (PAM, saslauthd) are locked with passwd -l, which is the default; use --nis for accounts on a NIS \
             master, --sasl-access for virtual mailboxes (Dovecot, SQL), and --disable-command for anything \
             else. If logins look like user@example.org and accounts like user, add --realm=example.org; if \
             the mail system takes any domain (saslauthd, PAM), --realm='*'.",
            "Spellings of a login (upper or lower case, dots and spaces at the end, the domains of --realm) are one \
             sender. If /etc/passwd has accounts that differ only in spelling (alice and Alice), each is judged by the \
             lines with exactly its name. The table of --sasl-access gets a line for each name: the folded one, that \
             with each realm, and each spelling in the log. If an account can log in under names that a table cannot \
             hold (--realm='*', spaces), the line says [NOT DISABLED: only some of its spellings can be refused].",
            "The table of --sasl-access takes effect through two lines of main.cf; put the restriction before \
             any permit:",
            "    smtpd_sender_restrictions = check_sasl_access hash:/etc/postfix/sasl_access, ...\n\
             smtpd_delay_reject = yes",
            "The table must exist before Postfix uses it: create it with touch, compile it with postmap, and \
             reload Postfix.",
            "Never locked are: root, postmaster, abuse and mailer-daemon; accounts whose uid is outside UID_MIN \
             to UID_MAX of /etc/login.defs; the user who runs the program; members of the groups sudo, wheel and adm; the names in \
             /etc/spam-check/exempt; and names that no account can have. At most --max-locks accounts are \
             locked per run, the worst first.",
            "An account is locked once, and its notice is sent once. The end of the account's line says what \
             happened: [DISABLED], once the lock has been verified; [ALREADY DISABLED]; [ALREADY DISABLED, STILL \
             SENDING] if there are lines newer than the lock; [WOULD DISABLE] in a dry run; or [NOT DISABLED: \
             reason], with exit status 1 unless the account must not be locked. Only lines logged after an \
             account was last seen locked are evidence against it, so an account that has been unlocked is not \
             locked again because of old lines.",
            "To unlock an account, whatever the method was:",
            "    postfix-spam-check --enable-account=alice",
            "A lock does not end open sessions (systemctl restart postfix, doveadm kick), does not empty caches \
             (doveadm auth cache flush, systemctl restart saslauthd, nscd -i passwd), does not revoke SSH keys, \
             and does not stop mail that is already queued (postsuper -h). The notice lists these commands with \
             the account's name filled in.",
            "Only lines of this host are evidence: lines without a host, and those whose host is localhost, or has the \
             name of the kernel, its full form in /etc/hosts, the name in /etc/mailname, Postfix's myhostname, or the \
             first label of one of these. With --host, lines of other hosts are, too.",
            "A syslog file does not prove who wrote a line: any local user can write one, and get somebody else's \
             account locked. To prevent that, use --verify-journal, or read only the journal with --journal. \
             Neither is the default, because a chrooted smtpd may not log to the journal.",
        ],
    )],
    files: &[
        (
            "/var/log/mail.log, /var/log/maillog",
            "The log: the one that was written last. If neither exists, or the journal is newer by a day, the journal is read.",
        ),
        (
            "/etc/spam-check/postfix-spam-check.overrides",
            "Per-sender limits. The file postfix-spam-scan.overrides of the old script can be used unchanged.",
        ),
        ("/etc/spam-check/exempt", "Accounts that are never locked, one name per line."),
        (
            "/var/lib/spam-check",
            "Records which accounts were locked, and which notices are still to be sent.",
        ),
        ("/run/spam-check", "A copy of the same, while /var/lib/spam-check cannot be written."),
    ],
    fields: &[
        (
            "nets, unknowns, ips",
            "the number of distinct networks (by host name), of addresses without reverse DNS (unknown in the \
             log), and of addresses in all; 100000 means 100000 or more",
        ),
        ("webmail", "the number of messages from webmail hosts"),
        ("first_spelling", "how the sender's name is spelled in line"),
        ("spellings", "how many spellings of the name were logged; present only if more than one"),
        (
            "action",
            "with --disable-account: disabled, already_disabled, still_sending, would_disable, not_disabled, \
             or null if the account is within the limits",
        ),
        ("reason", "why it was not locked, or null"),
    ],
    examples: &[
        (
            "From cron every 20 minutes, who sent 90 messages in an hour, piped to a command that sends an alert:",
            "*/20 * * * *  postfix-spam-check -p 1hour -m 90 -w 192.0.2.201,10.0.0.21 | emergency-mail 3000",
        ),
        (
            "Who is sending most right now, as a table:",
            "postfix-spam-check --format=table -p 30minutes -m 60",
        ),
        (
            "Which accounts look stolen, without locking any:",
            "postfix-spam-check -d 10,10 --dry-run",
        ),
        ("Lock them, and notify root:", "postfix-spam-check -d 10,10"),
        (
            "List the accounts that were locked, and unlock one:",
            "postfix-spam-check --list-disabled; postfix-spam-check --enable-account=alice",
        ),
        (
            "What happened on a night in the past:",
            "postfix-spam-check --now '2026-11-23 03:00' -p 6hours",
        ),
    ],
    differences: &[
        "Lines of every service and instance of smtpd count, with or without a queue id (NOQUEUE), with \
         client ports, IPv6 addresses and long queue ids. All formats of timestamps are read, and the period \
         extends into rotated logs.",
        "Spellings of a login (upper or lower case, dots and spaces at the end) are one sender.",
        "A user name is plain text: it is not a pattern, it is not split at spaces, and it ends where its field \
         ends.",
        "Failed logins and text that Postfix quotes from a client do not count, and so cannot get anybody \
         locked.",
        "An account is locked once, and its notice is sent once; an account that has been unlocked is not \
         locked again because of old lines. [DISABLED] is printed only after the lock has been verified.",
        "The terms of a period add up: '1hour 30minutes' is ninety minutes.",
    ],
    see_also: &["exim-spam-check", "php-spam-check", "php-legacy-spam-check"],
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
    options::set_period(args, Period::parse(text(value)?).map_err(options::why)?)
}

/// How many logs a notice names.
const LISTED: usize = 8;

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
    steps(arguments, host, system, out).unwrap_or_else(|ended| ended)
}

/// Parses, reads, acts and reports. `Err` is the outcome of a run that ends early.
fn steps(
    arguments: impl IntoIterator<Item = OsString>,
    mut host: Host,
    system: &System,
    out: &mut impl Write,
) -> Result<Outcome, Outcome> {
    let args = PROGRAM.start(arguments, out)?;
    let spread = args.acting.spread;
    let realms = args.shared.realms.clone();
    let look_only = match (args.shared.check, &args.shared.now) {
        (true, _) => Some("--check"),
        (_, Some(_)) => Some("--now"),
        _ => None,
    };
    // Where every domain is one, or the administrator has said that no other is, there is nothing to say.
    let hints = !realms.any() && !realms.denied();
    let task = args.acting.task(&APPLICATION, look_only, realms).map_err(Outcome::usage)?;
    let mut messages = Messages::default();
    if task.as_ref().is_some_and(Task::may_connect)
        && let Some(error) = clean_environment()
    {
        messages.fail(format!("cannot restart with a clean environment: {error}"));
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
    let (tally, of_hosts) = match &plan {
        Some(plan) => check.count_to_act(&mut scan, &plan.hosts(system), &mut messages),
        None => (check.count(&mut scan, &mut messages), None),
    };
    let mut findings = check.judge(&tally);
    if hints
        && (plan.is_some() || check.is_self_test())
        && let Some(users) = acting::regular_users(system)
    {
        check.hint_at_split_logins(users, (&tally, &findings), &mut scan, &mut messages);
    }
    let mut facts = Vec::new();
    if let Some(plan) = plan {
        let looked = Looked {
            period: check.period(),
            log: listed(&scan.names()),
            now: host.now.min(check.window().now),
        };
        let mut source = check.evidence(&mut scan, of_hosts.as_ref());
        plan.act(&mut findings, &mut source, system, &host.zone, looked, &mut messages);
        if check.is_self_test() {
            facts = plan.self_test(&findings, system, host.now);
        }
    }
    if check.is_self_test() {
        let found = (&tally, findings.len());
        return Ok(check.self_test(&mut scan, found, facts, &host, out, messages));
    }
    Ok(check.report(&findings, &host, out, messages))
}

/// The logs as a notice names them. A pattern may match hundreds.
fn listed(logs: &[String]) -> String {
    let more = logs.len().saturating_sub(LISTED);
    let mut text = logs[..logs.len() - more].join(", ");
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
}

/// Prints a text and ends the run. A closed pipe is a failure here: the text may say what was done.
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
    fn a_notice_names_the_first_logs() {
        let logs: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        assert_eq!(listed(&logs), "0, 1, 2, 3, 4, 5, 6, 7 and 2 more");
        assert_eq!(listed(&logs[..2]), "0, 1");
        assert_eq!(listed(&[]), "");
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
            (&["-p", "1parsec"], "-p '1parsec': 'parsec' is not a unit of time"),
            (&["-p", ""], "-p: expected a period, such as 1hour"),
            (&["--period", "tomorrow"], "--period 'tomorrow': a period cannot lie in the future"),
            (
                &["logs/mail.log"],
                "PERIOD 'logs/mail.log': not a period or number; to read a file: -l logs/mail.log",
            ),
            (&["-d", "5,"], "-d '5,': expected a whole number"),
            (&["--disable-account=5,x"], "--disable-account '5,x': expected a whole number"),
            (
                &["--dissable-account", "5,5,5"],
                "--dissable-account '5,5,5': expected a whole number",
            ),
            (&["-n", "a;b"], "-n 'a;b': expected [USER@]HOST[:PORT]"),
            (&["-n", "host:99999"], "-n 'host:99999': expected [USER@]HOST[:PORT]"),
            (&["--niss", "a@b@c"], "--niss 'a@b@c': expected [USER@]HOST[:PORT]"),
            (&["--nis=-oProxyCommand=x"], "--nis '-oProxyCommand=x': expected [USER@]HOST[:PORT]"),
            (
                &["-w", "10.0.0.1,mail"],
                "-w '10.0.0.1,mail': 'mail' is neither an address nor a network",
            ),
            (
                &["-p", "1hour", "2hours"],
                "PERIOD '2hours': given both as an option and as an argument",
            ),
            (&["1hour", "5", "-m", "6"], "-m '6': given both as an option and as an argument"),
            (&["1hour", "5", "6"], "unexpected argument '6'"),
            (&["--auth"], "invalid option '--auth'"),
            (&["-l", ""], "-l: expected a file name"),
            (&["--now", "2026-02-30 10:00"], "--now '2026-02-30 10:00': no such date"),
            (&["--format=xml"], "--format: 'xml' is not one of text, table, json"),
        ] {
            assert_eq!(parse(line), Err(want.into()), "{line:?}");
        }
    }
}
