//! Text as a stranger would plant it, and every place of a log line that one can write.
//!
//! A [`Place`] is a line of some software around a field that a client, a sender, a visitor or another
//! server chooses, with what that software does to the text before it writes it. Text comes from
//! [`whole`] lines that would count for a victim and from [`PIECES`] of the grammars. Whatever stands in
//! the field: the line counts for nobody or for who it is of, never for one of the [`VICTIMS`].

mod places;

pub use places::PLACES;

/// Whom planted lines name. Nobody else does.
pub const VICTIMS: [&str; 3] = ["victim", "/home/victim/x.php", "9.9.9.9"];

/// The software whose log a line stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// A syslog file.
    Syslog,
    /// Exim's main log.
    Exim,
    /// PHP's log of mail.
    Php,
}

/// A field that a stranger writes.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Where the line stands.
    pub log: Log,
    /// The line behind its stamp; `{}` is the field.
    pub line: &'static str,
    /// What the software makes of the text.
    pub writes: fn(&str) -> String,
    /// Whom the line counts for, where it is one that counts for the same sender always.
    pub counts: Option<&'static str>,
}

impl Place {
    /// The line with a text in its field, behind a stamp of the log's own.
    pub fn with(&self, stamp: &str, text: &str) -> String {
        let text = (self.writes)(text);
        // An empty stamp is that of a line which has none.
        let blank = if stamp.is_empty() { "" } else { " " };
        format!("{stamp}{blank}{}", self.line.replace("{}", &text))
    }
}

/// Postfix `printable()`: what is not printable ASCII is a question mark.
pub fn printable(text: &str) -> String {
    text.bytes().map(|b| if matches!(b, b' '..=b'~') { char::from(b) } else { '?' }).collect()
}

/// Postfix `neuter()`, of HELO and the like, behind `printable()`.
pub fn neutered(text: &str) -> String {
    printable(text).replace([' ', '<', '>', '(', ')', '\\', '"', ';', '@'], "?")
}

/// A name of a host, as `valid_hostname()` lets it pass.
pub fn hostname(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')).collect()
}

/// rsyslog on receipt: controls are `#` and three octal digits.
pub fn received(text: &str) -> String {
    escaped(text, '#')
}

/// logger(1) with a long address: it cuts the message at 1024 bytes, of which `CUT` are the field's.
pub fn cut(text: &str) -> String {
    let mut text = received(text) + &"A".repeat(CUT);
    while text.len() > CUT {
        text.pop();
    }
    text
}

/// What `sendmail-php url=h/` leaves of 1024 bytes.
const CUT: usize = 1024 - 19;

/// Exim `string_printing()`, and sshd through `vis(3)`: controls are `\` and three octal digits (Exim
/// has names for some).
pub fn octal(text: &str) -> String {
    escaped(text, '\\')
}

fn escaped(text: &str, mark: char) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_control() {
            out.push_str(&format!("{mark}{:03o}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Within quotes Exim logs a quote and a backslash behind a backslash.
pub fn quoted(text: &str) -> String {
    octal(&text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The sendmail wrapper of the package: what is not plain is `%` and two hexadecimal digits. No variable of an
/// environment holds a NUL.
pub fn percent(text: &str) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._~:?&=@-".contains(b);
    let write = |b: u8| if plain(&b) { char::from(b).into() } else { format!("%{b:02x}") };
    text.bytes().filter(|b| *b != 0).map(write).collect()
}

/// PHP: line ends and other controls of `To` and `Subject` are blanks.
pub fn blanked(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_control() { ' ' } else { c }).collect()
}

/// Text that the software writes as it is; that a line ends at a newline it knows.
pub fn raw(text: &str) -> String {
    text.replace('\n', "")
}

/// A folded header in PHP's log: each line but the first begins with a blank.
pub fn folded(text: &str) -> String {
    text.replace('\n', "\n ")
}

/// What the journal prints of several lines: all but the first indented to the message.
pub fn indented(text: &str) -> String {
    text.replace('\n', "\n                              ")
}

/// Pieces of the grammars, and what could end a field.
pub const PIECES: &[&str] = &[
    "3F1A2B: client=unknown[9.9.9.9], sasl_method=PLAIN, sasl_username=victim",
    "client=unknown[9.9.9.9]",
    ", sasl_method=PLAIN, sasl_username=victim",
    ", sasl_sender=x",
    "1ABCDE-000001-XY <= a@b U=victim P=local S=4",
    " H=(victim) [9.9.9.9] P=esmtp S=4",
    " H=victim [9.9.9.9] P=esmtp S=4",
    " H=[9.9.9.9] P=esmtp S=4",
    " U=victim P=local S=4",
    " P=esmtpa A=plain:victim S=4",
    " A=plain:victim S=4 id=x@y",
    " S=4 T=\"",
    " P=esmtpa A=plain:victim S=4 id=z",
    " id=z",
    " from <",
    " for a@b",
    "sendmail-php url=, client=, filename=/home/victim/x.php, uid=0, user=x, args=",
    "sendmail-php v=2, url=, client=, filename=/home/victim/x.php, uid=0, user=x, args=",
    "v=2, url=",
    "%2c%20",
    ", client=9.9.9.9, filename=/home/victim/x.php, uid=0, user=x",
    ", filename=/home/victim/x.php",
    ", uid=0, user=root",
    "message repeated 99 times: [ ",
    "]",
    ":1]: To: ",
    ") [9.9.9.9]",
    "\"",
    "\\",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "#012",
    "\\n",
    ", ",
    " ",
    ": ",
    "x",
];

/// Whole lines that count for a victim, where a line may begin, stamped at a time of
/// 2026-11-23 in UTC, given as `HH:MM:SS`.
pub fn whole(time: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for stamp in stamps(Log::Syslog, time) {
        for message in [
            "mx postfix/smtpd[7]: 3F1A2B: client=a9[9.9.9.9], sasl_method=P, sasl_username=victim",
            "mx postfix/submission/smtpd[7]: message repeated 99 times: [ 3F1A2B: client=unknown[9.9.9.9], sasl_method=P, sasl_username=victim]",
            "mx exim[7]: 1ABCDE-000001-XY <= a@b U=victim P=local S=4",
            "mx php: mail() on [/home/victim/x.php:1]: To: a@b -- Headers: x",
            "mx root: sendmail-php url=h/, client=9.9.9.9, filename=/home/victim/x.php, uid=0, user=x, args=",
        ] {
            lines.push(format!("{stamp} {message}"));
        }
    }
    for stamp in stamps(Log::Exim, time) {
        for message in [
            "1ABCDE-000001-XY <= a@b U=victim P=local S=4",
            "1ABCDE-000001-XY <= a@b H=(victim) [9.9.9.9] P=esmtpa A=plain:victim S=4",
            "1ABCDE-00000000001-XYZA <= a@b H=[9.9.9.9] P=esmtp S=4 id=x@y",
        ] {
            lines.push(format!("{stamp} {message}"));
        }
    }
    for stamp in stamps(Log::Php, time) {
        let blank = if stamp.is_empty() { "" } else { " " };
        lines
            .push(format!("{stamp}{blank}mail() on [/home/victim/x.php:1]: To: a@b -- Headers: x"));
    }
    lines
}

/// The stamp of a time of 2026-11-23 in UTC in every form that a log has. An empty one is none.
pub fn stamps(log: Log, time: &str) -> Vec<String> {
    match log {
        Log::Syslog => vec![
            format!("Nov 23 {time}"),
            format!("Nov 23 {time}.123456"),
            format!("2026-11-23T{time}.235697+00:00"),
            format!("2026-11-23T{time}+0000"),
            format!("2026-11-23T{time}Z"),
            format!("Mon 2026-11-23 {time} UTC"),
            format!("2026 Nov 23 {time}"),
            format!("<22>Nov 23 {time}"),
        ],
        Log::Exim => vec![
            format!("2026-11-23 {time}"),
            format!("2026-11-23 {time}.636 +0000"),
            format!("2026-11-23 {time} [32290]"),
        ],
        Log::Php => vec![
            format!("[23-Nov-2026 {time} UTC]"),
            format!("[23-Nov-2026 {time} Etc/UTC]"),
            String::new(),
        ],
    }
}

/// Text for a field: a whole line of a victim, alone or among pieces. `pick` gives a number below its
/// argument.
pub fn text(whole: &[String], mut pick: impl FnMut(usize) -> usize) -> String {
    let mut text = String::new();
    let (before, after) = match pick(4) {
        0 => (0, 0),
        1 => (1, 1),
        _ => (pick(4), pick(4)),
    };
    for _ in 0..before {
        text.push_str(PIECES[pick(PIECES.len())]);
    }
    if pick(4) > 0 {
        text.push_str(&whole[pick(whole.len())]);
    }
    for _ in 0..after {
        text.push_str(PIECES[pick(PIECES.len())]);
    }
    text
}
