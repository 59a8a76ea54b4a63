//! From compiled code to a plugin that is known to start.

use std::sync::Arc;

use http::HeaderMap;
use tokio::{
    task::spawn_blocking,
    time::{self, Instant},
};
use wasmtime::{
    Engine, Module, Precompiled,
    component::{Component, InstancePre, Linker},
};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi_http::{p2::bindings::ProxyPre, p3::bindings::ServicePre};

use super::{
    absent,
    call::{Errand, Log},
    engine::Engines,
    instance::{Instance, WhenFull},
    plugin::{Binding, Imports, Loaded, Plugin},
    reach::Reach,
    state::State,
};
use crate::{
    body::pieces::Pace,
    capability::{Caller, Granted, Trace, http::Allowance, plugins::HOP_LIMIT},
    config::Manifest,
    failure::Failure,
    lanes::{PluginId, Task, TenantId, Who},
    store::Kept,
    telemetry::RequestId,
};

/// Whose work a trial is: the host's own, beside every tenant.
const NOBODY: Who = Who { tenant: TenantId(u32::MAX), plugin: PluginId(u32::MAX) };

impl Engines {
    /// Makes compiled code ready to serve as a tenant's plugin: gathers its grants, links it, finds its kind, instantiates it once.
    /// It may read `assets`.
    ///
    /// The one instantiation runs in the plugin's lane under its own limits, since a guest's start code is guest code.
    ///
    /// # Errors
    /// Every reason why the code cannot serve under this manifest, in words for its author.
    ///
    /// # Safety
    /// `artefact` came from [`super::compile`], run by this program, and nobody else could have changed it.
    #[expect(unsafe_code, reason = "compiled code is native code: the caller vouches for where it came from")]
    pub async unsafe fn load(
        self: &Arc<Self>,
        tenant: &str,
        manifest: &Manifest,
        artefact: &[u8],
        assets: Option<Kept>,
    ) -> Result<Plugin, Vec<String>> {
        let granted = self.granted(tenant, manifest, assets).await?;
        let lane = self.lane(manifest.lane);
        let fault = |error: wasmtime::Error| vec![format!("{error:#}")];
        let (binding, imports) = if Engine::detect_precompiled(artefact) == Some(Precompiled::Module) {
            // SAFETY: the caller vouches for the artefact.
            let module = unsafe { Module::deserialize(&lane.engine, artefact) }.map_err(fault)?;
            (Binding::Command(lane.commands.instantiate_pre(&module).map_err(fault)?), Imports::default())
        } else {
            // SAFETY: the caller vouches for the artefact.
            let component = unsafe { Component::deserialize(&lane.engine, artefact) }.map_err(fault)?;
            let (pre, absent) = self.link(&lane.linker, &component)?;
            (
                self.binding(&component, pre)?,
                Imports { absent, keys: Reach::of_keys(&component), sql: Reach::of_sql(&component) },
            )
        };
        let limits = &manifest.limits;
        let plugin = Arc::new(Loaded::new(Arc::clone(self), binding, imports, granted, manifest));
        let faults = plugin.unfit(manifest);
        if !faults.is_empty() {
            return Err(faults);
        }
        let task = Task::new(NOBODY, manifest.lane, limits.cpu);
        let errand = Arc::new(Errand::of_nobody(NOBODY, &plugin.manifest, Arc::clone(&task), Log::discard()));
        let start = Arc::clone(&plugin);
        let trial =
            self.lanes.run(task, async move { Instance::create(&start, errand, WhenFull::Evict).await.map(drop) });
        match time::timeout(limits.timeout, trial).await {
            Ok(Ok(Ok(()))) => Ok(Plugin(plugin)),
            Ok(Ok(Err(failure))) => Err(vec![trial_fault(&failure)]),
            Ok(Err(panicked)) => Err(vec![format!("the host failed to instantiate it: {}", panicked.0)]),
            Err(_) => Err(vec![format!("it did not start within limits.timeout ({:?})", limits.timeout)]),
        }
    }

    /// Links a component; what it imports and the host does not have is stubbed, and told.
    fn link(
        &self,
        linker: &Linker<State>,
        component: &Component,
    ) -> Result<(InstancePre<State>, Vec<String>), Vec<String>> {
        let error = match linker.instantiate_pre(component) {
            Ok(pre) => return Ok((pre, Vec::new())),
            Err(error) => error,
        };
        let absent = absent::of(component);
        if absent.is_empty() {
            return Err(vec![self.link_fault(&error)]);
        }
        let stubbed = absent::stubbed(linker, component, &absent).and_then(|linker| linker.instantiate_pre(component));
        match stubbed {
            Ok(pre) => Ok((pre, absent)),
            Err(error) => {
                let (names, error) = (absent::listed(&absent), self.link_fault(&error));
                Err(vec![format!("it imports {names}, which this host does not have: {error}")])
            }
        }
    }

    /// What the manifest's grants come to.
    async fn granted(&self, tenant: &str, manifest: &Manifest, assets: Option<Kept>) -> Result<Granted, Vec<String>> {
        let (ways, tenant, manifest) = (Arc::clone(&self.ways), tenant.to_owned(), manifest.clone());
        let granted = spawn_blocking(move || ways.grant(&tenant, &manifest, assets)).await;
        granted.unwrap_or_else(|error| Err(vec![format!("the host failed to gather what it is granted: {error}")]))
    }

    fn binding(&self, component: &Component, pre: InstancePre<State>) -> Result<Binding, Vec<String>> {
        let fault = |error: wasmtime::Error| vec![format!("{error:#}")];
        let exports: Vec<String> =
            component.component_type().exports(pre.engine()).map(|(name, _)| name.to_owned()).collect();
        let exports = |prefix: &str| exports.iter().any(|name| name.starts_with(prefix));
        if exports("wasi:http/handler@0.3.") {
            if !self.settings.wasi_http_03 {
                return Err(vec!["it is a wasi:http 0.3 guest, which this host does not load: set wasi_http_03 = true in wasmbay.toml".to_owned()]);
            }
            return ServicePre::new(pre).map(Binding::Http03).map_err(fault);
        }
        if exports("wasi:http/incoming-handler@0.2.") {
            return ProxyPre::new(pre).map(Binding::Http02).map_err(fault);
        }
        if exports("wasi:cli/run@0.2.") {
            return CommandPre::new(pre).map(Binding::Cgi).map_err(fault);
        }
        Err(vec![
            "it exports no handler: neither wasi:http/incoming-handler@0.2, wasi:http/handler@0.3 nor wasi:cli/run@0.2"
                .to_owned(),
        ])
    }

    /// What a failed link means to an author.
    fn link_fault(&self, error: &wasmtime::Error) -> String {
        let text = format!("{error:#}");
        if !self.settings.wasi_http_03 && text.contains("@0.3.") {
            return format!("{text}: WASI 0.3 is off on this host; set wasi_http_03 = true in wasmbay.toml");
        }
        text
    }
}

impl Errand {
    /// Nobody's request: what a guest has behind it while it starts for no request. It has nothing to ride on.
    pub(super) fn of_nobody(who: Who, manifest: &Arc<Manifest>, task: Arc<Task>, log: Log) -> Self {
        let request_id = RequestId::generate();
        let caller = Caller {
            who,
            tenant: Arc::from(""),
            manifest: Arc::clone(manifest),
            request_id,
            hop: HOP_LIMIT,
            deadline: Instant::now(),
            trace: Trace::of(&HeaderMap::new(), &request_id),
            allowance: Allowance::default(),
            is_job: false,
        };
        Self { caller, task, meter: Arc::default(), log, pace: Pace::begin(None) }
    }
}

fn trial_fault(failure: &Failure) -> String {
    let mut text = format!("it does not start: {failure}");
    if let Some(remedy) = failure.remedy_text() {
        text += &format!(" ({remedy})");
    }
    if let Some(inside) = &failure.inside {
        text += &format!("\n{inside}");
    }
    text
}
