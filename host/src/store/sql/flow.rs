//! Rows on their way out of the thread: no faster than they are read, unless another statement waits behind them.

use std::{
    collections::VecDeque,
    sync::{
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use super::{
    Order, Refusal, Row, Run,
    guard::{HEAP_OF_WAITING, heap},
    rows::{Batch, Piece},
};
use crate::config::SqlQuota;

/// Bytes of rows that are sent at once.
const BATCH: u64 = 64 << 10;

/// Bytes of rows that may lie unread before their statement waits.
const WINDOW: u64 = 4 * BATCH;

/// How often who waits for a reader looks at the memory that all statements take.
const LOOK: Duration = Duration::from_millis(100);

/// Where orders come from: those that came while a statement ran, then new ones.
pub(super) struct Inbox {
    pub(super) new: Receiver<Order>,
    pub(super) put_off: VecDeque<Order>,
}

/// The result of one statement.
pub(super) struct Flow<'a> {
    run: &'a Run,
    quota: &'a SqlQuota,
    inbox: &'a mut Inbox,
    /// Until they are sent.
    columns: Option<Vec<String>>,
    batch: Vec<Row>,
    batch_bytes: u64,
    rows: u64,
    bytes: u64,
    /// What was waited for the reader since it was last asked.
    waited: Duration,
}

impl<'a> Flow<'a> {
    pub(super) fn new(run: &'a Run, quota: &'a SqlQuota, inbox: &'a mut Inbox) -> Self {
        Self {
            run,
            quota,
            inbox,
            columns: None,
            batch: Vec::new(),
            batch_bytes: 0,
            rows: 0,
            bytes: 0,
            waited: Duration::ZERO,
        }
    }

    /// The columns' names, before all rows.
    pub(super) fn columns(&mut self, names: Vec<String>) {
        self.columns = Some(names);
    }

    /// One row more. Waits while too much lies unread.
    ///
    /// # Errors
    /// A result that is too large, or a reader that has left.
    pub(super) fn row(&mut self, row: Row) -> Result<(), Refusal> {
        let size = super::size(&row);
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
        self.until_read()
    }

    /// The time that was spent waiting for the reader.
    pub(super) fn waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }

    /// The end of the result.
    pub(super) fn end(mut self, how: Result<(), Refusal>) {
        // Nothing that was sent says that it runs: then who asked hears of the failure alone.
        if how.is_ok() || self.columns.is_none() {
            self.send();
        }
        let _ = self.run.pieces.send(Piece::End(how));
    }

    /// Sends what there is. A reader that has left is seen later.
    fn send(&mut self) {
        if let Some(columns) = self.columns.take() {
            let _ = self.run.pieces.send(Piece::Columns(columns));
        }
        if !self.batch.is_empty() {
            let batch =
                Batch::new(std::mem::take(&mut self.batch), self.batch_bytes, &self.run.ticket, &self.run.tally);
            self.batch_bytes = 0;
            let _ = self.run.pieces.send(Piece::Rows(batch));
        }
    }

    fn until_read(&mut self) -> Result<(), Refusal> {
        let begun = Instant::now();
        let how = self.look();
        self.waited += begun.elapsed();
        how
    }

    fn look(&mut self) -> Result<(), Refusal> {
        loop {
            if self.run.ticket.gone.load(Relaxed) {
                return Err(Refusal::Gone);
            }
            // Rows of an earlier statement that are kept do not hold up this one's.
            if self.run.ticket.unread.load(Relaxed) <= WINDOW {
                return Ok(());
            }
            // Whoever runs the next statement may be who reads these rows: what is left is kept for later.
            if !self.inbox.put_off.is_empty() {
                let (unread, most) = (self.run.tally.unread.load(Relaxed), self.quota.result);
                return if unread > most { Err(Refusal::Unread(most)) } else { Ok(()) };
            }
            match self.inbox.new.recv_timeout(LOOK) {
                Ok(Order::Look) => {}
                Ok(order) => self.inbox.put_off.push_back(order),
                // What it has sorted is held as long as it waits, and its reader may be one that means harm.
                Err(RecvTimeoutError::Timeout) if heap() > HEAP_OF_WAITING => return Err(Refusal::Memory),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Refusal::Gone),
            }
        }
    }
}

impl Inbox {
    pub(super) fn new(new: Receiver<Order>) -> Self {
        Self { new, put_off: VecDeque::new() }
    }
}
