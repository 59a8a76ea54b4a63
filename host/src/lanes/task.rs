//! One piece of work: whose it is, the CPU time it has used and may use, and what it has to do when interrupted.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{AcqRel, Relaxed},
        },
    },
    task::{Context, Wake},
    time::Duration,
};

use futures_util::task::AtomicWaker;

use super::{Home, Lane, Who, clock, give_way::Turn, news::News, ticker::Busy};

/// What a running task has to do at an interruption. See [`Task::interrupted`].
pub enum Verdict {
    /// Nothing: run on until the next tick.
    Continue,
    /// Wait for this future, then run on until the next tick.
    Yield(Pin<Box<dyn Future<Output = ()> + Send + Sync>>),
    /// End: the task is past its CPU budget.
    CpuExhausted,
    /// End: nobody waits for the result any more.
    Cancelled,
}

/// One piece of work in a lane: whose it is, the CPU time it has used and may use.
///
/// One task is made for each request and given to [`Lanes::run`](super::Lanes::run) once.
pub struct Task {
    who: Who,
    lane: Lane,
    /// Nanoseconds of CPU time it may use.
    budget: AtomicU64,
    cancelled: AtomicBool,
    meter: Meter,
    /// Nanoseconds of `meter` that the fair structure has heard of.
    billed: AtomicU64,
    /// The tick count when the current poll began or was last interrupted.
    seen: AtomicU64,
    /// Compute: the tick count when the slice began.
    pub(super) slice: AtomicU64,
    /// Compute: what is to be told of it.
    pub(super) news: News,
    /// Io: what is remembered between polls.
    pub(super) run: Run,
    home: OnceLock<Arc<Home>>,
}

/// A busy run of io work: from a poll that begins after a wait to the next wait.
#[derive(Default)]
pub(super) struct Run {
    /// Whether the run has seen a tick.
    pub(super) ticked: AtomicBool,
    /// Whether a [`Verdict::Yield`] is not over: the work is pending because of us, it does not wait.
    pub(super) yielding: AtomicBool,
    /// Whether `turn` holds one; lets the ordinary poll pass without a lock.
    pub(super) has_turn: AtomicBool,
    turn: Mutex<Option<Turn>>,
    pub(super) rouse: Rouse,
}

/// Whether io work has anything to do: it is not entered when its handle is polled for somebody else's sake.
pub(super) struct Rouse {
    due: AtomicBool,
    /// Whoever polled the handle last.
    poller: AtomicWaker,
}

impl Default for Rouse {
    /// Work begins when its handle is first polled.
    fn default() -> Self {
        Self { due: AtomicBool::new(true), poller: AtomicWaker::new() }
    }
}

impl Rouse {
    /// Whether the work was woken since this was last asked. If not, `cx` is woken when it is.
    pub(super) fn is_due(&self, cx: &Context<'_>) -> bool {
        // The waker goes in first: who wakes the work after the look finds it.
        self.poller.register(cx.waker());
        self.due.swap(false, AcqRel)
    }

    /// Something that the work waits for has come.
    fn come(&self) {
        // Who finds it due already came after somebody who wakes the poller.
        if !self.due.swap(true, AcqRel) {
            self.poller.wake();
        }
    }

    /// The work is over: nobody is woken for it any more.
    pub(super) fn rest(&self) {
        self.poller.take();
    }
}

/// Wakes whoever polled the work's handle last. Io work is entered when it is polled next; compute work, which wakes by itself, has
/// news.
impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match self.lane {
            Lane::Io => self.run.rouse.come(),
            Lane::Compute => self.news.come(),
        }
    }
}

impl Run {
    pub(super) fn turn(&self) -> MutexGuard<'_, Option<Turn>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task {
    /// A task that has not run yet. `budget` is the CPU time it may use.
    pub fn new(who: Who, lane: Lane, budget: Duration) -> Arc<Self> {
        Arc::new(Self {
            who,
            lane,
            budget: AtomicU64::new(nanos(budget)),
            cancelled: AtomicBool::new(false),
            meter: Meter::default(),
            billed: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            slice: AtomicU64::new(0),
            news: News::default(),
            run: Run::default(),
            home: OnceLock::new(),
        })
    }

    /// Whose work it is.
    pub fn who(&self) -> Who {
        self.who
    }

    /// The lane it runs in.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// CPU time used so far, by the threads' own clocks. Called by the work itself, the current poll is included;
    /// called from another thread, it is what was known when the last poll ended.
    pub fn cpu(&self) -> Duration {
        Duration::from_nanos(self.meter.read())
    }

    /// The CPU time it may use in all.
    pub fn budget(&self) -> Duration {
        Duration::from_nanos(self.budget.load(Relaxed))
    }

    /// What is left of the budget; zero when it is past it.
    pub fn left(&self) -> Duration {
        self.budget().saturating_sub(self.cpu())
    }

    /// Sets the CPU time it may use in all, what it has used included. Heard at the next tick.
    pub fn rebudget(&self, budget: Duration) {
        self.budget.store(nanos(budget), Relaxed);
    }

    /// A task of its own for work that goes on after this one: it may use what is left of this one's budget.
    #[must_use]
    pub fn split(&self) -> Arc<Self> {
        Self::new(self.who, self.lane, self.left())
    }

    /// Asks the work to end: its next interruption says [`Verdict::Cancelled`]. Dropping what
    /// [`Lanes::run`](super::Lanes::run) returned does this and more.
    pub fn cancel(&self) {
        self.cancelled.store(true, std::sync::atomic::Ordering::SeqCst);
    }

    /// Whether it was asked to end.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// To be called by running work, on its own thread, at each epoch interruption.
    ///
    /// A deadline that passed while the work waited interrupts it as soon as it runs again: without a tick since the
    /// poll began, the answer is [`Verdict::Continue`].
    pub fn interrupted(self: &Arc<Self>) -> Verdict {
        let Some(home) = self.home.get() else { return Verdict::Continue };
        if self.is_cancelled() || home.is_closing() {
            return Verdict::Cancelled;
        }
        let now = home.ticks.count();
        if self.seen.swap(now, Relaxed) == now {
            return Verdict::Continue;
        }
        if self.meter.read() >= self.budget.load(Relaxed) {
            return Verdict::CpuExhausted;
        }
        match self.lane {
            Lane::Io => home.turns.interrupted(self),
            Lane::Compute => home.pool.interrupted(self, now),
        }
    }

    /// Makes the task one of `home`'s.
    ///
    /// # Panics
    /// If it was run before.
    pub(super) fn settle_in(&self, home: &Arc<Home>) {
        assert!(self.home.set(Arc::clone(home)).is_ok(), "a task is run once");
    }

    /// Meters what this thread does until the guard is dropped.
    pub(super) fn enter(&self) -> Metered<'_> {
        let home = self.home.get().expect("a task enters after it was run");
        let busy = home.ticks.enter();
        let now = home.ticks.count();
        self.seen.store(now, Relaxed);
        self.slice.store(now, Relaxed);
        self.meter.enter(busy)
    }

    /// CPU time used, in nanoseconds, since the last bill: to be charged by the caller.
    pub(super) fn bill(&self) -> u64 {
        let used = self.meter.read();
        used.saturating_sub(self.billed.swap(used, Relaxed))
    }

    /// Its level in the line of its plugin: 0 up to one `grain` of CPU time, then one more with each doubling.
    ///
    /// Work goes before other work that has had far more, so short work is not stuck behind long; and work that has had
    /// about as much takes turns with it. By the exact figure, each newcomer would pass everybody who has begun, and
    /// among equal jobs the unlucky would wait for ever.
    pub(super) fn level(&self, grain: Duration) -> u64 {
        let grains = self.meter.read() / nanos(grain).max(1);
        u64::from(u64::BITS - grains.leading_zeros())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// CPU time, by the clocks of the threads that did the work. Only one thread at a time may have entered.
#[derive(Default)]
struct Meter {
    /// Nanoseconds, up to the end of the last poll.
    spent: AtomicU64,
    /// The entered thread's token, 0 when none has entered.
    thread: AtomicU64,
    /// The entered thread's clock when it entered.
    since: AtomicU64,
}

thread_local! {
    /// This thread's token, never 0.
    static TOKEN: u64 = {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Relaxed)
    };
    /// CPU time of tasks polled inside the one that has entered: theirs, not its own.
    static INNER: Cell<u64> = const { Cell::new(0) };
}

impl Meter {
    fn enter(&self, busy: Busy) -> Metered<'_> {
        let began = clock::thread_cpu();
        self.since.store(began, Relaxed);
        self.thread.store(TOKEN.with(|token| *token), Relaxed);
        Metered { meter: self, began, outer: INNER.replace(0), _busy: busy }
    }

    fn read(&self) -> u64 {
        let spent = self.spent.load(Relaxed);
        if self.thread.load(Relaxed) != TOKEN.with(|token| *token) {
            return spent;
        }
        let current = clock::thread_cpu().saturating_sub(self.since.load(Relaxed));
        spent + current.saturating_sub(INNER.get())
    }
}

/// While it lives, the thread's CPU time counts as the task's.
pub(super) struct Metered<'a> {
    meter: &'a Meter,
    began: u64,
    /// What [`INNER`] was for the task around this one.
    outer: u64,
    _busy: Busy,
}

impl Drop for Metered<'_> {
    fn drop(&mut self) {
        let whole = clock::thread_cpu().saturating_sub(self.began);
        let inner = INNER.replace(self.outer + whole);
        self.meter.spent.fetch_add(whole.saturating_sub(inner), Relaxed);
        self.meter.thread.store(0, Relaxed);
    }
}
