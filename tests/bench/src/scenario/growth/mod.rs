//! How cost grows: with the plugins a host knows, with the requests that wait in it, with the cores it has. Nothing is aimed at
//! here; these are the figures that `host/docs/sizing.md` reckons with.

mod cores;
mod plugins;
mod waiting;

use anyhow::Context as _;

use super::Case;
use crate::{report::Section, scale::Scale, stand::Bench};

/// The cases, in the order they run. The first words are names on the command line.
pub(super) const CASES: &[Case] = &[
    ("plugins-10", "10 plugins known and asked, by ten connections each."),
    ("plugins-100", "100 plugins known and asked, by a connection each."),
    ("plugins-1000", "1000 plugins known, 100 of them asked."),
    ("plugins-10000", "10 000 plugins known, 100 of them asked."),
    ("suspended-1000", "1000 requests waiting, each in a 0.2 instance of its own."),
    ("suspended-6000", "6000 requests waiting, each in a 0.2 instance of its own."),
    ("waiting-1000", "1000 requests waiting in shared 0.3 instances."),
    ("waiting-10000", "10 000 requests waiting in shared 0.3 instances."),
    ("cores", "The same work with one core and with two, and what more would give."),
];

/// The figures that stand side by side above all sections.
pub(super) const SIDE_BY_SIDE: [&str; 8] = [
    plugins::STARTED,
    plugins::RESTING,
    plugins::EACH,
    plugins::RATE,
    plugins::CPU,
    waiting::EACH,
    waiting::MOST,
    waiting::LATE,
];

/// Few rounds: ten thousand requests take their time to come and to go.
pub(super) const SCALE: Scale = Scale { rounds: 3, ..Scale::BRIEF };

/// More than a smoke test knows or holds.
const QUICK: usize = 300;

/// Runs a case.
///
/// # Errors
///
/// When something of it cannot be started or answers wrongly where it must not.
pub(super) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let Some((kind, count)) = case.0.rsplit_once('-') else { return cores::run(bench, case).await };
    let count: usize = count.parse().with_context(|| format!("{:?} says no number", case.0))?;
    let count = if bench.scale.is_quick() { count.min(QUICK) } else { count };
    match kind {
        "plugins" => plugins::run(bench, case, count).await,
        "suspended" => waiting::suspended(bench, case, count).await,
        _ => waiting::shared(bench, case, count).await,
    }
}
