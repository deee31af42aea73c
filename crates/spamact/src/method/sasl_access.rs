//! Logins that Postfix refuses: entries of a table for `check_sasl_access`.
//!
//! Takes `[TYPE:]FILE` and logins as they are logged. A lock is the line `LOGIN REJECT account disabled:
//! sending spam`, added once at the end of FILE, which `postmap` then compiles and queries. Lines of others
//! stay byte for byte; if one of them is for the same login, it is not overruled, and the lock fails. To unlock
//! is to remove the line.
//!
//! Postfix looks logins up in lower case, and `postmap` stores them so (`smtpd_check.c`
//! `check_sasl_access()`, `DICT_FLAG_FOLD_FIX`): an entry for `Alice` refuses `alice` and `ALICE`, too. To most
//! mail systems that is one login; if they are two accounts, both are refused.
//!
//! Only types that `postmap` compiles are accepted. Postfix notices a change of them at the next connection.
//! It would notice one of a `texthash` only after a reload, and patterns and network databases are not files
//! of entries. The administrator must have Postfix query the table, in main.cf(5).

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use spamcore::self_test::Fact;

use super::table::{self, ACTION, Holder};
use super::{
    AccountStatus, Error, LockMethod, checked, expect_status, program, sed_escaped, shell_quoted,
    shown,
};
use crate::account::{AccountName, NameRule};
use crate::system::process::{first_line, run};
use crate::system::{self, Invalid, files};

/// The types that `postmap` compiles and that Postfix notices changes of.
const TYPES: [&str; 6] = ["hash", "btree", "lmdb", "cdb", "dbm", "sdbm"];

/// The programs of Postfix. The default is the real system.
#[derive(Clone, Debug)]
pub struct Postfix {
    /// `postmap`, which compiles and queries tables.
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

/// A table, `[TYPE:]FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its type, where one is named.
    kind: Option<String>,
    file: PathBuf,
}

impl Table {
    /// Reads `[TYPE:]FILE`. FILE must be an absolute path, and TYPE one that `postmap` compiles.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (kind, file) = match text.split_once(':') {
            Some((kind, file)) if !kind.contains('/') => (Some(kind), file),
            _ => (None, text),
        };
        if !Path::new(file).is_absolute() || file.ends_with('/') {
            return Err(Invalid("not an absolute path"));
        }
        if file.contains(char::is_control) {
            return Err(Invalid("a path with characters that cannot be remembered"));
        }
        kind.map_or(Ok(()), is_compiled)?;
        Ok(Self { kind: kind.map(str::to_owned), file: file.into() })
    }
}

impl Table {
    /// The name of its file, without directories.
    pub fn file_name(&self) -> &OsStr {
        self.file.file_name().unwrap_or_default()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Some(kind) => write!(f, "{kind}:{}", self.file.display()),
            None => write!(f, "{}", self.file.display()),
        }
    }
}

/// Locks by a table of Postfix.
#[derive(Clone, Debug)]
pub struct SaslAccess {
    table: Table,
    root: bool,
    postfix: Postfix,
}

impl SaslAccess {
    pub(super) const KIND: &'static str = "sasl-access";

    /// Locks in this table. Where its type is not named, [`LockMethod::prepare`] asks `postconf`. `root` is
    /// whether root runs the program: the file must be root's alone then.
    pub fn new(table: Table, root: bool, postfix: Postfix) -> Self {
        Self { table, root, postfix }
    }

    /// Queries the table.
    fn query(&self, name: &AccountName) -> Result<AccountStatus, system::Error> {
        let postmap = &self.postfix.postmap;
        let args = ["-q", name.as_ref(), &self.table.to_string()];
        let out = run(postmap, &args, None, self.postfix.limit)?;
        if out.status.success() {
            let refuses = is_refusal(&first_line(&out.stdout));
            return Ok(if refuses { AccountStatus::Locked } else { AccountStatus::Open });
        }
        // "Not found" and "failed" are both status 1, but only a failure is reported on stderr. A table that was
        // never compiled has no entries.
        let said = String::from_utf8_lossy(&out.stderr);
        let failed = ["fatal:", "error:", "panic:"].iter().any(|word| said.contains(word));
        let unmade = said.contains("No such file or directory");
        if out.status.code() == Some(1) && (!failed || unmade) {
            return Ok(AccountStatus::Open);
        }
        Err(system::Error::Failed { program: postmap.clone(), how: out.how() })
    }

    /// The table's source. A missing one is empty.
    fn text(&self) -> Result<Vec<u8>, system::Error> {
        files::trusted_place(&self.table.file, self.root)?;
        match files::read(&self.table.file, self.root) {
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            text => text,
        }
    }

    /// Compiles the table, and verifies the status.
    fn compile(&self, name: &AccountName, want: AccountStatus) -> Result<(), Error> {
        self.make()?;
        expect_status(self.status(name)?, want, name, || self.table.to_string())
    }

    fn make(&self) -> Result<(), system::Error> {
        let postmap = &self.postfix.postmap;
        run(postmap, &[self.table.to_string()], None, self.postfix.limit)?
            .success(postmap)
            .map(drop)
    }
}

impl LockMethod for SaslAccess {
    fn kind(&self) -> String {
        format!("{}:{}", Self::KIND, self.table)
    }

    fn description(&self) -> String {
        format!("an entry in the Postfix table {}", self.table)
    }

    fn names(&self) -> NameRule {
        NameRule::Login
    }

    fn needs(&self) -> Vec<Fact> {
        let file = &self.table.file;
        let place = checked(file, files::trusted_place(file, self.root));
        let is_missing = !place.is_problem && !file.exists();
        let place = if is_missing {
            Fact::fine(format!("{}, which does not exist yet", place.text))
        } else {
            place
        };
        // It is asked for the type of the table.
        let postconf = self.table.kind.is_none().then(|| program(&self.postfix.postconf));
        [program(&self.postfix.postmap), place].into_iter().chain(postconf).collect()
    }

    fn prepare(&mut self) -> Result<(), Error> {
        if self.table.kind.is_none() {
            let args = ["-h", "default_database_type"];
            let out = run(&self.postfix.postconf, &args, None, self.postfix.limit)?;
            let kind = first_line(&out.success(&self.postfix.postconf)?.stdout);
            is_compiled(&kind).map_err(|Invalid(why)| system::Error::Refused {
                what: shown(&self.table.to_string()),
                why,
            })?;
            self.table.kind = Some(kind);
        }
        Ok(())
    }

    /// A table that cannot be queried is compiled again, once: `postmap` writes it in place, and may have been
    /// killed meanwhile.
    fn status(&self, name: &AccountName) -> Result<AccountStatus, Error> {
        let asked = self.query(name);
        let repaired = || {
            files::trusted_place(&self.table.file, self.root).is_ok()
                && self.table.file.exists()
                && self.make().is_ok()
        };
        match asked {
            Err(system::Error::Failed { .. }) if repaired() => Ok(self.query(name)?),
            asked => Ok(asked?),
        }
    }

    fn lock(&self, name: &AccountName) -> Result<(), Error> {
        if self.status(name)? == AccountStatus::Locked {
            return Ok(());
        }
        let text = self.text()?;
        match table::holder(&text, name) {
            // An earlier run was killed, or postmap failed: the table is compiled below.
            Holder::Us => {}
            Holder::Other => {
                return Err(Error::Entry { name: name.clone(), table: self.table.file.clone() });
            }
            Holder::Nobody => {
                files::write_atomically_with_mode(
                    &self.table.file,
                    &table::with_entry(&text, name),
                    0o644,
                )?;
            }
        }
        self.compile(name, AccountStatus::Locked)
    }

    fn unlock(&self, name: &AccountName) -> Result<(), Error> {
        let text = self.text()?;
        let kept = table::without_entry(&text, name);
        if kept == text && self.status(name)? == AccountStatus::Open {
            return Ok(());
        }
        if kept != text {
            files::write_atomically(&self.table.file, &kept)?;
        }
        self.compile(name, AccountStatus::Open)
    }

    /// An entry that was written but never compiled would take effect one day: it is removed.
    fn recover(&self, name: &AccountName) -> Result<AccountStatus, Error> {
        let status = self.status(name)?;
        if status == AccountStatus::Open {
            self.unlock(name)?;
        }
        Ok(status)
    }

    fn roll_back(&self, name: &AccountName) -> bool {
        self.unlock(name).is_ok()
    }

    fn manual(&self, name: &AccountName) -> Vec<String> {
        let login = sed_escaped(name);
        vec![
            format!(
                "sed -i --follow-symlinks '/^{login} {ACTION}$/Id' {}",
                shell_quoted(&self.table.file)
            ),
            format!("postmap {}", shell_quoted(Path::new(&self.table.to_string()))),
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
fn is_compiled(kind: &str) -> Result<(), Invalid> {
    let why = "not a table type that postmap compiles";
    TYPES.contains(&kind).then_some(()).ok_or(Invalid(why))
}

#[cfg(test)]
#[path = "sasl_access_tests.rs"]
mod tests;
