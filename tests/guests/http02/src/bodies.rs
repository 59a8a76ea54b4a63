//! Behaviours about request and response bodies.

use shared::{Target, json};
use wasip2::{
    http::types::{Fields, IncomingBody, IncomingRequest, ResponseOutparam, Trailers},
    io::streams::{InputStream, StreamError},
};

use crate::io::{self, CHUNK, Reply};

/// Streams the body back as it arrives, with its type and trailers.
pub(crate) fn echo(request: &IncomingRequest, out: ResponseOutparam) {
    let types = request.headers().get("content-type");
    let content_type = types.first().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let body = request.consume().expect("the body is taken once");
    let reply = Reply::start(out, 200, &[("content-type", content_type.unwrap_or("application/octet-stream"))]);
    if each_chunk(&body, CHUNK as u64, |chunk| reply.write(&chunk)).is_ok() {
        reply.finish(read_trailers(body));
    }
    // Else the body is dropped unfinished: an echo that breaks off must not look whole.
}

/// Reads the whole body, at most `each` bytes at a time, and answers how long it was.
pub(crate) fn sink(request: &IncomingRequest, target: &Target, out: ResponseOutparam) {
    let body = request.consume().expect("the body is taken once");
    let mut length = 0;
    match each_chunk(&body, target.number_or("each", CHUNK as u64), |chunk| {
        length += chunk.len();
        Ok(())
    }) {
        Ok(()) => io::text(out, 200, &format!("{length}\n")),
        Err(error) => io::text(out, 400, &format!("after {length} bytes: {error:?}\n")),
    }
}

/// Hands over each piece of a body until it ends.
fn each_chunk(
    body: &IncomingBody,
    most: u64,
    mut take: impl FnMut(Vec<u8>) -> Result<(), StreamError>,
) -> Result<(), StreamError> {
    let stream: InputStream = body.stream().expect("the stream is taken once");
    loop {
        match stream.blocking_read(most) {
            Ok(chunk) => take(chunk)?,
            Err(StreamError::Closed) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn read_trailers(body: IncomingBody) -> Option<Trailers> {
    let future = IncomingBody::finish(body);
    future.subscribe().block();
    future.get()?.ok()?.ok()?
}

/// Streams `mib` MiB, after `ms` if that is given.
pub(crate) fn big(target: &Target, out: ResponseOutparam) {
    let reply = Reply::start(out, 200, &[("content-type", "application/octet-stream")]);
    let chunk = shared::pattern(0, CHUNK);
    if let Some(ms) = target.number("ms") {
        io::sleep_ms(ms);
    }
    for _ in 0..target.number_or("mib", 1) << 20 >> CHUNK.trailing_zeros() {
        if reply.write(&chunk).is_err() {
            return;
        }
    }
    reply.finish(None);
}

/// Streams `n` chunks with a pause before each but the first.
pub(crate) fn slow_big(target: &Target, out: ResponseOutparam) {
    let reply = Reply::start(out, 200, &[("content-type", "application/octet-stream")]);
    let chunk = shared::pattern(0, target.number_or("bytes", 1024) as usize);
    paced(target, &reply, |_| chunk.clone());
    reply.finish(None);
}

/// Sends `n` server-sent events with a pause before each but the first.
pub(crate) fn events(target: &Target, out: ResponseOutparam) {
    let reply = Reply::start(out, 200, &[("content-type", "text/event-stream"), ("cache-control", "no-cache")]);
    paced(target, &reply, |i| format!("id: {i}\ndata: event {i}\n\n").into_bytes());
    reply.finish(None);
}

fn paced(target: &Target, reply: &Reply, make: impl Fn(u64) -> Vec<u8>) {
    for i in 0..target.number_or("n", 3) {
        if i > 0 {
            io::sleep_ms(target.number_or("ms", 10));
        }
        if reply.write(&make(i)).and_then(|()| reply.flush()).is_err() {
            return;
        }
    }
}

/// Answers the request's trailers as JSON, and sends trailers of its own.
pub(crate) fn trailers(request: &IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().expect("the body is taken once");
    let whole = each_chunk(&body, CHUNK as u64, |_| Ok(())).is_ok();
    let entries = read_trailers(body).map(|fields| fields.entries()).unwrap_or_default();
    let text = json::object([
        ("whole", whole.to_string()),
        ("trailers", json::fields(entries.iter().map(|(name, value)| (name.as_str(), value.as_slice())))),
    ]);
    let reply = Reply::start(out, 200, &[("content-type", "application/json"), ("trailer", "x-checksum")]);
    let _ = reply.write(text.as_bytes());
    let fields = Fields::from_list(&[("x-checksum".to_owned(), b"feed".to_vec())]).expect("a plain trailer is taken");
    reply.finish(Some(fields));
}
