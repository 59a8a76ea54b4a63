//! Latencies kept over rounds, to be shown as those of one long run.

use crate::{load::GroupReport, report::Section, stats::Latency};

/// Latencies by what was measured and in which round.
#[derive(Debug, Default)]
pub(crate) struct Collected(Vec<(String, usize, Latency)>);

impl Collected {
    /// Keeps a group's latency.
    pub(crate) fn keep(&mut self, what: &str, round: usize, group: &GroupReport) {
        self.keep_latency(what, round, &group.latency);
    }

    /// Keeps a latency.
    pub(crate) fn keep_latency(&mut self, what: &str, round: usize, latency: &Latency) {
        self.0.push((what.to_owned(), round, latency.clone()));
    }

    /// Adds to a section what its valid rounds gave, in the order of first appearance.
    pub(crate) fn add_to(self, section: &mut Section) {
        let mut names: Vec<&String> = Vec::new();
        for (name, ..) in &self.0 {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        for name in names {
            let valid = |round: usize| section.rounds.get(round).is_some_and(|round| !round.void);
            let parts = self.0.iter().filter(|(what, round, _)| what == name && valid(*round));
            let mut merged = Latency::merge(parts.map(|(.., latency)| latency));
            merged.histogram.clear();
            section.latencies.push((name.clone(), merged));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rounds::{Round, Sample};

    #[test]
    fn void_rounds_are_left_out() {
        let mut latencies = crate::stats::Latencies::default();
        latencies.record(std::time::Duration::from_millis(3));
        let mut collected = Collected::default();
        (0..3).for_each(|round| collected.keep_latency("probe", round, &latencies.summary()));
        let round = |void| Round { controls: [1.0; 2], void, sample: Sample::new() };
        let mut section = Section::new("a", "A.", &[], vec![round(false), round(true), round(false)]);
        collected.add_to(&mut section);
        assert_eq!(section.latencies.len(), 1);
        assert_eq!(section.latencies[0].1.count, 2);
    }
}
