//! Acting on accounts: the only crate of spam-check that changes something.
//!
//! Text of a log becomes an [`AccountName`] before anything else sees it. [`account`] says whether a
//! name may be locked at all, [`method`] how it is locked, looked at and unlocked, and [`act`] goes all the
//! way from a suspect to what was done about it. Around that: [`system::run_lock`]
//! lets one run act at a time, [`state`] remembers what was done, [`system::syslog`] tells syslog, [`notice`]
//! writes what an administrator reads, and [`mail`] sends it. Below them are [`system::files`], which replaces a
//! file as a whole, and [`system::process`], which runs another program without a shell.
//!
//! The library does not print, exit, or look at the clock or the environment: times, names and paths
//! are arguments.

pub mod account;
pub mod act;
pub mod mail;
pub mod method;
pub mod notice;
pub mod options;
pub mod state;
pub mod system;

pub use account::{AccountName, Refusal};
