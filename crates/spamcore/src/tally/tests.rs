use super::*;
use crate::parse::{Client, Senders};

fn tally(rereadable: bool) -> Tally {
    let window = Window::until(0, 3600);
    let detail = Detail { line: true, activity: false };
    Tally::new(window, Limits::new(90, false), Webmail::default(), detail, rereadable)
}

fn script(name: &[u8]) -> Accepted<'_> {
    let senders = Senders::new(Sender::new(Kind::Script, name), None);
    Accepted { senders, client: None, recurs: false, id: None }
}

fn add(
    tally: &mut Tally,
    accepted: Accepted<'_>,
    times: u64,
    at: impl Into<Option<i64>>,
    line: &[u8],
) {
    tally.event(at.into(), times, &accepted.into(), line);
}

fn fill(tally: &mut Tally, names: u32) {
    for n in 0..names {
        add(tally, script(format!("/invented/{n}").as_bytes()), 1, 5, &[b'x'; 300]);
        if n % 1000 == 0 {
            add(tally, script(b"/spammer"), 1, 7, format!("line {n}").as_bytes());
        }
    }
}

#[test]
fn spellings_of_a_login_are_counted_as_one_whichever_part_they_are_in() {
    let logins = ["Alice", "alice@r1.example", "Alice", "alice.", "ALICE@r2.example", "bob"];
    for at in 0..=logins.len() {
        let mut tally =
            tally(true).with_identity(Identity::logins(crate::identity::Realms::new(["*".into()])));
        let mut later = tally.fork().expect("it can be read in parts");
        for (number, login) in logins.iter().enumerate() {
            let accepted = Accepted {
                senders: Senders::new(Sender::new(Kind::Sasl, login.as_bytes()), None),
                client: Some(Client { name: b"unknown", address: b"192.0.2.1" }),
                recurs: true,
                id: None,
            };
            let part = if number < at { &mut tally } else { &mut later };
            add(part, accepted, 1, 5, login.as_bytes());
        }
        tally.join(later);
        let mut senders: Vec<_> = tally.senders().map(|(_, name, stats)| (name, stats)).collect();
        senders.sort_unstable_by_key(|(name, _)| *name);
        let [(alice, stats), (bob, his)] = senders[..] else { panic!("{senders:?}") };
        assert_eq!((alice, stats.messages, stats.spellings()), (&b"alice"[..], 5, 4), "{at}");
        assert_eq!(stats.first_spelling(alice), b"Alice");
        assert_eq!((his.first_spelling(bob), his.spellings()), (&b"bob"[..], 1));
    }
}

#[test]
fn more_bytes_are_estimated_of_a_name_that_has_more() {
    let used = |kind, activity| {
        let mut tally = tally(true);
        tally.detail.activity = activity;
        let senders = Senders::new(Sender::new(kind, b"abc"), None);
        let accepted = Accepted { senders, client: None, recurs: false, id: None };
        add(&mut tally, accepted, 1, 5, b"its line");
        tally.used
    };
    let least = b"abc".len() + b"its line".len() + OVERHEAD;
    assert_eq!(used(Kind::Script, false), least);
    assert_eq!(used(Kind::Script, true), least + MORE_OVERHEAD);
    assert_eq!(used(Kind::Sasl, false), least + MORE_OVERHEAD);
    assert_eq!(used(Kind::Sasl, true), least + 2 * MORE_OVERHEAD);
}

#[test]
fn too_many_names_are_read_twice_and_the_count_is_exact() {
    let mut tally = tally(true);
    fill(&mut tally, 120_000);
    assert!(tally.needs_another_pass());
    fill(&mut tally, 120_000);
    assert!(!tally.needs_another_pass());
    let kept: Vec<_> = tally.senders().collect();
    assert_eq!(kept.len(), 1, "only a sender near the limit is kept");
    let (kind, name, stats) = kept[0];
    assert_eq!((kind, name, stats.messages), (Kind::Script, &b"/spammer"[..], 120));
    assert_eq!(&*stats.line, b"line 0");
    assert_eq!(stats.span, Some((7, 7)));
}

#[test]
fn directories_of_too_many_scripts_are_found_in_the_second_pass() {
    let mut all = tally(true);
    let fill = |tally: &mut Tally, from: u32| {
        for n in from..from + 40_000 {
            let path = match n % 4 {
                0 => format!("/home/a/tmp/{n}.php"),
                1 => format!("/home/b/{n}/x.php"),
                2 => format!("ww://{n}"),
                _ => format!("/home/{n}/x.php"),
            };
            let at = i64::from(n % 3600) + 1;
            add(tally, script(path.as_bytes()), 1, at, format!("line {n}").as_bytes());
        }
    };
    for pass in 0..2 {
        let mut later = all.fork().expect("it can be read in parts");
        fill(&mut all, 0);
        fill(&mut later, 40_000);
        all.join(later);
        assert_eq!(all.needs_another_pass(), pass == 0);
    }
    // A script that shares a bucket with such a directory is kept, like a sender near the limit.
    assert!(all.senders().count() < 10);
    // About one in a hundred shares a bucket with another, looks as if it had sent two, and counts half.
    let nearly = |count: u64| (19_800..=20_000).contains(&count);
    let [directory] = all.directories() else { panic!("{:?}", all.directories()) };
    assert_eq!(&*directory.name, b"/home/a/tmp/");
    assert!(nearly(directory.scripts) && nearly(directory.stats.messages), "{directory:?}");
    assert_eq!(directory.stats.span, Some((1, 3597)));
    assert_eq!(&*directory.stats.line, b"line 0");
    let [relative, below] = all.scattered() else { panic!("{:?}", all.scattered()) };
    assert_eq!((&*relative.below, &*below.below), (&b""[..], &b"/home/b"[..]));
    for scattered in [relative, below] {
        assert!(nearly(scattered.scripts) && nearly(scattered.messages), "{scattered:?}");
    }
}

#[test]
fn of_scripts_that_are_kept_those_below_the_limit_are_added_up() {
    let mut tally = tally(true);
    for n in 0..40 {
        let times = if n < 20 { 3 } else { 4 };
        add(&mut tally, script(format!("/home/a/{n}.php").as_bytes()), times, 5, b"x");
        add(&mut tally, script(format!("/home/b/{n}.php").as_bytes()), times, 5, b"x");
    }
    add(&mut tally, script(b"/home/a/big.php"), 500, 5, b"x");
    (0..30).for_each(|_| add(&mut tally, script(b"/home/a/30.php"), 1, 5, b"x"));
    (0..10).for_each(|n| add(&mut tally, script(&[b"/home/a/", &[n][..]].concat()), 3, 5, b""));
    assert!(!tally.needs_another_pass() && !tally.needs_another_pass());
    let [directory] = tally.directories() else { panic!("{:?}", tally.directories()) };
    assert_eq!((&*directory.name, directory.scripts), (&b"/home/a/"[..], 30));
    assert_eq!(directory.stats.messages, 90);
    assert_eq!(tally.scattered(), []);
}

#[test]
fn what_belongs_to_a_host_is_counted_for_each_log_by_itself() {
    for names in [10, 40_000] {
        let mut all = tally(true);
        let fill = |tally: &mut Tally, log: u32, part: u32| {
            for n in 0..names {
                let path = format!("/invented/{log}/{part}/{n}");
                add(tally, script(path.as_bytes()), 1, 5, &[b'x'; 300]);
            }
            let line = format!("log {log}");
            let times = 60 * u64::from(log);
            add(tally, script(b"/script"), times, 5, line.as_bytes());
            let login = Senders::new(Sender::new(Kind::Sasl, b"bob"), None);
            add(tally, Accepted { senders: login, ..script(b"") }, 30, 5, line.as_bytes());
            for n in 0..25 {
                let path = format!("/site/tmp/{part}/{n}");
                add(tally, script(path.as_bytes()), 2 * u64::from(log) - 1, 5, b"a line");
            }
        };
        let mut passes = 0;
        loop {
            passes += 1;
            for log in [1, 2] {
                all.begin_log(log);
                let mut later = all.fork().expect("it can be read in parts");
                fill(&mut all, log, 0);
                fill(&mut later, log, 1);
                all.join(later);
            }
            if !all.needs_another_pass() {
                break;
            }
        }
        assert_eq!(passes, if names == 10 { 1 } else { 2 });
        let mut kept: Vec<_> = all
            .senders_by_log()
            .filter(|(_, _, name, _)| matches!(*name, b"/script" | b"bob"))
            .map(|(log, _, name, stats)| (name, log, stats.messages, &*stats.line))
            .collect();
        kept.sort_unstable();
        let want: [(&[u8], _, _, &[u8]); 3] = [
            (b"/script", 1, 120, b"log 1"),
            (b"/script", 2, 240, b"log 2"),
            (b"bob", 0, 120, b"log 1"),
        ];
        assert_eq!(kept, want, "{names}");
        // 50 scripts in each log: with one message each they do not reach the limit, with three each they do. Where
        // there are too many names, a few are missing.
        let below: Vec<_> =
            all.scattered().iter().filter(|of| of.below.starts_with(b"/site")).collect();
        let [of] = below[..] else { panic!("{below:?}") };
        assert_eq!((of.log, &*of.below), (2, &b"/site/tmp"[..]));
        assert!((40..=50).contains(&of.scripts) && (120..=150).contains(&of.messages), "{of:?}");
    }
}

#[test]
fn too_many_addresses_are_read_twice_and_the_count_is_exact() {
    let mut tally = tally(true);
    let send = |tally: &mut Tally, sender: u32, n: u32| {
        let (name, address) = (format!("user{sender}"), format!("10.{n}.{}.7", sender % 250));
        let client = Client { name: b"unknown", address: address.as_bytes() };
        let sender = Sender::new(Kind::Authenticated, name.as_bytes());
        let senders = Senders::new(sender, None);
        let accepted = Accepted { senders, client: Some(client), recurs: false, id: None };
        add(tally, accepted, 1, 5, b"a line");
    };
    let fill = |tally: &mut Tally| {
        for n in 0..80 {
            (0..2000).for_each(|sender| send(tally, sender, n));
        }
        (0..20).for_each(|n| send(tally, 7, 100 + n));
    };
    fill(&mut tally);
    assert!(tally.stats.is_empty() && tally.needs_another_pass());
    fill(&mut tally);
    assert!(!tally.needs_another_pass());
    // Kept are names near the limit, and a few that happen to share a bucket.
    assert!(tally.senders().count() < 200);
    let kept = tally.senders().find(|(_, name, _)| name == b"user7");
    let (_, _, stats) = kept.expect("it is near the limit");
    assert_eq!(stats.messages, 100);
    let origins = stats.origins();
    assert_eq!((origins.ips().count, origins.unknowns().count), (100, 100));
}

/// Reads a log in three parts at once, each of which has all these names.
fn fill_in_parts(tally: &mut Tally, names: u32) {
    let mut later = [(); 2].map(|()| tally.fork().expect("it can be read in parts"));
    fill(tally, names);
    for part in &mut later {
        fill(part, names);
    }
    for part in later {
        tally.join(part);
    }
}

#[test]
fn parts_of_a_log_add_up_to_the_whole() {
    let mut few = tally(true);
    fill_in_parts(&mut few, 1000);
    assert!(!few.needs_another_pass());
    assert_eq!(few.senders().count(), 1001);
    assert!(few.senders().all(|(_, _, stats)| stats.messages == 3));
    let mut many = tally(true);
    fill_in_parts(&mut many, 40_000);
    assert!(many.needs_another_pass());
    fill_in_parts(&mut many, 40_000);
    assert!(!many.needs_another_pass());
    let kept: Vec<_> = many.senders().map(|(_, name, stats)| (name, stats.messages)).collect();
    assert_eq!(kept, [(&b"/spammer"[..], 120)]);
    assert!(tally(false).fork().is_none(), "a stream has no parts");
    let client = Client { name: b"unknown", address: b"192.0.2.1" };
    let accepted = Accepted { client: Some(client), ..script(b"bob") };
    let mut sum = tally(true);
    let mut part = sum.fork().expect("it can be read in parts");
    add(&mut sum, accepted.clone(), 1, 5, b"");
    add(&mut part, accepted, 1, 5, b"");
    let (one, other) = (sum.origins_used, part.origins_used);
    assert!(one > 0 && one == other);
    sum.join(part);
    assert_eq!(sum.origins_used, one + other);
}

#[test]
fn a_few_names_are_read_once() {
    let mut tally = tally(true);
    fill(&mut tally, 5000);
    assert!(!tally.needs_another_pass());
    assert_eq!(tally.senders().count(), 5001);
    assert_eq!(tally.dropped(), 0);
}

#[test]
fn of_a_pipe_a_million_names_are_kept_and_other_messages_counted_as_dropped() {
    let mut tally = tally(false);
    for n in 0..=STREAM_NAMES {
        add(&mut tally, script(&n.to_le_bytes()), 2, None, b"");
    }
    add(&mut tally, script(&0_usize.to_le_bytes()), 1, None, b"");
    assert!(!tally.needs_another_pass());
    assert_eq!(tally.senders().count(), STREAM_NAMES);
    assert_eq!(tally.dropped(), 2);
}

#[test]
fn events_outside_the_window_are_ignored() {
    let mut tally = tally(true);
    for at in [-1, 0, 1, 3600, 3601] {
        add(&mut tally, script(b"/a"), 1, at, b"");
    }
    assert_eq!(
        tally.senders().map(|(.., stats)| stats.span).collect::<Vec<_>>(),
        [Some((1, 3600))]
    );
}

/// What a tally has counted, in a fixed order.
fn counts(tally: &Tally) -> Vec<(Vec<u8>, u64, Vec<u8>)> {
    let known = |(_, name, stats): (_, &[u8], &SenderStats)| {
        (name.to_vec(), stats.messages, stats.line.to_vec())
    };
    // An invented name may happen to share the bucket of another one.
    let certain = tally.senders().filter(|(_, name, _)| !name.starts_with(b"/invented/"));
    let mut counts: Vec<_> = certain.map(known).collect();
    counts.sort_unstable();
    counts
}

#[test]
fn a_pass_that_another_sink_needs_counts_nothing_twice() {
    let mut pair = (tally(true), tally(true));
    add(&mut pair.0, script(b"/first"), 1, 5, b"");
    for pass in 0..2 {
        fill_in_parts_of_pair(&mut pair);
        assert_eq!(pair.needs_another_pass(), pass == 0);
    }
    let mut alone = tally(true);
    for pass in 0..2 {
        fill_in_parts(&mut alone, 40_000);
        assert_eq!(alone.needs_another_pass(), pass == 0);
    }
    assert_eq!(counts(&pair.1), counts(&alone));
    let first = [(b"/first".to_vec(), 1, Vec::new()), (b"/small".to_vec(), 2, b"x".to_vec())];
    assert_eq!(counts(&pair.0), first);
}

/// Like [`fill_in_parts`], but only the second of a pair gets many names.
fn fill_in_parts_of_pair(pair: &mut (Tally, Tally)) {
    let small = |pair: &mut (Tally, Tally)| add(&mut pair.0, script(b"/small"), 1, 5, b"x");
    let mut later = pair.fork().expect("it can be read in parts");
    small(pair);
    fill(&mut pair.1, 40_000);
    small(&mut later);
    fill(&mut later.1, 40_000);
    fill(&mut later.1, 40_000);
    pair.join(later);
}
