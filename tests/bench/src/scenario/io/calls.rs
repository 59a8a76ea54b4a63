//! Three calls and a query, many requests at once.

use wasmbay_tests::databases::{Engine, Server};

use super::subjects::{CONNECTIONS, SAYS, Subject, Surroundings};
use crate::{
    figure::{Spec, at_least, none_of, percent, shown},
    load::{Body, Group, GroupReport},
    report::Section,
    rounds::Sample,
    scenario::{Case, collected::Collected},
    stand::{Bench, Generator, Peer},
};

/// Requests at once.
const AT_ONCE: usize = 200;

const FRESH: Names = ["plugin, fresh instances", "plugin, fresh, p99", "plugin, fresh, CPU a request"];
const SHARED: Names = ["plugin, shared instances", "plugin, shared, p99", "plugin, shared, CPU a request"];
const FASTAPI: Names = ["FastAPI", "FastAPI, p99", "FastAPI, CPU a request"];
const NATIVE: Names = ["native", "native, p99", "native, CPU a request"];

const OVER_FASTAPI: &str = "shared instances over FastAPI";
const OVER_NATIVE: &str = "shared instances over native";
const FRESH_OVER_FASTAPI: &str = "fresh instances over FastAPI";
const FRESH_OVER_NATIVE: &str = "fresh instances over native";
const FAULTY: &str = "faulty replies";
const UPSTREAM: &str = "a call of 50 ms beside it, p99";
const UPSTREAM_CPU: &str = "the called server's CPU";
const GENERATOR_CPU: &str = "the generator's CPU";

const FIGURES: &[Spec] = &[
    at_least(OVER_FASTAPI, "×", 5.0),
    at_least(OVER_NATIVE, "×", 0.7),
    none_of(FAULTY),
    shown(FRESH_OVER_FASTAPI, "×"),
    shown(FRESH_OVER_NATIVE, "×"),
    shown(SHARED[0], "req/s"),
    shown(FRESH[0], "req/s"),
    shown(FASTAPI[0], "req/s"),
    shown(NATIVE[0], "req/s"),
    shown(SHARED[1], "ms"),
    shown(FRESH[1], "ms"),
    shown(FASTAPI[1], "ms"),
    shown(NATIVE[1], "ms"),
    shown(SHARED[2], "ms"),
    shown(FRESH[2], "ms"),
    shown(FASTAPI[2], "ms"),
    shown(NATIVE[2], "ms"),
    shown(UPSTREAM, "ms"),
    shown(UPSTREAM_CPU, "% of a core"),
    shown(GENERATOR_CPU, "% of a core"),
];

/// Of throughput, p99 and CPU time.
type Names = [&'static str; 3];

/// Runs the case.
pub(super) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    anyhow::ensure!(
        std::env::var_os("WASMBAY_DATABASES").is_some(),
        "WASMBAY_DATABASES is not set: the servers' folder"
    );
    let upstream = Peer::control().await?;
    let server =
        Server::set_up(Engine::PostgreSql).setting(&format!("max_connections={}", 5 * CONNECTIONS)).start().await;
    let around = Surroundings { upstream: upstream.listen, database: server.database().await.url };
    let subjects = [
        (SHARED, Subject::plugin(bench, &around, "max_requests = 100000000\nmax_concurrent = 50").await?),
        (FRESH, Subject::plugin(bench, &around, "").await?),
        (FASTAPI, Subject::fastapi(bench, &around).await?),
        (NATIVE, Subject::native(bench, &around).await?),
    ];
    let mut collected = Collected::default();
    let round = async |n: usize| {
        let mut sample = Sample::new();
        for turn in 0..subjects.len() {
            let (names, subject) = &subjects[(turn + n) % subjects.len()];
            measure(bench, (*names, subject), &upstream, n, &mut sample, &mut collected).await?;
        }
        let over = |one: Names, other: Names| sample[one[0]] / sample[other[0]];
        let ratios = [
            (OVER_FASTAPI, over(SHARED, FASTAPI)),
            (OVER_NATIVE, over(SHARED, NATIVE)),
            (FRESH_OVER_FASTAPI, over(FRESH, FASTAPI)),
            (FRESH_OVER_NATIVE, over(FRESH, NATIVE)),
        ];
        sample.extend(ratios);
        Ok(sample)
    };
    let mut section = bench.section(case, FIGURES, round).await?;
    collected.add_to(&mut section);
    section.notes.push(format!(
        "Everybody may have {CONNECTIONS} connections to one PostgreSQL server and any number to the called one. The last three figures are the \
         largest of a round: they tell whether the stand is what was measured."
    ));
    for (_, subject) in subjects {
        subject.stop().await;
    }
    upstream.stop().await;
    Ok(section)
}

/// Measures one of them, the called server beside it.
async fn measure(
    bench: &Bench,
    (names, subject): (Names, &Subject),
    upstream: &Peer,
    round: usize,
    sample: &mut Sample,
    collected: &mut Collected,
) -> anyhow::Result<()> {
    let requests = Group::closed("io", subject.listen(), "/io", AT_ONCE).body(Body::Exact(SAYS.into()));
    let beside = Group::closed("upstream", upstream.listen, "/clock?ms=50", 1);
    let before = (subject.cpu_seconds()?, upstream.process_cpu()?);
    let begun = std::time::Instant::now();
    let report = Generator::start(vec![requests, beside], bench.times()).await?.finish().await?;
    let seconds = begun.elapsed().as_secs_f64();
    let used = (subject.cpu_seconds()? - before.0, upstream.process_cpu()? - before.1);
    let (group, called) = (report.group("io")?, report.group("upstream")?);
    collected.keep(names[0], round, group);
    sample.insert(names[0], group.rps);
    sample.insert(names[1], group.latency.p99_ms);
    sample.insert(names[2], used.0 * 1_000.0 / answered(group, seconds));
    *sample.entry(FAULTY).or_default() += (group.faulty() + called.faulty()) as f64;
    let stand = [
        (UPSTREAM, called.latency.p99_ms),
        (UPSTREAM_CPU, percent(used.1, seconds)),
        (GENERATOR_CPU, percent(report.generator_cpu_seconds, seconds)),
    ];
    for (name, value) in stand {
        let most = sample.entry(name).or_insert(value);
        *most = most.max(value);
    }
    Ok(())
}

/// Requests of the whole run, the warm-up included: CPU time was counted over it.
fn answered(group: &GroupReport, seconds: f64) -> f64 {
    group.rps * seconds
}
