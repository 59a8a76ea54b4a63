//! Compute beside a saturated io lane: it keeps a share, and what does not fit is refused at admission.

use std::time::Duration;

use crate::{
    figure::{Spec, at_least, none_of, percent, shown},
    load::{Body, Group, GroupReport, Shape},
    report::Section,
    rounds::Sample,
    scenario::{Case, calibrate},
    stand::{Bench, Host, Plugin, Served},
};

const IO_CONNECTIONS: usize = 64;

/// Admission as an operator would set it for jobs of 17.5 ms on a few cores: little in flight, a short queue.
const LIMITS: &str = r#"
fuel = "1000G"
cpu = "5s"
max_concurrent = 4
queue = 8
queue_timeout = "500ms"
"#;

/// What is asked of compute, as a multiple of what it does alone: there is an excess even if it kept everything.
const ASKED: f64 = 1.5;

const SHARE: &str = "compute throughput kept";
const CPU: &str = "compute's share of the plugins' CPU time";
const IO_KEPT: &str = "io throughput kept";
const REFUSED: &str = "excess refused at admission";
const OTHER: &str = "compute requests that failed in any other way";
const IO_FAULTY: &str = "faulty io replies";
const REFUSAL: &str = "time to refuse, p99";

const FIGURES: &[Spec] = &[
    shown(SHARE, "%"),
    shown(CPU, "%"),
    shown(IO_KEPT, "%"),
    at_least(REFUSED, "%", 100.0),
    none_of(OTHER),
    none_of(IO_FAULTY),
    shown(REFUSAL, "ms"),
];

/// Runs the case.
pub(crate) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let hello = std::fs::read_to_string(bench.places.plugins.join("hello/hello.wat"))?;
    let compute = Plugin::compute("primes", bench.places.example("primes")).route("/primes/{n}").limits(LIMITS);
    let served = Served::new()?.plugin("", &Plugin::text("hello", hello).route("/hello"))?.plugin("", &compute)?;
    let host = Host::start(&bench.places.host, served).await?;
    let job = calibrate::size(host.listen, |n| format!("/primes/{n}"), Duration::from_micros(17_500)).await?;
    let greeting = host.get("/hello").await?;
    let io = Group::closed("io", host.listen, "/hello", IO_CONNECTIONS).body(Body::Exact(greeting));
    let compute = Group::closed("compute", host.listen, &job.target, 4).body(job.body);
    let round = async |_| {
        let alone = bench.load(vec![compute.clone()]).await?;
        let io_alone = bench.load(vec![io.clone()]).await?;
        let rate = (alone.group("compute")?.rps * ASKED).max(1.0);
        let flood = compute.clone().shape(Shape::Open { rate, connections: 256 });
        let before = cpu(&host).await?;
        let both = bench.load(vec![io.clone(), flood]).await?;
        let after = cpu(&host).await?;
        let (answered, io_beside) = (both.group("compute")?, both.group("io")?);
        let mut sample = compute_figures(answered);
        sample.insert(SHARE, percent(answered.rps, alone.group("compute")?.rps));
        sample.insert(CPU, percent(after[1] - before[1], after[0] + after[1] - before[0] - before[1]));
        sample.insert(IO_KEPT, percent(io_beside.rps, io_alone.group("io")?.rps));
        sample.insert(IO_FAULTY, (io_beside.faulty() + io_alone.group("io")?.faulty()) as f64);
        host.trim_log();
        Ok(sample)
    };
    let section = bench.section(case, FIGURES, round).await?;
    host.stop().await;
    Ok(section)
}

fn compute_figures(answered: &GroupReport) -> Sample {
    let count = |code: &str| answered.problems.get(code).copied().unwrap_or(0);
    let refused = count("queue-full") + count("queue-timeout");
    let excess = answered.non_2xx + answered.errors.values().sum::<u64>();
    Sample::from([
        (REFUSED, percent(refused as f64, excess as f64)),
        (OTHER, (answered.faulty() - refused) as f64),
        (REFUSAL, answered.refusal_latency.p99()),
    ])
}

/// CPU seconds of the io plugin and of the compute plugin.
async fn cpu(host: &Host) -> anyhow::Result<[f64; 2]> {
    host.cpu_seconds([("default", "hello"), ("default", "primes")]).await
}
