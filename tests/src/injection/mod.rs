//! Text as a stranger would plant it, and every place of a log line that one can write.
//!
//! A [`Field`] is a line of some software around a field that a client, a sender, a visitor or another
//! server chooses, with what that software does to the text before it writes it. Text comes from
//! [`forged_lines`] lines that would count for a victim and from [`PIECES`] of the grammars. Whatever stands in
//! the field: the line counts for nobody or for who it is of, never for one of the [`VICTIMS`]. Whom a line
//! counts for is [known](Counts) to the byte, so that a name which is a victim's but for a few bytes is found, too.
//!
//! There are no places that only a local user writes: he can write whole lines into syslog, and PHP's log. So
//! there are none for code that PHP was given to run (`data://` URLs, `eval()`), for the recipient that a script
//! hands to `error_log()`, for the arguments of a program; and none for a line break in Exim's
//! `received_recipients` and `smtp_mailauth`, which the README names among the limits. Nor is there one for a client's
//! address that a web server takes from a header as it is: the line of an old wrapper names whom the header says then.

mod fields;

pub use fields::FIELDS;

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
pub struct Field {
    /// Where the line stands.
    pub log: Log,
    /// The line behind its stamp; `{}` is the field.
    pub line: &'static str,
    /// What the software makes of the text.
    pub writes: fn(&str) -> String,
    /// What the software makes of the line: those that it sends to the log.
    pub sends: fn(&str) -> Vec<String>,
    /// Whom the line counts for.
    pub counts: Counts,
}

/// Whom a line counts for, once each.
#[derive(Clone, Copy, Debug)]
pub enum Counts {
    /// Nobody.
    Nobody,
    /// Always these.
    For(&'static [&'static str]),
    /// Some of these, or nobody, where the text can make it a line with two readings.
    Perhaps(fn(&str) -> Vec<String>),
    /// Who the stranger says he is: told from the (first) line behind its stamp. A victim's text can stand in such
    /// a name: it is a login, a HELO, a path of his own with more behind it.
    Own(fn(&str) -> Vec<String>),
}

impl Field {
    /// The line, or lines, with a text in the field, each behind a stamp of the log's own.
    pub fn with(&self, stamp: &str, text: &str) -> Vec<u8> {
        // An empty stamp is that of a line which has none.
        let blank = if stamp.is_empty() { "" } else { " " };
        let lines =
            self.lines(text).iter().map(|line| format!("{stamp}{blank}{line}")).collect::<Vec<_>>();
        bytes(&lines.join("\n"))
    }

    /// Whom the line counts for with a text in the field.
    pub fn senders(&self, text: &str) -> Vec<String> {
        match self.counts {
            Counts::Nobody => Vec::new(),
            Counts::For(senders) => senders.iter().map(|sender| (*sender).to_owned()).collect(),
            Counts::Perhaps(senders) | Counts::Own(senders) => senders(&self.lines(text)[0]),
        }
    }

    fn lines(&self, text: &str) -> Vec<String> {
        (self.sends)(&self.line.replace("{}", &(self.writes)(text)))
    }
}

/// Characters from here on stand for single bytes that are no UTF-8.
const NO_TEXT: u32 = 0xF700;

/// What is written of a text.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u32::from(c).checked_sub(NO_TEXT).map(u8::try_from) {
            Some(Ok(byte)) => bytes.push(byte),
            _ => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// A line that is sent as it is.
pub fn whole_line(line: &str) -> Vec<String> {
    vec![line.to_owned()]
}

/// Exim to syslog (`log.c write_syslog()`): a line that is longer than 870 bytes, or that holds a line break, is
/// sent in pieces, `[1/3] ` or `[1\3] ` before them. rsyslog takes each.
pub fn pieces(line: &str) -> Vec<String> {
    const MAX_SYSLOG_LEN: usize = 870;
    let (tag, message) = line.split_once(": ").expect("a tag");
    let mut pieces = Vec::new();
    let parts: Vec<&str> = message.split('\n').collect();
    for (number, part) in parts.iter().enumerate() {
        let chars: Vec<char> = part.chars().collect();
        let mut chunks = chars.chunks(MAX_SYSLOG_LEN).peekable();
        let breaks = number + 1 < parts.len();
        if chunks.peek().is_none() && breaks {
            pieces.push((String::new(), '\\'));
        }
        while let Some(chunk) = chunks.next() {
            let mark = if chunks.peek().is_none() && breaks { '\\' } else { '/' };
            pieces.push((chunk.iter().collect(), mark));
        }
    }
    let of = pieces.len();
    let send = |(number, (piece, mark)): (usize, &(String, char))| match of {
        1 => format!("{tag}: {}", received(piece)),
        _ => format!("{tag}: [{}{mark}{of}] {}", number + 1, received(piece)),
    };
    pieces.iter().enumerate().map(send).collect()
}

/// PHP to syslog (`php_syslog.c`, `syslog.filter=no-ctrl`): each line is a message of its own; controls are `\x` and
/// two hexadecimal digits; a NUL ends it all.
pub fn without_controls(line: &str) -> Vec<String> {
    let (tag, message) = line.split_once(": ").expect("a tag");
    let message = message.split('\0').next().unwrap_or_default();
    let write = |c: char| match c {
        '\0'..='\x1f' | '\x7f' => format!("\\x{:02x}", u32::from(c)),
        c => c.into(),
    };
    message
        .split('\n')
        .map(|part| format!("{tag}: {}", part.chars().map(write).collect::<String>()))
        .collect()
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

/// What Exim writes with `string_printing2()` where a blank would end the field.
pub fn without_blanks(text: &str) -> String {
    octal(text).replace(' ', "\\040")
}

/// A word without quotes: a domain that signed, or a message id.
pub fn word(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | ';' | '<' | '>' | '\\'))
        .collect()
}

/// Text that is so long that the line is cut somewhere in it.
pub fn long(text: &str) -> String {
    // In steps that meet each byte of a text of some hundred.
    let before = text.len() * 37 % 900;
    raw(&format!("{}{text}{}", "A".repeat(before), "A".repeat(900)))
}

/// The same without what an id begins with. Where a HELO is so long that the line of syslog ends in it, nothing tells
/// that an id in it is none: the README says so.
pub fn long_without_id(text: &str) -> String {
    long(&text.replace(" A=", " B="))
}

/// Long text as Exim writes it within quotes.
pub fn long_quoted(text: &str) -> String {
    quoted(&long(text))
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

/// An address, of what there is of one.
pub fn address(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_hexdigit() || matches!(c, '.' | ':')).collect()
}

/// PHP: line ends and other controls of `To` and `Subject` are blanks.
pub fn blanked(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_control() { ' ' } else { c }).collect()
}

/// PHP: line ends of `Headers` are blanks. Other controls and what is no UTF-8 stay as they are.
pub fn headers(text: &str) -> String {
    format!("\u{1b}\u{f7ff}{}\u{f7c3}\u{7}", text.replace(['\r', '\n'], " "))
        .replace('\t', "\t\u{f780}")
}

/// Exim: what is taken for HELO with `helo_accept_junk_hosts` stays as it is, UTF-8 or not.
pub fn junk(text: &str) -> String {
    format!("\u{f7ff}{}\u{f7c3}", raw(text)).replace('\t', "\t\u{f780}")
}

/// Text that the software writes as it is; that a line ends at a newline it knows.
pub fn raw(text: &str) -> String {
    text.replace('\n', "")
}

/// A folded header in PHP's log: each line but the first begins with a blank.
pub fn folded(text: &str) -> String {
    text.replace('\n', "\n ")
}

/// The same with a tab.
pub fn folded_by_tab(text: &str) -> String {
    text.replace('\n', "\n\t")
}

/// What the journal prints of several lines: all but the first indented to the message.
pub fn indented(text: &str) -> String {
    text.replace('\n', "\n                              ")
}

/// The name of an upload of a visitor: it stays in its directory, and in its line.
pub fn file_name(text: &str) -> String {
    raw(text).replace(['/', '\0'], "_")
}

/// A login name: up to the first field that Postfix can write behind it.
pub fn login(line: &str) -> Vec<String> {
    let (_, name) = line.split_once("sasl_username=").expect("a login");
    let ends = ["sasl_sender", "orig_queue_id", "orig_client"]
        .map(|field| name.find(&format!(", {field}=")).unwrap_or(name.len()));
    vec![name[..ends.into_iter().min().unwrap_or_default()].to_owned()]
}

/// A client whose mechanism is a word without a comma.
pub fn of_a_method(line: &str) -> Vec<String> {
    let (_, method) = line.split_once("sasl_method=").expect("a method");
    let (method, _) = method.rsplit_once(", sasl_username=").expect("a login");
    if method.contains(',') { vec![] } else { vec!["sure".to_owned()] }
}

/// A name that Exim has verified.
pub fn host_name(line: &str) -> Vec<String> {
    let (_, name) = line.split_once(" H=").expect("a host");
    vec![name.split(' ').next().unwrap_or_default().to_owned()]
}

/// A HELO: up to the first `) [ADDRESS]`, or all that is there.
pub fn helo(line: &str) -> Vec<String> {
    let (_, name) = line.split_once('(').expect("a HELO");
    let end = name.match_indices(") [").map(|(at, _)| at).find(|at| {
        let address = name[at + 3..].split(']').next().unwrap_or_default();
        let behind = at + 3 + address.len();
        let of_address = |b: u8| b.is_ascii_hexdigit() || b == b':' || b == b'.';
        !address.is_empty() && behind < name.len() && address.bytes().all(of_address)
    });
    // The report shows what is no UTF-8 so.
    let name = bytes(&name[..end.unwrap_or(name.len())]);
    vec![String::from_utf8_lossy(&name).into_owned()]
}

/// The client `pc`, where the first piece of a line reaches to it.
pub fn if_reached(line: &str) -> Vec<String> {
    let Some((_, name)) = line.split_once("@evil.example H=(") else { return vec![] };
    vec![name.split(')').next().unwrap_or_default().to_owned()]
}

/// The client `pc`, and the id that it logged in as: all that stands before the size. None where the id looks as if
/// it began in a HELO.
pub fn pc_and_id(line: &str) -> Vec<String> {
    let (_, id) = line.split_once(" A=plain:").expect("an id");
    let (id, _) = id.rsplit_once(" S=4").expect("a size");
    let doubtful = id.contains(") [") && id.contains(" P=esmtpa A=");
    let pc = "pc".to_owned();
    if doubtful { vec![pc] } else { vec![pc, id.to_owned()] }
}

/// The client `pc`, and the id `sure`. Where the size may be one in a subject whose end was cut off, the id is
/// all before the last.
pub fn pc_and_sure(line: &str) -> Vec<String> {
    let (_, id) = line.split_once(" A=plain:").expect("an id");
    let (id, _) = id.rsplit_once(" S=").expect("a size");
    ["pc", "sure", id].map(str::to_owned).into()
}

/// A script: up to the first `:LINE]: To: `.
pub fn script(line: &str) -> Vec<String> {
    let (_, path) = line.split_once("mail() on [").expect("a call");
    let end = path.match_indices("]: To: ").find_map(|(at, _)| {
        let script = path[..at].trim_end_matches(|c: char| c.is_ascii_digit());
        (script.len() < at).then(|| script.strip_suffix(':')).flatten()
    });
    vec![end.expect("a line").to_owned()]
}

/// A script of a wrapper that escapes nothing: none where a second group of fields, or its length, makes the
/// line unclear; else up to the first `, uid=N, user=`.
pub fn old_script(line: &str) -> Vec<String> {
    const FILENAME: &str = ", filename=";
    let (_, message) = line.split_once(": ").expect("a tag");
    let mut paths = message.match_indices(", client=").filter_map(|(at, client)| {
        let group = &message[at + client.len()..];
        let path = group.split(client).next().and_then(|own| own.find(FILENAME))?;
        Some(&group[path + FILENAME.len()..])
    });
    let path = paths.next().expect("a group");
    if message.len() >= 900 || paths.next().is_some() {
        return vec![];
    }
    let end = path.match_indices(", uid=").find_map(|(at, uid)| {
        let number = &path[at + uid.len()..];
        let user = number.trim_start_matches(|c: char| c.is_ascii_digit());
        (user.len() < number.len() && user.starts_with(", user=")).then_some(at)
    });
    vec![path[..end.expect("an owner")].to_owned()]
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
pub fn forged_lines(time: &str) -> Vec<String> {
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
pub fn forged_text(lines: &[String], mut pick: impl FnMut(usize) -> usize) -> String {
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
        text.push_str(&lines[pick(lines.len())]);
    }
    for _ in 0..after {
        text.push_str(PIECES[pick(PIECES.len())]);
    }
    text
}
