//! Clients that leave when it suits them least, or want more back than they sent.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use wasmbay_tests::{client::HANG, house::House};

use crate::scene::{EVERYWHERE, Scene};

/// Connections the public listener holds, the canary's among them.
fn connections(house: &House) -> f64 {
    let text = house.metrics();
    let line = text.lines().find(|line| line.starts_with("wasmbay_connections{") && line.contains("public"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("connections are counted")
}

/// How a client leaves.
#[derive(Clone, Copy)]
enum Leave {
    Close,
    Reset,
}

/// Sends the first `sent` bytes, reads `read` bytes of what comes back, and leaves.
async fn visit(addr: SocketAddr, request: &[u8], sent: usize, read: usize, leave: Leave) {
    let mut socket = TcpStream::connect(addr).await.expect("a connection");
    socket.write_all(&request[..sent]).await.expect("the server reads");
    let mut answer = vec![0; read];
    timeout(HANG, socket.read_exact(&mut answer)).await.expect("an answer").expect("an answer");
    if matches!(leave, Leave::Reset) {
        socket.set_zero_linger().expect("a socket option");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c_23_leaving_at_every_byte() {
    let scene = Scene::of(&EVERYWHERE[..1], "").await;
    let addr = scene.house.host.public();
    let request = b"POST /a/p0/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nhello world";
    for leave in [Leave::Close, Leave::Reset] {
        for sent in 0..=request.len() {
            visit(addr, request, sent, 0, leave).await;
        }
        // The head alone is longer than this.
        for read in 1..120 {
            visit(addr, request, request.len(), read, leave).await;
        }
    }
    // One is the canary's, now and then.
    scene.house.until("their connections are closed", |house| connections(house) <= 1.0).await;
    let free = |house: &House| house.metrics().contains("wasmbay_instance_slots_taken{lane=\"io\"} 0");
    scene.house.until("no instance is held", free).await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_28_an_answer_cannot_be_split() {
    let scene = Scene::of(&EVERYWHERE[..1], "").await;
    let answer = scene.get("/p0/bad-header").await;
    assert!(!answer.headers.contains_key("set-cookie"), "{:?}", answer.headers);
    let tried: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_ne!(tried["x-split"], "taken");
    assert_eq!(tried["x-fine"], "taken");
    scene.end().await;
}
