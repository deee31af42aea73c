//! The systemd journal: made by `systemd-journal-remote` from an export file, and laid where journalctl
//! looks for it, in a [`Namespace`]. It takes root.

use std::path::Path;
use std::process::Command;

use testkit::{Namespace, cannot_run};
use tests::{Directory, NOW, program};

const REMOTE: &str = "/lib/systemd/systemd-journal-remote";

/// An entry in the export format.
fn entry(at: u64, identifier: &str, message: &[u8], trusted: &[(&str, &str)]) -> Vec<u8> {
    let id = "0123456789abcdef0123456789abcdef";
    let mut text = format!(
        "__REALTIME_TIMESTAMP={at}000000\n__MONOTONIC_TIMESTAMP={at}\n_BOOT_ID={id}\n_MACHINE_ID={id}\n\
         _HOSTNAME=mx\nSYSLOG_IDENTIFIER={identifier}\n"
    )
    .into_bytes();
    for (field, value) in trusted {
        text.extend_from_slice(format!("{field}={value}\n").as_bytes());
    }
    text.extend_from_slice(b"MESSAGE\n");
    text.extend_from_slice(&(message.len() as u64).to_le_bytes());
    text.extend_from_slice(message);
    text.extend_from_slice(b"\n\n");
    text
}

/// Runs a shell line with that journal as the host's, and no other log; its output and exit status.
fn with_journal(entries: Option<&[u8]>, line: &str) -> Option<(String, Option<i32>)> {
    if !Path::new(REMOTE).exists() {
        cannot_run("systemd-journal-remote is not installed");
        return None;
    }
    let dir = Directory::new();
    let journal = dir.path("system.journal");
    if let Some(entries) = entries {
        let export = dir.file("export", entries);
        let made = Command::new(REMOTE).arg("-o").args([&journal, Path::new(&export)]).output();
        assert!(made.expect("it runs").status.success());
    }
    let script = format!(
        "export TZ=UTC\n\
         mount -t tmpfs none /var/log && mount -t tmpfs none /run || exit 99\n\
         journal=/var/log/journal/$(cat /etc/machine-id); mkdir -p $journal\n\
         cat >/tmp/passwd.$$ <<<'postfix:x:4106:4113::/var/spool/postfix:/bin/false'\n\
         mount --bind /tmp/passwd.$$ /etc/passwd; rm /tmp/passwd.$$\n\
         [ ! -e {journal} ] || cp {journal} $journal/\n\
         {line}",
        journal = journal.display(),
    );
    let output = Namespace::default().bash(&script)?;
    let text = [output.stdout, output.stderr].concat();
    Some((String::from_utf8_lossy(&text).into_owned(), output.status.code()))
}

const ACCEPTED: &[u8] = b"NOQUEUE: client=unknown[192.0.2.7], sasl_method=PLAIN, sasl_username=bob";

/// Messages that count, and some that others have forged.
fn entries() -> Vec<u8> {
    let postfix = [("_UID", "4106"), ("_PID", "7")];
    let unit = [("_UID", "0"), ("_PID", "8"), ("_SYSTEMD_UNIT", "postfix@-.service")];
    let user =
        [("_UID", "1000"), ("_PID", "9"), ("_SYSTEMD_UNIT", "session-1.scope"), ("_COMM", "smtpd")];
    let forwarded = [("_UID", "1000"), ("_PID", "9"), ("_SYSTEMD_UNIT", "postfix@-.service")];
    let web = [("_UID", "33"), ("_PID", "10"), ("_SYSTEMD_UNIT", "apache2.service")];
    let wrapper = |path: &str, uid: u32| {
        format!("sendmail-php url=h, client=8.8.8.8, filename={path}, uid={uid}, user=u, args=")
    };
    let ours = |path: &str, uid: u32| {
        format!("sendmail-php v=2, url=h, client=, filename={path}, uid={uid}, user=u, args=")
    };
    let at = 1_795_456_600;
    [
        entry(at - 86_400, "postfix/smtpd", ACCEPTED, &postfix), // a day ago
        entry(at, "postfix/smtpd", ACCEPTED, &postfix),
        entry(at + 1, "mx-in/submission/smtpd", ACCEPTED, &unit),
        entry(at + 2, "postfix/smtpd", ACCEPTED, &user), // forged
        entry(at + 2, "postfix/smtpd", ACCEPTED, &forwarded), // forged by a command in ~/.forward
        entry(at + 3, "postfix/smtpd", &[b"x\n", ACCEPTED].concat(), &postfix),
        entry(at + 4, "www-data", wrapper("/srv/a.php", 33).as_bytes(), &web),
        entry(at + 5, "www-data", wrapper("/srv/victim.php", 0).as_bytes(), &web), // forged
        entry(at + 5, "www-data", ours("/srv/a%20b.php", 33).as_bytes(), &web),
        entry(at + 5, "www-data", ours("/srv/victim.php", 0).as_bytes(), &web), // forged
        entry(at + 6, "php", b"mail() on [/srv/b\x01\nc.php:3]: To: a@b", &web),
    ]
    .concat()
}

#[test]
fn only_what_journald_vouches_for_counts() {
    let run = |name: &str, args: &str| {
        let line = format!("{} {args} --now '{NOW}'", program(name).display());
        with_journal(Some(&entries()), &line)
    };
    for args in ["--journal -m 1", "-m 1"] {
        let Some((text, status)) = run("postfix-spam-check", args) else { return };
        assert_eq!(status, Some(0), "{text}");
        let line = "2 (1 nets/1 unknowns/1 IPs/0 webmail) -- 2026-11-23T17:56:40.000000+00:00 mx \
                    postfix/smtpd[7]: NOQUEUE: client=unknown[192.0.2.7], sasl_method=PLAIN, sasl_username=bob\n";
        assert!(text.ends_with(line), "{text}");
    }
    let legacy = run("php-legacy-spam-check", "-0 10 1");
    assert_eq!(legacy, Some(("/srv/a b.php\0/srv/a.php\0".into(), Some(0))));
    let php = run("php-spam-check", "-0 1 --journal");
    assert_eq!(php, Some(("/srv/b\u{1}\nc.php\0".into(), Some(0))), "any byte");
}

#[test]
fn without_a_user_of_postfix_it_is_told_that_nobody_counts() {
    let postfix = program("postfix-spam-check");
    let line = |args: &str| {
        format!(
            "umount /etc/passwd; mount --bind /dev/null /etc/passwd; {} {args} -m 1 --now '{NOW}'",
            postfix.display()
        )
    };
    let run = |args: &str| with_journal(Some(&entries()), &line(args));
    let told = "journal: /etc/passwd has no user postfix, and only entries of that user count\n";
    let told = format!("postfix-spam-check: {told}");
    let Some((text, status)) = run("--journal") else { return };
    // What root wrote in the unit of Postfix counts all the same.
    assert!(text.ends_with(&told) && text.contains("\n1 (1 nets"), "{text}");
    assert_eq!(status, Some(0), "{text}");
    assert_eq!(run("-e --journal").and_then(|(_, status)| status), Some(3));
    let (text, _) = with_journal(None, &line("")).expect("as before");
    assert!(text.contains("there is no journal"), "{text}");
    assert!(!text.contains("no user postfix"), "nothing was read whose lines could count: {text}");
}

#[test]
fn entries_that_are_too_long_are_skipped_and_told() {
    let postfix = [("_UID", "4106"), ("_PID", "7")];
    let at = 1_795_456_600;
    let long = entry(at, "postfix/smtpd", &b"x".repeat(100_000), &postfix);
    let entries = [long.clone(), entry(at + 1, "postfix/smtpd", ACCEPTED, &postfix), long].concat();
    let line = format!("{} --journal -m 0 --now '{NOW}'", program("postfix-spam-check").display());
    let Some((text, status)) = with_journal(Some(&entries), &line) else { return };
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("journal: skipped 2 lines longer than 65536 bytes\n"), "{text}");
    assert!(text.contains("1 (1 nets/1 unknowns/1 IPs/0 webmail) -- "), "{text}");
}

#[test]
fn a_journal_that_is_not_there_is_told() {
    let postfix = program("postfix-spam-check");
    let run = |args: &str| with_journal(None, &format!("{} {args}", postfix.display()));
    let Some((text, status)) = run("--journal") else { return };
    assert!(text.contains("the journal cannot be read: journalctl: there is no journal"), "{text}");
    assert_eq!(status, Some(1));
    assert_eq!(run("").and_then(|(_, status)| status), Some(0), "it was not asked for");
    assert_eq!(run("-e").and_then(|(_, status)| status), Some(3));
}

#[test]
fn without_arguments_and_without_logs_all_go_on_and_say_so() {
    for (name, wanted) in [
        (
            "postfix-spam-check",
            "no log found (looked for /var/log/mail.log, /var/log/maillog), and the journal cannot be read: ",
        ),
        ("exim-spam-check", "no log found (looked for /var/log/exim4/mainlog, "),
        ("php-spam-check", "no log found (looked for /var/log/phpmail.log)"),
        (
            "php-legacy-spam-check",
            "no log found (looked for /var/log/mail.log, /var/log/maillog), and the journal cannot be read: ",
        ),
    ] {
        let Some((text, status)) = with_journal(None, &program(name).display().to_string()) else {
            return;
        };
        assert_eq!(status, Some(0), "{name}: {text}");
        assert!(text.starts_with(&format!("{name}: {wanted}")), "{name}: {text}");
    }
}

/// Unix seconds.
fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("after 1970").as_secs()
}

const POSTFIX: [(&str, &str); 2] = [("_UID", "4106"), ("_PID", "7")];

/// Bash that writes a line of Postfix, of so long ago, to a default log, and sets the time of the file.
fn old_line(written: &str, touched: &str) -> String {
    format!(
        "echo \"$(date -d '{written} ago' '+%b %e %T') mx postfix/smtpd[1]: hello\" >/var/log/mail.log; \
         touch -d '{touched} ago' /var/log/mail.log"
    )
}

#[test]
fn a_default_log_that_nobody_writes_is_left_for_the_journal() {
    let entries = entry(now() - 5, "postfix/smtpd", ACCEPTED, &POSTFIX);
    let postfix = program("postfix-spam-check").display().to_string();
    for (log, told) in [
        (old_line("72 hours", "1 hour"), Some("its newest line is 72 hours old")),
        (old_line("25 hours", "1 hour"), Some("its newest line is 25 hours old")),
        (old_line("23 hours", "72 hours"), None),
        // The year is not clear, but the time of the file is.
        (old_line("330 days", "40 hours"), Some("not written for 40 hours")),
        ("echo unreadable >/var/log/mail.log".into(), None),
        (
            "echo unreadable >/var/log/mail.log; touch -d '30 hours ago' /var/log/mail.log".into(),
            Some("not written for 30 hours"),
        ),
        (">/var/log/mail.log".into(), Some("is empty")),
        // It is empty because it was rotated.
        (
            format!(
                "{}; mv /var/log/mail.log /var/log/mail.log.1; >/var/log/mail.log",
                old_line("1 hour", "1 hour")
            ),
            None,
        ),
        (
            format!(
                "{}; mv /var/log/mail.log /var/log/mail.log.1; >/var/log/mail.log",
                old_line("50 hours", "50 hours")
            ),
            Some("its newest line is 50 hours old"),
        ),
    ] {
        let line = format!("{log}\n{postfix} -m 1 -p 5years");
        let Some((text, status)) = with_journal(Some(&entries), &line) else { return };
        let blind = log.contains("unreadable") && told.is_none();
        assert_eq!(status, Some(i32::from(blind)), "{log}: {text}");
        assert_eq!(
            text.contains("but the journal is newer: reading the journal"),
            told.is_some(),
            "{log}: {text}"
        );
        assert!(text.contains(told.unwrap_or_default()), "{log}: {text}");
        assert_eq!(text.contains("sasl_username=bob"), told.is_some(), "{log}: {text}");
    }
}

#[test]
fn only_entries_of_the_same_program_make_a_log_old() {
    let postfix = program("postfix-spam-check").display().to_string();
    let legacy = program("php-legacy-spam-check").display().to_string();
    let web = [("_UID", "33"), ("_PID", "10"), ("_SYSTEMD_UNIT", "apache2.service")];
    let wrapper = b"sendmail-php url=h, client=8.8.8.8, filename=/srv/a.php, uid=33, user=u, args=";
    let at = now() - 60;
    let sent = entry(at, "www-data", wrapper, &web);
    let other = entry(at, "apache2", b"hello", &web);
    let yesterday = entry(at - 100_000, "postfix/smtpd", ACCEPTED, &POSTFIX);
    let old = old_line("72 hours", "72 hours");
    let empty = ">/var/log/mail.log";
    for (log, run, entries, is_left) in [
        (&*old, format!("{postfix} -m 1"), [&sent[..], &other].concat(), false),
        (&old, format!("{postfix} -m 1"), yesterday.clone(), true),
        (empty, format!("{postfix} -m 1"), yesterday.clone(), false),
        (empty, format!("{postfix} -m 1 -p 2days"), yesterday.clone(), true),
        (&old, format!("{legacy} 10 1"), sent.clone(), true),
        (empty, format!("{legacy} 10 1"), sent, true),
        (&old, format!("{legacy} 10 1"), [yesterday, other].concat(), false),
    ] {
        let Some((text, status)) = with_journal(Some(&entries), &format!("{log}\n{run}")) else {
            return;
        };
        assert_eq!(status, Some(0), "{log} {run}: {text}");
        assert_eq!(text.contains("reading the journal"), is_left, "{log} {run}: {text}");
    }
}

#[test]
fn messages_that_journald_dropped_are_told() {
    const DROPPED: (&str, &str) = ("MESSAGE_ID", "a596d6fe7bfa4994828e72309e95d61e");
    let driver = [("_TRANSPORT", "driver"), ("_UID", "0"), ("_PID", "1"), DROPPED];
    let forged = [("_TRANSPORT", "syslog"), ("_UID", "4106"), ("_PID", "7"), DROPPED];
    let at = 1_795_456_600;
    let dropped = |at, text: &[u8], fields| entry(at, "systemd-journald", text, fields);
    let entries = [
        entry(at, "postfix/smtpd", ACCEPTED, &[("_UID", "4106"), ("_PID", "7")]),
        dropped(at - 86_400, b"Suppressed 5 messages from postfix@-.service", &driver[..]),
        dropped(at, b"Suppressed 900 messages from postfix@-.service", &driver[..]),
        dropped(at + 1, b"Suppressed 34 messages from postfix@-.service", &driver[..]),
        dropped(at + 1, b"Suppressed 7 messages from apache2.service", &driver[..]),
        dropped(at + 2, b"Suppressed 66 messages from postfix@-.service", &forged[..]),
    ]
    .concat();
    let run = |name: &str, args: &str| {
        let line = format!("{} {args} --now '{NOW}'", program(name).display());
        with_journal(Some(&entries), &line)
    };
    let told = |count, unit| {
        format!("journal: {count} messages of {unit} were dropped by journald and are not counted ")
    };
    let Some((text, status)) = run("postfix-spam-check", "--journal -m 1") else { return };
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains(&told(934, "postfix@-.service")), "{text}");
    assert!(text.contains("\n1 (1 nets"), "the others count: {text}");
    assert!(!text.contains("apache2") && text.matches("dropped").count() == 1, "{text}");
    // A script may have logged in any unit.
    let (text, status) = run("php-legacy-spam-check", "10 1 --journal").expect("as before");
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains(&told(7, "apache2.service")), "{text}");
}

#[test]
fn a_caller_that_ignores_the_end_of_its_children_makes_no_difference() {
    let postfix = program("postfix-spam-check");
    let line = format!("trap '' CHLD; {} --journal -m 1 --now '{NOW}'", postfix.display());
    let Some((text, status)) = with_journal(Some(&entries()), &line) else { return };
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("\n2 (1 nets"), "{text}");
    let (text, status) = with_journal(None, &line).expect("as before");
    assert!(text.contains("the journal cannot be read: journalctl: there is no journal"), "{text}");
    assert_eq!(status, Some(1), "{text}");
}

#[test]
fn a_user_who_may_not_see_the_messages_of_others_is_told() {
    let postfix = program("postfix-spam-check").display().to_string();
    // The journal of the user holds nothing but a line of his own.
    let run = |own: bool, log: &str, args: &str| {
        let line = format!(
            "cp {postfix} /run/program; {log}\n\
             chmod 755 $journal; chmod 640 $journal/*; chgrp 0 $journal/*\n\
             {} mv $journal/system.journal $journal/user-4242.journal\n\
             {} chown 4242 $journal/user-4242.journal; cp -a $journal/user-4242.journal $journal/system.journal; \
             chown 0 $journal/system.journal\n\
             setpriv --reuid=4242 --regid=4242 --clear-groups /run/program --now '{NOW}' -m 1 {args}",
            if own { "" } else { "#" },
            if own { "" } else { "#" },
        );
        with_journal(Some(&entry(1_795_456_600, "me", b"hello", &[("_UID", "4242")])), &line)
    };
    let denied =
        "this user may not see all messages (be root, or join the group systemd-journal or adm)";
    for own in [false, true] {
        for (log, args, status) in [
            ("", "--journal", 1),
            ("", "--journal -e", 3),
            ("", "", 0),
            ("", "-e", 3),
            (">/var/log/mail.log", "", 0),
            (">/var/log/mail.log", "-e", 3),
        ] {
            let Some((text, ended)) = run(own, log, args) else { return };
            assert_eq!(ended, Some(status), "{own} {log} {args}: {text}");
            assert!(
                text.contains(denied) && text.lines().count() == 1,
                "{own} {log} {args}: {text}"
            );
        }
    }
    let (text, ended) = run(true, &old_line("1 hour", "1 hour"), "-e").expect("as before");
    assert_eq!((&*text, ended), ("", Some(0)), "it is not asked");
}

#[test]
fn a_journal_without_any_entry_of_postfix_is_told() {
    let run = |name: &str, entries: &[u8], args: &str| {
        let line = format!("{} --now '{NOW}' {args}", program(name).display());
        with_journal(Some(entries), &line)
    };
    let at = 1_795_456_600;
    let other = entry(at, "cron", b"hello", &[("_UID", "0"), ("_SYSTEMD_UNIT", "cron.service")]);
    let old = entry(at - 864_000, "postfix/qmgr", b"removed", &POSTFIX);
    let none =
        "the journal has no entry of postfix.service, nor of the user postfix: nothing was checked";
    for (args, status) in [("--journal", 1), ("--journal -e", 3), ("", 1), ("-e", 3)] {
        let Some((text, ended)) = run("postfix-spam-check", &other, args) else { return };
        assert_eq!(ended, Some(status), "{args}: {text}");
        assert!(text.contains(none) && text.lines().count() == 1, "{args}: {text}");
        let both = [&old[..], &other].concat();
        let (text, ended) = run("postfix-spam-check", &both, args).expect("as before");
        assert_eq!((&*text, ended), ("", Some(0)), "{args}: an old entry shows that it logs here");
    }
    for (name, args) in [
        ("php-legacy-spam-check", "10 1 --journal -e"),
        ("php-legacy-spam-check", "10 1 -e"),
        ("php-spam-check", "10 --journal -e"),
    ] {
        let ended = run(name, &other, args).expect("as before");
        assert_eq!(ended, (String::new(), Some(0)), "{name} {args}");
    }
}

#[test]
fn a_container_that_logs_to_the_journal_is_named_with_what_to_do() {
    let docker = |container: &str, text: &[u8]| {
        let fields =
            [("_UID", "0"), ("_SYSTEMD_UNIT", "docker.service"), ("CONTAINER_NAME", container)];
        entry(1_795_456_600, container, text, &fields)
    };
    let line = [b"Nov 23 17:30:00 mail postfix/smtpd[77]: ", ACCEPTED].concat();
    let web = docker("web", b"GET / HTTP/1.1");
    // Anybody can log this, and root may type what he is told.
    let forged = [docker("x; reboot", &line), docker("-v", &line), docker("", &line)].concat();
    let nameless = entry(
        1_795_456_600,
        "docker",
        &line,
        &[("_UID", "0"), ("_SYSTEMD_UNIT", "mail-container.service")],
    );
    let named = [web.clone(), docker("mail.example-1", &line), forged.clone()].concat();
    let second = [named.clone(), docker("mail2", &line)].concat();
    let postfix = program("postfix-spam-check").display().to_string();
    for (entries, want) in [
        (&web, None),
        (&forged, Some("NAME 2>&1 | postfix-spam-check -l -")),
        (&nameless, Some("NAME 2>&1 | postfix-spam-check -l -")),
        (&named, Some("mail.example-1 2>&1 | postfix-spam-check -l -")),
        (&second, Some("mail.example-1 2>&1 | postfix-spam-check -l - (likewise mail2)")),
    ] {
        let run = with_journal(Some(entries), &format!("{postfix} --journal -e --now '{NOW}'"));
        let Some((text, status)) = run else { return };
        assert_eq!(status, Some(3), "{text}");
        let hint = want.map(|want| format!("; a container logs there: docker logs -t {want}"));
        let told = format!(": nothing was checked{}\n", hint.unwrap_or_default());
        assert!(text.ends_with(&told) && text.lines().count() == 1, "{text}");
    }
}

#[test]
fn a_self_test_of_the_journal() {
    let line = |args: &str| {
        format!("{} --check --now '{NOW}' {args}", program("postfix-spam-check").display())
    };
    for (args, log) in [
        ("--journal", "log: journal, as asked for\n"),
        ("", "log: the journal, because no default log exists\n"),
    ] {
        let Some((text, status)) = with_journal(Some(&entries()), &line(args)) else { return };
        for said in [
            log,
            "lines: 3 read (postfix/smtpd 2, mx-in/submission/smtpd 1)\n",
            "counted: 2 messages; ",
            "newest line: 2026-11-23 17:56:43, 1 min before that time\n",
            "senders: 1 in 1 hour, since ",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(status == Some(0) && !text.contains("rotated"), "{text}");
    }
}
