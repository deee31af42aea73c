# shellcheck shell=bash
# Debian roots of the tests' own, for bash scripts that source this file as root.
#
# A root is made once (debootstrap, then apt) and kept in target/roots. A test runs on a copy of it that is
# thrown away: an overlay in memory, in mount, network, host name, IPC and process namespaces of its own, with
# a /dev, /run and loopback interface of its own. When its script ends, every daemon that it started ends
# with it, and nothing is left.

REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ROOTS=$REPOSITORY/target/roots

# shellcheck source=scripts/need.bash
. "$REPOSITORY/scripts/need.bash"

root_made() { # SUITE [NAME PACKAGE…]: makes target/roots/SUITE, or target/roots/NAME from it; prints its path
    local suite=$1 name=${2-$1}
    shift
    [[ $# == 0 ]] || shift
    local root=$ROOTS/$name
    mkdir -p "$ROOTS"
    (
        # Parts that run side by side wait for one another here.
        flock 9
        # It is made anew when other packages are wanted.
        [[ $(cat "$root.made" 2>/dev/null) == "$suite $*" ]] && exit
        rm -rf "$root" "$root.made"
        if [[ $name == "$suite" ]]; then
            need debootstrap debootstrap
            need ip iproute2
            need hostname hostname
            retry root_bootstrap "$suite" "$root"
        else
            root_made "$suite" >/dev/null
            cp -a "$ROOTS/$suite" "$root"
            cp /etc/resolv.conf "$root/etc/resolv.conf"
            retry root_install "$root" "$@"
        fi
        echo "$suite $*" >"$root.made"
    ) 9>"$root.lock" >&2 || return
    echo "$root"
}

root_bootstrap() { # SUITE FOLDER
    rm -rf "$2"
    debootstrap --variant=minbase "$1" "$2" >"$2.log" 2>&1 || {
        tail -n 20 "$2.log"
        return 1
    }
    # Packages start no daemons.
    printf '#!/bin/sh\nexit 101\n' >"$2/usr/sbin/policy-rc.d"
    chmod 755 "$2/usr/sbin/policy-rc.d"
}

root_install() { # FOLDER PACKAGE…
    unshare --mount --pid --fork --kill-child bash -c "$(declare -f inside_install); inside_install \"\$@\"" \
        bash "$@" >"$1.log" 2>&1 </dev/null || {
        tail -n 20 "$1.log"
        return 1
    }
}

inside_install() { # FOLDER PACKAGE…
    local root=$1
    shift
    mount -t proc proc "$root/proc"
    # shellcheck disable=SC2016 # the inner shell expands it
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive sh -ec '
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "$@"
        apt-get clean' sh "$@"
}

root_run() { # ROOT HOSTNAME COMMAND…: runs a command in a copy of the root that is thrown away
    # The repository is there at /spam-check, read-only. COMMAND's environment has PATH, HOME, and the
    # words NAME=VALUE of ROOT_ENVIRONMENT.
    # It ends with the shell that runs it, also where that is killed.
    setpriv --pdeathsig KILL unshare --mount --net --uts --ipc --pid --fork --kill-child \
        bash -c "$(declare -f inside_root); inside_root \"\$@\"" bash "$REPOSITORY" "$@"
}

inside_root() { # REPOSITORY ROOT HOSTNAME COMMAND…
    set -e
    local repository=$1 root=$2 host=$3 work environment
    shift 3
    mount --make-rprivate /
    # An empty folder that is there on every machine; only this namespace sees what is mounted on it.
    work=/mnt
    mount -t tmpfs -o mode=755 none "$work"
    mkdir "$work/upper" "$work/work" "$work/root"
    mount -t overlay overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/work" "$work/root"
    cd "$work/root"
    mount -t proc proc proc
    mount -t tmpfs -o mode=755 none run
    mkdir -m 1777 run/lock
    mount -t tmpfs -o mode=755 none dev
    mknod -m 666 dev/null c 1 3
    mknod -m 666 dev/zero c 1 5
    mknod -m 666 dev/full c 1 7
    mknod -m 666 dev/random c 1 8
    mknod -m 666 dev/urandom c 1 9
    mknod -m 666 dev/tty c 5 0
    mkdir -m 1777 dev/shm
    mkdir dev/pts
    mount -t devpts -o newinstance,ptmxmode=0666,gid=5,mode=620 none dev/pts
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    ln -s /proc/self/fd/0 dev/stdin
    ln -s /proc/self/fd/1 dev/stdout
    ln -s /proc/self/fd/2 dev/stderr
    mkdir spam-check
    mount --bind "$repository" spam-check
    mount -o remount,ro,bind spam-check
    ip link set lo up
    hostname "$host"
    printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s %s\n' "$host" "${host%%.*}" >etc/hosts
    echo "$host" >etc/hostname
    : >etc/resolv.conf
    read -r -a environment <<<"${ROOT_ENVIRONMENT-}"
    # A whole root, where the machine's own lets it: in one that was only changed to, systemd confines nothing.
    if pivot_root . mnt 2>/dev/null; then
        cd /
        chroot . umount -l /mnt
    fi
    exec chroot . env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        "${environment[@]}" "$@"
}

root_boot() { # ROOT HOSTNAME COMMAND…: boots the root's systemd where root_run runs a command, and runs COMMAND as
    # a service of it; gives its output and status, and all is over. Status 125: no systemd could be booted.
    local root=$1 host=$2 group status
    shift 2
    status=$(mktemp)
    # systemd wants a group of its own for its processes.
    group=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)/spam-check-$BASHPID
    # Of earlier runs that were killed; those that still run are not empty.
    find "${group%/*}" -path "${group%/*}/spam-check-*" -depth -type d -exec rmdir {} + 2>/dev/null || true
    if mkdir "$group"; then
        (
            echo $BASHPID >"$group/cgroup.procs"
            ROOT_ENVIRONMENT="${ROOT_ENVIRONMENT-} container=spam-check" root_run "$root" "$host" \
                bash -c "$(declare -f inside_boot); inside_boot \"\$@\"" bash "$@" 3>&1 4>"$status"
        ) || true
        # What systemd made in it is empty, as soon as the kernel has reaped all.
        local try
        for ((try = 0; try < 100; try++)); do
            find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && break
            sleep 0.1
        done
    fi
    set -- "$(<"$status")"
    rm "$status"
    return "${1:-125}"
}

inside_boot() { # COMMAND…; file 3 takes its output, file 4 its status
    mount -t sysfs none /sys
    printf '%q ' "$@" >/run/command
    cat >/etc/systemd/system/inside.service <<'S'
[Service]
Type=oneshot
StandardOutput=file:/run/output
StandardError=inherit
ExecStart=/bin/bash /run/command
S
    # The first process becomes systemd. Another, which it inherits, waits for it, and ends all.
    (
        until systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded'; do
            ((SECONDS < 60)) || exit
            sleep 0.1
        done
        systemctl start inside.service
        cat /run/output >&3
        systemctl show --property=ExecMainStatus --value inside.service >&4
        systemctl --force --force poweroff
    ) >/run/boot.log 2>&1 &
    exec 3>&- 4>&- >/dev/null 2>&1
    exec unshare --cgroup bash -c 'mount -t cgroup2 none /sys/fs/cgroup && exec /lib/systemd/systemd --log-target=null'
}
