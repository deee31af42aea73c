use std::fs::File;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::limits::Limits;
use crate::parse::{php::Php, php_wrapper::PhpWrapper};
use crate::tally::network::Webmail;
use crate::tally::{Detail, NAMES};

const NOW: i64 = 1_795_456_680; // 2026-11-23 17:58:00 UTC

/// A directory that is gone with its test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("spamcore-check-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }

    /// A file that was last written at an instant.
    fn file(&self, name: &str, text: impl AsRef<[u8]>, at: i64) -> PathBuf {
        let path = self.0.join(name);
        let mut file = File::create(&path).expect("a temporary file");
        file.write_all(text.as_ref()).expect("it can be written");
        file.set_modified(wall(at)).expect("it is ours");
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
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
        terminal: false,
        stdout_closed: false,
        stdin_closed: false,
        colour: false,
        root: false,
        input: Some(Box::new(input)),
        passwd: PathBuf::new(),
    }
}

fn tally(window: Window) -> Tally {
    let detail = Detail { line: false, activity: false };
    Tally::new(window, Limits::new(1, false), Webmail::default(), detail)
}

/// The last hour.
fn hour() -> Window {
    Window::until_now(NOW - 3600, NOW)
}

fn check_in(window: Window, named: Vec<PathBuf>, host: &mut Host) -> Checked {
    let logs = Logs { named, default: &[], journal: false, origin: None };
    Check::new(&PhpWrapper, tally(window), host, Some(2)).run(&logs, host)
}

fn texts(checked: &Checked) -> Vec<(&str, Weight)> {
    checked.messages.iter().map(|message| (&*message.text, message.weight)).collect()
}

/// What is told of a log of the last hour, without its name.
fn told_of(window: Window, text: &str) -> Vec<(String, Weight)> {
    let dir = Directory::new();
    let path = dir.file("mail.log", text, NOW);
    let name = format!("{}: ", path.display());
    let checked = check_in(window, vec![path], &mut host(std::io::empty()));
    texts(&checked).into_iter().map(|(text, weight)| (text.replace(&name, ""), weight)).collect()
}

/// How many mails PHP's log tells of in the last hour, with nothing to be told besides.
fn mails_of_php(path: PathBuf) -> u64 {
    let mut host = host(std::io::empty());
    let logs = Logs { named: vec![path], default: &[], journal: false, origin: None };
    let checked = Check::new(&Php, tally(hour()), &host, None).run(&logs, &mut host);
    assert_eq!(checked.messages, []);
    checked.tally.senders().map(|(.., seen)| seen.messages).sum()
}

fn line(stamp: &str, text: &str) -> String {
    format!("{stamp} web www: {text}\n")
}

const SENT: &str = "sendmail-php url=h, client=8.8.8.8, filename=/a, uid=1, user=u";

#[test]
fn a_log_without_stamps_is_a_failure_and_one_without_lines_is_none() {
    assert_eq!(told_of(hour(), ""), []);
    assert_eq!(told_of(hour(), &line("Nov 23 17:00:00", "something else")), []);
    for (text, lines) in [("what?\n", "1 line"), ("what?\nis this\n", "2 lines")] {
        let blind = format!("blind: no time stamp can be read in any of {lines}");
        assert_eq!(told_of(hour(), text), [(blind, Weight::Failure)]);
    }
}

#[test]
fn what_is_not_counted_is_told() {
    let ahead = line("Nov 23 17:00:00", SENT) + &line("2026-11-23T19:30:00Z", SENT);
    let text = "not counted: 1 message stamped more than an hour ahead of now";
    assert_eq!(told_of(hour(), &ahead), [(text.into(), Weight::Note)]);
    assert_eq!(told_of(Window::until(NOW - 3600, NOW), &ahead), [], "looking back");

    // As many as the limit of unclear lines could be a sender.
    for (times, messages, weight) in
        [(1, "1 message", Weight::Note), (2, "2 messages", Weight::Failure)]
    {
        let unread = line("Nov 23 17:00:00", SENT) + &line("Feb 30 17:00:00", SENT).repeat(times);
        let text =
            format!("not counted: {messages} with a stamp that is no date or in an unknown zone");
        assert_eq!(told_of(hour(), &unread), [(text, weight)]);
    }

    let repeats = |times: u64| format!("message repeated {times} times: [ {SENT}]");
    let many = line("Nov 23 17:00:00", &repeats(1_000_002));
    let text = "not counted: 1 line with up to 1000002 repeats, which is not believed";
    assert_eq!(told_of(hour(), &many), [(text.into(), Weight::Note)]);

    let long = line("Nov 23 17:00:00", &"x".repeat(LONGEST));
    let text = format!("skipped: 1 line longer than {LONGEST} bytes");
    assert_eq!(told_of(hour(), &(line("Nov 23 17:00:00", SENT) + &long)), [(text, Weight::Note)]);
}

#[test]
fn of_a_long_line_of_php_the_begin_is_enough() {
    let dir = Directory::new();
    let mail = |bytes| {
        format!(
            "[23-Nov-2026 17:30:00 UTC] mail() on [/a.php:3]: To: {}\n",
            "a@b,".repeat(bytes / 4)
        )
    };
    // Longer than a line may be, and than what is read at once.
    let text = mail(100_000) + &mail(8) + &mail(400_000) + &mail(LONGEST) + &mail(800_000);
    let path = dir.file("mail.log", text, NOW);
    assert_eq!(mails_of_php(path), 5);
}

#[test]
fn unclear_lines_are_told_from_a_number_on() {
    let unclear = line("Nov 23 17:00:00", "sendmail-php url=h/cut");
    assert_eq!(told_of(hour(), &unclear), []);
    let text = "counted for nobody: 2 lines that can be read in two ways or are cut off; logged as www (2)";
    assert_eq!(told_of(hour(), &unclear.repeat(2)), [(text.into(), Weight::Failure)]);
}

#[test]
fn more_names_than_a_pipe_can_hold_are_told() {
    let name = |n| line("Nov 23 17:00:00", &SENT.replace("/a", &format!("/{n}")));
    let text: String = (0..NAMES + 2).map(name).collect();
    let input = std::io::Cursor::new(text.into_bytes());
    let checked = check_in(hour(), vec!["-".into()], &mut host(input));
    let text = "more than a million senders in what can be read only once: 2 messages of others were \
                not counted; give the log's name instead of a pipe";
    assert_eq!(texts(&checked), [(text, Weight::Failure)]);
}

#[test]
fn what_was_read_has_its_whole_name_and_a_pipe_cannot_be_read_again() {
    let dir = Directory::new();
    let text = line("Nov 23 17:00:00", SENT);
    let path = dir.file("mail.log", &text, NOW);
    dir.file("mail.log.1", &text, NOW - 60);
    let read = |named: Vec<PathBuf>| {
        let checked =
            check_in(hour(), named, &mut host(std::io::Cursor::new(text.clone().into_bytes())));
        assert_eq!(checked.messages, []);
        (checked.read, checked.again, checked.tally.senders().map(|(.., seen)| seen.messages).sum())
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
    // By two names it is one file.
    let link = dir.0.join("link");
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    assert_eq!(read(vec![path, link]).2, 2_u64);
    assert_eq!(Source::Journal { origin: Origin::Postfix, why: Why::Asked }.name(), "journal");
    assert!(Source::Journal { origin: Origin::Postfix, why: Why::Asked }.can_be_read_again());
}

#[test]
fn where_hours_may_repeat_rotated_logs_are_opened_from_further_back() {
    // Written last an hour before the period, for which PHP's zones leave two hours of doubt.
    let dir = Directory::new();
    let sent = |zone: &str, time: &str| {
        format!("[23-Nov-2026 {time} {zone}] mail() on [/a.php:3]: To: a@b\n")
    };
    let path = dir.file("mail.log", sent("UTC", "17:30:00"), NOW);
    dir.file("mail.log.1", sent("UTC", "17:20:00"), NOW - 2 * 3600);
    assert_eq!(mails_of_php(path), 2);
}

#[test]
fn how_much_of_a_damaged_log_was_read_is_told() {
    let dir = Directory::new();
    let text = line("Nov 23 17:00:00", SENT);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).expect("a vector takes all");
    let mut packed = packed.finish().expect("a vector takes all");
    packed.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    let path = dir.file("mail.log.gz", packed, NOW);
    let name = path.display().to_string();
    let checked = check_in(hour(), vec![path], &mut host(std::io::empty()));
    let [(told, Weight::Failure)] = texts(&checked)[..] else { panic!("{:?}", checked.messages) };
    assert!(told.starts_with(&format!("{name}: cannot be read: ")), "{told}");
    assert!(told.ends_with(&format!(", after {} bytes", text.len())), "{told}");
    assert_eq!(checked.tally.senders().count(), 1);
}
