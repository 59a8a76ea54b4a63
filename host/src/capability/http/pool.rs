//! One tenant's connections that wait for their next request.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::{
    limits::{IDLE_FOR, IDLE_PER_ORIGIN},
    wire::Line,
};
use crate::config::Origin;

/// The idle connections of a tenant. What is in here was connected to a checked address by this tenant's own request,
/// so it may be used again without asking for the name anew.
pub(super) struct Pool {
    /// The one that has not been used for longest stands first.
    kept: Mutex<VecDeque<Kept>>,
    most: usize,
}

struct Kept {
    origin: Origin,
    line: Line,
    used: Instant,
}

impl Pool {
    /// A pool of at most so many.
    pub(super) fn new(most: usize) -> Self {
        Self { kept: Mutex::default(), most }
    }

    /// A connection to this origin that seems to live: the one used last, which is the likeliest to.
    pub(super) fn take(&self, origin: &Origin) -> Option<Line> {
        let (mut kept, now) = (self.lock(), Instant::now());
        kept.retain(|kept| kept.is_fresh(now));
        let last = kept.iter().rposition(|kept| kept.origin == *origin)?;
        let taken = kept.remove(last)?;
        if let Line::Http2(sender) = &taken.line {
            // Others may use it beside this one.
            kept.push_back(Kept { origin: taken.origin, line: Line::Http2(sender.clone()), used: now });
        }
        Some(taken.line)
    }

    /// Keeps a connection for the next request, and lets go of the oldest if that is one too many.
    pub(super) fn keep(&self, origin: Origin, line: Line) {
        let mut kept = self.lock();
        let others: Vec<_> = (0..kept.len()).filter(|index| kept[*index].origin == origin).collect();
        if others.len() >= IDLE_PER_ORIGIN {
            kept.remove(others[0]);
        }
        kept.push_back(Kept { origin, line, used: Instant::now() });
        if kept.len() > self.most {
            kept.pop_front();
        }
    }

    /// Lets go of what has not been used for long, or was closed by its server.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        self.lock().retain(|kept| kept.is_fresh(now));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_fresh(&self, now: Instant) -> bool {
        self.line.is_ready() && now.duration_since(self.used) <= IDLE_FOR
    }
}
