//! The wrapper and the prepend file for old PHP: what a visitor or a caller hands them, what syslog gets, and
//! what sendmail gets.
//!
//! Each test runs itself once more in a [`Namespace`] with a `/dev/log` that is read and a `/usr/sbin/sendmail` of its own:
//! the fake MTA's keeps mails, this one every byte of its arguments, environment and input. It takes root.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use spamcore::parse::php_wrapper::PhpWrapper;
use spamcore::parse::{Event, Parser, unescape};
use testkit::{Namespace, cannot_run};
use tests::Directory;

const WRAPPER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/php/phpsendmail");
const PREPEND: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/php/phpsendmail.php");

/// What is made of a private host.
const SETUP: &str = r#"
chmod 777 "$W"
rm -f /usr/sbin/sendmail
cat >/usr/sbin/sendmail <<S
#!/usr/bin/perl
open my \$kept, '>', "$W/kept" or die; binmode \$_ for \$kept, *STDIN; undef \$/;
print \$kept join("\0", scalar @ARGV, @ARGV, 2 * keys %ENV, %ENV, <STDIN>);
exit 75;
S
chmod 755 /usr/sbin/sendmail
"#;

/// What a program of that name is replaced by, in this namespace.
const REPLACED: &str = r#"cp "$2" "$W/fake-$1"; mount --bind "$W/fake-$1" "/usr/bin/$1""#;

struct Host {
    dir: PathBuf,
    syslog: UnixDatagram,
}

/// What sendmail got, and how the wrapper ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sent {
    status: Option<i32>,
    args: Vec<Vec<u8>>,
    environment: BTreeMap<Vec<u8>, Vec<u8>>,
    input: Vec<u8>,
}

const INPUT: &[u8] = b"To: a@example.net\n\nhello \xff\0 and\n.\nmore\n";

/// Runs a test on a host of its own. `test` is the test's name.
fn on_a_host(test: &str, body: fn(&Host)) {
    Namespace { setup: SETUP, ..Namespace::default() }.test(test, |dir| {
        let syslog = UnixDatagram::bind("/dev/log").expect("/dev is ours");
        fs::set_permissions("/dev/log", Permissions::from_mode(0o666)).expect("it is ours");
        syslog.set_read_timeout(Some(Duration::from_millis(500))).expect("it can be set");
        body(&Host { dir: dir.into(), syslog });
    });
}

impl Host {
    /// Runs the wrapper by a shell, with an environment and arguments, to its end.
    fn wrap(&self, shell: &str, environment: &[(&[u8], &[u8])], args: &[&[u8]]) -> Sent {
        let mut command = Command::new(shell);
        command.arg0("sh").arg(WRAPPER).args(args.iter().map(|arg| OsStr::from_bytes(arg)));
        command.env_clear();
        for (name, value) in environment {
            command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
        }
        self.run(command)
    }

    fn run(&self, mut command: Command) -> Sent {
        let kept = self.dir.join("kept");
        let _ = fs::remove_file(&kept);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell starts");
        child.stdin.take().expect("it was piped").write_all(INPUT).expect("sendmail reads all");
        let status = child.wait().expect("it ends").code();
        let kept = fs::read(kept).unwrap_or_default();
        let mut fields = kept.split(|&b| b == 0).map(<[u8]>::to_vec);
        let mut some = || -> Vec<Vec<u8>> {
            let count = fields.next().and_then(|n| String::from_utf8(n).ok()?.parse().ok());
            fields.by_ref().take(count.unwrap_or(0)).collect()
        };
        let args = some();
        let environment =
            some().chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        // The input has a NUL itself.
        let input = fields.collect::<Vec<_>>().join(&0);
        Sent { status, args, environment, input }
    }

    /// The line that syslog got, if it got one, as it stands in a file.
    fn line(&self) -> Option<Vec<u8>> {
        let mut line = vec![0; 65536];
        match self.syslog.recv(&mut line) {
            Ok(length) => {
                line.truncate(length);
                Some(line)
            }
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
                None
            }
        }
    }

    /// Puts a shell script in the place of a program in /usr/bin.
    fn replace(&self, program: &str, script: &str) {
        let path = self.dir.join(format!("{program}.sh"));
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("the directory is ours");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("the file is ours");
        let mut command = Command::new("bash");
        command.args(["-ec", REPLACED, "replace", program]).arg(path).env("W", &self.dir);
        assert!(command.status().expect("bash runs").success(), "{program}");
    }
}

/// Asserts that sendmail got everything, and PHP its status.
#[track_caller]
fn assert_sent(sent: &Sent, args: &[&[u8]]) {
    let want: Vec<&[u8]> = [&[&b"-t"[..], b"-i"], args].concat();
    assert_eq!(sent.args, want);
    assert_eq!(sent.input, INPUT);
    assert_eq!(sent.status, Some(75), "the status is sendmail's");
}

/// The script that a line counts for, as `php-legacy-spam-check` reads it.
fn script(line: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let line = PhpWrapper.line(line);
    match (&line.content, line.event().as_deref()) {
        (None, _) => Ok(None),
        (_, Some(Event::Accepted(sent))) if line.times == 1 => {
            Ok(Some(sent.senders.first().name.to_vec()))
        }
        _ => Err(format!("{line:?}")),
    }
}

/// The values of a line, by another way than the program's: between commas, which no value holds.
fn values(line: &[u8]) -> Vec<(String, Vec<u8>)> {
    let text = std::str::from_utf8(line).expect("nothing but ASCII");
    let message = text.split_once("sendmail-php v=2, ").expect("the wrapper's").1;
    let pair = |field: &str| {
        let (name, value) = field.split_once('=').expect("a field");
        (name.to_owned(), unescape(value.as_bytes()))
    };
    message.split(", ").map(pair).collect()
}

/// Bytes without NUL, and pieces of the grammars.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(1_u8..=255, 0..12),
        Just(b", client=9.9.9.9, filename=/home/victim/x.php, uid=0, user=root, args=".to_vec()),
        Just(b"\nNov 23 17:57:00 web root: sendmail-php v=2, url=, client=".to_vec()),
        Just(b"%2c%20*+".to_vec()),
        Just(b"/home/user/a.php".to_vec()),
        Just(b"\n\n".to_vec()),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

#[test]
fn a_line_says_what_the_wrapper_was_given_and_nothing_else() {
    on_a_host("a_line_says_what_the_wrapper_was_given_and_nothing_else", |host| {
        let given = (text(), text(), text(), text(), prop::collection::vec(text(), 0..3), 0..4_u8);
        let config = Config {
            cases: 40,
            max_shrink_iters: 40,
            failure_persistence: None,
            ..Config::default()
        };
        let result = TestRunner::new(config).run(&given, |(at, uri, client, path, args, shell)| {
            let shell = if shell == 0 { "bash" } else { "dash" };
            let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
            let environment: [(&[u8], &[u8]); 5] = [
                (b"HTTP_HOST", &at),
                (b"REQUEST_URI", &uri),
                (b"REMOTE_ADDR", &client),
                (b"SCRIPT_FILENAME", &path),
                (b"LC_ALL", b"C.UTF-8"),
            ];
            assert_sent(&host.wrap(shell, &environment, &args), &args);
            let line = host.line().expect("a line");
            prop_assert_eq!(script(&line), Ok((!path.is_empty()).then(|| path.clone())));
            let joined = args.iter().fold(Vec::new(), |all, arg| [&all[..], b"+", arg].concat());
            let want = [
                ("url", [at, uri].concat()),
                ("client", client),
                ("filename", path),
                ("uid", b"0".to_vec()),
                ("user", b"root".to_vec()),
                ("args", joined),
            ];
            let got = values(&line);
            prop_assert_eq!(got.len(), want.len());
            for ((got_name, got), (name, want)) in got.iter().zip(&want) {
                prop_assert_eq!(got_name, name);
                // What is long is cut and marked.
                match got.strip_suffix(b"*").filter(|_| !want.ends_with(b"*")) {
                    Some(got) => prop_assert!(want.starts_with(got) && got.len() >= 30),
                    None => prop_assert_eq!(got, want),
                }
            }
            Ok(())
        });
        result.expect("every case is right");
        assert_eq!(host.line(), None, "one line each");
    });
}

#[test]
fn no_address_pushes_the_path_out_of_the_line() {
    on_a_host("no_address_pushes_the_path_out_of_the_line", |host| {
        for byte in [b"x", b",", b"\xff", b"%"] {
            let (long, path) = (byte.repeat(30_000), [&b"/"[..], &b"p".repeat(4095)].concat());
            let environment: [(&[u8], &[u8]); 4] = [
                (b"HTTP_HOST", b"www.example.org"),
                (b"REQUEST_URI", &long),
                (b"REMOTE_ADDR", &long),
                (b"SCRIPT_FILENAME", &path),
            ];
            let args: [&[u8]; 3] = [b"-f", &long, b"-i"];
            assert_sent(&host.wrap("dash", &environment, &args), &args);
            let line = host.line().expect("a line");
            assert_eq!(script(&line), Ok(Some(path)));
            assert!(line.len() < 6000, "{} bytes", line.len());
            let text = String::from_utf8(line).expect("ASCII");
            assert_eq!(text.matches('*').count(), 3, "three values are cut: {text}");
        }
        // A path that cannot stand in a line whole is not taken for another, and nobody hides by it.
        let path = b"\xff".repeat(4096);
        assert_sent(&host.wrap("dash", &[(b"SCRIPT_FILENAME", &path)], &[]), &[]);
        let line = host.line().expect("a line");
        assert!(script(&line).is_err_and(|line| line.contains("Ambiguous")));
        assert!(line.len() < 8000);
        assert_eq!(host.line(), None, "one line each");
    });
}

#[test]
fn a_hostile_environment_changes_nothing_and_reaches_sendmail_whole() {
    on_a_host("a_hostile_environment_changes_nothing_and_reaches_sendmail_whole", |host| {
        let dir = host.dir.as_os_str().as_bytes();
        let evil = [dir, b"/evil"].concat();
        fs::create_dir(OsStr::from_bytes(&evil)).expect("the directory is ours");
        let script_of = |name: &str| {
            let path = host.dir.join("evil").join(name);
            fs::write(&path, format!("#!/bin/sh\n: >{}/ran", host.dir.display())).expect("ours");
            fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("ours");
            path.into_os_string().into_vec()
        };
        let hook = script_of("hook");
        for name in ["logger", "timeout", "id", "sendmail", "printf"] {
            script_of(name);
        }
        let environments: &[&[(&[u8], &[u8])]] = &[
            &[(b"PATH", &evil)],
            &[(b"PATH", b"")],
            &[(b"IFS", b"/"), (b"PS4", b"$(id)"), (b"PPID", b"x")],
            &[(b"ENV", &hook), (b"BASH_ENV", &hook)],
            &[(b"SHELLOPTS", b"errexit:nounset:noglob:xtrace"), (b"PS4", b"")],
            &[(b"LC_ALL", b"xx_YY.nonsense"), (b"LANG", b"C.UTF-8")],
            &[(b"LD_PRELOAD", b"/nonexistent.so")],
            &[(b"TMPDIR", b"/nonexistent"), (b"HOME", b"/nonexistent"), (b"CDPATH", b"/")],
            &[(b"args", b"x"), (b"arg", b"x"), (b"line", b"x"), (b"rest", b"x"), (b"behind", b"")],
        ];
        for environment in environments {
            let own: [(&[u8], &[u8]); 1] = [(b"SCRIPT_FILENAME", b"/home/a b.php")];
            let environment = [environment, &own[..]].concat();
            for shell in ["/usr/bin/dash", "/usr/bin/bash"] {
                let shown = format!("{shell} {:?}", String::from_utf8_lossy(environment[0].0));
                let sent = host.wrap(shell, &environment, &[b"-f", b"*"]);
                assert_sent(&sent, &[b"-f", b"*"]);
                assert_eq!(
                    script(&host.line().expect(&shown)),
                    Ok(Some(b"/home/a b.php".to_vec())),
                    "{shown}"
                );
                for (name, value) in &environment {
                    // These are the shell's own.
                    if ![&b"IFS"[..], b"PPID", b"PS4", b"SHELLOPTS"].contains(name) {
                        assert_eq!(
                            sent.environment.get(*name).map(Vec::as_slice),
                            Some(*value),
                            "{shown}"
                        );
                    }
                }
                let mut more: Vec<_> =
                    sent.environment.keys().map(|n| String::from_utf8_lossy(n)).collect();
                more.retain(|name| !environment.iter().any(|(n, _)| *n == name.as_bytes()));
                more.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_", "PATH"].contains(&&**name));
                assert!(more.is_empty(), "{shown}: {more:?}");
            }
        }
        assert!(!host.dir.join("ran").exists(), "a program of the caller's ran");
    });
}

/// How long a mail took that went out although something of the logging failed.
fn sent_anyway(host: &Host) -> Duration {
    let begin = Instant::now();
    let sent = host.wrap("dash", &[(b"SCRIPT_FILENAME", b"/a.php")], &[b"-fx"]);
    assert_sent(&sent, &[b"-fx"]);
    begin.elapsed()
}

#[test]
fn a_syslog_that_fails_stops_no_mail() {
    on_a_host("a_syslog_that_fails_stops_no_mail", |host| {
        host.replace("logger", "exit 1");
        sent_anyway(host);
        let stolen = host.dir.join("stolen");
        host.replace(
            "logger",
            &format!("cat >{}; yes | head -c 1000000; kill -9 $PPID", stolen.display()),
        );
        sent_anyway(host);
        assert_eq!(fs::read(stolen).ok(), Some(Vec::new()), "the mail is sendmail's alone");
        host.replace("id", "exit 1");
        sent_anyway(host);
        for program in ["logger", "id", "timeout"] {
            host.replace(program, "");
            let path = host.dir.join(format!("fake-{program}"));
            fs::set_permissions(path, Permissions::from_mode(0o644)).expect("ours");
            sent_anyway(host);
        }
        assert_eq!(host.line(), None);
    });
}

#[test]
fn a_syslog_that_hangs_delays_a_mail_for_seconds_and_leaves_no_process() {
    on_a_host("a_syslog_that_hangs_delays_a_mail_for_seconds_and_leaves_no_process", |host| {
        host.replace("logger", &format!("echo $$ >>{}/pids; exec sleep 60", host.dir.display()));
        let took = sent_anyway(host);
        assert!(took >= Duration::from_secs(3), "it was waited for");
        assert!(took < Duration::from_secs(20), "{took:?}");
        let pids = fs::read_to_string(host.dir.join("pids")).expect("it ran");
        assert_eq!(pids.lines().count(), 1, "once");
        assert!(!Path::new("/proc").join(pids.trim()).exists(), "it was ended");
    });
}

#[test]
fn a_user_without_a_process_left_sends_all_the_same() {
    on_a_host("a_user_without_a_process_left_sends_all_the_same", |host| {
        for (processes, logged) in [(1, false), (50, true)] {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=54321", "--regid=54321", "--clear-groups", "prlimit"]);
            command.arg(format!("--nproc={processes}")).args(["--", WRAPPER, "-fx"]);
            command.env_clear().env("SCRIPT_FILENAME", "/a.php");
            assert_sent(&host.run(command), &[b"-fx"]);
            let line = host.line();
            assert_eq!(line.is_some(), logged);
            if let Some(line) = line {
                assert_eq!(script(&line), Ok(Some(b"/a.php".to_vec())));
                assert!(line.ends_with(b", uid=54321, user=54321, args=+-fx"));
            }
        }
    });
}

#[test]
fn the_prepend_file_hands_over_this_request_and_nothing_else() {
    const SHOW: &str = "<?php foreach (array('HTTP_HOST', 'REQUEST_URI', 'REMOTE_ADDR', 'SCRIPT_FILENAME', \
        'HTTP_PROXY') as $n) { $v = getenv($n, true); echo $n, '=', $v === false ? '-' : bin2hex($v), ' '; } \
        unset($n, $v); echo count(array_diff(array_keys($GLOBALS), array('_GET', '_POST', '_COOKIE', '_FILES', \
        '_SERVER', '_ENV', '_REQUEST', 'argv', 'argc'))), ' ', json_encode(error_get_last());";
    let dir = Directory::new();
    let page = dir.file("a b,c.php", SHOW);
    let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    let run = |program: &str, environment: &[(&str, &str)], options: &[&str]| {
        let mut command = Command::new(program);
        command.env_clear().envs(environment.iter().copied()).stdin(Stdio::null());
        command.args(["-n", "-d", "error_reporting=-1", "-d", "display_errors=1", "-d"]);
        command.arg(format!("auto_prepend_file={PREPEND}")).args(options);
        let output = command.output().ok()?;
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        Some(shown.split_once("\r\n\r\n").map_or(shown.clone(), |(_, page)| page.to_owned()))
    };
    let request = [
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("REDIRECT_STATUS", "200"),
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_FILENAME", page.as_str()),
        ("REQUEST_URI", "/a?x=, client=1.1.1.1\r\nX: y"),
        ("HTTP_PROXY", "evil"),
    ];
    let Some(shown) = run("php-cgi", &request, &[]) else {
        cannot_run("php-cgi is not installed");
        return;
    };
    // HTTP_PROXY is in CGI's environment, but was not put there.
    let with = |empty: &str| {
        let (uri, path) = (hex("/a?x=, client=1.1.1.1\r\nX: y"), hex(&page));
        format!(
            "HTTP_HOST={empty} REQUEST_URI={uri} REMOTE_ADDR={empty} SCRIPT_FILENAME={path} HTTP_PROXY={} 0 null",
            hex("evil")
        )
    };
    assert_eq!(shown, with(""), "what the request does not say is nothing");
    let disabled = run("php-cgi", &request, &["-d", "disable_functions=putenv"]);
    assert_eq!(disabled, Some(with("-")), "CGI's own");
    if let Some(shown) = run("php", &request, &[&page]) {
        assert_eq!(shown, with("-"), "on the command line nothing is put there");
    }
}
