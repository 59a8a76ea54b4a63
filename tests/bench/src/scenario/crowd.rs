//! Many plugins that are known, of which some are asked.

use anyhow::{Context as _, ensure};

use crate::{
    load::{Body, Group},
    stand::{Bench, Generator, Host, Plugin, Served},
};

/// Different components: so many plugins have each of their own, the others share them.
pub(crate) const COMPONENTS: usize = 100;

/// Plugins that are asked, at most; and connections, spread over them.
pub(crate) const HOT: usize = 100;

/// What the example answers.
const SAID: &str = "hello from wasmbay!";

/// What came of asking.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// Good replies a second.
    pub(crate) rate: f64,
    /// All replies, of the time before anything counts too.
    pub(crate) replies: f64,
    /// What was not answered as it should be.
    pub(crate) faulty: f64,
}

/// So many plugins in WebAssembly text, each with a manifest, a folder and a route of its own.
///
/// # Errors
///
/// When the example is not there, or a file cannot be written.
pub(crate) fn write(bench: &Bench, known: usize) -> anyhow::Result<Served> {
    (0..known).try_fold(Served::new()?, |served, n| {
        served.plugin("", &Plugin::text(&format!("p{n}"), text(bench, n % COMPONENTS)?).route(&format!("/p{n}")))
    })
}

/// The example in WebAssembly text, with a number of its own.
///
/// # Errors
///
/// When it is not there, or says something else by now.
pub(crate) fn text(bench: &Bench, n: usize) -> anyhow::Result<String> {
    let path = bench.places.plugins.join("hello/hello.wat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(text.contains(SAID), "{} says something else than {SAID:?}", path.display());
    Ok(text.replace(SAID, &says(n)))
}

/// As long as what it stands for.
pub(crate) fn says(n: usize) -> String {
    format!("hello from no {n:05}")
}

/// Asks some of them, evenly spread over all, for the usual times.
///
/// # Errors
///
/// When the generator fails, or one does not answer at all.
pub(crate) async fn ask(bench: &Bench, host: &Host, known: usize) -> anyhow::Result<Asked> {
    let hot = HOT.min(known);
    let groups = (0..hot).map(|n| {
        let n = n * (known / hot);
        let group = Group::closed(&format!("p{n}"), host.listen, &format!("/p{n}"), HOT / hot);
        group.body(Body::Exact(format!("{}\n", says(n % COMPONENTS))))
    });
    let report = Generator::start(groups.collect(), bench.times()).await?.finish().await?;
    ensure!(report.groups.iter().all(|group| group.requests > 0), "a plugin did not answer at all");
    let sum = |what: fn(&crate::load::GroupReport) -> f64| report.groups.iter().map(what).sum();
    Ok(Asked {
        rate: sum(|group| group.rps),
        replies: sum(|group| group.replies as f64),
        faulty: sum(|group| group.faulty() as f64),
    })
}
