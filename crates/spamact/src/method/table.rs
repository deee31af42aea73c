//! The source of a table that Postfix queries: whether a login has an entry, and the text with an entry of
//! spam-check added or removed.
//!
//! Takes and gives whole texts as bytes, with lines as postmap(1) reads them. All other lines stay byte for
//! byte. Keys are compared as Postfix compares them, without regard to case.

use crate::account::AccountName;

/// What follows the login on a line of spam-check.
pub const ACTION: &str = "REJECT account disabled: sending spam";

/// Who made the first entry for a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// There is none.
    Nobody,
    /// spam-check: it is the line that [`with_entry`] adds.
    Us,
    /// Somebody else: it must not be overruled.
    Other,
}

/// Who made the entry for a login.
pub fn holder(text: &[u8], name: &AccountName) -> Holder {
    match entries(text).find(|entry| entry.is_for(name)) {
        None => Holder::Nobody,
        Some(entry) if entry.is_ours(name) => Holder::Us,
        Some(_) => Holder::Other,
    }
}

/// The text with an entry for a login at its end.
pub fn with_entry(text: &[u8], name: &AccountName) -> Vec<u8> {
    let mut text = text.to_vec();
    if text.last().is_some_and(|&last| last != b'\n') {
        text.push(b'\n');
    }
    text.extend_from_slice(format!("{name} {ACTION}\n").as_bytes());
    text
}

/// The text without the entries of spam-check for a login.
pub fn without_entry(text: &[u8], name: &AccountName) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let mut from = 0;
    for entry in entries(text).filter(|entry| entry.is_ours(name)) {
        kept.extend_from_slice(&text[from..entry.at]);
        from = entry.at + entry.first.len();
    }
    kept.extend_from_slice(&text[from..]);
    kept
}

/// An entry of a table: a line that does not start with white space, and the lines that continue it.
struct Entry<'a> {
    /// Where its first line starts.
    at: usize,
    /// Its first line, with its newline.
    first: &'a [u8],
    /// Whether another line continues it.
    continued: bool,
}

impl Entry<'_> {
    /// Case does not matter to Postfix. A key may be in quotes.
    fn is_for(&self, name: &AccountName) -> bool {
        let key = self.first.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let bare = key.strip_prefix(b"\"").and_then(|key| key.strip_suffix(b"\""));
        bare.unwrap_or(key).eq_ignore_ascii_case(name.as_ref().as_bytes())
    }

    fn is_ours(&self, name: &AccountName) -> bool {
        let line = self.first.trim_ascii_end();
        let action = line.split_at_checked(name.as_ref().len()).map(|(_, action)| action);
        let is_action =
            action.and_then(|action| action.strip_prefix(b" ")) == Some(ACTION.as_bytes());
        is_action && !self.continued && self.is_for(name)
    }
}

/// The entries of a table, as postmap(1) reads lines: those that start with white space continue an entry;
/// empty lines and comments are skipped, wherever they are.
fn entries(text: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut at = 0;
    let mut lines = text
        .split_inclusive(|&b| b == b'\n')
        .filter_map(move |line| {
            let here = at;
            at += line.len();
            let first = line.trim_ascii_start().first()?;
            (*first != b'#').then_some((here, line))
        })
        .peekable();
    std::iter::from_fn(move || {
        let is_continuation = |line: &[u8]| line[0].is_ascii_whitespace();
        let (at, first) = lines.find(|(_, line)| !is_continuation(line))?;
        let continued = lines.peek().is_some_and(|(_, line)| is_continuation(line));
        Some(Entry { at, first, continued })
    })
}
