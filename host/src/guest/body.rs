//! Bodies and heads where they cross between the host's types and the guest's.

use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, HeaderName, Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use wasmtime_wasi_http::WasiBody;

use super::outcome;
use crate::{
    body::{Body, pieces::UnderWay},
    capability::{http::Answer, jobs},
    failure::{Code, Failure},
};

/// Headers with this prefix are the host's word; a guest cannot say them to anybody.
const RESERVED: &str = "wasmbay-";

/// A host body as a guest reads it.
pub(super) fn into_guest(body: Body) -> WasiBody {
    body.map_err(|failure| outcome::to_guest(&failure)).boxed_unsync()
}

/// What answers a guest's outbound request, as the guest reads it.
pub(super) fn answer_for_guest(body: Answer) -> WasiBody {
    body.map_err(|trouble| outcome::trouble_to_guest(&trouble)).boxed_unsync()
}

/// A guest's outbound request, without the names only the host may use, but for what it may say of a job; its body breaks off
/// when its guest goes.
pub(super) fn request_from_guest(mut request: Request<WasiBody>, guest: Presence) -> Request<Body> {
    strip(request.headers_mut(), |name| !name.starts_with(jobs::PREFIX));
    request.map(|inner| Outgoing { inner, guest, _under_way: UnderWay::begin() }.boxed_unsync())
}

/// Says, by being dropped before anything else of a store, that its guest is gone.
#[derive(Default)]
pub(super) struct Present(Arc<AtomicBool>);

impl Present {
    /// A view on whether the guest is there.
    pub(super) fn watch(&self) -> Presence {
        Presence(Arc::clone(&self.0))
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.store(true, Release);
    }
}

/// Whether a guest is still there.
#[derive(Clone)]
pub(super) struct Presence(Arc<AtomicBool>);

impl Presence {
    fn is_gone(&self) -> bool {
        self.0.load(Acquire)
    }
}

/// The body of a guest's outbound request. The engine ends it cleanly when the store goes away, and the server at the
/// other end would take half a body for a whole one.
struct Outgoing {
    inner: WasiBody,
    guest: Presence,
    _under_way: UnderWay,
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        Poll::Ready(match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(frame) => Some(frame.map_err(|error| outcome::from_guest(&error))),
            None if self.guest.is_gone() => {
                Some(Err(Failure::plain(Code::ClientGone).inside("the guest was dropped before its end")))
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        !self.guest.is_gone() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A guest's response, bounded in size and broken off when its guest fails.
///
/// `delivered` is dropped once the body has ended, and with it.
pub(super) fn response_from_guest(
    mut response: Response<WasiBody>,
    limit: u64,
    verdict: Arc<Verdict>,
    delivered: Option<oneshot::Sender<()>>,
) -> Response<Body> {
    strip_reserved(response.headers_mut());
    response.map(|inner| Reply { inner, left: limit, verdict, delivered, _under_way: UnderWay::begin() }.boxed_unsync())
}

fn strip_reserved(headers: &mut HeaderMap) {
    strip(headers, |_| true);
}

fn strip(headers: &mut HeaderMap, which: impl Fn(&str) -> bool) {
    let is_gone = |name: &&HeaderName| name.as_str().starts_with(RESERVED) && which(name.as_str());
    let reserved: Vec<_> = headers.keys().filter(is_gone).cloned().collect();
    for name in reserved {
        headers.remove(name);
    }
}

/// Whether the guest behind a body has failed.
///
/// The engine ends a body cleanly when its guest's store goes away, however it went. So whoever drops a store says
/// here first how it ended, and the body asks before it believes in a clean end.
#[derive(Default)]
pub(super) struct Verdict(OnceLock<Failure>);

impl Verdict {
    /// Says that the guest failed. The first word counts.
    pub(super) fn fail(&self, failure: Failure) {
        // A second failure has nobody left to tell.
        let _ = self.0.set(failure);
    }

    fn failure(&self) -> Option<&Failure> {
        self.0.get()
    }
}

/// Fails a [`Verdict`] unless told that the guest ended well. Declare it after the store, so that it drops first.
pub(super) struct Pending(Option<Arc<Verdict>>);

impl Pending {
    pub(super) fn new(verdict: Arc<Verdict>) -> Self {
        Self(Some(verdict))
    }

    /// The guest ended well.
    pub(super) fn settle(mut self) {
        self.0 = None;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(verdict) = self.0.take() {
            verdict.fail(Failure::plain(Code::ClientGone).inside("the guest was dropped before its end"));
        }
    }
}

/// The body of a guest's response.
struct Reply {
    inner: WasiBody,
    left: u64,
    verdict: Arc<Verdict>,
    delivered: Option<oneshot::Sender<()>>,
    _under_way: UnderWay,
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(outcome::from_guest(&error)))),
            None => {
                self.delivered = None;
                return Poll::Ready(self.verdict.failure().cloned().map(Err));
            }
        };
        Poll::Ready(Some(match frame.into_data() {
            Ok(data) => match self.left.checked_sub(data.remaining() as u64) {
                Some(left) => {
                    self.left = left;
                    Ok(Frame::data(data))
                }
                None => Err(Failure::plain(Code::ResponseTooLarge)),
            },
            Err(frame) => Ok(match frame.into_trailers() {
                Ok(mut trailers) => {
                    strip_reserved(&mut trailers);
                    Frame::trailers(trailers)
                }
                Err(other) => other,
            }),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.verdict.failure().is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
