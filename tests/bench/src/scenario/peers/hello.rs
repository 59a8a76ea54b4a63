//! Hellos: one guest under the host and under its peers, in turn in each round.

use std::path::PathBuf;

use anyhow::Context as _;
use tempfile::TempDir;

use super::rows::{Guest, Lane, Other, Row};
use crate::{
    control,
    figure::{Spec, at_least, none_of, shown},
    load::{Body, Group},
    report::Section,
    scenario::{
        Case,
        author::{self, Author},
        collected::Collected,
        servers,
        subject::{Names, Server, Subject, measure_all},
    },
    stand::{Bench, Host, Plugin, Served},
};

/// As many as the peers of the design were measured with.
pub(super) const CONNECTIONS: usize = 64;

const WASMBAY: Names = Names { rate: "wasmbay", p50: "p50", p99: "p99", cpu: "CPU a request" };
const NATIVE: Names = Names { rate: "native", p50: "native p50", p99: "native p99", cpu: "native CPU a request" };
const WASMTIME: Names =
    Names { rate: "wasmtime serve", p50: "wasmtime p50", p99: "wasmtime p99", cpu: "wasmtime CPU a request" };
const IO_LANE: Names = Names { rate: "io lane", p50: "io lane p50", p99: "io lane p99", cpu: "io lane CPU a request" };
const WORKERD: Names = Names { rate: "workerd", p50: "workerd p50", p99: "workerd p99", cpu: "workerd CPU a request" };
const UVICORN: Names = Names { rate: "uvicorn", p50: "uvicorn p50", p99: "uvicorn p99", cpu: "uvicorn CPU a request" };

const OF_NATIVE: &str = "of native";
const OF_WASMTIME: &str = "of wasmtime serve";
const OF_IO_LANE: &str = "of the io lane";
const OF_WORKERD: &str = "of workerd";
const OF_UVICORN: &str = "of FastAPI under uvicorn";
const FAULTY: &str = "faulty replies";

/// The figures that stand side by side above all sections.
pub(crate) const SIDE_BY_SIDE: [&str; 14] = [
    WASMBAY.rate,
    OF_NATIVE,
    OF_WASMTIME,
    OF_IO_LANE,
    OF_WORKERD,
    OF_UVICORN,
    WASMBAY.p50,
    WASMBAY.p99,
    WASMBAY.cpu,
    NATIVE.rate,
    WASMTIME.rate,
    IO_LANE.rate,
    WORKERD.rate,
    UVICORN.rate,
];

/// What the chart shows of each row.
pub(crate) const BARS: [&str; 6] = [NATIVE.rate, WASMBAY.rate, WASMTIME.rate, IO_LANE.rate, WORKERD.rate, UVICORN.rate];

/// Runs a row.
pub(super) async fn run(bench: &Bench, case: Case, row: &Row) -> anyhow::Result<Section> {
    bench.progress.say(&format!("{}: building and starting", case.0));
    let component = Component::of(bench, row.guest).await?;
    let mut subjects =
        vec![host(bench, row, &component, WASMBAY).await?, native(bench), wasmtime(bench, row, &component).await?];
    subjects.extend(other(bench, row).await?);
    let mut collected = Collected::default();
    let round = async |n: usize| {
        let mut sample = measure_all(bench, &subjects, n, FAULTY, &mut collected).await?;
        for (of, beside) in ratios(row) {
            sample.insert(of, sample[WASMBAY.rate] / sample[beside]);
        }
        Ok(sample)
    };
    let specs = specs(row, &subjects);
    let mut section = bench.section(case, &specs, round).await?;
    collected.add_to(&mut section);
    for subject in subjects {
        subject.server.stop().await;
    }
    Ok(section)
}

/// The row's ratios, and the rates that they are of.
fn ratios(row: &Row) -> impl Iterator<Item = (&'static str, &'static str)> {
    let other = match row.other {
        Other::Nothing => None,
        Other::IoLane(_) => Some((OF_IO_LANE, IO_LANE.rate)),
        Other::Workerd => Some((OF_WORKERD, WORKERD.rate)),
        Other::Uvicorn => Some((OF_UVICORN, UVICORN.rate)),
    };
    [(OF_NATIVE, NATIVE.rate), (OF_WASMTIME, WASMTIME.rate)].into_iter().chain(other)
}

fn specs(row: &Row, subjects: &[Subject]) -> Vec<Spec> {
    let aims = [row.of_native, row.of_wasmtime, row.of_other];
    let aimed = ratios(row).zip(aims);
    let aimed = aimed.map(|((of, _), aim)| aim.map_or(shown(of, "×"), |aim| at_least(of, "×", aim)));
    let each = subjects.iter().flat_map(|Subject { names, .. }| {
        [shown(names.rate, "req/s"), shown(names.p50, "ms"), shown(names.p99, "ms"), shown(names.cpu, "µs")]
    });
    aimed.chain(each).chain([none_of(FAULTY)]).collect()
}

/// A built component, the same bytes for every server.
pub(super) struct Component {
    bytes: Vec<u8>,
    /// Where the host reads it.
    pub(super) file: PathBuf,
    _folder: TempDir,
}

impl Component {
    /// Builds it where it is not built yet. Text and core modules are made components here, so that all serve one.
    ///
    /// # Errors
    ///
    /// A guest that is not there or does not build.
    pub(super) async fn of(bench: &Bench, guest: Guest) -> anyhow::Result<Self> {
        let path = match guest {
            Guest::Built(name) => bench.places.guest(name),
            Guest::Text => bench.places.plugins.join("hello/hello.wat"),
            Guest::Author(language) => {
                let language = author::language(language);
                let author = Author::begins(bench, &language).await?;
                author.builds().await?;
                return Self::from(&author.component());
            }
        };
        Self::from(&path)
    }

    fn from(path: &std::path::Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let bytes = wasmbay::guest::runnable(path, &bytes)?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("component.wasm");
        std::fs::write(&file, &bytes)?;
        Ok(Self { bytes, file, _folder: folder })
    }
}

/// The host with the row's guest.
pub(super) async fn host(bench: &Bench, row: &Row, component: &Component, names: Names) -> anyhow::Result<Subject> {
    let file = component.file.clone();
    let plugin = match (row.lane, row.service) {
        (Lane::Compute, _) => Plugin::compute(author::NAME, file),
        (Lane::Io, true) => Plugin::service(author::NAME, file),
        (Lane::Io, false) => Plugin::io(author::NAME, file),
    };
    let plugin = plugin.route(row.route).more(row.manifest);
    let host = Host::start(&bench.places.host, Served::new()?.plugin("", &plugin)?).await?;
    let said = host.get(row.target).await?;
    anyhow::ensure!(said == row.says, "it says {said:?}, not {:?}", row.says);
    let group = hello(host.listen, row.target, row.says);
    Ok(Subject { names, server: Server::Host(host), group })
}

/// The native control.
pub(super) fn native(bench: &Bench) -> Subject {
    let group = hello(bench.native(), "/hello", control::HELLO);
    Subject { names: NATIVE, server: Server::Native, group }
}

async fn wasmtime(bench: &Bench, row: &Row, component: &Component) -> anyhow::Result<Subject> {
    let peer = servers::wasmtime(bench, &component.bytes, row.wasmtime).await?;
    peer.says(row.target, row.says).await.context("wasmtime serve")?;
    let group = hello(peer.listen, row.target, row.says);
    Ok(Subject { names: WASMTIME, server: Server::Peer(peer), group })
}

async fn other(bench: &Bench, row: &Row) -> anyhow::Result<Option<Subject>> {
    let (names, peer) = match row.other {
        Other::Nothing => return Ok(None),
        Other::IoLane(guest) => {
            let component = Component::of(bench, Guest::Built(guest)).await?;
            return Ok(Some(host(bench, &Row { lane: Lane::Io, ..*row }, &component, IO_LANE).await?));
        }
        Other::Workerd => (WORKERD, servers::workerd(bench).await?),
        Other::Uvicorn => (UVICORN, servers::uvicorn(bench).await?),
    };
    peer.says(servers::TARGET, servers::SAYS).await.with_context(|| names.rate)?;
    let group = hello(peer.listen, servers::TARGET, servers::SAYS);
    Ok(Some(Subject { names, server: Server::Peer(peer), group }))
}

fn hello(address: std::net::SocketAddr, target: &str, says: &str) -> Group {
    Group::closed("hello", address, target, CONNECTIONS).body(Body::Exact(says.to_owned()))
}
