//! Guests, clients and authors that mean harm: what they cost, and how soon they meet their limits.

mod costs;
mod times;

use super::Case;
use crate::{report::Section, stand::Bench};

/// In the order they run.
pub(crate) const CASES: &[Case] = &[
    ("costs", "Each attack by a client: what it sends and burns, what the host holds and burns."),
    ("times", "How soon limits and deadlines are met, and what a neighbour notices of an attack."),
];

/// Runs one case.
///
/// # Errors
///
/// When something of it cannot be started or answers badly where it must not.
pub(crate) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    match case.0 {
        "costs" => costs::run(bench, case).await,
        "times" => times::run(bench, case).await,
        other => anyhow::bail!("no case is called {other:?}"),
    }
}
