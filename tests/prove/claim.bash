# shellcheck shell=bash
# What the claims of scripts/prove share: verdicts, figures of cargo tests, repetitions in a short and in a long run.
#
# CLAIM is the claim's name; LONG is empty in a short run; SHARED is a directory for logs that several claims read.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT" || exit

# shellcheck source=scripts/need.bash
. scripts/need.bash

proved() { # FIGURE
    echo "ok: $CLAIM: $1"
}

refuted() { # FIGURE EXPECTED: ends the claim
    echo "FAILED: $CLAIM: $1 (expected $2)"
    exit 1
}

often() { # SHORT LONG: how often something is done in this run
    if [[ $LONG ]]; then echo "$2"; else echo "$1"; fi
}

figures=()

# Runs tests of the project, prints their figures, and leaves them in the array `figures`. A test that fails, or prints no
# figure, refutes the claim: a skipped test proves nothing.
figures_of() { # NUMBER CARGO-TEST-ARGUMENT…: expects that many figures
    local number=$1 log
    shift
    log=$ROOT/target/prove/$CLAIM.tests
    if ! cargo test --locked --quiet "$@" >"$log" 2>&1; then
        tail -c 3000 "$log"
        refuted "a test failed" "none"
    fi
    mapfile -t figures < <(sed -n 's/^.*figure: //p' "$log")
    printf '    %s\n' "${figures[@]}"
    [[ ${#figures[@]} == "$number" ]] || refuted "${#figures[@]} figures" "$number"
}

# Runs a command that proves a claim by itself: it prints figures, the last line is for the verdict, and its status says
# whether the claim holds.
command_proves() { # EXPECTED COMMAND…
    local expected=$1 log=$ROOT/target/prove/$CLAIM.out status=0
    shift
    "$@" >"$log" 2>&1 || status=$?
    sed 's/^/    /' "$log" | tail -n 100
    [[ $status == 0 ]] || refuted "$(tail -n 1 "$log")" "$expected"
    proved "$(tail -n 1 "$log")"
}
