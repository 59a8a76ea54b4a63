//! Who is measured: the same handler as a plugin, in FastAPI and in native code.

use std::{fs, net::SocketAddr, os::unix::fs::OpenOptionsExt as _};

use anyhow::Context as _;
use tokio::process::Command;

use crate::{
    scenario::servers,
    stand::{Bench, Host, Peer, Plugin, Served},
};

/// Connections that each may have to the database.
pub(super) const CONNECTIONS: usize = 200;

/// What each answers to `/io`: what the called server and the database have answered.
pub(super) const SAYS: &str = "waited 50 ms\nwaited 50 ms\nwaited 50 ms\n1\n";

/// Whom a handler calls and asks.
pub(super) struct Surroundings {
    pub(super) upstream: SocketAddr,
    /// The database's address, password and all.
    pub(super) database: String,
}

impl Surroundings {
    fn url(&self) -> String {
        format!("http://{}/clock?ms=50", self.upstream)
    }

    /// Tells a process.
    fn tell(&self, command: &mut Command) {
        command.env("UPSTREAM", self.url()).env("DATABASE_URL", &self.database);
        command.env("CONNECTIONS", CONNECTIONS.to_string());
    }
}

/// A handler that runs.
pub(super) enum Subject {
    /// In a host.
    Plugin(Host),
    /// In a process of its own.
    Other(Peer),
}

impl Subject {
    /// A plugin; `instances` is what its manifest says of those.
    pub(super) async fn plugin(bench: &Bench, around: &Surroundings, instances: &str) -> anyhow::Result<Self> {
        let served = Served::new()?;
        let secret = served.beside().join("database");
        let mut file = fs::File::options().create_new(true).write(true).mode(0o600).open(&secret)?;
        std::io::Write::write_all(&mut file, around.database.as_bytes())?;
        let more = format!(
            "[instances]\n{instances}\n[grants]\nhttp = [\"http://{}\"]\nsql = [\"main\"]\n[grants.config]\nupstream = {:?}\n",
            around.upstream,
            around.url()
        );
        let plugin = Plugin::service("io", bench.places.guest("io")).route("/io").more(&more);
        let served = served
            .setting("private_networks = [\"127.0.0.1\"]")
            .setting("[outbound]\nrequests = 1024\nper_origin = 1024")
            .setting(&format!("[secrets]\nDB = {{ file = {secret:?} }}"))
            .setting(&format!("[databases.main]\nurl = {{ secret = \"DB\" }}\nconnections = {CONNECTIONS}"))
            .plugin("", &plugin)?;
        let host = Host::start(&bench.places.host, served).await?;
        let said = host.get("/io").await?;
        anyhow::ensure!(said == SAYS, "the plugin says {said:?}, not {SAYS:?}");
        Ok(Self::Plugin(host))
    }

    /// FastAPI with httpx and asyncpg, under uvicorn.
    pub(super) async fn fastapi(bench: &Bench, around: &Surroundings) -> anyhow::Result<Self> {
        let application = include_str!("main.py");
        let peer = servers::application_in_python(bench, application, |command| around.tell(command)).await?;
        Self::other(peer).await
    }

    /// hyper and sqlx.
    pub(super) async fn native(bench: &Bench, around: &Surroundings) -> anyhow::Result<Self> {
        let native = bench.places.native.as_ref().context("the native server is not named: WASMBAY_NATIVE")?;
        let mut command = Command::new(native);
        around.tell(&mut command);
        Self::other(Peer::start(command, tempfile::tempdir()?).await?).await
    }

    async fn other(peer: Peer) -> anyhow::Result<Self> {
        peer.says("/io", SAYS).await?;
        Ok(Self::Other(peer))
    }

    pub(super) fn listen(&self) -> SocketAddr {
        match self {
            Self::Plugin(host) => host.listen,
            Self::Other(peer) => peer.listen,
        }
    }

    pub(super) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        match self {
            Self::Plugin(host) => host.process_cpu(),
            Self::Other(peer) => peer.process_cpu(),
        }
    }

    pub(super) async fn stop(self) {
        match self {
            Self::Plugin(host) => host.stop().await,
            Self::Other(peer) => peer.stop().await,
        }
    }
}
