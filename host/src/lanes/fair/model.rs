//! The fair structure once more, as plain lists searched from end to end: what the real one is compared with.

use super::{super::Who, PluginId, TenantId, flows::OUTSIDE_DEBT, line::ELDEST_EVERY};

/// Virtual time in quarters of a nanosecond: exact for the weights 1, 2 and 4.
type Tag = u128;

#[derive(Clone, Debug)]
struct Flow<K> {
    key: K,
    weight: u32,
    tag: Tag,
    waits: bool,
    out: u32,
    owed: u64,
    /// When it was last put in the line.
    order: u64,
}

impl<K> Flow<K> {
    fn cost(&self, nanos: u64) -> Tag {
        Tag::from(nanos) * 4 / Tag::from(self.weight)
    }

    fn active(&self) -> bool {
        self.waits || self.out > 0
    }
}

#[derive(Clone, Debug)]
struct Level<K> {
    estimate: u64,
    flows: Vec<Flow<K>>,
    now: Tag,
    orders: u64,
}

impl<K: Copy + PartialEq> Level<K> {
    fn new(estimate: u64) -> Self {
        Self { estimate, flows: Vec::new(), now: 0, orders: 0 }
    }

    fn flow(&mut self, key: K) -> &mut Flow<K> {
        self.flows.iter_mut().find(|flow| flow.key == key).expect("the test names known flows")
    }

    fn know(&mut self, key: K, weight: u32) {
        if !self.flows.iter().any(|flow| flow.key == key) {
            self.flows.push(Flow { key, weight, tag: self.now, waits: false, out: 0, owed: 0, order: 0 });
        }
    }

    fn reorder(&mut self, key: K) {
        self.orders += 1;
        let order = self.orders;
        if self.flow(key).waits {
            self.flow(key).order = order;
        }
    }

    fn wait(&mut self, key: K, weight: u32) {
        self.know(key, weight);
        let now = self.now;
        let flow = self.flow(key);
        flow.weight = weight;
        if flow.waits {
            return;
        }
        if !flow.active() {
            flow.tag = flow.tag.max(now);
        }
        flow.waits = true;
        self.reorder(key);
        self.advance();
    }

    fn stop(&mut self, key: K) {
        self.flow(key).waits = false;
        self.advance();
    }

    fn pick(&mut self) -> Option<K> {
        let estimate = self.estimate;
        let waiting = self.flows.iter().filter(|flow| flow.waits);
        let key = waiting.min_by_key(|flow| (flow.tag + flow.cost(estimate) * Tag::from(flow.out), flow.order))?.key;
        let flow = self.flow(key);
        flow.out += 1;
        flow.tag += flow.cost(flow.owed);
        flow.owed = 0;
        self.reorder(key);
        Some(key)
    }

    fn settle(&mut self, key: K, nanos: u64) {
        self.flow(key).out -= 1;
        self.renew(key, nanos);
        self.advance();
    }

    fn renew(&mut self, key: K, nanos: u64) {
        let flow = self.flow(key);
        flow.tag += flow.cost(nanos);
        self.reorder(key);
    }

    fn charge(&mut self, key: K, weight: u32, nanos: u64) {
        if !self.flows.iter().any(Flow::active) {
            return;
        }
        self.know(key, weight);
        let now = self.now;
        let flow = self.flow(key);
        flow.owed = (flow.owed + nanos).min(OUTSIDE_DEBT);
        if !flow.active() {
            let most = now + flow.cost(OUTSIDE_DEBT);
            flow.tag = flow.tag.max(most.min(flow.tag + flow.cost(flow.owed)));
            flow.owed = 0;
        }
    }

    fn advance(&mut self) {
        for flow in &mut self.flows {
            if !flow.active() {
                flow.tag += flow.cost(flow.owed);
                flow.owed = 0;
            }
        }
        let active = self.flows.iter().filter(|flow| flow.active()).map(|flow| flow.tag).min();
        let last = self.flows.iter().map(|flow| flow.tag).max().unwrap_or(0);
        self.now = self.now.max(active.unwrap_or(last));
        let now = self.now;
        self.flows.retain(|flow| active.is_some() && (flow.active() || flow.tag > now));
    }
}

/// The model of [`super::Fair`].
#[derive(Debug)]
pub(super) struct Model {
    estimate: u64,
    tenants: Level<TenantId>,
    plugins: Vec<(TenantId, Level<PluginId>)>,
    weights: Vec<(TenantId, u32)>,
    /// Who, attained, arrival, name.
    items: Vec<(Who, u64, u64, u32)>,
    arrivals: u64,
    /// Picks of each plugin since something of it waits.
    picks: Vec<(Who, u32)>,
}

impl Model {
    pub(super) fn new(estimate: u64) -> Self {
        let (plugins, weights, items, picks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { estimate, tenants: Level::new(estimate), plugins, weights, items, arrivals: 0, picks }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn push(&mut self, who: Who, attained: u64, name: u32) {
        self.arrivals += 1;
        self.items.push((who, attained, self.arrivals, name));
        if self.level(who.tenant).is_none() {
            self.plugins.push((who.tenant, Level::new(self.estimate)));
        }
        self.level(who.tenant).expect("it was just made").wait(who.plugin, 1);
        self.tenants.wait(who.tenant, self.weight(who.tenant));
    }

    pub(super) fn pop(&mut self) -> Option<(Who, u32)> {
        let tenant = self.tenants.pick()?;
        let plugin = self.level(tenant)?.pick()?;
        let who = Who { tenant, plugin };
        let eldest = self.is_for_the_eldest(who);
        let own = self.items.iter().filter(|item| item.0 == who);
        let &(_, _, _, name) = own.min_by_key(|item| if eldest { (0, item.2) } else { (item.1, item.2) })?;
        self.remove(who, name);
        Some((who, name))
    }

    fn is_for_the_eldest(&mut self, who: Who) -> bool {
        if !self.picks.iter().any(|(other, _)| *other == who) {
            self.picks.push((who, 0));
        }
        let (_, picks) = self.picks.iter_mut().find(|(other, _)| *other == who).expect("it was just put there");
        *picks += 1;
        *picks % ELDEST_EVERY == 0
    }

    pub(super) fn remove(&mut self, who: Who, name: u32) -> bool {
        let before = self.items.len();
        self.items.retain(|item| item.3 != name);
        if self.items.len() == before {
            return false;
        }
        if !self.items.iter().any(|item| item.0 == who) {
            self.picks.retain(|(other, _)| *other != who);
            self.level(who.tenant).expect("it had an item").stop(who.plugin);
        }
        if !self.items.iter().any(|item| item.0.tenant == who.tenant) {
            self.tenants.stop(who.tenant);
        }
        self.forget();
        true
    }

    pub(super) fn settle(&mut self, who: Who, nanos: u64) {
        self.level(who.tenant).expect("it is being served").settle(who.plugin, nanos);
        self.tenants.settle(who.tenant, nanos);
        self.forget();
    }

    pub(super) fn renew(&mut self, who: Who, nanos: u64) {
        self.level(who.tenant).expect("it is being served").renew(who.plugin, nanos);
        self.tenants.renew(who.tenant, nanos);
    }

    pub(super) fn charge(&mut self, who: Who, nanos: u64) {
        if let Some(level) = self.level(who.tenant) {
            level.charge(who.plugin, 1, nanos);
        }
        self.tenants.charge(who.tenant, self.weight(who.tenant), nanos);
    }

    pub(super) fn set_weight(&mut self, tenant: TenantId, weight: u32) {
        self.weights.retain(|(other, _)| *other != tenant);
        self.weights.push((tenant, weight));
        if self.tenants.flows.iter().any(|flow| flow.key == tenant) {
            self.tenants.flow(tenant).weight = weight;
            self.tenants.reorder(tenant);
        }
    }

    fn weight(&self, tenant: TenantId) -> u32 {
        self.weights.iter().find(|(other, _)| *other == tenant).map_or(1, |(_, weight)| *weight)
    }

    fn level(&mut self, tenant: TenantId) -> Option<&mut Level<PluginId>> {
        self.plugins.iter_mut().find(|(other, _)| *other == tenant).map(|(_, level)| level)
    }

    fn forget(&mut self) {
        let tenants = &self.tenants;
        self.plugins.retain(|(key, _)| tenants.flows.iter().any(|flow| flow.key == *key && flow.active()));
    }
}
