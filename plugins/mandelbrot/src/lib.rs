//! Draws the Mandelbrot set as a PNG: a compute plugin with a result to look at.

mod palette;
mod png;
mod set;
mod view;

use view::View;
use wasip2::{
    exports::http::incoming_handler::Guest,
    http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam},
    io::streams::StreamError,
};

struct Mandelbrot;
wasip2::http::proxy::export!(Mandelbrot);

impl Guest for Mandelbrot {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        match View::from_query(target.split_once('?').map_or("", |(_, query)| query)) {
            Ok(view) => {
                let picture = png::encode(view.width, view.height, &set::draw(&view));
                reply(out, 200, "image/png", &picture);
            }
            Err(problem) => reply(out, 400, "text/plain; charset=utf-8", problem.as_bytes()),
        }
    }
}

/// Answers with the whole of `bytes`.
fn reply(out: ResponseOutparam, status: u16, content_type: &str, bytes: &[u8]) {
    let headers = Fields::new();
    headers.append("content-type", content_type.as_bytes()).expect("content-type may be set");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("the status is a valid one");
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    // An error from here on means that the client has left.
    if write_all(&body, bytes).is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
}

/// Writes as much at a time as the host has room for.
fn write_all(body: &OutgoingBody, mut bytes: &[u8]) -> Result<(), StreamError> {
    let stream = body.write().expect("the stream is taken once");
    let writable = stream.subscribe();
    while !bytes.is_empty() {
        let room = stream.check_write()? as usize;
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        match now {
            [] => writable.block(),
            _ => stream.write(now)?,
        }
        bytes = later;
    }
    stream.blocking_flush()
}
