//! Many plugins that are known, few that are asked.

use anyhow::{Context as _, ensure};

use crate::{
    figure::{Spec, at_most, none_of, shown},
    load::{Body, Group},
    report::Section,
    rounds::Sample,
    scenario::Case,
    stand::{Bench, Generator, Host, Plugin, Served},
};

/// Different components: so many plugins have each of their own, the others share them.
const COMPONENTS: usize = 100;

/// Plugins that are asked.
const HOT: usize = 100;

/// What the example answers.
const SAID: &str = "hello from wasmbay!";

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
        let faulty = ask(bench, &host, known).await?;
        let sample = Sample::from([
            (STARTED, host.ready_after.as_secs_f64()),
            (RESTING, resting),
            (RSS, host.peak_rss_mib()?),
            (COLD, cold),
            (FAULTY, faulty),
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

fn write(bench: &Bench, known: usize) -> anyhow::Result<Served> {
    (0..known).try_fold(Served::new()?, |served, n| {
        served.plugin("", &Plugin::text(&format!("p{n}"), text(bench, n % COMPONENTS)?).route(&format!("/p{n}")))
    })
}

/// The example in WebAssembly text, with a number of its own.
pub(super) fn text(bench: &Bench, n: usize) -> anyhow::Result<String> {
    let path = bench.places.plugins.join("hello/hello.wat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(text.contains(SAID), "{} says something else than {SAID:?}", path.display());
    Ok(text.replace(SAID, &says(n)))
}

/// As long as what it stands for.
pub(super) fn says(n: usize) -> String {
    format!("hello from no {n:05}")
}

/// Asks the hot ones, spread over all, one connection for each. Answers how many replies were wrong.
async fn ask(bench: &Bench, host: &Host, known: usize) -> anyhow::Result<f64> {
    let hot = HOT.min(known);
    let groups = (0..hot).map(|n| {
        let n = n * (known / hot);
        let group = Group::closed(&format!("p{n}"), host.listen, &format!("/p{n}"), 1);
        group.body(Body::Exact(format!("{}\n", says(n % COMPONENTS))))
    });
    let report = Generator::start(groups.collect(), bench.times()).await?.finish().await?;
    let answered = report.groups.iter().all(|group| group.requests > 0);
    ensure!(answered, "a plugin did not answer at all");
    Ok(report.groups.iter().map(|group| group.faulty() as f64).sum())
}
