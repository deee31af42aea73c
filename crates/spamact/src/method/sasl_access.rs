//! Logins that Postfix refuses: entries of a table for `check_sasl_access`.
//!
//! Takes `[TYPE:]FILE` and logins as they are logged. A lock is the line `LOGIN REJECT account disabled:
//! sending spam`, added once at the end of FILE, which is then compiled by `postmap` and asked through
//! it. Lines of others stay byte for byte, and where one of them is for the same login, it is not ours to
//! overrule. To unlock is to take our line away.
//!
//! Postfix looks logins up in lower case, and `postmap` stores them so (`smtpd_check.c`
//! `check_sasl_access()`, `DICT_FLAG_FOLD_FIX`): an entry for `Alice` refuses `alice` and `ALICE` too.
//! That is one login to most mail systems, but where they are two, both are refused.
//!
//! Only types that `postmap` compiles are taken. Postfix sees their change at the next connection;
//! `texthash` it would see only after a reload, and patterns and databases of a network are not files of
//! entries. The main.cf(5) that asks the table is the administrator's.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::table::{self, ACTION, Holder};
use super::{AccountStatus, in_pattern, settled, shown, typed};
use crate::account::AccountName;
use crate::error::Error;
use crate::system::files;
use crate::system::process::{first_line, run};

/// The types that `postmap` compiles and Postfix notices a change of.
const TYPES: [&str; 6] = ["hash", "btree", "lmdb", "cdb", "dbm", "sdbm"];

/// The programs of Postfix. The default is the real system.
#[derive(Clone, Debug)]
pub struct Postfix {
    /// `postmap`, which compiles and asks tables.
    pub postmap: PathBuf,
    /// `postconf`, which knows the default type.
    pub postconf: PathBuf,
    /// How long each may take.
    pub limit: Duration,
}

impl Default for Postfix {
    fn default() -> Self {
        Self {
            postmap: "/usr/sbin/postmap".into(),
            postconf: "/usr/sbin/postconf".into(),
            limit: Duration::from_secs(60),
        }
    }
}

/// Locks by a table of Postfix.
#[derive(Clone, Debug)]
pub struct SaslAccess {
    kind: String,
    file: PathBuf,
    root: bool,
    postfix: Postfix,
}

impl SaslAccess {
    pub(super) const KIND: &'static str = "sasl-access";

    /// Takes `[TYPE:]FILE`; the type, where none is named, is asked from `postconf`. `root` is whether
    /// root runs us: the file must be root's alone then.
    pub fn new(table: &str, root: bool, postfix: Postfix) -> Result<Self, Error> {
        let (kind, file) = Self::check(table)?;
        let kind = match kind {
            Some(kind) => kind.to_owned(),
            None => {
                let args = ["-h", "default_database_type"];
                let out = run(&postfix.postconf, &args, None, postfix.limit)?;
                first_line(&out.success(&postfix.postconf)?.stdout)
            }
        };
        is_compiled(table, &kind)?;
        Ok(Self { kind, file: file.into(), root, postfix })
    }

    /// The type, where one is named, and the file of `[TYPE:]FILE`.
    pub fn check(table: &str) -> Result<(Option<&str>, &str), Error> {
        let refused = |why| Error::Refused { what: shown(table), why };
        let (kind, file) = match table.split_once(':') {
            Some((kind, file)) if !kind.contains('/') => (Some(kind), file),
            _ => (None, table),
        };
        if !Path::new(file).is_absolute() || file.ends_with('/') {
            return Err(refused("the file's path is not absolute"));
        }
        if file.contains(char::is_control) {
            return Err(refused("the file's path cannot be remembered"));
        }
        kind.map_or(Ok(()), |kind| is_compiled(table, kind))?;
        Ok((kind, file))
    }

    pub(super) fn kind(&self) -> String {
        format!("{}:{}", Self::KIND, self.table())
    }

    fn table(&self) -> String {
        format!("{}:{}", self.kind, self.file.display())
    }

    /// Asks the table.
    fn ask(&self, name: &AccountName) -> Result<AccountStatus, Error> {
        let postmap = &self.postfix.postmap;
        let args = ["-q", name.as_ref(), &self.table()];
        let out = run(postmap, &args, None, self.postfix.limit)?;
        if out.status.success() {
            let refuses = is_refusal(&first_line(&out.stdout));
            return Ok(if refuses { AccountStatus::Locked } else { AccountStatus::Open });
        }
        // "Not found" and "failed" are both status 1; only a failure is told. A table that was never
        // made has no entries.
        let said = String::from_utf8_lossy(&out.stderr);
        let failed = ["fatal:", "error:", "panic:"].iter().any(|word| said.contains(word));
        let unmade = said.contains("No such file or directory");
        if out.status.code() == Some(1) && (!failed || unmade) {
            return Ok(AccountStatus::Open);
        }
        Err(Error::Failed { program: postmap.clone(), how: out.how() })
    }

    /// How an account stands. A table that cannot be asked is compiled anew, once: `postmap` writes it in
    /// place, and may have been killed meanwhile.
    pub(super) fn status(&self, name: &AccountName) -> Result<AccountStatus, Error> {
        let asked = self.ask(name);
        let mended = || {
            files::trusted_place(&self.file, self.root).is_ok()
                && self.file.exists()
                && self.make().is_ok()
        };
        match asked {
            Err(Error::Failed { .. }) if mended() => self.ask(name),
            asked => asked,
        }
    }

    pub(super) fn lock(&self, name: &AccountName) -> Result<(), Error> {
        if self.status(name)? == AccountStatus::Locked {
            return Ok(());
        }
        let text = self.text()?;
        match table::holder(&text, name) {
            // A run before this one was killed, or postmap failed: it is compiled below.
            Holder::Us => {}
            Holder::Other => {
                return Err(Error::Entry { name: name.clone(), table: self.file.clone() });
            }
            Holder::Nobody => {
                files::replace_or_create(&self.file, &table::with_entry(&text, name), 0o644)?;
            }
        }
        self.compile(name, AccountStatus::Locked)
    }

    pub(super) fn unlock(&self, name: &AccountName) -> Result<(), Error> {
        let text = self.text()?;
        let kept = table::without_entry(&text, name);
        if kept == text && self.status(name)? == AccountStatus::Open {
            return Ok(());
        }
        if kept != text {
            files::replace(&self.file, &kept)?;
        }
        self.compile(name, AccountStatus::Open)
    }

    /// The table's source; one that is not there yet is empty.
    fn text(&self) -> Result<Vec<u8>, Error> {
        files::trusted_place(&self.file, self.root)?;
        match files::read(&self.file, self.root) {
            Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Vec::new())
            }
            text => text,
        }
    }

    /// Compiles the table, and asks it.
    fn compile(&self, name: &AccountName, want: AccountStatus) -> Result<(), Error> {
        self.make()?;
        settled(self.status(name)?, want, name, || self.table())
    }

    fn make(&self) -> Result<(), Error> {
        let postmap = &self.postfix.postmap;
        run(postmap, &[self.table()], None, self.postfix.limit)?.success(postmap).map(drop)
    }

    pub(super) fn by_hand(&self, name: &AccountName) -> Vec<String> {
        let login = in_pattern(name);
        vec![
            format!("sed -i --follow-symlinks '/^{login} {ACTION}$/Id' {}", typed(&self.file)),
            format!("postmap {}", typed(Path::new(&self.table()))),
        ]
    }
}

/// Whether the result of a lookup refuses the login: access(5), `REJECT`, `DEFER…`, `4NN`, `5NN`.
fn is_refusal(result: &str) -> bool {
    let word = result.split_ascii_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    let code = word.len() == 3
        && word.starts_with(['4', '5'])
        && word.bytes().all(|digit| digit.is_ascii_digit());
    code || word == "REJECT" || word == "DEFER"
}

/// Whether postmap compiles tables of a type.
fn is_compiled(table: &str, kind: &str) -> Result<(), Error> {
    let why = "postmap does not compile a table of that type";
    let refused = || Error::Refused { what: shown(table), why };
    TYPES.contains(&kind).then_some(()).ok_or_else(refused)
}

#[cfg(test)]
#[path = "sasl_access_tests.rs"]
mod tests;
