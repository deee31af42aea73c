# shellcheck shell=bash
# What the claims of scripts/prove share: verdicts, figures of cargo's tests, numbers of a short and a long run.
#
# CLAIM is the claim's name, LONG is empty in a short run, SHARED a folder for logs that several claims read.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT" || exit

# shellcheck source=scripts/need.bash
. scripts/need.bash

proved() { # FIGURE
    echo "ok: $CLAIM: $1"
}

refuted() { # FIGURE WANTED: and that is all
    echo "FAILED: $CLAIM: $1 (wanted $2)"
    exit 1
}

often() { # SHORT LONG: how often something is tried in this run
    if [[ $LONG ]]; then echo "$2"; else echo "$1"; fi
}

figures=()

# Runs tests of the project, prints their figures, and leaves these in the array `figures`. A test that
# fails, or tells none, refutes the claim: one that was left out has proved nothing.
figures_of() { # WANTED CARGO-TEST-ARGUMENT…: so many figures
    local wanted=$1 log
    shift
    log=$ROOT/target/prove/$CLAIM.tests
    if ! cargo test --locked --quiet "$@" >"$log" 2>&1; then
        tail -c 3000 "$log"
        refuted "a test failed" "none"
    fi
    mapfile -t figures < <(sed -n 's/^.*figure: //p' "$log")
    printf '    %s\n' "${figures[@]}"
    [[ ${#figures[@]} == "$wanted" ]] || refuted "${#figures[@]} figures" "$wanted"
}

# A command of the project that proves by itself: what it prints are its figures, its last line is the
# verdict's, its status says whether the claim holds.
command_proves() { # WANTED COMMAND…
    local wanted=$1 log=$ROOT/target/prove/$CLAIM.out status=0
    shift
    "$@" >"$log" 2>&1 || status=$?
    sed 's/^/    /' "$log" | tail -n 100
    [[ $status == 0 ]] || refuted "$(tail -n 1 "$log")" "$wanted"
    proved "$(tail -n 1 "$log")"
}
