//! `--check`: whether a run can be trusted, and why.

use tests::{Directory, NOW, Run, accepted, command, run, run_with_input};

const POSTFIX: &str = "postfix-spam-check";
const PROGRAMS: [&str; 4] = [POSTFIX, "exim-spam-check", "php-spam-check", "php-legacy-spam-check"];
const OK: &str = "OK: a run can be trusted";

/// Runs a self-test as of [`NOW`], without individual limits.
fn check(log: &[u8], args: &[&str]) -> Run {
    let usual = ["--check", "--now", NOW, "--overrides=/dev/null", "-l", "-"];
    whole(run_with_input(POSTFIX, &[&usual[..], args].concat(), log))
}

/// The last line is the verdict: it counts the problems above it, and the status follows from it.
#[track_caller]
fn whole(run: Run) -> Run {
    let text = run.text();
    let problems = text.lines().filter(|line| line.starts_with("problem: ")).count();
    let verdict = match problems {
        0 => OK.to_owned(),
        1 => "NOT OK: 1 problem, above".to_owned(),
        many => format!("NOT OK: {many} problems, above"),
    };
    assert_eq!(text.lines().last(), Some(&*verdict), "{run:?}");
    assert_eq!(run.status, Some(i32::from(problems > 0)), "{run:?}");
    assert!(text.lines().count() < 16, "{run:?}");
    run
}

#[track_caller]
fn says(run: &Run, lines: &[&str]) {
    for line in lines {
        assert!(run.text().lines().any(|said| said == *line), "{line}: {run:?}");
    }
}

/// A hundred messages of a sender, and some lines of other programs.
fn log() -> String {
    let other = "Nov 23 17:40:00 mx dovecot: imap-login: x\n".repeat(3);
    let copy = "Nov 23 17:51:00 mx postfix/smtpd[7]: 3F1A2B: client=a1.isp.net[192.0.2.7], \
                sasl_method=PLAIN, sasl_username=bob\n";
    accepted("16:30:00", "anna")
        + &accepted("17:50:00", "anna").repeat(100)
        + &other
        + &copy.repeat(2)
}

#[test]
fn a_log_that_can_be_trusted() {
    let dir = Directory::new();
    let path = dir.file("mail.log", log());
    dir.file("mail.log.1", accepted("12:00:00", "anna"));
    let shown = path;
    let args = ["--check", "--now", NOW, "--overrides=/dev/null", "-l", &shown];
    for more in [&[][..], &["-e"], &["--format=table"]] {
        let run = whole(run(POSTFIX, &[&args[..], more].concat()));
        assert_eq!(
            run.text(),
            format!(
                "log: {shown}, as asked for\n\
                 rotated logs: none needed; the oldest line is of 2026-11-23 16:30:00, 28 min before the period begins\n\
                 lines: 106 read (postfix/smtpd 103, dovecot 3)\n\
                 counted: 101 messages; left out: 1 logged more than once, 0 that cannot be read\n\
                 newest line: 2026-11-23 17:51:00, 7 min before that time\n\
                 time zone: UTC, now UTC+00:00\n\
                 senders: 2 in 1 hour, since 2026-11-23 16:58:00; 1 would be reported, with at least 90 messages\n\
                 overrides: /dev/null, 0 limits\n\
                 {OK}\n"
            )
        );
    }
    // Nobody is reported.
    let long = whole(run(POSTFIX, &[&args[..], &["-p", "1day"]].concat()));
    says(
        &long,
        &[&format!(
            "rotated logs: {shown}.1; the oldest line is of 2026-11-23 12:00:00, 18 h 2 min after the period has begun"
        )],
    );
    assert!(!long.text().contains("anna") && !long.err.contains("anna"), "{long:?}");
    // What is in a pipe is known, too.
    let piped = check(log().as_bytes(), &[]);
    says(
        &piped,
        &["log: standard input, as asked for", "lines: 106 read (postfix/smtpd 103, dovecot 3)"],
    );
    says(&piped, &["newest line: 2026-11-23 17:51:00, 7 min before that time"]);
    // Of several logs, the one that may not be written any more is named.
    let idle = dir.file("idle.log", accepted("17:00:00", "anna"));
    let several = whole(run(POSTFIX, &[&args[..], &["-l", &idle]].concat()));
    says(&several, &[&format!("logs: {shown}, {idle}, as asked for")]);
    says(
        &several,
        &[&format!(
            "newest line: 2026-11-23 17:51:00, 7 min before that time; longest ago in {idle}, 58 min before that time"
        )],
    );
}

#[test]
fn the_wrong_log_cannot_be_trusted() {
    let line = |program: &str| format!("Nov 23 17:50:00 mx {program}[7]: x\n").repeat(3);
    let other = check(line("sshd").as_bytes(), &[]);
    assert_eq!(other.status, Some(1), "{other:?}");
    let mail = check(line("dovecot").as_bytes(), &[]);
    says(&mail, &["problem: lines: 3 read, none of them of Postfix (dovecot 3)"]);
    let own = check(line("postfix/qmgr").as_bytes(), &[]);
    says(&own, &["lines: 3 read (postfix/qmgr 3)", OK]);
    // Of scripts there may be no line in the log of the mail server.
    let args = ["--check", "--now", NOW, "-l", "-"];
    let legacy = run_with_input(PROGRAMS[3], &args, line("postfix/qmgr").as_bytes());
    says(&whole(legacy), &[OK]);
}

#[test]
fn a_log_that_cannot_be_read_cannot_be_trusted() {
    let unread = "Dez 01 17:50:00 mx postfix/smtpd[7]: 3F1A2B: client=x[192.0.2.7], sasl_method=PLAIN, \
                  sasl_username=bob\n";
    let text = accepted("17:50:00", "anna") + &unread.repeat(2);
    for more in [&[][..], &["-e"]] {
        let run = check(text.as_bytes(), more);
        says(
            &run,
            &["counted: 1 message; left out: 0 logged more than once, 2 that cannot be read"],
        );
        assert!(run.text().contains("problem: standard input: 2 lines would count"), "{run:?}");
        assert!(run.err.contains("2 lines would count"), "{run:?}");
    }
    let none = check(unread.as_bytes(), &[]);
    assert!(none.text().contains("no time stamp can be read"), "{none:?}");
    let missing =
        whole(run(POSTFIX, &["--check", "--overrides=/dev/null", "-l", "/nonexistent/log"]));
    says(&missing, &["log: none can be read"]);
    assert!(missing.text().contains("problem: /nonexistent/log: "), "{missing:?}");
}

#[test]
fn a_log_that_is_not_written_any_more_cannot_be_trusted() {
    let line = "2026-01-02T10:00:00Z mx postfix/smtpd[7]: connect from x[192.0.2.7]\n";
    let args = ["--check", "--overrides=/dev/null", "-l", "-"];
    let old = whole(run_with_input(POSTFIX, &args, line.as_bytes()));
    assert!(old.text().contains("problem: newest line: 2026-01-02 10:00:00, "), "{old:?}");
    // A look back is not about the log of today, and scripts may be idle.
    let back = check(line.as_bytes(), &["--now", "2026-01-10 10:00"]);
    says(&back, &["newest line: 2026-01-02 10:00:00, 8 days 0 h before that time", OK]);
    let php = "[02-Jan-2026 10:00:00 UTC] mail() on [/srv/a.php:1]: To: a@b -- Headers: \n";
    says(&whole(run_with_input(PROGRAMS[2], &["--check", "-l", "-"], php.as_bytes())), &[OK]);
}

#[test]
fn individual_limits_that_are_wrong_are_named() {
    let dir = Directory::new();
    let text = "anna 5\nbob\n# a comment\ncarol 7\nx\n";
    let file = dir.file("overrides", text);
    let option = format!("--overrides={file}");
    let run = check(log().as_bytes(), &[&option]);
    says(&run, &[&format!("problem: overrides: {file}, 2 limits; not 'NAME NUMBER': lines 2, 5")]);
    assert!(run.err.contains("line 2 is not 'NAME NUMBER'"), "{run:?}");
    let missing = check(log().as_bytes(), &["--overrides=/nonexistent/x"]);
    assert!(missing.text().contains("problem: /nonexistent/x: "), "{missing:?}");
    assert!(missing.text().contains("counted: 101 messages"), "the rest is said, too: {missing:?}");
}

#[test]
fn a_time_zone_that_is_not_known_cannot_be_trusted() {
    let mut command = command(POSTFIX);
    command.env("TZ", "Asia/Calcuta").args(["--check", "--overrides=/dev/null", "-l", "/dev/null"]);
    let run = whole(command.output().expect("it starts").into());
    assert!(run.text().contains("problem: TZ=Asia/Calcuta: "), "{run:?}");
    let mut command = tests::command(POSTFIX);
    command.env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3").args([
        "--check",
        "--now",
        NOW,
        "-l",
        "/dev/null",
    ]);
    let run = whole(command.output().expect("it starts").into());
    says(&run, &["time zone: CET-1CEST,M3.5.0,M10.5.0/3, now UTC+01:00"]);
}

#[test]
fn the_names_of_programs_are_text_of_strangers() {
    let line = |tag: &str| format!("Nov 23 17:50:00 mx {tag}[7]: x\n");
    let names: String = (0..2000).map(|number| line(&format!("x{number}"))).collect();
    let run = check((line("postfix/\x1b[31m").repeat(3) + &names).as_bytes(), &[]);
    assert!(run.text().contains("lines: 2003 read (postfix/\\x1b"), "{run:?}");
    assert!(!run.text().contains('\x1b') && !run.err.contains('\x1b'), "{run:?}");
    let run = check((line(&"y".repeat(200)) + &accepted("17:50:00", "anna")).as_bytes(), &[]);
    assert!(run.text().lines().all(|line| line.len() < 200), "{run:?}");
}

#[test]
fn every_program_has_it_and_refuses_json() {
    for name in PROGRAMS {
        let run_with = |args: &[&str]| run_with_input(name, args, b"");
        says(&whole(run_with(&["--check", "-l", "-"])), &["log: standard input, as asked for", OK]);
        let json = run_with(&["--check", "--format=json", "-l", "-"]);
        assert_eq!(json.status, Some(2));
        assert!(json.err.ends_with("--check cannot be combined with --format=json\n"), "{json:?}");
    }
    for option in ["--list-disabled", "--enable-account=anna"] {
        let run = run(POSTFIX, &["--check", option]);
        assert_eq!((run.status, run.text()), (Some(2), String::new()));
        assert!(run.err.contains("--check cannot be combined with --list-disabled"), "{run:?}");
    }
}
