//! Work that burns CPU: what fuel costs, and what the sandbox costs, in CPU time of the server's process.

use crate::{
    figure::{Spec, at_most, none_of, shown},
    load::{Body, Group},
    report::Section,
    rounds::Sample,
    scenario::{
        Case,
        collected::Collected,
        subject::{Names, Server, Subject, measure_all},
    },
    stand::{Bench, Host, Plugin, Served},
};

/// As many as there are cores: each request has one to itself.
fn connections() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A kind of work, how much of it a request asks for (some twenty milliseconds natively), and the names of its figures.
struct Work {
    kind: &'static str,
    n: u32,
    of_native: &'static str,
    of_unfuelled: &'static str,
    fuelled: Names,
    unfuelled: Names,
    native: Names,
}

macro_rules! names {
    ($kind:literal, $what:literal) => {
        Names {
            rate: concat!($kind, $what),
            p50: concat!($kind, $what, ", p50"),
            p99: concat!($kind, $what, ", p99"),
            cpu: concat!($kind, $what, ", CPU a request"),
        }
    };
}

macro_rules! work {
    ($kind:literal, $n:literal) => {
        Work {
            kind: $kind,
            n: $n,
            of_native: concat!($kind, ": CPU time of native's"),
            of_unfuelled: concat!($kind, ": CPU time of that without fuel"),
            fuelled: names!($kind, ", compute lane"),
            unfuelled: names!($kind, ", io lane"),
            native: names!($kind, ", native"),
        }
    };
}

const WORKS: [Work; 4] = [work!("primes", 60_000), work!("mandelbrot", 4), work!("sha256", 4), work!("json", 2)];

const FAULTY: &str = "faulty replies";

/// What the first request of an instance prepares is no part of the work.
const REUSED: &str = "[instances]\nmax_requests = 100000000\n";

/// Runs the case: all kinds in each round.
pub(super) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let guest = bench.places.guest("computing");
    let (fuelled, unfuelled) = (Plugin::compute("work", guest.clone()), Plugin::io("work", guest));
    let mut subjects = Vec::new();
    for work in &WORKS {
        // A host for each: instances of one lane that lie idle are not the other's.
        let (fuelled, unfuelled) = (start(bench, &fuelled).await?, start(bench, &unfuelled).await?);
        subjects.push([
            subject(bench, work, fuelled, work.fuelled)?,
            subject(bench, work, unfuelled, work.unfuelled)?,
            subject(bench, work, Server::Native, work.native)?,
        ]);
    }
    let mut collected = Collected::default();
    let round = async |n: usize| {
        let mut sample = Sample::new();
        for (work, subjects) in WORKS.iter().zip(&subjects) {
            let measured = measure_all(bench, subjects, n, FAULTY, &mut collected).await?;
            let cpu = |names: &Names| measured[names.cpu];
            sample.insert(work.of_native, cpu(&work.fuelled) / cpu(&work.native));
            sample.insert(work.of_unfuelled, cpu(&work.fuelled) / cpu(&work.unfuelled));
            for (name, value) in measured {
                *sample.entry(name).or_default() += value;
            }
        }
        Ok(sample)
    };
    let mut section = bench.section(case, &specs(), round).await?;
    collected.add_to(&mut section);
    section.notes.push(
        "The guest is built at opt-level 3. The io lane's code counts no fuel; both lanes' code gives way by epochs. CPU time \
         is the server's whole process's."
            .to_owned(),
    );
    for subject in subjects.into_iter().flatten() {
        subject.server.stop().await;
    }
    Ok(section)
}

fn specs() -> Vec<Spec> {
    let aims = WORKS.iter().flat_map(|work| [at_most(work.of_native, "×", 1.35), at_most(work.of_unfuelled, "×", 1.1)]);
    let shown = WORKS
        .iter()
        .flat_map(|work| [&work.fuelled, &work.unfuelled, &work.native].map(|names| shown(names.cpu, "µs")));
    aims.chain(shown).chain([none_of(FAULTY)]).collect()
}

async fn start(bench: &Bench, plugin: &Plugin) -> anyhow::Result<Server> {
    let plugin = plugin.clone().route("/work/{kind}").more(REUSED);
    Ok(Server::Host(Host::start(&bench.places.host, Served::new()?.plugin("", &plugin)?).await?))
}

fn subject(bench: &Bench, work: &Work, server: Server, names: Names) -> anyhow::Result<Subject> {
    let right = work::run(work.kind, work.n);
    let right = right.ok_or_else(|| anyhow::anyhow!("there is no work called {:?}", work.kind))?;
    let target = format!("/work/{}?n={}", work.kind, work.n);
    let group =
        Group::closed("work", server.listen(bench), &target, connections()).body(Body::Exact(format!("{right}\n")));
    Ok(Subject { names, server, group })
}
