//! Two hungry tenants of equal weight: how evenly they share CPU time, whatever they do with it.

use std::time::Duration;

use crate::{
    figure::{Spec, never_above, none_of, percent, shown},
    load::Group,
    report::Section,
    rounds::Sample,
    scenario::{Case, calibrate},
    stand::{Bench, Generator, Host, Plugin, Served, Times},
};

/// Enough to keep every core hungry for either tenant.
const CONNECTIONS: usize = 8;

/// The arithmetic's job.
const JOB: Duration = Duration::from_millis(20);

/// CPU time is read this often...
const STEP: Duration = Duration::from_millis(500);

/// ...and compared over so many steps: windows of two seconds, overlapping.
const STEPS: usize = 4;

const OFF: &str = "farthest from even over any 2 s";
const SHARE: &str = "share of the arithmetic over all";
const FAULTY: &str = "faulty replies";

const FIGURES: &[Spec] = &[never_above(OFF, "%", 10.0), none_of(FAULTY), shown(SHARE, "%")];

/// Runs the case with the second tenant asking for `other`.
pub(crate) async fn run(bench: &Bench, case: Case, other: &str) -> anyhow::Result<Section> {
    let plugin = Plugin::compute("work", bench.places.guest("http02"));
    let served = Served::new()?.tenant("a", "weight = 1").tenant("b", "weight = 1");
    let host = Host::start(&bench.places.host, served.plugin("a", &plugin)?.plugin("b", &plugin)?).await?;
    let job = calibrate::size(host.listen, |n| format!("/a/burn?n={n}"), JOB).await?;
    host.get(&format!("/b{other}")).await?;
    let arithmetic = Group::closed("a", host.listen, &job.target, CONNECTIONS).body(job.body);
    let other = Group::closed("b", host.listen, &format!("/b{other}"), CONNECTIONS);
    let round = async |_| {
        let times = Times { warmup: bench.scale.warmup, measure: Some(bench.scale.measure_windows) };
        let generator = Generator::start(vec![arithmetic.clone(), other.clone()], times).await?;
        tokio::time::sleep(bench.scale.warmup).await;
        let used = watch(&host, bench.scale.measure_windows).await?;
        let report = generator.finish().await?;
        let faulty = report.groups.iter().map(|group| group.faulty() as f64).sum();
        let (first, last) = (used[0], used[used.len() - 1]);
        Ok(Sample::from([(OFF, farthest(&used)), (SHARE, share(first, last)), (FAULTY, faulty)]))
    };
    let section = bench.section(case, FIGURES, round).await?;
    host.stop().await;
    Ok(section)
}

/// CPU seconds of both tenants, read every [`STEP`] for `time`.
async fn watch(host: &Host, time: Duration) -> anyhow::Result<Vec<[f64; 2]>> {
    let mut ticks = tokio::time::interval(STEP);
    let mut used = Vec::new();
    for _ in 0..time.as_millis() / STEP.as_millis() {
        ticks.tick().await;
        used.push(host.cpu_seconds([("a", "work"), ("b", "work")]).await?);
    }
    Ok(used)
}

/// The first tenant's share of what both used between two readings, in percent.
fn share(before: [f64; 2], after: [f64; 2]) -> f64 {
    let [first, second] = [after[0] - before[0], after[1] - before[1]];
    percent(first, first + second)
}

/// How far the shares are from 50 % in the worst window, in percent of 50 %.
fn farthest(used: &[[f64; 2]]) -> f64 {
    let windows = used.windows(STEPS + 1).map(|window| share(window[0], window[STEPS]));
    windows.map(|share| (share - 50.0).abs() / 50.0 * 100.0).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_window_counts() {
        let mut used: Vec<[f64; 2]> = (0..10).map(|n| [f64::from(n), f64::from(n)]).collect();
        assert!(farthest(&used) < 1e-9);
        // From the sixth reading on the first tenant is one second ahead: 5 of 9 seconds in the windows across it.
        used[5..].iter_mut().for_each(|used| used[0] += 1.0);
        let expected = (5.0 / 9.0 - 0.5) / 0.5 * 100.0;
        assert!((farthest(&used) - expected).abs() < 1e-9, "{}", farthest(&used));
    }
}
