//! The thread that keeps the file: takes all that waits, makes one transaction of it, answers.

use std::{
    collections::HashSet,
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed, mpsc::Receiver},
    thread,
};

use tokio::sync::oneshot;

use super::{
    Broken, Seen,
    clock::{Clock, Now},
    file::{Desk, File},
    sweep::Keeping,
};
use crate::store::sqlite::Unusable;

/// Questions that share one transaction.
const BATCH: usize = 256;

/// One question on its way through the clerk.
pub(super) trait Work: Send {
    /// Does it, as part of a transaction.
    fn run(&mut self, desk: &Desk<'_>) -> rusqlite::Result<()>;

    /// Answers, once the transaction is on the disk or has failed.
    fn answer(self: Box<Self>, done: Result<(), Broken>);

    /// Whether the file is to be let go of.
    fn closes(&self) -> bool {
        false
    }
}

struct Question<F, T> {
    work: Option<F>,
    done: Option<T>,
    answer: oneshot::Sender<Result<T, Broken>>,
}

/// A question and where its answer goes.
pub(super) fn work<T: Send + 'static>(
    work: impl FnOnce(&Desk<'_>) -> rusqlite::Result<T> + Send + 'static,
    answer: oneshot::Sender<Result<T, Broken>>,
) -> Box<dyn Work> {
    Box::new(Question { work: Some(work), done: None, answer })
}

impl<F: FnOnce(&Desk<'_>) -> rusqlite::Result<T> + Send, T: Send> Work for Question<F, T> {
    fn run(&mut self, desk: &Desk<'_>) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.done = Some(work(desk)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, done: Result<(), Broken>) {
        let Self { done: answer, answer: way, .. } = *self;
        let unasked = || Broken("another question failed".to_owned());
        // Who asked may have left.
        let _ = way.send(done.and_then(|()| answer.ok_or_else(unasked)));
    }
}

/// The last question.
pub(super) struct Closing(pub(super) oneshot::Sender<()>);

impl Work for Closing {
    fn run(&mut self, _: &Desk<'_>) -> rusqlite::Result<()> {
        Ok(())
    }

    fn answer(self: Box<Self>, _: Result<(), Broken>) {
        let _ = self.0.send(());
    }

    fn closes(&self) -> bool {
        true
    }
}

/// Who keeps the file.
pub(super) struct Clerk {
    pub(super) path: PathBuf,
    pub(super) keeping: Keeping,
    pub(super) seen: Arc<Seen>,
}

/// What a clerk knows beside its file.
struct Kept {
    /// None before the first question, and after one at which it failed.
    file: Option<File>,
    clock: Clock,
    /// By how much the clock was set since the file was last written to.
    shift: i64,
    /// Jobs that were handed out to be run, and have not ended.
    out: HashSet<i64>,
    /// Whether the file was opened before: who then still runs, runs here.
    is_ours: bool,
    /// Whether the log knows that it fails.
    is_told: bool,
}

impl Clerk {
    /// Starts the thread.
    pub(super) fn call(self, inbox: Receiver<Box<dyn Work>>) -> io::Result<()> {
        thread::Builder::new().name("wasmbay-jobs".to_owned()).spawn(move || self.keep(&inbox)).map(drop)
    }

    fn keep(self, inbox: &Receiver<Box<dyn Work>>) {
        let clock = Clock::new(Now::read());
        let mut kept = Kept { file: None, clock, shift: 0, out: HashSet::new(), is_ours: false, is_told: false };
        while let Ok(first) = inbox.recv() {
            let mut batch = vec![first];
            batch.extend(inbox.try_iter().take(BATCH - 1));
            let (last, batch): (Vec<_>, Vec<_>) = batch.into_iter().partition(|work| work.closes());
            if !batch.is_empty() {
                self.serve(&mut kept, batch);
            }
            if !last.is_empty() {
                drop(kept);
                return last.into_iter().for_each(|work| work.answer(Ok(())));
            }
        }
    }

    /// Answers a batch. A file that failed is closed: what it holds is read anew from the disk, never trusted as it was.
    fn serve(&self, kept: &mut Kept, mut batch: Vec<Box<dyn Work>>) {
        let now = Now::read();
        let by = kept.clock.set_by(now);
        if by != 0 {
            tracing::warn!(
                seconds = by / 1000,
                "the machine's clock was set: the times of jobs and schedules go along"
            );
            kept.shift = kept.shift.saturating_add(by);
            self.seen.clock_set.fetch_add(1, Relaxed);
        }
        let done = self.run(kept, now.wall, &mut batch);
        if let Err(fault) = &done {
            kept.file = None;
            if !std::mem::replace(&mut kept.is_told, true) {
                tracing::error!(file = %self.path.display(), error = %fault, "the jobs cannot be reached");
            }
        } else if std::mem::replace(&mut kept.is_told, false) {
            tracing::info!(file = %self.path.display(), "the jobs can be reached again");
        }
        let done = done.map_err(|fault| Broken(fault.for_guests()));
        batch.into_iter().for_each(|work| work.answer(done.clone()));
    }

    fn run(&self, kept: &mut Kept, now: i64, batch: &mut [Box<dyn Work>]) -> Result<(), Unusable> {
        if kept.file.is_none() {
            let file = File::open(&self.path, now, &kept.out, kept.is_ours)?;
            (kept.file, kept.is_ours) = (Some(file), true);
        }
        let file = kept.file.as_mut().expect("it was just opened");
        let went =
            file.run(now, kept.shift, self.keeping, |desk| batch.iter_mut().try_for_each(|work| work.run(desk)))?;
        kept.shift = 0;
        kept.out.extend(went.claimed);
        for job in &went.settled {
            kept.out.remove(job);
        }
        if went.is_news {
            self.seen.news.notify_one();
        }
        Ok(())
    }
}
