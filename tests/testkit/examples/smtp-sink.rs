//! A mail server for tests in shell: `smtp-sink PORT FILE` takes every mail on 127.0.0.1, appends it to FILE, and ends
//! when it is killed.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc;

use testkit::smtp::Sink;

fn main() -> io::Result<()> {
    let mut args = std::env::args_os().skip(1);
    let port = args.next().and_then(|port| port.to_str()?.parse().ok());
    let (Some(port), Some(mails), None) = (port, args.next(), args.next()) else {
        return Err(io::Error::other("usage: smtp-sink PORT FILE"));
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let (sender, _sessions) = mpsc::channel();
    Sink { mails: Some(mails.into()), ..Sink::default() }.serve(&listener, &sender);
    Ok(())
}
