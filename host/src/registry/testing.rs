//! What the registry's tests share: manifests made by hand and live plugins without an engine.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::Method;

use super::{
    current::Current,
    handle::{Registry, RegistrySettings},
    live::{Census, LivePlugin, Parts},
    loader::{Loader, Ready},
    revision::{Digest, MANIFEST_FILE, Revision},
    statics::Statics,
    tenants::{Ids, TenantSpec},
    watch::WatchMode,
};
use crate::{
    config::{
        Build, CapNote, Caps, Grants, Instances, Lane, Limits, Manifest, Methods, OnDisconnect, Route, Serves,
        Settings, TenantPlace,
    },
    diagnostic::Diagnostic,
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
        assets: Vec::new(),
        on_disconnect: OnDisconnect::Cancel,
        routes,
        limits: limits(),
        instances: Instances { max_requests: 1, max_concurrent: 1, warm: 0 },
        grants: Grants::default(),
        schedules: Vec::new(),
        job_limits: limits(),
        build: None,
    }
}

fn limits() -> Limits {
    Limits {
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
    Route { path: path.to_owned(), methods, host, serves: Serves::Plugin }
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
    let (owner, digest) = (tenants[tenant].owner(), Digest::new(name.as_bytes(), b"", &BTreeMap::new()));
    let folder = tenants[tenant].folder.join(name);
    let metrics = Metrics::new().plugin(&owner.tenant, &manifest.name);
    Arc::new(LivePlugin::new(
        Parts { owner, who, manifest, guest, statics: Statics::default(), digest, folder, metrics },
        &Census::default(),
    ))
}

/// Loads without an engine: the guest is the component's text. A component that says `bad` is refused, one that says
/// `panic` panics. Manifests are lines of `key=value`.
#[derive(Clone, Default)]
pub(super) struct Texts {
    /// How many guests were made.
    pub(super) loads: Arc<AtomicUsize>,
}

impl Loader for Texts {
    type Guest = String;

    fn read(&self, file: &Path, text: &[u8]) -> Result<Manifest, Vec<Diagnostic>> {
        let mut manifest = manifest("", Vec::new());
        for (number, line) in String::from_utf8_lossy(text).lines().enumerate() {
            match line.split_once('=') {
                Some(("name", name)) => manifest.name = name.to_owned(),
                Some(("component", file)) => manifest.component = file.into(),
                Some(("route", text)) => manifest.routes.push(route(text)),
                Some(("build", command)) => {
                    manifest.build = Some(Build { command: command.to_owned(), watch: vec!["src".into()] });
                }
                _ => return Err(vec![Diagnostic::new(file, format!("strange line `{line}`")).at(number + 1)]),
            }
        }
        if manifest.name.is_empty() { Err(vec![Diagnostic::new(file, "no name")]) } else { Ok(manifest) }
    }

    fn cap(&self, manifest: &Manifest, caps: &Caps) -> (Manifest, Vec<CapNote>) {
        manifest.capped(caps, ByteSize(u64::MAX))
    }

    async fn load(&self, _: &str, _: &Manifest, revision: &Revision) -> Result<Ready<String>, Vec<String>> {
        self.loads.fetch_add(1, Relaxed);
        match std::str::from_utf8(&revision.component).unwrap() {
            "bad" => Err(vec!["one reason".to_owned(), "another reason".to_owned()]),
            "panic" => panic!("a loader that panics"),
            text => Ok(Ready { guest: text.to_owned(), statics: Statics::default() }),
        }
    }

    fn kind(_: &String) -> &'static str {
        "text"
    }
}

/// A folder of plugins, served as the default tenant.
pub(super) struct Served(tempfile::TempDir);

impl Served {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Settings that look when asked and wait for nothing.
    pub(super) fn settings(&self) -> RegistrySettings {
        RegistrySettings {
            tenants: TenantSpec::from_settings(&Settings::default(), self.0.path()),
            quiet: Duration::ZERO,
            leave_after: Duration::ZERO,
            drain: Duration::from_secs(3600),
            strict: false,
            build: false,
            watch: WatchMode::Asked,
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a plugin named like its folder.
    pub(super) fn plugin(&self, name: &str, routes: &[&str], component: &str) {
        fs::create_dir_all(self.path(name)).unwrap();
        fs::write(self.path(name).join("plugin.wat"), component).unwrap();
        let routes: String = routes.iter().map(|route| format!("route={route}\n")).collect();
        self.manifest(name, &format!("name={name}\n{routes}"));
    }

    pub(super) fn manifest(&self, folder: &str, text: &str) {
        fs::write(self.path(folder).join(MANIFEST_FILE), text).unwrap();
    }

    pub(super) fn component(&self, folder: &str, text: &str) {
        fs::write(self.path(folder).join("plugin.wat"), text).unwrap();
    }
}

/// A registry of its own, with nothing live and metrics nobody reads.
pub(super) async fn started<L: Loader>(settings: RegistrySettings, loader: L) -> Result<Registry<L>, Vec<Diagnostic>> {
    let current = Current::new(&settings.tenants);
    Registry::start(settings, loader, current, Metrics::new()).await
}
