//! Whom `exim-spam-check` counts: by what a client cannot choose.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::Value;
use tests::{Directory, NOW, Run, run, run_with_input};

const EXIM: &str = "exim-spam-check";

/// A message that was received at a second of the hour before [`NOW`]; `rest` is what follows the sender.
fn message(number: usize, sender: &str, rest: &str) -> String {
    let second = number * 3400 / 4000;
    let (minute, second) = (second / 60, second % 60);
    format!("2026-11-23 17:{minute:02}:{second:02} 1xVX00-{number:06}-0D <= {sender} {rest} S=4\n")
}

/// A line, and then the same of other messages.
fn again(line: &str, times: usize) -> String {
    let others = (1..times).map(|n| line.replacen("1xVX0", &format!("1{n:04}"), 1));
    line.to_owned() + &others.collect::<String>()
}

fn check(log: &str, more: &[&str]) -> Run {
    let args = ["--now", NOW, "--overrides=/dev/null", "-l", log];
    run(EXIM, &[&args[..], more].concat())
}

/// `KIND SENDER MESSAGES`, of each finding.
fn findings(run: &Run) -> Vec<String> {
    assert_eq!(run.status, Some(0), "{}", run.err);
    let of = |line: &str| {
        let object: Value = serde_json::from_str(line).expect("JSON");
        let text = |field: &str| object[field].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", text("kind"), text("sender"), object["messages"])
    };
    run.text().lines().map(of).collect()
}

#[test]
fn nobody_hides_behind_a_fresh_value_in_each_message() {
    type Write = fn(usize) -> String;
    let fields: [(&str, Write); 5] = [
        ("HELO", |n| message(n, "a@b", &format!("H=(pc-{n}) [203.0.113.9] P=esmtp"))),
        ("HELO and verified name", |n| {
            message(n, "a@b", &format!("H=a{n}.evil.example (pc-{n}) [203.0.113.9] P=esmtp"))
        }),
        ("verified name", |n| {
            message(n, "a@b", &format!("H=a{n}.evil.example [203.0.113.9] P=esmtp"))
        }),
        ("sender", |n| {
            message(
                n,
                &format!("\"H=(x) [1.1.1.1] {n}\"@b"),
                &format!("H=(pc-{n}) [203.0.113.9] P=esmtp"),
            )
        }),
        ("ident", |n| {
            message(n, "a@b", &format!("H=(pc-{n}) [203.0.113.9] U=root {n} P=local P=esmtp"))
        }),
    ];
    let dir = Directory::new();
    for (field, write) in fields {
        let text: String = (0..1000).map(write).collect();
        let log = dir.file("log", &text);
        assert_eq!(
            findings(&check(&log, &["--format=json"])),
            ["address 203.0.113.9 1000"],
            "{field}"
        );
        let stream = ["--now", NOW, "--overrides=/dev/null", "--format=json", "-l", "-"];
        let stream = run_with_input(EXIM, &stream, text.as_bytes());
        assert_eq!(findings(&stream), ["address 203.0.113.9 1000"], "{field} of a stream");
    }
    // A stolen login, from everywhere.
    let text: String = (0..1000)
        .map(|n| {
            let host = format!("H=(pc-{n}) [203.0.{}.{}]", n / 250, n % 250);
            message(n, "a@b", &format!("{host} P=esmtpa A=plain:stolen"))
        })
        .collect();
    let log = dir.file("log", text);
    assert_eq!(findings(&check(&log, &["--format=json"])), ["auth stolen 1000"]);
}

#[test]
fn an_address_that_a_client_may_have_written_counts_for_nobody_and_is_told() {
    let dir = Directory::new();
    let line =
        |n| message(n, "a@b", &format!("H=(pc-{n}) [192.0.2.1] P=esmtp x) [203.0.113.9] P=esmtp"));
    let log = |count| dir.file("log", (0..count).map(line).collect::<String>());
    let few = check(&log(90), &[]);
    assert_eq!((few.status, few.out.len(), &few.err[..]), (Some(0), 0, ""));
    let many = check(&log(91), &[]);
    assert_eq!((many.status, many.out.len()), (Some(0), 0));
    let told = "exim-spam-check: counted for no address: 91 messages whose lines show more than one, \
                or are cut off; the first: 2026-11-23 17:00:00 1xVX00-000000-0D <= a@b H=(pc-0) ";
    assert!(many.err.starts_with(told) && many.err.lines().count() == 1, "{}", many.err);
}

#[test]
fn the_limit_of_an_address_is_its_own_or_that_of_its_verified_names() {
    let dir = Directory::new();
    let mut text = String::new();
    for n in 0..50 {
        let hosts = [
            format!("mx.big.example (pc-{n}) [192.0.2.1]"),
            format!("mx.small.example (pc-{n}) [192.0.2.2]"),
            format!("mx.big.example (x-{n}) [192.0.2.3]"),
            format!("(mx.big.example) [192.0.2.{}]", 100 + n),
            format!("(pc-{n}) [192.0.2.4]"),
        ];
        for (number, host) in hosts.iter().enumerate() {
            text += &message(n * 50 + number, "a@b", &format!("H={host} P=esmtp"));
        }
    }
    let log = dir.file("log", text);
    let overrides = "mx.big.example 100\nmx.small.example 45\n192.0.2.3 49\n";
    let overrides = dir.file("overrides", overrides);
    let args = ["--now", NOW, "--overrides", &overrides, "-l", &log, "--format=json", "-m"];
    let of = |limit: &'static str| findings(&run(EXIM, &[&args[..], &[limit]].concat()));
    assert_eq!(of("60"), ["address 192.0.2.2 50", "address 192.0.2.3 50"]);
    let more = ["address 192.0.2.2 50", "address 192.0.2.3 50", "address 192.0.2.4 50"];
    assert_eq!(of("49"), more);
}

#[test]
fn the_line_shown_is_of_the_address_that_sent_most() {
    let dir = Directory::new();
    // Ever more addresses say the same name; the last one sends twice.
    let line = |address: usize, number| {
        let (high, low) = (address / 250, address % 250);
        message(number, "a@b", &format!("H=(innocent) [203.0.{high}.{low}] P=esmtp"))
    };
    for addresses in [1, 60, 70, 3000] {
        let mut text: String = (0..addresses).map(|n| line(n, n)).collect();
        text += &again(&line(addresses - 1, addresses), 2);
        let log = dir.file("log", &text);
        let args = ["-m", "1"];
        let shown = |run: &Run| run.text().lines().nth(2).expect("a finding").to_owned();
        let first = text.lines().nth(addresses - 1).expect("it was written");
        let want = format!("{} -- {first}", addresses + 2);
        assert_eq!(shown(&check(&log, &args)), want);
        let json = check(&log, &["-m", "1", "--format=json"]);
        assert!(
            json.text().contains(&format!("\"address_count\":{addresses},")),
            "{}",
            json.text()
        );
        // Of a stream, it is one of the first 64.
        let args = ["--now", NOW, "--overrides=/dev/null", "-m", "1", "-l", "-"];
        let stream = shown(&run_with_input(EXIM, &args, text.as_bytes()));
        let first = text.lines().next().expect("it was written");
        let first = format!("{} -- {first}", addresses + 2);
        assert_eq!(stream, if addresses <= 64 { want } else { first });
    }
}

#[test]
fn the_line_shown_is_found_in_any_of_the_logs_that_are_read() {
    let line = |number, address: &str| {
        let line = message(number, "a@b", &format!("H=(innocent) [{address}] P=esmtp"));
        if address.starts_with("192.") { line.replace("1xVX00", "1xVX01") } else { line }
    };
    let others = |from: usize| {
        (from..from + 100).map(|n| line(n, &format!("203.0.113.{n}"))).collect::<String>()
    };
    let first = line(101, "192.0.2.1");
    let last = again(&line(300, "192.0.2.1"), 5);
    for compressed in [false, true] {
        let dir = Directory::new();
        let old = dir.file("log.1", line(0, "192.0.2.9") + &others(0) + &first);
        if compressed {
            let status = Command::new("gzip").args(["-q", &old]).status();
            assert!(status.expect("gzip").success());
        }
        let log = dir.file("log", others(100) + &last);
        let shown = check(&log, &[]);
        assert!(shown.text().ends_with(&format!("207 -- {first}")), "{}", shown.text());
        assert_eq!(shown.err, "", "nothing is reported twice");
    }
}

#[test]
fn two_threads_and_a_second_reading_give_the_same() {
    let dir = Directory::new();
    // Names are many, so that the logs are read again; lines are long, so that the file is read in parts.
    let (mut text, filler) = (String::new(), "x".repeat(900));
    for n in 0..40_000_usize {
        let (name, host) = (format!("pc-{n}"), n % 300);
        let id = format!("id={filler}@x");
        let number = n / 10;
        write!(
            text,
            "{}{}",
            message(number, "a@b", &format!("H=({name}) [203.0.113.{}] P=esmtp", n % 200))
                .replace("1xVX00", &format!("2{n:05}")),
            message(
                number,
                "a@b",
                &format!("H=(shared) [192.0.{}.{}] P=esmtp", host / 250, host % 250)
            )
            .replace("1xVX00", &format!("3{n:05}"))
            .replace(" S=4", &format!(" S=4 {id}")),
        )
        .expect("a String");
    }
    // 99 is the address that sent most under the shared name, though it came late.
    let most = message(3999, "a@b", "H=(shared) [198.51.100.99] P=esmtp");
    text += &again(&most, 200);
    let log = dir.file("log", &text);
    let whole = check(&log, &["-m", "199", "--format=json"]);
    let stream = ["--now", NOW, "--overrides=/dev/null", "-m", "199", "--format=json", "-l", "-"];
    let stream = run_with_input(EXIM, &stream, text.as_bytes());
    let found = findings(&whole);
    assert_eq!(found, findings(&stream));
    assert_eq!(found.len(), 201, "{found:?}");
    assert_eq!(found[0], "client shared 40200");
    assert_eq!(found[199..], ["address 203.0.113.98 200", "address 203.0.113.99 200"]);
    let shown: Value =
        serde_json::from_str(whole.text().lines().next().expect("a finding")).expect("JSON");
    assert_eq!(shown["line"], most.trim_end());
    assert_eq!(shown["address_count"], 301);
}

#[test]
fn completed_messages_whose_reception_was_lost_are_told() {
    let dir = Directory::new();
    // 1xVXZ5 is 2026-11-23 17:10:51.
    let completed = |n: usize| format!("2026-11-23 17:57:00 1xVXZ5-{n:06}-0D Completed\n");
    let honest = "2026-11-23 17:57:00 1xVXZ5-999999-0D <= a@b U=www P=local S=4\n".to_owned()
        + &completed(999_999);
    let log =
        |count| dir.file("log", honest.clone() + &(0..count).map(completed).collect::<String>());
    let few = check(&log(9), &[]);
    assert_eq!((few.status, few.out.len(), &few.err[..]), (Some(0), 0, ""));
    let many = check(&log(10), &["-e"]);
    assert_eq!((many.status, many.out.len()), (Some(0), 0));
    let told = "counted for nobody: 10 messages that were completed, but whose reception is not in the log";
    assert!(many.err.contains(told), "{}", many.err);
    let before = check(&log(10), &["-p", "30minutes"]);
    assert_eq!(before.err, "", "they came before the period");
}

#[test]
fn the_option_for_ids_changes_nothing() {
    let dir = Directory::new();
    let text: String = (0..100)
        .map(|n| message(n, "a@b", &format!("H=(pc) [203.0.113.{n}] P=esmtpa A=plain:bob")))
        .collect();
    let log = dir.file("log", text);
    let with = check(&log, &["--auth"]);
    assert_eq!(with, check(&log, &[]));
    assert_eq!(with.text().lines().count(), 4, "{}", with.text());
}
