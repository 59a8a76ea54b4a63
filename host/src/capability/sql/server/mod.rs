//! Databases on servers, whatever kind of server: connections that are shared by turns, each one's for a while.
//!
//! A session pins a connection from its first statement to its drop; a task keeps the connection meanwhile, rolls back
//! what was begun and resets it. What one kind of server is asked in is a [`Wire`].

mod clerk;
mod flow;
mod refusal;
mod rows;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{
        Notify, OnceCell, Semaphore,
        mpsc::{Sender, channel, unbounded_channel},
    },
    time::{Instant, sleep, timeout_at},
};

use self::{
    clerk::{Clerk, Run},
    rows::Ticket,
};
pub use self::{
    flow::Flow,
    refusal::{Complaint, Refusal},
    rows::{Row, Rows},
};
use super::address::Address;
use crate::config::DatabaseQuota;

/// Bytes of the longest statement, its parameters not counted.
pub const MAX_STATEMENT: usize = 1 << 20;

/// Statements that may wait on one handle behind the one that runs.
pub const MOST_WAITING: usize = 64;

/// How long a connection stays open without a session.
const REST: Duration = Duration::from_secs(60);

/// A connection to one kind of server. Dropping it closes it.
///
/// All that it does is cut off by whoever asks: nothing needs a deadline of its own, and a connection whose future was
/// dropped is only ever closed, or asked by [`Wire::quiet`].
pub trait Wire: Sized + Send + 'static {
    /// What stands for a statement's parameter.
    type Parameter: Send + Sync + 'static;
    /// What is told of a column.
    type Column: Clone + Send + Sync + 'static;
    /// A value of a row.
    type Value: Weigh + Send + 'static;

    /// Connects, as whom the address says. Messages of the server that are larger than `quota.result` and some more are
    /// never held.
    fn connect(address: &Address, quota: &DatabaseQuota) -> impl Future<Output = Result<Self, Refusal>> + Send;

    /// Runs a statement to its end and hands what comes of it to `flow`. What waits for the server is wrapped in
    /// [`Flow::network`], which knows the deadline and whether anybody still waits.
    ///
    /// # Errors
    /// Why there is no result, or not all of it. `Refusal::Lost { ran: false, .. }` only where no part of the statement can
    /// have been done.
    fn run(
        &mut self,
        statement: &Statement<Self::Parameter>,
        flow: &mut Flow<'_, Self>,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Whether a transaction is open, as the server last said.
    fn is_in_transaction(&self) -> bool;

    /// Whether the other end is gone.
    fn is_closed(&self) -> bool;

    /// Ends what may still run of a statement that was left, and waits until the server is done with it. Answers whether
    /// the connection can be used again.
    fn quiet(&mut self) -> impl Future<Output = bool> + Send;

    /// Ends the transaction, if there is one. Answers whether the connection can be used again.
    fn roll_back(&mut self) -> impl Future<Output = bool> + Send;

    /// Ends the transaction and undoes all that was set on the connection. Answers whether it is as new.
    fn reset(&mut self) -> impl Future<Output = bool> + Send;
}

/// What counts in a result.
pub trait Weigh {
    /// Bytes beside the value's own size.
    fn weight(&self) -> u64;
}

/// One statement and what stands for its parameters, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement<P> {
    /// One statement of the server's SQL.
    pub text: String,
    /// As many as the text has parameters.
    pub parameters: Vec<P>,
}

/// One database on a server, for one tenant, and the connections to it.
pub struct Server<W> {
    /// Its tenant's name and its own, for what is told.
    name: String,
    address: Address,
    quota: DatabaseQuota,
    /// Connections that are pinned.
    seats: Arc<Semaphore>,
    /// Those that wait for their next session, the one that has waited for longest first.
    resting: Mutex<Vec<Resting<W>>>,
    /// Whether somebody looks after those.
    sweeping: AtomicBool,
}

struct Resting<W> {
    wire: W,
    since: Instant,
}

/// An open database. From the first statement on it has a connection of its own, until the last clone of it is dropped, and
/// the last rows that came of it: then what was begun is rolled back.
pub struct Connection<W: Wire> {
    server: Arc<Server<W>>,
    session: Arc<OnceCell<Arc<Session<W>>>>,
    /// Says to whoever counts that it is open.
    _open: Arc<()>,
}

/// One pinned connection. It goes back, rolled back and reset, when this is dropped.
struct Session<W: Wire> {
    orders: Sender<Run<W>>,
    shared: Arc<Shared>,
}

/// What a session and its task know together.
#[derive(Debug, Default)]
struct Shared {
    /// Bytes of all statements' rows that wait for their reader.
    unread: AtomicU64,
    /// Somebody has read, has left, or wants something else.
    news: Notify,
}

impl<W: Wire> Server<W> {
    /// The database of this name at an address. Nothing is connected to.
    pub fn new(name: String, address: Address, quota: DatabaseQuota) -> Self {
        let seats = Arc::new(Semaphore::new(quota.connections as usize));
        Self { name, address, quota, seats, resting: Mutex::default(), sweeping: AtomicBool::new(false) }
    }

    /// Whether it is at this address, under these limits.
    pub fn is(&self, address: &Address, quota: &DatabaseQuota) -> bool {
        self.address == *address && self.quota == *quota
    }

    /// Pins a connection; it is made by the first statement. Waits for a seat, until then at most.
    async fn session(self: &Arc<Self>, until: Instant) -> Result<Arc<Session<W>>, Refusal> {
        let begun = Instant::now();
        let seat = timeout_at(until, Arc::clone(&self.seats).acquire_owned()).await;
        let Ok(Ok(seat)) = seat else {
            return Err(Refusal::Connections { most: self.quota.connections, waited: begun.elapsed() });
        };
        let (orders, inbox) = channel(MOST_WAITING);
        let shared = Arc::<Shared>::default();
        tokio::spawn(Clerk::new(Arc::clone(self), inbox, Arc::clone(&shared)).keep(seat));
        Ok(Arc::new(Session { orders, shared }))
    }

    /// A connection that rested, if one is left that is not known to be dead.
    fn rested(&self) -> Option<W> {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(Resting { wire, .. }) = resting.pop() {
            if !wire.is_closed() {
                return Some(wire);
            }
        }
        None
    }

    /// A new connection, made until then.
    async fn connect(&self, until: Instant) -> Result<W, Refusal> {
        let made = timeout_at(until, W::connect(&self.address, &self.quota)).await;
        let made = made.unwrap_or_else(|_| Err(Refusal::Unreachable("it did not answer in time".to_owned())));
        if let Err(refusal) = &made {
            tracing::warn!(database = self.name, error = %refusal, "a database server cannot be used");
        }
        made
    }

    /// Keeps a connection for its next session.
    fn rest(self: &Arc<Self>, wire: W) {
        let rest = Resting { wire, since: Instant::now() };
        self.resting.lock().unwrap_or_else(PoisonError::into_inner).push(rest);
        if !self.sweeping.swap(true, Relaxed) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }
}

/// Closes what has rested for long, until nothing rests.
async fn sweep<W: Wire>(server: Weak<Server<W>>) {
    loop {
        sleep(REST / 4).await;
        let Some(server) = server.upgrade() else { return };
        let mut resting = server.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|rest| rest.since.elapsed() < REST && !rest.wire.is_closed());
        if resting.is_empty() {
            // While the list is locked, so that whoever rests next begins anew.
            return server.sweeping.store(false, Relaxed);
        }
    }
}

impl<W: Wire> Connection<W> {
    /// Opens a database. It has no connection before its first statement. It holds `open` as long as it is.
    pub(super) fn new(server: &Arc<Server<W>>, open: &Arc<()>) -> Self {
        Self { server: Arc::clone(server), session: Arc::default(), _open: Arc::clone(open) }
    }

    /// Runs a statement until its first rows. Waits on no thread, for a free connection and for the server.
    ///
    /// A connection is waited for as long as a statement may run, and not beyond nine tenths of what is left until
    /// `deadline`: whoever asks is told while it can still answer.
    ///
    /// # Errors
    /// Why it came to nothing.
    ///
    /// # Cancel safety
    /// Dropping the future ends the statement; it is done or not.
    pub async fn run(&self, statement: Statement<W::Parameter>, deadline: Instant) -> Result<Rows<W>, Refusal> {
        if statement.text.len() > MAX_STATEMENT {
            return Err(Refusal::Invalid(format!("a statement may have {MAX_STATEMENT} bytes and this one has more")));
        }
        let now = Instant::now();
        let until = now + super::patience(self.server.quota.statement, deadline.saturating_duration_since(now));
        let session = self.session.get_or_try_init(|| self.server.session(until)).await?;
        session.run(statement, until).await
    }

    /// As [`Connection::run`], until all rows are there: the columns, and they.
    ///
    /// # Errors
    /// Why it did not come to its end.
    pub async fn all(&self, statement: Statement<W::Parameter>, deadline: Instant) -> Result<Whole<W>, Refusal> {
        let mut rows = self.run(statement, deadline).await?;
        let all = rows.all().await?;
        Ok((rows.columns().to_vec(), all))
    }

    /// As [`Connection::run`], past all rows: how many the statement has changed, or told.
    ///
    /// # Errors
    /// Why it did not come to its end.
    pub async fn count(&self, statement: Statement<W::Parameter>, deadline: Instant) -> Result<u64, Refusal> {
        self.run(statement, deadline).await?.count().await
    }
}

/// The columns and the rows of a result.
pub type Whole<W> = (Vec<<W as Wire>::Column>, Vec<Row<W>>);

impl<W: Wire> Session<W> {
    async fn run(self: &Arc<Self>, statement: Statement<W::Parameter>, until: Instant) -> Result<Rows<W>, Refusal> {
        let (pieces, arriving) = unbounded_channel();
        let ticket = Arc::<Ticket>::default();
        let mut rows = Rows::new(Arc::clone(self), Arc::clone(&ticket), arriving);
        let sent = self.orders.try_send(Run { statement, until, ticket, pieces });
        if sent.is_err() {
            return Err(Refusal::Invalid(format!("{MOST_WAITING} statements wait on this handle: wait for some")));
        }
        self.shared.news.notify_one();
        rows.begin().await?;
        Ok(rows)
    }
}

impl<W: Wire> Clone for Connection<W> {
    fn clone(&self) -> Self {
        Self { server: Arc::clone(&self.server), session: Arc::clone(&self.session), _open: Arc::clone(&self._open) }
    }
}

impl<W: Wire> fmt::Debug for Connection<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("server", &self.server).finish_non_exhaustive()
    }
}

impl<W> fmt::Debug for Server<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.name).field("quota", &self.quota).finish_non_exhaustive()
    }
}
