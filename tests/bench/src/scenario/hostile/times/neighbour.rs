//! Another tenant's client, which connects anew for each request.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::{sync::oneshot, task::JoinHandle, time::interval};

use super::ms;
use crate::{http::fetch, stand::Host, stats};

/// Between two requests: often enough to fall into a stall, seldom enough to be no load.
const PACE: Duration = Duration::from_millis(10);

/// A neighbour at work.
pub(super) struct Neighbour {
    ended: oneshot::Sender<()>,
    asking: JoinHandle<anyhow::Result<Vec<f64>>>,
}

/// Milliseconds from the connection's first packet to the answer's last byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noticed {
    pub(super) p99: f64,
    pub(super) most: f64,
}

impl Neighbour {
    /// Begins to ask.
    pub(super) fn of(host: &Host) -> Self {
        let (ended, end) = oneshot::channel();
        Self { ended, asking: tokio::spawn(ask(host.listen, end)) }
    }

    /// What was noticed until now.
    ///
    /// # Errors
    ///
    /// When a request was not answered as it should be.
    pub(super) async fn noticed(self) -> anyhow::Result<Noticed> {
        let _ = self.ended.send(());
        let times = self.asking.await??;
        let quantile = |at| stats::quantile(&times, at).context("the neighbour never had time to ask");
        Ok(Noticed { p99: quantile(0.99)?, most: quantile(1.0)? })
    }
}

async fn ask(addr: SocketAddr, mut end: oneshot::Receiver<()>) -> anyhow::Result<Vec<f64>> {
    let (mut times, mut pace) = (Vec::new(), interval(PACE));
    loop {
        tokio::select! {
            biased;
            _ = &mut end => return Ok(times),
            _ = pace.tick() => {}
        }
        let begun = Instant::now();
        let (status, _) = fetch(addr, "/b/hello", Duration::from_secs(30)).await.context("the neighbour's request")?;
        anyhow::ensure!(status == 200, "the neighbour was answered {status}");
        times.push(ms(begun));
    }
}
