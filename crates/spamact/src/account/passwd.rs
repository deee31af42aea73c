//! Who is a regular user: `/etc/passwd`, and the range of uids in `/etc/login.defs`.
//!
//! Takes their texts as bytes. The grammars are passwd(5) and login.defs(5). A number is read as shadow-utils
//! reads it (`getdef.c`: decimal, `0x…` or octal); one that cannot be read leaves the default.

/// The uids of regular users, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uids {
    min: u32,
    max: u32,
}

impl Default for Uids {
    /// The defaults of Debian.
    fn default() -> Self {
        Self { min: 1000, max: 60_000 }
    }
}

impl Uids {
    /// `UID_MIN` and `UID_MAX` of a `login.defs`; the last line of each counts.
    pub fn from_login_defs(login_defs: &[u8]) -> Self {
        let mut uids = Self::default();
        for line in login_defs.split(|&b| b == b'\n') {
            let mut words = line.split(|b| b" \t\"\r".contains(b)).filter(|word| !word.is_empty());
            let end = match words.next() {
                Some(b"UID_MIN") => &mut uids.min,
                Some(b"UID_MAX") => &mut uids.max,
                _ => continue,
            };
            if let Some(number) = words.next().and_then(number) {
                *end = number;
            }
        }
        uids
    }

    /// Whether a uid is that of a regular user.
    pub fn has(&self, uid: u32) -> bool {
        (self.min..=self.max).contains(&uid)
    }
}

fn number(word: &[u8]) -> Option<u32> {
    let word = std::str::from_utf8(word).ok().filter(|word| !word.starts_with('+'))?;
    match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if word.starts_with('0') => u32::from_str_radix(word, 8).ok(),
        None => word.parse().ok(),
    }
}

/// The entries of a `passwd` file: each name with its uid, or `None` where that is not a number.
pub(crate) fn entries(passwd: &[u8]) -> impl Iterator<Item = (&[u8], Option<u32>)> {
    passwd.split(|&b| b == b'\n').filter_map(|line| {
        let mut fields = line.split(|&b| b == b':');
        let name = fields.next()?;
        let uid = fields.nth(1)?;
        let digits = !uid.is_empty() && uid.iter().all(u8::is_ascii_digit);
        let uid = std::str::from_utf8(uid).ok().filter(|_| digits);
        Some((name, uid.and_then(|uid| uid.parse().ok())))
    })
}

/// Groups whose members administer the host (Debian's; `wheel` elsewhere).
const ADMINISTRATORS: [&[u8]; 3] = [b"sudo", b"wheel", b"adm"];

/// The administrators: the members of these groups in a `group` file, and who has one of them as the primary group.
pub(crate) fn administrators(passwd: &[u8], group: &[u8]) -> Vec<String> {
    let (mut gids, mut members) = (Vec::new(), Vec::new());
    for line in group.split(|&b| b == b'\n') {
        let mut fields = line.split(|&b| b == b':');
        if fields.next().is_some_and(|name| ADMINISTRATORS.contains(&name)) {
            gids.extend(fields.nth(1));
            members.extend(fields.next().into_iter().flat_map(|list| list.split(|&b| b == b',')));
        }
    }
    for line in passwd.split(|&b| b == b'\n') {
        let mut fields = line.split(|&b| b == b':');
        if let Some(name) = fields.next()
            && fields.nth(2).is_some_and(|gid| gids.contains(&gid))
        {
            members.push(name);
        }
    }
    let names = members.into_iter().map(<[u8]>::trim_ascii).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// Whether the password of an entry is in the shadow file: its own field is an `x`.
pub(crate) fn is_shadowed(passwd: &[u8], name: &[u8]) -> bool {
    passwd.split(|&b| b == b'\n').any(|line| {
        let mut fields = line.split(|&b| b == b':');
        fields.next() == Some(name) && fields.next() == Some(b"x")
    })
}

/// The first name that has this uid.
pub(crate) fn name_of_uid(passwd: &[u8], uid: u32) -> Option<String> {
    let (name, _) = entries(passwd).find(|(_, entry)| *entry == Some(uid))?;
    Some(String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_that_of_login_defs() {
        for (text, min, max) in [
            (&b""[..], 1000, 60_000),
            (b"# UID_MIN 5\n#UID_MAX 5\nGID_MIN 7\nSYS_UID_MIN 3\n", 1000, 60_000),
            (b"UID_MIN\t\t\t 500\n  UID_MAX 0x7fff\r\nUID_MIN 0777", 511, 32_767),
            (b"UID_MIN much\nUID_MAX -1\nUID_MAX +5\nUID_MIN\n", 1000, 60_000),
            (b"UID_MIN \"2000\"\nUID_MAX 99999999999\n", 2000, 60_000),
            (b"\xff UID_MIN 3\nUID_MIN \xff\n", 1000, 60_000),
        ] {
            assert_eq!(
                Uids::from_login_defs(text),
                Uids { min, max },
                "{}",
                String::from_utf8_lossy(text)
            );
        }
        let uids = Uids::default();
        for (uid, fit) in [(0, false), (999, false), (1000, true), (60_000, true), (60_001, false)]
        {
            assert_eq!(uids.has(uid), fit, "{uid}");
        }
    }

    #[test]
    fn administrators_are_members_by_either_file() {
        let passwd =
            b"root:x:0:0::/root:/bin/sh\nann:x:1001:27::/:\nbob:x:1002:1002::/:\nodd:x:1003\n";
        let group = b"root:x:0:\nsudo:x:27:bob,Carl, dora\nadm:x:4:syslog\nsudoers:x:1002:eve\nwheel:x\nadm\n\n";
        assert_eq!(administrators(passwd, group), ["bob", "Carl", "dora", "syslog", "ann"]);
        assert_eq!(administrators(passwd, b""), [""; 0]);
    }

    #[test]
    fn odd_entries_have_no_uid_or_are_none() {
        let text = b"root:x:0:0::/root:/bin/sh\n\nnone\nhalf:x\nbad:x:+5:1\nempty:x::1\n+::::::\n\
                     big:x:4294967296:1\nlast:x:1001:1001";
        let want: [(&[u8], _); 6] = [
            (b"root", Some(0)),
            (b"bad", None),
            (b"empty", None),
            (b"+", None),
            (b"big", None),
            (b"last", Some(1001)),
        ];
        assert_eq!(entries(text).collect::<Vec<_>>(), want);
        assert_eq!(name_of_uid(text, 1001).as_deref(), Some("last"));
        assert_eq!(name_of_uid(text, 0).as_deref(), Some("root"));
        assert_eq!(name_of_uid(text, 5), None);
    }
}
