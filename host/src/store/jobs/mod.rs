//! Jobs and the state of schedules: one file for the host, kept by a thread of its own.
//!
//! Whoever asks waits for an answer, on no thread. What is answered is on the disk: the clerk makes one transaction of all that
//! waits, so that many jobs pay for one flush. A claim is a lease that ends with its process: who opens the file finds
//! every job that ran when the last host ended, and lets it run again.

mod claim;
mod clerk;
mod clock;
mod enqueue;
mod file;
mod look;
mod settle;
mod sweep;
#[cfg(test)]
mod tests;
mod tick;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc,
    },
};

use tokio::sync::{Notify, oneshot};

pub use self::{
    claim::{Claimed, Claims, Lease, Room},
    enqueue::{Enqueued, NewJob, Refusal},
    look::{Filter, Line, Shown, State, Tally, Unfit},
    settle::Ended,
    sweep::Keeping,
    tick::Plan,
};
use self::{
    clerk::{Clerk, Work},
    file::Desk,
};

/// The file below the folder of state.
const FILE: &str = "jobs.sqlite";

/// Why nothing came of a question: the file cannot be used. Whether a write is there is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the jobs cannot be reached now: {0}")]
pub struct Broken(String);

/// The jobs of a host. Clones share them.
#[derive(Clone)]
pub struct Jobs(Arc<Inner>);

struct Inner {
    path: PathBuf,
    keeping: Keeping,
    /// The way to the clerk; none before the first question.
    desk: Mutex<Door>,
    seen: Arc<Seen>,
}

/// What those who ask may know without asking.
#[derive(Default)]
struct Seen {
    /// Somebody should look what is to be run.
    news: Notify,
    /// Goes up each time that the machine's clock was set.
    clock_set: AtomicU64,
    /// Whether the file was ever used by this process.
    used: AtomicBool,
}

enum Door {
    Unused,
    Open(mpsc::Sender<Box<dyn Work>>),
    Closed,
}

impl Jobs {
    /// Jobs in a folder. Nothing is opened before it is asked for.
    pub fn new(folder: &Path, keeping: Keeping) -> Self {
        let (desk, seen) = (Mutex::new(Door::Unused), Arc::default());
        Self(Arc::new(Inner { path: folder.join(FILE), keeping, desk, seen }))
    }

    /// Whether the file is there, perhaps since another host.
    pub fn exist(&self) -> bool {
        self.0.path.exists()
    }

    /// Whether anybody in this process has asked anything.
    pub fn are_used(&self) -> bool {
        self.0.seen.used.load(Relaxed)
    }

    /// Resolves when there may be something to run that was not there before. Cancel safe; one waits at a time.
    pub async fn news(&self) {
        self.0.seen.news.notified().await;
    }

    /// Makes [`Jobs::news`] resolve.
    pub fn tell(&self) {
        self.0.seen.news.notify_one();
    }

    /// Goes up each time that the machine's clock was set; the times of jobs and schedules went with it.
    pub fn clock_was_set(&self) -> u64 {
        self.0.seen.clock_set.load(Relaxed)
    }

    /// Lets go of the file once what was asked is answered; whoever asks later is refused.
    pub async fn close(&self) {
        let door = std::mem::replace(&mut *self.door(), Door::Closed);
        if let Door::Open(clerk) = door {
            let (closed, closing) = oneshot::channel();
            // A clerk that has ended has closed.
            if clerk.send(Box::new(clerk::Closing(closed))).is_ok() {
                drop(clerk);
                let _ = closing.await;
            }
        }
    }

    /// Asks the clerk to do something in a transaction that others share.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the answer; what was asked is done, or not.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Desk<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Broken> {
        let broken = |why: &dyn fmt::Display| Broken(why.to_string());
        let (answer, answered) = oneshot::channel();
        self.send(clerk::work(work, answer)).map_err(|error| broken(&error))?;
        answered.await.unwrap_or_else(|_| Err(broken(&"the thread that keeps them ended")))
    }

    fn send(&self, work: Box<dyn Work>) -> io::Result<()> {
        let mut door = self.door();
        let work = match &*door {
            Door::Closed => return Err(io::Error::other("the host is shutting down")),
            Door::Unused => work,
            // One that panicked has left its door behind.
            Door::Open(clerk) => match clerk.send(work) {
                Ok(()) => return Ok(()),
                Err(mpsc::SendError(work)) => work,
            },
        };
        let (sender, inbox) = mpsc::channel();
        let seen = Arc::clone(&self.0.seen);
        seen.used.store(true, Relaxed);
        Clerk { path: self.0.path.clone(), keeping: self.0.keeping, seen }.call(inbox)?;
        // Its inbox is with the thread that was just started.
        let _ = sender.send(work);
        *door = Door::Open(sender);
        Ok(())
    }

    fn door(&self) -> std::sync::MutexGuard<'_, Door> {
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jobs({})", self.0.path.display())
    }
}
