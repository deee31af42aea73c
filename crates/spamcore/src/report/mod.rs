//! The report: what was found, as text, as a table for a person, or as JSON Lines.
//!
//! Everything is written to an `impl Write`. Text of strangers goes through [`crate::escape`] before it
//! can reach a terminal.

mod json;
mod table;
mod text;

use std::io::{self, Write};

use crate::time::window::Window;
use crate::time::zone::Zone;
use crate::verdict::Finding;

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As the scripts wrote it.
    #[default]
    Text,
    /// For a person: worst first, aligned.
    Table,
    /// JSON Lines, an object a finding.
    Json,
}

/// What a line of the text report looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A heading, then the count, where the mail came from, and the first line.
    Origins,
    /// A heading, then the count and the first line.
    Counts,
    /// Nothing but names.
    Names,
}

/// A report, apart from what was found.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// The program's name.
    pub program: &'static str,
    /// How it is written.
    pub format: Format,
    /// What a line of the text says.
    pub style: Style,
    /// What ends a name: a newline or NUL.
    pub end: u8,
    /// The period, as the heading repeats it.
    pub period: String,
    /// The limit of who has none of their own.
    pub limit: u64,
    /// The window that was looked at.
    pub window: Window,
    /// The zone that stamps are shown in.
    pub zone: &'a Zone,
    /// Whether it is read on a terminal.
    pub terminal: bool,
    /// Whether colour may be used.
    pub colour: bool,
    /// Whether accounts were judged (`--disable-account`).
    pub judged: bool,
}

impl Report<'_> {
    /// Writes the findings. Nothing found is nothing written.
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

/// The line of a finding as the text report has it, but for what was done about it.
pub fn line(style: Style, finding: &Finding<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    // Memory does not fail.
    let _ = text::line(style, finding, &mut line);
    line
}
