# shellcheck shell=bash
# The Debian root of the claims that need systemd.

prove_root() { # prints its path
    root_made bookworm prove systemd dbus strace make openssh-server openssh-client perl
}
