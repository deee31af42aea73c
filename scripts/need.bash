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

need() { # COMMAND PACKAGE…: installs the packages where the command is missing
    command -v "$1" >/dev/null && return
    shift
    [[ $(id -u) == 0 ]] || {
        echo "please install: $*" >&2
        exit 1
    }
    if [[ -z ${updated-} ]]; then
        retry apt-get update -qq
        updated=1
    fi
    DEBIAN_FRONTEND=noninteractive retry apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

proof_tools() { # the project's own, in target/proof and target/proof/examples: all at once, they share what is compiled
    cargo build --profile proof --locked --quiet --workspace --bins --examples
}

tool() { # CRATE: installs a program from its crate where it is missing
    command -v "$1" >/dev/null || retry cargo install --locked --quiet "$1"
}
