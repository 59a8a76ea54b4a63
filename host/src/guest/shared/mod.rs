//! Several requests at once in one instance of a 0.3 guest.
//!
//! Each instance is driven by a task of its own ([`worker`]); a request takes a [`Seat`] in one that has room, or starts
//! another. A seat given up before its request ended retires the instance: the engine cannot stop one of a store's
//! tasks, so no new request is let in beside it, and the store is dropped when the others have left.

mod ledger;
mod worker;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio::{
    sync::{Notify, Semaphore, mpsc, oneshot},
    time,
};

use super::{
    body::Verdict,
    call::{Errand, Job},
    idle::Keeper,
    instance::Instance,
    plugin::Loaded,
};
use crate::failure::{Code, Failure};

/// How long whoever needs a slot waits for an idle instance to end; its guest may still be at work after its responses.
const EVICTION: Duration = Duration::from_secs(1);

/// The live instances of one plugin that may still take requests.
#[derive(Default)]
pub(super) struct Shared {
    live: Mutex<Vec<Arc<Room>>>,
}

/// One request on its way into an instance.
struct Ticket {
    job: Job,
    verdict: Arc<Verdict>,
    /// Told once the request's work is over.
    done: oneshot::Sender<Result<(), Failure>>,
}

/// One instance from outside: how many requests are in it, and whether it takes more.
struct Room {
    inbox: mpsc::UnboundedSender<Ticket>,
    seats: Mutex<Seats>,
    changed: Notify,
    /// Closed once the instance is gone.
    gone: Semaphore,
}

#[derive(Default)]
struct Seats {
    taken: u32,
    /// Since when nobody is in it, if that is so.
    idle_since: Option<Instant>,
    /// Requests let in so far.
    served: u32,
    retired: bool,
}

/// A request's place in a [`Room`].
struct Seat {
    room: Arc<Room>,
    ended: bool,
}

impl Shared {
    /// Runs one request in an instance it shares with others.
    pub(super) async fn serve(plugin: &Arc<Loaded>, job: Job) -> Result<(), Failure> {
        let mut seat = plugin.shared.seat(plugin, &job.errand);
        let (done, ended) = oneshot::channel();
        let ticket = Ticket { job, verdict: Arc::default(), done };
        if seat.room.inbox.send(ticket).is_err() {
            return Err(Failure::plain(Code::Unavailable).inside("the instance ended before it took the request"));
        }
        let result = ended.await.unwrap_or_else(|_| {
            Err(Failure::new(Code::Trap, "The instance that served this request ended because of another one."))
        });
        seat.ended = result.is_ok();
        result
    }

    /// Instances that nobody is in.
    pub(super) fn idle(&self) -> usize {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.iter().filter(|room| room.idle_since().is_some()).count()
    }

    /// A place in an instance with room, or in a new one.
    fn seat(&self, plugin: &Arc<Loaded>, errand: &Arc<Errand>) -> Seat {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|room| !room.is_retired());
        if let Some(room) = live.iter().find(|room| room.enter(plugin)) {
            return Seat { room: Arc::clone(room), ended: false };
        }
        let room = worker::start(plugin, errand);
        room.enter(plugin);
        live.push(Arc::clone(&room));
        Seat { room, ended: false }
    }
}

impl Room {
    fn enter(&self, plugin: &Loaded) -> bool {
        let mut seats = self.lock();
        let open = !seats.retired && seats.taken < plugin.instances.max_concurrent;
        if open {
            seats.taken += 1;
            seats.idle_since = None;
            seats.served += 1;
            seats.retired = seats.served >= plugin.instances.max_requests;
        }
        open
    }

    fn retire(&self) {
        self.lock().retired = true;
        self.changed.notify_one();
    }

    /// Retires the instance if nobody is in it; says whether it did, and nobody had before.
    fn retire_if_empty(&self) -> bool {
        let mut seats = self.lock();
        let retires = seats.taken == 0 && !seats.retired;
        seats.retired |= retires;
        retires
    }

    fn is_retired(&self) -> bool {
        self.lock().retired
    }

    /// Whether no request is left in it and none will come.
    fn is_over(&self) -> bool {
        let seats = self.lock();
        seats.retired && seats.taken == 0
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper for Room {
    fn idle_since(&self) -> Option<Instant> {
        let seats = self.lock();
        seats.idle_since.filter(|_| !seats.retired)
    }

    fn evict(&self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            // One that is on its way out already is somebody else's.
            if !self.retire_if_empty() {
                return false;
            }
            self.changed.notify_one();
            // Nothing is ever put in: this waits for the closing.
            time::timeout(EVICTION, self.gone.acquire()).await.is_ok()
        })
    }

    /// None: its worker ends by itself.
    fn stale(&self, _: Duration) -> Vec<Instance> {
        Vec::new()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.room.lock();
        seats.taken -= 1;
        seats.retired |= !self.ended;
        if seats.taken == 0 {
            seats.idle_since = Some(Instant::now());
        }
        drop(seats);
        self.room.changed.notify_one();
    }
}
