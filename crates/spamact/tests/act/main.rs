//! Acting, from findings to locks, notices and the state: with a command that records its calls, a sendmail that records or
//! fails, and lines whose evidence is computed here by the rules of the man page.

mod host;
mod notices;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, SystemTime};

use spamact::account::{AccountName, NameRule};
use spamact::act::Actor;
use spamact::act::undo::list;
use spamact::notice::Notice;
use spamact::state::{Lock, Store};
use spamcore::evidence::Counts;
use spamcore::messages::Messages;
use spamcore::verdict::Action;
use time::OffsetDateTime;

use host::*;

#[test]
fn a_stolen_account_is_locked_once_with_one_notice() {
    let host = Host::new();
    let log = stolen("alice", NOW - 600);
    let locked = host.run(&log, &[], false);
    assert_eq!(locked, Run { actions: vec![Action::Disabled], failures: vec![] });
    for _ in 0..2 {
        host.set(host.now() + 1200);
        let again = host.run(&log, &[], false);
        assert_eq!(again, Run { actions: vec![Action::AlreadyDisabled], failures: vec![] });
    }
    assert_eq!(host.read("done"), "lock alice\n");
    assert_eq!(host.subjects(), ["SPAMMER DETECTED AT mail.example.org [USER alice DISABLED]"]);
    let utc = |at| OffsetDateTime::from_unix_timestamp(at).ok();
    let listed = list(&host.state(), &utc, &|_, _| false);
    assert!(listed.starts_with("alice  2026-11-24 "), "{listed}");
    assert!(listed.contains("  4 messages, 4 nets, 4 unknowns, 4 IPs in 1 hour of"), "{listed}");
}

#[test]
fn old_lines_do_not_lock_again_and_new_ones_do() {
    let host = Host::new();
    let old = stolen("alice", NOW - 600);
    host.run(&old, &[], false);
    let name = AccountName::check(b"alice").expect("a name");
    host.set(NOW + 60);
    let now = host.now();
    let clock = move || OffsetDateTime::from_unix_timestamp(now).expect("in range");
    let (store, actor) = (host.store(), host.actor(&clock));
    let undo = undo(&store, &actor.audit, &clock);
    let undone = undo.enable(&name, &*host.method()).expect("it is undone");
    assert_eq!((undone.methods.len(), undone.failures), (1, vec![]));
    assert_eq!(host.read("done"), "lock alice\nunlock alice\n");

    host.set(NOW + 120);
    let spared = "no new evidence since it was last seen locked";
    let run = host.run(&old, &[], false);
    assert_eq!(run, Run { actions: not_disabled(spared), failures: vec![] });
    // Two new lines are not enough, with the old ones or without.
    let few = [&old[..], &[("alice", NOW + 90), ("alice", NOW + 91)]].concat();
    assert_eq!(host.run(&few, &[], false).actions, not_disabled(spared));
    let many = [&old[..], &stolen("alice", NOW + 90)].concat();
    assert_eq!(host.run(&many, &[], false).actions, [Action::Disabled]);
    assert_eq!(host.subjects().len(), 2, "a new incident");
}

#[test]
fn lines_in_the_future_are_no_evidence() {
    let host = Host::new();
    let run = host.run(&stolen("alice", NOW + 1), &[], false);
    assert_eq!(run.actions, not_disabled("too few of its lines lie before now"));
    assert_eq!(host.read("done"), "");
}

#[test]
fn refusals_are_reported_and_only_invalid_names_are_failures() {
    let host = Host::new();
    let mut log = Vec::new();
    for name in ["root", "www-data", "BOSS", "al ice", "$(id)", "-l", "*"] {
        log.extend(stolen(name, NOW - 60));
    }
    let run = host.run(&log, &[], false);
    let reasons: Vec<_> = run.actions.iter().map(Action::note).collect();
    assert_eq!(
        reasons,
        [
            "NOT DISABLED: not a name of an account",
            "NOT DISABLED: not a name of an account",
            "NOT DISABLED: not a name of an account",
            "NOT DISABLED: not a name of an account",
            "NOT DISABLED: exempt",
            "NOT DISABLED: never locked",
            "NOT DISABLED: a system account",
        ]
    );
    assert_eq!(run.failures.len(), 4, "{:?}", run.failures);
    assert_eq!(host.read("done"), "");
    // One notice of all whose names can be told.
    let [subject] = &host.subjects()[..] else { panic!("{:?}", host.subjects()) };
    assert!(subject.ends_with("[USER boss AND 2 MORE NOT DISABLED]"), "{subject}");
}

#[test]
fn no_more_than_the_maximum_are_locked_and_the_worst_first() {
    let mut host = Host::new();
    host.max_locks = 2;
    let mut log = Vec::new();
    for (name, lines) in [("a", 3), ("b", 5), ("c", 4), ("d", 6), ("e", 3)] {
        log.extend((0..lines).map(|n| (name, NOW - 60 + n)));
    }
    let run = host.run(&log, &[], false);
    let too_many = Action::NotDisabled("more than 2 at once: the log may be forged".into());
    let (done, left) = (Action::Disabled, too_many.clone());
    assert_eq!(run.actions, [left.clone(), done.clone(), left.clone(), done, left.clone()]);
    assert_eq!(run.failures.len(), 3);
    assert_eq!(host.read("done"), "lock d\nlock b\n");
    let subjects = host.subjects();
    assert_eq!(subjects.len(), 3, "{subjects:?}");
    let one =
        "SPAMMER DETECTED AT mail.example.org [USER c AND 2 MORE NOT DISABLED: TOO MANY AT ONCE]";
    assert!(subjects.iter().any(|subject| subject == one), "{subjects:?}");
    // Two more in each run, and eight per day: then no more, until a day has passed.
    let full = Action::NotDisabled("more than 8 in 24 hours: the log may be forged".into());
    for (name, locks) in [("f", 4), ("h", 6), ("j", 8), ("l", 8)] {
        host.set(host.now() + 60);
        let other = char::from(name.as_bytes()[0] + 1).to_string();
        let log = [stolen(name, NOW - 60), stolen(&other, NOW - 60)].concat();
        let run = host.run(&log, &[], false);
        assert_eq!(host.read("done").lines().count(), locks, "{name}");
        assert_eq!(run.actions[0] == full, name == "l", "{run:?}");
    }
    for (day, action) in [(86_399, full), (86_400, Action::Disabled)] {
        host.set(NOW + day);
        assert_eq!(host.run(&stolen("n", NOW), &[], false).actions, [action]);
    }
}

#[test]
fn the_locks_of_the_day_do_not_protect_whom_the_journal_confirms() {
    let mut host = Host::new();
    host.max_locks = 1;
    let names = ["a", "b", "c", "d"];
    for name in names {
        host.set(host.now() + 60);
        assert_eq!(host.run(&stolen(name, NOW), &[], false).actions, [Action::Disabled]);
    }
    host.set(host.now() + 60);
    let (log, full) = (stolen("real", NOW), "more than 4 in 24 hours: the log may be forged");
    let too_few = &stolen("real", NOW)[..2];
    for dry in [true, false] {
        assert_eq!(host.run(&log, too_few, dry).actions, not_disabled(full));
    }
    assert_eq!(host.run(&log, &log, true).actions, [Action::WouldDisable]);
    assert_eq!(host.run(&log, &log, false).actions, [Action::Disabled]);
    // In a run there are no more than allowed all the same.
    let log = [stolen("one", NOW), stolen("two", NOW)].concat();
    let at_once = "more than 1 at once: the log may be forged";
    let actions = host.run(&log, &log, false).actions;
    assert_eq!(actions, [vec![Action::Disabled], not_disabled(at_once)].concat());
}

#[test]
fn the_worst_are_locked_first_if_nothing_can_be_read_again() {
    let mut host = Host::new();
    host.max_locks = 1;
    let log = [stolen("a", NOW - 60), stolen("b", NOW - 60), stolen("b", NOW - 30)].concat();
    let run = host.run_on_pipe(&log);
    let too_many = Action::NotDisabled("more than 1 at once: the log may be forged".into());
    assert_eq!(run.actions, [too_many, Action::Disabled]);
}

#[test]
fn without_a_directory_for_the_state_nobody_is_locked() {
    let host = Host::new();
    host.write("state", "no directory");
    let log = [stolen("alice", NOW - 60), stolen("root", NOW - 60)].concat();
    for dry in [false, true] {
        let run = host.run(&log, &[], dry);
        let [Action::NotDisabled(alice), Action::NotDisabled(root)] = &run.actions[..] else {
            panic!("{run:?}")
        };
        assert_ne!(alice, root);
        assert_eq!((run.failures.len(), host.read("done")), (1, String::new()), "{run:?}");
    }
}

#[test]
fn the_journal_must_confirm_if_requested() {
    let mut host = Host::new();
    host.verify_journal = true;
    let log = stolen("alice", NOW - 60);
    let forged = "the journal does not confirm it";
    for journal in [&[][..], &stolen("bob", NOW - 60), &log[..2]] {
        let run = host.run(&log, journal, false);
        assert_eq!(run.actions, not_disabled(forged));
        assert_eq!(run.failures, [format!("alice: not disabled: {forged}")]);
        assert_eq!(host.run(&log, journal, true).actions, not_disabled(forged));
    }
    assert_eq!(host.run(&log, &log, false).actions, [Action::Disabled]);
}

#[test]
fn a_dry_run_decides_the_same_and_changes_nothing() {
    let mut host = Host::new();
    host.max_locks = 1;
    let log = [stolen("alice", NOW - 60), stolen("bob", NOW - 60)].concat();
    let run = host.run(&log, &[], true);
    assert_eq!(run.actions[0], Action::WouldDisable);
    assert!(matches!(run.actions[1], Action::NotDisabled(_)));
    assert_eq!((host.read("done"), host.read("mails")), (String::new(), String::new()));
    assert!(!host.path().join("state").exists());
    host.run(&log, &[], false);
    let before = host.read("state/state.json");
    let run = host.run(&log, &[], true);
    assert_eq!(run.actions[0], Action::AlreadyDisabled);
    assert_eq!(host.read("state/state.json"), before);
}

#[test]
fn a_dry_run_counts_as_many_locks_as_a_real_one() {
    let mut host = Host::new();
    host.max_locks = 2;
    for (now, names) in (NOW..).zip([&["a", "b"][..], &["c", "d"], &["e", "f"], &["g"]]) {
        host.set(now);
        host.run(
            &names.iter().flat_map(|name| stolen(name, NOW - 60)).collect::<Vec<_>>(),
            &[],
            false,
        );
    }
    assert_eq!(host.read("done").lines().count(), 7);
    let log = [stolen("h", NOW - 60), stolen("i", NOW - 60)].concat();
    let full = Action::NotDisabled("more than 8 in 24 hours: the log may be forged".into());
    assert_eq!(host.run(&log, &[], true).actions, [Action::WouldDisable, full]);
}

#[test]
fn a_dry_run_looks_at_the_accounts_of_this_host() {
    let host = Host::local();
    let log = [stolen("alice", NOW - 60), stolen("alice@example.org", NOW - 60)].concat();
    assert_eq!(host.run(&log, &[], true).actions, [Action::WouldDisable]);
    let alice = stolen("alice", NOW - 60);
    host.write("shadow", "alice:!$6$x:1::::::\n");
    assert_eq!(host.run(&alice, &[], true).actions, [Action::AlreadyDisabled]);
    host.write("shadow", "bob:$6$x:1::::::\n");
    assert_eq!(host.run(&alice, &[], true).actions, not_disabled("no such account"));
}

#[test]
fn only_root_must_be_able_to_read_the_state_for_a_dry_run() {
    let host = Host::new();
    host.write("file", "");
    let clock = || OffsetDateTime::from_unix_timestamp(NOW).expect("in range");
    let log = stolen("alice", NOW - 60);
    for root in [false, true] {
        // A path below a file cannot be read by anybody.
        let dir = host.path().join("file/state");
        let actor = Actor { store: Store { dir, copy: None, root }, ..host.actor(&clock) };
        let mut source = Source { log: Some(&log), journal: &[], piped: &[] };
        let tally = tally(&log);
        let mut findings = findings(&tally);
        let mut messages = Messages::default();
        actor.dry_run(&*host.method(), &mut findings, &mut source, &mut messages);
        let actions = actions(findings);
        assert_eq!(actions == [Action::WouldDisable], !root, "{actions:?}");
        assert_eq!(failures(&messages).len(), usize::from(root));
    }
}

#[test]
fn a_failed_lock_is_reported_and_does_not_stop_the_others() {
    let host = Host::new();
    host.script("lock", "[ \"$1\" != alice ] || { echo 'no such luck' >&2; exit 3; }");
    let log = [stolen("alice", NOW - 60), stolen("bob", NOW - 60)].concat();
    let run = host.run(&log, &[], false);
    assert_eq!(run.actions, [Action::NotDisabled("lock failed".into()), Action::Disabled]);
    assert_eq!(run.failures.len(), 1);
    assert!(run.failures[0].ends_with("exit status 3: no such luck"), "{:?}", run.failures);
    assert!(host.state().seen_locked(&AccountName::check(b"alice").expect("a name")).is_none());
    assert_eq!(host.subjects().len(), 2, "one of each: {:?}", host.subjects());
}

#[test]
fn syslog_gets_a_message_before_and_after() {
    let host = Host::new();
    host.script("lock", "[ \"$1\" != bob ] || exit 3");
    let syslog = UnixDatagram::bind(host.path().join("no-syslog")).expect("the directory is ours");
    let log = [stolen("alice", NOW - 60), stolen("bob", NOW - 60)].concat();
    let run = host.run(&log, &[], false);
    assert_eq!(run.actions, [Action::Disabled, Action::NotDisabled("lock failed".into())]);
    syslog.set_nonblocking(true).expect("a socket");
    let mut line = [0; 1024];
    let told: Vec<String> =
        std::iter::from_fn(|| syslog.recv(&mut line).ok().map(|n| line[..n].into()))
            .map(|line: Vec<u8>| String::from_utf8(line).expect("text"))
            .collect();
    let counts =
        "4 messages from 4 networks, 4 unknown hosts, 4 addresses in 1 hour, by /var/log/mail.log";
    let wanted = [
        ("disabling ", "alice"),
        ("disabled ", "alice"),
        ("disabling ", "bob"),
        ("not disabled, lock failed: ", "bob"),
    ];
    assert_eq!(told.len(), wanted.len(), "{told:?}");
    for (line, (what, name)) in told.iter().zip(wanted) {
        assert!(line.contains(&format!(": {what}{name} (command:")), "{line}");
        assert!(line.ends_with(counts), "{line}");
    }
}

#[test]
fn what_a_failed_lock_may_have_left_is_recorded() {
    let alice = AccountName::check(b"alice").expect("a name");
    // Nothing was done: there is nothing to finish.
    let host = Host::local();
    host.script("passwd", "exit 3");
    let log = stolen("alice", NOW - 60);
    assert_eq!(host.run(&log, &[], false).actions, not_disabled("passwd failed"));
    assert_eq!(host.state().pending("local"), []);
    drop(host);
    // What was done cannot be checked: the next run tries again.
    let host = Host::local();
    host.script("passwd", "mv shadow elsewhere; mkdir shadow; exit 3");
    let run = host.run(&log, &[], false);
    assert!(matches!(run.actions[..], [Action::NotDisabled(_)]), "{run:?}");
    assert_eq!(host.state().pending("local"), [alice]);
}

#[test]
fn a_local_account_with_two_spellings_is_locked_once_with_one_notice() {
    let host = Host::local();
    let log = [stolen("alice", NOW - 60), stolen("alice@Example.org", NOW - 60)].concat();
    let run = host.run(&log, &[], false);
    assert_eq!(run.actions, [Action::Disabled]);
    assert_eq!((run.failures.len(), host.subjects().len()), (0, 1));
    assert_eq!(host.read("done"), "-l -- alice\n");
    assert_eq!(host.run(&log, &[], true).actions, [Action::AlreadyDisabled]);
}

#[test]
fn a_lock_of_a_killed_run_is_finished_or_dropped_by_the_next() {
    let lock_as = |host: &Host| {
        let mut state = host.state();
        let lock = Lock {
            method: "local".into(),
            logins: vec![],
            undo: vec![],
            at: NOW,
            counts: Counts::default(),
            period: "1 hour".into(),
            log: "/var/log/mail.log".into(),
            pending: true,
        };
        let notice = Notice { subject: "the notice".into(), body: "of it\n".into() };
        state.begin_lock(&AccountName::check(b"alice").expect("a name"), lock, notice);
        state.save(&host.path().join("state"), false).expect("the directory is ours");
    };
    // Killed after the lock: there are no suspects any more, and the notice is sent all the same.
    let host = Host::local();
    lock_as(&host);
    host.write("shadow", "alice:!$6$x:1::::::\nbob:$6$x:1::::::\n");
    assert_eq!(host.run(&[], &[], false), Run { actions: vec![], failures: vec![] });
    assert_eq!((host.read("done"), host.subjects()), (String::new(), vec!["the notice".into()]));
    assert_eq!(host.state().recent_locks(NOW), 1);
    assert_eq!(host.run(&stolen("alice", NOW - 60), &[], false).actions, [Action::AlreadyDisabled]);
    assert_eq!(host.subjects().len(), 1);
    drop(host);
    // Killed before it: as if nothing had been started.
    let host = Host::local();
    lock_as(&host);
    assert_eq!(host.run(&[], &[], false), Run { actions: vec![], failures: vec![] });
    assert_eq!((host.subjects().len(), host.state().recent_locks(NOW)), (0, 0));
    assert_eq!(host.run(&stolen("alice", NOW - 60), &[], false).actions, [Action::Disabled]);
    assert_eq!(host.subjects().len(), 1);
    drop(host);
    // Killed after it, and unlocked by hand before the next run: it stays unlocked.
    let host = Host::local();
    lock_as(&host);
    let shadow = fs::File::open(host.path().join("shadow")).expect("it is there");
    let later = SystemTime::now() + Duration::from_secs(1);
    shadow.set_modified(later).expect("it is ours");
    host.set(NOW + 1200);
    let spared = not_disabled("no new evidence since it was last seen locked");
    assert_eq!(host.run(&stolen("alice", NOW - 60), &[], false).actions, spared);
    assert_eq!(host.run(&stolen("alice", NOW + 60), &[], false).actions, [Action::Disabled]);
}

#[test]
fn failed_locks_do_not_use_up_the_maximum() {
    let mut host = Host::new();
    host.max_locks = 2;
    host.script("lock", "case $1 in bad*) exit 3 ;; esac; echo \"lock $*\" >>done");
    let bad: Vec<String> = (0..10).map(|n| format!("bad{n}")).collect();
    let worse = |names: &[String], others: &[&'static str]| -> Vec<(String, i64)> {
        let bad = names.iter().flat_map(|name| (0..5).map(move |n| (name.clone(), NOW - 60 + n)));
        let others = others.iter().flat_map(|name| stolen(name, NOW - 60));
        bad.chain(others.map(|(name, at)| (name.to_owned(), at))).collect()
    };
    for (fail, locked) in [(7, "lock real1\nlock real2\n"), (8, "")] {
        host.write("done", "");
        let log = worse(&bad[..fail], &["real1", "real2"]);
        let log: Vec<(&str, i64)> = log.iter().map(|(name, at)| (&name[..], *at)).collect();
        fs::remove_dir_all(host.path().join("state")).ok();
        let run = host.run(&log, &[], false);
        assert_eq!(host.read("done"), locked, "{fail}: {run:?}");
    }
    // A command that fails repeatedly is reported, and delays nobody else.
    let log = worse(&bad, &[]);
    let log: Vec<(&str, i64)> = log.iter().map(|(name, at)| (&name[..], *at)).collect();
    let run = host.run(&log, &[], false);
    let last = Action::NotDisabled("8 locks failed before".into());
    assert_eq!((&run.actions[7], &run.actions[8]), (&not_disabled("lock failed")[0], &last));
}

#[test]
fn a_flood_of_names_is_cut_off_and_does_not_push_out_the_state() {
    let mut host = Host::new();
    let old = stolen("alice", NOW - 600);
    assert_eq!(host.run(&old, &[], false).actions, [Action::Disabled]);
    let name = AccountName::check(b"alice").expect("a name");
    let mut state = host.state();
    state.forget(&name, NOW);
    state.save(&host.path().join("state"), false).expect("the directory is ours");
    for round in 0..3_u8 {
        host.set(NOW + 60 * (i64::from(round) + 1));
        let names: Vec<String> =
            (0..4500).map(|n| format!("{}{n}", char::from(b'f' + round))).collect();
        let mut log = old.clone();
        log.extend(names.iter().flat_map(|name| (0..5).map(move |n| (&name[..], NOW + n))));
        let run = host.run(&log, &[], false);
        let left_out = "more than 1000 are beyond the limits: the log may be forged";
        let left_out = run.actions.iter().filter(|a| **a == not_disabled(left_out)[0]).count();
        assert_eq!(left_out, log.len() / 5 + 1 - 1000, "{round}");
        assert!(run.failures.contains(&format!(
            "{left_out} accounts: not disabled: more than 1000 are beyond the limits: the log may be forged"
        )));
        assert!(host.state().accounts().count() < 150 * (usize::from(round) + 1));
    }
    assert_eq!(host.state().seen_locked(&name), Some(NOW));
    // Accounts that the journal confirms come first.
    host.verify_journal = true;
    host.max_locks = 100;
    let names: Vec<String> = (0..1100).map(|n| format!("z{n}")).collect();
    let mut log = stolen("honest", NOW);
    log.extend(names.iter().flat_map(|name| (0..5).map(move |n| (&name[..], NOW + n))));
    let run = host.run(&log, &stolen("honest", NOW), false);
    assert_eq!(run.actions[0], Action::Disabled);
}

#[test]
fn in_a_table_no_spelling_is_locked_on_lines_from_before_it_was_unlocked() {
    let mut host = Host::new();
    host.names = NameRule::Login;
    let old = [stolen("Alice", NOW - 600), stolen("alice", NOW - 600)].concat();
    host.run(&old, &[], false);
    let run = host.run(&stolen("ALICE", NOW - 600), &[], true);
    assert_eq!(run.actions, [Action::AlreadyDisabled], "for a dry run, too");
    for spelling in [&b"Alice"[..], b"alice"] {
        let name = AccountName::check(spelling).expect("a name");
        let mut state = host.state();
        state.drop_lock(&name, &host.method().kind());
        state.save(&host.path().join("state"), false).expect("the directory is ours");
    }
    host.set(NOW + 1200);
    let spared = not_disabled("no new evidence since it was last seen locked");
    for name in ["ALICE", "alice"] {
        let new = [("ALICE", NOW + 60), ("alice", NOW + 60)];
        let log: Vec<_> = stolen(name, NOW - 600)
            .into_iter()
            .chain(new.into_iter().filter(|(n, _)| *n == name))
            .collect();
        assert_eq!(host.run(&log, &[], false).actions, spared, "{name}");
    }
}

#[test]
fn an_account_that_keeps_sending_is_reported_from_a_pipe_too() {
    let host = Host::local();
    let log = stolen("alice", NOW - 3);
    assert_eq!(host.run_on_pipe(&log).actions, [Action::Disabled]);
    host.set(NOW + 60);
    let run = host.run_on_pipe(&log);
    assert_eq!(run.actions, [Action::AlreadyDisabled], "the last is of that very second");
    host.set(NOW + 1200);
    let log = [stolen("alice", NOW + 70), stolen("alice", NOW + 80)].concat();
    let run = host.run_on_pipe(&log);
    assert_eq!((run.actions, run.failures.len()), (vec![Action::StillSending], 1));
    assert!(
        host.read("mails").contains("Newer than the lock: 8 messages in 1 hour from 8 networks")
    );
}

#[test]
fn the_report_on_a_locked_account_does_not_need_a_second_reading() {
    let host = Host::local();
    let log = stolen("alice", NOW - 60);
    assert_eq!(host.run_on_pipe(&log).actions, [Action::Disabled]);
    assert_eq!(host.run_on_pipe(&log).actions, [Action::AlreadyDisabled]);
    // Unlocked by hand: in a pipe, new lines cannot be told from old ones.
    host.write("shadow", "alice:$6$x:1::::::\nbob:$6$x:1::::::\n");
    let run = host.run_on_pipe(&log);
    let why = "a pipe cannot be read again to tell new lines from old";
    assert_eq!((run.actions, run.failures.len()), (not_disabled(why), 1));
    assert_eq!(list(&host.state(), &|_| None, &|_, _| false), "", "it is not listed any more");
}

#[test]
fn unlocking_reports_what_it_did_and_holds_against_old_lines() {
    let host = Host::local();
    let log = stolen("bob", NOW - 600);
    let enable_as = |host: &Host, name: &[u8]| {
        let now = host.now();
        let clock = move || OffsetDateTime::from_unix_timestamp(now).expect("in range");
        let (store, audit) = (host.store(), host.actor(&clock).audit);
        let undo = undo(&store, &audit, &clock);
        let name = AccountName::check(name).expect("a name");
        undo.enable(&name, &*host.method()).expect("the state is ours")
    };
    let enable = |host: &Host| enable_as(host, b"bob");
    let undone = enable(&host);
    assert_eq!((undone.methods.len(), undone.failures.len()), (0, 1), "it was open: {undone:?}");
    // Locked by somebody else, and unlocked by spam-check.
    host.write("shadow", "alice:$6$x:1::::::\nbob:!$6$x:1::::::\n");
    assert_eq!(enable(&host).methods, ["local"]);
    assert_eq!(host.read("shadow"), "alice:$6$x:1::::::\nbob:$6$x:1::::::\n");
    let spared = "no new evidence since it was last seen locked";
    assert_eq!(host.run(&log, &[], false).actions, not_disabled(spared));
    // A damaged state is reported, and does not stop anything.
    host.write("state/state.json", "no state");
    host.write("shadow", "alice:$6$x:1::::::\nbob:!$6$x:1::::::\n");
    let undone = enable(&host);
    assert_eq!((undone.methods.len(), undone.failures.len(), undone.warnings.len()), (1, 0, 1));
    assert!(undone.warnings[0].contains("damaged"), "{undone:?}");
    assert_eq!(enable(&host).warnings.len(), 0, "it is told once");
    // A login with the realm is the account.
    host.write("shadow", "bob:!$6$x:1::::::\n");
    assert_eq!(enable_as(&host, b"bob@Example.org").methods, ["local"]);
    assert_eq!(host.read("shadow"), "bob:$6$x:1::::::\n");
    drop(host);
    let host = Host::new();
    host.run(&stolen("bob@example.org", NOW - 60), &[], false);
    assert_eq!(enable_as(&host, b"bob@Example.org").methods, [host.method().kind()]);
    assert_eq!(host.read("done"), "lock bob\nunlock bob\n");
}

#[test]
fn an_account_can_be_unlocked_though_the_state_cannot_be_written() {
    let host = Host::new();
    host.run(&stolen("bob", NOW - 60), &[], false);
    let state = host.path().join("state");
    // It is written to a temporary file first: a directory is in the way there.
    fs::create_dir(state.join(".state.json.spam-check")).expect("the directory is ours");
    let clock = || OffsetDateTime::from_unix_timestamp(NOW + 60).expect("in range");
    let audit = host.actor(&clock).audit;
    let bob = AccountName::check(b"bob").expect("a name");
    let undone =
        undo(&host.store(), &audit, &clock).enable(&bob, &*host.method()).expect("it is undone");
    assert_eq!((undone.methods, undone.failures), (vec![host.method().kind()], vec![]));
    assert!(
        undone.warnings[0]
            .starts_with("the state still has the lock, because it could not be written: ")
    );
    assert_eq!(host.read("done"), "lock bob\nunlock bob\n");
}

#[test]
fn a_lock_that_cannot_be_undone_is_kept_in_the_state_and_one_without_a_command_is_not() {
    let mut host = Host::new();
    host.run(&stolen("alice", NOW - 600), &[], false);
    let enable = |host: &Host| {
        let clock = || OffsetDateTime::from_unix_timestamp(NOW + 60).expect("in range");
        let (store, audit) = (host.store(), host.actor(&clock).audit);
        let undo = undo(&store, &audit, &clock);
        let alice = AccountName::check(b"alice").expect("a name");
        let undone = undo.enable(&alice, &*host.method()).expect("the state is ours");
        let listed = list(&host.state(), &|_| None, &|_, _| false).lines().count();
        (undone.methods.len(), undone.failures.len(), listed)
    };
    host.script("unlock", "exit 3");
    assert_eq!(enable(&host), (0, 1, 1));
    host.script("unlock", "exit 0");
    assert_eq!(enable(&host), (1, 0, 0));
    host.undone = false;
    host.set(NOW + 120);
    host.run(&stolen("alice", NOW + 90), &[], false);
    assert_eq!(enable(&host), (0, 1, 0), "what is left to do by hand is told");
}

#[test]
fn twenty_runs_at_once_make_one_lock_and_one_notice() {
    let host = Host::new();
    host.script("lock", "sleep 0.1; echo \"lock $*\" >>done");
    let log = stolen("alice", NOW - 60);
    let clock = || OffsetDateTime::from_unix_timestamp(NOW).expect("in range");
    let tally = tally(&log);
    // Each acts independently, like a process.
    let actions: Vec<Action> = std::thread::scope(|scope| {
        let run = || {
            let actor = host.actor(&clock);
            let mut source = Source { log: Some(&log), journal: &[], piped: &[] };
            let mut findings = findings(&tally);
            let mut messages = Messages::default();
            actor.act(&*host.method(), &mut findings, &mut source, &mut messages);
            assert_eq!(failures(&messages), Vec::<String>::new());
            actions(findings)
        };
        let runs: Vec<_> = (0..20).map(|_| scope.spawn(run)).collect();
        runs.into_iter().flat_map(|run| run.join().expect("no panic")).collect()
    });
    let done = actions.iter().filter(|action| **action == Action::Disabled).count();
    let before = actions.iter().filter(|action| **action == Action::AlreadyDisabled).count();
    assert_eq!((done, before), (1, 19));
    assert_eq!((host.read("done"), host.subjects().len()), ("lock alice\n".into(), 1));
}
