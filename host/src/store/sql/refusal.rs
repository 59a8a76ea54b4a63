//! Why a statement came to nothing.

use std::time::Duration;

use crate::units::{ByteSize, Interval};

/// Why nothing comes of a statement, or no more rows of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No connection came free.
    #[error("all {most} connections that the tenant may have (sql.connections) were taken for {}", Interval(*waited))]
    Connections {
        /// As many as there may be.
        most: u32,
        /// How long one was waited for.
        waited: Duration,
    },
    /// The tenant has as many databases as it may have.
    #[error("the tenant has {0} SQLite databases already, and may have no more (sql.databases)")]
    Databases(u64),
    /// The file would be too large.
    #[error("the database may hold {} and would hold more (sql.bytes)", ByteSize(*.0))]
    Full(u64),
    /// Readers hold back what was written.
    #[error("what was written cannot be put in its place while earlier transactions read: end them (sql.bytes)")]
    HeldBack,
    /// The result has too many rows.
    #[error("a result may have {0} rows and this one has more (sql.rows): ask for fewer")]
    Rows(u64),
    /// The result is too large.
    #[error("a result may have {} and this one has more (sql.result): ask for less", ByteSize(*.0))]
    Result(u64),
    /// Another statement was run while rows of this one were left, and they are too many to be kept.
    #[error("more than {} of rows that nobody has read: read them before the next statement (sql.result)", ByteSize(*.0))]
    Unread(u64),
    /// A value or a row is too large.
    #[error("a value, and a row, may have {} and this one has more (sql.value)", ByteSize(*.0))]
    Value(u64),
    /// It computed for too long.
    #[error("the statement ran for {} without an end (sql.statement)", Interval(*.0))]
    Deadline(Duration),
    /// A lock was waited for too long.
    #[error("the database was locked by another connection's transaction for {} (sql.statement)", Interval(*.0))]
    Locked(Duration),
    /// A transaction that has read cannot write any more.
    #[error(
        "another connection writes, or has written since this transaction began to read: roll it back and BEGIN IMMEDIATE"
    )]
    Stale,
    /// The transaction is no more.
    #[error("the transaction was rolled back when a statement in it failed: ROLLBACK before the next statement")]
    RolledBack,
    /// All statements of the host together take too much memory.
    #[error("the host's databases have no more memory for this statement: sort or join less at once")]
    Memory,
    /// Something that no guest may do.
    #[error("{0} is not allowed here")]
    Denied(String),
    /// The statement is wrong, or what it does to the data.
    #[error("{0}")]
    Invalid(String),
    /// Nobody waits for it any more.
    #[error("the statement was given up")]
    Gone,
    /// The file cannot be used.
    #[error("the database cannot be used now: {0}")]
    Broken(String),
}

impl Refusal {
    /// How a metric calls it: one of [`crate::telemetry::SQL_RESULTS`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Databases(_) | Self::Full(_) | Self::HeldBack => "quota",
            Self::Rows(_) | Self::Result(_) | Self::Unread(_) | Self::Value(_) | Self::Memory => "too-large",
            Self::Connections { .. } | Self::Locked(_) | Self::Stale => "busy",
            Self::Deadline(_) | Self::Gone => "timeout",
            Self::Denied(_) => "denied",
            Self::Invalid(_) | Self::RolledBack => "invalid",
            Self::Broken(_) => "broken",
        }
    }
}
