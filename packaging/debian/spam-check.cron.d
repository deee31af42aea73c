# Find out who on this mail server is sending spam right now: see postfix-spam-check(1), exim-spam-check(1),
# php-spam-check(1) and php-legacy-spam-check(1). Every job is commented out: remove the # to enable it.
#
# cron mails each report to MAILTO (by default: root). A user's own crontab works as well: the programs are in
# /usr/bin. Use either a crontab or the timer postfix-spam-check.timer, not both.

SHELL=/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
#MAILTO=postmaster@example.org

# Postfix: report who sent at least 90 messages in an hour; 192.0.2.201 is a webmail host.
#*/20 * * * *  root  [ -x /usr/bin/postfix-spam-check ] && postfix-spam-check -p 1hour -m 90 -w 192.0.2.201
# The same, and lock accounts that a botnet is using. Try it with --dry-run first.
#*/20 * * * *  root  [ -x /usr/bin/postfix-spam-check ] && postfix-spam-check -p 1hour -m 90 -d 10,10
# Exim: report who sent more than 90 messages in an hour.
#*/20 * * * *  root  [ -x /usr/bin/exim-spam-check ] && exim-spam-check -p 1hour -m 90
# PHP: report scripts that sent at least 500 messages in a day.
#*/10 * * * *  root  [ -x /usr/bin/php-spam-check ] && php-spam-check 500
# To pass the scripts on to a scanner, end its options with --: php-spam-check -0 500 | xargs -0 -r SCANNER --
# PHP before 5.3: report scripts that sent at least 10 messages in ten minutes.
#*/10 * * * *  root  [ -x /usr/bin/php-legacy-spam-check ] && php-legacy-spam-check 10 10
