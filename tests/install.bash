# shellcheck shell=bash
# What tests/install.crontab and tests/install.life share inside a root: checks, a directory, an account whose password a
# botnet has, its log lines, and a syslog and a sendmail that keep what they get.

# shellcheck source=tests/checks.bash
. /spam-check/tests/checks.bash
# shellcheck source=tests/testkit/host.bash
. /spam-check/tests/testkit/host.bash
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

T=~root/test
mkdir $T
# shellcheck disable=SC2016 # an encrypted password
HASH='$6$salt$hash'
useradd --create-home --password "$HASH" stolen

servers() { # /dev/log goes to $T/syslog, mail to $T/notices
    syslog_to $T/syslog </dev/null &
    soon test -S /dev/log
    fake_sendmail $T/notices
}

accepted() { # SECOND CLIENT USER: a line as rsyslog writes it
    printf '%(%FT%T)T.%06d+00:00 mail postfix/smtpd[77]: 3F1A2B%04X: client=%s, sasl_method=PLAIN, sasl_username=%s\n' \
        "$1" "$n" "$n" "$2" "$3"
}

botnet() { # SECOND: 95 messages from then on, one per second
    # 5 through the webmail host, 45 from 30 hosts without a name, 45 from hosts of 20 networks.
    local n client letters=abcdefghijklmnopqrst
    for ((n = 0; n < 95; n++)); do
        if ((n < 5)); then
            client='webmail.example.org[192.0.2.201]'
        elif ((n % 2)); then
            client="unknown[203.0.113.$((n / 2 % 30))]"
        else
            client="h$n.isp-${letters:n / 2 % 20:1}.example[198.51.100.$n]"
        fi
        accepted $(($1 + n)) "$client" stolen
    done
}
