//! Options that several programs share, and running a program that has read its arguments.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Argument, Opt, Parsed, Program, Value, number, text};
use crate::check::{Check, Checked, Logs, Message, Weight};
use crate::error::{Error, chain};
use crate::host::Host;
use crate::limits::{self, Limits};
use crate::parse::Parser;
use crate::report::{Format, Report, Style, shown};
use crate::source::journal::Origin;
use crate::tally::network::Webmail;
use crate::tally::{Detail, Only, Tally};
use crate::time::clock::Clock;
use crate::time::stamp::Stamp;
use crate::time::window::{Period, PeriodError, Window};
use crate::time::zone::Zone;
use crate::verdict::{Finding, Spread, judge};

/// The values of the shared options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Common {
    /// How far back.
    pub period: Option<Period>,
    /// How many messages are too many.
    pub limit: Option<u64>,
    /// A file of limits of their own, instead of the default one.
    pub overrides: Option<PathBuf>,
    /// Logs to read, `-` for standard input.
    pub logs: Vec<PathBuf>,
    /// Read the journal.
    pub journal: bool,
    /// As if it were this time: RFC 3339, or local time. It has been read once.
    pub now: Option<String>,
    /// How the report is written.
    pub format: Format,
    /// End paths with NUL.
    pub null: bool,
    /// Say by exit status what was found.
    pub exit_code: bool,
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
    fn now(&mut self, here: Self) -> Result<(), String> {
        if *self != Self::Nowhere && *self != here {
            return Err("given both as an option and as an argument".into());
        }
        *self = here;
        Ok(())
    }
}

/// Arguments that hold the shared ones.
pub trait HasCommon: Default {
    /// The shared ones.
    fn common(&mut self) -> &mut Common;
}

impl HasCommon for Common {
    fn common(&mut self) -> &mut Common {
        self
    }
}

/// `-p`, `--period`
pub const fn period<A: HasCommon>() -> Opt<A> {
    Opt {
        long: "period",
        aliases: &[],
        short: Some('p'),
        value: Value::Required("PERIOD"),
        help: "How far back to look: 1hour, 30minutes, '2 days', 90s, 1w, yesterday, 'last week'. \
               Several terms add up. Default: 1hour.",
        set: |args, value| {
            let period = Period::parse(text(value)?).map_err(why)?;
            args.common().period_from.now(Given::Option)?;
            args.common().period = Some(period);
            Ok(())
        },
    }
}

/// `-m`, `--max-connections`
pub const fn max_connections<A: HasCommon>(help: &'static str) -> Opt<A> {
    Opt {
        long: "max-connections",
        aliases: &[],
        short: Some('m'),
        value: Value::Required("N"),
        help,
        set: |args, value| {
            args.common().limit_from.now(Given::Option)?;
            args.common().limit = Some(number(value)?);
            Ok(())
        },
    }
}

/// `--overrides`
pub const fn overrides<A: HasCommon>() -> Opt<A> {
    Opt {
        long: "overrides",
        aliases: &[],
        short: None,
        value: Value::File,
        help: "Per-sender limits: one 'NAME N' per line; N is the last word. Lines that begin with '#' \
               are comments. Default: /etc/spam-check/PROGRAM.overrides, if it exists; /dev/null for \
               none.",
        set: |args, value| {
            args.common().overrides = Some(not_empty(value)?.into());
            Ok(())
        },
    }
}

/// `-l`, `--logs`
pub const fn logs<A: HasCommon>() -> Opt<A> {
    Opt {
        long: "logs",
        aliases: &[],
        short: Some('l'),
        value: Value::File,
        help: "Read this log (and its rotated predecessors, as far back as the period requires) instead \
               of the default. May be repeated, e.g. once per host; the counts are added up. '-' is \
               standard input.",
        set: |args, value| {
            args.common().logs.push(not_empty(value)?.into());
            Ok(())
        },
    }
}

/// `--journal`
pub const fn journal<A: HasCommon>() -> Opt<A> {
    Opt {
        long: "journal",
        aliases: &[],
        short: None,
        value: Value::None,
        help: "Read the systemd journal instead of the default log.",
        set: |args, _| {
            args.common().journal = true;
            Ok(())
        },
    }
}

/// `--now`
pub const fn now<A: HasCommon>() -> Opt<A> {
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
            Clock::new(i64::MAX / 2, Zone::utc()).read(&stamp).ok_or("no such date")?;
            args.common().now = Some(time.to_owned());
            Ok(())
        },
    }
}

/// `--format`
pub const fn format<A: HasCommon>() -> Opt<A> {
    Opt {
        long: "format",
        aliases: &[],
        short: None,
        value: Value::OneOf(&["text", "table", "json"]),
        help: "text: as the old shell scripts printed it; table: to be read by people, worst first, \
               with a sparkline of the period; json: one JSON object per finding. Default: text.",
        set: |args, value| {
            args.common().format = match text(value)? {
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
pub const fn null<A: HasCommon>() -> Opt<A> {
    Opt {
        long: "null",
        aliases: &[],
        short: Some('0'),
        value: Value::None,
        help: "End each path with a NUL byte instead of a newline, for xargs -0.",
        set: |args, _| {
            args.common().null = true;
            Ok(())
        },
    }
}

/// `-e`, `--exit-code`
pub const fn exit_code<A: HasCommon>() -> Opt<A> {
    Opt {
        long: "exit-code",
        aliases: &[],
        short: Some('e'),
        value: Value::None,
        help: "Exit 0 if nothing is reported, 1 if something is, 3 if the logs could not be checked or \
               something failed.",
        set: |args, _| {
            args.common().exit_code = true;
            Ok(())
        },
    }
}

/// A PERIOD as an argument.
pub fn set_period<A: HasCommon>(args: &mut A, period: Period) -> Result<(), String> {
    args.common().period_from.now(Given::Argument)?;
    args.common().period = Some(period);
    Ok(())
}

/// A limit as an argument.
pub fn set_limit<A: HasCommon>(args: &mut A, value: &OsStr) -> Result<(), String> {
    args.common().limit_from.now(Given::Argument)?;
    args.common().limit = Some(number(value)?);
    Ok(())
}

/// MAX_CONNECTIONS, behind a period.
pub const fn max_argument<A: HasCommon>() -> Argument<A> {
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

/// What a program does with its arguments.
pub struct Job<P> {
    /// The parser of its lines.
    pub parser: P,
    /// How far back, where the arguments do not say.
    pub period: Period,
    /// The limit, where the arguments do not say.
    pub limit: u64,
    /// Whether the limit itself is still allowed.
    pub exclusive: bool,
    /// The default file of limits.
    pub overrides: Option<&'static str>,
    /// The default logs.
    pub logs: &'static [&'static str],
    /// Whose entries of the journal count.
    pub origin: Option<Origin>,
    /// What its text looks like.
    pub style: Style,
    /// Addresses of webmail hosts.
    pub webmail: Webmail,
    /// The limits of an account.
    pub spread: Option<Spread>,
}

/// The logs once more, for who has to look closer at a few senders.
pub struct Again<'a, P> {
    job: &'a Job<P>,
    logs: &'a Logs,
    limits: &'a Limits,
    /// The window that was looked at.
    pub window: Window,
    /// The period, as the report's heading repeats it.
    pub period: String,
    /// What was read: paths of logs, or `journal`.
    pub read: String,
    /// Whether the logs can be read once more; pipes cannot.
    pub can: bool,
    /// The host.
    pub host: &'a mut Host,
}

impl<P: Parser + Sync> Again<'_, P> {
    /// Reads the logs once more, or the trusted lines of the journal alone, for these senders.
    pub fn look(&mut self, only: Only, journal: bool) -> Checked {
        let Self { job, limits, window, .. } = self;
        let tally = Tally::of(only, *window, limits.clone(), job.webmail.clone());
        let check = Check::new(&job.parser, tally, self.host, None);
        let named = if journal { Vec::new() } else { self.logs.named.clone() };
        let journal = journal || self.logs.journal;
        check.run(&Logs { named, journal, ..self.logs.clone() }, self.host)
    }

    /// Which of the senders that were looked at again have reached their limit and are spread out, from
    /// these lines alone.
    pub fn judge<'t>(&self, tally: &'t Tally) -> Vec<Finding<'t>> {
        judge(tally, self.job.spread)
    }
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The exit status.
    pub status: u8,
    /// What is to be told on standard error, a line each.
    pub messages: Vec<String>,
}

impl Outcome {
    /// Tells the messages, each behind the program's name, and gives the exit status.
    ///
    /// Text of a log or of the arguments may stand in them: nothing in it acts on a terminal.
    pub fn tell(&self, program: &str, errors: &mut impl Write) -> ExitCode {
        for message in &self.messages {
            // Where standard error cannot be written, there is nobody left to tell.
            let _ = writeln!(errors, "{program}: {}", shown(message.as_bytes()));
        }
        ExitCode::from(self.status)
    }
}

/// Runs a program: reads the arguments, and prints help or version, or hands them to `run`.
pub fn run<A: Default, W: Write>(
    program: &Program<A>,
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut W,
    run: impl FnOnce(A, &mut W) -> Outcome,
) -> Outcome {
    let text = match program.parse(arguments) {
        Ok(Parsed::Run(args)) => return run(args, out),
        Ok(Parsed::Help) => program.help(),
        Ok(Parsed::Version) => format!("{} {}\n", program.name, env!("CARGO_PKG_VERSION")),
        Err(error) => return refused(&error),
    };
    let mut messages = Vec::new();
    tell_output(out.write_all(text.as_bytes()).and_then(|()| out.flush()), &mut messages);
    outcome(messages, false, false)
}

impl<P: Parser + Sync> Job<P> {
    /// Checks, judges and reports. `act` does what is to be done to the findings, before they are
    /// reported.
    pub fn run(
        self,
        program: &'static str,
        args: Common,
        mut host: Host,
        out: &mut impl Write,
        act: impl FnOnce(&mut [Finding<'_>], &mut Again<'_, P>, &mut Vec<Message>),
    ) -> Outcome {
        if args.null && args.format != Format::Text {
            return refused(&"--null goes with --format=text only");
        }
        let period = args.period.clone().unwrap_or_else(|| self.period.clone());
        let window = match window(&period, args.now.as_deref(), &host) {
            Ok(window) => window,
            Err(error) => return refused(&format!("the period '{}': {error}", period.typed())),
        };
        let limit = args.limit.unwrap_or(self.limit);
        let mut messages = Vec::new();
        let mut limits = Limits::new(limit, self.exclusive);
        if let Err(error) = read_overrides(
            &mut limits,
            args.overrides.as_deref(),
            self.overrides,
            &host,
            &mut messages,
        ) {
            // With wrong limits the wrong senders would be named.
            messages.push(Message { text: chain(&error), weight: Weight::Failure });
            return outcome(messages, false, args.exit_code);
        }
        let logs = Logs {
            named: args.logs,
            default: self.logs,
            journal: args.journal,
            origin: self.origin,
        };
        let detail = Detail {
            // What is done to an account is told with its line, whatever the report looks like.
            line: args.format == Format::Json
                || self.spread.is_some()
                || (args.format == Format::Text && self.style != Style::Names),
            activity: args.format == Format::Table,
        };
        let tally = Tally::new(window, limits.clone(), self.webmail.clone(), detail);
        let unclear_limit = (self.style == Style::Names).then_some(limit);
        let check = Check::new(&self.parser, tally, &host, unclear_limit);
        let checked = check.run(&logs, &mut host);
        messages.extend(checked.messages);
        let mut findings = judge(&checked.tally, self.spread);
        let mut again = Again {
            job: &self,
            logs: &logs,
            limits: &limits,
            window,
            period: period.to_string(),
            can: checked.again,
            read: checked.read.join(", "),
            host: &mut host,
        };
        act(&mut findings, &mut again, &mut messages);
        let report = Report {
            program,
            format: args.format,
            style: self.style,
            end: if args.null { 0 } else { b'\n' },
            period: period.to_string(),
            limit,
            window,
            zone: &host.zone,
            terminal: host.terminal,
            colour: host.colour,
            judged: self.spread.is_some(),
        };
        let mut out = BufWriter::new(out);
        let written = match (host.output_lost, findings.is_empty()) {
            (true, false) => Err(io::Error::other("it is closed")),
            _ => report.write(&findings, &mut out).and_then(|()| out.flush()),
        };
        tell_output(written, &mut messages);
        outcome(messages, !findings.is_empty(), args.exit_code)
    }
}

fn window(period: &Period, now: Option<&str>, host: &Host) -> Result<Window, PeriodError> {
    let Some(now) = now else {
        return Ok(Window::until_now(period.before(host.now, &host.zone)?, host.now));
    };
    let stamp = Stamp::of_argument(now.as_bytes());
    let reading = stamp.and_then(|stamp| Clock::new(i64::MAX / 2, host.zone.clone()).read(&stamp));
    let then = reading.ok_or(PeriodError::TooFar)?.instant;
    Ok(Window::until(period.before(then, &host.zone)?, then))
}

fn read_overrides(
    limits: &mut Limits,
    asked: Option<&Path>,
    default: Option<&str>,
    host: &Host,
    messages: &mut Vec<Message>,
) -> Result<(), Error> {
    let path = match (asked, default.map(Path::new)) {
        (Some(path), _) => path,
        (None, Some(path)) if path.exists() => path,
        (None, _) => return Ok(()),
    };
    for line in limits.add(&limits::read_file(path, host.root)?) {
        let text = format!("{}: line {line} is not 'NAME NUMBER'; skipped", path.display());
        messages.push(Message { text, weight: Weight::Note });
    }
    Ok(())
}

/// A reader that closes the pipe early is no error.
fn tell_output(written: io::Result<()>, messages: &mut Vec<Message>) {
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => {
            let text = chain(&Error::Output(error));
            messages.push(Message { text, weight: Weight::Failure });
        }
    }
}

fn refused(why: &dyn Display) -> Outcome {
    Outcome { status: 2, messages: vec![why.to_string()] }
}

/// The exit status, by default and with `--exit-code`.
fn outcome(messages: Vec<Message>, reported: bool, exit_code: bool) -> Outcome {
    let worst = messages.iter().map(|message| message.weight).max().unwrap_or(Weight::Note);
    let status = match (exit_code, worst) {
        (false, Weight::Failure) => 1,
        (false, _) => 0,
        (true, Weight::Note) => u8::from(reported),
        (true, _) => 3,
    };
    Outcome { status, messages: messages.into_iter().map(|message| message.text).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_statuses() {
        let status = |weights: &[Weight], reported, exit_code| {
            let message = |&weight| Message { text: String::new(), weight };
            outcome(weights.iter().map(message).collect(), reported, exit_code).status
        };
        for (weights, reported, by_default, with_e) in [
            (&[][..], false, 0, 0),
            (&[], true, 0, 1),
            (&[Weight::Note], false, 0, 0),
            (&[Weight::Note], true, 0, 1),
            (&[Weight::Blind], false, 0, 3),
            (&[Weight::Failure, Weight::Note], true, 1, 3),
            (&[Weight::Failure], false, 1, 3),
        ] {
            assert_eq!(status(weights, reported, false), by_default);
            assert_eq!(status(weights, reported, true), with_e);
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        let mut messages = Vec::new();
        tell_output(Err(io::ErrorKind::BrokenPipe.into()), &mut messages);
        assert_eq!(messages, []);
        tell_output(Err(io::ErrorKind::StorageFull.into()), &mut messages);
        assert_eq!(messages[0].weight, Weight::Failure);
    }
}
