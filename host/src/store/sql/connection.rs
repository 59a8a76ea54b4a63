//! One connection to a file: what a statement does on it, and how it is set back.

use std::{fs, path::PathBuf, sync::atomic::Ordering::Relaxed};

use rusqlite::{Connection, ErrorCode, Rows, Statement};

use super::{
    Refusal, Row, Run, Tally,
    flow::Flow,
    guard::{Guard, Why},
    values::{bind, value},
};
use crate::{config::SqlQuota, store::sqlite::begin_log_anew};

/// Bytes of what was written and is not in its place yet, beyond those of the whole database, from which on no more is written.
const WRITTEN_AHEAD: u64 = 16 << 20;

/// Bytes of the longest statement that is kept prepared.
const KEPT_PREPARED: usize = 4 << 10;

/// Sets what a connection remembers of its last statements to what a new one has: no rowid, no changes.
pub(super) const RESET: &str = "
    INSERT OR REPLACE INTO temp.\"wasmbay:session\" (rowid, x) VALUES (0, 0);
    DELETE FROM temp.\"wasmbay:session\" WHERE rowid = 1;
";

/// An open connection.
pub(super) struct File {
    connection: Connection,
    guard: Guard,
    quota: SqlQuota,
    /// Where SQLite puts first what is written.
    ahead: PathBuf,
    /// Whether SQLite has ended a transaction that its guest believes in.
    rolled_back: bool,
    /// What is wrong with the file, for the operator.
    trouble: Option<String>,
}

impl File {
    /// One that was just opened; what is written to it is first in `ahead`.
    pub(super) fn new(connection: Connection, guard: Guard, quota: SqlQuota, ahead: PathBuf) -> Self {
        Self { connection, guard, quota, ahead, rolled_back: false, trouble: None }
    }

    /// Begins the log anew, if nobody else uses it: see [`begin_log_anew`].
    pub(super) fn begin_log_anew(&self) -> rusqlite::Result<bool> {
        self.guard.as_host(|| begin_log_anew(&self.connection))
    }

    /// Runs a statement to its end.
    pub(super) fn run(&mut self, run: &Run, flow: &mut Flow<'_>) -> Result<(), Refusal> {
        if self.rolled_back {
            self.rolled_back = !is_rollback(&run.statement.text);
            flow.columns(Vec::new());
            return if self.rolled_back { Err(Refusal::RolledBack) } else { Ok(()) };
        }
        let outside = self.connection.is_autocommit();
        self.guard.begin(&run.ticket, self.quota.statement);
        let done = self.step(run, flow);
        let why = self.guard.end();
        // Some failures end the transaction; what its guest says next must not be done outside of one.
        self.rolled_back = done.is_err() && !outside && self.connection.is_autocommit();
        done.map_err(|fault| self.refusal(fault, why))
    }

    fn step(&self, run: &Run, flow: &mut Flow<'_>) -> Result<(), Fault> {
        let text = &run.statement.text;
        let names = if text.len() <= KEPT_PREPARED {
            self.all(&mut *self.connection.prepare_cached(text)?, run, flow)?
        } else {
            self.all(&mut self.connection.prepare(text)?, run, flow)?
        };
        note(&run.tally, &self.connection);
        names.into_iter().for_each(|names| flow.columns(names));
        Ok(())
    }

    /// Hands over every row. Answers the columns' names where there was none to tell them with.
    fn all(&self, statement: &mut Statement<'_>, run: &Run, flow: &mut Flow<'_>) -> Result<Option<Vec<String>>, Fault> {
        bind(statement, &run.statement.parameters)?;
        if !statement.readonly() {
            self.room_to_write()?;
        }
        let mut rows: Rows<'_> = statement.raw_query();
        let mut told = false;
        while let Some(row) = rows.next()? {
            // Not before the first row: a statement may have been prepared anew by then.
            let names: Vec<_> = row.as_ref().column_names().collect();
            let values =
                (0..names.len()).map(|place| value(row.get_ref(place)?, names[place])).collect::<Result<Row, _>>()?;
            if !std::mem::replace(&mut told, true) {
                flow.columns(names.into_iter().map(str::to_owned).collect());
            }
            flow.row(values)?;
            self.guard.waited(flow.waited());
        }
        drop(rows);
        Ok((!told).then(|| statement.column_names().map(str::to_owned).collect()))
    }

    /// A reader that goes on and on keeps what others write from its place in the file: it may not grow without end.
    fn room_to_write(&self) -> Result<(), Fault> {
        let ahead = || fs::metadata(&self.ahead).map_or(0, |file| file.len());
        let most = self.quota.bytes.saturating_add(WRITTEN_AHEAD);
        if ahead() <= most {
            return Ok(());
        }
        // Perhaps the readers have ended by now. Whether it is done is seen by what is left.
        let _ = self.begin_log_anew();
        if ahead() > most { Err(Refusal::HeldBack.into()) } else { Ok(()) }
    }

    /// Ends what was begun and makes it as one that was just opened. Answers whether it is.
    pub(super) fn reset(&mut self) -> bool {
        self.rolled_back = false;
        let ended = self.connection.is_autocommit() || self.connection.execute_batch("ROLLBACK").is_ok();
        ended && self.trouble.is_none() && !self.guard.is_soiled() && self.connection.execute_batch(RESET).is_ok()
    }

    /// What is wrong with the file.
    pub(super) fn trouble(&self) -> &str {
        self.trouble.as_deref().unwrap_or_default()
    }

    fn refusal(&mut self, fault: Fault, why: Option<Why>) -> Refusal {
        let error = match fault {
            Fault::Refused(refusal) => return refusal,
            Fault::Failed(error) => error,
        };
        let time = self.quota.statement;
        match why {
            Some(Why::Denied(what)) => return Refusal::Denied(what),
            Some(Why::Deadline) => return Refusal::Deadline(time),
            Some(Why::Locked) => return Refusal::Locked(time),
            Some(Why::Gone) => return Refusal::Gone,
            Some(Why::Memory) => return Refusal::Memory,
            None => {}
        }
        let (code, text) = match &error {
            rusqlite::Error::SqliteFailure(code, text) => (*code, text.clone()),
            rusqlite::Error::SqlInputError { error: code, msg, .. } => (*code, Some(msg.clone())),
            rusqlite::Error::MultipleStatement => return Refusal::Invalid("one statement at a time".to_owned()),
            other => return Refusal::Invalid(other.to_string()),
        };
        let text = text.unwrap_or_else(|| code.to_string());
        match code.code {
            ErrorCode::DiskFull => Refusal::Full(self.quota.bytes),
            ErrorCode::TooBig => Refusal::Value(self.quota.value),
            ErrorCode::OutOfMemory => Refusal::Memory,
            // Where waiting could help, it was waited.
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Refusal::Stale,
            ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::FileLockingProtocolFailed => {
                self.trouble = Some(error.to_string());
                Refusal::Broken(code.to_string())
            }
            _ => Refusal::Invalid(text),
        }
    }
}

/// Why a statement did not come to its end.
pub(super) enum Fault {
    Refused(Refusal),
    Failed(rusqlite::Error),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

/// Whether a statement ends the transaction and does nothing else. To go back to a savepoint is not to end it.
pub fn is_rollback(text: &str) -> bool {
    let mut words = text.trim_end_matches([';', ' ', '\n']).split_whitespace();
    let mut is = |word: &str| words.next().map(|next| next.eq_ignore_ascii_case(word));
    is("rollback") == Some(true) && is("transaction") != Some(false) && words.next().is_none()
}

/// Notes what a statement that is done has changed.
fn note(tally: &Tally, connection: &Connection) {
    tally.changes.store(connection.changes(), Relaxed);
    tally.last_rowid.store(connection.last_insert_rowid(), Relaxed);
}
