//! Databases in files of a tenant's.

use std::sync::Arc;

use tokio::{sync::OnceCell, time::Instant};

use super::patience;
use crate::store::sql::{Refusal, Rows, Session, Statement, Tenant};

/// An open database. From the first statement on it has a connection of its own, until the last clone of it is dropped, and
/// the last rows that came of it: then what was begun is rolled back.
#[derive(Clone, Debug)]
pub struct Connection {
    tenant: Arc<Tenant>,
    database: Arc<str>,
    session: Arc<OnceCell<Arc<Session>>>,
    /// Says to whoever counts that it is open.
    _open: Arc<()>,
}

impl Connection {
    pub(super) fn new(tenant: &Arc<Tenant>, database: &Arc<str>, open: &Arc<()>) -> Self {
        Self {
            tenant: Arc::clone(tenant),
            database: Arc::clone(database),
            session: Arc::default(),
            _open: Arc::clone(open),
        }
    }

    /// Runs a statement until its first rows. Waits on no thread, for a free connection, for locks and for what is computed.
    ///
    /// A connection is waited for as long as a statement may run, and not beyond nine tenths of what is left until
    /// `deadline`: whoever asks is told while it can still answer.
    ///
    /// # Errors
    /// Why it came to nothing.
    ///
    /// # Cancel safety
    /// Dropping the future interrupts the statement; it is done or not.
    pub async fn run(&self, statement: Statement, deadline: Instant) -> Result<Rows, Refusal> {
        let patience = patience(self.tenant.quota().statement, deadline.saturating_duration_since(Instant::now()));
        let session = self
            .session
            .get_or_try_init(|| async { self.tenant.session(&self.database, patience).await.map(Arc::new) });
        session.await?.run(statement).await
    }

    /// Rows that the last statement that is done has changed.
    pub fn changes(&self) -> u64 {
        self.session.get().map_or(0, |session| session.changes())
    }

    /// The rowid of the last row that was inserted; 0 before the first.
    pub fn last_rowid(&self) -> i64 {
        self.session.get().map_or(0, |session| session.last_rowid())
    }
}
