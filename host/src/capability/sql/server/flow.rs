//! Rows on their way out of the connection's task: no faster than they are read, unless another statement waits behind
//! them; within the limits of a result, and of a statement's time.

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    sync::mpsc::Receiver,
    time::{Instant, sleep_until},
};

use super::{
    Refusal, Shared, Weigh, Wire,
    clerk::Run,
    rows::{Batch, Piece},
};
use crate::config::DatabaseQuota;

/// Bytes of rows that are sent at once.
const BATCH: u64 = 64 << 10;

/// Bytes of rows that may lie unread before their statement waits.
const WINDOW: u64 = 4 * BATCH;

/// The result of one statement.
pub struct Flow<'a, W: Wire> {
    run: &'a Run<W>,
    quota: &'a DatabaseQuota,
    /// What is asked next, for whether anything is.
    inbox: &'a Receiver<Run<W>>,
    shared: &'a Arc<Shared>,
    batch: Vec<Vec<W::Value>>,
    batch_bytes: u64,
    rows: u64,
    bytes: u64,
    affected: u64,
    begun: Instant,
    /// What was waited for the reader.
    waited: Duration,
}

impl<'a, W: Wire> Flow<'a, W> {
    pub(super) fn new(
        run: &'a Run<W>,
        quota: &'a DatabaseQuota,
        inbox: &'a Receiver<Run<W>>,
        shared: &'a Arc<Shared>,
    ) -> Self {
        Self {
            run,
            quota,
            inbox,
            shared,
            batch: Vec::new(),
            batch_bytes: 0,
            rows: 0,
            bytes: 0,
            affected: 0,
            begun: Instant::now(),
            waited: Duration::ZERO,
        }
    }

    /// The statement's time begins anew: what was waited for a connection is not on its account.
    pub(super) fn begin(&mut self) {
        self.begun = Instant::now();
    }

    /// What a result may have.
    pub fn quota(&self) -> &DatabaseQuota {
        self.quota
    }

    /// Waits for the server, as long as the statement has time and somebody waits for it.
    ///
    /// # Errors
    /// When it has not, or nobody does.
    pub async fn network<F: Future>(&mut self, work: F) -> Result<F::Output, Refusal> {
        let mut work = pin!(work);
        let mut deadline = pin!(sleep_until(self.begun + self.quota.statement + self.waited));
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = &mut deadline => return Err(Refusal::Deadline(self.quota.statement)),
                () = self.shared.news.notified() => self.look()?,
            }
        }
    }

    /// The columns, before all rows: that the statement runs.
    pub fn columns(&mut self, columns: Vec<W::Column>) {
        let _ = self.run.pieces.send(Piece::Columns(columns));
    }

    /// One row more. Waits while too much lies unread.
    ///
    /// # Errors
    /// A result that is too large, or a reader that has left.
    pub async fn row(&mut self, row: Vec<W::Value>) -> Result<(), Refusal> {
        let own: u64 = row.iter().map(Weigh::weight).sum();
        let size = own + (size_of::<Vec<W::Value>>() + row.len() * size_of::<W::Value>()) as u64;
        self.rows += 1;
        self.bytes += size;
        if self.rows > self.quota.rows {
            return Err(Refusal::Rows(self.quota.rows));
        }
        if self.bytes > self.quota.result {
            return Err(Refusal::Result(self.quota.result));
        }
        self.batch.push(row);
        self.batch_bytes += size;
        if self.batch_bytes < BATCH {
            return Ok(());
        }
        self.send();
        let begun = Instant::now();
        let how = self.until_read().await;
        self.waited += begun.elapsed();
        how
    }

    /// How many rows the statement has changed, or told.
    pub fn affected(&mut self, rows: u64) {
        self.affected = rows;
    }

    /// The end of the result.
    pub(super) fn end(&mut self, how: Result<(), Refusal>) {
        if how.is_ok() {
            self.send();
        }
        let _ = self.run.pieces.send(Piece::End(how.map(|()| self.affected)));
    }

    /// Sends what there is. A reader that has left is seen later.
    fn send(&mut self) {
        if !self.batch.is_empty() {
            let batch = Batch::new(std::mem::take(&mut self.batch), self.batch_bytes, &self.run.ticket, self.shared);
            self.batch_bytes = 0;
            let _ = self.run.pieces.send(Piece::Rows(batch));
        }
    }

    fn look(&self) -> Result<(), Refusal> {
        if self.run.ticket.gone.load(Relaxed) { Err(Refusal::Gone) } else { Ok(()) }
    }

    async fn until_read(&self) -> Result<(), Refusal> {
        loop {
            self.look()?;
            // Rows of an earlier statement that are kept do not hold up this one's.
            if self.run.ticket.unread.load(Relaxed) <= WINDOW {
                return Ok(());
            }
            // Whoever runs the next statement may be who reads these rows: what is left is kept for later.
            if !self.inbox.is_empty() {
                let (unread, most) = (self.shared.unread.load(Relaxed), self.quota.result);
                return if unread > most { Err(Refusal::Unread(most)) } else { Ok(()) };
            }
            self.shared.news.notified().await;
        }
    }
}
