//! What must hold of every parser, whatever a line holds.

use proptest::prelude::*;
use spamcore::escape::escape;
use spamcore::parse::exim::Exim;
use spamcore::parse::php::Php;
use spamcore::parse::php_wrapper::PhpWrapper;
use spamcore::parse::postfix::Postfix;
use spamcore::parse::{Event, Parser, Stamped};
use spamcore::time::clock::Clock;
use spamcore::time::period::Period;
use spamcore::time::zone::Zone;
use tests::injection;

/// The names that a line counts for, if any.
fn senders(parser: &impl Parser, line: &[u8]) -> Vec<Vec<u8>> {
    match parser.line(line).event().as_deref() {
        Some(Event::Accepted(accepted)) => {
            accepted.senders.iter().map(|sender| sender.name.to_vec()).collect()
        }
        Some(Event::Completed(_)) | None => Vec::new(),
    }
}

/// Reads a line with all that reads lines.
fn read_all(line: &[u8]) {
    fn read(parser: &impl Parser, line: &[u8]) {
        if let Stamped::At(stamp) = parser.line(line).stamp {
            for zone in ["UTC", "Europe/Madrid"] {
                Clock::new(1_795_456_680, Zone::local(Some(zone))).read(&stamp);
            }
        }
        for name in [&b"postfix/smtpd"[..], b"exim"] {
            let _ = parser.message(name, line).map(|content| content.messages(1));
        }
        parser.claimed_uid(line);
    }
    read(&Postfix, line);
    read(&Exim, line);
    read(&Php, line);
    read(&PhpWrapper, line);
}

/// Text as a stranger would forge it.
fn forged() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<prop::sample::Index>(), 16).prop_map(|picks| {
        let mut picks = picks.into_iter();
        let lines = injection::forged_lines("17:57:00");
        injection::forged_text(&lines, |below| picks.next().map_or(0, |pick| pick.index(below)))
    })
}

/// What a line that counts for a victim counts as, by any of the parsers that read its log.
fn of_victim(log: injection::Log, line: &[u8]) -> Option<&'static str> {
    let victim = |senders: Vec<Vec<u8>>| {
        let is = |name: &Vec<u8>| injection::VICTIMS.iter().any(|victim| victim.as_bytes() == name);
        senders.iter().any(is)
    };
    let syslog = log == injection::Log::Syslog;
    [
        ("postfix", syslog && victim(senders(&Postfix, line))),
        ("exim", log != injection::Log::Php && victim(senders(&Exim, line))),
        ("php", log != injection::Log::Exim && victim(senders(&Php, line))),
        ("wrapper", syslog && victim(senders(&PhpWrapper, line))),
    ]
    .into_iter()
    .find_map(|(parser, hit)| hit.then_some(parser))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_on_any_bytes(line in any::<Vec<u8>>()) {
        read_all(&line);
    }

    #[test]
    fn nothing_panics_on_pieces_of_the_grammars(text in forged(), at in any::<prop::sample::Index>()) {
        let line = format!("Nov 23 17:57:00 mx postfix/smtpd[7]: {text}");
        read_all(line.as_bytes());
        read_all(&line.as_bytes()[at.index(line.len())..]);
        read_all(text.as_bytes());
    }

    #[test]
    fn no_text_of_a_stranger_names_a_victim(text in forged(), stamp in any::<prop::sample::Index>()) {
        for field in injection::FIELDS {
            let stamps = injection::stamps(field.log, "17:57:00");
            for line in field.with(&stamps[stamp.index(stamps.len())], &text).split(|&b| b == b'\n') {
                let hit = of_victim(field.log, line);
                prop_assert!(hit.is_none(), "{:?} in {}: {}", hit, field.line, line.escape_ascii());
            }
        }
    }

    #[test]
    fn no_text_in_a_value_of_our_wrapper_names_a_victims_script(text in forged(), field in 0..6_usize) {
        // As text can stand there only where the wrapper is not the one of the package.
        let mut values = ["h/", "203.0.113.7", "/home/evil/x.php", "33", "www-data", "+-i"].map(String::from);
        values[field].push_str(&text);
        let [url, client, path, uid, user, args] = values;
        let line = format!(
            "Nov 23 17:57:00 web root: sendmail-php v=2, url={url}, client={client}, filename={path}, \
             uid={uid}, user={user}, args={args}"
        );
        prop_assert_eq!(of_victim(injection::Log::Syslog, line.as_bytes()), None, "{}", line);
        // What it does not escape is of no value that it writes.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/.:=%".contains(&b);
        if !text.bytes().all(plain) {
            prop_assert!(senders(&PhpWrapper, line.as_bytes()).is_empty(), "{}", line);
        }
    }

    #[test]
    fn a_forged_line_alone_counts_for_a_victim(at in any::<prop::sample::Index>()) {
        let lines = injection::forged_lines("17:57:00");
        let line = at.get(&lines);
        let logs = [injection::Log::Syslog, injection::Log::Exim, injection::Log::Php];
        let hit = logs.iter().find_map(|log| of_victim(*log, line.as_bytes()));
        prop_assert!(hit.is_some(), "it is none of any format: {}", line);
    }

    #[test]
    fn what_is_shown_holds_no_control(text in any::<Vec<u8>>()) {
        let shown = escape(&text);
        for chunk in shown.utf8_chunks() {
            prop_assert!(!chunk.valid().chars().any(|c| c.is_control() && c != '\t'));
            prop_assert!(!chunk.invalid().iter().any(|b| (0x80..=0x9f).contains(b)));
        }
    }

    #[test]
    fn a_period_is_read_or_refused(text in "[-0-9 a-z+.]{0,20}", now in -10_000_000_000_i64..10_000_000_000) {
        if let Ok(period) = Period::parse(&text)
            && let Ok(start) = period.before(now, &Zone::local(Some("Europe/Madrid")))
        {
            prop_assert!(start < now, "{} at {}: {}", text, now, start);
        }
    }
}
