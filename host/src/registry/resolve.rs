//! From what each folder offers to one table without conflicts, and a reason for each offer that is not in it.
//!
//! Pure: the same offers give the same table. What is live keeps what it holds while it still wants it; among
//! newcomers the lexically first folder wins. A plugin whose new revision is refused stays on its live one.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use http::Method;

use super::{
    live::LivePlugin,
    path_tree::{segments, shape},
    tenants::TenantSpec,
};
use crate::config::{Methods, TenantPlace};

/// More segments than a route needs; a path is matched segment by segment, each on the stack.
const MAX_SEGMENTS: usize = 64;

/// What one folder offers.
pub(super) struct Offer<G> {
    /// The tenant's place in the list of tenants.
    pub(super) tenant: usize,
    /// What it wants to serve; `None` when its newest state is at fault.
    pub(super) new: Option<Arc<LivePlugin<G>>>,
    /// What it serves now.
    pub(super) live: Option<Arc<LivePlugin<G>>>,
    /// Whether the folder still exists; one that is going gives its name to another.
    pub(super) leaving: bool,
}

/// For each offer what shall be live, and why its new revision is not.
pub(super) struct Resolved<G> {
    pub(super) live: Vec<Option<Arc<LivePlugin<G>>>>,
    pub(super) refusals: Vec<Vec<String>>,
}

/// Chooses. `offers` are in the order of their folders.
pub(super) fn resolve<G>(tenants: &[TenantSpec], offers: &[Offer<G>]) -> Resolved<G> {
    let mut choice = Choice {
        offers,
        chosen: offers.iter().map(|offer| offer.new.clone().or_else(|| offer.live.clone())).collect(),
        refusals: offers.iter().map(|_| Vec::new()).collect(),
    };
    for (index, offer) in offers.iter().enumerate() {
        let faults = choice.chosen[index].as_ref().map(|plugin| misplaced(tenants, offer.tenant, plugin));
        for fault in faults.into_iter().flatten() {
            choice.refuse(index, fault);
        }
    }
    while let Some((loser, reason)) = choice.first_clash() {
        choice.refuse(loser, reason);
    }
    Resolved { live: choice.chosen, refusals: choice.refusals }
}

struct Choice<'a, G> {
    offers: &'a [Offer<G>],
    chosen: Vec<Option<Arc<LivePlugin<G>>>>,
    refusals: Vec<Vec<String>>,
}

/// Where a route lies: its tenant, its host, its shape.
type Place<'a> = (usize, Option<&'a str>, String);

/// One route that two plugins want, or one name.
struct Clash {
    winner: usize,
    loser: usize,
    /// Whether the winner holds it now, rather than being first in order.
    held: bool,
    reason: String,
}

impl<G> Choice<'_, G> {
    /// Falls back from the new revision to the live one, or to none.
    fn refuse(&mut self, index: usize, reason: String) {
        self.refusals[index].push(reason);
        let live = self.offers[index].live.clone();
        let is_live = |plugin: &Arc<LivePlugin<G>>| live.as_ref().is_some_and(|live| Arc::ptr_eq(live, plugin));
        let on_live = self.chosen[index].as_ref().is_some_and(is_live);
        self.chosen[index] = if on_live { None } else { live };
    }

    /// The clash to settle first: one that a live plugin wins, since it cannot lose; else the one whose winner is
    /// first in order, since nobody can beat that one.
    fn first_clash(&self) -> Option<(usize, String)> {
        let mut clashes = self.name_clashes();
        if clashes.is_empty() {
            clashes = self.route_clashes();
        }
        clashes.sort_by_key(|clash| (!clash.held, clash.winner, clash.loser));
        clashes.into_iter().next().map(|clash| (clash.loser, clash.reason))
    }

    fn name_clashes(&self) -> Vec<Clash> {
        let mut by_name: BTreeMap<(usize, &str), Vec<usize>> = BTreeMap::new();
        for (index, plugin) in self.chosen.iter().enumerate() {
            if let Some(plugin) = plugin {
                by_name.entry((self.offers[index].tenant, plugin.name())).or_default().push(index);
            }
        }
        let clash = |((_, name), claimants): ((usize, &str), Vec<usize>)| {
            let holds = |&index: &usize| {
                let offer = &self.offers[index];
                (offer.leaving, offer.live.as_ref().is_none_or(|live| live.name() != name), index)
            };
            let winner = claimants.iter().copied().min_by_key(holds)?;
            let loser = claimants.into_iter().find(|index| *index != winner)?;
            let folder = self.chosen[winner].as_ref()?.folder.display();
            let reason = format!("the name `{name}` is taken by the plugin in {folder}");
            Some(Clash { winner, loser, held: true, reason })
        };
        by_name.into_iter().filter_map(clash).collect()
    }

    fn route_clashes(&self) -> Vec<Clash> {
        let mut places: HashMap<Place<'_>, Vec<(usize, &Methods)>> = HashMap::new();
        let mut clashes = Vec::new();
        for (index, plugin) in self.chosen.iter().enumerate() {
            let Some(plugin) = plugin else { continue };
            for route in &plugin.manifest.routes {
                let place = (self.offers[index].tenant, route.host.as_deref(), shape(&route.path));
                let claims = places.entry(place.clone()).or_default();
                for (other, methods) in claims.iter().filter(|(other, _)| *other != index) {
                    if let Some(shared) = overlap(methods, &route.methods) {
                        clashes.push(self.clash((*other, index), &place, &shared));
                    }
                }
                claims.push((index, &route.methods));
            }
        }
        clashes
    }

    fn clash(&self, (first, second): (usize, usize), place: &Place<'_>, shared: &Methods) -> Clash {
        let holds = |index: usize| {
            let routes = self.offers[index].live.iter().flat_map(|live| &live.manifest.routes);
            let same = |host: Option<&str>, path: &str| host == place.1 && shape(path) == place.2;
            routes
                .into_iter()
                .any(|route| same(route.host.as_deref(), &route.path) && overlap(&route.methods, shared).is_some())
        };
        // Two that are both live never clash, so one holder at most is not about to lose.
        let (held, winner, loser) = match (holds(first), holds(second)) {
            (false, true) => (true, second, first),
            (true, false) => (true, first, second),
            (true, true) => self.settled_first(first, second),
            (false, false) => (false, first, second),
        };
        let name = self.chosen[winner].as_ref().map_or("?", |plugin| plugin.name());
        let host = place.1.map(|host| format!(" on host {host}")).unwrap_or_default();
        let methods = match shared {
            Methods::All => "every method".to_owned(),
            Methods::Only(only) => only.iter().map(http::Method::as_str).collect::<Vec<_>>().join(", "),
        };
        let reason = format!("the route `{}`{host} ({methods}) belongs to the plugin `{name}`", place.2);
        Clash { winner, loser, held, reason }
    }

    /// Both hold part of the place: the one that is already on its live revision cannot give way.
    fn settled_first(&self, first: usize, second: usize) -> (bool, usize, usize) {
        let on_live = |index: usize| match (&self.chosen[index], &self.offers[index].live) {
            (Some(chosen), Some(live)) => Arc::ptr_eq(chosen, live),
            _ => false,
        };
        if on_live(second) && !on_live(first) { (true, second, first) } else { (true, first, second) }
    }
}

/// The methods that two routes share. A route for GET takes HEAD too.
fn overlap(a: &Methods, b: &Methods) -> Option<Methods> {
    match (a, b) {
        (Methods::All, other) | (other, Methods::All) => Some(other.clone()),
        (Methods::Only(ours), Methods::Only(theirs)) => {
            let mut shared: Vec<_> = ours.iter().filter(|method| b.accepts(method)).cloned().collect();
            shared.extend(theirs.iter().filter(|method| a.accepts(method) && !ours.contains(method)).cloned());
            (!shared.is_empty()).then_some(Methods::Only(shared))
        }
    }
}

/// What is wrong with a plugin's routes whatever the others want.
pub(super) fn misplaced<G>(tenants: &[TenantSpec], tenant: usize, plugin: &LivePlugin<G>) -> Vec<String> {
    let mut faults = Vec::new();
    for route in &plugin.manifest.routes {
        if segments(&route.path).count() > MAX_SEGMENTS {
            faults.push(format!("a route has more than {MAX_SEGMENTS} segments"));
        }
        let Some(host) = &route.host else { continue };
        let owner =
            tenants.iter().position(|spec| matches!(&spec.place, TenantPlace::Hosts(hosts) if hosts.contains(host)));
        let own = matches!(tenants[tenant].place, TenantPlace::Hosts(_));
        if (own && owner != Some(tenant)) || (!own && owner.is_some()) {
            faults.push(format!("the host `{host}` of the route `{}` is not one of the tenant's", route.path));
        }
    }
    let paths = plugin.manifest.schedules.iter().map(|schedule| schedule.path.as_str());
    for path in paths.filter(|path| plugin.own_route(path.split('?').next().unwrap_or(path), &Method::POST).is_err()) {
        faults.push(format!("schedule: no route of the plugin takes POST {path}"));
    }
    faults
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
