//! The rows of a statement on their way from the connection's task to who asked.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::sync::mpsc::UnboundedReceiver;

use super::{Refusal, Session, Shared, Wire};

/// What the task hears of who asked.
#[derive(Debug, Default)]
pub(super) struct Ticket {
    /// Nobody waits any more.
    pub(super) gone: AtomicBool,
    /// Bytes of this statement's rows that wait for their reader.
    pub(super) unread: AtomicU64,
}

/// A row's values, in the order of the columns.
pub type Row<W> = Vec<<W as Wire>::Value>;

/// One part of a result.
pub(super) enum Piece<W: Wire> {
    /// First of all, once it is known that the statement runs.
    Columns(Vec<W::Column>),
    /// Rows, in their order.
    Rows(Batch<W::Value>),
    /// Last of all: rows that were changed, or are told.
    End(Result<u64, Refusal>),
}

/// Rows that count as unread while they are on their way.
pub(super) struct Batch<V> {
    rows: Vec<Vec<V>>,
    bytes: u64,
    ticket: Arc<Ticket>,
    shared: Arc<Shared>,
}

impl<V> Batch<V> {
    pub(super) fn new(rows: Vec<Vec<V>>, bytes: u64, ticket: &Arc<Ticket>, shared: &Arc<Shared>) -> Self {
        ticket.unread.fetch_add(bytes, Relaxed);
        shared.unread.fetch_add(bytes, Relaxed);
        Self { rows, bytes, ticket: Arc::clone(ticket), shared: Arc::clone(shared) }
    }
}

impl<V> Drop for Batch<V> {
    fn drop(&mut self) {
        self.ticket.unread.fetch_sub(self.bytes, Relaxed);
        self.shared.unread.fetch_sub(self.bytes, Relaxed);
        self.shared.news.notify_one();
    }
}

/// What a statement answers. Dropping it ends the statement.
pub struct Rows<W: Wire> {
    session: Arc<Session<W>>,
    ticket: Arc<Ticket>,
    arriving: UnboundedReceiver<Piece<W>>,
    columns: Vec<W::Column>,
    affected: u64,
    ended: bool,
}

impl<W: Wire> Rows<W> {
    pub(super) fn new(session: Arc<Session<W>>, ticket: Arc<Ticket>, arriving: UnboundedReceiver<Piece<W>>) -> Self {
        Self { session, ticket, arriving, columns: Vec::new(), affected: 0, ended: false }
    }

    /// Waits until the statement runs.
    pub(super) async fn begin(&mut self) -> Result<(), Refusal> {
        match self.arriving.recv().await {
            Some(Piece::Columns(columns)) => {
                self.columns = columns;
                Ok(())
            }
            Some(Piece::End(Err(refusal))) => {
                self.ended = true;
                Err(refusal)
            }
            Some(Piece::Rows(_) | Piece::End(Ok(_))) | None => Err(lost()),
        }
    }

    /// What is told of the columns.
    pub fn columns(&self) -> &[W::Column] {
        &self.columns
    }

    /// The next rows, some at a time; `None` after the last.
    ///
    /// # Errors
    /// Why there are no more. Those before are as they should be.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<Row<W>>, Refusal>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.arriving.poll_recv(cx)) {
            Some(Piece::Rows(mut batch)) => Some(Ok(std::mem::take(&mut batch.rows))),
            Some(Piece::End(how)) => {
                self.ended = true;
                match how {
                    Ok(affected) => {
                        self.affected = affected;
                        None
                    }
                    Err(refusal) => Some(Err(refusal)),
                }
            }
            Some(Piece::Columns(_)) | None => {
                self.ended = true;
                Some(Err(lost()))
            }
        })
    }

    /// All rows that are left.
    ///
    /// # Errors
    /// Why there are not all of them.
    ///
    /// # Cancel safety
    /// Dropping the future drops the rows it has read.
    pub async fn all(&mut self) -> Result<Vec<Row<W>>, Refusal> {
        let mut all = Vec::new();
        while let Some(rows) = poll_fn(|cx| self.poll_next(cx)).await {
            all.extend(rows?);
        }
        Ok(all)
    }

    /// Passes over all rows that are left, and answers how many the statement has changed, or told.
    ///
    /// # Errors
    /// Why it did not come to its end.
    ///
    /// # Cancel safety
    /// Dropping the future drops the rows it has read.
    pub async fn count(&mut self) -> Result<u64, Refusal> {
        while let Some(rows) = poll_fn(|cx| self.poll_next(cx)).await {
            drop(rows?);
        }
        Ok(self.affected)
    }
}

impl<W: Wire> Drop for Rows<W> {
    fn drop(&mut self) {
        if !self.ended {
            self.ticket.gone.store(true, Relaxed);
            self.session.shared.news.notify_one();
        }
    }
}

fn lost() -> Refusal {
    Refusal::Lost { why: "the task that keeps the connection ended".to_owned(), ran: true }
}
