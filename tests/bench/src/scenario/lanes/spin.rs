//! A tenant's io plugin spins; another tenant's clock must hardly feel it.

use crate::{
    figure::{Spec, at_most, none_of, percent, shown},
    load::{Body, Group},
    report::Section,
    rounds::Sample,
    scenario::{Case, collected::Collected},
    stand::{Bench, Host, Plugin, Served},
};

const SPINNERS: usize = 64;
const CONNECTIONS: usize = 8;

const RATIO: &str = "clock p99, beside the spinners / alone";
const KEPT: &str = "clock throughput kept";
const FAULTY: &str = "faulty clock replies";
const ENDED: &str = "spinners ended by the host, a second";

const FIGURES: &[Spec] = &[at_most(RATIO, "×", 2.0), none_of(FAULTY), shown(KEPT, "%"), shown(ENDED, "")];

/// Runs the case.
pub(crate) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let spinner = Plugin::io("spin", bench.places.guest("http02")).route("/spin");
    let spinner = spinner.limits("cpu = \"500ms\"\ntimeout = \"10s\"\nmax_concurrent = 64\n");
    let clock = Plugin::io("clock", bench.places.example("clock")).route("/clock");
    let served = Served::new()?.tenant("a", "").tenant("b", "").plugin("a", &spinner)?.plugin("b", &clock)?;
    let host = Host::start(&bench.places.host, served).await?;
    let probe = Group::closed("clock", host.listen, "/b/clock?ms=5", CONNECTIONS);
    let probe = probe.body(Body::Contains("\"waited_ms\":5".into()));
    let spin = Group::closed("spin", host.listen, "/a/spin", SPINNERS).cut();
    let mut collected = Collected::default();
    let round = async |n: usize| {
        let alone = bench.load(vec![probe.clone()]).await?;
        let both = bench.load(vec![probe.clone(), spin.clone()]).await?;
        let (alone, beside, spinners) = (alone.group("clock")?, both.group("clock")?, both.group("spin")?);
        collected.keep("clock alone", n, alone);
        collected.keep("clock beside the spinners", n, beside);
        host.trim_log();
        Ok(Sample::from([
            (RATIO, beside.latency.p99() / alone.latency.p99()),
            (KEPT, percent(beside.rps, alone.rps)),
            (FAULTY, (alone.faulty() + beside.faulty()) as f64),
            (ENDED, spinners.requests as f64 / spinners.seconds),
        ]))
    };
    let mut section = bench.section(case, FIGURES, round).await?;
    collected.add_to(&mut section);
    host.stop().await;
    Ok(section)
}
