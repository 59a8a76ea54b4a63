//! A plugin replaced under load, again and again: no request is lost, none sees two revisions.

mod text;

use std::{fs, time::Duration};

use anyhow::Context as _;

use super::{Case, collected::Collected};
use crate::{
    clock,
    figure::{Figure, Spec, at_most, none_of, shown},
    load::{Body, Group, GroupReport},
    report::Section,
    rounds::Sample,
    stand::{Bench, Generator, Host, Plugin, Served, Times},
    stats::{self, Latencies},
};

/// The one case.
pub(crate) const CASE: Case =
    ("swap", "A plugin replaced again and again under 64 connections, each time by another text.");

const CONNECTIONS: usize = 64;

/// A swap that takes longer is a failure, not a figure.
const SWAP_WITHIN: Duration = Duration::from_secs(30);

const NON_2XX: &str = "replies outside 2xx";
const RESETS: &str = "connections reset or closed";
const MIXED: &str = "replies not wholly of one revision";
const STALE: &str = "older revision after a newer one was seen";
const OTHER: &str = "other faults";
const SWAPS: &str = "swaps in a round";
const P50: &str = "finished build to first new reply, p50";
const P99: &str = "finished build to first new reply, p99";
const RATE: &str = "replies a second meanwhile";
const RSS: &str = "memory at the end of the round";

const FIGURES: &[Spec] = &[
    none_of(NON_2XX),
    none_of(RESETS),
    none_of(MIXED),
    none_of(STALE),
    none_of(OTHER),
    shown(SWAPS, ""),
    shown(P50, "ms"),
    shown(P99, "ms"),
    shown(RATE, "req/s"),
    shown(RSS, "MiB"),
];

/// Over the whole run, so it is no round's. A tenth is what an allocator's and a histogram's warm-up may take.
const FLAT: Spec = at_most("memory, last quarter of the swaps / first", "×", 1.1);

/// A host, the revision it serves, and what was seen so far.
struct Run {
    host: Host,
    revision: u64,
    memory: Vec<f64>,
}

/// Runs the scenario.
pub(crate) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let plugin = Plugin::text("hello", text::handler(1)).route("/hello");
    let host = Host::start(&bench.places.host, Served::new()?.plugin("", &plugin)?).await?;
    let mut run = Run { host, revision: 1, memory: Vec::new() };
    anyhow::ensure!(run.host.get("/hello").await? == text::body(1), "the first revision answers something else");
    let mut collected = Collected::default();
    let round = async |n: usize| run.block(bench, n, &mut collected).await;
    let mut section = bench.section(CASE, FIGURES, round).await?;
    collected.add_to(&mut section);
    section.figures.push(Figure::new(FLAT, flatness(&run.memory)));
    section.notes.push(format!("{} swaps in all, void rounds included.", run.memory.len()));
    run.host.stop().await;
    Ok(section)
}

impl Run {
    /// One block of swaps under load.
    async fn block(&mut self, bench: &Bench, round: usize, collected: &mut Collected) -> anyhow::Result<Sample> {
        let group = Group::closed("hello", self.host.listen, "/hello", CONNECTIONS).body(Body::Marker);
        let times = Times { warmup: Duration::ZERO, measure: None };
        let mut generator = Generator::start(vec![group], times).await?;
        generator.marker(self.revision, SWAP_WITHIN).await?;
        let (mut latencies, mut took) = (Latencies::default(), Vec::new());
        for _ in 0..bench.scale.swaps {
            let swap = self.swap(&mut generator).await?;
            latencies.record(swap);
            took.push(swap.as_secs_f64() * 1_000.0);
            self.memory.push(self.host.rss_mib()?);
            self.host.trim_log();
        }
        let report = generator.finish().await?;
        collected.keep_latency("finished build to first new reply", round, &latencies.summary());
        collected.keep("hello meanwhile", round, report.group("hello")?);
        let mut sample = counts(report.group("hello")?);
        sample.insert(SWAPS, took.len() as f64);
        sample.insert(P50, stats::quantile(&took, 0.5).unwrap_or(f64::NAN));
        sample.insert(P99, stats::quantile(&took, 0.99).unwrap_or(f64::NAN));
        sample.insert(RSS, self.host.rss_mib()?);
        Ok(sample)
    }

    /// Puts the next revision in place, as a build does at its end; the time until it first answers.
    async fn swap(&mut self, generator: &mut Generator) -> anyhow::Result<Duration> {
        self.revision += 1;
        let built = self.host.served().beside().join("next.wat");
        fs::write(&built, text::handler(self.revision)).context("cannot write the next revision")?;
        let place = self.host.served().folder().join("hello/hello.wat");
        fs::rename(&built, &place).context("cannot put the next revision in place")?;
        let finished = clock::monotonic_ns();
        let first = generator.marker(self.revision, SWAP_WITHIN).await?;
        Ok(Duration::from_nanos(first.at_ns.saturating_sub(finished)))
    }
}

fn counts(group: &GroupReport) -> Sample {
    let known = group.non_2xx + group.resets + group.wrong_bodies + group.stale;
    Sample::from([
        (NON_2XX, group.non_2xx as f64),
        (RESETS, group.resets as f64),
        (MIXED, group.wrong_bodies as f64),
        (STALE, group.stale as f64),
        (OTHER, (group.faulty() - known) as f64),
        (RATE, group.rps),
    ])
}

/// Memory in the last quarter of the swaps, over that in the first.
fn flatness(memory: &[f64]) -> Option<f64> {
    let quarter = memory.len() / 4;
    let first = stats::median(&memory[..quarter])?;
    Some(stats::median(&memory[memory.len() - quarter..])? / first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_shows_between_the_quarters() {
        assert_eq!(flatness(&[10.0, 10.0, 50.0, 50.0, 50.0, 50.0, 12.0, 12.0]), Some(1.2));
        assert_eq!(flatness(&[10.0; 3]), None);
    }
}
