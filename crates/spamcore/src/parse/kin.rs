//! Whether a line is of the program whose lines are searched for at all, or of another mail program.
//!
//! A log that was named by mistake has no line that counts, and so looks like one in which nobody sends anything.

use super::{Parser, syslog};

/// What wrote a line, as far as it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kin {
    /// Something else.
    #[default]
    Other,
    /// Another mail program.
    Mail,
    /// The program whose lines are searched for, or one in whose log they are.
    Own,
}

/// Mail programs other than Postfix and Exim, by the start of their tags.
const MAIL: [&[u8]; 9] = [
    b"dovecot",
    b"sendmail",
    b"sm-mta",
    b"smtpd",
    b"opendkim",
    b"amavis",
    b"spamd",
    b"rspamd",
    b"qmail",
];

/// The most frequent programs of Postfix, whose first part can be any name.
const POSTFIX: [&[u8]; 5] = [b"/smtpd", b"/qmgr", b"/cleanup", b"/smtp", b"/postscreen"];

/// Whether a tag is that of a program of Postfix.
pub(super) fn is_postfix(name: &[u8]) -> bool {
    name.starts_with(b"postfix") || POSTFIX.iter().any(|program| name.ends_with(program))
}

/// Whether a tag is that of Exim, unless its option `syslog_processname` says otherwise.
pub(super) fn is_exim(name: &[u8]) -> bool {
    name.starts_with(b"exim")
}

/// Whether a tag is that of a mail program.
pub(super) fn is_mail(name: &[u8]) -> bool {
    is_postfix(name) || is_exim(name) || MAIL.iter().any(|start| name.starts_with(start))
}

/// What wrote a line of a syslog file; `is_own` is asked for the program's name.
pub(super) fn in_syslog(line: &[u8], is_own: fn(&[u8]) -> bool) -> Kin {
    match syslog::envelope(line) {
        Ok(envelope) if is_own(envelope.name) => Kin::Own,
        Ok(envelope) if is_mail(envelope.name) => Kin::Mail,
        _ => Kin::Other,
    }
}

/// The program that wrote a line, for a person: its tag, or what the parser calls it; empty if it cannot be told.
pub fn tag<'a>(parser: &impl Parser, line: &'a [u8]) -> &'a [u8] {
    let name = syslog::envelope(line).map_or(&b""[..], |envelope| envelope.name);
    // Some programs write lines of their own, in which something else stands in the place of a tag.
    if parser.kin(line) == Kin::Own && !is_mail(name) { parser.program().as_bytes() } else { name }
}
