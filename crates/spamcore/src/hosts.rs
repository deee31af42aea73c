//! Which hosts' lines are evidence.
//!
//! Takes names and patterns of hosts; says whether the host of a line is one of them. Who can send to a syslog
//! daemon can write any host into a line, so that a line of another host says nothing about the accounts of this
//! one. A line without a host was not forwarded, and is of this host.

use std::collections::HashSet;

use crate::pattern::Pattern;

/// Names of hosts, in upper or lower case, and patterns of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    names: HashSet<Vec<u8>>,
    patterns: Vec<Pattern>,
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
        self.patterns.push(Pattern::of_host(pattern.to_ascii_lowercase().as_bytes()));
    }

    /// Whether a line is of one of these hosts. `host` is the host of the line, if it has one.
    pub fn include(&self, host: Option<&[u8]>) -> bool {
        let Some(host) = host else { return true };
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix(b".").unwrap_or(&host);
        self.names.contains(host) || self.patterns.iter().any(|pattern| pattern.matches(host))
    }
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
        ] {
            let mut hosts = Hosts::default();
            hosts.add_pattern(pattern);
            assert_eq!(hosts.include(Some(host.as_bytes())), want, "{pattern} {host}");
        }
    }
}
