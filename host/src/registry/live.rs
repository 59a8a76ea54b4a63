//! One live revision of one plugin: everything a request needs to know of it.

use std::{
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use http::{HeaderValue, Method};
use tokio::sync::watch;

use super::{
    path_tree::{PathTree, param_names},
    revision::Digest,
    statics::Statics,
};
use crate::{
    config::Manifest,
    failure::{Code, Failure},
    guest,
    lanes::Who,
    telemetry::PluginMetrics,
};

/// The values of a route's parameters, still percent-encoded, under the names its plugin gave them.
pub type Params = Vec<(Arc<str>, String)>;

/// Whose plugin it is: what the operator set for the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The tenant's name.
    pub tenant: Arc<str>,
    /// Share of CPU time beside other tenants; at least 1.
    pub weight: u32,
    /// Requests in flight in the whole tenant; `None` is no bound of its own.
    pub max_concurrent: Option<u32>,
    /// The tenant's path prefix without a slash at its end; empty when it has none.
    pub base_path: Arc<str>,
}

/// One revision of one plugin, ready to serve. Freed when the table and the last request have let go of it.
#[derive(Debug)]
pub struct LivePlugin<G = guest::Plugin> {
    /// Its tenant.
    pub owner: Owner,
    /// Numbers of the tenant and the plugin; the same for every revision.
    pub who: Who,
    /// The manifest with the operator's caps applied.
    pub manifest: Arc<Manifest>,
    /// What runs.
    pub guest: G,
    /// What the host serves itself.
    pub statics: Statics,
    /// Of the files it was made from.
    pub digest: Digest,
    /// The folder it was read from.
    pub folder: PathBuf,
    /// The digest, as the log shows it.
    pub revision: Arc<str>,
    /// Counts what it does; the same for every revision that is alive.
    pub metrics: Arc<PluginMetrics>,
    /// The manifest's routes as each of their requests is told of them.
    routes: Vec<Told>,
    /// The tenant's path prefix as a header; `None` when none can carry it.
    pub base_path: Option<HeaderValue>,
    own_routes: PathTree<usize>,
    overdue: watch::Sender<bool>,
    _alive: Alive,
}

/// A route as its requests are told of it: made once, not for each of them.
#[derive(Debug)]
pub struct Told {
    /// As the manifest writes it, for the log.
    pub path: Arc<str>,
    /// The same as a header, for the guest; `None` when none can carry it.
    pub header: Option<HeaderValue>,
    /// The names of its parameters, in order.
    names: Vec<Arc<str>>,
}

impl Told {
    fn of(path: &str) -> Self {
        let names = param_names(path).map(Arc::from).collect();
        Self { path: path.into(), header: HeaderValue::from_str(path).ok(), names }
    }
}

/// What a [`LivePlugin`] is made from.
#[derive(Debug)]
pub(super) struct Parts<G> {
    pub(super) owner: Owner,
    pub(super) who: Who,
    pub(super) manifest: Manifest,
    pub(super) guest: G,
    pub(super) statics: Statics,
    pub(super) digest: Digest,
    pub(super) folder: PathBuf,
    pub(super) metrics: Arc<PluginMetrics>,
}

impl<G> LivePlugin<G> {
    pub(super) fn new(parts: Parts<G>, census: &Census) -> Self {
        let mut own_routes = PathTree::default();
        for (index, route) in parts.manifest.routes.iter().enumerate() {
            own_routes.insert(&route.path, &route.methods, &index);
        }
        Self {
            routes: parts.manifest.routes.iter().map(|route| Told::of(&route.path)).collect(),
            base_path: HeaderValue::from_str(&parts.owner.base_path).ok(),
            own_routes,
            overdue: watch::Sender::new(false),
            metrics: parts.metrics,
            revision: parts.digest.to_string().into(),
            _alive: census.enter(),
            owner: parts.owner,
            who: parts.who,
            manifest: Arc::new(parts.manifest),
            guest: parts.guest,
            statics: parts.statics,
            digest: parts.digest,
            folder: parts.folder,
        }
    }

    /// The plugin's name, unique within its tenant.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// What a request on the route of this number is told of it.
    ///
    /// # Panics
    /// When the manifest has no such route.
    pub fn told(&self, route: usize) -> &Told {
        &self.routes[route]
    }

    /// Matches a path and method against this plugin's own routes, whatever host they are bound to: for plugin calls.
    ///
    /// # Errors
    /// `no-route` or `method-not-allowed`.
    pub fn own_route(&self, path: &str, method: &Method) -> Result<(usize, Params), Failure> {
        let mut allow = Vec::new();
        match self.own_routes.find(path, method, &mut allow) {
            Some((route, values)) => Ok((*route, self.params(*route, &values))),
            None => Err(not_found(allow)),
        }
    }

    /// Resolves when this revision was replaced and the time for its last requests is up. Never resolves for a
    /// revision that is live.
    ///
    /// Cancel safe.
    pub async fn overdue(&self) {
        // The sender lives in `self`: waiting cannot fail.
        let _ = self.overdue.subscribe().wait_for(|overdue| *overdue).await;
    }

    pub(super) fn params(&self, route: usize, values: &[&str]) -> Params {
        let names = &self.routes[route].names;
        names.iter().zip(values).map(|(name, value)| (name.clone(), (*value).to_owned())).collect()
    }

    /// Starts the clock for the requests still in flight on a revision that left the table.
    pub(super) fn retire(this: Weak<Self>, drain: Duration)
    where
        G: Send + Sync + 'static,
    {
        tokio::spawn(async move {
            tokio::time::sleep(drain).await;
            if let Some(plugin) = this.upgrade() {
                tracing::warn!(
                    tenant = &*plugin.owner.tenant,
                    plugin = plugin.name(),
                    "ending requests on a replaced revision: its drain time is up"
                );
                plugin.overdue.send_replace(true);
            }
        });
    }
}

/// The failure for a path that no route takes, or none with this method.
pub(super) fn not_found(mut allow: Vec<Method>) -> Failure {
    if allow.is_empty() {
        return Failure::plain(Code::NoRoute);
    }
    allow.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    allow.dedup();
    let mut failure = Failure::plain(Code::MethodNotAllowed);
    failure.allow = allow;
    failure
}

/// Counts the revisions that are not freed yet, live or still serving their last requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Census(Arc<watch::Sender<usize>>);

impl Census {
    fn enter(&self) -> Alive {
        self.0.send_modify(|count| *count += 1);
        Alive(self.clone())
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<usize> {
        self.0.subscribe()
    }
}

/// One revision in the [`Census`].
#[derive(Debug)]
struct Alive(Census);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
