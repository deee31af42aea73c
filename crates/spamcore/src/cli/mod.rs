//! The command line: every option once, in a table, from which parsing, `--help`, man page and bash
//! completions come.
//!
//! A program is a [`Program`]: its texts, its arguments and its options, each with the function that
//! takes its value. [`Program::parse`] is a pure function from arguments to [`Parsed`] or an error that
//! names what is wrong. `lexopt` splits the arguments: `--name=value` and `--name value`, `-p1hour`
//! and `-p 1hour`, options after arguments, `--` that ends them.

mod help;
#[cfg(any(test, feature = "in-step"))]
pub mod in_step;
pub mod options;

use std::ffi::{OsStr, OsString};
use std::io::Write;

use lexopt::Arg;

use crate::messages::{Messages, Outcome};

/// A program: its texts, arguments and options.
pub struct Program<A: 'static> {
    /// The name that it is installed under.
    pub name: &'static str,
    /// The name of the script that it replaces.
    pub old_name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// The man page's description, paragraph by paragraph.
    pub description: &'static [&'static str],
    /// What stands behind the options.
    pub arguments: &'static [Argument<A>],
    /// The options, in the order of the help.
    pub options: &'static [Opt<A>],
    /// Chapters of the man page beside the usual ones: title and paragraphs. One that begins with four
    /// blanks is a command or a piece of a file.
    pub chapters: &'static [(&'static str, &'static [&'static str])],
    /// Files: name and meaning.
    pub files: &'static [(&'static str, &'static str)],
    /// Fields of the JSON output beside the common ones: name and meaning.
    pub fields: &'static [(&'static str, &'static str)],
    /// Examples: what for, and the command.
    pub examples: &'static [(&'static str, &'static str)],
    /// Differences from the script: then and now.
    pub differences: &'static [&'static str],
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
    /// Other spellings of it.
    pub aliases: &'static [&'static str],
    /// `-s`
    pub short: Option<char>,
    /// Its value.
    pub value: Value,
    /// What it means.
    pub help: &'static str,
    /// Takes its value; empty where it has none.
    pub set: fn(&mut A, &OsStr) -> Result<(), String>,
}

/// What value an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// None.
    None,
    /// One, of this name.
    Required(&'static str),
    /// One, of this name, or none: the next argument, unless it begins with `-`.
    Optional(&'static str),
    /// A file.
    File,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<A> {
    /// To run.
    Run(A),
    /// The help.
    Help,
    /// The version.
    Version,
}

/// Arguments that make no sense. The text names what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

impl<A: Default> Program<A> {
    /// Reads the arguments, without the program's name.
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
        let mut given = 0;
        let mut parser = lexopt::Parser::from_args(arguments);
        // As getopt has it, the value of `-p=1hour` is `=1hour`.
        parser.set_short_equals(false);
        while let Some(arg) = parser.next().map_err(|error| usage(&error))? {
            let option = match arg {
                Arg::Short('h') | Arg::Long("help") => return Ok(Parsed::Help),
                Arg::Short('V') | Arg::Long("version") => return Ok(Parsed::Version),
                Arg::Short(short) => self.options.iter().find(|o| o.short == Some(short)),
                Arg::Long(long) => {
                    self.options.iter().find(|o| o.long == long || o.aliases.contains(&long))
                }
                Arg::Value(value) => {
                    let Some(argument) = self.arguments.get(given) else {
                        return Err(UsageError(format!(
                            "one argument too many: {}",
                            quoted(&value)
                        )));
                    };
                    given += 1;
                    (argument.set)(&mut args, &value)
                        .map_err(|why| wrong(argument.name, &value, &why))?;
                    continue;
                }
            };
            let Some(option) = option else {
                return Err(usage(&arg.unexpected()));
            };
            let value = match option.value {
                Value::None => OsString::new(),
                Value::Optional(_) => optional(&mut parser),
                _ => parser.value().map_err(|error| usage(&error))?,
            };
            (option.set)(&mut args, &value)
                .map_err(|why| wrong(&format!("--{}", option.long), &value, &why))?;
        }
        Ok(Parsed::Run(args))
    }
}

impl<A: Default> Program<A> {
    /// The arguments to run with; where they ask for help or the version, or are wrong, how the run ends
    /// after that was printed.
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

/// The value that is attached to the option, or the next argument unless it begins with `-`.
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
    UsageError(crate::escape::display(error.to_string().as_bytes()))
}

fn wrong(name: &str, value: &OsStr, why: &str) -> UsageError {
    // It may repeat a part of the value.
    let why = crate::escape::display(why.as_bytes());
    if value.is_empty() {
        return UsageError(format!("{name}: {why}"));
    }
    UsageError(format!("{name} {}: {why}", quoted(value)))
}

fn quoted(value: &OsStr) -> String {
    format!("'{}'", crate::escape::display(value.as_encoded_bytes()))
}

/// The value as text.
pub fn text(value: &OsStr) -> Result<&str, String> {
    value.to_str().ok_or_else(|| "it is not UTF-8".into())
}

/// The value as a whole decimal number.
pub fn number(value: &OsStr) -> Result<u64, String> {
    let text = text(value)?;
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err("a whole number is wanted".into());
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
        old_name: "x",
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
                long: "niss",
                aliases: &[],
                short: Some('n'),
                value: Value::Optional("MASTER"),
                help: "",
                set: |args, value| {
                    args.master = Some(text(value)?.to_owned());
                    Ok(())
                },
            },
            Opt {
                long: "word",
                aliases: &[],
                short: Some('w'),
                value: Value::Required("WORD"),
                help: "",
                set: |_, value| Err(format!("'{}' is no word", text(value)?)),
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
            (&["a", "b"], "one argument too many: 'b'"),
            (&["-m"], "missing argument for option '-m'"),
            (&["-m", "5x"], "--limit '5x': a whole number is wanted"),
            (&["-m", "-5"], "--limit '-5': a whole number is wanted"),
            (&["-m", ""], "--limit: a whole number is wanted"),
            (
                &["-m", "99999999999999999999"],
                "--limit '99999999999999999999': the number is too large",
            ),
            (&["--quiet=yes"], "unexpected argument for option '--quiet': \"yes\""),
            (&["a", "\u{1b}[31m"], "one argument too many: '\\x1b[31m'"),
            (&["-w", "\u{1b}[31m"], "--word '\\x1b[31m': '\\x1b[31m' is no word"),
        ] {
            assert_eq!(parse(line), Err(want.into()), "{line:?}");
        }
    }

    #[test]
    fn help_and_version() {
        for line in [&["h"][..], &["help"], &["-h"], &["--help"], &["-q", "--help", "x", "y"]] {
            assert_eq!(parse(line), Ok(Parsed::Help), "{line:?}");
        }
        assert_eq!(parse(&["-V"]), Ok(Parsed::Version));
        assert_eq!(run(&["h", "-q"]).period, "h", "a period, if a wrong one");
    }
}
