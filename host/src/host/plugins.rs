//! What stands behind the listeners, wired: lanes, gates, engines, the live folder and the way in.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::{
    runtime::Handle,
    sync::Mutex,
    time::{Instant, timeout_at},
};

use super::{Behind, Mode};
use crate::{
    body::Body,
    config::Settings,
    diagnostic::Diagnostic,
    failure::Failure,
    guest::{EngineSettings, Engines},
    invoke::{Arrival, Invoker},
    lanes::{
        LaneSettings, Lanes, TenantId,
        admission::{Gates, Slots},
    },
    registry::{CompileLimits, Compiler, Current, EngineLoader, Registry, RegistrySettings, Status},
    store::{CodeCache, MAX_CACHE},
    telemetry::Metrics,
};

/// Where durable state goes when nobody says where: beside the served folder.
const DATA: &str = ".wasmbay";

/// The plugins of one folder and what runs them.
pub struct Plugins {
    invoker: Invoker,
    current: Current,
    lanes: Lanes,
    registry: Registry,
    wasi_http_03: bool,
    /// Whoever ends the plugins first does it; a second one waits for him.
    ended: Mutex<bool>,
}

/// Why the plugins do not start.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// Faults in what was written, under `--strict`.
    #[error("{} faults in the plugins", .0.len())]
    Faults(Vec<Diagnostic>),
    /// The host's own means: address space, threads, the data folder.
    #[error(transparent)]
    Host(#[from] anyhow::Error),
}

impl Plugins {
    /// Makes lanes and engines and begins to load what lies under `dir`. With `strict`, returns once all of it is live.
    ///
    /// # Errors
    /// What the host could not get hold of; under `strict` also every fault in the plugins.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(settings: &Settings, dir: &Path, mode: Mode, strict: bool, metrics: Arc<Metrics>) -> Result<Arc<Self>, NotStarted> {
        let serves = RegistrySettings { strict, build: mode == Mode::Dev, ..RegistrySettings::new(settings, dir) };
        let lanes = lanes(settings)?;
        for (number, tenant) in (0..).zip(&serves.tenants) {
            lanes.set_weight(TenantId(number), tenant.weight);
        }
        let gates = Gates::new(settings.max_concurrent, Slots::new(settings.io_instances), Slots::new(settings.compute_instances));
        let current = Current::new(&serves.tenants);
        let invoker = Invoker::new(current.clone(), lanes.clone(), gates, Arc::clone(&metrics));
        let loader = loader(settings, dir, &lanes, &invoker)?;
        let registry = Registry::start(serves, loader, current.clone(), metrics).await.map_err(NotStarted::Faults)?;
        Ok(Arc::new(Self { invoker, current, lanes, registry, wasi_http_03: settings.http_03(), ended: Mutex::new(false) }))
    }

    /// The live folder: to wait for what is wanted to become live.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The way in, and the work that goes on behind it.
    pub fn invoker(&self) -> &Invoker {
        &self.invoker
    }
}

/// What `check`, `serve` and `dev` share: compile in a child, keep the code, load into engines.
///
/// # Errors
/// What the host could not get hold of.
pub(crate) fn loader(settings: &Settings, dir: &Path, lanes: &Lanes, invoker: &Invoker) -> anyhow::Result<EngineLoader> {
    let engine = engine_settings(settings);
    let engines = Engines::new(&engine, lanes, Arc::new(invoker.clone())).context(
        "the instance slots do not fit: lower io_instances or compute_instances in wasmbay.toml, or raise vm.max_map_count",
    )?;
    let data = data_folder(settings, dir)?;
    let cache = CodeCache::open(&data, MAX_CACHE).with_context(|| format!("the data folder {} cannot be used", data.display()))?;
    let compiler = Compiler::new(settings.compiler.clone(), engine, CompileLimits::default())
        .context("the executable that compiles plugins cannot be found")?;
    Ok(EngineLoader::new(engines, cache, compiler, settings.max_memory))
}

/// `data` of the settings, else a folder beside the served one: inside it, each entry of the cache would be a change.
fn data_folder(settings: &Settings, dir: &Path) -> anyhow::Result<PathBuf> {
    if let Some(data) = &settings.data {
        return Ok(data.clone());
    }
    let dir = std::path::absolute(dir).with_context(|| format!("{} is no path", dir.display()))?;
    Ok(dir.parent().unwrap_or(&dir).join(DATA))
}

/// The lanes of a host with these settings, on this runtime.
///
/// # Errors
/// A thread could not be started.
pub(crate) fn lanes(settings: &Settings) -> anyhow::Result<Lanes> {
    let lanes = LaneSettings { compute_threads: settings.compute_threads, compute_nice: settings.compute_nice };
    Lanes::new(&lanes, &Handle::current()).context("the lanes' threads cannot be started")
}

fn engine_settings(settings: &Settings) -> EngineSettings {
    EngineSettings {
        wasi_http_03: settings.http_03(),
        max_memory: settings.max_memory,
        // As many as admission may hand out, every hop's share included.
        io_instances: Slots::new(settings.io_instances).total(),
        compute_instances: Slots::new(settings.compute_instances).total(),
    }
}

impl Behind for Plugins {
    async fn call(&self, arrival: Arrival, request: Request<Body>) -> Result<Response<Body>, Failure> {
        self.invoker.call(arrival, request).await
    }

    async fn settled(&self) {
        self.registry.first_scan().await;
    }

    fn status(&self) -> Value {
        let status: &Status = &self.registry.status();
        json!({ "wasi_http_03": self.wasi_http_03, "registry": status })
    }

    async fn end(&self, deadline: Instant) {
        let mut ended = self.ended.lock().await;
        if std::mem::replace(&mut *ended, true) {
            return;
        }
        let background = self.invoker.background();
        if timeout_at(deadline, background.idle()).await.is_err() {
            tracing::warn!(count = background.count(), "ending work after the response: its drain time is up");
        }
        self.registry.shutdown().await;
        // The plugins hold the engines, which hold the way in, which holds the table of plugins.
        self.current.clear();
        let lanes = self.lanes.clone();
        // Joining the compute threads takes up to a slice.
        let _ = tokio::task::spawn_blocking(move || lanes.close()).await;
    }
}

impl Drop for Plugins {
    fn drop(&mut self) {
        self.current.clear();
    }
}
