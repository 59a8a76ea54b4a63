//! A manifest as meant: what one plugin asks for, checked.

mod caps;
mod defaults;
mod jobs;
mod meant;
mod raise;
mod routes;
mod written;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

pub use caps::CapNote;
pub use raise::{Figure, Raise};
pub(super) use written::Written;

use super::{
    cron::Cron,
    fault::{Faults, Place},
    file,
    origins::OriginPattern,
    tree,
};
use crate::{
    diagnostic::Diagnostic,
    units::{ByteSize, Fuel},
};

/// Which threads run a plugin.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// An async task on the runtime that serves the sockets: for work that waits.
    Io,
    /// The pool of compute threads, by fuel and fair share: for work that burns CPU.
    Compute,
}

impl Lane {
    /// The name a manifest uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Compute => "compute",
        }
    }
}

/// What becomes of a request whose client has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnDisconnect {
    /// The guest is dropped.
    #[default]
    Cancel,
    /// The guest runs to its end, within its limits.
    Finish,
}

/// One plugin's manifest, complete and free of faults.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Kebab-case, unique within the tenant.
    pub name: String,
    /// The author's version; opaque to the host.
    pub version: String,
    /// The component's file, relative to the manifest's folder and inside it.
    pub component: PathBuf,
    /// Which threads run it.
    pub lane: Lane,
    /// Files and folders that the guest may read, relative to the manifest's folder and inside it.
    pub assets: Vec<PathBuf>,
    /// What happens when the client leaves.
    pub on_disconnect: OnDisconnect,
    /// Never empty: without `[[route]]` it is one route over every path of the tenant.
    pub routes: Vec<Route>,
    /// Every limit, defaults filled in, the operator's caps not yet applied.
    pub limits: Limits,
    /// How instances are used.
    pub instances: Instances,
    /// What the guest may do.
    pub grants: Grants,
    /// When the host itself asks something of it.
    pub schedules: Vec<Schedule>,
    /// The limits of jobs and schedules: [`Manifest::limits`] with what `[jobs]` says otherwise.
    pub job_limits: Limits,
    /// How `wasmbay dev` builds it.
    pub build: Option<Build>,
}

impl Manifest {
    /// What a request may use: one of a client or of another plugin, or a job's.
    pub fn limits_of(&self, is_job: bool) -> &Limits {
        if is_job { &self.job_limits } else { &self.limits }
    }

    /// The file's name in a plugin's folder.
    pub const FILE: &str = "plugin.toml";

    /// The longest file, in bytes. A hundred routes take about 10 KiB; a file made to be hard to read can ask for a fault at each
    /// byte, so this bounds the time that reading takes.
    pub const MAX_BYTES: u64 = 64 << 10;

    /// Reads the manifest of a plugin's folder.
    ///
    /// # Errors
    /// Every fault of the file at once, or that it cannot be read.
    pub fn read(folder: &Path) -> Result<Self, Vec<Diagnostic>> {
        let path = folder.join(Self::FILE);
        let text = file::read(&path, Self::MAX_BYTES).map_err(|wrong| vec![Diagnostic::new(&path, wrong.message)])?;
        Self::parse(&text, &path)
    }

    /// Reads a manifest's text. `file` is what faults name; no file is touched.
    ///
    /// # Errors
    /// Every fault of the text at once.
    pub fn parse(text: &str, file: impl AsRef<Path>) -> Result<Self, Vec<Diagnostic>> {
        let mut faults = Faults::default();
        let written = tree::read(text, &Place::whole(file), written::TOP, &mut faults, Written::read);
        let meant = written.and_then(|written| written.meant(&mut faults));
        faults.into_result(meant)
    }
}

/// One `[[route]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Starts with `/`; `{name}` is one segment, `{*rest}` the tail, which may be empty. A last segment may be empty
    /// (`/a/` is another path than `/a`), no other; percent-encoding is kept as it is.
    pub path: String,
    /// Which methods it takes.
    pub methods: Methods,
    /// The host it is bound to; `None` is every host of the tenant.
    pub host: Option<HostPattern>,
    /// What answers.
    pub serves: Serves,
}

/// What answers on a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Serves {
    /// The plugin (`[[route]]`).
    #[default]
    Plugin,
    /// The host, with the files below this folder of the plugin's (`[[static]]`); the path ends in `{*rest}`.
    Files(PathBuf),
}

impl Route {
    /// The path of the one route of a manifest that declares none: every path of its tenant, `/` included.
    pub const EVERY_PATH: &str = "/{*rest}";
}

/// A host name, lower case, without a port.
pub type HostPattern = String;

/// The methods of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Methods {
    /// Every method.
    All,
    /// Just these; GET also answers HEAD.
    Only(Vec<http::Method>),
}

impl Methods {
    /// Whether a request with this method belongs to the route.
    pub fn accepts(&self, method: &http::Method) -> bool {
        match self {
            Self::All => true,
            Self::Only(methods) => {
                methods.contains(method) || (method == http::Method::HEAD && methods.contains(&http::Method::GET))
            }
        }
    }
}

/// `[limits]`, with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Fuel one request may burn; `None` in the io lane, where fuel is not counted.
    pub fuel: Option<Fuel>,
    /// CPU time one request may burn, instantiation included.
    pub cpu: Duration,
    /// From leaving the queue to the response's head.
    pub timeout: Duration,
    /// The longest gap without a byte from the guest once the head is out.
    pub stream_idle: Duration,
    /// Every memory and table of an instance together.
    pub memory: ByteSize,
    /// The largest request body.
    pub request_body: ByteSize,
    /// The largest response body.
    pub response_body: ByteSize,
    /// Requests in flight in this plugin.
    pub max_concurrent: u32,
    /// Requests waiting; past that they are refused.
    pub queue: u32,
    /// The longest a request waits.
    pub queue_timeout: Duration,
    /// How long work may go on after the response; zero ends it there.
    pub after_response: Duration,
}

/// `[instances]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instances {
    /// Requests one instance may serve in turn; 1 is a fresh sandbox for each.
    pub max_requests: u32,
    /// Requests at once in one instance (0.3 guests in the io lane).
    pub max_concurrent: u32,
    /// Instances kept ready ahead of need.
    pub warm: u32,
}

/// `[grants]`: what the guest may do; nothing else exists for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Names of plugins of the same tenant it may call.
    pub plugins: Vec<String>,
    /// Other servers it may send requests to.
    pub http: Vec<OriginPattern>,
    /// Variables it may read, by name.
    pub config: BTreeMap<String, Given>,
    /// Stores of keys and values it may open, which its tenant's plugins share.
    pub kv: Vec<String>,
    /// SQL databases it may open, which its tenant's plugins share.
    pub sql: Vec<String>,
    /// Whether it may hand jobs to the host, for itself and for the plugins it may call.
    pub jobs: bool,
}

/// One `[[schedule]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// When.
    pub cron: Cron,
    /// The path, perhaps with a query, that is asked by POST.
    pub path: String,
}

impl std::fmt::Display for Schedule {
    /// The pattern, the zone when it is not UTC, and the path.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.cron, self.path)
    }
}

/// Where a variable's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// The manifest's own text, unless the operator says another.
    Text(String),
    /// The tenant's secret of this name.
    Secret(String),
}

/// `[build]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Run by the shell in the manifest's folder.
    pub command: String,
    /// Paths that start a build when they change; relative to the manifest's folder, the folder itself when empty.
    pub watch: Vec<PathBuf>,
}
