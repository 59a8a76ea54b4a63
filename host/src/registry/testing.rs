//! What the registry's tests share: manifests made by hand and live plugins without an engine.

use std::{path::PathBuf, sync::Arc, time::Duration};

use http::Method;

use super::{
    live::{Census, LivePlugin, Parts},
    revision::Digest,
    tenants::{Ids, TenantSpec},
};
use crate::{
    config::{Caps, Grants, Instances, Lane, Limits, Manifest, Methods, OnDisconnect, Route, TenantPlace},
    telemetry::Metrics,
    units::ByteSize,
};

/// A manifest with these routes and nothing else of note.
pub(super) fn manifest(name: &str, routes: Vec<Route>) -> Manifest {
    Manifest {
        name: name.to_owned(),
        version: "1".to_owned(),
        component: PathBuf::from("plugin.wat"),
        lane: Lane::Io,
        on_disconnect: OnDisconnect::Cancel,
        routes,
        limits: Limits {
            fuel: None,
            cpu: Duration::from_millis(500),
            timeout: Duration::from_secs(10),
            stream_idle: Duration::from_secs(30),
            memory: ByteSize(1 << 27),
            request_body: ByteSize(1 << 20),
            response_body: ByteSize(1 << 26),
            max_concurrent: 64,
            queue: 256,
            queue_timeout: Duration::from_secs(1),
            after_response: Duration::from_secs(30),
        },
        instances: Instances { max_requests: 1, max_concurrent: 1 },
        grants: Grants::default(),
        build: None,
    }
}

/// A route as `METHOD,METHOD /path` or `/path`, on `host` where it starts with `host:name `.
pub(super) fn route(text: &str) -> Route {
    let (host, text) = match text.strip_prefix("host:") {
        Some(text) => {
            let (host, text) = text.split_once(' ').unwrap();
            (Some(host.to_owned()), text)
        }
        None => (None, text),
    };
    let (methods, path) = match text.split_once(' ') {
        Some((methods, path)) => {
            (Methods::Only(methods.split(',').map(|method| method.parse::<Method>().unwrap()).collect()), path)
        }
        None => (Methods::All, text),
    };
    Route { path: path.to_owned(), methods, host }
}

/// A tenant without caps.
pub(super) fn tenant(name: &str, place: TenantPlace) -> TenantSpec {
    TenantSpec { name: name.into(), folder: PathBuf::from(name), place, weight: 1, caps: Caps::default() }
}

/// A live plugin of the tenant at `tenant`, whose guest is `guest`.
pub(super) fn plugin<G>(
    tenants: &[TenantSpec],
    tenant: usize,
    name: &str,
    routes: &[&str],
    guest: G,
) -> Arc<LivePlugin<G>> {
    let manifest = manifest(name, routes.iter().map(|text| route(text)).collect());
    let who = Ids::default().who(tenant, &tenants[tenant], name);
    let (owner, digest) = (tenants[tenant].owner(), Digest::new(name.as_bytes(), b""));
    let folder = tenants[tenant].folder.join(name);
    let metrics = Metrics::new().plugin(&owner.tenant, &manifest.name);
    Arc::new(LivePlugin::new(Parts { owner, who, manifest, guest, digest, folder, metrics }, &Census::default()))
}
