//! Acting on accounts: the only crate of spam-check that changes something.
//!
//! Text of a log becomes an [`AccountName`] before anything else sees it. [`account`] says whether a
//! name may be locked at all, [`lock`] how it is locked, looked at and unlocked, and [`act`] goes all the
//! way from a suspect to what was done about it. Around that: [`once`]
//! lets one run act at a time, [`state`] remembers what was done, [`audit`] tells syslog, [`notice`]
//! writes what an administrator reads, and [`mail`] sends it. Below them are [`files`], which replaces a
//! file as a whole, and [`run`], which runs another program without a shell.
//!
//! The library does not print, exit, or look at the clock or the environment: times, names and paths
//! are arguments.

pub mod account;
pub mod act;
pub mod audit;
pub mod error;
pub mod files;
pub mod lock;
pub mod mail;
pub mod notice;
pub mod once;
mod printable;
pub mod run;
pub mod site;
pub mod state;

pub use account::{AccountName, Refusal};
pub use error::Error;
