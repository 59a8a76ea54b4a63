//! Which schedules are due: each tick is made a job once, and what was missed comes to one.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    capability::jobs::ATTEMPTS,
    registry::{Digest, LivePlugin, Table},
    store::jobs::{Broken, Jobs, Plan},
};

/// The schedules of the plugins that are live.
pub(super) struct Schedules {
    jobs: Jobs,
    patience: Duration,
    /// By tenant and plugin.
    known: HashMap<(Arc<str>, String), Known>,
    clock_set: u64,
}

/// The schedules of one revision.
struct Known {
    digest: Digest,
    /// For each of the manifest's: the first tick that nothing was made of; none when the calendar ends before it.
    next: Vec<Option<i64>>,
}

impl Schedules {
    pub(super) fn new(jobs: Jobs, patience: Duration) -> Self {
        Self { jobs, patience, known: HashMap::new(), clock_set: 0 }
    }

    /// Makes jobs of the ticks that have come since the last look.
    ///
    /// # Errors
    /// A file that cannot be used; what is not seen to is seen to at the next look.
    pub(super) async fn look(&mut self, table: &Table) -> Result<(), Broken> {
        let live: Vec<_> = table.plugins().filter(|plugin| self.concerns(plugin)).map(Arc::clone).collect();
        if live.is_empty() {
            return Ok(());
        }
        let now = self.jobs.now().await?;
        let clock_set = self.jobs.clock_was_set();
        if std::mem::replace(&mut self.clock_set, clock_set) != clock_set {
            // What the file says of the last ticks has gone along.
            self.known.clear();
        }
        for plugin in live {
            self.of(&plugin, now).await?;
        }
        Ok(())
    }

    /// Whether a plugin has schedules, or had some.
    fn concerns(&self, plugin: &LivePlugin) -> bool {
        !plugin.manifest.schedules.is_empty() || self.known.contains_key(&key(plugin))
    }

    async fn of(&mut self, plugin: &LivePlugin, now: i64) -> Result<(), Broken> {
        let schedules = &plugin.manifest.schedules;
        let is_known = self.known.get(&key(plugin)).is_some_and(|known| known.digest == plugin.digest);
        if !is_known {
            let names = schedules.iter().map(ToString::to_string).collect();
            let last = self.jobs.schedules(&plugin.owner.tenant, plugin.name(), names).await?;
            let next = schedules.iter().zip(last).map(|(schedule, last)| schedule.cron.after(last)).collect();
            self.known.insert(key(plugin), Known { digest: plugin.digest, next });
        }
        if schedules.is_empty() {
            self.known.remove(&key(plugin));
            return Ok(());
        }
        for (index, schedule) in schedules.iter().enumerate() {
            let next = |known: &mut Known| known.next.get(index).copied().flatten();
            let due = self.known.get_mut(&key(plugin)).and_then(next).filter(|due| *due <= now);
            let Some(due) = due else { continue };
            // Of those that were missed, the last one stands for all.
            let tick = schedule.cron.until(now).map_or(due, |last| last.max(due));
            let plan = Plan {
                tenant: plugin.owner.tenant.to_string(),
                plugin: plugin.name().to_owned(),
                name: schedule.to_string(),
                path: schedule.path.clone(),
                patience: self.patience,
                attempts: ATTEMPTS,
            };
            self.jobs.tick(plan, tick).await?;
            if let Some(known) = self.known.get_mut(&key(plugin)) {
                known.next[index] = schedule.cron.after(tick);
            }
        }
        Ok(())
    }
}

fn key(plugin: &LivePlugin) -> (Arc<str>, String) {
    (Arc::clone(&plugin.owner.tenant), plugin.name().to_owned())
}
