//! The mail address of a notice.
//!
//! Takes what somebody typed, or a host name; gives an address that is safe in every place it is used in. It does
//! not ask whether mail to it can be delivered.

use std::fmt;

use crate::system::Invalid;

/// RFC 5321, 4.5.3.1.3: a path has at most 256 bytes, two of them brackets.
const LONGEST: usize = 254;

/// An address that is safe in an SMTP command, a header and an argument list: ASCII without spaces, control
/// characters, brackets, commas and the like, and without a dash at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Reads an address: `user@domain`, or a plain local `user`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        // Addresses in use have no characters that are special in a header, or to the shell of some transport.
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

    /// Plain `root`, which the mail server of this host completes.
    ///
    /// Not `root` at the domain of the host: that may be somebody else's, such as the provider's.
    pub fn root() -> Self {
        Self("root".into())
    }

    /// The address with a domain: a plain user is one of this host, if the host has a full name.
    #[cfg(any(test, feature = "smtp"))]
    #[must_use]
    pub(super) fn at(&self, host: &str) -> Self {
        let host = host.trim_end_matches('.');
        if self.0.contains('@') || !host.contains('.') {
            return self.clone();
        }
        Self::parse(&format!("{}@{host}", self.0)).unwrap_or_else(|_| self.clone())
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
    fn a_user_of_this_host_is_at_its_full_name() {
        for (host, want) in [
            ("mail.example.org", "root@mail.example.org"),
            ("mail.example.org.", "root@mail.example.org"),
            ("mail", "root"),
            ("", "root"),
            ("mail.", "root"),
            ("mail.a b", "root"),
            ("a.b\r\nc", "root"),
        ] {
            assert_eq!(Address::root().at(host).as_ref(), want, "{host}");
        }
        let whole = Address::parse("a@b.example").expect("an address");
        assert_eq!(whole.at("mail.example.org"), whole);
    }

    proptest! {
        #[test]
        fn no_byte_that_ends_a_command_or_a_header(text in any::<String>()) {
            if let Ok(address) = Address::parse(&text) {
                prop_assert!(address.as_ref().bytes().all(|b| matches!(b, b'!'..=b'~')));
                prop_assert!(!address.as_ref().contains(['<', '>', ',']));
            }
            prop_assert!(Address::parse(Address::root().at(&text).as_ref()).is_ok());
        }
    }
}
