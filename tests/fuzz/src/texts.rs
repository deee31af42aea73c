//! Claims about whole texts: limits, lists of names, password files, access tables, escaped text.

use spamact::account::{AccountName, Exempt, NameRule, Rules, Uids};
use spamact::method::table::{ACTION, Holder};
use spamact::method::{AccountStatus, shadow, table};
use spamcore::identity::{Identity, Realms};
use spamcore::limits::Limits;

pub(crate) fn escaped(input: &[u8]) {
    let shown = spamcore::escape::escape(input);
    for chunk in shown.utf8_chunks() {
        assert!(!chunk.valid().chars().any(|c| c.is_control() && c != '\t'));
        assert!(!chunk.invalid().iter().any(|b| (0x80..=0x9f).contains(b)));
    }
    let text = spamcore::escape::display(input);
    assert!(!text.chars().any(|c| c.is_control() && c != '\t'));
    assert_eq!(spamcore::escape::escape(&shown), shown, "once is enough");
}

/// Every line is a comment, is used, or is reported.
pub(crate) fn overrides(input: &[u8]) {
    let mut limits = Limits::new(90, false);
    let wrong = limits.add(input, &Identity::exact());
    let lines: Vec<&[u8]> = input.split(|&b| b == b'\n').map(<[u8]>::trim_ascii).collect();
    let mut told = wrong.iter().peekable();
    for (number, line) in lines.iter().enumerate() {
        if told.next_if(|wrong| **wrong == number + 1).is_some() {
            assert!(!(line.is_empty() || line.starts_with(b"#")), "a comment is told");
            continue;
        }
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let digits = line.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        let (name, number) = line.split_at(line.len() - digits);
        assert!(digits > 0 && name.ends_with(b" ") || name.ends_with(b"\t"), "it is taken");
        let number: u64 = std::str::from_utf8(number).expect("digits").parse().expect("it fits");
        let name = name.trim_ascii();
        // If a name has two lines, the last one counts.
        let later = lines[..].iter().rev().find(|line| {
            let end = line.iter().rposition(|&b| b == b' ' || b == b'\t').unwrap_or(0);
            line[..end].trim_ascii() == name && !line.starts_with(b"#")
        });
        if later == Some(line) {
            assert_eq!(limits.limit_for(name), number);
        }
    }
    assert!(told.next().is_none(), "a line that is not there is told");
}

/// Every word that is alone on a line is exempt, in any case.
pub(crate) fn exempt(input: &[u8]) {
    let exempt = Exempt::parse(input);
    for line in input.split(|&b| b == b'\n').map(<[u8]>::trim_ascii) {
        let spared = exempt.has(line) && exempt.has(&line.to_ascii_uppercase());
        assert_eq!(spared, !line.is_empty() && !line.starts_with(b"#") && !has_comment(line));
    }
    assert!(!exempt.has(b""));
}

fn has_comment(line: &[u8]) -> bool {
    line.windows(2).any(|two| two[0].is_ascii_whitespace() && two[1] == b'#')
}

/// An account that can be locked has an entry in the text, is a regular user, and is none of those that are never locked.
pub(crate) fn passwd(input: &[u8]) {
    let (defs, passwd) = input.split_at(input.len() / 4);
    let uids = Uids::from_login_defs(defs);
    let rules = Rules {
        passwd: passwd.to_vec(),
        uids,
        exempt: Exempt::parse(b"carol\n"),
        realms: Realms::new(["example.org".to_owned()]),
        administrators: Vec::new(),
        invokers: vec!["dave".into()],
    };
    for line in passwd.split(|&b| b == b'\n').take(6) {
        let fields: Vec<&[u8]> = line.split(|&b| b == b':').collect();
        let name = fields[0];
        for names in [NameRule::LocalEntry, NameRule::Nis, NameRule::Login, NameRule::Account] {
            let Ok(account) = rules.account(name, names) else { continue };
            let account = account.as_ref();
            let user = account.split('@').next().unwrap_or_default();
            let is = |name: &str, spared: &[&str]| {
                spared.iter().any(|spared| spared.eq_ignore_ascii_case(name))
            };
            assert!(!is(user, &["root", "postmaster", "abuse", "mailer-daemon"]), "{user}");
            assert!(!is(account, &["carol", "dave"]), "{account}");
            assert!(account.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.@+-".contains(&b)));
            assert!(!account.starts_with(['-', '.', '@', '+']));
            if account.as_bytes() == name {
                let uid = std::str::from_utf8(fields.get(2).copied().unwrap_or_default());
                let uid = uid.ok().and_then(|uid| uid.parse().ok());
                let whole = fields.len() > 2;
                assert!(!whole || uid.is_some_and(|uid| uids.has(uid)), "a system account");
            }
        }
    }
}

/// A lock adds one character to the account's entry, and changes nothing else; undoing it restores the text.
pub(crate) fn shadow(input: &[u8]) {
    for name in ["alice", "bob"] {
        let before = shadow::status(input, name);
        let Some(now) = shadow::locked(input, name) else {
            assert!(before != AccountStatus::Open, "an open account is not locked");
            continue;
        };
        assert_eq!(before, AccountStatus::Open);
        assert_eq!(shadow::status(&now, name), AccountStatus::Locked);
        assert_eq!(shadow::locked(&now, name), None, "a lock is one mark");
        let (old, new) = (input.split(|&b| b == b'\n'), now.split(|&b| b == b'\n'));
        let start = format!("{name}:");
        let mut lines = 0;
        for (old, new) in old.clone().zip(new.clone()) {
            lines += 1;
            if old != new {
                let rest = old.strip_prefix(start.as_bytes()).expect("a line of somebody else");
                assert_eq!(new, [start.as_bytes(), b"*", rest].concat());
            }
        }
        assert_eq!((old.count(), new.count()), (lines, lines));
        // Earlier lock characters are somebody else's, but one that looks like spam-check's counts as such.
        if !input
            .split(|&b| b == b'\n')
            .any(|line| line.starts_with(format!("{name}:*").as_bytes()))
        {
            let undone = shadow::unlocked(&now, name);
            let empty = now.split(|&b| b == b'\n').any(|line| {
                let rest = line.strip_prefix(format!("{name}:*").as_bytes());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b":"))
            });
            assert!(empty || undone.as_deref() == Some(input));
        }
    }
}

/// An entry is added once, at the end, and removing it leaves all other lines unchanged.
pub(crate) fn table(input: &[u8]) {
    for name in ["alice", "bob@example.org"] {
        let name = AccountName::check(name.as_bytes()).expect("a name");
        let line = format!("{name} {ACTION}");
        let without = table::without_entry(input, &name);
        assert!(is_part(&without, input), "lines of others change");
        assert_eq!(table::without_entry(&without, &name), without, "once is enough");
        if table::holder(input, &name) != Holder::Nobody {
            continue;
        }
        assert_eq!(without, input, "nobody's entry is taken away");
        let with = table::with_entry(input, &name);
        assert!(with.starts_with(input) && with.ends_with(format!("{line}\n").as_bytes()));
        assert_eq!(table::holder(&with, &name), Holder::Us);
        let mut whole = input.to_vec();
        if whole.last().is_some_and(|&last| last != b'\n') {
            whole.push(b'\n');
        }
        assert_eq!(table::without_entry(&with, &name), whole);
    }
}

/// Whether a text is another one without some of its lines.
fn is_part(part: &[u8], text: &[u8]) -> bool {
    let mut lines = text.split_inclusive(|&b| b == b'\n');
    part.split_inclusive(|&b| b == b'\n').all(|line| lines.any(|other| other == line))
}
