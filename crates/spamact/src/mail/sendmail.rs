//! The sendmail of this host, for when its mail server does not answer.
//!
//! Takes the program's path, an address and a mail; gives `Ok` when the program ended with status 0. What
//! it says goes nowhere but into the error.

use std::path::Path;
use std::time::Duration;

use super::Address;
use crate::system::Error;
use crate::system::process::run;

/// Sends a mail, its lines ended by CR LF.
pub(super) fn send(
    program: &Path,
    to: &Address,
    message: &[u8],
    longest: Duration,
) -> Result<(), Error> {
    // Lines of a file on this host end in LF.
    let message: Vec<u8> = message.iter().copied().filter(|b| *b != b'\r').collect();
    run(program, &["-i", "--", to.as_ref()], Some(&message), longest)?.success(program).map(|_| ())
}
