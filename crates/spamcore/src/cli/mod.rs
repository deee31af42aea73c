//! The command line. Every option is defined once, in a table; parsing, `--help`, the man page and the
//! bash completion all come from it.
//!
//! A program is a [`Program`]: its texts, its arguments and its options, each with the function that
//! takes its value. [`Program::parse`] takes the arguments and gives a [`Parsed`], or an error that names
//! what is wrong in the spelling that was typed. It does not print, exit or read files. `lexopt` splits
//! the arguments: `--name=value` and `--name value`, `-p1hour` and `-p 1hour`, options after arguments,
//! and `--` to end the options.

mod help;
pub mod options;
mod suggest;

use std::ffi::{OsStr, OsString};
use std::io::Write;

use lexopt::Arg;

use crate::escape::display;
use crate::messages::{Messages, Outcome};
use suggest::file_instead;

/// A program: its texts, arguments and options.
pub struct Program<A: 'static> {
    /// The name it is installed under.
    pub name: &'static str,
    /// The name of the shell script it replaces, if it replaces one.
    pub old_name: Option<&'static str>,
    /// What it does, in one line.
    pub about: &'static str,
    /// The paragraphs of the man page's DESCRIPTION.
    pub description: &'static [&'static str],
    /// The arguments that are not options, in order.
    pub arguments: &'static [Argument<A>],
    /// The options, in the order in which `--help` lists them.
    pub options: &'static [Opt<A>],
    /// Further sections of the man page: title and paragraphs. A paragraph that begins with four spaces
    /// is a command or part of a file, and is printed as it is.
    pub chapters: &'static [(&'static str, &'static [&'static str])],
    /// Files: path and purpose.
    pub files: &'static [(&'static str, &'static str)],
    /// Fields of the JSON output that only this program has: name and meaning.
    pub fields: &'static [(&'static str, &'static str)],
    /// Examples: a purpose, and the command for it.
    pub examples: &'static [(&'static str, &'static str)],
    /// How it differs from the script it replaces, if it replaces one.
    pub differences: &'static [&'static str],
    /// Other programs whose man pages are of interest.
    pub see_also: &'static [&'static str],
}

/// An argument that is not an option.
pub struct Argument<A> {
    /// Its name in the synopsis.
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
    /// Takes its value.
    pub set: fn(&mut A, &OsStr) -> Result<(), String>,
}

/// An option.
pub struct Opt<A> {
    /// `--long`
    pub long: &'static str,
    /// Other spellings that are accepted, but not shown.
    pub aliases: &'static [&'static str],
    /// `-s`
    pub short: Option<char>,
    /// Its value.
    pub value: Value,
    /// What it means.
    pub help: &'static str,
    /// Takes its value, which is empty if it has none.
    pub set: fn(&mut A, &OsStr) -> Result<(), String>,
}

/// The kind of value an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// No value.
    None,
    /// A value, shown by this name.
    Required(&'static str),
    /// An optional value, shown by this name: the next argument, unless it begins with `-`.
    Optional(&'static str),
    /// A file name.
    File,
    /// One of these words; no other value reaches the option's `set`.
    OneOf(&'static [&'static str]),
}

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<A> {
    /// Run, with these arguments.
    Run(A),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// Wrong usage. The text names what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

impl<A: Default> Program<A> {
    /// Parses the arguments, without the program's name.
    pub fn parse(
        &self,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Parsed<A>, UsageError> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        if let [only] = &arguments[..]
            && (only == "h" || only == "help")
        {
            return Ok(Parsed::Help);
        }
        let mut args = A::default();
        let (mut given, mut log) = (0, None);
        let mut parser = lexopt::Parser::from_args(arguments);
        // As with getopt(3), the value of `-p=1hour` is `=1hour`.
        parser.set_short_equals(false);
        while let Some(arg) = parser.next().map_err(|error| usage(&error))? {
            let (typed, option) = match arg {
                Arg::Short('h') | Arg::Long("help") => return Ok(Parsed::Help),
                Arg::Short('V') | Arg::Long("version") => return Ok(Parsed::Version),
                Arg::Short(short) => (
                    format!("-{short}"),
                    self.options.iter().find(|option| option.short == Some(short)),
                ),
                Arg::Long(long) => (
                    format!("--{long}"),
                    self.options.iter().find(|o| o.long == long || o.aliases.contains(&long)),
                ),
                Arg::Value(value) => {
                    let file = || file_instead(&value, log.as_deref());
                    let Some(argument) = self.arguments.get(given) else {
                        let argument = format!("unexpected argument {}", quoted(&value));
                        let hint = file().map_or_else(String::new, |hint| format!(": {hint}"));
                        return Err(UsageError(argument + &display(hint.as_bytes())));
                    };
                    given += 1;
                    (argument.set)(&mut args, &value)
                        .map_err(|why| wrong(argument.name, &value, &file().unwrap_or(why)))?;
                    continue;
                }
            };
            let Some(option) = option else {
                let suggestion = self.suggestion(typed.trim_start_matches('-'));
                return Err(UsageError(format!(
                    "invalid option {}{suggestion}",
                    quoted(typed.as_ref())
                )));
            };
            let value = match option.value {
                Value::None => OsString::new(),
                Value::Optional(_) => optional(&mut parser),
                _ => parser.value().map_err(|error| usage(&error))?,
            };
            if let Value::OneOf(words) = option.value
                && !words.iter().any(|word| value == *word)
            {
                let words = words.join(", ");
                return Err(UsageError(format!(
                    "{typed}: {} is not one of {words}",
                    quoted(&value)
                )));
            }
            (option.set)(&mut args, &value).map_err(|why| wrong(&typed, &value, &why))?;
            if option.long == options::LOGS {
                log = Some(value);
            }
        }
        Ok(Parsed::Run(args))
    }
}

impl<A: Default> Program<A> {
    /// The parsed arguments; `Err` if the run is over (help or version printed, or wrong usage).
    pub fn start(
        &self,
        arguments: impl IntoIterator<Item = OsString>,
        out: &mut impl Write,
    ) -> Result<A, Outcome> {
        let text = match self.parse(arguments) {
            Ok(Parsed::Run(args)) => return Ok(args),
            Ok(Parsed::Help) => self.help(),
            Ok(Parsed::Version) => format!("{} {}\n", self.name, env!("CARGO_PKG_VERSION")),
            Err(error) => return Err(Outcome::usage(error)),
        };
        let mut messages = Messages::default();
        messages.fail_unless_written(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
        Err(messages.outcome(false, false))
    }
}

/// The value attached to the option, or else the next argument, unless that begins with `-`.
fn optional(parser: &mut lexopt::Parser) -> OsString {
    if let Some(value) = parser.optional_value() {
        return value;
    }
    let next = parser.try_raw_args().and_then(|mut arguments| {
        arguments.next_if(|next| !next.as_encoded_bytes().starts_with(b"-"))
    });
    next.unwrap_or_default()
}

fn usage(error: &lexopt::Error) -> UsageError {
    UsageError(display(error.to_string().as_bytes()))
}

fn wrong(name: &str, value: &OsStr, why: &str) -> UsageError {
    // It may repeat a part of the value.
    let why = display(why.as_bytes());
    if value.is_empty() {
        return UsageError(format!("{name}: {why}"));
    }
    UsageError(format!("{name} {}: {why}", quoted(value)))
}

fn quoted(value: &OsStr) -> String {
    format!("'{}'", display(value.as_encoded_bytes()))
}

/// The value as text.
pub fn text(value: &OsStr) -> Result<&str, String> {
    value.to_str().ok_or_else(|| "not valid UTF-8".into())
}

/// The value as a whole number, in decimal: `010` is ten.
pub fn number(value: &OsStr) -> Result<u64, String> {
    let text = text(value)?;
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err("expected a whole number".into());
    }
    text.parse().map_err(|_| "the number is too large".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Eq)]
    struct Args {
        period: String,
        limit: u64,
        master: Option<String>,
        quiet: bool,
    }

    const PROGRAM: Program<Args> = Program {
        name: "x-check",
        old_name: Some("x"),
        about: "checks x",
        description: &[],
        arguments: &[Argument {
            name: "PERIOD",
            help: "",
            set: |args, value| {
                text(value)?.clone_into(&mut args.period);
                Ok(())
            },
        }],
        options: &[
            Opt {
                long: "limit",
                aliases: &["limmit"],
                short: Some('m'),
                value: Value::Required("N"),
                help: "",
                set: |args, value| {
                    args.limit = number(value)?;
                    Ok(())
                },
            },
            Opt {
                long: "nis",
                aliases: &["niss"],
                short: Some('n'),
                value: Value::Optional("MASTER"),
                help: "",
                set: |args, value| {
                    args.master = Some(text(value)?.to_owned());
                    Ok(())
                },
            },
            Opt {
                long: "logs",
                aliases: &[],
                short: Some('l'),
                value: Value::File,
                help: "",
                set: |_, _| Ok(()),
            },
            Opt {
                long: "word",
                aliases: &[],
                short: Some('w'),
                value: Value::Required("WORD"),
                help: "",
                set: |_, value| Err(format!("'{}' is not a word", text(value)?)),
            },
            Opt {
                long: "colour",
                aliases: &["color"],
                short: None,
                value: Value::OneOf(&["always", "never"]),
                help: "",
                set: |_, _| Ok(()),
            },
            Opt {
                long: "quiet",
                aliases: &[],
                short: Some('q'),
                value: Value::None,
                help: "",
                set: |args, _| {
                    args.quiet = true;
                    Ok(())
                },
            },
        ],
        chapters: &[],
        files: &[],
        fields: &[],
        examples: &[],
        differences: &[],
        see_also: &[],
    };

    fn parse(line: &[&str]) -> Result<Parsed<Args>, String> {
        PROGRAM.parse(line.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    fn run(line: &[&str]) -> Args {
        match parse(line) {
            Ok(Parsed::Run(args)) => args,
            other => panic!("{line:?}: {other:?}"),
        }
    }

    #[test]
    fn all_spellings_mean_the_same() {
        for line in [
            &["-m", "5", "1hour"][..],
            &["-m5", "1hour"],
            &["--limit=5", "1hour"],
            &["--limit", "5", "1hour"],
            &["--limmit", "5", "--", "1hour"],
            &["1hour", "-m", "7", "-m", "005"],
        ] {
            let want = Args { period: "1hour".into(), limit: 5, ..Args::default() };
            assert_eq!(run(line), want, "{line:?}");
        }
        assert_eq!(run(&["-qm5"]), Args { limit: 5, quiet: true, ..Args::default() });
        assert_eq!(run(&["--", "-m"]).period, "-m");
    }

    #[test]
    fn a_value_may_be_left_out() {
        for (line, master, period) in [
            (&["-n"][..], "", ""),
            (&["-n", "localhost", "1hour"], "localhost", "1hour"),
            (&["-nlocalhost", "1hour"], "localhost", "1hour"),
            (&["--niss=a", "1hour"], "a", "1hour"),
            (&["--niss", "a", "1hour"], "a", "1hour"),
            (&["-n", "-q", "1hour"], "", "1hour"),
            (&["-n", "", "1hour"], "", "1hour"),
            (&["-n", "--", "1hour"], "", "1hour"),
            (&["-qn", "a"], "a", ""),
        ] {
            let args = run(line);
            assert_eq!(
                (args.master.as_deref(), &args.period[..]),
                (Some(master), period),
                "{line:?}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, want) in [
            (&["--nope"][..], "invalid option '--nope'"),
            (&["-x"], "invalid option '-x'"),
            (&["a", "b"], "unexpected argument 'b'"),
            (&["-m"], "missing argument for option '-m'"),
            (&["-m", "5x"], "-m '5x': expected a whole number"),
            (&["-m", "-5"], "-m '-5': expected a whole number"),
            (&["-m", ""], "-m: expected a whole number"),
            (&["-m", "99999999999999999999"], "-m '99999999999999999999': the number is too large"),
            (&["--colour=red"], "--colour: 'red' is not one of always, never"),
            (&["--colour", ""], "--colour: '' is not one of always, never"),
            (&["--quiet=yes"], "unexpected argument for option '--quiet': \"yes\""),
            (&["a", "\u{1b}[31m"], "unexpected argument '\\x1b[31m'"),
            (&["-w", "\u{1b}[31m"], "-w '\\x1b[31m': '\\x1b[31m' is not a word"),
            (&["--colour=\u{1b}[31m"], "--colour: '\\x1b[31m' is not one of always, never"),
        ] {
            assert_eq!(parse(line), Err(want.into()), "{line:?}");
        }
    }

    #[test]
    fn an_error_names_the_spelling_that_was_typed() {
        for (line, want) in [
            (&["-m5x"][..], "-m '5x': expected a whole number"),
            (&["-qm", "5x"], "-m '5x': expected a whole number"),
            (&["--limit=5x"], "--limit '5x': expected a whole number"),
            (&["--limmit", "5x"], "--limmit '5x': expected a whole number"),
            (&["--color=red"], "--color: 'red' is not one of always, never"),
        ] {
            assert_eq!(parse(line), Err(want.into()), "{line:?}");
        }
    }

    #[test]
    fn a_file_in_place_of_an_argument_is_answered_with_the_option_for_it() {
        for (line, want) in [
            (
                &["1hour", "./mail.log"][..],
                "unexpected argument './mail.log': not a period or number; to read a file: -l ./mail.log",
            ),
            (
                &["1hour", "-lmail.log", "mail.log.1"],
                "unexpected argument 'mail.log.1': a file without an option: repeat -l before each log, or quote \
                 the pattern: -l 'mail.log*'",
            ),
            (&["1hour", "x"], "unexpected argument 'x'"),
        ] {
            assert_eq!(parse(line), Err(want.into()), "{line:?}");
        }
    }

    #[test]
    fn an_option_that_does_not_exist_is_answered_with_one_that_does() {
        for (line, want) in [
            ("--limt=5", "invalid option '--limt': did you mean --limit=N?"),
            ("--lim", "invalid option '--lim': did you mean --limit=N?"),
            ("--LIMIT", "invalid option '--LIMIT': did you mean --limit=N?"),
            ("--limit-per-hour", "invalid option '--limit-per-hour': did you mean --limit=N?"),
            ("--niss-master", "invalid option '--niss-master': did you mean --nis?"),
            ("--file", "invalid option '--file': did you mean --logs=FILE?"),
            ("-f", "invalid option '-f': did you mean --logs=FILE?"),
            ("--helpp", "invalid option '--helpp': did you mean --help?"),
            ("-v", "invalid option '-v': did you mean -V?"),
            ("--json", "invalid option '--json'"),
            ("--since", "invalid option '--since'"),
            ("--xyz", "invalid option '--xyz'"),
            (
                "--silent",
                "invalid option '--silent': not needed, nothing is printed if there is nothing to report",
            ),
        ] {
            assert_eq!(parse(&[line]), Err(want.into()), "{line:?}");
        }
    }

    #[test]
    fn help_and_version() {
        for line in [&["h"][..], &["help"], &["-h"], &["--help"], &["-q", "--help", "x", "y"]] {
            assert_eq!(parse(line), Ok(Parsed::Help), "{line:?}");
        }
        assert_eq!(parse(&["-V"]), Ok(Parsed::Version));
        assert_eq!(run(&["h", "-q"]).period, "h", "taken as a period, although it is not one");
    }

    #[test]
    fn a_program_need_not_replace_a_script() {
        let program = Program { old_name: None, ..PROGRAM };
        for section in ["drop-in replacement", "DIFFERENCES"] {
            assert!(PROGRAM.man().contains(section), "{section}");
            assert!(!program.man().contains(section), "{section}");
        }
        assert!(PROGRAM.completion().ends_with("\ncomplete -F _x_check x-check x\n"));
        assert!(program.completion().ends_with("\ncomplete -F _x_check x-check\n"));
    }
}
