//! The builds: what is due, one at a time.

use std::time::{Duration, SystemTime};

use futures_util::{FutureExt, future::BoxFuture};

use super::{Pass, Reconciler};
use crate::registry::{
    build::{BUILD_TIMEOUT, build},
    loader::Loader,
    revision::manifest_now,
    scan::Place,
    sources::Sources,
};

/// The build under way, with what its sources are once it has ended.
pub(super) struct Building {
    pub(super) place: Place,
    pub(super) outcome: BoxFuture<'static, (Result<(), String>, Sources)>,
}

impl<L: Loader> Reconciler<L> {
    /// Finds sources that changed, and starts the next build when none runs.
    pub(super) async fn look_at_sources(&mut self, pass: &mut Pass) {
        let places: Vec<_> = self.folders.keys().cloned().collect();
        let mut next = None;
        for place in places {
            let Some(sources) = self.due_from(&place).await else { continue };
            // A save of several files is built once.
            let age = sources.age(SystemTime::now());
            match age.map_or(Duration::ZERO, |age| self.settings.quiet.saturating_sub(age)) {
                Duration::ZERO => next = next.or(Some((place, sources))),
                left => pass.again_in(left),
            }
        }
        if let (Some((place, sources)), None) = (next, &self.building) {
            self.start_build(place, sources);
        }
    }

    /// The sources of a plugin that is to be built.
    async fn due_from(&mut self, place: &Place) -> Option<Sources> {
        let wanted = self.folders.get_mut(place)?;
        let (loader, folder, known) = (self.loader.clone(), place.folder.clone(), wanted.build.known());
        let survey = move || {
            let manifest = manifest_now(&folder, &|file, text| loader.read(file, text))?;
            let watch = manifest.build.as_ref().map(|build| &*build.watch).unwrap_or_default();
            let sources = Sources::survey(&folder, watch, &known);
            Some((manifest, sources))
        };
        let Some((manifest, sources)) = tokio::task::spawn_blocking(survey).await.ok()? else {
            // A manifest at fault names no build; reading it says why.
            wanted.build.look(None, &Sources::default());
            return None;
        };
        wanted.build.look(manifest.build.as_ref(), &sources);
        wanted.name = Some(manifest.name);
        wanted.build.due().map(|_| sources)
    }

    fn start_build(&mut self, place: Place, sources: Sources) {
        let Some(wanted) = self.folders.get_mut(&place) else { return };
        let Some(recipe) = wanted.build.due().cloned() else { return };
        wanted.build.started(recipe.clone(), sources.clone());
        let (folder, name) = (place.folder.clone(), wanted.name.clone().unwrap_or_default());
        let outcome = async move {
            tracing::info!(plugin = name, command = recipe.command, "building");
            let mut say = |line: &str| tracing::info!(target: "wasmbay::build", plugin = name, "{line}");
            let outcome = build(&folder, &recipe.command, BUILD_TIMEOUT, &mut say).await;
            let survey = move || Sources::survey(&folder, &recipe.watch, &sources);
            (outcome.map_err(|fault| fault.to_string()), tokio::task::spawn_blocking(survey).await.unwrap_or_default())
        };
        self.building = Some(Building { place, outcome: outcome.boxed() });
    }

    pub(super) fn built(&mut self, outcome: Result<(), String>, sources: Sources) {
        let Some(building) = self.building.take() else { return };
        let Some(wanted) = self.folders.get_mut(&building.place) else { return };
        if let Err(why) = &outcome {
            tracing::error!(plugin = wanted.name, "{why}");
        }
        wanted.build.finished(outcome, sources);
    }
}
