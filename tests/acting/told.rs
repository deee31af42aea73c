//! What no log can prove, and is therefore told: one client in front of all others, and caches that outlive a lock, which
//! `--end-sessions` ends.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use crate::host::*;

/// Messages of so many logins, each from a client of its own making.
fn logins(host: &Host, many: usize, client: impl Fn(usize) -> String) -> Vec<u8> {
    let message = |number| {
        let text = format!(
            "3F1A2B: client={}, sasl_method=PLAIN, sasl_username=user{number}",
            client(number)
        );
        line(host.ten_minutes_ago(), text.as_bytes())
    };
    (0..many).flat_map(message).collect()
}

#[test]
fn one_client_in_front_of_all_logins_is_told() {
    on_a_host("told::one_client_in_front_of_all_logins_is_told", |host| {
        let proxied = |_| "proxy.example[10.0.0.5]".to_owned();
        let mixed = |many: usize| {
            move |n: usize| {
                if n < many {
                    "unknown[10.0.0.5]".into()
                } else {
                    format!("pc{n}.x{n}y.example[203.0.113.{n}]")
                }
            }
        };
        for (lines, options, want) in [
            (logins(host, 20, proxied), &[][..], "20 of 20 logins come from 10.0.0.5 alone"),
            (logins(host, 20, mixed(18)), &[], "18 of 20 logins come from 10.0.0.5 alone"),
            (logins(host, 20, mixed(17)), &[], ""),
            (logins(host, 19, proxied), &[], ""),
            (logins(host, 20, proxied), &["-w", "10.0.0.5"], ""),
            (
                logins(host, 40, |n| format!("unknown[203.0.113.{n}]")),
                &[],
                "40 of 40 logins come from clients named unknown alone",
            ),
            (logins(host, 40, |n| format!("pc{n}.x{n}y.example[203.0.113.{n}]")), &[], ""),
        ] {
            host.log(lines);
            for more in [&[][..], &["--dry-run"]] {
                let run = host.check(&[options, more].concat());
                assert_eq!((run.status, run.text()), (Some(0), String::new()), "{run:?}");
                match want {
                    "" => assert_eq!(run.err, ""),
                    want => {
                        assert!(run.err.contains(want) && run.err.lines().count() == 1, "{run:?}");
                    }
                }
            }
        }
        // Nobody is judged by it without -d.
        let log = host.log(logins(host, 20, proxied));
        assert_eq!(host.run(&["-l", &log]).err, "");
    });
}

/// A process that looks like a daemon.
fn daemon(host: &Host, name: &str, args: &[&str]) -> Child {
    let script = host.path("daemon.pl");
    fs::write(&script, "sleep 300;").expect("the directory is ours");
    let mut command = Command::new("/usr/bin/perl");
    command.arg0(name).arg(script).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.process_group(0).spawn().expect("perl starts")
}

/// Processes that end with the test, however it ends.
struct Daemons(Vec<Child>);

impl Drop for Daemons {
    fn drop(&mut self) {
        for daemon in &mut self.0 {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn recorded(host: &Host, programs: &[&str]) {
    for program in programs {
        let name = program.rsplit('/').next().expect("a name");
        let _ = fs::remove_file(program);
        let answer = if name == "doveconf" { "echo '10 M'" } else { "echo NOISE" };
        Host::script(
            program,
            &format!("#!/bin/sh\necho \"{name} $*\" >>{}\n{answer}\n", host.text("ended")),
        );
    }
}

#[test]
fn caches_that_outlive_a_lock_are_named_and_ended_if_that_is_wanted() {
    on_a_host_by_itself(
        "told::caches_that_outlive_a_lock_are_named_and_ended_if_that_is_wanted",
        |host| {
            // /usr is the real one: what is written there must not stay.
            for dir in ["bin", "sbin"] {
                let status = Command::new("sh")
                .args(["-c", &format!("mkdir /run/{dir} && cp -a /usr/{dir}/. /run/{dir} && mount --bind /run/{dir} /usr/{dir}")])
                .status();
                assert!(status.expect("sh runs").success());
            }
            let programs = [
                "/usr/bin/doveadm",
                "/usr/bin/doveconf",
                "/usr/bin/systemctl",
                "/usr/sbin/nscd",
                "/usr/sbin/sss_cache",
            ];
            recorded(host, &programs);
            // Not passwd(1): it tells nscd and sssd itself.
            let lock = host.text("lock");
            Host::script(&lock, "#!/bin/sh\nexit 0\n");
            let lock = format!("--disable-command={lock}");
            let check = |options: &[&str]| host.check(&[&[&lock[..]], options].concat());
            let ended = || read(host.path("ended"));
            let lines =
                [botnet(host.ten_minutes_ago(), b"alice"), botnet(host.ten_minutes_ago(), b"bob")];
            // Without daemons: nothing is found, and nothing is run that is not there.
            host.log(&lines[0]);
            reports(&check(&[]), "alice", " [DISABLED]");
            assert_eq!(ended(), "");
            assert!(!read(host.path("mails")).contains("Found running"));
            let _daemons = Daemons(vec![
                daemon(host, "/usr/sbin/saslauthd", &["-a", "pam", "-c", "-m", "/run/saslauthd"]),
                daemon(host, "/usr/sbin/dovecot", &["-F"]),
                daemon(host, "/usr/sbin/nscd", &[]),
                daemon(host, "/usr/lib/postfix/sbin/master", &["-w"]),
            ]);
            // The notice names them, and nothing is ended.
            host.reset();
            host.log(&lines[0]);
            reports(&check(&[]), "alice", " [DISABLED]");
            let mails = read(host.path("mails"));
            let text = mails.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
            text.contains(
                "Found running: Dovecot's auth_cache_size, saslauthd -c (keeps passwords), nscd."
            ),
            "{mails}"
        );
            assert!(!text.contains("sssd"), "{mails}");
            assert_eq!(ended(), "doveconf -h auth_cache_size\n");
            // With --end-sessions all of it is, each account's by itself, the rest once.
            host.reset();
            fs::write(host.path("ended"), "").expect("it is ours");
            host.log(lines.concat());
            reports(&check(&["--dry-run", "--end-sessions"]), "alice", " [WOULD DISABLE]");
            assert_eq!(ended(), "");
            let run = check(&["--end-sessions"]);
            reports(&run, "alice", " [DISABLED]");
            assert_eq!(run.status, Some(0), "{run:?}");
            let want = "doveadm auth cache flush alice\ndoveadm kick alice\ndoveadm auth cache flush bob\n\
                    doveadm kick bob\nsystemctl restart saslauthd\nnscd -i passwd\nsystemctl restart postfix\n";
            assert_eq!(ended().replace("doveconf -h auth_cache_size\n", ""), want);
            assert!(run.err.contains("alice: doveadm kick alice: done"), "{run:?}");
            assert!(run.err.contains("systemctl restart postfix: done"), "{run:?}");
            let mails = read(host.path("mails"));
            assert!(mails.contains("\nDONE ALREADY (--end-sessions)\n"), "{mails}");
            assert!(mails.contains("\n    doveadm kick bob: done\n"), "{mails}");
            // Nobody is logged in: that is no failure.
            host.reset();
            Host::script("/usr/bin/doveadm", "#!/bin/sh\n[ \"$1\" != kick ] || exit 68\n");
            host.log(&lines[0]);
            let run = check(&["--end-sessions"]);
            assert_eq!(run.status, Some(0), "{run:?}");
            let nothing = "alice: doveadm kick alice: there was nothing to end";
            assert!(run.err.contains(nothing), "{run:?}");
            // What fails is told; the lock stands.
            host.reset();
            Host::script("/usr/bin/doveadm", "#!/bin/sh\necho 'no such user' >&2\nexit 67\n");
            host.log(&lines[0]);
            let run = check(&["--end-sessions"]);
            reports(&run, "alice", " [DISABLED]");
            assert_eq!(run.status, Some(1), "{run:?}");
            assert!(
                run.err.contains("alice: doveadm kick alice: exit status 67: no such user"),
                "{run:?}"
            );
            // Not again in the next run.
            fs::write(host.path("ended"), "").expect("it is ours");
            reports(&check(&["--end-sessions"]), "alice", " [ALREADY DISABLED]");
            assert_eq!(ended(), "");
        },
    );
}
