//! Replies and streams: what every behaviour needs.

use wasip2::{
    clocks::monotonic_clock,
    http::types::{Fields, OutgoingBody, OutgoingResponse, ResponseOutparam, Trailers},
    io::streams::{OutputStream, StreamError},
};

/// The largest piece written at once.
pub(crate) const CHUNK: usize = 64 << 10;

/// Answers with a short text.
pub(crate) fn text(out: ResponseOutparam, status: u16, text: &str) {
    whole(out, status, "text/plain; charset=utf-8", text);
}

/// Answers with JSON.
pub(crate) fn json(out: ResponseOutparam, json: &str) {
    whole(out, 200, "application/json", json);
}

fn whole(out: ResponseOutparam, status: u16, content_type: &str, text: &str) {
    let reply = Reply::start(out, status, &[("content-type", content_type)]);
    // A client that left is no fault of this guest.
    let _ = reply.write(text.as_bytes());
    reply.finish(None);
}

/// A response whose head is sent and whose body is being written.
pub(crate) struct Reply {
    // Fields drop in order, and the stream must go before its body.
    stream: OutputStream,
    body: OutgoingBody,
}

impl Reply {
    /// Sends the head.
    pub(crate) fn start(out: ResponseOutparam, status: u16, headers: &[(&str, &str)]) -> Self {
        let fields = Fields::new();
        for (name, value) in headers {
            fields.append(name, value.as_bytes()).expect("the host takes these headers");
        }
        let response = OutgoingResponse::new(fields);
        response.set_status_code(status).expect("the status is a valid one");
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("the stream is taken once");
        Self { stream, body }
    }

    /// Writes all of `bytes`, as much at a time as the host has room for.
    pub(crate) fn write(&self, mut bytes: &[u8]) -> Result<(), StreamError> {
        let writable = self.stream.subscribe();
        while !bytes.is_empty() {
            let room = self.stream.check_write()? as usize;
            if room == 0 {
                writable.block();
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.stream.write(now)?;
            bytes = later;
        }
        Ok(())
    }

    /// Waits until what was written has left the guest.
    pub(crate) fn flush(&self) -> Result<(), StreamError> {
        self.stream.blocking_flush()
    }

    /// Ends the body as complete.
    pub(crate) fn finish(self, trailers: Option<Trailers>) {
        drop(self.stream);
        // An error here is a client that left.
        let _ = OutgoingBody::finish(self.body, trailers);
    }
}

/// Waits without using a CPU.
pub(crate) fn sleep_ms(ms: u64) {
    monotonic_clock::subscribe_duration(ms * 1_000_000).block();
}
