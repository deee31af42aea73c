//! Every field of a log line that a stranger can write, software by software.

use super::{
    Log, Place, blanked, cut, folded, hostname, indented, neutered, octal, percent, printable,
    quoted, raw, received,
};

const fn syslog(line: &'static str, writes: fn(&str) -> String) -> Place {
    Place { log: Log::Syslog, line, writes, counts: None }
}

const fn exim(line: &'static str, writes: fn(&str) -> String) -> Place {
    Place { log: Log::Exim, line, writes, counts: None }
}

const fn php(line: &'static str, writes: fn(&str) -> String) -> Place {
    Place { log: Log::Php, line, writes, counts: None }
}

const fn counts(sender: &'static str, place: Place) -> Place {
    Place { counts: Some(sender), ..place }
}

/// The places, by log and software. Sources: `smtpd.c`, `cleanup_message.c`, `postscreen*.c`,
/// `smtp_proto.c`; Exim `log.c`, `receive.c`, `smtp_in.c`, `deliver.c`; OpenSSH `auth.c`, `packet.c`,
/// `log.c`; Dovecot `client-common.c`, `mail-log-plugin.c`; PHP `mail.c`.
pub const PLACES: &[Place] = &[
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
    syslog(
        "mx postfix/smtpd[7]: 3F1A2B: client=a[1.1.1.1], sasl_method=P, sasl_username=evil{}",
        printable,
    ),
    counts(
        "sure",
        syslog(
            "mx postfix/smtpd[7]: 3F1A2B: client={}.evil.example[1.1.1.1], sasl_method=P, sasl_username=sure",
            hostname,
        ),
    ),
    counts(
        "sure",
        syslog(
            "mx postfix/smtpd[7]: 3F1A2B: client=a[1.1.1.1], sasl_method=P, sasl_username=sure, sasl_sender={}",
            printable,
        ),
    ),
    counts(
        "sure",
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
        "pc",
        exim("1ABCDE-000001-XY <= \"x{}\"@evil.example H=(pc) [192.0.2.5] P=esmtp S=4", quoted),
    ),
    counts(
        "pc",
        exim(
            "1ABCDE-00000000001-XYZA <= \"x{}\"@evil.example H=(pc) [192.0.2.5] P=esmtp S=4",
            quoted,
        ),
    ),
    counts("sure", exim("1ABCDE-000001-XY <= x.\"{}\"@evil.example U=sure P=local S=4", quoted)),
    exim("1ABCDE-000001-XY <= a@b H=(pc {}) [192.0.2.5] P=esmtp S=4", raw),
    exim("1ABCDE-000001-XY <= a@b H=evil.example (pc {}) [192.0.2.5] P=esmtp S=4", raw),
    counts("pc", exim("1ABCDE-000001-XY <= a@b H=(pc) [192.0.2.5] U=evil{} P=esmtp S=4", octal)),
    counts(
        "pc",
        exim(
            "1ABCDE-000001-XY <= a@b H=(pc) [192.0.2.5] P=esmtpa A=plain:evil{} S=4 id=x@y",
            octal,
        ),
    ),
    counts(
        "pc",
        exim(
            "1ABCDE-000001-XY <= a@b H=(pc) [192.0.2.5] P=esmtps X=TLS1.3:x:256 CV=no DN=\"{}\" SNI=x S=4",
            |text| octal(&text.replace('"', "'")),
        ),
    ),
    counts(
        "sure",
        exim(
            "1ABCDE-000001-XY <= a@b H=(box) [192.0.2.5] P=esmtpa A=plain:sure S=4 T=\"{}\" for c@d",
            quoted,
        ),
    ),
    counts(
        "pc",
        exim("1ABCDE-000001-XY <= a@b H=(pc) [192.0.2.5] P=esmtp S=4 T=\"{}\" for c@d", quoted),
    ),
    counts(
        "pc",
        exim("1ABCDE-000001-XY <= a@b H=(pc) [192.0.2.5] P=esmtp S=4 id=\"{}\"@x T=\"y\"", quoted),
    ),
    counts(
        "pc",
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
    syslog(
        "vm exim[5]: 2026-11-23 17:57:00 H=(pc {}) [192.0.2.5] rejected RCPT <\"{}\"@y>: no",
        octal,
    ),
    counts(
        "pc",
        syslog(
            "vm exim[5]: 1ABCDE-000001-XY <= \"x{}\"@evil.example H=(pc) [192.0.2.5] P=esmtp S=4",
            quoted,
        ),
    ),
    // PHP.
    counts(
        "/home/evil/x.php",
        php("mail() on [/home/evil/x.php:1]: To: {} -- Headers: {} -- Subject: {}", blanked),
    ),
    counts(
        "/home/evil/x.php",
        php("mail() on [/home/evil/x.php(3) : eval()'d code:1]: To: {} -- Headers: ", blanked),
    ),
    counts(
        "/home/evil/x.php",
        php("mail() on [/home/evil/x.php:1]: To: a@b -- Headers:  -- Subject: {}", folded),
    ),
    counts(
        "/home/evil/x.php",
        syslog("web php: mail() on [/home/evil/x.php:1]: To: {} -- Headers: x", received),
    ),
    syslog("web php:  {}", received),
    // The wrapper.
    syslog(
        "web root: sendmail-php url=h/{}, client=203.0.113.7, filename=/home/evil/x.php, uid=33, user=www-data, args=",
        received,
    ),
    syslog(
        "web root: sendmail-php url={}/x, client=203.0.113.7, filename=/home/evil/x.php, uid=33, user=www-data, args=-f{}",
        received,
    ),
    syslog(
        "web root: sendmail-php url=h/, client=203.0.113.7, filename=/home/evil/x.php, uid=33, user=www-data, args={}",
        received,
    ),
    syslog("web root: sendmail-php url=h/{}", cut),
    counts(
        "/home/evil/new.php",
        syslog(
            "web root: sendmail-php v=2, url=h/{}, client={}, filename=/home/evil/new.php, uid=33, user=www-data, args=+{}",
            percent,
        ),
    ),
];
