//! Who a request is from, when proxies stand between its client and us.
//!
//! Only what a proxy says that the operator trusts is believed (`decisions/0023-forwarded.md`). Each proxy adds the
//! address that it saw at the right end, so the list is read from there: the first address that is no trusted proxy's
//! is the client's, and what stands to the left of it is hearsay.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::{HeaderMap, HeaderName, HeaderValue, header, uri::Scheme};
use ipnet::IpNet;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The networks whose word about a client is believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Arc<[IpNet]>);

impl Proxies {
    /// Proxies in these networks, and in no others.
    pub fn new(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    pub(super) fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// One connection, as far as it says who its requests are from.
pub(super) struct Link {
    peer: SocketAddr,
    scheme: Scheme,
    /// The proxies to believe; `None` when the peer itself is not one of them.
    proxies: Option<Proxies>,
}

/// Where one request comes from.
#[derive(Debug)]
pub(super) struct Origin {
    /// The client: the peer, or whom trusted proxies name; the port is 0 when they name none.
    pub(super) client: SocketAddr,
    /// How the client reached the first server that we know of.
    pub(super) scheme: Scheme,
    /// What the guest is to be told; `None` when there is no trusted proxy.
    pub(super) proxied: Option<Proxied>,
}

/// What a trusted proxy said beside the client's address.
#[derive(Debug)]
pub(super) struct Proxied {
    /// The host that the client asked for, as written.
    pub(super) host: Option<String>,
    /// Whether it tells two stories.
    pub(super) contradicts: bool,
}

impl Link {
    pub(super) fn new(peer: SocketAddr, scheme: Scheme, proxies: &Proxies) -> Self {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let proxies = proxies.trust(peer.ip()).then(|| proxies.clone());
        Self { peer, scheme, proxies }
    }

    /// The other end of the connection.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Where a request with these headers comes from.
    pub(super) fn origin(&self, headers: &HeaderMap) -> Origin {
        let Some(proxies) = &self.proxies else {
            return Origin { client: self.peer, scheme: self.scheme.clone(), proxied: None };
        };
        let stories =
            [standard(headers), customary(headers)].map(|told| told.map(|told| told.story(self.peer, proxies)));
        let contradicts = matches!(&stories, [Some(one), Some(other)] if one.contradicts(other));
        let Story { client, scheme, host } = stories.into_iter().flatten().next().unwrap_or(Story::of(self.peer));
        let scheme = scheme.unwrap_or_else(|| self.scheme.clone());
        Origin { client, scheme, proxied: Some(Proxied { host: host.map(str::to_owned), contradicts }) }
    }
}

impl Origin {
    /// Tells the guest, in the one form that every framework reads. `host` is the one the client asked for.
    pub(super) fn tell(&self, headers: &mut HeaderMap, host: HeaderValue) {
        let client = HeaderValue::from_str(&self.client.ip().to_string()).expect("an address is ASCII");
        let scheme = HeaderValue::from_static(if self.scheme == Scheme::HTTPS { "https" } else { "http" });
        headers.extend([(FOR, client), (PROTO, scheme), (HOST, host)]);
    }
}

/// Whether a header says where a request comes from: only the host may say that to a guest. With underscores too: a
/// CGI guest could not tell them apart.
pub(super) fn is_forwarding(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    let begins = |word: &[u8]| {
        let same = |(a, b): (&u8, &u8)| a == b || (*a == b'_' && *b == b'-');
        name.len() >= word.len() && name.iter().zip(word).all(same)
    };
    match name.first() {
        Some(b'f') => name == b"forwarded",
        Some(b'x') => begins(b"x-forwarded") || (begins(b"x-real-ip") && name.len() == b"x-real-ip".len()),
        _ => false,
    }
}

/// What proxies added to one header or family of headers, in the order of the way.
#[derive(Default)]
struct Told<'a> {
    clients: Vec<Option<SocketAddr>>,
    schemes: Vec<&'a str>,
    hosts: Vec<&'a str>,
}

/// One reading of what was told.
struct Story<'a> {
    client: SocketAddr,
    scheme: Option<Scheme>,
    host: Option<&'a str>,
}

impl<'a> Told<'a> {
    fn story(self, peer: SocketAddr, proxies: &Proxies) -> Story<'a> {
        let mut story = Story::of(peer);
        let mut steps = 0;
        for (step, client) in self.clients.iter().rev().enumerate() {
            // Somebody who would not be named: nothing is known of what is further away.
            let Some(client) = *client else { break };
            (story.client, steps) = (client, step);
            if !proxies.trust(client.ip()) {
                break;
            }
        }
        // A proxy may say it once for the whole way instead of adding to a list.
        let said =
            |list: &[&'a str]| list.iter().rev().nth(steps).or(list.first()).copied().filter(|said| !said.is_empty());
        story.scheme = said(&self.schemes).and_then(|scheme| match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => Some(Scheme::HTTP),
            _ if scheme.eq_ignore_ascii_case("https") => Some(Scheme::HTTPS),
            _ => None,
        });
        story.host = said(&self.hosts);
        story
    }
}

impl Story<'_> {
    fn of(peer: SocketAddr) -> Self {
        Self { client: peer, scheme: None, host: None }
    }

    fn contradicts(&self, other: &Self) -> bool {
        let schemes = self.scheme.as_ref().zip(other.scheme.as_ref());
        self.client.ip() != other.client.ip() || schemes.is_some_and(|(one, other)| one != other)
    }
}

/// `X-Forwarded-For`, `-Proto` and `-Host`; `None` without any of them.
fn customary(headers: &HeaderMap) -> Option<Told<'_>> {
    let list = |name| headers.get_all(name).iter().flat_map(|line| text(line).split(',')).map(str::trim);
    let told =
        Told { clients: list(FOR).map(address).collect(), schemes: list(PROTO).collect(), hosts: list(HOST).collect() };
    let silent = told.clients.is_empty() && told.schemes.is_empty() && told.hosts.is_empty();
    (!silent).then_some(told)
}

/// `Forwarded` (RFC 7239); `None` without it. What each proxy left out is empty, so that the lists stay in step.
fn standard(headers: &HeaderMap) -> Option<Told<'_>> {
    let mut told = None;
    let lines = headers.get_all(header::FORWARDED).iter();
    for element in lines.flat_map(|line| split(text(line), ',')) {
        let told = told.get_or_insert_with(Told::default);
        let (mut client, mut scheme, mut host) = (None, "", "");
        for (name, value) in split(element, ';').filter_map(|pair| pair.split_once('=')) {
            let (name, value) = (name.trim(), unquoted(value.trim()));
            if name.eq_ignore_ascii_case("for") {
                client = address(value);
            } else if name.eq_ignore_ascii_case("proto") {
                scheme = value;
            } else if name.eq_ignore_ascii_case("host") {
                host = value;
            }
        }
        told.clients.push(client);
        told.schemes.push(scheme);
        told.hosts.push(host);
    }
    told
}

/// A header's value. One that is no ASCII names nobody.
fn text(line: &HeaderValue) -> &str {
    line.to_str().unwrap_or_default()
}

/// Splits at separators outside of quotes. Escapes within quotes (RFC 9110, section 5.6.4) have no place in addresses,
/// schemes and hosts, but a quote behind a backslash does not end the quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |char| {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        char == separator && !quoted
    })
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// An address as proxies write it: with or without a port, IPv6 in brackets or not. Names and `unknown` are none.
fn address(written: &str) -> Option<SocketAddr> {
    let bare = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(written);
    let address = match bare.parse::<IpAddr>() {
        Ok(address) => SocketAddr::new(address, 0),
        Err(_) => written.parse().ok()?,
    };
    Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The origin of a request that comes from `peer`, with 10.0.0.0/8 and fd00::/8 trusted.
    fn origin(peer: &str, headers: &[(&'static str, &str)]) -> Origin {
        let proxies = Proxies::new(&["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let link = Link::new(peer.parse().unwrap(), Scheme::HTTP, &proxies);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        link.origin(&map)
    }

    fn client(headers: &[(&'static str, &str)]) -> String {
        let origin = origin("10.0.0.1:5000", headers);
        assert!(!origin.proxied.as_ref().expect("a trusted peer").contradicts, "{headers:?}");
        origin.client.to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let origin =
            origin("11.0.0.1:5000", &[("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=1.1.1.1;proto=https")]);
        assert_eq!((origin.client.to_string().as_str(), origin.scheme), ("11.0.0.1:5000", Scheme::HTTP));
        assert!(origin.proxied.is_none());
    }

    #[test]
    fn the_client_is_the_first_stranger_from_the_right() {
        for (written, meant) in [
            ("1.1.1.1", "1.1.1.1:0"),
            ("9.9.9.9, 1.1.1.1", "1.1.1.1:0"),
            ("9.9.9.9, 1.1.1.1, 10.2.3.4", "1.1.1.1:0"),
            ("1.1.1.1:77,10.2.3.4:88", "1.1.1.1:77"),
            ("10.0.0.9, 10.0.0.8", "10.0.0.9:0"),
            ("2001:db8::1", "[2001:db8::1]:0"),
            ("[2001:db8::1]:9, fd00::1", "[2001:db8::1]:9"),
            ("::ffff:1.1.1.1, ::ffff:10.0.0.3", "1.1.1.1:0"),
            // Whoever wrote this hides: what is further away may be invented.
            ("1.1.1.1, unknown", "10.0.0.1:5000"),
            ("1.1.1.1, unknown, 10.0.0.7", "10.0.0.7:0"),
            ("1.1.1.1, ", "10.0.0.1:5000"),
            ("localhost", "10.0.0.1:5000"),
            ("", "10.0.0.1:5000"),
        ] {
            assert_eq!(client(&[("x-forwarded-for", written)]), meant, "{written}");
        }
        assert_eq!(client(&[("x-forwarded-for", "9.9.9.9"), ("x-forwarded-for", "1.1.1.1")]), "1.1.1.1:0");
        assert_eq!(client(&[]), "10.0.0.1:5000");
    }

    #[test]
    fn the_standard_header_is_read_with_its_quotes() {
        for (written, meant) in [
            ("for=1.1.1.1", "1.1.1.1:0"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "[2001:db8:cafe::17]:4711"),
            ("for=9.9.9.9, for=1.1.1.1;by=10.0.0.2 , for=10.0.0.3", "1.1.1.1:0"),
            ("by=\"a,for=9.9.9.9;\\\",for=8.8.8.8\";for=1.1.1.1", "1.1.1.1:0"),
            ("for=_hidden", "10.0.0.1:5000"),
            ("for=1.1.1.1, proto=http", "10.0.0.1:5000"),
            ("nonsense", "10.0.0.1:5000"),
        ] {
            assert_eq!(client(&[("forwarded", written)]), meant, "{written}");
        }
    }

    #[test]
    fn scheme_and_host_are_those_the_client_used() {
        let told = |headers: &[(&'static str, &str)]| {
            let origin = origin("10.0.0.1:5000", headers);
            (origin.scheme.to_string(), origin.proxied.unwrap().host.unwrap_or_default())
        };
        let told = |headers: &[(&'static str, &str)]| format!("{:?}", told(headers));
        assert_eq!(told(&[("x-forwarded-proto", "HTTPS"), ("x-forwarded-host", "a")]), r#"("https", "a")"#);
        assert_eq!(
            told(&[("x-forwarded-for", "6.6.6.6, 1.1.1.1, 10.0.0.2"), ("x-forwarded-proto", "x, https, http")]),
            r#"("https", "")"#
        );
        assert_eq!(
            told(&[("x-forwarded-for", "1.1.1.1, 10.0.0.2"), ("x-forwarded-proto", "https")]),
            r#"("https", "")"#
        );
        assert_eq!(told(&[("forwarded", "for=1.1.1.1;proto=https;host=\"a:1\", for=10.0.0.2")]), r#"("https", "a:1")"#);
        assert_eq!(told(&[("forwarded", "for=9.9.9.9;proto=https, for=1.1.1.1")]), r#"("http", "")"#);
        assert_eq!(told(&[("x-forwarded-proto", "gopher")]), r#"("http", "")"#);
    }

    #[test]
    fn two_stories_have_to_agree() {
        let contradicts = |forwarded, customary| {
            let headers = [("forwarded", forwarded), ("x-forwarded-for", customary), ("x-forwarded-proto", "https")];
            origin("10.0.0.1:5000", &headers).proxied.unwrap().contradicts
        };
        assert!(contradicts("for=9.9.9.9", "1.1.1.1"));
        assert!(contradicts("for=1.1.1.1;proto=http", "1.1.1.1"));
        assert!(!contradicts("for=1.1.1.1", "9.9.9.9, 1.1.1.1, 10.0.0.5"));
        assert!(!contradicts("for=\"1.1.1.1:5\";proto=https", "1.1.1.1"));
    }

    #[test]
    fn every_spelling_of_a_forwarding_header_is_known() {
        for name in [
            "forwarded",
            "x-forwarded-for",
            "x_forwarded_for",
            "x-forwarded_proto",
            "x-forwarded",
            "x-real-ip",
            "x_real_ip",
        ] {
            assert!(is_forwarding(&HeaderName::from_static(name)), "{name}");
        }
        for name in ["forward", "forwarded-by", "x-forward", "x-real-ip-2", "x-mine", "via", "x"] {
            assert!(!is_forwarding(&HeaderName::from_static(name)), "{name}");
        }
    }
}
