//! Awaits two computations at once and merges them: an io plugin that leaves the computing to a compute plugin.

mod call;

use serde_json::{Value, json};
use wasip2::{
    exports::http::incoming_handler::Guest,
    http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam},
};

struct Report;
wasip2::http::proxy::export!(Report);

impl Guest for Report {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (status, body) = answer(&target).unwrap_or_else(|(status, problem)| (status, json!({ "error": problem })));
        reply(out, status, &body);
    }
}

type Answer = Result<(u16, Value), (u16, String)>;

/// How many primes lie between `low` and `high`, from the counts up to each.
fn answer(target: &str) -> Answer {
    let (low, high) = (number(target, "low", 10_000)?, number(target, "high", 200_000)?);
    if low > high {
        return Err((400, "low must not be larger than high".to_owned()));
    }
    // Both are sent before either is awaited: they are counted at the same time.
    let sent = [call::send(&format!("/primes/{low}")), call::send(&format!("/primes/{high}"))];
    let [below_low, below_high] = sent.map(|sent| sent.and_then(call::receive));
    let (below_low, below_high) = (count(below_low)?, count(below_high)?);
    let report = json!({
        "up_to": { low.to_string(): below_low, high.to_string(): below_high },
        "between": below_high - below_low,
    });
    Ok((200, report))
}

/// A number of the query, else `default`.
fn number(target: &str, key: &str, default: u32) -> Result<u32, (u16, String)> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    match query.split('&').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == key) {
        Some((_, text)) => text.parse().map_err(|_| (400, format!("{key} must be a whole number"))),
        None => Ok(default),
    }
}

/// The count in an answer of `primes`; its complaint about a number is the client's to mend, all else is a bad gateway.
fn count(reply: Result<call::Reply, String>) -> Result<u64, (u16, String)> {
    let reply = reply.map_err(|error| (502, format!("primes could not be asked: {error}")))?;
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    match (reply.status, body["primes"].as_u64(), body["error"].as_str()) {
        (200, Some(count), _) => Ok(count),
        (400, _, Some(problem)) => Err((400, format!("primes: {problem}"))),
        (status, ..) => Err((502, format!("primes answered {status}"))),
    }
}

/// Answers with JSON.
fn reply(out: ResponseOutparam, status: u16, json: &Value) {
    let headers = Fields::new();
    headers.append("content-type", b"application/json").expect("content-type may be set");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("the status is a valid one");
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("the stream is taken once");
    // An error from here on means that the client has left.
    let _ = stream.blocking_write_and_flush(format!("{json}\n").as_bytes());
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
