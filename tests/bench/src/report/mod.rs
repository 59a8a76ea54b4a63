//! What a run found, as a document for machines and a table for people.

mod chart;
mod markdown;
mod system;

use std::{fs, path::Path};

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    figure::{Figure, Spec, Verdict},
    rounds::{self, Round},
    stats::Latency,
};

pub(crate) use markdown::markdown;
pub(crate) use system::System;

/// One run of a scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    /// `lanes` or `swap`.
    pub(crate) scenario: &'static str,
    /// When it ended, in UTC.
    pub(crate) date: String,
    /// Where it ran.
    pub(crate) system: System,
    /// Whether it ran at the size of a smoke test.
    pub(crate) quick: bool,
    /// The figures of which a table of all sections is made.
    #[serde(skip)]
    pub(crate) side_by_side: &'static [&'static str],
    /// The figures of which a chart of all sections is drawn, requests a second each; none is no chart.
    #[serde(skip)]
    pub(crate) bars: &'static [&'static str],
    /// In the order they ran.
    pub(crate) sections: Vec<Section>,
}

/// One case of a scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Section {
    /// The case's short name.
    pub(crate) case: &'static str,
    /// What it shows, in one sentence.
    pub(crate) title: &'static str,
    /// Why it has no figures.
    pub(crate) failure: Option<String>,
    /// The figures, aims beside them.
    pub(crate) figures: Vec<Figure>,
    /// Every attempt.
    pub(crate) rounds: Vec<Round>,
    /// Latencies of all valid rounds together, by what was measured.
    pub(crate) latencies: Vec<(String, Latency)>,
    /// What a reader must know besides.
    pub(crate) notes: Vec<String>,
}

impl Section {
    /// A case that ran to its end.
    pub(crate) fn new(case: &'static str, title: &'static str, specs: &[Spec], rounds: Vec<Round>) -> Self {
        let figures = rounds::figures(specs, &rounds);
        Self { case, title, failure: None, figures, rounds, latencies: Vec::new(), notes: Vec::new() }
    }

    /// A case that broke.
    pub(crate) fn failed(case: &'static str, title: &'static str, error: &anyhow::Error) -> Self {
        let failure = Some(format!("{error:#}"));
        Self { case, title, failure, figures: Vec::new(), rounds: Vec::new(), latencies: Vec::new(), notes: Vec::new() }
    }

    /// The figure of this name.
    pub(crate) fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.spec.name == name)
    }

    /// Whether it ran and missed no aim.
    pub(crate) fn is_met(&self) -> bool {
        self.failure.is_none() && self.figures.iter().all(|figure| figure.verdict != Verdict::Missed)
    }
}

impl Document {
    /// Whether every case ran and missed no aim.
    pub(crate) fn is_met(&self) -> bool {
        self.sections.iter().all(Section::is_met)
    }

    /// Whether there is anything to draw.
    fn is_drawn(&self) -> bool {
        self.bars.iter().any(|name| self.sections.iter().any(|section| section.figure(name).is_some()))
    }

    /// Writes `SCENARIO.md` and `SCENARIO.json` into `folder`, and `SCENARIO.svg` where there is something to draw.
    ///
    /// # Errors
    ///
    /// When the folder or a file cannot be written.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let json = serde_json::to_string_pretty(self)?;
        let drawn = self.is_drawn().then(|| ("svg", chart::svg(self)));
        for (ending, text) in [("md", markdown(self)), ("json", json)].into_iter().chain(drawn) {
            let path = folder.join(format!("{}.{ending}", self.scenario));
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}
