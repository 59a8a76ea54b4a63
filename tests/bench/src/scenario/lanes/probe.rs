//! An io probe alone, then under saturating compute load: what it keeps, and what compute keeps.

use std::{net::SocketAddr, time::Duration};

use crate::{
    figure::{Spec, at_least, at_most, none_of, percent, shown},
    load::{Body, Group, LoadReport},
    report::Section,
    rounds::Sample,
    scenario::{Case, calibrate, collected::Collected},
    stand::{Bench, Host, Plugin, Served},
};

/// Connections of the probe, and of the load.
const CONNECTIONS: usize = 8;

/// The middle of what the peers were measured with.
const JOB: Duration = Duration::from_micros(17_500);

const KEPT: &str = "probe throughput kept";
const RATIO: &str = "probe p99, under load / alone";
const COMPUTE: &str = "compute throughput kept";
const FAULTY: &str = "faulty replies";
const ALONE_P99: &str = "probe p99 alone";
const LOADED_P99: &str = "probe p99 under load";
const RATE: &str = "compute throughput under load";

const COMMON: [Spec; 4] = [none_of(FAULTY), shown(ALONE_P99, "ms"), shown(LOADED_P99, "ms"), shown(RATE, "req/s")];

const PRIMES: &[Spec] = &[at_least(KEPT, "%", 98.0), at_most(RATIO, "×", 1.3), at_least(COMPUTE, "%", 95.0)];

const PAGES: &[Spec] = &[shown(KEPT, "%"), at_most(RATIO, "×", 2.0), shown(COMPUTE, "%")];

/// The control's two ways to compute: their paths, and the names of their figures.
const NATIVES: [(&str, [&str; 3]); 2] = [
    (
        "/primes/pool",
        [
            "native, pool at nice 19: throughput kept",
            "native, pool at nice 19: p99 ratio",
            "native, pool at nice 19: compute kept",
        ],
    ),
    (
        "/primes/blocking",
        [
            "native, spawn_blocking: throughput kept",
            "native, spawn_blocking: p99 ratio",
            "native, spawn_blocking: compute kept",
        ],
    ),
];

/// Something that waits and computes.
struct Subject {
    probe: Group,
    load: Group,
    /// The names of throughput kept, p99 ratio and compute kept.
    names: [&'static str; 3],
}

/// `clock` under `primes`, beside the native control in the same rounds.
pub(crate) async fn primes(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let host = start(bench, clock(bench), primes_plugin(bench)).await?;
    let mut subjects = vec![against_primes(&host, clock_group(&host)).await?];
    for (path, names) in NATIVES {
        let probe = Group::closed("probe", bench.native(), "/clock?ms=5", CONNECTIONS);
        let load = job(bench.native(), |n| format!("{path}?n={n}")).await?;
        subjects.push(Subject { probe: probe.body(Body::Exact("waited 5 ms\n".into())), load, names });
    }
    let natives = NATIVES
        .iter()
        .flat_map(|(_, [kept, ratio, compute])| [shown(kept, "%"), shown(ratio, "×"), shown(compute, "%")]);
    let specs: Vec<Spec> = PRIMES.iter().copied().chain(COMMON).chain(natives).collect();
    measure(bench, case, &specs, host, subjects).await
}

/// `clock` under guests that touch 64 MiB of fresh memory each.
pub(crate) async fn pages(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let toucher = Plugin::compute("pages", bench.places.guest("http02")).route("/pages");
    let host = start(bench, clock(bench), toucher).await?;
    let load = Group::closed("compute", host.listen, "/pages?mib=64", CONNECTIONS);
    let subject = Subject {
        probe: clock_group(&host),
        load: load.body(Body::Exact("touched 64 MiB\n".into())),
        names: [KEPT, RATIO, COMPUTE],
    };
    let specs: Vec<Spec> = PAGES.iter().copied().chain(COMMON).collect();
    measure(bench, case, &specs, host, vec![subject]).await
}

/// A 0.3 guest that waits, under `primes`.
pub(crate) async fn service(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let waiter = Plugin::service("wait", bench.places.guest("http03")).route("/wait");
    let host = start(bench, waiter, primes_plugin(bench)).await?;
    let probe = Group::closed("probe", host.listen, "/wait?ms=5", CONNECTIONS);
    let subject = against_primes(&host, probe.body(Body::Contains("waited".into()))).await?;
    let specs: Vec<Spec> = PRIMES.iter().copied().chain(COMMON).collect();
    measure(bench, case, &specs, host, vec![subject]).await
}

fn clock(bench: &Bench) -> Plugin {
    Plugin::io("clock", bench.places.example("clock")).route("/clock")
}

fn clock_group(host: &Host) -> Group {
    let probe = Group::closed("probe", host.listen, "/clock?ms=5", CONNECTIONS);
    probe.body(Body::Contains("\"waited_ms\":5".into()))
}

fn primes_plugin(bench: &Bench) -> Plugin {
    Plugin::compute("primes", bench.places.example("primes")).route("/primes/{n}")
}

async fn start(bench: &Bench, io: Plugin, compute: Plugin) -> anyhow::Result<Host> {
    Host::start(&bench.places.host, Served::new()?.plugin("", &io)?.plugin("", &compute)?).await
}

async fn against_primes(host: &Host, probe: Group) -> anyhow::Result<Subject> {
    let load = job(host.listen, |n| format!("/primes/{n}")).await?;
    Ok(Subject { probe, load, names: [KEPT, RATIO, COMPUTE] })
}

async fn job(address: SocketAddr, target: impl Fn(u64) -> String) -> anyhow::Result<Group> {
    let job = calibrate::size(address, target, JOB).await?;
    Ok(Group::closed("compute", address, &job.target, CONNECTIONS).body(job.body))
}

async fn measure(
    bench: &Bench,
    case: Case,
    specs: &[Spec],
    host: Host,
    subjects: Vec<Subject>,
) -> anyhow::Result<Section> {
    let mut collected = Collected::default();
    let round = async |n: usize| {
        let mut sample = Sample::new();
        // Each round begins with the next subject: none always has the same place in it.
        for index in 0..subjects.len() {
            let index = (index + n) % subjects.len();
            turn(bench, &subjects[index], (index == 0).then_some((&mut collected, n)), &mut sample).await?;
            host.trim_log();
        }
        Ok(sample)
    };
    let mut section = bench.section(case, specs, round).await?;
    collected.add_to(&mut section);
    section.notes.push(format!("Compute jobs: `{}`.", subjects[0].load.target));
    host.stop().await;
    Ok(section)
}

/// One subject's turn: the probe alone, both, compute alone. `of_host` is set when it is the host's.
async fn turn(
    bench: &Bench,
    subject: &Subject,
    of_host: Option<(&mut Collected, usize)>,
    sample: &mut Sample,
) -> anyhow::Result<()> {
    let alone = bench.load(vec![subject.probe.clone()]).await?;
    let both = bench.load(vec![subject.probe.clone(), subject.load.clone()]).await?;
    let compute = bench.load(vec![subject.load.clone()]).await?;
    let (probe_alone, probe, load) = (alone.group("probe")?, both.group("probe")?, both.group("compute")?);
    let [kept, ratio, compute_kept] = subject.names;
    sample.insert(kept, percent(probe.rps, probe_alone.rps));
    sample.insert(ratio, probe.latency.p99() / probe_alone.latency.p99());
    sample.insert(compute_kept, percent(load.rps, compute.group("compute")?.rps));
    if let Some((collected, round)) = of_host {
        collected.keep("probe alone", round, probe_alone);
        collected.keep("probe under load", round, probe);
        collected.keep("compute under the probe", round, load);
        sample.insert(FAULTY, [&alone, &both, &compute].map(faulty).iter().sum());
        sample.insert(ALONE_P99, probe_alone.latency.p99());
        sample.insert(LOADED_P99, probe.latency.p99());
        sample.insert(RATE, load.rps);
    }
    Ok(())
}

fn faulty(report: &LoadReport) -> f64 {
    report.groups.iter().map(|group| group.faulty() as f64).sum()
}
