//! Bytes to requests for any listener: accept, deadlines, the request filter, drain.
//!
//! One task per connection, HTTP/1.1 and HTTP/2 on one port, with TLS or without. The only module that names hyper's
//! server.

mod acceptor;
mod addresses;
mod arriving;
mod certificate;
mod closing;
mod connection;
mod filter;
mod flow;
mod forwarded;
mod intake;
mod ladder;
mod pace;
pub mod path;
mod patience;
#[doc(hidden)]
pub mod probe;
mod requests;
mod streams;
mod tls;
mod transport;
mod unsent;
mod wire;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinHandle,
    time::timeout,
};

use self::addresses::{Addresses, Full, Seat};
pub use self::{
    acceptor::Acceptor,
    arriving::BodyWatch,
    certificate::{CertificateFault, CertificateFiles},
    filter::MAX_TARGET,
    forwarded::Proxies,
    ladder::{Ladder, Level, Measure, Rung, Step},
    tls::Tls,
};
use crate::{
    body::Body,
    failure::Failure,
    telemetry::{ListenerMetrics, Metrics},
};

/// A request's head has arrived.
pub struct Arrived {
    /// The request. When it was refused, its head is as the client sent it and must not be acted on.
    pub request: Request<Body>,
    /// Why the request filter refused it.
    pub refused: Option<Failure>,
    /// Who sent it: the other end of the connection, or whom a trusted proxy names; then the port may be 0.
    pub client: SocketAddr,
    /// What becomes of its body.
    pub body: BodyWatch,
}

/// What one client may cost. The defaults are for the public listener.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Until a TLS handshake is complete.
    pub handshake: Duration,
    /// Until it is clear which protocol a new connection speaks. hyper itself would wait for ever.
    pub first_byte: Duration,
    /// Until a request's head is complete, and until an idle HTTP/1 connection is closed.
    pub head: Duration,
    /// The longest time that a reader waits for the next bytes of a request's body.
    pub body_idle: Duration,
    /// Bytes a second that a client has to send or take in the long run, where it is waited for.
    pub rate: u32,
    /// How long a client is waited for in all that falls short of the rate.
    pub grace: Duration,
    /// The longest time that a client which has stopped reading, all or one HTTP/2 stream, is waited for.
    pub write_stall: Duration,
    /// An HTTP/2 connection without a stream is closed after one to two of these, and cut after one more.
    pub idle: Duration,
    /// How often an HTTP/2 peer is asked whether it is alive; half of it is the time it has to answer.
    pub ping: Duration,
    /// How long what a client still sends is thrown away, so that it reads the reply before the connection closes.
    pub linger: Duration,
    /// HTTP/2 streams at once in a connection.
    pub streams: u32,
    /// Bytes held for one HTTP/1 connection in each direction, or to be sent on one HTTP/2 stream. At least 8192.
    pub buffer: usize,
    /// Connections at once. At the limit, new ones wait in the kernel.
    pub connections: usize,
    /// Connections at once from one address, loopback excepted; past them, new ones are closed at once. Behind a
    /// trusted proxy a client's requests count instead, and are refused.
    pub per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(10),
            body_idle: Duration::from_secs(15),
            // A modem of thirty years ago, with twice the time a lost packet takes on a bad day.
            rate: 1024,
            grace: Duration::from_secs(20),
            write_stall: Duration::from_secs(15),
            idle: Duration::from_secs(60),
            ping: Duration::from_secs(20),
            linger: Duration::from_secs(1),
            streams: 100,
            // Twice the longest target there may be. A stalled reader holds as much, beside a piece of its body.
            buffer: 32 * 1024,
            connections: 50_000,
            per_address: 12_500,
        }
    }
}

/// How far a server's end has come. Each connection holds a receiver: when none is left, the server is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    Draining,
    Cut,
}

/// What all connections of a server share.
struct Shared<S> {
    service: S,
    limits: Limits,
    metrics: Arc<Metrics>,
    listener: ListenerMetrics,
    level: Level,
    tls: Option<Tls>,
    proxies: Proxies,
    addresses: Addresses,
}

impl<S> Shared<S> {
    /// A new connection's place among those of its address. A trusted proxy has as many as it likes: its clients are
    /// counted one by one.
    fn seat(&self, peer: SocketAddr) -> Result<Option<Seat>, Full> {
        if self.proxies.trust(peer.ip()) { Ok(None) } else { self.addresses.enter(peer.ip()) }
    }
}

/// A listener that serves. Dropping it ends everything at once; [`Server::drain`] is the polite way.
///
/// Not `Clone`: who drains it owns it.
pub struct Server {
    addr: SocketAddr,
    phase: watch::Sender<Phase>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Starts to accept. `name` is the listener's metric label; `service` answers each request.
    ///
    /// # Backpressure
    /// Connections are limited, requests are not: `service` is called for each as it arrives and must refuse what is
    /// too much.
    pub fn start<S, F>(
        acceptor: Acceptor,
        name: &'static str,
        limits: Limits,
        metrics: Arc<Metrics>,
        service: S,
    ) -> Self
    where
        S: Fn(Arrived) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let (phase, watching) = watch::channel(Phase::Serving);
        let addr = acceptor.addr();
        let listener = metrics.listener(name);
        let (proxies, tls, level) = (acceptor.proxies.clone(), acceptor.tls.clone(), acceptor.level.clone());
        if let Some(tls) = tls.clone() {
            tokio::spawn(tls.follow(listener.clone(), watching.clone()));
        }
        let addresses = Addresses::new(limits.per_address);
        let shared = Arc::new(Shared { service, limits, metrics, listener, level, tls, proxies, addresses });
        let accepting = tokio::spawn(accept(acceptor, shared, watching));
        Self { addr, phase, accepting }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops accepting, lets each connection finish what it has begun, and after `deadline` cuts what is left.
    /// Returns whether nothing had to be cut.
    ///
    /// When dropped half-way, everything ends at once.
    pub async fn drain(self, deadline: Duration) -> bool {
        self.phase.send_replace(Phase::Draining);
        // The accept loop watches the phase: it ends by itself, and with it the listening socket.
        let _ = self.accepting.await;
        let on_time = timeout(deadline, self.phase.closed()).await.is_ok();
        self.phase.send_replace(Phase::Cut);
        self.phase.closed().await;
        on_time
    }
}

async fn accept<S, F>(mut acceptor: Acceptor, shared: Arc<Shared<S>>, mut phase: watch::Receiver<Phase>)
where
    S: Fn(Arrived) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(shared.limits.connections));
    let mut next = async || {
        shared.level.while_at(Rung::Shut).await;
        // The permit first: a connection that is accepted is served.
        let permit = permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        (permit, acceptor.accept(&shared.listener).await)
    };
    loop {
        let (permit, (stream, peer)) = tokio::select! {
            biased;
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
            connection = next() => connection,
        };
        let Ok(seat) = shared.seat(peer) else {
            shared.listener.cut("per-address");
            continue;
        };
        let (shared, phase) = (shared.clone(), phase.clone());
        tokio::spawn(async move {
            // Made in here: a future that is brought along has its room in the task twice.
            connection::serve(stream, peer, shared, phase).await;
            drop((permit, seat));
        });
    }
}
