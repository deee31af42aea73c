//! Acting on accounts: the only crate of spam-check that is meant to change something.
//!
//! Text of a log becomes an [`AccountName`] before anything else sees it, and what is no such name is
//! never acted upon. Around the act: [`once`] lets one run act at a time, [`state`] remembers what was
//! done, [`audit`] tells syslog, [`notice`] writes what an administrator reads, and [`mail`] sends it.
//!
//! The library does not print, exit, or look at the clock or the environment: times, names of the host
//! and paths are arguments.

pub mod account;
pub mod audit;
pub mod error;
mod files;
pub mod mail;
pub mod notice;
pub mod once;
mod printable;
#[cfg(test)]
mod scratch;
pub mod state;

pub use account::{AccountName, Refusal};
pub use error::Error;
