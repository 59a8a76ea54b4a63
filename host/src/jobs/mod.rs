//! The clock's side: takes jobs that are due and lets the one way in run them, each in its plugin's own lane.

mod attempt;
mod office;
mod pause;
mod schedules;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    task::{self, JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};

pub use self::office::{Ask, Office};
use self::{attempt::Attempt, schedules::Schedules};
use crate::{
    config::JobSettings,
    invoke::Invoker,
    registry::Current,
    store::jobs::{Broken, Claimed, Ended, Jobs, Lease, Room, State},
};

/// How often it is looked whether the clock, a plugin or the file has changed.
const LOOK: Duration = Duration::from_secs(1);

/// How long the last words about jobs may take at the end.
const LAST: Duration = Duration::from_secs(2);

/// What the runner works with.
pub struct Means {
    /// The way in.
    pub invoker: Invoker,
    /// Which plugins are live.
    pub current: Current,
    /// The jobs.
    pub jobs: Jobs,
    /// How they run.
    pub settings: JobSettings,
    /// Whether there are several tenants.
    pub shared: bool,
}

/// Runs jobs until it is told to stop. Dropping it stops it, and cuts short what runs.
pub struct Runner {
    jobs: Jobs,
    phase: watch::Sender<Phase>,
    idle: Arc<Notify>,
    work: JoinHandle<()>,
}

/// How far the runner's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Working,
    /// What runs is let end; nothing begins.
    Draining,
    /// What still runs is cut short.
    Ending,
}

impl Runner {
    /// Begins.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(means: Means) -> Self {
        let (phase, seen) = watch::channel(Phase::Working);
        let (jobs, idle) = (means.jobs.clone(), Arc::new(Notify::new()));
        let work = tokio::spawn(Crew::new(means).work(seen, Arc::clone(&idle)));
        Self { jobs, phase, idle, work }
    }

    /// From now on nothing is begun.
    pub fn stop(&self) {
        self.phase.send_if_modified(|phase| {
            *phase == Phase::Working && {
                *phase = Phase::Draining;
                true
            }
        });
    }

    /// Resolves when nothing runs any more, once it was told to stop. One waits at a time.
    pub async fn idle(&self) {
        self.idle.notified().await;
    }

    /// Cuts short what still runs, to be run again by whoever comes next, and lets go of the file.
    pub async fn end(&self) {
        self.phase.send_replace(Phase::Ending);
        // Whoever works holds the only receiver.
        if timeout_at(Instant::now() + 2 * LAST, self.phase.closed()).await.is_err() {
            tracing::warn!("jobs are cut off: they run again when a host opens them");
        }
        self.jobs.close().await;
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// A job that runs.
struct Underway {
    tenant: String,
    plugin: String,
    lease: Lease,
}

struct Crew {
    means: Means,
    attempts: JoinSet<()>,
    underway: HashMap<task::Id, Underway>,
    schedules: Schedules,
    /// Whose turn it was last.
    last: Option<String>,
    /// When the next job is due.
    next: Option<Instant>,
}

impl Crew {
    fn new(means: Means) -> Self {
        let schedules = Schedules::new(means.jobs.clone(), means.settings.deadline);
        Self { means, attempts: JoinSet::new(), underway: HashMap::new(), schedules, last: None, next: None }
    }

    async fn work(mut self, mut phase: watch::Receiver<Phase>, idle: Arc<Notify>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Those that an earlier host has left.
        let mut are_any = self.means.jobs.exist();
        loop {
            let mut is_look = false;
            tokio::select! {
                biased;
                changed = phase.changed() => { let _ = changed; break }
                Some(ended) = self.attempts.join_next_with_id(), if !self.attempts.is_empty() => self.ended(ended),
                _ = looks.tick() => is_look = true,
                () = self.means.jobs.news() => {}
                () = until(self.next) => {}
            }
            if is_look {
                let looked = self.schedules.look(&self.means.current.table()).await;
                drop(looked);
            }
            are_any |= self.means.jobs.are_used();
            if are_any && self.begin().await.is_err() {
                // The clerk has told the log; at the next look it is tried again.
                self.next = None;
            }
            if are_any && is_look {
                self.show().await;
            }
        }
        self.drain(phase).await;
        idle.notify_one();
    }

    /// Begins what is due, as far as there is room.
    async fn begin(&mut self) -> Result<(), Broken> {
        let room = self.room();
        let free = room.free;
        let claims = self.means.jobs.claim(room).await?;
        self.last = claims.last;
        self.next = claims.next.map(|next| Instant::now() + next);
        debug_assert!(claims.jobs.len() <= free as usize, "more than there is room for");
        claims.jobs.into_iter().for_each(|job| self.run(job));
        Ok(())
    }

    fn room(&self) -> Room {
        let running = u32::try_from(self.underway.len()).unwrap_or(u32::MAX);
        let (mut held, mut of_plugin) = (HashMap::<String, u32>::new(), HashMap::<(&str, &str), u32>::new());
        for Underway { tenant, plugin, .. } in self.underway.values() {
            *held.entry(tenant.clone()).or_default() += 1;
            *of_plugin.entry((tenant, plugin)).or_default() += 1;
        }
        let table = self.means.current.table();
        let plugins = table.plugins().map(|plugin| {
            let running = of_plugin.get(&(&*plugin.owner.tenant, plugin.name())).copied().unwrap_or(0);
            let free = plugin.manifest.job_limits.max_concurrent.saturating_sub(running);
            ((plugin.owner.tenant.to_string(), plugin.name().to_owned()), free)
        });
        Room {
            free: self.means.settings.concurrent.saturating_sub(running),
            plugins: plugins.collect(),
            held,
            shared: self.means.shared,
            after: self.last.clone(),
        }
    }

    fn run(&mut self, job: Claimed) {
        let underway = Underway { tenant: job.tenant.clone(), plugin: job.plugin.clone(), lease: job.lease };
        let table = self.means.current.table();
        let metrics = table.find_plugin(&job.tenant, &job.plugin).map(|plugin| Arc::clone(&plugin.metrics));
        let attempt = Attempt {
            invoker: self.means.invoker.clone(),
            jobs: self.means.jobs.clone(),
            backoff: self.means.settings.backoff,
            metrics,
        };
        let id = self.attempts.spawn(attempt.make(job)).id();
        self.underway.insert(id, underway);
    }

    fn ended(&mut self, ended: Result<(task::Id, ()), task::JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                // Panics in a guest's way are caught below; the lease ends with the process, and the job runs again.
                tracing::error!(%error, "host code panicked while running a job");
                error.id()
            }
        };
        self.underway.remove(&id);
    }

    /// Lets what runs end; what has not when it is told to end is cut short.
    async fn drain(&mut self, mut phase: watch::Receiver<Phase>) {
        let told = async {
            // A runner that is gone ends as well.
            let _ = phase.wait_for(|phase| *phase == Phase::Ending).await;
        };
        tokio::pin!(told);
        while !self.attempts.is_empty() {
            tokio::select! {
                biased;
                Some(ended) = self.attempts.join_next_with_id() => self.ended(ended),
                () = &mut told => break,
            }
        }
        self.attempts.abort_all();
        while self.attempts.join_next().await.is_some() {}
        let cut: Vec<_> = self.underway.drain().map(|(_, underway)| underway.lease).collect();
        if !cut.is_empty() {
            tracing::warn!(
                jobs = cut.len(),
                "jobs are cut short by the drain's deadline; they run again with the next host"
            );
        }
        let said = cut.into_iter().map(|lease| self.means.jobs.settle(lease, Ended::CutShort));
        let _ = timeout_at(Instant::now() + LAST, futures_util::future::join_all(said)).await;
    }

    /// Shows how many jobs of each plugin are at what.
    async fn show(&self) {
        let Ok(tallies) = self.means.jobs.tallies().await else { return };
        let mut counts: BTreeMap<(String, String), HashMap<State, u64>> = BTreeMap::new();
        for tally in tallies {
            counts.entry((tally.tenant, tally.plugin)).or_default().insert(tally.state, tally.jobs);
        }
        let table = self.means.current.table();
        for ((tenant, plugin), of_state) in counts {
            let Some(plugin) = table.find_plugin(&tenant, &plugin) else { continue };
            for state in State::ALL {
                plugin.metrics.jobs(state.name(), of_state.get(&state).copied().unwrap_or(0));
            }
        }
    }
}

/// Resolves at this time, or never.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
