//! From the request that came to the request a guest is given: what it is told, and how much body it may be sent.

use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header, uri::PathAndQuery};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

use super::Passage;
use crate::{
    body::Body,
    config::Limits,
    failure::{Code, Failure},
};

/// Names with this prefix are the host's word to the guest; a caller's copies are dropped.
const RESERVED: &str = "wasmbay-";

const ROUTE: HeaderName = HeaderName::from_static("wasmbay-route");
const BASE_PATH: HeaderName = HeaderName::from_static("wasmbay-base-path");
const REQUEST_ID: HeaderName = HeaderName::from_static("wasmbay-request-id");
const TRIGGER: HeaderName = HeaderName::from_static("wasmbay-trigger");
const HOP: HeaderName = HeaderName::from_static("wasmbay-hop");

/// Refuses a body that says beforehand that it is too large.
pub(super) fn check_length(request: &Request<Body>, limits: &Limits) -> Result<(), Failure> {
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if length > limits.request_body.0 => Err(Failure::plain(Code::BodyTooLarge)),
        _ => Ok(()),
    }
}

/// The request as the guest sees it, and the fault its body may turn out to have.
pub(super) fn for_guest(passage: &Passage, mut request: Request<Body>) -> (Request<Body>, Arc<BodyFault>) {
    tell(request.headers_mut(), passage);
    strip_base_path(&mut request, &passage.found.plugin.owner.base_path);
    let fault = Arc::new(BodyFault::default());
    let limit = passage.limits().request_body.0;
    let request = request.map(|inner| Limited { inner, left: limit, fault: Arc::clone(&fault) }.boxed_unsync());
    (request, fault)
}

fn tell(headers: &mut HeaderMap, passage: &Passage) {
    let reserved: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with(RESERVED)).cloned().collect();
    for name in reserved {
        headers.remove(name);
    }
    let (plugin, entry) = (&passage.found.plugin, &passage.entry);
    // Paths and names are checked at load; what no header can carry is not said.
    let told = [(ROUTE, plugin.told(passage.found.route).header.clone()), (BASE_PATH, plugin.base_path.clone())];
    headers.extend(told.into_iter().filter_map(|(name, value)| Some((name, value?))));
    headers.insert(REQUEST_ID, entry.request_id.header());
    headers.insert(TRIGGER, HeaderValue::from_static(entry.trigger.name()));
    headers.insert(HOP, u16::from(entry.hop).into());
    headers.extend(entry.told.clone());
    for (name, value) in &passage.found.params {
        let name = HeaderName::from_bytes(format!("wasmbay-param-{name}").as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
}

/// A tenant under a path prefix does not see it.
fn strip_base_path(request: &mut Request<Body>, base: &str) {
    if base.is_empty() {
        return;
    }
    let mut uri = request.uri().clone().into_parts();
    let rest = uri.path_and_query.as_ref().and_then(|path| path.as_str().strip_prefix(base));
    let path = rest.map(|rest| if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") });
    if let Some(path) = path.and_then(|path| PathAndQuery::try_from(path).ok()) {
        uri.path_and_query = Some(path);
        // Only the path changed, and it is a valid one.
        *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
    }
}

/// What became of a request's body: the guest gets an error it may hide, the client must hear of it.
#[derive(Default)]
pub(super) struct BodyFault {
    failure: OnceLock<Failure>,
    read: AtomicU64,
}

impl BodyFault {
    /// Why the body broke off, if it did.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.get().cloned()
    }

    /// Bytes of the body that were read.
    pub(super) fn read(&self) -> u64 {
        self.read.load(Relaxed)
    }
}

/// A request's body, bounded, and remembered when it breaks off.
struct Limited {
    inner: Body,
    left: u64,
    fault: Arc<BodyFault>,
}

impl http_body::Body for Limited {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let broken = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                self.fault.read.fetch_add(bytes, Relaxed);
                match self.left.checked_sub(bytes) {
                    Some(left) => {
                        self.left = left;
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    None => Failure::plain(Code::BodyTooLarge),
                }
            }
            Some(Err(failure)) => failure,
            None => return Poll::Ready(None),
        };
        // The first fault is the one that counts.
        let _ = self.fault.failure.set(broken.clone());
        Poll::Ready(Some(Err(broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
