//! What a guest asks to call: read once, granted or not, and written as servers want it.

use http::{HeaderValue, Method, Request, Uri, header, uri::PathAndQuery};
use url::Host;

use super::Trouble;
use crate::{
    body::Body,
    capability::{Caller, jobs, plugins},
    config::Origin,
    failure::{Code, Failure},
};

/// What a guest may call, and asks for.
pub(super) enum Target {
    /// A plugin of its tenant, by name.
    Plugin(String),
    /// The host's jobs.
    Jobs,
    /// Another server.
    Server(Origin),
}

impl Target {
    /// Reads it, and looks whether the caller may.
    pub(super) fn of(caller: &Caller, uri: &Uri) -> Result<Self, Trouble> {
        let plugin = &caller.manifest.name;
        let (scheme, authority) =
            (uri.scheme_str().unwrap_or_default(), uri.authority().map_or("", |text| text.as_str()));
        let origin = Origin::read(scheme, authority).map_err(|why| {
            Trouble::BadTarget(format!("{plugin} may not call {scheme}://{authority}: the target {why}"))
        })?;
        let grants = &caller.manifest.grants;
        let is_jobs = matches!(&origin.host, Host::Domain(name) if name == jobs::HOST);
        let callee = match &origin.host {
            Host::Domain(name) => plugins::callee(name),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        };
        let target = match callee {
            // What is not granted there is an answer of its own, in words.
            _ if is_jobs => Self::Jobs,
            Some(callee) if grants.plugins.iter().any(|granted| granted == callee) => Self::Plugin(callee.to_owned()),
            Some(callee) => {
                return Err(Trouble::Denied(format!(
                    "{plugin} may not call the plugin {callee}: add \"{callee}\" to grants.plugins"
                )));
            }
            None if grants.http.iter().any(|granted| granted.grants(&origin)) => Self::Server(origin),
            None => {
                return Err(Trouble::Denied(format!(
                    "{plugin} may not call {origin}: add \"{origin}\" to grants.http"
                )));
            }
        };
        if caller.hop < plugins::HOP_LIMIT { Ok(target) } else { Err(target.loops()) }
    }

    /// Too many hops lie behind a call there.
    fn loops(&self) -> Trouble {
        match self {
            Self::Plugin(_) => Failure::plain(Code::Loop).into(),
            Self::Server(_) | Self::Jobs => Trouble::Loop,
        }
    }
}

/// Writes the target as servers want it: just the path, and the host as it was read.
pub(super) fn address(request: &mut Request<Body>, origin: &Origin) -> Result<(), Trouble> {
    if request.method() == Method::CONNECT {
        return Err(Trouble::BadMethod);
    }
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let is_asterisk = path.as_str() == "*" && request.method() == Method::OPTIONS;
    if !path.as_str().starts_with('/') && !is_asterisk {
        return Err(Trouble::BadTarget(format!("the target {path} does not begin with a slash")));
    }
    *request.uri_mut() = Uri::from(path);
    let host = HeaderValue::try_from(origin.authority()).expect("letters, digits and signs of an authority");
    request.headers_mut().insert(header::HOST, host);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body;

    fn addressed(method: &str, path: &str) -> Result<Request<Body>, Trouble> {
        let uri =
            Uri::builder().scheme("http").authority("A.Example:80").path_and_query(path).build().expect("a target");
        let origin = Origin::read("http", "A.Example:80").expect("an origin");
        let mut request = Request::builder().method(method).uri(uri).body(body::empty()).expect("a request");
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("evil.example"));
        address(&mut request, &origin).map(|()| request)
    }

    #[test]
    fn the_host_is_the_one_that_was_checked() {
        let request = addressed("GET", "/a?b=c").expect("a good target");
        assert_eq!(request.uri().to_string(), "/a?b=c");
        let hosts: Vec<_> = request.headers().get_all(header::HOST).iter().collect();
        assert_eq!(hosts, ["a.example"]);
    }

    #[test]
    fn tunnels_are_refused() {
        assert!(matches!(addressed("CONNECT", "/"), Err(Trouble::BadMethod)));
    }
}
