//! Keys and values: a file for each tenant, kept by a thread of its own while it is in use.
//!
//! Whoever asks waits for an answer, on no thread. What is answered as set is on the disk: the clerk of a tenant makes
//! one transaction of all that waits, so that many writers pay for one flush.

mod clerk;
mod file;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use self::clerk::Clerk;
use crate::config::KeyQuota;

/// The folder of the files, below the data folder.
const FOLDER: &str = "keys";

/// What may wait at one tenant's file at once; each holds a value at most. Who comes next waits outside.
pub const WAITING: usize = 64;

/// Bytes of the longest key.
pub const MAX_KEY: usize = 1024;

/// Keys in one page of a list.
pub const PAGE: usize = 1000;

/// What a key's entry was when it was looked at: none, or one that changes with every write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(Option<i64>);

/// What is asked of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// The value and the version of a key.
    Get(String),
    /// Sets a value, whatever was there.
    Set(String, Vec<u8>),
    /// Removes a key, if it is there.
    Delete(String),
    /// Whether a key is there.
    Exists(String),
    /// The keys behind this one, in their order, a page at most; all of them behind none.
    Keys(Option<String>),
    /// Adds to a number that is written in decimal digits; no value is zero.
    Increment(String, i64),
    /// Sets a value if the key is as it was then.
    Swap(String, Version, Vec<u8>),
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Op::Get`].
    Value(Option<Vec<u8>>, Version),
    /// To what sets or removes.
    Done,
    /// To [`Op::Exists`], and to [`Op::Swap`]: whether it was done.
    Is(bool),
    /// To [`Op::Keys`].
    Keys(Vec<String>),
    /// To [`Op::Increment`]: the sum.
    Number(i64),
}

/// Why nothing comes of it. What it would have written is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The tenant has as many stores as it may have.
    #[error("the tenant has {0} stores already, and may have no more")]
    Stores(u64),
    /// The store has as many keys as it may have.
    #[error("the store has {0} keys already, and may have no more")]
    Keys(u64),
    /// The store would be too large.
    #[error("the store may hold {0} bytes and would hold more")]
    Bytes(u64),
    /// The value is too large.
    #[error("a value may have {0} bytes and this one has more")]
    Value(u64),
    /// The key is too long.
    #[error("a key may have {MAX_KEY} bytes and this one has more")]
    Key,
    /// The value that was to be added to is none.
    #[error("the value is no whole number of 64 bits, or the sum would be none")]
    NoNumber,
    /// The file cannot be used.
    #[error("the tenant's keys cannot be used now: {0}")]
    Broken(String),
}

impl Refusal {
    /// How a metric or a log line calls it: one of [`crate::telemetry::KEY_RESULTS`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stores(_) | Self::Keys(_) | Self::Bytes(_) | Self::Value(_) => "quota",
            Self::Key | Self::NoNumber => "invalid",
            Self::Broken(_) => "broken",
        }
    }
}

/// The files of all tenants. Clones share them.
#[derive(Clone, Debug)]
pub struct KeyFiles(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    tenants: Mutex<HashMap<String, Arc<Tenant>>>,
}

/// One tenant's file, and its clerk while there is one.
#[derive(Debug)]
pub struct Tenant {
    path: PathBuf,
    quota: KeyQuota,
    seats: Arc<Semaphore>,
    /// The way to the clerk; none while the file rests.
    desk: Mutex<Option<mpsc::Sender<Job>>>,
}

/// Which store, and what of it.
#[derive(Debug)]
struct Question {
    store: String,
    op: Op,
}

/// One question on its way to the clerk.
#[derive(Debug)]
struct Job {
    question: Question,
    answer: oneshot::Sender<Result<Answer, Refusal>>,
    /// Taken until it is answered, whether somebody still waits or not.
    _seat: OwnedSemaphorePermit,
}

impl Op {
    /// Whether it can be asked at all: what is too large does not even wait.
    fn check(&self, quota: &KeyQuota) -> Result<(), Refusal> {
        let (key, value) = match self {
            Self::Set(key, value) | Self::Swap(key, _, value) => (Some(key), value.len()),
            Self::Get(key) | Self::Delete(key) | Self::Exists(key) | Self::Increment(key, _) => (Some(key), 0),
            Self::Keys(after) => (after.as_ref(), 0),
        };
        if key.is_some_and(|key| key.len() > MAX_KEY) {
            return Err(Refusal::Key);
        }
        match value as u64 > quota.value {
            true => Err(Refusal::Value(quota.value)),
            false => Ok(()),
        }
    }
}

impl KeyFiles {
    /// Files below the data folder. Nothing is opened before it is asked for.
    pub fn new(data: &Path) -> Self {
        Self(Arc::new(Inner { folder: data.join(FOLDER), tenants: Mutex::default() }))
    }

    /// A tenant's file. The quota is that of the first call.
    pub fn tenant(&self, name: &str, quota: KeyQuota) -> Arc<Tenant> {
        let mut tenants = self.0.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let path = self.0.folder.join(format!("{name}.sqlite"));
            Arc::new(Tenant { path, quota, seats: Arc::new(Semaphore::new(WAITING)), desk: Mutex::new(None) })
        };
        Arc::clone(tenants.entry(name.to_owned()).or_insert_with(make))
    }
}

impl Tenant {
    /// Asks a store, which is made by the first write to it.
    ///
    /// # Errors
    /// Why nothing came of it. After [`Refusal::Broken`] it is not known whether a write is there.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the answer; what was asked is done, or not.
    pub async fn ask(self: &Arc<Self>, store: &str, op: Op) -> Result<Answer, Refusal> {
        let broken = |why: &dyn std::fmt::Display| Refusal::Broken(why.to_string());
        op.check(&self.quota)?;
        let seat = Arc::clone(&self.seats).acquire_owned().await.map_err(|error| broken(&error))?;
        let (answer, answered) = oneshot::channel();
        let question = Question { store: store.to_owned(), op };
        self.send(Job { question, answer, _seat: seat }).map_err(|error| broken(&error))?;
        answered.await.unwrap_or_else(|_| Err(broken(&"the thread that keeps them ended")))
    }

    /// Hands a job to the clerk, who is called if there is none.
    fn send(self: &Arc<Self>, job: Job) -> io::Result<()> {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        let job = match &*desk {
            // One that panicked has left its desk behind.
            Some(clerk) => match clerk.send(job) {
                Ok(()) => return Ok(()),
                Err(mpsc::SendError(job)) => job,
            },
            None => job,
        };
        let (sender, inbox) = mpsc::channel();
        let clerk = Clerk { path: self.path.clone(), quota: self.quota, tenant: Arc::downgrade(self) };
        clerk.call(inbox)?;
        // Its inbox is with the thread that was just started.
        let _ = sender.send(job);
        *desk = Some(sender);
        Ok(())
    }
}
