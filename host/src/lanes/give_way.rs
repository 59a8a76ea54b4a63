//! How interrupted io work gives way: to the runtime's other work, and to those who have had less than it.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU8,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::{Context, Poll, Waker},
};

use super::{
    Who,
    fair::Ticket,
    task::Task,
    turns::{State, Turns},
};

/// It waits in the line.
const WAITING: u8 = 0;
/// A turn is its own, as soon as its task is polled.
const GRANTED: u8 = 1;
/// Its task goes on, on its turn. Final.
const TAKEN: u8 = 2;
/// Its task was not polled in time: the turn is another's. Final.
const REVOKED: u8 = 3;

/// One task's wish for a turn.
pub(super) struct Claim {
    pub(super) who: Who,
    state: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

impl Claim {
    pub(super) fn new(who: Who) -> Self {
        Self { who, state: AtomicU8::new(WAITING), waker: Mutex::default() }
    }

    /// The turn is its own. The state of the turns is locked.
    pub(super) fn grant(&self) {
        self.state.store(GRANTED, SeqCst);
    }

    /// Tells the task so.
    pub(super) fn tell(&self) {
        let waker = self.waker().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes the turn from who did not take it up; `false` when he did. The state of the turns is locked.
    pub(super) fn revoke(&self) -> bool {
        self.state.compare_exchange(GRANTED, REVOKED, SeqCst, SeqCst).is_ok()
    }

    /// Whether a turn is waiting for its task to be polled.
    pub(super) fn is_granted(&self) -> bool {
        self.state.load(SeqCst) == GRANTED
    }

    fn take(&self) -> bool {
        self.state.compare_exchange(GRANTED, TAKEN, SeqCst, SeqCst).is_ok()
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the line for a turn. Dropping it gives the place, or the turn it came to, back.
pub(super) struct Claimed {
    turns: Arc<Turns>,
    claim: Arc<Claim>,
    ticket: Ticket,
}

impl Claimed {
    pub(super) fn new(turns: &Arc<Turns>, claim: Arc<Claim>, ticket: Ticket) -> Self {
        Self { turns: Arc::clone(turns), claim, ticket }
    }

    /// Ready when the line has been left, with a turn that may be taken or with one that was revoked.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        // The waker goes in first: a grant after the check finds it.
        *self.claim.waker() = Some(cx.waker().clone());
        if self.claim.state.load(SeqCst) == WAITING { Poll::Pending } else { Poll::Ready(()) }
    }

    /// The turn; `None` when it was revoked.
    fn take(&self) -> Option<Turn> {
        self.claim.take().then(|| Turn { turns: Arc::clone(&self.turns), who: self.claim.who, over: false })
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if self.claim.state.load(SeqCst) != TAKEN {
            self.turns.change(|state| {
                // Out of the line but neither taken nor revoked: it was granted, and nobody will take it up.
                if !state.remove(self.ticket) && self.claim.revoke() {
                    state.give_back(self.claim.who, 0);
                }
            });
        }
    }
}

/// The right to run until the next tick. Dropping it gives it back.
pub(super) struct Turn {
    turns: Arc<Turns>,
    who: Who,
    over: bool,
}

impl Turn {
    /// Gives it back, after `nanos` of CPU time.
    pub(super) fn end(self, nanos: u64) {
        Arc::clone(&self.turns).change(|state| self.settle(state, nanos));
    }

    /// The same, with the state in hand.
    pub(super) fn settle(mut self, state: &mut State, nanos: u64) {
        self.over = true;
        state.give_back(self.who, nanos);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.over {
            self.turns.change(|state| state.give_back(self.who, 0));
        }
    }
}

/// What interrupted io work waits for: the runtime's other work, then its turn when it needs one.
///
/// Cancel safe: dropping it gives back what it holds.
pub(super) struct GiveWay {
    task: Arc<Task>,
    first: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
    claim: Option<Claimed>,
}

impl GiveWay {
    /// Until it is over, the task counts as busy although it is pending.
    pub(super) fn new(task: Arc<Task>, claim: Option<Claimed>) -> Self {
        task.run.yielding.store(true, Relaxed);
        Self { task, first: Some(Box::pin(tokio::task::yield_now())), claim }
    }

    /// Ready with a turn, or without one when none is needed.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Option<Turn>> {
        loop {
            if let Some(claim) = &self.claim
                && claim.poll(cx).is_pending()
            {
                // Waiting for a turn lets the runtime's other work by.
                self.first = None;
                return Poll::Pending;
            }
            if let Some(first) = &mut self.first {
                std::task::ready!(first.as_mut().poll(cx));
                self.first = None;
            }
            let Some(claim) = self.claim.take() else { return Poll::Ready(None) };
            if let Some(turn) = claim.take() {
                return Poll::Ready(Some(turn));
            }
            self.claim = Some(claim.turns.claim(&self.task, None));
        }
    }
}

impl Future for GiveWay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(turn) = std::task::ready!(self.poll_turn(cx)) {
            *self.task.run.turn() = Some(turn);
            self.task.run.has_turn.store(true, Relaxed);
        }
        self.task.run.yielding.store(false, Relaxed);
        Poll::Ready(())
    }
}

impl Drop for GiveWay {
    fn drop(&mut self) {
        self.task.run.yielding.store(false, Relaxed);
    }
}
