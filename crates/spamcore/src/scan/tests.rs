use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;
use crate::limits::Limits;
use crate::parse::{php::Php, php_wrapper::PhpWrapper, postfix::Postfix};
use crate::source::named::NamedLogs;
use crate::tally::network::Webmail;
use crate::tally::stats::SenderStats;
use crate::tally::{Detail, STREAM_NAMES, Tally};

const NOW: i64 = 1_795_456_680; // 2026-11-23 17:58:00 UTC

/// A directory that is removed with its test.
struct Directory(TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    /// A file that was last written at an instant.
    fn file(&self, name: &str, text: impl AsRef<[u8]>, at: i64) -> PathBuf {
        let path = self.0.path().join(name);
        let mut file = File::create(&path).expect("a temporary file");
        file.write_all(text.as_ref()).expect("it can be written");
        file.set_modified(wall(at)).expect("it was just written");
        path
    }
}

fn wall(at: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(at.try_into().expect("after 1970"))
}

fn host(input: impl Read + Send + 'static) -> Host {
    Host {
        now: NOW,
        wall: wall(NOW),
        zone: Zone::utc(),
        unknown_zone: None,
        terminal: false,
        stdout_read_only: false,
        stdin_closed: false,
        colour: false,
        utf8: true,
        root: false,
        uid: rustix::process::geteuid().as_raw(),
        input: Some(Box::new(input)),
        passwd: PathBuf::new(),
    }
}

fn tally(window: Window, rereadable: bool) -> Tally {
    let detail = Detail { line: false, activity: false };
    Tally::new(window, Limits::new(1, false), Webmail::default(), detail, rereadable)
}

/// The last hour.
fn hour() -> Window {
    Window::until_now(NOW - 3600, NOW)
}

fn logs(named: Vec<PathBuf>) -> Logs {
    let log = |path| NamedLog { path, number: 0, plain_only: false };
    let list = named.into_iter().map(log).collect();
    Logs { named: NamedLogs { list, names: Vec::new() }, asked: true, ..Logs::default() }
}

/// Scans logs of the PHP wrapper. Returns what was counted and reported, the names of what was read, and
/// whether it could be read again.
fn scan(
    window: Window,
    named: Vec<PathBuf>,
    host: &mut Host,
) -> (Tally, Messages, Vec<String>, bool) {
    let mut messages = Messages::default();
    let scan = Scan::open(&PhpWrapper, &logs(named), window, host, &mut messages);
    let mut scan = scan.with_hiding_limit(Some(2));
    let tally = scan.read(tally(window, scan.is_rereadable()), &mut messages);
    (tally, messages, scan.names(), scan.is_rereadable())
}

fn list(messages: &Messages) -> Vec<(Weight, &str)> {
    messages.iter().collect()
}

/// What is reported about a log with this text, without the name of the log.
fn reported(window: Window, text: &str) -> Vec<(String, Weight)> {
    let dir = Directory::new();
    let path = dir.file("mail.log", text, NOW);
    let name = format!("{}: ", path.display());
    let (_, messages, ..) = scan(window, vec![path], &mut host(std::io::empty()));
    messages.iter().map(|(weight, text)| (text.replace(&name, ""), weight)).collect()
}

fn sent(tally: &Tally) -> u64 {
    tally.senders().map(|(.., stats): (_, _, &SenderStats)| stats.messages).sum()
}

/// How many mails PHP's log records in the last hour. Nothing may be reported.
fn mails_of_php(path: PathBuf) -> u64 {
    let (mut host, mut messages) = (host(std::io::empty()), Messages::default());
    let mut scan = Scan::open(&Php, &logs(vec![path]), hour(), &mut host, &mut messages);
    let tally = scan.read(tally(hour(), true), &mut messages);
    assert_eq!(messages, Messages::default());
    sent(&tally)
}

fn line(stamp: &str, text: &str) -> String {
    format!("{stamp} web www: {text}\n")
}

const SENT: &str = "sendmail-php url=h, client=8.8.8.8, filename=/a, uid=1, user=u";

#[test]
fn a_log_without_timestamps_is_a_failure_and_an_empty_one_is_not() {
    assert_eq!(reported(hour(), ""), []);
    let other = "no line of a wrapper of sendmail was found, nor of another mail program: is it the right log?";
    let something_else = line("Nov 23 17:00:00", "something else");
    assert_eq!(reported(hour(), &something_else), [(other.into(), Weight::Blind)]);
    assert_eq!(reported(hour(), &something_else.replace("www", "postfix/qmgr[7]")), []);
    for (text, which) in [("what?\n", "its only line"), ("what?\nis this\n", "any of 2 lines")] {
        let blind = format!(
            "no time stamp can be read in {which} (not a mail log?), so nothing was checked; the first: what?"
        );
        assert_eq!(reported(hour(), text), [(blind, Weight::Failure)]);
    }
}

#[test]
fn what_is_not_counted_is_reported() {
    let ahead = line("Nov 23 17:00:00", SENT) + &line("2026-11-23T19:30:00Z", SENT);
    let text = "not counted: 1 message with a timestamp more than an hour in the future";
    assert_eq!(reported(hour(), &ahead), [(text.into(), Weight::Note)]);
    assert_eq!(reported(Window::until(NOW - 3600, NOW), &ahead), [], "looking back");

    // From the limit on, they could hide a sender.
    for (times, messages, weight) in
        [(1, "1 message", Weight::Note), (2, "2 messages", Weight::Unclear)]
    {
        let unread = line("Nov 23 17:00:00", SENT) + &line("Feb 30 17:00:00", SENT).repeat(times);
        let text = format!(
            "not counted: {messages} whose timestamp is not a date, or is in an unknown time zone"
        );
        assert_eq!(reported(hour(), &unread), [(text, weight)]);
    }

    let repeats = |times: u64| format!("message repeated {times} times: [ {SENT}]");
    let many = line("Nov 23 17:00:00", &repeats(1_000_002));
    let text = "ignored 1 line with up to 1000002 repeats (the limit is 1000000)";
    assert_eq!(reported(hour(), &many), [(text.into(), Weight::Note)]);

    let long = line("Nov 23 17:00:00", &"x".repeat(LONGEST));
    let text = format!("skipped 1 line longer than {LONGEST} bytes");
    assert_eq!(reported(hour(), &(line("Nov 23 17:00:00", SENT) + &long)), [(text, Weight::Note)]);
}

#[test]
fn the_start_of_a_long_line_of_php_is_enough() {
    let dir = Directory::new();
    let mail = |bytes| {
        format!(
            "[23-Nov-2026 17:30:00 UTC] mail() on [/a.php:3]: To: {}\n",
            "a@b,".repeat(bytes / 4)
        )
    };
    // Some are longer than the longest line, some longer than what is read at once.
    let text = mail(100_000) + &mail(8) + &mail(400_000) + &mail(LONGEST) + &mail(800_000);
    let path = dir.file("mail.log", text, NOW);
    assert_eq!(mails_of_php(path), 5);
}

#[test]
fn ambiguous_lines_are_reported_from_the_limit_on() {
    let ambiguous = line("Nov 23 17:00:00", "sendmail-php url=h/cut");
    assert_eq!(reported(hour(), &ambiguous), []);
    let text = "ignored 2 lines that can be read in two ways or are cut off, logged as www (2)";
    assert_eq!(reported(hour(), &ambiguous.repeat(2)), [(text.into(), Weight::Unclear)]);
}

#[test]
fn more_names_than_a_stream_can_hold_are_dropped() {
    let name = |n| line("Nov 23 17:00:00", &SENT.replace("/a", &format!("/{n}")));
    let text: String = (0..STREAM_NAMES + 2).map(name).collect();
    let input = std::io::Cursor::new(text.into_bytes());
    let (tally, ..) = scan(hour(), vec!["-".into()], &mut host(input));
    assert_eq!((tally.dropped(), sent(&tally)), (2, STREAM_NAMES as u64));
}

#[test]
fn what_was_read_has_its_whole_name_and_a_pipe_cannot_be_read_again() {
    let dir = Directory::new();
    let text = line("Nov 23 17:00:00", SENT);
    let path = dir.file("mail.log", &text, NOW);
    dir.file("mail.log.1", &text, NOW - 60);
    let read = |named: Vec<PathBuf>| {
        let input = std::io::Cursor::new(text.clone().into_bytes());
        let (tally, messages, names, rereadable) = scan(hour(), named, &mut host(input));
        assert_eq!(messages, Messages::default());
        (names, rereadable, sent(&tally))
    };
    let up = std::env::current_dir().expect("there is one");
    let up = up.components().skip(1).map(|_| "../").collect::<String>();
    let relative = PathBuf::from(up + &path.display().to_string()[1..]);
    let whole = std::path::absolute(&relative).expect("not empty").display().to_string();
    assert!(whole.starts_with('/'), "{whole}");
    assert_eq!(read(vec![relative]), (vec![whole], true, 2));
    let name = path.display().to_string();
    assert_eq!(
        read(vec!["-".into(), path.clone()]),
        (vec!["standard input".into(), name.clone()], false, 3)
    );
    // Two names of one file.
    let link = dir.0.path().join("link");
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    assert_eq!(read(vec![path, link]).2, 2_u64);
    let journal = Source::Journal(Postfix.journal_author().expect("it has one"), Why::Asked);
    assert_eq!(journal.name(), "journal");
    assert!(journal.is_rereadable());
}

#[test]
fn where_hours_may_repeat_rotated_logs_are_opened_from_further_back() {
    // Last written an hour before the period, whose start PHP's time zones make uncertain by two hours.
    let dir = Directory::new();
    let sent = |zone: &str, time: &str| {
        format!("[23-Nov-2026 {time} {zone}] mail() on [/a.php:3]: To: a@b\n")
    };
    let path = dir.file("mail.log", sent("UTC", "17:30:00"), NOW);
    dir.file("mail.log.1", sent("UTC", "17:20:00"), NOW - 2 * 3600);
    assert_eq!(mails_of_php(path), 2);
}

#[test]
fn how_much_of_a_damaged_log_was_read_is_reported() {
    let dir = Directory::new();
    let text = line("Nov 23 17:00:00", SENT);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text.as_bytes()).expect("memory");
    let mut gzip = gzip.finish().expect("memory");
    gzip.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    let path = dir.file("mail.log.gz", gzip, NOW);
    let name = path.display().to_string();
    let (tally, messages, ..) = scan(hour(), vec![path], &mut host(std::io::empty()));
    let [(Weight::Failure, reported)] = list(&messages)[..] else { panic!("{messages:?}") };
    assert!(reported.starts_with(&format!("{name}: cannot be read: ")), "{reported}");
    assert!(reported.ends_with(&format!(", after {} bytes", text.len())), "{reported}");
    assert_eq!(tally.senders().count(), 1);
}

#[test]
fn several_windows_in_one_pass_count_as_several_passes_in_two_threads() {
    let windows = [3600, 900, 60].map(|seconds| Window::until_now(NOW - seconds, NOW));
    let line = |n: i64| {
        let at = time::OffsetDateTime::from_unix_timestamp(NOW - 3600 + n / 12).expect("a date");
        let (hour, minute, second) = at.to_hms();
        let sent = SENT.replace("/a", &format!("/{}", n % 7));
        let stamp = format!("Nov 23 {hour:02}:{minute:02}:{second:02}");
        line(&stamp, &sent) + &line(&stamp, &"other text ".repeat(50))
    };
    let text: String = (0..12 * 3600).map(line).collect();
    assert!(text.len() > 1 << 24, "long enough to be read in two parts");
    let dir = Directory::new();
    let path = dir.file("mail.log", text, NOW);
    let counts = |tally: &Tally| {
        let count = |(_, name, stats): (_, &[u8], &SenderStats)| {
            (name.to_vec(), stats.messages, stats.span, stats.line.clone())
        };
        let mut counts: Vec<_> = tally.senders().map(count).collect();
        counts.sort_unstable();
        counts
    };
    let read = |windows: &[Window]| {
        let (mut host, mut messages) = (host(std::io::empty()), Messages::default());
        let logs = logs(vec![path.clone()]);
        let mut scan = Scan::open(&PhpWrapper, &logs, windows[0], &mut host, &mut messages);
        let sinks: Vec<_> = windows.iter().map(|window| tally(*window, true)).collect();
        let sinks = scan.read(sinks, &mut messages);
        assert_eq!(messages, Messages::default());
        sinks.iter().map(counts).collect::<Vec<_>>()
    };
    let together = read(&windows);
    let one_by_one: Vec<_> = windows.iter().flat_map(|window| read(&[*window])).collect();
    assert_eq!(together, one_by_one);
    assert_eq!(together.iter().map(Vec::len).collect::<Vec<_>>(), [7, 7, 7]);
    assert!(together[0][0].1 > together[1][0].1 && together[1][0].1 > together[2][0].1);
}
