//! Local accounts are locked by the real `passwd`, on a copy of `/etc` in a mount namespace of our own.
//! Only root can make one: else the test says so, and that is all.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::fs;
use std::process::Command;

use spamact::account::{NameRule, Rules};
use spamact::act::reason;
use spamact::method::{AccountStatus, Local, LockMethod};

/// Set where the test runs itself once more, inside.
const INSIDE: &str = "SPAMACT_PASSWD_INSIDE";

#[test]
fn the_real_passwd_locks_and_unlocks() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let dir = tempfile::tempdir().expect("a directory");
    let script =
        "cp -a /etc/. \"$1\" 2>/dev/null; mount --bind \"$1\" /etc || exit 99; shift; \"$@\"";
    let out = Command::new("unshare")
        .args(["-m", "/bin/sh", "-c", script, "sh"])
        .arg(dir.path())
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "--nocapture", "the_real_passwd_locks_and_unlocks"])
        .env(INSIDE, "1")
        .output();
    match out {
        Ok(out) if out.status.success() => {
            let before = fs::read_to_string("/etc/passwd").expect("the real one");
            assert!(!before.contains("spamact-test-"), "the real files were touched");
        }
        // The message of `unshare` where it may not, and of `mount`.
        Ok(out) if out.status.code() == Some(99) || out.stdout.is_empty() => {
            eprintln!("skipped: no mount namespace: {}", String::from_utf8_lossy(&out.stderr));
        }
        Ok(out) => panic!(
            "{}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        ),
        Err(error) => eprintln!("skipped: no unshare: {error}"),
    }
}

fn add(file: &str, lines: &str) {
    let mut text = fs::read(file).expect("the copy");
    text.extend_from_slice(lines.as_bytes());
    fs::write(file, text).expect("the copy");
}

/// `/etc` is a copy here.
fn inside() {
    let names = ["spamact-test-a", "Spamact-Test-B", "spamact-test.c@example.org"];
    for (number, name) in names.iter().enumerate() {
        add("/etc/passwd", &format!("{name}:x:{}:1500::/:/bin/sh\n", 4000 + number));
        add("/etc/shadow", &format!("{name}:$y$j9T$abc:20000:0:99999:7:::\n"));
    }
    add("/etc/passwd", "spamact-test-e:x:4100:1500::/:/bin/sh\n");
    add("/etc/shadow", "spamact-test-e::20000:0:99999:7:::\n");
    let passwd = fs::read("/etc/passwd").expect("the copy");
    let shadow = || fs::read_to_string("/etc/shadow").expect("the copy");
    let rules = Rules { passwd, ..Rules::default() };
    let method = Local::default();
    let before = shadow();
    for name in names {
        let account = rules.account(name.as_bytes(), NameRule::LocalEntry).expect("an account");
        assert_eq!(method.status(&account).expect("it stands"), AccountStatus::Open);
        for _ in 0..2 {
            method.lock(&account).expect("it locks");
            assert_eq!(shadow(), before.replace(&format!("{name}:"), &format!("{name}:!")));
        }
        method.unlock(&account).expect("it unlocks");
        assert_eq!(shadow(), before);
        method.lock(&account).expect("it locks");
        let by_hand = &method.manual(&account)[0];
        let done = Command::new("/bin/sh").args(["-c", by_hand]).status().expect("sh runs");
        assert!(done.success() && shadow() == before, "{by_hand}");
    }
    // An account without a password can be locked, and passwd refuses to unlock it.
    let empty = rules.account(b"spamact-test-e", NameRule::LocalEntry).expect("an account");
    method.lock(&empty).expect("it locks");
    assert_eq!(
        reason(&method.unlock(&empty).expect_err("it would be open to all")),
        "passwd failed"
    );
    assert!(shadow().contains("spamact-test-e:!:"));
}
