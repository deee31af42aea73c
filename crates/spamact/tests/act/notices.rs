//! Notices: when they are sent, when they are kept for the next run, and that no lock depends on them.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};

use spamcore::messages::Messages;
use spamcore::verdict::Action;
use time::OffsetDateTime;

use super::host::*;

#[test]
fn an_account_that_keeps_sending_is_reported_once_a_day() {
    let host = Host::new();
    host.run(&stolen("alice", NOW - 600), &[], false);
    for (hours, subjects) in [(1, 2), (2, 2), (26, 3)] {
        host.set(NOW + hours * 3600);
        let run = host.run(&stolen("alice", NOW + hours * 3600 - 60), &[], false);
        assert_eq!(run.actions, [Action::StillSending]);
        assert_eq!(run.failures, ["alice: disabled before, and still sending"]);
        let all = host.subjects();
        assert_eq!(all.len(), subjects, "after {hours} hours");
        assert!(all[1].ends_with("[USER alice DISABLED, STILL SENDING]"), "{all:?}");
    }
    assert_eq!(host.read("done"), "lock alice\n");
    let mails = host.read("mails");
    assert!(
        mails.contains("is locked on mail.example.org since 2026-11-24 06:00:00 +0000, "),
        "{mails}"
    );
}

#[test]
fn a_notice_that_cannot_be_sent_waits_for_the_next_run() {
    let host = Host::new();
    host.script("sendmail", "echo >>calls; exit 75");
    let log = [stolen("alice", NOW - 60), stolen("bob", NOW - 60)].concat();
    let run = host.run(&log, &[], false);
    assert_eq!(run.actions, [Action::Disabled, Action::Disabled]);
    assert_eq!(run.failures.len(), 2, "{:?}", run.failures);
    for (name, failure) in ["alice", "bob"].iter().zip(&run.failures) {
        let waits = format!("{name}: no notice could be sent to root, it waits: ");
        assert!(failure.starts_with(&waits), "{failure}");
    }
    assert_eq!(host.read("calls").lines().count(), 2, "each was tried once");
    host.script("sendmail", "cat >>mails; echo >>mails");
    // Also if there are no suspects any more.
    let run = host.run(&[], &[], false);
    assert_eq!((run.failures.len(), host.subjects().len()), (0, 2));
    host.run(&log, &[], false);
    assert_eq!(host.subjects().len(), 2);
}

#[test]
fn after_a_slow_failure_the_others_are_kept_without_a_try() {
    let host = Host::new();
    host.script("sendmail", "echo >>calls; sleep 1; exit 75");
    let log = [stolen("alice", NOW - 60), stolen("bob", NOW - 60)].concat();
    let run = host.run(&log, &[], false);
    assert_eq!(run.actions, [Action::Disabled, Action::Disabled]);
    let [alice, bob] = &run.failures[..] else { panic!("{:?}", run.failures) };
    assert!(alice.contains("it waits: "), "{alice}");
    assert_eq!(bob, "bob: no notice could be sent to root, it waits");
    assert_eq!(host.read("calls").lines().count(), 1);
}

/// A mail server that refuses a mail with a log line, as some do because of the addresses in it.
fn strict_server() -> SocketAddr {
    let server = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has ports");
    let at = server.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in server.incoming().map_while(Result::ok) {
            let mut answers = stream.try_clone().expect("a socket has two ends");
            let mut say = move |line: &str| answers.write_all(line.as_bytes()).is_ok();
            let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
            let mut go_on = say("220 mail.example.org\r\n");
            while go_on && let Some(line) = lines.next() {
                go_on = if line == "DATA" {
                    let _ = say("354 go on\r\n");
                    let body: Vec<String> = lines.by_ref().take_while(|line| line != ".").collect();
                    let refused = body.iter().any(|line| line == "    a line");
                    say(if refused { "554 spam\r\n" } else { "250 taken\r\n" })
                } else {
                    say("250 fine\r\n")
                };
            }
        }
    });
    at
}

#[test]
fn a_notice_is_sent_without_log_lines_if_a_server_refuses_them() {
    let mut host = Host::new();
    host.smtp = strict_server();
    host.script("sendmail", "exit 75");
    let run = host.run(&stolen("alice", NOW - 60), &[], false);
    assert_eq!(run, Run { actions: vec![Action::Disabled], failures: vec![] });
    assert!(host.state().waiting().is_empty());
}

#[test]
fn too_many_accounts_to_lock_are_reported_once_a_day() {
    let mut host = Host::new();
    host.max_locks = 0;
    for (hours, subjects) in [(0, 1), (1, 1), (23, 1), (25, 2)] {
        host.set(NOW + hours * 3600);
        let at = host.now() - 60;
        host.run(&[stolen("alice", at), stolen("bob", at)].concat(), &[], false);
        let all = host.subjects();
        assert_eq!(all.len(), subjects, "after {hours} hours: {all:?}");
        assert!(all[0].contains("[USER alice AND 1 MORE NOT DISABLED"), "{all:?}");
    }
}

#[test]
fn what_only_concerns_notices_does_not_stop_a_lock() {
    let host = Host::new();
    let clock = || OffsetDateTime::from_unix_timestamp(NOW).expect("in range");
    let mut actor = host.actor(&clock);
    actor.mailer = Err("/etc/smtp: refused: others can read it".into());
    let log = stolen("alice", NOW - 60);
    let tally = tally(&log);
    let mut findings = findings(&tally);
    let mut source = Source { log: Some(&log), journal: &[], piped: &[] };
    let mut messages = Messages::default();
    actor.act(&*host.method(), &mut findings, &mut source, &mut messages);
    let actions = actions(findings);
    assert_eq!(actions, [Action::Disabled]);
    let failures = failures(&messages);
    assert!(failures[0].ends_with("it waits: /etc/smtp: refused: others can read it"));
}
