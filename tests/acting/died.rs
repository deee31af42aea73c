//! Locks that came to no end, because something died or failed on the way: the next run finishes them.

use testkit::mta::POSTMAP;
use tests::Run;

use crate::host::*;

/// A first run on a fresh host, on which passwd(1) is that script; afterwards it is itself again.
fn with_passwd(host: &Host, script: &str) -> Run {
    host.afresh();
    host.passwd(script);
    host.log(botnet(host.before(), b"alice"));
    let run = host.check(&[]);
    host.as_passwd_is();
    run
}

/// The next run on the host: nobody disturbs it.
fn next(host: &Host) -> Run {
    let run = host.check(&[]);
    assert_eq!(run.status, Some(0), "{run:?}");
    run
}

/// Alice is locked, the state knows of it, and one notice went out.
#[track_caller]
fn is_done(host: &Host) {
    host.has_locked(&["alice"]);
    let list = host.run(&["--list-disabled"]).text();
    assert!(list.lines().count() == 1 && list.contains("  local  120 messages"), "{list}");
    assert_eq!(host.notices().len(), 1);
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
                Some(0) => says(&died, "alice", " [DISABLED]"),
                Some(_) => says(&died, "alice", " [NOT DISABLED: passwd failed]"),
                None => assert_eq!(died.text(), ""),
            }
            says(&next(host), "alice", end);
            is_done(host);
            says(&next(host), "alice", " [ALREADY DISABLED]");
            is_done(host);
        }
    });
}

/// The lock is known, and its notice goes out.
#[test]
fn a_lock_is_finished_though_its_sender_is_in_no_log_any_more() {
    on_a_host("died::a_lock_is_finished_though_its_sender_is_in_no_log_any_more", |host| {
        assert_eq!(with_passwd(host, "$real \"$@\"; kill -9 $PPID").status, None);
        host.log("");
        next(host);
        is_done(host);
    });
}

#[test]
fn a_lock_that_was_not_made_is_not_made_without_evidence() {
    on_a_host("died::a_lock_that_was_not_made_is_not_made_without_evidence", |host| {
        assert_eq!(with_passwd(host, "kill -9 $PPID").status, None);
        host.log("");
        next(host);
        host.has_locked(&[]);
        assert_eq!(host.run(&["--list-disabled"]).text(), "");
    });
}

/// A run on alice's botnet while `sendmail` is that script, which stands in for the fake no longer than that.
fn with_sendmail(host: &Host, script: &str) -> Run {
    let sendmail = read("/usr/sbin/sendmail");
    Host::script("/usr/sbin/sendmail", script);
    host.log(botnet(host.before(), b"alice"));
    let run = host.check(&[]);
    Host::script("/usr/sbin/sendmail", &sendmail);
    run
}

#[test]
fn a_notice_at_which_the_program_died_goes_out_later() {
    on_a_host("died::a_notice_at_which_the_program_died_goes_out_later", |host| {
        assert_eq!(with_sendmail(host, "#!/bin/sh\nkill -9 $PPID\n").status, None);
        assert!(host.run(&["--list-disabled"]).text().contains("alice  a notice waits"));
        host.log("");
        next(host);
        is_done(host);
    });
}

#[test]
fn a_notice_that_cannot_be_sent_waits() {
    on_a_host("died::a_notice_that_cannot_be_sent_waits", |host| {
        let run = with_sendmail(host, "#!/bin/sh\nexit 75\n");
        says(&run, "alice", " [DISABLED]");
        assert_eq!(run.status, Some(1));
        assert!(run.err.contains("it waits"), "{run:?}");
        host.has_locked(&["alice"]);
        // Even where nobody is reported any more, and once.
        host.log("");
        for _ in 0..2 {
            next(host);
            assert_eq!(host.notices().len(), 1);
        }
    });
}

#[test]
fn an_entry_that_was_never_compiled_is_taken_back() {
    on_a_host("died::an_entry_that_was_never_compiled_is_taken_back", |host| {
        let dies = POSTMAP.replace("cp ", "kill -9 $PPID; exit 1; cp ");
        assert_ne!(dies, POSTMAP);
        Host::script("/usr/sbin/postmap", &dies);
        let table = host.text("table");
        let option = &format!("--sasl-access=hash:{table}")[..];
        host.log(botnet(host.before(), b"alice"));
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
