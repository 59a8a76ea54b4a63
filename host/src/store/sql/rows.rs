//! The rows of a statement on their way from the connection's thread to who asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::sync::mpsc::UnboundedReceiver;

use super::{Refusal, Session, Tally, Value};

/// A row's values, in the order of the columns.
pub type Row = Vec<Value>;

/// What the thread hears of who asked.
#[derive(Debug, Default)]
pub(super) struct Ticket {
    /// Nobody waits any more.
    pub(super) gone: AtomicBool,
    /// Bytes of this statement's rows that wait for their reader.
    pub(super) unread: AtomicU64,
}

/// One part of a result.
#[derive(Debug)]
pub(super) enum Piece {
    /// First of all, once it is known that the statement runs.
    Columns(Vec<String>),
    /// Rows, in their order.
    Rows(Batch),
    /// Last of all.
    End(Result<(), Refusal>),
}

/// Rows that count as unread while they are on their way.
#[derive(Debug)]
pub(super) struct Batch {
    rows: Vec<Row>,
    bytes: u64,
    ticket: Arc<Ticket>,
    tally: Arc<Tally>,
}

impl Batch {
    pub(super) fn new(rows: Vec<Row>, bytes: u64, ticket: &Arc<Ticket>, tally: &Arc<Tally>) -> Self {
        ticket.unread.fetch_add(bytes, Relaxed);
        tally.unread.fetch_add(bytes, Relaxed);
        Self { rows, bytes, ticket: Arc::clone(ticket), tally: Arc::clone(tally) }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.ticket.unread.fetch_sub(self.bytes, Relaxed);
        self.tally.unread.fetch_sub(self.bytes, Relaxed);
    }
}

/// What a statement answers. Dropping it ends the statement.
#[derive(Debug)]
pub struct Rows {
    session: Arc<Session>,
    ticket: Arc<Ticket>,
    arriving: UnboundedReceiver<Piece>,
    columns: Vec<String>,
    ended: bool,
}

impl Rows {
    pub(super) fn new(session: Arc<Session>, ticket: Arc<Ticket>, arriving: UnboundedReceiver<Piece>) -> Self {
        Self { session, ticket, arriving, columns: Vec::new(), ended: false }
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
            Some(Piece::Rows(_) | Piece::End(Ok(()))) | None => Err(lost()),
        }
    }

    /// The columns' names.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The next rows, some at a time; `None` after the last.
    ///
    /// # Errors
    /// Why there are no more. Those before are as they should be.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<Row>, Refusal>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.arriving.poll_recv(cx)) {
            Some(Piece::Rows(mut batch)) => {
                let rows = std::mem::take(&mut batch.rows);
                drop(batch);
                self.session.look();
                Some(Ok(rows))
            }
            Some(Piece::End(how)) => {
                self.ended = true;
                how.err().map(Err)
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
    pub async fn all(&mut self) -> Result<Vec<Row>, Refusal> {
        let mut all = Vec::new();
        while let Some(rows) = std::future::poll_fn(|cx| self.poll_next(cx)).await {
            all.extend(rows?);
        }
        Ok(all)
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        if !self.ended {
            self.ticket.gone.store(true, Relaxed);
            self.session.look();
        }
    }
}

fn lost() -> Refusal {
    Refusal::Broken("the thread that keeps the connection ended".to_owned())
}
