//! Which threads run what: the io lane on the runtime's threads, the compute lane on a pool of its own.
//!
//! This module knows tasks and tenants, neither wasm nor HTTP. [`Gates`] says when a request may begin, [`Lanes`]
//! runs its work as a [`Task`], and one structure (`fair`) decides, in both lanes, who is next.

pub mod admission;
mod clock;
mod compute;
mod cores;
mod fair;
mod give_way;
mod io;
mod job;
mod news;
mod panic;
mod task;
#[cfg(test)]
mod tests;
mod ticker;
mod turns;

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::runtime::Handle;

pub use self::{
    admission::Gates,
    panic::Panicked,
    task::{Task, Verdict},
    ticker::{OnTick, TICK},
};
use self::{
    compute::{Pool, Threads},
    io::InPlace,
    job::Remote,
    ticker::{Ticker, Ticks},
    turns::Turns,
};
use crate::config::Lane;

/// A tenant, for fair share and permits. Given out once per name and kept across revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub u32);

/// A plugin, unique over all tenants. Given out once per tenant and name and kept across revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginId(pub u32);

/// Whose work it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Who {
    /// The plugin's owner.
    pub tenant: TenantId,
    /// The plugin.
    pub plugin: PluginId,
}

/// What a host's lanes are made from.
#[derive(Clone, Debug)]
pub struct LaneSettings {
    /// Compute threads, at least 1; `None` is the cores, or one less than the CPU quota when there is one.
    pub compute_threads: Option<usize>,
    /// The compute threads' scheduling priority below the runtime's, 0 to 19.
    pub compute_nice: u8,
}

/// What is going on in the lanes at one moment, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Io work that holds a turn: it ran into its second tick without waiting.
    pub turns_out: usize,
    /// Io work that waits for a turn.
    pub turns_waiting: usize,
    /// Compute work on a thread.
    pub compute_running: usize,
    /// Compute work that waits for a thread.
    pub compute_runnable: usize,
}

/// The lanes of one host. Clones share them; the last one to be dropped closes them.
#[derive(Clone)]
pub struct Lanes {
    inner: Arc<Inner>,
}

struct Inner {
    home: Arc<Home>,
    compute_threads: usize,
    threads: Mutex<Threads>,
    /// After `threads`: running work is interrupted by ticks until the threads are joined. `None` in tests that tick.
    _ticker: Option<Ticker>,
}

/// What tasks share with the lanes they run in.
struct Home {
    ticks: Arc<Ticks>,
    turns: Arc<Turns>,
    pool: Arc<Pool>,
}

impl Home {
    fn is_closing(&self) -> bool {
        self.pool.is_closing()
    }
}

/// Makes a runtime's threads tell when they wait for something to do, which makes it cheap to meter io work. To be called for
/// the runtime that polls it; where it was not, metering costs more and is as exact.
pub fn tell_waits(runtime: &mut tokio::runtime::Builder) -> &mut tokio::runtime::Builder {
    runtime.on_thread_park(clock::thread_waits)
}

impl Lanes {
    /// Starts the ticker and the compute threads. Work of both lanes is polled in the context of `runtime`.
    ///
    /// # Errors
    /// A thread could not be started.
    pub fn new(settings: &LaneSettings, runtime: &Handle) -> std::io::Result<Self> {
        let cores = cores::cores();
        let ticks = Arc::new(Ticks::default());
        let ticker = Ticker::start(Arc::clone(&ticks))?;
        let threads = settings.compute_threads.unwrap_or_else(|| cores::pool_size(cores, cores::quota()));
        Self::assemble(ticks, Some(ticker), cores.div_ceil(2), threads.max(1), settings.compute_nice, runtime)
    }

    fn assemble(
        ticks: Arc<Ticks>,
        ticker: Option<Ticker>,
        turns: usize,
        compute_threads: usize,
        nice: u8,
        runtime: &Handle,
    ) -> std::io::Result<Self> {
        let turns = Turns::new(turns, Arc::clone(&ticks));
        let held = Arc::downgrade(&turns);
        ticks.listen(Box::new(move || {
            held.upgrade().is_some_and(|turns| {
                turns.tick();
                true
            })
        }));
        let home = Arc::new(Home { ticks, turns, pool: Pool::new() });
        let threads = Mutex::new(Threads::start(&home.pool, compute_threads, nice, runtime)?);
        Ok(Self { inner: Arc::new(Inner { home, compute_threads, threads, _ticker: ticker }) })
    }

    /// Runs `future` as `task` in its lane.
    ///
    /// Io work runs when the handle is polled, on the polling thread: poll it from a task of the runtime's own, not
    /// inside other work, and whenever it was woken, not only when its output is wanted. Compute work starts at once, on a pool thread, whether the handle is polled or not.
    ///
    /// # Panics
    /// If the task was run before.
    pub fn run<T: Send + 'static>(
        &self,
        task: Arc<Task>,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Running<T> {
        // On the heap before anything else: whoever is handed a future by value moves all of it.
        let future = Box::pin(future);
        let home = &self.inner.home;
        task.settle_in(home);
        let lane = task.lane();
        Running(match lane {
            Lane::Io => Place::Io(InPlace::new(Arc::clone(home), task, future)),
            Lane::Compute => Place::Compute(Remote::start(&home.pool, task, future)),
        })
    }

    /// Calls `listener` at each tick, on the ticker's thread, until it answers `false`. It must not block.
    pub fn on_tick(&self, listener: OnTick) {
        self.inner.home.ticks.listen(listener);
    }

    /// A tenant's share of CPU time beside other tenants, in both lanes; 1 is everyone's to begin with.
    pub fn set_weight(&self, tenant: TenantId, weight: u32) {
        self.inner.home.turns.set_weight(tenant, weight);
        self.inner.home.pool.set_weight(tenant, weight);
    }

    /// The number of compute threads.
    pub fn compute_threads(&self) -> usize {
        self.inner.compute_threads
    }

    /// What is going on, for metrics.
    pub fn load(&self) -> Load {
        let home = &self.inner.home;
        Load {
            turns_out: home.turns.out(),
            turns_waiting: home.turns.waiting(),
            compute_running: home.pool.busy(),
            compute_runnable: home.pool.runnable(),
        }
    }

    /// Ends all work of the compute lane and joins its threads; running work of both lanes is told
    /// [`Verdict::Cancelled`] at its next tick. Blocks for that long, so it is not for a runtime's thread.
    pub fn close(&self) {
        self.inner.threads.lock().unwrap_or_else(PoisonError::into_inner).close();
    }
}

/// Work under way: a future of its result. Dropping it cancels the work.
///
/// Io work is dropped at once, on the dropping thread. Compute work that waits is dropped on a pool thread soon
/// after; work that runs is told [`Verdict::Cancelled`] at its next tick, and is dropped when its poll ends.
#[must_use = "dropping it cancels the work"]
pub struct Running<T>(Place<T>);

enum Place<T> {
    Io(InPlace<T>),
    Compute(Remote<T>),
}

impl<T> Running<T> {
    /// Looks at something else that the work makes, a channel that it sends to. Who polls both this and the work is woken when
    /// either has come; of what compute work makes within a tick, once.
    pub fn look<R>(&self, cx: &mut Context<'_>, look: impl FnOnce(&mut Context<'_>) -> R) -> R {
        match &self.0 {
            Place::Io(_) => look(cx),
            Place::Compute(work) => work.look(cx, look),
        }
    }
}

impl<T: Send + 'static> Future for Running<T> {
    type Output = Result<T, Panicked>;

    /// # Panics
    /// When polled after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            Place::Io(work) => work.poll(cx),
            Place::Compute(work) => work.poll(cx),
        }
    }
}
