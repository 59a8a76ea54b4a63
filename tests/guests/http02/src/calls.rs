//! Behaviours that call out.

use std::collections::BTreeMap;

use shared::{Target, json};
use wasip2::{
    http::{
        outgoing_handler,
        types::{
            ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingRequest, IncomingResponse, Method,
            OutgoingBody, OutgoingRequest, RequestOptions, ResponseOutparam, Scheme,
        },
    },
    io::poll::poll,
};

use crate::io::{self, CHUNK, Reply};

/// One request to `url`, its status and body passed on; 502 and the error's name if it fails. `method` is GET and
/// `bytes` of a body, lines of a `head` and `trailers` are none unless the target says more. What this guest was told in headers
/// that begin with `pass` is passed on under `x-`.
pub(crate) fn call(request: &IncomingRequest, target: &Target, out: ResponseOutparam) {
    let told = target.text("pass").map(|start| told(request, &start)).unwrap_or_default();
    match send_with(target, &told).and_then(|future| wait_for(&future)) {
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

/// `n` GETs to `url` one after the other: how often each status or error came, as JSON.
pub(crate) fn repeat(target: &Target, out: ResponseOutparam) {
    let url = target.text("url").unwrap_or_default();
    let mut counts = BTreeMap::<String, u64>::new();
    for _ in 0..target.number_or("n", 2) {
        let result = match send(&url, waits(target)).and_then(|future| wait_for(&future)) {
            Ok(response) => {
                let status = response.status().to_string();
                read_to_end(response);
                status
            }
            Err(error) => format!("{error:?}"),
        };
        *counts.entry(result).or_default() += 1;
    }
    io::json(out, &json::object(counts.into_iter().map(|(result, count)| (result, count.to_string()))));
}

/// Sends the first half of a POST to `url` and dies.
pub(crate) fn half_a_post(target: &Target) {
    let request = request(&target.text("url").unwrap_or_default()).expect("a good target");
    request.set_method(&Method::Post).expect("a method");
    let body = request.body().expect("the body is taken once");
    let stream = body.write().expect("the stream is taken once");
    let _future = outgoing_handler::handle(request, None).expect("the host takes the request");
    stream.blocking_write_and_flush(b"the first half").expect("the host takes a body");
    io::sleep_ms(target.number_or("ms", 50));
    panic!("asked to die in the middle");
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
    let request = request(url)?;
    let body = request.body().expect("the body is taken once");
    let future = outgoing_handler::handle(request, options)?;
    OutgoingBody::finish(body, None)?;
    Ok(future)
}

/// The request that the target describes, with its method and body.
fn send_with(target: &Target, told: &str) -> Result<FutureIncomingResponse, ErrorCode> {
    let head = fields(&(target.text("head").unwrap_or_default() + "\n" + told));
    let request = request_with(&target.text("url").unwrap_or_default(), head)?;
    let method = target.text("method").unwrap_or_else(|| "GET".to_owned());
    let method = match method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        _ => Method::Other(method),
    };
    request.set_method(&method).map_err(|()| ErrorCode::HttpRequestMethodInvalid)?;
    let body = request.body().expect("the body is taken once");
    let future = outgoing_handler::handle(request, waits(target))?;
    let mut left = target.number_or("bytes", 0) as usize;
    if left > 0 {
        let stream = body.write().expect("the stream is taken once");
        while left > 0 {
            let now = left.min(4096);
            // A server that answers before it has all is no fault of this guest.
            if stream.blocking_write_and_flush(&vec![b'x'; now]).is_err() {
                break;
            }
            left -= now;
        }
    }
    OutgoingBody::finish(body, target.text("trailers").map(|lines| fields(&lines)))?;
    Ok(future)
}

/// Lines of a head: what a request said in headers that begin so.
fn told(request: &IncomingRequest, start: &str) -> String {
    let told = request.headers().entries().into_iter().filter(|(name, _)| name.starts_with(start));
    told.map(|(name, value)| format!("x-{name}: {}\n", String::from_utf8_lossy(&value))).collect()
}

/// Lines of a head, each `name: value`. What the host does not take is left out.
fn fields(lines: &str) -> Fields {
    let fields = Fields::new();
    for (name, value) in lines.lines().filter_map(|line| line.split_once(": ")) {
        let _ = fields.append(name, value.as_bytes());
    }
    fields
}

fn request(url: &str) -> Result<OutgoingRequest, ErrorCode> {
    request_with(url, Fields::new())
}

fn request_with(url: &str, head: Fields) -> Result<OutgoingRequest, ErrorCode> {
    let (scheme, rest) = url.split_once("://").ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let request = OutgoingRequest::new(head);
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let path = if path.is_empty() { "/" } else { path };
    request.set_scheme(Some(&scheme)).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    request.set_authority(Some(authority)).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    request.set_path_with_query(Some(path)).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    Ok(request)
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
