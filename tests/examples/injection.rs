//! Forges lines of a victim in every field that a stranger can write, and checks that no program counts them.
//!
//! `injection [--lines N] [--seed S]` writes N lines (by default 100,000) into a syslog file, a main log of Exim and a log of
//! PHP: lines of various software, each with a forged line in a field, and honest lines in between. Then each of the four
//! programs reads its logs. The victim must be counted 0 times and locked 0 times (`-d 0,0 --dry-run`); every honest sender
//! must be counted exactly as often as it was written, and so must the senders whose lines have the field; and nobody else
//! may be counted, under any name. And no client of Exim may hide: whatever it puts into the fields that it chooses, a fresh
//! value for each message, its messages are reported. Prints the counts; exit status 1 if they are wrong.

#![expect(clippy::print_stdout, reason = "it is a command")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::time::Instant;

use serde_json::Value;
use testkit::Random;
use tests::injection::{
    Counts, FIELDS, Log, VICTIMS, forged_lines, forged_text, octal, quoted, stamps,
};
use tests::{Directory, Run, run};

/// One of that many lines is honest.
const HONEST_EVERY: u64 = 40;

/// A program, the logs that it reads, and arguments with a limit that every sender reaches.
const PROGRAMS: [(&str, &[Log], &[&str]); 4] = [
    ("postfix-spam-check", &[Log::Syslog], &["-m", "1", "--overrides=/dev/null"]),
    ("exim-spam-check", &[Log::Exim, Log::Syslog], &["-m", "0", "--overrides=/dev/null"]),
    ("php-spam-check", &[Log::Php, Log::Syslog], &["1"]),
    ("php-legacy-spam-check", &[Log::Syslog], &["100", "1"]),
];

/// How `exim-spam-check` reports messages whose address is not clear.
const UNCLEAR: &str = "counted for no address: ";

/// Lines of a client of Exim, each with a field of its own choice.
const HIDING: [(&str, &str); 7] = [
    ("HELO", "a@b H=(pc {}) [192.0.2.66] P=esmtp S=4"),
    ("HELO with an address", "a@b H=(pc {}) [192.0.2.1] P=esmtp) [192.0.2.66] P=esmtp S=4"),
    ("HELO and verified name", "a@b H=host.example.net (pc {}) [192.0.2.66] P=esmtp S=4"),
    ("HELO after a login", "a@b H=(pc {}) [192.0.2.66] P=esmtpa A=plain:evil S=4"),
    ("sender", "\"{}\"@b H=(pc {}) [192.0.2.66] P=esmtp S=4"),
    ("ident", "a@b H=(pc {}) [192.0.2.66] U={} P=esmtp S=4"),
    ("authenticated id", "a@b H=(pc {}) [192.0.2.66] P=esmtpa A=plain:{} S=4"),
];

/// The log of an honest line, the line, and what it counts for.
type Honest = (Log, &'static str, &'static [(usize, &'static str, u64)]);

/// Honest lines of every format: the log, the line, and which program counts it for whom, how often.
const HONEST: [Honest; 15] = [
    (
        Log::Syslog,
        "mx postfix/smtpd[7]: 3F1A2B: client=a1.isp.net[192.0.2.7], sasl_method=P, sasl_username=honest",
        &[(0, "honest", 1)],
    ),
    (
        Log::Syslog,
        "mx postfix/submission/smtpd[7]: 4jYDVw0hbHz1TsNr: client=unknown[192.0.2.8]:99, sasl_method=P, sasl_username=honest, sasl_sender=x",
        &[(0, "honest", 1)],
    ),
    (
        Log::Syslog,
        "mx postfix/smtpd[7]: message repeated 3 times: [ NOQUEUE: client=a1.isp.net[192.0.2.7], sasl_method=P, sasl_username=repeated]",
        &[(0, "repeated", 3)],
    ),
    (Log::Exim, "1ABCDE-000001-XY <= a@b U=honest P=local S=4", &[(1, "honest", 1)]),
    (
        Log::Exim,
        "1ABCDE-000001-XY <= a@b H=(honest-pc) [192.0.2.5] P=esmtpa A=plain:honest-id S=4",
        &[(1, "honest-pc", 1), (1, "honest-id", 1)],
    ),
    (
        Log::Exim,
        "1ABCDE-00000000001-XYZA <= a@b H=honest.example [192.0.2.5] P=esmtp S=4",
        &[(1, "honest.example", 1)],
    ),
    (Log::Exim, "1ABCDE-000001-XY <= a@b H=[192.0.2.9] P=esmtp S=4", &[(1, "192.0.2.9", 1)]),
    (Log::Syslog, "mx exim[7]: 1ABCDE-000001-XY <= a@b U=honest P=local S=4", &[(1, "honest", 1)]),
    (
        Log::Syslog,
        "mx exim[7]: 2026-11-23 17:57:00 1ABCDE-000001-XY <= a@b H=(honest-pc) [192.0.2.5] P=esmtp S=4",
        &[(1, "honest-pc", 1)],
    ),
    (
        Log::Php,
        "mail() on [/home/honest/x.php:1]: To: a@b -- Headers: x",
        &[(2, "/home/honest/x.php", 1)],
    ),
    (
        Log::Php,
        "mail() on [/home/honest/x.php(7) : eval()'d code:1]: To: a@b -- Headers: x -- Subject: y",
        &[(2, "/home/honest/x.php", 1)],
    ),
    (
        Log::Syslog,
        "mx php: mail() on [/home/honest/y.php:1]: To: a@b -- Headers: x",
        &[(2, "/home/honest/y.php", 1)],
    ),
    (
        Log::Syslog,
        "mx root: sendmail-php url=h/, client=192.0.2.7, filename=/home/honest/old.php, uid=7, user=x, args=",
        &[(3, "/home/honest/old.php", 1)],
    ),
    (
        Log::Syslog,
        "mx root: sendmail-php url=, client=::1, filename=/home/honest/a b.php, uid=7, user=x, args=-t",
        &[(3, "/home/honest/a b.php", 1)],
    ),
    (
        Log::Syslog,
        "mx web: message repeated 2 times: [ sendmail-php url=, client=, filename=/home/honest/old.php, uid=7, user=x, args=]",
        &[(3, "/home/honest/old.php", 2)],
    ),
];

/// What a program must count for a sender: the minimum and the maximum.
type Wanted = BTreeMap<String, (u64, u64)>;

/// The name under which a program counts a sender: spellings of a login are one.
fn counted_as(program: usize, sender: &str) -> String {
    match program {
        0 => sender.trim_end_matches([' ', '.', '\t']).to_ascii_lowercase(),
        _ => sender.to_owned(),
    }
}

fn want(wanted: &mut Wanted, sender: &str, surely: bool, times: u64) {
    let (least, most) = wanted.entry(sender.to_owned()).or_default();
    *least += if surely { times } else { 0 };
    *most += times;
}

fn main() -> ExitCode {
    let mut lines = 100_000;
    let mut seed = 1;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next().and_then(|value| value.parse().ok());
        match (&*arg, value) {
            ("--lines", Some(value)) => lines = value,
            ("--seed", Some(value)) => seed = value,
            _ => {
                println!("injection [--lines N] [--seed S]");
                return ExitCode::from(2);
            }
        }
    }
    // This builds the programs, if needed.
    let dir = Directory::new();
    let begin = Instant::now();
    let (wanted, honest) = write(&dir, lines, seed);
    println!(
        "{lines} lines (seed {seed}): {} of strangers in {} fields, {honest} honest",
        lines - honest,
        FIELDS.len()
    );
    let mut wrong = 0;
    for (number, wanted) in wanted.iter().enumerate() {
        wrong += check(&dir, number, wanted);
    }
    wrong += check_locks(&dir);
    wrong += check_hiding(&dir, seed);
    let verdict = if wrong == 0 { "as it must be" } else { "WRONG" };
    println!("injection: {lines} lines, {wrong} differences: {verdict}, {:.0?}", begin.elapsed());
    ExitCode::from(u8::from(wrong > 0))
}

fn name(log: Log) -> &'static str {
    match log {
        Log::Syslog => "mail.log",
        Log::Exim => "mainlog",
        Log::Php => "phpmail.log",
    }
}

/// Writes the logs; returns what must be counted, and the number of honest lines.
fn write(dir: &Directory, lines: u64, seed: u64) -> ([Wanted; 4], u64) {
    let mut random = Random::new(seed);
    let mut logs = [Log::Syslog, Log::Exim, Log::Php].map(|log| {
        let file = File::create(dir.path(name(log))).expect("a temporary file");
        (log, BufWriter::new(file))
    });
    let mut wanted = <[Wanted; 4]>::default();
    let (mut honest, mut second, mut forged) = (0, u64::MAX, Vec::new());
    let mut time = String::new();
    for number in 0..lines {
        // From 16:58:01 to 17:57:59.
        let now = 61_081 + number * 3598 / lines;
        if now != second {
            second = now;
            time = format!("{:02}:{:02}:{:02}", now / 3600, now / 60 % 60, now % 60);
            forged = forged_lines(&time);
        }
        let (log, line) = if number.is_multiple_of(HONEST_EVERY) {
            honest += 1;
            let (log, line, of) = HONEST[random.below(HONEST.len())];
            for (program, sender, times) in of {
                want(&mut wanted[*program], &counted_as(*program, sender), true, *times);
            }
            let text = stamped(log, &time, line, &mut random).into_bytes();
            (log, with_own_id(text, line, number))
        } else {
            let field = FIELDS[random.below(FIELDS.len())];
            let stamps = stamps(field.log, &time);
            let text = forged_text(&forged, |below| random.below(below));
            // The first words of a line in syslog show which program reads it.
            let program = match field.log {
                Log::Exim => 1,
                Log::Syslog if field.line.contains("smtpd[") => 0,
                Log::Syslog if field.line.contains(" exim[") => 1,
                Log::Syslog if field.line.contains("sendmail-php") => 3,
                Log::Php | Log::Syslog => 2,
            };
            for sender in field.senders(&text) {
                let surely = !matches!(field.counts, Counts::Perhaps(_));
                want(&mut wanted[program], &counted_as(program, &sender), surely, 1);
            }
            let text = field.with(&stamps[random.below(stamps.len())], &text);
            (field.log, with_own_id(text, field.line, number))
        };
        for (of, file) in &mut logs {
            if *of == log {
                file.write_all(&line).expect("a temporary file");
                file.write_all(b"\n").expect("a temporary file");
            }
        }
    }
    for (_, mut file) in logs {
        file.flush().expect("a temporary file");
    }
    (wanted, honest)
}

/// A line whose message has an id that no other line has: else it would be a copy of another one. `form` is the line
/// before a stranger's text was put in the place of `{}`.
fn with_own_id(mut line: Vec<u8>, form: &str, number: u64) -> Vec<u8> {
    let own = form.split("{}").next().unwrap_or_default();
    for (id, new) in [
        ("3F1A2B:", format!("{:06X}:", 0x10_0000 + number)),
        ("4jYDVw0hbHz1TsNr:", format!("4jYDVw{number:010}:")),
        ("1ABCDE-000001-XY ", format!("1ABCDE-{:06}-XY ", number % 1_000_000)),
        ("1ABCDE-00000000001-XYZA ", format!("1ABCDE-{number:011}-XYZA ")),
    ] {
        if own.contains(id)
            && let Some(at) = line.windows(id.len()).position(|text| text == id.as_bytes())
        {
            line.splice(at..at + id.len(), new.bytes());
        }
    }
    line
}

fn stamped(log: Log, time: &str, line: &str, random: &mut Random) -> String {
    let stamps = stamps(log, time);
    let stamp = &stamps[random.below(stamps.len())];
    if stamp.is_empty() { line.to_owned() } else { format!("{stamp} {line}") }
}

/// Runs a program on its logs, with more arguments; returns its findings.
fn findings(dir: &Directory, program: usize, more: &[&str]) -> (Run, Vec<Value>) {
    let (program, logs, limit) = PROGRAMS[program];
    let mut args: Vec<String> =
        [limit, more].concat().iter().map(|arg| (*arg).to_owned()).collect();
    for log in logs {
        args.push("-l".into());
        args.push(dir.path(name(*log)).display().to_string());
    }
    args.extend(["--format=json".into(), "--now=2026-11-23 17:58:00".into()]);
    let run = run(program, &args);
    let found = run.out.split(|&b| b == b'\n').filter(|line| !line.is_empty());
    let found = found.map(|line| serde_json::from_slice(line).expect("JSON")).collect();
    (run, found)
}

fn is_victim(sender: &str) -> bool {
    VICTIMS.contains(&sender)
}

/// Compares what a program counts; returns the number of differences.
fn check(dir: &Directory, number: usize, wanted: &Wanted) -> u64 {
    let (program, ..) = PROGRAMS[number];
    let (run, found) = findings(dir, number, &[]);
    let mut got: BTreeMap<&str, u64> = BTreeMap::new();
    for finding in &found {
        // Senders of the same name but of different kinds are added up.
        let sender = finding["sender"].as_str().unwrap_or_default();
        *got.entry(sender).or_default() += finding["messages"].as_u64().unwrap_or(0);
    }
    let victim: u64 =
        got.iter().filter(|(name, _)| is_victim(name)).map(|(_, messages)| messages).sum();
    let mut wrong = 0;
    // Ambiguous lines of the wrapper are reported, and count for nobody; lines of Exim that show more than one
    // address count for none.
    let told = run.err.lines().all(|line| match number {
        1 => line.contains(UNCLEAR),
        3 => line.contains("can be read in two ways"),
        _ => false,
    });
    if !told || run.status != Some(0) {
        println!("{program}: status {:?}: {}", run.status, run.err);
        wrong += 1;
    }
    let (mut exact, mut others) = (0, 0);
    for (sender, &(least, most)) in wanted {
        let counted = got.get(&**sender).copied().unwrap_or(0);
        exact += counted;
        if counted < least || counted > most {
            println!("{program}: {sender}: counted {counted}, written {least} to {most}");
            wrong += 1;
        }
    }
    for (sender, counted) in &got {
        if !wanted.contains_key(*sender) {
            println!("{program}: {sender}: counted {counted}, and no sender has that name");
            (others, wrong) = (others + 1, wrong + 1);
        }
    }
    println!(
        "{program:22} victim {victim}, {exact} messages of {} known senders and strangers by their own names, {others} others",
        wanted.len()
    );
    wrong
}

/// Whom `-d 0,0` would lock: the one honest sender with several networks, which shows that it would lock at all.
fn check_locks(dir: &Directory) -> u64 {
    let lock = ["-d", "0,0", "--dry-run", "--disable-command=/bin/true"];
    let options = [&lock[..], &["--max-locks=1000000", "--host=*"]].concat();
    let (_, found) = findings(dir, 0, &options);
    let locked: Vec<&str> = found
        .iter()
        .filter(|finding| finding["action"] == "would_disable")
        .map(|finding| finding["sender"].as_str().unwrap_or_default())
        .collect();
    let victim = locked.iter().filter(|sender| is_victim(sender)).count();
    println!("-d 0,0 --dry-run       victim {victim} locks, others: {}", locked.join(" "));
    u64::from(locked != ["honest"])
}

/// Whether a client can hide 1,000 messages behind a fresh value of a field in each: those that are not reported under
/// its address must be reported as unclear.
fn check_hiding(dir: &Directory, seed: u64) -> u64 {
    const MESSAGES: u64 = 1000;
    const LIMIT: u64 = 90;
    let mut random = Random::new(seed);
    let mut wrong = 0;
    for (field, line) in HIDING {
        let forged = forged_lines("17:57:00");
        // Half of the values are harmless, so that both ways are tried.
        let mut text = Vec::new();
        for number in 0..MESSAGES {
            let value = match number % 2 {
                0 => format!("n{number}"),
                _ => format!("{number} {}", forged_text(&forged, |below| random.below(below))),
            };
            let value = if field == "sender" { quoted(&value) } else { octal(&value) };
            let rest = line.replace("{}", &value);
            text.extend(format!("2026-11-23 17:57:00 1xVX00-{number:06}-0D <= {rest}\n").bytes());
        }
        let log = dir.file("hiding", &text);
        let args = ["-m", "90", "--overrides=/dev/null", "--format=json"];
        let run = run(
            "exim-spam-check",
            &[&args[..], &["--now=2026-11-23 17:58:00", "-l", &log]].concat(),
        );
        let of_address = run.out.split(|&b| b == b'\n').find_map(|line| {
            let finding: Value = serde_json::from_slice(line).ok()?;
            (finding["sender"] == "192.0.2.66").then(|| finding["messages"].as_u64())?
        });
        let unclear = run.err.lines().find_map(|line| {
            let (_, count) = line.split_once(UNCLEAR)?;
            count.split(' ').next()?.parse::<u64>().ok()
        });
        let reported = of_address.unwrap_or(0) + unclear.unwrap_or(0);
        // As many as the limit are allowed, of either.
        let hidden = MESSAGES.saturating_sub(reported);
        let may_hide = LIMIT * (u64::from(of_address.is_none()) + u64::from(unclear.is_none()));
        println!("hiding by {field:22} {reported} of {MESSAGES} messages reported");
        if run.status != Some(0) || reported == 0 || hidden > may_hide || reported > MESSAGES {
            println!("exim-spam-check: hiding by {field}: {hidden} messages: {}", run.err);
            wrong += 1;
        }
    }
    wrong
}
