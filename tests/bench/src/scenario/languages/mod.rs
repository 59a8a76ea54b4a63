//! Each language's plugin, as `wasmbay new` writes it: what it takes to build, how large it is, how fast it answers, fresh and
//! reused; beside a native handler, FastAPI under uvicorn and workerd with the same answer.

use std::{path::Path, time::Duration};

use super::{
    Case,
    author::{self, Author, Language},
    collected::Collected,
    servers,
};
use crate::{
    figure::{Spec, none_of, shown},
    load::{Body, Group},
    report::Section,
    rounds::Sample,
    stand::{Bench, Generator, Host, Peer, Plugin, Served, Times},
};

/// As many as the peers of the design were measured with.
const CONNECTIONS: usize = 64;

/// What counts of a load. Shorter than elsewhere: thirteen cases, five rounds of each and builds between them are to be over in
/// twenty minutes.
const WINDOW: Duration = Duration::from_secs(3);

/// Requests that a reused instance serves: more than a run has.
const REUSED: &str = "[instances]\nmax_requests = 100000000\n";

const FIRST: &str = "first build";
const AGAIN: &str = "build after an edit";
const SIZE: &str = "component";
const FRESH: &str = "fresh instances";
const FRESH_P99: &str = "fresh p99";
const WARM: &str = "reused instances";
const WARM_P99: &str = "reused p99";
const MEMORY: &str = "memory an instance";
const FAULTY: &str = "faulty replies";

/// What every language has.
const BUILT: [Spec; 6] = [
    shown(FIRST, "s"),
    shown(AGAIN, "s"),
    shown(SIZE, "KiB"),
    shown(FRESH, "req/s"),
    shown(FRESH_P99, "ms"),
    none_of(FAULTY),
];

/// What those have whose instances may serve many requests.
const KEPT: [Spec; 3] = [shown(WARM, "req/s"), shown(WARM_P99, "ms"), shown(MEMORY, "MiB")];

/// What the peers have: one process that serves all.
const PEER: [Spec; 4] = [shown(WARM, "req/s"), shown(WARM_P99, "ms"), shown(MEMORY, "MiB"), none_of(FAULTY)];

/// The figures that stand side by side above all sections.
pub(super) const SIDE_BY_SIDE: [&str; 8] = [FIRST, AGAIN, SIZE, FRESH, FRESH_P99, WARM, WARM_P99, MEMORY];

/// The cases, in the order they run. The first words are names on the command line.
pub(super) const CASES: &[Case] = &[
    ("native", "hyper on tokio, without a sandbox: what the machine can do."),
    ("text", "WebAssembly text, wasi:http 0.2."),
    ("rust", "Rust with the SDK, wasi:http 0.2."),
    ("c", "C, a CGI command."),
    ("zig", "Zig, a CGI command."),
    ("assemblyscript", "AssemblyScript, a CGI command."),
    ("go", "Go, net/http as a CGI command."),
    ("go-component", "Go, net/http as a component of wasi:http 0.2."),
    ("javascript", "JavaScript (SpiderMonkey), wasi:http 0.2."),
    ("python-asgi", "Python, a FastAPI application, wasi:http 0.3."),
    ("python-wsgi", "Python, a Flask application, wasi:http 0.2."),
    ("uvicorn", "The same FastAPI application under uvicorn with uvloop and httptools, one process."),
    ("workerd", "The JavaScript handler in workerd, one process. A worker's isolate is kept."),
];

/// Runs a case.
pub(super) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    match case.0 {
        "native" => {
            let group = Group::closed("hello", bench.native(), "/hello", CONNECTIONS);
            let round = async |n: usize| {
                let mut sample = Sample::new();
                measure(bench, &group, [WARM, WARM_P99], &mut sample, n, &mut Collected::default()).await?;
                Ok(sample)
            };
            bench.section(case, &[shown(WARM, "req/s"), shown(WARM_P99, "ms"), none_of(FAULTY)], round).await
        }
        "uvicorn" => peer(bench, case, servers::uvicorn(bench).await?).await,
        "workerd" => peer(bench, case, servers::workerd(bench).await?).await,
        name => language(bench, case, &author::language(name)).await,
    }
}

/// Builds a language's plugin twice, then measures it.
async fn language(bench: &Bench, case: Case, language: &Language) -> anyhow::Result<Section> {
    let author = Author::begins(bench, language).await?;
    bench.progress.say(&format!("{}: the first build", case.0));
    let first = author.builds().await?;
    author.edits()?;
    let again = author.builds().await?;
    let component = author.component();
    let size = component.metadata()?.len() as f64 / 1024.0;
    let fresh = start(bench, language, &component, "").await?;
    let (kept, resting) = match language.reuse {
        false => (None, 0.0),
        true => {
            let host = start(bench, language, &component, REUSED).await?;
            let resting = host.rss_mib()?;
            (Some(host), resting)
        }
    };
    let mut collected = Collected::default();
    let round = async |n: usize| {
        let mut sample = Sample::from([(FIRST, first), (AGAIN, again), (SIZE, size)]);
        let group = hello(language, &fresh);
        measure(bench, &group, [FRESH, FRESH_P99], &mut sample, n, &mut collected).await?;
        fresh.trim_log();
        if let Some(host) = &kept {
            let group = hello(language, host);
            measure(bench, &group, [WARM, WARM_P99], &mut sample, n, &mut collected).await?;
            host.trim_log();
            let idle = host.metrics().await?.sum("wasmbay_idle_instances", &[]).unwrap_or_default();
            sample.insert(MEMORY, (host.rss_mib()? - resting) / idle);
        }
        Ok(sample)
    };
    let specs: Vec<Spec> = if language.reuse { BUILT.into_iter().chain(KEPT).collect() } else { BUILT.into() };
    let mut section = bench.section(case, &specs, round).await?;
    collected.add_to(&mut section);
    for host in [Some(fresh), kept].into_iter().flatten() {
        host.stop().await;
    }
    Ok(section)
}

/// Serves a component that answers every path below its name.
async fn start(bench: &Bench, language: &Language, component: &Path, more: &str) -> anyhow::Result<Host> {
    let plugin = match language.service {
        true => Plugin::service(author::NAME, component.to_owned()),
        false => Plugin::io(author::NAME, component.to_owned()),
    };
    let plugin = plugin.route(language.route).more(more);
    let host = Host::start(&bench.places.host, Served::new()?.plugin("", &plugin)?).await?;
    let said = host.get(language.target).await?;
    anyhow::ensure!(said == language.says, "it says {said:?}, not {:?}", language.says);
    Ok(host)
}

fn hello(language: &Language, host: &Host) -> Group {
    Group::closed("hello", host.listen, language.target, CONNECTIONS).body(Body::Exact(language.says.into()))
}

/// Measures a group, and puts its rate and its p99 under these names.
async fn measure(
    bench: &Bench,
    group: &Group,
    [rate, p99]: [&'static str; 2],
    sample: &mut Sample,
    round: usize,
    collected: &mut Collected,
) -> anyhow::Result<()> {
    let times = bench.times();
    let times = Times { measure: times.measure.map(|usual| usual.min(WINDOW)), ..times };
    let report = Generator::start(vec![group.clone()], times).await?.finish().await?;
    let group = report.group("hello")?;
    collected.keep(rate, round, group);
    sample.insert(rate, group.rps);
    sample.insert(p99, group.latency.p99_ms);
    *sample.entry(FAULTY).or_default() += group.faulty() as f64;
    Ok(())
}

/// Measures a server that is none of ours.
async fn peer(bench: &Bench, case: Case, peer: Peer) -> anyhow::Result<Section> {
    peer.says(servers::TARGET, servers::SAYS).await?;
    let group =
        Group::closed("hello", peer.listen, servers::TARGET, CONNECTIONS).body(Body::Exact(servers::SAYS.into()));
    let mut collected = Collected::default();
    let round = async |n: usize| {
        let mut sample = Sample::new();
        measure(bench, &group, [WARM, WARM_P99], &mut sample, n, &mut collected).await?;
        sample.insert(MEMORY, peer.rss_mib()?);
        Ok(sample)
    };
    let mut section = bench.section(case, &PEER, round).await?;
    collected.add_to(&mut section);
    section.notes.push("Memory is the whole process's.".to_owned());
    peer.stop().await;
    Ok(section)
}
