# shellcheck shell=bash
# What the parts of scripts/e2e share inside a root: programs in their places, checks, waiting.
#
# A part prints a line `ok: WHAT` or `FAILED: WHAT`, with what was got and wanted, for each check; scripts/e2e
# counts them.

PROGRAMS=/spam-check/target/release
export SMTP=$PROGRAMS/examples/smtp

# The programs under all their names, as the package has them.
cp $PROGRAMS/{postfix,exim,php,php-legacy}-spam-check /usr/bin
ln -s postfix-spam-check /usr/bin/postfix-spam-scan
ln -s exim-spam-check /usr/bin/exim-spam-scan
ln -s php-spam-check /usr/bin/php-spam
ln -s php-legacy-spam-check /usr/bin/php-spam-legacy

is() { # WHAT GOT WANTED
    if [[ $2 == "$3" ]]; then
        echo "ok: $1"
    else
        printf 'FAILED: %s\n--- got\n%s\n--- wanted\n%s\n---\n' "$1" "$2" "$3"
    fi
}

holds() { # WHAT COMMAND…: the command's status is 0; what it prints is shown only when it is not
    local what=$1 output
    shift
    if output=$("$@" 2>&1); then
        echo "ok: $what"
    else
        printf 'FAILED: %s (status %s of: %s)\n%s\n---\n' "$what" $? "$*" "$output"
    fi
}

soon() { # COMMAND…: waits until the command's status is 0, for up to 20 seconds
    local try
    for ((try = 0; try < 200; try++)); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "this did not come: $*" >&2
    return 1
}

listens() { # PORT, on some address
    local port
    printf -v port ':%04X ' "$1"
    grep -qs "$port.* 0A " /proc/net/tcp /proc/net/tcp6
}
