# shellcheck shell=bash
# Writing logs and measuring programs on them, for bash scripts that source this file, at the top of the
# repository: `make_log`, `measure`, `ms`, `ratio`, `memory`.
#
# Logs end at $end, and `$now` is the option that looks from there. `runs` says how often `measure` runs.

# shellcheck source=scripts/need.bash
. scripts/need.bash

runs=9
end=1795456680 # 2026-11-23 17:58:00 UTC
day=86400
then=2026-11-23T17:58:00Z
# shellcheck disable=SC2034 # for the scripts that source this
now="--now $then"
export TZ=UTC LC_ALL=C

make_log() { # NAME FORMAT MEBIBYTES DAYS: what it holds goes to NAME.counts
    make-log "$2" "$3" "$(awk "BEGIN { print int($end - $day * $4) }")" "$end" >"$1" 2>"$1.counts"
}

# Runs commands in turn, over and over, so that all have the same weather; medians to the array `took`, in
# microseconds.
measure() { # COMMAND…
    local run number before command
    rm -f times.*
    for ((run = 0; run < runs; run++)); do
        number=0
        for command in "$@"; do
            before=${EPOCHREALTIME/./}
            # Not to /dev/null, where grep would stop at the first match.
            eval "$command" >printed || [[ $command == rg* || $command == grep* ]]
            echo $((${EPOCHREALTIME/./} - before)) >>"times.$number"
            number=$((number + 1))
        done
    done
    took=()
    for ((number = 0; number < $#; number++)); do
        took+=("$(sort -n times.$number | sed -n "$((runs / 2 + 1))p")")
    done
}

ms() { awk "BEGIN { printf \"%.1f ms\", $1 / 1000 }"; }
ratio() { awk "BEGIN { printf \"%.2f\", $1 / $2 }"; }
# The peak of a command in KiB; of a pipe, that of its last command. Fails where this does not end with the status, 0
# if none is given, or another of the pipe fails: who crashes needs little memory. What it printed is left in the files
# `printed` and `said`.
peak() { # COMMAND [STATUS]
    local first=${1%|*} wanted=${2-0} ended=(0 0)
    [[ $first != "$1" ]] || first=true
    eval "$first" | /usr/bin/time -o peak -f %M bash -c "exec ${1##*|}" >printed 2>said || ended=("${PIPESTATUS[@]}")
    [[ "${ended[*]}" == "0 $wanted" ]] || {
        tail -n 5 said >&2
        echo "$1: status ${ended[*]} (wanted $wanted)" >&2
        return 1
    }
    tail -n 1 peak
}
memory() { # COMMAND
    local kib
    kib=$(peak "$1") || return
    awk "BEGIN { printf \"%.1f MiB\", $kib / 1024 }"
}
