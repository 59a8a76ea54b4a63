//! Where an attack takes place: the attacker's plugins under `/a`, and a canary of another tenant beside them.

use std::{
    fs,
    io::Write as _,
    ops::Deref,
    path::Path,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use rustls::pki_types::CertificateDer;
use tokio::{
    process::Command,
    sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock},
};
use wasmbay_tests::{
    canary::{Canary, Song},
    house::Plugin,
};

pub(crate) use wasmbay_tests::house::EVERYWHERE;

use crate::{
    rest,
    rows::name,
    slow::secure_canary,
    stage::{CANARY, POOLS, Stage, left},
};

/// The kinds that speak wasi:http, in both lanes.
pub(crate) const HTTP: [(&str, &str); 4] = [EVERYWHERE[0], EVERYWHERE[1], EVERYWHERE[2], EVERYWHERE[3]];

/// The one host that all rows share which can. One row after another has it to itself; rows that do nothing but wait
/// have it together.
static SHARED: LazyLock<Arc<RwLock<Option<Stage>>>> = LazyLock::new(Arc::default);

/// How often it was started.
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// A host under attack.
pub(crate) struct Scene {
    host: Hold,
    canary: Option<Canary>,
    /// The attacker's folders that this row has made.
    folders: Vec<String>,
    begun: Instant,
}

/// Whose host it is.
enum Hold {
    /// The shared one, for this row alone.
    Alone(OwnedRwLockWriteGuard<Option<Stage>>),
    /// The shared one, with other rows.
    Beside(OwnedRwLockReadGuard<Option<Stage>>),
    /// One that was started for this row.
    Own(Box<Stage>),
    /// It has ended.
    Over,
}

impl Deref for Scene {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        let shared = match &self.host {
            Hold::Alone(guard) => guard.as_ref(),
            Hold::Beside(guard) => guard.as_ref(),
            Hold::Own(stage) => return stage,
            Hold::Over => panic!("the host has ended"),
        };
        shared.expect("a guard is given out with a stage in it")
    }
}

/// The shared host, started if it is not there or not to be relied on.
async fn shared() -> OwnedRwLockWriteGuard<Option<Stage>> {
    let mut guard = SHARED.clone().write_owned().await;
    if !guard.as_ref().is_some_and(Stage::is_sound) {
        *guard = None;
        STARTED.fetch_add(1, Ordering::Relaxed);
        let stage = Stage::start(POOLS, |_| {}).await;
        rest::warm(&stage).await;
        *guard = Some(stage);
    }
    guard
}

/// One plugin of the attacker for each kind and lane, named `p0`, `p1`, …, with these lines in its manifest.
pub(crate) fn each(kinds: &[(&str, &str)], lines: &str) -> Vec<Plugin> {
    let one =
        |(number, (file, lane)): (usize, &(&str, &str))| Plugin::new(&format!("p{number}"), lane, file).with(lines);
    kinds.iter().enumerate().map(one).collect()
}

/// Sees that the shared host holds no more than it did before its first attack.
pub(crate) async fn check() {
    let guard = SHARED.clone().write_owned().await;
    let stage = guard.as_ref().expect("rows have shared it");
    assert_eq!(STARTED.load(Ordering::Relaxed), 1, "the host did not live through all attacks");
    rest::check(stage).await;
}

impl Scene {
    /// The shared host with these plugins of the attacker's, some of which may be refused.
    pub(crate) async fn set(plugins: Vec<Plugin>) -> Self {
        Self::on(Hold::Alone(shared().await), plugins).await
    }

    /// The shared host with one plugin of each kind, none of which may be refused.
    pub(crate) async fn of(kinds: &[(&str, &str)], lines: &str) -> Self {
        let scene = Self::set(each(kinds, lines)).await;
        let faults = scene.faults().await;
        assert!(faults.values().all(Vec::is_empty), "{faults:#?}");
        scene
    }

    /// The shared host for a row that only waits, beside others that do: it has no use for figures of the whole host,
    /// and its plugins have names of their own.
    pub(crate) async fn beside(plugins: Vec<Plugin>) -> Self {
        let guard = SHARED.clone().read_owned().await;
        let guard = match guard.as_ref() {
            Some(stage) if stage.is_sound() => guard,
            _ => {
                drop(guard);
                shared().await.downgrade()
            }
        };
        Self::on(Hold::Beside(guard), plugins).await
    }

    /// A host of its own, with these settings.
    pub(crate) async fn apart(settings: &str, plugins: Vec<Plugin>) -> Self {
        Self::changed(settings, |_| {}, plugins).await
    }

    /// The same, started by a changed command.
    pub(crate) async fn changed(settings: &str, change: impl FnOnce(&mut Command), plugins: Vec<Plugin>) -> Self {
        let stage = Stage::start(settings, change).await;
        Self::on(Hold::Own(Box::new(stage)), plugins).await
    }

    async fn on(host: Hold, plugins: Vec<Plugin>) -> Self {
        let mut scene = Self { host, canary: None, folders: Vec::new(), begun: Instant::now() };
        for plugin in plugins {
            plugin.write(&scene.folder()).expect("the plugin can be written");
            scene.folders.push(plugin.folder().to_owned());
        }
        scene.decided(&scene.folders).await;
        scene.canary = Some(Canary::begin(scene.addr(), CANARY));
        scene
    }

    /// A host with TLS, and a canary that trusts its certificate.
    pub(crate) async fn secured(settings: &str, trusted: CertificateDer<'static>) -> Self {
        let stage = Stage::start(settings, |_| {}).await;
        let canary = secure_canary(stage.addr(), trusted);
        Self { host: Hold::Own(Box::new(stage)), canary: Some(canary), folders: Vec::new(), begun: Instant::now() }
    }

    /// Lets another canary sing, over connections that are opened otherwise.
    pub(crate) async fn replace_canary(&mut self, canary: Canary) {
        let former = self.canary.replace(canary).expect("a scene has a canary");
        former.unharmed().await;
    }

    /// Adds a plugin of the attacker's and waits until it is live or refused: why it is not live.
    pub(crate) async fn add(&mut self, name: &str, write: impl FnOnce(&Path) -> std::io::Result<()>) -> Vec<String> {
        write(&self.folder()).expect("it can be written");
        self.folders.push(name.to_owned());
        self.decided(&[name.to_owned()]).await;
        let plugins = self.status().await.plugins.into_iter();
        let mut added = plugins.filter(|plugin| plugin.tenant == "a" && plugin.folder.ends_with(&format!("/{name}")));
        added.next().expect("it is known").faults
    }

    /// Ends the canary's song, takes the attacker's plugins away, and sees that nothing of the attack is left.
    pub(crate) async fn end(mut self) {
        let song = self.canary.take().expect("a scene ends once").unharmed().await;
        self.tell(&song);
        let mine = !matches!(self.host, Hold::Beside(_));
        self.until("nothing of the attack is left", |page| left(page, mine).is_empty()).await;
        assert_eq!(self.page().await.sum("wasmbay_panics_total", &[]), 0.0, "the host panicked");
        for folder in &self.folders {
            fs::remove_dir_all(self.folder().join(folder)).expect("it can be removed");
        }
        let folders = std::mem::take(&mut self.folders);
        self.gone(&folders).await;
    }

    /// Says what the canary saw, past the test harness's own capture: it is a result.
    fn tell(&self, song: &Song) {
        let _ = writeln!(
            std::io::stderr(),
            "{}, {:.1} s: the canary had {song}",
            name(),
            self.begun.elapsed().as_secs_f64()
        );
    }

    /// Lets the canary fall silent, before the host is told to end: what it had until then.
    pub(crate) async fn hush(&mut self) -> Song {
        self.canary.take().expect("a scene has a canary").unharmed().await
    }

    /// The exit code of a host of this row's own that has been told to end.
    pub(crate) async fn exited(mut self, song: Song) -> Option<i32> {
        self.tell(&song);
        self.folders.clear();
        let Hold::Own(stage) = std::mem::replace(&mut self.host, Hold::Over) else { panic!("the host is shared") };
        stage.serving.ended().await.expect("it ends")
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // A row that broke off has left behind who knows what.
        if !self.folders.is_empty() || self.canary.is_some() {
            self.spoil();
        }
    }
}
