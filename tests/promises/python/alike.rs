//! The same requests, asked of a plugin and of the server its application was written for, have the same answers.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request};
use wasmbay_tests::house::House;

use super::{REUSED, reference, reference::Reference, serve};

/// What differs, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("server", "uvicorn and gunicorn name themselves; Wasmbay tells nobody what it is"),
    ("date", "the second may have turned"),
    ("wasmbay-request-id", "the host's own, to find a request in its log"),
    (
        "transfer-encoding",
        "of the connection, not of the answer: each server frames a body of unknown length as it likes",
    ),
    ("connection", "of the connection, not of the answer"),
];

/// A request: method, path, headers, body.
pub(super) type Asked<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const PARTS: (&str, &str) = ("content-type", "multipart/form-data; boundary=line");
const UPLOAD: &str = "--line\r\ncontent-disposition: form-data; name=\"note\"\r\n\r\nhi\r\n--line\r\n\
    content-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\ncontent-type: text/plain\r\n\r\nsome text\r\n--line--\r\n";

/// Builds a request.
pub(super) fn request((method, path, headers, body): Asked<'_>) -> Request<Bytes> {
    let mut request = Request::builder().method(method).uri(path).header("host", "example.test");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !body.is_empty() {
        request = request.header("content-length", body.len());
    }
    request.body(Bytes::copy_from_slice(body.as_bytes())).expect("a request")
}

/// An answer's headers but those that differ, in a fixed order.
fn told(headers: &HeaderMap) -> Vec<(String, String)> {
    let same = headers.iter().filter(|(name, _)| DIFFERENT.iter().all(|(different, _)| name != different));
    let mut told: Vec<_> =
        same.map(|(name, value)| (name.to_string(), meant(name.as_str(), value.as_bytes()))).collect();
    told.sort();
    told
}

/// What a header's value means, without what differs from one process or second to the next.
fn meant(name: &str, value: &[u8]) -> String {
    let value = String::from_utf8_lossy(value);
    match name {
        // A set, in the order of its members' hashes.
        "allow" => {
            let mut methods: Vec<_> = value.split(", ").collect();
            methods.sort_unstable();
            methods.join(", ")
        }
        // A session is signed together with the time: its content comes before the first dot, its attributes after.
        "set-cookie" if value.starts_with("session=") => {
            let (content, signed) = value.split_once('.').unwrap_or((&value, ""));
            format!("{content};{}", signed.split_once(';').map_or("", |(_, attributes)| attributes))
        }
        _ => value.into_owned(),
    }
}

/// Asks both. What differs, if anything does.
pub(super) async fn compare(ours: SocketAddr, theirs: SocketAddr, asked: Asked<'_>) -> Option<String> {
    let (ours, theirs) = tokio::join!(reference::ask(ours, request(asked)), reference::ask(theirs, request(asked)));
    let what = format!("{} {} {:?}", asked.0, asked.1, asked.3);
    let (ours, theirs) = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        // Both broke off.
        (Err(_), Err(_)) => return None,
        (ours, theirs) => return Some(format!("{what}\n  ours:   {ours:?}\n  theirs: {theirs:?}")),
    };
    let same = ours.0 == theirs.0 && told(&ours.1) == told(&theirs.1) && ours.2 == theirs.2;
    (!same).then(|| format!("{what}\n  ours:   {ours:?}\n  theirs: {theirs:?}"))
}

async fn alike(house: &House, theirs: &Reference, all: &[Asked<'_>]) {
    let mut different = Vec::new();
    for asked in all {
        different.extend(compare(house.host.public(), theirs.addr, *asked).await);
    }
    assert!(different.is_empty(), "{} of {} differ:\n{}", different.len(), all.len(), different.join("\n"));
}

const FASTAPI: &[Asked<'_>] = &[
    ("GET", "/", &[], ""),
    ("HEAD", "/", &[], ""),
    ("POST", "/", &[], ""),
    ("GET", "/nowhere", &[], ""),
    ("GET", "/items/7?q=a%20b&wanted=1&wanted=2", &[("x-token", "t\u{e4}"), ("cookie", "visit=3; other=4")], ""),
    ("GET", "/items/-1", &[], ""),
    ("GET", "/items/abc?q=%ff", &[], ""),
    ("GET", "/items/404", &[], ""),
    ("GET", "/items/7/", &[], ""),
    ("GET", "/typed/6f1c2c1e-1f0b-4d4e-9a51-2f8b1c3d4e5f/2030-02-28/a?span=PT5M", &[], ""),
    ("GET", "/typed/no/2030-02-30/c?span=x", &[], ""),
    ("GET", "/paths/a%20b/c%2Fd/%C3%BC?x=%20&y", &[], ""),
    (
        "POST",
        "/books",
        &[JSON],
        r#"{"title": " A ", "price": "12.50", "authors": [{"name": "Ada", "born": "1815-12-10"}], "tags": {"x": 1}}"#,
    ),
    (
        "POST",
        "/books",
        &[JSON],
        r#"{"title": "A", "price": 1e999, "genre": "prose", "authors": [{}], "tags": {"x": "y"}, "more": 1}"#,
    ),
    ("POST", "/books", &[JSON], r#"{"title": "LOUD", "price": 0.001}"#),
    (
        "POST",
        "/books",
        &[JSON],
        r#"{"title": "p", "price": 200, "genre": "poems", "seen": "2030-01-01T00:00:00+02:00"}"#,
    ),
    ("POST", "/books", &[JSON], "{\"title\": "),
    ("POST", "/books", &[("content-type", "text/plain")], "{}"),
    ("POST", "/books", &[JSON], ""),
    ("PUT", "/books/3", &[JSON], r#"{"book": {"title": "B", "price": 1}, "author": {"name": "Bo"}, "note": "short"}"#),
    ("PUT", "/books/3", &[JSON], r#"{"book": {"title": "B", "price": 1}, "author": {"name": ""}, "note": "too long"}"#),
    ("DELETE", "/books/3", &[], ""),
    ("PATCH", "/books/3", &[], ""),
    ("GET", "/pages?limit=5", &[], ""),
    ("GET", "/pages?limit=500&offset=x", &[], ""),
    ("GET", "/empty", &[], ""),
    ("GET", "/fail", &[], ""),
    ("GET", "/fail-late", &[], ""),
    ("GET", "/basic", &[], ""),
    ("GET", "/basic", &[("authorization", "Basic YWRhOnNlY3JldA==")], ""),
    ("GET", "/basic", &[("authorization", "Basic !")], ""),
    ("GET", "/key", &[], ""),
    ("GET", "/key", &[("x-key", "k")], ""),
    ("GET", "/bearer", &[], ""),
    ("GET", "/bearer", &[("authorization", "Bearer abc")], ""),
    ("POST", "/form", &[FORM], "name=A+b%C3%BC&age=3"),
    ("POST", "/form", &[FORM], "age=x"),
    ("POST", "/upload", &[PARTS], UPLOAD),
    ("POST", "/upload", &[PARTS], "--line\r\nbroken"),
    (
        "POST",
        "/files",
        &[PARTS],
        "--line\r\ncontent-disposition: form-data; name=\"several\"; filename=\"a\"\r\n\r\nabc\r\n--line--\r\n",
    ),
    ("POST", "/count", &[], "four"),
    ("GET", "/stream?n=20", &[], ""),
    ("GET", "/numbers?n=20", &[], ""),
    ("GET", "/large", &[], ""),
    ("GET", "/large", &[("accept-encoding", "gzip")], ""),
    ("GET", "/html", &[], ""),
    ("GET", "/away", &[], ""),
    ("GET", "/any", &[], ""),
    ("HEAD", "/any", &[], ""),
    ("OPTIONS", "/any", &[], ""),
    ("PATCH", "/any", &[], "patched"),
    ("DELETE", "/any", &[], ""),
    ("OPTIONS", "/items/1", &[("origin", "https://example.com"), ("access-control-request-method", "GET")], ""),
    ("OPTIONS", "/items/1", &[("origin", "https://evil.example"), ("access-control-request-method", "GET")], ""),
    ("GET", "/items/1", &[("origin", "https://example.com")], ""),
    ("GET", "/together", &[], ""),
    ("GET", "/background", &[("x-request-id", "mine")], ""),
    ("GET", "/late-import", &[], ""),
    ("POST", "/readers", &[JSON], r#"{"email": "ada@EXAMPLE.com"}"#),
    ("POST", "/readers", &[JSON], r#"{"email": "ada at example"}"#),
    ("GET", "/packages/email-validator", &[], ""),
    ("GET", "/packages/Email.Validator", &[], ""),
    ("GET", "/packages/pydantic_core", &[], ""),
    ("GET", "/packages/none-of-that-name", &[], ""),
    ("GET", "/docs", &[], ""),
    ("GET", "/docs/oauth2-redirect", &[], ""),
    ("GET", "/redoc", &[], ""),
    ("GET", "/openapi.json", &[], ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_fastapi_application_answers_as_under_uvicorn() {
    let theirs = Reference::uvicorn("fastapi").await;
    for (lane, lines) in [("io", REUSED), ("compute", "")] {
        let house = serve("fastapi", lane, lines).await;
        alike(&house, &theirs, FASTAPI).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn starlette_falcon_and_quart_answer_as_under_uvicorn() {
    let theirs = Reference::uvicorn("others").await;
    let house = serve("others", "io", REUSED).await;
    let all: &[Asked<'_>] = &[
        ("GET", "/?a=1&b=%20", &[], ""),
        ("GET", "/users/3", &[], ""),
        ("GET", "/users/404", &[], ""),
        ("GET", "/users/x", &[], ""),
        ("POST", "/users/3", &[], ""),
        ("POST", "/count", &[], "four"),
        ("GET", "/stream", &[], ""),
        ("GET", "/fail", &[], ""),
        ("GET", "/falcon/things/a?limit=5", &[], ""),
        ("GET", "/falcon/things/a?limit=x", &[], ""),
        ("GET", "/falcon/things/none", &[], ""),
        ("GET", "/falcon/nothing", &[], ""),
        ("POST", "/falcon/things/a", &[JSON], r#"{"x": [1, 2]}"#),
        ("POST", "/falcon/things/a", &[JSON], "{"),
        ("PUT", "/falcon/things/a", &[], ""),
        ("GET", "/quart/coins/3?a=1&a=2&b=%20", &[], ""),
        ("HEAD", "/quart/coins/3", &[], ""),
        ("GET", "/quart/coins/404", &[], ""),
        ("GET", "/quart/coins/x", &[], ""),
        ("POST", "/quart/coins/3", &[], ""),
        ("POST", "/quart/sum", &[JSON], "[1, 2, 3.5]"),
        ("POST", "/quart/sum", &[JSON], "["),
        ("POST", "/quart/sum", &[], "[1]"),
        ("POST", "/quart/form", &[FORM], "name=A+b%C3%BC"),
        ("POST", "/quart/form", &[PARTS], UPLOAD),
        ("GET", "/quart/stream", &[], ""),
        ("GET", "/quart/fail", &[], ""),
        ("GET", "/bare/whole", &[], ""),
        ("GET", "/bare/amid", &[], ""),
        ("GET", "/bare/unfinished", &[], ""),
    ];
    alike(&house, &theirs, all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flask_falcon_and_bottle_answer_as_under_gunicorn() {
    let theirs = Reference::gunicorn("wsgi").await;
    let house = serve("wsgi", "compute", REUSED).await;
    let all: &[Asked<'_>] = &[
        ("GET", "/?a=1&a=2&b=%20", &[], ""),
        ("HEAD", "/", &[], ""),
        ("GET", "/users/3", &[], ""),
        ("GET", "/users/404", &[], ""),
        ("GET", "/users/x", &[], ""),
        ("DELETE", "/users/3", &[], ""),
        ("POST", "/sum", &[JSON], "[1, 2, 3.5]"),
        ("POST", "/sum", &[JSON], "["),
        ("POST", "/sum", &[], "[1]"),
        ("POST", "/form", &[FORM], "name=A+b%C3%BC"),
        ("POST", "/form", &[PARTS], UPLOAD),
        ("POST", "/echo", &[("content-type", "image/x-mine")], "a body"),
        ("POST", "/count", &[], "four"),
        ("GET", "/problem", &[], ""),
        ("GET", "/stream", &[], ""),
        ("GET", "/fail", &[], ""),
        ("GET", "/paths/a%20b/c%2Fd/%C3%BC?x=%20&y", &[], ""),
        ("GET", "/nowhere", &[], ""),
        ("GET", "/falcon/things/a?limit=5", &[], ""),
        ("GET", "/falcon/things/none", &[], ""),
        ("POST", "/falcon/things/a", &[JSON], r#"{"x": [1, 2]}"#),
        ("POST", "/falcon/things/a", &[JSON], "{"),
        ("GET", "/bottle/hello/a%20b?times=2", &[], ""),
        ("POST", "/bottle/sum", &[JSON], "[1, 2]"),
        ("GET", "/bottle/nowhere", &[], ""),
        ("GET", "/bare/whole", &[], ""),
        ("GET", "/bare/amid", &[], ""),
    ];
    alike(&house, &theirs, all).await;
}
