//! A request's body on its way out: bounded, and watched while it moves.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout};

use super::Trouble;
use crate::{
    body::{self, Body},
    failure::Failure,
};

/// The largest body a guest may send in one request.
pub const MOST_SENT: u64 = 256 << 20;

/// How long the end of a body that is likely to be empty is waited for: a guest says it right behind its request, or only
/// once it has its response, and then each of its requests is this much later.
const SETTLING: Duration = Duration::from_millis(10);

/// A guest's body while a connection sends it.
pub(super) struct Leaving {
    /// What was looked at before it was sent.
    first: Option<Result<Frame<Bytes>, Failure>>,
    inner: Body,
    left: u64,
    progress: Progress,
}

/// How a request's body gets on. Clones share it.
#[derive(Clone)]
pub(super) struct Progress(Arc<Shared>);

struct Shared {
    /// When the last piece was taken, or the request begun.
    moved: Mutex<Instant>,
    /// Whether a piece has been taken: then the request cannot be sent a second time.
    is_touched: AtomicBool,
    /// Why the body broke off: the connection's error would not say.
    trouble: Mutex<Option<Trouble>>,
}

impl Progress {
    fn new() -> Self {
        let shared =
            Shared { moved: Mutex::new(Instant::now()), is_touched: AtomicBool::new(false), trouble: Mutex::new(None) };
        Self(Arc::new(shared))
    }

    /// When the request last moved.
    pub(super) fn moved(&self) -> Instant {
        *self.0.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether any of the body is gone.
    pub(super) fn is_touched(&self) -> bool {
        self.0.is_touched.load(Relaxed)
    }

    /// Why the body broke off, if it did.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Leaving {
    /// The body, and how it gets on.
    pub(super) fn new(inner: Body) -> (Self, Progress) {
        let progress = Progress::new();
        (Self { first: None, inner, left: MOST_SENT, progress: progress.clone() }, progress)
    }

    /// Waits a moment for the first piece or the end of a body that is likely to be empty.
    ///
    /// A guest sends a request before it says that it has no body; sent as it stands it would be one with a body of
    /// unknown length, which servers do not expect of a GET, and which could not be sent a second time.
    pub(super) async fn settle(&mut self) {
        if self.inner.is_end_stream() || self.first.is_some() {
            return;
        }
        match timeout(SETTLING, self.inner.frame()).await {
            Ok(None) => self.inner = body::empty(),
            Ok(first) => self.first = first,
            // It is sent piece by piece, whenever they come.
            Err(_) => {}
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => Pin::new(&mut self.inner).poll_frame(cx),
        }
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Trouble> {
        let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
        self.left = self.left.checked_sub(bytes).ok_or(Trouble::RequestTooLarge(MOST_SENT))?;
        Ok(frame)
    }
}

impl http_body::Body for Leaving {
    type Data = Bytes;
    type Error = Trouble;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Trouble>>> {
        let Some(frame) = ready!(self.poll_next(cx)) else { return Poll::Ready(None) };
        self.progress.0.is_touched.store(true, Relaxed);
        *self.progress.0.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let frame = frame.map_err(Trouble::from).and_then(|frame| self.take(frame));
        if let Err(trouble) = &frame {
            *self.progress.0.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble.clone());
        }
        Poll::Ready(Some(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Of what is set aside only the sender's own `Content-Length` tells the length.
        if self.first.is_some() { SizeHint::default() } else { self.inner.size_hint() }
    }
}
