//! The state and the run lock, with processes that run at the same time and are killed.
//!
//! Each process is this very test, started again with an environment variable that says what to do.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use spamact::AccountName;
use spamact::notice::Notice;
use spamact::state::{Lock, State};
use spamact::system::run_lock::RunLock;
use spamcore::evidence::Counts;
use testkit::Directory;

const NOW: i64 = 1_795_500_000;
const AS_CHILD: &str = "SPAMACT_TEST_CHILD";

/// One run: it takes the run lock, records a lock of `name`, and ends.
fn run(dir: &Path, name: &str) {
    let name = AccountName::check(name.as_bytes()).expect("a name");
    let _lock = RunLock::acquire(dir, false, Duration::from_secs(120)).expect("each has its turn");
    let (mut state, damaged) = State::load(dir, false, NOW).expect("it is ours");
    assert_eq!(damaged, None);
    let lock = Lock {
        method: "local".into(),
        logins: vec![],
        undo: vec![format!("passwd -u {name}")],
        at: NOW,
        counts: Counts::default(),
        period: "1hour".into(),
        log: "/var/log/mail.log".repeat(200),
        pending: true,
    };
    state.begin_lock(&name, lock, Notice { subject: "s".into(), body: "b\n".into() });
    state.finish_lock(&name, "local", NOW);
    state.save(dir, false).expect("it is ours");
}

/// What a child process does; in the test itself, nothing.
#[test]
fn child() {
    let Some(job) = std::env::var_os(AS_CHILD) else { return };
    let job = job.to_str().expect("it is text");
    let (name, dir) = job.split_once(' ').expect("a name and a directory");
    let dir = Path::new(dir);
    if name != "forever" {
        return run(dir, name);
    }
    for n in 0..u64::MAX {
        run(dir, &format!("user{}", n % 50));
    }
}

fn start(dir: &Path, name: &str) -> Child {
    Command::new(std::env::current_exe().expect("it is running"))
        .args(["--exact", "child", "--nocapture"])
        .env(AS_CHILD, format!("{name} {}", dir.display()))
        .stdout(Stdio::null())
        .spawn()
        .expect("it is running")
}

#[test]
fn no_lock_of_twenty_runs_at_once_is_lost() {
    let parent = Directory::new();
    let dir = parent.path("twenty");
    let names: Vec<_> = (0..20).map(|n| format!("user{n}")).collect();
    let runs: Vec<_> = names.iter().map(|name| start(&dir, name)).collect();
    for mut run in runs {
        assert!(run.wait().expect("it is ours").success());
    }
    let (state, damaged) = State::load(&dir, false, NOW).expect("it is ours");
    assert_eq!((state.accounts().count(), state.recent_locks(NOW), damaged), (20, 20, None));
}

#[test]
fn killed_at_any_moment_the_state_is_intact_and_the_run_lock_is_free() {
    let parent = Directory::new();
    let dir = parent.path("killed");
    let mut written = 0;
    for round in 0..40 {
        let mut child = start(&dir, "forever");
        std::thread::sleep(Duration::from_millis(10 + 3 * (round % 20)));
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        let _lock = RunLock::acquire(&dir, false, Duration::ZERO).expect("the kernel dropped it");
        let (state, damaged) = State::load(&dir, false, NOW).expect("it is ours");
        assert_eq!(damaged, None, "round {round}");
        written = written.max(state.recent_locks(NOW));
    }
    assert!(written > 0, "no child came so far as to write: nothing was tried");
    run(&dir, "after");
}
