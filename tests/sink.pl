#!/usr/bin/perl
# A mail server that takes everything: sink.pl PORT FILE. On 127.0.0.1; each message is appended to FILE.
# It answers what a client says and no more, and ends when it is killed.
use strict;
use warnings;
use IO::Socket::INET;

my ( $port, $file ) = @ARGV;
my $server = IO::Socket::INET->new(
    LocalAddr => "127.0.0.1", LocalPort => $port, Listen => 20, ReuseAddr => 1
) or die "port $port: $@\n";
while ( my $client = $server->accept ) {
    my $data;
    print $client "220 sink.example ESMTP\r\n";
    while ( my $line = <$client> ) {
        if ( defined $data ) {
            if ( $line eq ".\r\n" ) {
                open my $to, ">>", $file or die "$file: $!\n";
                print $to $data;
                close $to or die "$file: $!\n";
                undef $data;
                print $client "250 2.0.0 taken\r\n";
            }
            else { $data .= $line }
        }
        elsif ( $line =~ /^DATA/i ) { $data = ""; print $client "354 go on\r\n" }
        elsif ( $line =~ /^QUIT/i ) { print $client "221 bye\r\n"; last }
        else                        { print $client "250 sink.example\r\n" }
    }
}
