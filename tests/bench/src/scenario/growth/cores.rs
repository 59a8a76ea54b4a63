//! Cores: what the host does with one and with two, and what may be expected of more.
//!
//! The generator has cores of the same machine, so requests a second would tell of both. What is compared is the CPU time that
//! the host's process uses for a request: a core's worth of it is what the core gives. Where it grows with the second core, its
//! threads are in each other's way; Gunther's universal scalability law (N. J. Gunther, *Guerrilla Capacity Planning*, 2007)
//! says how that goes on, and two points leave open which of its two terms it is. Both are given, as a range.

use crate::{
    figure::{Spec, none_of, shown},
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

/// As many as the hellos of the bench of peers have.
const CONNECTIONS: usize = 64;

/// What a request of the compute lane counts: some milliseconds.
const PRIMES: u32 = 60_000;

/// Cores for which a range is given.
const MODELLED: [(usize, Bound, Bound); 2] =
    [(4, |work| work.four[0], |work| work.four[1]), (8, |work| work.eight[0], |work| work.eight[1])];

const REUSED: &str = "[instances]\nmax_requests = 100000000\n";

const FAULTY: &str = "faulty replies";

type Bound = fn(&Work) -> &'static str;

/// A kind of work and the names of its figures.
struct Work {
    kind: Kind,
    one: Names,
    two: Names,
    grows: &'static str,
    gives: [&'static str; 2],
    four: [&'static str; 2],
    eight: [&'static str; 2],
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Fresh,
    Reused,
    Computing,
}

macro_rules! names {
    ($what:literal, $cores:literal) => {
        Names {
            rate: concat!($what, ", ", $cores),
            p50: concat!($what, ", ", $cores, ", p50"),
            p99: concat!($what, ", ", $cores, ", p99"),
            cpu: concat!($what, ", ", $cores, ", CPU a request"),
        }
    };
}

macro_rules! work {
    ($kind:expr, $what:literal) => {
        Work {
            kind: $kind,
            one: names!($what, "one core"),
            two: names!($what, "two cores"),
            grows: concat!($what, ": CPU a request, two cores of one"),
            gives: [concat!($what, ": one core gives"), concat!($what, ": two cores give")],
            four: [concat!($what, ": four cores, at least"), concat!($what, ": four cores, at most")],
            eight: [concat!($what, ": eight cores, at least"), concat!($what, ": eight cores, at most")],
        }
    };
}

const WORKS: [Work; 3] = [
    work!(Kind::Fresh, "hello, fresh"),
    work!(Kind::Reused, "hello, reused"),
    work!(Kind::Computing, "primes, compute lane"),
];

/// Runs the case: all kinds in each round.
pub(super) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let mut subjects = Vec::new();
    for work in &WORKS {
        subjects.push([subject(bench, work, work.one, 1).await?, subject(bench, work, work.two, 2).await?]);
    }
    let mut collected = Collected::default();
    let round = async |n: usize| {
        let mut sample = Sample::new();
        for (work, subjects) in WORKS.iter().zip(&subjects) {
            let measured = measure_all(bench, subjects, n, FAULTY, &mut collected).await?;
            let [one, two] = [work.one.cpu, work.two.cpu].map(|name| measured[name]);
            sample.insert(work.grows, two / one);
            for (gives, cores) in work.gives.iter().zip([1.0, 2.0]) {
                sample.insert(gives, cores * 1e6 / if cores > 1.0 { two } else { one });
            }
            for (cores, least, most) in MODELLED {
                let [low, high] = capacity(one, two, cores);
                sample.insert(least(work), low);
                sample.insert(most(work), high);
            }
            for (name, value) in measured {
                *sample.entry(name).or_default() += value;
            }
        }
        Ok(sample)
    };
    let mut section = bench.section(case, &specs(), round).await?;
    collected.add_to(&mut section);
    section.notes.push(
        "What cores give is their seconds by the CPU time of a request: the host alone on them, and nobody else. Four and eight \
         are not measured but reckoned from one and two by the universal scalability law, at least if all that the second core \
         adds to a request is for keeping caches the same (it grows with the square of the cores), at most if it is all for \
         waiting in line (it grows with the cores)."
            .to_owned(),
    );
    for subject in subjects.into_iter().flatten() {
        subject.server.stop().await;
    }
    Ok(section)
}

fn specs() -> Vec<Spec> {
    let each = WORKS.iter().flat_map(|work| {
        let measured = [shown(work.one.cpu, "µs"), shown(work.two.cpu, "µs"), shown(work.grows, "×")];
        let given = work.gives.into_iter().chain(work.four).chain(work.eight).map(|name| shown(name, "req/s"));
        measured.into_iter().chain(given)
    });
    each.chain([none_of(FAULTY)]).collect()
}

/// Requests a second that `cores` give at least and at most, when one takes so many microseconds of CPU time on one core and on
/// two.
fn capacity(one: f64, two: f64, cores: usize) -> [f64; 2] {
    // What does not grow, or seems to shrink, is taken for not growing.
    let grows = (two / one - 1.0).max(0.0);
    let cores = cores as f64;
    let of = |more: f64| cores * 1e6 / (one * (1.0 + more));
    [of(grows / 2.0 * cores * (cores - 1.0)), of(grows * (cores - 1.0))]
}

async fn subject(bench: &Bench, work: &Work, names: Names, cores: usize) -> anyhow::Result<Subject> {
    let (plugin, target, says) = match work.kind {
        Kind::Computing => {
            let right = work::run("primes", PRIMES).ok_or_else(|| anyhow::anyhow!("there are no primes"))?;
            let plugin = Plugin::compute("work", bench.places.guest("computing")).route("/work/{kind}").more(REUSED);
            (plugin, format!("/work/primes?n={PRIMES}"), format!("{right}\n"))
        }
        kind => {
            let plugin = Plugin::io("hello", bench.places.guest("hello")).route("/bench/hello");
            let plugin = if kind == Kind::Reused { plugin.more(REUSED) } else { plugin };
            (plugin, "/bench/hello".to_owned(), "hello from rust\n".to_owned())
        }
    };
    let host = Host::start(&bench.places.host, Served::new()?.cores(cores).plugin("", &plugin)?).await?;
    let group = Group::closed("load", host.listen, &target, CONNECTIONS).body(Body::Exact(says));
    Ok(Subject { names, server: Server::Host(host), group })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_grow_gives_as_many_times_as_much() {
        assert_eq!(capacity(100.0, 100.0, 8), [80_000.0; 2]);
        assert_eq!(capacity(100.0, 90.0, 2), [20_000.0; 2]);
    }

    #[test]
    fn the_model_gives_back_what_was_measured_and_a_range_beyond() {
        let [low, high] = capacity(100.0, 110.0, 2);
        assert!((low - high).abs() < 1e-6 && (low - 2e6 / 110.0).abs() < 1e-6, "{low} {high}");
        let [low, high] = capacity(100.0, 110.0, 8);
        assert!(low < high && (low - 8e6 / 380.0).abs() < 1e-6 && (high - 8e6 / 170.0).abs() < 1e-6, "{low} {high}");
    }
}
