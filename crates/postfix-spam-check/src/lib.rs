//! The arguments of `postfix-spam-check` and the run that they ask for; `main.rs` hands them over.

pub mod args;
mod notice;
