//! The clocks guests read: in steps of one millisecond.
//!
//! A coarse clock takes the cheap timer out of a guest's hands; it does not make timing attacks impossible.

use std::{
    sync::OnceLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

pub(super) const STEP: Duration = Duration::from_millis(1);
const STEP_NANOS: u64 = 1_000_000;

/// Both clocks of one guest; stateless.
pub(super) struct CoarseClock;

impl HostMonotonicClock for CoarseClock {
    fn resolution(&self) -> u64 {
        STEP_NANOS
    }

    fn now(&self) -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        // One step ahead of zero, so that "now − 1 step" is representable from the first read on.
        let since_start = START.get_or_init(Instant::now).elapsed() + STEP;
        u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX / STEP_NANOS) * STEP_NANOS
    }
}

impl HostWallClock for CoarseClock {
    fn resolution(&self) -> Duration {
        STEP
    }

    fn now(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Duration::new(now.as_secs(), now.subsec_millis() * 1_000_000)
    }
}
