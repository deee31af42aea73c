//! Arguments, as a crontab and a person write them, and exit statuses, on whole programs.

use std::process::Command;

use spamcore::time::period::Period;
use spamcore::time::zone::Zone;
use tests::{Directory, NOW, Run, accepted, command, program, run};

const PROGRAMS: [&str; 4] =
    ["postfix-spam-check", "exim-spam-check", "php-spam-check", "php-legacy-spam-check"];

/// A shell line, run with the programs and their old names in PATH, and `-l LOG --now NOW` for each.
fn shell(line: &str) -> (String, Option<i32>) {
    let dir = Directory::new();
    let postfix: String =
        (0..100).map(|n| accepted(&format!("17:{:02}:00", n % 58), "bob")).collect();
    let exim: String = (0..100)
        .map(|n| {
            format!("2026-11-23 17:{:02}:00 1ABCDE-{n:06}-XY <= a@b U=www P=local S=4\n", n % 58)
        })
        .collect();
    let php = "mail() on [/home/a/x.php:12]: To: a@b -- Headers: \n".repeat(500);
    let legacy =
        "Nov 23 17:50:00 web root: sendmail-php url=h, client=8.8.8.8, filename=/home/a/y.php, \
                  uid=1, user=u, args=\n"
            .repeat(10);
    for (name, old, log) in [
        (PROGRAMS[0], "postfix-spam-scan", postfix),
        (PROGRAMS[1], "exim-spam-scan", exim),
        (PROGRAMS[2], "php-spam", php),
        (PROGRAMS[3], "php-spam-legacy", legacy),
    ] {
        let log = dir.file(&format!("{name}.log"), log);
        let script =
            format!("#!/bin/sh\nexec {} \"$@\" --now '{NOW}' -l {log}\n", program(name).display());
        for name in [name, old] {
            let path = dir.file(name, &script);
            let made = Command::new("chmod").arg("+x").arg(path).status();
            assert!(made.expect("chmod runs").success());
        }
    }
    for name in ["emergency-mail", "full-scan"] {
        let path = dir.file(name, "#!/bin/sh\ncat\n");
        assert!(Command::new("chmod").arg("+x").arg(path).status().expect("chmod runs").success());
    }
    let path = format!("{}:/usr/bin:/bin", dir.path("").display());
    let output = Command::new("/bin/sh")
        .args(["-c", line])
        .env_clear()
        .envs([("PATH", &path[..]), ("TZ", "UTC")])
        .output()
        .expect("a shell");
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&text).into_owned(), output.status.code())
}

#[test]
fn crontab_lines_go_on_working() {
    let postfix = "100 (1 nets/0 unknowns/1 IPs/0 webmail) -- Nov 23 17:00:00";
    let exim = "100 -- 2026-11-23 17:00:00";
    for (line, wanted) in [
        (
            "postfix-spam-check -p 1hour -m 90 -d 5,5 -w 192.0.2.201,10.0.0.21 | emergency-mail 3000",
            &[postfix][..],
        ),
        ("exim-spam-check -p 1hour -m 90 | emergency-mail 2000", &[exim]),
        (
            "{ php-legacy-spam-check 10 10 && php-spam-check 500; } | full-scan -q",
            &["/home/a/y.php\n/home/a/x.php\n"],
        ),
        ("exim-spam-check 3600 60", &["During the last 3600 seconds", exim]),
        (
            "postfix-spam-check -p 30minutes -m 40",
            &["During the last 30 minutes the following senders have made at least 40 "],
        ),
        ("postfix-spam-check -d 10,10", &["at least 90 SMTP connections.\n\n", postfix]),
        ("php-spam-check 100", &["/home/a/x.php\n"]),
        ("php-spam-check 500 && php-spam-legacy 10 10", &["/home/a/x.php\n/home/a/y.php\n"]),
        ("php-legacy-spam-check 10 10 && php-spam 500", &["/home/a/y.php\n/home/a/x.php\n"]),
        ("postfix-spam-scan 1hour 90 | emergency-mail 3000", &[postfix]),
        ("exim-spam-scan 1hour 90", &[exim]),
    ] {
        let (text, status) = shell(line);
        assert_eq!(status, Some(0), "{line}\n{text}");
        for wanted in wanted {
            assert!(text.contains(wanted), "{line}\nwanted {wanted}\ngot {text}");
        }
    }
}

#[test]
fn every_command_of_the_readme_works() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"));
    let readme = readme.expect("there is a README");
    let commands: Vec<String> = readme
        .lines()
        .filter_map(|line| {
            let line = line.strip_prefix("    ")?;
            // A crontab line has five fields before its command.
            let fields: Vec<&str> = line.split_whitespace().collect();
            let is_cron = fields.iter().take(5).all(|field| field.contains('*') || *field == "0");
            if is_cron {
                Some(fields.get(5..)?.join(" "))
            } else {
                Some(line.strip_prefix("$ ")?.into())
            }
        })
        .collect();
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        let (text, status) = shell(&command);
        assert_eq!(status, Some(0), "{command}\n{text}");
        assert!(!text.contains("-check: "), "{command}\n{text}");
    }
}

#[test]
fn help_and_version_of_every_program() {
    for name in PROGRAMS {
        for args in [&["--help"][..], &["-h"], &["h"], &["help"]] {
            let run = run(name, args);
            assert_eq!((run.status, &run.err[..]), (Some(0), ""), "{name} {args:?}");
            assert!(run.text().starts_with(&format!("{name}: ")), "{name} {args:?}");
            assert!(run.text().lines().all(|line| line.chars().count() <= 80), "{name}");
            assert!(run.text().contains("--format=text|table|json"), "{name}");
        }
        assert_eq!(run(name, &["-V"]).text(), format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn wrong_usage_is_named_in_one_line_with_status_2() {
    for (name, args, wanted) in [
        (0, &["--nope"][..], "--nope"),
        (0, &["logs/mail.log"], "to read a file: -l logs/mail.log"),
        (1, &["mainlog"], "to read a file: -l mainlog"),
        (2, &["x.log"], "to read a file: -l x.log"),
        (3, &["10", "/x"], "to read a file: -l /x"),
        (0, &["-l", "mail.log", "mail.log.1"], "quote the pattern: -l 'mail.log*'"),
        (1, &["-l", "mainlog", "mainlog.1"], "quote the pattern: -l 'mainlog*'"),
        (2, &["10", "-l", "a.log", "b.log"], "quote the pattern: -l '*.log'"),
        (2, &["-l", "a.log", "b.log"], "quote the pattern: -l '*.log'"),
        (0, &["1 hour ago"], "did you mean 1hour?"),
        (0, &["-p", "30 minutes ago"], "did you mean 30minutes?"),
        (0, &["--json"], "did you mean --format=json?"),
        (2, &["--table"], "did you mean --format=table?"),
        (1, &["--top"], "did you mean --format=table?"),
        (1, &["--since=1hour"], "did you mean --period=PERIOD?"),
        (3, &["--since=1hour"], "did you mean the argument MINUTES?"),
        (0, &["--limit=5"], "did you mean --max-connections=N?"),
        (2, &["--limit", "5"], "did you mean the argument MAX_DAILY_MAILS?"),
        (3, &["--limit", "5"], "did you mean the argument MAX_MAILS?"),
        (2, &["--file=x"], "did you mean --logs=FILE?"),
        (0, &["--disable-acount=5"], "did you mean --disable-account="),
        (0, &["--unlock=bob"], "did you mean --enable-account="),
        (2, &["-q"], "not needed"),
        (0, &["--format=yaml"], "--format: 'yaml' is not one of text, table, json"),
        (0, &["--disable-account=5,x"], "--disable-account '5,x': "),
        (0, &["3600"], "did you mean 3600sec"),
        (0, &["-p", "1hour", "1hour"], "given both"),
        (0, &["1hour", "90", "5"], "'5'"),
        (0, &["-m", "many"], "'many'"),
        (0, &["-w", "mail.example.org"], "'mail.example.org'"),
        (0, &["-p", "99999999999hours"], "'99999999999hours'"),
        (0, &["-0"], "-0"),
        (0, &["-n", "a", "--sasl-access=/x"], "--nis and --sasl-access"),
        (0, &["-d", "5,5", "-n", "host:99999"], "'host:99999'"),
        (0, &["-d", "5,5", "-n", "host:99999", "--dry-run"], "'host:99999'"),
        (0, &["-d", "5,5", "-n", "a@b@c", "--dry-run"], "'a@b@c'"),
        (0, &["--smtp=host:99999"], "--smtp 'host:99999'"),
        (0, &["--disable-command=x"], "--disable-command 'x': "),
        (0, &["--sasl-access=pcre:/x"], "--sasl-access 'pcre:/x': "),
        (0, &["--notify=a b"], "--notify"),
        (0, &["--dry-run", "--enable-account=alice"], "--dry-run cannot be combined"),
        (1, &["-p", "tomorrow"], "'tomorrow'"),
        (1, &["3600", "60", "7"], "'7'"),
        (1, &["3600", "60", "-m", "60"], "given both"),
        (2, &["ten"], "'ten'"),
        (2, &["-0", "--format=json"], "--null"),
        (3, &["10", "10", "10"], "'10'"),
        (3, &["-5"], "-5"),
    ] {
        let run = run(PROGRAMS[name], args);
        assert_eq!(run.status, Some(2), "{args:?}: {}", run.err);
        assert_eq!(run.text(), "", "{args:?}");
        assert!(run.err.starts_with(&format!("{}: ", PROGRAMS[name])), "{}", run.err);
        assert!(run.err.contains(wanted) && run.err.lines().count() == 1, "{args:?}: {}", run.err);
    }
}

#[test]
fn the_exit_status_says_what_was_found_only_when_asked() {
    let dir = Directory::new();
    let log = dir.file("log", accepted("17:57:00", "bob").repeat(3));
    let blind = dir.file("blind", "no stamp here\nnor here\n");
    let empty = dir.file("empty", "");
    let missing = dir.path("missing").to_str().expect("a plain name").to_owned();
    for (path, limit, by_default, with_e) in [
        (&log, "3", 0, 1),
        (&log, "4", 0, 0),
        (&empty, "1", 0, 0),
        (&blind, "1", 1, 3),
        (&missing, "1", 1, 3),
    ] {
        let args = ["-m", limit, "--now", NOW, "--overrides=/dev/null", "-l", path];
        assert_eq!(run(PROGRAMS[0], &args).status, Some(by_default), "{path}");
        let args = [&["-e"], &args[..]].concat();
        assert_eq!(run(PROGRAMS[0], &args).status, Some(with_e), "{path} -e");
    }
}

#[test]
fn with_an_unknown_time_zone_nothing_is_checked() {
    let dir = Directory::new();
    let log = dir.file("log", accepted("17:57:00", "bob"));
    let with_tz = |name, tz: &str, args: &[&str]| {
        Run::from(command(name).env("TZ", tz).args(args).output().expect("the program starts"))
    };
    let unknown = "TZ=Asia/Calcuta: not a time zone that is installed, nor a POSIX rule";
    for name in PROGRAMS {
        let told = format!("{name}: {unknown}; nothing was checked\n");
        for (args, status) in [(&["-l", &*log][..], 1), (&["-l", &*log, "-e"], 3), (&["-e"], 3)] {
            let run = with_tz(name, "Asia/Calcuta", args);
            assert_eq!((run.status, run.text(), &run.err), (Some(status), String::new(), &told));
        }
        for (args, status) in [(&["--help"][..], 0), (&["--version"], 0), (&["--no-such"], 2)] {
            let run = with_tz(name, "Asia/Calcuta", args);
            assert!(!run.err.contains("TZ="), "{name} {args:?}: {}", run.err);
            assert_eq!(run.status, Some(status), "{name} {args:?}");
        }
    }
    let found = |tz: &str| {
        let run = with_tz(PROGRAMS[0], tz, &["-e", "-m", "1", "--now", NOW, "-l", &log]);
        (run.status, run.err)
    };
    for tz in [
        ":Europe/Madrid",
        "/usr/share/zoneinfo/Europe/Madrid",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "",
        "GMT",
        "EST5EDT",
    ] {
        assert_eq!(found(tz), (Some(1), String::new()), "{tz}");
    }
}

#[test]
fn locking_is_decided_and_not_done() {
    let dir = Directory::new();
    let mut log = String::new();
    for (user, hosts) in [("bot", 9), ("honest", 2), ("root", 9), ("we ird", 9)] {
        for n in 0..12 {
            let host = n % hosts;
            let isp = char::from(b'a' + host);
            let name = if n % 2 == 0 { "unknown".into() } else { format!("c{n}.{isp}.net") };
            log += &format!(
                "Nov 23 17:57:{n:02} mx postfix/smtpd[7]: NOQUEUE: client={name}[192.0.2.{host}], \
                 sasl_method=PLAIN, sasl_username={user}\n"
            );
        }
    }
    let log = dir.file("log", log);
    let args =
        ["-m", "10", "-d", "2,2", "--overrides=/dev/null", "--host=mx", "-l", &log, "--now", NOW];
    for (way, bot) in [
        (&["--sasl-access=hash:/etc/postfix/sasl_access"][..], "bot [WOULD DISABLE]"),
        (&["-n", "master.example.org"], "bot [WOULD DISABLE]"),
        (&["--disable-command=/usr/local/sbin/lock"], "bot [WOULD DISABLE]"),
        (&[], "bot [NOT DISABLED: no such account]"),
    ] {
        let run = run(PROGRAMS[0], &[&args[..], way].concat());
        assert_eq!((run.status, &run.err[..]), (Some(0), ""));
        let ends: Vec<String> = run
            .text()
            .lines()
            .filter_map(|line| Some(line.split_once("sasl_username=")?.1.to_owned()))
            .collect();
        let root = "root [NOT DISABLED: never locked]";
        let weird = "we ird [NOT DISABLED: not a name of an account]";
        assert_eq!(ends, [bot, "honest", root, weird]);
    }
}

#[test]
fn periods_mean_what_date_says() {
    const NOON: i64 = 1_774_958_400; // 2026-03-31 12:00:00 UTC
    for period in [
        "1hour",
        "10minute",
        "30minutes",
        "90sec",
        "1min",
        "2 days",
        "1week",
        "2 weeks",
        "1fortnight",
        "1month",
        "2months",
        "13 months",
        "1year",
        "4years",
        "1HOUR",
        "1 Day",
        "25hours",
        "100000seconds",
    ] {
        let output = Command::new("date")
            .args(["-u", "+%s", "-d", &format!("-{period} 2026-03-31 12:00:00")])
            .output()
            .expect("date runs");
        let date = String::from_utf8_lossy(&output.stdout).trim().parse();
        let ours = Period::parse(period).and_then(|period| period.before(NOON, &Zone::utc()));
        assert_eq!(ours.ok(), date.ok(), "{period}");
    }
}
