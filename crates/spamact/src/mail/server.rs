//! The mail server that is named on the command line, and the login for it.
//!
//! Takes `HOST[:PORT]`, and a file with a user name and a password; gives both checked. It does not look the host
//! up.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::{Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Address;
use crate::system::{Error, Invalid};

/// No host name is longer.
const LONGEST_HOST: usize = 253;

/// No file with a login is longer.
const LONGEST_FILE: u64 = 4096;

/// A mail server: `HOST[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name or address, without brackets.
    pub(super) host: String,
    /// Its port, where one is named.
    pub(super) port: Option<u16>,
    pub(super) tls: Tls,
}

/// When TLS starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// Never: it is this host.
    Never,
    /// After STARTTLS, if that is offered.
    Start,
    /// At once.
    Implicit,
}

impl Server {
    /// Reads `HOST[:PORT]`; an IPv6 address is in brackets.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid("expected HOST or HOST:PORT, an IPv6 address in brackets");
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']').ok_or_else(wrong)?;
                address.parse::<Ipv6Addr>().map_err(|_| wrong())?;
                let port = if rest.is_empty() { None } else { rest.strip_prefix(':') };
                if port.is_none() && !rest.is_empty() {
                    return Err(wrong());
                }
                (address, port)
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let named = text.starts_with('[')
            || (host.starts_with(|c: char| c.is_ascii_alphanumeric())
                && host.bytes().all(is_allowed));
        if !named || host.len() > LONGEST_HOST {
            return Err(wrong());
        }
        let port = match port {
            None => None,
            // `parse` alone would take a sign.
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => {
                Some(port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?)
            }
            Some(_) => return Err(wrong()),
        };
        let tls = if port == Some(465) { Tls::Implicit } else { Tls::Start };
        Ok(Self { host: host.to_owned(), port, tls })
    }

    /// A server on this host, without TLS.
    pub(super) fn plain(at: SocketAddr) -> Self {
        Self { host: at.ip().to_string(), port: Some(at.port()), tls: Tls::Never }
    }

    /// The same server. If no port was named it is 25, or 587 with a login.
    #[must_use]
    pub(super) fn with_port(self, login: bool) -> Self {
        let default = if login { 587 } else { 25 };
        Self { port: Some(self.port.unwrap_or(default)), ..self }
    }

    /// The same server with TLS from the first byte, whatever its port.
    #[must_use]
    pub fn implicit_tls(self) -> Self {
        Self { tls: Tls::Implicit, ..self }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// A user name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

impl Login {
    /// Reads a login from a file: the user name on the first line and the password on the second, or both on one
    /// line with a colon between them. `root` says whether root runs the program.
    ///
    /// It must be a regular file that nobody but its owner can read or write, and root's if root runs the
    /// program.
    pub fn read(path: &Path, root: bool) -> Result<Self, Error> {
        let read = |source| Error::Read { path: path.to_owned(), source };
        let refused = |why| Error::Refused { what: path.display().to_string(), why };
        // Opening a FIFO would block: check before opening, and again what was opened.
        if !std::fs::metadata(path).map_err(read)?.is_file() {
            return Err(refused("not a regular file"));
        }
        let file = File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        if !metadata.is_file() {
            return Err(refused("not a regular file"));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(refused("readable by other users: its mode must be 0600"));
        }
        if root && metadata.uid() != 0 {
            return Err(refused("not owned by root"));
        }
        let mut text = Vec::new();
        file.take(LONGEST_FILE + 1).read_to_end(&mut text).map_err(read)?;
        let text = String::from_utf8(text).unwrap_or_default();
        if text.len() as u64 > LONGEST_FILE {
            return Err(refused("too long for a user name and a password"));
        }
        Self::parse(&text)
            .ok_or_else(|| refused("it does not have a user name and a password, one per line"))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let first = lines.next()?;
        let (user, password) = match lines.next() {
            Some(second) if !second.is_empty() => (first, second),
            _ => first.split_once(':')?,
        };
        let is_allowed = |word: &str| !word.is_empty() && !word.contains(char::is_control);
        let more = lines.any(|line| !line.is_empty());
        (is_allowed(user) && is_allowed(password) && !more)
            .then(|| Self { user: user.to_owned(), password: password.to_owned() })
    }

    /// The user name, if it is a whole address.
    pub(super) fn address(&self) -> Option<Address> {
        Address::parse(&self.user).ok().filter(|address| address.as_ref().contains('@'))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password must not get into any output.
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use tempfile::tempdir;

    #[test]
    fn servers_and_what_is_none() {
        use Tls::{Implicit, Start};
        for (text, password, host, port, tls) in [
            ("mail.example.org", false, "mail.example.org", 25, Start),
            ("mail.example.org", true, "mail.example.org", 587, Start),
            ("mail.example.org:2525", true, "mail.example.org", 2525, Start),
            ("mail.example.org:465", false, "mail.example.org", 465, Implicit),
            ("192.0.2.1:26", false, "192.0.2.1", 26, Start),
            ("[2001:db8::1]", false, "2001:db8::1", 25, Start),
            ("[2001:db8::1]:465", true, "2001:db8::1", 465, Implicit),
        ] {
            let server = Server::parse(text).expect("it is one").with_port(password);
            assert_eq!(server, Server { host: host.into(), port: Some(port), tls }, "{text}");
        }
        assert_eq!(Server::parse("[::1]:9").expect("it is one").to_string(), "[::1]:9");
        let long = "x".repeat(254);
        for text in [
            "",
            ":25",
            "-h",
            ".h",
            "h:",
            "h:0",
            "h:65536",
            "h:+1",
            "h:x",
            "a b",
            "h\r\n",
            "a@h",
            "2001:db8::1",
            "[h]",
            "[::1",
            "[::1]x",
            "[::1]:",
            "h/x",
            "b\u{f6}b",
            &long,
        ] {
            assert!(Server::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn logins_and_what_is_none() {
        for text in ["alice\np:w\n", "alice:p:w", "alice:p:w\n\n", "alice\r\np:w\r\n"] {
            let login = Login::parse(text).expect("it is one");
            assert_eq!((&*login.user, &*login.password), ("alice", "p:w"), "{text:?}");
        }
        for text in ["", "alice", "alice\n", ":pw", "alice:", "\npw", "a\0b:pw", "a\nb\nc"] {
            assert_eq!(Login::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let login = Login::parse("alice:secret").expect("it is one");
        assert!(!format!("{login:?}").contains("secret"));
    }

    #[test]
    fn a_login_that_others_can_read_is_refused() {
        let scratch = tempdir().expect("a directory");
        let path = scratch.path().join("auth");
        fs::write(&path, "alice\nsecret\n").expect("the directory is ours");
        for (mode, allowed) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
            let read = Login::read(&path, false);
            assert_eq!(read.is_ok(), allowed, "{mode:o}");
            assert!(allowed || matches!(read, Err(Error::Refused { .. })));
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("it is ours");
        let mine = fs::metadata(&path).expect("it is there").uid() == 0;
        assert_eq!(Login::read(&path, true).is_ok(), mine);
        fs::write(&path, "x".repeat(5000)).expect("the directory is ours");
        assert!(matches!(Login::read(&path, false), Err(Error::Refused { .. })));
        assert!(matches!(Login::read(scratch.path(), false), Err(Error::Refused { .. })));
        let missing = scratch.path().join("missing");
        assert!(matches!(Login::read(&missing, false), Err(Error::Read { .. })));
    }
}
