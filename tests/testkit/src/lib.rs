//! What the tests of spam-check share. It depends on no other crate of the workspace, so that each of them can use it.
//!
//! | what a test needs | here |
//! |---|---|
//! | a directory that goes away | [`Directory`] |
//! | programs that record how they were run | [`Fakes`] |
//! | a host on which root may change everything | [`Namespace`] |
//! | Postfix's programs, where the real ones are not under test | [`mta`] |
//! | a mail server that behaves, or misbehaves at a given step | [`smtp`] |
//! | random numbers that can be repeated | [`Random`] |
//! | a reason why it cannot run here | [`cannot_run`] |

mod directory;
mod fakes;
pub mod mta;
mod namespace;
mod random;
pub mod smtp;

use std::io::{self, Write};

pub use directory::Directory;
pub use fakes::Fakes;
pub use namespace::Namespace;
pub use random::Random;

/// A test calls this, and then returns, where it cannot run on this machine. It fails, unless the environment has
/// `SPAM_CHECK_MAY_SKIP`: a test that passes without having run proves nothing.
#[track_caller]
pub fn cannot_run(why: &str) {
    assert!(
        std::env::var_os("SPAM_CHECK_MAY_SKIP").is_some(),
        "this test cannot run here: {why} (with SPAM_CHECK_MAY_SKIP=1 it is skipped)"
    );
    let thread = std::thread::current();
    // Not by eprintln!, which the test harness keeps to itself where a test passes.
    let _ = writeln!(io::stderr(), "skipped: {}: {why}", thread.name().unwrap_or("a test"));
}

/// Whether the test runs as root.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}
