//! Where a plugin may call to: `scheme://host[:port]`, with one reading for every spelling.
//!
//! What a manifest grants and what a guest asks for are read by the same code, so that no spelling of one means
//! something else to the other. Hosts are read as browsers read them (WHATWG URL, "host parsing"): `0x7f.1` is an
//! address, `BÜCHER.example` is `xn--bcher-kva.example`, and what is left can be compared letter by letter.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use url::Host;

use super::{fault::Wrong, leaf::Leaf};

/// What calls to plugins of the same tenant look like; `grants.plugins` grants them.
const PLUGINS: &str = "plugin.internal";

/// What calls to the host's own queue look like.
const JOBS: &str = "jobs.wasmbay.internal";

/// A host name has no more bytes (RFC 1035).
const MAX_NAME: usize = 253;

/// How an origin is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As it stands before `://`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    fn read(text: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|scheme| text.eq_ignore_ascii_case(scheme.name()))
    }
}

/// One place to send requests to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// A name in lower case without its last dot, or an address.
    pub host: Host<String>,
    /// The port, written or the scheme's own.
    pub port: u16,
}

impl Origin {
    /// Reads the scheme and the authority of a request.
    ///
    /// # Errors
    /// A clause that says what is wrong: it follows the text.
    pub fn read(scheme: &str, authority: &str) -> Result<Self, &'static str> {
        let scheme = Scheme::read(scheme).ok_or("has a scheme other than http and https")?;
        if authority.contains('@') {
            return Err("names a user before its host");
        }
        let (host, port) = split_port(authority)?;
        Ok(Self { scheme, host: read_host(host)?, port: port.unwrap_or_else(|| scheme.port()) })
    }

    /// The host and, where it is not the scheme's own, the port: what the `Host` header says.
    pub fn authority(&self) -> String {
        match self.port == self.scheme.port() {
            true => self.host.to_string(),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.authority())
    }
}

/// What a manifest grants: one origin, or all whose names end alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern {
    /// `*.` stood before the name: it stands for one label or more, never for none.
    below: bool,
    origin: Origin,
}

impl OriginPattern {
    /// Whether the grant is for this origin.
    pub fn grants(&self, asked: &Origin) -> bool {
        let Origin { scheme, host, port } = &self.origin;
        asked.scheme == *scheme
            && asked.port == *port
            && match (self.below, host, &asked.host) {
                (true, Host::Domain(end), Host::Domain(name)) => {
                    name.strip_suffix(end.as_str()).is_some_and(|start| start.len() > 1 && start.ends_with('.'))
                }
                _ => !self.below && asked.host == *host,
            }
    }

    /// The address that is granted, where it is one and no name.
    pub fn address(&self) -> Option<SocketAddr> {
        let ip: IpAddr = match &self.origin.host {
            Host::Ipv4(ip) => (*ip).into(),
            Host::Ipv6(ip) => (*ip).into(),
            Host::Domain(_) => return None,
        };
        Some((ip, self.origin.port).into())
    }

    fn read(text: &str) -> Result<Self, Wrong> {
        let wrong = |why: &str| Wrong::new(format!("= {text:?} {why}"));
        let example = "write one such as \"https://api.example.com\"";
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("is no origin").remedy(example))?;
        if let Some((authority, _)) = rest.split_once(['/', '?', '#']) {
            let wrong = wrong("is more than an origin");
            return Err(wrong.remedy(format!("a grant is for every path: write \"{scheme}://{authority}\"")));
        }
        let (below, authority) = rest.strip_prefix("*.").map_or((false, rest), |rest| (true, rest));
        if authority.contains('*') {
            return Err(wrong("has a wildcard that is not `*.` before a name").remedy("name each origin"));
        }
        let origin = Origin::read(scheme, authority).map_err(|why| wrong(why).remedy(example))?;
        let Host::Domain(name) = &origin.host else {
            return if below { Err(wrong("has a wildcard before an address")) } else { Ok(Self { below, origin }) };
        };
        if is_or_ends(name, PLUGINS) {
            return Err(wrong("is a plugin of this tenant").remedy("name the plugin in grants.plugins"));
        }
        if name == JOBS {
            return Err(wrong("is the host's own"));
        }
        if below && !name.contains('.') {
            return Err(wrong("would grant a whole top-level domain").remedy("name the domain below it"));
        }
        Ok(Self { below, origin })
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.below { "*." } else { "" };
        write!(f, "{}://{star}{}", self.origin.scheme.name(), self.origin.authority())
    }
}

impl Leaf for OriginPattern {
    const WHAT: &'static str = "an origin such as \"https://api.example.com\"";

    fn text(text: &str) -> Result<Self, Wrong> {
        Self::read(text)
    }
}

fn is_or_ends(name: &str, end: &str) -> bool {
    name.strip_suffix(end).is_some_and(|start| start.is_empty() || start.ends_with('.'))
}

/// The host and the port of an authority without a user.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let end = if authority.starts_with('[') { authority.find(']').map_or(authority.len(), |end| end + 1) } else { 0 };
    let Some(colon) = authority[end..].find(':').map(|colon| end + colon) else { return Ok((authority, None)) };
    let (host, port) = (&authority[..colon], &authority[colon + 1..]);
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(port) if digits && port != 0 => Ok((host, Some(port))),
        _ => Err("has a port that is none"),
    }
}

fn read_host(text: &str) -> Result<Host<String>, &'static str> {
    let none = "has a host that is none";
    // Nobody needs it, and whoever decodes it later reads another host.
    if text.contains('%') {
        return Err("has a percent sign in its host");
    }
    let host = Host::parse(text).map_err(|_| none)?;
    let Host::Domain(mut name) = host else { return Ok(host) };
    if name.ends_with('.') {
        name.pop();
    }
    let inside = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(inside);
    if name.len() > MAX_NAME || !name.split('.').all(label) {
        return Err(none);
    }
    Ok(Host::Domain(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grant(text: &str) -> OriginPattern {
        OriginPattern::read(text).unwrap_or_else(|wrong| panic!("{text}: {}", wrong.message))
    }

    /// A URL's start as a guest would have it.
    fn asked(text: &str) -> Option<Origin> {
        let (scheme, authority) = text.split_once("://")?;
        Origin::read(scheme, authority).ok()
    }

    fn grants(granted: &str, text: &str) -> bool {
        asked(text).is_some_and(|origin| grant(granted).grants(&origin))
    }

    #[test]
    fn one_origin_has_many_spellings() {
        for text in [
            "https://a.example",
            "HTTPS://A.Example",
            "https://a.example:443",
            "https://a.example.",
            "https://Ａ.example",
        ] {
            assert!(grants("https://a.example", text), "{text}");
            assert!(grants(text, "https://a.example"), "{text}");
        }
        assert!(grants("https://bücher.example", "https://xn--bcher-kva.example"));
    }

    #[test]
    fn another_scheme_port_or_host_is_another_origin() {
        for text in [
            "http://a.example",
            "https://a.example:8443",
            "https://b.a.example",
            "https://a.example.evil",
            "https://eviла.example",
            "ftp://a.example",
        ] {
            assert!(!grants("https://a.example", text), "{text}");
        }
    }

    #[test]
    fn a_wildcard_is_for_names_below_and_for_nothing_else() {
        for text in ["https://b.a.com", "https://c.b.a.com", "https://B.A.com."] {
            assert!(grants("https://*.a.com", text), "{text}");
        }
        for text in [
            "https://a.com",
            "https://evila.com",
            "https://.a.com",
            "https://b.a.com.evil",
            "http://b.a.com",
            "https://b.a.com:8443",
        ] {
            assert!(!grants("https://*.a.com", text), "{text}");
        }
    }

    #[test]
    fn every_spelling_of_an_address_is_that_address() {
        let spellings = ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "①②⑦.0.0.1", "127.0.0.1.", "127.0.0.1"];
        for text in spellings {
            assert_eq!(asked(&format!("http://{text}")), asked("http://127.0.0.1"), "{text}");
        }
        assert_eq!(asked("http://[0:0::1]:80"), asked("http://[::1]"));
        assert_eq!(asked("http://[::1]").expect("an origin").authority(), "[::1]");
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        let bad = [
            "http://",
            "http://a@b",
            "http://a:b@c",
            "http://a:",
            "http://a:0",
            "http://a:65536",
            "http://a:+80",
            "http://a b",
            "http://a..b",
            "http://%61",
            "http://[::1",
            "http://::1",
            "http://a\\b",
            "http://1.2.3.4.5",
            "http://256.1.1.1",
            "http://[fe80::1%25eth0]",
            "http://a:80:80",
            "http://[::1]x:80",
        ];
        for text in bad {
            assert_eq!(asked(text), None, "{text}");
        }
    }

    #[test]
    fn what_no_manifest_may_grant_is_refused_with_a_remedy() {
        for (text, words) in [
            ("api.example.com", "is no origin"),
            ("https://a.example/v1", "write \"https://a.example\""),
            ("https://*", "wildcard"),
            ("https://a.*.example", "wildcard"),
            ("https://*.com", "top-level"),
            ("https://*.127.0.0.1", "before an address"),
            ("https://user@a.example", "user"),
            ("http://b.plugin.internal", "grants.plugins"),
            ("http://*.plugin.internal", "grants.plugins"),
            ("http://jobs.wasmbay.internal", "the host's own"),
            ("ws://a.example", "scheme"),
        ] {
            let wrong = OriginPattern::read(text).expect_err(text);
            let said = format!("{} {}", wrong.message, wrong.remedy.unwrap_or_default());
            assert!(said.contains(words), "{text}: {said}");
        }
    }

    fn name() -> impl Strategy<Value = String> {
        proptest::collection::vec("[a-z][a-z0-9-]{0,8}[a-z]", 1..4).prop_map(|labels| labels.join("."))
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_itself(text in "\\PC{0,40}") {
            if let Ok(origin) = Origin::read("http", &text) {
                let again = Origin::read("http", &origin.authority());
                prop_assert_eq!(again, Ok(origin));
            }
        }

        #[test]
        fn a_wildcard_takes_whole_labels_before_its_name(end in name(), start in name(), glued in "[a-z]{1,4}") {
            let Ok(granted) = OriginPattern::read(&format!("http://*.{end}")) else { return Ok(()) };
            let is_granted = |name: String| Origin::read("http", &name).is_ok_and(|origin| granted.grants(&origin));
            let below = format!("{start}.{end}");
            prop_assert!(is_granted(below));
            prop_assert!(!is_granted(end.clone()));
            let glued = format!("{glued}{end}");
            prop_assert!(!is_granted(glued));
            let longer = format!("{end}.{start}");
            prop_assert_eq!(is_granted(longer.clone()), longer.ends_with(&format!(".{end}")));
        }
    }
}
