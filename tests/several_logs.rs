//! Several logs in one run: patterns, lists of logs, and what is counted for each log by itself.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Command;

use serde_json::Value;
use testkit::cannot_run;
use tests::{Directory, NOW, Run, accepted, command};

const POSTFIX: &str = "postfix-spam-check --overrides=/dev/null";
const EXIM: &str = "exim-spam-check --overrides=/dev/null";
const PHP: &str = "php-spam-check";

/// Runs a program in a directory, by a line of its name and options without spaces in them.
fn run(dir: &Directory, line: &str) -> Run {
    let mut words = line.split(' ');
    let mut command = command(words.next().expect("a program"));
    command.current_dir(dir.dir()).args(["--now", NOW]).args(words);
    command.output().expect("the program starts").into()
}

/// Runs a program that must have nothing to report on stderr. Returns its report.
fn report(dir: &Directory, line: &str) -> String {
    let run = run(dir, line);
    assert_eq!((run.status, &*run.err), (Some(0), ""), "{line}");
    run.text()
}

/// Mails of a script, as PHP logs them.
fn mails(path: &str, count: usize) -> String {
    format!("[23-Nov-2026 17:50:00 UTC] mail() on [{path}:2]: To: a@b -- Headers: \n").repeat(count)
}

/// A message of a local user of Exim, and one of a client, on each of as many lines.
fn exim(user: &str, count: usize) -> String {
    let both = |n: usize| {
        format!(
            "2026-11-23 17:57:00 1ABCDE-{n:06}-XY <= a@b U={user} P=local S=4\n\
             2026-11-23 17:57:00 1ABCDF-{n:06}-XY <= a@b H=(mx) [1.1.1.1] P=esmtpa A=plain:bob S=4\n"
        )
    };
    (0..count).map(both).collect()
}

/// The fields of each finding.
fn fields(report: &str, names: &[&str]) -> Vec<String> {
    let field = |object: &Value, name: &str| match &object[name] {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        other => other.to_string(),
    };
    let objects = report.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let fields = objects.map(|object| {
        let values: Vec<_> = names.iter().map(|name| field(&object, name)).collect();
        values.join(" ")
    });
    fields.collect()
}

#[test]
fn a_pattern_is_every_log_that_it_matches() {
    let dir = Directory::new();
    for site in ["blog", "club", "shop"] {
        fs::create_dir_all(dir.path(&format!("www/{site}/log"))).expect("a directory");
        let script = format!("/srv/{site}.php");
        dir.file(&format!("www/{site}/log/php.log"), mails(&script, 12));
    }
    dir.file("www/notes", "no directory");
    fs::create_dir_all(dir.path("www/empty")).expect("a directory");
    let all = "/srv/blog.php\n/srv/club.php\n/srv/shop.php\n";
    for (pattern, want) in [
        ("www/*/log/php.log", all),
        ("www/*/log/*.log", all),
        ("*/*/*/*", all),
        ("./www/[a-c]*/log/php.log", "/srv/blog.php\n/srv/club.php\n"),
        ("www/[!a-c]*/log/php.log", "/srv/shop.php\n"),
        ("www/sh?p/log/../log/php.log", "/srv/shop.php\n"),
    ] {
        assert_eq!(report(&dir, &format!("{PHP} 10 -l {pattern}")), want, "{pattern}");
    }
    let absolute = format!("{}/www/*/log/php.log", dir.dir().display());
    assert_eq!(report(&dir, &format!("{PHP} 10 -l {absolute}")), all);
}

#[test]
fn a_file_that_exists_is_not_a_pattern() {
    let dir = Directory::new();
    dir.file("a[1].log", mails("/srv/literal.php", 12));
    dir.file("a1.log", mails("/srv/matched.php", 12));
    assert_eq!(report(&dir, &format!("{PHP} 10 -l a[1].log")), "/srv/literal.php\n");
    fs::remove_file(dir.path("a[1].log")).expect("it was just written");
    assert_eq!(report(&dir, &format!("{PHP} 10 -l a[1].log")), "/srv/matched.php\n");
}

#[test]
fn rotated_logs_of_a_match_are_read_with_it_and_once() {
    let dir = Directory::new();
    let lines =
        |times: &[&str]| -> String { times.iter().map(|time| accepted(time, "bob")).collect() };
    dir.file("mail.log", lines(&["17:40:00", "17:41:00"]));
    dir.file("mail.log.1", lines(&["17:20:00", "17:21:00"]));
    dir.file("mail.2.log", lines(&["17:10:00"]));
    dir.file("mail.log.old", lines(&["17:00:00"]));
    for (pattern, messages) in
        [("mail.log*", "6 "), ("*.log", "5 "), ("mail.log", "5 "), ("mail.log.*", "3 ")]
    {
        let report = report(&dir, &format!("{POSTFIX} -m 1 -l {pattern}"));
        let line = report.lines().nth(2).unwrap_or_default();
        assert!(line.starts_with(messages), "{pattern}: {line}");
    }
    // Rotated a moment ago, and not yet created again.
    fs::remove_file(dir.path("mail.log")).expect("it was just written");
    for (pattern, messages) in [("*.log", "3 "), ("mail.log*", "4 ")] {
        let report = report(&dir, &format!("{POSTFIX} -m 1 -l {pattern}"));
        let line = report.lines().nth(2).unwrap_or_default();
        assert!(line.starts_with(messages), "{pattern}: {line}");
    }
}

#[test]
fn what_cannot_be_found_is_a_failure() {
    let dir = Directory::new();
    fs::create_dir_all(dir.path("logs/sub")).expect("a directory");
    dir.file("logs/mail.log", accepted("17:57:00", "bob"));
    dir.file("empty", "# nothing\n\n");
    dir.file("list", "logs/mail.log\n-l logs/mail.log\n\n  # a comment\n*.none\n");
    for (options, wanted) in [
        ("-l *.none", "*.none: no such file, and no log matches it as a pattern\n"),
        ("-l logs/s*", "logs/s*: no such file, and no log matches it as a pattern\n"),
        (
            "-l logs",
            "logs: it is a directory; to read the logs in it, use a pattern: -l 'logs/*.log'\n",
        ),
        ("--logs-from=missing", "missing: cannot be read: No such file"),
        ("--logs-from=logs", "logs: refused: not a regular file\n"),
        ("--logs-from=empty", "empty: names no log\n"),
        ("--logs-from=list", "list: line 2 is not a path; skipped\n"),
        ("--logs-from=list", "*.none: no such file"),
    ] {
        for (exit_code, status) in [("", 1), (" -e", 3)] {
            let run = run(&dir, &format!("{POSTFIX} -m 5 {options}{exit_code}"));
            assert_eq!((run.status, &*run.text()), (Some(status), ""), "{options}: {}", run.err);
            assert!(run.err.contains(&format!("postfix-spam-check: {wanted}")), "{}", run.err);
        }
    }
    let found = run(&dir, &format!("{POSTFIX} -m 1 --logs-from=list"));
    assert!(found.text().contains("\n1 (1 nets"), "what was found is printed all the same");
}

#[test]
fn a_list_names_paths_and_patterns() {
    let dir = Directory::new();
    for site in ["a", "b", "c d"] {
        dir.file(&format!("{site}.log"), mails(&format!("/srv/{site}.php").replace(' ', ""), 12));
    }
    let list = "\u{feff}# sites\r\n  a.log \r\n\n[b-c]*.log\n";
    dir.file("list", list);
    let all = "/srv/a.php\n/srv/b.php\n/srv/cd.php\n";
    assert_eq!(report(&dir, &format!("{PHP} 10 --logs-from=list")), all);
    assert_eq!(report(&dir, &format!("{PHP} 10 --logs-from list -l a.log")), all);
    if !rustix::process::geteuid().is_root() {
        return cannot_run("root reads no list that others can write: it takes root");
    }
    let mode = Permissions::from_mode(0o666);
    fs::set_permissions(dir.path("list"), mode).expect("it was just written");
    let run = run(&dir, &format!("{PHP} 10 --logs-from=list"));
    assert_eq!((run.status, &*run.text()), (Some(1), ""));
    assert!(run.err.contains("list: refused: writable by users other than root"), "{}", run.err);
}

#[test]
fn a_script_is_counted_for_each_log_by_itself() {
    let dir = Directory::new();
    for (site, count) in [("shop", 4), ("blog", 4), ("club", 4), ("bad", 11), ("worse", 13)] {
        dir.file(&format!("{site}.log"), mails("/var/www/mail.php", count));
    }
    let containers = "-l shop.log -l blog.log -l club.log";
    assert_eq!(report(&dir, &format!("{PHP} 10 {containers}")), "");
    let all = format!("{containers} -l worse.log -l bad.log");
    assert_eq!(report(&dir, &format!("{PHP} 10 {all}")), "/var/www/mail.php\n", "once");
    let json = report(&dir, &format!("{PHP} 10 --format=json {all}"));
    let names = ["sender", "log", "messages"];
    let bad = ["/var/www/mail.php worse.log 13", "/var/www/mail.php bad.log 11"];
    assert_eq!(fields(&json, &names), bad, "in the order of the logs");
    let alone = report(&dir, &format!("{PHP} 10 --format=json -l worse.log"));
    assert_eq!(fields(&alone, &names), ["/var/www/mail.php - 13"], "there is only one");
    assert!(!alone.contains("\"log\""), "{alone}");
    let table = report(&dir, &format!("{PHP} 10 --format=table {all}"));
    let rows: Vec<Vec<&str>> =
        table.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["MSGS", "LIMIT", "LOG", "ACTIVITY", "SCRIPT"]);
    assert_eq!((rows[1][2], rows[2][2]), ("worse.log", "bad.log"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let odd = report(&dir, "php-spam-check 100 -l shop.log -l -");
    assert_eq!(odd, "", "standard input is another log");
}

#[test]
fn a_log_and_its_rotated_logs_are_of_one_host() {
    let dir = Directory::new();
    dir.file("php.log", mails("/srv/a.php", 6));
    dir.file("php.log.1", mails("/srv/a.php", 6));
    dir.file("other.log", mails("/srv/a.php", 6));
    for logs in [
        "-l php.log",
        "-l php.log -l other.log",
        "-l php.log.1 -l php.log",
        "-l other.log -l php.log.1 -l php.log",
        "-l php.*",
        "-l *.log",
    ] {
        assert_eq!(report(&dir, &format!("{PHP} 10 {logs}")), "/srv/a.php\n", "{logs}");
    }
    let json =
        report(&dir, &format!("{PHP} 10 --format=json -l other.log -l php.log.1 -l php.log"));
    assert_eq!(fields(&json, &["log", "messages"]), ["php.log 12"]);
    assert_eq!(report(&dir, &format!("{PHP} 10 -l php.log.1 -l other.log")), "");
}

#[test]
fn of_exim_users_are_counted_for_each_log_and_clients_over_all() {
    let dir = Directory::new();
    dir.file("a", exim("www", 4));
    dir.file("b", exim("www", 6));
    let json = report(&dir, &format!("{EXIM} -m 3 --format=json -l a -l b"));
    let got = fields(&json, &["kind", "sender", "log", "messages"]);
    assert_eq!(got, ["user www a 4", "user www b 6", "client mx - 10", "auth bob - 10"]);
    let text = report(&dir, &format!("{EXIM} -m 3 -l a -l b"));
    let counts: Vec<_> = text.lines().skip(2).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(counts, ["4", "6", "10", "10"]);
    let text = report(&dir, &format!("{EXIM} -m 9 -l a -l b"));
    assert!(!text.contains("U=www"), "{text}");
}

#[test]
fn directories_are_added_up_for_each_log_by_itself() {
    let dir = Directory::new();
    let many = |from: usize| -> String {
        (from..from + 30).map(|n| mails(&format!("/srv/tmp/{n}.php"), 1)).collect()
    };
    dir.file("a.log", many(0));
    dir.file("b.log", many(30));
    assert_eq!(report(&dir, &format!("{PHP} 60 -l a.log -l b.log")), "");
    let json = report(&dir, &format!("{PHP} 25 --format=json -l a.log -l b.log"));
    let got = fields(&json, &["kind", "sender", "log", "messages"]);
    assert_eq!(got, ["directory /srv/tmp/ a.log 30", "directory /srv/tmp/ b.log 30"]);
    let spread = |site: &str| -> String {
        (0..30).map(|n| mails(&format!("/srv/{site}/{n}/x.php"), 1)).collect()
    };
    dir.file("a.log", spread("a"));
    let run = run(&dir, &format!("{PHP} 25 -l a.log -l b.log"));
    let told = "a.log: /srv/a/: 30 messages from 30 scripts of at most 3 messages each";
    assert!(run.err.contains(told), "{}", run.err);
}

#[test]
fn logins_are_counted_over_all_logs() {
    let dir = Directory::new();
    dir.file("a", accepted("17:50:00", "bob").repeat(4));
    dir.file("b", accepted("17:51:00", "bob").repeat(5));
    let json = report(&dir, &format!("{POSTFIX} -m 9 --format=json -l a -l b"));
    assert_eq!(fields(&json, &["sender", "log", "messages"]), ["bob - 9"]);
}

#[test]
fn more_logs_than_files_may_be_open_by_default() {
    let dir = Directory::new();
    for n in 0..300 {
        dir.file(&format!("{n:03}.log"), mails(&format!("/srv/{n}.php"), 1 + n % 2 * 20));
    }
    let script = format!(
        "ulimit -S -n 64; exec {} --now '{NOW}' 10 -l '*.log'",
        tests::program(PHP).display()
    );
    let output = Command::new("bash").args(["-c", &script]).current_dir(dir.dir()).output();
    let run = Run::from(output.expect("bash runs"));
    assert_eq!((run.status, &*run.err), (Some(0), ""));
    assert_eq!(run.text().lines().count(), 150);
}

#[test]
fn what_a_customer_puts_in_the_way_of_a_pattern_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return cannot_run("directories of other users take root");
    }
    let dir = Directory::new();
    for site in ["good", "evil", "many"] {
        fs::create_dir_all(dir.path(&format!("{site}/log"))).expect("a directory");
    }
    dir.file("good/log/php.log", mails("/srv/good.php", 12));
    dir.file("secret.log", mails("/srv/secret.php", 12));
    for n in 0..200 {
        dir.file(&format!("many/log/{n:03}.log"), mails(&format!("/srv/many/{n:03}.php"), 12));
    }
    let fifo = Command::new("mkfifo").arg(dir.path("evil/log/fifo.log")).status();
    assert!(fifo.expect("mkfifo runs").success());
    for (name, target) in [
        ("zero.log", "/dev/zero".into()),
        ("out.log", dir.path("secret.log")),
        ("loop.log", "loop.log".into()),
        ("gone.log", "nowhere".into()),
    ] {
        symlink(target, dir.path(&format!("evil/log/{name}"))).expect("a link");
    }
    for path in ["evil", "evil/log", "evil/log/fifo.log", "many", "many/log"] {
        chown(dir.path(path), Some(4106), None).expect("root may");
    }
    let run = run(&dir, &format!("{PHP} 10 -l */log/*.log"));
    assert_eq!(run.status, Some(1));
    let scripts: Vec<&str> = run.text().leak().lines().collect();
    assert_eq!(
        (scripts.len(), scripts[0], scripts[100]),
        (101, "/srv/good.php", "/srv/many/099.php")
    );
    for wanted in [
        "evil/log/fifo.log: refused: not a regular file",
        "evil/log/zero.log: refused: ",
        "evil/log/out.log: refused: a link of another user leads out",
        "evil/log/loop.log: cannot be read: Too many levels",
        "evil/log/gone.log: cannot be read: No such file",
        "many: it belongs to another user: only the first 100 logs that match below it are read",
    ] {
        assert!(run.err.contains(wanted), "wanted {wanted}, got {}", run.err);
    }
}
