//! SQLite databases: a file for each database of a tenant, and a thread for each connection to one.
//!
//! A [`Session`] pins a connection from its first statement to its drop. Whoever asks waits for an answer, on no thread;
//! what a statement computes, and the locks it waits for, are its connection's own thread's.

mod allowed;
mod clerk;
mod connection;
mod flow;
mod guard;
mod opening;
mod refusal;
mod rows;
#[cfg(test)]
mod tests;
mod values;

use std::{
    collections::{HashMap, HashSet},
    io, iter,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc::unbounded_channel},
    time::timeout,
};

use self::{
    clerk::Clerk,
    rows::{Piece, Ticket},
};
pub use self::{
    connection::is_rollback,
    guard::{HEAP, HEAP_OF_STATEMENTS},
    refusal::Refusal,
    rows::{Row, Rows},
};
use crate::config::SqlQuota;

/// The folder of all files, below the data folder.
const FOLDER: &str = "sql";

/// Bytes of the longest statement, its parameters not counted.
pub const MAX_STATEMENT: usize = 1 << 20;

/// A value of SQLite's.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// One statement and what stands for its parameters, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// One statement of SQLite's SQL.
    pub text: String,
    /// As many as the text has parameters.
    pub parameters: Vec<Value>,
}

/// The files of all tenants. Clones share them.
#[derive(Clone, Debug)]
pub struct SqlFiles(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    tenants: Mutex<HashMap<String, Arc<Tenant>>>,
}

/// One tenant's databases, and the connections to them.
#[derive(Debug)]
pub struct Tenant {
    folder: PathBuf,
    quota: SqlQuota,
    /// Connections that are pinned.
    seats: Arc<Semaphore>,
    /// Those that wait for their next session, the one that has waited for longest first.
    resting: Mutex<Vec<Resting>>,
    /// Held while a file is opened or made, so that no two make the last one there may be: the databases whose logs were begun
    /// anew since this process first opened them, and since a connection to them last failed.
    opening: Mutex<HashSet<Arc<str>>>,
}

/// A connection that nobody has pinned.
#[derive(Debug)]
struct Resting {
    database: Arc<str>,
    desk: mpsc::Sender<Order>,
    /// Tells it from others.
    number: u64,
}

/// One connection, for its owner alone. It goes back, rolled back and reset, when this is dropped.
#[derive(Debug)]
pub struct Session {
    desk: mpsc::Sender<Order>,
    tally: Arc<Tally>,
    seat: Option<OwnedSemaphorePermit>,
}

/// What a session knows of its statements.
#[derive(Debug, Default)]
struct Tally {
    changes: AtomicU64,
    last_rowid: AtomicI64,
    /// Bytes of all statements' rows that wait for their reader.
    unread: AtomicU64,
}

/// What a connection's thread is told.
#[derive(Debug)]
enum Order {
    /// Runs a statement.
    Run(Run),
    /// A reader has taken rows, or has left.
    Look,
    /// The session is over: by this it can be reached for the next one, and this is what it gives back.
    End(mpsc::Sender<Order>, Option<OwnedSemaphorePermit>),
}

/// A statement on its way.
#[derive(Debug)]
struct Run {
    statement: Statement,
    ticket: Arc<Ticket>,
    tally: Arc<Tally>,
    pieces: tokio::sync::mpsc::UnboundedSender<Piece>,
}

impl SqlFiles {
    /// Files below the data folder. Nothing is opened before it is asked for.
    pub fn new(data: &Path) -> Self {
        Self(Arc::new(Inner { folder: data.join(FOLDER), tenants: Mutex::default() }))
    }

    /// A tenant's databases. The quota is that of the first call.
    pub fn tenant(&self, name: &str, quota: SqlQuota) -> Arc<Tenant> {
        let mut tenants = self.0.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(Tenant::new(self.0.folder.join(name), quota));
        Arc::clone(tenants.entry(name.to_owned()).or_insert_with(make))
    }
}

impl Tenant {
    fn new(folder: PathBuf, quota: SqlQuota) -> Self {
        let seats = Arc::new(Semaphore::new(quota.connections as usize));
        Self { folder, quota, seats, resting: Mutex::default(), opening: Mutex::default() }
    }

    /// What its databases may hold.
    pub fn quota(&self) -> &SqlQuota {
        &self.quota
    }

    /// Pins a connection to a database, which the first statement makes if it is not there. Waits for one to be free,
    /// for this long at most.
    ///
    /// # Errors
    /// When none came free, or a thread for one cannot be had.
    ///
    /// # Cancel safety
    /// Dropping the future pins none.
    pub async fn session(self: &Arc<Self>, database: &Arc<str>, patience: Duration) -> Result<Session, Refusal> {
        let seat = timeout(patience, Arc::clone(&self.seats).acquire_owned()).await;
        let Ok(Ok(seat)) = seat else {
            return Err(Refusal::Connections { most: self.quota.connections, waited: patience });
        };
        let desk = match self.rested(database) {
            Some(desk) => desk,
            None => Clerk::call(self, database).map_err(|error: io::Error| Refusal::Broken(error.to_string()))?,
        };
        Ok(Session { desk, tally: Arc::default(), seat: Some(seat) })
    }

    /// A connection to this database that nobody has pinned. Where there is none, one to another database gives way if
    /// there are as many as there may be.
    fn rested(&self, database: &str) -> Option<mpsc::Sender<Order>> {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = resting.iter().rposition(|rest| *rest.database == *database) {
            return Some(resting.remove(place).desk);
        }
        // What is neither pinned nor resting can be made anew; this one's seat is taken already.
        if !resting.is_empty() && resting.len() > self.seats.available_permits() {
            // Its thread ends with the last way to it.
            resting.remove(0);
        }
        None
    }
}

impl Session {
    /// Runs a statement until its first rows, or until it is done where it has no more than those.
    ///
    /// # Errors
    /// Why it came to nothing. A transaction that was begun goes on, unless SQLite has ended it.
    ///
    /// # Cancel safety
    /// Dropping the future interrupts the statement; it is done or not.
    pub async fn run(self: &Arc<Self>, statement: Statement) -> Result<Rows, Refusal> {
        if statement.text.len() > MAX_STATEMENT {
            return Err(Refusal::Invalid(format!("a statement may have {MAX_STATEMENT} bytes and this one has more")));
        }
        let (pieces, arriving) = unbounded_channel();
        let ticket = Arc::new(Ticket::default());
        let mut rows = Rows::new(Arc::clone(self), Arc::clone(&ticket), arriving);
        let run = Run { statement, ticket, tally: Arc::clone(&self.tally), pieces };
        // A thread that has ended has left its pieces' other end behind, which is told below.
        let _ = self.desk.send(Order::Run(run));
        rows.begin().await?;
        Ok(rows)
    }

    /// Rows that the last statement that is done has changed.
    pub fn changes(&self) -> u64 {
        self.tally.changes.load(Relaxed)
    }

    /// The rowid of the last row that was inserted by a statement that is done; 0 before the first.
    pub fn last_rowid(&self) -> i64 {
        self.tally.last_rowid.load(Relaxed)
    }

    /// Lets the connection's thread look at who still reads.
    fn look(&self) {
        let _ = self.desk.send(Order::Look);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.desk.send(Order::End(self.desk.clone(), self.seat.take()));
    }
}

impl Value {
    /// Bytes that it counts for in a result: its own, and what the host needs to hold it.
    fn size(&self) -> u64 {
        let own = match self {
            Self::Null | Self::Integer(_) | Self::Real(_) => 0,
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
        };
        (own + size_of::<Self>()) as u64
    }
}

/// Bytes that a row counts for.
fn size(row: &[Value]) -> u64 {
    row.iter().map(Value::size).chain(iter::once(size_of::<Row>() as u64)).sum()
}
