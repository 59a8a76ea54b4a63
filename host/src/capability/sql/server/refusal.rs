//! Why a statement to a server came to nothing.

use std::time::Duration;

use crate::units::{ByteSize, Interval};

/// What a server says of a statement that it refuses, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{severity}: {message} ({code})")]
pub struct Complaint {
    /// `ERROR`, `FATAL` and the like.
    pub severity: String,
    /// The SQLSTATE, of five characters.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// More of it.
    pub detail: Option<String>,
    /// What else was said, by name.
    pub extras: Vec<(String, String)>,
}

/// Why nothing comes of a statement, or no more rows of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No connection came free.
    #[error("all {most} connections that the database may have (databases.*.connections) were taken for {}", Interval(*waited))]
    Connections {
        /// As many as there may be.
        most: u32,
        /// How long one was waited for.
        waited: Duration,
    },
    /// There is no connection to be had. Nothing was done.
    #[error("the database server cannot be used now: {0}")]
    Unreachable(String),
    /// The connection broke.
    #[error("the connection to the database server was lost: {why}{}", told(*ran))]
    Lost {
        /// What is known of it.
        why: String,
        /// Whether the statement may have been done.
        ran: bool,
    },
    /// The result has too many rows.
    #[error("a result may have {0} rows and this one has more (databases.*.rows): ask for fewer")]
    Rows(u64),
    /// The result, or a row of it, is too large.
    #[error("a result may have {} and this one has more (databases.*.result): ask for less", ByteSize(*.0))]
    Result(u64),
    /// Another statement was run while rows of this one were left, and they are too many to be kept.
    #[error("more than {} of rows that nobody has read: read them before the next statement (databases.*.result)", ByteSize(*.0))]
    Unread(u64),
    /// A value is too large.
    #[error("a value may have {} and this one has more (databases.*.value)", ByteSize(*.0))]
    Value(u64),
    /// It ran for too long.
    #[error("the statement ran for {} without an end (databases.*.statement)", Interval(*.0))]
    Deadline(Duration),
    /// The transaction is no more.
    #[error("the transaction ended when a statement in it failed: ROLLBACK before the next statement")]
    RolledBack,
    /// A parameter is not what the statement wants.
    #[error("{0}")]
    Parameter(String),
    /// A value of the result cannot be told.
    #[error("{0}")]
    Conversion(String),
    /// The server refuses the statement.
    #[error("{0}")]
    Failed(Box<Complaint>),
    /// It cannot be asked so.
    #[error("{0}")]
    Invalid(String),
    /// Nobody waits for it any more.
    #[error("the statement was given up")]
    Gone,
}

impl Refusal {
    /// How a metric calls it: one of [`crate::telemetry::SQL_RESULTS`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rows(_) | Self::Result(_) | Self::Unread(_) | Self::Value(_) => "too-large",
            Self::Connections { .. } => "busy",
            Self::Deadline(_) | Self::Gone => "timeout",
            Self::Parameter(_) | Self::Conversion(_) | Self::Failed(_) | Self::Invalid(_) | Self::RolledBack => {
                "invalid"
            }
            Self::Unreachable(_) | Self::Lost { .. } => "broken",
        }
    }

    /// Whether the statement may go on at the server, since it was the host that had enough of it.
    pub(super) fn leaves_it_running(&self) -> bool {
        matches!(
            self,
            Self::Rows(_)
                | Self::Result(_)
                | Self::Unread(_)
                | Self::Value(_)
                | Self::Deadline(_)
                | Self::Conversion(_)
                | Self::Gone
        )
    }
}

/// What is said of a statement on a connection that broke.
fn told(ran: bool) -> &'static str {
    if ran { "; the statement may have been done or not" } else { "; the statement was not done" }
}
