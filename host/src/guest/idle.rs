//! Instances that wait for their next request: kept for a while, and the first to go when somebody needs a slot.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio::{task::yield_now, time};

use super::instance::Instance;

/// How long an idle instance is kept for the next request.
pub(super) const KEEP_IDLE: Duration = Duration::from_secs(60);

/// How often those kept for too long are looked for: a slot is held for so much longer at most.
const LOOK: Duration = Duration::from_secs(10);

/// Whoever keeps instances that wait.
pub(super) trait Keeper: Send + Sync {
    /// Since when the one idle for longest has waited.
    fn idle_since(&self) -> Option<Instant>;

    /// Lets go of that one; says whether its slot is free now.
    fn evict(&self) -> BoxFuture<'_, bool>;

    /// Takes out what has been idle for longer than `keep`, for the caller to drop.
    fn stale(&self, keep: Duration) -> Vec<Instance>;
}

/// All keepers of one lane.
#[derive(Default)]
pub(super) struct Idles(Mutex<Vec<Weak<dyn Keeper>>>);

impl Idles {
    /// Those of a lane, looked after for as long as they live.
    pub(super) fn reaped() -> Arc<Self> {
        let idles = Arc::<Self>::default();
        tokio::spawn(reap(Arc::downgrade(&idles), LOOK, KEEP_IDLE));
        idles
    }

    /// Counts on a keeper from now on.
    pub(super) fn watch<K: Keeper + 'static>(&self, keeper: &Arc<K>) {
        let mut keepers = lock(&self.0);
        keepers.retain(|known| known.strong_count() > 0);
        keepers.push(Arc::<K>::downgrade(keeper) as Weak<dyn Keeper>);
    }

    /// Lets go of the instance of this lane that has been idle for longest; `false` when there is none.
    pub(super) async fn evict(&self) -> bool {
        while let Some((_, keeper)) = self
            .keepers()
            .into_iter()
            .filter_map(|keeper| Some((keeper.idle_since()?, keeper)))
            .min_by_key(|(since, _)| *since)
        {
            // A request may have been faster: then another one goes.
            if keeper.evict().await {
                return true;
            }
        }
        false
    }

    fn keepers(&self) -> Vec<Arc<dyn Keeper>> {
        lock(&self.0).iter().filter_map(Weak::upgrade).collect()
    }
}

/// Drops what has been idle for too long, one look every `tick`, until the lane is gone.
pub(super) async fn reap(idles: Weak<Idles>, tick: Duration, keep: Duration) {
    loop {
        time::sleep(tick).await;
        let Some(idles) = idles.upgrade() else { return };
        for keeper in idles.keepers() {
            for instance in keeper.stale(keep) {
                // Dropping a store is work: others have their turn between two.
                drop(instance);
                yield_now().await;
            }
        }
    }
}

/// Instances of one plugin that wait for their next request, the longest idle first.
pub(super) struct Idle {
    waiting: Mutex<VecDeque<Instance>>,
    /// As many stay, however long they have waited.
    warm: usize,
}

impl Idle {
    pub(super) fn new(warm: u32) -> Self {
        Self { waiting: Mutex::default(), warm: warm as usize }
    }

    /// The instance used last, since its memory is still warm; none that has been idle for too long.
    pub(super) fn take(&self) -> Option<Instance> {
        let newest = lock(&self.waiting).pop_back()?;
        (self.warm > 0 || newest.idle_since.elapsed() <= KEEP_IDLE).then_some(newest)
    }

    /// Keeps an instance.
    pub(super) fn put(&self, instance: Instance) {
        lock(&self.waiting).push_back(instance);
    }

    /// Whether fewer wait than are to be kept ready.
    pub(super) fn lacks(&self) -> bool {
        self.warm > 0 && self.count() < self.warm
    }

    /// Instances that wait.
    pub(super) fn count(&self) -> usize {
        lock(&self.waiting).len()
    }
}

impl Keeper for Idle {
    fn idle_since(&self) -> Option<Instant> {
        lock(&self.waiting).front().map(|oldest| oldest.idle_since)
    }

    fn evict(&self) -> BoxFuture<'_, bool> {
        // The lock is not held while the store is dropped.
        let oldest = lock(&self.waiting).pop_front();
        Box::pin(async move { oldest.is_some() })
    }

    fn stale(&self, keep: Duration) -> Vec<Instance> {
        let mut idle = lock(&self.waiting);
        let stale = idle.partition_point(|instance| instance.idle_since.elapsed() > keep);
        let spare = idle.len().saturating_sub(self.warm);
        idle.drain(..stale.min(spare)).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
