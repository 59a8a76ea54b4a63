//! Behaviours about request and response bodies.

use shared::{Target, json};
use wasip3::{
    http::types::{ErrorCode, Request, Response, Trailers},
    wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter},
    wit_future,
};

use crate::reply::{self, CHUNK, sleep_ms};

type Body = (StreamReader<u8>, FutureReader<Result<Option<Trailers>, ErrorCode>>);

fn consume(request: Request) -> Body {
    // Dropping the writer says that the body was taken without complaint.
    let (_processed, result) = wit_future::new(|| Ok(()));
    Request::consume_body(request, result)
}

fn content_type(request: &Request) -> String {
    let values = request.get_headers().get("content-type");
    let first = values.into_iter().next().and_then(|bytes| String::from_utf8(bytes).ok());
    first.unwrap_or("application/octet-stream".to_owned())
}

/// Copies the body through the guest as it arrives, with its type and trailers.
pub(crate) fn echo(request: Request) -> Response {
    let content_type = content_type(&request);
    let (mut source, trailers) = consume(request);
    reply::streamed(200, &[("content-type", &content_type)], async move |body| {
        while let Some(chunk) = next(&mut source).await {
            if !body.write_all(chunk).await.is_empty() {
                return Err(ErrorCode::HttpResponseIncomplete);
            }
        }
        trailers.await
    })
}

/// Hands the request's body over as the response's, without touching it.
pub(crate) fn relay(request: Request) -> Response {
    let headers = reply::fields(&[("content-type", &content_type(&request))]);
    let (source, trailers) = consume(request);
    Response::new(headers, Some(source), trailers).0
}

/// Reads the whole body and answers how long it was.
pub(crate) async fn sink(request: Request) -> Response {
    let (mut source, trailers) = consume(request);
    let mut length = 0;
    while let Some(chunk) = next(&mut source).await {
        length += chunk.len();
    }
    match trailers.await {
        Ok(_) => reply::text(200, &format!("{length}\n")),
        Err(error) => reply::text(400, &format!("after {length} bytes: {error:?}\n")),
    }
}

async fn next(source: &mut StreamReader<u8>) -> Option<Vec<u8>> {
    let (result, chunk) = source.read(Vec::with_capacity(CHUNK)).await;
    match result {
        StreamResult::Dropped | StreamResult::Cancelled if chunk.is_empty() => None,
        _ => Some(chunk),
    }
}

/// Streams `mib` MiB.
pub(crate) fn big(target: &Target) -> Response {
    let chunks = target.number_or("mib", 1) << 20 >> CHUNK.trailing_zeros();
    reply::streamed(200, &[("content-type", "application/octet-stream")], async move |body| {
        for _ in 0..chunks {
            if !body.write_all(shared::pattern(0, CHUNK)).await.is_empty() {
                return Err(ErrorCode::HttpResponseIncomplete);
            }
        }
        Ok(None)
    })
}

/// Streams `n` chunks with a pause before each but the first.
pub(crate) fn slow_big(target: Target) -> Response {
    reply::streamed(200, &[("content-type", "application/octet-stream")], async move |body| {
        let bytes = target.number_or("bytes", 1024) as usize;
        paced(&target, body, |_| shared::pattern(0, bytes)).await;
        Ok(None)
    })
}

/// Sends `n` server-sent events with a pause before each but the first.
pub(crate) fn events(target: Target) -> Response {
    let headers = [("content-type", "text/event-stream"), ("cache-control", "no-cache")];
    reply::streamed(200, &headers, async move |body| {
        paced(&target, body, |i| format!("id: {i}\ndata: event {i}\n\n").into_bytes()).await;
        Ok(None)
    })
}

async fn paced(target: &Target, body: &mut StreamWriter<u8>, make: impl Fn(u64) -> Vec<u8>) {
    for i in 0..target.number_or("n", 3) {
        if i > 0 {
            sleep_ms(target.number_or("ms", 10)).await;
        }
        if !body.write_all(make(i)).await.is_empty() {
            return;
        }
    }
}

/// Writes `n` bytes, runs `then`, and if that returns ends the body as broken off.
pub(crate) fn broken(target: Target, then: impl FnOnce() + 'static) -> Response {
    reply::streamed(200, &[("content-type", "application/octet-stream")], async move |body| {
        body.write_all(shared::pattern(0, target.number_or("n", 1000) as usize)).await;
        then();
        Err(ErrorCode::HttpResponseIncomplete)
    })
}

/// Answers the request's trailers as JSON, and sends trailers of its own.
pub(crate) async fn trailers(request: Request) -> Response {
    let (mut source, trailers) = consume(request);
    while next(&mut source).await.is_some() {}
    let received = trailers.await;
    let whole = received.is_ok();
    let entries = received.ok().flatten().map(|fields| fields.copy_all()).unwrap_or_default();
    let text = json::object([
        ("whole", whole.to_string()),
        ("trailers", json::fields(entries.iter().map(|(name, value)| (name.as_str(), value.as_slice())))),
    ]);
    reply::streamed(200, &[("content-type", "application/json"), ("trailer", "x-checksum")], async move |body| {
        body.write_all(text.into_bytes()).await;
        Ok(Some(reply::fields(&[("x-checksum", "feed")])))
    })
}
