//! One host: its listeners, what stands behind them, and the order in which they end.

mod dumps;
mod files;
mod overload;
mod pages;
mod plugins;
#[cfg(test)]
mod tests;

use std::{
    future::Future,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use futures_util::future::{BoxFuture, Either, ready};
use http::{Request, Response};
use tokio::{task::JoinHandle, time::Instant};

pub use dumps::forbid_core_dumps;
pub use files::raise_open_files;
pub use pages::hold_small_pages;
pub use plugins::{Plugins, check};

use crate::{
    admin::{Admin, Readiness, View},
    body::Body,
    config::{self, Settings, TlsFiles},
    diagnostic::Diagnostic,
    failure::{Code, Failure},
    front,
    invoke::Arrival,
    jobs::Ask,
    server::{Acceptor, CertificateFiles, Level, Limits, Proxies, Rung, Server, Tls},
    telemetry::Metrics,
};

/// How long the operator's listener may take for its last answers. They are at hand: this is for slow readers.
const ADMIN_GRACE: Duration = Duration::from_secs(1);

/// Whom the host serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Clients: nothing is built, and replies keep what is inside a failure to themselves.
    Serve,
    /// The plugins' author: plugins are built, and replies tell what is inside a failure.
    Dev,
}

/// What stands behind the listeners: the plugins and the way in to them.
pub trait Behind: Send + Sync + 'static {
    /// Answers one request. Dropping the future means that the client has left.
    fn call(
        &self,
        arrival: Arrival,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Body>, Failure>> + Send + use<Self>;

    /// Hears where the host listens, before anything is served there.
    fn listening(&self, own: &[SocketAddr]);

    /// Resolves once every plugin is live or refused.
    fn settled(&self) -> impl Future<Output = ()> + Send;

    /// How many requests wait, and how many may.
    fn waiting(&self) -> (u64, u64);

    /// Refuses requests of tenants with more than their share from now on, or does so no longer.
    fn shed(&self, on: bool);

    /// Brings those metrics up to date that are read where they arise: called before they are shown.
    fn measure(&self, metrics: &Metrics);

    /// Where a live plugin's folder is, and what its requests are held to.
    fn limits(&self, tenant: &str, plugin: &str) -> Option<(PathBuf, config::Limits)>;

    /// What `wasmbay status` shows.
    fn status(&self) -> serde_json::Value;

    /// Answers an operator's question about jobs.
    fn jobs(&self, ask: Ask) -> BoxFuture<'static, Result<serde_json::Value, Failure>>;

    /// Hears that the host is shutting down: nothing begins that no client asks for.
    fn drain(&self);

    /// Ends what goes on without a client, giving it until `deadline`.
    fn end(&self, deadline: Instant) -> impl Future<Output = ()> + Send;
}

/// A host that serves. Dropping it ends everything at once; [`Host::drain`] is the polite way.
pub struct Host<B: Behind = Plugins> {
    public: Server,
    admin: Admin,
    state: Arc<State<B>>,
    metrics: Arc<Metrics>,
    /// Looks at the load; ends with the host.
    _watch: AbortOnDrop,
}

/// A task that ends when this is dropped.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the listeners know of the host.
struct State<B> {
    behind: Arc<B>,
    metrics: Arc<Metrics>,
    settled: AtomicBool,
    draining: AtomicBool,
}

/// What became of a start.
pub enum Started {
    /// The host serves.
    Serving(Host),
    /// It was to be strict, and these are the faults.
    Refused(Vec<Diagnostic>),
}

impl Host {
    /// Starts a host that serves the plugins under `dir`. It returns before they are loaded, unless `strict`: then
    /// one fault is enough not to serve at all.
    ///
    /// # Errors
    /// When an address, the certificate, the data folder, the threads or the engines cannot be had.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(settings: &Settings, dir: &Path, mode: Mode, strict: bool) -> anyhow::Result<Started> {
        let metrics = Metrics::new();
        match Plugins::start(settings, dir, mode, strict, metrics.clone()).await? {
            Ok(plugins) => Self::open(settings, mode, metrics, Arc::new(plugins)).map(Started::Serving),
            Err(faults) => Ok(Started::Refused(faults)),
        }
    }
}

impl<B: Behind> Host<B> {
    /// Binds both listeners and serves. Until every plugin is live or refused, requests are told to come again.
    ///
    /// # Errors
    /// When an address cannot be bound, or the certificate not be used.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(settings: &Settings, mode: Mode, metrics: Arc<Metrics>, behind: Arc<B>) -> anyhow::Result<Self> {
        let state = Arc::new(State {
            behind: behind.clone(),
            metrics: metrics.clone(),
            settled: AtomicBool::new(false),
            draining: AtomicBool::new(false),
        });
        let acceptor = Acceptor::bind(settings.listen)
            .with_context(|| format!("the public listener cannot be bound to {}", settings.listen))?
            .trusting(Proxies::new(&settings.trusted_proxies));
        let acceptor = match &settings.tls {
            None => acceptor,
            Some(files) => acceptor.secured(tls(files)?),
        };
        let admin = Admin::start(settings.admin, metrics.clone(), state.clone())
            .with_context(|| format!("the operator's listener cannot be bound to {}", settings.admin))?;
        let room = files::room(settings);
        room.tell();
        behind.listening(&[acceptor.addr(), admin.addr()]);
        let files::Room { connections, per_address, .. } = room;
        let limits = Limits { connections, per_address, ..Limits::default() };
        let level = Level::default();
        let acceptor = acceptor.giving_way(level.clone());
        let listener = metrics.listener("public");
        let watch = overload::watch(behind.clone(), level.clone(), metrics.clone(), listener, connections);
        let watch = AbortOnDrop(tokio::spawn(watch));
        let serving = state.clone();
        let call = move |arrival, request| {
            let refusal = if level.reached(Rung::Refuse) {
                Failure::new(Code::HostFull, "the host has too much to do")
            } else if !serving.settled.load(Ordering::Acquire) {
                Failure::new(Code::Unavailable, "the host is starting")
            } else {
                return Either::Left(serving.behind.call(arrival, request));
            };
            Either::Right(ready(Err(refusal)))
        };
        let author = (mode == Mode::Dev).then(|| {
            let behind = Arc::clone(&behind);
            front::Author::new(metrics.clone(), Arc::new(move |tenant, plugin| behind.limits(tenant, plugin)))
        });
        let public = front::serve(acceptor, limits, metrics.clone(), author, call);
        let settling = state.clone();
        tokio::spawn(async move {
            behind.settled().await;
            settling.settled.store(true, Ordering::Release);
        });
        Ok(Self { public, admin, state, metrics, _watch: watch })
    }

    /// Where clients connect.
    pub fn public(&self) -> SocketAddr {
        self.public.addr()
    }

    /// Where operators connect.
    pub fn admin(&self) -> SocketAddr {
        self.admin.addr()
    }

    /// The host's metrics.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// What stands behind the listeners.
    pub fn behind(&self) -> &Arc<B> {
        &self.state.behind
    }

    /// Resolves once every plugin is live or refused, and requests are let in.
    ///
    /// Cancel safe.
    pub async fn ready(&self) {
        self.state.behind.settled().await;
        self.state.settled.store(true, Ordering::Release);
    }

    /// Shuts down: first nobody is sent here any more, then connections finish what they have begun, then what goes
    /// on without a client ends, and last the operator's listener, which tells of all this. Returns whether no
    /// connection had to be cut.
    ///
    /// When dropped half-way, everything ends at once.
    pub async fn drain(self, deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        self.state.draining.store(true, Ordering::Release);
        self.state.behind.drain();
        let on_time = self.public.drain(deadline).await;
        self.state.behind.end(end).await;
        self.admin.stop(ADMIN_GRACE).await;
        on_time
    }
}

fn tls(files: &TlsFiles) -> anyhow::Result<Tls> {
    let files = CertificateFiles { certificate: files.certificate.clone(), key: files.key.clone() };
    Tls::load(files).context("the public listener cannot speak TLS")
}

impl<B: Behind> View for State<B> {
    fn readiness(&self) -> Readiness {
        if self.draining.load(Ordering::Acquire) {
            Readiness::Draining
        } else if self.settled.load(Ordering::Acquire) {
            Readiness::Ready
        } else {
            Readiness::Starting("plugins are still being loaded".into())
        }
    }

    fn metrics(&self) -> String {
        self.behind.measure(&self.metrics);
        self.metrics.encode()
    }

    fn status(&self) -> serde_json::Value {
        self.behind.status()
    }

    fn jobs(&self, ask: Ask) -> BoxFuture<'static, Result<serde_json::Value, Failure>> {
        self.behind.jobs(ask)
    }
}
