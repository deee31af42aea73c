//! Renders a program's table of options as `--help`, as a man page and as a bash completion.
//!
//! Takes a [`Program`] and gives text; it writes no files. `scripts/render` writes what is committed in
//! `packaging/`.

use std::fmt::Write;

use super::{Opt, Program, Value};

const WIDTH: usize = 80;

/// The column in which the descriptions start.
const INDENT: usize = 24;

/// The date of the release, as in CHANGELOG.md; it is the date of the man pages.
const RELEASED: &str = "2026-11-24";

/// Each exit status: its meaning by default (empty if it does not occur), and with `--exit-code`.
const STATUSES: [(&str, &str, &str); 4] = [
    ("0", "success, whether or not anything is reported", "nothing is reported"),
    ("1", "something failed, or a log cannot be read for the most part", "something is reported"),
    ("2", "wrong usage", "wrong usage"),
    ("3", "", "the logs could not be checked, or something failed"),
];

const FIELDS: [(&str, &str); 12] = [
    ("program", "the program's name"),
    (
        "kind",
        "sasl (a login name), user (a local user), client (an SMTP client by name), address (of an SMTP client), \
         auth (an authenticated id), script (a path) or directory (many scripts of one directory)",
    ),
    (
        "sender",
        "the sender's name, of a login in its folded spelling; bytes that are not valid UTF-8 are replaced \
         by U+FFFD",
    ),
    ("sender_hex", "the exact name in hexadecimal; present only if it is not valid UTF-8"),
    (
        "log",
        "the log in which the sender was counted, as given to --logs; present only if several logs were read, and for \
         kinds that belong to a host: user, script and directory",
    ),
    ("messages", "the number of messages"),
    ("limit", "the limit that applies to this sender"),
    ("start", "start of the period (exclusive), RFC 3339"),
    ("end", "end of the period, RFC 3339"),
    ("first", "the earliest timestamp, RFC 3339; null if no line has one"),
    ("last", "the latest timestamp, RFC 3339; null if no line has one"),
    (
        "line",
        "the sender's first line in the order of reading, as logged; if several addresses used a client's \
         name, the first line of the address that sent most",
    ),
];

const ENVIRONMENT: [(&str, &str); 2] = [
    (
        "TZ",
        "The time zone of timestamps that name none: a zone that is installed (Europe/Madrid), or a POSIX rule \
         (CET-1CEST,M3.5.0,M10.5.0/3). If it is neither, nothing is checked. Default: /etc/localtime.",
    ),
    ("NO_COLOR", "If it is not empty, the table has no colours."),
];

const SECURITY: [&str; 2] = [
    "These logs contain text supplied by strangers. A field is read only where the program \
     that wrote the line puts it; the same text anywhere else is ignored. Names are compared \
     byte for byte and are never patterns. Control characters and invisible characters are shown \
     as \\xnn, and so is the bracket of a text that looks like a note of this program.",
    "Local users can write lines of their own to syslog and to PHP's log. If you do not trust \
     them, treat a report from log files as a hint; the journal records who wrote each line.",
];

impl<A> Program<A> {
    /// The arguments on one line: `[OPTIONS] [PERIOD [MAX]]`.
    fn synopsis(&self) -> String {
        let arguments = self
            .arguments
            .iter()
            .rev()
            .fold(String::new(), |inner, argument| format!(" [{}{inner}]", argument.name));
        format!("[OPTIONS]{arguments}")
    }

    /// What `--help` prints.
    pub fn help(&self) -> String {
        let mut text = format!("{}: {}\n\n", self.name, self.about);
        let _ = writeln!(text, "Usage: {} {}\n", self.name, self.synopsis());
        text.push_str("Arguments:\n");
        for argument in self.arguments {
            entry(&mut text, argument.name, argument.help);
        }
        text.push_str("\nOptions:\n");
        for option in self.options {
            entry(&mut text, &option.spelling(), option.help);
        }
        entry(
            &mut text,
            "-h, --help",
            "Print this help; so does 'h' or 'help' as the only argument.",
        );
        entry(&mut text, "-V, --version", "Print the version.");
        text.push_str("\nExit status:\n");
        for (status, by_default, with_e) in STATUSES {
            let meaning = match by_default {
                "" => format!("with -e only: {with_e}"),
                _ if by_default == with_e => by_default.into(),
                _ => format!("{by_default} (with -e: {with_e})"),
            };
            entry(&mut text, status, &meaning);
        }
        let _ = writeln!(text, "\nSee also: man {}", self.name);
        text
    }

    /// The man page, in roff.
    pub fn man(&self) -> String {
        let mut page = format!(
            ".\\\" Generated from the program's table of options by scripts/render; do not edit.\n.TH {} 1 {RELEASED} \"spam-check {}\" \"spam-check\"\n",
            self.name.to_uppercase(),
            env!("CARGO_PKG_VERSION")
        );
        section(&mut page, "NAME");
        let _ = writeln!(page, "{} \\- {}", roff(self.name), roff(self.about));
        section(&mut page, "SYNOPSIS");
        let _ = writeln!(page, ".B {}\n{}", roff(self.name), roff(&self.synopsis()));
        section(&mut page, "DESCRIPTION");
        paragraphs(&mut page, self.description);
        if let Some(old_name) = self.old_name {
            let _ = writeln!(
                page,
                ".PP\nIt is a drop-in replacement for the shell script\n.BR {} ,\nand is installed under \
                 that name too.",
                roff(old_name)
            );
        }
        section(&mut page, "ARGUMENTS");
        for argument in self.arguments {
            item(&mut page, argument.name, argument.help);
        }
        section(&mut page, "OPTIONS");
        for option in self.options {
            item(&mut page, &option.spelling(), option.help);
        }
        item(
            &mut page,
            "-h, --help",
            "Print a summary of the options; so does h or help as the only argument.",
        );
        item(&mut page, "-V, --version", "Print the version.");
        for (title, texts) in self.chapters {
            section(&mut page, title);
            paragraphs(&mut page, texts);
        }
        section(&mut page, "EXIT STATUS");
        for (status, by_default, with_e) in STATUSES {
            let meaning = match by_default {
                "" => format!("With --exit-code only: {with_e}."),
                _ if by_default == with_e => {
                    let (initial, rest) = by_default.split_at(1);
                    format!("{}{rest}.", initial.to_uppercase())
                }
                _ => format!("By default: {by_default}. With --exit-code: {with_e}."),
            };
            item(&mut page, status, &meaning);
        }
        section(&mut page, "JSON FIELDS");
        page.push_str("With \\-\\-format=json, each line is one JSON object with these fields:\n");
        for (name, meaning) in FIELDS.iter().chain(self.fields) {
            item(&mut page, name, meaning);
        }
        section(&mut page, "FILES");
        for (name, meaning) in self.files {
            item(&mut page, name, meaning);
        }
        section(&mut page, "ENVIRONMENT");
        for (name, meaning) in ENVIRONMENT {
            item(&mut page, name, meaning);
        }
        section(&mut page, "EXAMPLES");
        for (number, (meaning, command)) in self.examples.iter().enumerate() {
            let apart = if number > 0 { ".PP\n" } else { "" };
            let _ = writeln!(
                page,
                "{apart}{}\n.PP\n.nf\n.RS\n{}\n.RE\n.fi",
                roff(meaning),
                roff(command)
            );
        }
        if let Some(old_name) = self.old_name {
            section(&mut page, "DIFFERENCES FROM THE OLD SCRIPT");
            let _ = writeln!(page, "Compared with the shell script\n.BR {} :", roff(old_name));
            for difference in self.differences {
                let _ = writeln!(page, ".IP \\(bu 2\n{}", roff(difference));
            }
        }
        section(&mut page, "SECURITY");
        paragraphs(&mut page, &SECURITY);
        section(&mut page, "SEE ALSO");
        let others = self.see_also.iter();
        let others: Vec<String> = others.map(|name| format!("{name}(1)")).collect();
        paragraphs(
            &mut page,
            &[
                &format!("{}, logrotate(8), journalctl(1)", others.join(", ")),
                "In /usr/share/doc/spam-check/docs: locking.md (locking accounts), php.md (making PHP log \
                 its mail), upgrading.md (replacing the shell scripts).",
            ],
        );
        page
    }

    /// The bash completion.
    pub fn completion(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        let mut cases = String::new();
        for option in self.options {
            let long = format!("--{}", option.long);
            let names: Vec<String> =
                option.short.map(|s| format!("-{s}")).into_iter().chain([long]).collect();
            let replies = match option.value {
                Value::None => None,
                Value::File => {
                    Some("compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))".into())
                }
                Value::OneOf(all) => {
                    Some(format!("COMPREPLY=($(compgen -W '{}' -- \"$cur\"))", all.join(" ")))
                }
                Value::Required(_) | Value::Optional(_) => Some("COMPREPLY=()".into()),
            };
            if let Some(replies) = replies {
                let _ = writeln!(
                    cases,
                    "        {})\n            {replies}\n            return\n            ;;",
                    names.join(" | ")
                );
            }
            words.extend(names);
        }
        words.extend(["-h", "--help", "-V", "--version"].map(String::from));
        let function = format!("_{}", self.name.replace('-', "_"));
        let names = [self.name].into_iter().chain(self.old_name).collect::<Vec<_>>().join(" ");
        format!(
            "# bash completion for {name}, generated from its table of options by scripts/render; do not edit.\n\
             # shellcheck shell=bash disable=SC2207\n\
             {function}() {{\n    \
                 local cur=$2 prev=$3\n    \
                 # In --option=VALUE, bash makes = a word of its own.\n    \
                 if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=${{COMP_WORDS[COMP_CWORD - 2]}}; fi\n    \
                 case $prev in\n{cases}    esac\n    \
                 [[ $cur != -* ]] || COMPREPLY=($(compgen -W '{words}' -- \"$cur\"))\n\
             }}\n\
             complete -F {function} {names}\n",
            name = self.name,
            words = words.join(" "),
        )
    }
}

impl<A> Opt<A> {
    /// `-p, --period=PERIOD`
    fn spelling(&self) -> String {
        let short = self.short.map_or("    ".into(), |short| format!("-{short}, "));
        let value = match self.value {
            Value::None => String::new(),
            Value::Required(name) => format!("={name}"),
            Value::Optional(name) => format!("[={name}]"),
            Value::File => "=FILE".into(),
            Value::OneOf(words) => format!("={}", words.join("|")),
        };
        format!("{short}--{}{value}", self.long)
    }
}

/// A name and its description, wrapped.
fn entry(text: &mut String, name: &str, meaning: &str) {
    let mut line = format!("  {name}");
    if line.len() + 2 > INDENT {
        let _ = writeln!(text, "{line}");
        line.clear();
    }
    let mut fresh = true;
    line = format!("{line:<INDENT$}");
    for word in meaning.split_whitespace() {
        if !fresh && line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = " ".repeat(INDENT);
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(word);
        fresh = false;
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

fn section(page: &mut String, name: &str) {
    let _ = writeln!(page, ".SH {name}");
}

fn paragraphs(page: &mut String, texts: &[&str]) {
    for (number, text) in texts.iter().enumerate() {
        let apart = if number > 0 { ".PP\n" } else { "" };
        let _ = match text.strip_prefix("    ") {
            Some(command) => writeln!(page, "{apart}.nf\n.RS\n{}\n.RE\n.fi", roff(command)),
            None => writeln!(page, "{apart}{}", roff(text)),
        };
    }
}

fn item(page: &mut String, name: &str, meaning: &str) {
    let _ = writeln!(page, ".TP\n.B {}\n{}", roff(name.trim_start()), roff(meaning));
}

/// Escapes text so that roff prints it as it is and takes none of it for a request.
fn roff(text: &str) -> String {
    let text =
        text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('"', "\\(dq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}
