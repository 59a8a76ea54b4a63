//! Waits a little, then tells the time: an io plugin, since waiting costs no thread.

use wasip2::{
    clocks::{monotonic_clock, wall_clock},
    exports::http::incoming_handler::Guest,
    http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam},
};

/// How long to wait when the query does not say.
const DEFAULT_MS: u64 = 5;

/// Well below the manifest's `limits.timeout`, so that a long wait is refused rather than cut off.
const MAX_MS: u64 = 5_000;

struct Clock;
wasip2::http::proxy::export!(Clock);

impl Guest for Clock {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        match wait_of(&target) {
            Ok(ms) => {
                monotonic_clock::subscribe_duration(ms * 1_000_000).block();
                let now = wall_clock::now();
                let time = rfc3339(now.seconds);
                reply(out, 200, &format!("{{\"time\":\"{time}\",\"unix\":{},\"waited_ms\":{ms}}}\n", now.seconds));
            }
            Err(problem) => reply(out, 400, &format!("{{\"error\":\"{problem}\"}}\n")),
        }
    }
}

/// The `ms` of the query.
fn wait_of(target: &str) -> Result<u64, String> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let Some(value) = query.split('&').find_map(|pair| pair.strip_prefix("ms=")) else {
        return Ok(DEFAULT_MS);
    };
    value.parse().ok().filter(|ms| *ms <= MAX_MS).ok_or(format!("ms must be a whole number from 0 to {MAX_MS}"))
}

/// Seconds since 1970 as a date and time in UTC.
fn rfc3339(unix: u64) -> String {
    let (days, second) = (unix / 86_400, unix % 86_400);
    // Count from 1 March of the year 0, so that a leap day is a year's last: eras of 400 years are all alike.
    let from_march = days + 719_468;
    let (era, of_era) = (from_march / 146_097, from_march % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
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
