//! A log that cannot be read never looks like one in which nobody sends anything.

use proptest::prelude::*;
use tests::{Directory, NOW, Run, accepted, run, run_with_input};

/// What a line is to the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// It counts.
    Read,
    /// It counts, but is older than the period.
    Old,
    /// It would count, but has no readable time.
    Unreadable,
    /// It would count, but its tag is no program.
    Unknown,
    /// Another program quotes a line that counts, with its timestamp.
    Quoted,
    /// So does another program, at the start of its message.
    Planted,
    /// Something else, of the period.
    Other,
    /// Something else, that is older than the period.
    OtherOld,
}

const LINES: [Line; 8] = [
    Line::Read,
    Line::Old,
    Line::Unreadable,
    Line::Unknown,
    Line::Quoted,
    Line::Planted,
    Line::Other,
    Line::OtherOld,
];

const SENT: &str = "3F1A2B00: client=pc.example[192.0.2.7], sasl_method=PLAIN, sasl_username=bob";

fn text(line: Line) -> String {
    match line {
        Line::Read => accepted("17:50:00", "anna"),
        Line::Old => accepted("16:50:00", "anna"),
        Line::Unreadable => format!("Dez 01 17:50:00 mx postfix/smtpd[7]: {SENT}\n"),
        Line::Unknown => format!("Nov 23 17:50:00 [postfix/smtpd] {SENT}\n"),
        Line::Quoted => format!(
            "Nov 23 17:50:00 mx postfix/cleanup[7]: 3F1A2B00: warning: header X: Dez 01 17:50:00 mx \
             postfix/smtpd[7]: {SENT}\n"
        ),
        Line::Planted => format!("Nov 23 17:50:00 mx sshd[7]: {SENT}\n"),
        Line::Other => {
            "Nov 23 17:50:00 mx postfix/smtpd[7]: connect from a.example[1.2.3.4]\n".into()
        }
        Line::OtherOld => "Nov 23 16:50:00 mx postfix/qmgr[7]: 3F1A2B00: removed\n".into(),
    }
}

/// How many lines of the period could be read, and how many from its beginning on could not.
fn expected(lines: &[Line]) -> (usize, usize) {
    let is_old = |line: &Line| matches!(line, Line::Old | Line::OtherOld);
    let mut unread = 0;
    for (at, line) in lines.iter().enumerate() {
        // A line without a time is no younger than the next one that has one.
        let next = lines[at..].iter().find(|line| **line != Line::Unreadable);
        match line {
            Line::Old => unread = 0,
            Line::Unreadable if next.is_some_and(is_old) => unread = 0,
            Line::Unreadable | Line::Unknown => unread += 1,
            _ => {}
        }
    }
    (lines.iter().filter(|line| **line == Line::Read).count(), unread)
}

fn check(log: &str, more: &[&str]) -> Run {
    let args = ["--now", NOW, "--overrides=/dev/null", "-m", "1000", "-l", "-"];
    run_with_input("postfix-spam-check", &[&args[..], more].concat(), log.as_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_that_cannot_be_read_are_told_when_they_are_more(
        picks in prop::collection::vec(0..LINES.len(), 1..12)
    ) {
        let lines: Vec<Line> = picks.iter().map(|pick| LINES[*pick]).collect();
        let all_unreadable = lines.iter().all(|line| *line == Line::Unreadable);
        // Else the log would be another program's.
        let mut log = if all_unreadable { String::new() } else { text(Line::Other) };
        log.extend(lines.iter().map(|line| text(*line)));
        let (read, unread) = expected(&lines);
        let (plain, asked) = (check(&log, &[]), check(&log, &["-e"]));
        if all_unreadable {
            prop_assert!(plain.err.contains("no time stamp can be read in"), "{}", plain.err);
            prop_assert_eq!((plain.status, asked.status), (Some(1), Some(3)));
        } else if unread > read {
            let lines_told = if unread == 1 { "1 line".into() } else { format!("{unread} lines") };
            let told = format!(
                "standard input: {lines_told} would count, but the time or the program cannot be told; \
                 {read} could be read; the first: "
            );
            prop_assert!(plain.err.contains(&told), "{:?}: {}", lines, plain.err);
            prop_assert_eq!((plain.status, asked.status), (Some(1), Some(3)));
        } else {
            prop_assert_eq!(&plain.err, "", "{:?}", lines);
            prop_assert_eq!((plain.status, asked.status), (Some(0), Some(0)));
        }
    }
}

#[test]
fn what_may_help_is_told() {
    for (line, help) in [
        (text(Line::Unreadable), "LC_ALL=C journalctl -o short-iso"),
        (
            format!("Mon 2026-11-23 17:50:00 UTC mx postfix@-.service[7]: {SENT}\n"),
            "LC_ALL=C journalctl -o short-iso",
        ),
        (
            format!(
                "Nov 23 17:50:00 h 5d0c1e2b3f4a[7]: Nov 23 17:50:00 mx postfix/smtpd[7]: {SENT}\n"
            ),
            "docker logs -t CONTAINER",
        ),
        (format!("{{\"log\":\"{SENT}\\n\"}}\n"), "docker logs -t CONTAINER"),
        (format!("{{\"message\":\"{SENT}\"}}\n"), "RSYSLOG_FileFormat"),
    ] {
        let run = check(&(text(Line::Other) + &line), &[]);
        assert!(run.err.contains(help) && run.err.lines().count() == 1, "{line}: {}", run.err);
        assert_eq!(run.status, Some(1));
    }
}

#[test]
fn the_first_line_is_shown_escaped_and_shortened() {
    let line = text(Line::Unreadable).replace("bob", &format!("\x1b[31m{}", "x".repeat(400)));
    let run = check(&(text(Line::Other) + &line), &[]);
    assert!(run.err.contains("sasl_username=\\x1b[31m"), "{}", run.err);
    assert!(run.err.len() < 500, "{}", run.err);
}

#[test]
fn a_log_that_was_named_by_mistake_is_told() {
    let dir = Directory::new();
    let exim = "2026-11-23 17:50:00 1xVX00-000001-0D => a@b R=dnslookup T=remote_smtp\n";
    let web = "Nov 23 17:50:00 mx apache2[7]: something\n";
    let php = "[23-Nov-2026 17:50:00 UTC] mail() on [/x.php:1]: To: a@b\n";
    let postfix = text(Line::Other);
    for (program, log, named, status) in [
        ("postfix-spam-check", exim, "no line of Postfix was found, but lines of other mail", 0),
        ("postfix-spam-check", web, "no line of Postfix was found, nor of another mail", 3),
        // Nothing of it is in the period.
        ("postfix-spam-check", &web.replace("17:", "10:"), "nor of another mail", 3),
        ("postfix-spam-check", php, "no time stamp can be read", 3),
        ("postfix-spam-check", &postfix, "", 0),
        // Its lines are before the period, or far from what is read of it.
        ("postfix-spam-check", &(text(Line::OtherOld) + &web.repeat(100)), "", 0),
        ("postfix-spam-check", "", "", 0),
        ("exim-spam-check", &postfix, "no line of Exim was found, but lines of other mail", 0),
        ("exim-spam-check", exim, "", 0),
        ("exim-spam-check", "2026-11-23 17:50:00 Start queue run: pid=7\n", "", 0),
        ("php-spam-check", php, "", 0),
        ("php-spam-check", web, "no line of PHP was found, nor of another mail", 3),
        ("php-legacy-spam-check", &postfix, "", 0),
        ("php-legacy-spam-check", web, "no line of a wrapper of sendmail was found, nor", 3),
    ] {
        let path = dir.file("log", log);
        let mut args = vec!["--now", NOW, "-e", "-l", &path];
        if !program.starts_with("php") {
            args.push("--overrides=/dev/null");
        }
        let run = run(program, &args);
        assert_eq!(run.status, Some(status), "{program} {log}: {}", run.err);
        assert_eq!(run.err.lines().count(), usize::from(!named.is_empty()), "{log}: {}", run.err);
        assert!(run.err.contains(named), "{log}: {}", run.err);
    }
}
