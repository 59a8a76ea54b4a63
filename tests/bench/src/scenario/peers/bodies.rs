//! Bodies of a mebibyte, in each direction: bytes a second beside native hyper, and whether memory stays where it was.

use crate::{
    figure::{Spec, at_least, never_above, none_of, shown},
    load::{Body, Group},
    report::Section,
    rounds::Sample,
    scenario::{Case, collected::Collected, subject::Server},
    stand::{Bench, Generator, Host, Plugin, Served},
};

const MIB: usize = 1 << 20;

/// Few, so that what is in flight stays small beside what the machine can copy.
const CONNECTIONS: usize = 8;

/// The host may keep a little more than it did after the first load, as buffers differ from round to round.
const GROWTH: f64 = 16.0;

/// A direction: what is asked for, how many bytes go with it, and the names of its figures.
struct Way {
    target: &'static str,
    upload: usize,
    host: &'static str,
    native: &'static str,
    ratio: &'static str,
}

const WAYS: [Way; 3] = [
    Way { target: "/sink", upload: MIB, host: "taken in", native: "native taken in", ratio: "taken in, of native" },
    Way { target: "/big", upload: 0, host: "given out", native: "native given out", ratio: "given out, of native" },
    Way { target: "/echo", upload: MIB, host: "sent back", native: "native sent back", ratio: "sent back, of native" },
];

const FIRST: &str = "host's memory after the first load";
const GROWN: &str = "host's memory grown since";
const FAULTY: &str = "faulty replies";

/// Runs the case.
pub(super) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let plugin = Plugin::io("bodies", bench.places.guest("http02"));
    let plugin = WAYS.iter().fold(plugin, |plugin, way| plugin.route(way.target));
    let host = Host::start(&bench.places.host, Served::new()?.plugin("", &plugin)?).await?;
    let host = Server::Host(host);
    let mut collected = Collected::default();
    let mut first = None;
    let round = async |n: usize| {
        let mut sample = Sample::new();
        for way in &WAYS {
            let ours = measure(bench, &host, way, way.host, n, &mut collected).await?;
            let native = measure(bench, &Server::Native, way, way.native, n, &mut collected).await?;
            *sample.entry(FAULTY).or_default() += ours.faulty + native.faulty;
            sample.extend([(way.host, ours.mib), (way.native, native.mib), (way.ratio, ours.mib / native.mib)]);
        }
        if let Server::Host(host) = &host {
            let most = host.peak_rss_mib()?;
            let first = *first.get_or_insert(most);
            sample.extend([(FIRST, first), (GROWN, most - first)]);
        }
        Ok(sample)
    };
    let mut section = bench.section(case, &specs(), round).await?;
    collected.add_to(&mut section);
    section.notes.push(format!("{CONNECTIONS} connections. Memory is the most that was ever resident."));
    host.stop().await;
    Ok(section)
}

fn specs() -> Vec<Spec> {
    let ratios = WAYS.iter().map(|way| at_least(way.ratio, "×", 0.7));
    let rates = WAYS.iter().flat_map(|way| [shown(way.host, "MiB/s"), shown(way.native, "MiB/s")]);
    let memory = [shown(FIRST, "MiB"), never_above(GROWN, "MiB", GROWTH), none_of(FAULTY)];
    ratios.chain(rates).chain(memory).collect()
}

struct Rate {
    mib: f64,
    faulty: f64,
}

async fn measure(
    bench: &Bench,
    server: &Server,
    way: &Way,
    name: &str,
    round: usize,
    collected: &mut Collected,
) -> anyhow::Result<Rate> {
    let right = if way.target == "/sink" { Body::Exact(format!("{MIB}\n")) } else { Body::Length(MIB) };
    let group = Group::closed("bodies", server.listen(bench), way.target, CONNECTIONS).upload(way.upload).body(right);
    let report = Generator::start(vec![group], bench.times()).await?.finish().await?;
    let group = report.group("bodies")?;
    collected.keep(name, round, group);
    Ok(Rate { mib: group.rps, faulty: group.faulty() as f64 })
}
