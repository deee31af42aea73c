//! For the tests of the programs: the committed man pages and completions are what the table says, and of
//! the newest release in the CHANGELOG.

use std::path::Path;

use super::Program;

/// Checks `packaging/man` and `packaging/completions` below `root`, or, where the environment has
/// `SPAM_CHECK_RENDER`, writes them.
pub fn assert_in_step<A>(program: &Program<A>, root: &Path) {
    let packaging = root.join("packaging");
    for (path, text) in [
        (packaging.join("man").join(format!("{}.1", program.name)), program.man()),
        (packaging.join("completions").join(program.name), program.completion()),
    ] {
        if std::env::var_os("SPAM_CHECK_RENDER").is_some() {
            std::fs::write(&path, &text).expect("packaging can be written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "{} is out of step: run scripts/render", path.display());
    }
    let changes = std::fs::read_to_string(root.join("CHANGELOG.md")).unwrap_or_default();
    let newest = changes.lines().find(|line| line.starts_with("## ") && *line != "## Unreleased");
    let released = format!("## {} ({})", env!("CARGO_PKG_VERSION"), super::help::RELEASED);
    assert!(newest == Some(&released), "the newest release of CHANGELOG.md is not '{released}'");
}
