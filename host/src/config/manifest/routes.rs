//! The rules for `[[route]]` and `[[static]]`: what a path, a method and a host may look like, and which are the same.

use std::collections::HashMap;

use super::{
    HostPattern, Methods, Route, Serves,
    written::{WrittenRoute, WrittenStatic},
};
use crate::{
    config::{
        fault::{At, Faults, Place, Wrong},
        names, paths,
    },
    diagnostic::did_you_mean,
};

/// The methods of RFC 9110 and RFC 5789 that reach a handler. CONNECT does not: the host is no proxy.
const STANDARD: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"];

/// Checks every route; none written is one over every path, beside what the host serves.
pub(super) fn meant(faults: &mut Faults, written: &[WrittenRoute], statics: &[WrittenStatic]) -> Vec<Route> {
    let mut routes: Vec<(Route, Option<(&Place, &str)>)> =
        written.iter().filter_map(|one| Some((route(faults, one)?, Some((&one.place, "route"))))).collect();
    if written.is_empty() {
        let every = Route::EVERY_PATH.to_owned();
        routes.push((Route { path: every, methods: Methods::All, host: None, serves: Serves::Plugin }, None));
    }
    routes.extend(statics.iter().filter_map(|one| Some((files(faults, one)?, Some((&one.place, "static"))))));
    // By what they look like: a manifest may have thousands, and to compare each with each would take minutes.
    let mut alike: HashMap<_, Vec<(&Route, Option<&Place>)>> = HashMap::new();
    for (route, written) in &routes {
        let earlier = alike.entry((&route.host, shape(&route.path))).or_default();
        let taken = earlier.iter().find(|(earlier, _)| share_a_method(earlier, route)).map(|(_, place)| *place);
        match (taken, written) {
            (Some(first), Some((place, key))) => faults.add(place, key, taken_already(route, first)),
            _ => earlier.push((route, written.map(|(place, _)| place))),
        }
    }
    drop(alike);
    routes.into_iter().map(|(route, _)| route).collect()
}

fn taken_already(route: &Route, first: Option<&Place>) -> Wrong {
    match first {
        Some(first) => Wrong::new(format!("= {:?} takes requests that the one {first} takes already", route.path))
            .remedy("remove one, or give each methods of its own"),
        None => Wrong::new("= \"/\" takes requests that the plugin takes, which has every path without a [[route]]")
            .remedy("write a [[route]] for what the plugin answers"),
    }
}

fn route(faults: &mut Faults, written: &WrittenRoute) -> Option<Route> {
    let methods = written.methods.as_ref().map_or(Some(Methods::All), |list| methods(faults, list));
    let host = written.host.as_ref().map_or(Some(None), |host| host_of(faults, "route.host", host).map(Some));
    let path = written.path.as_ref()?;
    faults.keep(&path.place, "route.path", paths::route(&path.value))?;
    Some(Route { path: path.value.clone(), methods: methods?, host: host?, serves: Serves::Plugin })
}

/// The route of files that the host serves: GET of everything below a path.
fn files(faults: &mut Faults, written: &WrittenStatic) -> Option<Route> {
    let host = written.host.as_ref().map_or(Some(None), |host| host_of(faults, "static.host", host).map(Some));
    let dir = written.dir.as_ref().and_then(|dir| faults.keep(&dir.place, "static.dir", names::inside(&dir.value)));
    let path = written.path.as_ref()?;
    let below =
        if path.value == "/" { Ok(String::new()) } else { paths::prefix(&path.value).map(|()| path.value.clone()) };
    let below = faults.keep(&path.place, "static.path", below)?;
    let methods = Methods::Only(vec![http::Method::GET]);
    Some(Route { path: below + Route::EVERY_PATH, methods, host: host?, serves: Serves::Files(dir?) })
}

fn host_of(faults: &mut Faults, key: &str, written: &At<String>) -> Option<HostPattern> {
    faults.keep(&written.place, key, names::host(&written.value))?;
    Some(written.value.clone())
}

fn methods(faults: &mut Faults, written: &At<Vec<At<String>>>) -> Option<Methods> {
    let mut methods = Vec::new();
    for name in &written.value {
        let Some(method) = faults.keep(&name.place, "route.methods", method(&name.value)) else { continue };
        if methods.contains(&method) {
            let wrong = Wrong::new(format!("names {:?} twice", name.value));
            faults.add(&name.place, "route.methods", wrong.remedy("remove one"));
        }
        methods.push(method);
    }
    (methods.len() == written.value.len()).then_some(Methods::Only(methods))
}

fn method(name: &str) -> Result<http::Method, Wrong> {
    let wrong = || Wrong::new(format!("= {name:?} is not a method"));
    let upper = name.to_ascii_uppercase();
    if upper != name && STANDARD.contains(&upper.as_str()) {
        return Err(wrong().remedy(format!("methods are upper case: write {upper:?}")));
    }
    if name == "CONNECT" {
        return Err(Wrong::new("= \"CONNECT\" cannot reach a plugin").remedy("remove it: the host is no proxy"));
    }
    if !STANDARD.contains(&name)
        && let Some(standard) = did_you_mean(name, STANDARD)
    {
        return Err(wrong().remedy(format!("did you mean {standard:?}?")));
    }
    // Other methods exist (WebDAV's, QUERY) and more will: any name of their form is taken.
    let formed = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    let method = http::Method::from_bytes(name.as_bytes()).ok().filter(|_| formed);
    method.ok_or_else(|| wrong().remedy("write one such as \"GET\""))
}

/// Whether two routes that look the same lay claim to the same requests. HEAD beside GET does not: who names it means it.
fn share_a_method(one: &Route, other: &Route) -> bool {
    match (&one.methods, &other.methods) {
        (Methods::Only(ours), Methods::Only(theirs)) => ours.iter().any(|method| theirs.contains(method)),
        (Methods::All, _) | (_, Methods::All) => true,
    }
}

/// A path without the names of its parameters.
fn shape(path: &str) -> Vec<&str> {
    fn nameless(segment: &str) -> &str {
        match segment {
            tail if tail.starts_with("{*") => "{*}",
            param if param.starts_with('{') => "{}",
            literal => literal,
        }
    }
    path.split('/').map(nameless).collect()
}
