//! One tenant's connections that wait for their next request.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::{limits::IDLE_FOR, wire::Line};
use crate::config::Origin;

/// The idle connections of a tenant. What is in here was connected to a checked address by this tenant's own request,
/// so it may be used again without asking for the name anew.
///
/// A lock for all of them, which is held for a look at one origin's newest: thousands of calls a second pass here.
pub(super) struct Pool {
    idle: Mutex<Idle>,
    most: usize,
}

#[derive(Default)]
struct Idle {
    /// Of each origin, the one that has not been used for longest stands first. None is empty.
    origins: HashMap<Origin, VecDeque<Kept>>,
    count: usize,
}

struct Kept {
    line: Line,
    used: Instant,
}

impl Pool {
    /// A pool of at most so many.
    pub(super) fn new(most: usize) -> Self {
        Self { idle: Mutex::default(), most }
    }

    /// A connection to this origin that seems to live: the one used last, which is the likeliest to.
    pub(super) fn take(&self, origin: &Origin) -> Option<Line> {
        let (mut idle, now) = (self.lock(), Instant::now());
        let idle = &mut *idle;
        let kept = idle.origins.get_mut(origin)?;
        let before = kept.len();
        let mut taken = None;
        while let Some(last) = kept.pop_back() {
            if last.is_fresh(now) {
                taken = Some(last.line);
                break;
            }
        }
        if let Some(Line::Http2(sender)) = &taken {
            // Others may use it beside this one.
            kept.push_back(Kept { line: Line::Http2(sender.clone()), used: now });
        }
        idle.count -= before - kept.len();
        if kept.is_empty() {
            idle.origins.remove(origin);
        }
        taken
    }

    /// Keeps a connection for the next request, and lets go of the oldest if that is one too many.
    pub(super) fn keep(&self, origin: Origin, line: Line) {
        let mut idle = self.lock();
        idle.origins.entry(origin).or_default().push_back(Kept { line, used: Instant::now() });
        idle.count += 1;
        if idle.count > self.most {
            idle.drop_oldest();
        }
    }

    /// Lets go of what has not been used for long, or was closed by its server.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let mut idle = self.lock();
        idle.origins.retain(|_, kept| {
            kept.retain(|kept| kept.is_fresh(now));
            !kept.is_empty()
        });
        idle.count = idle.origins.values().map(VecDeque::len).sum();
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn drop_oldest(&mut self) {
        let oldest = self.origins.iter().min_by_key(|(_, kept)| kept.front().map(|kept| kept.used));
        let Some(origin) = oldest.map(|(origin, _)| origin.clone()) else { return };
        if let Some(kept) = self.origins.get_mut(&origin) {
            self.count -= usize::from(kept.pop_front().is_some());
            if kept.is_empty() {
                self.origins.remove(&origin);
            }
        }
    }
}

impl Kept {
    fn is_fresh(&self, now: Instant) -> bool {
        self.line.is_ready() && now.duration_since(self.used) <= IDLE_FOR
    }
}
