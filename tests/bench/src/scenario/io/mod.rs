//! Waiting for others: calls to servers and queries, beside the same in FastAPI and in native code.

mod calls;
mod pooled;
mod subjects;

use super::Case;
use crate::{report::Section, stand::Bench};

/// In the order they run.
pub(super) const CASES: &[Case] = &[
    (
        "calls",
        "200 requests at once, each awaiting three calls of 50 ms at the same time, then a query of 20 ms: 70 ms at the least.",
    ),
    (
        "pooled",
        "64 connections, each request making one call to a server that answers at once: a client that keeps its connections.",
    ),
];

/// Runs one case.
///
/// # Errors
///
/// When something of it cannot be started or answers badly where it must not.
pub(super) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    match case.0 {
        "calls" => calls::run(bench, case).await,
        "pooled" => pooled::run(bench, case).await,
        other => anyhow::bail!("no case is called {other:?}"),
    }
}
