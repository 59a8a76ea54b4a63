//! Many requests that wait at the same time.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;

use crate::{
    load::{Body, Group, Shape},
    stand::{Generator, Served, Times},
    stats::Latency,
};

/// They start over this time: a burst of ten thousand connections in an instant measures the kernel's backlog.
pub(crate) const RAMP: Duration = Duration::from_secs(1);

/// Beyond what a request waits, from connecting on.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at the host's memory; the requests wait together for seconds.
const LOOK: Duration = Duration::from_millis(20);

/// Requests that are to be held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding {
    /// How many at once, each on a connection of its own.
    pub(crate) requests: usize,
    /// How long each waits.
    pub(crate) wait: Duration,
    /// Over which time they start.
    pub(crate) ramp: Duration,
}

/// What holding came to.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// From connecting to the reply.
    pub(crate) latency: Latency,
    /// What was not answered as it should be, or not at all.
    pub(crate) faulty: f64,
    /// The most that were open at once.
    pub(crate) peak_open: usize,
    /// From the first request's start to the last reply.
    pub(crate) whole_seconds: f64,
}

impl Holding {
    /// The query that asks the guests and the control for it.
    pub(crate) fn query(&self) -> String {
        format!("ms={}", self.wait.as_millis())
    }

    /// A plugin's limits with room for them.
    pub(crate) fn limits(&self) -> String {
        let (requests, seconds) = (self.requests, (self.wait + PATIENCE).as_secs());
        format!("timeout = \"{seconds}s\"\nmax_concurrent = {requests}\nqueue = {requests}\nqueue_timeout = \"10s\"\n")
    }

    /// The host's settings with room for them in so many instances.
    pub(crate) fn room(&self, served: Served, instances: usize) -> Served {
        // A quarter of the instances is kept for calls between plugins.
        let instances = instances / 3 * 4 + 100;
        served.setting(&format!("max_concurrent = {}\nio_instances = {instances}", self.requests + 100))
    }

    /// Holds them at a server whose answer says that they `waited`.
    ///
    /// # Errors
    ///
    /// When the generator fails.
    pub(crate) async fn run(&self, server: SocketAddr, target: &str) -> anyhow::Result<Held> {
        let ramp_ms = u64::try_from(self.ramp.as_millis()).unwrap_or(u64::MAX);
        let shape = Shape::Hold { requests: self.requests, ramp_ms };
        let group = Group::closed("held", server, target, 0).shape(shape).patience(self.wait + PATIENCE);
        let times = Times { warmup: Duration::ZERO, measure: None };
        let report = Generator::start(vec![group.body(Body::Contains("waited".into()))], times).await?.finish().await?;
        let group = report.group("held")?;
        let hold = group.hold.context("the generator held nothing")?;
        Ok(Held {
            latency: group.latency.clone(),
            faulty: group.faulty().max((self.requests as u64).saturating_sub(group.requests)) as f64,
            peak_open: hold.peak_open,
            whole_seconds: hold.whole_seconds,
        })
    }
}

/// Looks at a server's memory while something goes on: the most of it, in MiB. Its own high-water mark may be of its start.
///
/// # Errors
///
/// When the server is gone, or what goes on fails.
pub(crate) async fn watched<T>(
    rss_mib: impl Fn() -> anyhow::Result<f64>,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(T, f64)> {
    let (mut most, mut looks) = (0.0_f64, tokio::time::interval(LOOK));
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok((done?, most)),
            _ = looks.tick() => most = most.max(rss_mib()?),
        }
    }
}
