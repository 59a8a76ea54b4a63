//! The request filter: what every request must be before anybody looks at it, the same for HTTP/1 and HTTP/2.
//!
//! hyper parses; these are the checks it leaves to us (`decisions/0021-request-filter.md`). A request that passes has
//! an absolute URI whose authority is the one `Host` it was sent with, a path with one spelling, and no header that
//! belongs to the connection, to the host or to proxies that are not trusted.

use std::net::Ipv6Addr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri, header,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};

use super::{
    forwarded::{self, Origin},
    path,
};
use crate::failure::{Code, Failure};

/// The longest request target in bytes, query included. Longer ones carry data that belongs into a body.
pub const MAX_TARGET: usize = 16 * 1024;

/// The longest method name. The longest registered one has 17 characters.
const MAX_METHOD: usize = 32;

/// Headers that belong to one connection and say nothing to a guest (RFC 9110, section 7.6.1).
const CONNECTION_HEADERS: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// Checks a request's head and brings it into its one form.
///
/// # Errors
/// `bad-request`, `method-not-allowed` or `uri-too-long`, in words for the client.
pub(super) fn check(parts: &mut Parts, origin: &Origin) -> Result<(), Failure> {
    check_method(&parts.method)?;
    check_upgrade(&parts.headers)?;
    let proxied = origin.proxied.as_ref();
    if proxied.is_some_and(|proxied| proxied.contradicts) {
        return Err(bad("the proxy's Forwarded and X-Forwarded headers contradict each other"));
    }
    let authority = authority(&parts.uri, &parts.headers, &origin.scheme)?;
    let target = target(&parts.uri)?;
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| bad("the Host header is malformed"))?;
    parts.uri = Uri::builder()
        .scheme(origin.scheme.clone())
        .authority(authority)
        .path_and_query(target)
        .build()
        .map_err(|_| bad("the request's target is malformed"))?;
    strip(&mut parts.headers);
    if let Some(proxied) = proxied {
        let asked = proxied.host.as_deref().and_then(|asked| canonical(asked, &origin.scheme).ok());
        let asked = asked.and_then(|asked| HeaderValue::from_str(asked.as_str()).ok());
        origin.tell(&mut parts.headers, asked.unwrap_or_else(|| host.clone()));
    }
    parts.headers.insert(header::HOST, host);
    Ok(())
}

fn bad(detail: &'static str) -> Failure {
    Failure::new(Code::BadRequest, detail)
}

fn check_method(method: &Method) -> Result<(), Failure> {
    if *method == Method::CONNECT || *method == Method::TRACE {
        let mut failure = Failure::new(Code::MethodNotAllowed, format!("{method} is not served"));
        failure.allow =
            vec![Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
        return Err(failure);
    }
    if method.as_str().len() > MAX_METHOD {
        return Err(bad("the method's name is too long"));
    }
    Ok(())
}

/// A WebSocket client must hear that there is none; any other offer to upgrade may be passed over (RFC 9110, 7.8).
fn check_upgrade(headers: &HeaderMap) -> Result<(), Failure> {
    let websocket =
        |value: &HeaderValue| value.as_bytes().to_ascii_lowercase().windows(9).any(|part| part == b"websocket");
    if headers.get_all(header::UPGRADE).iter().any(websocket) {
        return Err(bad("WebSocket connections are not served"));
    }
    Ok(())
}

/// The one authority a request names: `Host`, or the target's own, or both when they agree.
fn authority(uri: &Uri, headers: &HeaderMap, scheme: &Scheme) -> Result<Authority, Failure> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(bad("the request has more than one Host header"));
    }
    let host = match host {
        Some(host) => Some(canonical(host.to_str().map_err(|_| bad("the Host header is malformed"))?, scheme)?),
        None => None,
    };
    let Some(named) = uri.authority() else { return host.ok_or_else(|| bad("the request has no Host header")) };
    if !matches!(uri.scheme_str(), None | Some("http" | "https")) {
        return Err(bad("the request's target is neither http nor https"));
    }
    let named = canonical(named.as_str(), scheme)?;
    match host {
        Some(host) if host != named => Err(bad("the Host header and the request's target name different hosts")),
        _ => Ok(named),
    }
}

/// An authority in lower case, without a final dot and without the scheme's own port.
fn canonical(written: &str, scheme: &Scheme) -> Result<Authority, Failure> {
    let malformed = || bad("the Host header is malformed");
    let (host, port) = match written.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (written, None),
    };
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port {
        Some(port) if digits(port) => Some(port.parse::<u16>().map_err(|_| malformed())?),
        Some(_) => return Err(malformed()),
        None => None,
    };
    let host = host_name(host).ok_or_else(malformed)?;
    let implied = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    let text = match port {
        Some(port) if port != implied => format!("{host}:{port}"),
        _ => host,
    };
    Authority::try_from(text).map_err(|_| malformed())
}

fn host_name(host: &str) -> Option<String> {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        // Parsed and written again: an IPv6 address has many spellings and, with a zone, more than one meaning.
        return address.parse::<Ipv6Addr>().ok().map(|address| format!("[{address}]"));
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    // A label has a character at the least (RFC 1034, section 3.5): what is left of `a..` would be another spelling of `a`.
    let label = |label: &str| !label.is_empty() && label.bytes().all(valid);
    (host.len() <= 253 && host.split('.').all(label)).then(|| host.to_ascii_lowercase())
}

fn target(uri: &Uri) -> Result<PathAndQuery, Failure> {
    let written = uri.path_and_query().ok_or_else(|| bad("the request's target has no path"))?;
    if written.as_str().len() > MAX_TARGET {
        return Err(Failure::plain(Code::UriTooLong));
    }
    let path = path::normalise(written.path()).map_err(|fault| Failure::new(Code::BadRequest, fault.to_string()))?;
    let spelled = match (path, written.query()) {
        (std::borrow::Cow::Borrowed(_), _) => return Ok(written.clone()),
        (path, None) => path.into_owned(),
        (path, Some(query)) => format!("{path}?{query}"),
    };
    // What had to be encoded is longer now.
    if spelled.len() > MAX_TARGET {
        return Err(Failure::plain(Code::UriTooLong));
    }
    PathAndQuery::try_from(spelled).map_err(|_| bad("the request's target is malformed"))
}

fn strip(headers: &mut HeaderMap) {
    let trailers = |te: &HeaderValue| te.as_bytes().eq_ignore_ascii_case(b"trailers");
    if !headers.get_all(header::TE).iter().all(trailers) {
        headers.remove(header::TE);
    }
    for name in &CONNECTION_HEADERS {
        headers.remove(name);
    }
    let ours: Vec<_> = headers.keys().filter(|name| is_ours(name) || forwarded::is_forwarding(name)).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
}

/// Headers by which the host speaks to guests. With an underscore too: a CGI guest could not tell them apart.
fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.strip_prefix("wasmbay").is_some_and(|rest| rest.starts_with(['-', '_']))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::{
        super::forwarded::{Link, Proxies},
        *,
    };

    const PEER: &str = "192.0.2.1:5000";

    fn checked(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Parts, Failure> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).expect("a request that the http crate takes").into_parts();
        let link = Link::new(PEER.parse().expect("an address"), Scheme::HTTP, &Proxies::default());
        let origin = link.origin(&parts.headers);
        check(&mut parts, &origin).map(|()| parts)
    }

    /// The same through a trusted proxy.
    fn proxied(uri: &str, headers: &[(&str, &str)]) -> Result<Parts, Failure> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).expect("a request that the http crate takes").into_parts();
        let proxies = Proxies::new(&["0.0.0.0/0".parse().expect("a network")]);
        let origin = Link::new(PEER.parse().expect("an address"), Scheme::HTTP, &proxies).origin(&parts.headers);
        check(&mut parts, &origin).map(|()| parts)
    }

    fn code(result: Result<Parts, Failure>) -> Option<Code> {
        result.err().map(|failure| failure.code)
    }

    #[test]
    fn one_host_and_no_more() {
        let bad = Some(Code::BadRequest);
        assert_eq!(code(checked("GET", "/", &[("host", "a")])), None);
        assert_eq!(code(checked("GET", "/", &[])), bad);
        assert_eq!(code(checked("GET", "/", &[("host", "a"), ("host", "a")])), bad);
        assert_eq!(code(checked("GET", "http://a/", &[("host", "b")])), bad);
        assert_eq!(code(checked("GET", "http://a/", &[("host", "A:80")])), None);
        assert_eq!(code(checked("GET", "http://a/", &[])), None);
        assert_eq!(code(checked("GET", "ftp://a/", &[])), bad);
    }

    #[test]
    fn a_host_has_one_spelling_or_is_refused() {
        let host =
            |host: &str| checked("GET", "/", &[("host", host)]).map(|parts| parts.uri.authority().unwrap().to_string());
        for (written, meant) in [
            ("Example.COM", "example.com"),
            ("a.", "a"),
            ("a:80", "a"),
            ("a:8080", "a:8080"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("[0:0::1]:9", "[::1]:9"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(host(written).ok().as_deref(), Some(meant), "{written}");
        }
        for written in [
            "",
            ":80",
            "a:",
            "a:99999",
            "a:+1",
            "u@a",
            "a b",
            "a,b",
            "a/b",
            "[::1",
            "[fe80::1%eth0]",
            "a%41",
            ".",
            "a..",
            "a..b",
            ".a",
        ] {
            assert!(host(written).is_err(), "{written}");
        }
    }

    #[test]
    fn the_guests_view_is_absolute_and_free_of_what_is_not_for_it() {
        let parts = checked(
            "POST",
            "/a/../b?q=%zz//..",
            &[
                ("host", "A"),
                ("connection", "keep-alive, x"),
                ("te", "trailers"),
                ("upgrade", "h2c"),
                ("transfer-encoding", "chunked"),
                ("wasmbay-trigger", "job"),
                ("wasmbay_hop", "9"),
                ("forwarded", "for=6.6.6.6"),
                ("x_forwarded_for", "6.6.6.6"),
                ("x-real-ip", "6.6.6.6"),
                ("wasmbayou", "mine"),
            ],
        )
        .unwrap();
        assert_eq!(parts.uri, "http://a/b?q=%zz//..");
        let mut names: Vec<_> = parts.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["host", "te", "wasmbayou"]);
        assert_eq!(parts.headers["host"], "a");
    }

    #[test]
    fn te_asks_for_trailers_in_each_of_its_headers_or_goes() {
        let passed = |te: &[(&str, &str)]| checked("GET", "http://a/", te).unwrap().headers.contains_key(header::TE);
        assert!(passed(&[("te", "Trailers")]));
        assert!(!passed(&[("te", "trailers"), ("te", "gzip")]));
        assert!(!passed(&[("te", "gzip"), ("te", "trailers")]));
    }

    #[test]
    fn what_is_not_served_is_refused_by_name() {
        let host = ("host", "a");
        assert_eq!(code(checked("CONNECT", "a:1", &[host])), Some(Code::MethodNotAllowed));
        assert_eq!(code(checked("TRACE", "/", &[host])), Some(Code::MethodNotAllowed));
        assert_eq!(code(checked("OPTIONS", "*", &[host])), Some(Code::BadRequest));
        assert_eq!(code(checked("GET", "/", &[host, ("upgrade", "WebSocket")])), Some(Code::BadRequest));
        assert_eq!(code(checked(&"M".repeat(33), "/", &[host])), Some(Code::BadRequest));
        let long = format!("/{}", "a".repeat(MAX_TARGET));
        assert_eq!(code(checked("GET", &long, &[host])), Some(Code::UriTooLong));
        let encoded = format!("/{}", "{".repeat(MAX_TARGET / 3 + 1));
        assert_eq!(code(checked("GET", &encoded, &[host])), Some(Code::UriTooLong));
        assert_eq!(code(checked("PROPFIND", "/", &[host])), None);
    }

    #[test]
    fn what_a_trusted_proxy_says_reaches_the_guest_in_one_form() {
        let headers = [
            ("host", "inside:443"),
            ("forwarded", "for=\"6.6.6.6:1\";proto=https;host=\"Shop.Example:443\""),
            ("x-forwarded-port", "443"),
            ("x-real-ip", "6.6.6.6"),
        ];
        let parts = proxied("/a", &headers).unwrap();
        assert_eq!(parts.uri, "https://inside/a");
        let mut said: Vec<_> =
            parts.headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
        said.sort_unstable();
        assert_eq!(
            said,
            ["host=inside", "x-forwarded-for=6.6.6.6", "x-forwarded-host=shop.example", "x-forwarded-proto=https"]
        );
        // A host that is none is not passed on.
        let parts = proxied("/", &[("host", "inside"), ("x-forwarded-host", "a b")]).unwrap();
        assert_eq!(
            (&parts.headers["x-forwarded-host"], &parts.headers["x-forwarded-for"]),
            (&"inside".parse().unwrap(), &"192.0.2.1".parse().unwrap())
        );
    }

    #[test]
    fn a_proxy_that_contradicts_itself_is_refused() {
        let headers = [("host", "a"), ("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "7.7.7.7")];
        assert_eq!(code(proxied("/", &headers)), Some(Code::BadRequest));
        assert_eq!(code(checked("GET", "/", &headers)), None, "nobody listens to a stranger");
    }
}
