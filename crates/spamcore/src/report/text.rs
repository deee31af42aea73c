//! The report as text, exactly as the shell scripts before this program wrote it: other scripts read it.

use std::io::{self, Write};

use super::{Report, Style};
use crate::escape::{escape, escape_line};
use crate::verdict::Finding;

pub(super) fn write(
    report: &Report<'_>,
    findings: &[Finding<'_>],
    out: &mut impl Write,
) -> io::Result<()> {
    if report.style == Style::Names {
        return names(report, findings, out);
    }
    let Report { period, limit, .. } = report;
    writeln!(
        out,
        "During the last {period} the following senders have made at least {limit} SMTP connections.\n"
    )?;
    for finding in findings {
        line(report.style, finding, out)?;
        if let Some(action) = &finding.action {
            write!(out, " [{}]", action.note())?;
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The line of a finding, without what was done about it.
pub(super) fn line(style: Style, finding: &Finding<'_>, out: &mut impl Write) -> io::Result<()> {
    let stats = finding.stats;
    write!(out, "{}", stats.messages)?;
    if style == Style::Origins {
        let from = stats.origins();
        write!(
            out,
            " ({} nets/{} unknowns/{} IPs/{} webmail)",
            from.nets(),
            from.unknowns(),
            from.ips(),
            from.webmail()
        )?;
    }
    out.write_all(b" -- ")?;
    out.write_all(&escape_line(&stats.line))
}

/// Names as they are for a pipe, and escaped for a terminal, without those that are withheld. One that is counted in
/// several logs is written once: whoever reads names looks at the file.
fn names(report: &Report<'_>, findings: &[Finding<'_>], out: &mut impl Write) -> io::Result<()> {
    let mut before = None;
    for Finding { sender, .. } in findings {
        if report.withholds(sender).is_some() || before.replace(*sender) == Some(*sender) {
            continue;
        }
        if report.terminal {
            out.write_all(&escape(sender))?;
        } else {
            out.write_all(sender)?;
        }
        out.write_all(&[report.end])?;
    }
    Ok(())
}
