//! Locks that were not finished because something died or failed: the next run finishes them.

use testkit::mta::POSTMAP;
use tests::Run;

use crate::host::*;

/// A first run on a fresh host, with that script for passwd(1), which is restored afterwards.
fn with_passwd(host: &Host, script: &str) -> Run {
    host.reset();
    host.passwd(script);
    host.log(botnet(host.ten_minutes_ago(), b"alice"));
    let run = host.check(&[]);
    host.restore_passwd();
    run
}

/// The next run on the host, which is not disturbed.
fn next_run(host: &Host) -> Run {
    let run = host.check(&[]);
    assert_eq!(run.status, Some(0), "{run:?}");
    run
}

/// Alice is locked, the state has the lock, and one notice was sent.
#[track_caller]
fn is_finished(host: &Host) {
    host.has_locked(&["alice"]);
    let list = host.run(&["--list-disabled"]).text();
    assert!(list.lines().count() == 1 && list.contains("  local  120 messages"), "{list}");
    assert_eq!(host.locks().len(), 1);
}

#[test]
fn a_run_that_died_is_finished_by_the_next() {
    on_a_host("died::a_run_that_died_is_finished_by_the_next", |host| {
        for (script, end) in [
            ("$real \"$@\" >&2; kill -9 $PPID", " [ALREADY DISABLED]"),
            ("kill -9 $PPID", " [DISABLED]"),
            ("$real \"$@\"; exit 1", " [ALREADY DISABLED]"),
            ("$real \"$@\"; kill -9 $$", " [ALREADY DISABLED]"),
            ("exit 1", " [DISABLED]"),
        ] {
            let died = with_passwd(host, script);
            match died.status {
                Some(0) => reports(&died, "alice", " [DISABLED]"),
                Some(_) => reports(&died, "alice", " [NOT DISABLED: passwd failed]"),
                None => assert_eq!(died.text(), ""),
            }
            reports(&next_run(host), "alice", end);
            is_finished(host);
            reports(&next_run(host), "alice", " [ALREADY DISABLED]");
            is_finished(host);
        }
    });
}

/// The state gets the lock, and the notice is sent.
#[test]
fn a_lock_is_finished_after_its_sender_has_left_the_log() {
    on_a_host("died::a_lock_is_finished_after_its_sender_has_left_the_log", |host| {
        assert_eq!(with_passwd(host, "$real \"$@\"; kill -9 $PPID").status, None);
        host.log("");
        next_run(host);
        is_finished(host);
    });
}

#[test]
fn a_pending_lock_is_not_made_without_evidence() {
    on_a_host("died::a_pending_lock_is_not_made_without_evidence", |host| {
        assert_eq!(with_passwd(host, "kill -9 $PPID").status, None);
        host.log("");
        next_run(host);
        host.has_locked(&[]);
        assert_eq!(host.run(&["--list-disabled"]).text(), "");
    });
}

/// A run on alice's botnet with that script for `sendmail`; the fake is restored afterwards.
fn with_sendmail(host: &Host, script: &str) -> Run {
    let sendmail = read("/usr/sbin/sendmail");
    Host::script("/usr/sbin/sendmail", script);
    host.log(botnet(host.ten_minutes_ago(), b"alice"));
    let run = host.check(&[]);
    Host::script("/usr/sbin/sendmail", &sendmail);
    run
}

#[test]
fn a_notice_during_which_the_program_died_is_sent_later() {
    on_a_host("died::a_notice_during_which_the_program_died_is_sent_later", |host| {
        assert_eq!(with_sendmail(host, "#!/bin/sh\nkill -9 $PPID\n").status, None);
        assert!(host.run(&["--list-disabled"]).text().contains("alice  a notice waits"));
        host.log("");
        next_run(host);
        is_finished(host);
    });
}

#[test]
fn a_notice_that_cannot_be_sent_waits() {
    on_a_host("died::a_notice_that_cannot_be_sent_waits", |host| {
        let run = with_sendmail(host, "#!/bin/sh\nexit 75\n");
        reports(&run, "alice", " [DISABLED]");
        assert_eq!(run.status, Some(1));
        assert!(run.err.contains("it waits"), "{run:?}");
        host.has_locked(&["alice"]);
        // Once, and even if nobody is reported any more.
        host.log("");
        for _ in 0..2 {
            next_run(host);
            assert_eq!(host.notices().len(), 1);
        }
    });
}

#[test]
fn an_entry_that_was_never_compiled_is_removed() {
    on_a_host("died::an_entry_that_was_never_compiled_is_removed", |host| {
        let dies = POSTMAP.replace("cp ", "kill -9 $PPID; exit 1; cp ");
        assert_ne!(dies, POSTMAP);
        Host::script("/usr/sbin/postmap", &dies);
        let table = host.text("table");
        let option = &format!("--sasl-access=hash:{table}")[..];
        host.log(botnet(host.ten_minutes_ago(), b"alice"));
        assert_eq!(host.check(&[option]).status, None);
        assert!(read(&table).starts_with("alice REJECT"));
        Host::script("/usr/sbin/postmap", POSTMAP);
        host.log("");
        assert_eq!(host.check(&[option]).status, Some(0));
        assert_eq!(read(&table), "");
        assert_eq!(host.notices().len(), 0);
        assert_eq!(host.run(&["--list-disabled"]).text(), "");
    });
}
