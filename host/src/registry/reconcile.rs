//! The one task that makes what is live follow what is wanted.
//!
//! It works in passes. A pass looks at every folder, reads and loads what changed and came to rest, resolves all of it
//! into one table and swaps that in. A pass is level-triggered: it compares states, so it does not matter which event
//! caused it, or whether one was lost.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::{mpsc, oneshot};

use super::{
    build::{self, BUILD_TIMEOUT},
    handle::{RegistrySettings, Shared},
    live::{LivePlugin, Parts},
    loader::Loader,
    resolve::{Offer, resolve},
    revision::{Revision, Taken, manifest_now, take},
    scan::{Place, Scan, scan, unchanged},
    sources::Sources,
    status::Status,
    table::Table,
    tenants::Ids,
    wanted::Wanted,
    watch::Watch,
};

/// The longest a revision may take to load. Longer than the compile child may live.
const LOAD_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a folder's files may keep changing before that counts as a fault.
const PATIENCE: Duration = Duration::from_secs(15);

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

/// The build under way, with what its sources are once it has ended.
struct Building {
    place: Place,
    outcome: BoxFuture<'static, (Result<(), String>, Sources)>,
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

    /// Finds folders that came, changed or went. Returns those that have to be read.
    async fn look(&mut self, pass: &mut Pass) -> Vec<Place> {
        let tenants = self.settings.tenants.clone();
        let known: Vec<_> = self.folders.iter().map(|(place, wanted)| (place.clone(), wanted.stamps.clone())).collect();
        let look = move || {
            let scan = scan(&tenants);
            let same = |(place, stamps): (Place, Option<_>)| unchanged(&place.folder, stamps.as_ref()).then_some(place);
            (scan, known.into_iter().filter_map(same).collect::<Vec<_>>())
        };
        let Ok((scan, same)) = tokio::task::spawn_blocking(look).await else { return Vec::new() };
        self.missing(&scan, pass);
        for place in scan.outside {
            let wanted = self.folders.entry(place).or_default();
            wanted.faults = vec!["the folder is a link that leads out of its tenant's folder".to_owned()];
        }
        if self.scan_faults != scan.faults {
            scan.faults.iter().for_each(|fault| tracing::error!("{fault}"));
            self.scan_faults = scan.faults;
        }
        for place in &scan.present {
            self.folders.entry(place.clone()).or_default();
        }
        scan.present.into_iter().filter(|place| !same.contains(place)).collect()
    }

    /// Drops what has been gone for long enough.
    fn missing(&mut self, scan: &Scan, pass: &mut Pass) {
        let leave_after = self.settings.leave_after;
        self.folders.retain(|place, wanted| {
            if scan.present.contains(place) || scan.outside.contains(place) {
                // It came back: what was offered before its absence is offered again.
                pass.changed |= wanted.missing.take().is_some();
                return true;
            }
            pass.changed |= wanted.missing.is_none();
            let left = leave_after.saturating_sub(wanted.missing.get_or_insert_with(Instant::now).elapsed());
            if left.is_zero() {
                pass.changed = true;
                return false;
            }
            pass.again_in(left);
            true
        });
    }

    /// Finds sources that changed, and starts the next build when none runs.
    async fn look_at_sources(&mut self, pass: &mut Pass) {
        let places: Vec<_> = self.folders.keys().cloned().collect();
        let mut next = None;
        for place in places {
            let Some(wanted) = self.folders.get_mut(&place) else { continue };
            let (loader, folder, known) = (self.loader.clone(), place.folder.clone(), wanted.build.known());
            let survey = move || {
                let manifest = manifest_now(&folder, &|file, text| loader.read(file, text))?;
                let watch = manifest.build.as_ref().map(|build| &*build.watch).unwrap_or_default();
                let sources = Sources::survey(&folder, watch, &known);
                Some((manifest, sources))
            };
            let Ok(surveyed) = tokio::task::spawn_blocking(survey).await else { continue };
            // A manifest at fault names no build; reading it says why.
            let Some((manifest, sources)) = surveyed else {
                wanted.build.look(None, &Sources::default());
                continue;
            };
            wanted.build.look(manifest.build.as_ref(), &sources);
            wanted.name = Some(manifest.name);
            if wanted.build.due().is_none() {
                continue;
            }
            // A save of several files is built once.
            let age = sources.age(std::time::SystemTime::now());
            match age.map_or(Duration::ZERO, |age| self.settings.quiet.saturating_sub(age)) {
                Duration::ZERO => next = next.or(Some((place, sources))),
                left => pass.again_in(left),
            }
        }
        if let (Some((place, sources)), None) = (next, &self.building) {
            self.start_build(place, sources);
        }
    }

    fn start_build(&mut self, place: Place, sources: Sources) {
        let Some(wanted) = self.folders.get_mut(&place) else { return };
        let Some(build) = wanted.build.due().cloned() else { return };
        wanted.build.started(build.clone(), sources.clone());
        let (folder, name) = (place.folder.clone(), wanted.name.clone().unwrap_or_default());
        let outcome = async move {
            let outcome = build::run(&name, &folder, &build.command, BUILD_TIMEOUT).await;
            let survey = move || Sources::survey(&folder, &build.watch, &sources);
            (outcome, tokio::task::spawn_blocking(survey).await.unwrap_or_default())
        };
        self.building = Some(Building { place, outcome: outcome.boxed() });
    }

    fn built(&mut self, outcome: Result<(), String>, sources: Sources) {
        let Some(building) = self.building.take() else { return };
        let Some(wanted) = self.folders.get_mut(&building.place) else { return };
        if let Err(why) = &outcome {
            tracing::error!(plugin = wanted.name, "{why}");
        }
        wanted.build.finished(outcome, sources);
    }

    /// Reads a folder that changed, and loads what it reads.
    async fn renew(&mut self, place: &Place, pass: &mut Pass) {
        let Some(wanted) = self.folders.get_mut(place).filter(|wanted| !wanted.build.pending()) else { return };
        let mut rest = std::mem::take(&mut wanted.rest);
        let (loader, folder, quiet) = (self.loader.clone(), place.folder.clone(), self.settings.quiet);
        let read = move || {
            let taken = take(&folder, &mut rest, quiet, &|file, text| loader.read(file, text));
            (taken, rest)
        };
        let Ok((taken, rest)) = tokio::task::spawn_blocking(read).await else { return };
        wanted.rest = rest;
        match taken {
            // It went between two looks: the next one starts its time to leave.
            Taken::Gone => pass.again_in(PAUSE),
            Taken::Unsettled(wait) => {
                pass.again_in(wait);
                if wanted.unsettled.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                    wanted.faults = vec![format!("its files have kept changing for {PATIENCE:?}")];
                }
            }
            Taken::Faulty(faults, stamps) => {
                wanted.unsettled = None;
                wanted.stamps = Some(stamps);
                let faults = faults.iter().map(ToString::to_string).collect();
                pass.changed |= wanted.new.take().is_some();
                self.note_faults(place, faults);
            }
            Taken::Revision(revision, stamps) => {
                wanted.unsettled = None;
                self.load(place, *revision).await;
                if let Some(wanted) = self.folders.get_mut(place) {
                    wanted.stamps = Some(stamps);
                }
                pass.changed = true;
            }
        }
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
        wanted.notes = notes;
        let loaded = guarded(self.loader.load(&manifest, &revision.component)).await;
        match loaded {
            Ok(guest) => {
                let who = self.ids.who(place.tenant, tenant, &manifest.name);
                let (owner, digest, folder) = (tenant.owner(), revision.digest, revision.folder);
                let metrics = self.shared.metrics.plugin(&owner.tenant, &manifest.name);
                let parts = Parts { owner, who, manifest, guest, digest, folder, metrics };
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

    /// Resolves every folder's offer into one table and makes it the live one.
    fn swap(&mut self) {
        let offer = |(place, wanted): (&Place, &Wanted<L::Guest>)| Offer {
            tenant: place.tenant,
            new: if wanted.missing.is_some() { wanted.live.clone() } else { wanted.new.clone() },
            live: wanted.live.clone(),
            leaving: wanted.missing.is_some(),
        };
        let offers: Vec<_> = self.folders.iter().map(offer).collect();
        let resolved = resolve(&self.settings.tenants, &offers);
        let chosen = || self.folders.keys().zip(&resolved.live);
        let live = chosen().filter_map(|(place, live)| Some((place.tenant, live.clone()?)));
        let table = Arc::new(Table::new(&self.settings.tenants, live));
        if table.plugins().map(Arc::as_ptr).eq(self.shared.current.table().plugins().map(Arc::as_ptr)) {
            return self.settle(resolved.live, resolved.refusals);
        }
        let before = self.shared.current.swap(table.clone());
        self.shared.metrics.swapped();
        let generation = *self.shared.generation.borrow() + 1;
        tell_changes(&before, &table, generation);
        for old in before.plugins().filter(|old| !table.plugins().any(|new| Arc::ptr_eq(new, old))) {
            LivePlugin::retire(Arc::downgrade(old), self.settings.drain);
        }
        self.settle(resolved.live, resolved.refusals);
        self.publish();
        self.shared.generation.send_replace(generation);
    }

    /// Writes down what was chosen.
    fn settle(&mut self, live: Vec<Option<Arc<LivePlugin<L::Guest>>>>, refusals: Vec<Vec<String>>) {
        for ((wanted, live), refusals) in self.folders.values_mut().zip(live).zip(refusals) {
            wanted.live = live;
            if wanted.missing.is_none() && wanted.refusals != refusals {
                refusals.iter().for_each(|reason| tracing::error!(plugin = wanted.name, "refused: {reason}"));
                wanted.refusals = refusals;
            }
        }
    }

    /// Tells everyone what is now.
    fn publish(&mut self) {
        let components: Vec<PathBuf> = self
            .folders
            .iter()
            .filter_map(|(place, wanted)| Some(place.folder.join(wanted.stamps.as_ref()?.component()?)))
            .collect();
        self.watch.components(components);
        let decided = |(_, wanted): (&Place, &Wanted<_>)| wanted.decided() || wanted.missing.is_some();
        let ready = *self.shared.ready.borrow() || self.folders.iter().all(decided);
        let plugins = self.folders.iter().map(|(place, wanted)| wanted.status::<L>(place, &self.settings.tenants));
        self.shared.status.store(Arc::new(Status {
            ready,
            generation: *self.shared.generation.borrow(),
            faults: self.scan_faults.clone(),
            plugins: plugins.collect(),
        }));
        self.shared.ready.send_if_modified(|known| !std::mem::replace(known, ready) && ready);
    }
}

/// A load that takes too long or panics is the revision's fault, and nobody else's trouble.
pub(super) async fn guarded<G>(load: impl Future<Output = Result<G, Vec<String>>>) -> Result<G, Vec<String>> {
    match tokio::time::timeout(LOAD_TIMEOUT, AssertUnwindSafe(load).catch_unwind()).await {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(_)) => Err(vec!["the host failed while loading it; its log says where".to_owned()]),
        Err(_) => Err(vec![format!("loading took longer than {LOAD_TIMEOUT:?}")]),
    }
}

/// One log line for each plugin that came, changed or went.
fn tell_changes<G>(before: &Table<G>, after: &Table<G>, generation: u64) {
    for plugin in after.plugins() {
        let (tenant, name, digest) = (&*plugin.owner.tenant, plugin.name(), plugin.digest);
        match before.find_plugin(tenant, name) {
            Some(old) if Arc::ptr_eq(old, plugin) => {}
            Some(old) => tracing::info!(tenant, plugin = name, %digest, was = %old.digest, generation, "swapped"),
            None => tracing::info!(tenant, plugin = name, %digest, generation, "live"),
        }
    }
    for plugin in before.plugins() {
        let (tenant, name) = (&*plugin.owner.tenant, plugin.name());
        if after.find_plugin(tenant, name).is_none() {
            tracing::info!(tenant, plugin = name, generation, "gone");
        }
    }
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
