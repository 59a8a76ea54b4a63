//! What a guest's statement may do, and how long: the answers to what SQLite asks while it prepares and runs one.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{
    Connection, ffi,
    hooks::{AuthContext, Authorization},
};

use super::{allowed, rows::Ticket};

/// Bytes that all databases of the process may have in memory, those of keys included: SQLite's own hard limit.
pub const HEAP: u64 = 512 << 20;

/// Bytes in all from which on statements end, so that what they take is never all there is.
pub const HEAP_OF_STATEMENTS: u64 = 384 << 20;

/// Bytes in all from which on statements end that wait for their readers: what they hold would be missing to those that run.
pub(super) const HEAP_OF_WAITING: u64 = 192 << 20;

/// Instructions between two looks at the clock: some microseconds, and no more than a few large values.
const STEPS: i32 = 100;

/// The longest pause between two tries to get a lock.
const PAUSE: Duration = Duration::from_millis(4);

/// How often the host tries to get a lock for itself: two seconds.
const HOSTS_TRIES: i32 = 500;

/// Who a connection works for, as its handlers see it.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard(Arc<Mutex<Watch>>);

#[derive(Debug, Default)]
struct Watch {
    /// The guest's statement; without one the host is at work, which may do everything.
    ticket: Option<Arc<Ticket>>,
    until: Option<Instant>,
    /// Why a statement was stopped.
    why: Option<Why>,
    /// Whether a lock that is not free is not waited for.
    hasty: bool,
    /// Whether the connection is no longer as it was opened.
    soiled: bool,
}

/// Why a statement was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Denied(String),
    Deadline,
    Locked,
    Gone,
    Memory,
}

impl Guard {
    /// Has a connection ask.
    pub(super) fn watch(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let (asked, running, waiting) = (self.clone(), self.clone(), self.clone());
        connection.authorizer(Some(move |context: AuthContext<'_>| asked.lock().may(&context)))?;
        connection.progress_handler(STEPS, Some(move || running.lock().stops()))?;
        connection.busy_handler(Some(move |tries: i32| waiting.waits(tries)))
    }

    fn lock(&self) -> MutexGuard<'_, Watch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A guest's statement begins.
    pub(super) fn begin(&self, ticket: &Arc<Ticket>, time: Duration) {
        let mut watch = self.lock();
        watch.ticket = Some(Arc::clone(ticket));
        watch.until = Some(Instant::now() + time);
        watch.why = None;
    }

    /// It waited for its reader, which is not on its account.
    pub(super) fn waited(&self, time: Duration) {
        let mut watch = self.lock();
        watch.until = watch.until.map(|until| until + time);
    }

    /// It has ended: why it was stopped, if it was.
    pub(super) fn end(&self) -> Option<Why> {
        let mut watch = self.lock();
        watch.ticket = None;
        watch.why.take()
    }

    /// Does what the host has to do while a statement is at work. It waits for no lock.
    pub(super) fn as_host<T>(&self, what: impl FnOnce() -> T) -> T {
        let ticket = {
            let mut watch = self.lock();
            watch.hasty = true;
            watch.ticket.take()
        };
        let done = what();
        let mut watch = self.lock();
        (watch.ticket, watch.hasty) = (ticket, false);
        done
    }

    /// Whether the connection has to be closed: guests have changed more of it than a rollback undoes.
    pub(super) fn is_soiled(&self) -> bool {
        self.lock().soiled
    }

    /// Whether to try again for a lock.
    fn waits(&self, tries: i32) -> bool {
        {
            let mut watch = self.lock();
            if watch.is_over() {
                if watch.why == Some(Why::Deadline) {
                    watch.why = Some(Why::Locked);
                }
                return false;
            }
            if watch.hasty || (watch.ticket.is_none() && tries > HOSTS_TRIES) {
                return false;
            }
        }
        // The lock is another process's or thread's: SQLite has no other way to wait for it.
        thread::sleep(PAUSE.min(Duration::from_micros(100) * u32::try_from(tries + 1).unwrap_or(1)));
        true
    }
}

impl Watch {
    fn is_over(&mut self) -> bool {
        let Some(ticket) = &self.ticket else { return false };
        let why = match self.until {
            _ if ticket.gone.load(Relaxed) => Why::Gone,
            Some(until) if Instant::now() >= until => Why::Deadline,
            _ => return false,
        };
        self.why = Some(why);
        true
    }

    /// Whether a running statement ends here.
    fn stops(&mut self) -> bool {
        if self.is_over() {
            return true;
        }
        let full = self.ticket.is_some() && heap() > HEAP_OF_STATEMENTS;
        if full {
            self.why = Some(Why::Memory);
        }
        full
    }

    fn may(&mut self, context: &AuthContext<'_>) -> Authorization {
        if self.ticket.is_none() {
            return Authorization::Allow;
        }
        match allowed::denied(&context.action) {
            None => {
                self.soiled |= allowed::soils(context);
                Authorization::Allow
            }
            Some(what) => {
                self.why = Some(Why::Denied(what));
                Authorization::Deny
            }
        }
    }
}

/// Bytes that all databases of the process have in memory.
#[expect(unsafe_code, reason = "SQLite tells it by this function alone")]
pub(super) fn heap() -> u64 {
    // SAFETY: it reads a counter of the library's under a lock of the library's, from any thread, at any time.
    let used = unsafe { ffi::sqlite3_memory_used() };
    used.max(0).unsigned_abs()
}
