//! The inputs that others are made from: the samples, logs of the golden cases, forged lines, and a few words for each target.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use testkit::Random;
use tests::injection::{FIELDS, Log, forged_lines, forged_text, stamps};

/// Pieces of the formats, besides those that strangers forge.
pub(crate) const WORDS: &[&[u8]] = &[
    b"Nov 23 17:57:00 ",
    b"Feb 29 23:59:60 ",
    b"2026-11-23T17:57:00.123456+01:00 ",
    b"2026-10-25T02:30:00 ",
    b"Oct 25 02:30:00 ",
    b"Thu 2026-07-02 10:11:18 CEST ",
    b"1795456600.5 ",
    b"<22>1 ",
    b"[23-Nov-2026 18:57:00 Europe/Madrid] ",
    b" +0000 [7] ",
    b"mx postfix/smtpd[7]: ",
    b" exim[5]: [1/4] ",
    b" sasl_username=",
    b"message repeated 18446744073709551616 times: [ ",
    b"message repeated 1000001 times: [",
    b" <= ",
    b"mail() on [/a(1) : eval()'d code:1]: To: ",
    b" **** log string overflowed log buffer ****",
    b"\xff\xfe",
    b"\xc2\x85",
    b"\x1b[31m",
    b"alice",
    b"alice:",
    b"*",
    b"!",
    b"::",
    b"#",
    b"--",
    b"-1hour",
    b"1month",
    b"UID_MIN ",
];

/// Numbers at limits.
pub(crate) const NUMBERS: &[&[u8]] = &[
    b"0",
    b"00",
    b"1",
    b"9",
    b"10",
    b"23",
    b"24",
    b"29",
    b"30",
    b"31",
    b"32",
    b"59",
    b"60",
    b"61",
    b"99",
    b"127",
    b"128",
    b"255",
    b"256",
    b"999",
    b"1000",
    b"1970",
    b"9999",
    b"60000",
    b"60001",
    b"65535",
    b"65536",
    b"1000000",
    b"1000001",
    b"2147483647",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"99999999999999999999",
];

fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn tests_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Lines of logs, read once.
pub(crate) fn lines() -> Vec<Vec<u8>> {
    static LINES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    LINES.get_or_init(all_lines).clone()
}

fn all_lines() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for format in ["postfix", "exim", "php", "php_legacy"] {
        let path = tests_dir().join(format!("samples/{format}.samples"));
        let samples = fs::read(path).expect("the samples are there");
        let mark = |line: &&[u8]| !matches!(line, [b'=' | b'?' | b'!' | b'#', b' ', ..]);
        seeds.extend(samples.split(|&b| b == b'\n').filter(mark).map(<[u8]>::to_vec));
    }
    for program in fs::read_dir(tests_dir().join("golden")).expect("it is there").flatten() {
        for case in fs::read_dir(program.path()).expect("it is there").flatten() {
            let log = fs::read(case.path().join("input.log")).unwrap_or_default();
            seeds.extend(log.split(|&b| b == b'\n').take(20).map(<[u8]>::to_vec));
        }
    }
    let forged = forged_lines("17:57:00");
    let mut random = Random::new(1);
    for field in FIELDS {
        for stamp in stamps(field.log, "17:57:00") {
            let text = forged_text(&forged, |below| random.below(below));
            seeds.push(field.with(&stamp, &text));
        }
    }
    seeds.extend(forged.into_iter().map(String::into_bytes));
    // The order of directory entries differs between machines.
    seeds.sort();
    seeds.dedup();
    seeds
}

/// Logs of several lines.
pub(crate) fn logs() -> Vec<Vec<u8>> {
    let lines = lines();
    let mut random = Random::new(2);
    let some = |random: &mut Random| {
        let from = random.below(lines.len());
        let mut log = Vec::new();
        for number in 0..=random.below(8) {
            // Most neighbours have the same format.
            let far = random.once_in(4);
            let at = if far { random.below(lines.len()) } else { (from + number) % lines.len() };
            log.extend_from_slice(&lines[at]);
            log.push(b'\n');
        }
        log
    };
    (0..4000).map(|_| some(&mut random)).collect()
}

fn all_stamps() -> Vec<String> {
    let mut all = Vec::new();
    for log in [Log::Syslog, Log::Exim, Log::Php] {
        all.extend(["17:57:00", "02:30:00", "23:59:59"].iter().flat_map(|time| stamps(log, time)));
    }
    all
}

pub(crate) fn written_stamps() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = all_stamps()
        .into_iter()
        .map(|stamp| stamp.trim_start_matches('[').as_bytes().to_vec())
        .collect();
    seeds.extend(texts(&[
        "Jul  2 09:31:10 web",
        "Jul 02 09:31:10.5 web",
        "Feb 29 00:00:00 x",
        "Oct 25 02:30:00 x",
        "2026-03-29 02:30:00 x",
        "2026-11-23T17:58:00.5+01:00",
        "2026-11-23 17:58",
        "Thu 2026-07-02 10:11:18 CEST host",
        "1782979878.123480 host",
        "23-Nov-2026 19:04:25 Europe/Madrid] x",
        "23-Nov-2026 19:04:25 +05:30] x",
        "2026-11-23 18:06:47.636 +0000 [32290] 1x",
    ]));
    seeds
}

pub(crate) fn periods() -> Vec<Vec<u8>> {
    texts(&[
        "1hour",
        "10minute",
        "30 minutes",
        "90sec",
        "2 days",
        "1week",
        "1fortnight",
        "1month",
        "1year",
        "1hour 30minutes",
        "-1hour",
        "- 1 hour",
        "yesterday",
        "last week",
        "last month",
        "90s",
        "30m",
        "1h",
        "2d",
        "1w",
        "1HOUR",
        "0hours",
        "tomorrow",
        "1hour ago",
        "3600",
        "99999999999hours",
        "3000years",
        "9223372036854775807sec",
        "13months 1day 1sec",
    ])
}

pub(crate) fn packed() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        include_bytes!("../seeds/lines").to_vec(),
        include_bytes!("../seeds/lines.gz").to_vec(),
        include_bytes!("../seeds/lines.xz").to_vec(),
        include_bytes!("../seeds/lines.zst").to_vec(),
    ];
    // Without the magic, for what puts one before it.
    seeds.extend([seeds[1][3..].to_vec(), seeds[2][12..].to_vec(), seeds[3][4..].to_vec()]);
    seeds
}

/// Random choices are all that these are made of.
pub(crate) fn operations() -> Vec<Vec<u8>> {
    vec![Vec::new()]
}

pub(crate) fn limits() -> Vec<Vec<u8>> {
    texts(&[
        "# a comment\nalice 500\nspaced user\t 7\n\n  bob  010 \nalice 600\r\nwrong\nneg -5\n",
        "big 99999999999999999999\na # b 4\nalice 18446744073709551615\n",
        "alice\n alice 1\n",
    ])
}

pub(crate) fn accounts() -> Vec<Vec<u8>> {
    texts(&[
        "UID_MIN 500\nUID_MAX 0x7fff\nroot:x:0:0::/root:/bin/sh\nalice:x:1001:1001::/:/bin/sh\nbob:x:33:1::/:\n",
        "alice:$y$x:1::::::\nbob:*$y$x:1::::::\nalice:!x:2\ncarol::1\n",
        "alice:$6$abc:19000:0:99999:7:::\nalice2:$z\nbob:x",
        "alice REJECT account disabled: sending spam\nbob@example.org REJECT account disabled: sending spam\n",
        "# comment\nalice OK\n \"alice\" x\nBOB@example.org REJECT account disabled: sending spam\n more\n",
        "alice\nCarol # why\n\n#dave\n",
        "alice@example.org:x:1500:1::/:\ncarol:x:1001:1\ndave:x:1002:1\nwww-data:x:33:33\n",
    ])
}

pub(crate) fn states() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"version":1,"accounts":{"alice@example.org":{"locks":[{"way":"nis:m","undo":["u"],"at":1795400000,"counts":{"messages":95,"nets":7,"unknowns":8,"ips":9},"period":"1hour","log":"/var/log/mail.log","pending":true}],"seen_locked":1795400000,"told":{"still-sending":1795400000},"waiting":{"disabled":{"subject":"s","body":"b\n"}}},"bob":{"locks":[],"seen_locked":1795456681,"told":{},"waiting":{}}},"recent":[1795400000,1795456690]}"#,
        r#"{"version":1,"accounts":{},"recent":[]}"#,
        r#"{"version":2,"accounts":{},"recent":[]}"#,
        "{}",
        "",
    ])
}

pub(crate) fn arguments() -> Vec<Vec<u8>> {
    texts(&[
        "-p\n1hour\n-m\n90\n-d\n5,5\n-w\n192.0.2.201,10.0.0.21",
        "-p1hour\n-m90\n-n\nlocalhost\n1hour",
        "3600\n60",
        "--now\n2026-11-23 17:58\n--format=json\n-l\n-\n-e",
        "-l\n/var/log/[a-z]*.log\n--logs-from=list\nmail.log.1\n--jsn",
        "10\n10",
        "--nis=root@10.0.0.1\n--sasl-access=hash:/etc/x\n--realm\nexample.org\n--max-locks=3",
        "--disable-command=/bin/true\n--enable-command\n/bin/false\n--dry-run\n--verify-journal",
        "--list-disabled\n--enable-account=alice\n--notify=a@b\n--smtp=[::1]:25\n--smtp-auth-file=x",
        "--check\n-e\n-l\n-\n-d\n5",
        "--auth\n--overrides=/dev/null\n--journal\n-0\n--null",
        "-h",
        "--version\n--\n-m",
        "--dissable-acount=5\n--disable-account\n5\n-n\n\n--logs=x\n\x1b[31m",
    ])
}

pub(crate) fn addresses() -> Vec<Vec<u8>> {
    texts(&[
        "root@example.org",
        "a+b=c@mail.example.org",
        "mail.example.org:2525",
        "[2001:db8::1]:465",
        "192.0.2.201,10.0.0.21 198.51.100.77/24,2001:db8::/32",
        "::ffff:1.2.3.4,0.0.0.0/0,::/0",
        "84-12-7-9.dsl.isp.net",
        "a1b2",
        "_x.y@z",
    ])
}
