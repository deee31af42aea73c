//! Acting on accounts: the only crate of spam-check that is meant to change something.
//!
//! So far it holds the first step of every act: the check of a name. Text of a log becomes an
//! [`AccountName`] before anything else sees it, and what is no such name is never acted upon. It
//! changes nothing yet.

pub mod account;

pub use account::{AccountName, Refusal};
