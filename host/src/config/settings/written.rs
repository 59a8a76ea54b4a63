//! `wasmbay.toml` as a person wrote it: each key, whether it is there, where it stands.
//!
//! The JSON schema is made from these types, so a field's comment is what an editor shows for its key.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use ipnet::IpNet;
use schemars::JsonSchema;

use super::{
    databases::{WrittenDatabase, WrittenDatabases},
    defaults,
    jobs::{WrittenJobs, WrittenTenantJobs},
    keys::WrittenKeys,
    outbound::WrittenOutbound,
    sql::WrittenSql,
    supplies::{WrittenConfig, WrittenSecrets, WrittenSource},
};
use crate::{
    config::{
        fault::{At, Faults, Place, Wrong},
        leaf::{Count, Leaf},
        tree::Section,
    },
    units::{ByteSize, Fuel, Interval},
};

/// A key that may be absent.
type Key<T> = Option<At<T>>;

/// Keys that stand at the top and in no table; after the first `[table]` TOML takes them for the table's.
pub(in crate::config) const TOP: &[&str] = &[
    "listen",
    "admin",
    "data",
    "wasi_http_03",
    "compute_nice",
    "compute_threads",
    "max_memory",
    "io_instances",
    "compute_instances",
    "max_concurrent",
    "max_waiting",
    "max_connections",
    "max_connections_per_address",
    "drain",
    "trusted_proxies",
    "private_networks",
    "nameservers",
    "outbound_authorities",
];

/// The settings of a Wasmbay host.
#[derive(Default, JsonSchema)]
#[schemars(rename = "wasmbay.toml", deny_unknown_fields)]
pub(in crate::config) struct Written {
    /// Where the public listener binds: an IP address and a port.
    #[schemars(with = "Option<String>", extend("default" = defaults::listen()))]
    pub(super) listen: Key<SocketAddr>,
    /// Where the operator's listener binds. It has no authentication: a loopback address.
    #[schemars(with = "Option<String>", extend("default" = defaults::admin()))]
    pub(super) admin: Key<SocketAddr>,
    /// The folder of durable state, relative to this file. None: `.wasmbay` beside the served folder.
    pub(super) data: Key<PathBuf>,
    /// Whether wasi:http 0.3 guests load. None: true with one tenant, false with several.
    pub(super) wasi_http_03: Key<bool>,
    /// How far the compute threads' scheduling priority lies below the runtime's.
    #[schemars(extend("default" = defaults::COMPUTE_NICE, "maximum" = 19))]
    pub(super) compute_nice: Key<u32>,
    /// Compute threads. None: as many as cores, or the CPU quota less one.
    #[schemars(extend("minimum" = 1))]
    pub(super) compute_threads: Key<u32>,
    /// The size of an instance slot: the largest `limits.memory`.
    #[schemars(extend("default" = defaults::MAX_MEMORY))]
    pub(super) max_memory: Key<ByteSize>,
    /// Instances alive at once in the io lane.
    #[schemars(extend("default" = defaults::IO_INSTANCES, "minimum" = 1))]
    pub(super) io_instances: Key<Count>,
    /// Instances alive at once in the compute lane.
    #[schemars(extend("default" = defaults::COMPUTE_INSTANCES, "minimum" = 1))]
    pub(super) compute_instances: Key<Count>,
    /// Requests in flight in the whole host.
    #[schemars(extend("default" = defaults::MAX_CONCURRENT, "minimum" = 1))]
    pub(super) max_concurrent: Key<Count>,
    /// Requests waiting in all queues of the host together. From 85 % of it on the host gives way, step by step.
    #[schemars(extend("default" = defaults::MAX_WAITING, "minimum" = 1))]
    pub(super) max_waiting: Key<Count>,
    /// Connections at once to the public listener. None: what the limit of open files leaves room for.
    #[schemars(extend("minimum" = 1))]
    pub(super) max_connections: Key<Count>,
    /// Connections at once from one address; loopback is not counted, and behind a trusted proxy its clients'
    /// requests are. None: a quarter of all connections.
    #[schemars(extend("minimum" = 1))]
    pub(super) max_connections_per_address: Key<Count>,
    /// How long requests in flight may go on at shutdown or on an old revision.
    #[schemars(extend("default" = Interval(defaults::DRAIN)))]
    pub(super) drain: Key<Interval>,
    /// Networks of proxies whose `Forwarded` and `X-Forwarded-*` headers are believed; everyone else's are dropped.
    #[schemars(with = "Option<Vec<String>>", extend("default" = Vec::<String>::new()))]
    pub(super) trusted_proxies: Key<Vec<At<IpNet>>>,
    /// Networks that guests may reach though they are not public: loopback, private and link-local ones and their like.
    #[schemars(with = "Option<Vec<String>>", extend("default" = Vec::<String>::new()))]
    pub(super) private_networks: Key<Vec<At<IpNet>>>,
    /// Who resolves the names that guests call: IP addresses and ports. None: the system's name servers.
    #[schemars(with = "Option<Vec<String>>", extend("minItems" = 1))]
    pub(super) nameservers: Key<Vec<At<SocketAddr>>>,
    /// A file of authorities, in PEM form and relative to this file, that the servers guests call may be certified by
    /// beside the public ones.
    pub(super) outbound_authorities: Key<PathBuf>,
    /// The public listener speaks TLS with this certificate. None: it speaks plain HTTP.
    pub(super) tls: Option<WrittenTls>,
    /// What the stores of keys that `grants.kv` names may hold.
    pub(super) kv: Option<WrittenKeys>,
    /// What the jobs that `grants.jobs` allows may take, and how they run.
    pub(super) jobs: Option<WrittenJobs>,
    /// What the databases that `grants.sql` names may hold, and what a statement may take.
    pub(super) sql: Option<WrittenSql>,
    /// How many requests to other servers, which `grants.http` names, may be under way.
    pub(super) outbound: Option<WrittenOutbound>,
    /// Who owns plugins: each tenant has a folder, and host names or a path prefix.
    #[schemars(with = "Option<BTreeMap<String, WrittenTenant>>")]
    pub(super) tenant: Vec<(At<String>, WrittenTenant)>,
    /// On a host without `[tenant.*]`: for each plugin, values of variables that its manifest grants it as texts.
    #[schemars(with = "Option<BTreeMap<String, BTreeMap<String, String>>>")]
    pub(super) config: WrittenConfig,
    /// On a host without `[tenant.*]`: where each secret is kept that manifests name.
    #[schemars(with = "Option<BTreeMap<String, WrittenSource>>")]
    pub(super) secrets: WrittenSecrets,
    /// On a host without `[tenant.*]`: databases on servers, by the names that `grants.sql` has for them. A name that is not here is an SQLite file.
    #[schemars(with = "Option<BTreeMap<String, WrittenDatabase>>")]
    pub(super) databases: WrittenDatabases,
}

/// The public listener's certificate. Both files are read again when they change.
#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenTls {
    /// The chain in PEM form, the server's own certificate first; relative to this file.
    #[schemars(required)]
    pub(super) certificate: Key<PathBuf>,
    /// The private key in PEM form, closed to other users (`chmod o=`); relative to this file.
    #[schemars(required)]
    pub(super) key: Key<PathBuf>,
    /// Which of the two the table does not name; one that it names badly has its fault.
    #[schemars(skip)]
    pub(super) absent: [bool; 2],
    #[schemars(skip)]
    pub(super) place: Place,
}

/// One owner of plugins.
#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenTenant {
    /// The folder of its plugins, relative to the served folder.
    #[schemars(required)]
    pub(super) folder: Key<PathBuf>,
    /// The host names its routes live on. Either this or `prefix`.
    #[schemars(extend("minItems" = 1))]
    pub(super) hosts: Key<Vec<At<String>>>,
    /// The path its routes live under, on every host. Either this or `hosts`.
    #[schemars(extend("pattern" = "^/.*[^/]$"))]
    pub(super) prefix: Key<String>,
    /// Its share of CPU time beside other tenants, and how far it reaches into permits and instance slots: twice the weight, twice as far.
    #[schemars(extend("default" = defaults::WEIGHT, "minimum" = 1, "maximum" = 1000))]
    pub(super) weight: Key<u32>,
    /// Upper bounds on what its manifests may ask for.
    pub(super) caps: Option<WrittenCaps>,
    /// What its stores of keys may hold; what is not said is as in the host's own `[kv]`.
    pub(super) kv: Option<WrittenKeys>,
    /// What its jobs may take; what is not said is as in the host's own `[jobs]`.
    pub(super) jobs: Option<WrittenTenantJobs>,
    /// What its databases may hold and take; what is not said is as in the host's own `[sql]`.
    pub(super) sql: Option<WrittenSql>,
    /// How many requests of its plugins to other servers may be under way; what is not said is as in the host's own `[outbound]`.
    pub(super) outbound: Option<WrittenOutbound>,
    /// For each plugin, values of variables that its manifest grants it as texts.
    #[schemars(with = "Option<BTreeMap<String, BTreeMap<String, String>>>")]
    pub(super) config: WrittenConfig,
    /// Where each secret is kept that the tenant's manifests name.
    #[schemars(with = "Option<BTreeMap<String, WrittenSource>>")]
    pub(super) secrets: WrittenSecrets,
    /// Databases on servers, by the names that `grants.sql` has for them. A name that is not here is an SQLite file.
    #[schemars(with = "Option<BTreeMap<String, WrittenDatabase>>")]
    pub(super) databases: WrittenDatabases,
    #[schemars(skip)]
    pub(super) place: Place,
}

/// Upper bounds on what manifests may ask for.
#[derive(Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenCaps {
    /// Caps `limits.cpu`.
    pub(super) cpu: Key<Interval>,
    /// Caps `limits.timeout`.
    pub(super) timeout: Key<Interval>,
    /// Caps `limits.memory`.
    pub(super) memory: Key<ByteSize>,
    /// Caps `limits.fuel`.
    pub(super) fuel: Key<Fuel>,
    /// Requests in flight in the whole tenant; caps each plugin's `limits.max_concurrent` too.
    #[schemars(extend("minimum" = 1))]
    pub(super) max_concurrent: Key<Count>,
}

impl Written {
    /// Takes every key of the file's top table.
    pub(super) fn read(mut top: Section<'_>, faults: &mut Faults) -> Self {
        let tenants = top.named_tables(faults, "tenant").into_iter();
        let written = Self {
            tenant: tenants.map(|(name, table)| (name, WrittenTenant::read(table, faults))).collect(),
            listen: top.leaf(faults, "listen"),
            admin: top.leaf(faults, "admin"),
            data: top.leaf(faults, "data"),
            wasi_http_03: top.leaf(faults, "wasi_http_03"),
            compute_nice: top.leaf(faults, "compute_nice"),
            compute_threads: top.leaf(faults, "compute_threads"),
            max_memory: top.leaf(faults, "max_memory"),
            io_instances: top.leaf(faults, "io_instances"),
            compute_instances: top.leaf(faults, "compute_instances"),
            max_concurrent: top.leaf(faults, "max_concurrent"),
            max_waiting: top.leaf(faults, "max_waiting"),
            max_connections: top.leaf(faults, "max_connections"),
            max_connections_per_address: top.leaf(faults, "max_connections_per_address"),
            drain: top.leaf(faults, "drain"),
            trusted_proxies: top.list(faults, "trusted_proxies"),
            private_networks: top.list(faults, "private_networks"),
            nameservers: top.nonempty_list(faults, "nameservers"),
            outbound_authorities: top.leaf(faults, "outbound_authorities"),
            tls: top.table(faults, "tls").map(|tls| WrittenTls::read(tls, faults)),
            kv: top.table(faults, "kv").map(|kv| WrittenKeys::read(kv, faults)),
            jobs: top.table(faults, "jobs").map(|jobs| WrittenJobs::read(jobs, faults)),
            sql: top.table(faults, "sql").map(|sql| WrittenSql::read(sql, faults)),
            outbound: top.table(faults, "outbound").map(|outbound| WrittenOutbound::read(outbound, faults)),
            config: WrittenConfig::read(&mut top, faults),
            secrets: WrittenSecrets::read(&mut top, faults),
            databases: WrittenDatabases::read(&mut top, faults),
        };
        top.finish(faults, &[]);
        written
    }

    /// The paths that begin where they are written.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut At<PathBuf>> {
        let tls = self.tls.as_mut().map(|tls| [&mut tls.certificate, &mut tls.key]);
        let tenants =
            self.tenant.iter_mut().flat_map(|(_, tenant)| tenant.secrets.paths().chain(tenant.databases.paths()));
        let own = self.data.iter_mut().chain(&mut self.outbound_authorities).chain(tls.into_iter().flatten().flatten());
        own.chain(self.secrets.paths()).chain(self.databases.paths()).chain(tenants)
    }
}

impl WrittenTls {
    fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self {
            place: table.place(),
            absent: ["certificate", "key"].map(|key| !table.has(key)),
            certificate: table.leaf(faults, "certificate"),
            key: table.leaf(faults, "key"),
        };
        table.finish(faults, &[]);
        written
    }
}

impl WrittenTenant {
    fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self {
            place: table.place(),
            folder: table.required(faults, "folder", "write the folder of the tenant's plugins"),
            hosts: table.nonempty_list(faults, "hosts"),
            prefix: table.leaf(faults, "prefix"),
            weight: table.leaf(faults, "weight"),
            caps: table.table(faults, "caps").map(|caps| WrittenCaps::read(caps, faults)),
            kv: table.table(faults, "kv").map(|kv| WrittenKeys::read(kv, faults)),
            jobs: table.table(faults, "jobs").map(|jobs| WrittenTenantJobs::read(jobs, faults)),
            sql: table.table(faults, "sql").map(|sql| WrittenSql::read(sql, faults)),
            outbound: table.table(faults, "outbound").map(|outbound| WrittenOutbound::read(outbound, faults)),
            config: WrittenConfig::read(&mut table, faults),
            secrets: WrittenSecrets::read(&mut table, faults),
            databases: WrittenDatabases::read(&mut table, faults),
        };
        table.finish(faults, &["tls"]);
        written
    }
}

impl WrittenCaps {
    fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self {
            cpu: table.leaf(faults, "cpu"),
            timeout: table.leaf(faults, "timeout"),
            memory: table.leaf(faults, "memory"),
            fuel: table.leaf(faults, "fuel"),
            max_concurrent: table.leaf(faults, "max_concurrent"),
        };
        table.finish(faults, &[]);
        written
    }
}

impl Leaf for SocketAddr {
    const WHAT: &'static str = "an address such as \"127.0.0.1:8080\"";

    fn text(text: &str) -> Result<Self, Wrong> {
        let wrong = || Wrong::new(format!("= {text:?} is not an IP address and a port"));
        text.parse().map_err(|_| wrong().remedy("write one such as \"127.0.0.1:8080\" or \"[::1]:8080\""))
    }
}
