//! The request filter: what passes has one form, the same for HTTP/1 and HTTP/2.
//!
//! The input is a head as text: a line of flags (`s` for TLS, `p` for a trusted proxy as the peer), a line `METHOD TARGET`,
//! then `name: value` lines. What the parser in front of the filter would refuse is passed over. Checked:
//! * the head that passes is absolute, has one host in one spelling, one `Host` that says so, and a path that is its own
//!   normal form; its query, and every header that is a guest's business, is as it was sent;
//! * no header of the connection, of the host, or of proxies is left, save the host's own words for a trusted proxy's;
//! * a head that passed passes again, unchanged;
//! * in the other version's form the same request has the same verdict and the same result.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header, request::Parts, uri::Scheme};
use wasmbay::{
    failure::{Code, Failure},
    server::{MAX_TARGET, Proxies, path::normalise, probe},
};

/// Headers that say something of one connection.
const OF_THE_CONNECTION: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings"];

/// What the host says itself of a client behind a trusted proxy.
const OF_THE_PROXY: [&str; 3] = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// Where a head comes from.
struct From {
    peer: SocketAddr,
    scheme: Scheme,
    proxied: bool,
}

impl From {
    fn read(flags: &str) -> Self {
        let scheme = if flags.contains('s') { Scheme::HTTPS } else { Scheme::HTTP };
        let proxied = flags.contains('p');
        let peer = if proxied { "10.0.0.1:7" } else { "192.0.2.1:7" };
        Self { peer: peer.parse().expect("an address"), scheme, proxied }
    }

    fn filter(&self, mut parts: Parts) -> Result<Parts, Failure> {
        let proxies = Proxies::new(&["10.0.0.0/8".parse().expect("a network")]);
        probe::filter(&mut parts, self.peer, self.scheme.clone(), &proxies).map(|_| parts)
    }
}

/// Runs one input.
///
/// # Panics
/// When one of the properties does not hold.
pub fn run(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let flags = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let Some(sent) = head(lines) else { return };
    let from = From::read(&flags);
    let ended = from.filter(sent.clone());
    match &ended {
        Ok(passed) => {
            check(&sent, passed, &from);
            let again =
                From::read(if passed.uri.scheme() == Some(&Scheme::HTTPS) { "s" } else { "" }).filter(passed.clone());
            let again = again.unwrap_or_else(|failure| panic!("{passed:?} does not pass again: {failure}"));
            assert_eq!(again.uri, passed.uri);
            if !from.proxied {
                assert_eq!(again.headers, passed.headers);
            }
        }
        Err(failure) => refused(&sent, failure),
    }
    if let Some(other) = other_form(&sent) {
        match (&ended, &from.filter(other)) {
            (Ok(one), Ok(other)) => assert_eq!((&one.uri, &one.headers), (&other.uri, &other.headers)),
            (Err(one), Err(other)) => assert_eq!(one.code, other.code),
            (one, other) => panic!("{one:?} in one version, {other:?} in the other"),
        }
    }
}

fn head<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Option<Parts> {
    let first = lines.next()?;
    let blank = first.iter().position(|byte| *byte == b' ')?;
    let method = Method::from_bytes(&first[..blank]).ok()?;
    let mut request = Request::new(());
    *request.uri_mut() = Uri::try_from(&first[blank + 1..]).ok()?;
    *request.method_mut() = method;
    for line in lines.filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    Some(request.into_parts().0)
}

/// The same request as the other version has it: the host in the target instead of beside it, or the other way round.
fn other_form(sent: &Parts) -> Option<Parts> {
    let hosts: Vec<_> = sent.headers.get_all(header::HOST).iter().collect();
    let mut other = sent.clone();
    let target = sent.uri.path_and_query()?.as_str();
    match (hosts.as_slice(), sent.uri.authority()) {
        ([host], None) => {
            other.uri = Uri::try_from(format!("http://{}{target}", host.to_str().ok()?)).ok()?;
            // What the target cannot carry whole is another request.
            let whole = other.uri.authority().is_some_and(|named| named.as_str().as_bytes() == host.as_bytes());
            other.headers.remove(header::HOST);
            (whole && other.uri.path_and_query()?.as_str() == target).then_some(other)
        }
        ([], Some(authority)) if matches!(sent.uri.scheme_str(), Some("http" | "https")) => {
            other.headers.insert(header::HOST, HeaderValue::from_str(authority.as_str()).ok()?);
            other.uri = Uri::try_from(target).ok()?;
            Some(other)
        }
        _ => None,
    }
}

fn refused(sent: &Parts, failure: &Failure) {
    let codes = [Code::BadRequest, Code::MethodNotAllowed, Code::UriTooLong];
    assert!(codes.contains(&failure.code), "{failure}");
    assert!(failure.code != Code::MethodNotAllowed || !failure.allow.contains(&sent.method), "{failure}");
}

fn check(sent: &Parts, passed: &Parts, from: &From) {
    assert!(passed.method != Method::CONNECT && passed.method != Method::TRACE);
    assert_eq!(passed.method, sent.method);
    if !from.proxied {
        assert_eq!(passed.uri.scheme(), Some(&from.scheme));
    }
    let authority = passed.uri.authority().expect("the target is absolute").as_str();
    assert_eq!(authority, authority.to_ascii_lowercase());
    assert!(!authority.contains(['@', ' ', ',', '/', '%']) && !authority.ends_with('.'), "{authority}");
    let port = if passed.uri.scheme() == Some(&Scheme::HTTPS) { ":443" } else { ":80" };
    assert!(!authority.ends_with(port), "{authority} has a port that goes without saying");
    let hosts: Vec<_> = passed.headers.get_all(header::HOST).iter().collect();
    assert_eq!(hosts, [authority], "the host is said once");
    let path = passed.uri.path();
    assert_eq!(normalise(path).as_deref(), Ok(path));
    assert_eq!(normalise(sent.uri.path()).as_deref(), Ok(path));
    assert_eq!(passed.uri.query(), sent.uri.query());
    assert!(passed.uri.path_and_query().is_some_and(|target| target.as_str().len() <= MAX_TARGET));
    headers(&sent.headers, &passed.headers, from.proxied);
}

fn headers(sent: &HeaderMap, passed: &HeaderMap, proxied: bool) {
    let folded = |name: &HeaderName| name.as_str().replace('_', "-");
    let of_proxies = |name: &str| name == "forwarded" || name.starts_with("x-forwarded") || name == "x-real-ip";
    for (name, value) in passed {
        let plain = folded(name);
        assert!(!OF_THE_CONNECTION.contains(&name.as_str()), "{name} passes");
        assert!(!plain.starts_with("wasmbay-"), "{name} passes");
        assert!(name != header::TE || value.as_bytes().eq_ignore_ascii_case(b"trailers"), "TE: {value:?} passes");
        let host_said = proxied && OF_THE_PROXY.contains(&name.as_str());
        assert!(!of_proxies(&plain) || host_said, "{name} passes");
    }
    if proxied {
        OF_THE_PROXY.iter().for_each(|name| assert_eq!(passed.get_all(*name).iter().count(), 1, "{name}"));
    }
    let a_guests = |name: &HeaderName| {
        let plain = folded(name);
        !OF_THE_CONNECTION.contains(&name.as_str())
            && !plain.starts_with("wasmbay-")
            && !of_proxies(&plain)
            && name != header::HOST
            && name != header::TE
    };
    for name in sent.keys().filter(|name| a_guests(name)) {
        assert!(sent.get_all(name).iter().eq(passed.get_all(name).iter()), "{name} is not what was sent");
    }
}
