//! Outbound HTTP: what a guest's request to a plugin or to another server becomes.
//!
//! A target is read once, into an [`Origin`]; everything after compares, resolves and dials that, never the text again.
//! To another server it goes: grant, name, every address checked, connection to a checked address, TLS, request.

mod addresses;
mod allowance;
mod arriving;
mod exchange;
mod leaving;
pub mod limits;
mod names;
mod pool;
mod tenant;
mod tls;
mod trouble;
mod wire;

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header, uri::PathAndQuery};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use ipnet::IpNet;
use tokio::{
    sync::Semaphore,
    time::{Instant, interval, timeout, timeout_at},
};
use url::Host;

use self::{
    addresses::Addresses,
    arriving::Awaited,
    exchange::Exchange,
    names::Servers,
    tenant::{Share, Tenant},
    tls::Tls,
};
pub use self::{
    allowance::{AT_ONCE, Allowance, IN_ALL},
    leaving::MOST_SENT,
    limits::Waits,
    trouble::{NameTrouble, Trouble},
    wire::HEAD_BYTES,
};
use super::{Caller, Ways, hops, plugins, trace::TRACEPARENT};
use crate::{
    body::Body,
    config::Origin,
    failure::{Code, Failure},
};

/// A response's body; an error in it is why it broke off.
pub type Answer = UnsyncBoxBody<Bytes, Trouble>;

/// How often connections that nobody uses any more are looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// The way to other servers. Clones share it.
#[derive(Clone)]
pub struct Outbound(Arc<Inner>);

/// What the operator says of the way to other servers.
#[derive(Clone, Debug, Default)]
pub struct OutboundSettings<'s> {
    /// Ranges that guests may reach though they are not public.
    pub private_networks: &'s [IpNet],
    /// Who resolves names; empty for the system's own.
    pub nameservers: &'s [SocketAddr],
    /// A file of authorities to be trusted beside the public ones.
    pub authorities: Option<&'s Path>,
    /// Connections that may be open at once, kept ones included.
    pub connections: usize,
    /// How many tenants share them.
    pub tenants: usize,
}

struct Inner {
    addresses: Addresses,
    servers: Servers,
    tls: Tls,
    /// Requests under way in the whole host.
    gate: Arc<Semaphore>,
    share: Share,
    tenants: Mutex<HashMap<Arc<str>, Arc<Tenant>>>,
}

impl Outbound {
    /// Half of the connections are for requests under way and a quarter is kept between them; the rest is for name
    /// servers, and for addresses that are tried beside each other.
    ///
    /// # Errors
    /// When the operator's authorities cannot be used.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(settings: &OutboundSettings<'_>) -> anyhow::Result<Self> {
        let OutboundSettings { private_networks, nameservers, authorities, connections, tenants } = settings;
        let inner = Arc::new(Inner {
            addresses: Addresses::new(private_networks.to_vec()),
            servers: Servers::new(nameservers),
            tls: Tls::new(*authorities)?,
            gate: Arc::new(Semaphore::new((connections / 2).clamp(1, Semaphore::MAX_PERMITS))),
            share: Share::of(connections / 2, connections / 4, *tenants),
            tenants: Mutex::default(),
        });
        tokio::spawn(sweep(Arc::downgrade(&inner)));
        Ok(Self(inner))
    }

    /// Says where the host itself listens: no guest reaches that, whatever is granted and allowed.
    pub fn listening(&self, own: &[SocketAddr]) {
        self.0.addresses.listening(own);
    }

    fn tenant(&self, name: &Arc<str>) -> Arc<Tenant> {
        let Inner { addresses, servers, tls, share, tenants, .. } = &*self.0;
        let mut tenants = tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(Tenant::new(addresses.clone(), servers.clone(), tls.for_tenant(), *share));
        Arc::clone(tenants.entry(Arc::clone(name)).or_insert_with(make))
    }

    async fn send(
        &self,
        caller: &Caller,
        origin: Origin,
        mut request: Request<Body>,
        waits: Waits,
    ) -> Result<Response<Answer>, Trouble> {
        address(&mut request, &origin)?;
        hops::stamp(request.headers_mut(), caller.hop + 1);
        caller.allowance.begin()?;
        let tenant = self.tenant(&caller.tenant);
        let deadline = Instant::now() + waits.for_connection();
        let seat = async { tenant.seat(&origin, caller.allowance.turn().await, &self.0.gate).await };
        let seat = timeout_at(deadline, seat).await.map_err(|_| Trouble::ConnectTimeout(origin.to_string()))?;
        Exchange { tenant, origin, seat, waits, deadline }.run(request).await
    }
}

/// Looks for connections that nobody uses any more, for as long as there are any to look for.
async fn sweep(inner: Weak<Inner>) {
    let mut pace = interval(SWEEP);
    loop {
        pace.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        let tenants: Vec<_> =
            inner.tenants.lock().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect();
        tenants.iter().for_each(|tenant| tenant.pool.sweep());
    }
}

/// Sends one outbound request.
///
/// # Errors
/// [`Trouble::Denied`] before anything is resolved or connected. A response that breaks off later does so in its body.
///
/// # Cancel safety
/// Dropping the future, or the response's body before its end, cancels the request, and the callee with it.
pub(crate) async fn send(
    caller: &Caller,
    ways: &Ways,
    mut request: Request<Body>,
    waits: Waits,
) -> Result<Response<Answer>, Trouble> {
    // A guest that knows of traces has said so itself.
    request.headers_mut().entry(TRACEPARENT).or_insert_with(|| caller.trace.header());
    let (plugin, uri) = (&caller.manifest.name, request.uri());
    let (scheme, authority) = (uri.scheme_str().unwrap_or_default(), uri.authority().map_or("", |text| text.as_str()));
    let origin = Origin::read(scheme, authority)
        .map_err(|why| Trouble::BadTarget(format!("{plugin} may not call {scheme}://{authority}: the target {why}")))?;
    if let Host::Domain(name) = &origin.host
        && let Some(callee) = plugins::callee(name)
    {
        let callee = callee.to_owned();
        return call_plugin(caller, ways, &callee, request, waits).await;
    }
    if !caller.manifest.grants.http.iter().any(|granted| granted.grants(&origin)) {
        return Err(Trouble::Denied(format!("{plugin} may not call {origin}: add \"{origin}\" to grants.http")));
    }
    if caller.hop >= plugins::HOP_LIMIT {
        return Err(Trouble::Loop);
    }
    ways.outbound.send(caller, origin, request, waits).await
}

async fn call_plugin(
    caller: &Caller,
    ways: &Ways,
    callee: &str,
    request: Request<Body>,
    waits: Waits,
) -> Result<Response<Answer>, Trouble> {
    if !caller.manifest.grants.plugins.iter().any(|granted| granted == callee) {
        let plugin = &caller.manifest.name;
        return Err(Trouble::Denied(format!(
            "{plugin} may not call the plugin {callee}: add \"{callee}\" to grants.plugins"
        )));
    }
    if caller.hop >= plugins::HOP_LIMIT {
        return Err(Failure::plain(Code::Loop).into());
    }
    let answer = ways.plugins.call(caller, callee, request);
    // Without a word of its own, a caller waits as long as its own deadline, which the callee inherits.
    let answered = match waits.first_byte {
        Some(_) => timeout(waits.for_head(), answer).await.map_err(|_| Trouble::HeadTimeout)?,
        None => answer.await,
    };
    let response = answered?.map(|body| body.map_err(Trouble::from).boxed_unsync());
    Ok(match waits.between_bytes {
        Some(_) => response.map(|inner| Awaited::new(inner, waits.for_piece()).boxed_unsync()),
        None => response,
    })
}

/// Writes the target as servers want it: just the path, and the host as it was read.
fn address(request: &mut Request<Body>, origin: &Origin) -> Result<(), Trouble> {
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
