//! What is measured: scenarios made of cases, each a folder to serve, a load to run and figures with their aims.

mod author;
mod calibrate;
mod collected;
mod crowd;
mod growth;
mod holding;
mod hostile;
mod io;
mod lanes;
mod languages;
mod peers;
mod servers;
mod subject;
mod swap;

use std::future::Future;

use crate::{
    report::{Document, Section, System},
    scale::Scale,
    stand::Bench,
};

/// A case: its name on the command line, and what it shows.
pub(crate) type Case = (&'static str, &'static str);

/// A scenario's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Waiting and computing at once, tenants beside each other, many requests at once.
    Lanes,
    /// A plugin replaced under load, again and again.
    Swap,
    /// What attacks cost, and how soon they meet their limits.
    Hostile,
    /// Each language's plugin, beside other servers.
    Languages,
    /// The same guests under other servers, and what else there are aims for.
    Peers,
    /// Waiting for other servers and for databases.
    Io,
    /// More plugins, more requests at once, more cores.
    Growth,
}

impl Scenario {
    /// Its cases, in the order they run.
    pub(crate) fn cases(self) -> &'static [Case] {
        match self {
            Self::Lanes => lanes::CASES,
            Self::Swap => &[swap::CASE],
            Self::Hostile => hostile::CASES,
            Self::Languages => languages::CASES,
            Self::Peers => peers::CASES,
            Self::Io => io::CASES,
            Self::Growth => growth::CASES,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Lanes => "lanes",
            Self::Swap => "swap",
            Self::Hostile => "hostile",
            Self::Languages => "languages",
            Self::Peers => "peers",
            Self::Io => "io",
            Self::Growth => "growth",
        }
    }

    /// The sizes of a full run.
    pub(crate) fn scale(self) -> Scale {
        match self {
            Self::Peers => Scale::BRIEF,
            Self::Growth => growth::SCALE,
            _ => Scale::FULL,
        }
    }

    /// The figures that stand side by side for all cases, above them.
    fn side_by_side(self) -> &'static [&'static str] {
        match self {
            Self::Languages => &languages::SIDE_BY_SIDE,
            Self::Peers => &peers::SIDE_BY_SIDE,
            Self::Growth => &growth::SIDE_BY_SIDE,
            _ => &[],
        }
    }

    /// The figures that are drawn.
    fn bars(self) -> &'static [&'static str] {
        match self {
            Self::Peers => &peers::BARS,
            _ => &[],
        }
    }

    /// Runs the cases that `only` names, or all. A case that breaks is reported and the rest go on.
    pub(crate) async fn run(self, bench: &Bench, only: &[String], quick: bool) -> Document {
        let wanted = |name: &str| only.is_empty() || only.iter().any(|only| only == name);
        let mut sections = Vec::new();
        for case in self.cases().iter().filter(|(name, _)| wanted(name)) {
            sections.push(attempt(bench, *case, self.case(bench, *case)).await);
        }
        let peers = servers::versions(&bench.places);
        let system = System { peers, ..System::read(Some(&bench.places.host)) };
        let (scenario, side_by_side, bars) = (self.name(), self.side_by_side(), self.bars());
        Document { scenario, date: crate::clock::utc_now(), system, quick, side_by_side, bars, sections }
    }

    async fn case(self, bench: &Bench, case: Case) -> anyhow::Result<Section> {
        match self {
            Self::Lanes => lanes::run(bench, case).await,
            Self::Swap => swap::run(bench).await,
            Self::Hostile => hostile::run(bench, case).await,
            Self::Languages => languages::run(bench, case).await,
            Self::Peers => peers::run(bench, case).await,
            Self::Io => io::run(bench, case).await,
            Self::Growth => growth::run(bench, case).await,
        }
    }
}

async fn attempt(bench: &Bench, (name, title): Case, run: impl Future<Output = anyhow::Result<Section>>) -> Section {
    let section = run.await.unwrap_or_else(|error| Section::failed(name, title, &error));
    let verdict = match &section.failure {
        Some(failure) => format!("not measured: {failure}"),
        None if section.is_met() => "every aim met".to_owned(),
        None => "aims missed".to_owned(),
    };
    bench.progress.keep(&format!("{name}: {verdict}"));
    section
}
