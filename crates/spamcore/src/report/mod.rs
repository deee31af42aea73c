//! The report: the findings as text, as a table for people, or as JSON Lines.
//!
//! Takes findings and writes them to an `impl Write`. Text that strangers can influence goes through
//! [`crate::escape`] before it can reach a terminal. Nothing is judged here.

mod json;
mod table;
mod text;

use std::io::{self, Write};

use crate::escape::has_controls;
use crate::time::window::Window;
use crate::time::zone::Zone;
use crate::verdict::Finding;

/// The format of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Lines of text, as the shell scripts before this program wrote them.
    #[default]
    Text,
    /// An aligned table for people, worst first.
    Table,
    /// JSON Lines: one object per finding.
    Json,
}

/// What a report shows of a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// The number of messages, where they came from, and the first line.
    Origins,
    /// The number of messages and the first line.
    Counts,
    /// Just the name, without a heading.
    Names,
}

/// Everything about a report except the findings.
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// The program's name.
    pub program: &'static str,
    /// Its format.
    pub format: Format,
    /// What it shows of a sender.
    pub style: Style,
    /// The byte after a name in [`Style::Names`]: a newline or NUL.
    pub end: u8,
    /// The period, for the heading.
    pub period: String,
    /// The limit for senders without an individual one.
    pub limit: u64,
    /// The window that was checked.
    pub window: Window,
    /// The logs, if there are several, by their number less 1.
    pub logs: &'a [String],
    /// The zone in which times are shown.
    pub zone: &'a Zone,
    /// Whether it goes to a terminal.
    pub terminal: bool,
    /// Whether colour may be used.
    pub colour: bool,
    /// Whether its reader takes UTF-8: bars of a table are otherwise ASCII.
    pub utf8: bool,
    /// Whether accounts were checked against `--disable-account`.
    pub judged: bool,
}

impl Report<'_> {
    /// The log in which a sender was counted by itself.
    pub fn log(&self, finding: &Finding<'_>) -> Option<&str> {
        let number = usize::try_from(finding.log).ok()?.checked_sub(1)?;
        self.logs.get(number).map(String::as_str)
    }

    /// Why a name is not printed; none if it is.
    ///
    /// Whoever reads names from a pipe may run as root, take them apart at spaces and pass them on as
    /// arguments. So a name that is not an absolute path could be an option there, or a path that its
    /// owner never had; and one that would be taken apart is printed only where nothing does that.
    pub fn withholds(&self, name: &[u8]) -> Option<&'static str> {
        if self.style != Style::Names || self.format != Format::Text {
            return None;
        }
        if !name.starts_with(b"/") {
            return Some("not an absolute path");
        }
        if self.end == 0 && !self.terminal {
            return name.contains(&0).then_some("it contains a NUL byte");
        }
        let splits = |b: &u8| matches!(b, b' ' | b'"' | b'\'' | b'\\');
        let odd = !self.terminal && (name.iter().any(splits) || has_controls(name));
        odd.then_some("a path with a space, quote, backslash or control character needs --null")
    }

    /// Writes the findings, or nothing if there are none.
    pub fn write(&self, findings: &[Finding<'_>], out: &mut impl Write) -> io::Result<()> {
        if findings.is_empty() {
            return Ok(());
        }
        match self.format {
            Format::Text => text::write(self, findings, out),
            Format::Table => table::write(self, findings, out),
            Format::Json => json::write(self, findings, out),
        }
    }
}

/// The line of a finding in the text report, without what was done about it.
pub fn line(style: Style, finding: &Finding<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = text::line(style, finding, &mut line);
    line
}
