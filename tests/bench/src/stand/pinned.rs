//! Cores: a process may be given fewer than the machine has.

use anyhow::Context as _;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Leaves this thread, and the processes that it starts, some of its cores; all of them again when dropped.
pub(super) struct Pinned(CpuSet);

impl Pinned {
    /// The first `count` of those it has.
    ///
    /// # Errors
    ///
    /// When it has fewer.
    pub(super) fn to_first(count: usize) -> anyhow::Result<Self> {
        let before = sched_getaffinity(None).context("cannot tell this thread's cores")?;
        let mut first = CpuSet::new();
        let own = (0..CpuSet::MAX_CPU).filter(|cpu| before.is_set(*cpu));
        own.take(count).for_each(|cpu| first.set(cpu));
        let has = first.count() as usize;
        anyhow::ensure!(has == count, "{count} cores are wanted, and this machine has {has}");
        sched_setaffinity(None, &first).context("cannot choose this thread's cores")?;
        Ok(Self(before))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // They were its own a moment ago.
        let _ = sched_setaffinity(None, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_the_cores_it_is_left_and_then_all_of_them_again() -> anyhow::Result<()> {
        let all = sched_getaffinity(None)?.count();
        let pinned = Pinned::to_first(1)?;
        assert_eq!(sched_getaffinity(None)?.count(), 1);
        assert!(Pinned::to_first(2).is_err(), "one is all it has now");
        drop(pinned);
        assert_eq!(sched_getaffinity(None)?.count(), all);
        Ok(())
    }
}
