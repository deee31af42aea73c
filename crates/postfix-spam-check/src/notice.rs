//! What notices say of Postfix: the commands that hold a login's mail, end its sessions, and look its
//! messages up in the journal.
//!
//! The expressions are anchored, so that no line can quote another: between the start of a line and the first
//! bracket there is nothing but timestamp, host and tag. Queue ids have five characters or more.

use spamact::notice::{Application, Daemon, MailServer, SessionCommand};

/// This program.
pub(crate) static APPLICATION: Application =
    Application { name: crate::args::PROGRAM.name, mail_server: POSTFIX };

const DOVECOT: Daemon = Daemon {
    process: "dovecot",
    option: "",
    cache: "Dovecot's auth_cache_size",
    ask: &["/usr/bin/doveconf", "-h", "auth_cache_size"],
};

const POSTFIX: MailServer = MailServer {
    name: "Postfix",
    // The unit alone does not say who wrote a line: commands in ~/.forward run in it, too.
    journal: "journalctl -q _UID=\"$(id -u postfix)\" --since '2 days ago'",
    hold: &[
        r"ids() { {log} | sed -nE 's#^[^[]*/smtpd\[[0-9]+\]: ([0-9A-Za-z]{5,}): client=[^ ]+, sasl_method=[^ ]+, sasl_username={pattern}(, .*)?$#\1#p' | sort -u; }",
        "ids | postsuper -h -",
        r#"postqueue -j | jq -c 'select(.queue_name == "hold")'"#,
        "postqueue -p | awk '$1 ~ /!$/'     # without jq: held messages are marked with !",
        "postcat -qbh QUEUEID",
    ],
    delete_or_release: &["ids | postsuper -d - hold", "ids | postsuper -H -"],
    end_sessions: &[
        SessionCommand {
            command: &["/usr/bin/doveadm", "auth", "cache", "flush", "{login}"],
            note: "",
            daemon: DOVECOT,
            nothing: None,
        },
        SessionCommand {
            command: &["/usr/bin/doveadm", "kick", "{login}"],
            note: "",
            daemon: DOVECOT,
            // EX_NOHOST of sysexits.h: nobody of that name is logged in (doveadm(1), EXIT STATUS).
            nothing: Some(68),
        },
        SessionCommand {
            command: &["/usr/bin/systemctl", "restart", "saslauthd"],
            note: "saslauthd -c keeps passwords",
            // Debian's own options have -c; its cache lives for eight hours.
            daemon: Daemon {
                process: "saslauthd",
                option: "-c",
                cache: "saslauthd -c (keeps passwords)",
                ask: &[],
            },
            nothing: None,
        },
        SessionCommand {
            command: &["/usr/sbin/nscd", "-i", "passwd"],
            note: "",
            daemon: Daemon { process: "nscd", option: "", cache: "nscd", ask: &[] },
            nothing: None,
        },
        SessionCommand {
            command: &["/usr/sbin/sss_cache", "-u", "{login}"],
            note: "",
            daemon: Daemon { process: "sssd", option: "", cache: "sssd", ask: &[] },
            nothing: None,
        },
        // Not `pkill smtpd`: master(8) takes a process that dies in its first session for one that cannot
        // start ("bad command startup -- throttling"), and opens the port a minute later. Nor `postfix
        // stop`: what it starts again is no longer the unit, whose lines the journal vouches for.
        SessionCommand {
            command: &["/usr/bin/systemctl", "restart", "postfix"],
            note: "ends every open SMTP session",
            daemon: Daemon { process: "master", option: "", cache: "", ask: &[] },
            nothing: None,
        },
    ],
    sessions_note: "The last command cuts off every client; legitimate ones reconnect.",
    // Failed logins and longer names must not look like proof.
    confirm: r"{journal} | grep -E '/smtpd\[[0-9]+\]: [0-9A-Za-z]{5,}: client=[^ ]+, sasl_method=[^ ]+, sasl_username={pattern}(, |$)'",
    journal_note: "A chrooted smtpd may not log to it: check whether its lines are there at all.",
    not_reached: "--sasl-access=FILE refuses the login in Postfix itself; the manual page shows the two \
                  lines of main.cf that it needs.",
};

#[cfg(test)]
mod tests {
    use super::*;
    use spamact::AccountName;
    use spamact::notice::{Incident, IncidentKind};
    use spamcore::evidence::Counts;
    use std::process::{Command, Stdio};
    use time::macros::datetime;

    fn body(account: &str, log: &str) -> String {
        let account = AccountName::check(account.as_bytes()).expect("a name");
        let incident = Incident {
            application: &APPLICATION,
            host: "host.example.org",
            account: &account,
            sender: account.as_ref().as_bytes(),
            kind: IncidentKind::Disabled,
            method: "local",
            at: datetime!(2026-11-03 17:20:04 +1),
            period: "1hour",
            log,
            counts: Counts::default(),
            report_line: b"a line",
            first_lines: &[],
            networks: &[],
            addresses: &[],
            undo: &[],
            caches: &[],
        };
        incident.notice().body
    }

    #[test]
    fn the_commands_are_there() {
        let body = body("alice", "/var/log/mail.log");
        for command in [
            "\n    postfix-spam-check --enable-account=alice\n",
            "\n    ids | postsuper -h -\n",
            "\n    ids | postsuper -d - hold\n",
            "\n    doveadm kick alice\n",
            "\n    doveadm auth cache flush alice\n",
            "\n    systemctl restart postfix ",
        ] {
            assert!(body.contains(command), "{command}\n{body}");
        }
        assert!(!body.contains("pkill"), "it closes the port for a minute");
        for placeholder in ["{log", "{journal", "{pattern"] {
            assert!(!body.contains(placeholder), "{placeholder}\n{body}");
        }
    }

    #[test]
    fn the_command_finds_the_queue_numbers_of_the_sender_and_of_nobody_else() {
        let log = "Nov  3 17:00:12 mail postfix/smtpd[77]: 3F1A2B: client=c[192.0.2.1], sasl_method=PLAIN, sasl_username=a.c+x@example.org\n\
                   2026-11-03T17:00:13.5+01:00 mail postfix/submission/smtpd[8]: 4Zc1xyBQrvz1: client=unknown[2001:db8::1]:4711, sasl_method=LOGIN, sasl_username=a.c+x@example.org, sasl_sender=y\n\
                   Nov  3 17:00:14 mail postfix/smtpd[77]: 3F1A2B: client=c[192.0.2.1], sasl_method=PLAIN, sasl_username=a.c+x@example.org\n\
                   Nov  3 17:00:12 mail postfix/smtpd[77]: 111111: client=c[192.0.2.1], sasl_method=PLAIN, sasl_username=abc+x@example.org\n\
                   Nov  3 17:00:12 mail postfix/smtpd[77]: 222222: client=c[192.0.2.1], sasl_method=PLAIN, sasl_username=a.c+x@example.org.net\n\
                   Nov  3 17:00:12 mail postfix/smtpd[77]: warning: non-SMTP command from x[1.2.3.4]: mail postfix/smtpd[77]: 333333: client=c[1.2.3.4], sasl_method=PLAIN, sasl_username=a.c+x@example.org\n\
                   Nov  3 17:00:12 mail postfix/smtpd[77]: ALL: client=c[192.0.2.1], sasl_method=PLAIN, sasl_username=a.c+x@example.org\n";
        let scratch = tempfile::tempdir().expect("a directory");
        let path = scratch.path().join("mail.log");
        std::fs::write(&path, log).expect("the directory is ours");
        // Rotated a moment ago, with the mail that the notice is about.
        let line = log.lines().next().expect("the first");
        let rotated = scratch.path().join("mail.log.1");
        std::fs::write(&rotated, line.replace("3F1A2B", "5E1DE2") + "\n")
            .expect("the directory is ours");
        let path = path.to_str().expect("a plain path");
        let body = body("a.c+x@example.org", path);
        let ids = body.lines().find(|line| line.starts_with("    ids() {")).expect("it is there");
        let shell = Command::new("/bin/sh")
            .args(["-c", &format!("{ids}\nids")])
            .stderr(Stdio::inherit())
            .output()
            .expect("there is a shell");
        assert_eq!(String::from_utf8_lossy(&shell.stdout), "3F1A2B\n4Zc1xyBQrvz1\n5E1DE2\n");
    }
}
