//! Instances made ahead of need: `instances.warm` of them wait for a request, started and unused.
//!
//! They are made off the path of any request, by one task a plugin, on the plugin's own account in its lane. They hold
//! slots that requests may need more: they are evicted like every idle instance, and made again when a request has
//! taken one.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use tokio::{sync::OwnedSemaphorePermit, time};

use super::{
    call::{Errand, Log},
    instance::{Instance, WhenFull},
    plugin::{Loaded, Plugin},
};
use crate::{
    failure::{Code, Failure},
    lanes::{Panicked, Task, Who},
    telemetry::{PluginMetrics, RequestId},
};

/// What is known of a plugin's stock beside the instances themselves, which wait in [`super::idle::Idle`].
#[derive(Default)]
pub(super) struct Stock {
    filling: AtomicBool,
}

/// Says that nobody fills any more, however that ended.
struct Filling(Arc<Loaded>);

impl Plugin {
    /// Begins to make the instances that the manifest wants ready, on the account of `who`. To be called once the
    /// revision is to go live; nothing when it wants none.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn warm(&self, who: Who, metrics: &Arc<PluginMetrics>) {
        Stock::fill(&self.0, who, metrics);
    }

    /// Instances that wait for their next request.
    pub fn idle(&self) -> usize {
        self.0.idle.count() + self.0.shared.idle()
    }
}

impl Stock {
    /// Makes up for the instance that this errand has taken.
    pub(super) fn replenish(plugin: &Arc<Loaded>, errand: &Errand) {
        if let Some(metrics) = errand.log.metrics() {
            Self::fill(plugin, errand.caller.who, metrics);
        }
    }

    fn fill(plugin: &Arc<Loaded>, who: Who, metrics: &Arc<PluginMetrics>) {
        if !plugin.idle.lacks() || plugin.stock.filling.swap(true, SeqCst) {
            return;
        }
        let (filling, metrics) = (Filling(Arc::clone(plugin)), Arc::clone(metrics));
        tokio::spawn(async move { filling.fill(who, &metrics).await });
    }
}

impl Filling {
    async fn fill(self, who: Who, metrics: &Arc<PluginMetrics>) {
        let plugin = &self.0;
        while plugin.idle.lacks() {
            let Ok(permit) = Arc::clone(&plugin.engines.lane(plugin.lane).ahead).try_acquire_owned() else { return };
            match self.make(who, metrics, permit).await {
                Ok(instance) => plugin.idle.put(instance),
                Err(failure) if failure.code == Code::HostFull => return,
                Err(failure) => {
                    tracing::warn!(
                        tenant = metrics.tenant(),
                        plugin = metrics.plugin(),
                        code = failure.code.row().name,
                        inside = failure.inside.as_deref(),
                        "an instance could not be made ahead of need; the next request tries again"
                    );
                    return;
                }
            }
        }
    }

    /// One instance, under the limits of a request.
    async fn make(
        &self,
        who: Who,
        metrics: &Arc<PluginMetrics>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Instance, Failure> {
        let plugin = Arc::clone(&self.0);
        let task = Task::new(who, plugin.lane, plugin.manifest.limits.cpu);
        let log = Log::new(Arc::clone(metrics), RequestId::generate());
        let errand = Arc::new(Errand::of_nobody(who, &plugin.manifest, Arc::clone(&task), log));
        let (lanes, limit) = (plugin.engines.lanes.clone(), plugin.manifest.limits.timeout);
        let account = Arc::clone(&errand);
        let made = lanes.run(Arc::clone(&task), async move {
            Instance::create(&plugin, errand, WhenFull::GiveUp).await.map(|instance| instance.ahead(permit))
        });
        let made = match time::timeout(limit, made).await {
            Ok(Ok(made)) => made,
            Ok(Err(Panicked(text))) => {
                account.log.panicked(&text);
                Err(Failure::plain(Code::HostPanic).inside(text))
            }
            Err(_) => Err(Failure::plain(Code::Timeout)),
        };
        metrics.spent(task.cpu(), 0);
        made
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.0.stock.filling.store(false, SeqCst);
    }
}
