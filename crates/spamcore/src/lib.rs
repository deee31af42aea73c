//! The reading half of spam-check: from the logs on disk to a report of who sends too much.
//!
//! ```text
//! source → lines → parse → time → Sink → verdict → report / act
//! ```
//!
//! Everything up to the [`sink`] is the same for every purpose: a [`scan`] reads the logs of a check in order
//! and pushes the events of the window into a sink. What the events are for depends on the sink:
//!
//! | sink | takes | gives |
//! |---|---|---|
//! | [`Tally`](tally::Tally) | accepted messages | statistics of each sender, in bounded memory |
//! | [`Evidence`](evidence::Evidence) | the messages of a few senders | lines, networks, addresses; whether they alone reach the limits |
//! | [`Unlogged`](unlogged::Unlogged) | received and completed messages | how many were completed without having been logged before |
//! | a pair, a `Vec` | what its members take | several windows or purposes in one reading |
//!
//! Each module knows the ones before it in the list below and none after it. [`check`] has the steps from
//! arguments to report, in the order in which a program takes them; [`cli`] is the command line. The library
//! starts no program but `journalctl`, changes nothing, opens no socket, and does not look at the clock or
//! the environment, except in [`host`], which `main` calls.
//!
//! The text of a log is bytes, and strangers can write some of them: see [`parse`] for what is taken from a
//! line, and [`escape`] for how it is shown.

// From the ground up: a module imports none that comes after it, which tests/rooms.rs checks. The
// empty lines keep rustfmt from sorting them.

pub mod cursor;

pub mod pattern;

pub mod escape;

pub mod error;

pub mod file;

pub mod threads;

pub mod messages;

pub mod time;

pub mod host;

pub mod source;

pub mod parse;

pub mod identity;

pub mod limits;

pub mod hosts;

pub mod sink;

pub mod reader;

pub mod scan;

pub mod tally;

pub mod evidence;

pub mod unlogged;

pub mod verdict;

pub mod split_logins;

pub mod same_client;

pub mod report;

pub mod cli;

pub mod self_test;

pub mod check;
