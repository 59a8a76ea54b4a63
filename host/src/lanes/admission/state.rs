//! What is taken and who waits: the decisions of admission, without clocks, wakers or locks.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::super::{PluginId, TenantId, Who};
use super::{
    Claim, Gate, HostLoad, PluginLoad, Slots,
    known::{Plugin, Tenant, Waiter},
    reach::Reach,
    ready::{Met, Need, Ready},
    slots::{PerOrigin, Shares},
};
use crate::config::Lane;

/// Which slots a request's instance takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) lane: Lane,
    /// 0 for a request from outside, else the hop of a plugin call.
    pub(super) hop: u8,
}

impl Origin {
    pub(super) fn is_direct(self) -> bool {
        self.hop == 0
    }
}

/// What became of a request at the door.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It holds everything it needs.
    Admitted,
    /// It may not wait. The gate that holds it.
    Refused(Gate),
    /// It waits, under this number.
    Waits(u64),
}

/// What became of a request that waited.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decision<W> {
    pub(super) waiter: W,
    pub(super) who: Who,
    pub(super) origin: Origin,
    /// Whether it holds everything it needs, else the gate that refused it.
    pub(super) outcome: Result<(), Gate>,
}

/// All gates and queues. `W` is whatever stands for someone who waits.
#[derive(Debug)]
pub(super) struct State<W> {
    host_max: u32,
    host: u32,
    waiting_max: u32,
    waiting: u32,
    /// Whether tenants are held to their shares.
    shedding: bool,
    /// How far each tenant may reach into permits and slots.
    reach: Reach,
    slots: PerOrigin,
    taken: PerOrigin,
    tenants: FxHashMap<TenantId, Tenant>,
    /// The sum of the tenants' weights: under load it is asked for by each request.
    weights: u64,
    plugins: FxHashMap<PluginId, Plugin<W>>,
    ready: Ready,
    /// Counts arrivals and admissions: the order of things.
    moment: u64,
}

impl<W> State<W> {
    pub(super) fn new(host_max: u32, io: Slots, compute: Slots) -> Self {
        Self {
            host_max: host_max.max(1),
            host: 0,
            waiting_max: u32::MAX,
            waiting: 0,
            shedding: false,
            reach: Reach::default(),
            slots: PerOrigin::all(io, compute),
            taken: PerOrigin::default(),
            tenants: FxHashMap::default(),
            weights: 0,
            plugins: FxHashMap::default(),
            ready: Ready::default(),
            moment: 0,
        }
    }

    pub(super) fn limit_waiting(&mut self, most: u32) {
        self.waiting_max = most;
    }

    pub(super) fn set_reach(&mut self, reach: Reach) {
        self.reach = reach;
    }

    pub(super) fn shed(&mut self, on: bool) {
        self.shedding = on;
    }

    /// A request asks to begin. `waiter` is called when it waits. Others may be let in as well: by the claim's limits,
    /// if they are wider than the last.
    pub(super) fn enter(
        &mut self,
        claim: &Claim,
        origin: Origin,
        waiter: impl FnOnce() -> W,
    ) -> (Entry, Vec<Decision<W>>) {
        let decisions = self.take_limits(claim);
        let plugin = &self.plugins[&claim.who.plugin];
        let entry = match self.gate(plugin, origin) {
            _ if self.shedding && origin.is_direct() && self.is_over_its_share(claim.who) => {
                Entry::Refused(Gate::Share)
            }
            None => {
                self.grant(claim.who, origin);
                return (Entry::Admitted, decisions);
            }
            Some(Gate::Slots) if !origin.is_direct() => Entry::Refused(Gate::Slots),
            Some(gate) if plugin.waiting() >= claim.queue as usize => Entry::Refused(gate),
            Some(_) if self.waiting >= self.waiting_max => Entry::Refused(Gate::Waiting),
            Some(_) => Entry::Waits(self.line_up(claim.who.plugin, Waiter { waiter: waiter(), origin })),
        };
        self.forget_if_idle(claim.who);
        (entry, decisions)
    }

    /// Someone waits no longer. The gate that held him; `None` when it was decided about him before.
    pub(super) fn leave(&mut self, who: Who, number: u64) -> (Option<Gate>, Vec<Decision<W>>) {
        let plugin = self.plugins.get_mut(&who.plugin);
        let left = plugin.and_then(|plugin| plugin.direct.remove(&number).or_else(|| plugin.nested.remove(&number)));
        let Some(left) = left else { return (None, Vec::new()) };
        self.no_longer_waits(who);
        let gate = self.gate(&self.plugins[&who.plugin], left.origin).unwrap_or(Gate::Plugin);
        self.relist(who.plugin);
        // The next in line may be of another revision, in a lane that has room.
        (Some(gate), self.dispatch(who))
    }

    /// An admitted request is over.
    pub(super) fn release(&mut self, who: Who, origin: Origin) -> Vec<Decision<W>> {
        self.give_back_permits(who, origin);
        self.give_back_share(who, origin)
    }

    /// An admitted request's work goes on after its response; `false`, and nothing has changed, when the plugin has
    /// as many of those as it may.
    pub(super) fn go_on(&mut self, who: Who, origin: Origin) -> (bool, Vec<Decision<W>>) {
        let plugin = self.plugins.get_mut(&who.plugin).expect("a plugin with a permit out is known");
        if plugin.background >= plugin.max {
            return (false, Vec::new());
        }
        plugin.background += 1;
        self.give_back_permits(who, origin);
        (true, self.dispatch(who))
    }

    /// Work that went on after its response is over.
    pub(super) fn end(&mut self, who: Who, origin: Origin) -> Vec<Decision<W>> {
        let plugin = self.plugins.get_mut(&who.plugin).expect("a plugin with work in the background is known");
        plugin.background -= 1;
        self.give_back_share(who, origin)
    }

    pub(super) fn plugin_load(&self, plugin: PluginId) -> Option<PluginLoad> {
        self.plugins.get(&plugin).map(Plugin::load)
    }

    pub(super) fn loads(&self) -> Vec<PluginLoad> {
        self.plugins.values().map(Plugin::load).collect()
    }

    pub(super) fn host_load(&self) -> HostLoad {
        HostLoad {
            in_flight: self.host,
            waiting: self.waiting,
            io_slots: self.taken.in_lane(Lane::Io),
            compute_slots: self.taken.in_lane(Lane::Compute),
        }
    }

    /// Whether nobody is remembered and nothing is taken.
    #[cfg(test)]
    pub(super) fn is_forgotten(&self) -> bool {
        let nothing = HostLoad { in_flight: 0, waiting: 0, io_slots: 0, compute_slots: 0 };
        let forgotten = self.plugins.is_empty() && self.tenants.is_empty() && self.weights == 0;
        forgotten && self.ready.is_empty() && self.host_load() == nothing
    }

    /// The first gate that holds a request; `None` when it can go.
    fn gate(&self, plugin: &Plugin<W>, origin: Origin) -> Option<Gate> {
        let tenant = &self.tenants[&plugin.who.tenant];
        let slot = plugin.need(origin) == Need::Room || self.has_slot_for(tenant, origin);
        if !slot && !origin.is_direct() {
            return Some(Gate::Slots);
        }
        if !plugin.has_permit() {
            return Some(Gate::Plugin);
        }
        if !origin.is_direct() {
            return None;
        }
        if tenant.in_flight >= tenant.max {
            return Some(Gate::Tenant);
        }
        if !self.has_permit_for(tenant) {
            return Some(Gate::Host);
        }
        (!slot).then_some(Gate::Slots)
    }

    fn free_slots(&self, origin: Origin) -> u32 {
        self.slots.of(origin).saturating_sub(self.taken.of(origin))
    }

    /// Whether the tenant may take one more slot.
    fn has_slot_for(&self, tenant: &Tenant, origin: Origin) -> bool {
        self.reach.allows(tenant.slots.of(origin), tenant.weight, self.free_slots(origin))
    }

    /// Whether the tenant may take one more of the host's permits.
    fn has_permit_for(&self, tenant: &Tenant) -> bool {
        self.reach.allows(tenant.in_flight, tenant.weight, self.host_max.saturating_sub(self.host))
    }

    /// The claim's limits hold from now on.
    fn take_limits(&mut self, claim: &Claim) -> Vec<Decision<W>> {
        let who = claim.who;
        let plugin = self.plugins.entry(who.plugin).or_insert_with(|| {
            let shares = Shares::new(claim.per_instance);
            let (direct, nested) = (BTreeMap::new(), BTreeMap::new());
            Plugin { who, max: 0, in_flight: 0, background: 0, shares, direct, nested, listed: None }
        });
        self.moment += 1;
        let served = self.moment;
        let weights = &mut self.weights;
        let tenant = self.tenants.entry(who.tenant).or_insert_with(|| {
            *weights += 1;
            Tenant { max: 0, weight: 1, in_flight: 0, slots: PerOrigin::default(), waiting: 0, served, plugins: 0 }
        });
        tenant.plugins += usize::from(plugin.max == 0);
        let same = plugin.max == claim.plugin_max.max(1)
            && plugin.shares.per_instance() == claim.per_instance.max(1)
            && (tenant.max, tenant.weight) == (claim.tenant_max.max(1), claim.tenant_weight.max(1));
        if same {
            return Vec::new();
        }
        plugin.max = claim.plugin_max.max(1);
        let before = plugin.shares.slots();
        plugin.shares.set_per_instance(claim.per_instance);
        let after = plugin.shares.slots();
        self.taken.exchange(&before, &after);
        tenant.slots.exchange(&before, &after);
        self.weights -= u64::from(tenant.weight);
        (tenant.max, tenant.weight) = (claim.tenant_max.max(1), claim.tenant_weight.max(1));
        self.weights += u64::from(tenant.weight);
        self.rerank(who.tenant);
        self.relist(who.plugin);
        self.dispatch_keeping(who)
    }

    fn line_up(&mut self, plugin: PluginId, waiter: Waiter<W>) -> u64 {
        self.moment += 1;
        let number = self.moment;
        let queues = self.plugins.get_mut(&plugin).expect("its limits were just taken");
        self.waiting += 1;
        self.tenants.get_mut(&queues.who.tenant).expect("a known plugin's tenant is known").waiting += 1;
        let queue = if waiter.origin.is_direct() { &mut queues.direct } else { &mut queues.nested };
        queue.insert(number, waiter);
        self.relist(plugin);
        number
    }

    fn no_longer_waits(&mut self, who: Who) {
        self.waiting -= 1;
        self.tenants.get_mut(&who.tenant).expect("a known plugin's tenant is known").waiting -= 1;
    }

    /// Whether a tenant has more in flight and waiting than its weight gives it among those that have any. One that
    /// is alone is never over its share.
    fn is_over_its_share(&self, who: Who) -> bool {
        let tenant = &self.tenants[&who.tenant];
        let own = u64::from(tenant.in_flight) + u64::from(tenant.waiting);
        // What the host counts is what its tenants have.
        let all = u64::from(self.host) + u64::from(self.waiting);
        u128::from(own) * u128::from(self.weights) > u128::from(all) * u128::from(tenant.weight)
    }

    /// Takes everything a request needs. Its gates are free.
    fn grant(&mut self, who: Who, origin: Origin) {
        let plugin = self.plugins.get_mut(&who.plugin).expect("its limits were taken when it asked");
        plugin.in_flight += 1;
        let taken = plugin.shares.add(origin);
        let tenant = self.tenants.get_mut(&who.tenant).expect("a known plugin's tenant is known");
        *self.taken.of_mut(origin) += taken;
        *tenant.slots.of_mut(origin) += taken;
        if origin.is_direct() {
            self.host += 1;
            self.moment += 1;
            tenant.in_flight += 1;
            tenant.served = self.moment;
            self.rerank(who.tenant);
        }
        self.relist(who.plugin);
    }

    fn give_back_permits(&mut self, who: Who, origin: Origin) {
        let plugin = self.plugins.get_mut(&who.plugin).expect("a plugin with a permit out is known");
        plugin.in_flight -= 1;
        if origin.is_direct() {
            self.host -= 1;
            let tenant = self.tenants.get_mut(&who.tenant).expect("a known plugin's tenant is known");
            tenant.in_flight -= 1;
            self.rerank(who.tenant);
        }
        self.relist(who.plugin);
    }

    fn give_back_share(&mut self, who: Who, origin: Origin) -> Vec<Decision<W>> {
        let plugin = self.plugins.get_mut(&who.plugin).expect("a plugin with a share out is known");
        let given_back = plugin.shares.remove(origin);
        let tenant = self.tenants.get_mut(&who.tenant).expect("a known plugin's tenant is known");
        *self.taken.of_mut(origin) -= given_back;
        *tenant.slots.of_mut(origin) -= given_back;
        self.rerank(who.tenant);
        self.relist(who.plugin);
        self.dispatch(who)
    }

    /// Lets in whom the gates let in, after something of `freed` was given back.
    fn dispatch(&mut self, freed: Who) -> Vec<Decision<W>> {
        let decisions = self.dispatch_keeping(freed);
        self.forget_if_idle(freed);
        decisions
    }

    fn dispatch_keeping(&mut self, freed: Who) -> Vec<Decision<W>> {
        let mut decisions = Vec::new();
        loop {
            let direct = self.ready.best(|need, tenant| self.is_met(need, tenant));
            let decision = match (self.next_call(freed.plugin), direct) {
                // First come, first served between a plugin's calls and its requests; but a call does not wait for a
                // request that cannot go.
                (Some(first), _) if first || direct.is_none() => self.decide_call(freed.plugin),
                (_, Some(plugin)) => self.admit_first(plugin),
                (_, None) => return decisions,
            };
            decisions.push(decision);
        }
    }

    /// Whether a need can be met for this tenant, the first of those that have it and have not been asked about.
    fn is_met(&self, need: Need, tenant: TenantId) -> Met {
        let tenant = &self.tenants[&tenant];
        let slot = need.slot().is_none_or(|origin| self.has_slot_for(tenant, origin));
        match (slot, self.has_permit_for(tenant)) {
            (true, true) => Met::Yes,
            // They rank by slots. Who lacks a permit alone holds many in few instances, while permits are short as well.
            (true, false) if need.slot().is_some() && self.host < self.host_max => Met::ByOthers,
            _ => Met::ByNobodyAfter,
        }
    }

    /// Whether a call to the plugin could go; with it, whether it came before the plugin's requests.
    fn next_call(&self, plugin: PluginId) -> Option<bool> {
        let plugin = self.plugins.get(&plugin).filter(|plugin| plugin.has_permit())?;
        let (call, _) = plugin.nested.first_key_value()?;
        Some(plugin.direct.first_key_value().is_none_or(|(request, _)| call < request))
    }

    fn decide_call(&mut self, plugin: PluginId) -> Decision<W> {
        let callee = self.plugins.get_mut(&plugin).expect("its first call was just seen");
        let who = callee.who;
        let (_, Waiter { waiter, origin }) = callee.nested.pop_first().expect("its first call was just seen");
        self.no_longer_waits(who);
        let outcome = self.gate(&self.plugins[&plugin], origin).map_or(Ok(()), Err);
        if outcome.is_ok() {
            self.grant(who, origin);
        }
        Decision { waiter, who, origin, outcome }
    }

    fn admit_first(&mut self, plugin: PluginId) -> Decision<W> {
        let queue = self.plugins.get_mut(&plugin).expect("a listed plugin is known");
        let who = queue.who;
        let (_, Waiter { waiter, origin }) = queue.direct.pop_first().expect("a listed plugin has a request waiting");
        self.no_longer_waits(who);
        self.grant(who, origin);
        Decision { waiter, who, origin, outcome: Ok(()) }
    }

    fn relist(&mut self, id: PluginId) {
        let Some(plugin) = self.plugins.get_mut(&id) else { return };
        let listing = plugin.listing();
        if listing == plugin.listed {
            return;
        }
        let tenant = plugin.who.tenant;
        if let Some((need, place)) = std::mem::replace(&mut plugin.listed, listing) {
            self.ready.remove(need, tenant, place, id);
        }
        if let Some((need, place)) = listing {
            self.ready.insert(need, tenant, self.tenants[&tenant].rank(need), place, id);
        }
    }

    /// What the tenant holds, its limits or the moment it was served have changed.
    fn rerank(&mut self, id: TenantId) {
        let Some(tenant) = self.tenants.get(&id) else { return };
        self.ready.rerank(id, |need| tenant.rank(need));
    }

    fn forget_if_idle(&mut self, who: Who) {
        if !self.plugins.get(&who.plugin).is_some_and(Plugin::is_idle) {
            return;
        }
        self.plugins.remove(&who.plugin);
        let tenant = self.tenants.get_mut(&who.tenant).expect("a known plugin's tenant is known");
        tenant.plugins -= 1;
        if tenant.plugins == 0 {
            self.weights -= u64::from(tenant.weight);
            self.tenants.remove(&who.tenant);
        }
    }
}
