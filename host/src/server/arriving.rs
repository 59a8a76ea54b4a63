//! A request's body as it arrives: hyper's errors become failures, and silence and slowness have an end.

use std::{
    error::Error as _,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
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
    let arriving = Arriving { inner, http2, patience, ended: false, unread, seen };
    (arriving.boxed_unsync(), watch)
}

struct Arriving {
    inner: Incoming,
    http2: bool,
    /// How long a reader is made to wait.
    patience: Patience,
    ended: bool,
    unread: Arc<AtomicBool>,
    seen: Arc<Seen>,
}

impl Arriving {
    fn fail(&mut self, failure: Failure) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        self.ended = true;
        // What remains on the wire is not a request: the connection ends after the reply.
        self.unread.store(true, Ordering::Relaxed);
        // Set once: an ended body is not polled into another failure.
        let _ = self.seen.fault.set(failure.clone());
        Poll::Ready(Some(Err(failure)))
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                self.patience.moved(length);
                self.seen.bytes.fetch_add(length as u64, Ordering::Relaxed);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let failure = failure(&error, self.http2);
                self.fail(failure)
            }
            Poll::Ready(None) => {
                self.ended = true;
                Poll::Ready(None)
            }
            Poll::Pending if self.patience.poll_end(cx).is_ready() => self.fail(Failure::plain(Code::RequestTimeout)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
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
