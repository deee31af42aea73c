# shellcheck shell=bash
# Installs or builds what a script needs and this machine lacks; for scripts that source this file.

retry() { # COMMAND…: for what fetches something
    local try
    for try in 1 2 3 4; do
        "$@" && return
        echo "try $try of 4 failed: $*" >&2
        sleep $((try * 5))
    done
    return 1
}

wanted=()

want() { # COMMAND PACKAGE…: notes the packages where the command, or the file of that path, is missing
    if [[ $1 == /* ]]; then
        [[ ! -e $1 ]] || return 0
    elif command -v "$1" >/dev/null; then
        return
    fi
    wanted+=("${@:2}")
}

install_wanted() { # installs the packages that are noted; who is not root is told all of them, and the script ends
    ((${#wanted[@]} > 0)) || return 0
    [[ $(id -u) == 0 ]] || {
        echo "please install: ${wanted[*]}" >&2
        exit 1
    }
    if [[ -z ${updated-} ]]; then
        retry apt-get update -qq || return
        updated=1
    fi
    without_services retry apt-get install -y -qq --no-remove --no-install-recommends "${wanted[@]}" >/dev/null || return
    wanted=()
}

without_services() ( # COMMAND…: packages that it installs start no services
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    "$@"
)

need() { # COMMAND PACKAGE…: installs the packages where the command is missing
    want "$@"
    install_wanted
}

proof_tools() { # builds the project's own, in target/proof and target/proof/examples: all at once, they share what is compiled
    cargo build --profile proof --locked --quiet --workspace --bins --examples
}

tool() { # CRATE: installs a program from its crate where it is missing
    command -v "$1" >/dev/null || retry cargo install --locked --quiet "$1"
}
