//! The one place where a [`Failure`] becomes HTTP: RFC 9457 problem details.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body::Body as _;
use serde::Serialize;

use super::dev::Report;
use crate::{
    body::{self, Body},
    failure::{Code, Failure},
    telemetry::RequestId,
};

/// The header that names the request, on every answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("wasmbay-request-id");

/// How long a client that may try again should wait, when the failure does not say.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a reply needs to know beside the failure.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Which request failed.
    pub request_id: RequestId,
    /// The plugin that it failed in, once one was found.
    pub plugin: Option<&'a str>,
    /// What the client may read beside; `None` for clients who are not the plugin's author.
    pub report: Option<&'a Report>,
}

/// The body of a reply. The member names are part of the host's contract.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<&'a str>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inside: Option<&'a str>,
    #[serde(flatten)]
    report: Option<&'a Report>,
}

/// The reply that tells a client of `failure`.
pub fn reply(failure: &Failure, about: About<'_>) -> Response<Body> {
    let row = failure.code.row();
    let status = status(failure.code);
    let problem = Problem {
        // "about:blank": the title is the status's own; `code` tells the cases apart.
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or(row.title),
        status: status.as_u16(),
        detail: &failure.detail,
        code: row.name,
        plugin: about.plugin,
        request_id: about.request_id.as_str(),
        remedy: failure.remedy_text(),
        inside: failure.inside.as_deref().filter(|_| about.report.is_some()),
        report: about.report,
    };
    let text = serde_json::to_vec(&problem).expect("a problem is strings and a number");
    let mut response = Response::new(body::full(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(REQUEST_ID, about.request_id.header());
    if let Some(seconds) = retry_after(failure) {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, allow(&failure.allow));
    }
    response
}

/// 499 is a status for logs: should a reply be written all the same, the request was cut short, which is a bad one.
fn status(code: Code) -> StatusCode {
    match code {
        Code::ClientGone => StatusCode::BAD_REQUEST,
        code => StatusCode::from_u16(code.row().status).expect("the table holds statuses from 400 to 508"),
    }
}

/// Whole seconds, at least one: a client that comes back at once is refused again.
fn retry_after(failure: &Failure) -> Option<u64> {
    let wait = match (failure.code.row().status, failure.retry_after) {
        (503, wait) => wait.unwrap_or(RETRY_AFTER),
        (429, Some(wait)) => wait,
        _ => return None,
    };
    Some((wait.as_millis().div_ceil(1000) as u64).max(1))
}

/// The methods of an `Allow` header; GET answers HEAD.
fn allow(methods: &[Method]) -> HeaderValue {
    let mut names: Vec<_> = methods.iter().map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.sort_unstable();
    names.dedup();
    HeaderValue::from_str(&names.join(", ")).expect("method names are tokens")
}

/// Takes the body out of the answer to a HEAD request, keeping the length that a GET would have had.
pub fn without_body(response: &mut Response<Body>) {
    let length = response.body().size_hint().exact();
    set_length(response.headers_mut(), length);
    *response.body_mut() = body::empty();
}

fn set_length(headers: &mut HeaderMap, length: Option<u64>) {
    if let (Some(length), false) = (length, headers.contains_key(header::CONTENT_LENGTH)) {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;
    use crate::failure::TABLE;

    fn about(report: Option<&Report>) -> About<'_> {
        About { request_id: RequestId::generate(), plugin: Some("hello"), report }
    }

    fn problem(response: Response<Body>) -> Value {
        let bytes = response.into_body().collect().now_or_never().expect("at hand").expect("whole").to_bytes();
        serde_json::from_slice(&bytes).expect("JSON")
    }

    #[test]
    fn every_failure_has_a_reply_with_its_code() {
        for row in TABLE {
            let response = reply(&Failure::plain(row.code), about(None));
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), row.status == 503, "{}", row.name);
            assert_eq!(response.headers().contains_key(header::ALLOW), row.status == 405, "{}", row.name);
            let sent = response.status().as_u16();
            assert_eq!(sent, if row.status == 499 { 400 } else { row.status });
            let problem = problem(response);
            assert_eq!((&problem["code"], &problem["status"]), (&json!(row.name), &json!(sent)));
            assert_eq!(problem["remedy"].as_str(), row.remedy);
        }
    }

    #[test]
    fn what_is_inside_is_for_developers_alone() {
        let failure = Failure::plain(Code::Trap).inside("frame 3");
        assert_eq!(problem(reply(&failure, about(None))).get("inside"), None);
        assert_eq!(problem(reply(&failure, about(Some(&Report::default()))))["inside"], "frame 3");
    }

    #[test]
    fn allow_names_each_method_once_and_head_beside_get() {
        let mut failure = Failure::plain(Code::MethodNotAllowed);
        failure.allow = vec![Method::POST, Method::GET, Method::POST];
        assert_eq!(reply(&failure, about(None)).headers()[header::ALLOW], "GET, HEAD, POST");
    }

    #[test]
    fn retry_after_is_rounded_up() {
        let mut failure = Failure::plain(Code::QueueFull);
        for (wait, seconds) in [(0, "1"), (1000, "1"), (1001, "2")] {
            failure.retry_after = Some(Duration::from_millis(wait));
            assert_eq!(reply(&failure, about(None)).headers()[header::RETRY_AFTER], seconds);
        }
    }
}
