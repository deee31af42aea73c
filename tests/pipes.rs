//! Readers that leave early, streams that are closed or full, limits, signals: for each program and each format the exact
//! status, and never a panic. `SPAM_CHECK_SIGNALS` sets how many reads get a signal; the default is small. Figures are printed
//! on standard error, in lines that start with `figure: `.

#![expect(clippy::print_stderr, reason = "figures are printed")]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use testkit::{Random, cannot_run};
use tests::{Directory, NOW, Run, accepted, command, program, times};

/// Each program, the arguments that make it report everything, and a line of a sender `%` with the number `#`.
const PROGRAMS: [(&str, &[&str], &str); 4] = [
    (
        "postfix-spam-check",
        &["-m", "1", "--overrides=/dev/null"],
        "Nov 23 17:50:00 mx postfix/smtpd[7]: 3F1A2B: client=a1.isp.net[192.0.2.7], sasl_method=PLAIN, sasl_username=%\n",
    ),
    (
        "exim-spam-check",
        &["-m", "0", "--overrides=/dev/null"],
        "2026-11-23 17:50:00 1ABCDE-#-XY <= a@b U=% P=local S=4\n",
    ),
    ("php-spam-check", &["1"], "mail() on [/srv/www/%.php:1]: To: a@b -- Headers: \n"),
    (
        "php-legacy-spam-check",
        &["60", "1"],
        "Nov 23 17:50:00 web www-data: sendmail-php url=x/, client=192.0.2.1, filename=/srv/www/%.php, uid=33, user=www-data, args=\n",
    ),
];

const FORMATS: [&str; 3] = ["text", "json", "table"];

/// A log of that many senders.
fn log(dir: &Directory, line: &str, senders: u32) -> String {
    let line = |n| line.replace('%', &format!("sender{n:05}")).replace('#', &format!("{n:06}"));
    let lines: String = (0..senders).map(line).collect();
    dir.file("log", lines)
}

/// Calls `body` for each program and each format, with two shell commands: without a log, and with one.
fn each(senders: u32, mut body: impl FnMut(&str, &str)) {
    for (name, args, line) in PROGRAMS {
        let dir = Directory::new();
        let log = log(&dir, line, senders);
        let program = program(name).display().to_string();
        for format in FORMATS {
            let args = args.join(" ");
            body(
                &format!("{program} {args} --now '{NOW}' --format={format}"),
                &format!("{program} {args} --now '{NOW}' --format={format} -l {log}"),
            );
        }
    }
}

/// Runs a bash command, in UTC and without any other environment.
fn bash(line: &str) -> Run {
    let mut bash = Command::new("bash");
    bash.args(["-c", line]).env_clear().env("TZ", "UTC").env("PATH", "/usr/bin:/bin");
    let run = Run::from(bash.stdin(Stdio::null()).output().expect("bash runs"));
    assert!(!run.err.contains("panic"), "{line}: {}", run.err);
    run
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut tried = 0;
    // Far more than fits in a pipe.
    each(20_000, |_, run| {
        for reader in ["head -1", "head -c 1", "true", "sed 2q"] {
            let ended = bash(&format!("{run} | {reader}; exit \"${{PIPESTATUS[0]}}\""));
            assert_eq!((ended.status, &*ended.err), (Some(0), ""), "{run} | {reader}");
            let lines = ended.text().lines().count();
            assert_eq!(
                lines,
                match reader {
                    "true" => 0,
                    "sed 2q" => 2,
                    _ => 1,
                },
                "{run} | {reader}"
            );
            tried += 1;
        }
    });
    eprintln!("figure: {tried} readers that leave early: status 0, nothing on standard error");
}

#[test]
fn streams_that_are_closed_or_full_are_told() {
    let mut tried = 0;
    each(100, |input, run| {
        let lost = "cannot write to standard output";
        for (line, status, told) in [
            (format!("{run} >/dev/full"), 1, lost),
            (format!("{run} 1</etc/passwd"), 1, lost),
            (format!("{run} -e 1</etc/passwd"), 3, lost),
            // A stream that was closed before the start is as /dev/null, which is a place to write.
            (format!("{run} >&-"), 0, ""),
            (format!("{run} -e >&-"), 1, ""),
            (format!("{run} >&- <&-"), 0, ""),
            (format!("{run} 1</dev/null"), 0, ""),
            (format!("{run} 1<>/dev/null"), 0, ""),
            (format!("{run} -e 1<>/dev/null"), 1, ""),
            (format!("{input} -e 1<>/dev/null -l /dev/null"), 0, ""),
            (format!("{run} >/dev/null"), 0, ""),
            (format!("{run} >/dev/null 2>&-"), 0, ""),
            (format!("{run} >/dev/null 2>/dev/full"), 0, ""),
            (format!("{run} >&- 2>&-"), 0, ""),
            (format!("{run} >/dev/full 2>/dev/full"), 1, ""),
            (format!("{run} >/dev/null <&-"), 0, ""),
            (format!("{run} >/dev/null <&- 2>&-"), 0, ""),
            (format!("{run} -e >/dev/null"), 1, ""),
            (format!("{run} -e >/dev/full"), 3, lost),
            (format!("{input} -l - >/dev/null </dev/null"), 0, ""),
            (format!("{input} -l - >/dev/null <&-"), 1, "standard input is closed"),
            (format!("{input} -l /nonexistent/log 2>&-"), 1, ""),
            (format!("{input} -l /nonexistent/log 2>/dev/full"), 1, ""),
            (format!("{input} --no-such-option 2>&-"), 2, ""),
            (format!("{input} --no-such-option 2>/dev/full"), 2, ""),
            (format!("{} --help >/dev/full", input.split(' ').next().unwrap_or_default()), 1, lost),
        ] {
            let ended = bash(&line);
            assert_eq!(ended.status, Some(status), "{line}: {}", ended.err);
            assert!(ended.err.contains(told), "{line}: {}", ended.err);
            assert!(!told.is_empty() || ended.err.is_empty(), "{line}: {}", ended.err);
            tried += 1;
        }
    });
    eprintln!("figure: {tried} streams closed or full: exact statuses, no panic");
}

#[test]
fn the_null_device_of_other_programs_is_a_place_to_write() {
    // Node's `stdio: "ignore"` and daemon(3) open it so.
    each(1, |_, run| {
        let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null");
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("exec {run} -e")]).env("TZ", "UTC").stdin(Stdio::null());
        shell.stdout(null.expect("it exists")).stderr(Stdio::piped());
        let ended = shell.spawn().and_then(std::process::Child::wait_with_output);
        let ended = Run::from(ended.expect("bash runs"));
        assert_eq!((ended.status, &*ended.err), (Some(1), ""), "{run}");
    });
    if !Path::new("/usr/bin/python3").exists() {
        cannot_run("python3 is not installed");
        return;
    }
    each(1, |_, run| {
        let monitor = "import subprocess, sys; \
                       sys.exit(subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode)";
        let ended = bash(&format!("exec /usr/bin/python3 -c '{monitor}' {run} -e"));
        assert_eq!((ended.status, &*ended.err), (Some(1), ""), "{run}");
    });
}

#[test]
fn limits_are_told_or_make_no_difference() {
    let (mut tried, mut told) = (0, 0);
    each(2000, |_, run| {
        let whole = bash(run);
        assert_eq!((whole.status, &*whole.err), (Some(0), ""), "{run}");
        let limits = (0..16).map(|n| format!("-n {n}")).chain(["-f 0".to_owned()]);
        // KiB of address space: 64 MiB are enough.
        for limit in limits.chain([1, 4, 8, 16, 64].map(|n| format!("-v {}", n << 10))) {
            let limited = bash(&format!("ulimit {limit} && exec {run}"));
            let enough = limit == "-f 0" || limit == "-v 65536" || limit == "-n 15";
            let what = format!("{run}: {limit}: {:?}: {}", limited.status, limited.err);
            // Never half a report; a complete one, with a message if rotated logs could not be looked for.
            assert!(limited.out.is_empty() || limited.out == whole.out, "{what}");
            if limited.status == Some(0) {
                assert!(limited.err.is_empty() && limited.out == whole.out, "{what}");
            } else {
                // If there is no room to load the program, the kernel, the shell or the loader reports it.
                assert!(!enough && (limited.status.is_none() || !limited.err.is_empty()), "{what}");
                told += 1;
            }
            tried += 1;
        }
    });
    // A file that may not grow: the failure is reported, or a signal ends the program.
    let dir = Directory::new();
    let (name, args, line) = PROGRAMS[0];
    let log = log(&dir, line, 2000);
    let out = dir.path("out").display().to_string();
    let line = format!(
        "ulimit -f 0 && exec {} {} --now '{NOW}' -l {log} >{out}",
        program(name).display(),
        args.join(" ")
    );
    assert_ne!(bash(&line).status, Some(0));
    eprintln!("figure: {tried} limits of files and memory: {told} told, no half report, no panic");
}

#[test]
fn threads_that_cannot_be_started_are_done_without() {
    // Root may start any number, so this is tried as nobody; the program has to be where nobody can run it.
    let dir = Directory::new();
    let (name, args, line) = PROGRAMS[0];
    let copy = dir.path(name);
    fs::copy(program(name), &copy).expect("a copy");
    // Large enough for two threads; and decompressed by a second one.
    let large = log(&dir, line, 100_000);
    let packed = dir.file("packed", fs::read(&large).expect("it was just written"));
    assert!(Command::new("gzip").arg(&packed).status().expect("gzip runs").success());
    for log in [large, packed + ".gz"] {
        let run = format!("{} {} --now '{NOW}' -l {log}", copy.display(), args.join(" "));
        let whole = bash(&run);
        let alone = bash(&format!(
            "exec setpriv --reuid=65534 --regid=65534 --clear-groups bash -c \"ulimit -u 1; exec {run}\""
        ));
        if alone.err.starts_with("setpriv:") {
            cannot_run("setpriv takes root");
            return;
        }
        assert_eq!((alone.status, &*alone.err), (Some(0), ""), "{log}");
        assert!(alone.out == whole.out && alone.out.len() > 1_000_000, "{log}");
    }
}

#[test]
fn rotated_logs_beyond_the_limit_of_open_files_are_not_left_out_silently() {
    let dir = Directory::new();
    let log = dir.file("log", accepted("17:57:00", "alice"));
    for number in 1..100 {
        dir.file(&format!("log.{number}"), accepted("17:50:00", "alice"));
    }
    let run = format!(
        "{} -m 1 --overrides=/dev/null --now '{NOW}' -l {log}",
        program("postfix-spam-check").display()
    );
    let (mut whole, mut told) = (0, 0);
    for limit in (8..130).step_by(3) {
        let ended = bash(&format!("ulimit -n {limit} && exec {run}"));
        if ended.status == Some(0) {
            assert!(ended.text().contains("\n100 ("), "{limit}: {}", ended.err);
            whole += 1;
        } else {
            assert_eq!(ended.status, Some(1), "{limit}: {}", ended.err);
            // At the very edge it is the directory that cannot be read once more.
            let words = ["Too many open files", "rotated repeatedly"];
            assert!(words.iter().any(|word| ended.err.contains(word)), "{limit}: {}", ended.err);
            told += 1;
        }
    }
    assert!(whole > 0 && told > 0, "{whole} whole, {told} told");
    eprintln!(
        "figure: too few open files for 99 rotated logs: {told} told, {whole} counted whole, none silent"
    );
}

#[test]
fn a_read_that_is_signalled_prints_no_other_report() {
    let rounds = times("SPAM_CHECK_SIGNALS", 40);
    let signals = [Signal::TERM, Signal::INT, Signal::KILL, Signal::HUP];
    let mut random = Random::from_environment();
    let mut ended_by = [0, 0];
    for (name, args, line) in PROGRAMS {
        let dir = Directory::new();
        let log = log(&dir, line, 20_000);
        let start = || {
            let mut command = command(name);
            command.args(args).args(["--now", NOW, "-l", &log]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
        };
        let began = Instant::now();
        let whole = Run::from(start().wait_with_output().expect("it ends"));
        assert_eq!((whole.status, &*whole.err), (Some(0), ""), "{name}");
        let longest = began.elapsed();
        for round in 0..rounds {
            let signal = signals[usize::try_from(round).unwrap_or(0) % signals.len()];
            let run = start();
            let moment = random.shorter_than(longest);
            let number = i32::try_from(run.id()).ok().and_then(Pid::from_raw).expect("a number");
            let killer = std::thread::spawn(move || {
                std::thread::sleep(moment);
                // It is not waited for before its outputs end; at worst it is a zombie.
                let _ = kill_process(number, signal);
            });
            let mut run = run;
            let (out, err) = outputs(&mut run);
            killer.join().expect("it ends");
            let status = run.wait().expect("it ends");
            let what = format!("{name}, {signal:?} after {moment:?}: {status}: {err}");
            assert!(status.success() || status.signal() == Some(signal.as_raw()), "{what}");
            assert!(err.is_empty() && whole.out.starts_with(&out), "{what}");
            assert!(!status.success() || out == whole.out, "{what}");
            ended_by[usize::from(status.success())] += 1;
        }
    }
    eprintln!(
        "figure: {} reads signalled: {} ended, {} were done before; no panic, no other report",
        ended_by[0] + ended_by[1],
        ended_by[0],
        ended_by[1]
    );
}

/// All that a child prints.
fn outputs(child: &mut std::process::Child) -> (Vec<u8>, String) {
    use std::io::Read;
    let (mut out, mut err) = (Vec::new(), String::new());
    let stdout = child.stdout.as_mut().expect("it was piped");
    stdout.read_to_end(&mut out).expect("a pipe");
    let stderr = child.stderr.as_mut().expect("it was piped");
    stderr.read_to_string(&mut err).expect("a pipe");
    (out, err)
}
