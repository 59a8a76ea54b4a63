//! The author's machine: no sockets and no waiting. What a handler asks for, the test has.

pub(crate) mod state;

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use crate::{FetchError, Request, Response, fetch::FetchFailure, scope::Scope};

thread_local! {
    /// How long this thread's tests have slept.
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    /// Who sleeps until when.
    static SLEEPERS: RefCell<Vec<(Duration, Waker)>> = const { RefCell::new(Vec::new()) };
}

/// Sends a request to the test's double of its origin.
pub(crate) async fn send(request: Request) -> Result<Response, FetchError> {
    let Some(world) = Scope::current().and_then(|scope| scope.world.clone()) else {
        let said = "no test double: handlers that fetch are tested with testing::Client";
        return Err(FetchError::new(FetchFailure::Denied, request.uri(), said));
    };
    world.answer(request).await
}

/// How long this thread's tests have slept.
pub(crate) fn now() -> Duration {
    NOW.get()
}

pub(crate) async fn sleep(duration: Duration) {
    let until = NOW.get().saturating_add(duration);
    poll_fn(|cx| {
        if NOW.get() >= until {
            return Poll::Ready(());
        }
        SLEEPERS.with_borrow_mut(|sleepers| sleepers.push((until, cx.waker().clone())));
        Poll::Pending
    })
    .await;
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// Runs a future to its end. Where nothing else can go on, the clock does.
///
/// # Panics
/// When the future waits for something that cannot come any more.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        if !woken.0.swap(false, Ordering::AcqRel) {
            assert!(advance(), "the handler waits for something that will never come");
            woken.0.store(false, Ordering::Release);
        }
    }
}

/// Moves the clock to the first who wakes. `false` when nobody sleeps.
fn advance() -> bool {
    let sleepers = SLEEPERS.take();
    let Some(first) = sleepers.iter().map(|(until, _)| *until).min() else { return false };
    NOW.set(NOW.get().max(first));
    let (due, later): (Vec<_>, Vec<_>) = sleepers.into_iter().partition(|(until, _)| *until <= first);
    SLEEPERS.set(later);
    due.into_iter().for_each(|(_, waker)| waker.wake());
    true
}
