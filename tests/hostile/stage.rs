//! A host under attack: the built binary in a process of its own, so that what it holds is its own alone.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    process::Command,
    task::JoinHandle,
    time::{interval, timeout},
};
use wasmbay::registry::{State, Status};
use wasmbay_attacks::Mark;
use wasmbay_tests::{
    client::{Answer, Connection, HANG, Protocol},
    house::Plugin,
    serving::{Page, Serving, bin, serve_over, wrap},
};

/// What every host under attack is set to, with both tenants: the attacker under `/a`, the canary under `/c`.
const TENANTS: &str = "[tenant.a]\nfolder = \"a\"\nprefix = \"/a\"\n[tenant.c]\nfolder = \"c\"\nprefix = \"/c\"\n";

/// Pools of ordinary size for tests: enough for every row, little enough to be filled by one.
pub(crate) const POOLS: &str = "io_instances = 32\ncompute_instances = 32\nmax_memory = \"64MiB\"\n";

/// The path of the other tenant's plugin.
pub(crate) const CANARY: &str = "/c/canary/hello";

/// A host with both tenants, and what is known of it from outside.
pub(crate) struct Stage {
    pub(crate) serving: Serving,
    /// Holds the served folder, the settings and the log.
    root: TempDir,
    /// Whether a row broke off in the middle of its attack.
    spoilt: AtomicBool,
    /// The memory resident before the first attack, in bytes, on a host that was warmed.
    pub(crate) baseline: OnceLock<u64>,
}

impl Stage {
    /// Starts a host with these settings, the canary's plugin live.
    ///
    /// # Panics
    /// When it does not get ready.
    pub(crate) async fn start(settings: &str, change: impl FnOnce(&mut Command)) -> Self {
        let root = TempDir::new().expect("a folder");
        let (served, config) = (root.path().join("served"), root.path().join("wasmbay.toml"));
        fs::create_dir_all(served.join("a")).expect("a folder");
        let canary = Plugin::new("canary", "io", "http02.wasm").of("c");
        canary.write(&served).expect("the plugin can be written");
        fs::write(&config, format!("wasi_http_03 = true\n{settings}{TENANTS}")).expect("the settings can be written");
        let log = File::options().create(true).append(true).open(root.path().join("log")).expect("a log");
        // Beside the binary that compiles: all tests share one cache of compiled code, and a clean build has none.
        let data = bin().parent().expect("the binary lies in a folder").join("tests-data");
        let serving = serve_over(&served, &data, |command| {
            command.arg("--config").arg(&config);
            // It has to end with the tests, however they end.
            wrap(command, &["setpriv", "--pdeathsig", "KILL"]);
            command.stderr(Stdio::from(log));
            change(command);
        });
        let serving = serving.await.expect("the host gets ready");
        Self { serving, root, spoilt: AtomicBool::new(false), baseline: OnceLock::new() }
    }

    /// Says that its state is not to be relied on any more.
    pub(crate) fn spoil(&self) {
        self.spoilt.store(true, Ordering::Release);
    }

    /// Whether it is to be relied on.
    pub(crate) fn is_sound(&self) -> bool {
        !self.spoilt.load(Ordering::Acquire) && self.serving.rss().is_ok()
    }

    /// Where clients connect.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.serving.listen()
    }

    /// The attacker's first plugin.
    pub(crate) fn mark(&self) -> Mark {
        self.mark_of("/a/p0")
    }

    /// Another of the attacker's plugins, by its path.
    pub(crate) fn mark_of(&self, plugin: &'static str) -> Mark {
        Mark { addr: self.addr(), plugin }
    }

    /// The folder of the attacker's plugins.
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.path().join("served/a")
    }

    /// The served folder and the file of settings, as `wasmbay check` wants them.
    pub(crate) fn files(&self) -> (PathBuf, PathBuf) {
        (self.root.path().join("served"), self.root.path().join("wasmbay.toml"))
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> Connection {
        self.connect_by(Protocol::Http1).await
    }

    /// Opens a connection with this protocol.
    pub(crate) async fn connect_by(&self, protocol: Protocol) -> Connection {
        Connection::open(self.addr(), protocol).await.expect("a connection")
    }

    /// Asks the attacker's plugins over a connection of its own, on a task of its own.
    pub(crate) fn ask(&self, path: &str) -> JoinHandle<anyhow::Result<Answer>> {
        let (addr, path) = (self.addr(), format!("/a{path}"));
        tokio::spawn(async move { Connection::open(addr, Protocol::Http1).await?.get(&path).await })
    }

    /// Asks one of the attacker's plugins; an answer that breaks off is an error.
    pub(crate) async fn try_get(&self, path: &str) -> anyhow::Result<Answer> {
        self.connect().await.get(&format!("/a{path}")).await
    }

    /// Asks one of the attacker's plugins.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.try_get(path).await.expect("an answer")
    }

    /// Asks one of the attacker's plugins for something that has to fail.
    pub(crate) async fn code(&self, path: &str) -> String {
        self.get(path).await.problem()["code"].as_str().expect("a code").to_owned()
    }

    /// Asks one of the attacker's plugins for something that has to end it by a trap; the engine's own account of it,
    /// which the operator finds in the log and the client does not get.
    pub(crate) async fn trap(&self, path: &str) -> String {
        let problem = self.get(path).await.problem();
        assert_eq!(problem["code"], "trap", "{problem}");
        assert!(problem.get("inside").is_none(), "{problem}");
        let id = problem["request_id"].as_str().expect("an id").to_owned();
        let line = self.logged(|line| line["request_id"] == *id && line["code"] == "trap").await;
        line["inside"].as_str().expect("an account").to_owned()
    }

    /// The first line of the log that is as wanted, once it is there.
    pub(crate) async fn logged(&self, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let path = self.root.path().join("log");
        let reading = async {
            let mut looks = interval(Duration::from_millis(10));
            loop {
                looks.tick().await;
                let text = String::from_utf8_lossy(&fs::read(&path).expect("a log")).into_owned();
                let found = text.lines().filter_map(|line| serde_json::from_str(line).ok()).find(&wanted);
                if let Some(line) = found {
                    return line;
                }
            }
        };
        timeout(HANG, reading).await.expect("the log has such a line")
    }

    /// What `/metrics` shows.
    pub(crate) async fn page(&self) -> Page {
        self.serving.page().await.expect("metrics")
    }

    /// Waits until a condition on the metrics holds.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Page) -> bool) {
        self.serving.until(what, condition).await;
    }

    /// What `/status` tells.
    pub(crate) async fn status(&self) -> Status {
        let answer = self.serving.ask_admin("/status").await.expect("the status");
        serde_json::from_slice(&answer.body).expect("a status")
    }

    /// Why the attacker's plugins do not serve, by their names.
    pub(crate) async fn faults(&self) -> HashMap<String, Vec<String>> {
        let plugins = self.status().await.plugins.into_iter().filter(|plugin| plugin.tenant == "a");
        plugins.map(|plugin| (plugin.name, plugin.faults)).collect()
    }

    /// Waits until these folders of the attacker's are live or refused.
    pub(crate) async fn decided(&self, folders: &[String]) {
        self.known("decided", |known| {
            let done = |state: State| matches!(state, State::Live | State::Refused);
            folders.iter().all(|folder| known.get(folder).is_some_and(|state| done(*state)))
        })
        .await;
    }

    /// Waits until nothing is known of these folders of the attacker's.
    pub(crate) async fn gone(&self, folders: &[String]) {
        self.known("gone", |known| !folders.iter().any(|folder| known.contains_key(folder))).await;
    }

    async fn known(&self, what: &str, as_wanted: impl Fn(&HashMap<String, State>) -> bool) {
        let waiting = async {
            let mut looks = interval(Duration::from_millis(10));
            loop {
                looks.tick().await;
                let plugins = self.status().await.plugins.into_iter().filter(|plugin| plugin.tenant == "a");
                let name = |folder: &str| folder.rsplit('/').next().unwrap_or_default().to_owned();
                if as_wanted(&plugins.map(|plugin| (name(&plugin.folder), plugin.state)).collect()) {
                    return;
                }
            }
        };
        if timeout(HANG * 2, waiting).await.is_err() {
            panic!("not all folders are {what}: {:#?}", self.status().await);
        }
    }

    /// Requests of the attacker's first plugin that were executed, once nothing of it is under way.
    pub(crate) async fn executed(&self) -> f64 {
        let under_way = |page: &Page| {
            ["wasmbay_in_flight", "wasmbay_waiting", "wasmbay_background"].iter().any(|name| page.sum(name, &P0) > 0.0)
        };
        self.until("nothing is under way", |page| !under_way(page)).await;
        self.page().await.sum("wasmbay_requests_total", &P0)
    }
}

/// The labels of the attacker's first plugin.
const P0: [(&str, &str); 2] = [("tenant", "a"), ("plugin", "p0")];

/// Gives a host a data folder of its own: the file of jobs has one host at a time, and what is left in it runs with the next.
pub(crate) fn over(command: &mut Command, data: &Path) {
    let inner = command.as_std();
    let mut words: Vec<OsString> = inner.get_args().map(ToOwned::to_owned).collect();
    let at = words.iter().position(|word| word == "--data").expect("a host is given its data");
    words[at + 1] = data.into();
    let mut other = Command::new(inner.get_program());
    other.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    *command = other;
}

/// The value of a metric of one of the attacker's plugins.
pub(crate) fn of(page: &Page, name: &str, plugin: &str) -> f64 {
    page.sum(name, &[("tenant", "a"), ("plugin", plugin)])
}

/// What is left of requests and connections; nothing when it is empty. `mine` is whether nobody else is at work.
pub(crate) fn left(page: &Page, mine: bool) -> Vec<String> {
    let tenants: &[(&str, &str)] = if mine { &[] } else { &[("tenant", "a")] };
    let mut names = vec![("wasmbay_in_flight", tenants), ("wasmbay_waiting", tenants), ("wasmbay_background", tenants)];
    if mine {
        names.extend([("wasmbay_instance_slots_taken", tenants), ("wasmbay_connections", &[("listener", "public")])]);
    }
    let left = names.into_iter().map(|(name, labels)| (name, page.sum(name, labels)));
    left.filter(|(_, value)| *value != 0.0).map(|(name, value)| format!("{name} {value}")).collect()
}
