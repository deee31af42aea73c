//! Acting on accounts: the only crate of spam-check that changes anything.
//!
//! ```text
//! options → Task::Act(Plan)
//!              │
//! findings ─→ act ──→ account   may this name be locked?
//!              │ ├──→ state     what was done before, and which notices wait
//!              │ ├──→ method    lock it, and verify that it is locked
//!              │ └──→ notice ──→ mail
//!              ↓
//!           findings, each with what was done
//! ```
//!
//! Text of a log becomes an [`AccountName`] before anything else sees it. [`account`] decides whether a name
//! may be locked at all. [`method`] locks, unlocks and looks up accounts: [`LockMethod`](method::LockMethod)
//! is what a further method implements. [`act`] takes the findings of a report all the way to what was done
//! about them; [`options`] are the command line of that, for any program. [`state`] remembers what was done,
//! [`notice`] writes what an administrator reads, and [`mail`] sends it. [`system`] is the ground below:
//! replacing a file atomically, running a program without a shell, one run at a time, syslog.
//!
//! The library does not print, exit, or look at the clock or the environment, except in [`system`]: times,
//! names and paths are arguments. It names no program and, but for the lock method that edits a table of Postfix, no mail server:
//! [`notice::Application`] does.
//!
//! Features: `ssh` (another host as the NIS master) and `smtp` (notices by SMTP), both on by default.

// From the ground up: a room imports none that comes after it, which tests/rooms.rs checks. The empty lines
// keep rustfmt from sorting them.

pub mod system;

pub mod account;

pub mod mail;

pub mod method;

pub mod notice;

pub mod state;

pub mod act;

pub mod options;

pub use account::{AccountName, Refusal};
