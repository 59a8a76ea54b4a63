//! The machine's clock as jobs see it: times in the file are of the wall clock, and go along when somebody sets it.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// A clock that differs by more than this from what has passed, in milliseconds, was set.
const STEP: i64 = 60_000;

/// Both clocks at one moment, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Now {
    /// Since 1970, as far as the machine knows.
    pub(super) wall: i64,
    /// Since the machine started, sleep included.
    pub(super) passed: i64,
}

impl Now {
    pub(super) fn read() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| whole(time.as_millis()));
        let passed = clock_gettime(ClockId::Boottime);
        Self { wall, passed: passed.tv_sec.saturating_mul(1000).saturating_add(passed.tv_nsec / 1_000_000) }
    }
}

/// Milliseconds as they are kept.
pub(super) fn whole(millis: u128) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// Notices when the wall clock is set.
#[derive(Debug)]
pub(super) struct Clock(Now);

impl Clock {
    pub(super) fn new(now: Now) -> Self {
        Self(now)
    }

    /// By how much the clock was set since the last look; 0 when it was not.
    pub(super) fn set_by(&mut self, now: Now) -> i64 {
        let expected = self.0.wall.saturating_add(now.passed.saturating_sub(self.0.passed));
        self.0 = now;
        deviation(now.wall, expected)
    }
}

/// By how much a clock was put back that has been later than it is now; 0 when it is later now. How long nobody looked is not known.
pub(super) fn put_back(now: i64, last: i64) -> i64 {
    deviation(now, last).min(0)
}

fn deviation(now: i64, expected: i64) -> i64 {
    let by = now.saturating_sub(expected);
    if by.saturating_abs() > STEP { by } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: i64 = 365 * 24 * 3_600_000;

    #[test]
    fn a_clock_that_runs_was_not_set_however_long_nobody_looks() {
        let mut clock = Clock::new(Now { wall: YEAR, passed: 0 });
        assert_eq!(clock.set_by(Now { wall: YEAR + 10, passed: 10 }), 0);
        assert_eq!(clock.set_by(Now { wall: 3 * YEAR, passed: 2 * YEAR }), 0);
        // Slewed, or stepped by a leap second.
        assert_eq!(clock.set_by(Now { wall: 3 * YEAR + 1_000, passed: 2 * YEAR + 2_000 }), 0);
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_once_and_by_how_much() {
        for by in [YEAR, -YEAR, 3_600_000, -3_600_000] {
            let mut clock = Clock::new(Now { wall: 2 * YEAR, passed: 5 });
            assert_eq!(clock.set_by(Now { wall: 2 * YEAR + by + 7, passed: 12 }), by);
            assert_eq!(clock.set_by(Now { wall: 2 * YEAR + by + 8, passed: 13 }), 0);
        }
    }

    #[test]
    fn after_a_restart_only_a_clock_that_was_put_back_is_noticed() {
        assert_eq!(put_back(YEAR, 2 * YEAR), -YEAR);
        assert_eq!(put_back(2 * YEAR, YEAR), 0);
        assert_eq!(put_back(YEAR, YEAR + 1_000), 0);
    }
}
