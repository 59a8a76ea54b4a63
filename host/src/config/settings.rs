//! The host's settings as meant: flags over variables over `wasmbay.toml` over defaults.

mod databases;
mod defaults;
mod jobs;
mod keys;
mod meant;
mod outbound;
mod sources;
mod sql;
mod supplies;
mod tenants;
#[cfg(test)]
mod tests;
mod written;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

pub use databases::{Database, DatabaseQuota, TlsMode};
use ipnet::IpNet;
pub use jobs::{JobQuota, JobSettings};
pub use keys::KeyQuota;
pub use outbound::OutboundQuota;
pub use sources::Flags;
use sources::Variables;
pub use sql::SqlQuota;
pub use supplies::{SecretSource, Supplies};
pub(super) use written::Written;

use super::{
    fault::{Faults, Place},
    file, tree,
};
use crate::{
    diagnostic::Diagnostic,
    units::{ByteSize, Fuel},
};

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
    /// Requests waiting in all queues of the host together; as it is neared, load is shed.
    pub max_waiting: u32,
    /// Connections at once to the public listener; `None` is what the limit of open files leaves room for.
    pub max_connections: Option<u32>,
    /// Connections at once from one address; `None` is a quarter of them all. Loopback and trusted proxies are not
    /// counted; requests behind a trusted proxy are, by their clients' addresses.
    pub max_connections_per_address: Option<u32>,
    /// How long requests in flight may go on at shutdown or on an old revision.
    pub drain: Duration,
    /// The executable that compiles plugins (`EXE compile`); `None` is the running one.
    pub compiler: Option<PathBuf>,
    /// Whose word about a client's address and scheme is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Ranges that guests may reach though they are not public.
    pub private_networks: Vec<IpNet>,
    /// Who resolves the names that guests call; empty for the system's own name servers.
    pub nameservers: Vec<SocketAddr>,
    /// A file of authorities, in PEM form, that the servers guests call may be certified by beside the public ones.
    pub outbound_authorities: Option<PathBuf>,
    /// The public listener's certificate; `None` is a listener without TLS.
    pub tls: Option<TlsFiles>,
    /// Named tenants. The plain folder is the tenant `default` when this is empty.
    pub tenants: BTreeMap<String, Tenant>,
    /// What the plugins of a plain folder are given; each named tenant has its own.
    pub supplies: Supplies,
    /// What the stores of keys of a plain folder's plugins may hold; each named tenant has its own.
    pub kv: KeyQuota,
    /// What the databases of a plain folder's plugins may hold and take; each named tenant has its own.
    pub sql: SqlQuota,
    /// How many requests of a plain folder's plugins to other servers may be under way; each named tenant has its own.
    pub outbound: OutboundQuota,
    /// The databases on servers that a plain folder's plugins may be granted; each named tenant has its own.
    pub databases: BTreeMap<String, Database>,
    /// How jobs run.
    pub jobs: JobSettings,
    /// What the jobs of a plain folder's plugins may take; each named tenant has its own.
    pub job_quota: JobQuota,
    /// Where tenants' keys, databases and jobs are kept; `None` is the data folder.
    pub state: Option<PathBuf>,
}

/// The name of the one tenant of a plain folder.
pub const DEFAULT_TENANT: &str = "default";

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: defaults::listen(),
            admin: defaults::admin(),
            data: None,
            wasi_http_03: None,
            compute_nice: defaults::COMPUTE_NICE,
            compute_threads: None,
            max_memory: defaults::MAX_MEMORY,
            io_instances: defaults::IO_INSTANCES,
            compute_instances: defaults::COMPUTE_INSTANCES,
            max_concurrent: defaults::MAX_CONCURRENT,
            max_waiting: defaults::MAX_WAITING,
            max_connections: None,
            max_connections_per_address: None,
            drain: defaults::DRAIN,
            compiler: None,
            trusted_proxies: Vec::new(),
            private_networks: Vec::new(),
            nameservers: Vec::new(),
            outbound_authorities: None,
            tls: None,
            tenants: BTreeMap::new(),
            supplies: Supplies::default(),
            kv: KeyQuota::default(),
            sql: SqlQuota::default(),
            outbound: OutboundQuota::default(),
            databases: BTreeMap::new(),
            jobs: JobSettings::default(),
            job_quota: JobQuota::default(),
            state: None,
        }
    }
}

impl Settings {
    /// The file's name in the working folder.
    pub const FILE: &str = "wasmbay.toml";

    /// Puts the settings together: a flag over a variable over the file over the default.
    ///
    /// `file` is what `--config` names; without it, `WASMBAY_CONFIG`, else [`Settings::FILE`] in `cwd` where there is
    /// one. Variables are `WASMBAY_` and the key in capitals; an empty one counts as unset. `PORT` replaces the port of
    /// `listen`, unless a flag says where to listen, and where nothing does it binds every address of the machine.
    /// Relative paths: from a flag or a variable they begin at `cwd`, in the file beside the file.
    ///
    /// # Errors
    /// Every fault of every source at once. A flag or a variable stands by its name where a file would.
    pub fn load(
        flags: Flags,
        env: &dyn Fn(&str) -> Option<String>,
        file: Option<&Path>,
        cwd: &Path,
    ) -> Result<Self, Vec<Diagnostic>> {
        let (mut faults, variables) = (Faults::default(), Variables(env));
        let named = file.map(Path::to_owned).or_else(|| variables.get("WASMBAY_CONFIG").map(PathBuf::from));
        let found = named.or_else(|| Some(PathBuf::from(Self::FILE)).filter(|name| cwd.join(name).exists()));
        let mut written = found.and_then(|name| read(&mut faults, &name, cwd)).unwrap_or_default();
        written.overlay(&mut faults, flags, &variables);
        let mut settings = written.meant(&mut faults);
        settings.data = settings.data.map(|data| cwd.join(data));
        settings.outbound_authorities = settings.outbound_authorities.map(|file| cwd.join(file));
        settings.tls = settings.tls.map(|tls| tls.below(cwd));
        faults.into_result(Some(settings))
    }

    /// Reads settings from text alone. `file` is what faults name; no file is touched.
    ///
    /// # Errors
    /// Every fault of the text at once.
    pub fn parse(text: &str, file: impl AsRef<Path>) -> Result<Self, Vec<Diagnostic>> {
        let mut faults = Faults::default();
        let written = tree::read(text, &Place::whole(file), written::TOP, &mut faults, Written::read);
        let settings = written.map(|written| written.meant(&mut faults));
        faults.into_result(settings)
    }

    /// Whether 0.3 guests load: as the operator says, else with one tenant alone. The engine's 0.3 support gets no
    /// patch releases, which strangers' code on one host should not depend on.
    pub fn http_03(&self) -> bool {
        self.wasi_http_03.unwrap_or(self.tenants.len() <= 1)
    }

    /// Every tenant by name: those that are named, else [`DEFAULT_TENANT`] with the whole folder and every address.
    pub fn tenants(&self) -> BTreeMap<String, Tenant> {
        if !self.tenants.is_empty() {
            return self.tenants.clone();
        }
        let everything = Tenant {
            folder: PathBuf::new(),
            place: TenantPlace::Everywhere,
            weight: defaults::WEIGHT,
            caps: Caps::default(),
            supplies: self.supplies.clone(),
            kv: self.kv,
            jobs: self.job_quota,
            sql: self.sql,
            outbound: self.outbound,
            databases: self.databases.clone(),
        };
        BTreeMap::from([(DEFAULT_TENANT.to_owned(), everything)])
    }
}

/// Reads the file of settings; its relative paths are made to begin where it stands.
fn read(faults: &mut Faults, name: &Path, cwd: &Path) -> Option<Written> {
    let (path, place) = (cwd.join(name), Place::whole(name));
    let text = file::read(&path, file::MAX_SETTINGS).map_err(|wrong| faults.add_other(&place, wrong)).ok()?;
    let mut written = tree::read(&text, &place, written::TOP, faults, Written::read)?;
    let folder = path.parent().unwrap_or(cwd);
    for path in written.paths() {
        path.value = folder.join(&path.value);
    }
    Some(written)
}

/// `[tls]`: where the public listener's certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain in PEM form, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key of the first certificate, in PEM form.
    pub key: PathBuf,
}

impl TlsFiles {
    fn below(self, folder: &Path) -> Self {
        Self { certificate: folder.join(self.certificate), key: folder.join(self.key) }
    }
}

/// One `[tenant.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    /// The folder of its plugins, relative to the served folder.
    pub folder: PathBuf,
    /// Where its routes live.
    pub place: TenantPlace,
    /// Its share of CPU time beside other tenants, and how far it reaches into permits and instance slots; 1 is the default.
    pub weight: u32,
    /// Upper bounds on what its manifests may ask for.
    pub caps: Caps,
    /// What its plugins are given.
    pub supplies: Supplies,
    /// What its stores of keys may hold.
    pub kv: KeyQuota,
    /// What its jobs may take.
    pub jobs: JobQuota,
    /// What its databases may hold and take.
    pub sql: SqlQuota,
    /// How many requests of its plugins to other servers may be under way.
    pub outbound: OutboundQuota,
    /// Its databases on servers, by name; every other name is an SQLite file's.
    pub databases: BTreeMap<String, Database>,
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
    pub fuel: Option<Fuel>,
    /// Requests in flight in the whole tenant.
    pub max_concurrent: Option<u32>,
}
