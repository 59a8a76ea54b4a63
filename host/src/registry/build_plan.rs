//! When a plugin is to be built again. Pure: what the sources are is handed in.

use std::{collections::BTreeSet, path::PathBuf};

use super::sources::Sources;
use crate::config::Build;

/// The builds of one plugin.
#[derive(Debug, Default)]
pub(super) struct BuildPlan {
    /// How to build; `None` for a plugin that is not built.
    build: Option<Build>,
    /// What the last build was made from.
    built: Option<(Build, Sources)>,
    /// The sources when the running build began.
    running: Option<(Build, Sources)>,
    /// What changed while the last build ran.
    meddled: BTreeSet<PathBuf>,
    /// Whether there are changes that are not built yet.
    stale: bool,
    failure: Option<String>,
}

impl BuildPlan {
    /// Takes in what the manifest says and what the sources are now.
    pub(super) fn look(&mut self, build: Option<&Build>, now: &Sources) {
        self.build = build.cloned();
        let up_to_date = |(built, sources): &(Build, Sources)| Some(built) == build && sources.same(now);
        self.stale = build.is_some() && !self.built.as_ref().is_some_and(up_to_date);
    }

    /// The build that is to start, if one is.
    pub(super) fn due(&self) -> Option<&Build> {
        if self.stale && self.running.is_none() { self.build.as_ref() } else { None }
    }

    /// Whether a build runs or is to start: the component may be half-written.
    pub(super) fn pending(&self) -> bool {
        self.stale || self.running.is_some()
    }

    /// Why the last build failed.
    pub(super) fn failure(&self) -> Option<&String> {
        self.build.as_ref().and(self.failure.as_ref())
    }

    /// The sources known last, so that only changed files are read again.
    pub(super) fn known(&self) -> Sources {
        self.built.as_ref().map(|(_, sources)| sources.clone()).unwrap_or_default()
    }

    pub(super) fn started(&mut self, build: Build, now: Sources) {
        self.running = Some((build, now));
        self.stale = false;
    }

    /// A build ended, with the sources as they are now.
    ///
    /// What changed while it ran is built once more. A file that changes during each of two builds in a row is
    /// written by the build itself: it starts none, or builds would never end.
    pub(super) fn finished(&mut self, outcome: Result<(), String>, now: Sources) {
        let Some((build, before)) = self.running.take() else { return };
        self.failure = outcome.err();
        let changed = before.changed(&now);
        self.stale = !changed.is_subset(&self.meddled);
        if !changed.is_empty() && !self.stale {
            tracing::warn!(files = ?changed, "the build writes into its own sources; these start no build");
        }
        self.built = Some((build, if self.stale { before } else { now }));
        self.meddled = changed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(command: &str) -> Build {
        Build { command: command.to_owned(), watch: vec![PathBuf::from("src")] }
    }

    fn sources(text: &str) -> Sources {
        Sources::of_texts(&text.split_whitespace().collect::<Vec<_>>())
    }

    fn run(plan: &mut BuildPlan, before: &str, after: &str) {
        plan.look(Some(&build("make")), &sources(before));
        assert!(plan.due().is_some(), "a build must be due at {before}");
        plan.started(build("make"), sources(before));
        assert!(plan.due().is_none() && plan.pending());
        plan.finished(Ok(()), sources(after));
    }

    fn due(plan: &mut BuildPlan, now: &str) -> bool {
        plan.look(Some(&build("make")), &sources(now));
        plan.due().is_some()
    }

    #[test]
    fn it_builds_at_start_and_when_sources_or_the_command_change() {
        let mut plan = BuildPlan::default();
        run(&mut plan, "a=1", "a=1");
        assert!(!due(&mut plan, "a=1"));
        assert!(due(&mut plan, "a=2"));
        assert!(due(&mut plan, "a=1 b=1"));
        assert!(due(&mut plan, ""));
        plan.look(Some(&build("cargo build")), &sources("a=1"));
        assert!(plan.due().is_some());
        plan.look(None, &sources("a=1"));
        assert!(plan.due().is_none() && !plan.pending());
    }

    #[test]
    fn a_change_during_a_build_queues_one_more() {
        let mut plan = BuildPlan::default();
        run(&mut plan, "a=1", "a=2");
        run(&mut plan, "a=2", "a=2");
        assert!(!due(&mut plan, "a=2"));
    }

    #[test]
    fn a_build_that_writes_its_own_sources_ends() {
        let mut plan = BuildPlan::default();
        run(&mut plan, "a=1", "a=1 gen=1");
        run(&mut plan, "a=1 gen=1", "a=1 gen=2");
        assert!(!due(&mut plan, "a=1 gen=2"));
        // A person's change still counts, also when it comes during a build.
        run(&mut plan, "a=2 gen=2", "a=3 gen=3");
        run(&mut plan, "a=3 gen=3", "a=3 gen=4");
        assert!(!due(&mut plan, "a=3 gen=4"));
    }

    #[test]
    fn a_failure_is_kept_until_a_build_succeeds() {
        let mut plan = BuildPlan::default();
        plan.look(Some(&build("make")), &sources("a=1"));
        plan.started(build("make"), sources("a=1"));
        plan.finished(Err("no".to_owned()), sources("a=1"));
        assert_eq!(plan.failure().map(String::as_str), Some("no"));
        assert!(!due(&mut plan, "a=1"), "what failed is not tried again unchanged");
        // The manifest cannot be read for a moment.
        plan.look(None, &sources(""));
        assert!(plan.failure().is_none() && !due(&mut plan, "a=1"));
        assert_eq!(plan.failure().map(String::as_str), Some("no"));
        run(&mut plan, "a=2", "a=2");
        assert_eq!(plan.failure(), None);
    }
}
