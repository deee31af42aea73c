//! The shadow file: whether an account is locked, and the text with the account locked or unlocked.
//!
//! Takes and gives whole texts as bytes (shadow(5)). The lines of other accounts stay byte for byte. An account
//! with several entries is locked if all of them are.

use std::collections::HashSet;

use super::AccountStatus;

/// Marks that make a password match nothing: usermod(8) and passwd(1) write `!`, spam-check writes `*`.
const MARKS: &[u8] = b"!*";

/// Whether no password matches a password field.
fn is_locked(password: &[u8]) -> bool {
    password.first().is_some_and(|first| MARKS.contains(first))
}

/// The lines of a text, each with its newline.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&b| b == b'\n')
}

/// The password field of a line, if it is an entry of that name, and where the field starts.
fn password<'a>(line: &'a [u8], name: &str) -> Option<(usize, &'a [u8])> {
    let rest = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
    let end = rest.iter().position(|b| b":\n".contains(b)).unwrap_or(rest.len());
    Some((name.len() + 1, &rest[..end]))
}

/// The status of an account.
pub fn status(text: &[u8], name: &str) -> AccountStatus {
    let mut status = AccountStatus::Missing;
    for (_, password) in lines(text).filter_map(|line| password(line, name)) {
        if !is_locked(password) {
            return AccountStatus::Open;
        }
        status = AccountStatus::Locked;
    }
    status
}

/// How many entries that are not the same are compared. passwd(1) changes one.
const COMPARED: usize = 1000;

/// The names that are locked in the text `before`, and open in `now`.
pub fn names_unlocked<'a>(before: &'a [u8], now: &[u8]) -> Vec<&'a [u8]> {
    // Most of the two texts is the same: only what is not is looked up.
    let same: HashSet<&[u8]> = lines(now).collect();
    let changed = lines(before).filter(|line| !same.contains(line)).take(COMPARED);
    let is_open = |name: &&[u8]| {
        let name = std::str::from_utf8(name);
        name.is_ok_and(|name| status(now, name) == AccountStatus::Open)
    };
    let locked = changed.filter_map(|line| {
        let (name, rest) = line.split_at(line.iter().position(|&b| b == b':')?);
        is_locked(&rest[1..]).then_some(name)
    });
    let mut names: Vec<_> = locked.filter(is_open).collect();
    names.dedup();
    names
}

/// The text with `*` before the account's password, if the account is not locked yet; `None` if nothing needs
/// to be changed.
pub fn locked(text: &[u8], name: &str) -> Option<Vec<u8>> {
    edited(text, name, |password| (!is_locked(password)).then(|| [b"*", password].concat()))
}

/// The text without the one `*` that [`locked`] put there; `None` if there is none.
///
/// A lone `*` stays, since without it the account would need no password. One before another mark stays, too:
/// somebody else put it there.
pub fn unlocked(text: &[u8], name: &str) -> Option<Vec<u8>> {
    edited(text, name, |password| {
        let rest = password.strip_prefix(b"*")?;
        (!rest.is_empty() && !is_locked(rest)).then(|| rest.to_vec())
    })
}

fn edited(text: &[u8], name: &str, edit: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut changed = false;
    let mut out = Vec::with_capacity(text.len() + 2);
    for line in lines(text) {
        let entry = password(line, name);
        match entry.and_then(|(at, old)| edit(old).map(|new| (at, old, new))) {
            Some((at, old, new)) => {
                changed = true;
                out.extend_from_slice(&line[..at]);
                out.extend_from_slice(&new);
                out.extend_from_slice(&line[at + old.len()..]);
            }
            None => out.extend_from_slice(line),
        }
    }
    changed.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_entry_is_locked_when_no_password_matches() {
        for (text, want) in [
            (&b"alice:$y$x:1::::::\n"[..], AccountStatus::Open),
            (b"alice:*$y$x:1::::::\n", AccountStatus::Locked),
            (b"alice:!$y$x:1::::::", AccountStatus::Locked),
            (b"alice:!\n", AccountStatus::Locked),
            (b"alice:*", AccountStatus::Locked),
            (b"alice::1:\n", AccountStatus::Open),
            (b"alice:", AccountStatus::Open),
            (b"alice\n#alice:x\n alice:x\nxalice:x\nalice2:x\nALICE:x\n", AccountStatus::Missing),
            (b"", AccountStatus::Missing),
            (b"alice:*a:\nalice:b:\n", AccountStatus::Open),
            (b"alice:*a:\nalice:!b:\n", AccountStatus::Locked),
        ] {
            assert_eq!(status(text, "alice"), want, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn what_a_change_has_unlocked() {
        let before =
            b"root:*:1::\nalice:!$y$x:1::\nbob:$y$x:1::\ncarol:!*:1::\ngone:!:1::\nnew:!:1\n";
        for (now, want) in [
            (&before[..], &[][..]),
            (b"root:*:1::\nalice:$y$x:1::\nbob:!$y$x:1::\ncarol:!*:1::\nnew:!:1\n", &["alice"]),
            (b"alice:!$y$z:2::\ncarol:$y$z:2::\nnew:$y$z:2\nnewer:$y$z:2\n", &["carol", "new"]),
            (b"", &[]),
        ] {
            let names = names_unlocked(before, now);
            let names: Vec<_> = names.iter().map(|name| String::from_utf8_lossy(name)).collect();
            assert_eq!(names, want);
        }
        assert_eq!(names_unlocked(b"\n:\n:!\nx\n\xff:!\n", b"").len(), 0);
    }

    #[test]
    fn a_lock_is_one_mark_and_put_once() {
        let text = b"a\xff:x\nal:$a\nalice:$y$x:1::\nalice2:$z\nalice:$w";
        let want = b"a\xff:x\nal:$a\nalice:*$y$x:1::\nalice2:$z\nalice:*$w";
        let now = locked(text, "alice").expect("it changes");
        assert_eq!(now, want);
        assert_eq!(locked(&now, "alice"), None);
        assert_eq!(unlocked(&now, "alice").expect("it changes"), text);
        assert_eq!(locked(b"alice:!x:\n", "alice"), None);
        assert_eq!(locked(b"bob:x:\n", "alice"), None);
    }

    #[test]
    fn only_our_own_mark_is_taken_away() {
        for text in
            [&b"alice:*:1:\n"[..], b"alice:**x:\n", b"alice:*!x:\n", b"alice:!x:\n", b"alice:x:"]
        {
            assert_eq!(unlocked(text, "alice"), None, "{}", String::from_utf8_lossy(text));
        }
    }

    proptest! {
        #[test]
        fn locking_changes_nothing_but_the_mark(text in "([a-c]{0,2}:?[!*x]{0,2}:?[01]?\n?){0,9}") {
            let text = text.as_bytes();
            for name in ["a", "b"] {
                let before = status(text, name);
                match locked(text, name) {
                    Some(now) => {
                        prop_assert_eq!(before, AccountStatus::Open);
                        prop_assert_eq!(status(&now, name), AccountStatus::Locked);
                        prop_assert_eq!(status(&now, "c"), status(text, "c"));
                        prop_assert!(now.len() > text.len());
                    }
                    None => prop_assert_ne!(before, AccountStatus::Open),
                }
            }
        }
    }
}
