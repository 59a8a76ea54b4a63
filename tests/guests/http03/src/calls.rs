//! Behaviours that call out.

use std::collections::BTreeMap;

use shared::{Target, json};
use wasip3::{
    http::{
        client,
        types::{ErrorCode, Fields, Request, Response, Scheme},
    },
    wit_bindgen::spawn_local,
    wit_future,
};

use crate::reply;

/// One GET to `url`, its response passed on; 502 and the error's name if it fails.
pub(crate) async fn call(target: &Target) -> Result<Response, ErrorCode> {
    let url = target.text("url").unwrap_or_default();
    match send(&url).await {
        Ok(response) => Ok(pass_on(response)),
        Err(error) => Ok(reply::text(502, &format!("{error:?}\n"))),
    }
}

/// `n` GETs to `url` at once: their statuses and errors as JSON, in the order they were sent.
pub(crate) async fn fan(target: &Target) -> Response {
    let url = target.text("url").unwrap_or_default();
    let sent: Vec<_> = (0..target.number_or("n", 2))
        .map(|_| {
            let url = url.clone();
            spawn_local(async move { send(&url).await.map(|response| response.get_status_code()) })
        })
        .collect();
    let mut results = Vec::new();
    for one in sent {
        results.push(match one.await.expect("no task is cancelled") {
            Ok(status) => status.to_string(),
            Err(error) => json::string(&format!("{error:?}")),
        });
    }
    reply::json(&json::array(results))
}

/// `n` GETs to `url` one after the other: how often each status or error came, as JSON.
pub(crate) async fn repeat(target: &Target) -> Response {
    let url = target.text("url").unwrap_or_default();
    let mut counts = BTreeMap::<String, u64>::new();
    for _ in 0..target.number_or("n", 2) {
        let result = match send(&url).await {
            Ok(response) => response.get_status_code().to_string(),
            Err(error) => format!("{error:?}"),
        };
        *counts.entry(result).or_default() += 1;
    }
    reply::json(&json::object(counts.into_iter().map(|(result, count)| (result, count.to_string()))))
}

async fn send(url: &str) -> Result<Response, ErrorCode> {
    let (scheme, rest) = url.split_once("://").ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let path = if path.is_empty() { "/" } else { path };
    let (_end, trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(Fields::new(), None, trailers, None);
    request.set_scheme(Some(&scheme)).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    request.set_authority(Some(authority)).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    request.set_path_with_query(Some(path)).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    client::send(request).await
}

fn pass_on(response: Response) -> Response {
    let status = response.get_status_code();
    let types = response.get_headers().get("content-type");
    let content_type = types.first().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("text/plain");
    let headers = reply::fields(&[("content-type", content_type)]);
    let (_processed, result) = wit_future::new(|| Ok(()));
    let (body, trailers) = Response::consume_body(response, result);
    let (passed, _sent) = Response::new(headers, Some(body), trailers);
    passed.set_status_code(status).expect("the status came from a response");
    passed
}
