//! The stand on which a scenario is built: the processes it starts, the folder it serves, the figures it reads.

mod child;
mod generator;
mod host;
mod peer;
mod pinned;
mod progress;
mod scrape;
mod served;

use std::{cell::RefCell, net::SocketAddr, path::PathBuf, time::Instant};

use anyhow::Context as _;

use crate::{
    control,
    figure::Spec,
    load::{Body, Group, LoadReport},
    report::Section,
    rounds::{self, Sample, Wanted},
    scale::Scale,
};

pub(crate) use generator::{Generator, Times};
pub(crate) use host::Host;
pub(crate) use peer::Peer;
pub(crate) use progress::Progress;
pub(crate) use served::{Plugin, Served};

/// Where the measured programs lie.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The host's binary.
    pub(crate) host: PathBuf,
    /// The folder of built test guests.
    pub(crate) guests: PathBuf,
    /// The folder of example plugins, built.
    pub(crate) plugins: PathBuf,
    /// What the benches of languages and of peers need besides; the others do without.
    pub(crate) languages: Option<Languages>,
    /// The program `wasmtime`, which the benches of peers and of I/O need.
    pub(crate) wasmtime: Option<PathBuf>,
    /// The server in hyper and sqlx, which the bench of I/O needs.
    pub(crate) native: Option<PathBuf>,
}

/// What plugins in other languages are built with, and what they are measured beside.
#[derive(Clone, Debug)]
pub(crate) struct Languages {
    /// The folder of fetched toolchains.
    pub(crate) toolchains: PathBuf,
    /// The folder of Python applications and their locked requirements.
    pub(crate) python: PathBuf,
    /// The folder of other servers.
    pub(crate) peers: PathBuf,
}

impl Places {
    /// The built component of an example plugin.
    pub(crate) fn example(&self, name: &str) -> PathBuf {
        self.plugins.join(name).join("target/wasm32-wasip2/release").join(format!("{name}.wasm"))
    }

    /// A built test guest.
    pub(crate) fn guest(&self, name: &str) -> PathBuf {
        self.guests.join(format!("{name}.wasm"))
    }
}

/// A stand, its native control running.
pub(crate) struct Bench {
    /// Where the measured programs lie.
    pub(crate) places: Places,
    /// How much is measured.
    pub(crate) scale: Scale,
    /// Says what is going on.
    pub(crate) progress: Progress,
    control: child::Child,
    native: SocketAddr,
    controls: RefCell<Vec<f64>>,
}

impl Bench {
    /// Starts the control.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub(crate) async fn new(places: Places, scale: Scale) -> anyhow::Result<Self> {
        let (control, native) = child::control().await.context("cannot start the native control")?;
        Ok(Self { places, scale, progress: Progress::new(), control, native, controls: RefCell::default() })
    }

    /// The native control's address.
    pub(crate) fn native(&self) -> SocketAddr {
        self.native
    }

    /// CPU seconds that the native control has used.
    ///
    /// # Errors
    ///
    /// When it is gone.
    pub(crate) fn native_cpu(&self) -> anyhow::Result<f64> {
        self.control.cpu_seconds()
    }

    /// The usual times of a measurement.
    pub(crate) fn times(&self) -> Times {
        Times { warmup: self.scale.warmup, measure: Some(self.scale.measure) }
    }

    /// Runs these groups at once for the usual times.
    ///
    /// # Errors
    ///
    /// When the generator fails.
    pub(crate) async fn load(&self, groups: Vec<Group>) -> anyhow::Result<LoadReport> {
        Generator::start(groups, self.times()).await?.finish().await
    }

    /// Runs the rounds of a case and folds its figures.
    ///
    /// # Errors
    ///
    /// The first error of a round.
    pub(crate) async fn section(
        &self,
        (case, title): (&'static str, &'static str),
        specs: &[Spec],
        mut round: impl AsyncFnMut(usize) -> anyhow::Result<Sample>,
    ) -> anyhow::Result<Section> {
        let mut controls = self.controls.take();
        let again_until = self.scale.patience.map(|patience| Instant::now() + patience);
        let wanted = Wanted { rounds: self.scale.rounds, void_rule: self.scale.void_rule, again_until };
        let counted = async |n: usize| {
            self.progress.say(&format!("{case}: round {} of {}", n + 1, wanted.rounds));
            round(n).await
        };
        let rounds = rounds::run(wanted, &mut controls, async || self.control_rate().await, counted).await;
        self.controls.replace(controls);
        Ok(Section::new(case, title, specs, rounds?))
    }

    /// What the machine can do now: native hellos a second.
    async fn control_rate(&self) -> anyhow::Result<f64> {
        let times = Times { warmup: self.scale.control / 5, measure: Some(self.scale.control) };
        let group = Group::closed("control", self.native, "/hello", 16).body(Body::Exact(control::HELLO.into()));
        let report = Generator::start(vec![group], times).await?.finish().await?;
        let control = report.group("control")?;
        anyhow::ensure!(control.faulty() == 0, "the native control answered wrongly: {control:?}");
        Ok(control.rps)
    }

    /// Ends the control.
    pub(crate) async fn end(self) {
        self.control.kill().await;
    }
}
