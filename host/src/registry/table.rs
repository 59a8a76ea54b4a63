//! The routing table: which plugin serves which host, path and method at one instant. Read-only once built.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use http::Method;

use super::{
    live::{LivePlugin, Params, not_found},
    path_tree::PathTree,
    tenants::TenantSpec,
};
use crate::{
    config::{HostPattern, TenantPlace},
    failure::Failure,
    guest,
};

/// Every route and plugin that is live at one instant.
pub struct Table<G = guest::Plugin> {
    /// Tenants with host names of their own, by host.
    hosts: HashMap<HostPattern, usize>,
    /// Tenants under a path prefix, by prefix.
    prefixes: HashMap<Box<str>, usize>,
    /// Bytes of the longest prefix.
    longest: usize,
    /// The tenant that has every host and path.
    everywhere: Option<usize>,
    /// Every tenant, by name.
    names: HashMap<Arc<str>, usize>,
    tenants: Vec<TenantRoutes<G>>,
}

struct TenantRoutes<G> {
    plugins: BTreeMap<String, Arc<LivePlugin<G>>>,
    any_host: PathTree<Target<G>>,
    by_host: HashMap<HostPattern, PathTree<Target<G>>>,
}

struct Target<G> {
    plugin: Arc<LivePlugin<G>>,
    route: usize,
}

/// Where a request belongs.
pub struct Found<G = guest::Plugin> {
    /// The revision that serves it; holding it keeps the revision alive.
    pub plugin: Arc<LivePlugin<G>>,
    /// Which of the manifest's routes matched.
    pub route: usize,
    /// The route's parameters, still percent-encoded.
    pub params: Params,
}

impl<G> Table<G> {
    /// A table of plugins whose routes do not conflict. Each plugin is listed with its tenant's place in `tenants`.
    pub(super) fn new(tenants: &[TenantSpec], plugins: impl IntoIterator<Item = (usize, Arc<LivePlugin<G>>)>) -> Self {
        let mut table = Self::without_plugins(tenants);
        for (tenant, plugin) in plugins {
            table.tenants[tenant].add(plugin);
        }
        table
    }

    fn without_plugins(tenants: &[TenantSpec]) -> Self {
        let mut table = Self {
            hosts: HashMap::new(),
            prefixes: HashMap::new(),
            longest: 0,
            everywhere: None,
            names: HashMap::new(),
            tenants: Vec::new(),
        };
        for (index, tenant) in tenants.iter().enumerate() {
            match &tenant.place {
                TenantPlace::Everywhere => table.everywhere = Some(index),
                TenantPlace::Hosts(hosts) => table.hosts.extend(hosts.iter().map(|host| (host.clone(), index))),
                TenantPlace::Prefix(prefix) => {
                    table.longest = table.longest.max(prefix.len());
                    table.prefixes.insert(prefix.as_str().into(), index);
                }
            }
            table.names.insert(tenant.name.clone(), index);
            table.tenants.push(TenantRoutes {
                plugins: BTreeMap::new(),
                any_host: PathTree::default(),
                by_host: HashMap::new(),
            });
        }
        table
    }

    /// The plugin and route for a request. `host` is the request's authority, with or without a port; `path` is the
    /// request's path without its query.
    ///
    /// The host decides the tenant first, then the longest path prefix. Within the tenant a route bound to the host
    /// wins over one for any host, then the most specific path wins; a route that does not take the method is passed
    /// over. [`Found::guest_path`] is the path as the plugin knows it.
    ///
    /// # Errors
    /// `no-route`, or `method-not-allowed` with the methods that would be.
    pub fn find(&self, host: Option<&str>, path: &str, method: &Method) -> Result<Found<G>, Failure> {
        let host = host.map(bare_host);
        let (tenant, path) = self.tenant_of(host.as_deref(), path).ok_or_else(|| not_found(Vec::new()))?;
        self.tenants[tenant].find(host.as_deref(), path, method)
    }

    /// The tenant for a host and path, and the path below the tenant's prefix.
    fn tenant_of<'p>(&self, host: Option<&str>, path: &'p str) -> Option<(usize, &'p str)> {
        if let Some(tenant) = host.and_then(|host| self.hosts.get(host)) {
            return Some((*tenant, path));
        }
        // The longest first. A path may have thousands of segments, prefixes have few.
        let ends = (0..=self.longest.min(path.len())).rev();
        let mut ends = ends.filter(|end| path.as_bytes().get(*end).is_none_or(|byte| *byte == b'/'));
        let under = ends.find_map(|end| Some((*self.prefixes.get(&path[..end])?, &path[end..])));
        let (tenant, path) = under.or_else(|| Some((self.everywhere?, path)))?;
        Some((tenant, if path.is_empty() { "/" } else { path }))
    }

    /// The plugin that a tenant knows by this name: for plugin calls. Never another tenant's.
    pub fn find_plugin(&self, tenant: &str, name: &str) -> Option<&Arc<LivePlugin<G>>> {
        self.tenants[*self.names.get(tenant)?].plugins.get(name)
    }

    /// Every live plugin, by tenant and name.
    pub fn plugins(&self) -> impl Iterator<Item = &Arc<LivePlugin<G>>> {
        self.tenants.iter().flat_map(|tenant| tenant.plugins.values())
    }
}

impl<G> TenantRoutes<G> {
    fn add(&mut self, plugin: Arc<LivePlugin<G>>) {
        for (index, route) in plugin.manifest.routes.iter().enumerate() {
            let tree = match &route.host {
                Some(host) => self.by_host.entry(host.clone()).or_default(),
                None => &mut self.any_host,
            };
            tree.insert(&route.path, &route.methods, &Target { plugin: plugin.clone(), route: index });
        }
        self.plugins.insert(plugin.manifest.name.clone(), plugin);
    }

    fn find(&self, host: Option<&str>, path: &str, method: &Method) -> Result<Found<G>, Failure> {
        let mut allow = Vec::new();
        let bound = host.and_then(|host| self.by_host.get(host)).and_then(|tree| tree.find(path, method, &mut allow));
        let (target, values) =
            bound.or_else(|| self.any_host.find(path, method, &mut allow)).ok_or_else(|| not_found(allow))?;
        let Target { plugin, route } = target;
        Ok(Found { plugin: plugin.clone(), route: *route, params: plugin.params(*route, &values) })
    }
}

impl<G> Found<G> {
    /// A request's path without the tenant's prefix: the path that reaches the guest. Starts with `/`.
    pub fn guest_path<'p>(&self, path: &'p str) -> &'p str {
        match path.strip_prefix(&*self.plugin.owner.base_path) {
            Some("") => "/",
            Some(below) => below,
            None => path,
        }
    }
}

/// A host name as it is looked up: lower case, without a port or a dot at its end.
fn bare_host(authority: &str) -> Cow<'_, str> {
    let host = match authority.rsplit_once(':') {
        // A bracket after the colon: the colon belongs to an IPv6 address.
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

impl<G> Clone for Target<G> {
    fn clone(&self) -> Self {
        Self { plugin: self.plugin.clone(), route: self.route }
    }
}

impl<G> fmt::Debug for Table<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.plugins().map(|plugin| (&plugin.owner.tenant, plugin.name()))).finish()
    }
}

impl<G> fmt::Debug for Found<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found")
            .field("plugin", &self.plugin.name())
            .field("route", &self.route)
            .field("params", &self.params)
            .finish()
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
