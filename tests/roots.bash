# shellcheck shell=bash
# Debian root directories for tests with real servers; for bash scripts that source this file as root.
#
# A root is made once (debootstrap, then apt) and kept in target/roots. A test runs on a disposable copy: an overlay in
# memory, in mount, network, host name, IPC and PID namespaces of its own, with its own /dev, /run and loopback interface.
# When its script ends, every daemon that it started is killed, and nothing is left. Tests that need no servers use the
# host of tests/testkit/host.bash: it costs milliseconds.

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
        # Parts that run in parallel wait for each other here.
        flock 9
        # It is made again when the list of packages has changed.
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

root_bootstrap() { # SUITE DIRECTORY
    rm -rf "$2"
    debootstrap --variant=minbase "$1" "$2" >"$2.log" 2>&1 || {
        tail -n 20 "$2.log"
        return 1
    }
    # Packages do not start their daemons.
    printf '#!/bin/sh\nexit 101\n' >"$2/usr/sbin/policy-rc.d"
    chmod 755 "$2/usr/sbin/policy-rc.d"
}

root_install() { # DIRECTORY PACKAGE…
    unshare --mount --pid --fork --kill-child bash -c "$(declare -f inside_install); inside_install \"\$@\"" \
        bash "$@" >"$1.log" 2>&1 </dev/null || {
        tail -n 20 "$1.log"
        return 1
    }
}

inside_install() { # DIRECTORY PACKAGE…
    local root=$1
    shift
    mount -t proc proc "$root/proc"
    # shellcheck disable=SC2016 # the inner shell expands it
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive sh -ec '
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "$@"
        apt-get clean' sh "$@"
}

root_run() { # ROOT HOSTNAME COMMAND…: runs a command in a disposable copy of the root
    # The repository is mounted read-only at /spam-check. The command's environment has PATH, HOME, and the words
    # NAME=VALUE of ROOT_ENVIRONMENT. It is killed when the calling shell ends, however that ends.
    setpriv --pdeathsig KILL unshare --mount --net --uts --ipc --pid --fork --kill-child \
        bash -c "$(declare -f inside_root); inside_root \"\$@\"" bash "$REPOSITORY" "$@"
}

inside_root() { # REPOSITORY ROOT HOSTNAME COMMAND…
    set -e
    local repository=$1 root=$2 host=$3 work environment
    shift 3
    mount --make-rprivate /
    # An empty directory that every machine has; what is mounted on it is seen in this namespace only.
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
    # A real change of root where the machine allows it: after a mere chroot, systemd's sandboxing has no effect.
    if pivot_root . mnt 2>/dev/null; then
        cd /
        chroot . umount -l /mnt
    fi
    exec chroot . env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        "${environment[@]}" "$@"
}

root_boot() { # ROOT HOSTNAME COMMAND…: like root_run, but boots the root's systemd, and runs COMMAND as a service of it.
    # Passes on its output and status. Status 125: systemd could not be booted.
    local root=$1 host=$2 group status
    shift 2
    status=$(mktemp)
    # systemd needs a control group of its own.
    group=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)/spam-check-$BASHPID
    # Remove those of earlier runs that were killed; those of running ones are not empty.
    find "${group%/*}" -path "${group%/*}/spam-check-*" -depth -type d -exec rmdir {} + 2>/dev/null || true
    if mkdir "$group"; then
        (
            echo $BASHPID >"$group/cgroup.procs"
            ROOT_ENVIRONMENT="${ROOT_ENVIRONMENT-} container=spam-check" root_run "$root" "$host" \
                bash -c "$(declare -f inside_boot); inside_boot \"\$@\"" bash "$@" 3>&1 4>"$status"
        ) || true
        # What systemd made in it becomes empty once the kernel has reaped its processes.
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

inside_boot() { # COMMAND…: its output goes to file descriptor 3, its status to 4
    mount -t sysfs none /sys
    printf '%q ' "$@" >/run/command
    cat >/etc/systemd/system/inside.service <<'S'
[Service]
Type=oneshot
StandardOutput=file:/run/output
StandardError=inherit
ExecStart=/bin/bash /run/command
S
    # This process becomes systemd. Another one waits until it has booted, and powers it off in the end.
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
