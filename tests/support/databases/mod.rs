//! Real database servers: started over a fresh data folder, on loopback, killed and started again as a test likes.

mod engine;
mod scratch;

use std::{
    fs::{self, Permissions},
    hash::{BuildHasher as _, RandomState},
    net::TcpListener,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use tokio::{
    sync::OnceCell,
    time::{Instant, interval},
};

pub use self::engine::Engine;
use self::scratch::SCRATCH;
use crate::client::HANG;

/// Numbers of this process's servers and databases.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A server. It ends, and its data with it, when this is dropped.
pub struct Server {
    engine: Engine,
    home: PathBuf,
    port: u16,
    settings: Vec<String>,
    child: Option<Child>,
}

/// A server that is still to be started.
pub struct Setup {
    engine: Engine,
    home: PathBuf,
    settings: Vec<String>,
}

/// A database with a user of its own, who may do everything in it and nothing elsewhere.
#[derive(Clone, Debug)]
pub struct Database {
    /// Its name, and its user's.
    pub name: String,
    /// The user's password.
    pub password: String,
    /// The whole as a client is told it: `postgres://name:password@127.0.0.1:port/name`.
    pub url: String,
}

impl Server {
    /// The server that the tests of this process share. It is never killed: who wants that takes one of their own.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn shared(engine: Engine) -> &'static Self {
        static SHARED: [OnceCell<Server>; 2] = [const { OnceCell::const_new() }; 2];
        SHARED[engine as usize].get_or_init(async || Self::own(engine).await).await
    }

    /// A server for one test.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn own(engine: Engine) -> Self {
        Self::set_up(engine).start().await
    }

    /// A server for one test, with settings or files that the test adds.
    ///
    /// # Panics
    /// When the folder that is to become its data cannot be copied.
    pub fn set_up(engine: Engine) -> Setup {
        let home = SCRATCH.folder.join(NUMBER.fetch_add(1, Ordering::Relaxed).to_string());
        // Whoever reaches the socket in it is an administrator.
        fs::DirBuilder::new().mode(0o700).create(&home).expect("a folder of this process");
        let mut copy = Command::new("cp");
        copy.args(["-r", "--preserve=mode"]).arg(SCRATCH.programs.join(engine.template())).arg(home.join("data"));
        assert!(copy.status().is_ok_and(|status| status.success()), "no {engine:?}: cargo xtask guests");
        Setup { engine, home, settings: Vec::new() }
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes an empty database and its user.
    ///
    /// # Panics
    /// When the server does not run.
    pub async fn database(&self) -> Database {
        let name = format!("d{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let random = RandomState::new();
        let password = format!("{:016x}{:016x}", random.hash_one(1), random.hash_one(2));
        for statement in self.engine.creation(&name, &password) {
            self.sql(self.engine.first(), &statement).await.expect("an administrator may");
        }
        let url = format!("{}://{name}:{password}@127.0.0.1:{}/{name}", self.engine.scheme(), self.port);
        Database { name, password, url }
    }

    /// What the administrator is answered in a database: a line for each row, its values parted by tabs.
    ///
    /// # Errors
    /// What the server said, or that it is not there.
    pub async fn sql(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        let client = self.engine.client(&self.home, self.port, database, sql);
        let output = tokio::process::Command::from(client).kill_on_drop(true).output().await?;
        ensure!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }

    /// Waits until the administrator is answered this.
    ///
    /// # Panics
    /// When that takes for ever.
    pub async fn until(&self, database: &str, sql: &str, answer: &str) {
        let begun = Instant::now();
        let mut looks = interval(Duration::from_millis(20));
        loop {
            looks.tick().await;
            let said = self.sql(database, sql).await;
            if said.as_deref().ok() == Some(answer) {
                return;
            }
            assert!(begun.elapsed() < HANG, "waited in vain until {sql} is {answer:?}: {said:?}");
        }
    }

    /// Kills it, all its processes at once, and waits until they are gone. What it answered is kept.
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let parent = child.id();
        // Held still first, or it would have more children by the time that they are killed.
        signal("STOP", &[parent]);
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        let all: Vec<_> = children.split_whitespace().filter_map(|id| id.parse().ok()).chain([parent]).collect();
        signal("KILL", &all);
        // An error means that it has ended already.
        let _ = child.wait();
        while all.iter().any(|id| Path::new(&format!("/proc/{id}/exe")).exists()) {
            std::thread::yield_now();
        }
    }

    /// Starts it again on the same port, killed or not, with what it had kept.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        self.kill();
        let begun = Instant::now();
        while let Err(error) = self.try_start().await {
            assert!(begun.elapsed() < HANG, "{error:#}");
        }
    }

    /// Starts the process and waits until it lets somebody in.
    async fn try_start(&mut self) -> anyhow::Result<()> {
        let mut command = self.engine.server(&self.home, self.port, &self.settings);
        let log = fs::File::create(self.home.join("log"))?;
        command.stdout(log.try_clone()?).stderr(log);
        let (begun, mut looks) = (Instant::now(), interval(Duration::from_millis(20)));
        let child = self.child.insert(SCRATCH.start(command));
        let mut ended = false;
        while !ended && begun.elapsed() < HANG {
            looks.tick().await;
            ended = child.try_wait()?.is_some();
            let client = self.engine.client(&self.home, self.port, self.engine.first(), "SELECT 1");
            if !ended && tokio::process::Command::from(client).output().await?.status.success() {
                return Ok(());
            }
        }
        self.kill();
        let log = fs::read_to_string(self.home.join("log")).context("no log")?;
        anyhow::bail!("{:?} does not start: {log}", self.engine)
    }
}

impl Setup {
    /// Adds a setting as the server's command line takes it: `name=value`.
    #[must_use]
    pub fn setting(mut self, setting: &str) -> Self {
        self.settings.push(setting.to_owned());
        self
    }

    /// Adds a file that the server alone may read. Answers where it is.
    ///
    /// # Panics
    /// When the disk fails.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.home.join(name);
        fs::write(&path, content).expect("its own folder");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its own file");
        path
    }

    /// Starts the server.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(self) -> Server {
        SCRATCH.give(&self.home);
        let mut server = Server { engine: self.engine, home: self.home, port: 0, settings: self.settings, child: None };
        // A port that was free a moment ago may be another's by now.
        for tries in (0..5).rev() {
            server.port = free_port();
            match server.try_start().await {
                Ok(()) => break,
                Err(error) => assert!(tries > 0, "{error:#}"),
            }
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            signal(self.engine.end(), &[child.id()]);
            // An error means that it has ended already.
            let _ = child.wait();
        }
        // What is left goes with the process's folder.
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

fn signal(name: &str, processes: &[u32]) {
    let ids = processes.iter().map(ToString::to_string);
    // Who has ended already needs none.
    let _ = Command::new("kill").args(["-s", name]).args(ids).stderr(Stdio::null()).status();
}
