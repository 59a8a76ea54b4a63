//! HTTP/2 as no client speaks it: frames written by hand.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::timeout,
};
use wasmbay_tests::{client::HANG, house::House};

use crate::scene::{EVERYWHERE, Scene, executed};

/// Frames of each flood. Enough to pass any count that the server keeps.
const FLOOD: u32 = 20_000;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const PRIORITY: u8 = 0x2;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const GOAWAY: u8 = 0x7;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;
const UNKNOWN: u8 = 0xbe;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// A frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A literal header field without indexing and without Huffman coding (RFC 7541, section 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        let mut length = text.len();
        if length < 127 {
            bytes.push(length as u8);
        } else {
            bytes.push(127);
            length -= 127;
            while length >= 128 {
                bytes.push((length % 128 + 128) as u8);
                length /= 128;
            }
            bytes.push(length as u8);
        }
        bytes.extend(text.bytes());
    }
    bytes
}

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| field(name, value)).collect()
}

fn get(path: &str) -> Vec<u8> {
    block(&[(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", path)])
}

/// What the server has said.
#[derive(Clone, Debug, Default)]
struct Said {
    /// Whether it has closed the connection.
    closed: bool,
    goaway: bool,
    resets: usize,
    /// Streams that had an answer.
    heads: usize,
}

/// A connection of frames. What the server says is read all the while.
struct Wire {
    write: OwnedWriteHalf,
    said: watch::Receiver<Said>,
}

impl Wire {
    async fn open(addr: SocketAddr) -> Self {
        let (read, mut write) = TcpStream::connect(addr).await.expect("a connection").into_split();
        write.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("the server reads");
        write.write_all(&frame(SETTINGS, 0, 0, &[])).await.expect("the server reads");
        let (telling, said) = watch::channel(Said::default());
        tokio::spawn(listen(read, telling));
        Self { write, said }
    }

    /// `Err` when the server has closed the connection.
    async fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        timeout(HANG, self.write.write_all(frame)).await.expect("the server reads, or closes")
    }

    /// Sends a flood of frames, until it is over or the server has had enough.
    async fn flood(&mut self, mut frame: impl FnMut(u32) -> Vec<u8>) {
        for n in 0..FLOOD {
            if self.send(&frame(n)).await.is_err() {
                return;
            }
        }
    }

    /// Waits until the server has said enough.
    async fn until(&mut self, enough: impl Fn(&Said) -> bool) -> Said {
        let said = timeout(HANG, self.said.wait_for(|said| enough(said))).await.expect("the server says something");
        said.expect("the last thing it says is that it closed").clone()
    }

    /// Closes this side, and waits for the server's.
    async fn end(mut self) -> Said {
        let _ = self.write.shutdown().await;
        self.until(|said| said.closed).await
    }
}

async fn listen(mut read: OwnedReadHalf, telling: watch::Sender<Said>) {
    let mut head = [0; 9];
    while read.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if read.read_exact(&mut payload).await.is_err() {
            break;
        }
        telling.send_modify(|said| match head[3] {
            GOAWAY => said.goaway = true,
            RST_STREAM => said.resets += 1,
            HEADERS => said.heads += 1,
            _ => {}
        });
    }
    telling.send_modify(|said| said.closed = true);
}

async fn scene() -> Scene {
    Scene::of(&EVERYWHERE[..1], "").await
}

/// Stream `n` of a client.
fn stream(n: u32) -> u32 {
    2 * n + 1
}

#[tokio::test(flavor = "multi_thread")]
async fn c_07_rapid_reset() {
    let scene = scene().await;
    let mut wire = Wire::open(scene.house.host.public()).await;
    let head = get("/a/p0/wait?ms=60000");
    wire.flood(|n| {
        let mut both = frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &head);
        both.extend(frame(RST_STREAM, 0, stream(n), &8_u32.to_be_bytes()));
        both
    })
    .await;
    let said = wire.end().await;
    assert!(said.goaway, "the connection is told to go: {said:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_08_reset_once_the_guest_runs() {
    let scene = scene().await;
    let mut wire = Wire::open(scene.house.host.public()).await;
    let head = get("/a/p0/wait?ms=60000");
    for n in 0..50 {
        wire.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &head)).await.expect("the server reads");
        let runs = |house: &House| house.metric("wasmbay_in_flight", "p0") >= 1.0;
        scene.house.until("the guest runs", runs).await;
        wire.send(&frame(RST_STREAM, 0, stream(n), &8_u32.to_be_bytes())).await.expect("the server reads");
        let gone = |house: &House| house.metric("wasmbay_in_flight", "p0") == 0.0;
        scene.house.until("the guest is gone", gone).await;
    }
    wire.end().await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_09_headers_without_end() {
    let scene = scene().await;
    let mut wire = Wire::open(scene.house.host.public()).await;
    let _ = wire.send(&frame(HEADERS, 0, 1, &get("/a/p0/hello"))).await;
    wire.flood(|n| frame(CONTINUATION, 0, 1, &field(&format!("x-{n}"), &"v".repeat(100)))).await;
    let said = wire.end().await;
    assert!(said.goaway && said.heads == 0, "{said:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_10_frames_that_make_the_server_reset() {
    let scene = scene().await;
    let mut wire = Wire::open(scene.house.host.public()).await;
    let head = get("/a/p0/wait?ms=60000");
    wire.flood(|n| {
        let mut both = frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &head);
        // A window may not grow by nothing (RFC 9113, section 6.9): a stream error.
        both.extend(frame(WINDOW_UPDATE, 0, stream(n), &0_u32.to_be_bytes()));
        both
    })
    .await;
    let said = wire.end().await;
    assert!(said.goaway, "{said:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_11_floods_of_small_frames() {
    let scene = scene().await;
    let open = frame(HEADERS, END_HEADERS, 1, &get("/a/p0/wait?ms=60000"));
    for (name, small) in [
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[])),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 10])),
        ("empty DATA", frame(DATA, 0, 1, &[])),
        ("WINDOW_UPDATE of 1", frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())),
        ("unknown frame", frame(UNKNOWN, 0, 0, &[0; 16])),
    ] {
        let mut wire = Wire::open(scene.house.host.public()).await;
        let _ = wire.send(&open).await;
        wire.flood(|_| small.clone()).await;
        let said = wire.end().await;
        assert_eq!(said.heads, 0, "{name}: {said:?}");
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_12_header_lists_that_grow_when_they_are_read() {
    let scene = scene().await;
    let mut wire = Wire::open(scene.house.host.public()).await;
    // One entry of the dynamic table (RFC 7541, section 6.2.1), and thousands of one-byte references to it.
    let mut list = get("/a/p0/hello");
    let mut entry = field("x-bomb", &"v".repeat(3000));
    entry[0] = 0x40;
    list.extend(entry);
    list.extend([0xbe; 8000]);
    let _ = wire.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &list)).await;
    wire.until(|said| said.goaway || said.resets == 1 || said.heads == 1).await;
    wire.end().await;
    assert_eq!(executed(&scene.house), 0.0, "the guest was not called");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_16_heads_that_http2_forbids() {
    let scene = scene().await;
    let good = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/a/p0/hello")];
    let with = |changed: &[(&'static str, &'static str)]| {
        let kept = good.iter().filter(|(name, _)| !changed.iter().any(|(other, _)| other == name));
        let (pseudo, plain): (Vec<_>, Vec<_>) = kept
            .chain(changed)
            .copied()
            .filter(|(_, value)| *value != "-")
            .partition(|(name, _)| name.starts_with(':'));
        block(&pseudo.into_iter().chain(plain).collect::<Vec<_>>())
    };
    for (what, head) in [
        ("no authority and no host", with(&[(":authority", "-")])),
        ("authority and host differ", with(&[("host", "elsewhere.example")])),
        ("a path without a slash", with(&[(":path", "a/p0/hello")])),
        ("an empty path", with(&[(":path", "")])),
        ("no path", with(&[(":path", "-")])),
        ("CONNECT", block(&[(":method", "CONNECT"), (":authority", "localhost:80")])),
        ("extended CONNECT", with(&[(":method", "CONNECT"), (":protocol", "websocket")])),
        ("an upper-case name", with(&[("X-Upper", "v")])),
        ("a connection header", with(&[("connection", "close")])),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")])),
        ("te other than trailers", with(&[("te", "gzip")])),
        ("a pseudo-header that is none", with(&[(":unknown", "v")])),
    ] {
        let mut wire = Wire::open(scene.house.host.public()).await;
        let _ = wire.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &head)).await;
        wire.until(|said| said.goaway || said.resets == 1 || said.heads == 1).await;
        wire.end().await;
        assert_eq!(executed(&scene.house), 0.0, "{what} reached the guest");
    }
    scene.end().await;
}
