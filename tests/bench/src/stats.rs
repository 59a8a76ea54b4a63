//! Numbers over many: medians, and latency histograms that can be merged.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest latency kept apart, in microseconds: ten minutes.
const LONGEST_US: u64 = 600_000_000;

/// Three significant digits: a p99 of 6.37 ms is told from 6.38 ms.
const DIGITS: u8 = 3;

/// The middle value, or the mean of the two middle ones; `None` of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.is_empty() {
        None
    } else if sorted.len().is_multiple_of(2) {
        Some(f64::midpoint(sorted[middle - 1], sorted[middle]))
    } else {
        Some(sorted[middle])
    }
}

/// The value that `quantile` (0 to 1) of the values do not exceed; `None` of nothing.
pub(crate) fn quantile(values: &[f64], quantile: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

/// Latencies being recorded, in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(
            Histogram::new_with_bounds(1, LONGEST_US, DIGITS)
                .expect("the bounds are in order and the digits below six"),
        )
    }
}

impl Latencies {
    /// Adds one; what is longer than the histogram reaches counts as its longest.
    pub(crate) fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(LONGEST_US).max(1));
    }

    /// The figures of interest, and the histogram itself for merging.
    pub(crate) fn summary(&self) -> Latency {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1_000.0;
        Latency {
            count: self.0.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: self.0.max() as f64 / 1_000.0,
            histogram: self.0.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect(),
        }
    }
}

/// Latencies recorded, in milliseconds; all zero when there were none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    /// How many.
    pub(crate) count: u64,
    /// Half were at most this.
    pub(crate) p50_ms: f64,
    /// Nine in ten.
    pub(crate) p90_ms: f64,
    /// 99 in a hundred.
    pub(crate) p99_ms: f64,
    /// 999 in a thousand.
    pub(crate) p999_ms: f64,
    /// The longest.
    pub(crate) max_ms: f64,
    /// Microseconds and how often, ascending; empty once it has served for merging.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) histogram: Vec<(u64, u64)>,
}

impl Latency {
    /// 99 in a hundred were at most this; not a number when there were none, so that no aim is met by silence.
    pub(crate) fn p99(&self) -> f64 {
        if self.count == 0 { f64::NAN } else { self.p99_ms }
    }

    /// The latencies of several runs as those of one.
    pub(crate) fn merge<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Latencies::default();
        for (value, count) in parts.into_iter().flat_map(|part| &part.histogram) {
            all.0.saturating_record_n(*value, *count);
        }
        all.summary()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(milliseconds: impl IntoIterator<Item = u64>) -> Latency {
        let mut latencies = Latencies::default();
        milliseconds.into_iter().for_each(|ms| latencies.record(Duration::from_millis(ms)));
        latencies.summary()
    }

    #[test]
    fn the_median_takes_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), Some(50.0));
        assert_eq!(quantile(&values, 0.99), Some(99.0));
        assert_eq!(quantile(&values, 1.0), Some(100.0));
        assert_eq!(quantile(&[7.0], 0.0), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn merged_histograms_are_as_if_recorded_together() {
        let (low, high) = (recorded(1..=99), recorded([500, 900]));
        assert_eq!(Latency::merge([&low, &high]), recorded((1..=99).chain([500, 900])));
        assert_eq!(Latency::merge([&low, &high]).count, 101);
    }

    #[test]
    fn figures_keep_three_digits() {
        let latency = recorded([6, 6, 6, 637]);
        assert!((latency.p50_ms - 6.0).abs() < 0.01, "{}", latency.p50_ms);
        assert!((latency.max_ms - 637.0).abs() < 1.0, "{}", latency.max_ms);
    }

    #[test]
    fn nothing_recorded_is_all_zero_and_meets_no_aim() {
        assert_eq!(recorded([]), Latency::default());
        assert!(recorded([]).p99().is_nan() && recorded([5]).p99() > 4.9);
    }
}
