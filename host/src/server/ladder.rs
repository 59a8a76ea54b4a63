//! What gives way first when there is too much of everything: a ladder that is climbed at once and left slowly.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

/// How long things have to be calm before the ladder is left by one rung.
const CALM: Duration = Duration::from_secs(1);

/// How far below a rung's own mark a measure has to fall before things are calm, in percent of its most.
const BELOW: u64 = 10;

/// What the host does about its load. Each rung does what those before it do as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Rung {
    /// Nothing.
    #[default]
    Ground,
    /// Connections are closed after their answers, and idle ones soon.
    CloseIdle,
    /// Tenants with more than their share of what is asked are refused.
    Shed,
    /// Every new request is refused.
    Refuse,
    /// Nobody new is let in.
    Shut,
}

impl Rung {
    /// All of them, lowest first.
    pub const ALL: [Self; 5] = [Self::Ground, Self::CloseIdle, Self::Shed, Self::Refuse, Self::Shut];

    /// The name in logs and metric labels.
    pub fn name(self) -> &'static str {
        ["ground", "close-idle", "shed", "refuse", "shut"][self as usize]
    }

    /// From how much of a measure on it is stood on, in percent.
    fn mark(self) -> u64 {
        [0, 85, 92, 95, 98][self as usize]
    }

    fn below(self) -> Self {
        Self::ALL[(self as usize).saturating_sub(1)]
    }
}

/// How much there is of something that must not run out.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// What it is, for the log.
    pub name: &'static str,
    /// How much of it is taken.
    pub taken: u64,
    /// How much there is.
    pub most: u64,
    /// The highest rung that it leads to: what the ones above do would not help.
    pub highest: Rung,
}

impl Measure {
    /// The rung it asks for, with this many percent allowed for.
    fn rung(&self, allowed: u64) -> Rung {
        let percent = (u128::from(self.taken) * 100 / u128::from(self.most.max(1))) as u64 + allowed;
        let stood_on = |rung: &Rung| rung.mark() <= percent && *rung <= self.highest;
        Rung::ALL.into_iter().rev().find(stood_on).unwrap_or_default()
    }
}

/// A step up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where it leads.
    pub to: Rung,
    /// The measure that asked for it, on the way up.
    pub cause: Option<&'static str>,
}

/// Where the host stands. Pure: it is told the time.
#[derive(Debug, Default)]
pub struct Ladder {
    rung: Rung,
    calm_since: Option<Instant>,
}

impl Ladder {
    /// Looks at the measures, and takes a step if they ask for one: up as far as any asks, down by one rung when all
    /// have been calm for a second.
    pub fn look(&mut self, measures: &[Measure], now: Instant) -> Option<Step> {
        let worst = measures.iter().max_by_key(|measure| measure.rung(0))?;
        if worst.rung(0) > self.rung {
            (self.rung, self.calm_since) = (worst.rung(0), None);
            return Some(Step { to: self.rung, cause: Some(worst.name) });
        }
        if self.rung == Rung::Ground || measures.iter().any(|measure| measure.rung(BELOW) >= self.rung) {
            self.calm_since = None;
            return None;
        }
        if now.duration_since(*self.calm_since.get_or_insert(now)) < CALM {
            return None;
        }
        (self.rung, self.calm_since) = (self.rung.below(), Some(now));
        Some(Step { to: self.rung, cause: None })
    }
}

/// The rung as those see it who act on it. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Level(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// The same as in `changes`, for those who ask with every request.
    rung: AtomicU8,
    changes: watch::Sender<Rung>,
}

impl Level {
    /// Says on which rung the host stands.
    pub fn set(&self, rung: Rung) {
        self.0.rung.store(rung as u8, Ordering::Relaxed);
        self.0.changes.send_replace(rung);
    }

    /// Whether the host stands on this rung or above.
    pub fn reached(&self, rung: Rung) -> bool {
        self.0.rung.load(Ordering::Relaxed) >= rung as u8
    }

    /// Resolves once this rung is reached. Cancel safe.
    pub(super) async fn until(&self, rung: Rung) {
        self.wait(|now| now >= rung).await;
    }

    /// Resolves once the host stands below this rung. Cancel safe.
    pub(super) async fn while_at(&self, rung: Rung) {
        if self.reached(rung) {
            self.wait(|now| now < rung).await;
        }
    }

    async fn wait(&self, is_so: impl Fn(Rung) -> bool) {
        // The sender lives in `self`.
        let _ = self.0.changes.subscribe().wait_for(|now| is_so(*now)).await;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn measure(taken: u64, highest: Rung) -> Measure {
        Measure { name: "things", taken, most: 1000, highest }
    }

    #[test]
    fn it_is_climbed_at_once_as_far_as_the_worst_measure_asks() {
        let now = Instant::now();
        for (taken, rung) in [
            (849, None),
            (850, Some(Rung::CloseIdle)),
            (920, Some(Rung::Shed)),
            (950, Some(Rung::Refuse)),
            (980, Some(Rung::Shut)),
        ] {
            let step = Ladder::default().look(&[measure(0, Rung::Shut), measure(taken, Rung::Shut)], now);
            assert_eq!(step.map(|step| step.to), rung, "{taken}");
        }
        let step = Ladder::default().look(&[measure(1000, Rung::CloseIdle)], now);
        assert_eq!(
            step,
            Some(Step { to: Rung::CloseIdle, cause: Some("things") }),
            "a measure leads no higher than it may"
        );
        assert_eq!(Ladder::default().look(&[Measure { most: 0, ..measure(0, Rung::Shut) }], now), None);
    }

    #[test]
    fn it_is_left_rung_by_rung_and_only_when_it_has_been_calm() {
        let (mut ladder, start) = (Ladder::default(), Instant::now());
        let mut look = |taken, millis| {
            let step = ladder.look(&[measure(taken, Rung::Shut)], start + Duration::from_millis(millis));
            step.map(|step| step.to)
        };
        assert_eq!(look(960, 0), Some(Rung::Refuse));
        assert_eq!(look(850, 5000), None, "ten percent below the mark is calm, and this is not");
        assert_eq!(look(849, 6000), None);
        assert_eq!(look(870, 6500), None, "calm no more");
        assert_eq!(look(0, 7000), None);
        assert_eq!(look(0, 7999), None);
        assert_eq!(look(0, 8000), Some(Rung::Shed));
        assert_eq!(look(0, 8500), None);
        assert_eq!(look(0, 9000), Some(Rung::CloseIdle));
        assert_eq!(look(860, 9500), None);
        assert_eq!(look(0, 10_000), None);
        assert_eq!(look(0, 11_000), Some(Rung::Ground));
        assert_eq!(look(0, 20_000), None);
    }

    proptest! {
        /// Whatever the load does: what it asks for is had at once, and no rung is left within a second of being asked for.
        #[test]
        fn no_rung_is_missed_and_none_is_left_in_haste(loads in prop::collection::vec((0u64..1100, 1u64..700), 1..200)) {
            let (mut ladder, mut now, mut asked) = (Ladder::default(), Instant::now(), Vec::new());
            for (taken, pause) in loads {
                now += Duration::from_millis(pause);
                let (before, wanted) = (ladder.rung, measure(taken, Rung::Shut).rung(0));
                asked.push((now, wanted));
                let step = ladder.look(&[measure(taken, Rung::Shut)], now);
                prop_assert!(ladder.rung >= wanted);
                prop_assert_eq!(step.is_some(), ladder.rung != before);
                if ladder.rung < before {
                    prop_assert_eq!(ladder.rung, before.below());
                    let lately = asked.iter().filter(|(when, _)| now.duration_since(*when) < CALM);
                    prop_assert!(lately.clone().all(|(_, wanted)| *wanted < before), "left in haste");
                }
            }
        }
    }

    #[tokio::test]
    async fn who_waits_for_a_rung_hears_of_it() {
        let level = Level::default();
        level.while_at(Rung::Shut).await;
        assert!(level.reached(Rung::Ground) && !level.reached(Rung::CloseIdle));
        level.set(Rung::Shut);
        level.until(Rung::CloseIdle).await;
        let waiting = tokio::spawn({
            let level = level.clone();
            async move { level.while_at(Rung::Shut).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        level.set(Rung::Refuse);
        waiting.await.expect("it is told");
    }
}
