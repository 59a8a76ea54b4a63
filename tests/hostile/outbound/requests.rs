//! Requests that a guest would like to have read in two ways, or as the connection's.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use wasmbay_tests::upstream::Upstream;

use super::{allowing, call, encoded, granting, scene};
use crate::{responses::FORBIDDEN, scene::HTTP};

/// The io lane's 0.2 guest, the one kind whose `call` can be told what to send.
const CALLER: [(&str, &str); 1] = [HTTP[0]];

/// What a server understood: the requests of all its connections, each as its head and its body, chunks and all.
type Understood = Arc<Mutex<Vec<(String, String)>>>;

/// A server that reads requests by the book, one after another.
async fn by_the_book() -> (Upstream, Understood) {
    let understood = Understood::default();
    let noted = Arc::clone(&understood);
    let serve = move |_, mut stream: TcpStream, _| {
        let noted = Arc::clone(&noted);
        async move {
            let mut bytes = Vec::new();
            while let Some(request) = request(&mut stream, &mut bytes).await {
                noted.lock().expect("not poisoned").push(request);
                if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                    return;
                }
            }
        }
    };
    (Upstream::scripted(serve).await, understood)
}

async fn request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<(String, String)> {
    let head = until(stream, bytes, |bytes| end_of(bytes, b"\r\n\r\n")).await?;
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    let body = match length {
        // The first chunk's size stands in its first line, the last one's and the trailers end with an empty line.
        None if lower.contains("transfer-encoding: chunked") => {
            let last =
                |bytes: &[u8]| end_of(bytes, b"0\r\n").filter(|_| bytes.ends_with(b"\r\n\r\n")).map(|_| bytes.len());
            until(stream, bytes, last).await?
        }
        length => {
            let length = length.unwrap_or(0);
            until(stream, bytes, |bytes| (bytes.len() >= length).then_some(length)).await?
        }
    };
    Some((head, body))
}

fn end_of(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark).map(|at| at + mark.len())
}

/// Reads until as many bytes are there as `enough` says, and takes those.
async fn until(stream: &mut TcpStream, bytes: &mut Vec<u8>, enough: impl Fn(&[u8]) -> Option<usize>) -> Option<String> {
    loop {
        if let Some(count) = enough(bytes) {
            return Some(String::from_utf8_lossy(&bytes.drain(..count).collect::<Vec<_>>()).into_owned());
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}

pub(crate) async fn g_15_names_of_the_connection_to_a_server() {
    let (server, understood) = by_the_book().await;
    let scene = scene(allowing(&["127.0.0.1"]), &CALLER, &granting([server.url()])).await;
    let lines: String =
        FORBIDDEN.iter().chain(&[("x-fine", "fine")]).map(|(name, value)| format!("{name}: {value}\n")).collect();
    let path = format!("{}&method=POST&bytes=9&head={lines}&trailers={lines}", call(0, &server.url()));
    let path = path.replace(&lines, &encoded(&lines));
    assert_eq!(scene.get(&path).await.text(), "ok");
    let understood = understood.lock().expect("not poisoned").clone();
    let [(head, body)] = understood.as_slice() else { panic!("one request was sent: {understood:?}") };
    assert!(head.contains("\r\nx-fine: fine\r\n") && body.contains("xxxxxxxxx"), "{understood:?}");
    for (name, value) in FORBIDDEN {
        let line = format!("{name}: {value}");
        assert!(![head, body].iter().any(|sent| sent.to_ascii_lowercase().contains(&line)), "{line}: {understood:?}");
    }
    scene.end().await;
}

pub(crate) async fn g_16_lengths_that_lie_to_a_server() {
    let (server, understood) = by_the_book().await;
    let scene = scene(allowing(&["127.0.0.1"]), &CALLER, &granting([server.url()])).await;
    for lengths in [&["5"][..], &["300"], &["5", "5"], &["5", "6"], &["0"], &["9", "300"]] {
        let lines: String = lengths.iter().map(|length| format!("content-length: {length}\n")).collect();
        let lying =
            format!("{}&method=POST&bytes=9&first_ns=500000000&head={}", call(0, &server.url()), encoded(&lines));
        // The guest may be told off, or its request may be made an honest one.
        let _ = scene.try_get(&lying).await;
        let honest = call(0, &format!("{}/honest", server.url()));
        assert_eq!(scene.get(&honest).await.text(), "ok", "{lengths:?}");
    }
    for (head, body) in understood.lock().expect("not poisoned").iter() {
        let first = head.lines().next().unwrap_or_default();
        assert!(["POST / HTTP/1.1", "GET /honest HTTP/1.1"].contains(&first), "{head:?} {body:?}");
        let lengths = head.to_ascii_lowercase().matches("content-length").count();
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding");
        assert!(lengths <= 1 && !(lengths == 1 && chunked), "two readings: {head:?}");
    }
    scene.end().await;
}
