//! Turns: what io work must win to run on after its second tick without waiting.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    TenantId, Who,
    fair::{Fair, Ticket},
    give_way::{Claim, Claimed, GiveWay, Turn},
    task::{Task, Verdict},
    ticker::{TICK, Ticks},
};

/// Ticks after which a granted turn must have been taken up. Far longer than a runtime takes to poll what was woken.
const PATIENCE: u64 = 100;

/// The turns of a host's io lane.
pub(super) struct Turns {
    /// Turns that may be out at once.
    most: usize,
    ticks: Arc<Ticks>,
    state: Mutex<State>,
    /// Mirrors of the state, for polls that need no turn.
    waiting: AtomicUsize,
    out: AtomicUsize,
    /// Nanoseconds of CPU time used without a turn while others wanted one, until the next pick.
    unpaid: Mutex<HashMap<Who, u64>>,
}

/// Who waits for a turn, and how many are out.
pub(super) struct State {
    fair: Fair<Arc<Claim>>,
    out: usize,
    /// Turns that were granted and not taken up when it was last looked, with the tick counts of their grants.
    granted: VecDeque<(Arc<Claim>, u64)>,
}

impl State {
    /// One of `who`'s turns is over, after `nanos` of CPU time.
    pub(super) fn give_back(&mut self, who: Who, nanos: u64) {
        self.out -= 1;
        self.fair.settle(who, nanos);
    }

    /// Takes someone out of the line; `false` when he is not in it any more.
    pub(super) fn remove(&mut self, ticket: Ticket) -> bool {
        self.fair.remove(ticket).is_some()
    }

    /// Takes back the turns granted before `before` whose tasks have not been polled since.
    fn revoke_older(&mut self, before: u64) {
        while let Some((claim, _)) = self.granted.pop_front_if(|(_, granted)| *granted < before) {
            if claim.revoke() {
                self.give_back(claim.who, 0);
            }
        }
    }
}

impl Turns {
    /// Turns for `most` at once.
    pub(super) fn new(most: usize, ticks: Arc<Ticks>) -> Arc<Self> {
        let estimate = u64::try_from(TICK.as_nanos()).unwrap_or(u64::MAX);
        Arc::new(Self {
            most,
            ticks,
            state: Mutex::new(State { fair: Fair::new(estimate), out: 0, granted: VecDeque::new() }),
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
        task.run.has_turn.store(false, Ordering::Relaxed);
        let again = task.run.ticked.swap(true, Ordering::Relaxed);
        let claim = (again || self.waiting() > 0).then(|| self.claim(task, turn));
        Verdict::Yield(Box::pin(GiveWay::new(Arc::clone(task), claim)))
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

    /// Lines up for a turn, and gives the last one back: in one step, so that whoever has had least so far can win
    /// again, instead of every turn going to whoever happens to be in the line.
    pub(super) fn claim(self: &Arc<Self>, task: &Task, last: Option<Turn>) -> Claimed {
        let (who, used) = (task.who(), task.bill());
        let claim = Arc::new(Claim::new(who));
        let ticket = self.change(|state| {
            let ticket = state.fair.push(who, task.level(TICK), Arc::clone(&claim));
            match last {
                Some(turn) => turn.settle(state, used),
                None => state.fair.charge(who, used),
            }
            ticket
        });
        Claimed::new(self, claim, ticket)
    }

    /// At each tick: who was granted a turn and has not been polled for long loses it to who waits. Whoever polls
    /// the task may be stuck, and no one's turn may hang on that.
    pub(super) fn tick(&self) {
        let now = self.ticks.count();
        if self.waiting() > 0 && now > PATIENCE {
            self.change(|state| state.revoke_older(now - PATIENCE));
        }
    }

    /// Changes the state, gives out what turns are free, and wakes who got one.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
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
            claim.grant();
            granted.push(claim);
        }
        if !granted.is_empty() {
            let now = self.ticks.count();
            state.granted.retain(|(claim, _)| claim.is_granted());
            state.granted.extend(granted.iter().map(|claim| (Arc::clone(claim), now)));
        }
        if state.out == 0 {
            // Nobody competes any more, so nobody owes.
            self.unpaid().clear();
        }
        self.out.store(state.out, Ordering::Relaxed);
        self.waiting.store(state.fair.len(), Ordering::Relaxed);
        drop(state);
        for claim in granted {
            claim.tell();
        }
        changed
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
