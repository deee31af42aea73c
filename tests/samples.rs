//! Sample lines, each with its expectation in the line before it.
//!
//! ```text
//! = INSTANT TIMES KIND CLIENT NAME     the line counts; INSTANT is Unix seconds, or - without a stamp
//! ? INSTANT TIMES TAG                  the line is unclear
//! ! REASON                             the line does not count
//! ~ REASON                             it cannot be read, but looks like one that counts, and is told
//! # a comment
//! ```
//!
//! Most were written by Postfix 3.7, Exim 4.96, PHP 8.2, rsyslog 8.2302 and systemd 252; names of
//! their sources stand in comments. The time is 2026-11-23 18:30:00, the zone UTC.

use std::fs;
use std::path::Path;

use spamcore::parse::exim::Exim;
use spamcore::parse::php::Php;
use spamcore::parse::php_wrapper::PhpWrapper;
use spamcore::parse::postfix::Postfix;
use spamcore::parse::{Content, Event, Kind, MAX_REPEATS, Parser, Stamped};
use spamcore::time::clock::Clock;
use spamcore::time::zone::Zone;

const NOW: i64 = 1_795_458_600;

#[test]
fn postfix() {
    check("postfix", &Postfix, 40);
}

#[test]
fn exim() {
    check("exim", &Exim, 60);
}

#[test]
fn php() {
    check("php", &Php, 40);
}

#[test]
fn php_legacy() {
    check("php_legacy", &PhpWrapper, 6);
}

#[test]
fn no_line_is_of_two_formats() {
    type Hits<'a> = &'a dyn Fn(&[u8]) -> bool;
    let parsers: [(&str, Hits<'_>); 4] = [
        ("postfix", &|line| Postfix.line(line).content.is_some()),
        ("exim", &|line| Exim.line(line).content.is_some()),
        ("php", &|line| Php.line(line).content.is_some()),
        ("php_legacy", &|line| PhpWrapper.line(line).content.is_some()),
    ];
    for (file, _) in &parsers {
        for (number, expected, line) in samples(file) {
            if matches!(expected[0], b'!' | b'~') {
                continue;
            }
            let of: Vec<_> =
                parsers.iter().filter(|(_, hit)| hit(&line)).map(|(n, _)| *n).collect();
            assert_eq!(of, [*file], "{file}.samples:{number}: {}", text(&line));
        }
    }
}

fn check(file: &str, parser: &impl Parser, least: usize) {
    let mut counted = 0;
    for (number, expected, line) in samples(file) {
        let got = describe(parser, &line);
        let right = match expected[0] {
            b'!' => got.is_none() && !parser.is_unread(&line),
            b'~' => got.is_none() && parser.is_unread(&line),
            _ => got.as_ref() == Some(&expected),
        };
        assert!(
            right,
            "{file}.samples:{number}\n  line   {}\n  got    {}\n  wanted {}",
            text(&line),
            got.as_deref().map_or("does not count".into(), text),
            text(&expected)
        );
        counted += usize::from(got.is_some());
    }
    assert!(counted >= least, "only {counted} lines of {file}.samples count");
}

fn describe(parser: &impl Parser, line: &[u8]) -> Option<Vec<u8>> {
    let line = parser.line(line);
    let at = match line.stamp {
        Stamped::At(stamp) => Clock::new(NOW, Zone::utc()).read(&stamp)?.instant.to_string(),
        Stamped::Bare => "-".into(),
        Stamped::Unreadable => return None,
    };
    let times = line.times;
    if let Some(Content::Ambiguous(tag)) = line.content {
        return Some([format!("? {at} {times} ").as_bytes(), tag].concat());
    }
    let event = line.event()?;
    let accepted = match &*event {
        Event::Accepted(accepted) => accepted,
        Event::Completed(id) => {
            return Some([format!("= {at} {times} completed - ").as_bytes(), id].concat());
        }
    };
    if times > MAX_REPEATS {
        return Some(format!("too many: {times}").into_bytes());
    }
    let sender = accepted.senders.first();
    let kind = match sender.kind {
        Kind::Sasl => "sasl",
        Kind::User => "user",
        Kind::Helo => "helo",
        Kind::HostName => "name",
        Kind::Address => "address",
        Kind::Authenticated => "authenticated",
        Kind::Script => "script",
        Kind::Directory => "directory",
    };
    let client = accepted
        .client
        .map_or(b"-".to_vec(), |client| [client.name, b"[", client.address, b"]"].concat());
    Some([format!("= {at} {times} {kind} ").as_bytes(), &client, b" ", &sender.name].concat())
}

/// The samples of a file: the number of the line, what is expected of it, the line.
fn samples(file: &str) -> Vec<(usize, Vec<u8>, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("samples/{file}.samples"));
    let content = fs::read(path).expect("the samples are there");
    let mut samples = Vec::new();
    let mut expected: Option<Vec<u8>> = None;
    for (number, line) in
        content.strip_suffix(b"\n").unwrap_or(&content).split(|&b| b == b'\n').enumerate()
    {
        match expected.take() {
            Some(expected) => samples.push((number + 1, expected, line.to_vec())),
            None if line.starts_with(b"# ") => {}
            None => {
                assert!(
                    matches!(line, [b'=' | b'?' | b'!' | b'~', b' ', _, ..]),
                    "{file}:{}",
                    number + 1
                );
                expected = Some(line.to_vec());
            }
        }
    }
    samples
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
