//! A request's body as it arrives: hyper's errors become failures, and silence and slowness have an end.

use std::{
    error::Error as _,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{
    Limits,
    patience::Patience,
    requests::{Requests, UnderWay},
};
use crate::{
    body::{self, Body},
    failure::{Code, Failure},
};

/// What became of a request's body, for whoever writes the reply. A handler may well answer 200 to a body it could
/// not read to its end; the client must not take that for a success.
#[derive(Clone, Debug, Default)]
pub struct BodyWatch(Option<Arc<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    fault: OnceLock<Failure>,
    bytes: AtomicU64,
}

impl BodyWatch {
    /// The failure that ended the body.
    pub fn fault(&self) -> Option<&Failure> {
        self.0.as_ref()?.fault.get()
    }

    /// How many bytes of it were read.
    pub fn bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |seen| seen.bytes.load(Ordering::Relaxed))
    }
}

/// hyper's body as ours. `unread` is set when the body is dropped before its end; `requests` are those of an HTTP/1
/// connection, whose `intake` then helps this body along.
pub(super) fn arriving(
    inner: Incoming,
    limits: &Limits,
    requests: Option<&Arc<Requests>>,
    intake: &Intake,
    unread: Arc<AtomicBool>,
) -> (Body, BodyWatch) {
    if inner.is_end_stream() {
        return (body::empty(), BodyWatch::default());
    }
    let seen = Arc::new(Seen::default());
    let watch = BodyWatch(Some(seen.clone()));
    let coming = Coming {
        inner,
        http2: requests.is_none(),
        patience: Patience::new(limits.body_idle, limits),
        small: BytesMut::new(),
        asked: false,
        last: None,
        ended: false,
        seen,
    };
    let coming = Arc::new(Mutex::new(coming));
    if requests.is_some() {
        intake.help(&coming);
    }
    let wanting = intake.wanting.clone();
    let arriving = Arriving { coming, wanting, unread, _under_way: requests.map(Requests::begin) };
    (arriving.boxed_unsync(), watch)
}

/// Takes in the small pieces of a body in the turn of the task that reads them.
///
/// hyper hands over one piece at a time: a client that sends one byte in each would have two tasks woken for every one.
#[derive(Default)]
pub(super) struct Intake {
    /// Whether a reader waits for more than the little that there is.
    wanting: Arc<AtomicBool>,
    /// The body of the request that is being read, as long as anybody has it.
    coming: Mutex<Weak<Mutex<Coming>>>,
}

/// How often a connection is polled again at once for the sake of small pieces.
const TURNS: usize = 256;

impl Intake {
    fn help(&self, coming: &Arc<Mutex<Coming>>) {
        *lock(&self.coming) = Arc::downgrade(coming);
    }

    /// Polls the connection, again and again as long as that brings small pieces that somebody waits for.
    pub(super) fn poll_beside<C: Future>(&self, mut connection: Pin<&mut C>, cx: &mut Context<'_>) -> Poll<C::Output> {
        for _ in 0..TURNS {
            if let Poll::Ready(output) = connection.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            if !self.take_in(cx) {
                return Poll::Pending;
            }
        }
        // Others have their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether a piece was taken in and more is wanted.
    fn take_in(&self, cx: &mut Context<'_>) -> bool {
        if !self.wanting.load(Ordering::Acquire) {
            return false;
        }
        let coming = lock(&self.coming).upgrade();
        let more = coming.map(|coming| lock(&coming).take_in(cx));
        if more == Some(Taken::Enough) || more.is_none() {
            self.wanting.store(false, Ordering::Release);
        }
        more == Some(Taken::Some)
    }
}

/// What was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// There was nothing.
    Nothing,
    /// A piece.
    Some,
    /// So much that it is handed over, or the end.
    Enough,
}

/// A body as its reader has it.
struct Arriving {
    coming: Arc<Mutex<Coming>>,
    wanting: Arc<AtomicBool>,
    unread: Arc<AtomicBool>,
    _under_way: Option<UnderWay>,
}

/// A body as far as it has come.
struct Coming {
    inner: Incoming,
    http2: bool,
    /// How long a reader is made to wait.
    patience: Patience,
    /// Small pieces that were not handed on yet.
    small: BytesMut,
    /// Whether more was asked for since the last of them.
    asked: bool,
    /// What comes when they are gone.
    last: Option<Last>,
    ended: bool,
    seen: Arc<Seen>,
}

/// What comes after all data.
enum Last {
    Ended,
    Trailers(Frame<Bytes>),
    Failed(Failure),
}

type Next = Option<Result<Frame<Bytes>, Failure>>;

impl Coming {
    /// Takes in what there is in hyper's hands; data that need not be gathered comes back at once.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let last = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.asked = false;
                    self.patience.moved(data.len());
                    self.seen.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
                    if self.small.is_empty() && (data.len() >= SMALL || self.inner.is_end_stream()) {
                        return Poll::Ready(Some(data));
                    }
                    self.small.extend_from_slice(&data);
                    return Poll::Ready(None);
                }
                Err(trailers) => Last::Trailers(trailers),
            },
            Some(Err(error)) => Last::Failed(failure(&error, self.http2)),
            None => Last::Ended,
        };
        self.last = Some(last);
        Poll::Ready(None)
    }

    /// Whether what was gathered is not to wait for more.
    fn is_enough(&self) -> bool {
        self.last.is_some() || self.small.len() >= ENOUGH || self.inner.is_end_stream()
    }

    /// Gathers one more piece.
    fn take_in(&mut self, cx: &mut Context<'_>) -> Taken {
        if self.small.is_empty() || self.is_enough() {
            return Taken::Enough;
        }
        match self.poll_more(cx) {
            Poll::Pending => Taken::Nothing,
            Poll::Ready(_) if self.is_enough() => Taken::Enough,
            Poll::Ready(_) => Taken::Some,
        }
    }

    fn gathered(&mut self) -> Option<Frame<Bytes>> {
        self.asked = false;
        (!self.small.is_empty()).then(|| Frame::data(self.small.split().freeze()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, wanting: &AtomicBool, unread: &AtomicBool) -> Poll<Next> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            if (self.last.is_some() || self.small.len() >= ENOUGH)
                && let Some(frame) = self.gathered()
            {
                return Poll::Ready(Some(Ok(frame)));
            }
            if let Some(last) = self.last.take() {
                return Poll::Ready(self.end(last, unread));
            }
            match self.poll_more(cx) {
                Poll::Ready(Some(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Poll::Ready(None) if self.is_enough() => {
                    if let Some(frame) = self.gathered() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Poll::Ready(None) => {}
                Poll::Pending if self.small.is_empty() => {
                    ready!(self.patience.poll_end(cx));
                    self.last = Some(Last::Failed(Failure::plain(Code::RequestTimeout)));
                }
                // The next piece may be in hyper's buffer.
                Poll::Pending if !std::mem::replace(&mut self.asked, true) => {
                    wanting.store(true, Ordering::Release);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => {
                    wanting.store(false, Ordering::Release);
                    return Poll::Ready(self.gathered().map(Ok));
                }
            }
        }
    }

    fn end(&mut self, last: Last, unread: &AtomicBool) -> Next {
        if let Last::Trailers(trailers) = last {
            return Some(Ok(trailers));
        }
        self.ended = true;
        let Last::Failed(failure) = last else { return None };
        // What remains on the wire is not a request: the connection ends after the reply.
        unread.store(true, Ordering::Relaxed);
        // Set once: an ended body is not polled into another failure.
        let _ = self.seen.fault.set(failure.clone());
        Some(Err(failure))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || (self.small.is_empty() && self.last.is_none() && self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let (left, held) = (self.inner.size_hint(), self.small.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(left.lower() + held);
        if let Some(most) = left.upper() {
            hint.set_upper(most + held);
        }
        hint
    }
}

/// Pieces smaller than this are gathered: a client may send them one byte each, and every piece a guest is woken for costs
/// more than it took to send.
const SMALL: usize = 512;

/// What is gathered at most.
const ENOUGH: usize = 16 << 10;

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        lock(&self.coming).poll_next(cx, &self.wanting, &self.unread)
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.coming).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.coming).size_hint()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if !self.is_end_stream() {
            self.unread.store(true, Ordering::Relaxed);
        }
    }
}

/// What is in here is whole at every instant.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bad framing is the client's mistake; an end before the end is a client that left. An HTTP/2 body breaks only when
/// its stream or connection ends.
fn failure(error: &hyper::Error, http2: bool) -> Failure {
    let cut_short = |error: &std::io::Error| error.kind() == std::io::ErrorKind::UnexpectedEof;
    let mut source = error.source();
    let mut eof = error.is_incomplete_message() || error.is_canceled() || error.is_closed();
    while let Some(cause) = source {
        eof |= cause.downcast_ref().is_some_and(cut_short);
        source = cause.source();
    }
    if http2 || eof {
        return Failure::plain(Code::ClientGone).inside(error);
    }
    Failure::new(Code::BadRequest, "the request's body is malformed").inside(error)
}
