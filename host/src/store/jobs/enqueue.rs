//! Jobs that come.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::{OptionalExtension as _, params};

use super::{
    Broken, Jobs,
    clock::whole,
    file::{Desk, READY, WAITING},
    look::State,
};
use crate::{config::JobQuota, telemetry::RequestId};

/// A request that is to be made of a plugin.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Whose it is.
    pub tenant: String,
    /// The plugin that hands it in.
    pub by: String,
    /// The plugin that it is for.
    pub plugin: String,
    /// The same key of the same two plugins is the same job.
    pub key: Option<String>,
    /// The path with its query.
    pub path: String,
    /// As they were sent.
    pub headers: Vec<(String, Vec<u8>)>,
    /// As it was sent.
    pub body: Bytes,
    /// The first attempt is not made before.
    pub delay: Duration,
    /// How long after it is due it is tried.
    pub patience: Duration,
    /// How often it is tried.
    pub attempts: u32,
    /// Higher ones of a tenant come first.
    pub priority: i8,
}

/// What became of a job that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// Its id.
    pub id: String,
    /// Whether it was there before, by its key.
    pub is_known: bool,
    /// What it is at now.
    pub state: State,
}

/// Why a job is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The tenant has as many jobs as it may have: so many, of them so many dead.
    #[error("the tenant has {0} jobs already, {1} of them dead, and may have no more")]
    Count(u64, u64),
    /// The tenant's jobs would be too large.
    #[error("the tenant's jobs may hold {0} bytes and would hold more")]
    Bytes(u64),
    /// The key is that of another request.
    #[error("the key belongs to the job {0}, which is another request")]
    Key(String),
}

impl Jobs {
    /// Takes a job in. Once this is answered, it is on the disk.
    ///
    /// # Errors
    /// A file that cannot be used; or in the answer, why the job is not taken.
    pub async fn enqueue(&self, job: NewJob, quota: JobQuota) -> Result<Result<Enqueued, Refusal>, Broken> {
        self.ask(move |desk| desk.enqueue(&job, quota)).await
    }
}

impl NewJob {
    /// What it counts for.
    fn size(&self) -> i64 {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        i64::try_from(self.path.len() + headers + self.body.len()).unwrap_or(i64::MAX)
    }

    /// What two requests under one key must have in common. Headers may tell of the moment, as traces do.
    fn print(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(self.path.len() as u64).to_le_bytes()).update(self.path.as_bytes()).update(&self.body);
        *hasher.finalize().as_bytes()
    }
}

impl Desk<'_> {
    fn enqueue(&self, job: &NewJob, quota: JobQuota) -> rusqlite::Result<Result<Enqueued, Refusal>> {
        let print = job.print();
        if let Some((id, state, theirs)) = self.known(job)? {
            let same = theirs == print;
            return Ok(if same { Ok(Enqueued { id, is_known: true, state }) } else { Err(Refusal::Key(id)) });
        }
        let (jobs, dead, bytes) = self.held(&job.tenant)?;
        if jobs >= quota.count {
            return Ok(Err(Refusal::Count(jobs, dead)));
        }
        if bytes.saturating_add(job.size().unsigned_abs()) > quota.bytes {
            return Ok(Err(Refusal::Bytes(quota.bytes)));
        }
        let (id, state) = self.insert(job, &print, None)?;
        Ok(Ok(Enqueued { id, is_known: false, state }))
    }

    fn known(&self, job: &NewJob) -> rusqlite::Result<Option<(String, State, Vec<u8>)>> {
        let Some(key) = &job.key else { return Ok(None) };
        let mut found = self.file.prepare_cached(
            "SELECT id, state, print FROM job WHERE tenant = ?1 AND by = ?2 AND plugin = ?3 AND key = ?4",
        )?;
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, State::of(row.get(1)?), row.get(2)?));
        found.query_row(params![job.tenant, job.by, job.plugin, key], read).optional()
    }

    /// How many jobs of a tenant hold a request, how many of them are dead, and their bytes.
    fn held(&self, tenant: &str) -> rusqlite::Result<(u64, u64, u64)> {
        let mut found = self.file.prepare_cached(
            "SELECT coalesce(sum(jobs), 0), coalesce(sum(jobs) FILTER (WHERE state = 3), 0), coalesce(sum(bytes), 0)
             FROM tally WHERE tenant = ?1 AND state < 4",
        )?;
        let count = |row: &rusqlite::Row<'_>, index| row.get::<_, i64>(index).map(|count| count.max(0).unsigned_abs());
        found.query_row([tenant], |row| Ok((count(row, 0)?, count(row, 1)?, count(row, 2)?)))
    }

    /// Writes a job down; answers its id. One of a schedule has that schedule's name and the tick.
    pub(super) fn insert(
        &self,
        job: &NewJob,
        print: &[u8],
        schedule: Option<&str>,
    ) -> rusqlite::Result<(String, State)> {
        let id = RequestId::generate().to_string();
        let state = if job.delay.is_zero() { READY } else { WAITING };
        let due = self.now.saturating_add(whole(job.delay.as_millis()));
        let patience = whole(job.patience.as_millis());
        self.file
            .prepare_cached(
                "INSERT INTO job (id, tenant, plugin, by, key, print, schedule, state, priority, due, deadline, patience,
                                  attempts, path, size, made)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            )?
            .execute(params![
                id,
                job.tenant,
                job.plugin,
                job.by,
                job.key,
                print,
                schedule,
                state,
                job.priority,
                due,
                due.saturating_add(patience),
                patience,
                job.attempts,
                job.path,
                job.size(),
                self.now,
            ])?;
        let headers = serde_json::to_vec(&job.headers).expect("names and bytes are JSON");
        self.file.prepare_cached("INSERT INTO request (job, headers, body) VALUES (?1, ?2, ?3)")?.execute(params![
            self.file.last_insert_rowid(),
            headers,
            &*job.body
        ])?;
        // One that waits moves the time of the next look.
        self.is_news.set(true);
        Ok((id, State::of(state)))
    }
}
