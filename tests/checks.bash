# shellcheck shell=bash
# Checks for test scripts in bash. Each prints a line `ok: WHAT`, or `FAILED: WHAT` with what was expected; the script's
# caller counts these lines with `counted`.

is() { # WHAT GOT EXPECTED
    if [[ $2 == "$3" ]]; then
        echo "ok: $1"
    else
        printf 'FAILED: %s\n--- got\n%s\n--- expected\n%s\n---\n' "$1" "$2" "$3"
    fi
}

holds() { # WHAT COMMAND…: the command's status is 0; its output is shown only otherwise
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
    echo "timed out waiting for: $*" >&2
    return 1
}

listens() { # PORT: some process listens on it, on any address
    local port
    printf -v port ':%04X ' "$1"
    grep -qs "$port.* 0A " /proc/net/tcp /proc/net/tcp6
}

passed=0 failed=0

counted() { # NAME LOG SECONDS: prints the results in the log, and adds them to `passed` and `failed`
    local good bad
    good=$(grep -c '^ok: ' "$2" || true)
    bad=$(grep -c '^FAILED: ' "$2" || true)
    # A test without a check proves nothing.
    ((good + bad > 0)) || bad=1
    printf '\n== %s: %s passed, %s failed, %s s\n' "$1" "$good" "$bad" "$3"
    if ((bad > 0)); then tail -n 200 "$2"; else grep '^ok: ' "$2"; fi
    passed=$((passed + good)) failed=$((failed + bad))
}
