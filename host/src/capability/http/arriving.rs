//! A response's body on its way in: bounded, waited for no longer than said, and its connection kept for the next.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, client::conn::http1};
use tokio::time::{Sleep, sleep};

use super::{
    Trouble,
    exchange::broken,
    leaving::Leaving,
    limits::MOST_RECEIVED,
    tenant::{Seat, Tenant},
    wire::HeadBudget,
};
use crate::config::Origin;

/// A body that comes over a connection of the host's.
pub(super) struct Arriving {
    inner: Incoming,
    left: u64,
    after: Option<After>,
}

/// What happens once the body has ended well; dropped, the connection of an HTTP/1 response is closed.
pub(super) struct After {
    /// `None` over HTTP/2, whose connection is shared.
    pub(super) line: Option<(http1::SendRequest<Leaving>, HeadBudget)>,
    pub(super) tenant: Arc<Tenant>,
    pub(super) origin: Origin,
    pub(super) seat: Seat,
}

impl After {
    fn ended(self) {
        let Self { line, tenant, origin, seat } = self;
        if let Some((sender, budget)) = line {
            tenant.take_back(origin, sender, budget);
        }
        // Last: whoever gets the seat finds the connection.
        drop(seat);
    }
}

impl Arriving {
    pub(super) fn new(inner: Incoming, after: After) -> Self {
        let mut arriving = Self { inner, left: MOST_RECEIVED, after: Some(after) };
        if arriving.inner.is_end_stream() {
            arriving.end();
        }
        arriving
    }

    fn end(&mut self) {
        if let Some(after) = self.after.take() {
            after.ended();
        }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = Trouble;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Trouble>>> {
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                self.after = None;
                return Poll::Ready(Some(Err(broken(&error))));
            }
            None => {
                self.end();
                return Poll::Ready(None);
            }
        };
        let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
        let Some(left) = self.left.checked_sub(bytes) else {
            self.after = None;
            return Poll::Ready(Some(Err(Trouble::BodyTooLarge(MOST_RECEIVED))));
        };
        self.left = left;
        if self.inner.is_end_stream() {
            self.end();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A body that its caller does not wait for longer than it said.
pub(super) struct Awaited<B> {
    inner: B,
    longest: Duration,
    /// Runs while the next piece is waited for.
    gap: Option<Pin<Box<Sleep>>>,
}

impl<B> Awaited<B> {
    pub(super) fn new(inner: B, longest: Duration) -> Self {
        Self { inner, longest, gap: None }
    }
}

impl<B: Body<Data = Bytes, Error = Trouble> + Unpin> Body for Awaited<B> {
    type Data = Bytes;
    type Error = Trouble;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Trouble>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            self.gap = None;
            return Poll::Ready(frame);
        }
        let longest = self.longest;
        let gap = self.gap.get_or_insert_with(|| Box::pin(sleep(longest)));
        gap.as_mut().poll(cx).map(|()| Some(Err(Trouble::BodyTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
