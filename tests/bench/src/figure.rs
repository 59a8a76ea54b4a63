//! A named figure with the aim beside it, and whether the aim was met.

use serde::Serialize;

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Aim {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// Nothing in particular: printed for comparison.
    Shown,
}

/// How the values of several rounds become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fold {
    /// The median of the rounds that are not void.
    Median,
    /// The largest of the rounds that are not void: for aims that hold over *any* stretch of time.
    Largest,
    /// The sum over all rounds: a slow minute excuses no wrong reply.
    Total,
}

/// A figure before it is measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Spec {
    /// Unique in its case.
    pub(crate) name: &'static str,
    /// Behind the number: `%`, `ms`, `×`, or nothing.
    pub(crate) unit: &'static str,
    /// What it should be.
    pub(crate) aim: Aim,
    /// How rounds become one value.
    pub(crate) fold: Fold,
}

/// A median that must be at least `aim`.
pub(crate) const fn at_least(name: &'static str, unit: &'static str, aim: f64) -> Spec {
    Spec { name, unit, aim: Aim::AtLeast(aim), fold: Fold::Median }
}

/// A median that must be at most `aim`.
pub(crate) const fn at_most(name: &'static str, unit: &'static str, aim: f64) -> Spec {
    Spec { name, unit, aim: Aim::AtMost(aim), fold: Fold::Median }
}

/// A value that must never be above `aim`.
pub(crate) const fn never_above(name: &'static str, unit: &'static str, aim: f64) -> Spec {
    Spec { name, unit, aim: Aim::AtMost(aim), fold: Fold::Largest }
}

/// A count that must stay zero over the whole run.
pub(crate) const fn none_of(name: &'static str) -> Spec {
    Spec { name, unit: "", aim: Aim::AtMost(0.0), fold: Fold::Total }
}

/// A median that is printed.
pub(crate) const fn shown(name: &'static str, unit: &'static str) -> Spec {
    Spec { name, unit, aim: Aim::Shown, fold: Fold::Median }
}

/// Whether an aim was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// As it should be.
    Met,
    /// Not as it should be, or not measured.
    Missed,
    /// There was no aim.
    Shown,
}

/// A measured figure.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    /// What it is and should be.
    #[serde(flatten)]
    pub(crate) spec: Spec,
    /// The rounds folded; `None` when no round gave it.
    pub(crate) value: Option<f64>,
    /// Against the aim.
    pub(crate) verdict: Verdict,
}

impl Figure {
    /// Judges a value. What was not measured misses its aim; so does what is not a number.
    pub(crate) fn new(spec: Spec, value: Option<f64>) -> Self {
        // A ratio to nothing is infinite, and no measurement.
        let value = value.filter(|value| value.is_finite());
        let met = match (spec.aim, value) {
            (Aim::Shown, _) => return Self { spec, value, verdict: Verdict::Shown },
            (Aim::AtLeast(aim), Some(value)) => value >= aim,
            (Aim::AtMost(aim), Some(value)) => value <= aim,
            (_, None) => false,
        };
        Self { spec, value, verdict: if met { Verdict::Met } else { Verdict::Missed } }
    }
}

/// `part` in percent of `whole`; nothing of nothing is not a number and misses every aim.
pub(crate) fn percent(part: f64, whole: f64) -> f64 {
    part / whole * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(spec: Spec, value: Option<f64>) -> Verdict {
        Figure::new(spec, value).verdict
    }

    #[test]
    fn the_aim_itself_is_met() {
        assert_eq!(verdict(at_least("kept", "%", 98.0), Some(98.0)), Verdict::Met);
        assert_eq!(verdict(at_least("kept", "%", 98.0), Some(97.9)), Verdict::Missed);
        assert_eq!(verdict(at_most("p99", "×", 1.3), Some(1.3)), Verdict::Met);
        assert_eq!(verdict(at_most("p99", "×", 1.3), Some(1.31)), Verdict::Missed);
    }

    #[test]
    fn what_was_not_measured_is_missed() {
        assert_eq!(verdict(none_of("resets"), None), Verdict::Missed);
        assert_eq!(verdict(at_least("kept", "%", 98.0), Some(percent(0.0, 0.0))), Verdict::Missed);
        assert_eq!(verdict(shown("p50", "ms"), None), Verdict::Shown);
    }
}
