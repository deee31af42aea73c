//! What a program checks, from its arguments to its report.
//!
//! From a program's [`Defaults`] and its arguments, [`Check::new`] makes the window, the limits and the list
//! of logs. The steps of a program are then: [`Check::open`] opens the logs as a [`Scan`], [`Check::count`]
//! counts their senders, [`Check::judge`] finds those to be reported, some programs act on them, with
//! [`Check::evidence`] from the same logs, and [`Check::report`] writes the report. Nothing is printed here.

mod facts;

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::cli::options::SharedArgs;
use crate::error::Error;
use crate::escape::display;
use crate::evidence::{
    Counted, Counts, Evidence, EvidenceSource, HostOf, Lines, Selection, SenderEvidence,
};
use crate::file;
use crate::host::Host;
use crate::hosts::Hosts;
use crate::identity::Identity;
use crate::limits::Limits;
use crate::messages::{Messages, Outcome, number};
use crate::parse::{Kind, LazyEvent, Parser};
use crate::report::{Format, Report, Style};
use crate::same_client::{SameClient, is_plausible};
use crate::scan::Scan;
use crate::self_test::OverridesFacts;
use crate::sink::Sink;
use crate::source::choose::Logs;
use crate::source::named::NamedLogs;
use crate::split_logins::SplitLogins;
use crate::tally::directories::{FEW, Scattered};
use crate::tally::network::Webmail;
use crate::tally::{Detail, Tally, UnclearAddresses};
use crate::time::clock::instant_of;
use crate::time::period::{Period, PeriodError};
use crate::time::stamp::Stamp;
use crate::time::window::Window;
use crate::unlogged::{MOST, Unlogged};
use crate::verdict::{Finding, Spread, is_spread, judge};

/// How many bytes of a line a message shows.
const SHOWN: usize = 200;

/// What a program does unless its arguments say otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// The program's name.
    pub program: &'static str,
    /// The period, as it would be typed.
    pub period: &'static str,
    /// How many messages are too many.
    pub limit: u64,
    /// Whether exactly as many messages as the limit are still allowed.
    pub exclusive: bool,
    /// The file of individual limits, which need not exist.
    pub overrides: Option<&'static str>,
    /// The logs, of which the one that was written last is read.
    pub logs: &'static [&'static str],
    /// Whether the journal is read if none of them exists.
    pub or_journal: bool,
    /// What a report shows of a sender.
    pub style: Style,
}

/// What is checked, and how it is reported.
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub struct Check<P> {
    parser: P,
    program: &'static str,
    style: Style,
    period: Period,
    window: Window,
    limits: Limits,
    identity: Identity,
    logs: Logs,
    format: Format,
    null: bool,
    exit_code: bool,
    is_self_test: bool,
    /// Another time than now was given.
    looks_back: bool,
    /// The file of individual limits, if the program has any and it could be read.
    overrides: Option<OverridesFacts>,
    /// Webmail hosts, whose messages the report also counts separately.
    pub webmail: Webmail,
    /// The limits of `--disable-account`, if it was given.
    pub spread: Option<Spread>,
    /// Whether a directory whose scripts reach the limit only together is reported like a script; if not, it is
    /// only mentioned in the messages.
    pub directories: bool,
}

impl<P: Parser + Copy + Send + Sync + 'static> Check<P> {
    /// The check that these arguments ask for. Wrong usage ends the run; so do a file of individual limits
    /// that cannot be read, and a time zone that is not known: the wrong senders would be reported.
    pub fn new(
        parser: P,
        defaults: &Defaults,
        args: SharedArgs,
        host: &Host,
        messages: &mut Messages,
    ) -> Result<Self, Outcome> {
        if args.null && args.format != Format::Text {
            return Err(Outcome::usage("--null requires --format=text"));
        }
        if args.check && args.format == Format::Json {
            return Err(Outcome::usage("--check cannot be combined with --format=json"));
        }
        let period = args.period.map_or_else(|| Period::parse(defaults.period), Ok);
        let period = period.map_err(Outcome::usage)?;
        let window = window(&period, args.now, host).map_err(|error| {
            Outcome::usage(format_args!("the period '{}': {error}", period.typed()))
        })?;
        if let Some(unknown) = &host.unknown_zone {
            // A self-test says all that it can.
            if args.check {
                messages.fail(unknown.to_string());
            } else {
                messages.fail(format!("{unknown}; nothing was checked"));
                return Err(std::mem::take(messages).outcome(false, args.exit_code));
            }
        }
        let identity =
            if parser.names_logins() { Identity::logins(args.realms) } else { Identity::exact() };
        let mut limits = Limits::new(args.limit.unwrap_or(defaults.limit), defaults.exclusive);
        let path = args.overrides.as_deref().or_else(|| defaults.overrides.map(Path::new));
        let is_needed = args.overrides.is_some();
        let overrides = path.map(|path| {
            let read = read_overrides(&mut limits, &identity, (path, is_needed), host, messages);
            read.map_err(|error| messages.fail_with(&error))
        });
        if overrides == Some(Err(())) && !args.check {
            return Err(std::mem::take(messages).outcome(false, args.exit_code));
        }
        let journal = args.journal && parser.journal_author().is_some();
        let named = NamedLogs::new(&args.logs, journal, host, messages);
        Ok(Self {
            parser,
            program: defaults.program,
            style: defaults.style,
            period,
            window,
            limits,
            identity,
            logs: Logs {
                named,
                asked: !args.logs.is_empty(),
                default: defaults.logs,
                journal: args.journal,
                or_journal: defaults.or_journal,
                program: defaults.program,
                report_others: args.exit_code || args.check,
            },
            format: args.format,
            null: args.null,
            exit_code: args.exit_code,
            is_self_test: args.check,
            looks_back: args.now.is_some(),
            overrides: overrides.and_then(Result::ok),
            webmail: Webmail::default(),
            spread: None,
            directories: false,
        })
    }

    /// The window that is checked.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The period, for the heading of the report.
    pub fn period(&self) -> String {
        self.period.to_string()
    }

    /// Opens the logs, as far back as the period requires.
    pub fn open(&self, host: &mut Host, messages: &mut Messages) -> Scan<'_, P> {
        let mut scan = Scan::open(&self.parser, &self.logs, self.window, host, messages);
        if self.is_self_test {
            scan.look_at_streams();
        }
        scan.with_hiding_limit((self.style == Style::Names).then_some(self.limits.everybody))
    }

    /// Counts the senders of the logs.
    pub fn count(&self, scan: &mut Scan<'_, P>, messages: &mut Messages) -> Tally {
        let tally = scan.read(self.tally(scan), messages);
        self.report_uncounted(&tally, messages);
        tally
    }

    /// Counts the senders of the logs, and reports messages of which only the end is in them.
    pub fn count_and_find_unlogged(
        &self,
        scan: &mut Scan<'_, P>,
        messages: &mut Messages,
    ) -> Tally {
        let sinks = (self.tally(scan), Unlogged::new(self.window, scan.is_rereadable()));
        let (tally, unlogged) = scan.read(sinks, messages);
        self.report_uncounted(&tally, messages);
        if let Some(count) = unlogged.count() {
            let most = if count == MOST { " or more" } else { "" };
            // A client can cause that, so it is not a failure.
            messages.note(format!(
                "counted for nobody: {count}{most} messages that were completed, but whose reception is \
                 not in the log (a HELO longer than Exim's log buffer?)"
            ));
        }
        tally
    }

    /// Counts the senders of the logs as [`count`](Self::count) does, and reports if most logins come from one
    /// client. Where the logs cannot be read again, what the lines of `hosts` alone amount to is counted too: only
    /// they are evidence.
    pub fn count_to_act(
        &self,
        scan: &mut Scan<'_, P>,
        hosts: &Hosts,
        messages: &mut Messages,
    ) -> (Tally, Option<Tally>) {
        let clients = SameClient::new(self.window, self.identity.clone(), self.webmail.clone());
        let (tally, of_hosts, clients) = if scan.is_rereadable() {
            let tally = scan.read(self.tally(scan), messages);
            // Most often it is plain that they do not, and nothing is read again.
            let clients = is_plausible(&tally).then(|| scan.read(clients, messages));
            (tally, None, clients)
        } else {
            let sink = self.tally(scan);
            let of_hosts = OfHosts { hosts: hosts.clone(), host_of: P::host, sink };
            let sinks = (self.tally(scan), (of_hosts, clients));
            let (tally, (of_hosts, clients)) = scan.read(sinks, messages);
            (tally, Some(of_hosts.sink), Some(clients))
        };
        self.report_uncounted(&tally, messages);
        if let Some(hint) = clients.and_then(|clients| clients.hint()) {
            messages.note(hint);
        }
        (tally, of_hosts)
    }

    fn tally(&self, scan: &Scan<'_, P>) -> Tally {
        let detail = Detail {
            // What is done about an account is always reported with its line.
            line: self.format == Format::Json
                || self.spread.is_some()
                || (self.format == Format::Text && self.style != Style::Names),
            activity: self.format == Format::Table,
        };
        let (limits, webmail) = (self.limits.clone(), self.webmail.clone());
        Tally::new(self.window, limits, webmail, detail, scan.is_rereadable())
            .with_identity(self.identity.clone())
    }

    /// Reports what the findings leave out: senders that found no room, and scripts that reach the limit only
    /// together and are not findings.
    fn report_uncounted(&self, tally: &Tally, messages: &mut Messages) {
        if tally.dropped() > 0 {
            messages.fail(format!(
                "more than a million senders in a stream: {} messages of others were not counted; \
                 give the name of the log instead of a pipe",
                tally.dropped()
            ));
        }
        let few = format!("of at most {} each", number(FEW, "message"));
        for directory in tally.directories().iter().filter(|_| !self.directories) {
            let sent = number(directory.stats.messages, "message");
            let scripts = number(directory.scripts, "script");
            let (log, name) = (self.prefix(directory.log), display(&directory.name));
            messages.note(format!("{log}{name}: {sent} from {scripts} {few}"));
        }
        for Scattered { log, below, scripts, messages: sent } in tally.scattered() {
            let log = self.prefix(*log);
            let sent = number(*sent, "message");
            messages.note(if below.is_empty() {
                let names = number(*scripts, "name");
                format!("{log}{sent} from {names} {few} that are not absolute paths")
            } else {
                let scripts = number(*scripts, "script");
                format!(
                    "{log}{}/: {sent} from {scripts} {few} in the directories below it",
                    display(below)
                )
            });
        }
        // Messages of clients that are counted for no address, once somebody could hide that way. A client can
        // cause that, so it is not a failure.
        let UnclearAddresses { messages: count, line } = tally.unclear_addresses();
        if self.limits.exceeds(self.limits.everybody, *count) && *count > 0 {
            let line = display(&line[..line.len().min(SHOWN)]);
            messages.note(format!(
                "counted for no address: {} whose lines show more than one, or are cut off; the first: {line}",
                number(*count, "message"),
            ));
        }
    }

    /// How a message begins that is about the log with this number, if there are several.
    fn prefix(&self, log: u32) -> String {
        let number = usize::try_from(log).unwrap_or(0).checked_sub(1);
        let name = number.and_then(|number| self.logs.named.names.get(number));
        name.map_or_else(String::new, |name| format!("{name}: "))
    }

    /// Who is reported.
    pub fn judge<'t>(&self, tally: &'t Tally) -> Vec<Finding<'t>> {
        let mut findings = judge(tally, self.spread);
        findings.retain(|finding| self.directories || finding.kind != Kind::Directory);
        findings
    }

    /// Tells the administrator which of these users of the host reach the limit only with all their logins
    /// together. The logs are read again only if there were too many logins to keep them all.
    pub fn hint_at_split_logins(
        &self,
        users: Vec<Vec<u8>>,
        (tally, findings): (&Tally, &[Finding<'_>]),
        scan: &mut Scan<'_, P>,
        messages: &mut Messages,
    ) {
        let mut split = SplitLogins::new(self.window, self.identity.clone(), users);
        if tally.has_all_senders() {
            tally.senders().for_each(|(_, login, stats)| split.add(login, stats.messages));
        } else {
            split = scan.read(split, messages);
        }
        if let Some(hint) = split.hint(&self.limits, findings) {
            messages.note(hint);
        }
    }

    /// Reads the logs again, to look more closely at a few senders. `counted` is what
    /// [`count_to_act`](Self::count_to_act) has counted where they cannot be read again.
    pub fn evidence<'s, 'a>(
        &'s self,
        scan: &'s mut Scan<'a, P>,
        counted: Option<&'s Tally>,
    ) -> Reread<'s, 'a, P> {
        Reread { check: self, scan, counted }
    }

    /// Whether these counts of a sender exceed all limits.
    fn is_sufficient(&self, sender: &[u8], counts: &Counts) -> bool {
        self.limits.reached(&self.identity.fold(sender), counts.messages)
            && self.spread.is_some_and(|spread| is_spread(counts, spread))
    }

    /// Writes the report to `out`, and returns how the run ends.
    pub fn report(
        &self,
        findings: &[Finding<'_>],
        host: &Host,
        out: &mut impl Write,
        mut messages: Messages,
    ) -> Outcome {
        let report = Report {
            program: self.program,
            format: self.format,
            style: self.style,
            end: if self.null { 0 } else { b'\n' },
            period: self.period(),
            limit: self.limits.everybody,
            window: self.window,
            logs: &self.logs.named.names,
            zone: &host.zone,
            terminal: host.terminal,
            colour: host.colour,
            utf8: host.utf8,
            judged: self.spread.is_some(),
        };
        for finding in findings {
            if let Some(why) = report.withholds(finding.sender) {
                let sent = number(finding.stats.messages, "message");
                let (log, name) = (self.prefix(finding.log), display(finding.sender));
                messages.note(format!("{log}{name} ({sent}) is not printed: {why}"));
            }
        }
        let mut out = BufWriter::new(out);
        let written = match (host.stdout_read_only, findings.is_empty()) {
            (true, false) => Err(io::Error::other("it is open for reading only")),
            _ => report.write(findings, &mut out).and_then(|()| out.flush()),
        };
        messages.fail_unless_written(written);
        messages.outcome(!findings.is_empty(), self.exit_code)
    }
}

/// An [`EvidenceSource`] that reads the logs of a check again.
pub struct Reread<'s, 'a, P> {
    check: &'s Check<P>,
    scan: &'s mut Scan<'a, P>,
    counted: Option<&'s Tally>,
}

impl<P: Parser + Copy + Send + Sync + 'static> EvidenceSource for Reread<'_, '_, P> {
    fn evidence(
        &mut self,
        selection: Selection,
        lines: Lines,
        messages: &mut Messages,
    ) -> Option<HashMap<Vec<u8>, SenderEvidence>> {
        let evidence = Evidence::new(selection, P::host);
        let evidence = match lines {
            Lines::Trusted => self.scan.read_trusted(evidence, messages)?,
            Lines::Logged if self.scan.is_rereadable() => self.scan.read(evidence, messages),
            Lines::Logged => return None,
        };
        let check = self.check;
        Some(evidence.into_senders(|sender, counts| check.is_sufficient(sender, counts)))
    }

    fn counted(&self, kind: Kind, sender: &[u8]) -> Option<Counted> {
        let stats = self.counted?.sender(kind, sender)?;
        let counts = Counts::from(stats);
        Some(Counted {
            counts,
            sufficient: self.check.is_sufficient(sender, &counts),
            last: stats.span.map(|(_, last)| last),
            first_spelling: stats.first_spelling(sender).into(),
            more_spellings: stats.spellings() > 1,
        })
    }
}

/// A sink of the lines of some hosts only, for a log that is read once and in one part.
struct OfHosts<S> {
    hosts: Hosts,
    host_of: HostOf,
    sink: S,
}

impl<S: Sink> Sink for OfHosts<S> {
    fn event(&mut self, at: Option<i64>, times: u64, event: &LazyEvent<'_>, line: &[u8]) {
        if self.hosts.include((self.host_of)(line)) {
            self.sink.event(at, times, event, line);
        }
    }

    fn begin_log(&mut self, number: u32) {
        self.sink.begin_log(number);
    }

    fn needs_another_pass(&mut self) -> bool {
        self.sink.needs_another_pass()
    }
}

fn window(
    period: &Period,
    now: Option<Stamp<'static>>,
    host: &Host,
) -> Result<Window, PeriodError> {
    let Some(now) = now else {
        return Ok(Window::until_now(period.before(host.now, &host.zone)?, host.now));
    };
    let then = instant_of(&now, &host.zone).ok_or(PeriodError::TooFar)?;
    Ok(Window::until(period.before(then, &host.zone)?, then))
}

/// Adds the individual limits of a file. `is_needed` is whether it must exist.
fn read_overrides(
    limits: &mut Limits,
    identity: &Identity,
    (path, is_needed): (&Path, bool),
    host: &Host,
    messages: &mut Messages,
) -> Result<OverridesFacts, Error> {
    if !is_needed && !path.exists() {
        return Ok(OverridesFacts { path: path.into(), ..OverridesFacts::default() });
    }
    let wrong = limits.add(&file::read_file(path, host.root)?, identity);
    for line in &wrong {
        messages.note(format!("{}: line {line} is not 'NAME NUMBER'; skipped", path.display()));
    }
    Ok(OverridesFacts { path: path.into(), limits: Some(limits.individuals()), wrong })
}
