//! When the requests of an open loop are due.

use std::time::{Duration, Instant};

/// Even spacing from a start. Due times are multiples from the start, never sums of gaps: the rate cannot drift.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    start: Instant,
    rate: f64,
}

impl Schedule {
    /// `rate` requests a second from `start` on; the first is due at `start`.
    pub(crate) fn new(start: Instant, rate: f64) -> Self {
        Self { start, rate }
    }

    /// When request `n`, counted from zero, is due.
    pub(crate) fn due(&self, n: u64) -> Instant {
        self.start + Duration::from_secs_f64(n as f64 / self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_holds_over_an_hour() {
        let start = Instant::now();
        let schedule = Schedule::new(start, 300.0);
        assert_eq!(schedule.due(0), start);
        assert_eq!(schedule.due(3), start + Duration::from_millis(10));
        assert_eq!(schedule.due(300 * 3_600), start + Duration::from_secs(3_600));
    }

    #[test]
    fn due_times_only_grow() {
        let schedule = Schedule::new(Instant::now(), 7_777.7);
        assert!((0..10_000).all(|n| schedule.due(n) < schedule.due(n + 1)));
    }
}
