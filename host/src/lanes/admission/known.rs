//! What admission knows of a tenant and of a plugin, for as long as either holds or waits for something.

use std::collections::BTreeMap;

use super::super::Who;
use super::{
    PluginLoad,
    ready::{Need, Place, Rank},
    slots::{PerOrigin, Shares},
    state::Origin,
};

/// A tenant that holds or waits for something.
#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) max: u32,
    pub(super) weight: u32,
    pub(super) in_flight: u32,
    /// Instance slots of its plugins.
    pub(super) slots: PerOrigin,
    /// Requests and calls in its plugins' queues.
    pub(super) waiting: u32,
    /// When one of its requests was last admitted, or when it was first heard of.
    pub(super) served: u64,
    /// Its plugins that are known.
    pub(super) plugins: usize,
}

impl Tenant {
    /// Where it stands among the tenants that need the same; `None` while it is full.
    pub(super) fn rank(&self, need: Need) -> Option<Rank> {
        let held = need.slot().map_or(self.in_flight, |origin| self.slots.of(origin));
        (self.in_flight < self.max).then(|| Rank::new(held, self.weight, self.served))
    }
}

/// A plugin that holds or waits for something.
#[derive(Debug)]
pub(super) struct Plugin<W> {
    pub(super) who: Who,
    pub(super) max: u32,
    pub(super) in_flight: u32,
    pub(super) background: u32,
    pub(super) shares: Shares,
    /// Requests from outside, by arrival.
    pub(super) direct: BTreeMap<u64, Waiter<W>>,
    /// Plugin calls, by arrival: in a queue of their own, for a request held at a gate that its caller's permits
    /// shut must not hold the call behind it.
    pub(super) nested: BTreeMap<u64, Waiter<W>>,
    /// Where it is in `ready`.
    pub(super) listed: Option<(Need, Place)>,
}

/// Someone in a plugin's queue.
#[derive(Debug)]
pub(super) struct Waiter<W> {
    pub(super) waiter: W,
    pub(super) origin: Origin,
}

impl<W> Plugin<W> {
    pub(super) fn has_permit(&self) -> bool {
        self.in_flight < self.max
    }

    pub(super) fn waiting(&self) -> usize {
        self.direct.len() + self.nested.len()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.background == 0 && self.waiting() == 0
    }

    pub(super) fn need(&self, origin: Origin) -> Need {
        if self.shares.has_room(origin) { Need::Room } else { Need::Slot(origin.lane) }
    }

    /// Where it belongs in `ready`.
    pub(super) fn listing(&self) -> Option<(Need, Place)> {
        let (&arrived, first) = self.direct.first_key_value()?;
        let place = Place { in_flight: self.in_flight, arrived };
        self.has_permit().then(|| (self.need(first.origin), place))
    }

    pub(super) fn load(&self) -> PluginLoad {
        let waiting = u32::try_from(self.waiting()).unwrap_or(u32::MAX);
        PluginLoad { who: self.who, in_flight: self.in_flight, background: self.background, waiting }
    }
}
