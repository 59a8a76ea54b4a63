//! Holding: thousands of requests that wait at the same time, and what they cost in memory.

use std::time::Duration;

use crate::{
    figure::{Spec, at_most, none_of, shown},
    report::Section,
    rounds::Sample,
    scenario::{
        Case,
        collected::Collected,
        holding::{Holding, RAMP},
    },
    stand::{Bench, Host, Plugin, Served},
};

/// How long each waits.
const WAIT: Duration = Duration::from_secs(3);

const WHOLE: &str = "whole run";
const FAULTY: &str = "requests not answered as they should be";
const PEAK: &str = "open at once";
const RSS: &str = "host's memory at its largest";
const RSS_BEFORE: &str = "host's memory before";
const NATIVE: &str = "whole run, native";

const COMMON: [Spec; 5] =
    [none_of(FAULTY), shown(PEAK, ""), shown(RSS, "MiB"), shown(RSS_BEFORE, "MiB"), shown(NATIVE, "s")];

/// A 0.2 guest, a fresh instance each.
pub(crate) async fn proxy(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let plugin = Plugin::io("wait", bench.places.guest("http02"));
    run(bench, case, &plugin, bench.scale.held_02, 6.0).await
}

/// A 0.3 guest, many in an instance.
pub(crate) async fn service(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let plugin = Plugin::service("wait", bench.places.guest("http03"));
    let plugin = plugin.more("\n[instances]\nmax_requests = 1000000\nmax_concurrent = 64\n");
    run(bench, case, &plugin, bench.scale.held_03, 8.0).await
}

async fn run(bench: &Bench, case: Case, plugin: &Plugin, requests: usize, aim: f64) -> anyhow::Result<Section> {
    let specs: Vec<Spec> = [at_most(WHOLE, "s", aim)].into_iter().chain(COMMON).collect();
    let holding = Holding { requests, wait: WAIT, ramp: RAMP };
    let plugin = plugin.clone().limits(&holding.limits());
    let mut collected = Collected::default();
    let round = async |n: usize| {
        let native = holding.run(bench.native(), &format!("/clock?{}", holding.query())).await?;
        // A fresh host each round: its memory is that of this load alone.
        let served = holding.room(Served::new()?, requests).plugin("", &plugin)?;
        let host = Host::start(&bench.places.host, served).await?;
        host.get("/wait?ms=1").await?;
        let before = host.rss_mib()?;
        let held = holding.run(host.listen, &format!("/wait?{}", holding.query())).await?;
        let rss = host.peak_rss_mib()?;
        host.stop().await;
        collected.keep_latency("held, from connecting to the reply", n, &held.latency);
        collected.keep_latency("held, native", n, &native.latency);
        Ok(Sample::from([
            (WHOLE, held.whole_seconds),
            (FAULTY, held.faulty),
            (PEAK, held.peak_open as f64),
            (RSS, rss),
            (RSS_BEFORE, before),
            (NATIVE, native.whole_seconds),
        ]))
    };
    let mut section = bench.section(case, &specs, round).await?;
    collected.add_to(&mut section);
    section.notes.push(format!(
        "{requests} requests of {} ms, started over {} ms.",
        WAIT.as_millis(),
        RAMP.as_millis()
    ));
    Ok(section)
}
