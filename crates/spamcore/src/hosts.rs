//! Which hosts' lines are evidence.
//!
//! Takes names and patterns of hosts; says whether the host of a line is one of them. Who can send to a syslog
//! daemon can write any host into a line, so that a line of another host says nothing about the accounts of this
//! one. A line without a host was not forwarded, and is of this host.

use std::collections::HashSet;

/// Names of hosts, in upper or lower case, and patterns of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    names: HashSet<Vec<u8>>,
    patterns: Vec<Vec<u8>>,
}

impl Hosts {
    /// The names of one host: each of these, its first label, and `localhost`.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hosts = Self::default();
        hosts.names.insert(b"localhost".to_vec());
        for name in names {
            let name = name.trim().trim_end_matches('.').to_ascii_lowercase();
            let label = name.split('.').next().unwrap_or_default();
            hosts.names.extend([label, &name].map(|name| name.as_bytes().to_vec()));
        }
        hosts.names.remove(&b""[..]);
        hosts
    }

    /// Adds a pattern: `*` stands for any text, `?` for any byte.
    pub fn add_pattern(&mut self, pattern: &str) {
        self.patterns.push(pattern.to_ascii_lowercase().into_bytes());
    }

    /// Whether a line is of one of these hosts. `host` is the host of the line, if it has one.
    pub fn include(&self, host: Option<&[u8]>) -> bool {
        let Some(host) = host else { return true };
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix(b".").unwrap_or(&host);
        self.names.contains(host) || self.patterns.iter().any(|pattern| matches(pattern, host))
    }
}

/// Whether a pattern matches a whole text. It takes no longer than the product of their lengths.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    // The last star, and where the text that it stands for ends.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[from] => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((before, end)) = star else { return false };
                star = Some((before, end + 1));
                (at, from) = (before + 1, end + 1);
            }
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_known_by_its_names_and_their_first_labels() {
        let hosts = Hosts::named(["mx1.example.org", "Mail.example.net.\n", ""]);
        for (host, want) in [
            ("mx1.example.org", true),
            ("MX1", true),
            ("mail.example.net", true),
            ("mail.example.net.", true),
            ("mail", true),
            ("localhost", true),
            ("mail.example.org", false),
            ("mx1.example", false),
            ("mx", false),
            ("", false),
            (".", false),
        ] {
            assert_eq!(hosts.include(Some(host.as_bytes())), want, "{host}");
        }
        assert!(hosts.include(None));
    }

    #[test]
    fn patterns_match_whole_names_in_any_case() {
        for (pattern, host, want) in [
            ("mx2", "MX2", true),
            ("mx2", "mx21", false),
            ("MX?", "mx2", true),
            ("mx?", "mx", false),
            ("mx*", "mx", true),
            ("*.example.org", "a.b.example.org", true),
            ("*.example.org", "example.org", false),
            ("*", "", true),
            ("a*b*c", "a1b2bc", true),
            ("a*b*c", "a1b2bcd", false),
            ("*a*a*a*a*b", &"a".repeat(5000), false),
        ] {
            let mut hosts = Hosts::default();
            hosts.add_pattern(pattern);
            assert_eq!(hosts.include(Some(host.as_bytes())), want, "{pattern} {host}");
        }
    }
}
