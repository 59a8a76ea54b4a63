//! Clients that take their time: each holds a connection by doing nothing, or next to nothing.

use std::{io, time::Duration};

use tokio::time::interval;

use crate::{
    Mark,
    socket::{End, Socket},
};

/// What a client may say first and then fall silent: nothing, or a part of what opens HTTP/2.
pub const HALF_PREFACES: [&str; 3] = ["P", "PRI", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"];

/// A TLS record that begins and does not go on.
pub const HALF_RECORD: &str = "\x16\x03\x01\x02";

/// Between two things that a slow client does: often enough for every deadline on silence.
const PACE: Duration = Duration::from_millis(500);

/// Opens so many connections, says this on each, and nothing more. How the host ended each.
///
/// # Errors
/// When a connection cannot be opened.
pub async fn silence(mark: &Mark, said: &str, count: usize) -> io::Result<Vec<End>> {
    let mut sockets = hold(mark, said, count).await?;
    let mut ends = Vec::with_capacity(count);
    for socket in &mut sockets {
        ends.push(socket.ended().await);
    }
    Ok(ends)
}

/// Opens so many connections and says this on each.
///
/// # Errors
/// When a connection cannot be opened.
pub async fn hold(mark: &Mark, said: &str, count: usize) -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        let mut socket = Socket::open(mark.addr).await?;
        socket.write(said.as_bytes()).await?;
        sockets.push(socket);
    }
    Ok(sockets)
}

/// C-03: a head that comes byte by byte and is never complete.
///
/// # Errors
/// When there is no connection.
pub async fn head(mark: &Mark) -> io::Result<End> {
    let start = format!("GET {} HTTP/1.1\r\nhost: localhost\r\nx-slow: ", mark.path("hello"));
    trickle(Socket::open(mark.addr).await?, &start, "x").await
}

/// C-04: a body that comes byte by byte and has no end.
///
/// # Errors
/// When there is no connection.
pub async fn body(mark: &Mark) -> io::Result<End> {
    let start = format!("POST {} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n", mark.path("sink"));
    trickle(Socket::open(mark.addr).await?, &start, "1\r\nx\r\n").await
}

/// C-04: waits to be told to go on with a body, and does not.
///
/// # Errors
/// When there is no connection.
pub async fn stall_after_continue(mark: &Mark) -> io::Result<End> {
    let mut socket = Socket::open(mark.addr).await?;
    let path = mark.path("sink");
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    socket.write(head.as_bytes()).await?;
    Ok(socket.ended().await)
}

/// Says this, and then the rest again and again, as slowly as the host bears it.
async fn trickle(mut socket: Socket, start: &str, rest: &str) -> io::Result<End> {
    socket.write(start.as_bytes()).await?;
    let (mut text, mut piece) = (Vec::new(), [0; 4096]);
    let mut pace = interval(PACE);
    loop {
        tokio::select! {
            read = socket.read(&mut piece) => match read {
                Ok(0) => return Ok(End::Closed(String::from_utf8_lossy(&text).into_owned())),
                Ok(count) => text.extend_from_slice(&piece[..count]),
                Err(_) => return Ok(End::Reset(String::from_utf8_lossy(&text).into_owned())),
            },
            // What cannot be sent any more is seen by reading.
            _ = pace.tick() => drop(socket.write(rest.as_bytes()).await),
        }
    }
}

/// C-03: one small request on each of so many connections, and nothing after its answer. How the host ended each.
///
/// # Errors
/// When a connection cannot be opened.
pub async fn silence_after_a_request(mark: &Mark, count: usize) -> io::Result<Vec<End>> {
    silence(mark, &format!("GET {} HTTP/1.1\r\nhost: localhost\r\n\r\n", mark.path("hello")), count).await
}

/// C-05: asks for a large response on each of so many connections, and reads this much of it. They are held by who asked.
///
/// # Errors
/// When a connection cannot be opened, or ends before.
pub async fn half_read(mark: &Mark, behaviour: &str, count: usize, bytes: usize) -> io::Result<Vec<Socket>> {
    let mut held = unread(mark, behaviour, count).await?;
    for socket in &mut held {
        socket.read_exact(bytes).await?;
    }
    Ok(held)
}

/// C-05: asks for a large response on each of so many connections, and reads none of it. They are held by who asked.
///
/// # Errors
/// When a connection cannot be opened.
pub async fn unread(mark: &Mark, behaviour: &str, count: usize) -> io::Result<Vec<Socket>> {
    let request = format!("GET {} HTTP/1.1\r\nhost: localhost\r\n\r\n", mark.path(behaviour));
    hold(mark, &request, count).await
}
