//! A request as a CGI command's environment (RFC 3875, section 4.1).

use http::{HeaderName, Request, header};

use crate::body::Body;

/// The meta-variables of one request.
///
/// `Proxy` never becomes `HTTP_PROXY`, which client libraries read as their configuration; credentials stay with the
/// guest, who has to check them.
pub(super) fn variables(request: &Request<Body>) -> Vec<(String, String)> {
    let uri = request.uri();
    let text = |name: HeaderName| {
        request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let https = uri.scheme_str() == Some("https");
    let base = text(HeaderName::from_static("wasmbay-base-path")).unwrap_or_default();
    let mut variables = vec![
        pair("GATEWAY_INTERFACE", "CGI/1.1"),
        pair("SERVER_SOFTWARE", concat!("wasmbay/", env!("CARGO_PKG_VERSION"))),
        pair("SERVER_PROTOCOL", "HTTP/1.1"),
        pair("SERVER_NAME", uri.host().unwrap_or("localhost")),
        pair("SERVER_PORT", uri.port_u16().unwrap_or(if https { 443 } else { 80 }).to_string()),
        pair("REQUEST_METHOD", request.method().as_str()),
        pair("SCRIPT_NAME", base),
        pair("PATH_INFO", decode(uri.path())),
        pair("QUERY_STRING", uri.query().unwrap_or_default()),
    ];
    // Not in the RFC, but what every CGI program asks.
    variables.extend(https.then(|| pair("HTTPS", "on")));
    variables.extend(text(header::CONTENT_TYPE).map(|value| pair("CONTENT_TYPE", value)));
    variables.extend(text(header::CONTENT_LENGTH).map(|value| pair("CONTENT_LENGTH", value)));
    variables.extend(headers(request));
    variables
}

/// The name that a variable of the manifest's has in the environment.
pub(super) fn name_of(variable: &str) -> String {
    variable.to_ascii_uppercase()
}

/// Whether a variable of this name would be taken for one of the request's. Their families, so that none is ever shadowed that
/// a later version of the host sets.
pub(in crate::guest) fn is_meta_variable(variable: &str) -> bool {
    const FAMILIES: [&str; 9] =
        ["auth_", "content_", "gateway_", "http_", "path_", "query_", "remote_", "request_", "script_"];
    variable == "https" || variable.starts_with("server_") || FAMILIES.iter().any(|family| variable.starts_with(family))
}

fn headers(request: &Request<Body>) -> impl Iterator<Item = (String, String)> {
    request.headers().keys().filter(|name| !is_special(name) && has_variable(name)).map(|name| {
        let values: Vec<_> =
            request.headers().get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        // RFC 9110, section 5.3: values of one name combine with commas; cookies with semicolons (RFC 6265).
        let separator = if name == header::COOKIE { "; " } else { ", " };
        (format!("HTTP_{}", name.as_str().to_ascii_uppercase().replace('-', "_")), values.join(separator))
    })
}

fn is_special(name: &HeaderName) -> bool {
    name == header::CONTENT_TYPE || name == header::CONTENT_LENGTH || name == "proxy"
}

/// Whether a header has a variable of its own. `X_A` would share the one of `X-A`, and whoever may not send the one
/// could send the other; so, as with Apache and nginx, it has none.
fn has_variable(name: &HeaderName) -> bool {
    name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn pair(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// RFC 3875, section 4.1.5: the path arrives decoded. What is no valid escape stays as it is.
fn decode(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = path.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|byte| *byte != 0) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
        variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_request_becomes_its_meta_variables() {
        let request = Request::get("http://a.example:81/x%20y/%zz?q=1")
            .header("x-a", "1")
            .header("x-a", "2")
            .header("proxy", "http://evil")
            .header("x_a", "3")
            .header("x_b", "4")
            .header("content-type", "text/plain")
            .body(crate::body::empty())
            .expect("a valid request");
        let variables = variables(&request);
        assert_eq!(value(&variables, "PATH_INFO"), Some("/x y/%zz"));
        assert_eq!(value(&variables, "QUERY_STRING"), Some("q=1"));
        assert_eq!(value(&variables, "SERVER_PORT"), Some("81"));
        assert_eq!(value(&variables, "HTTP_X_A"), Some("1, 2"));
        assert_eq!(variables.iter().filter(|(name, _)| name.starts_with("HTTP_X")).count(), 1);
        assert_eq!(value(&variables, "CONTENT_TYPE"), Some("text/plain"));
        assert_eq!(value(&variables, "HTTP_PROXY"), None);
        assert_eq!(value(&variables, "HTTPS"), None);
        let names = variables.iter().map(|(name, _)| name.to_ascii_lowercase());
        assert!(names.into_iter().all(|name| is_meta_variable(&name)));
    }

    #[test]
    fn a_client_that_came_over_tls_is_told_as_such() {
        let request = Request::get("https://a.example/").body(crate::body::empty()).expect("a valid request");
        let variables = variables(&request);
        assert_eq!((value(&variables, "HTTPS"), value(&variables, "SERVER_PORT")), (Some("on"), Some("443")));
    }
}
