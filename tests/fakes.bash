# shellcheck shell=bash
# Stand-ins for programs of Postfix, for bash scripts that source this file.

fake_postfix() { # FOLDER: postmap and postconf, as far as tables are used
    printf '#!/bin/sh\necho hash\n' >"$1/postconf"
    cat >"$1/postmap" <<'S'
#!/bin/sh
if [ "$1" = -q ]; then
    [ -e "${3#*:}.db" ] || { echo "postmap: fatal: open database ${3#*:}.db: No such file or directory" >&2; exit 1; }
    grep -q "^$2 REJECT" "${3#*:}.db" && echo "REJECT account disabled: sending spam"
else
    cp "${1#*:}" "${1#*:}.new" && mv "${1#*:}.new" "${1#*:}.db"
fi
S
    chmod 755 "$1/postconf" "$1/postmap"
}
