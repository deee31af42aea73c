//! Log files: missing, rotated, compressed, piped, sparse.

use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use testkit::cannot_run;
use tests::{Directory, NOW, Run, accepted, command, run, run_with_input};

const POSTFIX: &str = "postfix-spam-check";

/// Runs the check of the last hour on logs; everybody is reported.
fn check(logs: &[&str]) -> Run {
    let mut args = vec!["-m", "1", "--now", NOW, "--overrides=/dev/null"];
    for log in logs {
        args.extend(["-l", log]);
    }
    run(POSTFIX, &args)
}

/// `name count`, for each sender reported.
fn counts(run: &Run) -> Vec<String> {
    let text = run.text();
    let lines = text.lines().filter_map(|line| {
        let (count, rest) = line.split_once(" (")?;
        let name = rest.split_once("sasl_username=")?.1;
        Some(format!("{name} {count}"))
    });
    lines.collect()
}

fn age(path: &str, seconds: u64) {
    let at = SystemTime::now() - Duration::from_secs(seconds);
    let file = File::options().append(true).open(path).expect("it was just written");
    file.set_times(FileTimes::new().set_modified(at)).expect("it is ours");
}

fn pack(program: &str, path: &str) {
    let status = Command::new(program).args(["-q", path]).status();
    assert!(status.unwrap_or_else(|error| panic!("{program}: {error}")).success());
}

#[test]
fn no_log_is_told() {
    let dir = Directory::new();
    let missing = dir.path("missing").to_str().expect("a plain name").to_owned();
    let run = check(&[&missing]);
    assert_eq!((run.status, run.out.len()), (Some(1), 0));
    assert!(run.err.contains(&format!("{missing}: cannot be read: No such file")), "{}", run.err);
    let parent_of = check(&[dir.path("").to_str().expect("a plain name")]);
    assert_eq!(parent_of.status, Some(1));
    let hint = format!("use a pattern: -l '{}'", dir.path("*.log").display());
    assert!(parent_of.err.contains(&hint), "{}", parent_of.err);
}

#[test]
fn a_log_that_only_comes_back_with_its_next_line_has_its_rotated_logs() {
    let dir = Directory::new();
    let log = dir.path("mail.log").to_str().expect("a plain name").to_owned();
    let first = dir.file("mail.log.1", accepted("17:57:00", "bob"));
    let second = dir.file("mail.log.2", accepted("17:50:00", "bob"));
    let run = check(&[&log]);
    assert_eq!((run.status, &run.err[..]), (Some(0), ""));
    assert_eq!(counts(&run), ["bob 2"]);
    fs::remove_file(&first).expect("it is ours");
    pack("gzip", &second);
    assert_eq!(counts(&check(&[&log])), ["bob 1"]);
    // Rotated logs that nobody has written for a day are those of a log that was given up.
    age(&format!("{second}.gz"), 25 * 3600);
    let run = check(&[&log]);
    assert_eq!((run.status, run.out.len()), (Some(1), 0));
    assert!(run.err.contains("mail.log: cannot be read: No such file"), "{}", run.err);
}

#[test]
fn a_log_that_may_not_be_read_is_told() {
    // Root may read everything, so this is tried as nobody; the program has to lie where he gets at it.
    let dir = Directory::new();
    let log = dir.file("mail.log", accepted("17:57:00", "bob"));
    let copy = dir.path(POSTFIX);
    fs::copy(tests::program(POSTFIX), &copy).expect("a copy");
    fs::set_permissions(&log, fs::Permissions::from_mode(0o000)).expect("it is ours");
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&copy)
        .args(["--overrides=/dev/null", "-l", &log])
        .output();
    let run: Run = output.expect("setpriv runs").into();
    if run.err.starts_with("setpriv:") {
        cannot_run("setpriv takes root");
        return;
    }
    assert_eq!((run.status, run.out.len()), (Some(1), 0));
    assert!(run.err.contains("mail.log: cannot be read: Permission denied"), "{}", run.err);
}

#[test]
fn what_can_be_read_is_reported_beside_what_cannot() {
    let dir = Directory::new();
    let good = dir.file("good", accepted("17:57:00", "bob"));
    let other = dir.file("other", accepted("17:57:00", "bob"));
    let run = check(&["/nonexistent/log", &good, &other, &good]);
    let each_once = vec!["bob 2".to_owned()];
    assert_eq!((run.status, counts(&run)), (Some(1), each_once));
}

#[test]
fn the_period_reaches_into_rotated_logs_and_no_further() {
    let dir = Directory::new();
    let log = dir.file("mail.log", accepted("17:50:00", "bob"));
    dir.file("mail.log.1", accepted("15:00:00", "old") + &accepted("17:30:00", "bob"));
    let second = dir.file("mail.log.2", accepted("14:00:00", "bob"));
    dir.file("mail.log.3.gz", "\x1f\u{8b} not gzip at all");
    let run = check(&[&log]);
    assert_eq!((run.status, &run.err[..]), (Some(0), ""));
    assert_eq!(counts(&run), ["bob 2"]);
    assert!(run.text().contains(" -- Nov 23 17:30:00 "), "the rotated log's line is the first");
    assert_eq!(counts(&check(&[&second])), Vec::<String>::new(), "named like a rotated log: alone");
}

#[test]
fn what_was_in_the_way_of_a_new_log_is_read_and_says_nothing_of_others() {
    let dir = Directory::new();
    let log = dir.file("mail.log", accepted("17:50:00", "bob"));
    dir.file("mail.log.1", accepted("17:30:00", "bob"));
    dir.file("mail.log-2026112317.backup", accepted("17:49:00", "bob"));
    dir.file("mail.log-2026112311.backup", accepted("11:00:00", "bob"));
    let run = check(&[&log]);
    assert_eq!((run.status, &run.err[..]), (Some(0), ""));
    assert_eq!(counts(&run), ["bob 3"]);
    assert!(run.text().contains(" -- Nov 23 17:30:00 "), "in the order in which they were written");
}

#[test]
fn rotated_logs_are_unpacked_by_their_content() {
    for (program, suffix) in [("gzip", ".gz"), ("xz", ".xz"), ("zstd", ".zst")] {
        let dir = Directory::new();
        let log = dir.file("mail.log", accepted("17:50:00", "bob"));
        let rotated = dir.file("mail.log-20261123", accepted("17:30:00", "bob"));
        pack(program, &rotated);
        if program == "zstd" {
            fs::remove_file(&rotated).expect("zstd keeps its input");
        }
        assert_eq!(counts(&check(&[&log])), ["bob 2"], "{program}");
        // The same content under another name is unpacked too, here from standard input.
        let packed = fs::read(format!("{rotated}{suffix}")).expect("it was packed");
        let args = ["-m", "1", "--now", NOW, "--overrides=/dev/null", "-l", "-"];
        assert_eq!(counts(&run_with_input(POSTFIX, &args, &packed)), ["bob 1"], "{program}");
    }
}

#[test]
fn all_members_of_a_gzip_are_read_and_a_cut_one_is_told() {
    let dir = Directory::new();
    let mut members = Vec::new();
    for hour in ["17:10:00", "17:20:00"] {
        let part = dir.file("part", accepted(hour, "bob").repeat(2000));
        pack("gzip", &part);
        members.extend(fs::read(format!("{part}.gz")).expect("it was packed"));
        fs::remove_file(format!("{part}.gz")).expect("it was packed");
    }
    let log = dir.file("whole.gz", &members);
    assert_eq!(counts(&check(&[&log])), ["bob 4000"]);
    let log = dir.file("cut.gz", &members[..members.len() - 20]);
    let run = check(&[&log]);
    assert_eq!(run.status, Some(1));
    assert!(
        run.err.contains("cut.gz: cannot be read: ") && run.err.contains(" bytes"),
        "{}",
        run.err
    );
    let text = run.text();
    let count = text.lines().find_map(|line| line.split_once(" (")).map(|(count, _)| count);
    let count: u64 = count.and_then(|count| count.parse().ok()).expect("a count");
    assert!((2000..4000).contains(&count), "what was before the cut counts: {count}");
}

#[test]
fn each_file_counts_once() {
    let dir = Directory::new();
    let line = |n: u32| accepted(&format!("17:{n}:00"), "bob");
    let log = dir.file("mail.log", line(50));
    let rotated = dir.file("mail.log.1", line(30));
    fs::hard_link(&rotated, dir.path("mail.log.2")).expect("a link");
    let third = dir.file("mail.log.3", line(20));
    pack("gzip", &third);
    dir.file("mail.log.3", line(20));
    assert_eq!(counts(&check(&[&log])), ["bob 3"]);
}

#[test]
fn a_copy_of_the_log_that_is_under_way_counts_once() {
    // copytruncate, between its two steps: the log is copied, and will be truncated. The copy grows for
    // as long as the scan takes.
    let dir = Directory::new();
    let lines = accepted("17:10:00", "bob").repeat(50_000);
    let log = dir.file("mail.log", &lines);
    let copy = dir.file("mail.log.1", "");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = File::options().append(true).open(&copy).expect("it was just written");
            for part in lines.as_bytes().chunks(600) {
                if done.load(Ordering::Acquire) {
                    break;
                }
                file.write_all(part).expect("a temporary file");
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        while fs::metadata(&copy).expect("it is there").len() < 5000 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let run = check(&[&log]);
        done.store(true, Ordering::Release);
        assert_eq!(counts(&run), ["bob 50000"]);
    });
    // Two logs that are alike by chance both count.
    fs::write(&copy, &lines).expect("a temporary file");
    assert_eq!(counts(&check(&[&log])), ["bob 100000"]);
}

#[test]
fn what_cannot_be_unpacked_or_waited_for_is_told() {
    let dir = Directory::new();
    let log = dir.file("mail.log", accepted("17:50:00", "bob"));
    dir.file("mail.log.1.bz2", "BZh91AY&SY");
    let run = check(&[&log]);
    assert_eq!((run.status, counts(&run)), (Some(1), vec!["bob 1".to_owned()]));
    assert!(run.err.contains("mail.log.1.bz2: refused: bzip2"), "{}", run.err);
    fs::remove_file(dir.path("mail.log.1.bz2")).expect("it was just written");
    let made = Command::new("mkfifo").arg(dir.path("mail.log.1")).status();
    assert!(made.expect("mkfifo runs").success());
    let run = check(&[&log]);
    assert_eq!((run.status, counts(&run)), (Some(1), vec!["bob 1".to_owned()]));
    assert!(run.err.contains("mail.log.1: refused: not a regular file"), "{}", run.err);
}

#[test]
fn pipes_stream() {
    let dir = Directory::new();
    let input = accepted("17:57:00", "bob").repeat(3);
    let args = ["-m", "1", "--now", NOW, "--overrides=/dev/null", "-l", "-"];
    assert_eq!(counts(&run_with_input(POSTFIX, &args, input.as_bytes())), ["bob 3"]);
    let fifo = dir.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    let mut child = command(POSTFIX);
    child.args(&args[..6]).arg(&fifo).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = child.spawn().expect("the program starts");
    let mut writer = File::options().write(true).open(&fifo).expect("it is read");
    writer.write_all(input.as_bytes()).expect("it is read");
    drop(writer);
    let run: Run = child.wait_with_output().expect("the program ends").into();
    assert_eq!(counts(&run), ["bob 3"]);
}

#[test]
fn a_last_line_without_newline_waits_only_while_it_is_written() {
    let dir = Directory::new();
    let line = accepted("17:57:00", "bob");
    let log = dir.file("mail.log", line.repeat(2) + line.trim_end());
    assert_eq!(counts(&check(&[&log])), ["bob 2"]);
    age(&log, 120);
    assert_eq!(counts(&check(&[&log])), ["bob 3"]);
    let args = ["-m", "1", "--now", NOW, "--overrides=/dev/null", "-l", "-"];
    let run = run_with_input(POSTFIX, &args, line.trim_end().as_bytes());
    assert_eq!(counts(&run), ["bob 1"]);
}

#[test]
fn holes_and_long_lines_are_passed_over() {
    let dir = Directory::new();
    let mut log = accepted("17:50:00", "bob").into_bytes();
    log.extend_from_slice(&vec![0; 3 << 20]);
    log.extend_from_slice(accepted("17:51:00", "bob").as_bytes());
    log.extend_from_slice(accepted("17:52:00", &"x".repeat(70_000)).as_bytes());
    log.extend_from_slice(accepted("17:53:00", "bob").as_bytes());
    let log = dir.file("mail.log", log);
    let run = check(&[&log]);
    assert_eq!((run.status, counts(&run)), (Some(0), vec!["bob 3".to_owned()]));
    assert!(run.err.contains("skipped 1 line longer than 65536 bytes"), "{}", run.err);
}

#[test]
fn a_log_whose_stamps_cannot_be_read_is_told() {
    let dir = Directory::new();
    let log = dir.file("mail.log", "2026/11/23 17:50 mx postfix/smtpd[7]: hello\n\n   \nx\n");
    let run = check(&[&log]);
    assert_eq!((run.status, run.out.len()), (Some(1), 0));
    assert!(
        run.err.contains("mail.log: no time stamp can be read in any of 2 lines"),
        "{}",
        run.err
    );
    let php = dir.file("php.log", "mail() on [/home/a/x.php:1]: To: a@b\n");
    let run = tests::run("php-spam-check", &["1", "--now", NOW, "-l", &php]);
    assert_eq!((run.status, &run.err[..]), (Some(0), ""), "unstamped lines are not blind");
}

#[test]
fn unstamped_lines_count_in_the_log_and_never_in_a_rotated_one() {
    let dir = Directory::new();
    let line = "mail() on [/home/a/x.php:1]: To: a@b\n";
    let log = dir.file("php.log", line.repeat(2));
    dir.file("php.log.1", line.repeat(5));
    let args = |limit| ["--now", NOW, "-l", &log, limit].map(String::from);
    assert_eq!(run("php-spam-check", &args("2")).text(), "/home/a/x.php\n");
    assert_eq!(run("php-spam-check", &args("3")).text(), "");
}

#[test]
fn stamps_ahead_of_now_are_told() {
    let dir = Directory::new();
    let log = dir.file(
        "mail.log",
        "2025-01-01T00:00:00Z mx postfix/smtpd[7]: 3F1A2B: client=a[1.2.3.4], sasl_method=P, sasl_username=bob\n\
         2125-01-01T00:00:00Z mx postfix/smtpd[7]: 3F1A2B: client=a[1.2.3.4], sasl_method=P, sasl_username=bob\n",
    );
    let run = run(POSTFIX, &["-m", "1", "--overrides=/dev/null", "-l", &log]);
    assert_eq!((run.status, run.out.len()), (Some(0), 0));
    assert!(
        run.err.contains("not counted: 1 message with a timestamp more than an hour in the future"),
        "{}",
        run.err
    );
}

#[test]
fn overrides_are_names_and_numbers() {
    let dir = Directory::new();
    let log = accepted("17:50:00", "bob").repeat(3)
        + &accepted("17:50:00", "al ice").repeat(3)
        + &accepted("17:50:00", "carol").repeat(3);
    let log = dir.file("mail.log", log);
    let limits = dir.file("limits", "# own limits\nbob 4\nal ice 3\ncarol many\n");
    let args = ["-m", "5", "--now", NOW, "-l", &log, "--overrides", &limits];
    let run = run(POSTFIX, &args);
    assert_eq!((run.status, counts(&run)), (Some(0), vec!["al ice 3".to_owned()]));
    assert!(run.err.contains("limits: line 4 is not 'NAME NUMBER'; skipped"), "{}", run.err);
    let missing = tests::run(POSTFIX, &["--overrides=/nonexistent", "-l", &log]);
    assert_eq!(missing.status, Some(1));
    assert!(missing.err.contains("/nonexistent: cannot be read"), "{}", missing.err);
}

#[test]
fn a_second_reading_gives_the_same_report() {
    let dir = Directory::new();
    // More invented names than are kept at once, and three who are beyond the limit.
    let mut log = String::new();
    for n in 0..30_000 {
        log += &accepted("17:57:00", &format!("invented{n}"));
        if n % 1000 == 0 {
            log += &accepted("17:57:01", "alice");
            log += &accepted("17:57:02", "bob");
        }
    }
    let log = dir.file("mail.log", log);
    let args = ["-m", "30", "--now", NOW, "--overrides=/dev/null", "-l", &log];
    let run = run(POSTFIX, &args);
    assert_eq!((run.status, &run.err[..]), (Some(0), ""));
    assert_eq!(counts(&run), ["alice 30", "bob 30"]);
}

#[test]
fn a_log_that_is_written_in_another_time_zone_is_told() {
    // Two lines that are written now, by the clock of a zone.
    let log = |zone: &str, seconds: u64, format: &str| {
        let date = |ago: u64| {
            let output = Command::new("date")
                .env("TZ", zone)
                .args(["-d", &format!("{ago} seconds ago"), format])
                .output();
            String::from_utf8(output.expect("date runs").stdout).expect("it is a date")
        };
        let message = "mx postfix/smtpd[7]: NOQUEUE: client=a1.isp.net[192.0.2.7], \
                       sasl_method=PLAIN, sasl_username=bob";
        [date(seconds), date(5)].map(|date| format!("{} {message}\n", date.trim_end())).concat()
    };
    let (syslog, rfc3339, local) = ("+%b %e %T", "+%FT%T%:z", "+%F %T");
    let dir = Directory::new();
    let path = dir.path("log").display().to_string();
    let on_log = |tz: &str, text: &str, more: &[&str]| -> Run {
        fs::write(&path, text).expect("a temporary file");
        let args = [&["-m", "1", "--overrides=/dev/null", "-l", &path], more].concat();
        command(POSTFIX).env("TZ", tz).args(args).output().expect("the program starts").into()
    };
    for (log, tz, off, hint) in [
        (log("UTC", 5, syslog), "Asia/Kolkata", "5 h 30 min earlier", "try TZ=UTC"),
        (log("UTC", 62, syslog), "Asia/Tokyo", "9 h earlier", "try TZ=UTC"),
        (log("UTC", 5, local), "Asia/Tokyo", "9 h earlier", "try TZ=UTC"),
        (log("UTC", 5, syslog), "EST5", "5 h later", "try TZ=UTC"),
        (log("Asia/Kolkata", 5, syslog), "UTC", "5 h 30 min later", "set TZ to that of the log"),
        (log("<-03>3:30", 5, syslog), "<-03>3", "30 min earlier", "set TZ to that of the log"),
    ] {
        let told = format!(
            "{POSTFIX}: {path}: was written just now, but its newest line is stamped {off}: another time zone? ({hint})\n"
        );
        let run = on_log(tz, &log, &[]);
        assert_eq!((run.status, run.err.contains(&told)), (Some(1), true), "{tz}: {}", run.err);
        assert_eq!(on_log(tz, &log, &["-e"]).status, Some(3), "{tz}");
        let past = on_log(tz, &log, &["--now", "2030-01-01 00:00"]);
        assert_eq!((past.status, &*past.err), (Some(0), ""), "with --now nothing is known");
    }
    // What was found is reported all the same.
    let run = on_log("<-03>3", &log("<-03>3:30", 5, syslog), &[]);
    assert_eq!(counts(&run), ["bob 2"]);
    for (log, tz) in [
        (log("UTC", 5, syslog), "UTC"),
        (log("Asia/Kolkata", 5, syslog), "Asia/Kolkata"),
        (log("UTC", 5, rfc3339), "Asia/Kolkata"),
        // One line only, or two that do not agree.
        (log("UTC", 5, syslog).lines().take(1).collect::<String>() + "\n", "Asia/Kolkata"),
        (log("UTC", 600, syslog), "Asia/Kolkata"),
    ] {
        let run = on_log(tz, &log, &[]);
        assert_eq!((run.status, &*run.err), (Some(0), ""), "{tz}: {log}");
    }
    fs::write(&path, log("UTC", 5, syslog)).expect("a temporary file");
    age(&path, 11 * 60);
    let args = ["-m", "1", "--overrides=/dev/null", "-l", &path];
    let run = command(POSTFIX).env("TZ", "Asia/Kolkata").args(args).output();
    assert_eq!(Run::from(run.expect("the program starts")).err, "", "not written any more");
    let text = log("UTC", 5, syslog);
    let run = run_with_input(POSTFIX, &["-m", "1", "-l", "-"], text.as_bytes());
    assert_eq!(run.err, "", "a stream has no time");
}

#[test]
fn a_queue_id_counts_once_however_often_its_line_is_said_to_be_repeated() {
    let dir = Directory::new();
    let line = |times: u64| {
        let message = "3F1A2B: client=a[192.0.2.7], sasl_method=P, sasl_username=bob";
        format!(
            "Nov 23 17:50:00 mx postfix/smtpd[7]: message repeated {times} times: [ {message}]\n"
        )
    };
    let run = |log: &str| {
        let log = dir.file("mail.log", log);
        let run = check(&[&log]);
        assert_eq!(run.status, Some(0), "{}", run.err);
        (counts(&run), run.err)
    };
    let told = |copies: &str| format!("{POSTFIX}: not counted: {copies} logged more than once (");
    for (times, copies) in [(0, None), (1, None), (2, Some("1 message")), (9, Some("8 messages"))] {
        let (counts, err) = run(&line(times));
        assert_eq!(counts, ["bob] 1"]);
        match copies {
            None => assert_eq!(err, "", "{times}"),
            Some(copies) => assert!(err.starts_with(&told(copies)), "{times}: {err}"),
        }
    }
    let (counts, err) = run(&(line(1) + &line(9)));
    assert_eq!(counts, ["bob] 1"]);
    assert!(err.starts_with(&told("9 messages")), "{err}");
    let (counts, err) = run(&(line(1) + &line(u64::MAX)));
    assert_eq!(counts, ["bob] 1"]);
    assert!(err.contains("ignored 1 line with up to 18446744073709551615 repeats"), "{err}");
}
