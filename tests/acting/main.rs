//! `postfix-spam-check -d`, the whole program, on a host of the test's own ([`host`]). It takes root.

mod checked;
mod died;
mod disturbed;
mod evidence;
mod host;
mod returning;
mod told;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tests::Run;

use host::*;

#[test]
fn an_account_of_a_botnet_is_locked_and_a_busy_one_is_not() {
    on_a_host("an_account_of_a_botnet_is_locked_and_a_busy_one_is_not", |host| {
        let at = host.ten_minutes_ago();
        let mut log = botnet(at, b"alice");
        let busy =
            b"NOQUEUE: client=pc.example.net[192.0.2.1], sasl_method=PLAIN, sasl_username=bob";
        (0..200).for_each(|_| log.extend(line(at, busy)));
        let path = host.log(log);
        let run = host.check(&[]);
        assert_eq!((run.status, &*run.err), (Some(0), ""));
        reports(&run, "alice", " [DISABLED]");
        reports(&run, "bob", "");
        host.has_locked(&["alice"]);
        assert_eq!(host.calls(), ["-l -- alice"]);
        let [subject] = &host.notices()[..] else { panic!("one notice: {:?}", host.notices()) };
        assert!(subject.starts_with("SPAMMER DETECTED AT "), "{subject}");
        assert!(subject.ends_with(" [USER alice DISABLED]"), "{subject}");
        let mail = read(host.path("mails"));
        assert!(mail.starts_with("TO -i -- root"), "{mail}");
        for part in
            ["Auto-Submitted: auto-generated", "--enable-account=alice", "passwd -u -- alice"]
        {
            assert!(mail.contains(part), "{part}: {mail}");
        }
        let logged = host.logged();
        assert_eq!(logged.len(), 2, "{logged:?}");
        assert!(logged.iter().all(|line| line.starts_with("<37>")), "{logged:?}");
        assert!(logged[0].contains(": disabling alice (local): 120 messages from "), "{logged:?}");
        assert!(logged[0].ends_with(&format!("in 1 hour, by {path}")), "{logged:?}");
        assert!(logged[1].contains(": disabled alice (local): 120 messages from "), "{logged:?}");
        let accounts = Host::state()["accounts"].clone();
        assert_eq!(accounts.as_object().map(serde_json::Map::len), Some(1), "{accounts}");
        let alice = &accounts["alice"];
        assert_eq!(alice["locks"][0]["way"], "local");
        assert_eq!(alice["locks"][0]["counts"]["messages"], 120);
        assert!(
            alice["told"]["disabled"].is_i64() && alice["locks"][0]["pending"] == false,
            "{alice}"
        );
        assert_eq!(alice["waiting"], Value::Object(serde_json::Map::new()));
        let mode = |path| fs::metadata(path).expect("it is there").mode() & 0o7777;
        assert_eq!(mode("/var/lib/spam-check"), 0o700);
        assert_eq!(mode("/var/lib/spam-check/state.json"), 0o600);
    });
}

#[test]
fn accounts_that_must_not_be_locked_are_refused_with_the_reason() {
    on_a_host("accounts_that_must_not_be_locked_are_refused_with_the_reason", |host| {
        fs::create_dir("/etc/spam-check").expect("/etc is ours");
        fs::write("/etc/spam-check/exempt", "# ours\nCarol\n").expect("/etc is ours");
        let (rule, failure) = (Some(0), Some(1));
        let cases: [(&[u8], &str, &str, Option<i32>); 12] = [
            (b"root", "root", "never locked", rule),
            (b"Postmaster@example.org", "Postmaster@example.org", "never locked", rule),
            (b"www-data", "www-data", "a system account", rule),
            (b"WWW-data", "WWW-data", "a system account", rule),
            (b"carol", "carol", "exempt", rule),
            (b"x@example.org", "x@example.org", "no such account", failure),
            (b"a.ice", "a.ice", "no such account", failure),
            (b"al ice", "al ice", "not a name of an account", failure),
            (b"$(id)", "$(id)", "not a name of an account", failure),
            (b"*", "*", "not a name of an account", failure),
            (b"-l", "-l", "not a name of an account", failure),
            (b"ali\xf6ce", "ali\u{fffd}ce", "not a name of an account", failure),
        ];
        for (name, shown, why, status) in cases {
            host.log(botnet(host.ten_minutes_ago(), name));
            let run = host.check(&[]);
            reports(&run, shown, &format!(" [NOT DISABLED: {why}]"));
            assert_eq!(run.status, status, "{run:?}");
            assert_eq!(run.err.contains(why), status == failure, "{run:?}");
            let with_e = host.check(&["-e"]);
            assert_eq!(with_e.status, Some(if status == rule { 1 } else { 3 }), "{shown}");
            host.is_open();
        }
        // A refused account does not stop the others from being locked.
        host.log(
            [botnet(host.ten_minutes_ago(), b"$(id)"), botnet(host.ten_minutes_ago(), b"alice")]
                .concat(),
        );
        let run = host.check(&[]);
        assert_eq!(run.status, Some(1));
        reports(&run, "alice", " [DISABLED]");
        host.has_locked(&["alice"]);
    });
}

/// All files in some directories, with their contents.
fn snapshot(dirs: &[&Path]) -> Vec<(PathBuf, u32, i64, Vec<u8>)> {
    let mut all = Vec::new();
    let mut left: Vec<PathBuf> = dirs.iter().map(|dir| dir.to_path_buf()).collect();
    while let Some(path) = left.pop() {
        let Ok(about) = fs::symlink_metadata(&path) else { continue };
        let mut text = Vec::new();
        if about.is_dir() {
            let names = fs::read_dir(&path).expect("a directory");
            left.extend(names.map(|name| name.expect("a name").path()));
        } else if about.is_file() {
            text = fs::read(&path).expect("a file");
        }
        all.push((path, about.mode(), about.mtime_nsec() + about.mtime() * 1_000_000_000, text));
    }
    all.sort();
    all
}

#[test]
fn a_dry_run_and_a_check_of_the_past_change_nothing() {
    on_a_host("a_dry_run_and_a_check_of_the_past_change_nothing", |host| {
        host.log(
            [botnet(host.ten_minutes_ago(), b"alice"), botnet(host.ten_minutes_ago(), b"root")]
                .concat(),
        );
        let dir = host.dir.clone();
        let all = || snapshot(&[Path::new("/etc"), Path::new("/var/lib"), &dir]);
        let before = all();
        let now = format!("--now={}", stamp(host.now));
        for options in [
            &["--dry-run"][..],
            &[&now],
            &["--dry-run", &now],
            &[&now, "--sasl-access=hash:/etc/x"],
        ] {
            let run = host.check(options);
            reports(&run, "alice", " [WOULD DISABLE]");
            reports(&run, "root", " [NOT DISABLED: never locked]");
            assert_eq!(run.status, Some(0), "{run:?}");
            assert!(all() == before, "{options:?}");
            host.is_untouched();
        }
        // Nor if there is a state.
        assert_eq!(host.check(&[]).status, Some(0));
        host.logged();
        let before = all();
        let run = host.check(&["--dry-run"]);
        reports(&run, "alice", " [ALREADY DISABLED]");
        assert!(all() == before && host.logged().is_empty());
    });
}

#[test]
fn a_second_run_neither_locks_nor_notifies() {
    on_a_host("a_second_run_neither_locks_nor_notifies", |host| {
        host.log(botnet(host.ten_minutes_ago(), b"alice"));
        reports(&host.check(&[]), "alice", " [DISABLED]");
        host.logged();
        for _ in 0..3 {
            let run = host.check(&[]);
            assert_eq!((run.status, &*run.err), (Some(0), ""));
            reports(&run, "alice", " [ALREADY DISABLED]");
            host.has_locked(&["alice"]);
        }
        assert_eq!(host.calls(), ["-l -- alice"]);
        assert_eq!(host.notices().len(), 1);
        assert!(host.logged().is_empty());
    });
}

#[test]
fn an_unlocked_account_is_locked_again_on_new_lines_only() {
    on_a_host("an_unlocked_account_is_locked_again_on_new_lines_only", |host| {
        host.log(botnet(host.ten_minutes_ago(), b"alice"));
        reports(&host.check(&[]), "alice", " [DISABLED]");
        let unlocked = || {
            let passwd = Command::new(host.path("passwd.real")).args(["-u", "alice"]).output();
            assert!(passwd.expect("passwd runs").status.success());
            host.has_locked(&[]);
        };
        unlocked();
        for _ in 0..2 {
            let run = host.check(&[]);
            reports(
                &run,
                "alice",
                " [NOT DISABLED: no new evidence since it was last seen locked]",
            );
            assert_eq!(run.status, Some(0), "it must not be locked: {run:?}");
            host.has_locked(&[]);
        }
        assert_eq!(host.notices().len(), 1);
        // All lines of the last half hour are new now.
        Host::half_an_hour_later("alice");
        let run = host.check(&[]);
        reports(&run, "alice", " [DISABLED]");
        assert_eq!(run.status, Some(0), "{run:?}");
        host.has_locked(&["alice"]);
        assert_eq!(host.notices().len(), 2, "it is a new incident");
        assert_eq!(host.calls().len(), 2);
        // Some lines are new, but too few.
        unlocked();
        Host::half_an_hour_later("alice");
        let old = botnet(host.now - 2400, b"alice");
        let few = botnet(host.ten_minutes_ago(), b"alice");
        let few = few.split_inclusive(|&b| b == b'\n').take(40).collect::<Vec<_>>().concat();
        host.log([old, few].concat());
        let run = host.check(&[]);
        reports(&run, "alice", " [NOT DISABLED: no new evidence since it was last seen locked]");
        host.has_locked(&[]);
    });
}

#[test]
fn an_account_that_keeps_sending_is_reported_once() {
    on_a_host("an_account_that_keeps_sending_is_reported_once", |host| {
        host.log(botnet(host.ten_minutes_ago(), b"alice"));
        reports(&host.check(&[]), "alice", " [DISABLED]");
        for _ in 0..3 {
            Host::half_an_hour_later("alice");
            let run = host.check(&[]);
            reports(&run, "alice", " [ALREADY DISABLED, STILL SENDING]");
            assert_eq!(run.status, Some(1));
            assert!(run.err.contains("alice: disabled before, and still sending"), "{run:?}");
            assert_eq!(host.notices().len(), 2, "{:?}", host.notices());
        }
        host.has_locked(&["alice"]);
        assert_eq!(host.calls(), ["-l -- alice"]);
    });
}

#[test]
fn what_was_locked_is_listed_and_enabled() {
    on_a_host("what_was_locked_is_listed_and_enabled", |host| {
        assert_eq!(
            host.run(&["--list-disabled"]),
            Run { out: vec![], err: String::new(), status: Some(0) }
        );
        host.log(
            [
                botnet(host.ten_minutes_ago(), b"alice"),
                botnet(host.ten_minutes_ago(), b"carol@Example.ORG"),
            ]
            .concat(),
        );
        let run = host.check(&["--realm=example.org"]);
        reports(&run, "carol@Example.ORG", " [DISABLED]");
        host.has_locked(&["alice", "carol"]);
        let list = host.run(&["--list-disabled"]);
        let lines = list.text();
        let lines: Vec<_> = lines.lines().collect();
        assert_eq!((list.status, lines.len()), (Some(0), 2), "{lines:?}");
        assert!(
            lines[0].starts_with("alice  20") && lines[1].starts_with("carol  20"),
            "{lines:?}"
        );
        assert!(lines[0].contains("  local  120 messages, "), "{lines:?}");
        // It shows if an account was unlocked by hand.
        let shadow = read("/etc/shadow");
        let open = shadow.replace("\nalice:!", "\nalice:");
        fs::write("/etc/shadow", open).expect("a copy");
        let list = host.run(&["--list-disabled"]).text();
        let open: Vec<_> = list.lines().map(|line| line.ends_with(", open again")).collect();
        assert_eq!(open, [true, false], "{list}");
        fs::write("/etc/shadow", shadow).expect("a copy");
        let enabled = host.run(&["--enable-account=alice"]);
        assert_eq!((enabled.text(), enabled.status), ("alice enabled (local)\n".into(), Some(0)));
        host.has_locked(&["carol"]);
        assert_eq!(host.run(&["--list-disabled"]).text().lines().count(), 1);
        // Old lines do not lock it again.
        let run = host.check(&["--realm=example.org"]);
        reports(&run, "alice", " [NOT DISABLED: no new evidence since it was last seen locked]");
        host.has_locked(&["carol"]);
        for (wrong, status) in [("nobody-here", 1), ("root", 2), ("-l", 2), ("$(id)", 2), ("*", 2)]
        {
            let run = host.run(&["--enable-account", wrong]);
            assert_eq!((run.status, run.out.len()), (Some(status), 0), "{run:?}");
            assert!(run.err.contains(wrong), "{run:?}");
        }
        host.has_locked(&["carol"]);
    });
}

/// Messages that a stranger can make Postfix write: `%` is a client. Each comes after `TAG: `.
const FORGED: [&str; 14] = [
    "smtpd: warning: non-SMTP command from %: GET a=client=unknown[9.9.9.9], sasl_username=alice",
    "smtpd: warning: non-SMTP command from %: 3F1A2B: client=%, sasl_method=PLAIN, sasl_username=alice",
    "smtpd: warning: %: SASL LOGIN authentication failed: UGFzc3dvcmQ6, sasl_username=alice",
    "smtpd: warning: %: SASL PLAIN authentication failed: (reason unavailable), sasl_username=alice",
    "smtpd: NOQUEUE: reject: RCPT from %: 554 5.7.1 <x@y>: Relay access denied; from=<a@b> to=<x@y> proto=ESMTP helo=<3F1A2B: client=%, sasl_method=PLAIN, sasl_username=alice>",
    "smtpd: improper command pipelining after EHLO from %: 3F1A2B: client=%, sasl_method=PLAIN, sasl_username=alice",
    "smtpd: warning: hostname 3F1A2B: client=%, sasl_method=PLAIN, sasl_username=alice does not resolve to address 192.0.2.1",
    "smtpd: too many errors after AUTH from %, sasl_method=PLAIN, sasl_username=alice",
    "smtpd: 3F1A2B: client=%, helo=<x>, sasl_method=PLAIN, sasl_username=alice",
    "smtpd: 3F1A2B: reject: RCPT from %: 550 no, sasl_method=PLAIN, sasl_username=alice",
    "cleanup: 3F1A2B: warning: header Subject: 3F1A2B: client=%, sasl_method=PLAIN, sasl_username=alice from %",
    "cleanup: 3F1A2B: client=%, sasl_method=PLAIN, sasl_username=alice",
    "qmgr: 3F1A2B: from=<3F1A2B: client=%, sasl_method=PLAIN, sasl_username=alice>, size=4, nrcpt=1",
    "smtpd: warning: Illegal address syntax from % in MAIL command: <, sasl_method=PLAIN, sasl_username=alice>",
];

#[test]
fn forged_lines_lock_nobody() {
    on_a_host("forged_lines_lock_nobody", |host| {
        let mut log = Vec::new();
        for forged in FORGED {
            let (tag, message) = forged.split_once(": ").expect("a tag");
            for number in 0..300 {
                let message = message.replace('%', &client(number % 400));
                let at = stamp(host.ten_minutes_ago());
                log.extend(format!("{at} mail postfix/{tag}[7]: {message}\n").into_bytes());
            }
        }
        // All samples that do not count, except those whose timestamp or tag is the reason.
        let samples = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/samples/postfix.samples"));
        let samples = samples.expect("the samples");
        let lines: Vec<&[u8]> = samples.split(|&b| b == b'\n').collect();
        let mut taken = 0;
        for pair in lines.windows(2).filter(|pair| pair[0].starts_with(b"! ")) {
            if pair[1].starts_with(b"Nov 23 ") && pair[1][15..].starts_with(b" mx") {
                taken += 1;
                let line =
                    [stamp(host.ten_minutes_ago()).as_bytes(), &pair[1][15..], b"\n"].concat();
                log.extend(line.repeat(100));
            }
        }
        assert!(taken > 50, "the samples are written otherwise now: {taken}");
        let log = host.log(log);
        let run = host.run(&["-p", "1hour", "-m", "1", "-d", "0,0", "-l", &log]);
        assert_eq!((run.text(), run.status), (String::new(), Some(0)), "{}", run.err);
        host.is_untouched();
        // Nor do they hide anybody.
        let forged = fs::read(&log).expect("it was written");
        host.log([forged, botnet(host.ten_minutes_ago(), b"bob, sasl_sender=alice")].concat());
        let run = host.check(&[]);
        assert!(run.text().contains("sasl_username=bob, sasl_sender=alice [DISABLED]"), "{run:?}");
        host.has_locked(&["bob"]);
    });
}

#[test]
fn the_lock_is_made_whoever_reads_the_report() {
    on_a_host("the_lock_is_made_whoever_reads_the_report", |host| {
        // More than fits in a pipe.
        let mut log = botnet(host.ten_minutes_ago(), b"alice");
        for number in 0..3000 {
            let message = format!(
                "3F1A2B: client=a.example[192.0.2.7], sasl_method=PLAIN, sasl_username=user{number}"
            );
            log.extend(line(host.ten_minutes_ago(), message.as_bytes()));
        }
        let log = host.log(log);
        let program = host.program.display();
        let run = format!("{program} -m 1 -d 5,5 -l {log}");
        for (line, status) in [
            (format!("{run} | head -1 >/dev/null; exit ${{PIPESTATUS[0]}}"), 0),
            (format!("{run} | true; exit ${{PIPESTATUS[0]}}"), 0),
            (format!("{run} >/dev/full"), 1),
            (format!("{run} >&-"), 0),
            (format!("{run} >/dev/null 2>&-"), 0),
            (format!("{run} >&- 2>&-"), 0),
            (format!("{run} <&- >/dev/null"), 0),
        ] {
            let ended = Command::new("bash").args(["-c", &line]).stdin(Stdio::null()).output();
            let ended = Run::from(ended.expect("bash runs"));
            assert_eq!(ended.status, Some(status), "{line}: {}", ended.err);
            assert!(!ended.err.contains("panic"), "{line}: {}", ended.err);
            host.has_locked(&["alice"]);
            assert_eq!(host.notices().len(), 1, "{line}");
            assert_eq!(Host::state()["accounts"]["alice"]["locks"][0]["way"], "local", "{line}");
            // Reset the host.
            fs::remove_dir_all("/var/lib/spam-check").expect("it was made");
            fs::remove_file(host.path("mails")).expect("there was one");
            fs::write("/etc/shadow", &host.shadow).expect("/etc is ours");
            host.logged();
        }
    });
}

/// As many messages of an account as in [`botnet`], in these spellings in turn.
fn spelled(at: i64, logins: &[&str]) -> Vec<u8> {
    let logs: Vec<_> = logins.iter().map(|login| botnet(at, login.as_bytes())).collect();
    let lines =
        |log: &'_ Vec<u8>| log.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
    let logs: Vec<Vec<_>> = logs.iter().map(lines).collect();
    (0..120).flat_map(|number| logs[number % logs.len()][number].clone()).collect()
}

#[test]
fn an_account_is_locked_however_its_name_is_spelled() {
    on_a_host("an_account_is_locked_however_its_name_is_spelled", |host| {
        host.log(spelled(
            host.ten_minutes_ago(),
            &["Alice", "alice", "ALICE.", "alice@r1.example"],
        ));
        let run = host.check(&["--realm=r1.example"]);
        reports(&run, "Alice", " [DISABLED]");
        assert_eq!((run.status, &*run.err), (Some(0), ""));
        host.has_locked(&["alice"]);
        reports(&host.check(&["--realm=*"]), "Alice", " [ALREADY DISABLED]");
        let enabled = host.run(&["--enable-account=ALICE@r1.example", "--realm=*"]);
        assert_eq!(enabled.text(), "ALICE@r1.example enabled (local)\n");
        host.has_locked(&[]);
    });
}

#[test]
fn accounts_that_differ_only_in_spelling_are_judged_each_by_itself() {
    on_a_host("accounts_that_differ_only_in_spelling_are_judged_each_by_itself", |host| {
        for file in ["/etc/passwd", "/etc/shadow"] {
            let more: String = read(file)
                .lines()
                .filter(|line| line.starts_with("alice:"))
                .map(|line| format!("Alice{}\n", &line["alice".len()..]))
                .collect();
            fs::write(file, read(file) + &more).expect("/etc is ours");
        }
        let shadow = read("/etc/shadow");
        // Together they are beyond the limit.
        host.log(spelled(host.ten_minutes_ago(), &["alice", "Alice"]));
        let run = host.check(&[]);
        let none = " [NOT DISABLED: accounts of that name do not send so much each by itself]";
        reports(&run, "alice", none);
        assert_eq!((run.status, read("/etc/shadow")), (Some(0), shadow.clone()), "{run:?}");
        // One of them is stolen.
        let at = host.ten_minutes_ago();
        let few = spelled(at, &["alice", "Alice"]);
        host.log([&botnet(at, b"Alice")[..], &few].concat());
        reports(&host.check(&[]), "Alice", " [DISABLED]");
        assert_eq!(read("/etc/shadow"), shadow.replace("\nAlice:$", "\nAlice:!$"));
    });
}

#[test]
fn a_table_refuses_all_that_a_login_can_become() {
    on_a_host("a_table_refuses_all_that_a_login_can_become", |host| {
        fs::create_dir_all("/etc/postfix").expect("/etc is ours");
        let table = "/etc/postfix/sasl_access";
        let option = &format!("--sasl-access={table}")[..];
        let refused = || {
            let text = read(table);
            let mut names: Vec<_> =
                text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
            names.sort();
            names
        };
        let realms = ["--realm=a.example", "--realm=b.example"];
        host.log(spelled(host.ten_minutes_ago(), &["Alice@a.example", "alice."]));
        let run = host.check(&[option, realms[0], realms[1]]);
        reports(&run, "Alice@a.example", " [DISABLED]");
        assert_eq!((run.status, &*run.err), (Some(0), ""));
        let all = ["alice", "alice.", "alice@a.example", "alice@b.example"];
        assert_eq!(refused(), all);
        let again = host.check(&[option, realms[0], realms[1]]);
        reports(&again, "Alice@a.example", " [ALREADY DISABLED]");
        assert_eq!(host.notices().len(), 1);
        let enabled = host.run(&["--enable-account=alice"]);
        assert_eq!((enabled.status, refused()), (Some(0), vec![]), "{enabled:?}");
        // What cannot be refused is not said to be: any domain, and a name that no table can hold.
        for (logins, realm) in [
            (&["alice@r1.example", "alice@r2.example"][..], "--realm=*"),
            (&["alice", "alice "], "--realm=none"),
        ] {
            host.reset();
            fs::write(table, "").expect("/etc is ours");
            host.log(spelled(host.ten_minutes_ago(), logins));
            let dry = host.check(&[option, realm, "--dry-run"]);
            let only = " [NOT DISABLED: only some of its spellings can be refused]";
            reports(&dry, logins[0], only);
            let run = host.check(&[option, realm]);
            reports(&run, logins[0], only);
            assert!(!run.text().contains("[DISABLED]"), "{run:?}");
            assert_eq!(run.status, Some(1));
            assert!(run.err.contains("it can still log in under others"), "{run:?}");
            assert_eq!(refused()[0], "alice");
            let [subject] = &host.notices()[..] else { panic!("one notice: {:?}", host.notices()) };
            assert!(
                subject.ends_with(" [USER alice NOT DISABLED: ONLY SOME SPELLINGS]"),
                "{subject}"
            );
            let enabled = host.run(&["--enable-account=alice"]);
            assert_eq!((enabled.status, refused()), (Some(0), vec![]), "{enabled:?}");
        }
    });
}

#[test]
fn a_local_account_that_sends_under_many_domains_is_hinted_at() {
    on_a_host("a_local_account_that_sends_under_many_domains_is_hinted_at", |host| {
        let at = host.ten_minutes_ago();
        let logins: Vec<String> = (0..30).map(|n| format!("alice@r{n}.example")).collect();
        let logins: Vec<&str> = logins.iter().map(String::as_str).collect();
        host.log(spelled(at, &logins));
        let run = host.check(&[]);
        assert_eq!((run.text(), run.status), (String::new(), Some(0)));
        assert!(run.err.contains("not in sum: alice (120 messages, 30 domains)"), "{}", run.err);
        assert_eq!(run.err.lines().count(), 1, "{}", run.err);
        assert_eq!(host.check(&["--realm=none"]).err, "");
        // More logins than are kept at once.
        let start = String::from_utf8(line(at, b"3F1A2B: client=")).expect("it is ASCII");
        let stranger = |n: usize| {
            let client = client(n % 200);
            let start = start.trim_end();
            format!("{start}{client}, sasl_method=PLAIN, sasl_username=u{n}@s{n}\n")
        };
        let strangers: String = (0..20_000).map(stranger).collect();
        let strangers = strangers.into_bytes();
        host.log([strangers, spelled(at, &logins)].concat());
        assert_eq!(host.check(&[]).err, run.err);
        let log = host.text("log/mail.log");
        assert_eq!(host.run(&["-m", "90", "-l", &log]).err, "", "without -d it is not looked for");
        host.is_untouched();
        let run = host.check(&["--realm=*"]);
        reports(&run, "alice@r0.example", " [DISABLED]");
        assert_eq!(run.err, "");
        host.has_locked(&["alice"]);
    });
}

#[test]
fn virtual_mailboxes_are_locked_in_a_table() {
    on_a_host("virtual_mailboxes_are_locked_in_a_table", |host| {
        fs::create_dir_all("/etc/postfix").expect("/etc is ours");
        let table = "/etc/postfix/sasl_access";
        fs::write(table, "bob OK\n").expect("/etc is ours");
        fs::set_permissions(table, fs::Permissions::from_mode(0o640)).expect("its mode");
        let option = &format!("--sasl-access={table}")[..];
        let names = [&b"x@example.org"[..], b"alice", b"root", b"www-data", b"$(id)", b"bob"];
        host.log(names.map(|name| botnet(host.ten_minutes_ago(), name)).concat());
        let run = host.check(&[option]);
        assert_eq!(run.status, Some(1));
        reports(&run, "x@example.org", " [DISABLED]");
        reports(&run, "alice", " [DISABLED]");
        reports(&run, "root", " [NOT DISABLED: never locked]");
        reports(&run, "www-data", " [NOT DISABLED: a system account]");
        reports(&run, "$(id)", " [NOT DISABLED: not a name of an account]");
        reports(&run, "bob", " [NOT DISABLED: the table has another entry for it]");
        let action = "REJECT account disabled: sending spam\n";
        let want = format!("bob OK\nalice {action}x@example.org {action}");
        assert_eq!(
            read(table).lines().collect::<std::collections::BTreeSet<_>>(),
            want.lines().collect()
        );
        assert_eq!(fs::metadata(table).expect("it is there").mode() & 0o7777, 0o640);
        assert_eq!(host.locks().len(), 2);
        host.has_locked(&[]);
        let again = host.check(&[option]);
        reports(&again, "x@example.org", " [ALREADY DISABLED]");
        assert_eq!(host.locks().len(), 2);
        let list = host.run(&["--list-disabled"]).text();
        assert!(list.contains(&format!(":{table}  120 messages")), "{list}");
        for name in ["alice", "x@example.org"] {
            let run = host.run(&["--enable-account", name]);
            assert_eq!(run.status, Some(0), "{run:?}");
        }
        assert_eq!(read(table), "bob OK\n");
        assert!(host.calls().is_empty());
    });
}

#[test]
fn commands_of_the_administrator_lock_and_unlock() {
    on_a_host("commands_of_the_administrator_lock_and_unlock", |host| {
        let (lock, unlock) = (host.text("lock"), host.text("unlock"));
        let calls = host.text("calls");
        let script = |end: &str| {
            format!("#!/bin/sh\necho \"$0 $# $1\" >>{calls}\necho NOISE; echo NOISE >&2\n{end}\n")
        };
        Host::script(&lock, &script("exit 75"));
        Host::script(&unlock, &script(""));
        let options =
            [&format!("--disable-command={lock}")[..], &format!("--enable-command={unlock}")];
        let names = [&b"x@example.org"[..], b"root", b"a;b"];
        host.log(names.map(|name| botnet(host.ten_minutes_ago(), name)).concat());
        let log = host.text("log/mail.log");
        // It fails, is run again, and succeeds.
        for end in ["[NOT DISABLED: lock failed]", "[DISABLED]", "[ALREADY DISABLED]"] {
            let run = host.run(&[&["-d", "5", "-l", &log], &options[..]].concat());
            reports(&run, "x@example.org", &format!(" {end}"));
            assert!(!run.text().contains("NOISE"), "{run:?}");
            assert_eq!(run.status, Some(1), "one is no name");
            Host::script(&lock, &script(""));
        }
        assert_eq!(
            host.calls(),
            [format!("{lock} 1 x@example.org"), format!("{lock} 1 x@example.org")]
        );
        assert_eq!(host.locks().len(), 1);
        let run = host.run(&["--enable-account=x@example.org"]);
        assert_eq!(run.status, Some(0), "{run:?}");
        assert_eq!(host.calls().last(), Some(&format!("{unlock} 1 x@example.org")));
        assert_eq!(host.run(&["--list-disabled"]).text(), "");
        // A command that others can write is not run.
        fs::set_permissions(&lock, fs::Permissions::from_mode(0o777)).expect("its mode");
        host.log(botnet(host.ten_minutes_ago(), b"y@example.org"));
        let run = host.check(&options);
        assert!(
            run.text().contains(" [NOT DISABLED: ") && run.text().contains("refused]"),
            "{run:?}"
        );
        assert_eq!((run.status, host.calls().len()), (Some(1), 3), "{run:?}");
        host.has_locked(&[]);
    });
}
