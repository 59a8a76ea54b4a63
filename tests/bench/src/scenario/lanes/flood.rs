//! Compute, two tenants: a flood of long jobs beside a trickle of short ones.

use std::time::Duration;

use crate::{
    figure::{Spec, at_most, none_of, shown},
    load::Group,
    report::Section,
    rounds::Sample,
    scenario::{Case, calibrate, collected::Collected},
    stand::{Bench, Host, Plugin, Served},
};

const FLOOD: usize = 64;

const P99: &str = "short jobs' p99 beside the flood";
const ALONE: &str = "short jobs' p99 alone";
const FAULTY: &str = "faulty replies";
const RATE: &str = "the flood's jobs, a second";

const FIGURES: &[Spec] = &[at_most(P99, "ms", 25.0), none_of(FAULTY), shown(ALONE, "ms"), shown(RATE, "")];

/// Runs the case.
pub(crate) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let plugin = Plugin::compute("burn", bench.places.guest("http02")).route("/burn");
    let served = Served::new()?.tenant("a", "weight = 1").tenant("b", "weight = 1");
    let host = Host::start(&bench.places.host, served.plugin("a", &plugin)?.plugin("b", &plugin)?).await?;
    let long = calibrate::size(host.listen, |n| format!("/a/burn?n={n}"), Duration::from_millis(100)).await?;
    let short = calibrate::size(host.listen, |n| format!("/b/burn?n={n}"), Duration::from_millis(5)).await?;
    let flood = Group::closed("flood", host.listen, &long.target, FLOOD).body(long.body).cut();
    let trickle = Group::closed("short", host.listen, &short.target, 1).body(short.body);
    let mut collected = Collected::default();
    let round = async |n: usize| {
        let alone = bench.load(vec![trickle.clone()]).await?;
        let both = bench.load(vec![trickle.clone(), flood.clone()]).await?;
        let (alone, beside, flood) = (alone.group("short")?, both.group("short")?, both.group("flood")?);
        collected.keep("short jobs alone", n, alone);
        collected.keep("short jobs beside the flood", n, beside);
        collected.keep("the flood's jobs", n, flood);
        Ok(Sample::from([
            (P99, beside.latency.p99()),
            (ALONE, alone.latency.p99()),
            (FAULTY, (alone.faulty() + beside.faulty() + flood.faulty()) as f64),
            (RATE, flood.rps),
        ]))
    };
    let mut section = bench.section(case, FIGURES, round).await?;
    collected.add_to(&mut section);
    host.stop().await;
    Ok(section)
}
