//! `check`: every fault in every manifest and component at once, without serving any.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    handle::RegistrySettings,
    live::{Census, LivePlugin, Parts},
    loader::{Loader, Ready},
    reconcile::guarded,
    resolve::{Offer, misplaced, resolve},
    revision::{MANIFEST_FILE, Rest, Revision, Taken, take},
    scan::{Place, scan},
    tenants::Ids,
};
use crate::{
    config::{CapNote, Manifest, Settings},
    diagnostic::Diagnostic,
    telemetry::Metrics,
};

/// How long `check` waits for files that somebody is writing.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// What has to be mended.
    pub faults: Vec<Diagnostic>,
    /// What its author should know: values that the operator's caps lower, and what a setting costs.
    pub notes: Vec<Diagnostic>,
    /// The plugins that would be live, as `tenant/name`.
    pub good: Vec<String>,
}

/// Reads, compiles and loads every plugin as a host with these settings would.
pub async fn check<L: Loader>(settings: &RegistrySettings, loader: &L) -> CheckReport {
    let scan = scan(&settings.tenants);
    let mut report = CheckReport::default();
    let homes = settings.tenants.first().map(|tenant| tenant.folder.clone()).unwrap_or_default();
    report.faults.extend(scan.faults.into_iter().map(|fault| Diagnostic::new(&homes, fault)));
    for place in scan.outside {
        report.fault(&place, "the folder is a link that leads out of its tenant's folder".to_owned());
    }
    let mut loaded = Vec::new();
    for place in scan.present {
        if let Some(revision) = read(&place, loader, &mut report).await {
            let plugin = load(settings, &place, revision, loader, &mut report).await;
            loaded.extend(plugin.map(|plugin| (place, plugin)));
        }
    }
    conflicts(settings, &loaded, &mut report);
    report
}

impl CheckReport {
    fn fault(&mut self, place: &Place, message: String) {
        self.faults.push(Diagnostic::new(place.folder.join(MANIFEST_FILE), message));
    }

    /// What a component and its manifest disagree about: the sentence begins with the manifest's key, where one decides.
    fn unfit(&mut self, place: &Place, message: String) {
        let file = place.folder.join(MANIFEST_FILE);
        let text = fs::read_to_string(&file).unwrap_or_default();
        let line = message.split_once(": ").and_then(|(key, _)| Manifest::line_of(&text, key));
        self.faults.push(Diagnostic { line, ..Diagnostic::new(file, message) });
    }

    /// Where the operator's caps bite: the manifest's line, what it asks for, what it gets, and whose word that is.
    fn caps(&mut self, folder: &Path, tenant: &str, notes: &[CapNote]) {
        let file = folder.join(MANIFEST_FILE);
        let text = fs::read_to_string(&file).unwrap_or_default();
        for note in notes {
            let line = Manifest::line_of(&text, note.key);
            let by = match note.by.starts_with("caps.") {
                true => format!("{} of [tenant.{tenant}]", note.by),
                false => note.by.to_owned(),
            };
            let remedy = format!("ask for {} at most, or raise {by} in {}", note.given, Settings::FILE);
            self.notes.push(Diagnostic { line, ..Diagnostic::new(&file, note.to_string()).remedy(remedy) });
        }
    }

    fn note(&mut self, folder: &Path, message: String) {
        self.notes.push(Diagnostic::new(folder.join(MANIFEST_FILE), message));
    }
}

async fn read<L: Loader>(place: &Place, loader: &L, report: &mut CheckReport) -> Option<Revision> {
    let (mut rest, started) = (Rest::default(), Instant::now());
    loop {
        match take(&place.folder, &mut rest, Duration::ZERO, &|file, text| loader.read(file, text)) {
            Taken::Revision(revision, _) => return Some(*revision),
            Taken::Faulty(faults, _) => {
                report.faults.extend(faults);
                return None;
            }
            Taken::Gone => return None,
            Taken::Unsettled(_) if started.elapsed() > PATIENCE => {
                report.fault(place, format!("its files have kept changing for {PATIENCE:?}"));
                return None;
            }
            Taken::Unsettled(wait) => tokio::time::sleep(wait).await,
        }
    }
}

async fn load<L: Loader>(
    settings: &RegistrySettings,
    place: &Place,
    revision: Revision,
    loader: &L,
    report: &mut CheckReport,
) -> Option<Arc<LivePlugin<L::Guest>>> {
    let tenant = &settings.tenants[place.tenant];
    let (manifest, notes) = loader.cap(&revision.manifest, &tenant.caps);
    report.caps(&place.folder, &tenant.name, &notes);
    if manifest.instances.max_concurrent > 1 {
        report.note(&place.folder, SHARED_INSTANCES.to_owned());
    }
    for schedule in &manifest.schedules {
        report.note(&place.folder, format!("schedule: asks POST {} at {}", schedule.path, schedule.cron));
    }
    match guarded(loader.load(&tenant.name, &manifest, &revision)).await {
        Ok(Ready { guest, statics }) => {
            L::notes(&guest).into_iter().for_each(|note| report.note(&place.folder, note));
            let who = Ids::default().who(place.tenant, tenant, &manifest.name);
            let (owner, digest, folder) = (tenant.owner(), revision.digest, revision.folder);
            let metrics = Metrics::new().plugin(&owner.tenant, &manifest.name);
            let parts = Parts { owner, who, manifest, guest, statics, digest, folder, metrics };
            Some(Arc::new(LivePlugin::new(parts, &Census::default())))
        }
        Err(faults) => {
            faults.into_iter().for_each(|fault| report.unfit(place, fault));
            None
        }
    }
}

/// What `instances.max_concurrent` above 1 gives up.
const SHARED_INSTANCES: &str = "instances.max_concurrent is above 1: requests share one instance's memory, a request \
    that times out or whose client leaves retires the instance, and one that spends its CPU time ends it for all";

/// Names and routes that two plugins want.
fn conflicts<G>(settings: &RegistrySettings, loaded: &[(Place, Arc<LivePlugin<G>>)], report: &mut CheckReport) {
    let offer = |(place, plugin): &(Place, Arc<LivePlugin<G>>)| Offer {
        tenant: place.tenant,
        new: Some(plugin.clone()),
        live: None,
        leaving: false,
    };
    let offers: Vec<_> = loaded.iter().map(offer).collect();
    let resolved = resolve(&settings.tenants, &offers);
    for (((place, plugin), live), refusals) in loaded.iter().zip(&resolved.live).zip(resolved.refusals) {
        refusals.into_iter().for_each(|reason| report.fault(place, reason));
        if live.is_some() && misplaced(&settings.tenants, place.tenant, plugin).is_empty() {
            report.good.push(format!("{}/{}", plugin.owner.tenant, plugin.name()));
        }
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
