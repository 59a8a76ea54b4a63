//! A wasi:http 0.2 guest, on `wstd`.

#[cfg(feature = "sql")]
mod sql;
pub(crate) mod state;

use std::{future::poll_fn, pin::Pin, rc::Rc, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request, uri};
use http_body::Frame;
use wasip2::{
    clocks::monotonic_clock,
    http::{
        outgoing_handler,
        types::{
            self as wasi, ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingRequest, OutgoingBody,
            OutgoingRequest, OutgoingResponse, RequestOptions, ResponseOutparam,
        },
    },
    io::streams::{InputStream, StreamError},
};
use wstd::{
    io::AsyncOutputStream,
    runtime::{AsyncPollable, block_on, spawn},
};

use super::{announce, errors::failure, nanoseconds};
use crate::{
    Body, Error, FetchError, Plugin, Problem, Request, Response, Result,
    fetch::{FetchFailure, Timeout},
    logger,
    scope::Scope,
};

/// The largest piece of a body that is read at once.
const PIECE: u64 = 64 << 10;

#[doc(hidden)]
#[macro_export]
macro_rules! __export_handler {
    ($plugin:path) => {
        struct Exported;

        impl $crate::__private::wasip2::exports::http::incoming_handler::Guest for Exported {
            fn handle(
                request: $crate::__private::wasip2::http::types::IncomingRequest,
                out: $crate::__private::wasip2::http::types::ResponseOutparam,
            ) {
                $crate::__private::serve($plugin, request, out);
            }
        }

        $crate::__private::wasip2::http::proxy::export!(Exported with_types_in $crate::__private::wasip2);
    };
}

/// Answers one request, and returns when all its work is done.
pub fn serve(plugin: Plugin, request: IncomingRequest, out: ResponseOutparam) {
    logger::install();
    block_on(async move {
        let request = match request_of(request) {
            Ok(request) => request,
            Err(code) => return ResponseOutparam::set(out, Err(code)),
        };
        let scope = Rc::new(Scope::new(request.headers()));
        let response = scope.run(plugin.answer(&scope, request)).await;
        scope.run(Box::pin(respond(response, out))).await;
        scope.finish().await;
    });
}

fn request_of(incoming: IncomingRequest) -> Result<Request, ErrorCode> {
    let uri = Uri::try_from(incoming.path_with_query().unwrap_or_else(|| "/".to_owned()));
    let (mut parts, ()) = request::Request::new(()).into_parts();
    parts.uri = uri.map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
    parts.method = method_of(incoming.method()).ok_or(ErrorCode::HttpRequestMethodInvalid)?;
    parts.headers = headers_of(&incoming.headers())?;
    let broke = |said: String| Problem::bad_request(format!("the body broke off: {said}")).into();
    let open = move || incoming.consume().expect("the body is taken once");
    Ok(Request::from_parts(parts, body_of(open, broke)))
}

fn method_of(method: wasi::Method) -> Option<Method> {
    Some(match method {
        wasi::Method::Get => Method::GET,
        wasi::Method::Head => Method::HEAD,
        wasi::Method::Post => Method::POST,
        wasi::Method::Put => Method::PUT,
        wasi::Method::Delete => Method::DELETE,
        wasi::Method::Connect => Method::CONNECT,
        wasi::Method::Options => Method::OPTIONS,
        wasi::Method::Trace => Method::TRACE,
        wasi::Method::Patch => Method::PATCH,
        wasi::Method::Other(name) => Method::from_bytes(name.as_bytes()).ok()?,
    })
}

fn headers_of(fields: &Fields) -> Result<HeaderMap, ErrorCode> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields.entries() {
        let (name, value) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_maybe_shared(Bytes::from(value)));
        let invalid = || ErrorCode::InternalError(Some("a header that is none".to_owned()));
        headers.append(name.map_err(|_| invalid())?, value.map_err(|_| invalid())?);
    }
    Ok(headers)
}

/// The fields of a head; a header that the host does not let a guest set is named.
fn fields_of(headers: &HeaderMap) -> Result<Fields, String> {
    let fields = Fields::new();
    for (name, value) in headers {
        let set = fields.append(name.as_str(), value.as_bytes());
        set.map_err(|error| format!("the header {name} may not be set: {error:?}"))?;
    }
    Ok(fields)
}

/// What one body is read from. Fields drop in order: what is a child of the next goes before it.
struct Reading {
    readable: Option<AsyncPollable>,
    stream: InputStream,
    body: IncomingBody,
}

/// How far a body has been read.
enum Read<O> {
    Unopened(O),
    Open(Reading),
    Ended,
}

/// A body as it comes, opened when it is first read; `broke` is the error that it breaks off with.
fn body_of(open: impl FnOnce() -> IncomingBody + 'static, broke: fn(String) -> Error) -> Body {
    Body::frames(stream::unfold(Read::Unopened(open), move |read| async move {
        let reading = match read {
            Read::Unopened(open) => {
                let body = open();
                Reading { readable: None, stream: body.stream().expect("the stream is taken once"), body }
            }
            Read::Open(reading) => reading,
            Read::Ended => return None,
        };
        let (frame, next) = reading.frame().await;
        Some((frame?.map_err(broke), next.map_or(Read::Ended, Read::Open)))
    }))
}

impl Reading {
    /// The next piece, the trailers, or `None` at the end, and what is read next.
    async fn frame(mut self) -> (Option<Result<Frame<Bytes>, String>>, Option<Self>) {
        loop {
            match self.stream.read(PIECE) {
                Ok(piece) if piece.is_empty() => {
                    let stream = &self.stream;
                    self.readable.get_or_insert_with(|| AsyncPollable::new(stream.subscribe())).wait_for().await;
                }
                Ok(piece) => return (Some(Ok(Frame::data(piece.into()))), Some(self)),
                Err(StreamError::Closed) => return (trailers(self).await.transpose(), None),
                Err(StreamError::LastOperationFailed(error)) => {
                    return (Some(Err(error.to_debug_string())), None);
                }
            }
        }
    }
}

async fn trailers(reading: Reading) -> Result<Option<Frame<Bytes>>, String> {
    let Reading { readable, stream, body } = reading;
    drop(readable);
    drop(stream);
    let future = IncomingBody::finish(body);
    AsyncPollable::new(future.subscribe()).wait_for().await;
    match future.get().expect("it is ready").expect("the trailers are taken once") {
        Ok(None) => Ok(None),
        Ok(Some(fields)) => Ok(Some(Frame::trailers(headers_of(&fields).map_err(|code| format!("{code:?}"))?))),
        Err(code) => Err(format!("{code:?}")),
    }
}

/// Sends the response, its body to the end. What goes wrong once the head is out can only be logged.
async fn respond(response: Response, out: ResponseOutparam) {
    let (mut parts, body) = response.into_parts();
    announce(&mut parts, &body);
    let fields = match fields_of(&parts.headers) {
        Ok(fields) => fields,
        Err(said) => return ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some(said)))),
    };
    let response = OutgoingResponse::new(fields);
    response.set_status_code(parts.status.as_u16()).expect("the status is one");
    let outgoing = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    if let Err(error) = write(body, outgoing).await {
        log::error!("the response broke off: {error}");
    }
}

/// Writes a body to its end. A reader that left is no error: the rest is dropped. One that breaks off is not finished, so
/// that nobody takes a part for the whole.
async fn write(mut body: Body, outgoing: OutgoingBody) -> Result<()> {
    let stream = AsyncOutputStream::new(outgoing.write().expect("the stream is taken once"));
    let mut trailers = None;
    while let Some(frame) = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await {
        match frame?.into_data() {
            Ok(data) if stream.write_all(&data).await.is_err() => return Ok(()),
            Ok(_) => {}
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    drop(stream);
    let trailers = trailers.map(|trailers| fields_of(&trailers)).transpose().map_err(anyhow::Error::msg)?;
    // An error is a reader that left, or a length that was announced wrongly, which the host logs.
    let _ = OutgoingBody::finish(outgoing, trailers);
    Ok(())
}

/// Sends a request, and waits for the head of its answer.
pub(crate) async fn send(request: Request) -> Result<Response, FetchError> {
    let to = request.uri().to_string();
    let (parts, body) = request.into_parts();
    let outgoing = outgoing_of(&parts).map_err(|said| FetchError::new(FetchFailure::Invalid, &to, said))?;
    let sink = outgoing.body().expect("the body is taken once");
    let options = parts.extensions.get::<Timeout>().map(|Timeout(wait)| {
        let options = RequestOptions::new();
        // A host without such deadlines answers that it has none; the request's own holds all the same.
        let _ = options.set_first_byte_timeout(Some(nanoseconds(*wait)));
        options
    });
    let failed = |code: ErrorCode| FetchError::new(failure!(code, ErrorCode), &to, format!("{code:?}"));
    let future = outgoing_handler::handle(outgoing, options).map_err(failed)?;
    let sending = Scope::current().unwrap_or_default().run(Box::pin(write(body, sink)));
    // A body that breaks off breaks the request off, which the answer tells.
    spawn(async { drop(sending.await) }).detach();
    response_of(future).await.map_err(failed)
}

fn outgoing_of(parts: &request::Parts) -> Result<OutgoingRequest, String> {
    let mut headers = parts.headers.clone();
    // The address says it, and wasi:http has no such header.
    headers.remove(header::HOST);
    let outgoing = OutgoingRequest::new(fields_of(&headers)?);
    let scheme = match parts.uri.scheme() {
        Some(scheme) if *scheme == uri::Scheme::HTTP => wasi::Scheme::Http,
        Some(scheme) if *scheme == uri::Scheme::HTTPS => wasi::Scheme::Https,
        Some(scheme) => wasi::Scheme::Other(scheme.to_string()),
        None => return Err("the address has no scheme: write http:// or https:// before it".to_owned()),
    };
    let invalid = |what: &'static str| move |()| format!("the host does not take the {what}");
    outgoing.set_method(&wasi_method(&parts.method)).map_err(invalid("method"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(invalid("scheme"))?;
    outgoing.set_authority(parts.uri.authority().map(|it| it.as_str())).map_err(invalid("authority"))?;
    outgoing.set_path_with_query(parts.uri.path_and_query().map(|it| it.as_str())).map_err(invalid("path"))?;
    Ok(outgoing)
}

fn wasi_method(method: &Method) -> wasi::Method {
    match method.as_str() {
        "GET" => wasi::Method::Get,
        "HEAD" => wasi::Method::Head,
        "POST" => wasi::Method::Post,
        "PUT" => wasi::Method::Put,
        "DELETE" => wasi::Method::Delete,
        "CONNECT" => wasi::Method::Connect,
        "OPTIONS" => wasi::Method::Options,
        "TRACE" => wasi::Method::Trace,
        "PATCH" => wasi::Method::Patch,
        other => wasi::Method::Other(other.to_owned()),
    }
}

async fn response_of(future: FutureIncomingResponse) -> Result<Response, ErrorCode> {
    AsyncPollable::new(future.subscribe()).wait_for().await;
    let incoming = future.get().expect("it is ready").expect("the response is taken once")?;
    let headers = headers_of(&incoming.headers())?;
    let status = StatusCode::from_u16(incoming.status()).map_err(|_| ErrorCode::HttpProtocolError)?;
    let broke = |said: String| FetchError::new(FetchFailure::Failed, "an answer broke off", said).into();
    let open = move || incoming.consume().expect("the body is taken once");
    let mut response = Response::new(body_of(open, broke));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    Ok(response)
}

pub(crate) async fn sleep(duration: Duration) {
    AsyncPollable::new(monotonic_clock::subscribe_duration(nanoseconds(duration))).wait_for().await;
}
