# shellcheck shell=bash
# The Debian root that claims use.

prove_root() { # prints its path
    root_made bookworm prove systemd dbus strace make openssh-server openssh-client perl
}
