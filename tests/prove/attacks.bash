# shellcheck shell=bash
# Logs as an attacker would have them, for the claims of memory and time.
#
# `attacks` prints a line each: WHAT | LOG | COMMAND | the peaceful LOG of the same size | the most MiB that it
# may take | how many times as long as the peaceful one. A peaceful log is of few senders and addresses, whose
# texts come again and are known: it is read at several hundred MiB a second. Logs are made in
# the folder SHARED, which is the current folder from here on; `with` makes one that is not there yet.

. scripts/measure.bash
need /usr/bin/time time
need gzip gzip
cargo build --release --locked --quiet
proof_tools
PATH=$ROOT/target/release:$ROOT/target/proof/examples:$PATH
cd "$SHARED" || exit

size=$(often 48 256)        # MiB of most logs
names=$(often 192 1536)     # about seven million names in a GiB
line=$(often 256 1024)      # MiB of one line, of NULs, of what a bomb unpacks to
run="postfix-spam-check -p 1day $now --overrides=/dev/null"

attacks() {
    local format
    echo "ever new names|names-$names|$run -l|logins-$names|64|16"
    for format in addresses nets few-each long long-nets repeated; do
        echo "$(what_is $format)|$format-$size|$run -l|logins-$size|64|16"
    done
    echo "names that collide in hashes of old, to new names|collide-$size|$run -l|names-$size|64|2"
    # Memory grows with the senders near their limit, and streams keep a million names: so it is documented.
    echo "a hundred senders beyond their limit, every address and network new|many-$size|$run -l|logins-$size|1024|16"
    echo "colliding names through a pipe|collide-$size|$run -l - <|logins-$size|1024|16"
    echo "ever new addresses, to be locked|addresses-$size|$run -d 5,5 -l|logins-$size|64|16"
    echo "a line of $line MiB|line-$line|$run -l|logins-$line|64|2"
    echo "a line of $line MiB through a pipe|line-$line|$run -l - <|logins-$line|64|2"
    echo "$line MiB of NULs|nuls-$line|$run -l|logins-$line|64|2"
    echo "a line of $line MiB in gzip|line-$line.gz|$run -l|logins-$line.gz|64|2"
    echo "$line MiB of NULs in gzip|nuls-$line.gz|$run -l|logins-$line.gz|64|2"
}

what_is() { # FORMAT
    case $1 in
        addresses) echo "a sender whose every address is new" ;;
        nets) echo "a sender whose every network is new" ;;
        few-each) echo "ever new senders, each from 80 new addresses and networks" ;;
        long) echo "names of 60 KiB, each new" ;;
        long-nets) echo "networks of 60 KiB, each new" ;;
        repeated) echo "each line a million times" ;;
    esac
}

with() { # LOG: makes it
    local kind=${1%-*} mebibytes=${1##*-}
    [[ ! -e $1 ]] || return 0
    case $1 in
        *.gz) with "${1%.gz}" && gzip -1 -k "${1%.gz}" ;;
        nuls-*) head -c "${mebibytes}M" /dev/zero >"$1" ;;
        line-*) head -c "${mebibytes}M" /dev/zero | tr '\0' x >"$1" ;;
        *)
            make_log "$1" "$kind" "$mebibytes" 0.9
            # Whoever counts wrongly may be as quick as he likes.
            right "$1"
            ;;
    esac
}

right() { # LOG: the spammer is reported with all messages
    local got want
    want=$(awk '{ print $2 }' "$1.counts")
    got=$($run -m 5 --format=json -l "$1" | sed -n 's/.*"sender":"spammer".*"messages":\([0-9]*\),.*/\1/p')
    [[ $got == "$want" ]] || refuted "$1: the spammer has '$got'" "$want"
}
