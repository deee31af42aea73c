# shellcheck shell=bash
# Installs or builds what a script needs and this machine does not have; for scripts that source this file.

retry() { # COMMAND…: runs it up to four times; for what uses the network
    local try
    for try in 1 2 3 4; do
        "$@" && return
        echo "try $try of 4 failed: $*" >&2
        sleep $((try * 5))
    done
    return 1
}

missing_packages=()

want() { # COMMAND PACKAGE…: remembers the packages if the command, or the file of that path, is missing
    if [[ $1 == /* ]]; then
        [[ ! -e $1 ]] || return 0
    elif command -v "$1" >/dev/null; then
        return
    fi
    missing_packages+=("${@:2}")
}

install_wanted() { # installs the remembered packages; as another user than root, lists them and ends the script
    ((${#missing_packages[@]} > 0)) || return 0
    [[ $(id -u) == 0 ]] || {
        echo "please install: ${missing_packages[*]}" >&2
        exit 1
    }
    if [[ -z ${updated-} ]]; then
        retry apt-get update -qq || return
        updated=1
    fi
    without_services retry apt-get install -y -qq --no-remove --no-install-recommends "${missing_packages[@]}" >/dev/null || return
    missing_packages=()
}

without_services() ( # COMMAND…: runs it; packages that it installs do not start their services
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    "$@"
)

need() { # COMMAND PACKAGE…: installs the packages if the command is missing
    want "$@"
    install_wanted
}

proof_tools() { # builds the project's own, in target/proof and target/proof/examples, all at once: they share what is compiled
    cargo build --profile proof --locked --quiet --workspace --bins --examples
}

tool() { # CRATE: installs a program from its crate if it is missing
    command -v "$1" >/dev/null || retry cargo install --locked --quiet "$1"
}
