//! The io lane: work is polled in place, by whoever polls its handle, and entered when something it waits for has come.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{
    Home,
    panic::{Panicked, catch, poll_once},
    task::Task,
};

/// Io work under way. Dropping it drops the work, on the dropping thread.
pub(super) struct InPlace<T> {
    home: Arc<Home>,
    task: Arc<Task>,
    /// The task's own. Its handle is polled for other reasons than its work's, and each time it is entered costs.
    waker: Waker,
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
}

impl<T> InPlace<T> {
    pub(super) fn new(home: Arc<Home>, task: Arc<Task>, future: Pin<Box<dyn Future<Output = T> + Send>>) -> Self {
        let waker = Waker::from(Arc::clone(&task));
        Self { home, task, waker, future: Some(future) }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Panicked>> {
        if !self.task.run.rouse.is_due(cx) {
            return Poll::Pending;
        }
        let metered = self.task.enter();
        let polled = poll_once(&mut self.future, &mut Context::from_waker(&self.waker));
        drop(metered);
        self.home.turns.polled(&self.task, polled.is_ready());
        polled
    }
}

impl<T> Drop for InPlace<T> {
    fn drop(&mut self) {
        self.task.run.rouse.rest();
        let Some(future) = self.future.take() else { return };
        self.task.cancel();
        let metered = self.task.enter();
        // Nobody waits for the work: its panic has been reported by the panic hook.
        let _ = catch(|| drop(future));
        drop(metered);
        self.home.turns.polled(&self.task, true);
    }
}
