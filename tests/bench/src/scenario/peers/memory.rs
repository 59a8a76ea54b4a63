//! What a request that waits costs in memory.

use std::time::Duration;

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

/// Between two looks at the host's memory; the requests wait together for seconds.
const LOOK: Duration = Duration::from_millis(20);

/// Requests at once in a shared instance.
const SHARED: usize = 64;

const EACH: &str = "memory a request";
const BEFORE: &str = "host's memory before";
const MOST: &str = "host's memory at its largest";
const PEAK: &str = "open at once";
const FAULTY: &str = "requests not answered as they should be";

/// Each in an instance of its own, suspended in the host's clock.
pub(super) async fn suspended(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let plugin = Plugin::io("clock", bench.places.example("clock")).route("/clock");
    let requests = bench.scale.held_02;
    run(bench, case, &plugin, &format!("/clock?ms={WAIT_MS}"), requests, requests, 40.0).await
}

/// Many in an instance.
pub(super) async fn waiting(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let plugin = Plugin::service("wait", bench.places.guest("http03")).route("/wait");
    let plugin = plugin.more(&format!("\n[instances]\nmax_requests = 1000000\nmax_concurrent = {SHARED}\n"));
    let requests = bench.scale.held_03;
    run(bench, case, &plugin, &format!("/wait?ms={WAIT_MS}"), requests, requests.div_ceil(SHARED), 8.0).await
}

/// Looks at the host's memory while something goes on. Its own high-water mark may be of its start.
async fn watched<T>(host: &Host, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(T, f64)> {
    let (mut most, mut looks) = (0.0_f64, tokio::time::interval(LOOK));
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok((done?, most)),
            _ = looks.tick() => most = most.max(host.rss_mib()?),
        }
    }
}

async fn run(
    bench: &Bench,
    case: Case,
    plugin: &Plugin,
    target: &str,
    requests: usize,
    instances: usize,
    aim: f64,
) -> anyhow::Result<Section> {
    let specs: [Spec; 5] =
        [at_most(EACH, "KiB", aim), shown(PEAK, ""), shown(BEFORE, "MiB"), shown(MOST, "MiB"), none_of(FAULTY)];
    let plugin = plugin.clone().limits(&limits(requests));
    let mut collected = Collected::default();
    let round = async |n: usize| {
        // A fresh host each round: no slot has been used before.
        let host = Host::start(&bench.places.host, room(Served::new()?, requests).plugin("", &plugin)?).await?;
        host.get(&target.replace(&WAIT_MS.to_string(), "1")).await?;
        let before = host.rss_mib()?;
        let (held, most) = watched(&host, hold(host.listen, target, requests)).await?;
        host.stop().await;
        let (group, summary) = (held.group("held")?, whole(&held)?);
        collected.keep("held, from connecting to the reply", n, group);
        let missing = (requests as u64).saturating_sub(group.requests);
        Ok(Sample::from([
            (EACH, (most - before) * 1024.0 / summary.peak_open as f64),
            (PEAK, summary.peak_open as f64),
            (BEFORE, before),
            (MOST, most),
            (FAULTY, group.faulty().max(missing) as f64),
        ]))
    };
    let mut section = bench.section(case, &specs, round).await?;
    collected.add_to(&mut section);
    section.notes.push(format!(
        "{requests} requests of {WAIT_MS} ms in {instances} instances, each on a connection of its own, started over \
         {RAMP_MS} ms. What the host holds of a connection and a request is in the figure."
    ));
    Ok(section)
}
