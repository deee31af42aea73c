//! Lines of Exim's log, and what the parser reads in them.

use super::*;

/// The senders of a line but the address of a client that has a name, and how often.
fn show(line: &str) -> String {
    let line = Exim.line(line.as_bytes());
    let Some(event) = line.event() else { return "-".into() };
    let accepted = match &*event {
        Event::Accepted(accepted) => accepted,
        Event::Completed(id) => return format!("{} completed", String::from_utf8_lossy(id)),
    };
    let mut shown = String::new();
    let first = accepted.senders.first();
    for Sender { kind, name } in accepted.senders.iter() {
        if *kind == Kind::Address && first.kind != Kind::Address {
            continue;
        }
        let name = String::from_utf8_lossy(name);
        match kind {
            Kind::Authenticated => shown += &format!("A={name} "),
            kind => shown += &format!("{kind:?} {name} "),
        }
    }
    shown + &line.times.to_string()
}

const ID: &str = "2026-11-23 18:06:47 1xVYRD-0008N8-0D <= ";

#[test]
fn senders_of_every_kind() {
    for (rest, want) in [
        ("a@b U=www P=local S=307", "User www 1"),
        ("\"spaced user\"@w U=spaced user P=local S=4", "User spaced user 1"),
        ("<> R=1xVYRD-0008N8-0D U=Debian-exim P=local S=3", "User Debian-exim 1"),
        ("a@b U=www Ci=123 P=local S=307", "User www 1"),
        ("a@b U=www P=asmtp A=plain:bob S=307", "User www A=bob 1"),
        ("a@b U=www Ci=1-3 P=local S=307", "User www Ci=1-3 1"),
        ("a@b H=mx1.example.com [192.0.2.1] P=esmtp S=4 id=1@x", "HostName mx1.example.com 1"),
        ("a@b H=mx1.example.com [192.0.2.1]:2525 P=esmtp S=4", "HostName mx1.example.com 1"),
        ("a@b H=(helo-a) [192.0.2.2] P=esmtp S=4", "Helo helo-a 1"),
        ("a@b H=real.net (helo-a) [192.0.2.3]:4444 P=esmtp S=4", "Helo helo-a 1"),
        ("a@b H=[192.0.2.9]:25 P=esmtp S=4", "Address 192.0.2.9 1"),
        ("a@b H=[192.0.2.9 P=esmtp S=4", "-"),
        ("a@b H=[] P=esmtp S=4", "-"),
        ("a@b H=([192.0.2.77]) [192.0.2.10] P=esmtp S=4", "Helo [192.0.2.77] 1"),
        ("a@b DS H=v6.example.com [2001:db8::9]:587 P=esmtp S=4", "HostName v6.example.com 1"),
        ("a@b H=(x\u{1}y) [1.1.1.1] P=esmtp S=4", "Helo x\u{1}y 1"),
    ] {
        assert_eq!(show(&format!("{ID}{rest}")), want, "{rest}");
    }
}

/// What Exim itself knows of the client of a line: its verified name and its address.
fn client(line: &str) -> String {
    let line = Exim.line(line.as_bytes());
    let Some(event) = line.event() else { return "-".into() };
    let Event::Accepted(accepted) = &*event else { return "-".into() };
    let Some(Client { name, address }) = accepted.client else { return "none".into() };
    let mut counted = accepted.senders.iter().filter(|sender| sender.kind == Kind::Address);
    assert_eq!(
        counted.next().map_or(&b""[..], |sender| &sender.name),
        address,
        "the address is counted"
    );
    format!("{}[{}]", String::from_utf8_lossy(name), String::from_utf8_lossy(address))
}

#[test]
fn a_client_is_its_verified_name_and_its_address() {
    for (rest, want) in [
        ("a@b U=www P=local S=307", "none"),
        ("a@b H=mx.example [192.0.2.1]:25 P=esmtp S=4", "mx.example[192.0.2.1]"),
        ("a@b H=mx.example (helo) [192.0.2.1] P=esmtp S=4", "mx.example[192.0.2.1]"),
        ("a@b H=(helo) [2001:db8::9] P=esmtp S=4", "[2001:db8::9]"),
        ("a@b H=([192.0.2.7]) [192.0.2.1] P=esmtp S=4", "[192.0.2.1]"),
        ("a@b H=[192.0.2.1] P=esmtp S=4", "[192.0.2.1]"),
        // Where a HELO may hold an address, nobody knows which one is true.
        ("a@b H=(a) [192.0.2.1] x (b) [203.0.113.9] P=esmtp S=4", "[]"),
        ("a@b H=mx.example (a) [192.0.2.1] x) [203.0.113.9] P=esmtp S=4", "mx.example[]"),
        ("a@b H=(a) [192.0.2.1] P=esmtp S=4 id=\"x) [203.0.113.9]\"@y", "[]"),
        ("a@b H=(a) [192.0.2.1] P=esmtp S=4 T=\"y) [z] (x) 1.2.3.4\"", "[192.0.2.1]"),
        (
            "a@b H=(a) [192.0.2.1] P=esmtp S=4 T=\"x **** log string overflowed log buffer ****",
            "[]",
        ),
        // What Exim verified is no HELO.
        (
            "a@b H=mx.example [192.0.2.1] P=esmtp S=4 T=\"(b) [203.0.113.9]\"",
            "mx.example[192.0.2.1]",
        ),
    ] {
        assert_eq!(client(&format!("{ID}{rest}")), want, "{rest}");
    }
    // The rest of a line in pieces may hold the true address.
    for (rest, want) in [
        ("H=(a) [192.0.2.1] P=esmtp S=4", "[]"),
        ("H=(long", "[]"),
        ("H=mx.example [192.0.2.1] P=esmtp S=4", "mx.example[192.0.2.1]"),
    ] {
        let line = format!("Nov 23 17:57:00 vm exim[5]: [1/2] 1xVYTC-0001Ir-2Q <= a@b {rest}");
        assert_eq!(client(&line), want, "{rest}");
    }
}

#[test]
fn a_message_is_completed() {
    let done = "1xVYRD-0008N8-0D completed";
    let needle = Exim.second_needle().and_then(|needle| std::str::from_utf8(needle).ok());
    for (line, want) in [
        ("2026-11-23 18:06:47 1xVYRD-0008N8-0D Completed", done),
        ("2026-11-23 18:06:47.123 +0000 [77] 1xVYRD-0008N8-0D Completed QT=3.1s", done),
        ("Nov 23 18:06:47 vm exim[5]: 2026-11-23 18:06:47 1xVYRD-0008N8-0D Completed", done),
        ("Nov 23 18:06:47 vm exim[5]: 1xVYRD-0008N8-0D Completed\r", done),
        ("Nov 23 18:06:47 vm cron[5]: 1xVYRD-0008N8-0D Completed", "-"),
        ("2026-11-23 18:06:47 1xVYRD-0008N8-0D Completed it", "-"),
        ("2026-11-23 18:06:47 1xVYRD-0008N8-0D => a R=x T=y C=\"1xVYRD-0008N8-0E Completed\"", "-"),
        ("2026-11-23 18:06:47 Completed", "-"),
    ] {
        // Where Exim is not read at a glance, its lines are searched for.
        assert!(want != done || needle.is_some_and(|needle| line.contains(needle)), "{line}");
        assert_eq!(show(line), want, "{line}");
    }
}

#[test]
fn prefixes_and_syslog() {
    let rest = "<= a@b U=web P=local S=4";
    for (prefix, want) in [
        ("2026-11-23 17:54:00.999 +0000 [77] 1ABCDE-000004-XY ", "User web 1"),
        ("2026-11-23 17:20:00 1rAbCd-000000001kl-0abc ", "User web 1"),
        ("Nov 23 17:57:00 vm exim[5006]: 2026-11-23 17:57:00 1xVYTC-0001Ik-2L ", "User web 1"),
        (
            "Nov 23 17:57:00 vm exim[5006]: [1/4] 2026-11-23 18:08:50.743 +0000 [5008] 1xVYTC-0001Im-2O ",
            "User web 1",
        ),
        ("Nov 23 17:57:10 vm exim[5013]: 1xVYTC-0001Ir-2Q ", "User web 1"),
        ("<22>Nov 23 18:08:50 exim[5013]: 1xVYTC-0001Ir-2Q ", "User web 1"),
        ("Nov 23 17:57:10 vm exim-in[5013]: 1xVYTC-0001Ir-2Q ", "User web 1"),
        ("Nov 23 17:57:10 vm mail.info exim[5013]: 1xVYTC-0001Ir-2Q ", "User web 1"),
        ("Nov 23 17:57:10 vm cron[1]: 1xVYTC-0001Ir-2Q ", "-"),
        ("Nov 23 17:57:10 vm exim[5013: 1xVYTC-0001Ir-2Q ", "-"),
        ("Nov 23 17:57:10 vm exim[5013]: [2/4] 1xVYTC-0001Ir-2Q ", "-"),
        ("2026-11-23 17:54:00 vm exim[5013]: 1xVYTC-0001Ir-2Q ", "User web 1"),
        ("2026-11-23 17:54:00 vm.example exim: 1xVYTC-0001Ir-2Q ", "User web 1"),
        ("2026-11-23T17:54:00.1Z 2026-11-23 17:54:01 1xVYTC-0001Ir-2Q ", "User web 1"),
        ("2026-11-23T17:54:00Z stdout F 2026-11-23 17:54:01 1xVYTC-0001Ir-2Q ", "User web 1"),
        // What a client may have said.
        ("2026-11-23 17:54:00 H=(vm exim[5013]: 1xVYTC-0001Ir-2Q ", "-"),
        ("2026-11-23 17:54:00 1xVYTC-0001Ir-2P exim[5013]: 1xVYTC-0001Ir-2Q ", "-"),
        ("2026-11-23 17:54:00 vm: exim[5013]: 1xVYTC-0001Ir-2Q ", "-"),
        ("2026-11-23 17:54:00 vm is exim[5013]: 1xVYTC-0001Ir-2Q ", "-"),
        ("2026-11-23 17:54:00 vm exim 1xVYTC-0001Ir-2Q ", "-"),
        ("2026-11-23 17:54:00 1ABCDE-000004-X ", "-"),
        ("2026-11-23 17:54:00 1ABCDE-000004-XY-Z ", "-"),
        ("2026-11-23 17:54:00 1ABCDE-000004-X. ", "-"),
        ("2026-11-23 17:54:00 ", "-"),
        (" 2026-11-23 17:54:00 1ABCDE-000004-XY ", "-"),
    ] {
        assert_eq!(show(&format!("{prefix}{rest}")), want, "{prefix}");
    }
    // A HELO so long that the first piece ends within it; `[1\\2]` is a piece that ends in a line break.
    for (piece, want) in [("[1/2]", "Helo long 1"), ("[1\\2]", "Helo long 1"), ("", "-")] {
        let line = format!("Nov 23 17:57:00 vm exim[5]: {piece} 1xVYTC-0001Ir-2Q <= a@b H=(long");
        assert_eq!(show(&line.replace(":  ", ": ")), want, "{piece}");
    }
    let repeated = "Nov 23 17:57:10 vm exim[5]: message repeated 3 times: [ 1xVYTC-0001Ir-2Q <= a@b U=web P=local S=4]";
    assert_eq!(show(repeated), "User web 3");
}

#[test]
fn what_strangers_write_is_not_a_field() {
    for (rest, want) in [
        (
            "a@b H=(pc-1) [192.0.2.5] P=esmtp S=4 id=U=root@x T=\"U=root P=local H=(v) [1.2.3.4]\" for z@z",
            "Helo pc-1 1",
        ),
        ("\"x U=root \"@d.example U=joe P=local S=4", "User joe 1"),
        ("\"x\\\" U=root P=local\"@d.example U=joe P=local S=4", "User joe 1"),
        (
            "a.\"b U=victim P=local S=1\"@evil.example H=(pc-4) [192.0.2.5] P=esmtp S=4",
            "Helo pc-4 1",
        ),
        ("x\\ U=root\\ P=local@evil.example H=(pc-5) [192.0.2.5] P=esmtp S=4", "Helo pc-5 1"),
        (
            "a@b H=(pc-6) [1.2.3.4] U=victim P=local S=1 (b) [203.0.113.5] P=esmtp S=4",
            "Helo pc-6 1",
        ),
        ("a@b H=(a b) [9.9.9.9] P=local U=root) [127.0.0.1] P=esmtp S=4", "Helo a b 1"),
        ("a@b H=(a) [x] U=root) [127.0.0.1] P=esmtp S=4", "Helo a) [x] U=root 1"),
        ("a@b H=(pc-2) [192.0.2.6] U=root P=esmtp S=4", "Helo pc-2 1"),
        ("a@b P=local S=4", "-"),
        ("a@b H=(x", "-"),
        ("a@b H=name P=esmtp U=root P=local S=4", "-"),
    ] {
        assert_eq!(show(&format!("{ID}{rest}")), want, "{rest}");
    }
    for line in [
        "2026-11-23 18:06:47 1xVYRD-0008N8-0D => a <a@b> R=x T=y H=mx [1.1.1.1] C=\"250 <= U=root P=local ok\"",
        "2026-11-23 18:06:47 1xVYRD-0008N8-0D (= a@b U=www P=local S=307",
        "2026-11-23 18:06:47 1xVYRD-0008N8-0D rejected RCPT <\"x <= U=root P=local \"@y>: no",
        "2026-11-23 18:06:47 H=(a exim[1]: 1xVYTC-0001Ir-2Q <= x U=v P=local S=1) [1.2.3.4] rejected",
    ] {
        assert_eq!(show(line), "-", "{line}");
    }
}

#[test]
fn authenticated_ids() {
    for (rest, want) in [
        ("P=esmtpa A=plain:bob@example.com S=216", "bob@example.com"),
        ("P=esmtpsa X=TLS1.3:C:256 CV=no SNI=x A=login:bob S=216 id=x@y.z", "bob"),
        (
            "I=[192.0.2.1]:25 P=esmtpa L.- A=plain:bob PRDR K S=281 M8S=0 RT=0.000s id=x@y T=\"a\" from <s@e> for r@e",
            "bob",
        ),
        ("P=esmtpsa CV=no DN=\"CN=a\" SNI=x A=plain:bob S=2 id=x@y.z", "bob"),
        ("P=esmtpsa CV=no DN=\"CN=a\\\" A=plain:v S=1\" SNI=x A=plain:bob S=2", "bob"),
        ("P=esmtpsa CV=no DN=\"CN=a\\\\\" A=plain:bob S=2", "bob"),
        ("P=esmtpsa CV=no DN=\"/CN=a\\\" A=plain:bob S=2", "bob"),
        ("P=esmtpa A=plain:bob smith S=234 id=x@y.z", "bob smith"),
        ("P=esmtpa A=plain:bob PRX=192.0.2.7 S=2", "bob"),
        ("P=esmtpa A=plain:bob PRDR PRX=2001:db8::7 K S=2", "bob"),
        ("P=esmtpa A=plain:bob PRX=proxy S=2", "bob PRX=proxy"),
        ("P=esmtpa A=plain:bob S=2 DKIM=example.com Q=3s id=x", "bob"),
        ("P=esmtpa A=plain:v S=1 DKIM=x P=esmtp S=4", "v S=1 DKIM=x P=esmtp"),
        ("P=esmtpa A=plain:v S=1 DKIM=x\" S=4", "v S=1 DKIM=x\""),
        ("P=esmtpa A=plain: S=234 id=x@y.z", ""),
        ("P=esmtpa A=plain:x:y S=234", "x:y"),
        ("P=esmtpa A=plain:a S=1 U=root P=local S=234 id=x@y.z", "a S=1 U=root P=local"),
        ("P=esmtpa A=plain:v S=1 for S=234 id=x@y.z", "v S=1 for"),
        ("P=esmtpa A=plain:v S=1 T=\" S=234 id=x@y.z T=\" for a@b\"", "v S=1 T=\""),
        ("P=esmtpa A=plain:v S=1 id=\" S=234 id=x@y.z T=\"@x\"", "v S=1 id=\""),
        ("P=esmtpa A=plain:v S=1 for a@b\\ S=234 id=x@y.z", "v S=1 for a@b\\"),
        ("P=esmtpa A=plain:v S=1 for a@b\\ S=234 id=\"p q\"@y.z", "v S=1 for a@b\\"),
        ("P=esmtpa A=plain:v S=1 for a@\\ S=234", "v S=1 for a@\\"),
        ("P=esmtpa A=plain:v S=1 id=a@b\\ S=234", "v S=1 id=a@b\\"),
        ("P=esmtpa A=plain:v S=1 id=a\\ S=234", "v S=1 id=a\\"),
        ("P=esmtpa A=plain:v S=1 id=a\\ S=234 T=\"@x\" for a@b", "v S=1 id=a\\"),
        ("P=esmtpa A=plain:bob S=2 T=\"x S=5 id=1@2\" for \"q r\"@e.net c@e.net", "bob"),
        ("U=ident P=esmtpa A=plain:bob S=2", "bob"),
        ("U=a for b P=esmtpa A=plain:bob S=2 id=x", "bob"),
        ("U=a id=b T=\" from < P=esmtpa A=plain:bob S=2 id=x", "bob"),
        ("U=a P=x for b P=esmtpa A=plain:bob S=2", "bob"),
        ("U=ident P=esmtpa A=plain:bob S=2 T=\"a P=b\"", "bob"),
        ("P=esmtpa A=plain:bob S=2 id=x", "bob"),
        ("P=esmtpa A=plain:bob S=2 id=a\\ b@c", "bob"),
        ("P=esmtpa A=plain:bob S=2 id=a\"b T=\"x\"", "bob"),
        ("P=esmtpa A=plain:bob S=2 id=x for postmaster a\\ b@c", "bob"),
        ("P=esmtpa A=plain:bob S=2 id=x for a@b <trunc>", "bob"),
        ("P=esmtpa A=plain:bob S=2 id=x T=\"y\" from <\"a b\"@c> for a@b", "bob"),
        ("P=esmtpa A=plain:v S=1 from < S=234 id=x from <a@c>", "v S=1 from <"),
        ("P=esmtpa A=plain:bob S=2 id=x T=\"y\" from <a@c>", "bob"),
        ("P=esmtpa A=plain:bob S=2 id=x T=\"y **** log string overflowed log buffer ****", "bob"),
        ("P=esmtpa A=plain:bob S=2 id=x \r", "bob"),
        ("P=esmtpa A=plain:v S=1 id= S=234 id=x", "v S=1 id="),
        ("P=esmtpa A=plain:v S=1 P=esmtp S=4", "v S=1 P=esmtp"),
        ("U=x P=esmtpa A=plain:v P=esmtp, x S=4", "v P=esmtp, x"),
        ("U=x P=esmtpa A=plain:v) [1.1.1.1] S=4", "v) [1.1.1.1]"),
        (
            "P=esmtpa A=plain:v H=(x) [1.1.1.1] P=esmtp S=4, y S=4",
            "v H=(x) [1.1.1.1] P=esmtp S=4, y",
        ),
    ] {
        let line = format!("{ID}s@e H=(pc) [192.0.2.8] {rest}");
        assert_eq!(show(&line), format!("Helo pc A={want} 1"), "{rest}");
    }
    for rest in [
        "P=esmtp S=4",
        "P=esmtp S=4 T=\" A=plain:victim S=1\"",
        "P=esmtpa A=plain S=4",
        "P=esmtpa A=plain:bob S=4 id=x T=\"open",
        "P=esmtpa A=plain:bob S=4 id=x T=\"y\" from <open",
        "P=esmtpa A=plain:bob S=4 id=x for \"open",
        "P=esmtp S=4 id=x T=\"y P=esmtpa A=plain:victim S=1 id=z\"",
        "P=esmtp S=4 id=x for \"x P=esmtpa A=plain:victim S=1 id=z\"@d",
        "U=i P=esmtp S=4 id=x T=\"y P=esmtpa A=plain:victim S=1 id=z\"",
        "P=esmtp S=4 DKIM=x P=esmtpa A=plain:victim S=1 for a@b.example id=z",
        "P=esmtps CV=no DN=\" P=esmtpa A=plain:victim S=4\" SNI=x S=4",
        "U=x P=esmtpa A=plain:v S=1 P=esmtp S=4",
        "U=a P=x S=1 P=esmtpsa X=TLS1.3 CV=no A=plain:bob S=2",
        "U=x P=esmtp S=4 DKIM=x P=esmtpa A=plain:victim S=1 for a@b.example id=z@x",
        "U=x P=esmtpa A=plain:v S=1 for a@b P=esmtp S=4",
        "U=x P=esmtpa A=plain:v S=1 P=esmtpsa L.- X=a CV=no SNI=x A=plain:bob S=4",
        "U=x P=esmtpa A=plain:v S=1 P=esmtpsa DN=\"x\" A=plain:bob S=4",
        // After a HELO `pc) [192.0.2.8] P=esmtpa A=plain:v S=1`.
        "P=esmtpa A=plain:v S=1) [192.0.2.9] P=esmtp S=4",
        "P=esmtpa A=plain:v S=1) [192.0.2.9] P=esmtpa A=plain:bob S=4",
    ] {
        let line = format!("{ID}s@e H=(pc) [192.0.2.8] {rest}");
        assert_eq!(show(&line), "Helo pc 1", "{rest}");
    }
}

#[test]
fn an_id_has_letters_and_digits_and_two_dashes() {
    for id in [&b"1xVYRD-0008N8-0D"[..], b"1x5dJQ-00000002ksM-1pMm"] {
        assert!(is_message_id(id));
        for at in 0..id.len() {
            for b in 0..=u8::MAX {
                let mut other = id.to_vec();
                other[at] = b;
                let want = if id[at] == b'-' { b == b'-' } else { b.is_ascii_alphanumeric() };
                assert_eq!(is_message_id(&other), want, "{b} at {at}");
            }
        }
        assert!(!is_message_id(&id[1..]) && !is_message_id(&[id, b"x"].concat()));
    }
}

#[test]
fn what_a_glance_tells_is_what_parsing_tells() {
    use Glance::{Completed, Nothing, Unclear};
    for id in ["1xVYRD-0008N8-0D", "1x5dJQ-00000002ksM-1pMm"] {
        let line = |rest: &str| format!("2026-11-23 18:06:47 {id} {rest}");
        for (line, want) in [
            (line("Completed"), Completed(id.as_bytes())),
            (line("=> a@b R=x T=y H=mx [1.1.1.1] C=\"250 OK\""), Nothing),
            (line("-> a@b R=x T=y H=mx [1.1.1.1] C=\"x <= y\""), Nothing),
            (line("** a@b R=x T=y: Completed"), Nothing),
            (line("== a@b R=x T=y defer (-53): z"), Nothing),
            (line("*> a@b R=x T=y"), Nothing),
            (line(">> a@b R=x T=y"), Nothing),
            (line("<= a@b U=www P=local S=1"), Glance::Event),
            (line("Completed QT=1s"), Unclear),
            (line("Completed\r"), Unclear),
            (line("no immediate delivery"), Unclear),
            (line("Completed").replace(id, &id.replace('-', "+")), Unclear),
            (line("=> a@b").replace(" 1x", " [5] 1x"), Unclear),
            (line("=> a@b").replace(":47 ", ":47.123 "), Unclear),
            (line(""), Unclear),
            ("Nov 23 18:06:47 vm exim[5]: x".into(), Unclear),
            ("2026-11-23 18:06:47 x".into(), Unclear),
            (String::new(), Unclear),
        ] {
            let found = Exim.glance(line.as_bytes());
            assert_eq!(found, want, "{line}");
            let parsed = Exim.line(line.as_bytes());
            match (found, parsed.event().as_deref()) {
                (Completed(id), Some(&Event::Completed(other))) => assert_eq!(id, other),
                (Completed(_), _) | (Nothing, Some(_)) => panic!("{line}"),
                _ => {}
            }
        }
    }
}
