//! Takes in the small pieces of a request's body in the turn of the connection's own task.
//!
//! hyper hands over one piece at a time: a client that sends one byte in each would have a guest entered for every one
//! (`decisions/0068-small-pieces-of-a-request.md`).

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, Weak,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
    task::{Context, Poll, Waker},
};

use futures_util::task::AtomicWaker;

use super::arriving::{Coming, lock};

/// How often a connection is polled again at once for the sake of small pieces.
const TURNS: usize = 256;

/// What a connection does for the body of the request that it reads.
#[derive(Default)]
pub(super) struct Intake {
    bell: Arc<Bell>,
    /// Whether there was a body on this connection.
    helps: AtomicBool,
    /// The body that is being read, as long as anybody has it.
    coming: Mutex<Weak<Mutex<Coming>>>,
}

/// By which a body's reader calls for the connection's task.
#[derive(Default)]
struct Bell {
    /// Whether it was rung and not answered.
    rung: AtomicBool,
    task: AtomicWaker,
}

/// Where a body stands with its connection. Kept under the body's lock.
#[derive(Default)]
pub(super) enum Help {
    /// The connection has no part in it any more, or had none.
    #[default]
    None,
    /// The connection would take in what there is.
    Offered(Ring),
    /// It was asked to, and then wakes the reader.
    Asked(Ring, Waker),
    /// It has.
    Given(Ring),
}

/// The reader's end of a [`Bell`].
pub(super) struct Ring(Arc<Bell>);

impl Help {
    /// Asks for what there is, for the reader of this waker; `false` when all there is has been taken in.
    pub(super) fn ask(&mut self, reader: &Waker) -> bool {
        match std::mem::take(self) {
            Self::None => return false,
            Self::Given(ring) => {
                *self = Self::Given(ring);
                return false;
            }
            Self::Offered(ring) => {
                ring.0.rung.store(true, Release);
                ring.0.task.wake();
                *self = Self::Asked(ring, reader.clone());
            }
            Self::Asked(ring, _) => *self = Self::Asked(ring, reader.clone()),
        }
        true
    }

    /// The reader has all there was.
    pub(super) fn again(&mut self) {
        *self = match std::mem::take(self) {
            Self::Given(ring) | Self::Asked(ring, _) => Self::Offered(ring),
            other => other,
        };
    }

    /// All there is has been taken in: who asked is to be woken.
    fn give(&mut self) -> Option<Waker> {
        match std::mem::take(self) {
            Self::Asked(ring, reader) => {
                *self = Self::Given(ring);
                Some(reader)
            }
            other => {
                *self = other;
                None
            }
        }
    }

    /// Nobody helps any more: who asked is to be woken.
    fn end(&mut self) -> Option<Waker> {
        match std::mem::take(self) {
            Self::Asked(_, reader) => Some(reader),
            _ => None,
        }
    }
}

/// What was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// There was nothing.
    Nothing,
    /// A piece.
    Some,
    /// So much that it is handed over, or the end.
    Enough,
}

impl Intake {
    /// Helps this body, and no longer the one before it.
    pub(super) fn help(&self, coming: &Arc<Mutex<Coming>>) {
        lock(coming).help = Help::Offered(Ring(self.bell.clone()));
        let before = std::mem::replace(&mut *lock(&self.coming), Arc::downgrade(coming));
        let_go(&before);
        self.helps.store(true, Release);
    }

    /// Helps as long as the guard lives: no reader waits for this any more afterwards.
    pub(super) fn begin(&self) -> Helping<'_> {
        Helping(self)
    }

    /// Whether a reader has asked. If not, `cx` is woken when it does.
    fn is_wanted(&self, cx: &Context<'_>) -> bool {
        if !self.helps.load(Acquire) {
            return false;
        }
        // The waker goes in first: who asks after the look finds it.
        self.bell.task.register(cx.waker());
        self.bell.rung.load(Acquire)
    }

    fn take_in(&self) -> Taken {
        let coming = lock(&self.coming).upgrade();
        coming.map_or(Taken::Enough, |coming| lock(&coming).take_in())
    }

    /// Lets the reader have what was taken in.
    fn give(&self) {
        self.bell.rung.store(false, Release);
        let coming = lock(&self.coming).upgrade();
        let reader = coming.and_then(|coming| lock(&coming).help.give());
        reader.into_iter().for_each(Waker::wake);
    }
}

/// A connection that is being run, beside which its bodies are helped.
pub(super) struct Helping<'a>(&'a Intake);

impl Helping<'_> {
    /// Polls the connection, again and again as long as that brings small pieces that somebody waits for.
    pub(super) fn poll_connection<C: Future>(
        &self,
        mut connection: Pin<&mut C>,
        cx: &mut Context<'_>,
    ) -> Poll<C::Output> {
        let mut last = Taken::Some;
        for _ in 0..TURNS {
            if let Poll::Ready(output) = connection.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            if !self.0.is_wanted(cx) {
                return Poll::Pending;
            }
            let taken = self.0.take_in();
            // The first time there is nothing, the piece that came last was in the way of the next.
            if taken == Taken::Enough || (taken, last) == (Taken::Nothing, Taken::Nothing) {
                self.0.give();
                return Poll::Pending;
            }
            last = taken;
        }
        // Others have their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Helping<'_> {
    fn drop(&mut self) {
        let_go(&lock(&self.0.coming));
    }
}

fn let_go(coming: &Weak<Mutex<Coming>>) {
    let reader = coming.upgrade().and_then(|coming| lock(&coming).help.end());
    reader.into_iter().for_each(Waker::wake);
}
