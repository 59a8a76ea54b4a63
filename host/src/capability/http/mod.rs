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
mod target;
mod tenant;
mod tls;
mod trouble;
mod wire;

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Waker},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{Either, maybe_done};
use http::{Request, Response};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use ipnet::IpNet;
use tokio::{
    sync::Semaphore,
    time::{Instant, interval, timeout, timeout_at},
};

use self::{
    addresses::Addresses,
    arriving::Awaited,
    exchange::Exchange,
    names::Servers,
    target::{Target, address},
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
use super::{Caller, Ways, hops, jobs, trace::TRACEPARENT};
use crate::{
    body::Body,
    config::{Origin, OriginPattern, OutboundQuota},
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
    /// The tenants that share them, and what each may have under way.
    pub quotas: BTreeMap<String, OutboundQuota>,
}

struct Inner {
    addresses: Addresses,
    servers: Servers,
    tls: Tls,
    /// Requests under way in the whole host.
    gate: Arc<Semaphore>,
    /// Connections that may be open at once.
    connections: usize,
    quotas: BTreeMap<String, OutboundQuota>,
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
        let OutboundSettings { private_networks, nameservers, authorities, connections, quotas } = settings;
        let inner = Arc::new(Inner {
            addresses: Addresses::new(private_networks.to_vec()),
            servers: Servers::new(nameservers),
            tls: Tls::new(*authorities)?,
            gate: Arc::new(Semaphore::new((connections / 2).clamp(1, Semaphore::MAX_PERMITS))),
            connections: *connections,
            quotas: quotas.clone(),
            tenants: Mutex::default(),
        });
        tokio::spawn(sweep(Arc::downgrade(&inner)));
        Ok(Self(inner))
    }

    /// Says where the host itself listens: no guest reaches that, whatever is granted and allowed.
    pub fn listening(&self, own: &[SocketAddr]) {
        self.0.addresses.listening(own);
    }

    /// What these grants cannot have, in sentences that begin with the manifest's key: addresses that no guest may reach.
    /// Where a name leads is seen when it is called.
    pub(crate) fn barred(&self, grants: &[OriginPattern]) -> Vec<String> {
        let barred = |grant: &OriginPattern| {
            let why = self.0.addresses.check(grant.address()?).err()?;
            Some(format!("grants.http: {grant} cannot be called: {why}"))
        };
        grants.iter().filter_map(barred).collect()
    }

    fn tenant(&self, name: &Arc<str>) -> Arc<Tenant> {
        let Inner { addresses, servers, tls, connections, quotas, tenants, .. } = &*self.0;
        let mut tenants = tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let quota = quotas.get(&**name).copied().unwrap_or_default();
            let share = Share::of(connections / 2, connections / 4, quotas.len(), quota);
            Arc::new(Tenant::new(addresses.clone(), servers.clone(), tls.for_tenant(), share))
        };
        Arc::clone(tenants.entry(Arc::clone(name)).or_insert_with(make))
    }

    /// Takes a place in line for a call, and says what is left to do for it.
    ///
    /// The place is that of the moment of the call: a guest that reads its responses in the order of its calls would
    /// otherwise wait for a call without a seat while its own later ones, unread, hold them.
    fn depart(
        &self,
        caller: &Caller,
        origin: Origin,
        mut request: Request<Body>,
        waits: Waits,
    ) -> Result<impl Future<Output = Result<Response<Answer>, Trouble>> + Send + use<>, Trouble> {
        address(&mut request, &origin)?;
        hops::stamp(request.headers_mut(), caller.hop + 1);
        caller.allowance.begin()?;
        let tenant = self.tenant(&caller.tenant);
        let deadline = Instant::now() + waits.for_connection();
        let seat = Arc::clone(&tenant).seat(origin.clone(), caller.allowance.clone(), Arc::clone(&self.0.gate));
        let seat = in_line(seat);
        Ok(async move {
            let seat = timeout_at(deadline, seat).await.map_err(|_| Trouble::ConnectTimeout(origin.to_string()))?;
            Exchange { tenant, origin, seat, waits, deadline }.run(request).await
        })
    }
}

/// Begins to wait at once. Who polls it after is woken, as always.
fn in_line<F: Future>(waiting: F) -> impl Future<Output = F::Output> {
    let mut waiting = Box::pin(maybe_done(waiting));
    let _ = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    async move {
        waiting.as_mut().await;
        waiting.as_mut().take_output().expect("taken once, after its end")
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

/// Sends one outbound request. The call takes its place in line now, whenever the future is polled.
///
/// # Errors
/// [`Trouble::Denied`] before anything is resolved or connected. A response that breaks off later does so in its body.
///
/// # Cancel safety
/// Dropping the future, or the response's body before its end, cancels the request, and the callee with it.
pub(crate) fn send(
    caller: Caller,
    ways: Arc<Ways>,
    mut request: Request<Body>,
    waits: Waits,
) -> impl Future<Output = Result<Response<Answer>, Trouble>> + Send + 'static {
    // A guest that knows of traces has said so itself.
    request.headers_mut().entry(TRACEPARENT).or_insert_with(|| caller.trace.header());
    let target = Target::of(&caller, request.uri());
    let on_its_way = target.and_then(|target| match target {
        Target::Plugin(callee) => Ok(Either::Left(call_plugin(caller, ways, callee, request, waits))),
        Target::Jobs => Ok(Either::Right(Either::Left(hand_in(caller, ways, request)))),
        Target::Server(origin) => {
            jobs::strip(request.headers_mut());
            Ok(Either::Right(Either::Right(ways.outbound.depart(&caller, origin, request, waits)?)))
        }
    });
    async move { on_its_way?.await }
}

async fn hand_in(caller: Caller, ways: Arc<Ways>, request: Request<Body>) -> Result<Response<Answer>, Trouble> {
    let response = ways.jobs.answer(&caller, request).await?;
    Ok(response.map(|body| body.map_err(Trouble::from).boxed_unsync()))
}

async fn call_plugin(
    caller: Caller,
    ways: Arc<Ways>,
    callee: String,
    request: Request<Body>,
    waits: Waits,
) -> Result<Response<Answer>, Trouble> {
    let answer = ways.plugins.call(&caller, &callee, request);
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn places_in_line_are_those_of_the_calls_not_of_the_polls() {
        let gate = Arc::new(Semaphore::new(1));
        let held = Arc::clone(&gate).acquire_owned().await;
        let [first, mut second] = [(); 2].map(|()| Box::pin(in_line(Arc::clone(&gate).acquire_owned())));
        assert!((&mut second).now_or_never().is_none());
        drop(held);
        assert!((&mut second).now_or_never().is_none(), "the second went before the first");
        drop(first.await);
        assert!(second.await.is_ok());
    }
}
