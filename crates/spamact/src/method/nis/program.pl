# What is done on a NIS master, in the perl that every Debian has. It is sent as one argument, without these
# comments and with its lines joined: so a comment takes a whole line, and no string spans two.
#
# Takes: an action (status, lock, unlock, make), a name, the directory of the passwd and shadow files of NIS, the
# passwd file and login.defs of the host, the lock file of lckpwdf(3), the program make, the directory that it
# works in, and how many seconds it may take. Prints one word: the status of the account afterwards (open, locked,
# missing), or why nothing more was done (system, unknown, busy, make), or made. Any other failure goes to stderr,
# with exit status 1.
use strict;
use Cwd ();
use Fcntl;
use IO::Handle;
my ($action, $name, $files, $passwd, $defs, $lock, $make, $yp, $limit) = @ARGV;
%ENV = (PATH => '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL => 'C');
$SIG{HUP} = $SIG{PIPE} = 'IGNORE';
$SIG{__DIE__} = sub { print STDERR @_; exit 1 };
umask 077;

sub word { print "$_[0]\n"; exit 0 }

sub text {
    my ($file) = @_;
    open(my $in, '<:raw', $file) or die "$file: $!\n";
    local $/;
    my $text = <$in>;
    defined $text or die "$file: $!\n";
    return $text;
}

# As Uids::from_login_defs() and here.rs have it.
sub check_regular_user {
    my %end = (UID_MIN => 1000, UID_MAX => 60000);
    if (open(my $in, '<:raw', $defs)) {
        while (<$in>) {
            next unless /^[ \t"]*(UID_MIN|UID_MAX)[ \t"]+(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)(?![^ \t\r\n"])/;
            $end{$1} = substr($2, 0, 1) eq '0' ? oct $2 : $2;
        }
    }
    my $seen = 0;
    -e "$files/passwd" or word('unknown');
    for my $file ("$files/passwd", $passwd) {
        for my $line (split /\n/, text($file)) {
            my ($entry, undef, $uid) = split /:/, $line, 4;
            next unless defined $uid and $entry eq $name;
            $uid =~ /\A[0-9]{1,10}\z/ and $uid >= $end{UID_MIN} and $uid <= $end{UID_MAX} or word('system');
            $seen = 1;
        }
        $seen or word('unknown');
    }
}

sub status {
    my $status = 'missing';
    for my $line (split /\n/, text("$files/shadow")) {
        next unless $line =~ /\A\Q$name\E:([!*]?)/;
        return 'open' if $1 eq '';
        $status = 'locked';
    }
    return $status;
}

# The lock of lckpwdf(3): a struct flock starts with type and whence; the rest of it is zero.
sub hold {
    sysopen(my $held, $lock, O_RDWR | O_CREAT, 0600) or die "$lock: $!\n";
    my $flock = pack('s s x60', F_WRLCK, 0);
    for my $turn (1 .. 150) {
        return $held if fcntl($held, F_SETLK, $flock);
        $!{EAGAIN} or $!{EACCES} or die "$lock: $!\n";
        select(undef, undef, undef, 0.1);
    }
    word('busy');
}

sub edit {
    my $held = hold();
    my $shadow = Cwd::realpath("$files/shadow");
    my @old = stat($shadow) or die "$shadow: $!\n";
    -f $shadow or die "$shadow: not a regular file\n";
    my $text = text($shadow);
    my $changed = $action eq 'lock'
        ? $text =~ s/^(\Q$name\E:)(?![!*])/$1*/mg
        : $text =~ s/^(\Q$name\E:)\*(?=[^!*:\n])/$1/mg;
    return unless $changed;
    my ($dir_path, $base) = $shadow =~ m{\A(.*)/([^/]+)\z}s;
    my $temp = "$dir_path/.$base.spam-check";
    sysopen(my $dir, $dir_path, O_RDONLY | O_DIRECTORY) or die "$dir_path: $!\n";
    # As TICK in here.rs.
    select(undef, undef, undef, 0.02);
    unlink $temp;
    sysopen(my $out, $temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600) or die "$temp: $!\n";
    binmode $out;
    my @new = stat($out);
    my $same = $new[4] == $old[4] && $new[5] == $old[5];
    unless (print($out $text) && $out->flush && ($same || chown($old[4], $old[5], $out))
        && chmod($old[2] & 07777, $out) && $out->sync && close($out) && rename($temp, $shadow)) {
        my $why = $!;
        unlink $temp;
        die "$shadow: $why\n";
    }
    $dir->sync or die "$dir_path: $!\n";
}

sub make {
    my $pid = fork;
    defined $pid or die "fork: $!\n";
    if (!$pid) {
        setpgrp;
        open(STDIN, '<', '/dev/null');
        open(STDOUT, '>', '/dev/null');
        $SIG{HUP} = $SIG{PIPE} = 'DEFAULT';
        { exec { $make } $make, '-C', $yp; }
        die "$make: $!\n";
    }
    local $SIG{ALRM} = sub { kill 'KILL', -$pid; print STDERR "killed after $limit seconds\n" };
    alarm $limit;
    waitpid $pid, 0;
    my $status = $?;
    alarm 0;
    $status == 0 or word('make');
}

if ($action eq 'make') { make(); word('made') }
$name =~ /\A[a-z_][a-z0-9_.-]{0,31}\z/ or die "not a name\n";
my $status = status();
$status ne 'missing' or word($status);
$action eq 'unlock' or check_regular_user();
$action ne 'status' or word($status);
edit();
make();
word(status());
