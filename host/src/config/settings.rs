//! The host's settings as meant: flags over variables over `wasmbay.toml` over defaults.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use crate::units::ByteSize;

/// Everything an operator can set. Tests build one by hand, from [`Settings::default`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the public listener binds.
    pub listen: SocketAddr,
    /// Where the operator's listener binds.
    pub admin: SocketAddr,
    /// The folder of durable state; `None` is `.wasmbay` beside the served folder.
    pub data: Option<PathBuf>,
    /// Whether 0.3 guests load; `None` is on for one tenant, off for several.
    pub wasi_http_03: Option<bool>,
    /// The compute threads' scheduling priority below the runtime's, 0 to 19.
    pub compute_nice: u8,
    /// Compute threads; `None` is the cores, or quota − 1 under a CPU quota.
    pub compute_threads: Option<usize>,
    /// The size of an instance slot: the largest `limits.memory`.
    pub max_memory: ByteSize,
    /// Instances alive at once in the io lane.
    pub io_instances: u32,
    /// Instances alive at once in the compute lane.
    pub compute_instances: u32,
    /// Requests in flight in the whole host.
    pub max_concurrent: u32,
    /// How long requests in flight may go on at shutdown or on an old revision.
    pub drain: Duration,
    /// The executable that compiles plugins (`EXE compile`); `None` is the running one.
    pub compiler: Option<PathBuf>,
    /// Named tenants. The plain folder is the tenant `default` when this is empty.
    pub tenants: BTreeMap<String, Tenant>,
}

/// One `[tenant.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    /// The folder of its plugins, relative to the served folder.
    pub folder: PathBuf,
    /// Where its routes live.
    pub place: TenantPlace,
    /// Its share of CPU time beside other tenants; 1 is the default.
    pub weight: u32,
    /// Upper bounds on what its manifests may ask for.
    pub caps: Caps,
}

/// Where on the host's address space a tenant's routes live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantPlace {
    /// Every host and path: the one tenant of a host without `[tenant.*]`.
    Everywhere,
    /// These host names, lower case, without ports.
    Hosts(Vec<String>),
    /// This path prefix, starting with `/` and not ending with one.
    Prefix(String),
}

/// `caps = { … }`: a manifest that asks for more gets this much, and `check` says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// Caps `limits.cpu`.
    pub cpu: Option<Duration>,
    /// Caps `limits.timeout`.
    pub timeout: Option<Duration>,
    /// Caps `limits.memory`.
    pub memory: Option<ByteSize>,
    /// Caps `limits.fuel`.
    pub fuel: Option<crate::units::Fuel>,
    /// Requests in flight in the whole tenant.
    pub max_concurrent: Option<u32>,
}
