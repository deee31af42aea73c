//! The reading half of spam-check: from the logs on disk to a report of who sends too much.
//!
//! ```text
//! source → parse → time → tally → verdict → report
//! ```
//!
//! Each stage is a module; it knows the ones before it and none after it. [`check`] is the way through
//! all of them, [`cli`] the command line around it. The library reads logs, counts, judges and writes
//! reports to what it is given. It starts no program but `journalctl`, changes nothing, opens no
//! socket, and does not look at the clock or the environment, but for [`host`], which `main` calls.
//!
//! Text of a log is bytes, and of strangers: see [`parse`] for what is taken from it, and
//! [`escape`] for how it is shown.

// In the order of the picture; the empty lines keep rustfmt from sorting them.

pub mod cursor;

pub mod escape;

pub mod error;

pub mod file;

pub mod time;

pub mod source;

pub mod parse;

pub mod limits;

pub mod tally;

pub mod verdict;

pub mod report;

pub mod reader;

pub mod check;

pub mod cli;

pub mod host;
