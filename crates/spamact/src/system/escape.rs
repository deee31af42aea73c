//! Text of any origin as printable ASCII.
//!
//! Takes bytes; gives letters, digits, punctuation and spaces as they are, and everything else as `\xnn`, byte by
//! byte. That is stricter than [`spamcore::escape::display`], which reports use: in a mail or in syslog, a letter
//! that changes the writing direction is as bad as a control character.

use std::fmt::Write as _;

/// The text, escaped.
pub(crate) fn escape_ascii(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for &b in text {
        if matches!(b, b' '..=b'~') {
            out.push(char::from(b));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{b:02x}");
        }
    }
    out
}

/// The text, escaped, and truncated to `longest` bytes with a mark that says so.
pub(crate) fn cut(text: &[u8], longest: usize) -> String {
    const MARK: &str = " [cut]";
    // An escape is never shorter: bytes beyond that length cannot be in the result.
    let mut out = escape_ascii(&text[..text.len().min(longest + 1)]);
    if out.len() > longest {
        out.truncate(longest.saturating_sub(MARK.len()));
        out.push_str(MARK);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_printable_ascii_comes_out() {
        assert_eq!(escape_ascii(b"a b\t\n\x7f\xff~"), "a b\\x09\\x0a\\x7f\\xff~");
        let all: Vec<u8> = (0..=255).collect();
        assert!(escape_ascii(&all).bytes().all(|b| matches!(b, b' '..=b'~')));
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        assert_eq!(cut(b"twelve bytes", 12), "twelve bytes");
        assert_eq!(cut(b"thirteen byte", 12), "thirte [cut]");
        assert_eq!(cut(&[0; 12], 12), "\\x00\\x [cut]");
    }
}
