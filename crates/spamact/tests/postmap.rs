//! Logins are refused by a table that the real `postmap` compiles. It needs Postfix.

use std::fs;
use std::path::Path;

use spamact::AccountName;
use spamact::method::{AccountStatus, LockMethod, Postfix, SaslAccess, Table};
use testkit::{Directory, cannot_run};

#[test]
fn the_real_postmap_compiles_and_finds_what_was_locked() {
    if !Path::new("/usr/sbin/postmap").exists() {
        return cannot_run("postmap is not installed");
    }
    let name = |text: &str| AccountName::check(text.as_bytes()).expect("a name");
    for kind in ["", "hash:", "btree:"] {
        let dir = Directory::new();
        let file = dir.path("sasl_access");
        let table = format!("{kind}{}", file.display());
        let table = Table::parse(&table).expect("a table");
        let mut method = SaslAccess::new(table, false, Postfix::default());
        method.prepare().expect("postconf knows the type");
        assert_eq!(method.status(&name("alice")).expect("no table"), AccountStatus::Open);
        method.lock(&name("Alice@Example.org")).expect("it locks");
        for spelling in ["Alice@Example.org", "alice@example.org"] {
            assert_eq!(method.status(&name(spelling)).expect("it stands"), AccountStatus::Locked);
        }
        assert_eq!(method.status(&name("alice")).expect("it stands"), AccountStatus::Open);
        let others =
            b"bob OK\n# a comment\n\"carol\" OK\ndave 550 no\nerin\n more\nfrank OK\n\tmore";
        fs::write(&file, others).expect("a file");
        method.lock(&name("alice")).expect("it locks");
        assert_eq!(method.status(&name("dave")).expect("it stands"), AccountStatus::Locked);
        method.lock(&name("carol")).expect_err("another entry");
        method.lock(&name("BOB")).expect_err("another entry");
        method.unlock(&name("alice")).expect("it unlocks");
        assert_eq!(fs::read(&file).expect("the table"), [&others[..], b"\n"].concat());
        fs::write(&file, "alice REJECT account disabled: sending spam\n more\n").expect("a file");
        method.lock(&name("bob")).expect("it locks");
        method.unlock(&name("alice")).expect_err("it is not ours");
    }
}
