//! Holding: thousands of requests that wait at the same time, and what they cost in memory.

use crate::{
    figure::{Spec, at_most, none_of, shown},
    report::Section,
    rounds::Sample,
    scenario::{
        Case,
        collected::Collected,
        holding::{RAMP_MS, hold, limits, room, whole},
    },
    stand::{Bench, Host, Plugin, Served},
};

/// How long each waits.
const WAIT_MS: u32 = 3_000;

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
    let plugin = plugin.clone().limits(&limits(requests));
    let mut collected = Collected::default();
    let round = async |n: usize| {
        let native = hold(bench.native(), &format!("/clock?ms={WAIT_MS}"), requests).await?;
        // A fresh host each round: its memory is that of this load alone.
        let host = Host::start(&bench.places.host, room(Served::new()?, requests).plugin("", &plugin)?).await?;
        host.get("/wait?ms=1").await?;
        let before = host.rss_mib()?;
        let held = hold(host.listen, &format!("/wait?ms={WAIT_MS}"), requests).await?;
        let rss = host.peak_rss_mib()?;
        host.stop().await;
        let (group, summary) = (held.group("held")?, whole(&held)?);
        collected.keep("held, from connecting to the reply", n, group);
        collected.keep("held, native", n, native.group("held")?);
        let missing = (requests as u64).saturating_sub(group.requests);
        Ok(Sample::from([
            (WHOLE, summary.whole_seconds),
            (FAULTY, group.faulty().max(missing) as f64),
            (PEAK, summary.peak_open as f64),
            (RSS, rss),
            (RSS_BEFORE, before),
            (NATIVE, whole(&native)?.whole_seconds),
        ]))
    };
    let mut section = bench.section(case, &specs, round).await?;
    collected.add_to(&mut section);
    section.notes.push(format!("{requests} requests of {WAIT_MS} ms, started over {RAMP_MS} ms."));
    Ok(section)
}
