//! The arguments of `postfix-spam-check`, the run that they ask for, and what its notices say of Postfix.

pub mod args;
mod notice;
