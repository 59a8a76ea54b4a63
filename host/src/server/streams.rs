//! An HTTP/2 connection's streams: each a task, counted, and part of the connection's place in a drain.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
};

use futures_util::FutureExt;
use hyper::rt::Executor;
use tokio::sync::watch;

use super::{Phase, Shared, connection::State, pace};

/// Runs an HTTP/2 connection's streams as tasks that hold the connection's place in a drain.
pub(super) struct Streams<S> {
    pub(super) state: Arc<State>,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) shared: Arc<Shared<S>>,
}

impl<S> Clone for Streams<S> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), phase: self.phase.clone(), shared: self.shared.clone() }
    }
}

impl<S> Streams<S> {
    /// Notes a stream that ended: whether it panicked, or `None` when its peer did not read.
    fn ended(&self, panicked: Option<bool>) {
        match panicked {
            None => self.shared.listener.cut("stream-stall"),
            Some(false) => {}
            Some(true) => {
                self.shared.metrics.panicked();
                tracing::error!(peer = %self.state.link.peer(), "a stream's task panicked");
            }
        }
    }
}

impl<S, T> Executor<T> for Streams<S>
where
    S: Send + Sync + 'static,
    T: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: T) {
        let mut held = self.clone();
        self.state.streams.fetch_add(1, Ordering::Relaxed);
        // On the heap: each wrapper would hold the room for what it wraps, and for what it was made of.
        let stream = Box::pin(AssertUnwindSafe(stream).catch_unwind());
        tokio::spawn(async move {
            let stream = pace::paced(stream, held.shared.limits.write_stall);
            let ended = tokio::select! {
                biased;
                result = stream => Some(result.map(|result| result.is_err())),
                _ = held.phase.wait_for(|phase| *phase == Phase::Cut) => None,
            };
            if let Some(panicked) = ended {
                held.ended(panicked);
            }
            held.state.streams.fetch_sub(1, Ordering::Relaxed);
        });
    }
}
