//! Whether another thread can be started. Everything here can be done without one, only more slowly.
//!
//! A thread that the system refuses is an error that the caller can handle. But one that starts, and finds no room for
//! its signal stack, ends the whole program: so none is started where the memory of the process is limited closely.

use std::io;
use std::thread::Builder;

use rustix::process::{Resource, getrlimit};

/// The least limit of the address space (`ulimit -v`) under which threads are started, in bytes.
const ROOM: u64 = 256 << 20;

/// Whether there is room for threads.
pub fn have_room() -> bool {
    getrlimit(Resource::As).current.is_none_or(|limit| limit >= ROOM)
}

/// Starts a thread, and waits for it: whether a library could that panics if it cannot.
pub fn can_start() -> io::Result<()> {
    if !have_room() {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    // It does nothing, so that it cannot panic.
    let _ = Builder::new().spawn(|| {})?.join();
    Ok(())
}
