//! The man pages and completions of `packaging/` are what the programs' tables of options make of them.
//!
//! With `SPAM_CHECK_RENDER` in the environment they are written first: that is `scripts/render`.

use std::fs;
use std::path::{Path, PathBuf};

use spamcore::cli::Program;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The files of a program, and what belongs in them.
fn files<A>(program: &Program<A>) -> [(PathBuf, String); 2] {
    let packaging = root().join("packaging");
    [
        (packaging.join("man").join(format!("{}.1", program.name)), program.man()),
        (packaging.join("completions").join(program.name), program.completion()),
    ]
}

/// The files of all programs.
fn generated() -> Vec<(PathBuf, String)> {
    [
        files(&postfix_spam_check::args::PROGRAM),
        files(&exim_spam_check::args::PROGRAM),
        files(&php_spam_check::args::PROGRAM),
        files(&php_legacy_spam_check::args::PROGRAM),
    ]
    .concat()
}

#[test]
fn generated_files_are_current() {
    let mut stale = Vec::new();
    for (path, text) in generated() {
        if std::env::var_os("SPAM_CHECK_RENDER").is_some() {
            fs::write(&path, &text).expect("packaging can be written");
        }
        if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            stale.push(path);
        }
    }
    assert!(stale.is_empty(), "run scripts/render: these are out of date: {stale:?}");
}

#[test]
fn man_pages_are_dated_by_the_newest_release_of_the_changelog() {
    let changes = fs::read_to_string(root().join("CHANGELOG.md")).expect("the changelog");
    let newest = changes
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .find(|heading| *heading != "Unreleased")
        .expect("a release");
    for (path, text) in generated() {
        // .TH NAME 1 DATE "spam-check VERSION" "spam-check"
        let Some(title) = text.lines().find_map(|line| line.strip_prefix(".TH ")) else {
            assert!(path.extension().is_none(), "{} has no title", path.display());
            continue;
        };
        let words: Vec<&str> = title.split(' ').collect();
        let release = format!("{} ({})", words[4].trim_end_matches('"'), words[2]);
        assert_eq!(release, newest, "{}", path.display());
    }
}
