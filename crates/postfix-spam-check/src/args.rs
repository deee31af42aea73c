//! The options of `postfix-spam-check`, and what they ask for.

use std::ffi::{OsStr, OsString};
use std::io::Write;

use spamact::account::AccountName;
use spamact::mail::{Address, Server};
use spamact::system::site::{Site, clean_environment};
use spamcore::cli::options::{self, Common, HasCommon, Job, Outcome, why};
use spamcore::cli::{Argument, Opt, Program, Value, not_a_period, number, text};
use spamcore::host::Host;
use spamcore::parse::postfix::Postfix;
use spamcore::report::Style;
use spamcore::source::journal::Origin;
use spamcore::tally::network::Webmail;
use spamcore::time::window::Period;
use spamcore::verdict::Spread;

use crate::acting::Acting;

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
        Opt {
            long: "dissable-account",
            aliases: &["disable-account", "dissable-acount"],
            short: Some('d'),
            value: Value::Required("NETS,UNKNOWNS"),
            help: "Disable accounts of which both the networks and the unknown hosts are more than these; \
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
            help: "Disable accounts on a NIS master, over SSH as root; by default on localhost, without SSH. \
                   The next argument is the master, unless it begins with '-'. Also spelled --nis.",
            set: |args, value| {
                args.acting.nis_master = Some(master(value)?);
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
            help: "With --disable-account: decide and report, touch nothing, send nothing. Implied by --now.",
            set: |args, _| {
                args.acting.dry_run = true;
                Ok(())
            },
        },
        Opt {
            long: "sasl-access",
            aliases: &[],
            short: None,
            value: Value::Required("[TYPE:]FILE"),
            help: "Disable a login in Postfix itself, virtual mailboxes too: in a table that \
                   check_sasl_access asks, from the next connection on. TYPE: hash, btree, lmdb, cdb, dbm or \
                   sdbm; by default that of postconf.",
            set: |args, value| {
                args.acting.sasl_access = Some(text(value)?.to_owned());
                Ok(())
            },
        },
        Opt {
            long: "disable-command",
            aliases: &[],
            short: None,
            value: Value::Required("CMD"),
            help: "Disable an account by this program: an absolute path that only root can write. It gets \
                   the name as its only argument; status 0 is done.",
            set: |args, value| {
                args.acting.command = Some(text(value)?.to_owned());
                Ok(())
            },
        },
        Opt {
            long: "enable-command",
            aliases: &[],
            short: None,
            value: Value::Required("CMD"),
            help: "What undoes --disable-command, in the same manner; it is remembered with the lock for \
                   --enable-account.",
            set: |args, value| {
                args.acting.undo_command = Some(text(value)?.to_owned());
                Ok(())
            },
        },
        Opt {
            long: "realm",
            aliases: &[],
            short: None,
            value: Value::Required("DOMAIN"),
            help: "user@DOMAIN is the local account user. May be given again.",
            set: |args, value| {
                let domain = text(value)?.trim_start_matches('@').trim_end_matches('.');
                if domain.is_empty() {
                    return Err("a domain is wanted".into());
                }
                args.acting.realms.push(domain.to_owned());
                Ok(())
            },
        },
        Opt {
            long: "verify-journal",
            aliases: &[],
            short: None,
            value: Value::None,
            help: "Disable only where the trusted lines of the journal alone reach the limits too: what a \
                   local user writes into the log can then aim at nobody.",
            set: |args, _| {
                args.acting.verify_journal = true;
                Ok(())
            },
        },
        Opt {
            long: "max-locks",
            aliases: &[],
            short: None,
            value: Value::Required("N"),
            help: "Disable at most N accounts a run, the worst first, and four times that in 24 hours. \
                   Default: 5.",
            set: |args, value| {
                args.acting.max_locks = Some(number(value)?);
                Ok(())
            },
        },
        Opt {
            long: "list-disabled",
            aliases: &[],
            short: None,
            value: Value::None,
            help: "Show what was disabled, when, how and why. No log is read.",
            set: |args, _| {
                args.acting.list = true;
                Ok(())
            },
        },
        Opt {
            long: "enable-account",
            aliases: &[],
            short: None,
            value: Value::Required("NAME"),
            help: "Undo a lock, in whatever way it was made, and forget it. No log is read.",
            set: |args, value| {
                let name = text(value)?;
                AccountName::check(name.as_bytes()).map_err(why)?;
                args.acting.enable = Some(name.to_owned());
                Ok(())
            },
        },
        Opt {
            long: "notify",
            aliases: &[],
            short: None,
            value: Value::Required("ADDRESS"),
            help: "Where notices of disabled accounts go. Default: root@ the host's domain.",
            set: |args, value| {
                args.acting.notify = Some(
                    Address::check(text(value)?).map_err(|_| "it is no mail address")?.to_string(),
                );
                Ok(())
            },
        },
        Opt {
            long: "smtp",
            aliases: &[],
            short: None,
            value: Value::Required("HOST[:PORT]"),
            help: "The mail server that notices go through, with STARTTLS where it offers that; so that they \
                   leave while the own queue is full. Default: 127.0.0.1:25, else sendmail.",
            set: |args, value| {
                let server = text(value)?;
                Server::parse(server, false).map_err(|_| "HOST or HOST:PORT is wanted")?;
                args.acting.smtp = Some(server.to_owned());
                Ok(())
            },
        },
        Opt {
            long: "smtp-auth-file",
            aliases: &[],
            short: None,
            value: Value::File,
            help: "User and password for --smtp, on a line each, in a file that only root can read. TLS is \
                   then required.",
            set: |args, value| {
                args.acting.smtp_auth = Some(value.into());
                Ok(())
            },
        },
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
    common: Common,
    spread: Option<Spread>,
    webmail: Webmail,
    acting: Acting,
}

impl HasCommon for Args {
    fn common(&mut self) -> &mut Common {
        &mut self.common
    }
}

fn set_period(args: &mut Args, value: &OsStr) -> Result<(), String> {
    let value = text(value)?;
    let period = Period::parse(value).map_err(|error| not_a_period(value, error))?;
    options::set_period(args, period)
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
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    host: Host,
    site: &Site,
    out: &mut impl Write,
) -> Outcome {
    options::run(&PROGRAM, arguments, out, |args: Args, out| {
        let mut acting = args.acting;
        acting.dry_run |= args.common.now.is_some();
        if let Err(why) = acting.check(args.spread.is_some()) {
            return Outcome { status: 2, messages: vec![why] };
        }
        if acting.may_connect(args.spread.is_some())
            && let Some(error) = clean_environment()
        {
            let text = format!("it cannot be started with a clean environment: {error}");
            return Outcome { status: 1, messages: vec![text] };
        }
        if acting.list || acting.enable.is_some() {
            let (text, mut outcome) = acting.manage(site, &host);
            if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
                outcome.status = 1;
                outcome.messages.push(format!("standard output cannot be written: {error}"));
            }
            return outcome;
        }
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
        job.run(PROGRAM.name, args.common, host, out, |findings, again, messages| {
            if args.spread.is_some() {
                acting.act(site, findings, again, messages);
            }
        })
    })
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
            assert_eq!(args.acting.nis_master.as_deref(), Some(master), "{line:?}");
            assert_eq!(args.common.period.map(|p| p.to_string()).as_deref(), period, "{line:?}");
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
                "PERIOD 'logs/mail.log': not a period; to read a file use --logs=logs/mail.log",
            ),
            (&["-d", "5,"], "-d '5,': expected a whole number"),
            (&["--disable-account=5,x"], "--disable-account '5,x': expected a whole number"),
            (
                &["--dissable-account", "5,5,5"],
                "--dissable-account '5,5,5': expected a whole number",
            ),
            (&["-n", "a;b"], "-n 'a;b': a host's name is wanted"),
            (&["--nis=-oProxyCommand=x"], "--nis '-oProxyCommand=x': a host's name is wanted"),
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
