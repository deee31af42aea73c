# shellcheck shell=bash
# What the parts of scripts/e2e share inside a root: the installed programs, tests/checks.bash and tests/testkit/host.bash.

# shellcheck source=tests/checks.bash
. /spam-check/tests/checks.bash
# shellcheck source=tests/testkit/host.bash
. /spam-check/tests/testkit/host.bash

PROGRAMS=/spam-check/target/release
export SMTP=/spam-check/target/proof/examples/smtp SINK=/spam-check/target/proof/examples/smtp-sink

# The programs under all the names that the package installs.
cp $PROGRAMS/{postfix,exim,php,php-legacy}-spam-check /usr/bin
ln -s postfix-spam-check /usr/bin/postfix-spam-scan
ln -s exim-spam-check /usr/bin/exim-spam-scan
ln -s php-spam-check /usr/bin/php-spam
ln -s php-legacy-spam-check /usr/bin/php-spam-legacy
