//! The arguments of `exim-spam-check` and the run that they ask for; `main.rs` hands them over.

pub mod args;
