//! The work is bounded by the lines of a log, whatever else a stranger puts in its place: holes, bombs, names of time
//! zones in every spelling, devices, FIFOs, links. What is left out is said.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{chown, symlink};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use testkit::{Random, cannot_run};
use tests::{Directory, NOW, Run, accepted, program};

const POSTFIX: &str = "postfix-spam-check -m 1 --overrides=/dev/null";

/// Runs a program by a shell line of options, for a minute at most. Returns what it printed, and the seconds of
/// processor time that it took: those do not depend on what else the machine does.
fn run(line: &str) -> (Run, f64) {
    let (name, args) = line.split_once(' ').expect("a program and its options");
    let script = format!(
        "TIMEFORMAT='%U %S'; {{ time timeout 60 {} --now '{NOW}' {args} 2>&3; }} 3>&2 2>/dev/fd/9",
        program(name).display()
    );
    let dir = Directory::new();
    let times = dir.file("times", "");
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("exec 9>{times}; {script}")]);
    bash.env_clear()
        .env("TZ", "UTC")
        .env("PATH", "/usr/bin:/bin")
        .stdin(std::process::Stdio::null());
    let run = Run::from(bash.output().expect("bash runs"));
    let times = fs::read_to_string(times).expect("it was written");
    let seconds = times.split_whitespace().map(|number| number.parse::<f64>().expect("a number"));
    (run, seconds.sum())
}

/// Runs a program on a peaceful log and on an attacker's, and checks that this takes no more than three times as long.
fn compare(program: &str, peaceful: &str, attack: &str) -> Run {
    let (run_of_peaceful, peace) = run(&format!("{program} -l {peaceful}"));
    assert_eq!((run_of_peaceful.status, &*run_of_peaceful.err), (Some(0), ""));
    let (run, took) = run(&format!("{program} -l {attack}"));
    // A twentieth of a second, because short times are not exact.
    assert!(
        took <= 3.0 * peace + 0.05,
        "{program} -l {attack}: {took} s, a peaceful log {peace} s: {}",
        run.err
    );
    run
}

#[test]
fn a_hole_takes_no_time() {
    let dir = Directory::new();
    let lines = accepted("17:57:00", "bob").repeat(20_000);
    let peaceful = dir.file("peaceful", lines.repeat(2));
    for (name, before, after) in [
        ("before", "", lines.repeat(2)),
        ("between", &*lines, lines.clone()),
        ("after", &lines.repeat(2), String::new()),
    ] {
        let log = dir.file(name, before);
        let file = File::options().append(true).open(&log).expect("it was just written");
        if let Err(error) = file.set_len(15 << 40) {
            cannot_run(&format!("a file of 15 TiB: {error}"));
            return;
        }
        (&file).write_all(after.as_bytes()).expect("a temporary file");
        let run = compare(POSTFIX, &peaceful, &log);
        assert_eq!(run.status, Some(0), "{name}: {}", run.err);
        assert!(run.text().contains("\n40000 (1 nets"), "{name}: {}", run.text());
        assert!(run.err.contains(&format!("{name}: skipped 153")), "{}", run.err);
    }
    // Small ones are what copytruncate leaves.
    let log = dir.file("mail.log", "");
    let file = File::options().append(true).open(&log).expect("it was just written");
    file.set_len(512 << 20).expect("its length");
    (&file).write_all(lines.as_bytes()).expect("a temporary file");
    let run = compare(POSTFIX, &peaceful, &log);
    assert_eq!((run.status, &*run.err), (Some(0), ""));
    assert!(run.text().contains("\n20000 (1 nets"), "{}", run.text());
}

#[test]
fn a_part_of_a_line_before_a_hole_is_not_completed_by_what_comes_after() {
    let dir = Directory::new();
    let line = accepted("17:57:00", "bob");
    let (start, end) = line.split_at(line.len() - 3);
    let log = dir.file("mail.log", format!("{line}{start}"));
    let file = File::options().append(true).open(&log).expect("it was just written");
    file.set_len(64 << 20).expect("its length");
    (&file).write_all(format!("ice\n{end}{line}").as_bytes()).expect("a temporary file");
    let (run, _) = run(&format!("{POSTFIX} -l {log}"));
    assert_eq!(run.status, Some(0));
    assert!(
        run.text().contains("\n2 (1 nets") && run.text().lines().count() == 3,
        "{}",
        run.text()
    );
    assert!(run.err.contains("skipped 1 line longer than 65536 bytes"), "{}", run.err);
}

/// A gzip of this many copies of a text.
fn bomb(text: &[u8], copies: usize) -> Vec<u8> {
    let mut member = GzEncoder::new(Vec::new(), Compression::default());
    member.write_all(text).expect("memory");
    member.finish().expect("memory").repeat(copies)
}

#[test]
fn a_bomb_as_a_rotated_log_is_given_up() {
    let dir = Directory::new();
    let line = accepted("17:57:00", "bob");
    let peaceful = dir.file("peaceful", line.repeat(300_000));
    // 20 GiB.
    for (name, text) in [("zeros", vec![0; 16 << 20]), ("text", vec![b'x'; 16 << 20])] {
        let log = dir.file(name, &line);
        dir.file(&format!("{name}.1.gz"), [bomb(line.as_bytes(), 1), bomb(&text, 1280)].concat());
        let run = compare(POSTFIX, &peaceful, &log);
        assert_eq!(run.status, Some(0), "{}", run.err);
        assert!(run.text().contains("\n2 (1 nets"), "{}", run.text());
        let told = "1.gz: the rest was not read: it expands to more than 64 MiB without a newline";
        assert!(run.err.contains(told), "{}", run.err);
        let blind = tests::run("postfix-spam-check", &["-e", "--now", NOW, "-l", &log]);
        assert_eq!(blind.status, Some(3), "{}", blind.err);
    }
}

#[test]
fn zone_names_in_any_spelling_take_no_time() {
    let dir = Directory::new();
    let mut random = Random::new(15);
    let mut spelled = |name: &str| -> String {
        let bits = random.bits();
        let letter = |(nth, c): (usize, char)| {
            if bits >> (nth + 11) & 1 == 1 {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            }
        };
        name.chars().enumerate().map(letter).collect()
    };
    let line =
        |zone: &str| format!("[23-Nov-2026 14:50:00 {zone}] mail() on [/srv/a.php:1]: To: a@b\n");
    let peaceful: String = (0..100_000).map(|_| line("America/Argentina/Buenos_Aires")).collect();
    let spellings: String =
        (0..100_000).map(|_| line(&spelled("America/Argentina/Buenos_Aires"))).collect();
    let peaceful = dir.file("peaceful", peaceful);
    let log = dir.file("spellings", spellings);
    let run = compare("php-spam-check 100000", &peaceful, &log);
    assert_eq!((run.status, &*run.err, &*run.text()), (Some(0), "", "/srv/a.php\n"));
    let unknown: String = (0..100_000).map(|n| line(&format!("America/Nowhere{n}"))).collect();
    let log = dir.file("unknown", unknown);
    let run = compare("php-spam-check 100000", &peaceful, &log);
    assert!(run.err.contains("not counted: 100000 messages whose timestamp"), "{}", run.err);
}

#[test]
fn what_never_ends_is_not_read() {
    for (path, why) in [
        ("/dev/zero", "a device that never ends"),
        ("/dev/full", "a device that never ends"),
        ("/dev/kmsg", "a device that never ends"),
        ("/proc/kmsg", "below /proc"),
        ("/proc/self/environ", "below /proc"),
    ] {
        if !fs::exists(path).unwrap_or(false) {
            continue;
        }
        let (run, _) = run(&format!("{POSTFIX} -l {path}"));
        assert_eq!((run.status, run.out.len()), (Some(1), 0), "{path}");
        assert!(run.err.contains(&format!("{path}: refused: {why}")), "{}", run.err);
    }
    let (run, _) = run(&format!("{POSTFIX} -l /dev/null"));
    assert_eq!((run.status, &*run.err, run.out.len()), (Some(0), "", 0));
}

#[test]
fn the_descriptors_of_the_caller_are_read() {
    let dir = Directory::new();
    let log = dir.file("mail.log", accepted("17:57:00", "bob").repeat(3));
    for input in [
        format!("/dev/stdin <{log}"),
        format!("/dev/stdin < <(cat {log})"),
        format!("/dev/fd/0 <{log}"),
        format!("/dev/fd/7 7<{log}"),
        format!("/proc/self/fd/7 7< <(cat {log})"),
        format!("<(cat {log})"),
        format!("- <{log}"),
    ] {
        let (run, _) = run(&format!("{POSTFIX} -l {input}"));
        assert_eq!((run.status, &*run.err), (Some(0), ""), "{input}");
        assert!(run.text().contains("\n3 (1 nets"), "{input}: {}", run.text());
    }
}

#[test]
fn a_site_cannot_make_the_reader_wait_or_leave_its_directory() {
    let dir = Directory::new();
    let line = "mail() on [/srv/a.php:1]: To: a@b\n";
    let ours = dir.file("ours", line.repeat(3));
    let theirs = dir.path("theirs");
    fs::create_dir(&theirs).expect("a directory");
    let log = |name: &str| theirs.join(name).display().to_string();
    for (name, target) in
        [("zero", "/dev/zero"), ("kmsg", "/proc/kmsg"), ("up", "../ours"), ("own", "data")]
    {
        symlink(target, theirs.join(name)).expect("a link");
    }
    fs::write(log("data"), line.repeat(3)).expect("a file");
    fs::write(log("php.log"), line).expect("a file");
    symlink("/dev/zero", log("php.log.1")).expect("a link");
    assert!(Command::new("mkfifo").arg(log("fifo")).status().expect("mkfifo runs").success());
    for path in [theirs.clone(), theirs.join("fifo")] {
        if let Err(error) = chown(path, Some(4106), Some(4106)) {
            cannot_run(&format!("files of other users: {error}"));
            return;
        }
    }
    let leaves = "refused: a link of another user leads out of that user's directory";
    for (name, why) in [
        ("zero", leaves),
        ("kmsg", "refused: below /proc"),
        ("up", leaves),
        ("fifo", "refused: not a regular file, and another user may have put it there"),
    ] {
        // The others are read all the same.
        let (run, _) = run(&format!("php-spam-check 3 -l {} -l {ours}", log(name)));
        assert_eq!((run.status, &*run.text()), (Some(1), "/srv/a.php\n"), "{name}: {}", run.err);
        assert!(run.err.contains(&format!("{name}: {why}")), "{}", run.err);
    }
    let (own, _) = run(&format!("php-spam-check 3 -l {}", log("own")));
    assert_eq!((own.status, &*own.err, &*own.text()), (Some(0), "", "/srv/a.php\n"));
    let (rotated, _) = run(&format!("php-spam-check 1 -l {}", log("php.log")));
    assert_eq!((rotated.status, &*rotated.text()), (Some(1), "/srv/a.php\n"));
    assert!(rotated.err.contains("php.log.1: refused: not a regular file"), "{}", rotated.err);
}
