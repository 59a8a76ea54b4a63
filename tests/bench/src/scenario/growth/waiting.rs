//! Requests that wait: what each costs in memory, and how late they are answered when many are.

use std::time::Duration;

use crate::{
    figure::{Spec, none_of, shown},
    report::Section,
    rounds::Sample,
    scenario::{
        Case,
        collected::Collected,
        holding::{Holding, watched},
    },
    stand::{Bench, Host, Plugin, Served},
};

/// Requests at once in a shared instance.
const SHARED: usize = 64;

/// So many start in a second: as fast as one core connects while the other answers.
const A_SECOND: usize = 5_000;

/// How long they all wait together, once all have come.
const TOGETHER: Duration = Duration::from_secs(5);

pub(super) const EACH: &str = "memory a request";
pub(super) const MOST: &str = "memory at its largest";
pub(super) const LATE: &str = "last answer late by";
const BEFORE: &str = "memory before";
const PEAK: &str = "open at once";
const CPU: &str = "CPU a request held";
const FAULTY: &str = "requests not answered as they should be";

const SPECS: [Spec; 7] = [
    shown(EACH, "KiB"),
    shown(MOST, "MiB"),
    shown(LATE, "ms"),
    shown(BEFORE, "MiB"),
    shown(PEAK, ""),
    shown(CPU, "µs"),
    none_of(FAULTY),
];

/// Each in an instance of its own.
pub(super) async fn suspended(bench: &Bench, case: Case, requests: usize) -> anyhow::Result<Section> {
    let plugin = Plugin::io("wait", bench.places.guest("http02"));
    run(bench, case, &plugin, requests, requests).await
}

/// Many in an instance.
pub(super) async fn shared(bench: &Bench, case: Case, requests: usize) -> anyhow::Result<Section> {
    let plugin = Plugin::service("wait", bench.places.guest("http03"));
    let plugin = plugin.more(&format!("\n[instances]\nmax_requests = 1000000\nmax_concurrent = {SHARED}\n"));
    run(bench, case, &plugin, requests, requests.div_ceil(SHARED)).await
}

async fn run(bench: &Bench, case: Case, plugin: &Plugin, requests: usize, instances: usize) -> anyhow::Result<Section> {
    let ramp = Duration::from_secs_f64(requests as f64 / A_SECOND as f64);
    let holding = Holding { requests, wait: ramp + TOGETHER, ramp };
    let plugin = plugin.clone().route("/wait").limits(&holding.limits());
    let mut collected = Collected::default();
    let round = async |n: usize| {
        // A fresh host each round: no slot has been used before.
        let served = holding.room(Served::new()?, instances).plugin("", &plugin)?;
        let host = Host::start(&bench.places.host, served).await?;
        host.get("/wait?ms=1").await?;
        let (before, used) = (host.rss_mib()?, host.process_cpu()?);
        let target = format!("/wait?{}", holding.query());
        let (held, most) = watched(|| host.rss_mib(), holding.run(host.listen, &target)).await?;
        let used = host.process_cpu()? - used;
        host.stop().await;
        collected.keep_latency("held, from connecting to the reply", n, &held.latency);
        Ok(Sample::from([
            (EACH, (most - before) * 1024.0 / held.peak_open as f64),
            (MOST, most),
            (LATE, held.latency.max_ms - holding.wait.as_secs_f64() * 1e3),
            (BEFORE, before),
            (PEAK, held.peak_open as f64),
            (CPU, used / requests as f64 * 1e6),
            (FAULTY, held.faulty),
        ]))
    };
    let mut section = bench.section(case, &SPECS, round).await?;
    collected.add_to(&mut section);
    section.notes.push(format!(
        "{requests} requests of {:.1} s in {instances} instances, each on a connection of its own, {A_SECOND} more each second. \
         Connecting and answering are in the CPU time.",
        holding.wait.as_secs_f64()
    ));
    Ok(section)
}
