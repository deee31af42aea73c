//! Another host as the NIS master, over SSH: an `sshd` of the test's own on loopback, with keys of its own, and a directory
//! that stands in for the master's files. It needs `sshd`, and root, whom that lets in.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use spamact::AccountName;
use spamact::act::reason;
use spamact::method::{AccountStatus, Error, LockMethod, Master, Nis};
use testkit::{Directory, cannot_run};

const SHADOW: &str = "alice:$y$x:1::\nbob:$y$y:1::\nwww-data:$z:1::\nlast:$w:1::";

/// A master, until it is dropped.
struct Host {
    dir: Directory,
    sshd: Child,
    port: u16,
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

fn key(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status()
        .expect("ssh-keygen runs");
    assert!(made.success());
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

impl Host {
    /// Starts one; `None` where that cannot be done, and may be skipped.
    fn start() -> Option<Self> {
        if !Path::new("/usr/sbin/sshd").exists() {
            cannot_run("sshd is not installed");
            return None;
        }
        // Root's sshd wants this directory, which a boot makes.
        let _ = fs::create_dir("/run/sshd");
        let dir = Directory::new();
        let at = |name: &str| dir.path(name);
        key(&at("host_key"));
        key(&at("id"));
        let port = free_port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n",
            at("host_key").display(),
            at("id.pub").display()
        );
        fs::write(at("config"), config).expect("a file");
        let known = fs::read_to_string(at("host_key.pub")).expect("the key");
        fs::write(at("known"), format!("[127.0.0.1]:{port} {known}")).expect("a file");
        let sshd = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(at("config"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(at("log")).expect("a file"))
            .spawn()
            .expect("sshd runs");
        let mut host = Self { dir, sshd, port };
        host.wait();
        host.files();
        if !host.lets_us_in() {
            cannot_run("an sshd that root does not run lets nobody in");
            return None;
        }
        Some(host)
    }

    /// Root gets in; another user may have no shell, or a locked password.
    fn lets_us_in(&self) -> bool {
        rustix::process::geteuid().is_root()
            || Command::new("ssh")
                .args(["-o", "BatchMode=yes", "-p", &self.port.to_string()])
                .arg("-i")
                .arg(self.at("id"))
                .arg("-o")
                .arg(format!("UserKnownHostsFile={}", self.at("known").display()))
                .args(["127.0.0.1", "true"])
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
    }

    fn wait(&mut self) {
        let until = Instant::now() + Duration::from_secs(20);
        while !self.read("log").contains("listening") {
            let alive = self.sshd.try_wait().expect("a child").is_none();
            assert!(alive && Instant::now() < until, "sshd: {}", self.read("log"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn files(&self) {
        for dir in ["files", "maps"] {
            fs::create_dir(self.at(dir)).expect("a directory");
        }
        let passwd =
            "alice:x:1000:1::/:\nbob:x:1001:1::/:\nwww-data:x:33:1::/:\nlast:x:1002:1::/:\n";
        fs::write(self.at("files/passwd"), passwd).expect("a file");
        fs::write(self.at("files/shadow"), SHADOW).expect("a file");
        fs::write(self.at("passwd"), "root:x:0:0::/:\n").expect("a file");
        self.makefile("cp ../files/shadow map; echo noise; echo noise >&2");
    }

    fn makefile(&self, recipe: &str) {
        fs::write(self.at("maps/Makefile"), format!("all:\n\t@{recipe}\n")).expect("a file");
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path(name)
    }

    fn read(&self, name: &str) -> String {
        self.dir.read(name)
    }

    fn nis(&self) -> Nis {
        let user = Command::new("id").arg("-un").output().expect("id runs").stdout;
        let user = String::from_utf8(user).expect("a name");
        let master = format!("{}@127.0.0.1:{}", user.trim(), self.port);
        let mut nis = Nis::new(Master::parse(&master).expect("a master"), &[]);
        nis.files = self.at("files");
        nis.passwd = self.at("passwd");
        nis.login_defs = self.at("login.defs");
        nis.lock_file = self.at("lock");
        nis.maps = self.at("maps");
        nis.control = self.at("control");
        nis.known_hosts = Some(self.at("known"));
        nis.identity = Some(self.at("id"));
        nis
    }
}

fn name(text: &str) -> AccountName {
    AccountName::check(text.as_bytes()).expect("a name")
}

#[test]
fn accounts_are_locked_over_one_connection() {
    let Some(host) = Host::start() else { return };
    let method = host.nis();
    let (alice, last) = (name("alice"), name("last"));
    assert_eq!(method.status(&alice).expect("it stands"), AccountStatus::Open);
    for account in [&alice, &last] {
        for _ in 0..2 {
            method.lock(account).expect("it locks");
        }
        assert_eq!(method.status(account).expect("it stands"), AccountStatus::Locked);
    }
    let locked = SHADOW.replace("alice:", "alice:*").replace("last:", "last:*");
    assert_eq!(host.read("files/shadow"), locked);
    assert_eq!(host.read("maps/map"), locked);
    method.unlock(&alice).expect("it unlocks");
    assert_eq!(host.read("maps/map"), locked.replace("alice:*", "alice:"));
    assert_eq!(method.status(&name("nobody-here")).expect("it stands"), AccountStatus::Missing);
    assert_eq!(reason(&method.lock(&name("nobody-here")).expect_err("none")), "no such account");
    assert_eq!(reason(&method.lock(&name("www-data")).expect_err("none")), "a system account");
    drop(method);
    assert_eq!(host.read("log").matches("Accepted publickey").count(), 1, "{}", host.read("log"));
    let left = fs::read_dir(host.at("control")).expect("the directory").count();
    assert_eq!(left, 0, "a socket is left");
}

#[test]
fn when_make_fails_the_edit_stays() {
    let Some(host) = Host::start() else { return };
    host.makefile("echo 'no space left' >&2; exit 3");
    let nis = host.nis();
    let method = host.nis();
    let error = method.lock(&name("bob")).expect_err("make fails");
    assert!(matches!(&error, Error::Maps { how } if how.contains("no space left")), "{error}");
    assert_eq!(host.read("files/shadow"), SHADOW.replace("bob:", "bob:*"));
    assert_eq!(reason(&nis.make_again().expect_err("make fails")), "make failed");
    host.makefile("cp ../files/shadow map");
    nis.make_again().expect("the maps are made");
    assert_eq!(host.read("maps/map"), SHADOW.replace("bob:", "bob:*"));
}

#[test]
fn an_unknown_host_key_is_refused() {
    let Some(host) = Host::start() else { return };
    let known = host.read("known");
    key(&host.at("other"));
    let other = host.read("other.pub");
    for text in [String::new(), format!("[127.0.0.1]:{} {other}", host.port)] {
        fs::write(host.at("known"), text).expect("a file");
        let method = host.nis();
        let error = method.lock(&name("alice")).expect_err("an unknown key");
        assert!(matches!(&error, Error::Master { .. }), "{error}");
        assert!(error.to_string().to_lowercase().contains("host key"), "{error}");
    }
    fs::write(host.at("known"), known).expect("a file");
    assert_eq!(host.read("files/shadow"), SHADOW);
    assert_eq!(host.read("log").matches("Accepted").count(), 0);
}

#[test]
fn a_key_that_is_not_ours_is_refused() {
    let Some(host) = Host::start() else { return };
    key(&host.at("other"));
    let mut nis = host.nis();
    nis.identity = Some(host.at("other"));
    let error = nis.lock(&name("alice")).expect_err("not our key");
    assert!(error.to_string().contains("Permission denied"), "{error}");
}

#[test]
fn a_dead_master_fails_within_its_limit_and_once() {
    let Some(host) = Host::start() else { return };
    let (closed, mute) = (free_port(), TcpListener::bind("127.0.0.1:0").expect("a port"));
    for port in [closed, mute.local_addr().expect("its address").port()] {
        let mut nis = Nis::new(Master::parse(&format!("127.0.0.1:{port}")).expect("a master"), &[]);
        nis.control = host.at("control");
        nis.known_hosts = Some(host.at("known"));
        nis.identity = Some(host.at("id"));
        nis.connect_limit = Duration::from_secs(2);
        let method = nis;
        let begun = Instant::now();
        for account in ["alice", "bob", "last"] {
            let error = method.lock(&name(account)).expect_err("a dead master");
            assert_eq!(reason(&error), "no connection to the master");
        }
        // Three limits of the connection would be six seconds and more.
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(fs::read_dir(host.at("control")).expect("the directory").count(), 0);
    }
}

#[test]
fn a_session_outlives_the_sshd_that_began_it() {
    let Some(mut host) = Host::start() else { return };
    let method = host.nis();
    assert_eq!(method.status(&name("alice")).expect("it stands"), AccountStatus::Open);
    host.sshd.kill().expect("it is ours");
    assert_eq!(method.status(&name("alice")).expect("it stands"), AccountStatus::Open);
    let other = host.nis();
    assert_eq!(
        reason(&other.status(&name("alice")).expect_err("nobody listens")),
        "no connection to the master"
    );
}

#[test]
fn sockets_lie_in_a_private_folder_or_nowhere() {
    use std::os::unix::fs::PermissionsExt;
    let Some(host) = Host::start() else { return };
    fs::create_dir(host.at("control")).expect("a directory");
    fs::set_permissions(host.at("control"), fs::Permissions::from_mode(0o755)).expect("its mode");
    let error = host.nis().lock(&name("alice")).expect_err("others can reach it");
    assert!(error.to_string().contains("not a private directory"), "{error}");
    assert_eq!(host.read("log").matches("Accepted").count(), 0);
}
