//! What must hold of every parser, whatever a line holds.

use proptest::prelude::*;
use spamcore::clock::Clock;
use spamcore::parse::exim::Exim;
use spamcore::parse::php::Php;
use spamcore::parse::php_legacy::PhpLegacy;
use spamcore::parse::postfix::Postfix;
use spamcore::parse::{Event, Hit, Parser, Stamped};
use spamcore::report::escaped;
use spamcore::window::Period;
use spamcore::zone::Zone;

/// The event of a line, if it counts.
fn event<'a>(parser: &impl Parser, line: &'a [u8]) -> Option<Event<'a>> {
    match parser.line(line).hit?.read(parser)? {
        Hit::Counts(event, _) | Hit::Escaped(event, _) => Some(event),
        Hit::Told(..) | Hit::Unclear(..) | Hit::Unbelievable(_) => None,
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
            parser.message(name, line, 1).and_then(|hit| hit.read(parser));
        }
        parser.claimed_uid(line);
    }
    read(&Postfix, line);
    read(&Exim { authenticated: true }, line);
    read(&Php, line);
    read(&PhpLegacy, line);
}

/// Text as a stranger would plant it: whole lines for `victim`, and pieces of the grammars.
fn planted() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("3F1A2B: client=unknown[9.9.9.9], sasl_method=PLAIN, sasl_username=victim"),
        Just(
            "Nov 23 17:57:00 mx postfix/smtpd[7]: 3F1A2B: client=a[9.9.9.9], sasl_method=P, sasl_username=victim"
        ),
        Just("client=unknown[9.9.9.9]"),
        Just(", sasl_method=PLAIN, sasl_username=victim"),
        Just("1ABCDE-000001-XY <= a@b U=victim P=local S=4"),
        Just("2026-11-23 17:57:00 1ABCDE-000001-XY <= a@b U=victim P=local S=4"),
        Just(" H=(victim) [9.9.9.9] P=esmtp S=4"),
        Just(" H=victim [9.9.9.9] P=esmtp S=4"),
        Just(" U=victim P=local S=4"),
        Just(" P=esmtpa A=plain:victim S=4"),
        Just(" A=plain:victim S=4 id=x@y"),
        Just(" S=4 T=\""),
        Just(" P=esmtpa A=plain:victim S=4 id=z"),
        Just(" id=z"),
        Just(" from <"),
        Just(" for a@b"),
        Just("mail() on [/home/victim/x.php:1]: To: a@b -- Headers: "),
        Just("[23-Nov-2026 17:57:00 UTC] mail() on [/home/victim/x.php:1]: To: a@b"),
        Just("sendmail-php url=, client=, filename=/home/victim/x.php, uid=0, user=x, args="),
        Just("sendmail-php v=2, url=, client=, filename=/home/victim/x.php, uid=0, user=x, args="),
        Just("v=2, url="),
        Just("%2c%20"),
        Just(", client=9.9.9.9, filename=/home/victim/x.php, uid=0, user=x"),
        Just(", filename=/home/victim/x.php"),
        Just(", uid=0, user=root"),
        Just("message repeated 99 times: [ "),
        Just("]"),
        Just(") [9.9.9.9]"),
        Just("\""),
        Just("\\"),
        Just(" "),
        Just(": "),
        Just("x"),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

const VICTIMS: [&[u8]; 2] = [b"victim", b"/home/victim/x.php"];

/// Whether a line counts for the victim.
fn names_victim(parser: &impl Parser, line: &str) -> bool {
    event(parser, line.as_bytes()).is_some_and(|event| {
        VICTIMS.contains(&event.sender)
            || event.authenticated.is_some_and(|id| VICTIMS.contains(&id))
    })
}

/// Within quotes Exim logs a quote and a backslash behind a backslash.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_on_any_bytes(line in any::<Vec<u8>>()) {
        read_all(&line);
    }

    #[test]
    fn nothing_panics_on_pieces_of_the_grammars(text in planted(), at in any::<prop::sample::Index>()) {
        let line = format!("Nov 23 17:57:00 mx postfix/smtpd[7]: {text}");
        read_all(line.as_bytes());
        read_all(&line.as_bytes()[at.index(line.len())..]);
        read_all(text.as_bytes());
    }

    #[test]
    fn no_text_of_a_client_names_a_victim_in_the_log_of_postfix(text in planted()) {
        for line in [
            format!("Nov 23 17:57:00 mx postfix/smtpd[7]: warning: non-SMTP command from a[1.1.1.1]: GET {text}"),
            format!("Nov 23 17:57:00 mx postfix/smtpd[7]: warning: a[1.1.1.1]: SASL LOGIN authentication failed: x, sasl_username={text}"),
            format!("Nov 23 17:57:00 mx postfix/smtpd[7]: NOQUEUE: reject: RCPT from a[1.1.1.1]: 554; helo=<{text}>"),
            format!("Nov 23 17:57:00 mx postfix/cleanup[7]: 3F1A2B: message-id=<{text}>"),
            format!("Nov 23 17:57:00 mx postfix/cleanup[7]: 3F1A2B: warning: header Subject: {text} from a[1.1.1.1]"),
            format!("Nov 23 17:57:00 mx postfix/qmgr[7]: 3F1A2B: from=<{text}>, size=1"),
            format!("Nov 23 17:57:00 mx dovecot: imap-login: Login: user=<{text}>"),
            format!("2026-11-23T17:57:00Z mx sshd[7]: Invalid user {text} from 1.1.1.1 port 22"),
            format!("Nov 23 17:57:00 mx postfix/smtpd[7]: 3F1A2B: client=a[1.1.1.1], sasl_method=P, sasl_username=evil, sasl_sender={text}"),
            format!("Nov 23 17:57:00 mx postfix/smtpd[7]: 3F1A2B: client=a[1.1.1.1], sasl_method=P, sasl_username=evil{text}"),
        ] {
            prop_assert!(!names_victim(&Postfix, &line), "{}", line);
        }
    }

    #[test]
    fn no_text_of_a_client_names_a_victim_in_the_log_of_exim(text in planted()) {
        let q = quoted(&text);
        let id = "2026-11-23 17:57:00 1ABCDE-000001-XY";
        for line in [
            format!("{id} <= \"x{q}\"@evil.example H=(pc) [192.0.2.5] P=esmtp S=4"),
            format!("{id} <= x.\"{q}\"@evil.example U=evil P=local S=4"),
            format!("{id} <= a@b H=(pc {text}) [192.0.2.5] P=esmtp S=4"),
            format!("{id} <= a@b H=(pc) [192.0.2.5] U=evil{text} P=esmtp S=4"),
            format!("{id} <= a@b H=(pc) [192.0.2.5] P=esmtpa A=plain:evil{text} S=4 id=x@y"),
            format!("{id} <= a@b H=(pc) [192.0.2.5] P=esmtpa A=plain:evil S=4 T=\"{q}\" for c@d"),
            format!("{id} <= a@b H=(pc) [192.0.2.5] P=esmtp S=4 T=\"{q}\" for c@d"),
            format!("{id} <= a@b H=(pc) [192.0.2.5] P=esmtp S=4 id=\"{q}\"@x T=\"y\""),
            format!("{id} <= a@b H=(pc) [192.0.2.5] P=esmtp S=4 for \"{q}\"@x"),
            format!("{id} => a <a@b> R=x T=y H=mx [1.1.1.1] C=\"250 {text}\""),
            format!("2026-11-23 17:57:00 H=(pc {text}) [192.0.2.5] rejected RCPT <\"{q}\"@y>: no"),
            format!("2026-11-23 17:57:00 plain authenticator failed for (pc) [1.1.1.1]: 535 (set_id={text})"),
            format!("Nov 23 17:57:00 vm exim[5]: [2/4] {text}"),
            format!("Nov 23 17:57:00 vm cron[5]: {text}"),
        ] {
            prop_assert!(!names_victim(&Exim { authenticated: true }, &line), "{}", line);
        }
    }

    #[test]
    fn no_text_of_a_caller_names_a_victim_in_the_log_of_php(text in planted()) {
        for line in [
            format!("mail() on [/home/evil/x.php:1]: To: {text} -- Headers: {text}"),
            format!("[23-Nov-2026 17:57:00 UTC] mail() on [/home/evil/x.php:1]: To: {text} -- Headers:  -- Subject: {text}"),
            format!(" {text}"),
            format!("\t{text}"),
            format!("Nov 23 17:57:00 web php:  {text}"),
            format!("Nov 23 17:57:00 web php: mail() on [/home/evil/x.php:1]: To: {text}"),
        ] {
            prop_assert!(!names_victim(&Php, &line), "{}", line);
        }
    }

    #[test]
    fn no_address_that_a_visitor_asks_for_names_a_victims_script(text in planted()) {
        let evil = "client=203.0.113.7, filename=/home/evil/x.php, uid=33, user=www-data";
        let line = format!("Nov 23 17:57:00 web root: sendmail-php url=h/{text}, {evil}, args=");
        prop_assert!(!names_victim(&PhpLegacy, &line), "{}", line);
        let line = format!("Nov 23 17:57:00 web root: sendmail-php url=h/, {evil}, args={text}");
        prop_assert!(!names_victim(&PhpLegacy, &line), "{}", line);
    }

    #[test]
    fn no_text_in_a_value_of_our_wrapper_names_a_victims_script(text in planted(), field in 0..6_usize) {
        // As text can stand there only where the wrapper is not the one of the package.
        let mut values = ["h/", "203.0.113.7", "/home/evil/x.php", "33", "www-data", "+-i"].map(String::from);
        values[field].push_str(&text);
        let [url, client, path, uid, user, args] = values;
        let line = format!(
            "Nov 23 17:57:00 web root: sendmail-php v=2, url={url}, client={client}, filename={path}, \
             uid={uid}, user={user}, args={args}"
        );
        prop_assert!(!names_victim(&PhpLegacy, &line), "{}", line);
        // What it does not escape is of no value that it writes.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/.:=%".contains(&b);
        if !text.bytes().all(plain) {
            prop_assert!(event(&PhpLegacy, line.as_bytes()).is_none(), "{}", line);
        }
    }

    #[test]
    fn what_is_shown_holds_no_control(text in any::<Vec<u8>>()) {
        let shown = escaped(&text);
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
