//! Who goes next: fair shares of CPU time between tenants, then between a tenant's plugins, then the work that has
//! had least. A pure structure: no clock, no threads.
//!
//! Tenants, and the plugins of a tenant, share by start-time fair queueing (P. Goyal, H. Vin, H. Cheng, "Start-time
//! Fair Queueing", SIGCOMM 1996; for CPUs and as a hierarchy: P. Goyal, X. Guo, H. Vin, OSDI 1996). A flow's start
//! tag grows by the CPU time it used over its weight, known only afterwards; the flow with the least tag is next.
//! Several threads pick at once, so until its cost is known a pick counts as one estimated slice: otherwise they would
//! all pick one flow. The virtual time is the least tag of a flow that waits or is being served; whoever arrives
//! starts there, or at his own tag when that is later. Between two flows that always wait, service over weight
//! differs by at most a slice of each, plus a slice for every thread.
//!
//! Within a plugin the work that has attained the least CPU time is next, by the levels of its caller, so short work is
//! not stuck behind long; one pick in four goes to what has waited longest, so long work is not starved by short.

mod flows;
mod line;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use self::{
    flows::Flows,
    line::{Line, Place},
};
use super::{PluginId, TenantId, Who};

/// Things that wait for a pick, and what everyone has used. Each operation takes logarithmic time.
pub(super) struct Fair<T> {
    estimate: u64,
    tenants: Flows<TenantId>,
    /// The tenants that wait or are being served.
    active: HashMap<TenantId, Tenant<T>>,
    /// Weights other than 1.
    weights: HashMap<TenantId, u32>,
    len: usize,
    arrivals: u64,
}

struct Tenant<T> {
    plugins: Flows<PluginId>,
    /// What waits. No empty lines.
    waiting: HashMap<PluginId, Line<T>>,
}

/// Where a waiting thing stands, to take it out again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    who: Who,
    place: Place,
}

impl<T> Fair<T> {
    /// `estimate`: the CPU time, in nanoseconds, that one pick counts for until it is settled.
    pub(super) fn new(estimate: u64) -> Self {
        Self {
            estimate,
            tenants: Flows::new(estimate),
            active: HashMap::new(),
            weights: HashMap::new(),
            len: 0,
            arrivals: 0,
        }
    }

    /// How many things wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A tenant's share beside others, from now on; everyone's is 1 to begin with. Zero counts as 1.
    pub(super) fn set_weight(&mut self, tenant: TenantId, weight: u32) {
        match weight {
            0 | 1 => self.weights.remove(&tenant),
            weight => self.weights.insert(tenant, weight),
        };
        self.tenants.set_weight(tenant, weight.max(1));
    }

    /// Lets `item` wait. Within a plugin the least `level` is next: it grows with the CPU time the item has attained.
    pub(super) fn push(&mut self, who: Who, level: u64, item: T) -> Ticket {
        self.arrivals += 1;
        self.len += 1;
        let place = (level, self.arrivals);
        let tenant = self
            .active
            .entry(who.tenant)
            .or_insert_with(|| Tenant { plugins: Flows::new(self.estimate), waiting: HashMap::new() });
        tenant.waiting.entry(who.plugin).or_default().insert(place, item);
        tenant.plugins.wait(who.plugin, 1);
        let weight = self.weight(who.tenant);
        self.tenants.wait(who.tenant, weight);
        Ticket { who, place }
    }

    /// Takes the next thing out. Whoever gets it calls [`Fair::settle`] once, when it has been served.
    pub(super) fn pop(&mut self) -> Option<(Who, T)> {
        let tenant = self.tenants.pick()?;
        let active = self.active.get_mut(&tenant).expect("a tenant in the line is active");
        let plugin = active.plugins.pick().expect("a tenant in the line has a plugin in its line");
        let waiting = active.waiting.get_mut(&plugin).expect("a plugin in the line has something waiting");
        let item = waiting.pick().expect("a line is never empty");
        let who = Who { tenant, plugin };
        self.taken(who);
        Some((who, item))
    }

    /// Takes out what `ticket` was given for; `None` when it has been popped.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<T> {
        let tenant = self.active.get_mut(&ticket.who.tenant)?;
        let item = tenant.waiting.get_mut(&ticket.who.plugin)?.remove(ticket.place)?;
        self.taken(ticket.who);
        Some(item)
    }

    /// What was popped for `who` has been served, with `nanos` of CPU time.
    pub(super) fn settle(&mut self, who: Who, nanos: u64) {
        if let Some(tenant) = self.active.get_mut(&who.tenant) {
            tenant.plugins.settle(who.plugin, nanos);
        }
        self.tenants.settle(who.tenant, nanos);
        self.forget_if_idle(who.tenant);
    }

    /// What was popped for `who` has used `nanos` since then, or since the last renewal, and is served on.
    pub(super) fn renew(&mut self, who: Who, nanos: u64) {
        if let Some(tenant) = self.active.get_mut(&who.tenant) {
            tenant.plugins.renew(who.plugin, nanos);
        }
        self.tenants.renew(who.tenant, nanos);
    }

    /// `who` has used `nanos` of CPU time outside any pick. Paid after the next pick, up to a bound.
    pub(super) fn charge(&mut self, who: Who, nanos: u64) {
        if let Some(tenant) = self.active.get_mut(&who.tenant) {
            tenant.plugins.charge(who.plugin, 1, nanos);
        }
        let weight = self.weight(who.tenant);
        self.tenants.charge(who.tenant, weight, nanos);
    }

    /// Tenants that are remembered.
    #[cfg(test)]
    fn remembered(&self) -> usize {
        self.tenants.known()
    }

    /// Whether nobody is remembered.
    #[cfg(test)]
    fn is_forgotten(&self) -> bool {
        self.active.is_empty() && self.tenants.known() == 0
    }

    fn weight(&self, tenant: TenantId) -> u32 {
        self.weights.get(&tenant).copied().unwrap_or(1)
    }

    /// One thing of `who` waits no longer.
    fn taken(&mut self, who: Who) {
        self.len -= 1;
        let tenant = self.active.get_mut(&who.tenant).expect("something was taken from it");
        if tenant.waiting.get(&who.plugin).is_some_and(Line::is_empty) {
            tenant.waiting.remove(&who.plugin);
            tenant.plugins.stop_waiting(who.plugin);
        }
        if tenant.waiting.is_empty() {
            self.tenants.stop_waiting(who.tenant);
        }
        self.forget_if_idle(who.tenant);
    }

    fn forget_if_idle(&mut self, tenant: TenantId) {
        if !self.tenants.is_active(tenant) {
            self.active.remove(&tenant);
        }
    }
}
