//! The registry as others hold it: the table to read, and what to ask and to wait for.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use super::{
    current::Current,
    live::Census,
    loader::{EngineLoader, Loader},
    reconcile::Reconciler,
    revision::{MANIFEST_FILE, QUIET},
    status::Status,
    table::Table,
    tenants::TenantSpec,
    watch::WatchMode,
};
use crate::{config::Settings, diagnostic::Diagnostic, telemetry::Metrics};

/// How long a folder must be without its manifest before its plugin goes: longer than a save or a checkout that
/// removes and writes again.
pub const LEAVE_AFTER: Duration = Duration::from_millis(500);

/// What the registry serves and how.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// Whose folders hold the plugins. Never empty.
    pub tenants: Vec<TenantSpec>,
    /// How long files must lie still before they are read.
    pub quiet: Duration,
    /// How long a folder must be without a manifest before its plugin goes.
    pub leave_after: Duration,
    /// How long requests may go on on a replaced revision.
    pub drain: Duration,
    /// Whether one fault in the first scan is reason not to start.
    pub strict: bool,
    /// Whether plugins are built by the command in their manifest.
    pub build: bool,
    /// How changes are noticed.
    pub watch: WatchMode,
}

impl RegistrySettings {
    /// For a host that serves `dir`: not strict, building nothing, watching.
    pub fn new(settings: &Settings, dir: &Path) -> Self {
        Self {
            tenants: TenantSpec::from_settings(settings, dir),
            quiet: QUIET,
            leave_after: LEAVE_AFTER,
            drain: settings.drain,
            strict: false,
            build: false,
            watch: WatchMode::default(),
        }
    }

    /// The folders to watch.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        self.tenants.iter().map(|tenant| tenant.folder.clone()).collect()
    }
}

/// What the registry's task and its holders share.
pub(super) struct Shared<G> {
    pub(super) current: Current<G>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) status: ArcSwap<Status>,
    pub(super) ready: watch::Sender<bool>,
    pub(super) generation: watch::Sender<u64>,
    pub(super) census: Census,
}

/// Keeps the plugins of a folder live. One task does the work; dropping the registry ends it.
pub struct Registry<L: Loader = EngineLoader> {
    shared: Arc<Shared<L::Guest>>,
    ask: mpsc::UnboundedSender<oneshot::Sender<()>>,
    stop: watch::Sender<bool>,
    /// `None` once it has been ended.
    task: Mutex<Option<JoinHandle<()>>>,
}

impl<L: Loader> Registry<L> {
    /// Begins to serve: returns at once; the first scan fills `current`, which was made with the same tenants. When
    /// the settings are strict, it returns after the first scan.
    ///
    /// # Errors
    /// Only when strict: every fault in every manifest and component.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(
        settings: RegistrySettings,
        loader: L,
        current: Current<L::Guest>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let shared = Arc::new(Shared {
            current,
            metrics,
            status: ArcSwap::default(),
            ready: watch::Sender::new(false),
            generation: watch::Sender::new(0),
            census: Census::default(),
        });
        let strict = settings.strict;
        let (ask, asked) = mpsc::unbounded_channel();
        let (stop, mut stopped) = watch::channel(false);
        let reconciler = Reconciler::new(settings, loader, shared.clone(), asked);
        let task = tokio::spawn(async move {
            tokio::select! {
                () = reconciler.run() => {}
                // Dropping the work ends a compilation or build under way.
                _ = stopped.changed() => {}
            }
        });
        let registry = Self { shared, ask, stop, task: Mutex::new(Some(task)) };
        if strict {
            registry.first_scan().await;
            let faults = registry.status().diagnostics();
            if !faults.is_empty() {
                registry.shutdown().await;
                return Err(faults);
            }
        }
        Ok(registry)
    }

    /// What is live now. One atomic load; the table never changes.
    pub fn table(&self) -> Arc<Table<L::Guest>> {
        self.shared.current.table()
    }

    /// Whether every plugin of the first scan is live or refused.
    pub fn ready(&self) -> bool {
        *self.shared.ready.borrow()
    }

    /// Waits until [`Registry::ready`].
    ///
    /// Cancel safe.
    pub async fn first_scan(&self) {
        // The sender lives in `self`: waiting cannot fail.
        let _ = self.shared.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Looks at every folder again and returns when what is on disk now is live, refused or gone, and built if it is
    /// to be.
    ///
    /// Cancel safe.
    pub async fn settled(&self) {
        let (answer, answered) = oneshot::channel();
        if self.ask.send(answer).is_ok() {
            // An error: the task has ended, and nothing will change any more.
            let _ = answered.await;
        }
    }

    /// A number that goes up with each swap of the table.
    pub fn generation(&self) -> watch::Receiver<u64> {
        self.shared.generation.subscribe()
    }

    /// How many revisions are not freed yet: those that are live, loaded but refused, or serving their last requests.
    pub fn revisions_alive(&self) -> watch::Receiver<usize> {
        self.shared.census.subscribe()
    }

    /// What is live, what is not, and why.
    pub fn status(&self) -> Arc<Status> {
        self.shared.status.load_full()
    }

    /// Ends the watch and what is under way: a compilation, a build with all its processes. What is live stays in
    /// the table.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the registry's task failed");
        }
    }
}

impl Status {
    /// The faults as complaints about files.
    fn diagnostics(&self) -> Vec<Diagnostic> {
        let of_plugins =
            self.plugins.iter().flat_map(|plugin| plugin.faults.iter().map(|fault| placed(&plugin.folder, fault)));
        self.faults.iter().map(|fault| Diagnostic::new("", fault)).chain(of_plugins).collect()
    }
}

/// A plugin's fault with its place. Those in the manifest's text name their file and line themselves.
fn placed(folder: &str, fault: &str) -> Diagnostic {
    let file = Path::new(folder).join(MANIFEST_FILE);
    let own = fault.strip_prefix(&*file.to_string_lossy()).and_then(|rest| rest.strip_prefix(':'));
    let Some(rest) = own else { return Diagnostic::new(file, fault) };
    match rest.split_once(": ").and_then(|(line, message)| Some((line.parse().ok()?, message))) {
        Some((line, message)) => Diagnostic::new(file, message).at(line),
        None => Diagnostic::new(file, rest.trim_start()),
    }
}
