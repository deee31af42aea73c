//! What is evidence, and who is told of suspects that are not locked.

use std::fs;
use std::process::Stdio;

use tests::Run;

use crate::host::*;

#[test]
fn lines_of_another_host_lock_nobody() {
    on_a_host("evidence::lines_of_another_host_lock_nobody", |host| {
        let lines = botnet(host.ten_minutes_ago(), b"alice");
        host.log(of_host("elsewhere.example", &lines));
        for _ in 0..2 {
            let run = host.check(&[]);
            reports(&run, "alice", " [NOT DISABLED: logged by elsewhere.example]");
            assert_eq!((run.status, &*run.err), (Some(0), ""));
            host.has_locked(&[]);
            let [subject] = &host.notices()[..] else { panic!("{:?}", host.notices()) };
            assert!(subject.ends_with(" [USER alice NOT DISABLED]"), "{subject}");
        }
        let run = host.check(&["--dry-run"]);
        reports(&run, "alice", " [NOT DISABLED: logged by elsewhere.example]");
        // Nor together with too few lines of this host.
        let few = lines.split_inclusive(|&b| b == b'\n').take(80).collect::<Vec<_>>().concat();
        host.log(
            [
                few,
                of_host("a", &lines),
                of_host("b\u{202e}]", &lines),
                of_host("b\u{202e}]", &lines),
            ]
            .concat(),
        );
        let run = host.check(&[]);
        reports(&run, "alice", " [NOT DISABLED: logged by b\\xe2\\x80\\xae\\x5d and 1 more]");
        // Nobody whom the other host names can make a run fail.
        host.log(of_host("elsewhere.example", &botnet(host.ten_minutes_ago(), b"nobody-here")));
        let run = host.check(&[]);
        reports(&run, "nobody-here", " [NOT DISABLED: logged by elsewhere.example]");
        assert_eq!((run.status, &*run.err), (Some(0), ""));
        host.has_locked(&[]);
        assert!(host.calls().is_empty());
    });
}

#[test]
fn lines_of_this_host_by_any_of_its_names_and_of_those_allowed_are_evidence() {
    on_a_host(
        "evidence::lines_of_this_host_by_any_of_its_names_and_of_those_allowed_are_evidence",
        |host| {
            fs::create_dir_all("/etc/postfix").expect("/etc is ours");
            fs::write("/etc/postfix/main.cf", "myhostname = mx7.example.net\n")
                .expect("/etc is ours");
            let node = fs::read_to_string("/proc/sys/kernel/hostname").expect("the kernel's name");
            let lines = botnet(host.ten_minutes_ago(), b"alice");
            for (name, options, locked) in [
                ("mail", &[][..], true),
                ("MAIL.example.org", &[], true),
                ("mx7.example.net", &[], true),
                ("mx7", &[], true),
                (node.trim(), &[], true),
                ("localhost", &[], true),
                ("mx8", &[], false),
                ("mx8", &["--host=mx9"], false),
                ("mx8", &["--host=mx9", "--host=MX?"], true),
                ("mx8.example.org", &["--host=mx?"], false),
                ("mx8.example.org", &["--host", "*.example.org"], true),
            ] {
                host.reset();
                host.log(of_host(name, &lines));
                let end = if locked {
                    " [DISABLED]".into()
                } else {
                    format!(" [NOT DISABLED: logged by {name}]")
                };
                reports(&host.check(options), "alice", &end);
                host.has_locked(if locked { &["alice"] } else { &[] });
            }
            for wrong in ["--host=", "--host=a b", "--host=\u{f6}"] {
                assert_eq!(host.run(&["-d", "5", wrong]).status, Some(2), "{wrong}");
            }
        },
    );
}

fn piped(host: &Host, lines: &[u8], options: &[&str]) -> Run {
    host.log(lines);
    let log = fs::File::open(host.path("log/mail.log")).expect("it was written");
    let mut command = host.command(&[&["-m", "90", "-d", "5", "-l", "-"], options].concat());
    command.stdin(Stdio::from(log)).output().expect("the program starts").into()
}

#[test]
fn a_table_refuses_what_a_pipe_shows_that_a_login_can_become() {
    on_a_host("evidence::a_table_refuses_what_a_pipe_shows_that_a_login_can_become", |host| {
        fs::create_dir_all("/etc/postfix").expect("/etc is ours");
        let option = &["--sasl-access=/etc/postfix/sasl_access", "--realm=none"];
        let refused = || {
            let text = read("/etc/postfix/sasl_access");
            let mut names: Vec<_> =
                text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
            names.sort();
            names
        };
        let at = host.ten_minutes_ago();
        let run = piped(host, &botnet(at, b"alice."), option);
        reports(&run, "alice.", " [DISABLED]");
        assert_eq!(refused(), ["alice", "alice."]);
        let enabled = host.run(&["--enable-account=alice"]);
        assert_eq!((enabled.status, refused()), (Some(0), vec![]), "{enabled:?}");
        host.reset();
        // Of several spellings only the first is known: nobody read the log a second time.
        let both = [botnet(at, b"alice."), botnet(at, b"ALICE..")].concat();
        let run = piped(host, &both, option);
        reports(&run, "alice.", " [NOT DISABLED: only some of its spellings can be refused]");
        assert_eq!(refused(), ["alice", "alice."]);
    });
}

#[test]
fn a_pipe_is_judged_by_the_lines_of_this_host() {
    on_a_host("evidence::a_pipe_is_judged_by_the_lines_of_this_host", |host| {
        let own = botnet(host.ten_minutes_ago(), b"alice");
        let piped = |lines: &[u8], options: &[&str]| piped(host, lines, options);
        let both = [&own[..], &of_host("x", &botnet(host.ten_minutes_ago(), b"bob"))].concat();
        let run = piped(&both, &[]);
        reports(&run, "alice", " [DISABLED]");
        reports(&run, "bob", " [NOT DISABLED: logged by other hosts]");
        assert_eq!(run.status, Some(0), "{run:?}");
        host.has_locked(&["alice"]);
        reports(&piped(&both, &["--host=x"]), "bob", " [DISABLED]");
        host.has_locked(&["alice", "bob"]);
    });
}

#[test]
fn administrators_are_spared_and_that_is_told_once() {
    on_a_host("evidence::administrators_are_spared_and_that_is_told_once", |host| {
        let group = read("/etc/group");
        let kept: String = group
            .lines()
            .filter(|line| !["sudo:", "wheel:", "adm:"].iter().any(|name| line.starts_with(name)))
            .map(|line| format!("{line}\n"))
            .collect();
        // The primary group of all three is 100.
        for (name, gid, members, spared) in [
            ("sudo", 27, "carol,alice", "alice"),
            ("wheel", 10, "Alice", "alice"),
            ("adm", 4, "syslog,alice", "alice"),
            ("sudoers", 27, "alice", ""),
        ] {
            host.reset();
            fs::write("/etc/group", format!("{kept}{name}:x:{gid}:{members}\n"))
                .expect("/etc is ours");
            host.log(botnet(host.ten_minutes_ago(), b"alice"));
            for _ in 0..2 {
                let run = host.check(&[]);
                assert_eq!(run.status, Some(0), "{run:?}");
                if spared.is_empty() {
                    host.has_locked(&["alice"]);
                    continue;
                }
                reports(&run, "alice", " [NOT DISABLED: an administrator]");
                host.has_locked(&[]);
                let [subject] = &host.notices()[..] else { panic!("{:?}", host.notices()) };
                assert!(subject.ends_with(" [USER alice NOT DISABLED]"), "{subject}");
            }
        }
        fs::write("/etc/group", format!("{kept}sudo:x:100:\n")).expect("/etc is ours");
        host.reset();
        let run = host.check(&["--realm=example.org"]);
        reports(&run, "alice", " [NOT DISABLED: an administrator]");
    });
}

#[test]
fn who_is_spared_or_cannot_be_locked_is_told_once() {
    on_a_host("evidence::who_is_spared_or_cannot_be_locked_is_told_once", |host| {
        host.passwd("exit 1");
        let names = [&b"root"[..], b"www-data", b"alice", b"x@example.org", b"$(id)"];
        host.log(names.map(|name| botnet(host.ten_minutes_ago(), name)).concat());
        for _ in 0..2 {
            let run = host.check(&[]);
            reports(&run, "alice", " [NOT DISABLED: passwd failed]");
            assert_eq!(run.status, Some(1), "{run:?}");
            let [subject] = &host.notices()[..] else { panic!("{:?}", host.notices()) };
            assert!(subject.ends_with(" AND 3 MORE NOT DISABLED]"), "{subject}");
        }
        let mail = read(host.path("mails"));
        for part in
            ["Why: never locked", "    www-data: a system account", "    alice: passwd failed"]
        {
            assert!(mail.contains(part), "{part}: {mail}");
        }
        assert!(mail.starts_with("TO -i -- root\n"), "{mail}");
        assert!(mail.contains("\nFrom: root\nTo: root\n"), "{mail}");
        // What is locked at last is another incident.
        host.restore_passwd();
        let run = host.check(&[]);
        reports(&run, "alice", " [DISABLED]");
        assert_eq!(host.notices().len(), 2);
    });
}
