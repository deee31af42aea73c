//! The notice: a mail to the administrator about one incident.
//!
//! Takes an [`Incident`], in which the text of strangers is bytes; gives a [`Notice`], which can wait in the state,
//! and from that the whole mail. Pure: the time, the host's name and the addresses are arguments.
//!
//! Whatever is in a name or a log line, the mail has the nine headers of [`Notice::message`], each once, and a
//! body of printable ASCII in lines of less than 998 bytes, none of which is a single dot. The text of strangers
//! is escaped (`\xnn`), truncated if it is long, and indented, apart from spam-check's own. The only variable
//! parts of commands are checked names.

mod body;
mod mail_server;

use serde::{Deserialize, Serialize};
use spamcore::evidence::Counts;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::account::AccountName;
use crate::mail::Address;
use crate::system::escape::{cut, escape_ascii};

pub use mail_server::{Application, Daemon, MailServer, SessionCommand};

/// RFC 5322, 2.1.1: a line has at most 998 bytes. Some are left for what a relay may add.
const LONGEST_LINE: usize = 990;

/// No body is longer. Those of incidents are far shorter.
const LONGEST_BODY: usize = 256 << 10;

/// No host name in a mail is longer.
const LONGEST_HOST: usize = 255;

/// What a notice is about, as the state has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// An account was locked.
    Disabled,
    /// A locked account still sends.
    StillSending,
    /// More locks were asked for than are allowed.
    NotDisabled,
    /// An account was not locked for another reason.
    Spared,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum IncidentKind<'a> {
    /// The account was locked.
    Disabled,
    /// It was locked under some names, but can log in under others.
    PartlyDisabled,
    /// It was locked before, and still sends.
    StillSending {
        /// When it was locked, if that is known.
        since: Option<OffsetDateTime>,
    },
    /// It was not locked: more locks were asked for than are allowed.
    NotDisabled {
        /// How many are allowed (`--max-locks`).
        limit: usize,
        /// The other accounts that were not locked for the same reason.
        others: &'a [AccountName],
    },
    /// It was not locked for another reason.
    Spared {
        /// The reason.
        why: &'a str,
        /// The other accounts that were not locked, and why.
        others: &'a [(AccountName, String)],
    },
}

/// One incident. Lists may be of any length and in any order.
#[derive(Clone, Debug)]
pub struct Incident<'a> {
    /// The program that found it.
    pub application: &'a Application,
    /// The name of this host.
    pub host: &'a str,
    /// The account.
    pub account: &'a AccountName,
    /// The sender, as logged.
    pub sender: &'a [u8],
    /// What happened.
    pub kind: IncidentKind<'a>,
    /// What the account was locked with, or would be.
    pub method: &'a str,
    /// When, in local time.
    pub at: OffsetDateTime,
    /// The period that was searched, as typed.
    pub period: &'a str,
    /// The path of the log, or `journal`.
    pub log: &'a str,
    /// The counts.
    pub counts: Counts,
    /// The line of the report.
    pub report_line: &'a [u8],
    /// The first lines of the log.
    pub first_lines: &'a [Box<[u8]>],
    /// Networks, and how many messages came from each.
    pub networks: &'a [(Box<[u8]>, u64)],
    /// Addresses, and how many messages came from each.
    pub addresses: &'a [(Box<[u8]>, u64)],
    /// The commands that undo the lock by hand.
    pub undo: &'a [String],
    /// The caches of passwords that were found running.
    pub caches: &'a [&'static str],
}

impl Incident<'_> {
    /// The subject and the body.
    pub fn notice(&self) -> Notice {
        let what = match self.kind {
            IncidentKind::Disabled => "DISABLED".into(),
            IncidentKind::PartlyDisabled => "NOT DISABLED: ONLY SOME SPELLINGS".into(),
            IncidentKind::StillSending { .. } => "DISABLED, STILL SENDING".into(),
            IncidentKind::NotDisabled { others: [], .. } => "NOT DISABLED: TOO MANY AT ONCE".into(),
            IncidentKind::NotDisabled { others, .. } => {
                format!("AND {} MORE NOT DISABLED: TOO MANY AT ONCE", others.len())
            }
            IncidentKind::Spared { others: [], .. } => "NOT DISABLED".into(),
            IncidentKind::Spared { others, .. } => {
                format!("AND {} MORE NOT DISABLED", others.len())
            }
        };
        let host = cut(self.host.as_bytes(), LONGEST_HOST);
        let subject = format!("SPAMMER DETECTED AT {host} [USER {} {what}]", self.account);
        Notice { subject, body: body::body(self) }
    }
}

/// Where and when a notice is sent.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The sender.
    pub from: &'a Address,
    /// The recipient.
    pub to: &'a Address,
    /// When it is sent, in local time.
    pub at: OffsetDateTime,
    /// What distinguishes it from all others of this host: letters, digits, dots and dashes.
    pub id: &'a str,
    /// The name of this host.
    pub host: &'a str,
}

/// A notice, without where and when it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// The subject.
    pub subject: String,
    /// The body. Its lines end in `\n`.
    pub body: String,
}

impl Notice {
    /// The same without the text of strangers: log lines, networks, addresses. For a mail server that refuses
    /// those.
    #[must_use]
    pub fn brief(&self) -> Self {
        let body = self.body.split(body::SEEN).next().unwrap_or_default();
        let left_out = "(What was seen is omitted: a mail server refused it.)\n";
        Self { subject: self.subject.clone(), body: format!("{body}{left_out}") }
    }

    /// Adds what was done meanwhile, before what is to be done.
    pub fn add_done(&mut self, title: &str, lines: &[String]) {
        let text: String = lines.iter().map(|line| format!("    {line}\n")).collect();
        // Only checked names stand above that heading.
        let at = self.body.find(body::TO_DO).unwrap_or(self.body.len());
        self.body.insert_str(at, &format!("{title}\n\n{text}\n"));
    }

    /// The whole mail. Its lines end in CR LF.
    pub fn message(&self, envelope: &Envelope<'_>) -> Vec<u8> {
        let format = format_description!(
            "[weekday repr:short], [day padding:none] [month repr:short] [year] \
             [hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute]"
        );
        // A time always has these parts.
        let date = envelope.at.format(&format).unwrap_or_default();
        let subject = cut(self.subject.as_bytes(), LONGEST_LINE - "Subject: ".len());
        let (id, host) = (word(envelope.id), word(envelope.host));
        let mut mail = format!(
            "From: {from}\r\n\
             To: {to}\r\n\
             Subject: {subject}\r\n\
             Date: {date}\r\n\
             Message-ID: <{id}@{host}>\r\n\
             Auto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 7bit\r\n\
             \r\n",
            from = envelope.from,
            to = envelope.to,
        );
        for line in self.body.lines() {
            push_line(&mut mail, line);
            if mail.len() > LONGEST_BODY {
                push_line(&mut mail, "[cut]");
                break;
            }
        }
        mail.into_bytes()
    }
}

/// Adds a line of the body: printable, broken if it is too long, and never a single dot.
fn push_line(mail: &mut String, line: &str) {
    let line = escape_ascii(&line.as_bytes()[..line.len().min(LONGEST_BODY)]);
    let mut rest = line.as_str();
    loop {
        let (piece, more) = rest.split_at(rest.len().min(LONGEST_LINE));
        if piece == "." {
            mail.push(' ');
        }
        mail.push_str(piece);
        mail.push_str("\r\n");
        if more.is_empty() {
            return;
        }
        rest = more;
    }
}

/// The letters, digits, dots and dashes of a text, for a place where nothing else is allowed.
fn word(text: &str) -> String {
    let is_allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let word: String = text.chars().filter(is_allowed).take(LONGEST_HOST).collect();
    if word.is_empty() { "localhost".into() } else { word }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    const HEADERS: [&str; 9] = [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ];

    pub(crate) fn name(name: &str) -> AccountName {
        AccountName::check(name.as_bytes()).expect("a name")
    }

    pub(crate) const APPLICATION: Application = Application {
        name: "mail-check",
        mail_server: MailServer {
            name: "Mailer",
            journal: "show the journal",
            hold: &["hold {login} '^{pattern}$' {log}"],
            delete_or_release: &["delete {login}", "release {login}"],
            end_sessions: &[SessionCommand {
                command: &["/usr/bin/kick", "{login}"],
                note: "hard",
                daemon: Daemon { process: "kickd", option: "", cache: "", ask: &[] },
                nothing: None,
            }],
            sessions_note: "Everybody is kicked.",
            confirm: "{journal} | grep '^{pattern}$'",
            journal_note: "Or not.",
            not_reached: "Ask somebody.",
        },
    };

    pub(crate) fn incident<'a>(account: &'a AccountName, kind: IncidentKind<'a>) -> Incident<'a> {
        Incident {
            application: &APPLICATION,
            host: "host.example.org",
            account,
            sender: account.as_ref().as_bytes(),
            kind,
            method: "local",
            at: datetime!(2026-11-03 17:20:04 +1),
            period: "1hour",
            log: "/var/log/mail.log",
            counts: Counts { messages: 412, nets: 14, unknowns: 9, ips: 30 },
            report_line: b"412 (14 nets/9 unknowns/30 IPs/0 webmail) -- Nov  3 17:00:12 mail x",
            first_lines: &[],
            networks: &[],
            addresses: &[],
            undo: &[],
            caches: &[],
        }
    }

    fn mail(text: &Notice) -> String {
        let address = Address::parse("root@example.org").expect("an address");
        let head = Envelope {
            from: &address,
            to: &address,
            at: datetime!(2026-11-03 07:05:09 +1),
            id: "1.2",
            host: "host.example.org",
        };
        String::from_utf8(text.message(&head)).expect("it is ASCII")
    }

    fn check(mail: &str) {
        let (head, body) = mail.split_once("\r\n\r\n").expect("there is an end of the headers");
        let names: Vec<_> =
            head.split("\r\n").map(|line| line.split_once(": ").expect("a header").0).collect();
        assert_eq!(names, HEADERS);
        assert!(mail.ends_with("\r\n"));
        for line in mail.split("\r\n") {
            assert!(line.len() <= 998 && line != ".", "{line:?}");
            assert!(line.bytes().all(|b| matches!(b, b' '..=b'~')), "{line:?}");
        }
        assert!(!body.is_empty());
    }

    #[test]
    fn the_subjects_that_mail_filters_know() {
        let alice = name("alice");
        let others = [name("bob"), name("carol")];
        for (kind, want) in [
            (IncidentKind::Disabled, "[USER alice DISABLED]"),
            (IncidentKind::StillSending { since: None }, "[USER alice DISABLED, STILL SENDING]"),
            (
                IncidentKind::NotDisabled { limit: 5, others: &[] },
                "[USER alice NOT DISABLED: TOO MANY AT ONCE]",
            ),
            (
                IncidentKind::NotDisabled { limit: 5, others: &others },
                "[USER alice AND 2 MORE NOT DISABLED: TOO MANY AT ONCE]",
            ),
        ] {
            let text = incident(&alice, kind).notice();
            assert_eq!(text.subject, format!("SPAMMER DETECTED AT host.example.org {want}"));
            check(&mail(&text));
        }
    }

    #[test]
    fn what_was_done_meanwhile_stands_before_what_is_to_be_done() {
        let mut notice = incident(&name("alice"), IncidentKind::Disabled).notice();
        notice.add_done("DONE", &["kick alice: done".into()]);
        let want = "\n\nDONE\n\n    kick alice: done\n\nWHAT TO DO NOW\n\n1. ";
        assert!(notice.body.contains(want), "{}", notice.body);
        check(&mail(&notice));
    }

    #[test]
    fn the_headers_are_ours() {
        let alice = name("alice");
        let mail = mail(&incident(&alice, IncidentKind::Disabled).notice());
        let head = mail.split("\r\n\r\n").next().expect("there is one");
        let want = "From: root@example.org\r\n\
                    To: root@example.org\r\n\
                    Subject: SPAMMER DETECTED AT host.example.org [USER alice DISABLED]\r\n\
                    Date: Tue, 3 Nov 2026 07:05:09 +0100\r\n\
                    Message-ID: <1.2@host.example.org>\r\n\
                    Auto-Submitted: auto-generated\r\n\
                    MIME-Version: 1.0\r\n\
                    Content-Type: text/plain; charset=utf-8\r\n\
                    Content-Transfer-Encoding: 7bit";
        assert_eq!(head, want);
    }

    #[test]
    fn a_text_that_waited_in_the_state_is_made_safe_again() {
        for body in ["", ".", "a\n.\n..\n.\r\nb", "\r\r\0\u{85}\u{2028}", "x\r\nBcc: a@b\r\n"] {
            let subject = format!("s\r\nBcc: a@b\n\n{body}{}", "x".repeat(2000));
            let text = Notice { subject, body: format!("{body}\nlast") };
            check(&mail(&text));
        }
        let text = Notice { subject: String::new(), body: "\u{f6}\n".repeat(1 << 20) };
        let mail = mail(&text);
        check(&mail);
        assert!(mail.len() < 2 * LONGEST_BODY);
    }

    #[test]
    fn a_long_line_is_broken_and_no_piece_is_a_dot() {
        let body = format!("{}.\n", "x".repeat(LONGEST_LINE));
        let mail = mail(&Notice { subject: "s".into(), body });
        check(&mail);
        assert!(mail.ends_with("x\r\n .\r\n"));
    }

    #[test]
    fn a_bad_id_or_host_never_leaves_its_header() {
        let address = Address::parse("root").expect("an address");
        let text = Notice { subject: "s".into(), body: "b\n".into() };
        for (id, host) in [("", ""), ("a>\r\nBcc: x", "h\nX: y"), ("<@>", "\u{f6}\0")] {
            let at = datetime!(2026-11-03 07:05:09 UTC);
            let head = Envelope { from: &address, to: &address, at, id, host };
            let mail = String::from_utf8(text.message(&head)).expect("it is ASCII");
            check(&mail);
        }
    }

    proptest! {
        #[test]
        fn whatever_strangers_write_the_mail_is_whole(
            sender in any::<Vec<u8>>(),
            lines in proptest::collection::vec(any::<Box<[u8]>>(), 0..20),
            networks in proptest::collection::vec((any::<Box<[u8]>>(), any::<u64>()), 0..60),
            undo in proptest::collection::vec(any::<String>(), 0..4),
            (host, method, period, log) in any::<(String, String, String, String)>(),
            kind in 0..3,
        ) {
            let account = name("alice");
            let others = [name("bob")];
            let kind = match kind {
                0 => IncidentKind::Disabled,
                1 => IncidentKind::StillSending { since: Some(datetime!(2026-11-03 07:05:09 UTC)) },
                _ => IncidentKind::NotDisabled { limit: 5, others: &others },
            };
            let line = lines.concat();
            let text = Incident {
                sender: &sender,
                report_line: &line,
                first_lines: &lines,
                networks: &networks,
                addresses: &networks,
                host: &host,
                method: &method,
                period: &period,
                log: &log,
                undo: &undo,
                ..incident(&account, kind)
            }
            .notice();
            check(&mail(&text));
            // No text of a stranger starts a line.
            prop_assert!(text.body.lines().all(|line| line.len() <= LONGEST_LINE));
        }

        #[test]
        fn any_text_at_all_makes_a_whole_mail(subject in any::<String>(), body in any::<String>()) {
            check(&mail(&Notice { subject, body: format!("{body}\nx") }));
        }
    }

    #[test]
    fn every_single_byte_in_every_place() {
        let account = name("alice");
        for byte in 0..=255 {
            for text in [vec![byte], vec![byte; 3], [b"\r\n", &[byte][..], b"\r\n"].concat()] {
                let lines = [text.clone().into()];
                let lists = [(text.clone().into(), 1)];
                let made = Incident {
                    sender: &text,
                    report_line: &text,
                    first_lines: &lines,
                    networks: &lists,
                    addresses: &lists,
                    ..incident(&account, IncidentKind::Disabled)
                }
                .notice();
                check(&mail(&made));
            }
        }
    }
}
