//! The report for people: an aligned table, worst first, with a sparkline of the period, in 80 columns.

use std::io::{self, Write};

use time::OffsetDateTime;
use time::macros::format_description;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Report, Style};
use crate::escape::display;
use crate::parse::Kind;
use crate::tally::stats::PARTS;
use crate::time::zone::Zone;
use crate::verdict::Finding;

const WIDTH: usize = 80;

/// How much of the path of a log is shown, in columns: its end.
const LOG_WIDTH: usize = 20;

pub(super) fn write(
    report: &Report<'_>,
    findings: &[Finding<'_>],
    out: &mut impl Write,
) -> io::Result<()> {
    let (bold, red, plain) =
        if report.colour { ("\x1b[1m", "\x1b[31m", "\x1b[0m") } else { ("", "", "") };
    let what = if report.style == Style::Names { "script" } else { "sender" };
    let plural = if findings.len() == 1 { "" } else { "s" };
    let from = local(report.window.start, report.zone);
    let to = local(report.window.now, report.zone);
    writeln!(out, "{bold}{} {what}{plural}, {from} to {to}{plain}\n", findings.len())?;

    let rows = rows(report, findings);
    let columns = rows.first().map_or(0, |row| row.cells.len());
    let width = |column: usize| rows.iter().map(|row| row.cells[column].width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    // The last column gets what the others leave of the line.
    let taken: usize = widths.iter().take(columns - 1).map(|width| width + 2).sum();
    let left = WIDTH.saturating_sub(taken).max(16);
    for (number, Row { cells, note, spread }) in rows.iter().enumerate() {
        let (on, off) = match (number, spread) {
            (0, _) => (bold, plain),
            (_, true) => (red, plain),
            _ => ("", ""),
        };
        out.write_all(on.as_bytes())?;
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let fill = " ".repeat(width - cell.width());
            if column + 1 == columns {
                // A name may be cut, but not what was done about it.
                let left = left.saturating_sub(note.width()).max(12);
                let end = report.style == Style::Names;
                write!(out, "{}{note}", fitted(cell, left, end, report.utf8))?;
            } else if column + 2 == columns {
                write!(out, "{cell}{fill}  ")?;
            } else {
                write!(out, "{fill}{cell}  ")?;
            }
        }
        writeln!(out, "{off}")?;
    }
    Ok(())
}

struct Row {
    cells: Vec<String>,
    /// What was done about it, shown after the last cell.
    note: String,
    /// It exceeds the limits of `--disable-account`.
    spread: bool,
}

/// The heading and one row per finding, worst first.
fn rows(report: &Report<'_>, findings: &[Finding<'_>]) -> Vec<Row> {
    let origins = report.style == Style::Origins;
    let mut heading = vec!["MSGS", "LIMIT"];
    if origins {
        heading.extend(["NETS", "UNKN", "IPS", "WEBM"]);
    }
    if report.style == Style::Counts {
        heading.push("KIND");
    }
    let several = findings.iter().any(|finding| report.log(finding).is_some());
    if several {
        heading.push("LOG");
    }
    heading.push("ACTIVITY");
    heading.push(if report.style == Style::Names { "SCRIPT" } else { "SENDER" });
    let cells = heading.into_iter().map(String::from).collect();
    let mut rows = vec![Row { cells, note: String::new(), spread: false }];
    let mut worst: Vec<_> = findings.iter().collect();
    worst.sort_by_key(|finding| std::cmp::Reverse(finding.stats.messages));
    for finding in worst {
        let stats = finding.stats;
        let mut cells = vec![stats.messages.to_string(), finding.limit.to_string()];
        if origins {
            let from = stats.origins();
            cells.extend([from.nets(), from.unknowns(), from.ips()].map(|count| count.to_string()));
            cells.push(from.webmail().to_string());
        }
        if report.style == Style::Counts {
            cells.push(kind(finding.kind).to_owned());
        }
        if several {
            let log = report.log(finding).unwrap_or("-");
            cells.push(fitted(&escape_cell(log.as_bytes()), LOG_WIDTH, true, report.utf8));
        }
        cells.push(sparkline(&stats.activity.as_deref().copied().unwrap_or_default(), report.utf8));
        let note = finding.action.as_ref().map_or(String::new(), |action| {
            // The reason would make the column too wide. The text report has it.
            let note = action.note();
            format!(" [{}]", note.split(':').next().unwrap_or_default())
        });
        cells.push(escape_cell(finding.sender));
        rows.push(Row { cells, note, spread: finding.spread });
    }
    rows
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Sasl => "login",
        Kind::User => "user",
        Kind::Helo => "helo",
        Kind::HostName => "host",
        Kind::Address => "address",
        Kind::Authenticated => "auth",
        Kind::Script => "script",
        Kind::Directory => "directory",
    }
}

/// One bar per part of the period, the highest for the busiest part.
fn sparkline(activity: &[u64; PARTS], utf8: bool) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const ASCII: [char; 8] = ['.', ':', '-', '=', '+', '*', '%', '#'];
    let bars = if utf8 { BARS } else { ASCII };
    let most = activity.iter().max().copied().unwrap_or(0);
    let bar = |&part: &u64| {
        if part == 0 {
            return ' ';
        }
        let step = (u128::from(part) * 8).div_ceil(u128::from(most)) - 1;
        bars[usize::try_from(step).unwrap_or(7).min(7)]
    };
    activity.iter().map(bar).collect()
}

/// A name that cannot break out of its cell. TAB is escaped too, and so is a space before a bracket, so that
/// no name can look as if something had been done about it.
fn escape_cell(name: &[u8]) -> String {
    let mut text = String::new();
    for c in display(name).chars() {
        match c {
            '\t' => text.push_str("\\x09"),
            '[' if text.ends_with(' ') => {
                text.pop();
                text.push_str("\\x20[");
            }
            c => text.push(c),
        }
    }
    text
}

/// As much of a text as fits into a width, with `…` for the rest, or `~` in ASCII: the end of a path, the start of a
/// name.
fn fitted(text: &str, width: usize, end: bool, utf8: bool) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let rest = if utf8 { '…' } else { '~' };
    let mut used = 1;
    let mut fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= width
    };
    if end {
        let kept: Vec<char> = text.chars().rev().take_while(|c| fits(c)).collect();
        std::iter::once(rest).chain(kept.into_iter().rev()).collect()
    } else {
        text.chars().take_while(|c| fits(c)).chain(std::iter::once(rest)).collect()
    }
}

fn local(instant: i64, zone: &Zone) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    OffsetDateTime::from_unix_timestamp(instant + i64::from(zone.offset_at(instant)))
        .ok()
        .and_then(|at| at.format(format).ok())
        .unwrap_or_else(|| "?".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_for_every_part_and_the_highest_for_the_busiest() {
        let mut activity = [0; PARTS];
        activity[0] = 1;
        activity[1] = 8;
        activity[15] = 4;
        assert_eq!(sparkline(&activity, true), format!("▁█{}▄", " ".repeat(13)));
        assert_eq!(sparkline(&activity, false), format!(".#{}=", " ".repeat(13)));
        assert_eq!(sparkline(&[0; PARTS], true), " ".repeat(PARTS));
    }

    #[test]
    fn no_name_looks_as_if_something_had_been_done_about_it() {
        assert_eq!(escape_cell(b"bob [DISABLED]"), "bob\\x20[DISABLED]");
        assert_eq!(escape_cell("bob\u{a0}[DISABLED]".as_bytes()), "bob\\xc2\\xa0[DISABLED]");
    }

    #[test]
    fn names_are_cut_at_the_end_and_paths_at_the_start() {
        assert_eq!(fitted("abcdef", 6, false, true), "abcdef");
        assert_eq!(fitted("abcdefg", 6, false, true), "abcde…");
        assert_eq!(fitted("/home/a/x.php", 6, true, true), "…x.php");
        assert_eq!(fitted("/home/a/x.php", 6, true, false), "~x.php");
        assert_eq!(fitted("日本語です", 5, false, true), "日本…");
        assert_eq!(escape_cell("a\tb\u{202e}c".as_bytes()), "a\\x09b\\xe2\\x80\\xaec");
    }
}
