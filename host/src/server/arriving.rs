//! A request's body as it arrives: hyper's errors become failures, and silence and slowness have an end.

use std::{
    error::Error as _,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
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
    intake::{Help, Intake, Taken},
    patience::Patience,
    requests::{Requests, UnderWay},
};
use crate::{
    body::{self, Body, unheard},
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
        help: Help::None,
        last: None,
        ended: false,
        unread,
        seen,
    };
    let coming = Arc::new(Mutex::new(coming));
    if requests.is_some() {
        intake.help(&coming);
    }
    let arriving = Arriving { coming, _under_way: requests.map(Requests::begin) };
    (arriving.boxed_unsync(), watch)
}

/// A body as its reader has it.
struct Arriving {
    coming: Arc<Mutex<Coming>>,
    _under_way: Option<UnderWay>,
}

/// A body as far as it has come.
pub(super) struct Coming {
    inner: Incoming,
    http2: bool,
    /// How long a reader is made to wait.
    patience: Patience,
    /// Small pieces that were not handed on yet.
    small: BytesMut,
    /// Who else takes in what there is.
    pub(super) help: Help,
    /// What comes when they are gone.
    last: Option<Last>,
    ended: bool,
    /// Set when it does not come to its end.
    unread: Arc<AtomicBool>,
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

    /// Gathers one more piece. Whoever reads waits until he has all that there is, so none of the pieces wakes him.
    pub(super) fn take_in(&mut self) -> Taken {
        if self.small.is_empty() || self.is_enough() {
            return Taken::Enough;
        }
        match self.poll_more(&mut unheard()) {
            Poll::Pending => Taken::Nothing,
            Poll::Ready(_) if self.is_enough() => Taken::Enough,
            Poll::Ready(_) => Taken::Some,
        }
    }

    fn gathered(&mut self) -> Option<Frame<Bytes>> {
        self.help.again();
        (!self.small.is_empty()).then(|| Frame::data(self.small.split().freeze()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
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
                return Poll::Ready(self.end(last));
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
                // The next piece may be in hyper's buffer. From here on it is the connection that wakes the reader.
                Poll::Pending if self.help.ask(cx.waker()) => {
                    if self.poll_more(&mut unheard()).is_pending() {
                        return Poll::Pending;
                    }
                }
                Poll::Pending => return Poll::Ready(self.gathered().map(Ok)),
            }
        }
    }

    fn end(&mut self, last: Last) -> Next {
        if let Last::Trailers(trailers) = last {
            return Some(Ok(trailers));
        }
        self.ended = true;
        let Last::Failed(failure) = last else { return None };
        // What remains on the wire is not a request: the connection ends after the reply.
        self.unread.store(true, Ordering::Relaxed);
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
        lock(&self.coming).poll_next(cx)
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
        let coming = lock(&self.coming);
        if !coming.is_end_stream() {
            coming.unread.store(true, Ordering::Relaxed);
        }
    }
}

/// What is in here is whole at every instant.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
