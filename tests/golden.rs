//! The golden cases: input, arguments, time, zone and exact output of whole programs.
//!
//! `golden/PROGRAM/CASE/`: `args` (one per line), `now`, `tz`, `input.log`, `stdout`, and `why`, which says what the case
//! shows. The exit status is 0.

use std::fs;
use std::path::{Path, PathBuf};

use tests::{Run, command};

#[test]
fn every_case_is_right_to_the_byte() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut seen = 0;
    let mut failed = Vec::new();
    for program in dirs(&golden) {
        for case in dirs(&program) {
            seen += 1;
            let run = run_case(&name(&program), &case);
            let want = fs::read(case.join("stdout")).expect("a case has an output");
            if run.out != want || run.status != Some(0) {
                let why = fs::read_to_string(case.join("why")).unwrap_or_default();
                failed.push(format!("{}: {}{}", case.display(), why, run.err));
            }
        }
    }
    assert!(seen >= 46, "only {seen} cases were found");
    assert!(failed.is_empty(), "{} of {seen} cases:\n{}", failed.len(), failed.join("\n"));
}

fn run_case(program: &str, case: &Path) -> Run {
    let read = |file: &str| fs::read_to_string(case.join(file)).expect("a case is whole");
    let mut run = command(program);
    run.env("TZ", read("tz").trim()).args(read("args").lines());
    if !program.starts_with("php-") {
        run.arg("--overrides=/dev/null");
    }
    run.args(["--now", read("now").trim(), "-l"]).arg(case.join("input.log"));
    run.output().expect("the program starts").into()
}

fn dirs(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).expect("the cases are there");
    let mut dirs: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    dirs.retain(|path| path.is_dir());
    dirs.sort();
    dirs
}

fn name(path: &Path) -> String {
    path.file_name().expect("a directory has a name").to_string_lossy().into_owned()
}
