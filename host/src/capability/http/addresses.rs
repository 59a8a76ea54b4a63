//! Which addresses guests may reach: what is public, and what the operator opens by name.
//!
//! An address is judged after its name was resolved, in every reading that something on the way may give it: an IPv6
//! address that carries an IPv4 one is judged by both. The tables are IANA's special-purpose registries (RFC 6890 and
//! what was registered since); of IPv6 only what has been given out as global unicast counts as public.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{Arc, PoisonError, RwLock},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Why no guest may reach an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Prohibited {
    /// It is in a range that is not public; the operator can open it.
    #[error("{0} is {1}: the operator can allow it in private_networks")]
    Special(IpAddr, &'static str),
    /// Nobody can open it.
    #[error("{0} is one of this host's own listeners")]
    Own(SocketAddr),
}

/// The judge of addresses. Clones share what they know of the host's own listeners.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    /// What the operator opens.
    allowed: Vec<IpNet>,
    own: Arc<RwLock<Vec<SocketAddr>>>,
}

impl Addresses {
    pub(super) fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed, own: Arc::default() }
    }

    /// Says where the host itself listens, from now on.
    pub(super) fn listening(&self, own: &[SocketAddr]) {
        self.own.write().unwrap_or_else(PoisonError::into_inner).extend(own);
    }

    /// The address to connect to, if a guest may reach it: an IPv4 address in IPv6 clothes is undressed.
    pub(super) fn check(&self, address: SocketAddr) -> Result<SocketAddr, Prohibited> {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        for reading in readings(address.ip()) {
            self.check_own(SocketAddr::new(reading, address.port()))?;
            let is_allowed = |ip: IpAddr| self.allowed.iter().any(|network| network.contains(&ip));
            match special(reading) {
                Some(range) if !is_allowed(reading) && !is_allowed(address.ip()) => {
                    return Err(Prohibited::Special(address.ip(), range));
                }
                _ => {}
            }
        }
        Ok(address)
    }

    fn check_own(&self, address: SocketAddr) -> Result<(), Prohibited> {
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        let is_own = |listener: &SocketAddr| {
            listener.port() == address.port()
                && (listener.ip().to_canonical() == address.ip()
                    || address.ip().is_unspecified()
                    || listener.ip().is_unspecified() && is_of_this_machine(address.ip()))
        };
        if own.iter().any(is_own) { Err(Prohibited::Own(address)) } else { Ok(()) }
    }
}

/// Whether packets to an address stay on this machine.
fn is_of_this_machine(ip: IpAddr) -> bool {
    // Only an address of one's own can be bound to. Nothing is sent.
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// An address as it is, and each IPv4 address that it carries for a tunnel or a translator.
fn readings(ip: IpAddr) -> impl Iterator<Item = IpAddr> {
    let carried = match ip {
        IpAddr::V4(_) => [None, None],
        IpAddr::V6(ip) => carried(ip),
    };
    std::iter::once(ip).chain(carried.into_iter().flatten().map(IpAddr::V4))
}

fn carried(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let octets = ip.octets();
    let at = |from: usize| Ipv4Addr::new(octets[from], octets[from + 1], octets[from + 2], octets[from + 3]);
    match ip.segments() {
        // IPv4-compatible (RFC 4291), mapped, translated (RFC 2765), and the well-known NAT64 prefix (RFC 6052).
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => [Some(at(12)), None],
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => [Some(at(12)), None],
        // 6to4 (RFC 3056), and ISATAP (RFC 5214) inside it or anywhere else.
        [0x2002, ..] => [Some(at(2)), isatap(ip)],
        // Teredo (RFC 4380): its server, and its client with every bit turned.
        [0x2001, 0, ..] => [Some(at(4)), Some(Ipv4Addr::from(!u32::from(at(12))))],
        _ => [isatap(ip), None],
    }
}

fn isatap(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., flags, marker, high, low] = ip.segments();
    let carried = u32::from(high) << 16 | u32::from(low);
    (marker == 0x5efe && flags & !0x0200 == 0).then(|| Ipv4Addr::from(carried))
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(first: u16, second: u16, third: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0), length)
}

/// What is not public of IPv4.
const SPECIAL_V4: [(Ipv4Net, &str); 15] = [
    (v4(0, 0, 0, 0, 8), "of this network (0.0.0.0/8)"),
    (v4(10, 0, 0, 0, 8), "private (10.0.0.0/8)"),
    (v4(100, 64, 0, 0, 10), "shared by carriers (100.64.0.0/10)"),
    (v4(127, 0, 0, 0, 8), "loopback (127.0.0.0/8)"),
    (v4(169, 254, 0, 0, 16), "link-local (169.254.0.0/16)"),
    (v4(172, 16, 0, 0, 12), "private (172.16.0.0/12)"),
    (v4(192, 0, 0, 0, 24), "for protocols (192.0.0.0/24)"),
    (v4(192, 0, 2, 0, 24), "for documentation (192.0.2.0/24)"),
    (v4(192, 88, 99, 0, 24), "a former 6to4 relay (192.88.99.0/24)"),
    (v4(192, 168, 0, 0, 16), "private (192.168.0.0/16)"),
    (v4(198, 18, 0, 0, 15), "for benchmarks (198.18.0.0/15)"),
    (v4(198, 51, 100, 0, 24), "for documentation (198.51.100.0/24)"),
    (v4(203, 0, 113, 0, 24), "for documentation (203.0.113.0/24)"),
    (v4(224, 0, 0, 0, 4), "multicast (224.0.0.0/4)"),
    (v4(240, 0, 0, 0, 4), "reserved or broadcast (240.0.0.0/4)"),
];

/// What is not public of IPv6's global unicast, and the names of what lies outside it.
const SPECIAL_V6: [(Ipv6Net, &str); 11] = [
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), "unspecified (::)"),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "loopback (::1)"),
    (v6(0x64, 0xff9b, 1, 48), "translated locally (64:ff9b:1::/48)"),
    (v6(0x100, 0, 0, 64), "discarded (100::/64)"),
    (v6(0x2001, 0, 0, 23), "for protocols and tunnels (2001::/23)"),
    (v6(0x2001, 0xdb8, 0, 32), "for documentation (2001:db8::/32)"),
    (v6(0x3fff, 0, 0, 20), "for documentation (3fff::/20)"),
    (v6(0xfc00, 0, 0, 7), "private (fc00::/7)"),
    (v6(0xfe80, 0, 0, 10), "link-local (fe80::/10)"),
    (v6(0xfec0, 0, 0, 10), "site-local (fec0::/10)"),
    (v6(0xff00, 0, 0, 8), "multicast (ff00::/8)"),
];

/// All of IPv6 that has been given out for hosts to be reached at (RFC 4291).
const GLOBAL_UNICAST: Ipv6Net = v6(0x2000, 0, 0, 3);

/// Outside global unicast, what leads to a public IPv4 address is as public as that.
const TRANSLATED: Ipv6Net = v6(0x64, 0xff9b, 0, 96);

/// Which range that is not public an address is in.
fn special(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => SPECIAL_V4.iter().find(|(network, _)| network.contains(&ip)).map(|(_, what)| *what),
        IpAddr::V6(ip) => match SPECIAL_V6.iter().find(|(network, _)| network.contains(&ip)) {
            Some((_, what)) => Some(what),
            None if GLOBAL_UNICAST.contains(&ip) || TRANSLATED.contains(&ip) => None,
            None => Some("outside what IPv6 has given out (2000::/3)"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::*;

    fn judge(allowed: &[&str]) -> Addresses {
        Addresses::new(allowed.iter().map(|network| network.parse().expect("a network")).collect())
    }

    fn may_reach(judge: &Addresses, ip: &str) -> bool {
        judge.check(SocketAddr::new(ip.parse().expect("an address"), 80)).is_ok()
    }

    #[test]
    fn what_is_not_public_is_prohibited() {
        let ips = [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ];
        for ip in ips {
            assert!(!may_reach(&judge(&[]), ip), "{ip}");
        }
    }

    #[test]
    fn what_is_public_may_be_reached() {
        let ips = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00::1",
            "2001:4860:4860::8888",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
        ];
        for ip in ips {
            assert!(may_reach(&judge(&[]), ip), "{ip}");
        }
    }

    /// Every way in which an IPv6 address can carry an IPv4 one.
    fn clothes(ip: Ipv4Addr) -> Vec<Ipv6Addr> {
        let number = u32::from(ip);
        let (high, low) = ((number >> 16) as u16, number as u16);
        let turned = ((!number >> 16) as u16, !number as u16);
        let public = (0x0101, 0x0101);
        vec![
            ip.to_ipv6_mapped(),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, public.0, public.1, 0, 0, turned.0, turned.1),
            Ipv6Addr::new(0x2001, 0, high, low, 0, 0, public.0, public.1),
            Ipv6Addr::new(0x2a00, 1, 2, 3, 0, 0x5efe, high, low),
            Ipv6Addr::new(0x2002, public.0, public.1, 0, 0x200, 0x5efe, high, low),
        ]
    }

    proptest! {
        #[test]
        fn no_clothes_make_an_address_public(number: u32) {
            let ip = Ipv4Addr::from(number);
            let judge = judge(&[]);
            if judge.check(SocketAddr::new(ip.into(), 80)).is_err() {
                for dressed in clothes(ip) {
                    prop_assert!(judge.check(SocketAddr::new(dressed.into(), 80)).is_err(), "{dressed}");
                }
            }
        }

        #[test]
        fn nothing_is_connected_to_in_mapped_clothes(number: u32, port: u16) {
            let everything = judge(&["0.0.0.0/0", "::/0"]);
            let ip = Ipv4Addr::from(number);
            let checked = everything.check(SocketAddr::new(ip.to_ipv6_mapped().into(), port));
            prop_assert_eq!(checked, Ok(SocketAddr::new(ip.into(), port)));
        }
    }

    #[test]
    fn the_operator_opens_ranges_by_name() {
        let judge = judge(&["10.1.0.0/16", "fd00::/8"]);
        for ip in ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd00::1"] {
            assert!(may_reach(&judge, ip), "{ip}");
        }
        for ip in ["10.2.0.1", "127.0.0.1", "::ffff:10.2.0.1", "fc00::1", "64:ff9b::10.2.0.1"] {
            assert!(!may_reach(&judge, ip), "{ip}");
        }
    }

    #[test]
    fn the_hosts_own_listeners_are_never_reached() {
        let judge = judge(&["0.0.0.0/0", "::/0"]);
        let one: SocketAddr = "127.0.0.1:8081".parse().expect("an address");
        let every: SocketAddr = "0.0.0.0:8080".parse().expect("an address");
        judge.listening(&[one, every]);
        for own in [
            "127.0.0.1:8081",
            "[::ffff:127.0.0.1]:8081",
            "0.0.0.0:8081",
            "127.0.0.1:8080",
            "127.9.9.9:8080",
            "0.0.0.0:8080",
            "[::]:8081",
        ] {
            let address = own.parse().expect("an address");
            assert!(matches!(judge.check(address), Err(Prohibited::Own(_))), "{own}");
        }
        for other in ["127.0.0.1:8082", "127.0.0.2:8081", "192.0.2.1:8080"] {
            let address = other.parse().expect("an address");
            assert_eq!(judge.check(address), Ok(address), "{other}");
        }
    }

    #[test]
    fn what_is_bound_here_is_of_this_machine() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        assert!(is_of_this_machine(listener.local_addr().expect("bound").ip()));
        assert!(!is_of_this_machine("192.0.2.1".parse().expect("an address")));
    }
}
