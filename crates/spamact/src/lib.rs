//! Acting on accounts: the only crate of spam-check that changes something.
//!
//! Text of a log becomes an [`AccountName`] before anything else sees it. [`account`] says whether a
//! name may be locked at all, [`lock`] how it is locked, looked at and unlocked. Below them are
//! [`files`], which replaces a file as a whole, and [`run`], which runs another program without a shell.
//!
//! The library prints nothing and does not look at the clock or the environment: paths and names are
//! arguments.

pub mod account;
pub mod error;
pub mod files;
pub mod lock;
pub mod run;

pub use account::{AccountName, Refusal};
pub use error::Error;
