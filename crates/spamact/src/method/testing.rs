//! What the tests of this module share: fakes of other programs, and names.

pub(crate) use testkit::Fakes;

use crate::account::AccountName;

/// How the report line names an error.
pub(crate) use crate::act::reason;

pub(crate) fn name(text: &str) -> AccountName {
    AccountName::check(text.as_bytes()).expect("a name")
}
