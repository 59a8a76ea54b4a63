//! A real host in process, over a folder of plugins that the test lays out.

use std::{
    collections::HashMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{interval, timeout},
};
use wasmbay::{
    config::Settings,
    host::{Behind as _, Host, Mode, Started},
    units::ByteSize,
};

use crate::client::{Answer, Connection, HANG, Protocol};

/// Instance slots of each lane: enough for every test, little enough to be allocated in no time.
const SLOTS: u32 = 64;

/// The variable that names the folder of built guests.
const GUESTS: &str = "WASMBAY_GUESTS";

/// The variable that names the built `wasmbay`, which compiles plugins for hosts that are not it.
const BIN: &str = "WASMBAY_BIN";

/// A guest built from the tests' sources, by file name.
///
/// # Panics
/// When it has not been built.
pub fn guest(file: &str) -> PathBuf {
    let folder =
        std::env::var(GUESTS).unwrap_or_else(|_| panic!("{GUESTS} is not set: eval \"$(cargo xtask guests)\""));
    let path = Path::new(&folder).join(file);
    assert!(path.exists(), "{} is not built: cargo xtask guests", path.display());
    path
}

/// Every kind of guest in both lanes: the file and the lane.
pub const EVERYWHERE: [(&str, &str); 6] = [
    ("http02.wasm", "io"),
    ("http02.wasm", "compute"),
    ("http03.wasm", "io"),
    ("http03.wasm", "compute"),
    ("cgi01.wasm", "io"),
    ("cgi02.wasm", "compute"),
];

/// A plugin to be written into a served folder.
#[derive(Clone)]
pub struct Plugin {
    folder: String,
    component: PathBuf,
    manifest: String,
}

impl Plugin {
    /// A plugin from a built guest, with a route `/NAME/{*rest}`, in this lane.
    pub fn new(name: &str, lane: &str, guest_file: &str) -> Self {
        let component = guest(guest_file);
        let file = component.file_name().expect("a guest is a file").to_string_lossy().into_owned();
        let manifest = format!(
            "manifest = 1\nname = \"{name}\"\nversion = \"1\"\ncomponent = \"{file}\"\nlane = \"{lane}\"\n\
             [[route]]\npath = \"/{name}/{{*rest}}\"\n"
        );
        Self { folder: name.to_owned(), component, manifest }
    }

    /// Adds lines to the manifest, tables with their headers.
    #[must_use]
    pub fn with(mut self, lines: &str) -> Self {
        self.manifest += lines;
        self.manifest.push('\n');
        self
    }

    /// Adds lines before the manifest's first table.
    #[must_use]
    pub fn headed(mut self, lines: &str) -> Self {
        self.manifest.insert_str(0, &format!("{lines}\n"));
        self
    }

    /// Puts the plugin below a folder, as a tenant's.
    #[must_use]
    pub fn of(mut self, folder: &str) -> Self {
        self.folder = format!("{folder}/{}", self.folder);
        self
    }

    /// The name of the plugin's folder, below its tenant's if it has one.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Writes the plugin's folder under `dir`.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let folder = dir.join(&self.folder);
        fs::create_dir_all(&folder)?;
        fs::copy(&self.component, folder.join(self.component.file_name().context("a guest is a file")?))?;
        fs::write(folder.join("plugin.toml"), &self.manifest)?;
        Ok(())
    }

    /// Makes the component that was written under `dir` another one than all of other numbers: same code, and a custom section with
    /// the number behind it.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn tell_apart(&self, dir: &Path, number: u8) -> Result<()> {
        let file = dir.join(&self.folder).join(self.component.file_name().context("a guest is a file")?);
        let section = [0, 3, 1, b'n', number];
        fs::OpenOptions::new().append(true).open(file)?.write_all(&section)?;
        Ok(())
    }
}

/// A served folder and its host.
pub struct House {
    /// The served folder.
    pub dir: TempDir,
    /// The host.
    pub host: Host,
}

impl House {
    /// Serves these plugins with settings made for tests.
    ///
    /// # Panics
    /// When the host does not start, or refuses one of the plugins.
    pub async fn serve(plugins: &[Plugin]) -> Self {
        Self::with(settings(), plugins).await
    }

    /// The same with other settings.
    ///
    /// # Panics
    /// See [`House::serve`].
    pub async fn with(settings: Settings, plugins: &[Plugin]) -> Self {
        let house = Self::unchecked(settings, plugins).await;
        let status = house.host.behind().registry().status();
        let faults: Vec<_> = status.plugins.iter().flat_map(|plugin| &plugin.faults).chain(&status.faults).collect();
        assert!(faults.is_empty(), "{faults:#?}");
        house
    }

    /// Serves plugins some of which may be refused.
    ///
    /// # Panics
    /// When the host does not start.
    pub async fn unchecked(settings: Settings, plugins: &[Plugin]) -> Self {
        let dir = TempDir::new().expect("a folder");
        for plugin in plugins {
            plugin.write(dir.path()).expect("the plugin can be written");
        }
        Self::over(settings, dir).await
    }

    /// Serves a folder as it is.
    ///
    /// # Panics
    /// When the host does not start.
    pub async fn over(settings: Settings, dir: TempDir) -> Self {
        Self::in_mode(Mode::Serve, settings, dir).await
    }

    /// Serves a folder as it is, for clients or for the plugins' author.
    ///
    /// # Panics
    /// When the host does not start.
    pub async fn in_mode(mode: Mode, settings: Settings, dir: TempDir) -> Self {
        let started = Host::start(&settings, dir.path(), mode, false).await.expect("the host starts");
        let Started::Serving(host) = started else { panic!("only a strict host refuses to serve") };
        timeout(HANG, host.ready()).await.expect("the first scan ends");
        Self { dir, host }
    }

    /// Opens a connection.
    ///
    /// # Panics
    /// When the host does not accept it.
    pub async fn connect(&self) -> Connection {
        self.connect_by(Protocol::Http1).await
    }

    /// Opens a connection with this protocol.
    ///
    /// # Panics
    /// When the host does not accept it.
    pub async fn connect_by(&self, protocol: Protocol) -> Connection {
        Connection::open(self.host.public(), protocol).await.expect("a connection")
    }

    /// Asks over a connection of its own.
    ///
    /// # Panics
    /// When there is no whole answer.
    pub async fn get(&self, path: &str) -> Answer {
        self.try_get(path).await.expect("an answer")
    }

    /// Asks over a connection of its own; an answer that breaks off is an error.
    ///
    /// # Errors
    /// What broke.
    pub async fn try_get(&self, path: &str) -> Result<Answer> {
        self.connect().await.get(path).await
    }

    /// Asks over a connection of its own, on a task of its own.
    pub fn ask(&self, path: &str) -> JoinHandle<Result<Answer>> {
        let (addr, path) = (self.host.public(), path.to_owned());
        tokio::spawn(async move { Connection::open(addr, Protocol::Http1).await?.get(&path).await })
    }

    /// What `/metrics` shows.
    pub fn metrics(&self) -> String {
        self.host.behind().measure(self.host.metrics());
        self.host.metrics().encode()
    }

    /// The value of a plugin's metric, 0 while it has none.
    ///
    /// # Panics
    /// When the exposition has no number where one belongs.
    pub fn metric(&self, name: &str, plugin: &str) -> f64 {
        let label = format!("plugin=\"{plugin}\"");
        let text = self.metrics();
        let line = text.lines().find(|line| line.starts_with(name) && line.contains(&label));
        line.map_or(0.0, |line| line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number"))
    }

    /// Waits until a condition on the host holds.
    ///
    /// # Panics
    /// When it never does; `what` says what was waited for.
    pub async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let wait = async {
            let mut looks = interval(Duration::from_millis(2));
            while !condition(self) {
                looks.tick().await;
            }
        };
        timeout(HANG, wait).await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
    }

    /// Waits until what is on disk is live, refused or gone.
    ///
    /// # Panics
    /// When that takes for ever.
    pub async fn settled(&self) {
        timeout(HANG, self.host.behind().registry().settled()).await.expect("the folder settles");
    }

    /// Why the plugin's newest state does not serve.
    pub fn faults(&self) -> HashMap<String, Vec<String>> {
        let status = self.host.behind().registry().status();
        status.plugins.iter().map(|plugin| (plugin.name.clone(), plugin.faults.clone())).collect()
    }
}

/// Settings for tests: free ports, small pools, a code cache that all tests share.
pub fn settings() -> Settings {
    let any = "127.0.0.1:0".parse().expect("an address");
    let bin = std::env::var_os(BIN).map(PathBuf::from);
    let bin = bin.unwrap_or_else(|| panic!("{BIN} is not set: eval \"$(cargo xtask guests)\""));
    // Beside the binary that compiles: all tests share one cache of compiled code, and a clean build has none.
    let data = bin.parent().expect("the binary lies in a folder").join("tests-data");
    Settings {
        listen: any,
        admin: any,
        data: Some(data),
        io_instances: SLOTS,
        compute_instances: SLOTS,
        max_memory: ByteSize(64 << 20),
        drain: Duration::from_secs(10),
        compiler: Some(bin),
        ..Settings::default()
    }
}
