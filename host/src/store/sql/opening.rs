//! How a connection is opened, and what holds it whatever is asked.

use std::{fs, io, path::Path};

use rusqlite::{Connection, OpenFlags, config::DbConfig, limits::Limit};

use super::{
    connection::{File, RESET},
    guard::{Guard, HEAP},
};
use crate::{
    config::SqlQuota,
    store::sqlite::{Unusable, make_folder_of},
};

/// Bytes of a page of every file that is made.
const PAGE: u64 = 4096;

/// How the file is used: what is committed is on the disk, and little memory is taken. The table is where [`RESET`] works.
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA cache_size = -2048;
    PRAGMA temp_store = MEMORY;
    PRAGMA journal_size_limit = 4194304;
    CREATE TEMP TABLE \"wasmbay:session\" (x);
";

impl File {
    /// Opens a file, or makes it; none where the tenant may have no more.
    pub(super) fn open(path: &Path, quota: &SqlQuota) -> Result<Option<Self>, Unusable> {
        make_folder_of(path)?;
        let folder = path.parent().expect("it was just made");
        if !path.try_exists()? && count(folder)? >= quota.databases {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        let guard = Guard::default();
        guard.watch(&mut connection)?;
        confine(&connection, quota)?;
        connection.execute_batch(SETTINGS)?;
        connection.execute_batch(RESET)?;
        let mut ahead = path.as_os_str().to_owned();
        ahead.push("-wal");
        Ok(Some(Self::new(connection, guard, *quota, ahead.into())))
    }
}

/// How many databases there are.
fn count(folder: &Path) -> io::Result<u64> {
    let mut files = 0;
    for file in fs::read_dir(folder)? {
        files += u64::from(Path::new(&file?.file_name()).extension().is_some_and(|end| end == "sqlite"));
    }
    Ok(files)
}

/// What holds whoever asks: nothing here depends on a statement's being looked at.
fn confine(connection: &Connection, quota: &SqlQuota) -> rusqlite::Result<()> {
    use Limit as L;
    for (switch, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
    ] {
        connection.set_db_config(switch, on)?;
    }
    for (limit, most) in [
        (L::SQLITE_LIMIT_LENGTH, i32::try_from(quota.value).unwrap_or(i32::MAX)),
        (L::SQLITE_LIMIT_SQL_LENGTH, super::MAX_STATEMENT as i32),
        (L::SQLITE_LIMIT_ATTACHED, 0),
        (L::SQLITE_LIMIT_EXPR_DEPTH, 200),
        (L::SQLITE_LIMIT_VDBE_OP, 1_000_000),
        // A pattern is looked for in one go, which nothing interrupts.
        (L::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 128),
        (L::SQLITE_LIMIT_TRIGGER_DEPTH, 50),
        (L::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, most)?;
    }
    connection.execute_batch(&format!("PRAGMA hard_heap_limit = {HEAP}; PRAGMA page_size = {PAGE};"))?;
    // SQLite knows fewer than 2^32 of them.
    let pages = (quota.bytes / PAGE).clamp(1, 0xffff_fffe);
    connection.execute_batch(&format!("PRAGMA max_page_count = {pages};"))
}
