# shellcheck shell=bash
# A host of a test's own, made inside a mount namespace (`unshare --mount`): for scripts that source this file, and for
# testkit's Namespace. What is changed there is not changed outside. KIT is the directory of this file.

KIT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

private_host() { # DIRECTORY: in memory from now on; /usr/sbin and /dev are copies. Status 99 where this is not allowed.
    mount -t tmpfs -o mode=755 none "$1" || exit 99
    mkdir "$1/upper" "$1/work" "$1/dev"
    mount -t overlay overlay -o "lowerdir=/usr/sbin,upperdir=$1/upper,workdir=$1/work" /usr/sbin 2>/dev/null || {
        cp -a /usr/sbin "$1/sbin"
        mount --bind "$1/sbin" /usr/sbin
    }
    mount -t tmpfs -o mode=755 none "$1/dev"
    local device
    for device in null zero full random urandom tty; do
        : >"$1/dev/$device"
        mount --bind "/dev/$device" "$1/dev/$device"
    done
    ln -s /proc/self/fd "$1/dev/fd"
    mount --rbind "$1/dev" /dev
}

private_etc() { # DIRECTORY: /etc is a copy, kept there
    cp -a /etc "$1/etc"
    mount --bind "$1/etc" /etc
}

add_accounts() { # USER…: accounts with a password that nobody has, in the private /etc
    local user id=5001
    for user; do
        sed -i "/^$user:/d" /etc/passwd /etc/shadow
        echo "$user:x:$id:100::/nonexistent:/bin/sh" >>/etc/passwd
        echo "$user:\$6\$abc\$$user:19000:0:99999:7:::" >>/etc/shadow
        id=$((id + 1))
    done
}

fake_mta() { # MAILS: postmap, postconf, and a sendmail that appends to the file MAILS
    # What stands there may be a link to another program.
    rm -f /usr/sbin/{postmap,postconf,sendmail}
    cp "$KIT"/mta/{postmap,postconf} /usr/sbin
    fake_sendmail "$1"
}

fake_sendmail() { # MAILS
    rm -f /usr/sbin/sendmail
    sed "s|@MAILS@|$1|" "$KIT/mta/sendmail" >/usr/sbin/sendmail
    chmod 755 /usr/sbin/sendmail
}

syslog_to() { # FILE: appends what is sent to /dev/log, a message per line, until it is killed
    perl -MSocket -e 'socket S, AF_UNIX, SOCK_DGRAM, 0; bind S, pack_sockaddr_un "/dev/log" or die;
        open L, ">>", shift; while (defined recv S, $m, 65536, 0) { syswrite L, "$m\n" }' "$1"
}
