//! Turns: what io work must win to run on after its second tick without waiting.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use super::{
    TenantId, Who,
    fair::{Fair, Ticket},
    task::{Task, Verdict},
    ticker::TICK,
};

/// The turns of a host's io lane.
pub(super) struct Turns {
    /// Turns that may be out at once.
    most: usize,
    state: Mutex<State>,
    /// Mirrors of the state, for polls that need no turn.
    waiting: AtomicUsize,
    out: AtomicUsize,
    /// Nanoseconds of CPU time used without a turn while others wanted one, until the next pick.
    unpaid: Mutex<HashMap<Who, u64>>,
}

struct State {
    fair: Fair<Arc<Claim>>,
    out: usize,
}

/// One task's wish for a turn.
#[derive(Default)]
struct Claim {
    granted: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Claim {
    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    /// Turns for `most` at once.
    pub(super) fn new(most: usize) -> Arc<Self> {
        let estimate = u64::try_from(TICK.as_nanos()).unwrap_or(u64::MAX);
        Arc::new(Self {
            most,
            state: Mutex::new(State { fair: Fair::new(estimate), out: 0 }),
            waiting: AtomicUsize::new(0),
            out: AtomicUsize::new(0),
            unpaid: Mutex::default(),
        })
    }

    /// Turns that are out.
    pub(super) fn out(&self) -> usize {
        self.out.load(Ordering::Relaxed)
    }

    /// Tasks that wait for a turn.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A tenant's share of the turns.
    pub(super) fn set_weight(&self, tenant: TenantId, weight: u32) {
        self.state().fair.set_weight(tenant, weight);
    }

    /// A tick has passed while `task` ran.
    pub(super) fn interrupted(self: &Arc<Self>, task: &Arc<Task>) -> Verdict {
        let turn = task.run.turn().take();
        let had_turn = turn.is_some();
        if let Some(turn) = turn {
            task.run.has_turn.store(false, Ordering::Relaxed);
            turn.end(task.bill());
        }
        let again = task.run.ticked.swap(true, Ordering::Relaxed);
        let claim = (had_turn || again || self.waiting() > 0).then(|| self.claim(task));
        task.run.yielding.store(true, Ordering::Relaxed);
        let first = Some(Box::pin(tokio::task::yield_now()) as Pin<Box<dyn Future<Output = ()> + Send + Sync>>);
        Verdict::Yield(Box::pin(GiveWay { task: Arc::clone(task), first, claim, turn: None }))
    }

    /// A poll of `task` is over; `ended` with a result or a drop.
    pub(super) fn polled(&self, task: &Task, ended: bool) {
        let run = &task.run;
        let waits = ended || !run.yielding.load(Ordering::Relaxed);
        if waits {
            run.ticked.store(false, Ordering::Relaxed);
            if run.has_turn.swap(false, Ordering::Relaxed)
                && let Some(turn) = run.turn().take()
            {
                turn.end(task.bill());
                return;
            }
        }
        // Without a turn out, nobody competes, and what is used now will not be counted later.
        let used = task.bill();
        if self.out() > 0 || self.waiting() > 0 {
            *self.unpaid().entry(task.who()).or_default() += used;
        }
    }

    /// Lines up for a turn.
    fn claim(self: &Arc<Self>, task: &Task) -> Claimed {
        let claim = Arc::new(Claim::default());
        let ticket = self.change(|state| state.fair.push(task.who(), task.attained(), Arc::clone(&claim)));
        Claimed { turns: Arc::clone(self), who: task.who(), claim, ticket, over: false }
    }

    /// Changes the state, gives out what turns are free, and wakes who got one.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut granted = Vec::new();
        let mut state = self.state();
        let changed = change(&mut state);
        if state.out < self.most && !state.fair.is_empty() {
            self.fold(&mut state.fair);
        }
        while state.out < self.most
            && let Some((_, claim)) = state.fair.pop()
        {
            state.out += 1;
            claim.granted.store(true, Ordering::Release);
            granted.push(claim);
        }
        self.out.store(state.out, Ordering::Relaxed);
        self.waiting.store(state.fair.len(), Ordering::Relaxed);
        drop(state);
        for claim in granted {
            if let Some(waker) = claim.waker().take() {
                waker.wake();
            }
        }
        changed
    }

    fn give_back(&self, who: Who, nanos: u64) {
        self.change(|state| {
            state.out -= 1;
            state.fair.settle(who, nanos);
        });
    }

    /// Moves what was used without a turn into the fair structure.
    fn fold(&self, fair: &mut Fair<Arc<Claim>>) {
        let unpaid = std::mem::take(&mut *self.unpaid());
        for (who, nanos) in unpaid {
            fair.charge(who, nanos);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unpaid(&self) -> MutexGuard<'_, HashMap<Who, u64>> {
        self.unpaid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the line for a turn. Dropping it gives the place, or the turn it came to, back.
struct Claimed {
    turns: Arc<Turns>,
    who: Who,
    claim: Arc<Claim>,
    ticket: Ticket,
    /// Whether the turn was taken over by a [`Turn`].
    over: bool,
}

impl Claimed {
    /// The turn, once it is granted.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        // The waker goes in first: a grant after the check finds it.
        *self.claim.waker() = Some(cx.waker().clone());
        if !self.claim.granted.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        self.over = true;
        Poll::Ready(Turn { turns: Arc::clone(&self.turns), who: self.who, nanos: 0 })
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let (who, ticket) = (self.who, self.ticket);
        self.turns.change(|state| {
            // Not in the line any more: it was granted at this moment.
            if state.fair.remove(ticket).is_none() {
                state.out -= 1;
                state.fair.settle(who, 0);
            }
        });
    }
}

/// The right to run until the next tick. Dropping it gives it back.
pub(super) struct Turn {
    turns: Arc<Turns>,
    who: Who,
    nanos: u64,
}

impl Turn {
    /// Gives it back, after `nanos` of CPU time.
    fn end(mut self, nanos: u64) {
        self.nanos = nanos;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.give_back(self.who, self.nanos);
    }
}

/// What interrupted io work waits for: the runtime's other work, then its turn when it needs one.
///
/// Cancel safe: dropping it gives back what it holds.
struct GiveWay {
    task: Arc<Task>,
    first: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
    claim: Option<Claimed>,
    turn: Option<Turn>,
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
