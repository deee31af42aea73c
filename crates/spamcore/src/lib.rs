//! x
pub mod check;
pub mod cli;
pub mod clock;
pub mod error;
pub mod host;
pub mod limits;
pub mod lines;
pub mod network;
pub mod parse;
pub mod report;
pub mod source;
pub mod stamp;
pub mod tally;
pub mod verdict;
pub mod walk;
pub mod window;
pub mod zone;
