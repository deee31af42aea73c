//! Writes a log of a given size for measurements: `make-log FORMAT MEBIBYTES START END`.
//!
//! START and END are Unix seconds; the lines are spread evenly between them, with the timestamps that rsyslog,
//! Exim and PHP write today. FORMAT is `postfix` (a busy server: about one line in ten is an accepted
//! login), `exim`, `php`, `php53` (without stamps), `wrapper`, or a log of logins and nothing else: `logins` (in
//! peace: 500 senders of a few addresses each), `names` (ever new names, and one in a thousand of a spammer's),
//! `collide` (new names that hashes of old take for the same), `addresses` and `nets` (a sender from ever new
//! addresses, or networks), `many` (a hundred such senders), `few-each` (ever more, of 80 messages each), `long`
//! and `long-nets` (names, or networks, of 60 KiB), `repeated` (each line `message repeated 1000000 times`),
//! `suspects` (three such lines a name, and each name looks stolen); or of ever new names, and one in a thousand of a spammer's, for the other programs: `helos` (of Exim's clients,
//! with ever new ids), `scripts` (of PHP), `paths` (of the wrapper). The last line on stderr says how many
//! messages count, and how many of them are of the busiest sender.

use std::io::{self, BufWriter, Write};

use testkit::Random;

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let format = args.next().unwrap_or_default();
    let mut number = || args.next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    let (size, start, end) = (number() << 20, number(), number());
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let mut log = Log { random: Random::new(1), counted: 0, busiest: 0 };
    let (mut written, mut n) = (0, 0);
    while written < size {
        let at = start + (end - start) * written / size.max(1);
        let text = log.lines(&format, n, at);
        out.write_all(text.as_bytes())?;
        written += text.len() as u64;
        n += 1;
    }
    out.flush()?;
    writeln!(io::stderr(), "{} {}", log.counted, log.busiest)
}

struct Log {
    /// By a seed: the same log every time.
    random: Random,
    counted: u64,
    busiest: u64,
}

impl Log {
    fn next(&mut self, below: u64) -> u64 {
        (self.random.bits() >> 11) % below
    }

    /// One of many senders: the first, a spammer, has one line in twenty more than the others.
    fn sender(&mut self, many: u64) -> u64 {
        let sender = if self.next(20) == 0 { 0 } else { self.next(many) };
        self.counted += 1;
        self.busiest += u64::from(sender == 0);
        sender
    }

    fn lines(&mut self, format: &str, n: u64, at: u64) -> String {
        let (date, day_month_year, time) = civil(at);
        let iso = format!("{date}T{time}.{:06}+00:00", n % 1_000_000);
        let (q, a, b) = (0x3F00_0000_u64 + n % 0xFF_FFFF, self.next(250), self.next(250));
        match format {
            "postfix" => {
                let user = self.sender(500);
                // A person has a handful of addresses, a botnet has them all over.
                let (a, b) = if user == 0 { (a, b) } else { (user % 250, a % 4) };
                let mut text = format!(
                    "{iso} mail postfix/submission/smtpd[4010]: connect from h{a}.isp{b}.example[198.51.{a}.{b}]\n\
                     {iso} mail postfix/submission/smtpd[4010]: {q:X}: client=h{a}.isp{b}.example[198.51.{a}.{b}], sasl_method=PLAIN, sasl_username=user{user}@example.org\n\
                     {iso} mail postfix/cleanup[78]: {q:X}: message-id=<85c66c780a{a}.{b}@example.org>\n\
                     {iso} mail postfix/qmgr[9]: {q:X}: from=<user{user}@example.org>, size=5344, nrcpt=2 (queue active)\n"
                );
                for rcpt in 0..2 {
                    text += &format!(
                        "{iso} mail postfix/smtp[991]: {q:X}: to=<someone{rcpt}{a}@gmail.example>, relay=mx.gmail.example[203.0.113.{a}]:25, delay=0.{b}, delays=0.1/0/0.3/0.9, dsn=2.0.0, status=sent (250 2.0.0 OK {n} x1-2002 - gsmtp)\n"
                    );
                }
                text += &format!(
                    "{iso} mail postfix/qmgr[9]: {q:X}: removed\n\
                     {iso} mail postfix/submission/smtpd[4010]: disconnect from h{a}.isp{b}.example[198.51.{a}.{b}] ehlo=1 auth=1 mail=1 rcpt=2 data=1 quit=1 commands=7\n\
                     {iso} mail dovecot: imap-login: Login: user=<user{user}@example.org>, method=PLAIN, rip=198.51.{a}.{b}, lip=10.0.0.2, mpid=12, TLS, session=<{n:x}>\n\
                     {iso} mail postfix/smtpd[4011]: warning: unknown[203.0.113.{b}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6\n"
                );
                text
            }
            "logins" | "names" | "collide" | "addresses" | "nets" | "many" | "few-each"
            | "long" | "long-nets" | "repeated" | "suspects" => self.login(format, n, &iso),
            "helos" | "scripts" | "paths" => {
                let name =
                    if n.is_multiple_of(1000) { "spammer".into() } else { format!("n{n:x}") };
                self.counted += 1;
                self.busiest += u64::from(name == "spammer");
                match format {
                    "helos" => format!(
                        "{date} {time} 1xVYRD-{:06}-0D <= a@example.org H=({name}) [192.0.2.{a}] P=esmtpa A=plain:u{n} S=902\n",
                        n % 1_000_000
                    ),
                    "scripts" => format!(
                        "[{day_month_year} {time} UTC] mail() on [/srv/www/{name}.php:12]: To: a@example.com -- Headers: x\n"
                    ),
                    _ => format!(
                        "{iso} web web: sendmail-php url=h/, client=203.0.113.{a}, filename=/srv/www/{name}.php, uid=33, user=web, args=\n"
                    ),
                }
            }
            "exim" => {
                let user = self.sender(300);
                let stamp = format!("{date} {time}");
                let id = format!("1xVY{:02}-{:06}-0D", n % 100, n % 1_000_000);
                let from = if n.is_multiple_of(3) {
                    // A local user, and no SMTP client: of the spammer's two names, the rarer one.
                    self.busiest -= u64::from(user == 0);
                    format!("U=www{user} P=local S=2650")
                } else {
                    format!(
                        "H=(pc-{user}) [192.0.2.{a}] P=esmtpa A=plain:user{user} S=902 id={n}@pc"
                    )
                };
                format!(
                    "{stamp} {id} <= user{user}@example.org {from}\n\
                     {stamp} {id} => someone@gmail.example R=dnslookup T=remote_smtp H=mx.gmail.example [203.0.113.2] X=TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256 CV=yes C=\"250 2.0.0 OK\"\n\
                     {stamp} {id} Completed\n"
                )
            }
            "php" | "php53" => {
                let site = self.sender(300);
                let stamp = format!("[{day_month_year} {time} UTC] ");
                let stamp = if format == "php" { &stamp } else { "" };
                format!(
                    "{stamp}mail() on [/srv/www/site{site}/contact.php:12]: To: someone{n}@example.com -- Headers: From: web@example.org  X-Mailer: PHP/8.2 -- Subject: Hello {n}\n"
                )
            }
            _ => {
                let site = self.sender(300);
                format!(
                    "{iso} web www-data: sendmail-php url=www.example.org/s.php?x={n}, client=203.0.113.{a}, filename=/srv/www/site{site}/send.php, uid=33, user=www-data, args=-fx@example.org\n{iso} web postfix/pickup[3]: {q:X}: uid=33 from=<www-data>\n{iso} web postfix/cleanup[3]: {q:X}: message-id=<{n}@web>\n"
                )
            }
        }
    }
}

impl Log {
    /// A login of a log of logins.
    fn login(&mut self, format: &str, n: u64, iso: &str) -> String {
        // New numbers come in no order.
        let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995;
        let bytes = mixed.to_be_bytes();
        let address = format!("{}.{}.{}.{}", 11 + bytes[4] % 100, bytes[5], bytes[6], bytes[7]);
        // A network's name ends behind its last digit.
        let net: String = (2..8).map(|nth| char::from(bytes[nth] % 26 + b'a')).collect();
        let user = self.next(500);
        let (client, name) = match format {
            "logins" => (
                format!("h{}.isp{}.example[198.51.{}.{}]", user % 250, n % 4, user % 250, n % 4),
                format!("user{user}@example.org"),
            ),
            "names" => (format!("unknown[{address}]"), format!("n{n:x}")),
            "suspects" if n.is_multiple_of(3) => {
                (format!("h1.{net}.example[{address}]"), format!("n{:x}", n / 3))
            }
            "suspects" => (format!("unknown[{address}]"), format!("n{:x}", n / 3)),
            "collide" => ("unknown[203.0.113.7]".into(), colliding(n)),
            "addresses" => (format!("unknown[{address}]"), "spammer".into()),
            "nets" => (format!("h1.{net}.example[{address}]"), "spammer".into()),
            "many" => (format!("h1.{net}.example[{address}]"), format!("spammer{}", n % 100)),
            "few-each" => (
                format!("h1.{net}.example[{address}]"),
                format!("n{:x}", n / 720_000 * 9000 + n % 9000),
            ),
            "long" => ("unknown[203.0.113.7]".into(), format!("{}{n}", "x".repeat(60 << 10))),
            "long-nets" => {
                (format!("h1.{}{net}.example[{address}]", "x".repeat(60 << 10)), "spammer".into())
            }
            _ => ("unknown[203.0.113.7]".into(), format!("user{user}")),
        };
        // Long lines are few.
        let seldom = if format == "long" { 10 } else { 1000 };
        let name = if n.is_multiple_of(seldom) { "spammer".to_owned() } else { name };
        let message = format!(
            "{:X}: client={client}, sasl_method=PLAIN, sasl_username={name}",
            0x3F00_0000 + n
        );
        let times = match format {
            "repeated" => 1_000_000,
            "suspects" => 40,
            _ => 1,
        };
        self.counted += times;
        self.busiest += if name == "spammer" { times } else { 0 };
        if times > 1 {
            // One queue id would be one message.
            let message = message.split_once(": ").map_or("", |(_, rest)| rest);
            return format!(
                "{iso} mail postfix/smtpd[4010]: message repeated {times} times: [ NOQUEUE: {message}]\n"
            );
        }
        format!("{iso} mail postfix/smtpd[4010]: {message}\n")
    }
}

/// A name of a family that a hash of old takes for one name: in turn `Aa` for `BB` (times 31), `Ez` for
/// `FY` (times 33), and names that differ in 16 bytes that a hash of words multiplies away: only in the
/// highest bits of a word.
fn colliding(n: u64) -> String {
    let pairs = [["Aa", "BB"], ["Ez", "FY"], ["aaaaaaaa", "aaaaaaaA"]];
    let pair = pairs[usize::try_from(n % 3).unwrap_or(0)];
    (0..24).map(|bit| pair[usize::try_from(((n / 3) >> bit) & 1).unwrap_or(0)]).collect()
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Unix seconds in UTC: the date twice, `2026-11-23` and `23-Nov-2026`, and the time (days to civil after
/// Howard Hinnant).
fn civil(at: u64) -> (String, String, String) {
    let (days, of_day) = (at / 86_400 + 719_468, at % 86_400);
    let era = days / 146_097;
    let doe = days % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + u64::from(month <= 2);
    let time = format!("{:02}:{:02}:{:02}", of_day / 3600, of_day % 3600 / 60, of_day % 60);
    let name = MONTHS[usize::try_from(month - 1).unwrap_or(0)];
    (format!("{year:04}-{month:02}-{day:02}"), format!("{day:02}-{name}-{year:04}"), time)
}
