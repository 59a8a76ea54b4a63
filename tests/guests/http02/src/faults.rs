//! Behaviours that go wrong, early and late.

use shared::{Target, json};
use wasip2::http::types::{ErrorCode, Fields, ResponseOutparam};

use crate::io::{self, Reply};

/// Executes `unreachable`.
pub(crate) fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    std::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}

fn begin(target: &Target, out: ResponseOutparam) -> Reply {
    let reply = Reply::start(out, 200, &[("content-type", "application/octet-stream")]);
    let _ = reply.write(&shared::pattern(0, target.number_or("n", 1000) as usize));
    let _ = reply.flush();
    reply
}

/// Writes `n` bytes, then traps.
pub(crate) fn trap_late(target: &Target, out: ResponseOutparam) {
    let _reply = begin(target, out);
    trap();
}

/// Writes `n` bytes, then drops the body without finishing it.
pub(crate) fn drop_late(target: &Target, out: ResponseOutparam) {
    drop(begin(target, out));
}

/// Answers with an error code instead of a response.
pub(crate) fn error(out: ResponseOutparam) {
    ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some("asked to fail".to_owned()))));
}

/// Tries headers that a response may not carry, and answers what became of each.
pub(crate) fn bad_header(out: ResponseOutparam) {
    let tried: [(&str, &[u8]); 8] = [
        ("connection", b"close"),
        ("transfer-encoding", b"chunked"),
        ("upgrade", b"websocket"),
        ("host", b"elsewhere.example"),
        ("keep-alive", b"timeout=5"),
        ("bad name", b"x"),
        ("x-split", b"a\r\nset-cookie: b"),
        ("x-fine", b"fine"),
    ];
    let results = tried.map(|(name, value)| {
        let result = Fields::new().append(name, value);
        (name, json::string(&result.map_or_else(|error| format!("{error:?}"), |()| "taken".to_owned())))
    });
    io::json(out, &json::object(results));
}
