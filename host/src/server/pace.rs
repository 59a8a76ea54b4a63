//! Whether the peer of a response takes what it is offered.
//!
//! While the socket is stuck nothing is offered at all (`flow`); beyond that, HTTP/1 has the socket's own patience.
//!
//! A peer can keep its connection lively and yet take nothing of one stream: flow control is for each of them. hyper
//! asks a body for more only when the stream has room, so a body that gave a frame and is not asked again is one whose
//! peer does not read.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep, sleep};

use super::flow::Flow;
use crate::{body::Body, failure::Failure};

/// The largest piece of a body that is handed over at once.
const PIECE: usize = 64 * 1024;

/// Bytes of a body after which what was handed over leaves before more is asked for. hyper would gather eight times as much, and
/// hold it when the socket takes no more: of each stream, where there are many.
pub(super) const GATHERED: u16 = 4 * 1024;

tokio::task_local! {
    /// The pace of the stream whose task this is.
    static PACE: Arc<Pace>;
}

/// How far one stream's response has come.
#[derive(Debug, Default)]
struct Pace {
    /// Frames given to hyper.
    offered: AtomicU64,
    /// As many of them as were taken when hyper last asked for more.
    taken: AtomicU64,
}

/// Runs a stream's task. Ends it, and with it the stream, when its peer takes nothing for `stall`: `None` then.
pub(super) async fn paced<F: Future>(stream: F, stall: Duration) -> Option<F::Output> {
    let pace = Arc::new(Pace::default());
    let stalled = Stalled { pace: pace.clone(), stall, seen: 0, timer: None };
    tokio::select! {
        // The body first: it says whether there is anything to wait for.
        biased;
        output = PACE.scope(pace, stream) => Some(output),
        () = stalled => None,
    }
}

/// Puts a response's body under the watch of its connection, and of its stream's task if this is called in one.
/// `held` is dropped with the body.
pub(super) fn watched<T: Send + Unpin + 'static>(body: Body, flow: &Arc<Flow>, held: T) -> Body {
    // It leaves with the head.
    if body.is_end_stream() {
        return body;
    }
    let flow = flow.clone();
    match PACE.try_with(Arc::clone) {
        Ok(pace) => {
            let pieces = Pieces { inner: body, rest: Bytes::new(), pace };
            Offered { inner: pieces, flow, _held: held }.boxed_unsync()
        }
        Err(_) => {
            let parts = Parts { inner: body, flow: flow.clone(), gathered: 0, taken: 0 };
            Offered { inner: parts, flow, _held: held }.boxed_unsync()
        }
    }
}

/// A body of HTTP/1, a little of which at a time is in hyper's hands.
struct Parts {
    inner: Body,
    flow: Arc<Flow>,
    /// Bytes handed over since the socket last took any.
    gathered: u64,
    /// What it had taken then.
    taken: u64,
}

impl HttpBody for Parts {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let taken = self.flow.taken().bytes();
        if taken != self.taken {
            (self.gathered, self.taken) = (0, taken);
        }
        if self.gathered >= u64::from(GATHERED) {
            // When there is nothing to be had of a body, hyper sends what it has. Then it asks again.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.gathered += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A body that is asked for only while the socket takes bytes.
struct Offered<B, T> {
    inner: B,
    flow: Arc<Flow>,
    _held: T,
}

impl<B, T> HttpBody for Offered<B, T>
where
    B: HttpBody<Data = Bytes, Error = Failure> + Unpin,
    T: Unpin,
{
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        ready!(self.flow.poll_moving(cx));
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A stream's body, handed over in small pieces. hyper takes a piece whole once there is room for a byte of it: in
/// large ones, a peer could have far more kept for it than its windows say.
struct Pieces {
    inner: Body,
    /// What was not handed over yet of the last frame.
    rest: Bytes,
    pace: Arc<Pace>,
}

impl Pieces {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)).transpose() {
                Ok(Some(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end.transpose()),
            }
        }
        let length = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let offered = self.pace.offered.load(Ordering::Relaxed);
        self.pace.taken.store(offered, Ordering::Relaxed);
        let polled = self.poll_piece(cx);
        if let Poll::Ready(Some(_)) = polled {
            self.pace.offered.store(offered + 1, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    /// Asked before the first frame.
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Pieces {
    /// Whatever becomes of the last frame is no longer this stream's task's business.
    fn drop(&mut self) {
        self.pace.taken.store(self.pace.offered.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Resolves when one frame has waited too long. Polled after the stream, in the same task: while no frame waits, it
/// needs no waker of its own.
struct Stalled {
    pace: Arc<Pace>,
    stall: Duration,
    /// The frame that `timer` counts for.
    seen: u64,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Future for Stalled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let offered = self.pace.offered.load(Ordering::Relaxed);
        if offered == self.pace.taken.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let stall = self.stall;
        let fresh = self.seen != offered;
        self.seen = offered;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(stall)));
        if fresh {
            timer.as_mut().reset(Instant::now() + stall);
        }
        timer.as_mut().poll(cx)
    }
}
