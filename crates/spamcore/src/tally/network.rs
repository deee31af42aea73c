//! What a network is: the part of a host name that a provider's customers share, and those of `--webmail`.
//!
//! Takes names and addresses. Nothing is looked up in DNS.

use std::net::IpAddr;

use ipnet::IpNet;

/// The network of a client name: find the last digit that is followed by another character, and take what
/// comes after that character. A name without such a digit, such as `unknown`, is its own network.
///
/// `a1.isp.net` → `isp.net`, `a1b2` → `2`, `srv12` → empty, `host7` → itself.
pub fn network_of(name: &[u8]) -> &[u8] {
    let before_last = &name[..name.len().saturating_sub(1)];
    match before_last.iter().rposition(u8::is_ascii_digit) {
        Some(at) => &name[at + 2..],
        None => name,
    }
}

/// The addresses of webmail hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webmail {
    networks: Vec<IpNet>,
}

impl Webmail {
    /// Adds addresses and networks (CIDR), separated by commas, spaces or TABs. Empty items are ignored.
    ///
    /// The error is the first item that is neither.
    pub fn add(&mut self, list: &str) -> Result<(), String> {
        for item in list.split([',', ' ', '\t']).filter(|item| !item.is_empty()) {
            self.networks.push(network(item).ok_or(item)?.trunc());
        }
        Ok(())
    }

    /// Whether an address is that of a webmail host. An IPv4-mapped IPv6 address counts as the IPv4 address.
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// `ADDRESS` or `ADDRESS/LENGTH`. An IPv4-mapped IPv6 address counts as the IPv4 address here too.
///
/// The address of a network is read as strictly as an address alone: `10.00.0.0`, which some programs read as
/// octal, is not one.
fn network(item: &str) -> Option<IpNet> {
    let (address, length) = match item.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (item, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let digits = |text: &&str| text.bytes().all(|b| b.is_ascii_digit());
    let Some(length) = length else { return Some(address.to_canonical().into()) };
    let length: u8 = Some(length).filter(digits)?.parse().ok()?;
    let mapped = address.is_ipv6() && address.to_canonical().is_ipv4();
    if mapped {
        return IpNet::new(address.to_canonical(), length.checked_sub(96)?).ok();
    }
    IpNet::new(address, length).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_names() {
        for (name, want) in [
            ("a1.isp.net", "isp.net"),
            ("a1b2", "2"),
            ("srv12", ""),
            ("host7", "host7"),
            ("84-12-7-9.dsl.isp.net", "dsl.isp.net"),
            ("mail.other.org", "mail.other.org"),
            ("unknown", "unknown"),
            ("7", "7"),
            ("", ""),
        ] {
            assert_eq!(network_of(name.as_bytes()), want.as_bytes(), "{name}");
        }
    }

    #[test]
    fn webmail_addresses_and_networks() {
        let mut webmail = Webmail::default();
        assert_eq!(webmail.add("192.0.2.201,10.0.0.21"), Ok(()));
        assert_eq!(webmail.add(" ,198.51.100.77/24 2001:db8::/32,, ::ffff:1.2.3.4,"), Ok(()));
        for (address, want) in [
            ("192.0.2.201", true),
            ("192.0.2.202", false),
            ("10.0.0.21", true),
            ("198.51.100.3", true),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("::ffff:192.0.2.201", true),
        ] {
            assert_eq!(webmail.holds(address.parse().expect("address")), want, "{address}");
        }
        assert!(webmail.holds("1.2.3.4".parse().expect("address")));
        assert!(webmail.holds("::ffff:1.2.3.4".parse().expect("address")));
        assert_eq!(webmail.add("::ffff:198.18.0.0/111"), Ok(()));
        assert!(webmail.holds("198.19.7.7".parse().expect("address")));
        assert!(!webmail.holds("198.20.0.0".parse().expect("address")));
        for wrong in [
            "10.0.0.0/33",
            "198.51.00.77/24",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "::/129",
            "::ffff:1.2.3.4/0",
        ] {
            assert_eq!(webmail.add(wrong), Err(wrong.into()));
        }
        assert_eq!(webmail.add("10.0.0.1,mail"), Err("mail".into()));
    }
}
