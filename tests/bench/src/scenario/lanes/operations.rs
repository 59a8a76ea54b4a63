//! What one operation of a guest may hold its thread for: a tick interrupts code, never an operation.

use std::time::Instant;

use anyhow::Context as _;

use crate::{
    figure::{Spec, shown},
    report::Section,
    rounds::Sample,
    scenario::Case,
    stand::{Bench, Host, Plugin, Served},
    stats,
};

/// Half the default `limits.memory` of 128 MiB: a guest can fill or copy so much at once.
const MIB: u64 = 64;

/// Requests behind each figure.
const TRIES: usize = 5;

const RESET: &str = "giving back an instance of which 64 MiB were used";

/// The figures: what is done, and how often in one request, the guest's clock being coarse.
const OPERATIONS: [(&str, &str, u64); 6] = [
    ("memory.fill of 64 MiB never used before", "fresh-fill", 1),
    ("memory.fill of 64 MiB", "fill", 20),
    ("memory.copy of 32 MiB", "copy", 20),
    ("memory.grow by 64 MiB", "grow", 1),
    ("64 KiB of randomness, the most in one call", "random", 200),
    ("a header map of 256 fields, near the most there may be", "headers", 200),
];

/// Runs the case.
pub(crate) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let plugin = Plugin::io("operation", bench.places.guest("http02")).route("/operation").route("/pages");
    let host = Host::start(&bench.places.host, Served::new()?.plugin("", &plugin)?).await?;
    let specs: Vec<Spec> =
        OPERATIONS.iter().map(|(figure, ..)| shown(figure, "ms")).chain([shown(RESET, "ms")]).collect();
    let round = async |_| {
        let mut sample = Sample::new();
        for (figure, name, times) in OPERATIONS {
            sample.insert(figure, operation(&host, name, times).await?);
        }
        sample.insert(RESET, reset(&host).await?);
        Ok(sample)
    };
    let mut section = bench.section(case, &specs, round).await?;
    section.notes.push("One request at a time; each figure the median of five requests, by the guest's clock.".into());
    host.stop().await;
    Ok(section)
}

/// Milliseconds of one.
async fn operation(host: &Host, name: &str, times: u64) -> anyhow::Result<f64> {
    let mut tries = Vec::new();
    for _ in 0..TRIES {
        let micros = host.get(&format!("/operation?name={name}&mib={MIB}&n={times}")).await?;
        tries.push(micros.trim().parse::<f64>().with_context(|| format!("not a time: {micros:?}"))? / 1000.0);
    }
    stats::median(&tries).context("nothing was measured")
}

/// Milliseconds by which a request whose guest filled its memory takes longer than the filling and an empty request: the
/// instance is made fit for the next before the response's end leaves.
async fn reset(host: &Host) -> anyhow::Result<f64> {
    let (mut full, mut empty) = (Vec::new(), Vec::new());
    for _ in 0..TRIES {
        let start = Instant::now();
        let micros = host.get(&format!("/operation?name=fresh-fill&mib={MIB}")).await?;
        let inside = micros.trim().parse::<f64>().with_context(|| format!("not a time: {micros:?}"))? / 1e6;
        full.push(start.elapsed().as_secs_f64() - inside);
        let start = Instant::now();
        host.get("/pages?mib=0").await?;
        empty.push(start.elapsed().as_secs_f64());
    }
    let (full, empty) = (stats::median(&full), stats::median(&empty));
    Ok((full.context("nothing was measured")? - empty.context("nothing was measured")?) * 1000.0)
}
