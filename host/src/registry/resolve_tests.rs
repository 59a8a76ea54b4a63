//! Conflicts: who keeps a route, who is refused, and that the outcome never conflicts.

use proptest::prelude::*;

use super::*;
use crate::registry::{
    table::Table,
    testing::{plugin, tenant},
};

type Plugin = Option<Arc<LivePlugin<u8>>>;

fn tenants() -> Vec<TenantSpec> {
    vec![tenant("default", TenantPlace::Everywhere)]
}

fn make(name: &str, routes: &[&str]) -> Plugin {
    Some(plugin(&tenants(), 0, name, routes, 0))
}

fn offer(new: Plugin, live: Plugin) -> Offer<u8> {
    Offer { tenant: 0, new, live, leaving: false }
}

/// For each offer: whether its new revision (`n`), its live one (`l`) or none (`-`) was chosen.
fn chosen(offers: &[Offer<u8>]) -> String {
    let resolved = resolve(&tenants(), offers);
    let letter = |(offer, chosen): (&Offer<u8>, &Plugin)| {
        let is = |plugin: &Plugin| matches!((plugin, chosen), (Some(a), Some(b)) if Arc::ptr_eq(a, b));
        if is(&offer.new) {
            'n'
        } else if is(&offer.live) {
            'l'
        } else {
            '-'
        }
    };
    offers.iter().zip(&resolved.live).map(letter).collect()
}

#[test]
fn at_start_the_first_folder_has_the_route() {
    let offers = [offer(make("a", &["GET /{x}"]), None), offer(make("b", &["GET,POST /{y}"]), None)];
    assert_eq!(chosen(&offers), "n-");
    let refusals = resolve(&tenants(), &offers).refusals;
    assert_eq!(refusals[1], ["the route `/{}` (GET) belongs to the plugin `a`"]);
    assert!(refusals[0].is_empty());
}

#[test]
fn what_is_live_keeps_its_route_against_a_folder_before_it() {
    let live = make("b", &["/x"]);
    assert_eq!(chosen(&[offer(make("a", &["/x"]), None), offer(live.clone(), live)]), "-n");
}

#[test]
fn a_new_revision_that_reaches_for_anothers_route_is_refused_and_the_old_one_stays() {
    let a = make("a", &["/a"]);
    let offers = [offer(a.clone(), a), offer(make("b", &["/b", "/a"]), make("b", &["/b"]))];
    assert_eq!(chosen(&offers), "nl");
}

#[test]
fn two_plugins_may_swap_their_routes_at_once() {
    let offers = [offer(make("a", &["/b"]), make("a", &["/a"])), offer(make("b", &["/a"]), make("b", &["/b"]))];
    assert_eq!(chosen(&offers), "nn");
}

#[test]
fn a_refused_revision_takes_its_old_routes_back_from_who_counted_on_them() {
    // c holds /c; b gives up /b for /c and is refused; a wanted /b and must wait.
    let c = make("c", &["/c"]);
    let b = offer(make("b", &["/c"]), make("b", &["/b"]));
    assert_eq!(chosen(&[offer(make("a", &["/b"]), None), b, offer(c.clone(), c)]), "-ln");
}

#[test]
fn one_that_loses_does_not_take_others_down_with_it() {
    // b loses /a to a, so c may have /c although b comes before it.
    let a = make("a", &["/a"]);
    let offers = [offer(a.clone(), a), offer(make("b", &["/a", "/c"]), None), offer(make("c", &["/c"]), None)];
    assert_eq!(chosen(&offers), "n-n");
}

#[test]
fn a_name_has_one_folder_and_a_leaving_folder_hands_it_on() {
    let live = make("p", &["/p"]);
    let newcomer = || offer(make("p", &["/q"]), None);
    assert_eq!(chosen(&[newcomer(), offer(live.clone(), live.clone())]), "-n");
    assert_eq!(chosen(&[newcomer(), Offer { leaving: true, ..offer(live.clone(), live) }]), "n-");
}

#[test]
fn different_methods_hosts_and_tails_are_no_conflict() {
    let offers = [
        offer(make("a", &["GET /x"]), None),
        offer(make("b", &["POST /x"]), None),
        offer(make("c", &["host:h GET /x"]), None),
        offer(make("d", &["/{y}"]), None),
        offer(make("e", &["/{*y}"]), None),
    ];
    assert_eq!(chosen(&offers), "nnnnn");
}

#[test]
fn a_route_on_another_tenants_host_is_refused() {
    let tenants =
        [tenant("a", TenantPlace::Hosts(vec!["a.example".to_owned()])), tenant("b", TenantPlace::Prefix("/b".into()))];
    let ask = |place, route| misplaced(&tenants, place, &plugin(&tenants, place, "p", &[route], 0)).len();
    assert_eq!(ask(0, "host:a.example /x"), 0);
    assert_eq!(ask(0, "host:b.example /x"), 1);
    assert_eq!(ask(1, "host:a.example /x"), 1);
    assert_eq!(ask(1, "host:b.example /x"), 0);
}

fn some_plugin(folder: usize) -> impl Strategy<Value = Plugin> {
    let routes = prop::collection::vec(prop_oneof!["/[a-c]", "(GET|POST) /[a-c]"], 0..3);
    let name = prop_oneof![3 => Just(folder), 1 => 0..4_usize];
    prop::option::of((name, routes)).prop_map(|plugin| {
        let (name, routes) = plugin?;
        make(&format!("p{name}"), &routes.iter().map(String::as_str).collect::<Vec<_>>())
    })
}

fn some_offers(folders: usize) -> impl Strategy<Value = Vec<(Plugin, bool)>> {
    (0..folders).map(|folder| (some_plugin(folder), prop::bool::ANY)).collect::<Vec<_>>()
}

fn no_conflicts(live: &[Plugin]) -> bool {
    let all: Vec<_> = live.iter().flatten().collect();
    all.iter().enumerate().all(|(index, a)| {
        all[index + 1..].iter().all(|b| {
            a.name() != b.name()
                && a.manifest.routes.iter().all(|a| {
                    b.manifest.routes.iter().all(|b| a.path != b.path || overlap(&a.methods, &b.methods).is_none())
                })
        })
    })
}

proptest! {
    #[test]
    fn round_after_round_nothing_conflicts_and_no_live_plugin_loses_its_place(
        rounds in prop::collection::vec(some_offers(4), 1..5)
    ) {
        let mut live: Vec<Plugin> = vec![None; 4];
        for round in rounds {
            let offers: Vec<_> = round
                .into_iter()
                .zip(&live)
                .map(|((new, keep), live)| offer(if keep { live.clone() } else { new }, live.clone()))
                .collect();
            let resolved = resolve(&tenants(), &offers);
            prop_assert!(no_conflicts(&resolved.live));
            for ((offer, chosen), refusals) in offers.iter().zip(&resolved.live).zip(&resolved.refusals) {
                // What was live serves on, in its old or new revision.
                prop_assert!(offer.live.is_none() || chosen.is_some());
                // Whoever did not get in is told why.
                let got_in = match (&offer.new, chosen) {
                    (Some(new), Some(chosen)) => Arc::ptr_eq(new, chosen),
                    (None, _) => true,
                    (Some(_), None) => false,
                };
                prop_assert_eq!(got_in, refusals.is_empty());
            }
            live = resolved.live;
            Table::new(&tenants(), live.iter().flatten().map(|plugin| (0, plugin.clone())));
        }
    }
}
