//! What one folder wants to serve, what it serves, and what is in between.

use std::{sync::Arc, time::Instant};

use super::{
    build_plan::BuildPlan,
    live::LivePlugin,
    loader::Loader,
    revision::{Rest, Stamps},
    scan::Place,
    status::{LiveStatus, PluginStatus, State},
    tenants::TenantSpec,
};
use crate::config::{Methods, Route};

/// One folder that holds a plugin, or did a moment ago.
pub(super) struct Wanted<G> {
    /// The manifest's name, once one could be read.
    pub(super) name: Option<String>,
    /// The state that `new` or `faults` came from.
    pub(super) stamps: Option<Stamps>,
    pub(super) rest: Rest,
    /// The newest state, if it could be loaded.
    pub(super) new: Option<Arc<LivePlugin<G>>>,
    /// What is in the table.
    pub(super) live: Option<Arc<LivePlugin<G>>>,
    /// Why the newest state could not be loaded.
    pub(super) faults: Vec<String>,
    /// Why the newest state, though loaded, is not in the table.
    pub(super) refusals: Vec<String>,
    /// What the operator's caps lowered.
    pub(super) notes: Vec<String>,
    /// Since when there is no manifest.
    pub(super) missing: Option<Instant>,
    /// Since when the files do not come to rest.
    pub(super) unsettled: Option<Instant>,
    /// Builds the component, when the host builds and the manifest says how.
    pub(super) build: BuildPlan,
}

impl<G> Default for Wanted<G> {
    fn default() -> Self {
        Self {
            name: None,
            stamps: None,
            rest: Rest::default(),
            new: None,
            live: None,
            faults: Vec::new(),
            refusals: Vec::new(),
            notes: Vec::new(),
            missing: None,
            unsettled: None,
            build: BuildPlan::default(),
        }
    }
}

impl<G> Wanted<G> {
    /// Notes which state of the files was read.
    pub(super) fn settled(&mut self, stamps: Stamps) {
        (self.stamps, self.unsettled) = (Some(stamps), None);
    }

    /// Whether it is decided what becomes of the folder's first state.
    pub(super) fn decided(&self) -> bool {
        (self.stamps.is_some() || !self.faults.is_empty()) && !self.build.pending()
    }

    /// Every reason why the newest state does not serve.
    pub(super) fn reasons(&self) -> impl Iterator<Item = &String> {
        self.build.failure().into_iter().chain(&self.faults).chain(&self.refusals)
    }

    fn state(&self) -> State {
        let same = matches!((&self.new, &self.live), (Some(new), Some(live)) if Arc::ptr_eq(new, live));
        match (self.reasons().next().is_some(), same) {
            _ if self.missing.is_some() => State::Leaving,
            _ if self.build.pending() => State::Building,
            (false, true) => State::Live,
            (true, _) if self.live.is_some() => State::Outdated,
            (true, _) => State::Refused,
            (false, false) => State::Waiting,
        }
    }

    pub(super) fn status<L: Loader<Guest = G>>(&self, place: &Place, tenants: &[TenantSpec]) -> PluginStatus {
        let folder_name = || place.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        PluginStatus {
            tenant: tenants[place.tenant].name.to_string(),
            name: self.name.clone().unwrap_or_else(folder_name),
            folder: place.folder.display().to_string(),
            state: self.state(),
            live: self.live.as_deref().map(live_status::<L>),
            faults: self.reasons().cloned().collect(),
            notes: self.notes.clone(),
        }
    }
}

fn live_status<L: Loader>(plugin: &LivePlugin<L::Guest>) -> LiveStatus {
    LiveStatus {
        version: plugin.manifest.version.clone(),
        digest: plugin.digest.to_string(),
        lane: plugin.manifest.lane.name().to_owned(),
        kind: L::kind(&plugin.guest).to_owned(),
        routes: plugin.manifest.routes.iter().map(route_in_words).collect(),
        schedules: plugin.manifest.schedules.iter().map(ToString::to_string).collect(),
    }
}

fn route_in_words(route: &Route) -> String {
    let methods = match &route.methods {
        Methods::All => "*".to_owned(),
        Methods::Only(only) => only.iter().map(http::Method::as_str).collect::<Vec<_>>().join(","),
    };
    format!("{methods} {}{}", route.host.as_deref().unwrap_or_default(), route.path)
}
