//! What was probably meant by an option that does not exist, or by a file in the place of an argument.
//!
//! Takes what was typed and the program's own table, and gives the words for an error message. Nothing is ever
//! taken for what was probably meant: whoever mistypes an option must not get a report of something else.

use std::ffi::OsStr;
use std::path::Path;

use super::{Program, Value};
use crate::escape::{shell_word, single_quoted};

/// What options are called elsewhere, and what to use here: the first of these that the program has, an option or
/// an argument.
const NAMES_ELSEWHERE: [(&[&str], &[&str]); 22] = [
    (&["json", "jsonl", "csv", "xml"], &["--format=json"]),
    (&["table", "human", "pretty", "top", "verbose"], &["--format=table"]),
    (&["text", "plain"], &["--format=text"]),
    (&["output", "output-format"], &["--format"]),
    (&["since", "from", "last", "hours", "minutes", "age", "start"], &["--period", "MINUTES"]),
    (&["until", "to", "end", "date", "time", "at"], &["--now"]),
    (
        &["limit", "max", "min", "threshold", "count", "messages", "mails", "number"],
        &["--max-connections", "MAX_MAILS", "MAX_DAILY_MAILS"],
    ),
    (&["f", "file", "log", "logfile", "log-file", "input", "path", "dir", "glob"], &["--logs"]),
    (&["files-from", "list-of-logs"], &["--logs-from"]),
    (&["journald", "journalctl", "systemd"], &["--journal"]),
    (&["print0", "zero", "nul"], &["--null"]),
    (&["exitcode", "status"], &["--exit-code"]),
    (&["dryrun", "simulate", "test", "noop", "no-act", "just-print"], &["--dry-run"]),
    (&["self-test", "selftest", "verify", "validate", "doctor", "diagnose"], &["--check"]),
    (&["lock", "disable", "block", "ban"], &["--disable-account"]),
    (&["unlock", "enable", "unblock", "unban"], &["--enable-account"]),
    (&["locked", "disabled", "list"], &["--list-disabled"]),
    (&["whitelist", "allowlist", "exclude", "ignore", "limits"], &["--overrides"]),
    (&["mail", "email", "mailto", "mail-to"], &["--notify"]),
    (&["domain"], &["--realm"]),
    (&["yp"], &["--nis"]),
    (&["v"], &["-V"]),
];

/// Options that ask for what the programs always do.
const QUIET: [&str; 4] = ["quiet", "silent", "q", "s"];

/// Options of every program.
const COMMON: [&str; 2] = ["help", "version"];

impl<A> Program<A> {
    /// What to say of an option that does not exist, after its name; empty if nothing comes to mind. `typed` is
    /// its name without hyphens at its start.
    pub(super) fn suggestion(&self, typed: &str) -> String {
        let typed = typed.to_lowercase().replace('_', "-");
        if QUIET.contains(&&*typed) {
            return ": not needed, nothing is printed if there is nothing to report".into();
        }
        match self.known_elsewhere(&typed).or_else(|| self.nearest(&typed)) {
            Some(meant) => format!(": did you mean {meant}?"),
            None => String::new(),
        }
    }

    fn known_elsewhere(&self, typed: &str) -> Option<String> {
        let (_, meant) = NAMES_ELSEWHERE.iter().find(|(names, _)| names.contains(&typed))?;
        meant.iter().find_map(|meant| {
            let Some(option) = meant.strip_prefix("--") else {
                if meant.starts_with('-') {
                    return Some((*meant).to_owned());
                }
                let argument = self.arguments.iter().find(|argument| argument.name == *meant)?;
                return Some(format!("the argument {}", argument.name));
            };
            let long = option.split('=').next().unwrap_or_default();
            let value = if option == long { self.value_of(long)? } else { String::new() };
            self.value_of(long).map(|_| format!("{meant}{value}"))
        })
    }

    /// The value of an option as it is shown after its name, if there is such an option.
    fn value_of(&self, long: &str) -> Option<String> {
        let option = self.options.iter().find(|option| option.long == long)?;
        Some(match option.value {
            Value::Required(name) => format!("={name}"),
            Value::File => "=FILE".into(),
            Value::OneOf(words) => format!("={}", words.join("|")),
            Value::None | Value::Optional(_) => String::new(),
        })
    }

    /// The option whose name is most like this one, or begins with it, or begins it.
    fn nearest(&self, typed: &str) -> Option<String> {
        let own = self.options.iter().flat_map(|option| {
            let names = std::iter::once(option.long).chain(option.aliases.iter().copied());
            names.map(move |name| (name, option.long))
        });
        let all = own.chain(COMMON.map(|name| (name, name)));
        let distances = all.filter_map(|(name, long)| {
            let begins = typed.len() > 2 && name.starts_with(typed)
                || typed.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
            let distance = if begins { 1 } else { distance(typed, name) };
            let most = if name.len() > 4 { 2 } else { 1 };
            (distance <= most && typed.len() > 1).then_some((distance, long))
        });
        let (_, long) = distances.min_by_key(|(distance, _)| *distance)?;
        Some(format!("--{long}{}", self.value_of(long).unwrap_or_default()))
    }
}

/// How many letters must be added, left out, exchanged or swapped with the next one, to make one word the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // No option is that long, and the time is that of the product of both.
    if one.len() > 64 {
        return usize::MAX;
    }
    let mut rows = vec![(0..=other.len()).collect::<Vec<_>>()];
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let same = rows[i][j] + usize::from(a != b);
            let mut least = same.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

/// What to say of an argument that is probably a file; none if it is probably not. The file system is consulted
/// only to word the message. `log` is the last value of `--logs`, if there was one: then a shell has probably
/// expanded a pattern.
pub(super) fn file_instead(value: &OsStr, log: Option<&OsStr>) -> Option<String> {
    let text = value.to_string_lossy();
    // No period has these letters.
    let is_named_so = text.contains('/') || text.contains("log");
    if !is_named_so && (text.is_empty() || !Path::new(value).exists()) {
        return None;
    }
    let Some(log) = log else {
        return Some(format!("not a period or number; to read a file: -l {}", shell_word(&text)));
    };
    let pattern = pattern_of(&log.to_string_lossy(), &text);
    Some(format!(
        "a file without an option: repeat -l before each log, or quote the pattern: -l {pattern}"
    ))
}

/// The shortest pattern with a single star that matches both names, quoted.
fn pattern_of(one: &str, other: &str) -> String {
    let same = |pairs: &mut dyn Iterator<Item = (char, char)>| {
        pairs.take_while(|(a, b)| a == b).map(|(a, _)| a).collect::<Vec<_>>()
    };
    let start: String = same(&mut one.chars().zip(other.chars())).into_iter().collect();
    let rest = |text: &str| text[start.len()..].chars().rev().collect::<Vec<_>>();
    let (a, b) = (rest(one), rest(other));
    let end: String = same(&mut a.into_iter().zip(b)).into_iter().rev().collect();
    single_quoted(&format!("{start}*{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_of_two_words() {
        for (one, other, want) in [
            ("period", "period", 0),
            ("peroid", "period", 1),
            ("perid", "period", 1),
            ("periiod", "period", 1),
            ("pariod", "period", 1),
            ("", "abc", 3),
            ("abc", "", 3),
            ("overides", "overrides", 1),
            ("formt", "null", 5),
        ] {
            assert_eq!(distance(one, other), want, "{one} {other}");
        }
        assert_eq!(distance(&"x".repeat(100_000), "period"), usize::MAX);
    }

    #[test]
    fn a_pattern_for_what_a_shell_has_expanded() {
        for (one, other, want) in [
            ("mail.log", "mail.log.1", "'mail.log*'"),
            ("/var/log/a.log", "/var/log/b.log", "'/var/log/*.log'"),
            ("aa", "aaa", "'aa*'"),
            ("é.log", "è.log", "'*.log'"),
            ("';id;'1.log", "';id;'2.log", r"''\'';id;'\''*.log'"),
        ] {
            assert_eq!(pattern_of(one, other), want);
        }
    }

    #[test]
    fn files_in_place_of_arguments() {
        let said =
            |value: &str, log: Option<&str>| file_instead(value.as_ref(), log.map(OsStr::new));
        // The tests run in the directory of the crate.
        for value in ["Cargo.toml", "mail.log", "./x", "mainlog", "mainlog.1"] {
            let want = format!("not a period or number; to read a file: -l {value}");
            assert_eq!(said(value, None), Some(want));
        }
        assert!(said("$(id)'.log", None).is_some_and(|said| said.ends_with(r"-l '$(id)'\''.log'")));
        assert!(said("a b.log", None).is_some_and(|said| said.ends_with("-l 'a b.log'")));
        let quote = "a file without an option: repeat -l before each log, or quote the pattern: -l 'mail.log*'";
        assert_eq!(said("mail.log.1", Some("mail.log")).as_deref(), Some(quote));
        for value in ["1hour", "90", "", "ten"] {
            assert_eq!(said(value, Some("mail.log")), None, "{value}");
        }
    }
}
