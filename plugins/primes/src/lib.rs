//! Counts the primes up to n: a compute plugin, since it only burns CPU.

use wasip2::{
    exports::http::incoming_handler::Guest,
    http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam},
};

/// What is counted when the request does not say.
const DEFAULT_N: u32 = 100_000;

/// Fits the manifest's `limits.cpu` and `limits.fuel` with room to spare.
const MAX_N: u32 = 1_000_000;

struct Primes;
wasip2::http::proxy::export!(Primes);

impl Guest for Primes {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        match asked(&request) {
            Ok(n) => reply(out, 200, &format!("{{\"n\":{n},\"primes\":{}}}\n", primes(n))),
            Err(problem) => reply(out, 400, &format!("{{\"error\":\"{problem}\"}}\n")),
        }
    }
}

/// How many primes there are up to `n`, by trial division: slow on purpose.
fn primes(n: u32) -> u32 {
    let is_prime = |x: &u32| (3..).step_by(2).take_while(|d| d * d <= *x).all(|d| !x.is_multiple_of(d));
    match n {
        0 | 1 => 0,
        _ => 1 + (3..=n).step_by(2).filter(is_prime).count() as u32,
    }
}

/// The n of `/primes/{n}`, which the host passes on as a header, or of `?n=`.
fn asked(request: &IncomingRequest) -> Result<u32, String> {
    let segment = request.headers().get("wasmbay-param-n").into_iter().next();
    let target = request.path_with_query().unwrap_or_default();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let text = match &segment {
        Some(bytes) => Some(std::str::from_utf8(bytes).unwrap_or_default()),
        None => query.split('&').find_map(|pair| pair.strip_prefix("n=")),
    };
    let Some(text) = text else { return Ok(DEFAULT_N) };
    text.parse().ok().filter(|n| *n <= MAX_N).ok_or(format!("n must be a whole number from 0 to {MAX_N}"))
}

/// Answers with JSON.
fn reply(out: ResponseOutparam, status: u16, json: &str) {
    let headers = Fields::new();
    headers.append("content-type", b"application/json").expect("content-type may be set");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("the status is a valid one");
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("the stream is taken once");
    // An error from here on means that the client has left.
    let _ = stream.blocking_write_and_flush(json.as_bytes());
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
