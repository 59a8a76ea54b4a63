//! Behaviours that call out.

use shared::{Target, json};
use wasip2::{
    http::{
        outgoing_handler,
        types::{
            ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, OutgoingBody, OutgoingRequest,
            RequestOptions, ResponseOutparam, Scheme,
        },
    },
    io::poll::poll,
};

use crate::io::{self, CHUNK, Reply};

/// One GET to `url`, its status and body passed on; 502 and the error's name if it fails.
pub(crate) fn call(target: &Target, out: ResponseOutparam) {
    let url = target.text("url").unwrap_or_default();
    match send(&url, waits(target)).and_then(|future| wait_for(&future)) {
        Ok(response) => pass_on(response, out),
        Err(error) => io::text(out, 502, &format!("{error:?}\n")),
    }
}

/// `n` GETs to `url` at once: their statuses and errors as JSON, in the order they were sent.
pub(crate) fn fan(target: &Target, out: ResponseOutparam) {
    let url = target.text("url").unwrap_or_default();
    let sent: Vec<_> = (0..target.number_or("n", 2)).map(|_| send(&url, waits(target))).collect();
    let results = sent.into_iter().map(|sent| match sent.and_then(|future| wait_for(&future)) {
        Ok(response) => {
            let status = response.status().to_string();
            read_to_end(response);
            status
        }
        Err(error) => json::string(&format!("{error:?}")),
    });
    io::json(out, &json::array(results));
}

/// The deadlines that the target asks for: `first_ns`, `between_ns`, `connect_ns`.
fn waits(target: &Target) -> Option<RequestOptions> {
    let [first, between, connect] = ["first_ns", "between_ns", "connect_ns"].map(|name| target.number(name));
    (first.is_some() || between.is_some() || connect.is_some()).then(|| {
        let options = RequestOptions::new();
        options.set_first_byte_timeout(first).expect("the host takes a timeout");
        options.set_between_bytes_timeout(between).expect("the host takes a timeout");
        options.set_connect_timeout(connect).expect("the host takes a timeout");
        options
    })
}

fn send(url: &str, options: Option<RequestOptions>) -> Result<FutureIncomingResponse, ErrorCode> {
    let (scheme, rest) = url.split_once("://").ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let request = OutgoingRequest::new(Fields::new());
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let path = if path.is_empty() { "/" } else { path };
    request.set_scheme(Some(&scheme)).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    request.set_authority(Some(authority)).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    request.set_path_with_query(Some(path)).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    let body = request.body().expect("the body is taken once");
    let future = outgoing_handler::handle(request, options)?;
    OutgoingBody::finish(body, None)?;
    Ok(future)
}

fn wait_for(future: &FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    poll(&[&future.subscribe()]);
    future.get().expect("the future is ready").expect("the response is taken once")
}

fn pass_on(response: IncomingResponse, out: ResponseOutparam) {
    let types = response.headers().get("content-type");
    let content_type = types.first().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("text/plain");
    let reply = Reply::start(out, response.status(), &[("content-type", content_type)]);
    let body = response.consume().expect("the body is taken once");
    if copy(&body, &reply) {
        reply.finish(None);
    }
}

fn copy(body: &IncomingBody, reply: &Reply) -> bool {
    use wasip2::io::streams::StreamError;
    let stream = body.stream().expect("the stream is taken once");
    loop {
        match stream.blocking_read(CHUNK as u64) {
            Ok(chunk) if reply.write(&chunk).is_ok() => {}
            Err(StreamError::Closed) => return true,
            _ => return false,
        }
    }
}

fn read_to_end(response: IncomingResponse) {
    let Ok(body) = response.consume() else { return };
    let Ok(stream) = body.stream() else { return };
    while stream.blocking_read(CHUNK as u64).is_ok() {}
}
