//! Every field of a log line that a stranger can write, software by software.

use super::{
    Counts, Field, Log, address, blanked, cut, file_name, folded, folded_by_tab, headers, helo,
    host_name, hostname, if_reached, indented, junk, login, long_quoted, long_without_id, neutered,
    octal, of_a_method, old_script, pc_and_id, pc_and_sure, percent, pieces, printable, quoted,
    raw, received, script, whole_line, without_blanks, without_controls, word,
};

const fn field(log: Log, line: &'static str, writes: fn(&str) -> String) -> Field {
    Field { log, line, writes, sends: whole_line, counts: Counts::Nobody }
}

const fn syslog(line: &'static str, writes: fn(&str) -> String) -> Field {
    field(Log::Syslog, line, writes)
}

const fn exim(line: &'static str, writes: fn(&str) -> String) -> Field {
    field(Log::Exim, line, writes)
}

const fn php(line: &'static str, writes: fn(&str) -> String) -> Field {
    field(Log::Php, line, writes)
}

/// A field of which each line counts for the same.
const fn counts(senders: &'static [&'static str], field: Field) -> Field {
    Field { counts: Counts::For(senders), ..field }
}

/// A field of which each line counts for the stranger's script.
const fn by_script(field: Field) -> Field {
    counts(&["/home/evil/x.php"], field)
}

/// A field of which a line counts for these senders, or has two readings.
const fn perhaps(senders: fn(&str) -> Vec<String>, field: Field) -> Field {
    Field { counts: Counts::Perhaps(senders), ..field }
}

/// A field where the stranger says who he is.
const fn own(senders: fn(&str) -> Vec<String>, field: Field) -> Field {
    Field { counts: Counts::Own(senders), ..field }
}

/// A field whose software sends a line in several.
const fn sent(sends: fn(&str) -> Vec<String>, field: Field) -> Field {
    Field { sends, ..field }
}

/// The fields, by log and software. Sources: `smtpd.c`, `cleanup_message.c`, `postscreen*.c`,
/// `smtp_proto.c`; Exim `log.c`, `receive.c`, `smtp_in.c`, `deliver.c`; OpenSSH `auth.c`, `packet.c`,
/// `log.c`; Dovecot `client-common.c`, `mail-log-plugin.c`; PHP `mail.c`.
pub const FIELDS: &[Field] = &[
    // Postfix, what a client says.
    syslog("mx postfix/smtpd[7]: warning: non-SMTP command from a[1.1.1.1]: GET {}", printable),
    syslog("mx postfix/smtpd[7]: warning: non-SMTP command from a[1.1.1.1]: {}", printable),
    syslog(
        "mx postfix/smtpd[7]: warning: Illegal address syntax from a[1.1.1.1] in MAIL command: {}",
        printable,
    ),
    syslog(
        "mx postfix/smtpd[7]: warning: a[1.1.1.1]: SASL LOGIN authentication failed: x, sasl_username={}",
        printable,
    ),
    syslog(
        "mx postfix/smtpd[7]: warning: a[1.1.1.1]: SASL {} authentication failed: {}",
        printable,
    ),
    syslog(
        "mx postfix/smtpd[7]: warning: hostname {} does not resolve to address 1.1.1.1",
        hostname,
    ),
    syslog(
        "mx postfix/smtpd[7]: improper command pipelining after DATA from a[1.1.1.1]: {}",
        printable,
    ),
    syslog(
        "mx postfix/smtpd[7]: NOQUEUE: reject: RCPT from a[1.1.1.1]: 554 5.7.1 <{}>: Relay access denied; from=<{}> to=<{}> proto=ESMTP helo=<x>",
        printable,
    ),
    syslog(
        "mx postfix/smtpd[7]: NOQUEUE: reject: RCPT from a[1.1.1.1]: 554 5.7.1 x; from=<x> to=<y> proto=ESMTP helo=<{}>",
        neutered,
    ),
    syslog(
        "mx postfix/smtpd[7]: 3F1A2B: reject: RCPT from a[1.1.1.1]: 554 5.7.1 x; from=<x> to=<y> proto=ESMTP helo=<x> sasl_method=P sasl_username={} sasl_sender={}",
        printable,
    ),
    syslog(
        "mx mx-in/smtpd[7]: proxy-accept: END-OF-MESSAGE: 250 {}; from=<{}> to=<y> proto=ESMTP helo=<x> sasl_username=<{}>",
        printable,
    ),
    syslog(
        "mx postfix/smtpd[7]: 3F1A2B: milter-reject: END-OF-MESSAGE from a[1.1.1.1]: 5.7.1 {}; from=<{}> to=<y> proto=ESMTP helo=<x>",
        printable,
    ),
    syslog("mx postfix/smtpd[7]: connect from {}.evil.example[1.1.1.1]", hostname),
    syslog("mx postfix/smtpd[7]: 3F1A2B: client={}.evil.example[1.1.1.1]", hostname),
    syslog(
        "mx postfix/smtpd[7]: a[1.1.1.1]: Untrusted: subject_CN={}, issuer={}, fingerprint=00",
        printable,
    ),
    // The login is the client's own, whatever stands in it.
    own(
        login,
        syslog(
            "mx postfix/smtpd[7]: 3F1A2B: client=a[1.1.1.1], sasl_method=P, sasl_username=evil{}",
            printable,
        ),
    ),
    // No server offers a mechanism with a comma.
    own(
        of_a_method,
        syslog(
            "mx postfix/smtpd[7]: 3F1A2B: client=a[1.1.1.1], sasl_method={}, sasl_username=sure",
            |text| printable(text).replace(' ', ""),
        ),
    ),
    counts(
        &["sure"],
        syslog(
            "mx postfix/smtpd[7]: 3F1A2B: client=a[1.1.1.1], sasl_method=P, sasl_username=sure, orig_queue_id={}, orig_client=b[1.1.1.2]",
            printable,
        ),
    ),
    syslog(
        "mx postfix/smtpd[7]: 3F1A2B: client=a[1.1.1.1], orig_queue_id={}, orig_client={}",
        printable,
    ),
    syslog("mx postfix/qmqpd[7]: 3F1A2B: client={}.evil.example[1.1.1.1]", hostname),
    counts(
        &["sure"],
        syslog(
            "mx postfix/smtpd[7]: 3F1A2B: client={}.evil.example[1.1.1.1], sasl_method=P, sasl_username=sure",
            hostname,
        ),
    ),
    counts(
        &["sure"],
        syslog(
            "mx postfix/smtpd[7]: 3F1A2B: client=a[1.1.1.1], sasl_method=P, sasl_username=sure, sasl_sender={}",
            printable,
        ),
    ),
    counts(
        &["sure"],
        syslog(
            "mx postfix/submission/smtpd[7]: 4jYDVw0hbHz1TsNr: client=a[1.1.1.1]:25, sasl_method=P, sasl_username=sure, orig_queue_id=3F1A2B, orig_client={}",
            printable,
        ),
    ),
    syslog("mx postfix/postscreen[7]: PREGREET 11 after 0.1 from [1.1.1.1]:25: EHLO {}", octal),
    syslog(
        "mx postfix/postscreen[7]: NON-SMTP COMMAND from [1.1.1.1]:25 after CONNECT: {}",
        printable,
    ),
    syslog(
        "mx postfix/postscreen[7]: NOQUEUE: reject: RCPT from [1.1.1.1]:25: 550 x; from=<{}>, to=<{}>, proto=SMTP, helo=<{}>",
        printable,
    ),
    // Postfix, what a sender or another server says.
    syslog("mx postfix/cleanup[7]: 3F1A2B: message-id=<{}>", printable),
    syslog("mx postfix/cleanup[7]: 3F1A2B: message-id={}", printable),
    syslog(
        "mx postfix/cleanup[7]: 3F1A2B: warning: header Subject: {} from a[1.1.1.1]; from=<{}> to=<y> proto=ESMTP helo=<x>: {}",
        printable,
    ),
    syslog(
        "mx postfix/cleanup[7]: 3F1A2B: reject: body {} from a[1.1.1.1]; from=<x> to=<y>",
        printable,
    ),
    syslog("mx postfix/qmgr[7]: 3F1A2B: from=<{}>, size=1, nrcpt=1 (queue active)", printable),
    syslog("mx postfix/pickup[7]: 3F1A2B: uid=5 from=<{}>", printable),
    syslog("mx postfix/pickup[7]: 3F1A2B: uid=5 from=<x> orig_id={}", printable),
    syslog(
        "mx postfix/smtp[7]: 3F1A2B: to=<x>, relay={}.evil.example[1.1.1.1]:25, delay=1, dsn=2.0.0, status=sent (250 x)",
        hostname,
    ),
    syslog(
        "mx postfix/smtp[7]: connect to {}.evil.example[1.1.1.1]:25: Connection refused",
        hostname,
    ),
    syslog("mx postfix/smtp[7]: 3F1A2B: host a[1.1.1.1] refused to talk to me: 554 {}", printable),
    syslog(
        "mx postfix/smtp[7]: 3F1A2B: to=<{}>, orig_to=<{}>, relay=mx[1.1.1.1]:25, delay=1, dsn=5.0.0, status=bounced (host mx[1.1.1.1] said: 550 {} (in reply to RCPT TO command))",
        printable,
    ),
    syslog(
        "mx postfix/smtp[7]: warning: host mx[1.1.1.1]:25 greeted me with my own hostname {}",
        printable,
    ),
    syslog(
        "mx postfix/pipe[7]: 3F1A2B: to=<x>, relay=x, delay=1, dsn=5.3.0, status=bounced (command output: {})",
        printable,
    ),
    syslog(
        "mx postfix/local[7]: 3F1A2B: to=<{}>, relay=local, delay=1, dsn=2.0.0, status=sent (delivered to command: x)",
        printable,
    ),
    // Dovecot.
    syslog(
        "mx dovecot: imap-login: Login: user=<{}>, method=PLAIN, rip=1.1.1.1, lip=1.1.1.2, session=<x>",
        printable,
    ),
    syslog(
        "mx dovecot: auth-worker(7): conn unix:auth-worker: pam({},1.1.1.1): unknown user",
        printable,
    ),
    syslog(
        "mx dovecot: auth: passwd-file({},1.1.1.1): unknown user (SHA1 of given password: 00)",
        printable,
    ),
    syslog("mx dovecot: lmtp({})<7><x>: msgid=<{}>: saved mail to INBOX", printable),
    syslog(
        "mx dovecot: imap(x)<7><y>: delete: box={}, uid=1, msgid=<{}>, size=1, subject={}",
        printable,
    ),
    syslog(
        "mx dovecot: managesieve-login: Disconnected: Too many invalid commands: user=<>, rip=1.1.1.1, {}",
        printable,
    ),
    // sshd.
    syslog("mx sshd[7]: Invalid user {} from 1.1.1.1 port 22", octal),
    syslog("mx sshd[7]: Failed password for invalid user {} from 1.1.1.1 port 22 ssh2", octal),
    syslog("mx sshd[7]: Connection closed by invalid user {} 1.1.1.1 port 22 [preauth]", octal),
    syslog("mx sshd[7]: Received disconnect from 1.1.1.1 port 22:11: {} [preauth]", octal),
    syslog(
        "mx sshd[7]: error: kex_exchange_identification: client sent invalid protocol identifier \"{}\"",
        octal,
    ),
    syslog("mx sshd[7]: Bad protocol version identification '{}' from 1.1.1.1 port 22", octal),
    syslog(
        "mx sshd[7]: Unable to negotiate with 1.1.1.1 port 22: no matching cipher found. Their offer: {} [preauth]",
        octal,
    ),
    syslog(
        "mx sshd[7]: message repeated 5 times: [ Failed password for invalid user {} from 1.1.1.1 port 22 ssh2]",
        octal,
    ),
    // What rsyslog and the journal make of others' messages.
    syslog(
        "mx postfix/smtpd[7]: message repeated 3 times: [ warning: non-SMTP command from a[1.1.1.1]: {}]",
        printable,
    ),
    syslog("mx web: x {}", received),
    syslog("mx cron[7]: (evil) CMD ({})", received),
    syslog("mx apache2[7]: [client 1.1.1.1] request failed: {}", received),
    syslog("mx apache2[7]: [client 1.1.1.1] request failed: {}", indented),
    // Exim.
    counts(
        &["pc"],
        exim("1ABCDE-000001-XY <= \"x{}\"@evil.example H=(pc) [192.0.2.5] P=esmtp S=4", quoted),
    ),
    counts(
        &["pc"],
        exim(
            "1ABCDE-00000000001-XYZA <= \"x{}\"@evil.example H=(pc) [192.0.2.5] P=esmtp S=4",
            quoted,
        ),
    ),
    counts(&["sure"], exim("1ABCDE-000001-XY <= x.\"{}\"@evil.example U=sure P=local S=4", quoted)),
    // The HELO is the client's own, up to what looks like its end.
    own(helo, exim("1ABCDE-000001-XY <= a@b H=(pc {}) [192.0.2.5] P=esmtp S=4", raw)),
    own(helo, exim("1ABCDE-000001-XY <= a@b H=(pc {}) [192.0.2.5] P=esmtp S=4", junk)),
    own(helo, exim("1ABCDE-000001-XY <= a@b H=evil.example (pc {}) [192.0.2.5] P=esmtp S=4", raw)),
    own(
        host_name,
        exim("1ABCDE-000001-XY <= a@b H={}.evil.example [192.0.2.5] P=esmtp S=4", hostname),
    ),
    exim(
        "1ABCDE-000001-XY (= \"x{}\"@evil.example H=(pc) [192.0.2.5] P=esmtp S=4 T=\"{}\"",
        quoted,
    ),
    exim("1ABCDE-000001-XY (= a@b H=(pc {}) [192.0.2.5] P=esmtp S=4 id={}@x", raw),
    counts(&["pc"], exim("1ABCDE-000001-XY <= a@b H=(pc) [192.0.2.5] U=evil{} P=esmtp S=4", octal)),
    // So is the id that a client logged in as.
    own(
        pc_and_id,
        exim(
            "1ABCDE-000001-XY <= a@b H=(pc) [192.0.2.5] P=esmtpa A=plain:evil{} S=4 id=x@y",
            octal,
        ),
    ),
    // And what it says behind it, with smtp_mailauth.
    own(
        pc_and_id,
        exim("1ABCDE-000001-XY <= a@b H=(pc) [192.0.2.5] P=esmtpa A=plain:evil:{} S=4 id=x@y", raw),
    ),
    counts(
        &["pc", "sure"],
        exim(
            "1ABCDE-000001-XY <= a@b H=(pc) [192.0.2.5] P=esmtpsa X=TLS1.3:x:256 CV=no SNI={} A=plain:sure S=4",
            without_blanks,
        ),
    ),
    counts(
        &["pc"],
        exim(
            "1ABCDE-000001-XY <= a@b H=(pc) [192.0.2.5] P=esmtps X=TLS1.3:x:256 CV=no SNI={} S=4",
            without_blanks,
        ),
    ),
    counts(
        &["pc", "sure"],
        exim(
            "1ABCDE-000001-XY <= a@b H=(pc) [192.0.2.5] P=esmtpa A=plain:sure S=4 DKIM={}.evil.example id={}@x",
            word,
        ),
    ),
    counts(
        &["pc"],
        exim(
            "1ABCDE-000001-XY <= a@b H=(pc) [192.0.2.5] P=esmtp S=4 DKIM={}.evil.example id=x@y",
            octal,
        ),
    ),
    counts(
        &["pc"],
        exim(
            "1ABCDE-000001-XY <= a@b H=(pc) [192.0.2.5] P=esmtps X=TLS1.3:x:256 CV=no DN=\"{}\" SNI=x S=4",
            |text| octal(&text.replace('"', "'")),
        ),
    ),
    counts(
        &["box", "sure"],
        exim(
            "1ABCDE-000001-XY <= a@b H=(box) [192.0.2.5] P=esmtpa A=plain:sure S=4 T=\"{}\" for c@d",
            quoted,
        ),
    ),
    counts(
        &["pc"],
        exim("1ABCDE-000001-XY <= a@b H=(pc) [192.0.2.5] P=esmtp S=4 T=\"{}\" for c@d", quoted),
    ),
    counts(
        &["pc"],
        exim("1ABCDE-000001-XY <= a@b H=(pc) [192.0.2.5] P=esmtp S=4 id=\"{}\"@x T=\"y\"", quoted),
    ),
    counts(
        &["pc"],
        exim(
            "1ABCDE-000001-XY <= a@b H=(pc) [192.0.2.5] P=esmtp S=4 from <\"{}\"@x> for \"{}\"@x",
            quoted,
        ),
    ),
    exim("1ABCDE-000001-XY => a <\"{}\"@b> R=x T=y H=mx [1.1.1.1] C=\"250 {}\"", quoted),
    exim(
        "1ABCDE-000001-XY ** a@b R=x T=y H=mx [1.1.1.1]: SMTP error from remote mail server after RCPT TO:<a@b>: 550 {}",
        octal,
    ),
    exim("1ABCDE-000001-XY == a@b R=x T=y defer (-53): {}", octal),
    exim("H=(pc {}) [192.0.2.5] F=<\"{}\"@x> rejected RCPT <\"{}\"@y>: no", raw),
    exim("H=(pc) [192.0.2.5] rejected EHLO or HELO {}: syntactically invalid argument(s)", octal),
    exim(
        "SMTP protocol synchronization error (input sent without waiting for greeting): rejected connection from H=[192.0.2.5] input=\"{}\"",
        octal,
    ),
    exim(
        "SMTP call from (pc) [192.0.2.5] dropped: too many syntax or protocol errors (last command was \"{}\")",
        octal,
    ),
    exim(
        "plain authenticator failed for (pc) [1.1.1.1]: 535 Incorrect authentication data (set_id={})",
        octal,
    ),
    exim("cwd=/home/{} 3 args: /usr/sbin/sendmail -t -f \"{}\"", octal),
    exim("TLS error on connection from (pc {}) [1.1.1.1] (gnutls_handshake): x", raw),
    // Exim through syslog.
    syslog("vm exim[5]: [2/4] {}", octal),
    syslog("vm exim[5]: [2\\4] {}", octal),
    sent(
        pieces,
        own(
            if_reached,
            syslog(
                "vm exim[5]: 2026-11-23 17:57:00 1ABCDE-000001-XY <= \"x{}\"@evil.example H=(pc) [192.0.2.5] P=esmtp S=4",
                long_quoted,
            ),
        ),
    ),
    sent(
        pieces,
        own(
            helo,
            syslog(
                "vm exim[5]: 2026-11-23 17:57:00 1ABCDE-000001-XY <= a@b H=(pc {}) [192.0.2.5] P=esmtp S=4",
                long_without_id,
            ),
        ),
    ),
    sent(
        pieces,
        perhaps(
            pc_and_sure,
            syslog(
                "vm exim[5]: 1ABCDE-000001-XY <= a@b H=(pc) [192.0.2.5] P=esmtpa A=plain:sure S=4 T=\"{}\" for \"{}\"@c",
                long_quoted,
            ),
        ),
    ),
    // A mail that was rejected is logged with its header.
    sent(
        pieces,
        syslog(
            "vm exim[5]: 2026-11-23 17:57:00 1ABCDE-000001-XY H=(pc) [192.0.2.5] F=<\"{}\"@x> rejected after DATA: no\nEnvelope-from: <\"{}\"@x>\nF From: {}\n  Subject: {}",
            folded,
        ),
    ),
    syslog(
        "vm exim[5]: 2026-11-23 17:57:00 H=(pc {}) [192.0.2.5] rejected RCPT <\"{}\"@y>: no",
        octal,
    ),
    counts(
        &["pc"],
        syslog(
            "vm exim[5]: 1ABCDE-000001-XY <= \"x{}\"@evil.example H=(pc) [192.0.2.5] P=esmtp S=4",
            quoted,
        ),
    ),
    // PHP.
    by_script(php("mail() on [/home/evil/x.php:1]: To: {} -- Headers: {} -- Subject: {}", blanked)),
    by_script(php(
        "mail() on [/home/evil/x.php(3) : eval()'d code:1]: To: {} -- Headers: ",
        blanked,
    )),
    by_script(php("mail() on [/home/evil/x.php:1]: To: a@b -- Headers:  -- Subject: {}", folded)),
    by_script(php(
        "mail() on [/home/evil/x.php:1]: To: {} -- Headers:  -- Subject: {}",
        folded_by_tab,
    )),
    by_script(php("mail() on [/home/evil/x.php:1]: To: a@b -- Headers: {} -- Subject: x", headers)),
    // A file that a visitor sent, and named, stays in its directory.
    own(script, php("mail() on [/home/evil/uploads/{}.php:1]: To: a@b -- Headers: x", file_name)),
    by_script(syslog("web php: mail() on [/home/evil/x.php:1]: To: {} -- Headers: x", received)),
    sent(
        without_controls,
        by_script(syslog(
            "web php: mail() on [/home/evil/x.php:1]: To: {} -- Headers:  -- Subject: {}",
            folded,
        )),
    ),
    sent(
        without_controls,
        by_script(syslog(
            "web php: mail() on [/home/evil/x.php:1]: To: {} -- Headers:  -- Subject: {}",
            folded_by_tab,
        )),
    ),
    sent(
        without_controls,
        by_script(syslog(
            "web php: mail() on [/home/evil/x.php:1]: To: a@b -- Headers: {} -- Subject: x",
            headers,
        )),
    ),
    syslog("web php:  {}", received),
    // The wrapper.
    own(
        old_script,
        syslog(
            "web root: sendmail-php url=h/{}, client=203.0.113.7, filename=/home/evil/x.php, uid=33, user=www-data, args=",
            received,
        ),
    ),
    perhaps(
        |_| vec!["/home/evil/x.php".to_owned()],
        syslog(
            "web root: sendmail-php url={}/x, client=203.0.113.7, filename=/home/evil/x.php, uid=33, user=www-data, args=-f{}",
            received,
        ),
    ),
    perhaps(
        |_| vec!["/home/evil/x.php".to_owned()],
        syslog(
            "web root: sendmail-php url=h/, client=203.0.113.7, filename=/home/evil/x.php, uid=33, user=www-data, args={}",
            received,
        ),
    ),
    // Some servers leave what stands behind a script's name.
    own(
        old_script,
        syslog(
            "web root: sendmail-php url=h/, client=203.0.113.7, filename=/home/evil/x.php/{}, uid=33, user=www-data, args=",
            received,
        ),
    ),
    // An address, and nothing else, is what a server says of a visitor.
    by_script(syslog(
        "web root: sendmail-php url=h/, client={}, filename=/home/evil/x.php, uid=33, user=www-data, args=",
        address,
    )),
    syslog("web root: sendmail-php url=h/{}", cut),
    counts(
        &["/home/evil/new.php"],
        syslog(
            "web root: sendmail-php v=2, url=h/{}, client={}, filename=/home/evil/new.php, uid=33, user=www-data, args=+{}",
            percent,
        ),
    ),
];
