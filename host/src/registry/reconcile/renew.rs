//! From a folder that changed to a revision that is ready to be live.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;

use super::{PAUSE, Pass, Reconciler};
use crate::registry::{
    live::{LivePlugin, Parts},
    loader::{Loader, Ready},
    revision::{Revision, Taken, take},
    scan::Place,
};

/// The longest a revision may take to load. Longer than the compile child may live.
const LOAD_TIMEOUT: Duration = Duration::from_secs(660);

/// How long a folder's files may keep changing before that counts as a fault.
const PATIENCE: Duration = Duration::from_secs(15);

impl<L: Loader> Reconciler<L> {
    /// Reads a folder that changed, and loads what it reads.
    pub(super) async fn renew(&mut self, place: &Place, pass: &mut Pass) {
        let Some(taken) = self.read(place).await else { return };
        let Some(wanted) = self.folders.get_mut(place) else { return };
        match taken {
            // It went between two looks: the next one starts its time to leave.
            Taken::Gone => pass.again_in(PAUSE),
            Taken::Unsettled(wait) => {
                pass.again_in(wait);
                if wanted.unsettled.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                    self.note_faults(place, vec![format!("its files have kept changing for {PATIENCE:?}")]);
                }
            }
            Taken::Faulty(faults, stamps) => {
                wanted.settled(stamps);
                pass.changed |= wanted.new.take().is_some();
                self.note_faults(place, faults.iter().map(ToString::to_string).collect());
            }
            Taken::Revision(revision, stamps) => {
                self.load(place, *revision).await;
                if let Some(wanted) = self.folders.get_mut(place) {
                    wanted.settled(stamps);
                }
                pass.changed = true;
            }
        }
    }

    /// Reads a folder off the runtime's threads, unless its component is being built.
    async fn read(&mut self, place: &Place) -> Option<Taken> {
        let wanted = self.folders.get_mut(place).filter(|wanted| !wanted.build.pending())?;
        let mut rest = std::mem::take(&mut wanted.rest);
        let (loader, folder, quiet) = (self.loader.clone(), place.folder.clone(), self.settings.quiet);
        let read = move || {
            let taken = take(&folder, &mut rest, quiet, &|file, text| loader.read(file, text));
            (taken, rest)
        };
        let (taken, rest) = tokio::task::spawn_blocking(read).await.ok()?;
        wanted.rest = rest;
        Some(taken)
    }

    /// Makes a revision ready to be live. Touches nothing that is.
    async fn load(&mut self, place: &Place, revision: Revision) {
        let Some(wanted) = self.folders.get_mut(place) else { return };
        let same = |plugin: &&Arc<LivePlugin<_>>| plugin.digest == revision.digest;
        let known = [&wanted.new, &wanted.live].into_iter().flatten().find(same).cloned();
        if known.is_some() {
            (wanted.new, wanted.faults) = (known, Vec::new());
            return;
        }
        let tenant = &self.settings.tenants[place.tenant];
        let (manifest, notes) = self.loader.cap(&revision.manifest, &tenant.caps);
        wanted.name = Some(manifest.name.clone());
        wanted.notes = notes.iter().map(ToString::to_string).collect();
        let loaded = guarded(self.loader.load(&tenant.name, &manifest, &revision)).await;
        match loaded {
            Ok(Ready { guest, statics }) => {
                let who = self.ids.who(place.tenant, tenant, &manifest.name);
                let (owner, digest, folder) = (tenant.owner(), revision.digest, revision.folder);
                let metrics = self.shared.metrics.plugin(&owner.tenant, &manifest.name);
                wanted.notes.extend(L::notes(&guest));
                L::warm(&guest, who, &metrics);
                let parts = Parts { owner, who, manifest, guest, statics, digest, folder, metrics };
                wanted.new = Some(Arc::new(LivePlugin::new(parts, &self.shared.census)));
                wanted.faults.clear();
            }
            Err(faults) => {
                wanted.new = None;
                self.note_faults(place, faults);
            }
        }
    }

    fn note_faults(&mut self, place: &Place, faults: Vec<String>) {
        let Some(wanted) = self.folders.get_mut(place) else { return };
        let tenant = &*self.settings.tenants[place.tenant].name;
        if wanted.faults != faults {
            self.shared.metrics.load_refused();
            for fault in &faults {
                tracing::error!(tenant, plugin = wanted.name, folder = %place.folder.display(), "refused: {fault}");
            }
        }
        wanted.faults = faults;
    }
}

/// A load that takes too long or panics is the revision's fault, and nobody else's trouble.
pub(in crate::registry) async fn guarded<G>(
    load: impl Future<Output = Result<G, Vec<String>>>,
) -> Result<G, Vec<String>> {
    match tokio::time::timeout(LOAD_TIMEOUT, AssertUnwindSafe(load).catch_unwind()).await {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(_)) => Err(vec!["the host failed while loading it; its log says where".to_owned()]),
        Err(_) => Err(vec![format!("loading took longer than {LOAD_TIMEOUT:?}")]),
    }
}
