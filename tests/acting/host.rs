//! A host on which the whole program locks accounts: a [`Namespace`] without a network, with a copy of `/etc` and three
//! more accounts in it, an empty `/var/lib`, the real passwd(1), the fake MTA, and a `/dev/log` that is read.
//!
//! A test hands its body to [`on_a_host`], which runs the test once more inside. Tests of the library, with fakes for
//! everything and without root, have a host of another kind: `crates/spamact/tests/act/host.rs`.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use testkit::Namespace;
use tests::Run;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(super) const POSTFIX: &str = "postfix-spam-check";

/// The environment variable with the program, which is built outside.
const PROGRAM: &str = "ACTING_PROGRAM";

/// What the private host gets.
const SETUP: &str = r#"
mount -t tmpfs -o mode=755 none /var/lib
mount -t tmpfs -o mode=755 none /run
private_etc "$W"
echo mail.example.org >/etc/mailname
rm -rf /etc/spam-check
add_accounts alice bob carol
fake_mta "$W/mails"
mkdir "$W/log"
cp -p /usr/bin/passwd "$W/passwd.real"
cat >"$W/passwd" <<S
#!/bin/sh
echo "\$*" >>$W/calls
echo NOISE; echo NOISE >&2
exec $W/passwd.real "\$@"
S
chmod 755 "$W/passwd"
mount --bind "$W/passwd" /usr/bin/passwd
"#;

/// The host that a test runs on.
pub(super) struct Host {
    pub(super) dir: PathBuf,
    pub(super) program: PathBuf,
    pub(super) syslog: Receiver<String>,
    pub(super) shadow: String,
    pub(super) now: i64,
}

/// Runs a test on a host of its own. `test` is the name of the test, with its module.
pub(super) fn on_a_host(test: &str, body: fn(&Host)) {
    on_a_host_with(false, test, body);
}

/// The same on a host whose processes are those of the test only.
pub(super) fn on_a_host_by_itself(test: &str, body: fn(&Host)) {
    on_a_host_with(true, test, body);
}

fn on_a_host_with(processes: bool, test: &str, body: fn(&Host)) {
    let program = std::env::var_os(PROGRAM).map_or_else(|| tests::program(POSTFIX), PathBuf::from);
    let environment = vec![(PROGRAM, program.clone().into())];
    Namespace { network: true, processes, setup: SETUP, environment }.test(test, |dir| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let (sender, syslog) = channel();
        let socket = UnixDatagram::bind("/dev/log").expect("/dev is ours");
        // It must be read all the time: passwd(1) blocks when the socket's buffer is full.
        std::thread::spawn(move || {
            let mut line = [0; 2048];
            while let Ok(length) = socket.recv(&mut line) {
                let line = String::from_utf8_lossy(&line[..length]).into_owned();
                sender.send(line).expect("the test ends last");
            }
        });
        body(&Host {
            dir: dir.into(),
            program,
            syslog,
            shadow: read("/etc/shadow"),
            now: now.cast_signed(),
        });
    });
}

pub(super) fn read(path: impl AsRef<Path>) -> String {
    let text = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        text => text.expect("it can be read"),
    };
    String::from_utf8_lossy(&text).into_owned()
}

pub(super) fn stamp(at: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(at).expect("a time");
    at.format(&Rfc3339).expect("a time")
}

pub(super) fn line(at: i64, message: &[u8]) -> Vec<u8> {
    [format!("{} mail postfix/smtpd[7]: ", stamp(at)).as_bytes(), message, b"\n"].concat()
}

/// In turn, an address without a name, and a host in a network of its own.
pub(super) fn client(number: usize) -> String {
    let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).expect("below 26"));
    match number % 2 {
        0 => format!("unknown[203.0.113.{}]", number / 2),
        _ => format!(
            "pc.{}{}.example[198.51.100.{}]",
            letter(number / 26),
            letter(number),
            number / 2
        ),
    }
}

/// 120 messages of a stolen account, from as many addresses.
pub(super) fn botnet(at: i64, user: &[u8]) -> Vec<u8> {
    let message = |number| {
        let client = client(number);
        let start = format!("3F1A2B: client={client}, sasl_method=PLAIN, sasl_username=");
        line(at, &[start.as_bytes(), user].concat())
    };
    (0..120).flat_map(message).collect()
}

impl Host {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(super) fn ten_minutes_ago(&self) -> i64 {
        self.now - 600
    }

    pub(super) fn log(&self, lines: impl AsRef<[u8]>) -> String {
        fs::write(self.path("log/mail.log"), lines).expect("the directory is ours");
        self.text("log/mail.log")
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).env_clear().env("TZ", "UTC").stdin(Stdio::null());
        command
    }

    pub(super) fn run(&self, args: &[&str]) -> Run {
        self.command(args).output().expect("the program starts").into()
    }

    /// Runs on the log with limits of 5, and more options. Nothing that other programs print may be in its output.
    pub(super) fn check(&self, options: &[&str]) -> Run {
        let log = self.text("log/mail.log");
        let run =
            self.run(&[&["-p", "1hour", "-m", "90", "-d", "5,5", "-l", &log], options].concat());
        assert!(!run.text().contains("NOISE") && !run.err.contains("NOISE"), "{run:?}");
        run
    }

    pub(super) fn notices(&self) -> Vec<String> {
        let mails = read(self.path("mails"));
        mails.lines().filter_map(|line| line.strip_prefix("Subject: ")).map(str::to_owned).collect()
    }

    /// The subjects of notices of locks.
    pub(super) fn locks(&self) -> Vec<String> {
        let mut subjects = self.notices();
        subjects.retain(|subject| !subject.contains(" NOT DISABLED"));
        subjects
    }

    /// The calls of passwd(1).
    pub(super) fn calls(&self) -> Vec<String> {
        read(self.path("calls")).lines().map(str::to_owned).collect()
    }

    /// The program's syslog messages since this was last called.
    pub(super) fn logged(&self) -> Vec<String> {
        let socket = UnixDatagram::unbound().expect("a socket");
        socket.send_to(b"that is all", "/dev/log").expect("somebody reads");
        let logged = self.syslog.iter().take_while(|line| line != "that is all");
        logged.filter(|line| line.contains(" postfix-spam-check[")).collect()
    }

    /// These accounts are locked the way passwd(1) does it, and nothing else has changed.
    #[track_caller]
    pub(super) fn has_locked(&self, users: &[&str]) {
        let mut want = self.shadow.clone();
        for user in users {
            want = want.replace(&format!("\n{user}:$"), &format!("\n{user}:!$"));
        }
        assert_eq!(read("/etc/shadow"), want);
    }

    /// Nothing was locked, started or logged.
    pub(super) fn is_open(&self) {
        self.has_locked(&[]);
        assert!(self.calls().is_empty() && self.locks().is_empty());
        assert_eq!(self.logged(), [""; 0]);
    }

    /// Nothing was locked, started, logged, mailed or recorded.
    pub(super) fn is_untouched(&self) {
        self.is_open();
        assert!(self.notices().is_empty());
        assert!(Self::state()["accounts"].as_object().is_none_or(serde_json::Map::is_empty));
    }

    /// The state.
    pub(super) fn state() -> Value {
        let text = read("/var/lib/spam-check/state.json");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") }
    }

    /// Moves the time at which an account was last seen locked half an hour back.
    pub(super) fn half_an_hour_later(user: &str) {
        let mut state = Self::state();
        let seen = &mut state["accounts"][user]["seen_locked"];
        *seen = (seen.as_i64().expect("it was seen") - 1800).into();
        fs::write("/var/lib/spam-check/state.json", state.to_string()).expect("it is root's");
    }

    /// Writes a program.
    pub(super) fn script(path: impl AsRef<Path>, text: &str) {
        fs::write(&path, text).expect("it is ours");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("its mode");
    }

    /// Replaces passwd(1) by a script; `$real` is the real one.
    pub(super) fn passwd(&self, script: &str) {
        let real = self.text("passwd.real");
        Self::script(self.path("passwd"), &format!("#!/bin/sh\nreal={real}\n{script}\n"));
    }

    /// Resets the host: nothing has happened yet.
    pub(super) fn reset(&self) {
        let _ = fs::remove_dir_all("/var/lib/spam-check");
        let _ = fs::remove_dir_all("/run/spam-check");
        let _ = fs::remove_file(self.path("mails"));
        let _ = fs::remove_file(self.path("calls"));
        for left in ["/etc/shadow.lock", "/etc/passwd.lock", "/etc/shadow+"] {
            let _ = fs::remove_file(left);
        }
        fs::write("/etc/shadow", &self.shadow).expect("/etc is ours");
        self.logged();
    }

    /// Replaces passwd(1) by itself.
    pub(super) fn restore_passwd(&self) {
        self.passwd("exec $real \"$@\"");
    }
}

/// The same lines as another host logs them.
pub(super) fn of_host(host: &str, lines: &[u8]) -> Vec<u8> {
    let text =
        String::from_utf8_lossy(lines).replace(" mail postfix/", &format!(" {host} postfix/"));
    text.into_bytes()
}

/// The report line of a sender has that end.
#[track_caller]
pub(super) fn reports(run: &Run, sender: &str, end: &str) {
    let want = format!("sasl_username={sender}{end}");
    assert!(run.text().lines().any(|line| line.ends_with(&want)), "{want}: {run:?}");
}
