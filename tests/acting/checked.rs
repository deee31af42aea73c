//! `--check` with `-d`: whether accounts could be locked, without a trace.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::host::*;
use super::snapshot;

/// The lines of a self-test; nothing has changed on the host.
#[track_caller]
fn check(host: &Host, options: &[&str]) -> (String, Option<i32>) {
    let all =
        || snapshot(&[Path::new("/etc"), Path::new("/var/lib"), Path::new("/run"), &host.dir]);
    let before = all();
    let run = host.check(&[&["--check"], options].concat());
    assert!(all() == before, "{options:?}: {run:?}");
    host.is_untouched();
    (run.text(), run.status)
}

#[test]
fn a_self_test_says_who_could_be_locked_and_leaves_no_trace() {
    on_a_host("checked::a_self_test_says_who_could_be_locked_and_leaves_no_trace", |host| {
        let at = host.ten_minutes_ago();
        host.log([botnet(at, b"alice"), botnet(at, b"root")].concat());
        let (text, status) = check(host, &[]);
        for line in [
            "locks: by passwd -l (local account), with /usr/bin/passwd, /etc/shadow",
            "exempt: nobody, /etc/spam-check/exempt does not exist",
            "notices: to root, through 127.0.0.1:25, else /usr/sbin/sendmail",
            "suspect alice: would be locked",
            "suspect root: would not be locked: never locked",
        ] {
            assert!(text.lines().any(|said| said == line), "{line}: {text}");
        }
        assert!(status == Some(0) && text.ends_with("\nOK: a run can be trusted\n"), "{text}");
        // No account has that name.
        host.log([botnet(at, b"alice"), botnet(at, b"x@example.org")].concat());
        let (text, status) = check(host, &[]);
        assert!(
            text.contains("problem: suspect x@example.org: would not be locked: no such account\n")
        );
        assert_eq!(status, Some(1), "{text}");
        // Afterwards the account is known as locked.
        host.log(botnet(at, b"alice"));
        reports(&host.check(&[]), "alice", " [DISABLED]");
        let run = host.check(&["--check"]);
        assert!(run.text().contains("suspect alice: is locked already\n"), "{run:?}");
        assert_eq!(run.status, Some(0), "{run:?}");
    });
}

#[test]
fn what_stands_in_the_way_of_a_lock_is_a_problem() {
    on_a_host("checked::what_stands_in_the_way_of_a_lock_is_a_problem", |host| {
        host.log(botnet(host.ten_minutes_ago(), b"alice"));
        let command = host.path("lock");
        Host::script(&command, "#!/bin/sh\n");
        let open = host.path("open");
        Host::script(&open, "#!/bin/sh\n");
        let shared = Command::new("chmod").arg("777").arg(&open).status();
        assert!(shared.expect("it runs").success());
        fs::create_dir("/etc/spam-check").expect("/etc is ours");
        fs::write("/etc/spam-check/exempt", "carol\n# x\nal ice\nbob, dora\n")
            .expect("/etc is ours");
        let lock = format!("--disable-command={}", open.display());
        let login = "--smtp-auth-file=/nonexistent/login";
        for (options, problem) in [
            (
                &[][..],
                "problem: exempt: /etc/spam-check/exempt, 3 names; not the name of an account: lines 3, 4",
            ),
            (&[&*lock], "problem: locks: by "),
            (&["--disable-command=/nonexistent/x"], "problem: locks: by /nonexistent/x: "),
            (
                &["--sasl-access=hash:/nonexistent/x"],
                "problem: locks: by an entry in the Postfix table ",
            ),
            (
                &["-n", "localhost"],
                "problem: locks: by the shadow file of the NIS master localhost: ",
            ),
            (&["--smtp=mx.example.org", login], "problem: notices: to root: "),
        ] {
            let (text, status) = check(host, options);
            assert!(text.contains(problem), "{problem}: {text}");
            assert_eq!(status, Some(1), "{text}");
        }
        fs::write("/etc/spam-check/exempt", "carol\n").expect("/etc is ours");
        let (text, _) = check(host, &["-n", "nis.example.org", "--smtp=mx.example.org"]);
        assert!(
            text.contains(
                "notices: to root, through mx.example.org:25 (no connection was tried)\n"
            )
        );
        assert!(text.contains("exempt: /etc/spam-check/exempt, 1 name\n"), "{text}");
        // A table that Postfix does not query locks nobody.
        fs::create_dir_all("/etc/postfix").expect("/etc is ours");
        for (main_cf, ends) in [
            ("", "which neither /etc/postfix/main.cf nor the master.cf beside it names\n"),
            ("smtpd_sender_restrictions = check_sasl_access hash:/etc/postfix/refused\n", ""),
        ] {
            fs::write("/etc/postfix/main.cf", main_cf).expect("/etc is ours");
            let (text, _) = check(host, &["--sasl-access=hash:/etc/postfix/refused"]);
            let said = format!(
                "problem: locks: by an entry in the Postfix table hash:/etc/postfix/refused, {ends}"
            );
            assert_eq!(text.contains(&said), !ends.is_empty(), "{text}");
        }
        fs::remove_dir_all("/etc/spam-check").expect("/etc is ours");
        // Without the program that locks.
        let umounted = Command::new("umount").arg("/usr/bin/passwd").status();
        assert!(umounted.expect("it runs").success());
        let none = host.text("none");
        fs::write(&none, "").expect("it is ours");
        let mounted = Command::new("mount").args(["--bind", &none, "/usr/bin/passwd"]).status();
        assert!(mounted.expect("it runs").success());
        let (text, status) = check(host, &[]);
        assert!(text.contains("/usr/bin/passwd cannot be run"), "{text}");
        assert_eq!(status, Some(1), "{text}");
    });
}

#[test]
fn only_root_can_lock() {
    on_a_host("checked::only_root_can_lock", |host| {
        host.log(botnet(host.ten_minutes_ago(), b"alice"));
        let log = host.text("log/mail.log");
        let shared = Command::new("chmod").args(["-R", "a+rX"]).arg(&host.dir).status();
        assert!(shared.expect("it runs").success());
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&host.program)
            .args(["--check", "-d", "5,5", "-l", &log])
            .output();
        let run: tests::Run = output.expect("it runs").into();
        assert!(run.text().contains("problem: locks: only root can lock accounts\n"), "{run:?}");
        assert_eq!(run.status, Some(1), "{run:?}");
    });
}

#[test]
fn a_self_test_hints_at_a_user_under_many_domains_without_limits_of_accounts_too() {
    let test =
        "checked::a_self_test_hints_at_a_user_under_many_domains_without_limits_of_accounts_too";
    on_a_host(test, |host| {
        let at = host.ten_minutes_ago();
        let lines = (0..120).map(|number| {
            let user = format!("alice@r{}.example", number % 30);
            let start = format!("3F1A2B{number:02}: client={}, sasl_method=PLAIN", client(number));
            line(at, format!("{start}, sasl_username={user}").as_bytes())
        });
        let log = host.log(lines.collect::<Vec<_>>().concat());
        let args = ["-m", "90", "-l", &log];
        let hint = "not in sum: alice (120 messages, 30 domains)";
        assert!(!host.run(&args).err.contains(hint));
        let run = host.run(&[&args[..], &["--check"]].concat());
        assert!(run.err.contains(hint), "{run:?}");
        assert_eq!(run.status, Some(0), "{run:?}");
        assert_eq!(host.run(&[&args[..], &["--check", "--realm=none"]].concat()).err, "");
    });
}
