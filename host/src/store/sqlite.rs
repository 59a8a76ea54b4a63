//! The host's files of SQLite: how they are made and opened, and why one cannot be used.

use std::{fs, io, os::unix::fs::DirBuilderExt as _, path::Path, time::Duration};

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// An earlier host must not write to what a later one has made.
    #[error("the file was made by a later version of the host")]
    Later,
    #[error("its folder cannot be used: {0}")]
    Folder(#[from] io::Error),
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

impl Unusable {
    /// In words for a guest: without the path, which is the operator's to know.
    pub(super) fn for_guests(&self) -> String {
        match self {
            Self::Later => self.to_string(),
            Self::Folder(error) => format!("its folder cannot be used: {}", error.kind()),
            Self::Sqlite(rusqlite::Error::SqliteFailure(error, _)) => error.to_string(),
            Self::Sqlite(_) => "the file is not what it should be".to_owned(),
        }
    }
}

/// Makes the folder of a file where it is missing, for its owner alone.
///
/// # Panics
/// When the path is that of no file in a folder.
pub(super) fn make_folder_of(file: &Path) -> io::Result<()> {
    let folder = file.parent().expect("a file lies in a folder");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes to its place what is in the log beside the file, and begins the log anew. Answers whether that was done: somebody
/// who reads, or writes, keeps it from being.
///
/// Who opens a file cannot know whether all of the log that can be read is on the disk as well: a flush that failed has
/// left behind what is in memory alone, and nobody is told of it again. What came behind it in the log would be lost with it. After
/// this, nothing comes behind it.
///
/// Of the file alone: a transaction on what is temporary would be in the way.
pub(super) fn begin_log_anew(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA main.wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).map(|busy| busy == 0)
}

/// A file with tables of the host's own, which nobody else has open.
pub(super) struct Own {
    /// Set in each file; another one was made by another version of the host.
    pub(super) format: i64,
    /// What makes an empty file one.
    pub(super) tables: &'static str,
    /// KiB of pages that are held in memory.
    pub(super) cache: u32,
    /// Statements that are kept prepared.
    pub(super) statements: usize,
    /// How long another process that has the file is waited for.
    pub(super) patience: Duration,
}

/// How the file is used: what is committed is on the disk, nobody else has it open, and little memory is taken.
const SETTINGS: &str = "
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
    PRAGMA journal_size_limit = 4194304;
";

impl Own {
    /// Opens the file, or makes it; `begin` puts it in order before anybody uses it.
    pub(super) fn open(
        &self,
        path: &Path,
        begin: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<Connection, Unusable> {
        make_folder_of(path)?;
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(self.patience)?;
        connection.execute_batch(SETTINGS)?;
        // Nobody else has it open, so nobody keeps it from being done.
        begin_log_anew(&connection)?;
        connection.pragma_update(None, "cache_size", -i64::from(self.cache))?;
        connection.set_prepared_statement_cache_capacity(self.statements);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match transaction.query_row("PRAGMA user_version", [], |row| row.get(0))? {
            0_i64 => {
                transaction.execute_batch(self.tables)?;
                transaction.pragma_update(None, "user_version", self.format)?;
            }
            format if format == self.format => {}
            _ => return Err(Unusable::Later),
        }
        begin(&transaction)?;
        transaction.commit()?;
        Ok(connection)
    }
}
