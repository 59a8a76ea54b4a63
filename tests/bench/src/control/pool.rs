//! A plain pool of threads below the runtime's priority: the bar for a compute lane.

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use anyhow::Context as _;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Threads that take jobs from one queue, first come first served.
pub(crate) struct Pool {
    jobs: mpsc::Sender<Job>,
}

impl Pool {
    /// `threads` threads, each at `nice` (0 to 19).
    ///
    /// # Errors
    ///
    /// When a thread cannot be made.
    pub(crate) fn new(threads: usize, nice: i32) -> anyhow::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for n in 0..threads {
            let queue = queue.clone();
            let work = move || {
                // On Linux the priority is the thread's own. Without it the control is merely a weaker one.
                let _ = rustix::process::setpriority_process(None, nice);
                while let Some(job) = next(&queue) {
                    job();
                }
            };
            thread::Builder::new().name(format!("pool-{n}")).spawn(work).context("cannot make a pool thread")?;
        }
        Ok(Self { jobs })
    }

    /// Runs `work` on a pool thread; `None` when it panicked or the pool is gone.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let job = move || {
            // A client that left does not wait for its answer.
            let _ = answer.send(work());
        };
        self.jobs.send(Box::new(job)).ok()?;
        answered.await.ok()
    }
}

/// The next job; `None` when the pool is gone.
fn next(queue: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_job_is_answered_from_below_the_runtimes_priority() -> anyhow::Result<()> {
        let pool = Pool::new(2, 19)?;
        for n in 0..10 {
            let nice = pool.run(move || (n, rustix::process::getpriority_process(None).ok())).await;
            assert_eq!(nice, Some((n, Some(19))));
        }
        Ok(())
    }
}
