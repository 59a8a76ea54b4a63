//! From what every folder offers to the table that is live.

use std::{collections::HashSet, sync::Arc};

use super::Reconciler;
use crate::registry::{
    live::LivePlugin,
    loader::Loader,
    resolve::{Offer, resolve},
    scan::Place,
    status::Status,
    table::Table,
    wanted::Wanted,
};

impl<L: Loader> Reconciler<L> {
    /// Resolves every folder's offer into one table and makes it the live one.
    pub(super) fn swap(&mut self) {
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
        let stays: HashSet<_> = table.plugins().map(Arc::as_ptr).collect();
        for old in before.plugins().filter(|old| !stays.contains(&Arc::as_ptr(old))) {
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
                for reason in &refusals {
                    self.shared.metrics.load_refused();
                    tracing::error!(plugin = wanted.name, "refused: {reason}");
                }
                wanted.refusals = refusals;
            }
        }
    }

    /// Tells everyone what is now.
    pub(super) fn publish(&mut self) {
        let named = self.folders.iter().filter_map(|(place, wanted)| Some((place, wanted.stamps.as_ref()?.named()?)));
        self.watch.named(named.flat_map(|(place, named)| named.paths(&place.folder)).collect());
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
