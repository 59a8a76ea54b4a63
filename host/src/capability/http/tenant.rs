//! What the outbound requests of one tenant share: connections, names, and how many there may be.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use hyper::client::conn::http1;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};
use url::Host;

use super::{
    Allowance, Trouble,
    addresses::Addresses,
    leaving::Leaving,
    limits::SHORTEST,
    names::{Names, Servers},
    pool::Pool,
    tls,
    trouble::NameTrouble,
    wire::{HeadBudget, Line, dial},
};
use crate::config::{Origin, OutboundQuota};

/// Origins whose gates are remembered at once before those that nobody waits at are forgotten.
const GATES: usize = 1024;

/// How long a connection may take to be ready for its next request before it is let go.
const TO_BE_READY: std::time::Duration = std::time::Duration::from_secs(1);

/// One tenant's side of everything outward.
pub(super) struct Tenant {
    addresses: Addresses,
    names: Names,
    tls: tls::Client,
    pub(super) pool: Pool,
    share: Share,
    gate: Arc<Semaphore>,
    gates: Mutex<HashMap<Origin, Arc<Semaphore>>>,
}

/// What a tenant may have of the host's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Requests at once.
    at_once: usize,
    /// Of these, to one origin.
    per_origin: usize,
    /// Connections kept between them.
    idle: usize,
}

impl Share {
    /// Of so many requests at once and connections kept, shared by so many tenants, of which this one may have its quota.
    ///
    /// One alone may have all; of several none may have more than half, so that what one does not leave to the others
    /// is never all there is. As many connections are kept as may be in use: each was, not long ago.
    pub(super) fn of(at_once: usize, idle: usize, tenants: usize, quota: OutboundQuota) -> Self {
        let most = if tenants > 1 { at_once / 2 } else { at_once };
        let OutboundQuota { requests, per_origin } = quota;
        let at_once = most.clamp(1, requests as usize);
        Self { at_once, per_origin: at_once.min(per_origin as usize), idle: (idle / tenants.max(1)).clamp(1, at_once) }
    }
}

/// The right to have one request under way; given back when dropped.
pub(super) struct Seat {
    _origin: OwnedSemaphorePermit,
    _tenant: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
    _request: OwnedSemaphorePermit,
}

impl Tenant {
    pub(super) fn new(addresses: Addresses, servers: Servers, tls: tls::Client, share: Share) -> Self {
        Self {
            addresses,
            names: Names::new(servers),
            tls,
            pool: Pool::new(share.idle),
            share,
            gate: Arc::new(Semaphore::new(share.at_once)),
            gates: Mutex::default(),
        }
    }

    /// Waits for a seat: at the narrowest gate first, so that who waits there holds nothing of the others'.
    pub(super) async fn seat(self: Arc<Self>, origin: Origin, request: Allowance, host: Arc<Semaphore>) -> Seat {
        let open = "the gates are never closed";
        let _request = request.turn().await;
        let _origin = self.gate_of(&origin).acquire_owned().await.expect(open);
        let _tenant = Arc::clone(&self.gate).acquire_owned().await.expect(open);
        let _host = host.acquire_owned().await.expect(open);
        Seat { _origin, _tenant, _host, _request }
    }

    fn gate_of(&self, origin: &Origin) -> Arc<Semaphore> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if gates.len() >= GATES {
            // Whoever passed or waits holds a clone.
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        let make = || Arc::new(Semaphore::new(self.share.per_origin));
        Arc::clone(gates.entry(origin.clone()).or_insert_with(make))
    }

    /// A new connection to a checked address of the origin.
    pub(super) async fn connect(&self, origin: &Origin, deadline: Instant) -> Result<Line, Trouble> {
        let addresses = self.resolve(origin, deadline).await?;
        let checked: Result<Vec<_>, _> = addresses.into_iter().map(|address| self.addresses.check(address)).collect();
        // One bad address among good ones is a trick or a mistake: which of them is used would be a matter of luck.
        let line = timeout_at(deadline, dial(origin, &checked?, &self.tls)).await;
        let line = line.unwrap_or_else(|_| Err(Trouble::ConnectTimeout(origin.to_string())))?;
        if let Line::Http2(sender) = &line {
            self.pool.keep(origin.clone(), Line::Http2(sender.clone()));
        }
        Ok(line)
    }

    async fn resolve(&self, origin: &Origin, deadline: Instant) -> Result<Vec<SocketAddr>, Trouble> {
        let name = match &origin.host {
            Host::Ipv4(ip) => return Ok(vec![((*ip), origin.port).into()]),
            Host::Ipv6(ip) => return Ok(vec![((*ip), origin.port).into()]),
            Host::Domain(name) => name,
        };
        // What is known already needs no time; the shortest deadline still leaves a moment to look.
        let found = timeout_at(deadline.max(Instant::now() + SHORTEST), self.names.lookup(name)).await;
        let found = found.unwrap_or(Err(NameTrouble::Silent)).map_err(|error| Trouble::Name(name.clone(), error))?;
        Ok(found.into_iter().map(|ip| (ip, origin.port).into()).collect())
    }

    /// Takes a connection back once its response has come to its end.
    pub(super) fn take_back(
        self: Arc<Self>,
        origin: Origin,
        mut sender: http1::SendRequest<Leaving>,
        budget: HeadBudget,
    ) {
        if sender.is_ready() {
            return self.pool.keep(origin, Line::Http1(sender, budget));
        }
        // The connection's own task has to see the end as well, and the request's end may still be on its way.
        tokio::spawn(async move {
            if let Ok(Ok(())) = timeout(TO_BE_READY, sender.ready()).await {
                self.pool.keep(origin, Line::Http1(sender, budget));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tenant_has_all_seats_but_one_that_is_alone() {
        let quota = OutboundQuota { requests: 256, per_origin: 48 };
        let of = |at_once, idle, tenants| {
            let Share { at_once, per_origin, idle } = Share::of(at_once, idle, tenants, quota);
            (at_once, per_origin, idle)
        };
        assert_eq!(of(64, 32, 1), (64, 48, 32));
        assert_eq!(of(64, 32, 2), (32, 32, 16));
        assert_eq!(of(4096, 2048, 2), (256, 48, 256));
        assert_eq!(of(1, 0, 9), (1, 1, 1));
    }
}
