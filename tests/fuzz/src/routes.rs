//! The routing table against a matcher that tries every route of every plugin.
//!
//! The input is a text of lines; others are passed over:
//! * `tenants`: from here on three tenants, by host and by prefix, instead of one;
//! * `plugin TENANT`: the next plugin, of the tenant at that place;
//! * `route PATH [METHOD,METHOD] [@HOST]`: a route of it;
//! * `ask METHOD HOST PATH`: a request; a host of `-` is none.
//!
//! Checked: the plugin, the route and its parameters, or the failure and what it allows, are the model's; the guest's path
//! lies below its tenant's prefix; a call by name matches the plugin's own routes; and a plugin is kept out of the table
//! with a reason, or has every one of its routes to itself.

use std::{collections::BTreeSet, path::PathBuf};

use http::Method;
use wasmbay::{
    config::{Caps, Manifest, Methods, Route, TenantPlace},
    failure::Code,
    registry::{Table, TenantSpec, probe},
    telemetry::Metrics,
};

use crate::naive;

/// Runs one input.
///
/// # Panics
/// When one of the properties does not hold.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let many = text.lines().any(|line| line == "tenants");
    let tenants = if many { three() } else { vec![tenant("default", TenantPlace::Everywhere)] };
    let plugins = plugins(text, tenants.len());
    let (table, refusals) =
        probe::table(&tenants, plugins.iter().cloned().map(|(at, it)| (at, it, ())), &Metrics::new());
    let live: Vec<_> = plugins.iter().zip(&refusals).filter(|(_, why)| why.is_empty()).map(|(one, _)| one).collect();
    assert_eq!(table.plugins().count(), live.len(), "a plugin is neither live nor refused");
    alone(&live);
    for line in text.lines() {
        if let Some((method, host, path)) = asked(line) {
            compare(&tenants, &live, &table, &method, host, path);
        }
    }
}

/// A tenant without caps, whose plugins lie in a folder of its name.
pub(crate) fn tenant(name: &str, place: TenantPlace) -> TenantSpec {
    TenantSpec { name: name.into(), folder: PathBuf::from(name), place, weight: 1, caps: Caps::default() }
}

fn three() -> Vec<TenantSpec> {
    vec![
        tenant("acme", TenantPlace::Hosts(vec!["a.example".to_owned(), "b.example".to_owned()])),
        tenant("beta", TenantPlace::Prefix("/beta".to_owned())),
        tenant("gamma", TenantPlace::Prefix("/beta/gamma".to_owned())),
    ]
}

type Placed = (usize, Manifest);

/// The plugins whose manifests are good.
fn plugins(text: &str, tenants: usize) -> Vec<Placed> {
    let mut written: Vec<(usize, String)> = Vec::new();
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = written.len();
        match (word, written.last_mut()) {
            ("plugin", _) if number < 16 => {
                let head = format!("manifest = 1\nname = \"p{number}\"\ncomponent = \"p\"\nlane = \"io\"\n");
                written.push((rest.parse::<usize>().unwrap_or(0) % tenants, head));
            }
            ("route", Some((_, text))) => *text += &route(rest),
            _ => {}
        }
    }
    let read = |(place, text): (usize, String)| Some((place, Manifest::parse(&text, Manifest::FILE).ok()?));
    written.into_iter().filter_map(read).collect()
}

fn route(line: &str) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let mut words = line.split(' ');
    let mut text = format!("[[route]]\npath = {}\n", quoted(words.next().unwrap_or_default()));
    for word in words {
        match word.strip_prefix('@') {
            Some(host) => text += &format!("host = {}\n", quoted(host)),
            None => text += &format!("methods = [{}]\n", word.split(',').map(quoted).collect::<Vec<_>>().join(", ")),
        }
    }
    text
}

fn asked(line: &str) -> Option<(Method, Option<&str>, &str)> {
    let mut words = line.strip_prefix("ask ")?.splitn(3, ' ');
    // The filter lets no other path through.
    let (method, host, path) = (words.next()?, words.next()?, words.next().filter(|path| path.starts_with('/'))?);
    Some((method.parse().ok()?, (host != "-").then_some(host), path))
}

/// No two live plugins of a tenant lay claim to one request by the same place and method.
fn alone(live: &[&Placed]) {
    let mut taken = BTreeSet::new();
    for (tenant, manifest) in live {
        let mut own = BTreeSet::new();
        for Route { path, methods, host, .. } in &manifest.routes {
            let nameless = |segment: &str| match segment {
                tail if tail.starts_with("{*") => "{*}".to_owned(),
                param if param.starts_with('{') => "{}".to_owned(),
                fixed => fixed.to_owned(),
            };
            let shape: Vec<String> = path.split('/').map(nameless).collect();
            let methods = match methods {
                Methods::All => vec!["*".to_owned()],
                Methods::Only(methods) => methods.iter().map(ToString::to_string).collect(),
            };
            own.extend(methods.into_iter().map(|method| (*tenant, host.clone(), shape.clone(), method)));
        }
        for place in own {
            assert!(taken.insert(place.clone()), "two plugins are live at {place:?}");
        }
    }
}

/// What a route is chosen by, the least first; and what is found.
type Choice<'a> = (bool, Vec<u8>, bool, bool, usize, &'a Placed, usize, Vec<String>);

fn matching<'a>(
    live: &[&'a Placed],
    path: &str,
    fits: impl Fn(&Placed, &Route) -> bool,
) -> Vec<(&'a Placed, usize, Vec<String>)> {
    let mut found = Vec::new();
    for one in live {
        for (index, route) in one.1.routes.iter().enumerate().filter(|(_, route)| fits(one, route)) {
            found.extend(naive::route(&route.path, path).map(|values| (*one, index, values)));
        }
    }
    found
}

fn best<'a>(found: Vec<(&'a Placed, usize, Vec<String>)>, method: &Method, by_host: bool) -> Option<Choice<'a>> {
    let takes = |(one, index, _): &(&Placed, usize, _)| one.1.routes[*index].methods.accepts(method);
    let choice = |(order, (one, index, values)): (usize, (&'a Placed, usize, Vec<String>))| {
        let route = &one.1.routes[index];
        let named = matches!(&route.methods, Methods::Only(methods) if methods.contains(method));
        let any_host = by_host && route.host.is_none();
        (any_host, naive::rank(&route.path), !named, route.methods == Methods::All, order, one, index, values)
    };
    let key = |choice: &Choice<'_>| (choice.0, choice.1.clone(), choice.2, choice.3, choice.4);
    found.into_iter().filter(takes).enumerate().map(choice).min_by_key(key)
}

fn allowed(found: &[(&Placed, usize, Vec<String>)]) -> BTreeSet<String> {
    let mut allow = BTreeSet::new();
    for (one, index, _) in found {
        if let Methods::Only(methods) = &one.1.routes[*index].methods {
            allow.extend(methods.iter().map(ToString::to_string));
        }
    }
    if allow.contains("GET") {
        allow.insert("HEAD".to_owned());
    }
    allow
}

/// The tenant of a request and its path below the tenant's prefix.
fn owner<'p>(tenants: &[TenantSpec], host: Option<&str>, path: &'p str) -> Option<(usize, &'p str)> {
    let host = host.map(naive::host);
    let by_host = |tenant: &TenantSpec| matches!(&tenant.place, TenantPlace::Hosts(hosts) if host.as_ref().is_some_and(|host| hosts.contains(host)));
    if let Some(place) = tenants.iter().position(by_host) {
        return Some((place, path));
    }
    let below = |(place, tenant): (usize, &TenantSpec)| match &tenant.place {
        TenantPlace::Everywhere => Some((0, place, path)),
        TenantPlace::Prefix(prefix) if path == prefix => Some((prefix.len(), place, "/")),
        TenantPlace::Prefix(prefix) => {
            path.starts_with(&format!("{prefix}/")).then(|| (prefix.len(), place, &path[prefix.len()..]))
        }
        TenantPlace::Hosts(_) => None,
    };
    tenants.iter().enumerate().filter_map(below).max().map(|(_, place, path)| (place, path))
}

fn compare(
    tenants: &[TenantSpec],
    live: &[&Placed],
    table: &Table<()>,
    method: &Method,
    host: Option<&str>,
    path: &str,
) {
    let found = table.find(host, path, method);
    let owner = owner(tenants, host, path);
    let bare = host.map(naive::host);
    let candidates = owner.map_or(Vec::new(), |(tenant, below)| {
        matching(live, below, |one, route| one.0 == tenant && (route.host.is_none() || route.host == bare))
    });
    let allow = allowed(&candidates);
    match (found, best(candidates, method, true)) {
        (Ok(found), Some((.., one, route, values))) => {
            let params: Vec<String> = found.params.iter().map(|(_, value)| value.clone()).collect();
            assert_eq!((found.plugin.name(), found.route), (&*one.1.name, route), "{method} {host:?} {path}");
            assert_eq!(params, values, "{method} {host:?} {path}");
            assert_eq!(Some((one.0, found.guest_path(path))), owner, "{method} {host:?} {path}");
        }
        (Err(failure), None) => {
            let said: BTreeSet<String> = failure.allow.iter().map(ToString::to_string).collect();
            let code = if allow.is_empty() { Code::NoRoute } else { Code::MethodNotAllowed };
            assert_eq!((failure.code, said), (code, allow), "{method} {host:?} {path}");
        }
        (found, expected) => panic!("{method} {host:?} {path}: {found:?}, but {expected:?}"),
    }
    for one in live {
        let plugin = table.find_plugin(&tenants[one.0].name, &one.1.name).expect("it is live");
        let expected = best(matching(&[*one], path, |_, _| true), method, false).map(|(.., route, _)| route);
        assert_eq!(plugin.own_route(path, method).ok().map(|(route, _)| route), expected, "{method} {path}");
    }
}
