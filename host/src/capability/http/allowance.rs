//! What one request of a plugin may call out: so many at once, so many in all.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Trouble;

/// Outbound requests of one request at once; more wait, within the time for their connection.
pub const AT_ONCE: usize = 16;

/// Outbound requests of one request in all. Far above any page's needs; a loop that calls out ends here.
pub const IN_ALL: u32 = 256;

/// The account of one request. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Allowance(Arc<Account>);

#[derive(Debug, Default)]
struct Account {
    /// Made by the first that calls out: few requests do.
    turns: OnceLock<Arc<Semaphore>>,
    begun: AtomicU32,
}

impl Allowance {
    /// Begins one more, unless that is one too many.
    pub(super) fn begin(&self) -> Result<(), Trouble> {
        if self.0.begun.fetch_add(1, Relaxed) < IN_ALL {
            return Ok(());
        }
        // The count stays where it is, however often a guest tries.
        self.0.begun.store(IN_ALL, Relaxed);
        Err(Trouble::TooMany(IN_ALL))
    }

    /// Waits for a turn, which lasts until what is answered is dropped.
    pub(super) async fn turn(&self) -> OwnedSemaphorePermit {
        Arc::clone(self.turns()).acquire_owned().await.expect("the turns are never closed")
    }

    fn turns(&self) -> &Arc<Semaphore> {
        self.0.turns.get_or_init(|| Arc::new(Semaphore::new(AT_ONCE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_calls_out_so_often_and_no_more() {
        let allowance = Allowance::default();
        (0..IN_ALL).for_each(|_| allowance.begin().expect("one of those allowed"));
        for _ in 0..3 {
            assert!(matches!(allowance.clone().begin(), Err(Trouble::TooMany(IN_ALL))));
        }
    }

    #[tokio::test]
    async fn a_turn_is_given_back_when_it_is_dropped() {
        let allowance = Allowance::default();
        let turns = futures_util::future::join_all((0..AT_ONCE).map(|_| allowance.turn())).await;
        assert_eq!(allowance.turns().available_permits(), 0);
        drop(turns);
        assert_eq!(allowance.turns().available_permits(), AT_ONCE);
    }
}
