//! The order of the libraries' modules: none imports one that `lib.rs` lists after it.
//!
//! So the way of the data can be read off `lib.rs`, and there are no circles. Code of unit tests may import
//! anything.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules that a `lib.rs` lists, in order.
fn modules(lib: &str) -> Vec<&str> {
    lib.lines()
        .filter_map(|line| {
            let declared = line.strip_prefix("pub ").unwrap_or(line);
            declared.strip_prefix("mod ")?.strip_suffix(';')
        })
        .collect()
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory of the crate") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

/// The modules of the crate that a source file names, outside comments and unit tests.
fn imports(source: &str) -> Vec<&str> {
    let code = source.lines().take_while(|line| *line != "#[cfg(test)]");
    let code = code.filter(|line| !line.trim_start().starts_with("//"));
    let name = |rest: &'_ str| -> usize {
        rest.bytes().take_while(|b| b.is_ascii_lowercase() || *b == b'_').count()
    };
    code.flat_map(|line| line.split("crate::").skip(1).map(move |rest| &rest[..name(rest)]))
        .collect()
}

/// Every import of a later module, as `file imports module`; and how many imports there are.
fn later_imports(package: &str) -> (Vec<String>, usize) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(package).join("src");
    let read = |path: &Path| fs::read_to_string(path).expect("source is text");
    let lib = read(&src.join("lib.rs"));
    let modules = modules(&lib);
    let position = |name: &str| modules.iter().position(|module| *module == name);
    let (mut later, mut count) = (Vec::new(), 0);
    for path in sources(&src) {
        let file = path.strip_prefix(&src).expect("it is below").display().to_string();
        let module = file.split(['/', '.']).next().unwrap_or_default();
        let is_test = file.ends_with("tests.rs") || file.ends_with("testing.rs");
        let Some(own) = position(module).filter(|_| !is_test) else { continue };
        for imported in imports(&read(&path)) {
            count += 1;
            if position(imported).is_some_and(|imported| imported > own) {
                later.push(format!("{file} imports {imported}"));
            }
        }
    }
    (later, count)
}

#[test]
fn no_module_imports_a_later_one() {
    for (package, at_least) in [("spamcore", 100), ("spamact", 50)] {
        let (later, count) = later_imports(package);
        assert_eq!(later, [""; 0], "{package}");
        assert!(count >= at_least, "{package}: only {count} imports were found");
    }
}

#[test]
fn imports_are_found_in_code_only() {
    let source = "//! crate::doc\nuse crate::time::Clock;\nfn f() { crate::escape::display(b\"\"); }\n\
                  #[cfg(test)]\nmod tests {\n    use crate::later::X;\n}\n";
    assert_eq!(imports(source), ["time", "escape"]);
    assert_eq!(modules("//! x\npub mod a;\n\nmod b;\npub use a::X;\n"), ["a", "b"]);
}
