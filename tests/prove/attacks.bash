# shellcheck shell=bash
# Logs as an attacker would make them, for the claims `memory` and `time`.
#
# `attacks` (on postfix-spam-check) and `attacks_on_others` print one line per attack: WHAT | LOG | COMMAND | the peaceful LOG
# of the same size, if there is a comparison | the limit in MiB | how many times as long as the peaceful log it may take |
# the expected status. A peaceful log has few senders and addresses, which repeat and are found in the caches: it is read at
# several hundred MiB per second. Logs are made in the directory SHARED, which becomes the current directory; `with` makes one
# that does not exist yet. At its end each log has messages of a spammer, all of which must be counted: a program that crashes
# or does not read would be fast and small, too.

. scripts/measure.bash
need /usr/bin/time time
need gzip gzip
cargo build --release --locked --quiet
proof_tools
PATH=$ROOT/target/release:$ROOT/target/proof/examples:$PATH
cd "$SHARED" || exit

size=$(often 48 256)        # MiB of most logs
names=$(often 192 1536)     # about seven million names in a GiB
others=$(often 64 768)      # the same, for the other programs
line=$(often 256 1024)      # MiB of one line, of NULs, of a decompressed bomb
run="postfix-spam-check -p 1day $now --overrides=/dev/null --format=json"
exim="exim-spam-check -p 1day -m 5 $now --overrides=/dev/null --format=json"
php="php-spam-check 5 $now --format=json"
wrapper="php-legacy-spam-check 1440 5 $now --format=json"

attacks() {
    local format
    echo "ever new names|names-$names|$run -l|logins-$names|64|16|0"
    for format in addresses nets few-each long long-nets repeated; do
        echo "$(what_is $format)|$format-$size|$run -l|logins-$size|64|16|0"
    done
    echo "names that collide in hashes of old, to new names|collide-$size|$run -l|names-$size|64|2|0"
    # As documented, memory grows with the senders near the limit, and a stream keeps a million names.
    echo "a hundred senders beyond their limit, every address and network new|many-$size|$run -l|logins-$size|1024|16|0"
    # Each sender is a finding: compared with reporting the same log without locking.
    echo "ever new senders that look stolen, to be locked|suspects-48|$run -d 1,1 --disable-command=/bin/true -l|suspects-48|1024|4|0"
    # In the long run there are more than a million.
    echo "colliding names through a pipe|collide-$size|$run -l - <|logins-$size|1024|16|$(often 0 1)"
    echo "ever new addresses, to be locked|addresses-$size|$run -d 5,5 -l|logins-$size|64|16|0"
    echo "a line of $line MiB|line-$line|$run -l|logins-$line|64|2|0"
    echo "a line of $line MiB through a pipe|line-$line|$run -l - <|logins-$line|64|2|0"
    echo "$line MiB of NULs|nuls-$line|$run -l|logins-$line|64|2|0"
    echo "a line of $line MiB in gzip|line-$line.gz|$run -l|logins-$line.gz|64|2|0"
    echo "$line MiB of NULs in gzip|nuls-$line.gz|$run -l|logins-$line.gz|64|2|0"
}

attacks_on_others() {
    local program command
    echo "exim-spam-check, ever new HELO names and ids|helos-$others|$exim -l||64||0"
    echo "php-spam-check, ever new scripts|scripts-$others|$php -l||64||0"
    echo "php-legacy-spam-check, ever new scripts|paths-$others|$wrapper -l||64||0"
    for command in "$exim" "$php" "$wrapper"; do
        program=${command%% *}
        echo "$program, a line of $line MiB|line-$line|$command -l||64||0"
        echo "$program, $line MiB of NULs|nuls-$line|$command -l||64||0"
        echo "$program, a line of $line MiB in gzip|line-$line.gz|$command -l||64||0"
        echo "$program, $line MiB of NULs in gzip|nuls-$line.gz|$command -l||64||0"
    done
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

with() { # LOG: makes it, if it does not exist
    local kind=${1%-*} mebibytes=${1##*-}
    [[ ! -e $1 ]] || return 0
    case $1 in
        *.gz) with "${1%.gz}" && gzip -1 -k "${1%.gz}" ;;
        nuls-*) { head -c "${mebibytes}M" /dev/zero && last_lines; } >"$1" ;;
        line-*) { head -c "${mebibytes}M" /dev/zero | tr '\0' x && last_lines; } >"$1" ;;
        *)
            make_log "$1" "$kind" "$mebibytes" 0.9
            $(reader "$kind") -l "$1" >printed
            right "$1"
            ;;
    esac
}

last_lines() { # a hundred messages of the spammer, for each program
    local number id stamp=2026-11-23T17:57:00.123456+00:00
    echo
    for ((number = 0; number < 100; number++)); do
        id=$(printf %06X $number)
        echo "$stamp mx postfix/smtpd[7]: $id: client=unknown[203.0.113.7], sasl_method=PLAIN, sasl_username=spammer"
        echo "$stamp mx exim[7]: 1xVYRD-$id-22 <= a@b H=(spammer) [203.0.113.7] P=esmtp S=902"
        echo "$stamp mx php: mail() on [/srv/www/spammer.php:1]: To: a@b -- Headers: x"
        echo "$stamp mx web: sendmail-php url=h/, client=203.0.113.7, filename=/srv/www/spammer.php, uid=33, user=web, args="
    done
}

reader() { # KIND-OF-LOG: the command that reads it
    case $1 in
        helos) echo "$exim" ;;
        scripts) echo "$php" ;;
        paths) echo "$wrapper" ;;
        *) echo "$run -m 5" ;;
    esac
}

right() { # LOG: the spammer was reported with all messages, in the file `printed`
    local got want=100
    # A compressed file is not read on where it has had no newline for long, and `said` has that.
    if [[ $1 == line-*.gz || $1 == nuls-*.gz ]]; then
        grep -q 'gz: the rest was not read: it expands to more than 64 MiB without a newline' said ||
            refuted "$1: $(<said)" "what was not read is told"
        return
    fi
    [[ $1 == line-* || $1 == nuls-* ]] || want=$(awk '{ print $2 }' "${1%.gz}.counts")
    got=$(sed -nE 's#.*"sender":"(/srv/www/)?spammer(\.php)?".*"messages":([0-9]*),.*#\3#p' printed)
    [[ $got == "$want" ]] || refuted "$1: the spammer has '$got'" "$want"
}
