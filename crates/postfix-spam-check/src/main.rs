//! Reports authenticated Postfix users who send too much mail, and can lock their accounts; the options and
//! steps are in `args.rs`, everything else in the libraries.

use std::process::ExitCode;

use postfix_spam_check::args;
use spamact::system::System;
use spamcore::host::{Host, settle_signals};

fn main() -> ExitCode {
    settle_signals();
    let mut out = std::io::stdout().lock();
    let outcome = args::run(std::env::args_os().skip(1), Host::look(), &System::look(), &mut out);
    outcome.report(args::PROGRAM.name, &mut std::io::stderr())
}
