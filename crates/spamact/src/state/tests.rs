use super::*;

fn name(name: &str) -> AccountName {
    AccountName::check(name.as_bytes()).expect("a name")
}

fn lock(method: &str, at: i64) -> Lock {
    let undo = vec![format!("undo {method}")];
    let (period, log) = ("1hour".into(), "/var/log/mail.log".into());
    let logins = Vec::new();
    Lock {
        logins,
        method: method.into(),
        undo,
        at,
        counts: Counts::default(),
        period,
        log,
        pending: false,
    }
}

/// A lock that was made, and its notice sent.
fn add_lock(state: &mut State, name: &AccountName, lock: Lock) {
    let (method, at) = (lock.method.clone(), lock.at);
    state.begin_lock(name, lock, notice());
    state.finish_lock(name, &method, at);
    state.record_mut(name).waiting.clear();
}

fn notice() -> Notice {
    Notice { subject: "subject".into(), body: "body\n".into() }
}

#[test]
fn an_account_may_be_locked_in_several_ways_and_once_in_each() {
    let mut state = State::default();
    add_lock(&mut state, &name("alice"), lock("local", 100));
    add_lock(&mut state, &name("alice"), lock("nis:localhost", 200));
    add_lock(&mut state, &name("alice"), lock("local", 300));
    let methods = |state: &State| {
        let record = state.record(&name("alice")).expect("it is remembered");
        record.locks.iter().map(|lock| (lock.method.clone(), lock.at)).collect::<Vec<_>>()
    };
    assert_eq!(methods(&state), [("nis:localhost".into(), 200), ("local".into(), 300)]);
    state.drop_lock(&name("alice"), "nis:localhost");
    assert_eq!(methods(&state), [("local".into(), 300)]);
    assert_eq!(state.seen_locked(&name("alice")), Some(300));
    assert_eq!(state.record(&name("Alice")), None);
}

#[test]
fn an_account_that_was_unlocked_is_not_locked_again_on_old_lines() {
    let mut state = State::default();
    add_lock(&mut state, &name("alice"), lock("local", 100));
    state.see_locked(&name("alice"), 150);
    state.wait(&name("alice"), NoticeKind::Disabled, notice());
    state.forget(&name("alice"), 200);
    let record = state.record(&name("alice")).expect("it is remembered");
    assert_eq!(*record, Record { seen_locked: Some(200), ..Record::default() });
    // Of one that was locked by others too.
    state.forget(&name("bob"), 200);
    assert_eq!(state.seen_locked(&name("bob")), Some(200));
}

#[test]
fn locks_of_the_last_day_are_counted_also_those_undone() {
    let mut state = State::default();
    for at in [0, 10, DAY] {
        add_lock(&mut state, &name("alice"), lock("local", at));
    }
    state.forget(&name("alice"), DAY);
    assert_eq!(state.recent_locks(DAY - 1), 3);
    assert_eq!(state.recent_locks(DAY), 2);
    assert_eq!(state.recent_locks(2 * DAY), 0);
}

#[test]
fn one_notice_an_incident_and_again_after_a_day() {
    let mut state = State::default();
    let alice = name("alice");
    add_lock(&mut state, &alice, lock("local", 100));
    assert!(state.due(&alice, NoticeKind::Disabled, 100));
    state.wait(&alice, NoticeKind::Disabled, notice());
    assert!(state.due(&alice, NoticeKind::Disabled, 101));
    let waiting: Vec<_> = state.waiting().into_iter().map(|(name, kind, _)| (name, kind)).collect();
    assert_eq!(waiting, [(alice.clone(), NoticeKind::Disabled)]);
    state.notified(&alice, NoticeKind::Disabled, 110);
    assert_eq!(state.waiting().len(), 0);
    assert!(!state.due(&alice, NoticeKind::Disabled, 110));
    assert!(state.due(&alice, NoticeKind::StillSending, 110));
    state.notified(&alice, NoticeKind::StillSending, 120);
    assert!(!state.due(&alice, NoticeKind::StillSending, 119 + DAY));
    assert!(state.due(&alice, NoticeKind::StillSending, 120 + DAY));
    // A new lock is a new incident.
    add_lock(&mut state, &alice, lock("local", 130));
    assert!(state.due(&alice, NoticeKind::Disabled, 130));
}

#[test]
fn a_clock_set_back_holds_nothing_up() {
    let mut state = State::default();
    let alice = name("alice");
    add_lock(&mut state, &alice, lock("local", 1_000_000));
    state.notified(&alice, NoticeKind::Disabled, 1_000_000);
    state.changed = false;
    for now in [500, 600] {
        state.tidy(now);
        assert!(state.changed);
        assert_eq!(state.seen_locked(&alice), Some(500));
        assert_eq!(state.recent_locks(now), 1);
    }
    assert!(!state.due(&alice, NoticeKind::Disabled, 501));
    assert!(state.due(&alice, NoticeKind::Disabled, 500 + DAY));
    state.tidy(500 + DAY);
    assert_eq!(state.recent_locks(500 + DAY), 0);
    // What happens by the new clock counts by it.
    state.see_locked(&alice, 900);
    state.notified(&alice, NoticeKind::Disabled, 900);
    assert_eq!(state.seen_locked(&alice), Some(900));
    assert!(!state.due(&alice, NoticeKind::Disabled, 899 + DAY));
    for now in [i64::MIN, -1, 0, i64::MAX] {
        state.tidy(now);
        state.due(&alice, NoticeKind::Disabled, now);
        state.recent_locks(now);
    }
}

#[test]
fn a_clock_that_was_wrong_for_a_while_makes_nothing_forgotten() {
    let mut state = State::default();
    let (alice, now) = (name("alice"), 1_000_000);
    add_lock(&mut state, &alice, lock("local", now));
    state.notified(&alice, NoticeKind::Disabled, now);
    for wrong in [500, 400, 700] {
        state.tidy(wrong);
        assert!(!state.due(&alice, NoticeKind::Disabled, wrong), "no notice is repeated");
        state.see_locked(&alice, wrong);
        state.notified(&alice, NoticeKind::Disabled, wrong);
    }
    state.forget(&alice, 701);
    assert_eq!(state.seen_locked(&alice), Some(701));
    state.tidy(now + 60);
    assert_eq!(state.seen_locked(&alice), Some(now));
    assert_eq!(state.recent_locks(now + 60), 1);
    let record = state.record(&alice).expect("it is remembered");
    assert!(record.behind.is_empty() && state.recent_behind.is_none());
}

#[test]
fn a_lock_of_others_counts_if_it_is_newer() {
    let mut state = State::default();
    let seconds = |at: i64| at * 1_000_000_000;
    for (until, want) in [(100, 100), (50, 100), (150, 150), (999, 200)] {
        state.recall_unlocked(seconds(until), &[name("alice")], 200);
        assert_eq!(state.seen_locked(&name("alice")), Some(want));
    }
    // What was noted is not noted again.
    state.recall_unlocked(seconds(999), &[name("bob")], 300);
    assert_eq!(state.seen_locked(&name("bob")), None);
}

#[test]
fn a_lock_that_was_begun_is_finished_or_abandoned_and_its_notice_with_it() {
    let (alice, bob) = (name("alice"), name("bob"));
    let mut state = State::default();
    for account in [&alice, &bob] {
        state.begin_lock(account, lock("local", 100), notice());
    }
    assert_eq!(
        (state.pending("local"), state.pending("nis:a")),
        (vec![alice.clone(), bob.clone()], vec![])
    );
    assert_eq!((state.waiting(), state.recent_locks(100), state.is_done()), (vec![], 2, false));
    assert_eq!(state.seen_locked(&alice), None, "nobody has seen it locked");
    state.finish_lock(&alice, "local", 105);
    state.abandon_lock(&bob, "local");
    assert_eq!(state.waiting(), [(alice.clone(), NoticeKind::Disabled, notice())]);
    assert_eq!((state.seen_locked(&alice), state.recent_locks(105)), (Some(105), 1));
    assert_eq!(
        state.lock_of(&alice, "local").map(|lock| (lock.at, lock.pending)),
        Some((105, false))
    );
    assert_eq!(state.lock_of(&bob, "local"), None);
    state.notified(&alice, NoticeKind::Disabled, 106);
    assert!(state.is_done());
}

#[test]
fn old_entries_go_but_not_what_is_locked_or_waits() {
    let mut state = State::default();
    state.see_locked(&name("old"), 0);
    add_lock(&mut state, &name("locked"), lock("local", 0));
    state.wait(&name("waits"), NoticeKind::StillSending, notice());
    state.see_locked(&name("recent"), 1);
    state.tidy(400 * 86_400 + 1);
    let names: Vec<_> = state.accounts().map(|(name, _)| name).collect();
    assert_eq!(names, ["locked", "recent", "waits"]);
}

#[test]
fn the_notices_that_wait_are_bounded_and_one_that_is_not_kept_is_still_due() {
    let mut state = State::default();
    for number in 0..=WAITING {
        state.wait(&name(&format!("user{number}")), NoticeKind::Disabled, notice());
    }
    assert_eq!(state.waiting().len(), WAITING);
    assert!(state.due(&name(&format!("user{WAITING}")), NoticeKind::Disabled, 0));
}

#[test]
fn of_too_many_entries_the_newest_stay() {
    let mut state = State::default();
    for (number, at) in (0..).zip(0..i64::try_from(ENTRIES).expect("small") + 50) {
        state.see_locked(&name(&format!("user{number}")), at);
    }
    add_lock(&mut state, &name("locked"), lock("local", 0));
    state.tidy(DAY);
    assert_eq!(state.accounts().count(), ENTRIES + 1);
    assert!(state.record(&name("user49")).is_none());
    assert!(state.record(&name("user50")).is_some());
}
