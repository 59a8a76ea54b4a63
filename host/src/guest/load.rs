//! From compiled code to a plugin that is known to start.

use std::sync::Arc;

use http::HeaderMap;
use tokio::{
    task::spawn_blocking,
    time::{self, Instant},
};

use super::{
    call::{Errand, Log},
    code::Code,
    engine::Engines,
    instance::{Instance, WhenFull},
    plugin::{Loaded, Plugin},
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
    /// Makes code serve as a tenant's plugin: gathers its grants, and instantiates it once. It may read `assets`.
    ///
    /// The one instantiation runs in the plugin's lane under its own limits, since a guest's start code is guest code.
    ///
    /// # Errors
    /// Every reason why the code cannot serve under this manifest, in words for its author.
    pub async fn load(
        self: &Arc<Self>,
        tenant: &str,
        manifest: &Manifest,
        code: Code,
        assets: Option<Kept>,
    ) -> Result<Plugin, Vec<String>> {
        let granted = self.granted(tenant, manifest, assets).await?;
        let limits = &manifest.limits;
        let plugin = Arc::new(Loaded::new(Arc::clone(self), code, granted, manifest));
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

    /// What the manifest's grants come to.
    async fn granted(&self, tenant: &str, manifest: &Manifest, assets: Option<Kept>) -> Result<Granted, Vec<String>> {
        let (ways, tenant, manifest) = (Arc::clone(&self.ways), tenant.to_owned(), manifest.clone());
        let granted = spawn_blocking(move || ways.grant(&tenant, &manifest, assets)).await;
        granted.unwrap_or_else(|error| Err(vec![format!("the host failed to gather what it is granted: {error}")]))
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
