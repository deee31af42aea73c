//! Locks that are disturbed: by other runs, by signals, by limits. `SPAM_CHECK_ROUNDS` and `SPAM_CHECK_SIGNALS` set the
//! number of repetitions; the default is small. Figures are printed on standard error, in lines that start with `figure: `.

#![expect(clippy::print_stderr, reason = "figures are printed")]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use testkit::Random;
use tests::{Run, times};

use crate::host::*;

#[test]
fn twenty_runs_at_once_make_one_lock_and_one_notice() {
    on_a_host("disturbed::twenty_runs_at_once_make_one_lock_and_one_notice", |host| {
        let rounds = times("SPAM_CHECK_ROUNDS", 1);
        let log = host.log(botnet(host.ten_minutes_ago(), b"alice"));
        let start = |_| {
            let mut command = host.command(&["-m", "90", "-d", "5,5", "-l", &log]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
        };
        for round in 0..rounds {
            host.reset();
            let runs: Vec<_> = (0..20).map(start).collect();
            let mut disabled = 0;
            for run in runs {
                let run = Run::from(run.wait_with_output().expect("it ends"));
                assert_eq!((run.status, &*run.err), (Some(0), ""), "round {round}");
                if run.text().contains(" [DISABLED]") {
                    disabled += 1;
                } else {
                    reports(&run, "alice", " [ALREADY DISABLED]");
                }
            }
            assert_eq!(disabled, 1, "round {round}");
            host.has_locked(&["alice"]);
            assert_eq!(host.calls(), ["-l -- alice"], "round {round}");
            assert_eq!(host.notices().len(), 1, "round {round}");
        }
        eprintln!("figure: {rounds} times 20 runs at once: one lock and one notice each");
    });
}

/// A run whose output stays open as long as any program that it started is alive.
fn start(host: &Host, log: &str) -> Child {
    Command::new("sh")
        .args(["-c", "exec 9>&1 \"$0\" \"$@\""])
        .arg(&host.program)
        .args(["-p", "1hour", "-m", "90", "-d", "5,5", "-l", log])
        .env_clear()
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh starts")
}

#[test]
fn a_signalled_lock_is_intact_and_finished_by_the_next_run() {
    on_a_host("disturbed::a_signalled_lock_is_intact_and_finished_by_the_next_run", |host| {
        let rounds = times("SPAM_CHECK_SIGNALS", 30);
        let signals = [Signal::TERM, Signal::INT, Signal::KILL, Signal::HUP, Signal::PIPE];
        let locked = host.shadow.replace("\nalice:$", "\nalice:!$");
        let log = host.log(botnet(host.ten_minutes_ago(), b"alice"));
        let undisturbed = || {
            host.reset();
            let began = Instant::now();
            let whole = start(host, &log).wait_with_output().expect("it ends");
            assert_eq!(whole.status.code(), Some(0));
            began.elapsed()
        };
        let longest = (0..5).map(|_| undisturbed()).min().expect("five");
        let mut random = Random::from_environment();
        // Not started, locked only, finished.
        let mut ends = [0; 3];
        for round in 0..rounds {
            host.reset();
            let signal = signals[usize::try_from(round).unwrap_or(0) % signals.len()];
            let run = start(host, &log);
            let moment = random.shorter_than(longest);
            std::thread::sleep(moment);
            let number = i32::try_from(run.id()).ok().and_then(Pid::from_raw).expect("a number");
            // It may have ended by itself; the process id is not reused before it is waited for.
            let _ = kill_process(number, signal);
            let ended = run.wait_with_output().expect("it ends");
            let run = Run::from(ended.clone());
            let what = format!("round {round}, {signal:?} after {moment:?}: {run:?}");
            assert!(!run.err.contains("panic"), "{what}");
            let by = ended.status.signal();
            assert!(run.status == Some(0) || by == Some(signal.as_raw()) || by.is_none(), "{what}");
            let shadow = read("/etc/shadow");
            assert!(shadow == host.shadow || shadow == locked, "{what}: {shadow}");
            let logged = host.logged();
            let before = logged.iter().any(|line| line.contains(": disabling alice ("));
            assert!(before || shadow == host.shadow, "{what}: nothing was logged before the lock");
            let notices = host.notices().len();
            ends[if notices > 0 { 2 } else { usize::from(shadow == locked) }] += 1;
            // The next run is not disturbed. The lock files of a killed passwd(1) are not spam-check's business.
            for left in ["/etc/shadow.lock", "/etc/passwd.lock"] {
                let _ = fs::remove_file(left);
            }
            let next = host.check(&[]);
            assert_eq!((next.status, &*next.err), (Some(0), ""), "{what}");
            host.has_locked(&["alice"]);
            let list = host.run(&["--list-disabled"]).text();
            assert_eq!(list.lines().count(), 1, "{what}: {list}");
            assert!(list.contains("  local  120 messages"), "{what}: {list}");
            let mails = host.notices().len();
            assert!((1..=2).contains(&mails) && mails - notices <= 1, "{what}: {mails} notices");
            let third = host.check(&[]);
            reports(&third, "alice", " [ALREADY DISABLED]");
            assert_eq!((third.status, host.notices().len()), (Some(0), mails), "{what}");
        }
        eprintln!(
            "figure: {rounds} locks signalled: {} not started, {} locked only, {} finished; 0 half, all finished by the next run",
            ends[0], ends[1], ends[2]
        );
    });
}

#[test]
fn no_room_for_the_state_is_reported_and_no_lock_is_lost() {
    on_a_host("disturbed::no_room_for_the_state_is_reported_and_no_lock_is_lost", |host| {
        let mount = |options: &str, path: &str| {
            let mut mount = Command::new("mount");
            let made = mount.args(["-t", "tmpfs", "-o", options, "none", path]).status();
            assert!(made.expect("mount runs").success());
        };
        host.log(botnet(host.ten_minutes_ago(), b"alice"));
        fs::create_dir("/var/lib/spam-check").expect("/var/lib is ours");
        // Two pages and three files: the directory itself, and the two lock files that are empty.
        mount("mode=700,size=8k,nr_inodes=8", "/var/lib/spam-check");
        fs::write("/var/lib/spam-check/full", vec![b'x'; 8192]).expect("there is room for it");
        let run = host.check(&[]);
        assert_eq!(run.status, Some(1), "{run:?}");
        assert!(run.err.contains("No space left on device"), "{run:?}");
        assert!(!run.err.contains("panic"), "{run:?}");
        assert!(!Path::new("/var/lib/spam-check/state.json").exists());
        host.has_locked(&["alice"]);
        assert_eq!(host.notices().len(), 1, "{run:?}");
        // With room again, the lock is found, and recorded.
        fs::remove_file("/var/lib/spam-check/full").expect("it is ours");
        let run = host.check(&[]);
        assert_eq!(run.status, Some(0), "{run:?}");
        reports(&run, "alice", " [ALREADY DISABLED]");
        host.has_locked(&["alice"]);
        assert_eq!(host.calls(), ["-l -- alice"]);
        eprintln!("figure: no room for the state: reported, status 1, the lock is made");
    });
}

#[test]
fn limits_of_files_and_memory_leave_all_intact() {
    on_a_host("disturbed::limits_of_files_and_memory_leave_all_intact", |host| {
        let log = host.log(botnet(host.ten_minutes_ago(), b"alice"));
        let locked = host.shadow.replace("\nalice:$", "\nalice:!$");
        let run = |limit: &str| -> Run {
            let mut command = Command::new("prlimit");
            command.arg(limit).arg(&host.program).args(["-m", "90", "-d", "5,5", "-l", &log]);
            command.env_clear().env("TZ", "UTC").stdin(Stdio::null());
            command.output().expect("prlimit runs").into()
        };
        let mut tried = 0;
        let limits = (3..24).map(|n| format!("--nofile={n}"));
        let limits = limits.chain([0, 1, 100].map(|n| format!("--fsize={n}")));
        for limit in limits.chain([8, 16, 64].map(|n| format!("--as={}", n << 20))) {
            host.reset();
            let disturbed = run(&limit);
            assert!(!disturbed.err.contains("panic"), "{limit}: {disturbed:?}");
            let shadow = read("/etc/shadow");
            assert!(shadow == host.shadow || shadow == locked, "{limit}: {disturbed:?}");
            // It reports the lock if, and only if, it was made.
            let done = disturbed.text().contains(" [DISABLED]");
            assert!(!done || shadow == locked, "{limit}: {disturbed:?}");
            assert!(disturbed.status != Some(0) || done, "{limit}: {disturbed:?}");
            let next = host.check(&[]);
            assert_eq!(next.status, Some(0), "{limit}: {disturbed:?}, then {next:?}");
            host.has_locked(&["alice"]);
            assert!((1..=2).contains(&host.locks().len()), "{limit}: {disturbed:?}");
            tried += 1;
        }
        assert!(run("--as=67108864").text().contains(" [ALREADY DISABLED]"), "64 MiB are enough");
        eprintln!("figure: {tried} limits of files and memory: all intact, the next run finishes");
    });
}

#[test]
fn a_caller_that_ignores_signals_gets_the_same() {
    on_a_host("disturbed::a_caller_that_ignores_signals_gets_the_same", |host| {
        let log = host.log(botnet(host.ten_minutes_ago(), b"alice"));
        let lock = host.text("lock");
        let command = &format!("--disable-command={lock}")[..];
        let run = |before: &str, options: &[&str]| -> Run {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("{before}; exec \"$@\""), "sh"]).arg(&host.program);
            shell.args(["-m", "90", "-d", "5,5", "-l", &log]).args(options);
            shell.env_clear().env("TZ", "UTC").stdin(Stdio::null());
            shell.output().expect("sh runs").into()
        };
        // The exit status of a program that did run is known.
        for (options, lock_ends, end, status) in [
            (&[][..], 0, " [DISABLED]", 0),
            (&[command][..], 0, " [DISABLED]", 0),
            (&[command], 1, " [NOT DISABLED: lock failed]", 1),
        ] {
            host.reset();
            Host::script(&lock, &format!("#!/bin/sh\nexit {lock_ends}\n"));
            let run = run("trap '' CHLD", options);
            reports(&run, "alice", end);
            assert_eq!(run.status, Some(status), "{run:?}");
            assert_eq!(host.notices().len(), 1);
        }
        // No room in any file: an error, and the lock is intact.
        host.reset();
        let run = run("ulimit -f 0", &[command]);
        assert_eq!(run.status, Some(1), "{run:?}");
        assert!(run.err.contains("File too large"), "{run:?}");
    });
}

#[test]
fn without_threads_and_with_many_accounts_all_is_done() {
    on_a_host("disturbed::without_threads_and_with_many_accounts_all_is_done", |host| {
        let log = host.log(botnet(host.ten_minutes_ago(), b"alice"));
        let check = || -> Run {
            let mut command = host.command(&["-m", "90", "-d", "5,5", "-l", &log]);
            // No thread can have so large a stack.
            command.env("RUST_MIN_STACK", (1_u64 << 60).to_string());
            command.output().expect("the program starts").into()
        };
        let run = check();
        assert_eq!((run.status, &*run.err), (Some(0), ""), "{run:?}");
        reports(&run, "alice", " [DISABLED]");
        assert_eq!(host.notices().len(), 1);
        // 16 MiB and more in each of the files.
        host.reset();
        let (mut passwd, mut shadow) = (read("/etc/passwd"), read("/etc/shadow"));
        let hash = "x".repeat(86);
        for number in 0..180_000 {
            let uid = 10_000 + number;
            passwd +=
                &format!("user{number}:x:{uid}:100:{}:/home/user{number}:/bin/sh\n", &hash[..60]);
            shadow += &format!("user{number}:$6$abcdefgh${hash}:19000:0:99999:7:::\n");
        }
        assert!(passwd.len() > 16 << 20 && shadow.len() > 16 << 20);
        fs::write("/etc/passwd", passwd).expect("/etc is ours");
        fs::write("/etc/shadow", shadow).expect("/etc is ours");
        let run = host.check(&[]);
        assert_eq!((run.status, &*run.err), (Some(0), ""), "{run:?}");
        reports(&run, "alice", " [DISABLED]");
        assert!(read("/etc/shadow").contains("\nalice:!$"));
        let run = host.run(&["--enable-account=alice"]);
        assert_eq!(run.text(), "alice enabled (local)\n", "{run:?}");
    });
}
