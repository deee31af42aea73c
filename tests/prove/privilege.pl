#!/usr/bin/perl
# Prints the actions in a trace of strace -f -y, in the form that tests/prove/privilege.inside describes. A process counts
# until it becomes another program; so do its threads, and what it does between fork and exec.
use strict;
use warnings;

# Join calls: one that another process interrupted takes two lines.
my ( @calls, %begun, %parent );
while (<>) {
    chomp;
    s/^(\d+)\s+// or next;
    my $process = $1;
    if (s/\s*<unfinished \.\.\.>$//) {
        # A call counts where it starts: a vfork returns only after what its child does.
        push @calls, [ $process, $_ ];
        $begun{$process} = $#calls;
        next;
    }
    if (s/^<\.\.\. \w+ resumed>//) {
        my $call = $calls[ $begun{$process} // next ];
        $_ = $call->[1] .= $_;
    }
    else { push @calls, [ $process, $_ ] }
    $parent{$2} = $process if /^(clone3?|v?fork)\(.*\)\s+= (\d+)/;
}

my ( %traced, $started );
sub deed { print "@_\n" }
for (@calls) {
    my ( $process, $call ) = @$_;
    # The first execve is that of strace.
    $traced{$process} //= exists $parent{$process} ? $traced{ $parent{$process} } : 1;
    next if !$traced{$process} || $call !~ /^(\w+)\((.*)/;
    my ( $name, $rest ) = ( $1, $2 );
    my @paths = $rest =~ /"([^"]*)"/g;
    my $directory = $rest =~ /^(?:\d+|AT_FDCWD)<([^>]*)>/ ? $1 : "";
    next if $name =~ /^(clone3?|v?fork)$/;
    if ( $name eq "execve" ) {
        deed run => $paths[0] if $started++;
        $traced{$process} = 0 if $started > 1 && $paths[0] ne "/proc/self/exe" && $rest =~ / = 0$/;
    }
    # A descriptor that cannot be read or written.
    elsif ( $rest =~ /\bO_PATH\b/ ) { next }
    elsif ( $name =~ /^(open|openat|openat2|creat)$/ ) {
        my $path = $paths[0] =~ m(^/) ? $paths[0] : "$directory/$paths[0]";
        my $writes = $name eq "creat" || $rest =~ /O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)/;
        deed $writes ? "write" : "read", $path;
    }
    elsif ( $name eq "socket" ) { deed socket => $rest =~ /^(\w+), (\w+)/ }
    elsif ( $rest =~ /sun_path=@?"([^"]*)"/ ) { deed connect => $1 }
    elsif ( $rest =~ /sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]*)"\)/ ) { deed connect => "$2:$1" }
    elsif ( $rest =~ /sin6_port=htons\((\d+)\).*inet_pton\(AF_INET6, "([^"]*)"/ ) { deed connect => "$2:$1" }
    elsif ( $rest =~ /sa_family=(AF_\w+)/ ) { deed connect => $1 }
    # On a connected socket, whose address was printed above.
    elsif ( $name =~ /^(connect|sendto|sendmsg)$/ ) { next }
    elsif (@paths) { deed change => $name, $_ for @paths }
    elsif ( $rest =~ /^\d+<([^>]*)>/ ) { deed change => $name, $1 }
    else { deed call => $name }
}
