//! Stub for builds without SSH: another host cannot be reached as the master.

use super::super::{AccountStatus, Error};
use super::{Action, Nis};
use crate::account::AccountName;

/// A session on a master. There cannot be one.
#[derive(Debug)]
pub(super) enum Connection {}

impl Connection {
    /// Always fails.
    pub(super) fn open(_nis: &Nis) -> Result<Self, String> {
        Err("this program is built without SSH: the NIS master can only be this host".into())
    }

    pub(super) fn act(
        &self,
        _nis: &Nis,
        _action: Action,
        _name: &AccountName,
    ) -> Result<AccountStatus, Error> {
        match *self {}
    }

    pub(super) fn make(&self, _nis: &Nis) -> Result<(), Error> {
        match *self {}
    }
}
