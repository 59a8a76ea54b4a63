//! The file: its tables, how it is opened, and the one transaction of a batch.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::{
    clock::{self},
    sweep::Keeping,
};
use crate::store::sqlite::{Own, Unusable};

/// A job's states as they are kept. Those below [`DONE`] hold a request, and count towards quotas.
pub(super) const WAITING: i64 = 0;
pub(super) const READY: i64 = 1;
pub(super) const RUNNING: i64 = 2;
pub(super) const DEAD: i64 = 3;
pub(super) const DONE: i64 = 4;
pub(super) const CANCELLED: i64 = 5;

/// Times are in milliseconds since 1970. What is to be run is found by an index that holds just that; a tenant's jobs are counted as
/// they come, change and go, so that no quota needs a look at all of them; requests lie apart, so that a job's progress does not
/// write them again.
const TABLES: &str = "
    CREATE TABLE job (
        n INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        tenant TEXT NOT NULL,
        plugin TEXT NOT NULL,
        by TEXT NOT NULL,
        key TEXT,
        print BLOB NOT NULL,
        schedule TEXT,
        state INTEGER NOT NULL,
        priority INTEGER NOT NULL,
        due INTEGER NOT NULL,
        deadline INTEGER NOT NULL,
        patience INTEGER NOT NULL,
        attempt INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL,
        crashes INTEGER NOT NULL DEFAULT 0,
        path TEXT NOT NULL,
        size INTEGER NOT NULL,
        made INTEGER NOT NULL,
        ended INTEGER,
        why TEXT
    ) STRICT;
    CREATE UNIQUE INDEX job_key ON job (tenant, by, plugin, key) WHERE key IS NOT NULL;
    CREATE INDEX job_waiting ON job (due) WHERE state = 0;
    CREATE INDEX job_ready ON job (tenant, plugin, priority DESC, due, n) WHERE state = 1;
    CREATE INDEX job_deadline ON job (deadline) WHERE state < 2;
    CREATE INDEX job_dead ON job (ended) WHERE state = 3;
    CREATE INDEX job_over ON job (tenant, ended) WHERE state > 3;
    CREATE INDEX job_state ON job (state);
    CREATE INDEX job_schedule ON job (tenant, plugin, schedule) WHERE state < 2 AND schedule IS NOT NULL;
    CREATE TABLE request (
        job INTEGER PRIMARY KEY,
        headers BLOB NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE tally (
        tenant TEXT NOT NULL,
        plugin TEXT NOT NULL,
        state INTEGER NOT NULL,
        jobs INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        PRIMARY KEY (tenant, plugin, state)
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER job_comes AFTER INSERT ON job BEGIN
        INSERT INTO tally VALUES (new.tenant, new.plugin, new.state, 1, new.size)
            ON CONFLICT DO UPDATE SET jobs = jobs + 1, bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER job_changes AFTER UPDATE OF state ON job WHEN old.state <> new.state BEGIN
        UPDATE tally SET jobs = jobs - 1, bytes = bytes - old.size
            WHERE tenant = old.tenant AND plugin = old.plugin AND state = old.state;
        INSERT INTO tally VALUES (new.tenant, new.plugin, new.state, 1, new.size)
            ON CONFLICT DO UPDATE SET jobs = jobs + 1, bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER job_is_over AFTER UPDATE OF state ON job WHEN old.state < 4 AND new.state > 3 BEGIN
        DELETE FROM request WHERE job = old.n;
    END;
    CREATE TRIGGER job_goes AFTER DELETE ON job BEGIN
        UPDATE tally SET jobs = jobs - 1, bytes = bytes - old.size
            WHERE tenant = old.tenant AND plugin = old.plugin AND state = old.state;
        DELETE FROM request WHERE job = old.n;
    END;
    CREATE TABLE schedule (
        tenant TEXT NOT NULL,
        plugin TEXT NOT NULL,
        name TEXT NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (tenant, plugin, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE clock (last INTEGER NOT NULL) STRICT;
    INSERT INTO clock VALUES (0);
";

/// Who else has it open keeps it: waiting for that would only make others wait.
const OWN: Own = Own { format: 1, tables: TABLES, cache: 8192, statements: 64, patience: Duration::ZERO };

/// Characters of its path that are remembered of a job that is over: such jobs are on no quota of bytes.
pub(super) const KEPT_PATH: i64 = 512;

/// A job during which the host has ended so many times is not run again by itself.
const MOST_CRASHES: i64 = 20;

/// An open file.
pub(super) struct File(Connection);

/// A transaction and what it comes to beside what is written.
pub(super) struct Desk<'t> {
    pub(super) file: &'t Transaction<'t>,
    /// Milliseconds since 1970.
    pub(super) now: i64,
    pub(super) keeping: Keeping,
    pub(super) went: RefCell<Went>,
    pub(super) is_news: Cell<bool>,
}

/// What a transaction changed that the clerk has to remember.
#[derive(Default)]
pub(super) struct Went {
    pub(super) claimed: Vec<i64>,
    pub(super) settled: Vec<i64>,
    pub(super) is_news: bool,
}

impl File {
    /// Opens the file, or makes it. Jobs that were running and are not `out` in this process are ready again; when the
    /// file `is_ours`, none of them ended with a host.
    pub(super) fn open(path: &Path, now: i64, out: &HashSet<i64>, is_ours: bool) -> Result<Self, Unusable> {
        let connection = OWN.open(path, |transaction| {
            let last: i64 = transaction.query_row("SELECT last FROM clock", [], |row| row.get(0))?;
            if !is_ours {
                shift(transaction, clock::put_back(now, last))?;
            }
            release(transaction, now, out, is_ours)
        })?;
        Ok(Self(connection))
    }

    /// Does a batch of work and answers once all of it is on the disk.
    ///
    /// # Errors
    /// When the disk or the file fails: then nothing of it is done, as far as is known, and the file is to be opened anew.
    pub(super) fn run(
        &mut self,
        now: i64,
        by: i64,
        keeping: Keeping,
        work: impl FnOnce(&Desk<'_>) -> rusqlite::Result<()>,
    ) -> Result<Went, Unusable> {
        let before = self.0.total_changes();
        // A transaction that came to write nothing flushes nothing.
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        shift(&transaction, by)?;
        let desk = Desk { file: &transaction, now, keeping, went: RefCell::default(), is_news: Cell::new(by != 0) };
        work(&desk)?;
        let went = Went { is_news: desk.is_news.get(), ..desk.went.into_inner() };
        if transaction.total_changes() != before {
            transaction.prepare_cached("UPDATE clock SET last = ?1")?.execute([now])?;
        }
        transaction.commit()?;
        Ok(went)
    }
}

/// Moves every time in the file.
fn shift(file: &Transaction<'_>, by: i64) -> rusqlite::Result<()> {
    if by == 0 {
        return Ok(());
    }
    file.execute("UPDATE job SET due = due + ?1, deadline = deadline + ?1 WHERE state < 3", [by])?;
    file.execute("UPDATE job SET ended = ended + ?1 WHERE state >= 3", [by])?;
    file.execute("UPDATE schedule SET last = last + ?1", [by]).map(drop)
}

/// Ends the leases of jobs that nobody runs.
fn release(file: &Transaction<'_>, now: i64, out: &HashSet<i64>, is_ours: bool) -> rusqlite::Result<()> {
    let mut found = file.prepare("SELECT n FROM job WHERE state = 2")?;
    let running: Vec<i64> = found.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for job in running.iter().filter(|job| !out.contains(job)) {
        // What the host's end cut short was no attempt.
        file.prepare_cached("UPDATE job SET state = 1, attempt = attempt - 1, crashes = crashes + ?2 WHERE n = ?1")?
            .execute(params![job, i64::from(!is_ours)])?;
    }
    let why = format!("the host ended {MOST_CRASHES} times while the job ran");
    file.execute(
        "UPDATE job SET state = 3, ended = ?1, why = ?2 WHERE state = 1 AND crashes >= ?3",
        params![now, why, MOST_CRASHES],
    )
    .map(drop)
}
