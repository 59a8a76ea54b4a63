//! Whether a connection's socket takes bytes: while it does not, nothing more is made for it.
//!
//! hyper takes pieces of a body until it holds so many bytes of them, whether or not any of them can leave.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use crate::body::pieces::{Taken, Way};

/// What the socket and the bodies that leave by it know of each other.
pub(super) struct Flow {
    stuck: AtomicBool,
    /// Bodies that wait until it is not.
    waiting: Mutex<Vec<Waker>>,
    taken: Taken,
}

impl Flow {
    /// Nothing was sent yet by this socket.
    pub(super) fn new(socket: Arc<dyn Way>) -> Self {
        Self { stuck: AtomicBool::new(false), waiting: Mutex::default(), taken: Taken::new(socket) }
    }

    /// The socket takes nothing for now.
    pub(super) fn stop(&self) {
        self.stuck.store(true, Ordering::SeqCst);
    }

    /// The socket took so many bytes, or will never take any.
    pub(super) fn moved(&self, bytes: usize) {
        self.taken.add(bytes);
        // Looked at first: it is seldom set, and writes are many.
        if self.stuck.load(Ordering::SeqCst) && self.stuck.swap(false, Ordering::SeqCst) {
            std::mem::take(&mut *self.waiting()).into_iter().for_each(Waker::wake);
        }
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::SeqCst)
    }

    /// Resolves when the socket takes bytes.
    pub(super) fn poll_moving(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.is_stuck() {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting();
        // It may have moved before this waker was among those it wakes.
        if !self.is_stuck() {
            return Poll::Ready(());
        }
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// What the client has taken.
    pub(super) fn taken(&self) -> &Taken {
        &self.taken
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::Arc};

    use futures_util::FutureExt as _;

    use super::*;

    struct Shut;

    impl Way for Shut {
        fn is_clear(&self) -> bool {
            false
        }
    }

    #[tokio::test]
    async fn who_waits_goes_on_once_the_socket_moves() {
        let flow = Arc::new(Flow::new(Arc::new(Shut)));
        assert!(poll_fn(|cx| flow.poll_moving(cx)).now_or_never().is_some());
        flow.stop();
        let waiting = {
            let flow = flow.clone();
            tokio::spawn(async move { poll_fn(|cx| flow.poll_moving(cx)).await })
        };
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished() && flow.is_stuck());
        flow.moved(1);
        waiting.await.expect("it was woken");
    }
}
