//! One piece of compute work: its future, and where it stands between waiting, lining up and running.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use tokio::sync::oneshot;

use super::{
    compute::{Pool, Queue, SLICE},
    fair::Ticket,
    panic::{Panicked, catch, poll_once},
    task::Task,
};

/// It waits for its waker.
const IDLE: u8 = 0;
/// It is in the line, once.
const LINED_UP: u8 = 1;
/// A thread has it.
const RUNNING: u8 = 2;
/// A thread has it and its waker fired: it lines up again.
const NOTIFIED: u8 = 3;
/// It is over, or waits to be dropped. Final.
const OVER: u8 = 4;

/// What a thread does with a job.
#[derive(Clone, Copy)]
pub(super) enum Next {
    /// Polls it.
    Poll,
    /// Drops it.
    Drop,
}

/// One piece of compute work.
pub(super) struct Job {
    pool: Arc<Pool>,
    task: Arc<Task>,
    state: AtomicU8,
    /// `None` once it is over. Locked by the thread that has the job, so never contended.
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    /// Its place in the line. Changed only while the pool's queue is locked.
    ticket: Mutex<Option<Ticket>>,
}

/// The handle's side of a job. Dropping it cancels the work: what waits or is in the line is dropped on a pool
/// thread, what runs is interrupted.
pub(super) struct Remote<T> {
    job: Arc<Job>,
    /// The task's own: what the work makes is news of it.
    waker: Waker,
    result: oneshot::Receiver<Result<T, Panicked>>,
    /// Whether the result was handed out: there is nothing to cancel any more.
    done: bool,
}

impl<T: Send + 'static> Remote<T> {
    /// Lines `future` up for its first slice.
    pub(super) fn start(pool: &Arc<Pool>, task: Arc<Task>, future: Pin<Box<dyn Future<Output = T> + Send>>) -> Self {
        let (send, result) = oneshot::channel();
        let mut future = Some(future);
        let mut send = Some(send);
        let work = std::future::poll_fn(move |cx| {
            let Poll::Ready(done) = poll_once(&mut future, cx) else { return Poll::Pending };
            if let Some(send) = send.take() {
                // Nobody waits for the result of work that ends as it is cancelled.
                let _ = send.send(done);
            }
            Poll::Ready(())
        });
        let job = Arc::new(Job {
            pool: Arc::clone(pool),
            task,
            state: AtomicU8::new(IDLE),
            future: Mutex::new(Some(Box::pin(work))),
            ticket: Mutex::new(None),
        });
        job.wake_by_ref();
        let waker = Waker::from(Arc::clone(&job.task));
        Self { job, waker, result, done: false }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Panicked>> {
        self.job.task.news.listen(cx);
        let received = std::task::ready!(Pin::new(&mut self.result).poll(&mut Context::from_waker(&self.waker)));
        self.done = true;
        Poll::Ready(
            received.unwrap_or_else(|_| Err(Panicked("the compute lane was closed before the work's end".to_owned()))),
        )
    }
}

impl<T> Remote<T> {
    /// Looks at something that the work makes. See [`Running::look`](super::Running::look).
    pub(super) fn look<R>(&self, cx: &Context<'_>, look: impl FnOnce(&mut Context<'_>) -> R) -> R {
        self.job.task.news.listen(cx);
        look(&mut Context::from_waker(&self.waker))
    }
}

impl<T> Drop for Remote<T> {
    fn drop(&mut self) {
        if !self.done {
            self.job.task.cancel();
            self.job.cancel();
        }
    }
}

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let change = |state| match state {
            IDLE => Some(LINED_UP),
            RUNNING => Some(NOTIFIED),
            _ => None,
        };
        if self.state.fetch_update(SeqCst, SeqCst, change) == Ok(IDLE) {
            let mut queue = self.pool.queue();
            if queue.closed {
                drop(queue);
                self.drop_future();
                return;
            }
            self.line_up(&mut queue);
            drop(queue);
            self.pool.notify();
        }
    }
}

impl Job {
    /// Takes the job out of the pool's hands for good and leaves its future to a pool thread.
    fn cancel(self: &Arc<Self>) {
        let mut queue = self.pool.queue();
        if self.state.compare_exchange(IDLE, OVER, SeqCst, SeqCst).is_err() {
            // A job that runs, or is about to, finds the flag when its poll is over.
            let Some(ticket) = self.ticket().take() else { return };
            queue.fair.remove(ticket);
            self.state.store(OVER, SeqCst);
        }
        if queue.closed {
            drop(queue);
            self.drop_future();
        } else {
            queue.cancelled.push_back(Arc::clone(self));
            drop(queue);
            self.pool.notify();
        }
    }

    /// The job is out of the line and about to run. The pool's queue is locked.
    pub(super) fn left_line(&self) {
        *self.ticket() = None;
        self.state.store(RUNNING, SeqCst);
    }

    /// Does what the pool's line said, on a pool thread.
    pub(super) fn run(self: &Arc<Self>, next: Next) {
        match next {
            Next::Drop => {
                self.drop_future();
                self.pool.queue().fair.charge(self.task.who(), self.task.bill());
            }
            Next::Poll if self.is_unwanted() => self.finish(),
            Next::Poll => {
                let waker = Waker::from(Arc::clone(self));
                if self.poll(&mut Context::from_waker(&waker)).is_ready() || self.is_unwanted() {
                    self.finish();
                } else {
                    self.pause();
                }
            }
        }
    }

    fn is_unwanted(&self) -> bool {
        self.task.is_cancelled() || self.pool.is_closing()
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let _held_back = self.task.news.hold_back();
        let metered = self.task.enter();
        let polled = poll_once(&mut self.future(), cx);
        drop(metered);
        // A panic here is one in the drop of the result, whose receiver has gone.
        polled.map(|_| ())
    }

    /// The work is over: drops what is left of it.
    fn finish(&self) {
        self.state.store(OVER, SeqCst);
        self.drop_future();
        self.pool.queue().fair.settle(self.task.who(), self.task.bill());
    }

    /// The work waits, or was interrupted and lines up again.
    fn pause(self: &Arc<Self>) {
        let mut queue = self.pool.queue();
        if self.state.compare_exchange(RUNNING, IDLE, SeqCst, SeqCst).is_err() {
            self.state.store(LINED_UP, SeqCst);
            // Before the slice is settled, so that its plugin does not count as idle in between.
            self.line_up(&mut queue);
        }
        queue.fair.settle(self.task.who(), self.task.bill());
        if self.task.is_cancelled() && self.state.compare_exchange(IDLE, OVER, SeqCst, SeqCst).is_ok() {
            queue.cancelled.push_back(Arc::clone(self));
        }
    }

    fn line_up(self: &Arc<Self>, queue: &mut Queue) {
        let ticket = queue.fair.push(self.task.who(), self.task.level(SLICE), Arc::clone(self));
        *self.ticket() = Some(ticket);
    }

    fn drop_future(&self) {
        let Some(future) = self.future().take() else { return };
        let metered = self.task.enter();
        // Nobody waits for the work: its panic has been reported by the panic hook.
        let _ = catch(|| drop(future));
        drop(metered);
    }

    fn future(&self) -> MutexGuard<'_, Option<Pin<Box<dyn Future<Output = ()> + Send>>>> {
        self.future.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ticket(&self) -> MutexGuard<'_, Option<Ticket>> {
        self.ticket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
