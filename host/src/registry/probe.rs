//! Plugins that are live without folders or a registry: the door that the fuzz targets use
//! (`decisions/0034-fuzz-targets.md`).

use std::{collections::BTreeMap, sync::Arc};

use super::{
    current::Current,
    live::{Census, LivePlugin, Parts},
    resolve::{Offer, Resolved, resolve},
    revision::Digest,
    statics::Statics,
    table::Table,
    tenants::{Ids, TenantSpec},
};
use crate::{config::Manifest, telemetry::Metrics};

/// The table of those plugins that may be live together, each with its tenant's place in `tenants`, and for each why it
/// is not in it; nothing for one that is. Earlier ones win over later ones.
///
/// # Panics
/// When a place is no tenant's.
pub fn table<G>(
    tenants: &[TenantSpec],
    plugins: impl IntoIterator<Item = (usize, Manifest, G)>,
    metrics: &Arc<Metrics>,
) -> (Table<G>, Vec<Vec<String>>) {
    let (ids, census) = (Ids::default(), Census::default());
    let offers = plugins.into_iter().map(|(place, manifest, guest)| {
        let tenant = &tenants[place];
        let parts = Parts {
            owner: tenant.owner(),
            who: ids.who(place, tenant, &manifest.name),
            digest: Digest::new(manifest.name.as_bytes(), b"", &BTreeMap::new()),
            folder: tenant.folder.join(&manifest.name),
            metrics: metrics.plugin(&tenant.name, &manifest.name),
            manifest,
            guest,
            statics: Statics::default(),
        };
        Offer { tenant: place, new: Some(Arc::new(LivePlugin::new(parts, &census))), live: None, leaving: false }
    });
    let offers: Vec<_> = offers.collect();
    let Resolved { live, refusals } = resolve(tenants, &offers);
    let places = offers.iter().map(|offer| offer.tenant);
    let live = places.zip(live).filter_map(|(place, plugin)| Some((place, plugin?)));
    (Table::new(tenants, live), refusals)
}

/// Makes a table the live one.
pub fn publish<G>(current: &Current<G>, table: Table<G>) {
    drop(current.swap(Arc::new(table)));
}
