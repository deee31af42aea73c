//! Every test of editing runs twice: directly, and by the program that is sent to another master.

use super::super::testing::{Fakes, name, reason};
use super::ssh::{Answer, PROGRAM, arguments, made, status};
use super::*;
use crate::system::process::{Outcome, run};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const PASSWD: &str = "alice:x:1000:1::/:\nbob:x:1001:1::/:\na.c:x:1002:1::/:\nabc:x:1003:1::/:\n\
                      www-data:x:33:33::/:\nodd:x:y:1::/:\nempty:x:1004:1::/:\noff:x:1005:1::/:\n\
                      twice:x:1006:1::/:\n_x-:x:1007:1::/:\nlong:x:70000:1::/:";
const SHADOW: &str = "alice:$y$x:1:0:::::\nbob:*$y$z:1::\na.c:$1:\nabc:$2:\nwww-data:$3:\nodd:$4:\n\
                      empty::1:\noff:!$5\ntwice:$6:\ntwice:*$7:\n_x-:$8:\nlong:$9:\nghost:$g:1::";

fn nis(fakes: &Fakes) -> Nis {
    fs::create_dir(fakes.path("files")).expect("a directory");
    fs::create_dir(fakes.path("maps")).expect("a directory");
    fakes.write("files/passwd", PASSWD);
    fakes.write("files/shadow", SHADOW);
    Nis {
        files: fakes.path("files"),
        passwd: fakes.write("passwd", "root:x:0:0::/:\nabc:x:3:3::/:\n"),
        login_defs: fakes.write("login.defs", "UID_MIN 1000\n"),
        lock_file: fakes.path("lock"),
        make: fakes.program("make", "cp $here/files/shadow $2/map"),
        maps: fakes.path("maps"),
        make_limit: Duration::from_secs(30),
        ..Nis::new(Master::parse("localhost").expect("a master"), &[])
    }
}

/// Edits a shadow file: directly, or by the program.
type Act = fn(&Nis, Action, &AccountName) -> Result<AccountStatus, Error>;

const EDITORS: [(&str, Act); 2] = [("direct", here::act), ("program", program)];

fn perl(nis: &Nis, action: &str, name: &str) -> Answer {
    let args = arguments(nis, action, name);
    let out = run(Path::new("/usr/bin/perl"), &args, None, Duration::from_secs(60));
    let Outcome { status, stdout, stderr } = out.expect("perl runs");
    Answer { status, stdout, stderr }
}

fn program(nis: &Nis, action: Action, name: &AccountName) -> Result<AccountStatus, Error> {
    status(nis, name, &perl(nis, action.word(), name.as_ref()))
}

fn locked(text: &str) -> String {
    SHADOW.replace(&format!("{text}:"), &format!("{text}:*"))
}

#[test]
fn a_lock_is_one_mark_and_the_maps_are_made() {
    for (editor, act) in EDITORS {
        let fakes = Fakes::new();
        let nis = nis(&fakes);
        for who in ["alice", "a.c", "_x-"] {
            let account = name(who);
            assert_eq!(act(&nis, Action::Status, &account).expect(editor), AccountStatus::Open);
            for _ in 0..2 {
                assert_eq!(act(&nis, Action::Lock, &account).expect(editor), AccountStatus::Locked);
                assert_eq!(fakes.read("files/shadow"), locked(who), "{editor}");
                assert_eq!(fakes.read("maps/map"), locked(who), "{editor}");
            }
            assert_eq!(act(&nis, Action::Status, &account).expect(editor), AccountStatus::Locked);
            for _ in 0..2 {
                assert_eq!(act(&nis, Action::Unlock, &account).expect(editor), AccountStatus::Open);
                assert_eq!(fakes.read("maps/map"), SHADOW, "{editor}");
            }
        }
        let maps = fakes.path("maps").display().to_string();
        assert!(fakes.calls().iter().all(|call| call == "[make][-C][maps]"), "{maps}");
        assert_eq!(fakes.calls().len(), 12, "{editor}");
    }
}

#[test]
fn who_is_locked_already_is_left_as_it_is() {
    for (editor, act) in EDITORS {
        let fakes = Fakes::new();
        let nis = nis(&fakes);
        for who in ["bob", "off"] {
            assert_eq!(act(&nis, Action::Status, &name(who)).expect(editor), AccountStatus::Locked);
            assert_eq!(act(&nis, Action::Lock, &name(who)).expect(editor), AccountStatus::Locked);
        }
        assert_eq!(fakes.read("files/shadow"), SHADOW, "{editor}");
        // A lock of others is not undone, nor one of ours that would leave no password.
        assert_eq!(act(&nis, Action::Unlock, &name("off")).expect(editor), AccountStatus::Locked);
        assert_eq!(act(&nis, Action::Lock, &name("empty")).expect(editor), AccountStatus::Locked);
        assert_eq!(act(&nis, Action::Unlock, &name("empty")).expect(editor), AccountStatus::Locked);
        assert_eq!(fakes.read("files/shadow"), locked("empty"), "{editor}");
        // Both entries of a name are locked.
        assert_eq!(act(&nis, Action::Status, &name("twice")).expect(editor), AccountStatus::Open);
        assert_eq!(act(&nis, Action::Lock, &name("twice")).expect(editor), AccountStatus::Locked);
        assert!(fakes.read("files/shadow").contains("\ntwice:*$6:\ntwice:*$7:\n"), "{editor}");
    }
}

#[test]
fn who_must_not_be_locked_is_refused_before_anything_is_run() {
    for (editor, act) in EDITORS {
        let fakes = Fakes::new();
        let nis = nis(&fakes);
        for (who, want) in [
            ("www-data", Refusal::System),
            ("odd", Refusal::System),
            ("long", Refusal::System),
            // One of people in NIS, but a system account of the host.
            ("abc", Refusal::System),
            // In the shadow file only.
            ("ghost", Refusal::Unknown),
        ] {
            for action in [Action::Status, Action::Lock] {
                match act(&nis, action, &name(who)) {
                    Err(Error::Unfit { refusal, .. }) => {
                        assert_eq!(refusal, want, "{who} {editor}");
                    }
                    other => panic!("{who} {editor}: {other:?}"),
                }
            }
        }
        for who in ["nobody-here", "ali", "alice2"] {
            for action in [Action::Status, Action::Lock, Action::Unlock] {
                assert_eq!(act(&nis, action, &name(who)).expect(editor), AccountStatus::Missing);
            }
        }
        fs::remove_file(fakes.path("files/passwd")).expect("it goes");
        let error = act(&nis, Action::Lock, &name("alice")).expect_err("it cannot be checked");
        assert_eq!(reason(&error), "its uid is not known", "{editor}");
        assert!(fakes.calls().is_empty(), "{editor}");
        assert_eq!(fakes.read("files/shadow"), SHADOW, "{editor}");
        // To undo is always possible.
        fakes.write("files/shadow", locked("alice"));
        assert_eq!(act(&nis, Action::Unlock, &name("alice")).expect(editor), AccountStatus::Open);
    }
}

#[test]
fn the_range_of_uids_is_that_of_the_master() {
    for (editor, act) in EDITORS {
        let fakes = Fakes::new();
        let nis = nis(&fakes);
        for (text, fit) in [
            ("UID_MIN 1001\n", false),
            (" UID_MIN\t0x3e8\n#UID_MIN 5000\n", true),
            ("UID_MIN 01751\n", false),
            ("UID_MIN 0789\nUID_MAX 999x\nUID_MAX -1\n", true),
            ("UID_MAX 999\r\n", false),
            ("UID_MAX \"999\"\nUID_MAX 1000", true),
            ("", true),
        ] {
            fakes.write("login.defs", text);
            assert_eq!(act(&nis, Action::Status, &name("alice")).is_ok(), fit, "{editor}: {text}");
        }
        fs::remove_file(fakes.path("login.defs")).expect("it goes");
        assert!(act(&nis, Action::Status, &name("alice")).is_ok(), "{editor}");
        assert!(act(&nis, Action::Status, &name("long")).is_err(), "{editor}");
    }
}

#[test]
fn when_make_fails_the_edit_stays_and_make_can_be_done_again() {
    for (editor, act) in EDITORS {
        let fakes = Fakes::new();
        let mut nis = nis(&fakes);
        nis.make_limit = Duration::from_secs(1);
        for script in ["echo 'make: *** no rule' >&2; exit 2", "kill -9 $$", "sleep 60"] {
            fakes.write("files/shadow", SHADOW);
            fakes.program("make", script);
            match act(&nis, Action::Lock, &name("alice")) {
                Err(Error::Maps { how }) => {
                    assert!(!script.contains("rule") || how.contains("no rule"), "{how}");
                }
                other => panic!("{editor}: {other:?}"),
            }
            assert_eq!(fakes.read("files/shadow"), locked("alice"), "{editor}");
        }
        assert!(!fakes.path("maps/map").exists());
        let again = || match editor {
            "direct" => nis.make_again(),
            _ => made(&nis, &perl(&nis, "make", "-")),
        };
        assert_eq!(reason(&again().expect_err("make still fails")), "make failed");
        fakes.program("make", "cp $here/files/shadow $2/map");
        again().expect("it is made");
        assert_eq!(fakes.read("maps/map"), locked("alice"), "{editor}");
        fs::remove_file(fakes.path("make")).expect("it goes");
        let error = act(&nis, Action::Lock, &name("bob")).expect_err("no make");
        assert_eq!(reason(&error), "make failed", "{editor}");
    }
}

/// The real `make` compares stamps; the last thing that it does is to write the map.
#[test]
fn a_lock_right_after_another_is_in_the_maps() {
    for (editor, act) in EDITORS {
        let fakes = Fakes::new();
        let nis = Nis { make: "/usr/bin/make".into(), ..nis(&fakes) };
        fakes.write("maps/Makefile", "map: ../files/shadow\n\t@cp ../files/shadow map\n");
        for _ in 0..8 {
            for action in [Action::Lock, Action::Unlock] {
                act(&nis, action, &name("alice")).expect(editor);
                assert_eq!(fakes.read("maps/map"), fakes.read("files/shadow"), "{editor}");
            }
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_or_written_stays_as_it_is() {
    for (editor, act) in EDITORS {
        let fakes = Fakes::new();
        let nis = nis(&fakes);
        fs::create_dir(fakes.path("files/.shadow.spam-check")).expect("a directory in the way");
        act(&nis, Action::Lock, &name("alice")).expect_err(editor);
        assert_eq!(fakes.read("files/shadow"), SHADOW, "{editor}");
        assert!(fakes.calls().is_empty(), "{editor}");
        fs::remove_dir(fakes.path("files/.shadow.spam-check")).expect("it goes");
        fakes.write("files/.shadow.spam-check", "what a killed run left");
        act(&nis, Action::Lock, &name("alice")).expect(editor);
        assert!(!fakes.path("files/.shadow.spam-check").exists(), "{editor}");
        fs::remove_file(fakes.path("files/shadow")).expect("it goes");
        for action in [Action::Status, Action::Lock, Action::Unlock] {
            let error = act(&nis, action, &name("alice")).expect_err(editor);
            let known = ["shadow cannot be read", "perl failed"];
            assert!(known.iter().any(|end| reason(&error).ends_with(end)), "{error}");
        }
        fs::create_dir(fakes.path("files/shadow")).expect("a directory");
        act(&nis, Action::Lock, &name("alice")).expect_err(editor);
    }
}

#[test]
fn owner_mode_and_link_are_kept() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
    for (editor, act) in EDITORS {
        let fakes = Fakes::new();
        let nis = nis(&fakes);
        let real = fakes.path("real");
        fs::rename(fakes.path("files/shadow"), &real).expect("it moves");
        symlink(&real, fakes.path("files/shadow")).expect("a link");
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("its mode");
        let root = rustix::process::geteuid().is_root();
        if root {
            chown(&real, Some(12), Some(34)).expect("its owner");
        }
        act(&nis, Action::Lock, &name("alice")).expect(editor);
        let metadata = fs::symlink_metadata(&real).expect("the file");
        assert!(metadata.is_file());
        assert_eq!(metadata.mode() & 0o7777, 0o640, "{editor}");
        if root {
            assert_eq!((metadata.uid(), metadata.gid()), (12, 34), "{editor}");
        }
        assert_eq!(fs::read_link(fakes.path("files/shadow")).expect("still a link"), real);
        assert_eq!(fakes.read("real"), locked("alice"), "{editor}");
    }
}

/// Another process that holds the lock of the password files for some seconds, as glibc does.
fn holder(nis: &Nis, fakes: &Fakes, seconds: u32) -> Child {
    let script = "use Fcntl; sysopen my $f, $ARGV[0], O_WRONLY | O_CREAT, 0600 or die; \
                  my $l = pack 's s x60', F_WRLCK, 0; fcntl $f, F_SETLKW, $l or die; \
                  open my $h, '>', $ARGV[1]; sleep $ARGV[2]";
    let held = fakes.path("held");
    let mut child = Command::new("/usr/bin/perl")
        .args(["-e", script])
        .args([&nis.lock_file, &held])
        .arg(seconds.to_string())
        .spawn()
        .expect("perl runs");
    while !held.exists() {
        assert!(child.try_wait().expect("it runs").is_none(), "it holds nothing");
        std::thread::sleep(Duration::from_millis(10));
    }
    fs::remove_file(held).expect("it goes");
    child
}

#[test]
fn the_lock_of_the_password_files_is_waited_for() {
    for (editor, act) in EDITORS {
        let fakes = Fakes::new();
        let nis = nis(&fakes);
        let mut child = holder(&nis, &fakes, 2);
        let begun = std::time::Instant::now();
        act(&nis, Action::Lock, &name("alice")).expect(editor);
        assert!(begun.elapsed() >= Duration::from_secs(1), "{editor} did not wait");
        child.wait().expect("it ends");
    }
    // The two exclude each other, and give up in the end.
    let waits = EDITORS.map(|(editor, act)| {
        std::thread::spawn(move || {
            let fakes = Fakes::new();
            let nis = nis(&fakes);
            let mut child = holder(&nis, &fakes, 60);
            let error = act(&nis, Action::Lock, &name("alice")).expect_err(editor);
            assert!(matches!(error, Error::Busy { .. }), "{editor}: {error}");
            assert_eq!(fakes.read("files/shadow"), SHADOW, "{editor}");
            child.kill().expect("it is ours");
            child.wait().expect("it ends");
        })
    });
    for wait in waits {
        wait.join().expect("it held");
    }
}

#[test]
fn many_at_once_lose_nothing() {
    let fakes = Fakes::new();
    let nis = nis(&fakes);
    let many: Vec<String> = (0..24).map(|n| format!("user{n}")).collect();
    let text =
        |mark: &str| many.iter().map(|who| format!("{who}:{mark}$y$x:1::\n")).collect::<String>();
    let people = many.iter().map(|who| format!("{who}:x:2000:1::/:\n")).collect::<String>();
    fakes.write("files/passwd", people);
    fakes.write("files/shadow", text(""));
    let programs: Vec<Child> = many[..12]
        .iter()
        .map(|who| {
            Command::new("/usr/bin/perl")
                .args(arguments(&nis, "lock", who))
                .stdout(Stdio::null())
                .spawn()
                .expect("perl runs")
        })
        .collect();
    for who in &many[12..] {
        here::act(&nis, Action::Lock, &name(who)).expect("it locks");
    }
    for mut program in programs {
        assert!(program.wait().expect("it ends").success());
    }
    assert_eq!(fakes.read("files/shadow"), text("*"));
}

#[test]
fn the_program_refuses_every_name_that_is_none() {
    let fakes = Fakes::new();
    let nis = nis(&fakes);
    let mut hostile: Vec<String> =
        ["", "-n", "alice bob", "alice\n", "a$(id)", "../x", ".*", "Alice", "alice:"]
            .map(str::to_owned)
            .into();
    hostile.push("a".repeat(33));
    for byte in (1..0x80_u8).filter(|b| !b"abcdefghijklmnopqrstuvwxyz0123456789_.-".contains(b)) {
        hostile.push(format!("alice{}", char::from(byte)));
    }
    // One call asks for them all: perl is slow to start.
    let answer = perl(&nis, "lock", &hostile[0]);
    assert!(!answer.status.success() && answer.stdout.is_empty());
    for who in &hostile[1..] {
        let answer = perl(&nis, "lock", who);
        assert_eq!(first(&answer.stderr), "not a name", "{who:?}");
        assert!(!answer.status.success() && answer.stdout.is_empty(), "{who:?}");
        if let Ok(checked) = AccountName::check(who.as_bytes()) {
            let error = nis.lock(&checked).expect_err("it is none of NIS");
            assert_eq!(reason(&error), "not a name of an account", "{who:?}");
        }
    }
    assert_eq!(fakes.read("files/shadow"), SHADOW);
    assert!(fakes.calls().is_empty());
}

fn first(text: &[u8]) -> String {
    crate::system::process::first_line(text)
}

#[test]
fn an_answer_that_is_not_understood_is_a_failure() {
    let fakes = Fakes::new();
    let nis = nis(&fakes);
    let alice = name("alice");
    let exit = |code: &str| {
        Command::new("/bin/sh").args(["-c", &format!("exit {code}")]).status().expect("sh runs")
    };
    for (stdout, code) in [
        ("", "0"),
        ("locked", "1"),
        ("locked\nlocked\n", "0"),
        ("Welcome!\nlocked\n", "0"),
        ("Locked\n", "0"),
        ("locked \n", "0"),
        ("made\n", "0"),
        ("\u{1b}[2J\n", "0"),
    ] {
        let answer = Answer { status: exit(code), stdout: stdout.into(), stderr: b"why\nx".into() };
        let error = status(&nis, &alice, &answer).expect_err("it is not understood");
        assert_eq!(reason(&error), "perl failed", "{stdout:?}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
    let answer = Answer { status: exit("0"), stdout: b"made\n".into(), stderr: Vec::new() };
    made(&nis, &answer).expect("it is understood");
}

#[test]
fn the_program_is_one_line_that_perl_takes() {
    assert!(!PROGRAM.contains('\n') && !PROGRAM.contains("# ") && PROGRAM.len() < 8000);
    let args = ["-wc", "-e", &PROGRAM];
    let out = run(Path::new("/usr/bin/perl"), &args, None, Duration::from_secs(30));
    assert_eq!(first(&out.expect("perl runs").stderr), "-e syntax OK");
}

#[test]
fn a_master_is_a_host_that_no_option_is_taken_for() {
    let host = ["mail".to_owned(), "mail.example.org.".into(), "192.0.2.1".into()];
    for (text, user, name, port, here) in [
        ("localhost", "root", "localhost", None, true),
        ("root@LocalHost", "root", "LocalHost", None, true),
        ("127.0.0.1", "root", "127.0.0.1", None, true),
        ("MAIL.example.org", "root", "MAIL.example.org", None, true),
        ("192.0.2.1", "root", "192.0.2.1", None, true),
        ("localhost:2222", "root", "localhost", Some(2222), false),
        ("admin@nis.example.org", "admin", "nis.example.org", None, false),
        ("2001:db8::1", "root", "2001:db8::1", None, false),
        ("0::1", "root", "0::1", None, true),
        ("192.0.2.11", "root", "192.0.2.11", None, false),
    ] {
        let master = Master::parse(text).expect(text);
        let got = (&*master.user, &*master.host, master.port, master.is_here(&host));
        assert_eq!(got, (user, name, port, here), "{text}");
    }
    for wrong in [
        "",
        "-x",
        "a@-oProxyCommand=x",
        "a b",
        "a;b",
        "$(id)",
        "a@b@c",
        "@a",
        "a@",
        "a\n",
        "h:0",
        "h:99999",
        "h:",
        "h:x",
        "::1",
        "a/b",
        "ssh://a",
    ] {
        Master::parse(wrong).expect_err(wrong);
    }
}

#[test]
fn the_commands_by_hand_undo_it() {
    let fakes = Fakes::new();
    let nis = nis(&fakes);
    nis.lock(&name("a.c")).expect("it locks");
    let manual = nis.manual(&name("a.c"));
    assert_eq!(manual[1], format!("make -C {}", fakes.path("maps").display()));
    assert!(Command::new("/bin/sh").args(["-c", &manual[0]]).status().expect("sh runs").success());
    assert_eq!(fakes.read("files/shadow"), SHADOW);
    let far = Nis::new(Master::parse("nis:2222").expect("a master"), &[]);
    assert_eq!(
        far.manual(&name("bob")),
        [
            r#"ssh -p 2222 root@nis "sed -i --follow-symlinks 's/^bob:\*\([^:]\)/bob:\1/' /var/yp/ypfiles/shadow && make -C /var/yp""#
        ]
    );
}
