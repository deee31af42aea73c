//! The ground that acting stands on: files, programs, syslog, one run at a time, the daemons that run, and what is known of this host.

pub mod daemons;
mod error;
pub(crate) mod escape;
pub mod files;
mod host;
pub mod process;
pub mod run_lock;
pub mod syslog;

pub use error::{Error, Invalid};
pub use host::{System, clean_environment, local, local_now};
