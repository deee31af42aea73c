//! Notices to a mail server that takes them, refuses, hangs up or stalls at each step, and to a sendmail that does.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use spamact::mail::{Address, Error, Login, Mailer, Route, Server, SmtpFailure, Timeouts};
use testkit::Directory;
use testkit::smtp::{Fault, Sink, certificate, other_certificate};

const MESSAGE: &[u8] = b"Subject: s\r\n\r\n.\r\n..\r\n.x\r\nlast\r\n";
/// The same with its dots doubled, and with the final dot.
const ON_THE_WIRE: &[u8] = b"Subject: s\r\n\r\n..\r\n...\r\n..x\r\nlast\r\n.\r\n";

/// Long enough for the busiest machine; and the limit for a stall in a test.
const STEP: Duration = Duration::from_secs(10);
const QUICK: Duration = Duration::from_secs(1);

fn to() -> Address {
    Address::parse("root@example.org").expect("an address")
}

/// A sendmail that is a script.
fn sendmail(dir: &Directory, script: &str) -> PathBuf {
    dir.program(
        "sendmail",
        &format!(
            "#!/bin/sh
{script}
"
        ),
    )
}

const TIMEOUTS: Timeouts =
    Timeouts { step: STEP, total: Duration::from_secs(40), give_up_after: STEP };

/// A mailer to a sink, as to another host.
fn elsewhere(at: SocketAddr, login: Option<&Login>, ca_files: &[PathBuf]) -> Mailer {
    let server = Server::parse(&format!("localhost:{}", at.port()));
    let route = Route::Server {
        server: server.expect("a server"),
        login: login.cloned(),
        ca_files: ca_files.to_vec(),
    };
    Mailer { route, host: "mail.example.org".into(), timeouts: TIMEOUTS }
}

fn here(at: SocketAddr, sendmail: &Path) -> Mailer {
    let route = Route::Here { smtp: at, sendmail: sendmail.to_owned() };
    Mailer { route, host: "mail.example.org".into(), timeouts: TIMEOUTS }
}

/// An address at which nothing listens: the servers here have ports of their own.
fn nobody() -> SocketAddr {
    ([127, 0, 0, 1], 9).into()
}

/// The certificate of every sink in a file, for a client that trusts it.
fn ca_file() -> PathBuf {
    static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
        let name = format!("spamact-ca-{}.pem", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, certificate()).expect("the directory can be written");
        path
    });
    FILE.clone()
}

fn login(text: &str) -> Login {
    let dir = Directory::new();
    let path = PathBuf::from(dir.file("auth", text));
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("it is ours");
    Login::read(&path, false).expect("a login")
}

/// The step and the cause of a failed session.
fn why(result: Result<(), Error>) -> (&'static str, SmtpFailure) {
    match result {
        Err(Error::Smtp { step, source, .. }) => (step, source),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mail_arrives_whole_in_plain_text_on_this_host() {
    // STARTTLS is not used on loopback: the certificate of a fresh host could not be verified.
    let (at, seen) = Sink { start_tls: true, ..Sink::default() }.listen();
    here(at, Path::new("/nonexistent")).send(&to(), MESSAGE).expect("it is taken");
    let seen = seen.recv().expect("there was a session");
    assert_eq!(
        seen.commands,
        ["EHLO mail.example.org", "MAIL FROM:<root>", "RCPT TO:<root@example.org>", "DATA", "QUIT"]
    );
    assert_eq!(seen.data, ON_THE_WIRE);
}

#[test]
fn a_host_name_that_could_be_a_command_is_not_sent() {
    let (at, seen) = Sink::default().listen();
    let mailer = Mailer { host: "x\r\nRCPT TO:<y>".into(), ..here(at, Path::new("/nonexistent")) };
    mailer.send(&Address::parse("root").expect("an address"), MESSAGE).expect("it is taken");
    let seen = seen.recv().expect("there was a session");
    assert_eq!(
        seen.commands,
        ["EHLO [127.0.0.1]", "MAIL FROM:<root>", "RCPT TO:<root>", "DATA", "QUIT"]
    );
}

#[test]
fn a_server_that_refuses_a_bare_name_gets_the_full_one() {
    let root = Address::parse("root").expect("an address");
    let (at, seen) = Sink { whole_addresses: true, ..Sink::default() }.listen();
    here(at, Path::new("/nonexistent")).send(&root, MESSAGE).expect("it is taken");
    let first = seen.recv().expect("there was a session");
    assert_eq!(first.commands[1..], ["MAIL FROM:<root>"]);
    let second = seen.recv().expect("there was another");
    assert_eq!(
        second.commands[1..3],
        ["MAIL FROM:<root@mail.example.org>", "RCPT TO:<root@mail.example.org>"]
    );
    assert_eq!(second.data, ON_THE_WIRE);
}

const STEPS: [&str; 6] = ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot"];

#[test]
fn every_step_can_fail_in_every_way_and_the_error_names_it() {
    std::thread::scope(|scope| {
        for step in STEPS {
            for fault in [Fault::Refuse, Fault::Defer, Fault::Drop, Fault::Stall, Fault::Babble] {
                scope.spawn(move || {
                    let (at, _seen) = Sink { fault: Some((step, fault)), ..Sink::default() }.listen();
                    let mut mailer = elsewhere(at, None, &[]);
                    if fault == Fault::Stall {
                        mailer.timeouts = Timeouts { step: QUICK, total: STEP * 6, ..TIMEOUTS };
                    }
                    let begun = Instant::now();
                    let (at, cause) = why(mailer.send(&to(), MESSAGE));
                    assert_eq!(at, if step == "dot" { "DATA" } else { step }, "{fault:?}");
                    let fits = match fault {
                        Fault::Refuse => matches!(&cause, SmtpFailure::Rejected(text) if text.starts_with("554 no\\x1b[31m\\x")),
                        Fault::Defer => matches!(&cause, SmtpFailure::Rejected(text) if text == "451 later"),
                        Fault::Stall => matches!(cause, SmtpFailure::TimedOut),
                        Fault::Drop => matches!(cause, SmtpFailure::Protocol | SmtpFailure::Io(_)),
                        _ => matches!(cause, SmtpFailure::Protocol | SmtpFailure::TimedOut),
                    };
                    assert!(fits, "{step} {fault:?}: {cause:?}");
                    assert!(begun.elapsed() < STEP * 5, "{step} {fault:?}");
                });
            }
        }
    });
}

#[test]
fn a_reply_that_never_ends_times_out() {
    std::thread::scope(|scope| {
        for step in ["greeting", "EHLO", "MAIL"] {
            scope.spawn(move || {
                let (at, _seen) =
                    Sink { fault: Some((step, Fault::Trickle)), ..Sink::default() }.listen();
                let mut mailer = elsewhere(at, None, &[]);
                mailer.timeouts = Timeouts { step: STEP * 20, total: QUICK * 2, ..TIMEOUTS };
                assert!(matches!(why(mailer.send(&to(), MESSAGE)), (_, SmtpFailure::TimedOut)));
            });
        }
    });
}

#[test]
fn a_mail_that_was_taken_is_sent_however_the_server_says_goodbye() {
    for fault in [Fault::Refuse, Fault::Drop, Fault::Stall, Fault::Babble] {
        let (at, seen) = Sink { fault: Some(("QUIT", fault)), ..Sink::default() }.listen();
        let mut mailer = elsewhere(at, None, &[]);
        mailer.timeouts.step = QUICK;
        mailer.send(&to(), MESSAGE).expect("it was taken");
        if fault != Fault::Stall {
            assert_eq!(seen.recv().expect("there was a session").data, ON_THE_WIRE);
        }
    }
}

#[test]
fn nobody_listens_and_a_host_that_is_not_there() {
    let (step, cause) = why(elsewhere(nobody(), None, &[]).send(&to(), MESSAGE));
    assert!(step == "connection" && matches!(cause, SmtpFailure::Io(_)), "{step} {cause:?}");
    let mut mailer = elsewhere(nobody(), None, &[]);
    let server = Server::parse("no-such-host.invalid").expect("a server");
    mailer.route = Route::server(server, None);
    let (step, _) = why(mailer.send(&to(), MESSAGE));
    assert_eq!(step, "lookup");
}

#[test]
fn starttls_is_used_where_it_is_offered_and_only_with_a_good_certificate() {
    let (at, seen) = Sink { start_tls: true, ..Sink::default() }.listen();
    elsewhere(at, None, &[ca_file()]).send(&to(), MESSAGE).expect("the CA is known");
    let session = seen.recv().expect("there was a session");
    assert!(session.tls);
    assert_eq!(session.data, ON_THE_WIRE);
    assert_eq!(
        session.commands[..3],
        ["EHLO mail.example.org", "STARTTLS", "EHLO mail.example.org"]
    );

    let dir = Directory::new();
    let (nothing, other) = (dir.path("nothing.pem"), dir.path("other.pem"));
    fs::write(&nothing, "").expect("the directory is ours");
    fs::write(&other, other_certificate()).expect("the directory is ours");
    // The first file that exists is used, and no other.
    for files in [vec![other, ca_file()], vec![nothing], vec!["/nonexistent".into()], vec![]] {
        let (step, cause) = why(elsewhere(at, None, &files).send(&to(), MESSAGE));
        assert!(step == "STARTTLS" && matches!(cause, SmtpFailure::Tls(_)), "{step} {cause:?}");
        let session = seen.recv().expect("there was a session");
        assert!(session.data.is_empty());
        assert!(!session.commands.iter().any(|command| command.starts_with("MAIL")));
    }
}

#[test]
fn the_authorities_of_this_host_do_not_include_that_of_the_test() {
    let (at, _seen) = Sink { start_tls: true, ..Sink::default() }.listen();
    let mut mailer = elsewhere(at, None, &[]);
    let server = Server::parse(&format!("localhost:{}", at.port())).expect("a server");
    mailer.route = Route::server(server, None);
    let (step, cause) = why(mailer.send(&to(), MESSAGE));
    assert!(step == "STARTTLS" && matches!(cause, SmtpFailure::Tls(_)), "{step} {cause:?}");
}

#[test]
fn a_certificate_of_another_name_is_refused() {
    let (at, _seen) = Sink { start_tls: true, ..Sink::default() }.listen();
    let mut mailer = elsewhere(at, None, &[]);
    // The same host by an address that the certificate does not name.
    let server = Server::parse(&format!("127.0.0.2:{}", at.port())).expect("a server");
    mailer.route = Route::Server { server, login: None, ca_files: vec![ca_file()] };
    // The sink listens on 127.0.0.1 only: connect through a proxy at that address.
    let listener = std::net::TcpListener::bind(("127.0.0.2", at.port()));
    let listener = listener.expect("all of 127.0.0.0/8 is loopback");
    std::thread::spawn(move || {
        let (client, _) = listener.accept().expect("it comes");
        let server = std::net::TcpStream::connect(at).expect("it listens");
        let (mut a, mut b) =
            (client.try_clone().expect("a socket"), server.try_clone().expect("one"));
        std::thread::spawn(move || std::io::copy(&mut a, &mut b));
        let (mut a, mut b) = (server, client);
        let _ = std::io::copy(&mut a, &mut b);
    });
    let (step, cause) = why(mailer.send(&to(), MESSAGE));
    assert!(step == "STARTTLS" && matches!(cause, SmtpFailure::Tls(_)), "{step} {cause:?}");
}

#[test]
fn starttls_can_fail_in_every_way() {
    for fault in [Fault::Refuse, Fault::Defer, Fault::Drop, Fault::Stall, Fault::Babble] {
        let (at, _seen) =
            Sink { start_tls: true, fault: Some(("STARTTLS", fault)), ..Sink::default() }.listen();
        let mut mailer = elsewhere(at, None, &[ca_file()]);
        if fault == Fault::Stall {
            mailer.timeouts.step = QUICK;
        }
        assert_eq!(why(mailer.send(&to(), MESSAGE)).0, "STARTTLS", "{fault:?}");
    }
}

#[test]
fn tls_from_the_first_byte() {
    let (at, seen) = Sink { implicit_tls: true, ..Sink::default() }.listen();
    let server = Server::parse(&format!("127.0.0.1:{}", at.port())).expect("a server");
    let mut mailer = elsewhere(at, None, &[]);
    let mut route = |ca_files| {
        let server = server.clone().implicit_tls();
        mailer.route = Route::Server { server, login: None, ca_files };
        mailer.send(&to(), MESSAGE)
    };
    route(vec![ca_file()]).expect("the CA is known");
    assert_eq!(seen.recv().expect("there was a session").data, ON_THE_WIRE);
    assert_eq!(why(route(vec![])).0, "TLS");
}

#[test]
fn a_password_goes_out_only_under_tls() {
    let alice = login("alice\nsecret\n");
    for auth in ["PLAIN LOGIN", "LOGIN", "CRAM-MD5 DIGEST-MD5 LOGIN PLAIN SCRAM-SHA-256"] {
        let (at, seen) = Sink { start_tls: true, auth: Some(auth), ..Sink::default() }.listen();
        elsewhere(at, Some(&alice), &[ca_file()]).send(&to(), MESSAGE).expect("the login is good");
        let session = seen.recv().expect("there was a session");
        assert_eq!(session.data, ON_THE_WIRE, "{auth}");
        assert_eq!(session.commands.iter().filter(|line| line.starts_with("AUTH")).count(), 1);

        let (at, seen) = Sink { auth: Some(auth), ..Sink::default() }.listen();
        let (step, cause) = why(elsewhere(at, Some(&alice), &[ca_file()]).send(&to(), MESSAGE));
        assert!(step == "STARTTLS" && matches!(cause, SmtpFailure::NoStartTls));
        assert_eq!(seen.recv().expect("there was a session").commands, ["EHLO mail.example.org"]);
    }
}

#[test]
fn a_login_that_is_wrong_missing_or_not_offered_is_reported() {
    let with = |auth, login: Option<&Login>| {
        let (at, _seen) = Sink { start_tls: true, auth, ..Sink::default() }.listen();
        why(elsewhere(at, login, &[ca_file()]).send(&to(), MESSAGE))
    };
    let (wrong, right) = (login("alice:wrong"), login("alice:secret"));
    let (step, cause) = with(Some("PLAIN"), Some(&wrong));
    assert!(step == "AUTH" && matches!(&cause, SmtpFailure::Rejected(text) if text == "535 no"));
    assert!(!format!("{cause:?}").contains("wrong"));
    let (step, cause) = with(Some("CRAM-MD5 GSSAPI"), Some(&right));
    assert!(step == "AUTH" && matches!(cause, SmtpFailure::NoMechanism), "{step} {cause:?}");
    let (step, cause) = with(None, Some(&right));
    assert!(step == "AUTH" && matches!(cause, SmtpFailure::NoMechanism), "{step} {cause:?}");
    let (step, cause) = with(Some("PLAIN"), None);
    assert!(step == "MAIL" && matches!(cause, SmtpFailure::Rejected(_)), "{step} {cause:?}");
}

#[test]
fn a_login_that_is_an_address_is_the_sender() {
    let server = || Server::parse("localhost").expect("a server");
    for (user, want) in
        [("alice@example.net:x", "alice@example.net"), ("alice:x", "root@mail.example.org")]
    {
        let route = Route::server(server(), Some(login(user)));
        assert_eq!(route.sender("mail.example.org").as_ref(), want);
    }
    assert_eq!(Route::default().sender("mail").as_ref(), "root");
}

#[test]
fn if_no_server_answers_sendmail_gets_the_mail() {
    let dir = Directory::new();
    let script = format!(
        "cd '{}' && cat > stdin && for a; do echo \"$a\"; done > arguments && env > environment",
        dir.dir().display()
    );
    let sendmail = sendmail(&dir, &script);
    let (dropping, _seen) = Sink { fault: Some(("dot", Fault::Drop)), ..Sink::default() }.listen();
    for at in [nobody(), dropping] {
        for name in ["stdin", "arguments", "environment"] {
            let _ = fs::remove_file(dir.path(name));
        }
        here(at, &sendmail).send(&to(), MESSAGE).expect("sendmail takes it");
        assert_eq!(dir.read("stdin"), "Subject: s\n\n.\n..\n.x\nlast\n");
        assert_eq!(dir.read("arguments"), "-i\n--\nroot@example.org\n");
        let environment = dir.read("environment");
        let ours = |line: &str| {
            ["PATH=", "LC_ALL=C", "PWD=", "OLDPWD=", "_=", "SHLVL="]
                .iter()
                .any(|known| line.starts_with(known))
        };
        assert!(environment.lines().all(ours), "{environment}");
    }
}

#[test]
fn a_sendmail_that_fails_hangs_or_is_missing_is_reported_with_the_error_of_the_server() {
    let dir = Directory::new();
    let big = [MESSAGE, &b"x".repeat(1 << 20)].concat();
    for (script, want) in [
        ("echo 'no \x1b space' >&2; exit 75", "exit status 75: no \\x1b space"),
        ("exit 1", "exit status 1"),
        ("sleep 600", "killed after"),
        ("trap '' TERM; cat >/dev/null; sleep 600 & wait", "killed after"),
        ("sleep 5 & exit 3", "exit status 3"),
        ("yes | head -c 1000000; exit 4", "exit status 4"),
        ("kill -9 $$", "killed by signal 9"),
    ] {
        let sendmail = sendmail(&dir, script);
        let mut mailer = here(nobody(), &sendmail);
        mailer.timeouts.total = if want == "killed after" { QUICK } else { STEP * 10 };
        let begun = Instant::now();
        let error = mailer.send(&to(), &big).expect_err("it fails");
        assert!(begun.elapsed() < STEP * 5, "{script}");
        let text = error.to_string();
        assert!(text.contains("connection failed: ") && text.contains(want), "{script}: {text}");
    }
    let missing = here(nobody(), &dir.path("missing")).send(&to(), MESSAGE);
    assert!(missing.expect_err("it fails").to_string().contains("cannot be run"));
}
