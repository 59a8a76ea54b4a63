//! Many plugins that are known, few that are asked.

use anyhow::Context as _;

use crate::{
    figure::{Spec, at_most, none_of, shown},
    report::Section,
    rounds::Sample,
    scenario::{
        Case,
        crowd::{COMPONENTS, HOT, ask, write},
    },
    stand::{Bench, Host},
};

const STARTED: &str = "start to ready";
const RESTING: &str = "memory once ready";
const RSS: &str = "memory while the hot ones are asked";
const COLD: &str = "start with an empty cache";
const FAULTY: &str = "faulty replies";

const SPECS: [Spec; 5] =
    [at_most(STARTED, "s", 3.0), at_most(RSS, "MiB", 1024.0), shown(RESTING, "MiB"), shown(COLD, "s"), none_of(FAULTY)];

/// Runs the case.
pub(super) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let known = bench.scale.known;
    bench.progress.say(&format!("{}: writing and compiling {known} plugins", case.0));
    let compiled = Host::start(&bench.places.host, write(bench, known)?).await?;
    let cold = compiled.ready_after.as_secs_f64();
    let mut served = Some(compiled.end().await);
    let round = async |_| {
        let host =
            Host::launch(&bench.places.host, served.take().context("a round that failed ends the case")?).await?;
        let resting = host.rss_mib()?;
        let asked = ask(bench, &host, known).await?;
        let sample = Sample::from([
            (STARTED, host.ready_after.as_secs_f64()),
            (RESTING, resting),
            (RSS, host.peak_rss_mib()?),
            (COLD, cold),
            (FAULTY, asked.faulty),
        ]);
        host.refused_nothing().await?;
        served = Some(host.end().await);
        Ok(sample)
    };
    let mut section = bench.section(case, &SPECS, round).await?;
    section.notes.push(format!(
        "{known} plugins in WebAssembly text, of {COMPONENTS} different components, each with a manifest, a folder and a route of \
         its own; {HOT} of them asked at once. With an empty cache: once."
    ));
    Ok(section)
}
