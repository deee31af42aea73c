//! Which of several default logs is read, and what is said of the others. It takes root: `/var/log` is the test's own.

use testkit::Namespace;
use tests::{Directory, program};

/// Runs a shell line with an empty `/var/log`; its output and exit status. `line AGO LOGIN` prints a line of an accepted
/// message.
fn with_logs(line: &str) -> Option<(String, Option<i32>)> {
    Directory::new();
    let script = format!(
        "export TZ=UTC\n\
         mount -t tmpfs none /var/log && mount -t tmpfs none /run || exit 99\n\
         cd /var/log\n\
         line() {{ echo \"$(date -d \"$1 ago\" '+%b %e %T') mx postfix/smtpd[7]: 3F1A2B: client=unknown[192.0.2.7], \
         sasl_method=PLAIN, sasl_username=$2\"; }}\n\
         {line}"
    );
    let output = Namespace::default().bash(&script)?;
    let text = [output.stdout, output.stderr].concat();
    Some((String::from_utf8_lossy(&text).into_owned(), output.status.code()))
}

/// The logins that are reported, and what is said.
fn run(logs: &str, args: &str) -> Option<(Vec<String>, String)> {
    let line = format!("{logs}\n{} -m 1 {args}", program("postfix-spam-check").display());
    let (text, status) = with_logs(&line)?;
    assert_ne!(status, Some(99), "{text}");
    let logins = text.lines().filter_map(|line| Some(line.split_once("sasl_username=")?.1.into()));
    let said = text.lines().filter(|line| line.starts_with("postfix-spam-check: "));
    Some((logins.collect(), said.collect::<Vec<_>>().join("\n")))
}

fn others(other: &str, read: &str) -> String {
    let (other, read) = (format!("/var/log/{other}"), format!("/var/log/{read}"));
    format!(
        "postfix-spam-check: {other}: not read, because {read} was written later (to read both: -l {read} -l {other})"
    )
}

#[test]
fn the_default_log_with_the_newest_line_is_read() {
    let newer = "line '3 hours' a >mail.log; line 5minutes b >maillog";
    for (logs, args, login, said) in [
        (newer, "", "b", String::new()),
        (newer, "-e", "b", others("mail.log", "maillog")),
        (newer, "-p 4hours", "b", others("mail.log", "maillog")),
        ("line 5minutes a >mail.log; line '3 hours' b >maillog", "", "a", String::new()),
        // The time of the file says less than the line in it.
        (
            "line 5minutes a >mail.log; touch -d '1 day ago' mail.log; line '3 hours' b >maillog",
            "",
            "a",
            String::new(),
        ),
        // Neither an empty log nor an old one hides the one that is written.
        (">mail.log; line 5minutes b >maillog", "-e", "b", String::new()),
        ("line 30minutes a >mail.log; >maillog", "-e", "a", String::new()),
        // One that was rotated just now has its newest line in the rotated log.
        (
            "line 5minutes a >mail.log.1; >mail.log; line 1hour b >maillog",
            "-p 30minutes",
            "a",
            String::new(),
        ),
        ("line 5minutes a >mail.log.1; line 1hour b >maillog", "-p 30minutes", "a", String::new()),
    ] {
        let Some((logins, told)) = run(logs, args) else { return };
        assert_eq!((logins, told), (vec![login.to_owned()], said), "{logs} {args}");
    }
}

#[test]
fn copies_and_links_are_not_reported() {
    for logs in [
        "line 5minutes a >mail.log; ln -s mail.log maillog",
        "line 5minutes a >mail.log; ln mail.log maillog",
        "line 5minutes a >mail.log; cp mail.log maillog",
        // A line was written to one of them a moment ago.
        "line 5minutes a >mail.log; cp mail.log maillog; echo \"$(date '+%b %e %T') mx x: y\" >>mail.log",
    ] {
        let Some((logins, told)) = run(logs, "-e") else { return };
        assert_eq!((logins, &*told), (vec!["a".to_owned()], ""), "{logs}");
    }
}

#[test]
fn a_log_without_timestamps_is_as_old_as_its_file() {
    let logs =
        "echo unreadable >mail.log; touch -d '2 hours ago' mail.log; line 5minutes b >maillog";
    let Some((logins, told)) = run(logs, "-e") else { return };
    assert_eq!((logins, told), (vec!["b".to_owned()], others("mail.log", "maillog")));
    let logs = "line '2 hours' a >mail.log; echo unreadable >maillog";
    let (logins, told) = run(logs, "").expect("as before");
    assert!(
        logins.is_empty()
            && told.contains("/var/log/maillog: no time stamp can be read in its only line"),
        "{told}"
    );
}

#[test]
fn a_self_test_says_which_log_is_read_and_why() {
    let postfix = program("postfix-spam-check");
    let check = |logs: &str| with_logs(&format!("{logs}\n{} --check", postfix.display()));
    for (logs, log, status) in [
        (
            "line 3hours a >mail.log; line 5minutes b >maillog",
            "log: /var/log/maillog, of 2 default logs the one that was written last\n",
            0,
        ),
        (
            "line 5minutes a >mail.log",
            "log: /var/log/mail.log, the only default log that exists\n",
            0,
        ),
        ("line 3days a >mail.log", "\nproblem: newest line: ", 1),
        (":", "log: the journal, because no default log exists\n", 1),
    ] {
        let Some((text, ended)) = check(logs) else { return };
        assert!(text.contains(log), "{log}: {text}");
        assert_eq!(ended, Some(status), "{text}");
    }
}
