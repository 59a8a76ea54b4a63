//! Who is next for the shared gates: the plugins that wait for nothing but the host's permits or instance slots.
//!
//! Plugins held at their own gate are not in here, and tenants that are full are not ranked. Those that need the same are in the
//! order of what they hold of it, so where the first is out of reach all are: a release takes logarithmic time.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::{
    super::{PluginId, TenantId},
    state::Origin,
};
use crate::config::Lane;

/// What a plugin's next request needs beside a host permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: an instance with room is paid for already.
    Room,
    /// An instance slot of this lane.
    Slot(Lane),
}

impl Need {
    pub(super) const ALL: [Self; 3] = [Self::Room, Self::Slot(Lane::Io), Self::Slot(Lane::Compute)];

    /// The slots that it takes one of.
    pub(super) fn slot(self) -> Option<Origin> {
        match self {
            Self::Room => None,
            Self::Slot(lane) => Some(Origin { lane, hop: 0 }),
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Room => 0,
            Self::Slot(Lane::Io) => 1,
            Self::Slot(Lane::Compute) => 2,
        }
    }
}

/// Whether a tenant may take what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// It may.
    Yes,
    /// It may not, and others that need the same and rank behind it may.
    ByOthers,
    /// Nor may anybody that ranks behind it.
    ByNobodyAfter,
}

/// A tenant's rank, the least first: what it holds of what it needs per weight (slots of the lane, or else permits), then who was
/// served longest ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    load: u64,
    served: u64,
}

impl Rank {
    pub(super) fn new(held: u32, weight: u32, served: u64) -> Self {
        Self { load: (u64::from(held) << 32) / u64::from(weight.max(1)), served }
    }
}

/// A plugin's place among its tenant's, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) in_flight: u32,
    /// When its first request arrived.
    pub(super) arrived: u64,
}

/// The plugins that could go, by what their next request needs.
#[derive(Debug, Default)]
pub(super) struct Ready {
    by_need: [Candidates; 3],
}

#[derive(Debug, Default)]
struct Candidates {
    tenants: FxHashMap<TenantId, TenantPlugins>,
    ranked: BTreeSet<(Rank, TenantId)>,
}

#[derive(Debug, Default)]
struct TenantPlugins {
    /// `None` while the tenant is full.
    rank: Option<Rank>,
    /// Never empty.
    plugins: BTreeSet<(Place, PluginId)>,
}

impl Ready {
    /// The plugin could go if its tenant, the host and the slots let it. `rank` is its tenant's.
    pub(super) fn insert(&mut self, need: Need, tenant: TenantId, rank: Option<Rank>, place: Place, plugin: PluginId) {
        let candidates = &mut self.by_need[need.index()];
        let entry = candidates.tenants.entry(tenant).or_default();
        entry.plugins.insert((place, plugin));
        candidates.rank(tenant, rank);
    }

    /// The plugin has nothing waiting, or is held at its own gate.
    pub(super) fn remove(&mut self, need: Need, tenant: TenantId, place: Place, plugin: PluginId) {
        let candidates = &mut self.by_need[need.index()];
        let Some(entry) = candidates.tenants.get_mut(&tenant) else { return };
        entry.plugins.remove(&(place, plugin));
        if entry.plugins.is_empty() {
            candidates.rank(tenant, None);
            candidates.tenants.remove(&tenant);
        }
    }

    /// The tenant's ranks have changed. `rank` tells the one among those with a need, `None` when the tenant is full; it is asked
    /// only where a plugin of the tenant waits, which is nowhere for most requests.
    pub(super) fn rerank(&mut self, tenant: TenantId, rank: impl Fn(Need) -> Option<Rank>) {
        for need in Need::ALL {
            let candidates = &mut self.by_need[need.index()];
            if candidates.tenants.contains_key(&tenant) {
                candidates.rank(tenant, rank(need));
            }
        }
    }

    /// The plugin to let in next. `reach` says whether a tenant may take what it needs, and if not, which others may not either.
    pub(super) fn best(&self, reach: impl Fn(Need, TenantId) -> Met) -> Option<PluginId> {
        let firsts = Need::ALL.into_iter().filter_map(|need| {
            let candidates = &self.by_need[need.index()];
            candidates.first(|tenant| reach(need, tenant))
        });
        firsts.min_by_key(|&(rank, place, _)| (rank, place)).map(|(_, _, plugin)| plugin)
    }

    /// Whether no plugin could go.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_need.iter().all(|candidates| candidates.tenants.is_empty() && candidates.ranked.is_empty())
    }
}

impl Candidates {
    fn rank(&mut self, tenant: TenantId, rank: Option<Rank>) {
        let Some(entry) = self.tenants.get_mut(&tenant) else { return };
        if let Some(old) = entry.rank.take() {
            self.ranked.remove(&(old, tenant));
        }
        if let Some(rank) = rank {
            self.ranked.insert((rank, tenant));
        }
        entry.rank = rank;
    }

    fn first(&self, reach: impl Fn(TenantId) -> Met) -> Option<(Rank, Place, PluginId)> {
        for &(rank, tenant) in &self.ranked {
            match reach(tenant) {
                Met::Yes => {
                    let &(place, plugin) = self.tenants.get(&tenant)?.plugins.first()?;
                    return Some((rank, place, plugin));
                }
                Met::ByNobodyAfter => return None,
                Met::ByOthers => {}
            }
        }
        None
    }
}
