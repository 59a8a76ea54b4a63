//! How interrupted io work gives way: to the runtime's other work, and to those who have had less than it.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use super::{
    Who,
    fair::Ticket,
    task::Task,
    turns::{State, Turns},
};

/// One task's wish for a turn.
#[derive(Default)]
pub(super) struct Claim {
    granted: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Claim {
    /// Tells the task that the turn is its own.
    pub(super) fn grant(&self) {
        self.granted.store(true, Ordering::Release);
        let waker = self.waker().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the line for a turn. Dropping it gives the place, or the turn it came to, back.
pub(super) struct Claimed {
    turns: Arc<Turns>,
    who: Who,
    claim: Arc<Claim>,
    ticket: Ticket,
    /// Whether the turn was taken over by a [`Turn`].
    over: bool,
}

impl Claimed {
    pub(super) fn new(turns: &Arc<Turns>, who: Who, claim: Arc<Claim>, ticket: Ticket) -> Self {
        Self { turns: Arc::clone(turns), who, claim, ticket, over: false }
    }

    /// The turn, once it is granted.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        // The waker goes in first: a grant after the check finds it.
        *self.claim.waker() = Some(cx.waker().clone());
        if !self.claim.granted.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        self.over = true;
        Poll::Ready(Turn { turns: Arc::clone(&self.turns), who: self.who, over: false })
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.turns.change(|state| state.withdraw(self.who, self.ticket));
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
    turn: Option<Turn>,
}

impl GiveWay {
    /// Until it is over, the task counts as busy although it is pending.
    pub(super) fn new(task: Arc<Task>, claim: Option<Claimed>) -> Self {
        task.run.yielding.store(true, Ordering::Relaxed);
        Self { task, first: Some(Box::pin(tokio::task::yield_now())), claim, turn: None }
    }
}

impl Future for GiveWay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Some(claim) = &mut this.claim {
            let Poll::Ready(turn) = claim.poll(cx) else {
                // Waiting for a turn lets the runtime's other work by.
                this.first = None;
                return Poll::Pending;
            };
            this.claim = None;
            this.turn = Some(turn);
        }
        if let Some(first) = &mut this.first
            && first.as_mut().poll(cx).is_pending()
        {
            return Poll::Pending;
        }
        this.first = None;
        if let Some(turn) = this.turn.take() {
            *this.task.run.turn() = Some(turn);
            this.task.run.has_turn.store(true, Ordering::Relaxed);
        }
        this.task.run.yielding.store(false, Ordering::Relaxed);
        Poll::Ready(())
    }
}

impl Drop for GiveWay {
    fn drop(&mut self) {
        self.task.run.yielding.store(false, Ordering::Relaxed);
    }
}
