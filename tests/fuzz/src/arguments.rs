//! Claims about what users type: periods, arguments of the programs, addresses, networks.

use std::ffi::OsString;
use std::fmt::Debug;
use std::net::IpAddr;
use std::os::unix::ffi::OsStringExt;

use spamact::account::AccountName;
use spamact::mail::{Address, Server};
use spamcore::cli::{Parsed, Program};
use spamcore::tally::network::{Webmail, network_of};
use spamcore::time::period::Period;
use spamcore::time::zone::Zone;

use crate::parsing::NOW;

thread_local! {
    static ZONES: [Zone; 2] = [Zone::utc(), Zone::local(Some("Europe/Madrid"))];
}

/// An accepted period starts before now, and is displayed as it was typed, except for spaces.
pub(crate) fn period(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(period) = Period::parse(text) else { return };
    assert_eq!(period.typed(), text);
    let shown = period.to_string();
    let bare = |text: &str| text.replace([' ', '\t'], "");
    assert_eq!(bare(&shown), bare(text));
    assert!(shown.len() <= text.len() + 1);
    ZONES.with(|zones| {
        for zone in zones {
            for now in [NOW, 0, 951_782_400] {
                if let Ok(start) = period.before(now, zone) {
                    assert!(start < now, "{text}: {start} at {now}");
                }
            }
        }
    });
    if let Ok(seconds) = Period::of_seconds(text.trim()) {
        assert!(ZONES.with(|zones| seconds.before(NOW, &zones[1])).is_ok_and(|start| start < NOW));
    }
}

pub(crate) fn arguments(input: &[u8]) {
    let arguments: Vec<OsString> = input
        .split(|&b| b == b'\n' || b == 0)
        .take(12)
        .map(|argument| OsString::from_vec(argument.to_vec()))
        .collect();
    reads(&postfix_spam_check::args::PROGRAM, &arguments);
    reads(&exim_spam_check::args::PROGRAM, &arguments);
    reads(&php_spam_check::args::PROGRAM, &arguments);
    reads(&php_legacy_spam_check::args::PROGRAM, &arguments);
}

/// Arguments are parsed the same each time, `--` at their end changes nothing, and an error message is one line without
/// control characters.
fn reads<A: Default + PartialEq + Debug>(program: &Program<A>, arguments: &[OsString]) {
    let parse = |arguments: &[OsString]| program.parse(arguments.iter().cloned());
    let got = parse(arguments);
    assert_eq!(got, parse(arguments));
    match &got {
        Err(error) => {
            let text = error.to_string();
            assert!(
                !text.is_empty() && !text.chars().any(|c| c.is_control() && c != '\t'),
                "{text:?}"
            );
        }
        Ok(Parsed::Run(_)) if !arguments.iter().any(|argument| argument == "--") => {
            assert_eq!(got, parse(&[arguments, &["--".into()]].concat()));
        }
        Ok(_) => {}
    }
}

/// An accepted address is safe in an SMTP command, a header and an argument list.
pub(crate) fn address(input: &[u8]) {
    if let Ok(name) = AccountName::check(input) {
        assert!(name.as_ref().as_bytes() == input && input.len() <= 255);
        assert!(input[0].is_ascii_alphanumeric() || input[0] == b'_');
        assert!(input.iter().all(|&b| b.is_ascii_alphanumeric() || b"_.@+-".contains(&b)));
    }
    let network = network_of(input);
    assert!(input.ends_with(network));
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(address) = Address::parse(text) {
        assert!(address.as_ref() == text && !text.starts_with('-') && text.len() <= 254);
        assert!(text.bytes().all(|b| b.is_ascii_graphic() && !br#"<>()[],;:"\`"#.contains(&b)));
        assert!(text.matches('@').count() <= 1 && !text.starts_with('@') && !text.ends_with('@'));
    }
    if let Ok(server) = Server::parse(text) {
        let shown = server.to_string();
        assert!(!shown.starts_with('-') && shown.bytes().all(|b| b.is_ascii_graphic()));
        let again = Server::parse(&shown).expect("it was shown so");
        assert_eq!(again, server);
    }
}

/// An accepted network contains its own addresses; a rejected one is named in the message.
pub(crate) fn webmail(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut webmail = Webmail::default();
    let items = text.split([',', ' ', '\t']).filter(|item| !item.is_empty());
    match webmail.add(text) {
        Ok(()) => {
            for item in items.take(16) {
                let address = item.split('/').next().unwrap_or_default();
                let address: IpAddr = address.parse().expect("an address or a network");
                assert!(webmail.holds(address), "{address}");
            }
        }
        Err(item) => assert!(items.into_iter().any(|one| one == item)),
    }
}
