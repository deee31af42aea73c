//! The report as the scripts wrote it.

use std::io::{self, Write};

use super::{Report, Style, escaped};
use crate::verdict::{Action, Finding};

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
    for Finding { seen, action, .. } in findings {
        write!(out, "{}", seen.messages)?;
        if report.style == Style::Origins {
            let from = seen.origins();
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
        out.write_all(&escaped(&seen.line))?;
        match action {
            None => {}
            Some(Action::WouldDisable) => out.write_all(b" [WOULD DISABLE]")?,
            Some(Action::NotDisabled(reason)) => write!(out, " [NOT DISABLED: {reason}]")?,
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Raw names for a pipe, escaped ones for a terminal.
fn names(report: &Report<'_>, findings: &[Finding<'_>], out: &mut impl Write) -> io::Result<()> {
    for Finding { sender, .. } in findings {
        if report.terminal {
            out.write_all(&escaped(sender))?;
        } else {
            out.write_all(sender)?;
        }
        out.write_all(&[report.end])?;
    }
    Ok(())
}
