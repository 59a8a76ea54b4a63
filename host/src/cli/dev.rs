//! What `wasmbay dev` tells the author: each plugin, its lane, and a line to try it with.

use std::{fmt::Write, net::SocketAddr};

use super::status::state;
use crate::{
    config::{Settings, TenantPlace},
    registry::{PluginStatus, Status},
};

/// The lines, for a terminal. `listen` is where clients connect.
pub fn listing(status: &Status, settings: &Settings, listen: SocketAddr) -> String {
    // The certificate is hardly for an address.
    let at = if settings.tls.is_some() { format!("--insecure https://{listen}") } else { format!("http://{listen}") };
    let mut text = String::new();
    let mut say = |line: String| writeln!(text, "{line}").expect("memory does not fail");
    for plugin in &status.plugins {
        let Some(live) = &plugin.live else {
            say(format!("{}/{}  {}", plugin.tenant, plugin.name, state(plugin.state)));
            plugin.faults.iter().for_each(|fault| say(format!("    {fault}")));
            continue;
        };
        say(format!("{}/{}  lane {}, {}", plugin.tenant, plugin.name, live.lane, live.kind));
        let (host, prefix) = place(plugin, settings);
        for route in &live.routes {
            say(format!("    {route}\n      {}", curl(route, &at, host, prefix)));
        }
    }
    text
}

/// Where the plugin's tenant lives: a host that is its own, and the path in front of its routes.
fn place<'s>(plugin: &PluginStatus, settings: &'s Settings) -> (&'s str, &'s str) {
    match settings.tenants.get(&plugin.tenant).map(|tenant| &tenant.place) {
        Some(TenantPlace::Hosts(hosts)) => (hosts.first().map_or("", String::as_str), ""),
        Some(TenantPlace::Prefix(prefix)) => ("", prefix),
        Some(TenantPlace::Everywhere) | None => ("", ""),
    }
}

/// The command that asks a route, as `METHODS host/path`, for something. A route's own host stands over its tenant's.
fn curl(route: &str, at: &str, tenant_host: &str, prefix: &str) -> String {
    let (methods, place) = route.split_once(' ').unwrap_or(("*", route));
    let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    let host = if host.is_empty() { tenant_host } else { host };
    let method = match methods.split(',').next() {
        None | Some("*" | "GET") => String::new(),
        Some("HEAD") => " --head".to_owned(),
        Some(method) => format!(" -X {method}"),
    };
    let host = if host.is_empty() { String::new() } else { format!(" -H 'host: {host}'") };
    format!("curl{method}{host} {at}{prefix}{}", sample(path))
}

/// A path that the route's pattern matches: `1` for each parameter.
fn sample(pattern: &str) -> String {
    let segment = |segment: &str| if segment.contains('{') { "1".to_owned() } else { segment.to_owned() };
    pattern.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_has_a_line_that_can_be_pasted() {
        let at = "http://127.0.0.1:8080";
        for (route, host, prefix, command) in [
            ("GET /hello", "", "", "curl http://127.0.0.1:8080/hello"),
            ("* /{*rest}", "", "/acme", "curl http://127.0.0.1:8080/acme/1"),
            ("POST,PUT /a/{id}/b", "", "", "curl -X POST http://127.0.0.1:8080/a/1/b"),
            ("GET /x", "acme.example", "", "curl -H 'host: acme.example' http://127.0.0.1:8080/x"),
            ("GET img.example/x", "acme.example", "", "curl -H 'host: img.example' http://127.0.0.1:8080/x"),
        ] {
            assert_eq!(curl(route, at, host, prefix), command);
        }
    }
}
