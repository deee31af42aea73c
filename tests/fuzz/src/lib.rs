//! What must hold of all code that reads text from strangers or administrators, whatever the bytes are.
//!
//! A [`Target`] is a claim: a function that takes any bytes, handles them like the programs, and panics if the claim does not
//! hold. Most claim more than that nothing panics: that names are part of the line, that a slow and simple implementation
//! gives the same result. [`mutate`] makes the bytes; the program `fuzz` runs both.

mod arguments;
mod choices;
mod files;
pub mod mutate;
mod packing;
mod parsing;
mod reading;
mod seeds;
mod texts;

/// A claim about some bytes.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Panics if the claim does not hold.
    pub check: fn(&[u8]),
    /// The inputs that others are made from.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// The number of bytes at the end of an input that are choices.
    pub tail: usize,
    /// Its share of the executions: cheap ones get more.
    pub share: u64,
}

/// A target whose inputs are lines of logs.
const fn line(name: &'static str, check: fn(&[u8]), share: u64) -> Target {
    Target { name, check, seeds: seeds::lines, tail: 0, share }
}

/// All targets.
pub const TARGETS: &[Target] = &[
    line("postfix", parsing::postfix, 1000),
    line("exim", parsing::exim, 1000),
    line("php", parsing::php, 1000),
    line("php-legacy", parsing::php_legacy, 1000),
    line("envelope", parsing::envelope, 1000),
    Target {
        name: "stamp",
        check: parsing::stamp,
        seeds: seeds::written_stamps,
        tail: 0,
        share: 1000,
    },
    Target { name: "now", check: parsing::now, seeds: seeds::written_stamps, tail: 0, share: 1000 },
    Target {
        name: "period",
        check: arguments::period,
        seeds: seeds::periods,
        tail: 0,
        share: 1000,
    },
    line("escaped", texts::escaped, 500),
    Target { name: "lines", check: reading::lines, seeds: seeds::lines, tail: 16, share: 4 },
    Target { name: "count", check: reading::count, seeds: seeds::logs, tail: 16, share: 20 },
    line("journal", reading::journal, 300),
    Target { name: "packed", check: packing::packed, seeds: seeds::packed, tail: 16, share: 8 },
    Target { name: "log", check: files::log, seeds: seeds::operations, tail: 96, share: 4 },
    Target {
        name: "overrides",
        check: texts::overrides,
        seeds: seeds::limits,
        tail: 0,
        share: 300,
    },
    Target { name: "exempt", check: texts::exempt, seeds: seeds::accounts, tail: 0, share: 300 },
    Target { name: "passwd", check: texts::passwd, seeds: seeds::accounts, tail: 0, share: 100 },
    Target { name: "shadow", check: texts::shadow, seeds: seeds::accounts, tail: 0, share: 500 },
    Target { name: "table", check: texts::table, seeds: seeds::accounts, tail: 0, share: 500 },
    Target { name: "state", check: files::state, seeds: seeds::states, tail: 0, share: 10 },
    Target {
        name: "arguments",
        check: arguments::arguments,
        seeds: seeds::arguments,
        tail: 0,
        share: 100,
    },
    Target {
        name: "address",
        check: arguments::address,
        seeds: seeds::addresses,
        tail: 0,
        share: 1000,
    },
    Target {
        name: "webmail",
        check: arguments::webmail,
        seeds: seeds::addresses,
        tail: 0,
        share: 500,
    },
];
