//! HTTP/2 as no client speaks it: frames written by hand.

use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    sync::watch,
    time::timeout,
};

use crate::{
    HANG, Mark,
    socket::{Socket, count},
};

/// What a client says first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// RFC 9113, section 6.9.1.
const LARGEST_WINDOW: u32 = (1 << 31) - 1;

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

/// RFC 9113, section 6.5.2.
const INITIAL_WINDOW_SIZE: u16 = 0x4;

/// RFC 9113, section 7.
const CANCEL: u32 = 8;

/// A request that the guest would answer in a minute.
const WAITS: &str = "wait?ms=60000";

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

/// Stream `n` of a client.
fn stream(n: u32) -> u32 {
    2 * n + 1
}

/// What the server has said.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Whether it has closed the connection.
    pub closed: bool,
    /// Whether it told the client to go.
    pub goaway: bool,
    /// Streams that it reset.
    pub resets: usize,
    /// Streams that had an answer's head.
    pub heads: usize,
    /// Bytes of bodies.
    pub data: usize,
}

/// A connection of frames. What the server says is read all the while.
struct Wire {
    write: OwnedWriteHalf,
    said: watch::Receiver<Said>,
}

impl Wire {
    async fn open(mark: &Mark) -> io::Result<Self> {
        Self::with(mark, &[]).await
    }

    /// With these settings' bytes.
    async fn with(mark: &Mark, settings: &[u8]) -> io::Result<Self> {
        let mut socket = Socket::open(mark.addr).await?;
        socket.write(PREFACE).await?;
        socket.write(&frame(SETTINGS, 0, 0, settings)).await?;
        let (read, write) = socket.split();
        let (telling, said) = watch::channel(Said::default());
        tokio::spawn(listen(read, telling));
        Ok(Self { write, said })
    }

    /// `Err` when the server has closed the connection.
    async fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        timeout(HANG, self.write.write_all(frame)).await.expect("the server reads, or closes")?;
        count(frame.len());
        Ok(())
    }

    /// Sends so many frames, unless the server has had enough before.
    async fn flood(&mut self, times: u32, mut frame: impl FnMut(u32) -> Vec<u8>) {
        for n in 0..times {
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
            DATA => said.data += length,
            _ => {}
        });
    }
    telling.send_modify(|said| said.closed = true);
}

/// C-07: opens streams and resets them.
///
/// # Errors
/// When there is no connection.
pub async fn rapid_reset(mark: &Mark, times: u32) -> io::Result<Said> {
    let mut wire = Wire::open(mark).await?;
    let head = get(&mark.path(WAITS));
    wire.flood(times, |n| {
        let mut both = frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &head);
        both.extend(frame(RST_STREAM, 0, stream(n), &CANCEL.to_be_bytes()));
        both
    })
    .await;
    Ok(wire.end().await)
}

/// C-08: resets each stream once its guest runs, which its first bytes tell. So many heads came, in what is answered.
///
/// # Errors
/// When there is no connection, or the server closes it.
pub async fn reset_once_the_guest_runs(mark: &Mark, times: u32) -> io::Result<Said> {
    let mut wire = Wire::open(mark).await?;
    let head = get(&mark.path("sse?n=1000&ms=60000"));
    for n in 0..times {
        wire.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &head)).await?;
        wire.until(|said| said.heads > n as usize || said.closed).await;
        wire.send(&frame(RST_STREAM, 0, stream(n), &CANCEL.to_be_bytes())).await?;
    }
    Ok(wire.end().await)
}

/// C-09: a head that goes on for ever.
///
/// # Errors
/// When there is no connection.
pub async fn headers_without_end(mark: &Mark, times: u32) -> io::Result<Said> {
    let mut wire = Wire::open(mark).await?;
    let _ = wire.send(&frame(HEADERS, 0, 1, &get(&mark.path("hello")))).await;
    wire.flood(times, |n| frame(CONTINUATION, 0, 1, &field(&format!("x-{n}"), &"v".repeat(100)))).await;
    Ok(wire.end().await)
}

/// C-10: frames after each of which the server has to reset the stream.
///
/// # Errors
/// When there is no connection.
pub async fn provoke_resets(mark: &Mark, times: u32) -> io::Result<Said> {
    let mut wire = Wire::open(mark).await?;
    let head = get(&mark.path(WAITS));
    wire.flood(times, |n| {
        let mut both = frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &head);
        // A window may not grow by nothing (RFC 9113, section 6.9): a stream error.
        both.extend(frame(WINDOW_UPDATE, 0, stream(n), &0_u32.to_be_bytes()));
        both
    })
    .await;
    Ok(wire.end().await)
}

/// The kinds of frames that C-11 floods with.
pub const SMALL: [&str; 6] = ["PING", "SETTINGS", "PRIORITY", "empty DATA", "WINDOW_UPDATE of 1", "unknown frame"];

/// C-11: one kind of [`SMALL`] frames, again and again, beside a request that waits.
///
/// # Errors
/// When there is no connection.
///
/// # Panics
/// When there is no such kind.
pub async fn small_frames(mark: &Mark, kind: &str, times: u32) -> io::Result<Said> {
    let small = match kind {
        "PING" => frame(PING, 0, 0, &[0; 8]),
        "SETTINGS" => frame(SETTINGS, 0, 0, &[]),
        "PRIORITY" => frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 10]),
        "empty DATA" => frame(DATA, 0, 1, &[]),
        "WINDOW_UPDATE of 1" => frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
        "unknown frame" => frame(UNKNOWN, 0, 0, &[0; 16]),
        other => panic!("no flood of {other}"),
    };
    let mut wire = Wire::open(mark).await?;
    let _ = wire.send(&frame(HEADERS, END_HEADERS, 1, &get(&mark.path(WAITS)))).await;
    wire.flood(times, |_| small.clone()).await;
    Ok(wire.end().await)
}

/// C-12: one entry of the dynamic table (RFC 7541, section 6.2.1) and thousands of one-byte references to it; a table
/// of four gigabytes; ten thousand crumbs of a cookie.
pub fn growing_heads(mark: &Mark) -> [(&'static str, Vec<u8>); 3] {
    let mut bomb = get(&mark.path("hello"));
    let mut entry = field("x-bomb", &"v".repeat(3000));
    entry[0] = 0x40;
    bomb.extend(entry);
    bomb.extend([0xbe; 8000]);
    // A change of the table's size (RFC 7541, section 6.3) to 2³² − 1.
    let mut table = vec![0x3f, 0xe0, 0xff, 0xff, 0xff, 0x0f];
    table.extend(get(&mark.path("hello")));
    // `cookie` with an empty value, from the static table and into the dynamic one, and then by its index.
    let mut crumbs = get(&mark.path("hello"));
    crumbs.extend([0x60, 0x01, b'c']);
    crumbs.extend([0xbe; 10_000]);
    [("references to a large entry", bomb), ("a table of 4 GiB", table), ("ten thousand crumbs", crumbs)]
}

/// C-16: heads that HTTP/2 forbids, and what is wrong with each.
pub fn forbidden_heads(mark: &Mark) -> Vec<(&'static str, Vec<u8>)> {
    let path = mark.path("hello");
    let good = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", path.as_str())];
    let with = |changed: &[(&'static str, &str)]| {
        let kept = good.iter().filter(|(name, _)| !changed.iter().any(|(other, _)| other == name));
        let (pseudo, plain): (Vec<_>, Vec<_>) = kept
            .chain(changed)
            .copied()
            .filter(|(_, value)| *value != "-")
            .partition(|(name, _)| name.starts_with(':'));
        block(&pseudo.into_iter().chain(plain).collect::<Vec<_>>())
    };
    vec![
        ("no authority and no host", with(&[(":authority", "-")])),
        ("authority and host differ", with(&[("host", "elsewhere.example")])),
        ("a path without a slash", with(&[(":path", &path[1..])])),
        ("an empty path", with(&[(":path", "")])),
        ("no path", with(&[(":path", "-")])),
        ("CONNECT", block(&[(":method", "CONNECT"), (":authority", "localhost:80")])),
        ("extended CONNECT", with(&[(":method", "CONNECT"), (":protocol", "websocket")])),
        ("an upper-case name", with(&[("X-Upper", "v")])),
        ("a connection header", with(&[("connection", "close")])),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")])),
        ("te other than trailers", with(&[("te", "gzip")])),
        ("a pseudo-header that is none", with(&[(":unknown", "v")])),
    ]
}

/// Sends one request with this head, and leaves once the server has said what it thinks of it.
///
/// # Errors
/// When there is no connection.
pub async fn send_head(mark: &Mark, head: &[u8]) -> io::Result<Said> {
    let mut wire = Wire::open(mark).await?;
    let _ = wire.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, head)).await;
    wire.until(|said| said.goaway || said.resets == 1 || said.heads == 1 || said.closed).await;
    Ok(wire.end().await)
}

/// C-05: a client whose window for bodies is this small asks for a large one, on so many streams. Returns when the server has
/// ended them all, or the connection.
///
/// # Errors
/// When there is no connection.
pub async fn small_window(mark: &Mark, behaviour: &str, window: u32, streams: u32) -> io::Result<Said> {
    let mut wire = Wire::with(mark, &initial_window(window)).await?;
    let head = get(&mark.path(behaviour));
    wire.flood(streams, |n| frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &head)).await;
    wire.until(|said| said.resets >= streams as usize || said.goaway || said.closed).await;
    Ok(wire.end().await)
}

fn initial_window(bytes: u32) -> Vec<u8> {
    let mut setting = INITIAL_WINDOW_SIZE.to_be_bytes().to_vec();
    setting.extend(bytes.to_be_bytes());
    setting
}

/// C-05: asks for a large response on each of so many streams, whose windows take it all, and reads nothing. The connection
/// is held by who asked.
///
/// # Errors
/// When there is no connection.
pub async fn unread_streams(mark: &Mark, behaviour: &str, streams: u32) -> io::Result<Socket> {
    let mut socket = Socket::open(mark.addr).await?;
    let head = get(&mark.path(behaviour));
    let mut said = PREFACE.to_vec();
    said.extend(frame(SETTINGS, 0, 0, &initial_window(LARGEST_WINDOW)));
    said.extend(frame(WINDOW_UPDATE, 0, 0, &(LARGEST_WINDOW - (64 << 10)).to_be_bytes()));
    for n in 0..streams {
        said.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &head));
    }
    socket.write(&said).await?;
    Ok(socket)
}

/// C-03: what opens HTTP/2, and nothing more.
pub fn opening() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// C-14: a body of so many frames of one byte.
///
/// # Errors
/// When there is no connection.
pub async fn tiny_frames(mark: &Mark, times: u32) -> io::Result<Said> {
    let mut wire = Wire::open(mark).await?;
    let path = mark.path("sink");
    let head = block(&[(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", &path)]);
    wire.send(&frame(HEADERS, END_HEADERS, 1, &head)).await?;
    let tiny = frame(DATA, 0, 1, b"x");
    // As many as fit into the window that a stream has at first.
    wire.flood(times, |_| tiny.clone()).await;
    let _ = wire.send(&frame(DATA, END_STREAM, 1, b"x")).await;
    wire.until(|said| said.heads == 1 || said.resets == 1 || said.goaway || said.closed).await;
    Ok(wire.end().await)
}
