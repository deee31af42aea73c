//! The report as JSON Lines: one object per finding. The man pages document the fields.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::{Report, Style};
use crate::escape::is_hidden;
use crate::parse::Kind;
use crate::time::zone::Zone;
use crate::verdict::{Action, Finding};

#[derive(Serialize)]
struct Object<'a> {
    program: &'a str,
    kind: &'a str,
    sender: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_spelling: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spellings: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    named_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<&'a str>,
    messages: u64,
    limit: u64,
    start: Option<String>,
    end: Option<String>,
    first: Option<String>,
    last: Option<String>,
    line: String,
    #[serde(flatten)]
    origins: Option<Origins>,
    #[serde(flatten)]
    judged: Option<Judged<'a>>,
}

#[derive(Serialize)]
struct Origins {
    nets: u64,
    unknowns: u64,
    ips: u64,
    webmail: u64,
}

#[derive(Serialize)]
struct Judged<'a> {
    action: Option<&'a str>,
    reason: Option<&'a str>,
}

pub(super) fn write(
    report: &Report<'_>,
    findings: &[Finding<'_>],
    out: &mut impl Write,
) -> io::Result<()> {
    for finding in findings {
        writeln!(
            out,
            "{}",
            escape_json_controls(&serde_json::to_string(&object(report, finding))?)
        )?;
    }
    Ok(())
}

/// JSON in which characters that a terminal may act on are escaped too. They occur only in strings.
fn escape_json_controls(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text
}

fn object<'a>(report: &'a Report<'_>, finding: &'a Finding<'_>) -> Object<'a> {
    let Finding { kind, sender, stats, limit, .. } = finding;
    let (kind, named_by) = match kind {
        Kind::Sasl => ("sasl", None),
        Kind::User => ("user", None),
        Kind::Helo => ("client", Some("helo")),
        Kind::HostName => ("client", Some("name")),
        Kind::Address => ("address", None),
        Kind::Authenticated => ("auth", None),
        Kind::Script => ("script", None),
        Kind::Directory => ("directory", None),
    };
    let from = stats.origins();
    let origins = (report.style == Style::Origins).then(|| Origins {
        nets: from.nets().count,
        unknowns: from.unknowns().count,
        ips: from.ips().count,
        webmail: from.webmail(),
    });
    let judged = report.judged.then(|| Judged {
        action: finding.action.as_ref().map(Action::word),
        reason: match &finding.action {
            Some(Action::NotDisabled(reason)) => Some(reason),
            _ => None,
        },
    });
    let at = |instant| rfc3339(instant, report.zone);
    Object {
        program: report.program,
        kind,
        sender: String::from_utf8_lossy(sender).into_owned(),
        sender_hex: std::str::from_utf8(sender).is_err().then(|| hex(sender)),
        first_spelling: (report.style == Style::Origins)
            .then(|| String::from_utf8_lossy(stats.first_spelling(sender)).into_owned()),
        spellings: Some(stats.spellings()).filter(|&spellings| spellings > 1),
        named_by,
        address_count: finding.addresses,
        log: report.log(finding),
        messages: stats.messages,
        limit: *limit,
        start: at(report.window.start),
        end: at(report.window.now),
        first: stats.span.and_then(|(first, _)| at(first)),
        last: stats.span.and_then(|(_, last)| at(last)),
        line: String::from_utf8_lossy(&stats.line).into_owned(),
        origins,
        judged,
    }
}

/// An instant as RFC 3339 with the local offset; none if it is outside the years 0 to 9999.
fn rfc3339(instant: i64, zone: &Zone) -> Option<String> {
    let offset = UtcOffset::from_whole_seconds(zone.offset_at(instant)).ok()?;
    // RFC 3339 offsets have no seconds, but those of historical local mean time do.
    let offset = UtcOffset::from_hms(offset.whole_hours(), offset.minutes_past_hour(), 0).ok()?;
    let at = OffsetDateTime::from_unix_timestamp(instant).ok()?;
    at.checked_to_offset(offset)?.format(&Rfc3339).ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, b| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{b:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_escaped() {
        let text = "a\u{9b}31m\u{7f}\u{202e}\u{e0041}é\t\"\\日";
        let json = escape_json_controls(&serde_json::to_string(text).expect("text"));
        assert_eq!(json, r#""a\u009b31m\u007f\u202e\udb40\udc41é\t\"\\日""#);
        assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
    }
}
