//! Rounds: every subject measured in turn, the native control around each turn, medians over the turns.
//!
//! A shared machine has slow minutes. The control is measured before and after each round; a round whose control is
//! over [`VOID_SHARE`] from the median of the run's controls tells of the machine, not of the host. It is void, and
//! measured again as long as the bound on attempts allows.

use std::{collections::BTreeMap, time::Instant};

use serde::Serialize;

use crate::{
    figure::{Figure, Fold, Spec},
    stats,
};

/// How far a control may lie from the median of all.
pub(crate) const VOID_SHARE: f64 = 0.15;

/// What a round measured: values by the figures' names.
pub(crate) type Sample = BTreeMap<&'static str, f64>;

/// One attempt at a round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Round {
    /// The control before and after it, in hellos a second.
    pub(crate) controls: [f64; 2],
    /// Whether the control says that the machine was not itself.
    pub(crate) void: bool,
    /// What was measured.
    pub(crate) sample: Sample,
}

/// Whether a control is too far from the median of the run's controls.
fn is_off(control: f64, median: f64) -> bool {
    (control - median).abs() > VOID_SHARE * median
}

/// Marks the rounds of one case that are void, by the controls of the whole run so far.
pub(crate) fn mark_void(rounds: &mut [Round], run_controls: &[f64]) {
    let median = stats::median(run_controls).unwrap_or_default();
    for round in rounds {
        round.void = round.controls.iter().any(|control| is_off(*control, median));
    }
}

/// How many rounds are wanted, and whether they can be void.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Valid rounds.
    pub(crate) rounds: usize,
    /// Off for a smoke test, whose figures nobody keeps.
    pub(crate) void_rule: bool,
    /// From then on no void round is measured again: what is valid by then must do.
    pub(crate) again_until: Option<Instant>,
}

impl Wanted {
    /// Whether there is to be another round after these.
    fn more(&self, rounds: &[Round]) -> bool {
        let valid = rounds.iter().filter(|round| !round.void).count();
        let may_repeat = rounds.len() < self.rounds || self.again_until.is_none_or(|until| Instant::now() < until);
        valid < self.rounds && rounds.len() < 2 * self.rounds && may_repeat
    }
}

/// Runs `round` until the wanted rounds are valid, twice as many were tried, or as many were tried and patience is at its end.
/// The controls join `run_controls`.
///
/// # Errors
///
/// The first error of a round or a control.
pub(crate) async fn run(
    wanted: Wanted,
    run_controls: &mut Vec<f64>,
    mut control: impl AsyncFnMut() -> anyhow::Result<f64>,
    mut round: impl AsyncFnMut(usize) -> anyhow::Result<Sample>,
) -> anyhow::Result<Vec<Round>> {
    let mut rounds: Vec<Round> = Vec::new();
    while wanted.more(&rounds) {
        let before = control().await?;
        let sample = round(rounds.len()).await?;
        let controls = [before, control().await?];
        run_controls.extend(controls);
        rounds.push(Round { controls, void: false, sample });
        if wanted.void_rule {
            mark_void(&mut rounds, run_controls);
        }
    }
    Ok(rounds)
}

/// The figures of a case, each folded over its rounds.
pub(crate) fn figures(specs: &[Spec], rounds: &[Round]) -> Vec<Figure> {
    let fold = |spec: &Spec| {
        let counted = rounds.iter().filter(|round| !round.void || spec.fold == Fold::Total);
        let values: Vec<f64> = counted.filter_map(|round| round.sample.get(spec.name).copied()).collect();
        match spec.fold {
            Fold::Median => stats::median(&values),
            Fold::Largest => values.iter().copied().max_by(f64::total_cmp),
            Fold::Total => (!values.is_empty()).then(|| values.iter().sum()),
        }
    };
    specs.iter().map(|spec| Figure::new(*spec, fold(spec))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{at_most, never_above, none_of};

    /// Runs five rounds against these controls; each round's value is its number.
    async fn rounds(controls: &[f64]) -> anyhow::Result<Vec<Round>> {
        run_beside(controls, true).await
    }

    async fn run_beside(controls: &[f64], void_rule: bool) -> anyhow::Result<Vec<Round>> {
        run_until(controls, Wanted { rounds: 5, void_rule, again_until: None }).await
    }

    async fn run_until(controls: &[f64], wanted: Wanted) -> anyhow::Result<Vec<Round>> {
        let (mut next, mut all) = (controls.iter().copied().cycle(), Vec::new());
        let control = async || next.next().ok_or_else(|| anyhow::anyhow!("the cycle ended"));
        run(wanted, &mut all, control, async |n| Ok(Sample::from([("value", n as f64)]))).await
    }

    #[tokio::test]
    async fn steady_controls_void_nothing() -> anyhow::Result<()> {
        let rounds = rounds(&[100.0, 110.0, 95.0]).await?;
        assert_eq!((rounds.len(), rounds.iter().filter(|round| round.void).count()), (5, 0));
        Ok(())
    }

    #[tokio::test]
    async fn a_round_beside_a_control_that_is_off_is_measured_again() -> anyhow::Result<()> {
        // The seventh control, before the fourth round, is 20 % low; the cycle of twelve is over after six rounds.
        let mut controls = [100.0; 12];
        controls[6] = 80.0;
        let rounds = rounds(&controls).await?;
        let void: Vec<bool> = rounds.iter().map(|round| round.void).collect();
        assert_eq!(void, [false, false, false, true, false, false]);
        Ok(())
    }

    #[tokio::test]
    async fn attempts_are_bounded() -> anyhow::Result<()> {
        assert_eq!(rounds(&[100.0, 200.0]).await?.len(), 10);
        assert_eq!(run_beside(&[100.0, 200.0], false).await?.len(), 5);
        let impatient = Wanted { rounds: 5, void_rule: true, again_until: Some(Instant::now()) };
        assert_eq!(run_until(&[100.0, 200.0], impatient).await?.len(), 5);
        Ok(())
    }

    #[test]
    fn fifteen_percent_is_still_in() {
        assert!(!is_off(85.0, 100.0) && !is_off(115.0, 100.0));
        assert!(is_off(84.9, 100.0) && is_off(115.1, 100.0));
    }

    #[test]
    fn void_rounds_count_for_totals_alone() {
        let round = |value, void| Round { controls: [1.0; 2], void, sample: Sample::from([("x", value)]) };
        let rounds = [round(1.0, false), round(3.0, false), round(2.0, false), round(9.0, true)];
        let specs = [at_most("x", "", 2.0), never_above("x", "", 2.0), none_of("x"), none_of("y")];
        let values: Vec<_> = figures(&specs, &rounds).iter().map(|figure| figure.value).collect();
        assert_eq!(values, [Some(2.0), Some(3.0), Some(15.0), None]);
    }
}
