# shellcheck shell=bash
# What the parts of scripts/e2e share inside a root: programs in their places, tests/checks.bash and fakes.

# shellcheck source=tests/checks.bash
. /spam-check/tests/checks.bash
# shellcheck source=tests/testkit/host.bash
. /spam-check/tests/testkit/host.bash

PROGRAMS=/spam-check/target/release
export SMTP=/spam-check/target/proof/examples/smtp SINK=/spam-check/target/proof/examples/smtp-sink

# The programs under all their names, as the package has them.
cp $PROGRAMS/{postfix,exim,php,php-legacy}-spam-check /usr/bin
ln -s postfix-spam-check /usr/bin/postfix-spam-scan
ln -s exim-spam-check /usr/bin/exim-spam-scan
ln -s php-spam-check /usr/bin/php-spam
ln -s php-legacy-spam-check /usr/bin/php-spam-legacy
