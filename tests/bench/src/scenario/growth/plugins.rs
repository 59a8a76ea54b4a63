//! Plugins that are known: what each costs at the start, in memory, and on the way of every request.

use anyhow::Context as _;

use crate::{
    figure::{Spec, none_of, shown},
    report::Section,
    rounds::Sample,
    scenario::{
        Case,
        crowd::{COMPONENTS, HOT, ask, write},
    },
    stand::{Bench, Host},
};

pub(super) const STARTED: &str = "start to ready";
pub(super) const RESTING: &str = "memory once ready";
pub(super) const EACH: &str = "memory a plugin";
pub(super) const RATE: &str = "requests";
pub(super) const CPU: &str = "CPU a request";
const NEW: &str = "start with an empty cache";
const BUSY: &str = "memory under load";
const FAULTY: &str = "faulty replies";

const SPECS: [Spec; 8] = [
    shown(STARTED, "s"),
    shown(NEW, "s"),
    shown(RESTING, "MiB"),
    shown(EACH, "KiB"),
    shown(BUSY, "MiB"),
    shown(RATE, "req/s"),
    shown(CPU, "µs"),
    none_of(FAULTY),
];

/// Runs the case.
pub(super) async fn run(bench: &Bench, case: Case, known: usize) -> anyhow::Result<Section> {
    bench.progress.say(&format!("{}: writing and compiling {known} plugins", case.0));
    // What a host takes without them.
    let bare = Host::start(&bench.places.host, write(bench, 1)?).await?;
    let nothing = bare.rss_mib()?;
    bare.stop().await;
    let compiled = Host::start(&bench.places.host, write(bench, known)?).await?;
    let new = compiled.ready_after.as_secs_f64();
    let mut served = Some(compiled.end().await);
    let round = async |_| {
        let host =
            Host::launch(&bench.places.host, served.take().context("a round that failed ends the case")?).await?;
        let (resting, before) = (host.rss_mib()?, host.process_cpu()?);
        let asked = ask(bench, &host, known).await?;
        let sample = Sample::from([
            (STARTED, host.ready_after.as_secs_f64()),
            (NEW, new),
            (RESTING, resting),
            (EACH, (resting - nothing) * 1024.0 / (known - 1).max(1) as f64),
            (BUSY, host.peak_rss_mib()?),
            (RATE, asked.rate),
            (CPU, (host.process_cpu()? - before) / asked.replies * 1e6),
            (FAULTY, asked.faulty),
        ]);
        host.refused_nothing().await?;
        served = Some(host.end().await);
        Ok(sample)
    };
    let mut section = bench.section(case, &SPECS, round).await?;
    section.notes.push(format!(
        "{known} plugins in WebAssembly text, of {} different components, each with a manifest, a folder and a route of its own; \
         {HOT} connections ask {} of them. Memory a plugin is above what a host of one plugin takes. With an empty cache: \
         once.",
        COMPONENTS.min(known),
        HOT.min(known)
    ));
    Ok(section)
}
