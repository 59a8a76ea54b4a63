//! One level of start-time fair queueing: which flow is served next. The flows are tenants or plugins.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

/// Virtual time: nanoseconds of CPU time per unit of weight, in fixed point.
type Tag = u128;

/// So many fractional bits that dividing by a weight loses nothing that adds up.
const FRACTION: u32 = 20;

/// The largest debt, in nanoseconds, that work outside a pick can leave a flow with.
///
/// Such work was nobody's choice, so no bound follows from the order of picks; without this one, a flow that did much
/// of it while no other flow wanted the CPU would starve as soon as one does.
pub(super) const OUTSIDE_DEBT: u64 = 100_000_000;

/// Flows by their start tags. A flow is *active* while it waits for a pick or has picks that are not settled.
pub(super) struct Flows<K> {
    /// What one pick is taken to cost until it is settled, in nanoseconds.
    estimate: u64,
    flows: HashMap<K, Flow>,
    /// The flows that wait, by start tag with the unsettled picks' estimates on top, then by arrival.
    line: BTreeSet<(Tag, u64, K)>,
    /// The active flows by start tag: the first is the virtual time.
    active: BTreeSet<(Tag, K)>,
    /// Flows that are not active but have used more than their share: kept until the virtual time passes them.
    resting: BTreeSet<(Tag, K)>,
    /// Virtual time: the least start tag of an active flow, never falling.
    now: Tag,
    arrivals: u64,
}

struct Flow {
    weight: u32,
    /// Start tag of its next service.
    tag: Tag,
    /// Its place in the line, when it waits.
    place: Option<(Tag, u64)>,
    /// Picks that are not settled.
    out: u32,
    /// Work outside picks that is not in the tag yet, in nanoseconds.
    owed: u64,
}

impl Flow {
    fn active(&self) -> bool {
        self.place.is_some() || self.out > 0
    }

    fn cost(&self, nanos: u64) -> Tag {
        (Tag::from(nanos) << FRACTION) / Tag::from(self.weight.max(1))
    }

    fn take_owed(&mut self) -> Tag {
        let owed = std::mem::take(&mut self.owed);
        self.cost(owed)
    }
}

impl<K: Copy + Ord + Hash> Flows<K> {
    pub(super) fn new(estimate: u64) -> Self {
        Self {
            estimate,
            flows: HashMap::new(),
            line: BTreeSet::new(),
            active: BTreeSet::new(),
            resting: BTreeSet::new(),
            now: 0,
            arrivals: 0,
        }
    }

    /// The flow has something to be picked. One that was not active starts at the virtual time, or later when it is
    /// in debt; so idling earns nothing.
    pub(super) fn wait(&mut self, key: K, weight: u32) {
        let now = self.now;
        let flow = self.flows.entry(key).or_insert(Flow { weight, tag: now, place: None, out: 0, owed: 0 });
        flow.weight = weight;
        if flow.place.is_some() {
            return;
        }
        if !flow.active() {
            self.resting.remove(&(flow.tag, key));
            flow.tag = flow.tag.max(now);
            self.active.insert((flow.tag, key));
        }
        self.place(key);
        self.advance();
    }

    /// The flow's share from now on; what it has used stays as it was counted.
    pub(super) fn set_weight(&mut self, key: K, weight: u32) {
        if let Some(flow) = self.flows.get_mut(&key) {
            flow.weight = weight;
            self.place_again(key);
        }
    }

    /// The flow has nothing to be picked any more.
    pub(super) fn stop_waiting(&mut self, key: K) {
        let Some(flow) = self.flows.get_mut(&key) else { return };
        if let Some((tag, arrival)) = flow.place.take() {
            self.line.remove(&(tag, arrival, key));
        }
        self.rest_if_idle(key);
    }

    /// The flow to serve next; it goes on waiting until [`Flows::stop_waiting`]. Each pick is settled once.
    pub(super) fn pick(&mut self) -> Option<K> {
        let &(_, _, key) = self.line.first()?;
        let flow = self.flows.get_mut(&key).expect("a flow in the line is known");
        flow.out += 1;
        let owed = flow.take_owed();
        self.retag(key, owed);
        self.place(key);
        Some(key)
    }

    /// One pick of the flow is over, after `nanos` of CPU time.
    pub(super) fn settle(&mut self, key: K, nanos: u64) {
        let Some(flow) = self.flows.get_mut(&key) else { return };
        flow.out = flow.out.saturating_sub(1);
        let cost = flow.cost(nanos);
        self.retag(key, cost);
        self.place_again(key);
        self.rest_if_idle(key);
    }

    /// One pick of the flow goes on as if it had been settled and picked again.
    pub(super) fn renew(&mut self, key: K, nanos: u64) {
        let Some(flow) = self.flows.get(&key) else { return };
        let cost = flow.cost(nanos);
        self.retag(key, cost);
        self.place_again(key);
    }

    /// The flow used `nanos` outside a pick. A flow that waits keeps its place and pays after its next pick, so
    /// that work which needs no pick cannot put off for ever the work that does.
    pub(super) fn charge(&mut self, key: K, weight: u32, nanos: u64) {
        if self.active.is_empty() {
            return; // Nobody to be unfair to.
        }
        let now = self.now;
        let flow = self.flows.entry(key).or_insert(Flow { weight, tag: now, place: None, out: 0, owed: 0 });
        flow.owed = flow.owed.saturating_add(nanos).min(OUTSIDE_DEBT);
        if !flow.active() {
            self.resting.remove(&(flow.tag, key));
            let most = now + flow.cost(OUTSIDE_DEBT);
            let owing = flow.tag + flow.take_owed();
            flow.tag = flow.tag.max(most.min(owing));
            self.resting.insert((flow.tag, key));
        }
    }

    /// Whether the flow waits or has picks that are not settled.
    pub(super) fn is_active(&self, key: K) -> bool {
        self.flows.get(&key).is_some_and(Flow::active)
    }

    /// Flows that are remembered.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.flows.len()
    }

    /// Moves an active flow's start tag by `cost`.
    fn retag(&mut self, key: K, cost: Tag) {
        let flow = self.flows.get_mut(&key).expect("only known flows are retagged");
        if self.active.remove(&(flow.tag, key)) {
            flow.tag += cost;
            self.active.insert((flow.tag, key));
        }
    }

    fn place_again(&mut self, key: K) {
        if self.flows.get(&key).is_some_and(|flow| flow.place.is_some()) {
            self.place(key);
        }
    }

    /// Puts the flow where it belongs in the line, behind those with equal tags.
    fn place(&mut self, key: K) {
        let flow = self.flows.get_mut(&key).expect("only known flows are placed");
        if let Some((tag, arrival)) = flow.place.take() {
            self.line.remove(&(tag, arrival, key));
        }
        let tag = flow.tag + flow.cost(self.estimate) * Tag::from(flow.out);
        self.arrivals += 1;
        flow.place = Some((tag, self.arrivals));
        self.line.insert((tag, self.arrivals, key));
    }

    fn rest_if_idle(&mut self, key: K) {
        let Some(flow) = self.flows.get_mut(&key) else { return };
        if !flow.active() && self.active.remove(&(flow.tag, key)) {
            let owed = flow.take_owed();
            flow.tag += owed;
            self.resting.insert((flow.tag, key));
        }
        self.advance();
    }

    /// Moves the virtual time on and forgets the flows it has passed.
    fn advance(&mut self) {
        let Some(&(least, _)) = self.active.first() else {
            // The end of a busy period: everyone starts even again.
            let greatest = self.resting.last().map_or(0, |&(tag, _)| tag);
            self.now = self.now.max(greatest);
            self.resting.clear();
            self.flows.clear();
            return;
        };
        self.now = self.now.max(least);
        while let Some(&(tag, key)) = self.resting.first() {
            if tag > self.now {
                break;
            }
            self.resting.pop_first();
            self.flows.remove(&key);
        }
    }
}
