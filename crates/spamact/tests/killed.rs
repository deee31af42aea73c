//! A lock that is killed, or fails, at any system call leaves its file whole: as it was, or as it shall
//! be. Both editors of a shadow file of NIS are tried, and the table of Postfix, under `strace`, which
//! kills them or makes a call fail. Where there is no `strace`, or it may not trace, the test says so,
//! and that is all.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use spamact::AccountName;
use spamact::lock::{Master, Nis, Postfix, SaslAccess, Way};

/// The folder, where a test runs itself once more under `strace`.
const INSIDE: &str = "SPAMACT_KILLED_INSIDE";

const SHADOW: &str = "bob:$y$y:1::\nalice:$y$x:1::\ncarol:$z";
const TABLE: &str = "bob OK";

fn nis(folder: &Path) -> Way {
    let mut nis = Nis::new(Master::parse("localhost", &[]).expect("a master"));
    nis.files = folder.join("files");
    nis.passwd = folder.join("files/passwd");
    nis.login_defs = folder.join("login.defs");
    nis.lock_file = folder.join("lock");
    nis.make = "/bin/true".into();
    nis.maps = folder.into();
    Way::Nis(nis)
}

fn table(folder: &Path) -> Way {
    let postfix = Postfix { postmap: folder.join("postmap"), ..Postfix::default() };
    let table = format!("hash:{}", folder.join("table").display());
    Way::SaslAccess(SaslAccess::new(&table, false, postfix).expect("a table"))
}

fn alice() -> AccountName {
    AccountName::check(b"alice").expect("a name")
}

/// What is tried: how it is run in a folder, the file that it writes, and that file's two texts.
struct Try {
    command: fn(&Path) -> Vec<String>,
    file: &'static str,
    before: &'static str,
    after: String,
}

fn again(test: &str) -> Vec<String> {
    let own = std::env::current_exe().expect("this test").display().to_string();
    vec![own, "--exact".into(), "--nocapture".into(), test.into()]
}

fn program(folder: &Path) -> Vec<String> {
    let at = |name: &str| folder.join(name).display().to_string();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lock/nis/program.pl");
    let (files, lock) = (at("files"), at("lock"));
    let passwd = at("files/passwd");
    [
        "/usr/bin/perl",
        script,
        "lock",
        "alice",
        &files,
        &passwd,
        "none",
        &lock,
        "/bin/true",
        "/",
        "9",
    ]
    .map(str::to_owned)
    .into()
}

fn fresh(folder: &Path) {
    let _ = fs::create_dir(folder.join("files"));
    fs::write(folder.join("files/passwd"), "alice:x:1000:1::/:\n").expect("a file");
    for (name, text) in [("files/shadow", SHADOW), ("table", TABLE)] {
        fs::write(folder.join(name), text).expect("a file");
        let mode = fs::Permissions::from_mode(0o640);
        fs::set_permissions(folder.join(name), mode).expect("its mode");
    }
    let _ = fs::remove_file(folder.join("table.db"));
}

fn traced(folder: &Path, command: &[String], injected: &str) -> Output {
    Command::new("strace")
        .args(["-f", "-o", "/dev/null", "-e"])
        .arg(format!("inject={injected}"))
        .args(command)
        .env(INSIDE, folder)
        .stdin(Stdio::null())
        .output()
        .expect("strace runs")
}

fn can_trace() -> bool {
    let tried = Command::new("strace").args(["-o", "/dev/null", "/bin/true"]).output();
    let can = tried.is_ok_and(|out| out.status.success());
    if !can {
        eprintln!("skipped: no strace that may trace");
    }
    can
}

/// The calls by which a file can come to harm.
const CALLS: [&str; 6] = ["openat", "write", "fsync", "fchmod", "rename", "unlink"];

fn whole_at_every_call(this: &Try) {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let postmap = "#!/bin/sh\n[ \"$1\" = -q ] || exec cp \"${1#*:}\" \"${1#*:}.db\"\n\
                   grep -qs \"^$2 REJECT\" \"${3#*:}.db\" || exit 1\necho REJECT\n";
    let made = Command::new("/bin/sh")
        .args(["-c", "printf %s \"$1\" >\"$2\" && chmod 755 \"$2\"", "sh", postmap])
        .arg(folder.join("postmap"))
        .status();
    assert!(made.expect("sh runs").success());
    let file: PathBuf = folder.join(this.file);
    let command = (this.command)(folder);
    let mut seen = [0, 0];
    for call in CALLS {
        for how in ["signal=KILL", "error=ENOSPC"] {
            let mut undisturbed = 0;
            for when in 1..120 {
                fresh(folder);
                let out = traced(folder, &command, &format!("{call}:{how}:when={when}"));
                let text = fs::read_to_string(&file).expect("the file");
                let whole = [this.before, &this.after].iter().position(|whole| *whole == text);
                let Some(whole) = whole else { panic!("{call} {how} {when}: {text:?}") };
                seen[whole] += 1;
                let mode = fs::metadata(&file).expect("the file").mode() & 0o7777;
                assert_eq!(mode, 0o640, "{call} {how} {when}");
                // What is left beside does not stop the next run.
                let next = Command::new(&command[0])
                    .args(&command[1..])
                    .env(INSIDE, folder)
                    .output()
                    .expect("it runs");
                assert!(next.status.success(), "{call} {how} {when}: {next:?}");
                assert_eq!(fs::read_to_string(&file).expect("the file"), this.after);
                let beside = file.with_file_name(format!(
                    ".{}.spam-check",
                    file.file_name().expect("a name").display()
                ));
                assert!(!beside.exists(), "{call} {how} {when}");
                // Not reached any more, or it makes no difference.
                undisturbed = if out.status.success() { undisturbed + 1 } else { 0 };
                if undisturbed == 12 {
                    break;
                }
            }
        }
    }
    assert!(seen.iter().all(|&times| times > 5), "{seen:?}");
}

#[test]
fn the_direct_edit() {
    if let Some(folder) = std::env::var_os(INSIDE) {
        return nis(Path::new(&folder)).lock(&alice()).expect("it locks");
    }
    if can_trace() {
        whole_at_every_call(&Try {
            command: |_| again("the_direct_edit"),
            file: "files/shadow",
            before: SHADOW,
            after: SHADOW.replace("alice:", "alice:*"),
        });
    }
}

#[test]
fn the_program_for_another_master() {
    if can_trace() {
        whole_at_every_call(&Try {
            command: program,
            file: "files/shadow",
            before: SHADOW,
            after: SHADOW.replace("alice:", "alice:*"),
        });
    }
}

#[test]
fn the_table_of_postfix() {
    if let Some(folder) = std::env::var_os(INSIDE) {
        return table(Path::new(&folder)).lock(&alice()).expect("it locks");
    }
    if can_trace() {
        whole_at_every_call(&Try {
            command: |_| again("the_table_of_postfix"),
            file: "table",
            before: TABLE,
            after: format!("{TABLE}\nalice REJECT account disabled: sending spam\n"),
        });
    }
}
