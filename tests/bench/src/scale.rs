//! How much is measured: small for a smoke test, full for figures that count.

use std::time::Duration;

/// Sizes and times of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Valid rounds wanted of each case.
    pub(crate) rounds: usize,
    /// Whether a control that is off voids a round.
    pub(crate) void_rule: bool,
    /// Load before anything counts.
    pub(crate) warmup: Duration,
    /// What counts.
    pub(crate) measure: Duration,
    /// What counts where a figure is read every two seconds.
    pub(crate) measure_windows: Duration,
    /// What counts of a control.
    pub(crate) control: Duration,
    /// Requests held by the 0.2 guest.
    pub(crate) held_02: usize,
    /// Requests held by the 0.3 guest.
    pub(crate) held_03: usize,
    /// Plugins of a host that is started again and again.
    pub(crate) plugins: usize,
    /// Plugins that a host knows and hardly ever runs.
    pub(crate) known: usize,
    /// How long a case may take before void rounds are no longer measured again; `None` is as long as it takes.
    pub(crate) patience: Option<Duration>,
    /// Swaps in each block of the swap scenario; there are as many blocks as rounds.
    pub(crate) swaps: usize,
}

impl Scale {
    /// For figures that count: medians of five rounds, thousands of replies behind each p99.
    pub(crate) const FULL: Self = Self {
        rounds: 5,
        void_rule: true,
        warmup: Duration::from_secs(1),
        measure: Duration::from_secs(5),
        measure_windows: Duration::from_secs(10),
        control: Duration::from_secs(1),
        held_02: 5_000,
        held_03: 10_000,
        plugins: 100,
        known: 10_000,
        patience: None,
        swaps: 200,
    };

    /// For many cases with several servers in each, which together are to be over in twenty minutes.
    pub(crate) const BRIEF: Self = Self {
        warmup: Duration::from_millis(400),
        measure: Duration::from_millis(1_500),
        control: Duration::from_millis(600),
        held_02: 2_000,
        held_03: 4_000,
        patience: Some(Duration::from_secs(50)),
        ..Self::FULL
    };

    /// Whether it is the size of a smoke test.
    pub(crate) fn is_quick(&self) -> bool {
        !self.void_rule
    }

    /// Shows that everything runs.
    pub(crate) const QUICK: Self = Self {
        rounds: 1,
        void_rule: false,
        warmup: Duration::from_millis(300),
        measure: Duration::from_millis(1_000),
        measure_windows: Duration::from_secs(4),
        control: Duration::from_millis(300),
        held_02: 500,
        held_03: 1_000,
        plugins: 10,
        known: 300,
        patience: None,
        swaps: 20,
    };
}
