//! The tail at 70 % of the peak: each server is asked at a steady rate of 70 % of what it had answered at most.

use super::{
    hello::{self, Component},
    rows,
};
use crate::{
    figure::{Spec, at_most, none_of, shown},
    load::Shape,
    report::Section,
    rounds::Sample,
    scenario::{
        Case,
        collected::Collected,
        subject::{Names, Subject},
    },
    stand::Bench,
};

/// The part of the peak that is asked for.
const PART: f64 = 0.7;

/// As many requests at once as the closed loop had; what is due beyond waits in line, and its waiting counts.
const CONNECTIONS: usize = hello::CONNECTIONS;

const WASMBAY: [Names; 2] = [
    Names { rate: "peak", p50: "p50 at the peak", p99: "p99 at the peak", cpu: "CPU a request at the peak" },
    Names { rate: "rate", p50: "p50 at 70 %", p99: "p99 at 70 %", cpu: "CPU a request at 70 %" },
];
const NATIVE: [Names; 2] = [
    Names {
        rate: "native peak",
        p50: "native p50 at the peak",
        p99: "native p99 at the peak",
        cpu: "native CPU a request at the peak",
    },
    Names {
        rate: "native rate",
        p50: "native p50 at 70 %",
        p99: "native p99 at 70 %",
        cpu: "native CPU a request at 70 %",
    },
];

const OF_NATIVE: &str = "p99 at 70 %, of native's";
const FAULTY: &str = "faulty replies";

/// Runs the case.
pub(super) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let row = rows::row("rust");
    let component = Component::of(bench, row.guest).await?;
    let mut subjects =
        [(hello::host(bench, &row, &component, WASMBAY[0]).await?, WASMBAY), (hello::native(bench), NATIVE)];
    let mut collected = Collected::default();
    let round = async |n: usize| {
        let mut sample = Sample::new();
        for (subject, names) in &mut subjects {
            measure(bench, subject, names, n, &mut sample, &mut collected).await?;
        }
        sample.insert(OF_NATIVE, sample[WASMBAY[1].p99] / sample[NATIVE[1].p99]);
        Ok(sample)
    };
    let mut section = bench.section(case, &specs(), round).await?;
    collected.add_to(&mut section);
    for (subject, _) in subjects {
        subject.server.stop().await;
    }
    Ok(section)
}

fn specs() -> Vec<Spec> {
    let each = [WASMBAY, NATIVE].into_iter().flatten();
    let each = each.flat_map(|names| [shown(names.rate, "req/s"), shown(names.p50, "ms"), shown(names.p99, "ms")]);
    [at_most(OF_NATIVE, "×", 2.0)].into_iter().chain(each).chain([none_of(FAULTY)]).collect()
}

/// The peak, then what comes of 70 % of it.
async fn measure(
    bench: &Bench,
    subject: &mut Subject,
    [peak, part]: &[Names; 2],
    round: usize,
    sample: &mut Sample,
    collected: &mut Collected,
) -> anyhow::Result<()> {
    let closed = Shape::Closed { connections: CONNECTIONS };
    subject.turn(*peak, closed).measure(bench, round, FAULTY, sample, collected).await?;
    let open = Shape::Open { rate: sample[peak.rate] * PART, connections: CONNECTIONS };
    subject.turn(*part, open).measure(bench, round, FAULTY, sample, collected).await
}
