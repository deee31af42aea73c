//! A lock that is killed, or fails, at any system call leaves its file whole: as it was, or as it shall
//! be. Both editors of a shadow file of NIS are tried, and the table of Postfix, under `strace`, which
//! kills them or makes a call fail: for want of space, and where it writes, syncs or renames also by an error of
//! the disk and because all is read-only. Files that are opened outside of the directory of the test are left alone.
//! It needs `strace`, and to be allowed to trace.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use spamact::AccountName;
use spamact::method::{LockMethod, Master, Nis, Postfix, SaslAccess, Table};
use testkit::mta::POSTMAP;
use testkit::{Directory, cannot_run};

/// The directory, where a test runs itself once more under `strace`.
const INSIDE: &str = "SPAMACT_KILLED_INSIDE";

const SHADOW: &str = "bob:$y$y:1::\nalice:$y$x:1::\ncarol:$z";
const TABLE: &str = "bob OK";

fn nis(dir: &Path) -> Nis {
    let mut nis = Nis::new(Master::parse("localhost").expect("a master"), &[]);
    nis.files = dir.join("files");
    nis.passwd = dir.join("files/passwd");
    nis.login_defs = dir.join("login.defs");
    nis.lock_file = dir.join("lock");
    nis.make = "/bin/true".into();
    nis.maps = dir.into();
    nis
}

fn table(dir: &Path) -> SaslAccess {
    let postfix = Postfix { postmap: dir.join("postmap"), ..Postfix::default() };
    let table = format!("hash:{}", dir.join("table").display());
    SaslAccess::new(Table::parse(&table).expect("a table"), false, postfix)
}

fn alice() -> AccountName {
    AccountName::check(b"alice").expect("a name")
}

/// What is tried: how it is run in a directory, the file that it writes, and that file's two texts.
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

fn program(dir: &Path) -> Vec<String> {
    let at = |name: &str| dir.join(name).display().to_string();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/method/nis/program.pl");
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

fn fresh(dir: &Path) {
    let _ = fs::create_dir(dir.join("files"));
    fs::write(dir.join("files/passwd"), "alice:x:1000:1::/:\n").expect("a file");
    for (name, text) in [("files/shadow", SHADOW), ("table", TABLE)] {
        fs::write(dir.join(name), text).expect("a file");
        let mode = fs::Permissions::from_mode(0o640);
        fs::set_permissions(dir.join(name), mode).expect("its mode");
    }
    let _ = fs::remove_file(dir.join("table.db"));
}

/// Runs a command under `strace` with some more options.
fn traced(dir: &Path, command: &[String], options: &[String]) -> Output {
    Command::new("strace")
        // With --seccomp-bpf it would be faster, and inject no signals.
        .arg("-f")
        .args(options)
        .args(command)
        .env(INSIDE, dir)
        .stdin(Stdio::null())
        .output()
        .expect("strace runs")
}

/// How often each of the calls is met, and the files of the directory that are opened.
struct Reached {
    times: HashMap<&'static str, usize>,
    opened: Vec<String>,
}

fn reached(dir: &Path, command: &[String]) -> Reached {
    let log = dir.join("strace");
    let options = ["-qq", "-s", "1000", "-o", &log.display().to_string()].map(str::to_owned);
    let calls = format!("trace={}", CALLS.join(","));
    let out = traced(dir, command, &[&options[..], &["-e".to_owned(), calls]].concat());
    assert!(out.status.success(), "undisturbed: {out:?}");
    let (mut by_process, mut opened) = (HashMap::new(), Vec::new());
    for line in fs::read_to_string(log).expect("a trace").lines() {
        let (process, text) = line.split_once(' ').expect("a process");
        let name = text.trim_start().split('(').next().unwrap_or_default();
        let Some(call) = CALLS.into_iter().find(|call| *call == name) else { continue };
        if call == "openat" {
            let path = text.split('"').nth(1).expect("a path");
            if !Path::new(path).starts_with(dir) {
                continue;
            }
            opened.push(path.to_owned());
        }
        // strace counts for each process and thread alone.
        *by_process.entry((call, process.to_owned())).or_insert(0) += 1;
    }
    opened.sort();
    opened.dedup();
    let mut times = HashMap::new();
    for ((call, _), here) in by_process {
        let most = times.entry(call).or_default();
        *most = here.max(*most);
    }
    Reached { times, opened }
}

fn can_trace() -> bool {
    let tried = Command::new("strace").args(["-o", "/dev/null", "/bin/true"]).output();
    let can = tried.is_ok_and(|out| out.status.success());
    if !can {
        cannot_run("strace is not installed, or may not trace");
    }
    can
}

/// The calls by which a file can come to harm.
const CALLS: [&str; 6] = ["openat", "write", "fsync", "fchmod", "rename", "unlink"];

/// What is done to a call.
fn faults(call: &str) -> &'static [&'static str] {
    match call {
        "write" | "fsync" | "rename" => {
            &["signal=KILL", "error=ENOSPC", "error=EIO", "error=EROFS"]
        }
        _ => &["signal=KILL", "error=ENOSPC"],
    }
}

fn whole_at_every_call(this: &Try) {
    let dir = Directory::new();
    dir.program("postmap", POSTMAP);
    let dir = dir.dir();
    let file: PathBuf = dir.join(this.file);
    let command = (this.command)(dir);
    fresh(dir);
    let reached = reached(dir, &command);
    for call in ["openat", "write", "fsync", "rename"] {
        assert!(reached.times.contains_key(call), "it reaches {call}");
    }
    let mut seen = [0, 0];
    for call in CALLS {
        let log = dir.join("strace");
        let mut only = vec![format!("-o{}", log.display()), format!("-etrace={call}")];
        if call == "openat" {
            only.extend(reached.opened.iter().map(|path| format!("-P{path}")));
        }
        for how in faults(call) {
            for when in 1..=reached.times.get(call).copied().unwrap_or(0) {
                fresh(dir);
                let inject = format!("-einject={call}:{how}:when={when}");
                traced(dir, &command, &[&only[..], &[inject]].concat());
                let trace = fs::read_to_string(&log).expect("a trace");
                let met =
                    ["(INJECTED)", "+++ killed by SIGKILL"].iter().any(|by| trace.contains(by));
                assert!(met, "{call} {how} {when}: {trace}");
                let text = fs::read_to_string(&file).expect("the file");
                let whole = [this.before, &this.after].iter().position(|whole| *whole == text);
                let Some(whole) = whole else { panic!("{call} {how} {when}: {text:?}") };
                seen[whole] += 1;
                let mode = fs::metadata(&file).expect("the file").mode() & 0o7777;
                assert_eq!(mode, 0o640, "{call} {how} {when}");
                // What is left beside does not stop the next run.
                let next = Command::new(&command[0])
                    .args(&command[1..])
                    .env(INSIDE, dir)
                    .output()
                    .expect("it runs");
                assert!(next.status.success(), "{call} {how} {when}: {next:?}");
                assert_eq!(fs::read_to_string(&file).expect("the file"), this.after);
                let beside = file.with_file_name(format!(
                    ".{}.spam-check",
                    file.file_name().expect("a name").display()
                ));
                assert!(!beside.exists(), "{call} {how} {when}");
            }
        }
    }
    assert!(seen.iter().all(|&times| times > 5), "{seen:?}");
}

#[test]
fn the_direct_edit() {
    if let Some(dir) = std::env::var_os(INSIDE) {
        return nis(Path::new(&dir)).lock(&alice()).expect("it locks");
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
    if let Some(dir) = std::env::var_os(INSIDE) {
        return table(Path::new(&dir)).lock(&alice()).expect("it locks");
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
