//! A server under measurement that is none of ours.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::process::Command;

use super::child::{self, Child};
use crate::http::fetch;

/// How long its first answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A running server.
pub(crate) struct Peer {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    child: Child,
    /// What it serves.
    _folder: TempDir,
}

impl Peer {
    /// Starts a server that prints `ready listen=ADDRESS`, and keeps the folder that it serves.
    ///
    /// # Errors
    ///
    /// When it does not get ready; the end of its log is in the error.
    pub(crate) async fn start(command: Command, folder: TempDir) -> anyhow::Result<Self> {
        let (child, ready) = Child::start(command).await?;
        Ok(Self { listen: child::address(&ready, "listen")?, child, _folder: folder })
    }

    /// Starts a server that is told where to listen, and keeps the folder that it serves.
    ///
    /// # Errors
    ///
    /// When it does not listen; the end of its log is in the error.
    pub(crate) async fn listening(
        command: impl FnOnce(SocketAddr) -> Command,
        folder: TempDir,
    ) -> anyhow::Result<Self> {
        let (child, listen) = Child::listening(command).await?;
        Ok(Self { listen, child, _folder: folder })
    }

    /// Starts another native control, to be called by what is measured.
    ///
    /// # Errors
    ///
    /// As [`Peer::start`].
    pub(crate) async fn control() -> anyhow::Result<Self> {
        Self::start(child::control_command()?, tempfile::tempdir()?).await
    }

    /// Sees that it answers this with that.
    ///
    /// # Errors
    ///
    /// When it does not; what came instead and the end of its log are in the error.
    pub(crate) async fn says(&self, target: &str, wanted: &str) -> anyhow::Result<()> {
        let (status, body) = fetch(self.listen, target, ANSWER_WITHIN).await.with_context(|| self.child.log_end())?;
        let said = String::from_utf8_lossy(&body);
        let right = status == 200 && said == wanted;
        anyhow::ensure!(
            right,
            "{target}: it answered {status}, {said:?}; its log ends with:\n{}",
            self.child.log_end()
        );
        Ok(())
    }

    /// Memory resident now, in MiB.
    ///
    /// # Errors
    ///
    /// When it is gone.
    pub(crate) fn rss_mib(&self) -> anyhow::Result<f64> {
        self.child.memory_mib("VmRSS")
    }

    /// CPU seconds that its process has used, to a tick of the kernel's.
    ///
    /// # Errors
    ///
    /// When it is gone.
    pub(crate) fn process_cpu(&self) -> anyhow::Result<f64> {
        self.child.cpu_seconds().with_context(|| self.child.log_end())
    }

    /// Stops it.
    pub(crate) async fn stop(self) {
        self.child.stop().await;
    }
}
