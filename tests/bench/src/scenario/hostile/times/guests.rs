//! G-01, G-08, G-23 and O-09: guests that want the CPU, are left by their clients, or take every place.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::task::JoinHandle;
use wasmbay_attacks::Mark;

use super::{beside, largest, ms, neighbour::Neighbour};
use crate::{
    figure::{Spec, at_most, shown},
    http::fetch,
    rounds::Sample,
    stand::{Bench, Host, Plugin},
    stats,
};

/// The two lanes, and what a manifest says for each besides.
const LANES: [(&str, &str); 2] = [("io", ""), ("compute", "fuel = \"1000G\"")];

/// What a looping guest may burn, in milliseconds.
const BUDGET: f64 = 50.0;

/// Requests behind each figure of single requests.
const TRIES: usize = 9;

/// Looping guests at once.
const AT_ONCE: usize = 200;

/// Far beyond any answer here.
const LONG: Duration = Duration::from_secs(120);

const LATE: [&str; 2] = [
    "G-01 io: a loop is answered so long after its budget",
    "G-01 compute: a loop is answered so long after its budget",
];
const ACCEPT: [&str; 2] = [
    "G-01 io, 200 loops at once: a neighbour's slowest new connection",
    "G-01 compute, 200 loops at once: a neighbour's slowest new connection",
];
const FILL_64: [&str; 2] = ["G-08: a fill of 64 MiB never used before", "G-08: the longest of nine such"];
const FILL_128: [&str; 2] = ["G-08: a fill of 128 MiB never used before", "G-08: the longest of nine of 128 MiB"];
const LEFT: [[&str; 2]; 2] = [
    ["G-23 io, waiting: slot free after its client left", "G-23 io, looping: slot free after its client left"],
    [
        "G-23 compute, waiting: slot free after its client left",
        "G-23 compute, looping: slot free after its client left",
    ],
];
const FULL: &str = "O-09: refused when every instance and the queue are full, p99";

pub(super) const FIGURES: &[Spec] = &[
    at_most(LATE[0], "ms", 100.0),
    at_most(LATE[1], "ms", 100.0),
    at_most(ACCEPT[0], "ms", 100.0),
    at_most(ACCEPT[1], "ms", 100.0),
    at_most(FILL_64[0], "ms", 50.0),
    shown(FILL_64[1], "ms"),
    at_most(FILL_128[0], "ms", 100.0),
    shown(FILL_128[1], "ms"),
    at_most(LEFT[0][0], "ms", 1000.0),
    at_most(LEFT[0][1], "ms", 1000.0),
    at_most(LEFT[1][0], "ms", 1000.0),
    at_most(LEFT[1][1], "ms", 1000.0),
    at_most(FULL, "ms", 10.0),
];

pub(super) async fn measure(bench: &Bench, sample: &mut Sample) -> anyhow::Result<()> {
    loops(bench, sample).await?;
    fills(bench, sample).await?;
    departures(bench, sample).await?;
    sample.insert(FULL, full(bench).await?);
    Ok(())
}

fn plugin(lane: &str, component: PathBuf, limits: &str) -> Plugin {
    let plugin = if lane == "io" { Plugin::io(lane, component) } else { Plugin::compute(lane, component) };
    plugin.route(&format!("/{lane}/{{*rest}}")).limits(limits)
}

async fn loops(bench: &Bench, sample: &mut Sample) -> anyhow::Result<()> {
    let limits = format!("cpu = \"{BUDGET}ms\"\ntimeout = \"1m\"\nqueue = 256\nqueue_timeout = \"1m\"\n");
    let plugins = LANES.map(|(lane, more)| plugin(lane, bench.places.guest("http02"), &(limits.clone() + more)));
    let host = beside(bench, "", &plugins).await?;
    for (number, (lane, _)) in LANES.iter().enumerate() {
        let path = format!("/a/{lane}/spin");
        let mut late = Vec::new();
        for _ in 0..TRIES {
            let begun = Instant::now();
            exhausted(fetch(host.listen, &path, LONG).await?)?;
            late.push(ms(begun) - BUDGET);
        }
        sample.insert(LATE[number], largest(late));
        let neighbour = Neighbour::of(&host);
        for asked in ask(&host, &path, AT_ONCE) {
            exhausted(asked.await??)?;
        }
        sample.insert(ACCEPT[number], neighbour.noticed().await?.most);
    }
    host.stop().await;
    Ok(())
}

fn exhausted((status, body): (u16, Vec<u8>)) -> anyhow::Result<()> {
    let body = String::from_utf8_lossy(&body);
    anyhow::ensure!(status == 500 && body.contains("cpu-exhausted"), "a loop was answered {status}: {body}");
    Ok(())
}

type Asked = JoinHandle<Result<(u16, Vec<u8>), crate::http::Fault>>;

fn ask(host: &Host, path: &str, times: usize) -> Vec<Asked> {
    let ask = |_| {
        let (addr, path) = (host.listen, path.to_owned());
        tokio::spawn(async move { fetch(addr, &path, LONG).await })
    };
    (0..times).map(ask).collect()
}

/// No tick falls into an instruction: what one takes is what a thread stalls.
async fn fills(bench: &Bench, sample: &mut Sample) -> anyhow::Result<()> {
    let plugin = plugin("io", bench.places.guest("http02"), "cpu = \"20s\"\nmemory = \"144MiB\"\n");
    let host = beside(bench, "max_memory = \"144MiB\"\nio_instances = 64\ncompute_instances = 8", &[plugin]).await?;
    for ([median_of, longest_of], mib) in [(FILL_64, 64), (FILL_128, 128)] {
        let mut tries = Vec::new();
        for _ in 0..TRIES {
            let micros = host.get(&format!("/a/io/operation?name=fresh-fill&mib={mib}")).await?;
            tries.push(micros.trim().parse::<f64>().with_context(|| format!("not a time: {micros:?}"))? / 1000.0);
        }
        let [median, longest] = [stats::median(&tries), stats::quantile(&tries, 1.0)];
        sample.insert(median_of, median.context("nothing was measured")?);
        sample.insert(longest_of, longest.context("nothing was measured")?);
    }
    host.stop().await;
    Ok(())
}

async fn departures(bench: &Bench, sample: &mut Sample) -> anyhow::Result<()> {
    let limits = "cpu = \"1m\"\ntimeout = \"1m\"\n";
    let plugins = LANES.map(|(lane, more)| plugin(lane, bench.places.guest("http02"), &format!("{limits}{more}")));
    let host = beside(bench, "", &plugins).await?;
    for ((lane, _), figures) in LANES.iter().zip(LEFT) {
        for (path, figure) in ["wait?ms=60000", "spin"].into_iter().zip(figures) {
            let mark = Mark { addr: host.listen, plugin: if *lane == "io" { "/a/io" } else { "/a/compute" } };
            let mut tries = Vec::new();
            for _ in 0..TRIES {
                let client = wasmbay_attacks::slow::unread(&mark, path, 1).await?;
                until_taken(&host, lane, 1.0).await?;
                drop(client);
                let left = Instant::now();
                until_taken(&host, lane, 0.0).await?;
                tries.push(ms(left));
            }
            sample.insert(figure, largest(tries));
        }
    }
    host.stop().await;
    Ok(())
}

/// Waits until so many instances of a lane are taken.
async fn until_taken(host: &Host, lane: &str, wanted: f64) -> anyhow::Result<()> {
    until(host, "wasmbay_instance_slots_taken", &[("lane", lane)], wanted).await
}

async fn until(host: &Host, metric: &str, labels: &[(&str, &str)], wanted: f64) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let value = host.metrics().await?.sum(metric, labels).unwrap_or_default();
        if value == wanted {
            return Ok(());
        }
        anyhow::ensure!(begun.elapsed() < LONG, "{metric} is {value}, never {wanted}");
    }
}

async fn full(bench: &Bench) -> anyhow::Result<f64> {
    const PLACES: usize = 4;
    let limits = format!("cpu = \"1s\"\ntimeout = \"1m\"\nmax_concurrent = {PLACES}\nqueue = {PLACES}\n");
    let limits = limits + "queue_timeout = \"1m\"\nfuel = \"10G\"\n";
    let host = beside(bench, "", &[plugin("compute", bench.places.guest("http02"), &limits)]).await?;
    let held = ask(&host, "/a/compute/wait?ms=60000", 2 * PLACES);
    until(&host, "wasmbay_waiting", &[("tenant", "a"), ("plugin", "compute")], PLACES as f64).await?;
    let mut times = Vec::new();
    for _ in 0..AT_ONCE {
        let begun = Instant::now();
        let (status, body) = fetch(host.listen, "/a/compute/hello", LONG).await?;
        times.push(ms(begun));
        let body = String::from_utf8_lossy(&body);
        anyhow::ensure!(status == 503 && body.contains("queue-full"), "a full plugin answered {status}: {body}");
    }
    held.iter().for_each(JoinHandle::abort);
    host.stop().await;
    stats::quantile(&times, 0.99).context("nothing was measured")
}
