//! One call of each request, to a server that answers at once: what it costs to keep connections, and what not to.

use crate::{
    control,
    figure::{Spec, at_least, none_of, shown},
    load::{Body, Group},
    report::Section,
    rounds::Sample,
    scenario::{Case, collected::Collected, servers},
    stand::{Bench, Host, Peer, Plugin, Served},
};

/// As many as the peers of the design were measured with.
const CONNECTIONS: usize = 64;

const WASMBAY: [&str; 2] = ["Wasmbay", "Wasmbay, p99"];
const WASMTIME: [&str; 2] = ["wasmtime serve", "wasmtime serve, p99"];
const OVER: &str = "over wasmtime serve";
const FAULTY: &str = "faulty replies";
const THEIRS: &str = "faulty replies of wasmtime serve";

const FIGURES: &[Spec] = &[
    at_least(OVER, "×", 10.0),
    none_of(FAULTY),
    shown(WASMBAY[0], "req/s"),
    shown(WASMTIME[0], "req/s"),
    shown(WASMBAY[1], "ms"),
    shown(WASMTIME[1], "ms"),
    shown(THEIRS, ""),
];

/// Runs the case.
pub(super) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let upstream = Peer::control().await?;
    let guest = bench.places.guest("http02");
    let grant = format!("[grants]\nhttp = [\"http://{}\"]\n", upstream.listen);
    let plugin = Plugin::io("calls", guest.clone()).route("/call").more(&grant);
    let served = Served::new()?.setting("private_networks = [\"127.0.0.1\"]").plugin("", &plugin)?;
    let host = Host::start(&bench.places.host, served).await?;
    let serve = servers::wasmtime(bench, &std::fs::read(&guest)?, &[]).await?;
    let target = format!("/call?url=http://{}/hello", upstream.listen);
    serve.says(&target, control::HELLO).await?;
    let subjects = [(WASMBAY, host.listen, FAULTY), (WASMTIME, serve.listen, THEIRS)];
    let mut collected = Collected::default();
    let round = async |n: usize| {
        let mut sample = Sample::new();
        for turn in 0..subjects.len() {
            let (names, listen, faulty) = subjects[(turn + n) % subjects.len()];
            let group = Group::closed("call", listen, &target, CONNECTIONS).body(Body::Exact(control::HELLO.into()));
            let report = bench.load(vec![group]).await?;
            let group = report.group("call")?;
            collected.keep(names[0], n, group);
            sample.extend([(names[0], group.rps), (names[1], group.latency.p99_ms), (faulty, group.faulty() as f64)]);
        }
        sample.insert(OVER, sample[WASMBAY[0]] / sample[WASMTIME[0]]);
        host.trim_log();
        Ok(sample)
    };
    let mut section = bench.section(case, FIGURES, round).await?;
    collected.add_to(&mut section);
    section.notes.push("The same component in both, of wasi:http 0.2, a fresh instance for each request.".to_owned());
    host.stop().await;
    serve.stop().await;
    upstream.stop().await;
    Ok(section)
}
