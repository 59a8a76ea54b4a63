//! Waiting and computing at once, tenants beside each other, many requests at once.

mod even;
mod flood;
mod gates;
mod held;
mod mixed;
mod operations;
mod probe;
mod saturated;
mod spin;

use super::Case;
use crate::{report::Section, stand::Bench};

/// In the order they run.
pub(crate) const CASES: &[Case] = &[
    ("probe", "An io probe (8 connections, a wait of 5 ms) under saturating compute load (8 connections of primes)."),
    ("probe-pages", "The same, compute guests fresh each request and touching 64 MiB."),
    ("probe-03", "The same as `probe`, the probe a wasi:http 0.3 guest."),
    (
        "saturated",
        "Compute beside 64 connections that saturate the io lane: its share, and its excess refused at admission.",
    ),
    ("spin", "64 connections of a spinning io plugin of one tenant beside another tenant's clock."),
    (
        "flood",
        "Compute, two tenants of equal weight: 64 connections of 100 ms jobs beside one connection of 5 ms jobs.",
    ),
    ("even-loads", "CPU time of two hungry tenants over any 2 s: arithmetic beside random loads."),
    ("even-hostcalls", "CPU time of two hungry tenants over any 2 s: arithmetic beside host calls in a loop."),
    ("even-pages", "CPU time of two hungry tenants over any 2 s: arithmetic beside fresh page touching."),
    ("mixed", "One compute plugin: 5 ms jobs among 2 s jobs."),
    (
        "operations",
        "The largest single operations of a guest, which nothing interrupts: what each may hold a thread for.",
    ),
    ("gates", "Every gate set to 1, 2, 3 and 4: A calls B calls A, and a fan-out of 8."),
    ("hold", "Many requests waiting 3 s at once in a 0.2 guest, a fresh instance each."),
    ("hold-03", "Many requests waiting 3 s at once in a 0.3 guest, 64 at once in an instance."),
];

/// Runs one case.
///
/// # Errors
///
/// When something of it cannot be started or answers badly where it must not.
pub(crate) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    match case.0 {
        "probe" => probe::primes(bench, case).await,
        "probe-pages" => probe::pages(bench, case).await,
        "probe-03" => probe::service(bench, case).await,
        "saturated" => saturated::run(bench, case).await,
        "spin" => spin::run(bench, case).await,
        "flood" => flood::run(bench, case).await,
        "even-loads" => even::run(bench, case, "/loads?ms=20&mib=32").await,
        "even-hostcalls" => even::run(bench, case, "/hostcalls?ms=20").await,
        "even-pages" => even::run(bench, case, "/pages?mib=64").await,
        "mixed" => mixed::run(bench, case).await,
        "operations" => operations::run(bench, case).await,
        "gates" => gates::run(bench, case).await,
        "hold" => held::proxy(bench, case).await,
        "hold-03" => held::service(bench, case).await,
        other => anyhow::bail!("no case is called {other:?}"),
    }
}
