//! A response on its way out: made fit for the wire, counted, and never ended cleanly when it is not whole.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

use super::reply;
use crate::{
    body::{self, Body},
    failure::{Code, Failure},
    server::BodyWatch,
    telemetry::OpenRecord,
};

/// Headers that are the connection's business, which is hyper's.
const CONNECTION_HEADERS: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Checks a plugin's response and takes out what may not go over the wire.
///
/// # Errors
/// `bad-response`, when it cannot be sent as it is.
pub(super) fn check(mut response: Response<Body>, method: &Method) -> Result<Response<Body>, Failure> {
    let bad = |detail: &'static str| Failure::new(Code::BadResponse, detail);
    let status = response.status();
    if status.is_informational() {
        return Err(bad("the plugin answered with an informational status"));
    }
    for name in &CONNECTION_HEADERS {
        response.headers_mut().remove(name);
    }
    let declared = declared_length(response.headers()).map_err(bad)?;
    if *method == Method::HEAD {
        reply::without_body(&mut response);
    } else if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = body::empty();
    } else if let (Some(declared), Some(actual)) = (declared, response.body().size_hint().exact())
        && declared != actual
    {
        return Err(bad("the plugin's Content-Length is not the length of its response"));
    }
    Ok(response)
}

fn declared_length(headers: &HeaderMap) -> Result<Option<u64>, &'static str> {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("the plugin's response has more than one Content-Length");
    }
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|text| text.parse().ok()) {
        Some(length) => Ok(Some(length)),
        None => Err("the plugin's Content-Length is not a number"),
    }
}

/// Puts the response's body under watch: the request's record closes with it.
pub(super) fn watched(
    response: Response<Body>,
    record: OpenRecord,
    arriving: BodyWatch,
    bodiless: bool,
) -> Response<Body> {
    let declared = if bodiless { None } else { declared_length(response.headers()).ok().flatten() };
    response.map(|inner| Outgoing { inner, record, arriving, declared, bytes: 0, end: None }.boxed_unsync())
}

/// How a body ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Broken,
}

struct Outgoing {
    inner: Body,
    record: OpenRecord,
    arriving: BodyWatch,
    /// What `Content-Length` promises.
    declared: Option<u64>,
    bytes: u64,
    end: Option<End>,
}

impl Outgoing {
    fn broken(&mut self, failure: Failure) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        self.end = Some(End::Broken);
        self.record.note(|record| record.fail(&failure));
        Poll::Ready(Some(Err(failure)))
    }

    /// Whether everything was handed over. With a known length, hyper stops asking once it has the last byte.
    fn is_whole(&self) -> bool {
        match self.end {
            Some(end) => end == End::Whole,
            None => self.declared.map_or(self.inner.is_end_stream(), |declared| declared == self.bytes),
        }
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        if self.end.is_some() {
            return Poll::Ready(None);
        }
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(failure)) => return self.broken(failure),
            None if self.declared.is_some_and(|declared| self.bytes < declared) => {
                return self.broken(Failure::new(Code::BadResponse, "the response is shorter than its Content-Length"));
            }
            None => {
                self.end = Some(End::Whole);
                return Poll::Ready(None);
            }
        };
        self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        if self.declared.is_some_and(|declared| self.bytes > declared) {
            return self.broken(Failure::new(Code::BadResponse, "the response is longer than its Content-Length"));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        match self.end {
            Some(_) => true,
            // An early end is told by `poll_frame`, as the failure it is.
            None => self.declared.is_none_or(|declared| declared == self.bytes) && self.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let whole = self.is_whole();
        // What stands behind the body notes what it used as it goes; after that the record is complete.
        drop(std::mem::replace(&mut self.inner, body::empty()));
        self.record.note(|record| {
            record.bytes_in = self.arriving.bytes();
            record.bytes_out = self.bytes;
            if !whole {
                record.fail(&Failure::plain(Code::ClientGone));
            }
        });
        self.record.close();
    }
}
