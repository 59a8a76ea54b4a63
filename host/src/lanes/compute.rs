//! The compute lane: a fixed pool of threads that share out slices.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::runtime::Handle;

use super::{
    TenantId, clock,
    fair::Fair,
    job::{Job, Next},
    task::{Task, Verdict},
    ticker::TICK,
};

/// How long work runs, in ticks, before others are considered.
pub(super) const SLICE_TICKS: u64 = 5;

/// The same as a time.
pub(super) const SLICE: Duration = Duration::from_millis(TICK.as_millis() as u64 * SLICE_TICKS);

/// The pool's line, shared with its threads and with the jobs' wakers.
pub(super) struct Pool {
    queue: Mutex<Queue>,
    work: Condvar,
    closing: AtomicBool,
    /// Jobs being polled.
    busy: AtomicUsize,
}

/// What waits for a thread.
pub(super) struct Queue {
    /// Work to go on with.
    pub(super) fair: Fair<Arc<Job>>,
    /// Work to be dropped: before anything else, since it only holds memory now.
    pub(super) cancelled: VecDeque<Arc<Job>>,
    /// Whether the threads are gone or going.
    pub(super) closed: bool,
}

impl Pool {
    pub(super) fn new() -> Arc<Self> {
        let estimate = u64::try_from(SLICE.as_nanos()).unwrap_or(u64::MAX);
        let queue = Queue { fair: Fair::new(estimate), cancelled: VecDeque::new(), closed: false };
        Arc::new(Self {
            queue: Mutex::new(queue),
            work: Condvar::new(),
            closing: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
        })
    }

    /// Jobs that wait for a thread.
    pub(super) fn runnable(&self) -> usize {
        self.queue().fair.len()
    }

    /// Jobs that threads are polling.
    pub(super) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// Whether running work is asked to end because the host does.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// A tenant's share of the threads' time.
    pub(super) fn set_weight(&self, tenant: TenantId, weight: u32) {
        self.queue().fair.set_weight(tenant, weight);
    }

    /// A tick has passed while `task` ran.
    pub(super) fn interrupted(&self, task: &Task, now: u64) -> Verdict {
        task.news.tell();
        if now.saturating_sub(task.slice.load(Ordering::Relaxed)) < SLICE_TICKS {
            return Verdict::Continue;
        }
        let mut queue = self.queue();
        if queue.fair.is_empty() && queue.cancelled.is_empty() {
            queue.fair.renew(task.who(), task.bill());
            task.slice.store(now, Ordering::Relaxed);
            return Verdict::Continue;
        }
        drop(queue);
        // Wakes itself: its thread puts it back in the line.
        Verdict::Yield(Box::pin(tokio::task::yield_now()))
    }

    /// Tells a thread that there is something to do.
    pub(super) fn notify(&self) {
        self.work.notify_one();
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does next; `None` when the pool is closed and nothing is left to drop.
    fn next(&self) -> Option<(Arc<Job>, Next)> {
        let mut queue = self.queue();
        loop {
            if let Some(job) = queue.cancelled.pop_front() {
                return Some((job, Next::Drop));
            }
            if let Some((_, job)) = queue.fair.pop() {
                job.left_line();
                return Some((job, Next::Poll));
            }
            if queue.closed {
                return None;
            }
            queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self) {
        while let Some((job, next)) = self.next() {
            self.busy.fetch_add(1, Ordering::Relaxed);
            job.run(next);
            self.busy.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The pool's threads. Dropping it ends all work in the lane and joins them.
pub(super) struct Threads {
    pool: Arc<Pool>,
    threads: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts `count` threads at `nice`; work is polled in the context of `runtime`.
    ///
    /// # Errors
    /// A thread could not be started.
    pub(super) fn start(pool: &Arc<Pool>, count: usize, nice: u8, runtime: &Handle) -> io::Result<Self> {
        let mut threads = Self { pool: Arc::clone(pool), threads: Vec::new() };
        for number in 0..count {
            let (pool, runtime) = (Arc::clone(pool), runtime.clone());
            let thread = thread::Builder::new().name(format!("compute-{number}")).spawn(move || {
                // A thread that may not be reniced computes all the same, only less politely.
                let _ = clock::renice(nice);
                let _context = runtime.enter();
                pool.run();
            })?;
            threads.threads.push(thread);
        }
        Ok(threads)
    }

    /// Ends all work in the lane and joins the threads. Running work ends at its next tick.
    pub(super) fn close(&mut self) {
        self.pool.closing.store(true, Ordering::Release);
        self.pool.queue().closed = true;
        self.pool.work.notify_all();
        for thread in self.threads.drain(..) {
            if thread.thread().id() != thread::current().id() {
                // Work's panics are caught; a thread that panicked all the same was reported by the panic hook.
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.close();
    }
}
