use super::*;
use crate::limits::Limits;
use crate::parse::{php::Php, php_wrapper::PhpWrapper};
use crate::tally::network::Webmail;
use crate::tally::{Detail, Tally};

const NOW: i64 = 1_795_456_680; // 2026-11-23 17:58:00 UTC

fn tally(window: Window) -> Tally {
    let detail = Detail { line: true, activity: false };
    Tally::new(window, Limits::new(2, false), Webmail::default(), detail, true)
}

fn reader<P: Parser>(parser: &P) -> LogReader<'_, P, Tally> {
    let window = Window::until_now(NOW - 3600, NOW);
    LogReader::new(parser, window, &Zone::utc(), tally(window))
}

fn read<P: Parser>(reader: &mut LogReader<'_, P, impl Sink>, text: &str) {
    let needles = Needles::new(reader.parser, true);
    reader.read_block(text.as_bytes(), &needles, false);
}

fn counts(tally: &Tally) -> Vec<String> {
    let shown = |(_, name, stats): (_, &[u8], &crate::tally::stats::SenderStats)| {
        format!("{} {} {:?}", String::from_utf8_lossy(name), stats.messages, stats.span)
    };
    let mut counts: Vec<_> = tally.senders().map(shown).collect();
    counts.sort_unstable();
    counts
}

/// Everything that was counted and learned.
fn learned<P: Parser>(reader: &LogReader<'_, P, Tally>) -> Vec<String> {
    let mut learned = counts(&reader.sink);
    let FileStats { readable, in_future, unreadable, implausible, .. } = reader.file;
    learned
        .push(format!("{readable} {in_future} in future {unreadable} unreadable {implausible:?}"));
    let Ambiguous { total, tags } = &reader.ambiguous;
    learned.push(format!("{total} ambiguous"));
    learned.extend(tags.iter().map(|(tag, times)| format!("{} {times}", tag.escape_ascii())));
    learned
}

const SENT: &str = "sendmail-php url=h, client=8.8.8.8, filename=/a, uid=1, user=u";

/// Lines of all kinds.
fn log() -> Vec<String> {
    let repeated = |times: u64| format!("message repeated {times} times: [ {SENT}]");
    vec![
        format!("Nov 23 16:57:59 web www: {SENT}\n"), // before the period
        format!("Nov 23 17:00:00 web www: {SENT}\n"),
        "Nov 23 17:00:01 web cron: something else\n".into(),
        format!("Nov 23 17:00:02 web www: {}\n", repeated(2)),
        format!("2026-11-23T19:30:00Z web www: {}\n", repeated(3)),
        format!("Feb 30 17:00:00 web www: {}\n", repeated(4)),
        "Nov 23 17:00:04 web shop: sendmail-php url=h/cut\n".into(),
        format!("Nov 23 17:00:05 web www: {}\n", repeated(1_000_002)),
        format!("2026-11-23T19:31:00Z web www: {}\n", repeated(2_000_000)),
        format!("Nov 23 17:00:06 web www: {}\n", SENT.replace("/a", "/b")),
        "Nov 23 17:00:07 web shop: sendmail-php url=h/cut\n".into(),
        "Nov 23 17:00:07 web blog: sendmail-php url=h/cut\n".into(),
        format!("Nov 23 17:00:08 web www: {}\n", repeated(1_000_001)),
        format!("2026-11-23T19:30:00Z web www: {SENT}\n"),
        format!("Feb 30 17:00:00 web www: {SENT}\n"),
        format!("Nov 23 17:00:09 web www: {SENT}\n"),
    ]
}

#[test]
fn parts_of_a_log_add_up_to_the_whole() {
    let lines = log();
    let mut whole = reader(&PhpWrapper);
    read(&mut whole, &lines.concat());
    let want = [
        format!("/a 4 Some(({}, {}))", NOW - 58 * 60, NOW - 58 * 60 + 9),
        format!("/b 1 Some(({0}, {0}))", NOW - 58 * 60 + 6),
        "true 5 in future 5 unreadable (2, 1000002)".into(),
        "3 ambiguous".into(),
        "blog 1".into(),
        "shop 2".into(),
    ];
    assert_eq!(learned(&whole), want);
    for at in 1..=lines.len() {
        let (before, after) = (lines[..at].concat(), lines[at..].concat());
        let mut reader = reader(&PhpWrapper);
        let later = reader.fork(before.as_bytes());
        let mut later = later.expect("the lines before have the time");
        read(&mut reader, &before);
        read(&mut later, &after);
        reader.join(later);
        assert_eq!(learned(&reader), want, "{at}");
    }
    assert!(reader(&PhpWrapper).fork(b"no stamp\n").is_none());
}

#[test]
fn as_many_repeats_as_are_believed_count() {
    for (times, want) in [(MAX_REPEATS, MAX_REPEATS), (MAX_REPEATS + 1, 0)] {
        let mut reader = reader(&PhpWrapper);
        let repeated = format!("message repeated {times} times: [ {SENT}]");
        read(&mut reader, &format!("Nov 23 17:00:00 web www: {repeated}\n"));
        let counted: u64 = reader.sink.senders().map(|(.., stats)| stats.messages).sum();
        assert_eq!((counted, reader.file.implausible.0), (want, u64::from(want == 0)));
    }
}

#[test]
fn names_are_counted_without_their_escapes() {
    let mut reader = reader(&PhpWrapper);
    let line = "Nov 23 17:00:00 web www: sendmail-php v=2, url=, client=, filename=/a%20%2c, uid=1, user=u, args=\n";
    read(&mut reader, line);
    assert_eq!(reader.sink.senders().map(|(_, name, _)| name).collect::<Vec<_>>(), [b"/a ,"]);
}

#[test]
fn a_recent_line_is_looked_for_before_one_that_may_be_in_the_future() {
    let future = format!("Nov 24 09:00:00 web www: {SENT}\n");
    let no_stamp = |lines| "no stamp\n".repeat(lines);
    let today = || "Nov 23 17:00:00 web cron: x\n".to_owned();
    for (before, found) in [
        (today(), 1),
        (today() + &no_stamp(100), 1),
        (today() + "Nov 24 09:00:00 web cron: x\n" + &no_stamp(100), 1),
        (today() + &future.repeat(200), 201),
        // Nothing before it, or nothing recent: a line of last year.
        (String::new(), 0),
        ("\n".into(), 0),
        (no_stamp(1), 0),
        ("Nov 24 08:00:00 web cron: x\n".into(), 0),
        (today() + "Sep  3 08:00:00 web cron: x\n", 0),
    ] {
        let mut whole = reader(&PhpWrapper);
        read(&mut whole, &(before.clone() + &future));
        let found_in = |reader: &LogReader<'_, PhpWrapper, Tally>| {
            (reader.file.in_future, reader.sink.senders().count())
        };
        assert_eq!(found_in(&whole), (found, 0), "{before}");
        // Lines of another block count too, and those of another file of the same log.
        for another_file in [false, true] {
            let mut parts = reader(&PhpWrapper);
            read(&mut parts, &before);
            let before = parts.file.in_future;
            if another_file {
                parts.begin_file(true);
                parts.file.in_future = before;
            }
            read(&mut parts, &future);
            assert_eq!(found_in(&parts), (found, 0), "{before}");
        }
    }
}

#[test]
fn a_log_without_timestamps_is_recognised_and_another_file_starts_afresh() {
    let mut reader = reader(&PhpWrapper);
    read(&mut reader, "what is\nthis?\n\n");
    assert_eq!((reader.file.readable, reader.file.lines), (false, 2));
    let mut later = reader.fork(b"Nov 23 17:00:00 web x: y\n").expect("a time");
    read(&mut later, "no stamp here\n");
    assert_eq!((later.file.readable, later.file.lines), (false, 1));
    reader.join(later);
    assert_eq!((reader.file.readable, reader.file.lines), (false, 3));
    read(&mut reader, "Nov 23 17:00:00 web x: y\nmore\n");
    assert_eq!((reader.file.readable, reader.file.lines), (true, 4));
    reader.begin_file(false);
    assert_eq!((reader.file.readable, reader.file.lines), (false, 0));
}

#[test]
fn messages_of_the_journal_come_with_their_time() {
    let mut reader = reader(&PhpWrapper);
    for at in
        [NOW - 3600, NOW - 3599, NOW, NOW + MAX_CLOCK_SKEW, NOW + MAX_CLOCK_SKEW + 1, NOW + 9999]
    {
        reader.read_message(b"www", SENT.as_bytes(), (b"h", at), || b"a line".to_vec());
    }
    reader.read_message(b"www", b"something else", (b"h", NOW), || b"a line".to_vec());
    let want = [
        &format!("/a 3 Some(({}, {}))", NOW - 3599, NOW + MAX_CLOCK_SKEW)[..],
        "true 2 in future 0 unreadable (0, 0)",
        "0 ambiguous",
    ];
    assert_eq!(learned(&reader), want);
}

#[test]
fn where_hours_repeat_the_order_of_lines_matters() {
    let window = Window::until_now(NOW - 3600, NOW);
    assert_eq!(dst_margin(&PhpWrapper, &window, &Zone::utc()), 0);
    assert_eq!(dst_margin(&Php, &window, &Zone::utc()), 7200, "its lines may name any zone");
    let night = 1_792_888_200; // of 25 October 2026
    for (days, margin) in [(-3, 0), (-2, 7200), (0, 7200), (2, 7200), (3, 0)] {
        let now = night + days * 86_400;
        let window = Window::until_now(now - 3600, now);
        let zone = Zone::local(Some("Europe/Madrid"));
        assert_eq!(dst_margin(&PhpWrapper, &window, &zone), margin, "{days}");
    }
}

#[test]
fn the_instant_of_a_line_depends_on_the_zone_of_the_clock() {
    let mut clock = Clock::new(NOW, Zone::local(Some("Europe/Madrid")));
    let mut instant =
        |line: &[u8]| reading(&PhpWrapper, &mut clock, line).map(|reading| reading.instant);
    assert_eq!(instant(b"Nov 23 17:00:00 web x: y"), Some(NOW - 58 * 60 - 3600));
    assert_eq!(instant(b"no stamp"), None);
}

#[test]
fn several_windows_in_one_pass_count_as_several_passes() {
    let windows = [3600, 900, 60].map(|seconds| Window::until_now(NOW - seconds, NOW));
    let line = |n: i64| {
        let second = 3661 - n * 3661 / 3000;
        let at = time::OffsetDateTime::from_unix_timestamp(NOW - second).expect("a date");
        let (hour, minute, second) = at.to_hms();
        let user = SENT.replace("/a", &format!("/{}", n % 7));
        format!("Nov 23 {hour:02}:{minute:02}:{second:02} web www: {user}\n")
    };
    let lines: Vec<_> = (0..3000).map(line).collect();
    let all = |split: usize| {
        let sinks = Vec::from(windows.map(tally));
        let mut reader = LogReader::new(&PhpWrapper, windows[0], &Zone::utc(), sinks);
        let (before, after) = (lines[..split].concat(), lines[split..].concat());
        let mut later = reader.fork(before.as_bytes()).expect("the lines before have the time");
        std::thread::scope(|scope| {
            scope.spawn(|| read(&mut later, &after));
            read(&mut reader, &before);
        });
        reader.join(later);
        assert!(!reader.sink.needs_another_pass());
        reader.sink.iter().map(counts).collect::<Vec<_>>()
    };
    let one_by_one = windows.map(|window| {
        let mut reader = LogReader::new(&PhpWrapper, window, &Zone::utc(), tally(window));
        read(&mut reader, &lines.concat());
        counts(&reader.sink)
    });
    assert!(one_by_one[0] != one_by_one[1] && one_by_one[1].len() == 7);
    for split in [1, 1000, 2900] {
        assert_eq!(all(split), one_by_one, "{split}");
    }
}

#[test]
fn of_many_tags_the_first_are_kept() {
    let mut ambiguous = Ambiguous::default();
    for round in 0..2 {
        for tag in 0..TAGS + 5 {
            ambiguous.add(format!("tag{tag}").as_bytes(), 2);
        }
        assert_eq!(ambiguous.tags.len(), TAGS, "{round}");
    }
    assert_eq!(ambiguous.total, 2 * 2 * (TAGS as u64 + 5));
    assert!(ambiguous.tags.values().all(|times| *times == 4));
}
