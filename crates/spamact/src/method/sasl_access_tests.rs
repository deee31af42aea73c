use super::super::testing::{Fakes, name, reason};
use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use testkit::mta::POSTMAP;

fn postfix(fakes: &Fakes, postmap: &str) -> Postfix {
    Postfix {
        postmap: fakes.program("postmap", postmap),
        postconf: fakes.program("postconf", "echo btree"),
        limit: Duration::from_secs(30),
    }
}

fn parsed(table: &str) -> Table {
    Table::parse(table).expect("a table")
}

fn access(fakes: &Fakes, postmap: &str) -> SaslAccess {
    let table = format!("hash:{}", fakes.path("table").display());
    SaslAccess::new(parsed(&table), false, postfix(fakes, postmap))
}

#[test]
fn a_lock_is_one_line_added_once() {
    let fakes = Fakes::new();
    let access = access(&fakes, POSTMAP);
    let alice = name("alice@example.org");
    assert_eq!(access.status(&alice).expect("no table"), AccountStatus::Open);
    access.lock(&alice).expect("it locks");
    access.lock(&alice).expect("it is locked already");
    let line = "alice@example.org REJECT account disabled: sending spam\n";
    assert_eq!(fakes.read("table"), line);
    let mode = std::fs::metadata(fakes.path("table")).expect("the table").mode();
    assert_eq!(mode & 0o7777, 0o644);
    assert_eq!(access.status(&alice).expect("it stands"), AccountStatus::Locked);
    assert_eq!(access.status(&name("lice@example.org")).expect("it stands"), AccountStatus::Open);
    access.unlock(&alice).expect("it unlocks");
    access.unlock(&alice).expect("it is open already");
    assert_eq!(fakes.read("table"), "");
    let table = format!("hash:{}", fakes.path("table").display());
    let calls = fakes.calls();
    let query = "[postmap][-q][alice@example.org][hash:table]";
    assert_eq!(calls[..4], [query, query, "[postmap][hash:table]", query], "{table}");
}

#[test]
fn lines_of_others_stay_byte_for_byte() {
    let fakes = Fakes::new();
    let access = access(&fakes, POSTMAP);
    let others =
        &b"# alice REJECT account disabled: sending spam\nbob OK\xff\n\n  \n\"carol\"\tOK\r\n\
                   dave REJECT account disabled: sending spam\n# between\n more\nlast OK"[..];
    let file = fakes.write("table", others);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("its mode");
    access.lock(&name("alice")).expect("it locks");
    let text = std::fs::read(&file).expect("the table");
    assert_eq!(text, [others, b"\nalice REJECT account disabled: sending spam\n"].concat());
    access.unlock(&name("alice")).expect("it unlocks");
    assert_eq!(std::fs::read(&file).expect("the table"), [others, b"\n"].concat());
    // An entry of somebody else is neither overruled nor taken away.
    for other in ["bob", "Carol", "CAROL"] {
        let error = access.lock(&name(other)).expect_err("another entry");
        assert!(matches!(error, Error::Entry { .. }), "{error}");
    }
    // This one looks like ours, but goes on in another line.
    let error = access.unlock(&name("dave")).expect_err("it is not ours");
    assert_eq!(reason(&error), "it is still locked");
    assert_eq!(std::fs::read(&file).expect("the table"), [others, b"\n"].concat());
    assert_eq!(std::fs::metadata(&file).expect("the table").mode() & 0o7777, 0o640);
}

#[test]
fn case_is_folded_as_postfix_folds_it() {
    let fakes = Fakes::new();
    let access = access(&fakes, POSTMAP);
    access.lock(&name("Alice")).expect("it locks");
    for spelling in ["Alice", "alice", "ALICE"] {
        assert_eq!(access.status(&name(spelling)).expect("it stands"), AccountStatus::Locked);
        access.lock(&name(spelling)).expect("it is locked already");
    }
    assert_eq!(fakes.read("table"), "Alice REJECT account disabled: sending spam\n");
    access.unlock(&name("alice")).expect("it unlocks");
    assert_eq!(fakes.read("table"), "");
}

#[test]
fn an_entry_of_a_run_that_was_killed_is_compiled() {
    let fakes = Fakes::new();
    let access = access(&fakes, POSTMAP);
    fakes.write("table", "alice REJECT account disabled: sending spam\n");
    assert_eq!(access.status(&name("alice")).expect("it stands"), AccountStatus::Open);
    access.lock(&name("alice")).expect("it locks");
    assert_eq!(fakes.read("table"), fakes.read("table.db"));
}

#[test]
fn a_table_of_which_postmap_wrote_a_part_is_compiled_anew() {
    let broken = format!(
        "if [ \"$1\" = -q ] && [ -e $here/table.db ] && [ ! -s $here/table.db ]; then\n\
         echo 'postmap: fatal: open database table.db: Invalid argument' >&2; exit 1; fi\n{POSTMAP}"
    );
    let fakes = Fakes::new();
    let access = access(&fakes, &broken);
    let text = "alice REJECT account disabled: sending spam\nbob OK\n";
    fakes.write("table", text);
    fakes.write("table.db", "");
    assert_eq!(access.status(&name("alice")).expect("it stands"), AccountStatus::Locked);
    fakes.write("table.db", "");
    access.lock(&name("carol")).expect("it locks");
    fakes.write("table.db", "");
    access.unlock(&name("carol")).expect("it unlocks");
    assert_eq!((fakes.read("table"), fakes.read("table.db")), (text.into(), text.into()));
    // What cannot be repaired is reported as it is.
    std::fs::remove_file(fakes.path("table")).expect("it is ours");
    fakes.write("table.db", "");
    assert_eq!(reason(&access.status(&name("bob")).expect_err("broken")), "postmap failed");
}

#[test]
fn a_login_that_is_refused_by_others_is_locked() {
    let fakes = Fakes::new();
    let access = access(&fakes, POSTMAP);
    for (action, want) in [
        ("REJECT", AccountStatus::Locked),
        ("reject go away", AccountStatus::Locked),
        ("550 5.7.1 no", AccountStatus::Locked),
        ("450 later", AccountStatus::Locked),
        ("DEFER", AccountStatus::Locked),
        ("OK", AccountStatus::Open),
        ("5500", AccountStatus::Open),
        ("DUNNO", AccountStatus::Open),
        ("HOLD", AccountStatus::Open),
    ] {
        fakes.write("table.db", format!("alice {action}\n"));
        assert_eq!(access.status(&name("alice")).expect("it stands"), want, "{action}");
    }
}

#[test]
fn a_lock_that_is_not_there_afterwards_is_no_lock() {
    for (postmap, want) in [
        (
            "[ \"$1\" = -q ] && exit 1; echo 'postmap: fatal: disk full' >&2; exit 1",
            "postmap failed",
        ),
        ("[ \"$1\" = -q ] && exit 1; exit 0", "it is still open"),
        ("[ \"$1\" = -q ] && echo DUNNO; exit 0", "it is still open"),
        ("echo 'postmap: fatal: unsupported dictionary type: hash' >&2; exit 1", "postmap failed"),
        ("exit 75", "postmap failed"),
        ("kill -9 $$", "postmap failed"),
        ("[ \"$1\" = -q ] && exit 1; chmod 000 $here/table; exit 1", "postmap failed"),
    ] {
        let fakes = Fakes::new();
        let error = access(&fakes, postmap).lock(&name("alice")).expect_err("not locked");
        assert_eq!(reason(&error), want, "{postmap}");
    }
    // A warning is no failure.
    let fakes = Fakes::new();
    let warns = format!("echo 'postmap: warning: unused parameter' >&2\n{POSTMAP}");
    access(&fakes, &warns).lock(&name("alice")).expect("it locks");
    let fakes = Fakes::new();
    let slow = Postfix {
        limit: Duration::from_secs(1),
        ..postfix(&fakes, "[ \"$1\" = -q ] && exit 1; sleep 60")
    };
    let table = fakes.path("table").display().to_string();
    let error = SaslAccess::new(parsed(&table), false, slow).lock(&name("alice"));
    assert_eq!(reason(&error.expect_err("it sleeps")), "postmap took too long");
    let missing = Postfix { postmap: fakes.path("gone"), ..postfix(&fakes, "") };
    let error = SaslAccess::new(parsed(&table), false, missing).lock(&name("alice"));
    assert_eq!(reason(&error.expect_err("no program")), "gone cannot be run");
}

#[test]
fn the_type_is_the_default_one_and_must_be_compiled() {
    let fakes = Fakes::new();
    let postfix = postfix(&fakes, POSTMAP);
    let prepared = |table: &str, postfix: &Postfix| {
        let mut access = SaslAccess::new(parsed(table), false, postfix.clone());
        access.prepare().map(|()| access.kind())
    };
    let kind = |table: &str| prepared(table, &postfix).expect("a type");
    assert_eq!(kind("/x:y/t"), "sasl-access:btree:/x:y/t");
    assert_eq!(kind("lmdb:/t"), "sasl-access:lmdb:/t");
    assert_eq!(fakes.calls(), ["[postconf][-h][default_database_type]"]);
    for wrong in
        ["texthash:/t", "pcre:/t", "hash:t", "t", "", ":/t", "/t/", "hash:/a\nb", "ldap:/x"]
    {
        Table::parse(wrong).expect_err(wrong);
    }
    let garbage =
        Postfix { postconf: fakes.program("postconf2", "echo 'x y'; exit 0"), ..postfix.clone() };
    prepared("/t", &garbage).expect_err("no type");
    let failed = Postfix { postconf: fakes.program("postconf3", "exit 1"), ..postfix.clone() };
    assert_eq!(reason(&prepared("/t", &failed).expect_err("no type")), "postconf3 failed");
}

#[test]
fn root_writes_only_its_own_table() {
    let fakes = Fakes::new();
    let file = fakes.write("table", "");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).expect("its mode");
    let table = format!("hash:{}", file.display());
    let access = SaslAccess::new(parsed(&table), true, postfix(&fakes, POSTMAP));
    let error = access.lock(&name("alice")).expect_err("anybody can write it");
    assert!(matches!(error, Error::System(system::Error::Refused { .. })), "{error}");
    assert_eq!(fakes.read("table"), "");
}

#[test]
fn the_commands_by_hand_undo_it() {
    let fakes = Fakes::new();
    let access = access(&fakes, POSTMAP);
    access.lock(&name("a.c+d@example.org")).expect("it locks");
    access.lock(&name("abc+d@example.org")).expect("it locks");
    let manual = access.manual(&name("a.c+d@example.org"));
    assert_eq!(manual[1], format!("postmap hash:{}", fakes.path("table").display()));
    let done = std::process::Command::new("/bin/sh").args(["-c", &manual[0]]).status();
    assert!(done.expect("sh runs").success());
    assert_eq!(fakes.read("table"), "abc+d@example.org REJECT account disabled: sending spam\n");
}
