//! The look at every folder: which came, changed, went.

use std::time::Instant;

use super::{Pass, Reconciler};
use crate::registry::{
    loader::Loader,
    scan::{Place, Scan, scan, unchanged},
};

impl<L: Loader> Reconciler<L> {
    /// Finds folders that came, changed or went. Returns those that have to be read.
    pub(super) async fn look(&mut self, pass: &mut Pass) -> Vec<Place> {
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
        // The lists are sorted: searching one from its start for each entry of another takes seconds with ten thousand folders.
        scan.present.into_iter().filter(|place| same.binary_search(place).is_err()).collect()
    }

    /// Drops what has been gone for long enough.
    fn missing(&mut self, scan: &Scan, pass: &mut Pass) {
        let leave_after = self.settings.leave_after;
        self.folders.retain(|place, wanted| {
            if scan.holds(place) {
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
}
