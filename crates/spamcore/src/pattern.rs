//! Patterns as in a shell, for names of hosts and files.
//!
//! Takes the bytes of a pattern and says whether a name matches as a whole. `*` stands for any text, `?` for any
//! byte, and, in patterns of files, `[a-z]` for one of some bytes and `[!a-z]` or `[^a-z]` for any other. Nothing is
//! a path here: a slash is a byte like any other.

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// Any text.
    Any,
    /// Any byte.
    One,
    /// This byte.
    Byte(u8),
    /// A byte that is, or is not, in one of these ranges.
    Set { ranges: Vec<(u8, u8)>, negated: bool },
}

impl Pattern {
    /// A pattern in which only `*` and `?` have a meaning.
    pub fn of_host(text: &[u8]) -> Self {
        Self(text.iter().map(|&b| wildcard(b)).collect())
    }

    /// A pattern of a file's name. A bracket that is not closed stands for itself.
    pub fn of_file(text: &[u8]) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some((&first, after)) = rest.split_first() {
            let set = if first == b'[' { set(after) } else { None };
            let (token, length) = set.unwrap_or_else(|| (wildcard(first), 0));
            tokens.push(token);
            rest = &after[length..];
        }
        Self(tokens)
    }

    /// Whether a text has a character that means something in a pattern of a file's name.
    pub fn is_one(text: &[u8]) -> bool {
        text.iter().any(|b| matches!(b, b'*' | b'?' | b'['))
    }

    /// Whether it matches a whole text. Takes no longer than the product of their lengths.
    pub fn matches(&self, text: &[u8]) -> bool {
        let Self(tokens) = self;
        let (mut at, mut from) = (0, 0);
        // The last star, and where the text that it stands for ends.
        let mut star: Option<(usize, usize)> = None;
        while from < text.len() {
            match tokens.get(at) {
                Some(Token::Any) => {
                    star = Some((at, from));
                    at += 1;
                }
                Some(token) if token.is(text[from]) => {
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
        tokens[at..].iter().all(|token| *token == Token::Any)
    }
}

impl Token {
    fn is(&self, byte: u8) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Byte(own) => *own == byte,
            Self::Set { ranges, negated } => {
                ranges.iter().any(|&(low, high)| (low..=high).contains(&byte)) != *negated
            }
        }
    }
}

fn wildcard(b: u8) -> Token {
    match b {
        b'*' => Token::Any,
        b'?' => Token::One,
        b => Token::Byte(b),
    }
}

/// The set whose text, after its opening bracket, this begins with, and the length of that text.
fn set(text: &[u8]) -> Option<(Token, usize)> {
    let negated = matches!(text.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    // A bracket right at the start is in the set.
    let end = start + 1 + text.get(start + 1..)?.iter().position(|&b| b == b']')?;
    let (mut ranges, mut rest) = (Vec::new(), &text[start..end]);
    while let Some((&low, after)) = rest.split_first() {
        let (high, after) = match *after {
            [b'-', high, ref after @ ..] => (high, after),
            _ => (low, after),
        };
        ranges.push((low, high));
        rest = after;
    }
    Some((Token::Set { ranges, negated }, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_a_whole_name() {
        for (pattern, text, want) in [
            ("mx2", "mx21", false),
            ("mx?", "mx2", true),
            ("mx?", "mx", false),
            ("mx*", "mx", true),
            ("*.log", "a.b.log", true),
            ("*.log", ".log", true),
            ("*", "", true),
            ("a*b*c", "a1b2bc", true),
            ("a*b*c", "a1b2bcd", false),
            ("*a*a*a*a*b", &"a".repeat(5000), false),
            ("mail.log[.-]1", "mail.log.1", true),
            ("mail.log[.-]1", "mail.log-1", true),
            ("mail.log[.-]1", "mail.log_1", false),
            ("[a-cx]1", "b1", true),
            ("[a-cx]1", "x1", true),
            ("[a-cx]1", "d1", false),
            ("[!a-c]", "d", true),
            ("[^a-c]", "b", false),
            ("[]x]", "]", true),
            ("[!]x]", "]", false),
            ("[a", "[a", true),
            ("[]", "[]", true),
            ("[z-a]", "m", false),
            ("*[0-9]", "x12", true),
            ("[*]", "x", false),
        ] {
            let matches = Pattern::of_file(pattern.as_bytes()).matches(text.as_bytes());
            assert_eq!(matches, want, "{pattern} {text}");
        }
        assert!(Pattern::of_file(b"*").matches(b"\xff\xfe"));
        assert!(Pattern::of_host(b"[a]").matches(b"[a]"), "an address");
        assert!(Pattern::is_one(b"a[b") && !Pattern::is_one(b"a]b"));
    }
}
