//! A request's body as it arrives: hyper's errors become failures, and silence and slowness have an end.

use std::{
    error::Error as _,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{Limits, patience::Patience};
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

/// hyper's body as ours. `unread` is set when the body is dropped before its end.
pub(super) fn arriving(inner: Incoming, limits: &Limits, http2: bool, unread: Arc<AtomicBool>) -> (Body, BodyWatch) {
    if inner.is_end_stream() {
        return (body::empty(), BodyWatch::default());
    }
    let seen = Arc::new(Seen::default());
    let watch = BodyWatch(Some(seen.clone()));
    let patience = Patience::new(limits.body_idle, limits);
    let arriving = Arriving {
        inner,
        http2,
        patience,
        small: BytesMut::new(),
        asked: false,
        last: None,
        ended: false,
        unread,
        seen,
    };
    (arriving.boxed_unsync(), watch)
}

struct Arriving {
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
    unread: Arc<AtomicBool>,
    seen: Arc<Seen>,
}

/// What comes after all data.
enum Last {
    Ended,
    Trailers(Frame<Bytes>),
    Failed(Failure),
}

impl Arriving {
    /// Takes in a frame; one to be handed on now, if there is one.
    fn gather(&mut self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        self.asked = false;
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(trailers) => {
                self.last = Some(Last::Trailers(trailers));
                return self.gathered();
            }
        };
        if self.small.is_empty() && (data.len() >= SMALL || self.inner.is_end_stream()) {
            return Some(Frame::data(data));
        }
        self.small.extend_from_slice(&data);
        if self.small.len() >= ENOUGH || self.inner.is_end_stream() { self.gathered() } else { None }
    }

    fn gathered(&mut self) -> Option<Frame<Bytes>> {
        self.asked = false;
        (!self.small.is_empty()).then(|| Frame::data(self.small.split().freeze()))
    }

    fn end(&mut self, last: Last) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        match last {
            Last::Trailers(trailers) => Poll::Ready(Some(Ok(trailers))),
            Last::Ended => {
                self.ended = true;
                Poll::Ready(None)
            }
            Last::Failed(failure) => {
                self.ended = true;
                // What remains on the wire is not a request: the connection ends after the reply.
                self.unread.store(true, Ordering::Relaxed);
                // Set once: an ended body is not polled into another failure.
                let _ = self.seen.fault.set(failure.clone());
                Poll::Ready(Some(Err(failure)))
            }
        }
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

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        loop {
            if let Some(last) = self.last.take() {
                return self.end(last);
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    self.patience.moved(length);
                    self.seen.bytes.fetch_add(length as u64, Ordering::Relaxed);
                    if let Some(frame) = self.gather(frame) {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    self.last = Some(Last::Failed(failure(&error, self.http2)));
                    if let Some(frame) = self.gathered() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Poll::Ready(None) => {
                    self.last = Some(Last::Ended);
                    if let Some(frame) = self.gathered() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Poll::Pending if self.small.is_empty() => {
                    ready!(self.patience.poll_end(cx));
                    self.last = Some(Last::Failed(Failure::plain(Code::RequestTimeout)));
                }
                // hyper hands over one piece of an HTTP/1 body at a time: the next one may be in its buffer.
                Poll::Pending if !std::mem::replace(&mut self.asked, true) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => return Poll::Ready(self.gathered().map(Ok)),
            }
        }
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

impl Drop for Arriving {
    fn drop(&mut self) {
        if !self.is_end_stream() {
            self.unread.store(true, Ordering::Relaxed);
        }
    }
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
