//! A response's body with its guest behind it: reading it moves the guest on, its end ends the request.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes};
use http::{Response, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::{Sleep, sleep};

use super::flight::Flight;
use crate::{
    body::{self, Body, unheard},
    config::OnDisconnect,
    failure::{Code, Failure},
};

/// The body of a response that came from a guest.
pub(super) struct Answer {
    inner: Body,
    /// `None` once the request is over.
    flight: Option<Flight>,
    /// Bytes that are still to come, where the head said how many.
    left: Option<u64>,
    /// Runs while the guest owes the next byte; a reader that does not read stops it.
    idle: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

impl Answer {
    /// Puts the flight behind its response.
    pub(super) fn wrap(response: Response<Body>, flight: Flight) -> Response<Body> {
        let is_empty = flight.is_head || has_no_body(&response);
        // A guest's stream does not know its length; whoever sends it stops reading at what the head declares.
        let declared = declared_length(&response);
        response.map(|inner| {
            let left = if is_empty { Some(0) } else { inner.size_hint().exact().or(declared) };
            Self { inner, flight: Some(flight), left, idle: None, ended: false }.boxed_unsync()
        })
    }

    /// A frame, the end or a failure; `Pending` leaves the guest and the clock to wake the reader.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(&mut unheard()) {
            return Poll::Ready(frame);
        }
        let Some(flight) = &mut self.flight else { return Poll::Pending };
        flight.poll_guest(cx);
        // The guest moved: what it wrote, or its end, can be read now.
        let inner = Pin::new(&mut self.inner);
        if let Poll::Ready(frame) = flight.look(cx, |cx| inner.poll_frame(cx)) {
            return Poll::Ready(frame);
        }
        let limit = flight.limits().stream_idle;
        let idle = self.idle.get_or_insert_with(|| Box::pin(sleep(limit)));
        if idle.as_mut().poll(cx).is_ready() {
            let failure = Failure::new(Code::Timeout, "The plugin left too long a gap in its response.");
            return Poll::Ready(Some(Err(failure.remedy("raise limits.stream_idle"))));
        }
        Poll::Pending
    }

    fn count(&mut self, frame: &Frame<Bytes>) {
        let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
        self.left = self.left.map(|left| left.saturating_sub(bytes));
        self.ended |= frame.is_trailers();
    }

    /// The last byte is out: the request is over, whatever its guest goes on to do.
    fn finish(&mut self) {
        self.ended = true;
        if let Some(flight) = self.flight.take() {
            flight.land(std::mem::replace(&mut self.inner, body::empty()));
        }
    }

    /// The response broke: the guest goes, and the request is over.
    fn fail(&mut self, failure: &Failure) {
        self.ended = true;
        if let Some(flight) = self.flight.take() {
            flight.crash(failure);
        }
    }
}

/// What the guest promises. One that is no number is refused further on.
fn declared_length(response: &Response<Body>) -> Option<u64> {
    response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// RFC 9110, section 6.4.1: these end with their head, whatever the guest writes.
fn has_no_body(response: &Response<Body>) -> bool {
    matches!(response.status().as_u16(), 204 | 304)
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let polled = self.advance(cx);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(frame))) => {
                self.idle = None;
                self.count(frame);
            }
            Poll::Ready(Some(Err(failure))) => self.fail(failure),
            Poll::Ready(None) => self.finish(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        // A clean end is said only by the body itself: it asks how its guest ended.
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let Some(flight) = self.flight.take() else { return };
        if self.ended || self.left == Some(0) || self.inner.is_end_stream() {
            // A reader that knows the length does not ask for the end.
            flight.land(std::mem::replace(&mut self.inner, body::empty()));
        } else if flight.plugin.manifest.on_disconnect == OnDisconnect::Finish {
            let host = flight.host.clone();
            let inner = std::mem::replace(&mut self.inner, body::empty());
            let rest = Self { inner, flight: Some(flight), left: self.left, idle: self.idle.take(), ended: false };
            host.background.read_out(rest);
        } else {
            flight.crash(&Failure::plain(Code::ClientGone));
        }
    }
}
