//! Options that several programs share.

use std::ffi::OsStr;
use std::fmt::Display;
use std::path::PathBuf;

use super::{Argument, Opt, Value, number, text};
use crate::identity::Realms;
use crate::report::Format;
use crate::source::named::LogArg;
use crate::time::clock::instant_of;
use crate::time::period::Period;
use crate::time::stamp::Stamp;
use crate::time::zone::Zone;

/// The values of the shared options.
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedArgs {
    /// How far back.
    pub period: Option<Period>,
    /// How many messages are too many.
    pub limit: Option<u64>,
    /// A file of limits of their own, instead of the default one.
    pub overrides: Option<PathBuf>,
    /// Domains that do not count as a part of a login.
    pub realms: Realms,
    /// Logs to read.
    pub logs: Vec<LogArg>,
    /// Read the journal.
    pub journal: bool,
    /// As if it were this time. Its day exists.
    pub now: Option<Stamp<'static>>,
    /// How the report is written.
    pub format: Format,
    /// End paths with NUL.
    pub null: bool,
    /// Say by exit status what was found.
    pub exit_code: bool,
    /// Say whether a run can be trusted, instead of reporting.
    pub check: bool,
    period_from: Given,
    limit_from: Given,
}

/// Where a value was given: not both as an option and as an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Given {
    #[default]
    Nowhere,
    Option,
    Argument,
}

impl Given {
    fn set_once(&mut self, here: Self) -> Result<(), String> {
        if *self != Self::Nowhere && *self != here {
            return Err("given both as an option and as an argument".into());
        }
        *self = here;
        Ok(())
    }
}

/// Arguments that hold the shared ones.
pub trait HasSharedArgs: Default + AsMut<SharedArgs> {}

impl<A: Default + AsMut<SharedArgs>> HasSharedArgs for A {}

impl AsMut<Self> for SharedArgs {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

/// `-p`, `--period`
pub const fn period<A: HasSharedArgs>() -> Opt<A> {
    Opt {
        long: "period",
        aliases: &[],
        short: Some('p'),
        value: Value::Required("PERIOD"),
        help: "How far back to look: 1hour, 30minutes, '2 days', 90s, 1w, yesterday, 'last week'. \
               Several terms add up. Default: 1hour.",
        set: |args, value| {
            let period = Period::parse(text(value)?).map_err(why)?;
            args.as_mut().period_from.set_once(Given::Option)?;
            args.as_mut().period = Some(period);
            Ok(())
        },
    }
}

/// `-m`, `--max-connections`
pub const fn max_connections<A: HasSharedArgs>(help: &'static str) -> Opt<A> {
    Opt {
        long: "max-connections",
        aliases: &[],
        short: Some('m'),
        value: Value::Required("N"),
        help,
        set: |args, value| {
            args.as_mut().limit_from.set_once(Given::Option)?;
            args.as_mut().limit = Some(number(value)?);
            Ok(())
        },
    }
}

/// `--overrides`
pub const fn overrides<A: HasSharedArgs>() -> Opt<A> {
    Opt {
        long: "overrides",
        aliases: &[],
        short: None,
        value: Value::File,
        help: "Per-sender limits: one 'NAME N' per line; N is the last word. Lines that begin with '#' \
               are comments. Default: /etc/spam-check/PROGRAM.overrides, if it exists; /dev/null for \
               none.",
        set: |args, value| {
            args.as_mut().overrides = Some(not_empty(value)?.into());
            Ok(())
        },
    }
}

/// `--realm`
pub const fn realm<A: HasSharedArgs>() -> Opt<A> {
    Opt {
        long: "realm",
        aliases: &[],
        short: None,
        value: Value::Required("DOMAIN"),
        help: "user@DOMAIN is the account user: both are counted, judged and locked as one. May be repeated. \
               '*' is every domain, where the mail system takes any (saslauthd, PAM). 'none' says that there \
               are no others, and silences the hint about them.",
        set: |args, value| {
            let domain = text(value)?.trim_start_matches('@').trim_end_matches('.');
            if domain.is_empty() {
                return Err("expected a domain".into());
            }
            args.as_mut().realms.add(domain);
            Ok(())
        },
    }
}

/// The option that names a log.
pub(super) const LOGS: &str = "logs";

/// `-l`, `--logs`
pub const fn logs<A: HasSharedArgs>() -> Opt<A> {
    Opt {
        long: LOGS,
        aliases: &[],
        short: Some('l'),
        value: Value::File,
        help: "Read this log (and its rotated predecessors, as far back as the period requires) instead \
               of the default. May be repeated, e.g. once per host. A quoted pattern ('/var/log/*/mail.log', with \
               '*', '?' or '[a-z]') is every log that it matches. '-' is standard input.",
        set: |args, value| {
            args.as_mut().logs.push(LogArg::Path(not_empty(value)?.into()));
            Ok(())
        },
    }
}

/// `--logs-from`
pub const fn logs_from<A: HasSharedArgs>() -> Opt<A> {
    Opt {
        long: "logs-from",
        aliases: &[],
        short: None,
        value: Value::File,
        help: "Read the logs listed in FILE: one path or pattern per line, as for --logs. Lines that begin with '#' \
               are comments. May be repeated.",
        set: |args, value| {
            args.as_mut().logs.push(LogArg::List(not_empty(value)?.into()));
            Ok(())
        },
    }
}

/// `--journal`
pub const fn journal<A: HasSharedArgs>() -> Opt<A> {
    Opt {
        long: "journal",
        aliases: &[],
        short: None,
        value: Value::None,
        help: "Read the systemd journal instead of the default log.",
        set: |args, _| {
            args.as_mut().journal = true;
            Ok(())
        },
    }
}

/// `--now`
pub const fn now<A: HasSharedArgs>() -> Opt<A> {
    Opt {
        long: "now",
        aliases: &[],
        short: None,
        value: Value::Required("TIME"),
        help: "Look back from TIME ('YYYY-MM-DD HH:MM[:SS]', local time, or RFC 3339) instead of from \
               now. Later lines are ignored.",
        set: |args, value| {
            let time = text(value)?;
            let stamp =
                Stamp::of_argument(time.as_bytes()).ok_or("expected a time: YYYY-MM-DD HH:MM")?;
            // Whether the day exists does not depend on the zone.
            instant_of(&stamp, &Zone::utc()).ok_or("no such date")?;
            args.as_mut().now = Some(stamp);
            Ok(())
        },
    }
}

/// `--format`
pub const fn format<A: HasSharedArgs>() -> Opt<A> {
    Opt {
        long: "format",
        aliases: &[],
        short: None,
        value: Value::OneOf(&["text", "table", "json"]),
        help: "text: as the old shell scripts printed it; table: to be read by people, worst first, \
               with a sparkline of the period; json: one JSON object per finding. Default: text.",
        set: |args, value| {
            args.as_mut().format = match text(value)? {
                "text" => Format::Text,
                "table" => Format::Table,
                "json" => Format::Json,
                _ => return Err("not a known format".into()),
            };
            Ok(())
        },
    }
}

/// `-0`, `--null`
pub const fn null<A: HasSharedArgs>() -> Opt<A> {
    Opt {
        long: "null",
        aliases: &[],
        short: Some('0'),
        value: Value::None,
        help: "End each path with a NUL byte instead of a newline, for xargs -0. Paths with spaces, quotes, \
               backslashes or control characters are printed only so.",
        set: |args, _| {
            args.as_mut().null = true;
            Ok(())
        },
    }
}

/// `-e`, `--exit-code`
pub const fn exit_code<A: HasSharedArgs>() -> Opt<A> {
    Opt {
        long: "exit-code",
        aliases: &[],
        short: Some('e'),
        value: Value::None,
        help: "Exit 0 if nothing is reported, 1 if something is, 3 if the logs could not be checked or \
               something failed.",
        set: |args, _| {
            args.as_mut().exit_code = true;
            Ok(())
        },
    }
}

/// `--check`
pub const fn check<A: HasSharedArgs>() -> Opt<A> {
    Opt {
        long: "check",
        aliases: &[],
        short: None,
        value: Value::None,
        help: "Self-test: read what a run would read, and say which logs these are, what is in them, and whether a \
               run can be trusted. Nothing is reported, changed or sent. Exit 0 if it can, else 1.",
        set: |args, _| {
            args.as_mut().check = true;
            Ok(())
        },
    }
}

/// A PERIOD as an argument.
pub fn set_period<A: HasSharedArgs>(args: &mut A, period: Period) -> Result<(), String> {
    args.as_mut().period_from.set_once(Given::Argument)?;
    args.as_mut().period = Some(period);
    Ok(())
}

/// A limit as an argument.
pub fn set_limit<A: HasSharedArgs>(args: &mut A, value: &OsStr) -> Result<(), String> {
    args.as_mut().limit_from.set_once(Given::Argument)?;
    args.as_mut().limit = Some(number(value)?);
    Ok(())
}

/// MAX_CONNECTIONS, behind a period.
pub const fn max_argument<A: HasSharedArgs>() -> Argument<A> {
    Argument {
        name: "MAX_CONNECTIONS",
        help: "The same as --max-connections.",
        set: |args, value| set_limit(args, value),
    }
}

/// An error as the text of a [`UsageError`](super::UsageError).
pub fn why(error: impl Display) -> String {
    error.to_string()
}

fn not_empty(value: &OsStr) -> Result<&OsStr, String> {
    if value.is_empty() { Err("expected a file name".into()) } else { Ok(value) }
}
