//! Many requests that wait at the same time.

use std::{net::SocketAddr, time::Duration};

use crate::{
    load::{Body, Group, HoldReport, LoadReport, Shape},
    stand::{Generator, Served, Times},
};

/// They start over this time: a burst of ten thousand connections in an instant measures the kernel's backlog.
pub(crate) const RAMP_MS: u64 = 1_000;

/// A plugin's limits with room for so many.
pub(crate) fn limits(requests: usize) -> String {
    format!("timeout = \"20s\"\nmax_concurrent = {requests}\nqueue = {requests}\nqueue_timeout = \"10s\"\n")
}

/// The host's settings with room for so many, each in an instance of its own.
pub(crate) fn room(served: Served, requests: usize) -> Served {
    // A quarter of the instances is kept for calls between plugins.
    let instances = requests / 3 * 4 + 100;
    served.setting(&format!("max_concurrent = {}\nio_instances = {instances}", requests + 100))
}

/// Holds so many requests at once whose answer says that they `waited`.
///
/// # Errors
///
/// When the generator fails.
pub(crate) async fn hold(address: SocketAddr, target: &str, requests: usize) -> anyhow::Result<LoadReport> {
    let group = Group::closed("held", address, target, 0).shape(Shape::Hold { requests, ramp_ms: RAMP_MS });
    let times = Times { warmup: Duration::ZERO, measure: None };
    Generator::start(vec![group.body(Body::Contains("waited".into()))], times).await?.finish().await
}

/// What holding came to.
///
/// # Errors
///
/// When the report is of another load.
pub(crate) fn whole(report: &LoadReport) -> anyhow::Result<HoldReport> {
    report.group("held")?.hold.ok_or_else(|| anyhow::anyhow!("the generator held nothing"))
}
