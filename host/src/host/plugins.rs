//! What really stands behind the listeners: lanes, gates, engines, the registry and the one way in, put together.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use futures_util::future::{BoxFuture, join};
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};

use super::{Behind, Mode};
use crate::{
    body::Body,
    capability::{
        Ways,
        config::Supply,
        http::{Outbound, OutboundSettings},
        jobs::Jobs,
        keys::Keys,
        sql::{self, Sql},
    },
    config::{self, Lane, Limits, Settings},
    diagnostic::Diagnostic,
    failure::Failure,
    guest::{EngineSettings, Engines, Machine, Pools},
    invoke::{Arrival, Invoker},
    jobs::{Ask, Means, Office, Runner},
    lanes::{
        LaneSettings, Lanes, TenantId,
        admission::{Gates, Slots},
    },
    registry::{
        self, CheckReport, CompileLimits, Compiler, Current, EngineLoader, Registry, RegistrySettings, TenantSpec,
    },
    store::{
        CodeCache, MAX_CACHE, Shelf,
        jobs::{self as store, Keeping},
    },
    telemetry::Metrics,
};

/// The folder of durable state, when nobody says where: beside the served folder.
const DATA: &str = ".wasmbay";

/// Where `dev` keeps what plugins keep, below the data folder; compiled code is the same for both.
const DEV: &str = "dev";

/// The plugins of one host and the way in to them.
pub struct Plugins {
    invoker: Invoker,
    registry: Registry,
    current: Current,
    lanes: Lanes,
    gates: Gates,
    outbound: Outbound,
    runner: Runner,
    office: Office,
    max_waiting: u32,
    wasi_http_03: bool,
    notes: Vec<String>,
}

impl Plugins {
    /// Begins to load the plugins under `dir`; returns at once, unless `strict`. `Ok(Err(..))` is a strict host that
    /// will not serve because of these faults.
    ///
    /// # Errors
    /// When the data folder, the threads or the engines cannot be had.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(super) async fn start(
        settings: &Settings,
        dir: &Path,
        mode: Mode,
        strict: bool,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Result<Self, Vec<Diagnostic>>> {
        let ground = Ground::lay(settings, dir, mode, metrics.clone())?;
        let wanted = RegistrySettings { strict, build: mode == Mode::Dev, ..RegistrySettings::new(settings, dir) };
        let Ground { current, lanes, gates, invoker, loader, outbound, jobs, notes } = ground;
        notes.iter().for_each(|note| tracing::warn!("{note}"));
        let (wasi_http_03, max_waiting) = (settings.http_03(), settings.max_waiting);
        let office = Office::new(jobs.clone(), current.clone());
        let runner = Runner::start(Means {
            invoker: invoker.clone(),
            current: current.clone(),
            jobs,
            settings: settings.jobs,
            shared: settings.tenants().len() > 1,
        });
        let started = Registry::start(wanted, loader, current.clone(), metrics).await;
        Ok(started.map(|registry| Self {
            invoker,
            registry,
            current,
            lanes,
            gates,
            outbound,
            runner,
            office,
            max_waiting,
            wasi_http_03,
            notes,
        }))
    }

    /// Which plugins are live, and which are not.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The way in, without a socket.
    pub fn invoker(&self) -> &Invoker {
        &self.invoker
    }
}

/// Reads, compiles and tries out every plugin under `dir` as a host with these settings would; serves nothing.
///
/// # Errors
/// When the data folder, the threads or the engines cannot be had.
///
/// # Panics
/// Outside a tokio runtime.
pub async fn check(settings: &Settings, dir: &Path) -> anyhow::Result<CheckReport> {
    let notes = pools(settings)?.notes;
    // Making ready as many slots as a host has takes longer than reading most folders.
    let few = Settings {
        io_instances: settings.io_instances.min(TRIAL_SLOTS),
        compute_instances: settings.compute_instances.min(TRIAL_SLOTS),
        ..settings.clone()
    };
    let ground = Ground::lay(&few, dir, Mode::Serve, Metrics::new())?;
    let mut report = registry::check(&RegistrySettings::new(settings, dir), &ground.loader).await;
    report.notes.extend(notes.into_iter().map(|note| Diagnostic::new(Settings::FILE, note)));
    Ok(report)
}

/// Instance slots of each lane where nothing is served: components are tried out one by one.
const TRIAL_SLOTS: u32 = 32;

/// Everything below the registry.
struct Ground {
    current: Current,
    lanes: Lanes,
    gates: Gates,
    invoker: Invoker,
    loader: EngineLoader,
    outbound: Outbound,
    jobs: store::Jobs,
    /// What the operator asked for and the machine does not hold.
    notes: Vec<String>,
}

impl Ground {
    fn lay(settings: &Settings, dir: &Path, mode: Mode, metrics: Arc<Metrics>) -> anyhow::Result<Self> {
        let pools = pools(settings)?;
        let (io, compute) = (Slots::new(pools.io), Slots::new(pools.compute));
        metrics.slots(Lane::Io.name(), io.total());
        metrics.slots(Lane::Compute.name(), compute.total());
        let engine = EngineSettings {
            wasi_http_03: settings.http_03(),
            max_memory: settings.max_memory,
            io_instances: io.total(),
            compute_instances: compute.total(),
        };
        let lanes = LaneSettings { compute_threads: settings.compute_threads, compute_nice: settings.compute_nice };
        let lanes = Lanes::new(&lanes, &Handle::current()).context("the lanes' threads could not be started")?;
        let tenants = TenantSpec::from_settings(settings, dir);
        for (number, tenant) in (0..).zip(&tenants) {
            lanes.set_weight(TenantId(number), tenant.weight);
        }
        let gates = Gates::new(settings.max_concurrent, io, compute);
        gates.limit_waiting(settings.max_waiting);
        gates.shared_by(tenants.iter().map(|tenant| tenant.weight));
        let current = Current::new(&tenants);
        // What loads plugins needs what runs them, for plugins that call plugins; `current` is where they meet.
        let invoker = Invoker::new(current.clone(), lanes.clone(), gates.clone(), Arc::clone(&metrics));
        let outbound = outbound(settings)?;
        let data = data_folder(settings, dir)?;
        let state = state_folder(settings, &data, mode);
        let jobs = store::Jobs::new(&state, Keeping(settings.jobs.kept));
        let supply = supply(settings);
        let ways = Ways {
            plugins: Arc::new(invoker.clone()),
            outbound: outbound.clone(),
            keys: keys(settings, &state),
            sql: sql(settings, supply.clone(), &state),
            supply,
            jobs: handing_in(settings, jobs.clone(), Arc::clone(&metrics)),
        };
        let engines = Engines::new(&engine, &lanes, ways)?;
        let cache = CodeCache::open(&data, MAX_CACHE)
            .with_context(|| format!("compiled code cannot be kept in {}", data.display()))?;
        let compiler = Compiler::new(settings.compiler.clone(), engine, CompileLimits::default())?;
        let shelf = Shelf::open(&data).with_context(|| format!("files cannot be kept in {}", data.display()))?;
        let loader = EngineLoader::new(engines, cache, compiler, shelf, settings.max_memory, metrics);
        Ok(Self { current, lanes, gates, invoker, loader, outbound, jobs, notes: pools.notes })
    }
}

/// The instance slots that the operator asks for, or as many of them as the machine holds.
fn pools(settings: &Settings) -> anyhow::Result<Pools> {
    let machine = Machine::read().context("what this machine holds cannot be read from /proc")?;
    let pools = Pools::fit(settings.io_instances, settings.compute_instances, &machine).map_err(anyhow::Error::msg)?;
    Ok(pools.beside_connections(super::files::room(settings).connections, &machine))
}

/// The way out for plugins that call other servers.
fn outbound(settings: &Settings) -> anyhow::Result<Outbound> {
    Outbound::new(&OutboundSettings {
        private_networks: &settings.private_networks,
        nameservers: &settings.nameservers,
        authorities: settings.outbound_authorities.as_deref(),
        connections: super::files::room(settings).upstream,
        quotas: settings.tenants().into_iter().map(|(name, tenant)| (name, tenant.outbound)).collect(),
    })
}

/// What the operator hands to each tenant's plugins.
fn supply(settings: &Settings) -> Supply {
    Supply::new(settings.tenants().into_iter().map(|(name, tenant)| (name, tenant.supplies)))
}

/// The keys that tenants keep.
fn keys(settings: &Settings, state: &Path) -> Keys {
    Keys::new(state, settings.tenants().into_iter().map(|(name, tenant)| (name, tenant.kv)))
}

/// The way to the host's jobs.
fn handing_in(settings: &Settings, jobs: store::Jobs, metrics: Arc<Metrics>) -> Jobs {
    let quotas = settings.tenants().into_iter().map(|(name, tenant)| (name, tenant.jobs));
    Jobs::new(jobs, settings.jobs.deadline, quotas, metrics)
}

/// Where keys, databases and jobs are. What an author tries out does not touch what the same folder serves.
fn state_folder(settings: &Settings, data: &Path, mode: Mode) -> PathBuf {
    match (&settings.state, mode) {
        (Some(state), _) => state.clone(),
        (None, Mode::Serve) => data.to_owned(),
        (None, Mode::Dev) => data.join(DEV),
    }
}

/// The databases that tenants keep.
fn sql(settings: &Settings, supply: Supply, state: &Path) -> Sql {
    let tenants = settings.tenants().into_iter();
    let of = |tenant: config::Tenant| sql::Tenant { quota: tenant.sql, databases: tenant.databases };
    Sql::new(state, supply, tenants.map(|(name, tenant)| (name, of(tenant))))
}

/// The data folder, made for its owner alone where it is missing.
fn data_folder(settings: &Settings, dir: &Path) -> anyhow::Result<PathBuf> {
    let folder = match &settings.data {
        Some(data) => data.clone(),
        None => {
            let served = dir.canonicalize().with_context(|| format!("{} cannot be served", dir.display()))?;
            served.parent().unwrap_or(&served).join(DATA)
        }
    };
    make_private(&folder).with_context(|| format!("the data folder {} cannot be made", folder.display()))?;
    Ok(folder)
}

fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

impl Behind for Plugins {
    fn call(
        &self,
        arrival: Arrival,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Body>, Failure>> + Send + use<> {
        self.invoker.call(arrival, request)
    }

    fn listening(&self, own: &[SocketAddr]) {
        self.outbound.listening(own);
    }

    async fn settled(&self) {
        self.registry.first_scan().await;
    }

    fn waiting(&self) -> (u64, u64) {
        (self.gates.host().waiting.into(), self.max_waiting.into())
    }

    fn shed(&self, on: bool) {
        self.gates.shed(on);
    }

    fn measure(&self, metrics: &Metrics) {
        let host = self.gates.host();
        metrics.slots_taken(Lane::Io.name(), host.io_slots);
        metrics.slots_taken(Lane::Compute.name(), host.compute_slots);
        for plugin in self.current.table().plugins() {
            let load = self.gates.plugin(plugin.who.plugin);
            let (in_flight, waiting, background) =
                load.map_or((0, 0, 0), |load| (load.in_flight, load.waiting, load.background));
            plugin.metrics.load(in_flight, waiting, background);
            plugin.metrics.idle(plugin.guest.idle());
        }
    }

    fn limits(&self, tenant: &str, plugin: &str) -> Option<(PathBuf, Limits)> {
        let table = self.current.table();
        let plugin = table.find_plugin(tenant, plugin)?;
        Some((plugin.folder.clone(), plugin.manifest.limits.clone()))
    }

    fn status(&self) -> Value {
        let mut status = serde_json::to_value(&*self.registry.status()).expect("a status is plain data");
        status["version"] = json!(env!("CARGO_PKG_VERSION"));
        status["wasi_http_03"] = json!(self.wasi_http_03);
        status["notes"] = json!(self.notes);
        status
    }

    fn jobs(&self, ask: Ask) -> BoxFuture<'static, Result<Value, Failure>> {
        let office = self.office.clone();
        Box::pin(async move { office.answer(ask).await })
    }

    fn drain(&self) {
        self.runner.stop();
    }

    async fn end(&self, deadline: Instant) {
        let background = self.invoker.background();
        if timeout_at(deadline, join(background.idle(), self.runner.idle())).await.is_err() && background.count() > 0 {
            tracing::warn!(left = background.count(), "work after the response is cut off by the drain's deadline");
        }
        self.runner.end().await;
        self.registry.shutdown().await;
        // The plugins hold the engines, which hold the way in, which holds the table of plugins.
        self.current.clear();
        let lanes = self.lanes.clone();
        // Joining the compute threads takes up to a slice; a failure to do so was a panic, which has been reported.
        let _ = tokio::task::spawn_blocking(move || lanes.close()).await;
    }
}

impl Drop for Plugins {
    fn drop(&mut self) {
        // See `end`: without it a host that was not drained would never be freed.
        self.current.clear();
    }
}
