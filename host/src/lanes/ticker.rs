//! The tick: once a millisecond, on a thread of its own, so that work that never waits is interrupted. When nothing
//! has run for a while, it stops until something does.

use std::{
    io,
    marker::PhantomData,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{AcqRel, Acquire, Release, SeqCst},
        },
    },
    thread::{self, JoinHandle, Thread},
    time::{Duration, Instant},
};

/// From one tick to the next.
pub const TICK: Duration = Duration::from_millis(1);

/// Called at each tick, on the ticker's thread; `false` ends the calls. It must not block.
pub type OnTick = Box<dyn Fn() -> bool + Send>;

/// Ticks without work after which the thread stops to tick: long enough that steady traffic never wakes it up.
const IDLE_TICKS: u64 = 1000;

/// The tick count, and who hears of it.
#[derive(Default)]
pub(super) struct Ticks {
    count: AtomicU64,
    listeners: Mutex<Vec<OnTick>>,
    stopped: AtomicBool,
    /// Whether the ticker has stopped to tick because nothing runs.
    parked: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Ticks {
    /// Ticks so far.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Acquire)
    }

    /// Calls `listener` at each tick from now on.
    pub(super) fn listen(&self, listener: OnTick) {
        self.listeners().push(listener);
    }

    /// One tick. The count moves first: whoever is interrupted by a listener must see that a tick has passed.
    pub(super) fn tick(&self) {
        self.count.fetch_add(1, AcqRel);
        self.listeners().retain(|listener| listener());
    }

    /// Work that needs ticks runs on this thread until the guard is dropped.
    pub(super) fn enter(&self) -> Busy {
        let outermost = BUSY.with(|busy| !busy.0.swap(true, SeqCst));
        // Either this sees the ticker parked, or the ticker, which looks once more when it has parked, sees this.
        if self.parked.load(SeqCst) {
            self.wake();
        }
        Busy { outermost, _here: PhantomData }
    }

    #[cold]
    fn wake(&self) {
        self.parked.store(false, SeqCst);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Waits until there is work, if there is none.
    fn park(&self) {
        self.parked.store(true, SeqCst);
        while self.parked.load(SeqCst) && !anyone_busy() && !self.stopped.load(SeqCst) {
            thread::park();
        }
        self.parked.store(false, SeqCst);
    }

    fn stop(&self) {
        self.stopped.store(true, SeqCst);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<OnTick>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every thread that has run work, by whether it does so now. Each writes to its own: no two share a cache line that
/// both write.
static THREADS: Mutex<Vec<Weak<AtomicBool>>> = Mutex::new(Vec::new());

thread_local! {
    static BUSY: ThisThread = ThisThread::default();
}

/// Whether this thread runs work.
struct ThisThread(Arc<AtomicBool>);

impl Default for ThisThread {
    fn default() -> Self {
        let busy = Arc::new(AtomicBool::new(false));
        let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| thread.strong_count() > 0);
        threads.push(Arc::downgrade(&busy));
        Self(busy)
    }
}

fn anyone_busy() -> bool {
    let threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    threads.iter().any(|thread| thread.upgrade().is_some_and(|busy| busy.load(SeqCst)))
}

/// Says that this thread runs work. Stays on its thread.
pub(super) struct Busy {
    /// Not inside another.
    outermost: bool,
    _here: PhantomData<*const ()>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.outermost {
            // A thread whose locals are gone has no entry any more either.
            let _ = BUSY.try_with(|busy| busy.0.store(false, Release));
        }
    }
}

/// The thread that ticks. Dropping it ends the thread.
pub(super) struct Ticker {
    ticks: Arc<Ticks>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts to tick.
    ///
    /// # Errors
    /// The thread could not be started.
    pub(super) fn start(ticks: Arc<Ticks>) -> io::Result<Self> {
        let shared = Arc::clone(&ticks);
        let thread = thread::Builder::new().name("ticker".to_owned()).spawn(move || run(&shared))?;
        // Before anything can run: who finds the ticker parked must be able to wake it.
        let _ = ticks.thread.set(thread.thread().clone());
        Ok(Self { ticks, thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.ticks.stop();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A listener that panicked has been reported by the panic hook; there is nothing left to do here.
            let _ = thread.join();
        }
    }
}

fn run(ticks: &Ticks) {
    let mut next = Instant::now() + TICK;
    let mut idle = 0;
    while !ticks.stopped.load(SeqCst) {
        let now = Instant::now();
        if now < next {
            thread::sleep(next - now);
            continue;
        }
        ticks.tick();
        next = following(next, now);
        idle = if anyone_busy() { 0 } else { idle + 1 };
        if idle > IDLE_TICKS {
            ticks.park();
            next = Instant::now() + TICK;
            idle = 0;
        }
    }
}

/// When to tick after a tick that was due at `due` and happened at `now`: on the old schedule, but a thread that was
/// held up ticks once for all it missed.
fn following(due: Instant, now: Instant) -> Instant {
    let next = due + TICK;
    if next > now { next } else { now + TICK }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn the_schedule_does_not_drift_and_does_not_catch_up() {
        let due = Instant::now();
        assert_eq!(following(due, due + TICK / 4), due + TICK);
        assert_eq!(following(due, due + TICK * 7), due + TICK * 8);
    }

    #[test]
    fn a_listener_sees_the_new_count_and_leaves_when_it_says_so() {
        let ticks = Arc::new(Ticks::default());
        let (send, seen) = mpsc::channel();
        let shared = Arc::clone(&ticks);
        ticks.listen(Box::new(move || {
            send.send(shared.count()).expect("the test holds the receiver");
            shared.count() < 2
        }));
        for _ in 0..3 {
            ticks.tick();
        }
        assert_eq!(seen.try_iter().collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn the_thread_ticks_until_it_is_dropped() {
        let ticks = Arc::new(Ticks::default());
        let (send, seen) = mpsc::channel();
        ticks.listen(Box::new(move || send.send(()).is_ok()));
        let ticker = Ticker::start(Arc::clone(&ticks)).expect("a thread can be started");
        for _ in 0..3 {
            seen.recv().expect("it ticks");
        }
        drop(ticker);
        let last = ticks.count();
        assert!(last >= 3);
        assert_eq!(ticks.count(), last);
    }

    #[test]
    fn a_parked_ticker_wakes_for_work_and_for_its_end() {
        let ticks = Arc::new(Ticks::default());
        let sleeper = Arc::clone(&ticks);
        // Other tests' work keeps the thread from parking, too: then there is nothing to wake, and it ends as well.
        let parked = thread::spawn(move || sleeper.park());
        ticks.thread.set(parked.thread().clone()).expect("it is set once");
        while !parked.is_finished() {
            drop(ticks.enter());
            thread::yield_now();
        }
        parked.join().expect("no panics");
        let sleeper = Arc::clone(&ticks);
        let other = thread::spawn(move || sleeper.park());
        ticks.stop();
        other.thread().unpark();
        other.join().expect("it does not park for ever");
    }

    #[test]
    fn a_thread_is_busy_until_its_outermost_work_is_over() {
        let ticks = Ticks::default();
        let busy = || BUSY.with(|busy| busy.0.load(SeqCst));
        let outer = ticks.enter();
        drop(ticks.enter());
        assert!(busy() && anyone_busy());
        drop(outer);
        assert!(!busy());
    }
}
