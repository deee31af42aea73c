//! Text from a log, made safe for a terminal, and names made safe for a shell.
//!
//! Takes bytes of any origin and gives them back with control characters spelled out. It does not decide
//! where that is needed: whoever writes to a terminal has to call it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Text with its control bytes written as `\xnn`, so that a terminal does not act on them, and with the bytes
/// of characters that cannot be seen, or that look like a space, written in the same way.
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
            if is_hidden(c) || is_no_break_space(c) {
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

/// What this program says of an account at the end of a report line, as far as it must not be forged.
const NOTES: [&[u8]; 4] = [b"DISABLED", b"NOT DISABLED", b"ALREADY DISABLED", b"WOULD DISABLE"];

/// A line of a log for a report: [escaped](escape), and with `\x5b` for the `[` of what only this program may
/// say of an account. A login or a sender could end in it.
pub fn escape_line(line: &[u8]) -> Cow<'_, [u8]> {
    let shown = escape(line);
    let forged = |at: &usize| NOTES.iter().any(|note| shown[at + 1..].starts_with(note));
    let mut places = memchr::memchr_iter(b'[', &shown).filter(forged).peekable();
    if places.peek().is_none() {
        return shown;
    }
    let (mut marked, mut from) = (Vec::with_capacity(shown.len() + 16), 0);
    for at in places {
        marked.extend_from_slice(&shown[from..at]);
        push_escape(&mut marked, b'[');
        from = at + 1;
    }
    marked.extend_from_slice(&shown[from..]);
    Cow::Owned(marked)
}

/// Whether a text contains a control byte: one that [`escape`] would escape as such, or a TAB.
pub(crate) fn has_controls(text: &[u8]) -> bool {
    text.utf8_chunks().any(|chunk| {
        chunk.valid().chars().any(char::is_control)
            || chunk.invalid().iter().any(|b| matches!(b, 0x80..=0x9f))
    })
}

/// Whether a terminal may act on a character, or it is invisible: controls, characters that set the direction
/// of writing or separate lines, and those that Unicode lets a program ignore
/// (`Default_Ignorable_Code_Point` in `DerivedCoreProperties.txt`).
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control() && c != '\t'
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Whether a character looks like a space, and is none where a program splits words.
fn is_no_break_space(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{2007}' | '\u{202f}')
}

fn push_escape(shown: &mut Vec<u8>, b: u8) {
    let mut text = String::with_capacity(4);
    // Writing to a String cannot fail.
    let _ = write!(text, "\\x{b:02x}");
    shown.extend_from_slice(text.as_bytes());
}

/// A word as one types it in a shell. Root may paste what a message says, and the name of a file may be somebody
/// else's.
pub fn shell_word(text: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+:@%,=".contains(&b);
    if !text.is_empty() && text.bytes().all(is_plain) {
        text.to_owned()
    } else {
        single_quoted(text)
    }
}

/// A text in single quotes, for a shell.
pub fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
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

    #[test]
    fn what_cannot_be_seen_is_shown_byte_by_byte() {
        for (text, want) in [
            ("d\u{202e}e", "d\\xe2\\x80\\xaee"),
            ("a\u{200b}b\u{feff}", "a\\xe2\\x80\\x8bb\\xef\\xbb\\xbf"),
            ("a\u{a0}b\u{202f}", "a\\xc2\\xa0b\\xe2\\x80\\xaf"),
            ("a\u{3164}\u{e0041}", "a\\xe3\\x85\\xa4\\xf3\\xa0\\x81\\x81"),
            ("日本 \u{c0}\u{e9}", "日本 \u{c0}\u{e9}"),
        ] {
            assert_eq!(display(text.as_bytes()), want);
        }
    }

    #[test]
    fn what_only_this_program_says_cannot_be_forged() {
        for (line, want) in [
            (&b"x=a [DISABLED]"[..], &b"x=a \\x5bDISABLED]"[..]),
            (b"[NOT DISABLED: no][WOULD DISABLE]", b"\\x5bNOT DISABLED: no]\\x5bWOULD DISABLE]"),
            (b"[[ALREADY DISABLED, STILL", b"[\\x5bALREADY DISABLED, STILL"),
            (b"\x1b[DISABLED]", b"\\x1b\\x5bDISABLED]"),
            (b"c[192.0.2.1] [disabled] [ DISABLED] [", b"c[192.0.2.1] [disabled] [ DISABLED] ["),
        ] {
            assert_eq!(escape_line(line), want, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn controls_are_found_where_they_are_bytes_or_characters() {
        for odd in [&b"a\nb"[..], b"\t", b"\x7f", b"\x80", "\u{9b}".as_bytes()] {
            assert!(has_controls(odd), "{odd:?}");
        }
        for plain in [&b""[..], b"a b'\\", b"\xff\xa0", "\u{e9}\u{200b}".as_bytes()] {
            assert!(!has_controls(plain), "{plain:?}");
        }
    }
}
