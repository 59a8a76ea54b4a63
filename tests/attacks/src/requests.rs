//! Requests that two readers could read in two ways, and requests that no client needs to send, written byte by byte.

use std::io;

use crate::{Mark, socket::Socket};

/// A request, what is wrong with it, and the status it has to get.
#[derive(Clone, Debug)]
pub struct Shape {
    /// In a few words.
    pub what: String,
    /// To be sent.
    pub request: String,
    /// The answer's status.
    pub status: u16,
}

fn shape(what: &str, request: String, status: u16) -> Shape {
    Shape { what: what.chars().take(60).collect(), request, status }
}

/// Sends these bytes on a connection of their own and reads until it ends. A reset is an end as well.
///
/// # Errors
/// When there is no connection.
pub async fn exchange(mark: &Mark, request: &str) -> io::Result<String> {
    let mut socket = Socket::open(mark.addr).await?;
    // A peer that has heard enough may have closed already.
    let _ = socket.write(request.as_bytes()).await;
    Ok(socket.ended().await.text().to_owned())
}

/// The statuses of the answers in `text`, in order.
pub fn statuses(text: &str) -> Vec<u16> {
    let starts = text.match_indices("HTTP/1.").map(|(at, _)| &text[at..]);
    starts.filter_map(|line| line.get(9..12)?.parse().ok()).collect()
}

/// What stands behind a request in the hope that somebody takes it for the next one.
pub fn smuggled(mark: &Mark) -> String {
    get(&mark.path("hello"), "Host: localhost\r\nConnection: close\r\n")
}

/// A GET of this target with these headers.
pub fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\n{headers}\r\n")
}

/// A POST to the guest that counts, with these headers and this body.
pub fn post(mark: &Mark, headers: &str, body: &str) -> String {
    format!("POST {} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}", mark.path("sink"))
}

/// C-13: lengths that disagree, and codings that are none.
pub fn lengths(mark: &Mark) -> Vec<Shape> {
    let headers = [
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: 4, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: \r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\u{b}chunked\r\n",
        "Transfer-Encoding: chunked\r\n : folded\r\n",
    ];
    headers.iter().map(|headers| shape(headers, post(mark, headers, "0\r\n\r\n"), 400)).collect()
}

/// C-13: a length beside chunks. By the length, the body would swallow a part of what follows, or all of it.
pub fn lengths_beside_chunks(mark: &Mark) -> Vec<String> {
    let headers = [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: Chunked\r\nContent-Length: 400\r\n",
    ];
    headers.iter().map(|headers| post(mark, headers, "3\r\nabc\r\n0\r\n\r\n")).collect()
}

/// C-14: malformed chunks.
pub fn chunks(mark: &Mark) -> Vec<Shape> {
    let long = format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(1 << 20));
    let bodies = [
        "3\nabc\n0\n\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
        &long,
    ];
    bodies.iter().map(|body| shape(body, post(mark, "Transfer-Encoding: chunked\r\n", body), 400)).collect()
}

/// C-14: a good body of so many chunks of one byte.
pub fn tiny_chunks(mark: &Mark, count: usize) -> String {
    let body = "1\r\nx\r\n".repeat(count);
    post(mark, "Transfer-Encoding: chunked\r\nConnection: close\r\n", &format!("{body}0\r\n\r\n"))
}

/// C-15: no Host, two, or one that is none.
pub fn hosts(mark: &Mark) -> Vec<Shape> {
    let hello = mark.path("hello");
    let rows = [
        (hello.clone(), ""),
        (hello.clone(), "Host: localhost\r\nHost: localhost\r\n"),
        (format!("http://elsewhere.example{hello}"), "Host: localhost\r\n"),
        (hello.clone(), "Host: user@localhost\r\n"),
        (hello.clone(), "Host: localhost:99999\r\n"),
        (hello.clone(), "Host: localhost:-1\r\n"),
        (hello.clone(), "Host: localhost:\r\n"),
        (hello.clone(), "Host: b\u{fc}cher.example\r\n"),
        (hello.clone(), "Host: [fe80::1%25eth0]\r\n"),
        (hello.clone(), "Host: localhost/../\r\n"),
        (hello.clone(), "Host: local host\r\n"),
        (hello.clone(), "Host: localhost..\r\n"),
        (format!("ftp://localhost{hello}"), "Host: localhost\r\n"),
    ];
    rows.iter().map(|(target, hosts)| shape(&format!("{target} {hosts}"), get(target, hosts), 400)).collect()
}

/// C-17: paths with a second reading, or too long.
pub fn paths(mark: &Mark) -> Vec<Shape> {
    let plugin = mark.plugin;
    let (tenant, name) = plugin.rsplit_once('/').expect("a plugin below its tenant");
    let [long, longer] = [20_000, 70_000].map(|length| format!("{plugin}/{}", "x".repeat(length)));
    let rows = [
        (format!("{plugin}/%00"), 400),
        (format!("{plugin}/%zz"), 400),
        (format!("{plugin}/%"), 400),
        (format!("/{plugin}/hello"), 400),
        (format!("{tenant}//{name}/hello"), 400),
        (format!("{plugin}/..%2fhello"), 400),
        (format!("{plugin}/%c0%ae%c0%ae/hello"), 400),
        (format!("{plugin}/%ed%a0%80"), 400),
        (format!("{plugin}/\\hello"), 400),
        (long, 414),
        // More than a head may be.
        (longer, 431),
    ];
    rows.iter().map(|(path, status)| shape(path, get(path, "Host: localhost\r\n"), *status)).collect()
}

/// C-17: other ways to write the path of the guest's `headers`.
pub fn aliases(mark: &Mark) -> Vec<String> {
    let (tenant, name) = mark.plugin.rsplit_once('/').expect("a plugin below its tenant");
    let coded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let paths = [
        format!("{tenant}/{name}/./headers"),
        format!("{tenant}/x/../{name}/headers"),
        format!("{tenant}/{name}/%68eaders"),
        format!("{tenant}/{coded}/headers"),
        format!("{tenant}/x/%2e%2e/{name}/headers"),
    ];
    paths.iter().map(|path| get(path, "Host: localhost\r\nConnection: close\r\n")).collect()
}

/// C-17: a query of many empty parameters.
pub fn long_query(mark: &Mark) -> String {
    get(&mark.path(&format!("hello?{}", "&".repeat(10_000))), "Host: localhost\r\nConnection: close\r\n")
}

/// C-18: heads that are too large.
pub fn large_heads(mark: &Mark) -> Vec<Shape> {
    let many: String = (0..101).map(|n| format!("x-{n}: v\r\n")).collect();
    let long = format!("x-long: {}\r\n", "v".repeat(500 << 10));
    let all = format!("x-all: {}\r\n", "v".repeat(8 << 10)).repeat(1280);
    let hello = mark.path("hello");
    [("101 headers", many), ("a header of 500 KiB", long), ("10 MiB of headers", all)]
        .map(|(what, headers)| shape(what, get(&hello, &format!("Host: localhost\r\n{headers}")), 431))
        .into()
}

/// C-19: so many requests in one write, answered with 200 and 201 in turn; the last closes.
pub fn pipeline(mark: &Mark, count: u16) -> String {
    let one = |n: u16| {
        let last = if n + 1 == count { "Connection: close\r\n" } else { "" };
        get(&mark.path(&format!("status?code={}", 200 + n % 2)), &format!("Host: localhost\r\n{last}"))
    };
    (0..count).map(one).collect()
}

/// C-19: so many requests in one write for what is not there; the last closes.
pub fn pipeline_of_nothing(count: u16) -> String {
    let one = |n: u16| {
        let last = if n + 1 == count { "Connection: close\r\n" } else { "" };
        format!("HEAD /x HTTP/1.1\r\nHost: a\r\n{last}\r\n")
    };
    (0..count).map(one).collect()
}

/// C-20: expectations; each request ends its connection.
pub fn expectations(mark: &Mark) -> Vec<String> {
    let expecting =
        |what: &str| post(mark, &format!("Expect: {what}\r\nContent-Length: 0\r\nConnection: close\r\n"), "");
    ["weird", "100-continue", "100-continue, weird"].map(expecting).into()
}

/// C-21: methods that are none, or not served.
pub fn methods(mark: &Mark) -> Vec<Shape> {
    let long = "M".repeat(10_000);
    let rows = [("CONNECT", 405), ("TRACE", 405), (&*long, 400), ("G@T", 400), ("", 400)];
    let hello = mark.path("hello");
    let one = |&(method, status): &(&str, u16)| {
        let target = if method == "CONNECT" { "localhost:80" } else { &hello };
        shape(method, format!("{method} {target} HTTP/1.1\r\nHost: localhost:80\r\n\r\n"), status)
    };
    rows.iter().map(one).collect()
}

/// C-22: an offer of HTTP/2 that is passed over.
pub fn h2c(mark: &Mark) -> String {
    let settings =
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings\r\n";
    get(&mark.path("headers"), &format!("Host: localhost\r\n{settings}"))
}

/// C-22: an offer of WebSocket that is refused.
pub fn websocket(mark: &Mark) -> Shape {
    let offer = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n";
    shape("websocket", get(&mark.path("hello"), &format!("Host: localhost\r\n{offer}")), 400)
}

/// C-27: the host's own names.
pub fn forged(mark: &Mark) -> String {
    let forged = "wasmbay-request-id: forged\r\nWasmbay-Hop: 0\r\nwasmbay_trigger: forged\r\nX-Forwarded-For: 6.6.6.6\r\n\
                  Forwarded: for=6.6.6.6\r\nX-Forwarded-Host: forged.example\r\nX-Forwarded-Proto: forged\r\n";
    get(&mark.path("headers"), &format!("Host: localhost\r\n{forged}Connection: close\r\n"))
}

/// C-25: a megabyte of zeros, compressed to a thousandth (RFC 1952).
pub fn compressed_bomb() -> Vec<u8> {
    include_bytes!("zeros.gz").to_vec()
}

/// Sends the [`compressed_bomb`] to the guest that counts, and reads the answer.
///
/// # Errors
/// When there is no connection.
pub async fn send_bomb(mark: &Mark) -> io::Result<String> {
    let bomb = compressed_bomb();
    let mut socket = Socket::open(mark.addr).await?;
    let length = bomb.len();
    let headers = format!("Content-Encoding: gzip\r\nContent-Length: {length}\r\nConnection: close\r\n");
    socket.write(post(mark, &headers, "").as_bytes()).await?;
    socket.write(&bomb).await?;
    Ok(socket.ended().await.text().to_owned())
}

/// How a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// With an end of stream.
    Close,
    /// With a reset.
    Reset,
}

/// C-23: sends the first `sent` bytes of a request, reads `read` bytes of what comes back, and leaves.
///
/// # Errors
/// When there is no connection, or too short an answer.
pub async fn visit(mark: &Mark, request: &[u8], sent: usize, read: usize, leave: Leave) -> io::Result<()> {
    let mut socket = Socket::open(mark.addr).await?;
    socket.write(&request[..sent]).await?;
    socket.read_exact(read).await?;
    if leave == Leave::Reset { socket.reset() } else { Ok(()) }
}

/// C-23: the request that [`visit`] breaks off.
pub fn echo(mark: &Mark) -> Vec<u8> {
    let path = mark.path("echo");
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nhello world").into_bytes()
}
