//! The one task that makes what is live follow what is wanted.
//!
//! It works in passes. A pass looks at every folder, reads and loads what changed and came to rest, resolves all of it
//! into one table and swaps that in. A pass is level-triggered: it compares states, so it does not matter which event
//! caused it, or whether one was lost.

mod builds;
mod look;
mod renew;
mod swap;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::{
    handle::{RegistrySettings, Shared},
    loader::Loader,
    scan::Place,
    tenants::Ids,
    wanted::Wanted,
    watch::Watch,
};

use builds::Building;
pub(super) use renew::guarded;

/// Between two passes at least: many events in a row cause one pass.
const PAUSE: Duration = Duration::from_millis(5);

/// The task's state.
pub(super) struct Reconciler<L: Loader> {
    settings: RegistrySettings,
    loader: Arc<L>,
    shared: Arc<Shared<L::Guest>>,
    ids: Ids,
    watch: Watch,
    folders: BTreeMap<Place, Wanted<L::Guest>>,
    scan_faults: Vec<String>,
    asked: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    /// Who waits for a pass that leaves nothing to do.
    waiting: Vec<oneshot::Sender<()>>,
    building: Option<Building>,
}

/// What one pass left to do.
#[derive(Default)]
struct Pass {
    /// When to look again at files that did not lie still.
    again: Option<Duration>,
    /// Whether the table may have to change.
    changed: bool,
}

impl Pass {
    fn again_in(&mut self, wait: Duration) {
        self.again = Some(self.again.map_or(wait, |again| again.min(wait)));
    }
}

impl<L: Loader> Reconciler<L> {
    pub(super) fn new(
        settings: RegistrySettings,
        loader: L,
        shared: Arc<Shared<L::Guest>>,
        asked: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    ) -> Self {
        let watch = Watch::start(&settings.folders(), settings.watch);
        Self {
            settings,
            loader: Arc::new(loader),
            shared,
            ids: Ids::default(),
            watch,
            folders: BTreeMap::new(),
            scan_faults: Vec::new(),
            asked,
            waiting: Vec::new(),
            building: None,
        }
    }

    /// Works until it is dropped. Dropped between any two steps, what is live is whole.
    pub(super) async fn run(mut self) {
        loop {
            let pass = self.pass().await;
            if pass.again.is_none() && self.building.is_none() {
                for waiting in self.waiting.drain(..) {
                    // An error: it waits no longer.
                    let _ = waiting.send(());
                }
            }
            self.wait(pass.again).await;
            while let Ok(asker) = self.asked.try_recv() {
                self.waiting.push(asker);
            }
        }
    }

    /// Waits for a reason to look again.
    async fn wait(&mut self, again: Option<Duration>) {
        tokio::time::sleep(PAUSE).await;
        let building = async {
            match &mut self.building {
                Some(building) => (&mut building.outcome).await,
                None => std::future::pending().await,
            }
        };
        let again = async {
            match again {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.watch.changed() => {}
            () = again => {}
            Some(asker) = self.asked.recv() => self.waiting.push(asker),
            (outcome, sources) = building => self.built(outcome, sources),
        }
    }

    async fn pass(&mut self) -> Pass {
        let mut pass = Pass::default();
        let changed = self.look(&mut pass).await;
        if self.settings.build {
            self.look_at_sources(&mut pass).await;
        }
        for place in changed {
            self.renew(&place, &mut pass).await;
        }
        if pass.changed {
            self.swap();
        }
        self.publish();
        pass
    }
}

#[cfg(test)]
mod tests;
