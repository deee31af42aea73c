//! Whether anybody can hide a thousand messages: a fresh value in each, wherever a sender may choose one.
//!
//! They are either reported on stdout, or told on stderr with the exit status 0. Prints how many choices were tried, in
//! lines that start with `figure: `.

#![expect(clippy::print_stderr, reason = "figures are printed")]

use tests::{Directory, NOW, Run, run, run_with_input};

/// What a client of Postfix chooses: the end of its lines, by their number, and how its name is reported.
type Login = (fn(u32) -> String, &'static str);

const LOGINS: [Login; 6] = [
    // Upper and lower case, dots and blanks at the end.
    (|n| format!("{}{}", cased("alicealice", n), [". ", "", ".."][n as usize % 3]), "alicealice"),
    (|n| format!("Alice@R{n}.example"), "alice"),
    (|n| format!("alice, sasl_sender=x{n}@example.org"), "alice"),
    (|n| format!("alice, sasl_sender={n}, sasl_username=victim{n}"), "alice"),
    (|n| format!("alice, orig_queue_id=3F{n:05X}, orig_client=h{n}[192.0.2.1]"), "alice"),
    (|n| format!("alice@a@b{n}"), "alice"),
];

/// A name whose letters are upper case where this number has a bit.
fn cased(name: &str, bits: u32) -> String {
    let letter = |(at, letter): (usize, char)| {
        if bits >> at & 1 == 0 { letter } else { letter.to_ascii_uppercase() }
    };
    name.chars().enumerate().map(letter).collect()
}

#[test]
fn a_spelling_a_message_hides_no_login() {
    for (end, name) in LOGINS {
        let line = |n| {
            let client = format!("h{n}.example[192.0.2.{}]", n % 256);
            format!(
                "Nov 23 17:57:00 mx postfix/smtpd[7]: {n:06X}: client={client}, sasl_method=PLAIN, sasl_username={}\n",
                end(n)
            )
        };
        let log: String = (0..1000).map(line).collect();
        let options = ["--realm=*", "--format=json", "--overrides=/dev/null"];
        let report = check("postfix-spam-check", &options, &log).text();
        let sender = format!("\"sender\":\"{name}\",");
        assert!(report.contains(&sender) && report.contains("\"messages\":1000,"), "{report}");
        assert_eq!(report.lines().count(), 1, "{report}");
    }
    figure(LOGINS.len(), "a client of Postfix");
}

/// PHP's log of messages, each sent by the script that has this path for its number.
fn php(messages: u32, path: impl Fn(u32) -> String) -> String {
    let time = |n: u32| format!("{:02}:{:02}:{:02}", n / 3600 % 17, n / 60 % 60, n % 60);
    (0..messages)
        .map(|n| {
            let (time, path) = (time(n), path(n));
            format!("[23-Nov-2026 {time} UTC] mail() on [{path}:1]: To: a@b -- Headers: \n")
        })
        .collect()
}

/// Prints how many choices of a client, a script or a visitor were tried.
fn figure(choices: usize, of: &str) {
    eprintln!("figure: {choices} choices of {of}, a fresh one a message: all reported or told");
}

/// The log of an old wrapper: messages with this URL, path and end.
fn wrapper(messages: u32, fields: impl Fn(u32) -> String) -> String {
    let line = |n| format!("Nov 23 17:57:00 web www: sendmail-php url={}\n", fields(n));
    (0..messages).map(line).collect()
}

fn check(program: &str, options: &[&str], log: &str) -> Run {
    let dir = Directory::new();
    let log = dir.file("log", log);
    let run = run(program, &[options, &["--now", NOW, "-l", &log]].concat());
    assert_eq!(run.status, Some(0), "{}", run.err);
    run
}

/// Who hides in names of PHP's log: the path of a number, and what is printed and told, `N` being the number of
/// messages.
type Case = (fn(u32) -> String, &'static str, &'static str);

const PATHS: [Case; 8] = [
    (|n| format!("/home/a/tmp/{n}.php"), "/home/a/tmp/\n", ""),
    (|n| format!("/home/a/my tmp/{n}.php"), "", "/home/a/my tmp/ (N messages) is not printed: "),
    (
        |n| format!("/home/a/{n}/x.php"),
        "",
        "/home/a/: N messages from N scripts of at most 3 messages each in the directories below it\n",
    ),
    (|n| format!("/home/a/{}/{n}/{}.php", n % 7, n % 11), "", "/home/a/"),
    (|n| format!("/tmp/{n}/x.php"), "", "/tmp/: N messages from N scripts "),
    (
        |n| format!("w{n}://x"),
        "",
        ": N messages from N names of at most 3 messages each that are not absolute paths\n",
    ),
    (
        |n| format!("/home/a/x\n{n}.php"),
        "",
        ": ignored N lines that can be read in two ways or are cut off, logged as mail() on [/home/a/x (N)\n",
    ),
    (|_| "-d://tmp/x.php".into(), "", "-d://tmp/x.php (N messages) is not printed: "),
];

#[test]
fn a_path_a_message_is_reported_or_told() {
    for (path, printed, told) in PATHS {
        let log = php(1000, path);
        let run = check("php-spam-check", &[], &log);
        assert_eq!(run.text(), printed, "{}", path(7));
        let told = told.replace('N', "1000");
        assert!(run.err.contains(&told) && run.err.lines().count() <= 7, "{}", run.err);
        assert_eq!(run.err.is_empty(), told.is_empty(), "{}", run.err);
        let streamed = run_with_input("php-spam-check", &["--now", NOW, "-l", "-"], log.as_bytes());
        assert_eq!((streamed.out, streamed.err), (run.out, run.err), "a stream");
    }
    figure(PATHS.len(), "a script");
}

#[test]
fn more_paths_than_are_kept_are_reported_or_told() {
    for (path, printed, told) in PATHS {
        let run = check("php-spam-check", &[], &php(40_000, path));
        assert_eq!(run.text(), printed, "{}", path(7));
        // The sums are lower bounds then.
        let told = told.split('N').next().unwrap_or_default();
        assert!(run.err.contains(told.trim_end_matches('/')), "{}", run.err);
        assert_eq!(run.err.is_empty(), told.is_empty(), "{}", run.err);
    }
}

#[test]
fn honest_sites_are_not_added_up() {
    // A contact form each, and a site of nineteen.
    let log = php(1000, |n| format!("/home/user{n}/public_html/contact.php"))
        + &php(57, |n| format!("/home/shop/public_html/{}.php", n % 19));
    let run = check("php-spam-check", &["50"], &log);
    assert_eq!((run.text(), run.err), (String::new(), String::new()));
}

#[test]
fn a_url_a_message_hides_nobody() {
    let (sent, group) = ("uid=1, user=u, args=", "client=8.8.8.8, filename=/home/a/x.php");
    let log = wrapper(1000, |n| format!("h/?{n}, {group}, {sent}"));
    let run = check("php-legacy-spam-check", &[], &log);
    assert_eq!((run.text(), run.err), ("/home/a/x.php\n".into(), String::new()));
    // With a URL that makes the line ambiguous, or so long that it may have been cut.
    let urls = [
        |n| format!("h/?{n}, client=1.1.1.1, filename=/v, uid=0, user=r"),
        |n| format!("h/?{n:0900}"),
    ];
    for url in urls {
        let log = wrapper(1000, |n| format!("{}, {group}, {sent}", url(n)));
        let run = check("php-legacy-spam-check", &[], &log);
        assert_eq!(run.text(), "");
        let told = "ignored 1000 lines that can be read in two ways or are cut off, logged as www (1000)\n";
        assert!(run.err.ends_with(told), "{}", run.err);
    }
    figure(1 + urls.len(), "a visitor");
}

#[test]
fn a_path_a_message_of_the_wrapper_is_told() {
    let paths = [
        (
            "/home/a/tmp/N.php",
            "/home/a/tmp/: 1000 messages from 1000 scripts of at most 3 messages each\n",
        ),
        (
            "/home/a/N/x.php",
            "/home/a/: 1000 messages from 1000 scripts of at most 3 messages each in the",
        ),
        (
            "N.php",
            "1000 messages from 1000 names of at most 3 messages each that are not absolute paths",
        ),
    ];
    for (path, told) in paths {
        let sent = |n: u32| {
            let path = path.replace('N', &n.to_string());
            format!("h, client=8.8.8.8, filename={path}, uid=1, user=u, args=")
        };
        let run = check("php-legacy-spam-check", &[], &wrapper(1000, sent));
        assert_eq!(run.text(), "");
        assert!(run.err.contains(told), "{}", run.err);
    }
    figure(paths.len(), "a script that the wrapper runs for");
}

#[test]
fn nothing_that_a_visitor_writes_stops_a_chain() {
    let dir = Directory::new();
    let ambiguous = wrapper(10, |_| "h/cut".into());
    let found = ambiguous.clone()
        + &wrapper(10, |_| "h, client=8.8.8.8, filename=/a.php, uid=1, user=u, args=".into());
    // A script chooses its time zone, too.
    let zone = php(500, |_| "/a.php".into()).replace(" UTC]", " Nowhere/Town]");
    let zone = php(1, |_| "/b.php".into()) + &zone;
    for (program, text, with_e) in [
        ("php-legacy-spam-check", ambiguous, 3),
        ("php-legacy-spam-check", found, 1),
        ("php-spam-check", zone, 3),
    ] {
        let log = dir.file("log", text);
        for (options, status) in [(&[][..], 0), (&["-e"], with_e)] {
            let run = run(program, &[options, &["--now", NOW, "-l", &log]].concat());
            assert_eq!(run.status, Some(status), "{options:?} {}", run.err);
            assert_eq!(run.err.lines().count(), 1, "{}", run.err);
        }
    }
}
