//! One compute plugin of one tenant: short jobs among long ones.

use std::time::Duration;

use crate::{
    figure::{Spec, at_most, none_of, shown},
    load::Group,
    report::Section,
    rounds::Sample,
    scenario::{Case, calibrate, collected::Collected},
    stand::{Bench, Host, Plugin, Served},
};

const LONG_JOBS: usize = 8;

const P99: &str = "short jobs' p99 among the long";
const ALONE: &str = "short jobs' p99 alone";
const FAULTY: &str = "faulty replies";
const RATE: &str = "long jobs, a second";

const FIGURES: &[Spec] = &[at_most(P99, "ms", 50.0), none_of(FAULTY), shown(ALONE, "ms"), shown(RATE, "")];

/// Runs the case.
pub(crate) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let plugin = Plugin::compute("burn", bench.places.guest("http02")).route("/burn");
    let host = Host::start(&bench.places.host, Served::new()?.plugin("", &plugin)?).await?;
    let short = calibrate::size(host.listen, |n| format!("/burn?n={n}"), Duration::from_millis(5)).await?;
    let long = calibrate::size(host.listen, |n| format!("/burn?n={n}"), Duration::from_secs(2)).await?;
    let long = Group::closed("long", host.listen, &long.target, LONG_JOBS).body(long.body).cut();
    let short = Group::closed("short", host.listen, &short.target, 1).body(short.body);
    let mut collected = Collected::default();
    let round = async |n: usize| {
        let alone = bench.load(vec![short.clone()]).await?;
        let both = bench.load(vec![short.clone(), long.clone()]).await?;
        let (alone, among, long) = (alone.group("short")?, both.group("short")?, both.group("long")?);
        collected.keep("short jobs alone", n, alone);
        collected.keep("short jobs among the long", n, among);
        Ok(Sample::from([
            (P99, among.latency.p99()),
            (ALONE, alone.latency.p99()),
            (FAULTY, (alone.faulty() + among.faulty() + long.faulty()) as f64),
            (RATE, long.rps),
        ]))
    };
    let mut section = bench.section(case, FIGURES, round).await?;
    collected.add_to(&mut section);
    host.stop().await;
    Ok(section)
}
