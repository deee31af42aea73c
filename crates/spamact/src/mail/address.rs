//! The address of a notice.

use std::fmt;

use crate::system::Invalid;

/// RFC 5321, 4.5.3.1.3: a path has 256 bytes, two of them brackets.
const LONGEST: usize = 254;

/// An address that can stand in an SMTP command, a header and an argument list: ASCII without blanks,
/// controls, brackets, commas and the like, that does not begin with a dash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Reads an address: `user@domain`, or a plain local `user`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        // What a header or a shell of some transport could take for its own is no part of an address
        // that is in use.
        let is_allowed = |b: u8| b.is_ascii_graphic() && !br#"<>()[],;:"\`"#.contains(&b);
        let parts: Vec<&str> = text.split('@').collect();
        let whole = matches!(parts[..], [user] if !user.is_empty())
            || matches!(parts[..], [user, domain] if !user.is_empty() && !domain.is_empty());
        if !whole || text.len() > LONGEST || text.starts_with('-') || !text.bytes().all(is_allowed)
        {
            return Err(Invalid("not a mail address"));
        }
        Ok(Self(text.to_owned()))
    }

    /// `root@` the domain of a host's name (`mail.example.org` is in `example.org`), plain `root` where
    /// it has none.
    pub fn root_of(host: &str) -> Self {
        let domain = host.trim_end_matches('.').split_once('.').map(|(_, domain)| domain);
        domain
            .and_then(|domain| Self::parse(&format!("root@{domain}")).ok())
            .unwrap_or_else(|| Self("root".into()))
    }
}

impl AsRef<str> for Address {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_and_what_is_none() {
        for text in ["root", "root@example.org", "a+b=c@example.org", "o'hara@example.org"] {
            assert_eq!(Address::parse(text).expect("it is one").as_ref(), text);
        }
        let long = format!("{}@example.org", "x".repeat(243));
        let longest = &long[1..];
        assert_eq!(longest.len(), LONGEST);
        Address::parse(longest).expect("it just fits");
        for text in [
            "",
            "@",
            "@example.org",
            "root@",
            "a@b@c",
            "-x@example.org",
            "a b@example.org",
            "<a@example.org>",
            "a@example.org\r\nRCPT TO:<b@example.org>",
            "a@example.org, b@example.org",
            "\"a b\"@example.org",
            "b\u{f6}b@example.org",
            "a\0@example.org",
            &long,
        ] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn root_at_the_domain_of_the_host() {
        for (host, want) in [
            ("mail.example.org", "root@example.org"),
            ("mail.example.org.", "root@example.org"),
            ("mail", "root"),
            ("", "root"),
            ("mail.", "root"),
            ("mail.a b", "root"),
            ("a.b\r\nc", "root"),
        ] {
            assert_eq!(Address::root_of(host).as_ref(), want, "{host}");
        }
    }

    proptest! {
        #[test]
        fn no_byte_that_ends_a_command_or_a_header(text in any::<String>()) {
            if let Ok(address) = Address::parse(&text) {
                prop_assert!(address.as_ref().bytes().all(|b| matches!(b, b'!'..=b'~')));
                prop_assert!(!address.as_ref().contains(['<', '>', ',']));
            }
            prop_assert!(Address::parse(Address::root_of(&text).as_ref()).is_ok());
        }
    }
}
