//! The thread that keeps a tenant's file while it is in use: takes all that waits, makes one transaction of it, answers.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        PoisonError, Weak,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use super::{Job, Refusal, Tenant, file::File};
use crate::{config::KeyQuota, store::sqlite::Unusable};

/// How long a file stays open without a question.
const REST: Duration = Duration::from_secs(10);

/// Questions that share one transaction: as many as may wait.
const BATCH: usize = super::WAITING;

/// Who keeps a tenant's file.
pub(super) struct Clerk {
    pub(super) path: PathBuf,
    pub(super) quota: KeyQuota,
    /// Not held: with the tenant goes the way to its clerk, and so the clerk.
    pub(super) tenant: Weak<Tenant>,
}

/// What a clerk has of its file.
#[derive(Default)]
struct Kept {
    /// None before the first question, and after one at which it failed.
    file: Option<File>,
    /// Whether the log knows that it fails: a guest that asks in a loop must not fill it.
    is_told: bool,
}

impl Clerk {
    /// Starts the thread.
    pub(super) fn call(self, inbox: Receiver<Job>) -> io::Result<()> {
        thread::Builder::new().name("wasmbay-keys".to_owned()).spawn(move || self.keep(&inbox)).map(drop)
    }

    fn keep(self, inbox: &Receiver<Job>) {
        let mut kept = Kept::default();
        loop {
            let first = match inbox.recv_timeout(REST) {
                Ok(job) => job,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    // Closed before the next clerk can open it, and not under the lock, at which a lane's thread would wait.
                    kept = Kept::default();
                    let Some(tenant) = self.tenant.upgrade() else { return };
                    // Nobody can send between this look and the desk's being cleared.
                    let mut desk = tenant.desk.lock().unwrap_or_else(PoisonError::into_inner);
                    let Ok(job) = inbox.try_recv() else {
                        *desk = None;
                        return;
                    };
                    job
                }
            };
            let mut jobs = vec![first];
            jobs.extend(inbox.try_iter().take(BATCH - 1));
            self.serve(&mut kept, jobs);
        }
    }

    /// Answers a batch. A file that failed is closed: what it holds is read anew from the disk, never trusted as it was.
    fn serve(&self, kept: &mut Kept, jobs: Vec<Job>) {
        let questions = jobs.iter().map(|job| &job.question);
        let answers = open(&self.path, &mut kept.file).and_then(|file| file.run(questions, &self.quota));
        match answers {
            Ok(answers) => {
                kept.is_told = false;
                for (job, answer) in jobs.into_iter().zip(answers) {
                    // Who asked may have left.
                    let _ = job.answer.send(answer);
                }
            }
            Err(broken) => {
                kept.file = None;
                if !std::mem::replace(&mut kept.is_told, true) {
                    tracing::error!(file = %self.path.display(), error = %broken, "a tenant's keys cannot be used");
                }
                let refusal = Refusal::Broken(broken.for_guests());
                jobs.into_iter().for_each(|job| drop(job.answer.send(Err(refusal.clone()))));
            }
        }
    }
}

fn open<'f>(path: &Path, file: &'f mut Option<File>) -> Result<&'f mut File, Unusable> {
    match file {
        Some(file) => Ok(file),
        none => Ok(none.insert(File::open(path)?)),
    }
}
