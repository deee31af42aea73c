//! Text from a log, made safe for a terminal.
//!
//! Takes bytes of any origin and gives them back with control characters spelled out. It does not decide
//! where that is needed: whoever writes to a terminal has to call it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Text with its control bytes written as `\xnn`, so that a terminal does not act on them.
///
/// Control bytes are those below 0x20 except TAB, 0x7F, the C1 controls in UTF-8, and 0x80 to 0x9F
/// outside valid UTF-8. All other bytes are kept.
pub fn escape(text: &[u8]) -> Cow<'_, [u8]> {
    // Most lines are printable ASCII, where there is nothing to escape.
    if text.iter().all(|b| matches!(b, b'\t' | b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut shown = Vec::with_capacity(text.len() + 16);
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            let mut bytes = [0; 4];
            let bytes = c.encode_utf8(&mut bytes);
            if c.is_control() && c != '\t' {
                for b in bytes.bytes() {
                    push_escape(&mut shown, b);
                }
            } else {
                shown.extend_from_slice(bytes.as_bytes());
            }
        }
        for &b in chunk.invalid() {
            match b {
                0x80..=0x9f => push_escape(&mut shown, b),
                _ => shown.push(b),
            }
        }
    }
    Cow::Owned(shown)
}

/// Text of any origin as a string for a message: escaped, with invalid UTF-8 replaced.
pub fn display(text: &[u8]) -> String {
    String::from_utf8_lossy(&escape(text)).into_owned()
}

/// Whether a terminal may act on a character, or it is invisible but changes the text around it:
/// controls, and characters that set the direction of writing or have no width.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control() && c != '\t'
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

fn push_escape(shown: &mut Vec<u8>, b: u8) {
    let mut text = String::with_capacity(4);
    // Writing to a String cannot fail.
    let _ = write!(text, "\\x{b:02x}");
    shown.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_escaped_and_the_rest_is_kept() {
        for (text, want) in [
            (&b"plain \ttext"[..], &b"plain \ttext"[..]),
            (b"a\x1b[31mb\x00\x7f\r", b"a\\x1b[31mb\\x00\\x7f\\x0d"),
            ("b\u{f6}b \u{9b}31m".as_bytes(), "b\u{f6}b \\xc2\\x9b31m".as_bytes()),
            (b"\xff\xfe\x80\x9f\xa0", b"\xff\xfe\\x80\\x9f\xa0"),
            (b"\xe2\x80", b"\xe2\\x80"),
            (b"\xc2\x85", b"\\xc2\\x85"),
        ] {
            assert_eq!(escape(text), want, "{text:?}");
        }
    }
}
