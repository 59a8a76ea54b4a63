//! Sends the request's body back as it arrives: an io plugin that holds one piece of it at a time.

use wasip2::{
    exports::http::incoming_handler::Guest,
    http::types::{Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam, Trailers},
    io::streams::{OutputStream, StreamError},
};

/// The largest piece taken at once.
const PIECE: u64 = 64 * 1024;

struct Echo;
wasip2::http::proxy::export!(Echo);

impl Guest for Echo {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let headers = Fields::new();
        let mut types = request.headers().get("content-type");
        if types.is_empty() {
            types.push(b"application/octet-stream".to_vec());
        }
        headers.set("content-type", &types).expect("a type that was received may be sent");
        let response = OutgoingResponse::new(headers);
        let (source, sink) = (request.consume().expect("taken once"), response.body().expect("taken once"));
        // The head goes out now; the body follows piece by piece.
        ResponseOutparam::set(out, Ok(response));
        if copy(&source, &sink).is_ok() {
            let _ = OutgoingBody::finish(sink, trailers(source));
        }
        // A body that broke off is not finished, so the client does not take a part for the whole.
    }
}

/// Passes the body on until it ends.
fn copy(source: &IncomingBody, sink: &OutgoingBody) -> Result<(), StreamError> {
    let (source, sink) = (source.stream().expect("taken once"), sink.write().expect("taken once"));
    loop {
        match source.blocking_read(PIECE) {
            Ok(piece) => write_all(&sink, &piece)?,
            Err(StreamError::Closed) => return sink.blocking_flush(),
            Err(error) => return Err(error),
        }
    }
}

/// Writes as much at a time as there is room for: a slow client slows the reading, and nothing piles up.
fn write_all(sink: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    let writable = sink.subscribe();
    while !bytes.is_empty() {
        let room = sink.check_write()? as usize;
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        match now {
            [] => writable.block(),
            _ => sink.write(now)?,
        }
        bytes = later;
    }
    Ok(())
}

/// What the client sent after its body, if anything.
fn trailers(source: IncomingBody) -> Option<Trailers> {
    let future = IncomingBody::finish(source);
    future.subscribe().block();
    future.get()?.ok()?.ok()?
}
