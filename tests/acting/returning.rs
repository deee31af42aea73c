//! Locks that must not come back: what an administrator has undone stays undone until there are new lines, whatever has
//! happened to the clock and to the state meanwhile.

use std::fs;
use std::path::Path;
use std::process::Command;

use tests::Run;

use crate::host::*;

const SPARED: &str = " [NOT DISABLED: no new evidence since it was last seen locked]";

const COPY: &str = "/run/spam-check/state.json";

fn succeeds(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status().expect("it starts");
    assert!(status.success(), "{program} {args:?}");
}

/// A run while the clock shows another time.
fn check_at(host: &Host, time: &str, options: &[&str]) -> Run {
    let log = host.text("log/mail.log");
    let args = [&["-p", "1hour", "-m", "90", "-d", "5,5", "-l", &log], options].concat();
    let preloaded = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
    assert!(Path::new(preloaded).exists(), "libfaketime is not there");
    let mut command = host.command(&args);
    command.env("LD_PRELOAD", preloaded).env("FAKETIME", time);
    command.output().expect("the program starts").into()
}

#[test]
fn what_an_administrator_has_locked_and_unlocked_is_not_locked_on_old_lines() {
    on_a_host(
        "returning::what_an_administrator_has_locked_and_unlocked_is_not_locked_on_old_lines",
        |host| {
            for (lock, unlock) in [
                (&["passwd", "-l", "alice"], &["passwd", "-u", "alice"]),
                (&["usermod", "-L", "alice"], &["usermod", "-U", "alice"]),
            ] {
                host.reset();
                host.log(botnet(host.ten_minutes_ago(), b"alice"));
                succeeds(lock[0], &lock[1..]);
                succeeds(unlock[0], &unlock[1..]);
                for options in [&["--dry-run"][..], &[], &[]] {
                    reports(&host.check(options), "alice", SPARED);
                }
                host.has_locked(&[]);
                // Also after the file was changed once more, by a lock of another account.
                let lines = [
                    botnet(host.ten_minutes_ago(), b"alice"),
                    botnet(host.ten_minutes_ago(), b"bob"),
                ];
                host.log(lines.concat());
                let run = host.check(&[]);
                reports(&run, "bob", " [DISABLED]");
                reports(&run, "alice", SPARED);
                reports(&host.check(&[]), "alice", SPARED);
                host.has_locked(&["bob"]);
                assert_eq!(host.notices().len(), 1);
            }
            // New lines are evidence.
            Host::half_an_hour_later("alice");
            reports(&host.check(&[]), "alice", " [DISABLED]");
        },
    );
}

#[test]
fn other_changes_of_the_shadow_file_protect_nobody() {
    on_a_host("returning::other_changes_of_the_shadow_file_protect_nobody", |host| {
        host.log(botnet(host.ten_minutes_ago(), b"alice"));
        succeeds("passwd", &["-l", "bob"]);
        succeeds("passwd", &["-u", "bob"]);
        succeeds("usermod", &["-p", "$6$new$hash", "alice"]);
        reports(&host.check(&[]), "alice", " [DISABLED]");
    });
}

#[test]
fn an_account_that_was_open_is_marked_when_it_is_enabled() {
    on_a_host("returning::an_account_that_was_open_is_marked_when_it_is_enabled", |host| {
        host.log(botnet(host.ten_minutes_ago(), b"alice"));
        let run = host.run(&["--enable-account=alice"]);
        assert!(run.err.contains("it is not locked"), "{run:?}");
        for _ in 0..2 {
            reports(&host.check(&[]), "alice", SPARED);
        }
        host.has_locked(&[]);
        assert!(host.notices().is_empty() && host.calls().is_empty());
    });
}

#[test]
fn a_clock_that_jumps_to_2015_and_back_repeats_nothing() {
    on_a_host("returning::a_clock_that_jumps_to_2015_and_back_repeats_nothing", |host| {
        let lines =
            [botnet(host.ten_minutes_ago(), b"alice"), botnet(host.ten_minutes_ago(), b"carol")];
        host.log(lines.concat());
        let run = host.check(&[]);
        reports(&run, "alice", " [DISABLED]");
        reports(&run, "carol", " [DISABLED]");
        succeeds("passwd", &["-u", "alice"]);
        let (calls, notices) = (host.calls(), host.notices());
        let seen = |name| Host::state()["accounts"][name]["seen_locked"].clone();
        let before = [seen("alice"), seen("carol")];
        // In 2015 there are lines of 2015, of a third account and of one that is locked.
        let at = 1_433_160_000 - 600;
        host.log([lines.concat(), botnet(at, b"bob"), botnet(at, b"carol")].concat());
        let run = check_at(host, "@2015-06-01 12:00:00", &[]);
        reports(&run, "bob", " [DISABLED]");
        reports(&run, "carol", " [ALREADY DISABLED]");
        assert_eq!([seen("alice"), seen("carol")], before);
        for _ in 0..2 {
            let run = host.check(&[]);
            reports(&run, "alice", SPARED);
            reports(&run, "carol", " [ALREADY DISABLED]");
            assert_eq!(run.status, Some(0), "{run:?}");
        }
        assert_eq!(host.calls().len(), calls.len() + 1);
        assert_eq!(host.notices().len(), notices.len() + 1);
        host.has_locked(&["bob", "carol"]);
    });
}

#[test]
fn a_state_that_cannot_be_written_has_a_copy_that_counts() {
    on_a_host("returning::a_state_that_cannot_be_written_has_a_copy_that_counts", |host| {
        let log = botnet(host.ten_minutes_ago(), b"alice");
        let command = host.text("lock");
        Host::script(&command, &format!("#!/bin/sh\necho \"$*\" >>{}\n", host.text("done")));
        let option = format!("--disable-command={command}");
        host.log(&log);
        fs::create_dir("/var/lib/spam-check").expect("/var/lib is ours");
        succeeds("chmod", &["700", "/var/lib/spam-check"]);
        succeeds(
            "mount",
            &["-t", "tmpfs", "-o", "mode=700,size=8k,nr_inodes=8", "none", "/var/lib/spam-check"],
        );
        fs::write("/var/lib/spam-check/full", vec![b'x'; 8192]).expect("there is room for it");
        // It is told each time, and nothing is repeated.
        for (number, end) in
            [" [DISABLED]", " [ALREADY DISABLED]", " [ALREADY DISABLED]"].iter().enumerate()
        {
            let run = host.check(&[&option]);
            reports(&run, "alice", end);
            assert_eq!(run.status, Some(1), "{number}: {run:?}");
            assert!(run.err.contains("No space left on device"), "{run:?}");
            assert_eq!(read(host.path("done")), "alice\n");
            assert_eq!(host.notices().len(), 1, "{number}");
        }
        assert!(Path::new(COPY).exists());
        let listed = host.run(&["--list-disabled"]);
        assert!(listed.text().starts_with("alice  "), "{listed:?}");
        // With room again, the state has it all, even if nobody is reported.
        fs::remove_file("/var/lib/spam-check/full").expect("it is ours");
        host.log("");
        assert_eq!(host.check(&[&option]).status, Some(0));
        assert!(!Path::new(COPY).exists());
        assert_eq!(Host::state()["accounts"]["alice"]["locks"].as_array().map(Vec::len), Some(1));
        host.log(&log);
        let run = host.check(&[&option]);
        reports(&run, "alice", " [ALREADY DISABLED]");
        assert_eq!(run.status, Some(0), "{run:?}");
        assert_eq!(read(host.path("done")), "alice\n");
        // A copy that is older than the state does not count, nor one of somebody else.
        for (serial, owner, end) in [
            ("1", "0", " [ALREADY DISABLED]"),
            ("999", "12", " [ALREADY DISABLED]"),
            ("999", "0", " [DISABLED]"),
        ] {
            let copy =
                format!(r#"{{"version": 1, "serial": {serial}, "accounts": {{}}, "recent": []}}"#);
            let _ = fs::remove_dir_all("/run/spam-check");
            succeeds("install", &["-d", "-m", "700", "-o", owner, "/run/spam-check"]);
            fs::write(COPY, copy).expect("/run is ours");
            reports(&host.check(&[&option]), "alice", end);
        }
    });
}
