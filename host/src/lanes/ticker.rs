//! The tick: once a millisecond, on a thread of its own, so that guests that never wait are interrupted.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// From one tick to the next.
pub const TICK: Duration = Duration::from_millis(1);

/// Called at each tick, on the ticker's thread; `false` ends the calls. It must not block.
pub type OnTick = Box<dyn Fn() -> bool + Send>;

/// The tick count, and who hears of it.
#[derive(Default)]
pub(super) struct Ticks {
    count: AtomicU64,
    listeners: Mutex<Vec<OnTick>>,
    stopped: AtomicBool,
}

impl Ticks {
    /// Ticks so far.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Calls `listener` at each tick from now on.
    pub(super) fn listen(&self, listener: OnTick) {
        self.listeners().push(listener);
    }

    /// One tick. The count moves first: whoever is interrupted by a listener must see that a tick has passed.
    pub(super) fn tick(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
        self.listeners().retain(|listener| listener());
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<OnTick>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
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
        Ok(Self { ticks, thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.ticks.stopped.store(true, Ordering::Release);
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
    while !ticks.stopped.load(Ordering::Acquire) {
        let now = Instant::now();
        if now < next {
            thread::sleep(next - now);
            continue;
        }
        ticks.tick();
        next = following(next, now);
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
}
