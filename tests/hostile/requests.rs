//! Requests that two readers could read in two ways, and requests that no client needs to send.
//!
//! Each is written byte by byte to a socket. The guest counts: what was smuggled behind a request must never reach it.

use std::{io::ErrorKind, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use wasmbay_tests::{client::HANG, house::House};

use crate::scene::{EVERYWHERE, Scene, executed};

/// What stands behind a request in the hope that somebody takes it for the next one.
const SMUGGLED: &str = "GET /a/p0/hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A host with one plugin that answers to everything under `/a/p0`.
async fn scene() -> Scene {
    Scene::of(&EVERYWHERE[..1], "").await
}

/// Sends these bytes and reads until the connection ends. A reset is an end as well.
async fn exchange(addr: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(addr).await.expect("a connection");
    let mut text = Vec::new();
    let talk = async {
        // A peer that has heard enough may have closed already.
        let _ = socket.write_all(bytes).await;
        let mut piece = [0; 4096];
        loop {
            match socket.read(&mut piece).await {
                Ok(0) => return,
                Ok(count) => text.extend_from_slice(&piece[..count]),
                Err(error) => return assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            }
        }
    };
    timeout(HANG, talk).await.expect("the connection ends");
    String::from_utf8_lossy(&text).into_owned()
}

/// The statuses of the answers in `text`, in order.
fn statuses(text: &str) -> Vec<u16> {
    let starts = text.match_indices("HTTP/1.").map(|(at, _)| &text[at..]);
    starts.filter_map(|line| line.get(9..12)?.parse().ok()).collect()
}

/// Sends a request with something smuggled behind it: it must be refused, its connection ended, and nothing executed.
async fn refused(scene: &Scene, what: &str, request: &str, status: u16) {
    let before = executed(&scene.house);
    let answer = exchange(scene.house.host.public(), format!("{request}{SMUGGLED}").as_bytes()).await;
    assert_eq!(statuses(&answer), [status], "{what}: {answer}");
    assert_eq!(executed(&scene.house), before, "{what} reached the guest");
}

/// A POST with these headers and this body.
fn post(headers: &str, body: &str) -> String {
    format!("POST /a/p0/sink HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}")
}

#[tokio::test(flavor = "multi_thread")]
async fn c_13_lengths_that_disagree() {
    let scene = scene().await;
    for headers in [
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
    ] {
        refused(&scene, headers, &post(headers, "0\r\n\r\n"), 400).await;
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_13_a_length_beside_chunks_has_one_reading() {
    let scene = scene().await;
    for headers in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: Chunked\r\nContent-Length: 400\r\n",
    ] {
        // By the length, the body would swallow a part of what follows, or all of it.
        let request = post(headers, "3\r\nabc\r\n0\r\n\r\n");
        let before = executed(&scene.house);
        let answer = exchange(scene.house.host.public(), format!("{request}{SMUGGLED}").as_bytes()).await;
        let statuses = statuses(&answer);
        // Refused, or read by the chunks; the connection may end with it, and else what follows is the next request.
        let answered = [[400].as_slice(), &[200], &[200, 200]].contains(&&*statuses);
        assert!(answered, "{headers}: {answer}");
        let served = statuses.iter().filter(|status| **status == 200).count();
        assert!(served == 0 || answer.contains("\r\n3\n\r\n"), "the chunks hold three bytes: {answer}");
        let reached = |house: &House| executed(house) == before + served as f64;
        scene.house.until("what was answered was executed, and no more", reached).await;
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_14_malformed_chunks() {
    let scene = scene().await;
    let long = format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(1 << 20));
    for body in [
        "3\nabc\n0\n\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
        &long,
    ] {
        let request = post("Transfer-Encoding: chunked\r\n", body);
        let answer = exchange(scene.house.host.public(), format!("{request}{SMUGGLED}").as_bytes()).await;
        let shown: String = body.chars().take(24).collect();
        assert_eq!(statuses(&answer), [400], "{shown:?}: {answer}");
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_15_hosts() {
    let scene = scene().await;
    let get = |target: &str, hosts: &str| format!("GET {target} HTTP/1.1\r\n{hosts}\r\n");
    for (target, hosts) in [
        ("/a/p0/hello", ""),
        ("/a/p0/hello", "Host: localhost\r\nHost: localhost\r\n"),
        ("http://elsewhere.example/a/p0/hello", "Host: localhost\r\n"),
        ("/a/p0/hello", "Host: user@localhost\r\n"),
        ("/a/p0/hello", "Host: localhost:99999\r\n"),
        ("/a/p0/hello", "Host: localhost:-1\r\n"),
        ("/a/p0/hello", "Host: localhost:\r\n"),
        ("/a/p0/hello", "Host: b\u{fc}cher.example\r\n"),
        ("/a/p0/hello", "Host: [fe80::1%25eth0]\r\n"),
        ("/a/p0/hello", "Host: localhost/../\r\n"),
        ("/a/p0/hello", "Host: local host\r\n"),
        ("ftp://localhost/a/p0/hello", "Host: localhost\r\n"),
    ] {
        refused(&scene, &format!("{target} {hosts}"), &get(target, hosts), 400).await;
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_17_paths() {
    let scene = scene().await;
    let [long, longer] = [20_000, 70_000].map(|length| format!("/a/p0/{}", "x".repeat(length)));
    for (path, status) in [
        ("/a/p0/%00", 400),
        ("/a/p0/%zz", 400),
        ("/a/p0/%", 400),
        ("//a/p0/hello", 400),
        ("/a//p0/hello", 400),
        ("/a/p0/..%2fhello", 400),
        ("/a/p0/%c0%ae%c0%ae/hello", 400),
        ("/a/p0/%ed%a0%80", 400),
        ("/a/p0/\\hello", 400),
        (&long, 414),
        // More than a head may be.
        (&longer, 431),
    ] {
        let shown: String = path.chars().take(40).collect();
        refused(&scene, &shown, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"), status).await;
    }
    // What is routed is what the guest sees, however it was written.
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    for path in
        ["/a/p0/./headers", "/a/x/../p0/headers", "/a/p0/%68eaders", "/a/%70%30/headers", "/a/x/%2e%2e/p0/headers"]
    {
        let answer = exchange(scene.house.host.public(), get(path).as_bytes()).await;
        assert_eq!(statuses(&answer), [200], "{path}: {answer}");
        assert!(answer.contains("\"path\":\"/p0/headers\""), "{path}: {answer}");
    }
    let many = format!("/a/p0/hello?{}", "&".repeat(10_000));
    assert_eq!(statuses(&exchange(scene.house.host.public(), get(&many).as_bytes()).await), [200]);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_18_heads_that_are_too_large() {
    let scene = scene().await;
    let many: String = (0..101).map(|n| format!("x-{n}: v\r\n")).collect();
    let long = format!("x-long: {}\r\n", "v".repeat(500 << 10));
    for (what, headers) in [("101 headers", many), ("a header of 500 KiB", long)] {
        refused(&scene, what, &format!("GET /a/p0/hello HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"), 431).await;
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_19_many_requests_in_one_write() {
    let scene = scene().await;
    let count = 1000;
    let mut bytes = String::new();
    for n in 0..count {
        let last = if n + 1 == count { "Connection: close\r\n" } else { "" };
        bytes += &format!("GET /a/p0/status?code={} HTTP/1.1\r\nHost: localhost\r\n{last}\r\n", 200 + n % 2);
    }
    let before = executed(&scene.house);
    let answer = exchange(scene.house.host.public(), bytes.as_bytes()).await;
    let expected: Vec<u16> = (0..count).map(|n| 200 + n % 2).collect();
    assert_eq!(statuses(&answer), expected, "in their order");
    let reached = |house: &House| executed(house) == before + f64::from(count);
    scene.house.until("all are executed", reached).await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_20_expectations() {
    let scene = scene().await;
    let expecting = |what: &str| post(&format!("Expect: {what}\r\nContent-Length: 0\r\nConnection: close\r\n"), "");
    for what in ["weird", "100-continue", "100-continue, weird"] {
        let answer = exchange(scene.house.host.public(), expecting(what).as_bytes()).await;
        let answers = statuses(&answer);
        assert!(matches!(answers.last(), Some(200 | 417)), "{what}: {answer}");
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_21_methods() {
    let scene = scene().await;
    let long = "M".repeat(10_000);
    for (method, status) in [("CONNECT", 405), ("TRACE", 405), (&*long, 400), ("G@T", 400), ("", 400)] {
        let target = if method == "CONNECT" { "localhost:80" } else { "/a/p0/hello" };
        let shown: String = method.chars().take(10).collect();
        refused(&scene, &shown, &format!("{method} {target} HTTP/1.1\r\nHost: localhost:80\r\n\r\n"), status).await;
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_22_upgrades() {
    let scene = scene().await;
    let settings =
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings\r\n";
    let request = format!("GET /a/p0/headers HTTP/1.1\r\nHost: localhost\r\n{settings}\r\n");
    let answer = exchange(scene.house.host.public(), format!("{request}{SMUGGLED}").as_bytes()).await;
    assert_eq!(statuses(&answer), [200, 200], "passed over: {answer}");
    let lower = answer.to_ascii_lowercase();
    assert!(!lower.contains("upgrade") && !lower.contains("http2-settings"), "{answer}");
    let websocket = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n";
    refused(&scene, "websocket", &format!("GET /a/p0/hello HTTP/1.1\r\nHost: localhost\r\n{websocket}\r\n"), 400).await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_27_names_that_are_the_hosts_own() {
    let scene = scene().await;
    let forged = "wasmbay-request-id: forged\r\nWasmbay-Hop: 0\r\nwasmbay_trigger: forged\r\nX-Forwarded-For: 6.6.6.6\r\n\
                  Forwarded: for=6.6.6.6\r\nX-Forwarded-Host: forged.example\r\nX-Forwarded-Proto: forged\r\n";
    let request = format!("GET /a/p0/headers HTTP/1.1\r\nHost: localhost\r\n{forged}Connection: close\r\n\r\n");
    let answer = exchange(scene.house.host.public(), request.as_bytes()).await;
    assert_eq!(statuses(&answer), [200], "{answer}");
    assert!(!answer.contains("forged") && !answer.contains("6.6.6.6"), "{answer}");
    scene.end().await;
}
