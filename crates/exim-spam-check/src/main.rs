//! Reports local users and SMTP clients of Exim that send too much mail; the options and steps are in
//! `args.rs`, everything else in the libraries.

use std::process::ExitCode;

use exim_spam_check::args;
use spamcore::host::{Host, settle_signals};

fn main() -> ExitCode {
    settle_signals();
    let mut out = std::io::stdout().lock();
    let outcome = args::run(std::env::args_os().skip(1), Host::look(), &mut out);
    outcome.report(args::PROGRAM.name, &mut std::io::stderr())
}
