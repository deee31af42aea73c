//! What can go wrong when an account is locked, unlocked or looked up.
//!
//! Texts are lower case without a full stop; a cause is in `#[source]`. The account is not in them: who reports
//! them writes its name first.

use std::path::PathBuf;

use crate::account::{AccountName, Refusal};
use crate::system;

/// A failure of a lock method.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or a program failed.
    #[error(transparent)]
    System(#[from] system::Error),
    /// Another program kept the lock of the password files.
    #[error("{}: held by another program", path.display())]
    Busy {
        /// The lock file.
        path: PathBuf,
    },
    /// There is no such account where it should be locked.
    #[error("there is no such account ({place})")]
    Missing {
        /// The account.
        name: AccountName,
        /// Where it was looked for.
        place: String,
    },
    /// An account that must not be locked.
    #[error("{refusal}")]
    Unfit {
        /// The account.
        name: AccountName,
        /// Why.
        refusal: Refusal,
    },
    /// Everything ran, and the account is open all the same.
    #[error("it is still open ({place})")]
    StillOpen {
        /// The account.
        name: AccountName,
        /// Where its status was looked up.
        place: String,
    },
    /// It could not be unlocked: somebody else locked it, or it would have no password.
    #[error("it is still locked ({place})")]
    StillLocked {
        /// The account.
        name: AccountName,
        /// Where its status was looked up.
        place: String,
    },
    /// The table has an entry of somebody else for the name, which would win.
    #[error("{} has another entry for it", table.display())]
    Entry {
        /// The account.
        name: AccountName,
        /// The table.
        table: PathBuf,
    },
    /// The shadow file of NIS was written, but its maps could not be made from it.
    #[error("the NIS maps were not made: {how}")]
    Maps {
        /// How `make` ended, and the first line of its standard error.
        how: String,
    },
    /// The connection to the NIS master failed.
    #[error("{master}: {what}")]
    Master {
        /// The master.
        master: String,
        /// What happened, escaped where it is what `ssh` wrote.
        what: String,
    },
    /// Nothing but a person can undo the lock.
    #[error("it can only be enabled by hand")]
    ByHand {
        /// The account.
        name: AccountName,
    },
}
