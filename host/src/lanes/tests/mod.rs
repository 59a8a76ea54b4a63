//! Both lanes with made-up work: it burns CPU time, ticks the clock itself and asks what to do when interrupted.

mod compute;
mod io;
mod task;

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use super::{Lanes, PluginId, Running, Task, TenantId, Verdict, Who, clock::thread_cpu, ticker::Ticks};
use crate::config::Lane;

const PLENTY: Duration = Duration::from_secs(3600);

fn who(tenant: u32, plugin: u32) -> Who {
    Who { tenant: TenantId(tenant), plugin: PluginId(tenant * 100 + plugin) }
}

/// Lanes whose ticks are the test's.
struct Bench {
    lanes: Lanes,
    ticks: Arc<Ticks>,
    _runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn new(turns: usize, threads: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime starts");
        let ticks = Arc::new(Ticks::default());
        let lanes = Lanes::assemble(Arc::clone(&ticks), None, turns, threads, 0, runtime.handle());
        Self { lanes: lanes.expect("threads start"), ticks, _runtime: runtime }
    }

    /// Starts work that gets its own task and the ticks.
    fn start<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        who: Who,
        lane: Lane,
        work: impl FnOnce(Guest) -> F,
    ) -> Running<T> {
        let task = Task::new(who, lane, PLENTY);
        let guest = Guest { task: Arc::clone(&task), ticks: Arc::clone(&self.ticks) };
        self.lanes.run(task, work(guest))
    }
}

/// What made-up work has in hand.
#[derive(Clone)]
struct Guest {
    task: Arc<Task>,
    ticks: Arc<Ticks>,
}

/// Why work was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    CpuExhausted,
    Cancelled,
}

impl Guest {
    /// An epoch interruption; `true` when the work had to give way.
    async fn interrupted(&self) -> Result<bool, End> {
        match self.task.interrupted() {
            Verdict::Continue => Ok(false),
            Verdict::Yield(until) => {
                until.await;
                Ok(true)
            }
            Verdict::CpuExhausted => Err(End::CpuExhausted),
            Verdict::Cancelled => Err(End::Cancelled),
        }
    }

    /// So many ticks pass, and the last one interrupts.
    async fn tick(&self, ticks: u64) -> Result<bool, End> {
        for _ in 0..ticks {
            self.ticks.tick();
        }
        self.interrupted().await
    }
}

/// Uses CPU time.
fn burn(time: Duration) {
    let nanos = u64::try_from(time.as_nanos()).expect("a short time");
    let start = thread_cpu();
    while thread_cpu() - start < nanos {}
}

/// Burns CPU time when it is dropped, and counts the drop.
struct Teardown(Arc<AtomicUsize>, Duration);

impl Drop for Teardown {
    fn drop(&mut self) {
        burn(self.1);
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A waker that counts.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Wakes {
    /// Whether it fired since this was last asked.
    fn fired(&self) -> bool {
        self.0.swap(0, Ordering::SeqCst) > 0
    }
}

/// Polls once.
fn poll<T: Send + 'static>(work: &mut Running<T>, wakes: &Arc<Wakes>) -> Poll<Result<T, super::Panicked>> {
    Pin::new(work).poll(&mut Context::from_waker(&Waker::from(Arc::clone(wakes))))
}
