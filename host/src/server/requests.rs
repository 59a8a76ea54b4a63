//! Which of an HTTP/1 connection's requests are under way, and since when there is none.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// How often it is looked whether a connection rests. One under load pays a timer each time, and nothing for a request.
const LOOK: Duration = Duration::from_secs(1);

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Requests {
    born: Instant,
    /// What of them is not done: a request's body and its answer are one each.
    under_way: AtomicUsize,
    begun: AtomicUsize,
    /// When the last was done, in nanoseconds after `born`.
    done: AtomicU64,
}

impl Requests {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            under_way: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            done: AtomicU64::new(0),
        })
    }

    /// One more thing to be done.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.begun.fetch_add(1, Relaxed);
        self.under_way.fetch_add(1, AcqRel);
        UnderWay(self.clone())
    }

    /// Resolves when nothing was under way for a while.
    pub(super) async fn rest(&self) {
        loop {
            let before = self.begun.load(Acquire);
            sleep(LOOK).await;
            if before > 0 && self.begun.load(Acquire) == before && self.under_way.load(Acquire) == 0 {
                return;
            }
        }
    }

    /// When the last of them was done.
    pub(super) fn done(&self) -> Instant {
        self.born + Duration::from_nanos(self.done.load(Acquire))
    }
}

/// Something that is not done until this is dropped.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Requests>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let since = u64::try_from(self.0.born.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.done.store(since, Release);
        self.0.under_way.fetch_sub(1, AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_rests_once_nothing_is_under_way() {
        let requests = Requests::new();
        assert!(tokio::time::timeout(LOOK * 9, requests.rest()).await.is_err(), "there was no request yet");
        let (body, answer) = (requests.begin(), requests.begin());
        drop(body);
        assert!(tokio::time::timeout(LOOK * 9, requests.rest()).await.is_err(), "it is being answered");
        drop(answer);
        let done = Instant::now();
        assert!(requests.rest().now_or_never().is_none(), "the next may be on its way");
        requests.rest().await;
        assert_eq!(requests.done(), done);
    }
}
