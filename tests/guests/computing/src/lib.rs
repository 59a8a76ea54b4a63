//! Burns CPU as it is asked to: `/NAME/primes?n=`, and the other kinds of `work`.

use wasip2::{
    exports::http::incoming_handler::Guest,
    http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam},
};

struct Handler;
wasip2::http::proxy::export!(Handler);

impl Guest for Handler {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (kind, n) = work::asked(&target);
        let result = work::run(kind, n);
        let response = OutgoingResponse::new(Fields::new());
        response.set_status_code(if result.is_some() { 200 } else { 404 }).expect("the status is a valid one");
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("the stream is taken once");
        // An error means that the client has left.
        let _ = stream.blocking_write_and_flush(format!("{}\n", result.unwrap_or_default()).as_bytes());
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}
