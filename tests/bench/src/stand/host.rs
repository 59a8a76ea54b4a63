//! The host under measurement: its own binary, in its own process, on ports of its choice.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::process::Command;

use super::{
    child::{self, Child},
    pinned::Pinned,
    scrape::Metrics,
    served::Served,
};
use crate::http::fetch;

/// How long a single request of the harness may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A running host.
pub(crate) struct Host {
    /// The public listener.
    pub(crate) listen: SocketAddr,
    /// When its process was started, and how long after that it was ready.
    pub(crate) started: Instant,
    pub(crate) ready_after: Duration,
    admin: SocketAddr,
    child: Child,
    served: Served,
}

impl Host {
    /// Starts the host on a served folder and waits until every plugin is live or refused.
    ///
    /// # Errors
    ///
    /// When it does not get ready or refuses a plugin; the end of its log is in the error.
    pub(crate) async fn start(binary: &Path, served: Served) -> anyhow::Result<Self> {
        let host = Self::launch(binary, served).await?;
        host.refused_nothing().await?;
        Ok(host)
    }

    /// Starts the host as [`Host::start`] does, and returns as soon as it says that it is ready.
    ///
    /// # Errors
    ///
    /// When it does not get ready; the end of its log is in the error.
    pub(crate) async fn launch(binary: &Path, served: Served) -> anyhow::Result<Self> {
        let config = served.write_config()?;
        let mut command = Command::new(binary);
        command.arg("serve").arg(served.folder()).args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.arg("--data").arg(served.data()).arg("--config").arg(config);
        let _pinned = served.cores.map(Pinned::to_first).transpose()?;
        let started = Instant::now();
        let (child, ready) = Child::start(command).await.context("the host did not get ready")?;
        let ready_after = started.elapsed();
        let (listen, admin) = (child::address(&ready, "listen")?, child::address(&ready, "admin")?);
        Ok(Self { listen, started, ready_after, admin, child, served })
    }

    /// A host that serves nothing would meet many an aim.
    ///
    /// # Errors
    ///
    /// When it has refused a plugin; the end of its log is in the error.
    pub(crate) async fn refused_nothing(&self) -> anyhow::Result<()> {
        let refused = self.metrics().await?.sum("wasmbay_refused_loads_total", &[]).unwrap_or_default();
        anyhow::ensure!(refused == 0.0, "the host refused a plugin; its log ends with:\n{}", self.child.log_end());
        Ok(())
    }

    /// The folder it serves.
    pub(crate) fn served(&self) -> &Served {
        &self.served
    }

    /// The body of a 2xx answer to one GET.
    ///
    /// # Errors
    ///
    /// When there is none; what came instead and the end of the host's log are in the error.
    pub(crate) async fn get(&self, target: &str) -> anyhow::Result<String> {
        let answer = fetch(self.listen, target, ANSWER_WITHIN).await;
        let log = || format!("no good answer to {target}; the host's log ends with:\n{}", self.child.log_end());
        let (status, body) = answer.with_context(log)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        anyhow::ensure!((200..300).contains(&status), "{}\nit answered {status}: {body}", log());
        Ok(body)
    }

    /// Its metrics, now.
    ///
    /// # Errors
    ///
    /// When the operator's listener does not answer with 200.
    pub(crate) async fn metrics(&self) -> anyhow::Result<Metrics> {
        let (status, body) = fetch(self.admin, "/metrics", ANSWER_WITHIN).await.context("no metrics")?;
        anyhow::ensure!(status == 200, "the metrics answered {status}");
        Ok(Metrics::new(String::from_utf8(body)?))
    }

    /// CPU seconds that plugins, named by tenant and name, have used; all as of one moment.
    ///
    /// # Errors
    ///
    /// When the metrics do not tell.
    pub(crate) async fn cpu_seconds<const N: usize>(&self, plugins: [(&str, &str); N]) -> anyhow::Result<[f64; N]> {
        let metrics = self.metrics().await?;
        let mut seconds = [0.0; N];
        for (seconds, (tenant, plugin)) in seconds.iter_mut().zip(plugins) {
            let sum = metrics.sum("wasmbay_plugin_cpu_seconds_total", &[("tenant", tenant), ("plugin", plugin)]);
            *seconds = sum.with_context(|| format!("no CPU time of {tenant}/{plugin} in the metrics"))?;
        }
        Ok(seconds)
    }

    /// Memory resident now, in MiB.
    ///
    /// # Errors
    ///
    /// When the host is gone.
    pub(crate) fn rss_mib(&self) -> anyhow::Result<f64> {
        self.child.memory_mib("VmRSS").with_context(|| self.child.log_end())
    }

    /// The most memory that was ever resident, in MiB.
    ///
    /// # Errors
    ///
    /// When the host is gone.
    pub(crate) fn peak_rss_mib(&self) -> anyhow::Result<f64> {
        self.child.memory_mib("VmHWM").with_context(|| self.child.log_end())
    }

    /// CPU seconds that its process has used, to a tick of the kernel's.
    ///
    /// # Errors
    ///
    /// When the host is gone.
    pub(crate) fn process_cpu(&self) -> anyhow::Result<f64> {
        self.child.cpu_seconds().with_context(|| self.child.log_end())
    }

    /// Keeps the log of a long run small.
    pub(crate) fn trim_log(&self) {
        self.child.trim_log();
    }

    /// Stops it.
    pub(crate) async fn stop(self) {
        self.child.stop().await;
    }

    /// Stops it, and gives back what it served with all that it kept.
    pub(crate) async fn end(self) -> Served {
        self.child.stop().await;
        self.served
    }
}
