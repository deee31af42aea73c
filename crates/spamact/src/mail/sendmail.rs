//! The sendmail of this host, for when its mail server does not answer, or is not asked.
//!
//! Takes the program's path, an address and a mail; gives `Ok` if the program exits with status 0. What it
//! writes is in the error only.

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
    // sendmail expects the line ends of this host: LF.
    let message: Vec<u8> = message.iter().copied().filter(|b| *b != b'\r').collect();
    run(program, &["-i", "--", to.as_ref()], Some(&message), longest)?.success(program).map(|_| ())
}
