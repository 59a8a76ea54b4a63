//! Admission: a request waits in one place, its plugin's queue, holding nothing, until everything it needs can be
//! taken together.
//!
//! A request needs a permit of its plugin, its tenant and the host, and a share of an instance slot of its lane. A
//! plugin call made by a request rides on that request's tenant and host permits: it needs the callee's plugin permit
//! and a slot from a reserve of its hop ([`Slots`]). All of it is decided under one short lock by a structure that
//! knows no clock and no waker (`state`).

mod known;
mod permit;
mod reach;
mod ready;
mod slots;
mod state;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

pub use self::{
    permit::{Background, Permit},
    slots::{HOPS, Slots},
};
use self::{
    reach::Reach,
    state::{Decision, Entry, Origin, State},
};
use super::{PluginId, Who};
use crate::config::Lane;

/// What stands between a request and its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gate {
    /// `limits.max_concurrent` of the plugin.
    Plugin,
    /// The tenant's cap on requests in flight.
    Tenant,
    /// The host's cap on requests in flight, as far as one tenant may have them.
    Host,
    /// The lane's instance slots, or the reserve of a plugin call's hop, as far as one tenant may have them.
    Slots,
    /// All that may wait in the host.
    Waiting,
    /// The tenant's share, while the host sheds load.
    Share,
}

impl Gate {
    /// The name in logs and metric labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::Tenant => "tenant",
            Self::Host => "host",
            Self::Slots => "slots",
            Self::Waiting => "waiting",
            Self::Share => "share",
        }
    }
}

/// Why a request was not let wait, or not any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The plugin's queue is full; or it is a plugin call, which does not wait for a slot.
    Full,
    /// It waited as long as it may.
    Timeout,
}

/// A request that was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not admitted: {refusal:?} at the {} gate after {waited:?}", gate.name())]
pub struct Refused {
    /// The gate that held it when it was refused.
    pub gate: Gate,
    /// Full or too late.
    pub refusal: Refusal,
    /// How long it waited.
    pub waited: Duration,
}

/// What a request asks for. The limits of a plugin's or tenant's latest claim hold for all its requests.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Whose request it is.
    pub who: Who,
    /// The lane whose slots its instance takes.
    pub lane: Lane,
    /// Requests of the plugin in flight; at least 1.
    pub plugin_max: u32,
    /// Requests of the tenant in flight; at least 1.
    pub tenant_max: u32,
    /// The tenant's weight when several wait for the host's permits or slots, and how far it may reach into them; at least 1.
    pub tenant_weight: u32,
    /// Requests of the plugin that may wait.
    pub queue: u32,
    /// The longest it waits.
    pub queue_timeout: Duration,
    /// Requests that one instance serves at once: so many share one slot; at least 1.
    pub per_instance: u32,
}

/// A request that may begin.
#[derive(Debug)]
pub struct Admitted {
    /// What it holds.
    pub permit: Permit,
    /// How long it waited.
    pub waited: Duration,
}

/// The gates of one host. Clones share them.
#[derive(Clone, Debug)]
pub struct Gates {
    state: Arc<Mutex<State<Answer>>>,
}

/// How someone who waits is told. A permit that reaches nobody is dropped, and so given back.
type Answer = oneshot::Sender<Result<Permit, Gate>>;

/// One plugin at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PluginLoad {
    /// The plugin.
    pub who: Who,
    /// Requests and calls that hold a permit.
    pub in_flight: u32,
    /// Work that goes on after its response.
    pub background: u32,
    /// Requests and calls that wait.
    pub waiting: u32,
}

/// The shared gates at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostLoad {
    /// Requests that hold a host permit; plugin calls ride on their caller's.
    pub in_flight: u32,
    /// Requests and calls that wait.
    pub waiting: u32,
    /// Instance slots taken in the io lane, reserve included.
    pub io_slots: u32,
    /// Instance slots taken in the compute lane, reserve included.
    pub compute_slots: u32,
}

impl Gates {
    /// Gates for a host that serves `host_max` requests at once, with these instance slots in its lanes.
    pub fn new(host_max: u32, io: Slots, compute: Slots) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(host_max, io, compute))) }
    }

    /// Lets so many wait in the whole host, and no more. Before it is called, the plugins' queues alone are limited.
    pub fn limit_waiting(&self, most: u32) {
        self.lock().limit_waiting(most);
    }

    /// Says which tenants the host has, by their weights. Where there are several, each gets a further permit of the host and a
    /// further slot only while it holds less than three times what is free of them, twice that with twice the weight: nobody
    /// can take all.
    pub fn shared_by(&self, weights: impl IntoIterator<Item = u32>) {
        self.lock().set_reach(Reach::among(weights));
    }

    /// From now on, refuses requests of tenants with more than their share of what runs and waits, by weight among
    /// those that ask for anything; or does so no longer.
    pub fn shed(&self, on: bool) {
        self.lock().shed(on);
    }

    /// Waits until the request may begin.
    ///
    /// Who has waited is chosen, among plugins whose gates are free, by the tenant that holds the least of what it needs per
    /// weight (slots of the lane; permits where an instance has room), then the plugin with the fewest requests in flight,
    /// then first come first served.
    ///
    /// # Errors
    /// The plugin's queue is full, or `queue_timeout` has passed.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the queue, and gives back what was handed over at that moment.
    pub async fn enter(&self, claim: Claim) -> Result<Admitted, Refused> {
        self.wait(claim, Origin { lane: claim.lane, hop: 0 }, claim.queue_timeout).await
    }

    /// Waits until a plugin call may begin. `hop` is 1 for a call made by a request from outside, at most [`HOPS`];
    /// `remaining` is what is left of the caller's time.
    ///
    /// Whoever makes the call holds a [`Permit`] or a [`Background`] until the call is over: the tenant's and the
    /// host's gates count that one.
    ///
    /// # Errors
    /// No slot is left in the hop's reserve, or none for this tenant (at once), the plugin's queue is full, or the smaller of `queue_timeout`
    /// and `remaining` has passed.
    ///
    /// # Panics
    /// If `hop` is 0 or above [`HOPS`]: the caller refuses longer chains.
    ///
    /// # Cancel safety
    /// As [`Gates::enter`].
    pub async fn enter_nested(&self, claim: Claim, hop: u8, remaining: Duration) -> Result<Admitted, Refused> {
        assert!((1..=HOPS).contains(&hop), "hop {hop} is outside 1 to {HOPS}");
        self.wait(claim, Origin { lane: claim.lane, hop }, claim.queue_timeout.min(remaining)).await
    }

    /// What one plugin holds and has waiting.
    pub fn plugin(&self, plugin: PluginId) -> Option<PluginLoad> {
        self.lock().plugin_load(plugin)
    }

    /// Every plugin that holds or waits for something, in no order.
    pub fn plugins(&self) -> Vec<PluginLoad> {
        self.lock().loads()
    }

    /// What is taken of the shared gates.
    pub fn host(&self) -> HostLoad {
        self.lock().host_load()
    }

    async fn wait(&self, claim: Claim, origin: Origin, patience: Duration) -> Result<Admitted, Refused> {
        let began = Instant::now();
        let refused = |gate, refusal| Err(Refused { gate, refusal, waited: began.elapsed() });
        let mut answer = None;
        let entry = self.change(|state| {
            state.enter(&claim, origin, || {
                let (send, receive) = oneshot::channel();
                answer = Some(receive);
                send
            })
        });
        let number = match entry {
            Entry::Admitted => {
                return Ok(Admitted { permit: Permit::new(self, claim.who, origin), waited: Duration::ZERO });
            }
            Entry::Refused(gate) => return refused(gate, Refusal::Full),
            Entry::Waits(number) => number,
        };
        let mut answer = answer.expect("whoever waits has an answer coming");
        // Declared after `answer`, so dropped before it: an answer given in between is dropped with the receiver.
        let place = Waiting { gates: self, who: claim.who, number };
        let answered = match timeout_at(began + patience, &mut answer).await {
            Ok(answered) => answered,
            Err(_) => match place.leave() {
                Some(gate) => return refused(gate, Refusal::Timeout),
                // It was decided just now: the answer is there or on its way.
                None => answer.await,
            },
        };
        match answered.expect("whoever waits is answered") {
            Ok(permit) => Ok(Admitted { permit, waited: began.elapsed() }),
            Err(gate) => refused(gate, Refusal::Full),
        }
    }

    /// Changes the state, and tells those about whom it was decided, once the lock is free.
    fn change<T>(&self, change: impl FnOnce(&mut State<Answer>) -> (T, Vec<Decision<Answer>>)) -> T {
        let (changed, decisions) = change(&mut self.lock());
        for decision in decisions {
            let answer = decision.outcome.map(|()| Permit::new(self, decision.who, decision.origin));
            drop(decision.waiter.send(answer));
        }
        changed
    }

    fn lock(&self) -> MutexGuard<'_, State<Answer>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a queue, left when it is dropped.
struct Waiting<'a> {
    gates: &'a Gates,
    who: Who,
    number: u64,
}

impl Waiting<'_> {
    /// The gate that held it; `None` when it was decided about it.
    fn leave(&self) -> Option<Gate> {
        self.gates.change(|state| state.leave(self.who, self.number))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}
