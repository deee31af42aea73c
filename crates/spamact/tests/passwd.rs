//! Local accounts are locked by the real `passwd`, in a [`Namespace`] with a copy of `/etc`. It takes root.

use std::fs;
use std::process::Command;

use spamact::account::{NameRule, Rules};
use spamact::act::reason;
use spamact::method::{AccountStatus, Local, LockMethod};
use testkit::Namespace;

#[test]
fn the_real_passwd_locks_and_unlocks() {
    Namespace { setup: "private_etc \"$W\"", ..Namespace::default() }
        .test("the_real_passwd_locks_and_unlocks", |_| locks_and_unlocks());
    if !Namespace::is_inside() {
        let passwd = fs::read_to_string("/etc/passwd").expect("the real one");
        assert!(!passwd.contains("spamact-test-"), "the real files were touched");
    }
}

fn add(file: &str, lines: &str) {
    let mut text = fs::read(file).expect("the copy");
    text.extend_from_slice(lines.as_bytes());
    fs::write(file, text).expect("the copy");
}

/// `/etc` is a copy here.
fn locks_and_unlocks() {
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
