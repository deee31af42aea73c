//! What is printed, and where it goes.

use serde_json::Value;
use testkit::cannot_run;
use tests::{Directory, NOW, accepted, command, run};

const POSTFIX: &str = "postfix-spam-check";

/// A log of three senders, one of them a name that is not UTF-8, and hostile bytes.
fn log(dir: &Directory) -> String {
    let mut log = accepted("17:10:00", "alice").repeat(3).into_bytes();
    for n in 0..5 {
        log.extend_from_slice(
            format!(
                "Nov 23 17:5{n}:00 mx postfix/smtpd[7]: 3F1A2B: client=unknown[2001:db8::{n}]:25, \
                 sasl_method=PLAIN, sasl_username=b\u{f6}b\n"
            )
            .as_bytes(),
        );
    }
    log.extend_from_slice(accepted("17:57:00", "x\u{1b}[31m\u{7f}").as_bytes());
    log.extend_from_slice(b"Nov 23 17:57:30 mx postfix/smtpd[7]: 3F1A2B: client=a[1.2.3.4], ");
    log.extend_from_slice(b"sasl_method=PLAIN, sasl_username=\xff\x80\n");
    dir.file("log", log)
}

#[test]
fn json_has_an_object_a_finding() {
    let dir = Directory::new();
    let log = log(&dir);
    let args = [
        "-m",
        "1",
        "-d",
        "0,4",
        "-w",
        "192.0.2.0/24",
        "--now",
        NOW,
        "--format=json",
        "--overrides=/dev/null",
        "-l",
        &log,
    ];
    let run = run(POSTFIX, &args);
    assert_eq!((run.status, &run.err[..]), (Some(0), ""));
    let objects: Vec<Value> =
        run.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(objects.len(), 4);
    let (alice, bob, escape, bytes) = (&objects[0], &objects[1], &objects[2], &objects[3]);
    assert_eq!(
        alice,
        &serde_json::json!({
            "program": POSTFIX, "kind": "sasl", "sender": "alice", "first_spelling": "alice", "messages": 3,
            "limit": 1,
            "start": "2026-11-23T16:58:00Z", "end": "2026-11-23T17:58:00Z",
            "first": "2026-11-23T17:10:00Z", "last": "2026-11-23T17:10:00Z",
            "line": accepted("17:10:00", "alice").trim_end(),
            "nets": 1, "unknowns": 0, "ips": 1, "webmail": 3, "action": null, "reason": null,
        })
    );
    assert_eq!(bob["sender"], "b\u{f6}b");
    assert_eq!((&bob["nets"], &bob["unknowns"], &bob["ips"]), (&1.into(), &5.into(), &5.into()));
    assert_eq!(bob["action"], "not_disabled");
    assert_eq!(bob["last"], "2026-11-23T17:54:00Z");
    assert_eq!(escape["sender"], "x\u{1b}[31m\u{7f}");
    assert_eq!(bytes["sender"], "\u{fffd}\u{fffd}");
    assert_eq!(bytes["sender_hex"], "ff80");
    assert!(alice.get("sender_hex").is_none());
}

#[test]
fn json_tells_the_spellings_of_a_login() {
    let dir = Directory::new();
    let lines: Vec<_> = ["Alice@Example.org", "alice@example.org", "ALICE", "alice."]
        .iter()
        .map(|login| accepted("17:10:00", login))
        .collect();
    let log = dir.file("mail.log", lines.concat());
    let overrides = dir.file("overrides", "Alice@example.org 4\n");
    let args = ["-m9", "--realm=EXAMPLE.org", "--now", NOW, "--format=json"];
    let run = run(POSTFIX, &[&args[..], &["--overrides", &overrides, "-l", &log]].concat());
    assert_eq!((run.status, &run.err[..]), (Some(0), ""));
    let alice: Value = serde_json::from_str(run.text().trim_end()).expect("one object");
    for (field, want) in [
        ("sender", Value::from("alice")),
        ("first_spelling", "Alice@Example.org".into()),
        ("spellings", 4.into()),
        ("messages", 4.into()),
        ("limit", 4.into()),
    ] {
        assert_eq!(alice[field], want, "{field}");
    }
}

#[test]
fn json_of_the_other_programs() {
    let dir = Directory::new();
    let exim = dir.file(
        "exim",
        "2026-11-23 17:57:00 1ABCDE-000001-XY <= a@b H=mx.example [1.1.1.1] P=esmtpa A=plain:bob S=4\n\
         2026-11-23 17:57:00 1ABCDE-000002-XY <= a@b U=www P=local S=4\n",
    );
    let kinds = |run: tests::Run, field: &str| -> Vec<String> {
        let objects = run.text();
        let objects =
            objects.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        objects.map(|object| object[field].as_str().unwrap_or("-").to_owned()).collect()
    };
    let args =
        ["-m", "0", "--auth", "--now", NOW, "--format=json", "--overrides=/dev/null", "-l", &exim];
    assert_eq!(kinds(run("exim-spam-check", &args), "kind"), ["user", "client", "auth"]);
    assert_eq!(kinds(run("exim-spam-check", &args), "named_by"), ["-", "name", "-"]);
    assert_eq!(kinds(run("exim-spam-check", &args), "sender"), ["www", "mx.example", "bob"]);
    let php = dir.file("php", "mail() on [/home/a/x.php:1]: To: a@b -- Headers: \n");
    let args = ["1", "--now", NOW, "--format=json", "-l", &php];
    assert_eq!(kinds(run("php-spam-check", &args), "kind"), ["script"]);
    assert_eq!(kinds(run("php-spam-check", &args), "first"), ["-"], "no line has a stamp");
}

#[test]
fn a_table_is_for_a_person() {
    let dir = Directory::new();
    let log = log(&dir);
    let run = table(&log, &[("LANG", "en_US.UTF-8")]);
    let text = run.text();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(!run.out.contains(&0x1b), "no colour and no control byte in a pipe");
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows[0], "4 senders, 2026-11-23 16:58:00 to 2026-11-23 17:58:00");
    assert!(rows[2].ends_with("SENDER"), "{text}");
    assert!(rows[3].trim_start().starts_with("5 ") && rows[3].ends_with("b\u{f6}b"), "{text}");
    assert!(rows[4].contains('\u{2588}') && rows[4].ends_with("alice"), "worst first: {text}");
    assert!(rows[5].ends_with("x\\x1b[31m\\x7f"), "{text}");
}

/// A table of all senders of a log, in this environment.
fn table(log: &str, environment: &[(&str, &str)]) -> tests::Run {
    let args = ["-m", "1", "--now", NOW, "--format=table", "--overrides=/dev/null", "-l", log];
    let mut command = command(POSTFIX);
    command.args(args).envs(environment.iter().copied());
    command.output().expect("the program starts").into()
}

#[test]
fn without_a_locale_of_utf_8_the_bars_of_a_table_are_ascii() {
    let dir = Directory::new();
    let log = log(&dir);
    for (environment, ascii) in [
        (&[][..], true),
        (&[("LANG", "C")], true),
        (&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")], true),
        (&[("LANG", "C"), ("LC_CTYPE", "C.utf8")], false),
    ] {
        let text = table(&log, environment).text();
        let alice = text.lines().find(|line| line.ends_with("alice")).expect("she is a sender");
        let bar = if ascii { '#' } else { '\u{2588}' };
        assert!(alice.contains(bar) && alice.is_ascii() == ascii, "{environment:?}: {alice}");
    }
}

#[test]
fn a_terminal_has_colour_unless_it_is_dumb() {
    let dir = Directory::new();
    let log = log(&dir);
    let line = format!(
        "{} -m 1 --now '{NOW}' --format=table --overrides=/dev/null -l {log}",
        tests::program(POSTFIX).display()
    );
    for (variable, value, colour) in
        [("TERM", "xterm", true), ("TERM", "dumb", false), ("NO_COLOR", "1", false)]
    {
        let mut script = std::process::Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).env_clear().env("PATH", "/usr/bin:/bin");
        script.env("SHELL", "/bin/sh").env("TZ", "UTC").env(variable, value);
        let output = match script.stdin(std::process::Stdio::null()).output() {
            Ok(output) => output,
            Err(error) => return cannot_run(&format!("script, for a terminal: {error}")),
        };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("alice"), "{variable}={value}: {text}");
        assert_eq!(text.contains('\u{1b}'), colour, "{variable}={value}: {text}");
    }
}

#[test]
fn control_bytes_of_a_line_are_shown() {
    let dir = Directory::new();
    let log = log(&dir);
    let run = run(POSTFIX, &["-m", "1", "--now", NOW, "--overrides=/dev/null", "-l", &log]);
    assert!(run.text().contains("sasl_username=x\\x1b[31m\\x7f\n"));
    let end = b"sasl_username=\xff\\x80\n";
    assert!(run.out.ends_with(end), "{}", run.out.escape_ascii());
}

#[test]
fn paths_are_raw_bytes_and_may_end_with_nul() {
    let dir = Directory::new();
    let log = dir.file("log", b"mail() on [/home/\xffa:b.php:1]: To: a@b\n".repeat(2));
    let args = ["2", "--now", NOW, "-l", &log];
    assert_eq!(run("php-spam-check", &args).out, b"/home/\xffa:b.php\n");
    let args = [&["-0"], &args[..]].concat();
    assert_eq!(run("php-spam-check", &args).out, b"/home/\xffa:b.php\0");
}

#[test]
fn a_path_that_a_reader_would_take_apart_is_told_and_needs_null() {
    let dir = Directory::new();
    let php = |name: &[u8]| [b"mail() on [", name, b":1]: To: a@b\n"].concat().repeat(2);
    for name in ["/a b", "/a\tb", "/it's", "/a\"b", "/a\\b", "/a\u{1b}b", "/a\u{85}b"] {
        let log = dir.file("log", php(name.as_bytes()));
        let args = ["2", "--now", NOW, "-l", &log];
        let piped = run("php-spam-check", &args);
        assert_eq!((piped.text(), piped.status), (String::new(), Some(0)), "{name}");
        let shown = name.replace('\u{1b}', "\\x1b").replace('\u{85}', "\\xc2\\x85");
        let why = "a path with a space, quote, backslash or control character needs --null";
        let told = format!("php-spam-check: {shown} (2 messages) is not printed: {why}\n");
        assert_eq!(piped.err, told);
        assert_eq!(run("php-spam-check", &[&["-e"], &args[..]].concat()).status, Some(1), "{name}");
        let whole = run("php-spam-check", &[&["-0"], &args[..]].concat());
        assert_eq!((whole.text(), whole.err), (format!("{name}\0"), String::new()));
        // Nor does anybody take the other formats apart.
        for format in ["--format=json", "--format=table"] {
            let other = run("php-spam-check", &[&[format], &args[..]].concat());
            assert!(other.err.is_empty() && !other.out.is_empty(), "{format} {name}");
        }
    }
    // A newline comes only in the wrapper's log; a NUL byte would end a path with --null.
    let line = "Nov 23 17:57:00 web www: sendmail-php v=2, url=, client=, filename=/a%0a/etc/b, uid=0, user=, args=\n";
    let log = dir.file("log", line.repeat(2));
    let piped = run("php-legacy-spam-check", &["10", "2", "--now", NOW, "-l", &log]);
    assert_eq!((piped.text(), piped.status), (String::new(), Some(0)));
    assert!(piped.err.contains("/a\\x0a/etc/b (2 messages) is not printed: "), "{}", piped.err);
    let whole = run("php-legacy-spam-check", &["-0", "10", "2", "--now", NOW, "-l", &log]);
    assert_eq!(whole.text(), "/a\n/etc/b\0");
    let log = dir.file("log", [php(b"/a\0/etc/b"), php(b"relative.php")].concat());
    let whole = run("php-spam-check", &["-0", "2", "--now", NOW, "-l", &log]);
    assert_eq!((whole.text(), whole.status), (String::new(), Some(0)));
    assert!(
        whole.err.contains("/a\\x00/etc/b (2 messages) is not printed: it contains a NUL byte\n")
    );
    assert!(whole.err.contains("relative.php (2 messages) is not printed: not an absolute path\n"));
}

#[test]
fn a_directory_of_small_scripts_is_a_finding_of_its_own() {
    let dir = Directory::new();
    let line = |n: u32| {
        format!(
            "[23-Nov-2026 17:{n:02}:00 UTC] mail() on [/home/a/tmp/{}.php:1]: To: a@b\n",
            n % 25
        )
    };
    let log: String = (0..50).rev().map(line).collect();
    let log = dir.file("log", log + &line(0).replace("tmp", "big").repeat(40));
    let args = ["40", "--now", NOW, "-l", &log];
    assert_eq!(run("php-spam-check", &args).text(), "/home/a/big/0.php\n/home/a/tmp/\n");
    let json = run("php-spam-check", &[&["--format=json"], &args[..]].concat());
    assert_eq!((json.status, &json.err[..]), (Some(0), ""));
    let found = json.text();
    let found: Value = serde_json::from_str(found.lines().last().expect("two")).expect("JSON");
    assert_eq!((&found["kind"], &found["sender"]), (&"directory".into(), &"/home/a/tmp/".into()));
    assert_eq!((&found["messages"], &found["limit"]), (&50.into(), &40.into()));
    assert_eq!(found["first"], "2026-11-23T17:00:00Z");
    assert_eq!(found["last"], "2026-11-23T17:49:00Z");
    let table = run("php-spam-check", &[&["--format=table"], &args[..]].concat()).text();
    assert!(
        table
            .lines()
            .any(|row| row.starts_with("  50     40  ") && row.ends_with("  /home/a/tmp/")),
        "{table}"
    );
}
