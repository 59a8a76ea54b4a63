//! How much the host has to do, and what it does when that is too much (`decisions/0026-overload.md`).

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Behind;
use crate::{
    server::{Ladder, Level, Measure, Rung, Step},
    telemetry::{ListenerMetrics, Metrics},
};

/// How often the measures are looked at. Between two looks the queues' own limits hold.
const LOOK: Duration = Duration::from_millis(50);

/// Looks at the measures as long as somebody polls it.
pub(super) async fn watch<B: Behind>(
    behind: Arc<B>,
    level: Level,
    metrics: Arc<Metrics>,
    listener: ListenerMetrics,
    most_connections: usize,
) {
    let mut ladder = Ladder::default();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let (taken, most) = behind.waiting();
        let connections = u64::try_from(listener.connections.get()).unwrap_or(0);
        let measures = [
            Measure { name: "waiting requests", taken, most, highest: Rung::Shut },
            // A connection may be idle: many of them say nothing of what there is to do. At the cap none is accepted.
            Measure {
                name: "connections",
                taken: connections,
                most: most_connections as u64,
                highest: Rung::CloseIdle,
            },
        ];
        if let Some(step) = ladder.look(&measures, Instant::now()) {
            take(step, &*behind, &level, &metrics);
        }
    }
}

fn take<B: Behind>(step: Step, behind: &B, level: &Level, metrics: &Metrics) {
    level.set(step.to);
    behind.shed(step.to >= Rung::Shed);
    metrics.overload(step.to as i64, step.to.name());
    match step.cause {
        Some(cause) => tracing::warn!(rung = step.to.name(), cause, "overload: the host gives way"),
        None => tracing::info!(rung = step.to.name(), "overload: the host recovers"),
    }
}
