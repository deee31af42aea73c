//! A fake MTA: `postmap`, `postconf` and `sendmail`, as the shell scripts of `tests/testkit/mta` that shell tests install
//! too (`fake_mta` of `host.bash`). The real `postmap` is under test in `crates/spamact/tests/postmap.rs` and in
//! `scripts/e2e locking`, the real `sendmail` in `scripts/e2e`.

/// The text of the fake `postmap`: a database is a copy of its table.
pub const POSTMAP: &str = include_str!("../mta/postmap");

/// The text of the fake `postconf`: the default type of a table is `hash`.
pub const POSTCONF: &str = include_str!("../mta/postconf");

/// The text of a fake `sendmail` that appends a line `TO ARGUMENTS` and the mail to a file, and prints `NOISE`.
pub fn sendmail(mails: &str) -> String {
    include_str!("../mta/sendmail").replace("@MAILS@", mails)
}
