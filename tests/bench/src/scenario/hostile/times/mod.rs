//! How soon limits and deadlines are met, row by row of the threat model, and what a neighbour notices meanwhile.

mod authors;
mod clients;
mod guests;
mod neighbour;

use std::time::Instant;

use crate::{
    figure::Spec,
    report::Section,
    rounds::Sample,
    scenario::Case,
    stand::{Bench, Host, Plugin, Served},
};

/// What a row promises, and how it is measured.
const FIGURES: &[&[Spec]] = &[guests::FIGURES, clients::FIGURES, authors::FIGURES];

/// Runs the case.
pub(crate) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let round = async |_| {
        let mut sample = Sample::new();
        guests::measure(bench, &mut sample).await?;
        clients::measure(bench, &mut sample).await?;
        authors::measure(bench, &mut sample).await?;
        Ok(sample)
    };
    bench.section(case, &FIGURES.concat(), round).await
}

/// A host with these plugins of the attacker's, below `/a`, and a neighbour of another tenant.
async fn beside(bench: &Bench, settings: &str, plugins: &[Plugin]) -> anyhow::Result<Host> {
    let neighbour = Plugin::io("hello", bench.places.guest("http02")).route("/hello");
    let mut served = Served::new()?.setting(settings).tenant("a", "").tenant("b", "").plugin("b", &neighbour)?;
    for plugin in plugins {
        served = served.plugin("a", plugin)?;
    }
    Host::start(&bench.places.host, served).await
}

/// Milliseconds since then.
fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// The largest.
fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, f64::max)
}
