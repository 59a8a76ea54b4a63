//! Replies and waiting: what every behaviour needs.

use std::future::Future;

use wasip3::{
    clocks::monotonic_clock,
    http::types::{ErrorCode, Fields, Response, Trailers},
    wit_bindgen::{StreamWriter, spawn_local},
    wit_future, wit_stream,
};

/// The largest piece written at once.
pub(crate) const CHUNK: usize = 64 << 10;

/// How a body ends: whole, perhaps with trailers, or broken off.
pub(crate) type End = Result<Option<Trailers>, ErrorCode>;

/// A short text.
pub(crate) fn text(status: u16, text: &str) -> Response {
    whole(status, "text/plain; charset=utf-8", text)
}

/// JSON.
pub(crate) fn json(json: &str) -> Response {
    whole(200, "application/json", json)
}

fn whole(status: u16, content_type: &str, text: &str) -> Response {
    let bytes = text.as_bytes().to_vec();
    streamed(status, &[("content-type", content_type)], async move |body| {
        // What is left over is a client that left: no fault of this guest.
        body.write_all(bytes).await;
        Ok(None)
    })
}

/// A response whose body `write` produces after the head has gone out.
pub(crate) fn streamed<W>(status: u16, headers: &[(&str, &str)], write: W) -> Response
where
    W: AsyncFnOnce(&mut StreamWriter<u8>) -> End + 'static,
{
    let (mut body, contents) = wit_stream::new();
    // A writer that is dropped early, by a trap or a cancelled task, must not look like a whole body.
    let (end, trailers) = wit_future::new(|| Err(ErrorCode::HttpResponseIncomplete));
    let (response, _sent) = Response::new(fields(headers), Some(contents), trailers);
    response.set_status_code(status).expect("the status is a valid one");
    spawn(async move {
        let ending = write(&mut body).await;
        drop(body);
        let _ = end.write(ending).await;
    });
    response
}

/// Header fields from text.
pub(crate) fn fields(entries: &[(&str, &str)]) -> Fields {
    let fields = Fields::new();
    for (name, value) in entries {
        fields.append(name, value.as_bytes()).expect("the host takes these headers");
    }
    fields
}

/// Goes on after the handler has answered.
pub(crate) fn spawn(future: impl Future<Output = ()> + 'static) {
    spawn_local(future);
}

/// Waits without using a CPU.
pub(crate) async fn sleep_ms(ms: u64) {
    monotonic_clock::wait_for(ms * 1_000_000).await;
}
