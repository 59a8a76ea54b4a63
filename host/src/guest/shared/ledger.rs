//! Who is in an instance, and what each has used of the CPU time they share.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use wasmtime::component::GuestTaskId;

use super::super::{
    body::Verdict,
    call::{Desk, Errand},
};
use crate::failure::Failure;

/// The requests in one instance.
///
/// CPU time is charged to the request whose call is running at each tick; what is left over at the end of a poll, less
/// than a tick each time, is shared by those in flight.
pub(super) struct Ledger {
    desk: Arc<Desk>,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    /// The instance's CPU time that has been charged to somebody.
    charged: Duration,
    entries: Vec<Entry>,
}

struct Entry {
    /// Tells it from every other: the engine uses a task's id again as soon as its call is over, while the body of what it
    /// answered may still be on its way.
    number: u64,
    task: GuestTaskId,
    errand: Arc<Errand>,
    verdict: Arc<Verdict>,
    used: Duration,
}

impl Ledger {
    pub(super) fn new(desk: Arc<Desk>) -> Arc<Self> {
        Arc::new(Self { desk, book: Mutex::default() })
    }

    /// A request has come in.
    pub(super) fn open(&self, number: u64, task: GuestTaskId, errand: Arc<Errand>, verdict: Arc<Verdict>) {
        let mut book = self.lock();
        book.entries.push(Entry { number, task, errand, verdict, used: Duration::ZERO });
        self.reassign(&book);
    }

    /// A request is over.
    pub(super) fn close(&self, number: u64) {
        let mut book = self.lock();
        book.entries.retain(|entry| entry.number != number);
        self.reassign(&book);
    }

    /// Charges what the instance has used since the last time to the call that runs, or to all if it is unknown. Says
    /// whether everybody is within their budget.
    pub(super) fn charge(&self, total: Duration, running: Option<GuestTaskId>) -> bool {
        let mut book = self.lock();
        let used = total.saturating_sub(book.charged);
        book.charged = total.max(book.charged);
        // Of several with one id the last one's call runs.
        match book.entries.iter_mut().rev().find(|entry| Some(entry.task) == running) {
            Some(entry) => entry.charge(used),
            None => {
                let share = used / u32::try_from(book.entries.len()).unwrap_or(u32::MAX).max(1);
                book.entries.iter_mut().for_each(|entry| entry.charge(share));
            }
        }
        !book.entries.iter().any(Entry::is_over)
    }

    /// The instance has ended: everybody still in it fails, those over their budget for their own reason.
    pub(super) fn fail_all(&self, culprit: &Failure, neighbour: &Failure) -> Vec<(u64, Failure)> {
        let entries = std::mem::take(&mut self.lock().entries);
        let anyone_over = entries.iter().any(Entry::is_over);
        entries
            .into_iter()
            .map(|entry| {
                let own = !anyone_over || entry.is_over();
                let failure = if own { culprit } else { neighbour }.clone();
                entry.verdict.fail(failure.clone());
                (entry.number, failure)
            })
            .collect()
    }

    /// Outbound calls carry the longest chain among the requests in flight, so that no loop hides behind a neighbour.
    fn reassign(&self, book: &Book) {
        if let Some(entry) = book.entries.iter().max_by_key(|entry| entry.errand.caller.hop) {
            self.desk.assign(Arc::clone(&entry.errand));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_over(&self) -> bool {
        self.used > self.errand.caller.limits().cpu
    }

    fn charge(&mut self, used: Duration) {
        self.used += used;
        self.errand.meter.add_cpu(used);
    }
}
