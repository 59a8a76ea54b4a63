//! Cold starts: of the process with its code cache warm, and of plugins that nobody has asked since.

use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::{
    figure::{Spec, at_most, shown},
    http::{Connection, request_bytes},
    report::Section,
    rounds::Sample,
    scenario::{Case, crowd},
    stand::{Bench, Host, Plugin, Served},
    stats,
};

const FIRST: &str = "start to the first answer";
const READY: &str = "start to ready";
const IDLE: &str = "first request to an idle plugin";
const IDLE_P95: &str = "first request to an idle plugin, 95 in a hundred";
const IDLE_WORST: &str = "first request to an idle plugin, the slowest";
const AGAIN: &str = "second request";
const COLD: &str = "start with an empty cache";
const RSS: &str = "host's memory after one request to each";

const SPECS: [Spec; 8] = [
    at_most(FIRST, "ms", 250.0),
    at_most(IDLE_P95, "ms", 5.0),
    shown(READY, "ms"),
    shown(IDLE, "ms"),
    shown(IDLE_WORST, "ms"),
    shown(AGAIN, "ms"),
    shown(COLD, "ms"),
    shown(RSS, "MiB"),
];

/// Runs the case.
pub(super) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let count = bench.scale.plugins;
    let mut served = Some(write(bench, count)?);
    bench.progress.say(&format!("{}: compiling {count} plugins", case.0));
    let compiled = Host::start(&bench.places.host, served.take().context("just written")?).await?;
    let cold = milliseconds(compiled.ready_after);
    served = Some(compiled.end().await);
    let round = async |_| {
        let host =
            Host::launch(&bench.places.host, served.take().context("a round that failed ends the case")?).await?;
        let said = host.get("/p0/hello").await?;
        let first = milliseconds(host.started.elapsed());
        ensure!(said == says(0), "it says {said:?}");
        host.refused_nothing().await?;
        let (firsts, seconds) = ask_each(&host, count).await?;
        let at = |quantile| stats::quantile(&firsts, quantile).context("nothing was asked");
        let sample = Sample::from([
            (FIRST, first),
            (READY, milliseconds(host.ready_after)),
            (IDLE, at(0.5)?),
            (IDLE_P95, at(0.95)?),
            (IDLE_WORST, at(1.0)?),
            (AGAIN, stats::median(&seconds).context("nothing was asked")?),
            (COLD, cold),
            (RSS, host.rss_mib()?),
        ]);
        served = Some(host.end().await);
        Ok(sample)
    };
    let mut section = bench.section(case, &SPECS, round).await?;
    section.notes.push(format!(
        "{count} plugins, nine of ten in WebAssembly text and one in Rust, no two of the same bytes; requests one at a time on a kept connection. An idle plugin is one \
         that nobody has asked since the process started. With an empty cache: once."
    ));
    Ok(section)
}

/// Components no two of which have the same bytes, so that each is compiled and cached by itself: in text, and some in Rust,
/// which differ in what no one runs.
fn write(bench: &Bench, count: usize) -> anyhow::Result<Served> {
    let path = bench.places.guest("hello");
    let component = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let folder = tempfile::tempdir()?;
    (0..count).try_fold(Served::new()?, |served, n| {
        let name = format!("p{n}");
        let plugin = if is_rust(n) {
            let file = folder.path().join("component.wasm");
            std::fs::write(&file, [&component[..], &section(n)].concat())?;
            Plugin::io(&name, file)
        } else {
            Plugin::text(&name, crowd::text(bench, n)?)
        };
        served.plugin("", &plugin.route(&format!("/p{n}/hello")))
    })
}

/// Which of them are in Rust: few, as each takes a second to compile.
fn is_rust(n: usize) -> bool {
    n.is_multiple_of(10)
}

fn says(n: usize) -> String {
    if is_rust(n) { "hello from rust\n".to_owned() } else { format!("{}\n", crowd::says(n)) }
}

/// A custom section called `n` that holds a number.
fn section(n: usize) -> Vec<u8> {
    let mut section = vec![0, 10, 1, b'n'];
    section.extend((n as u64).to_le_bytes());
    section
}

/// Asks each plugin but the first, twice. Answers how many milliseconds the first requests and the second ones took.
async fn ask_each(host: &Host, count: usize) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let mut connection = Connection::open(host.listen).await?;
    let (mut firsts, mut seconds) = (Vec::new(), Vec::new());
    for n in 1..count {
        let request = request_bytes(host.listen, &format!("/p{n}/hello"));
        for times in [&mut firsts, &mut seconds] {
            let begun = Instant::now();
            let reply = connection.exchange(&request).await?;
            times.push(milliseconds(begun.elapsed()));
            ensure!(reply.status == 200 && connection.body() == says(n).as_bytes(), "p{n} answered {}", reply.status);
        }
    }
    Ok((firsts, seconds))
}

fn milliseconds(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
