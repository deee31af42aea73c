//! Tells which PHP scripts send too much in a day. The texts and options are in `args.rs`, all else in the libraries.

use std::process::ExitCode;

use php_spam_check::args;
use spamcore::host::Host;

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let outcome = args::run(std::env::args_os().skip(1), Host::look(), &mut out);
    outcome.report(args::PROGRAM.name, &mut std::io::stderr())
}
