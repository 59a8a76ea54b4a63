//! What a request that waits costs in memory.

use std::time::Duration;

use crate::{
    figure::{Spec, at_most, none_of, shown},
    report::Section,
    rounds::Sample,
    scenario::{
        Case,
        collected::Collected,
        holding::{Holding, RAMP, watched},
    },
    stand::{Bench, Host, Peer, Plugin, Served},
};

/// How long each waits.
const WAIT: Duration = Duration::from_secs(3);

/// Requests at once in a shared instance.
const SHARED: usize = 64;

const EACH: &str = "memory a request";
const BEFORE: &str = "host's memory before";
const MOST: &str = "host's memory at its largest";
const PEAK: &str = "open at once";
const NATIVE: &str = "native hyper's memory a request";
const FAULTY: &str = "requests not answered as they should be";

/// Each in an instance of its own, suspended in the host's clock.
pub(super) async fn suspended(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let plugin = Plugin::io("clock", bench.places.example("clock")).route("/clock");
    let requests = bench.scale.held_02;
    run(bench, case, &plugin, "/clock", requests, requests, 40.0).await
}

/// Many in an instance.
pub(super) async fn waiting(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let plugin = Plugin::service("wait", bench.places.guest("http03")).route("/wait");
    let plugin = plugin.more(&format!("\n[instances]\nmax_requests = 1000000\nmax_concurrent = {SHARED}\n"));
    let requests = bench.scale.held_03;
    run(bench, case, &plugin, "/wait", requests, requests.div_ceil(SHARED), 8.0).await
}

async fn run(
    bench: &Bench,
    case: Case,
    plugin: &Plugin,
    path: &str,
    requests: usize,
    instances: usize,
    aim: f64,
) -> anyhow::Result<Section> {
    let specs: [Spec; 6] = [
        at_most(EACH, "KiB", aim),
        shown(NATIVE, "KiB"),
        shown(PEAK, ""),
        shown(BEFORE, "MiB"),
        shown(MOST, "MiB"),
        none_of(FAULTY),
    ];
    let holding = Holding { requests, wait: WAIT, ramp: RAMP };
    let plugin = plugin.clone().limits(&holding.limits());
    let target = format!("{path}?{}", holding.query());
    let mut collected = Collected::default();
    let round = async |n: usize| {
        // A fresh host each round: no slot has been used before.
        let served = holding.room(Served::new()?, instances).plugin("", &plugin)?;
        let host = Host::start(&bench.places.host, served).await?;
        host.get(&format!("{path}?ms=1")).await?;
        let before = host.rss_mib()?;
        let (held, most) = watched(|| host.rss_mib(), holding.run(host.listen, &target)).await?;
        host.stop().await;
        let native = native(&holding).await?;
        collected.keep_latency("held, from connecting to the reply", n, &held.latency);
        Ok(Sample::from([
            (EACH, (most - before) * 1024.0 / held.peak_open as f64),
            (NATIVE, native),
            (PEAK, held.peak_open as f64),
            (BEFORE, before),
            (MOST, most),
            (FAULTY, held.faulty),
        ]))
    };
    let mut section = bench.section(case, &specs, round).await?;
    collected.add_to(&mut section);
    section.notes.push(format!(
        "{requests} requests of {} ms in {instances} instances, each on a connection of its own, started over {} ms. What the \
         host holds of a connection and a request is in the figure; native hyper holds nothing else.",
        WAIT.as_millis(),
        RAMP.as_millis()
    ));
    Ok(section)
}

/// KiB that a server without a sandbox holds of each: the connection, hyper's buffers, a timer.
async fn native(holding: &Holding) -> anyhow::Result<f64> {
    // A fresh one, as the host is.
    let native = Peer::control().await?;
    let before = native.rss_mib()?;
    let target = format!("/clock?{}", holding.query());
    let (held, most) = watched(|| native.rss_mib(), holding.run(native.listen, &target)).await?;
    native.stop().await;
    Ok((most - before) * 1024.0 / held.peak_open as f64)
}
