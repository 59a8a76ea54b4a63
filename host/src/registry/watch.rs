//! Tells when something under the served folders may have changed.
//!
//! An event is a reason to look, never what was seen: what changed is found out by looking at the files. So lost,
//! doubled or late events cost time at most, and where there are no events at all looking now and then is enough.

use std::{
    ffi::OsStr,
    path::{Component, Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};
use tokio::sync::Notify;

/// How often the folders are looked at although events arrive: a folder filled right after it was made, a file on a
/// network share or behind a link may send none.
const WITH_EVENTS: Duration = Duration::from_secs(2);

/// How often the folders are looked at where the system sends no events.
const WITHOUT_EVENTS: Duration = Duration::from_millis(500);

/// How the registry learns that it should look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WatchMode {
    /// By the system's events; by looking often where the system has no more room for watches.
    #[default]
    Events,
    /// By looking often.
    Poll,
    /// Only when asked: `Registry::settled`.
    Asked,
}

/// The watch over some folders. Dropping it ends the watch.
pub(super) struct Watch {
    look: Arc<Notify>,
    named: Arc<ArcSwap<Vec<PathBuf>>>,
    /// Whether an event was lost or the watch broke: then looking often takes over.
    deaf: Arc<AtomicBool>,
    mode: WatchMode,
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches folders and all below them.
    pub(super) fn start(folders: &[PathBuf], mode: WatchMode) -> Self {
        let mut watch =
            Self { look: Arc::default(), named: Arc::default(), deaf: Arc::default(), mode, _watcher: None };
        if mode == WatchMode::Events {
            match watch.listen(folders) {
                Ok(watcher) => watch._watcher = Some(watcher),
                Err(error) => {
                    tracing::warn!(%error, "cannot watch the served folders; looking every {WITHOUT_EVENTS:?} instead");
                    watch.mode = WatchMode::Poll;
                }
            }
        }
        watch
    }

    fn listen(&self, folders: &[PathBuf]) -> notify::Result<RecommendedWatcher> {
        let (look, named, deaf) = (self.look.clone(), self.named.clone(), self.deaf.clone());
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| match event {
            Ok(event) if !matters(&event, &named.load()) => {}
            Ok(_) => look.notify_one(),
            Err(error) => {
                if !deaf.swap(true, Relaxed) {
                    tracing::warn!(%error, "the watch lost sight; looking every {WITHOUT_EVENTS:?} from now on");
                }
                look.notify_one();
            }
        })?;
        for folder in folders {
            watcher.watch(folder, RecursiveMode::Recursive)?;
        }
        Ok(watcher)
    }

    /// Files and folders that manifests name: their changes matter wherever they lie.
    pub(super) fn named(&self, named: Vec<PathBuf>) {
        self.named.store(Arc::new(named));
    }

    /// Waits until it is time to look.
    ///
    /// Cancel safe.
    pub(super) async fn changed(&self) {
        let pause = match self.mode {
            WatchMode::Asked => return std::future::pending().await,
            WatchMode::Events if !self.deaf.load(Relaxed) => WITH_EVENTS,
            WatchMode::Events | WatchMode::Poll => WITHOUT_EVENTS,
        };
        tokio::select! {
            () = self.look.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Whether an event may mean that a plugin changed.
fn matters(event: &Event, named: &[PathBuf]) -> bool {
    if event.need_rescan() {
        return true;
    }
    let read_only = match event.kind {
        // Our own reading opens and closes files.
        EventKind::Access(access) => access != AccessKind::Close(AccessMode::Write),
        _ => false,
    };
    let is_named = |path: &PathBuf| named.iter().any(|named| path.starts_with(named));
    !read_only && event.paths.iter().any(|path| is_named(path) || !(in_output(path) || is_temporary(path)))
}

/// Whether a path lies in a folder that builds or version control fill.
fn in_output(path: &Path) -> bool {
    let output = |name: &OsStr| [".git", "target", "node_modules"].iter().any(|folder| name == *folder);
    path.components().any(|part| matches!(part, Component::Normal(name) if output(name)))
}

/// Whether a file is one that editors make beside the one being edited.
pub(super) fn is_temporary(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else { return false };
    let swap = [".swp", ".swo", ".swx", ".tmp", ".bak"].iter().any(|ending| name.ends_with(ending));
    // vim tests with a file called 4913 whether it may write; emacs locks with `.#name` and saves to `#name#`.
    swap || name.ends_with('~') || name.starts_with(".#") || name.starts_with('#') || name == "4913"
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
