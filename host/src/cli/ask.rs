//! One question to a running host's operator's listener.

use std::{
    io::{Read, Write as _},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use anyhow::Context;

/// How long the host may take to answer. Its listener has a thread of its own: a busy host answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// The status and the body of an answer, over a blocking socket: a command has nothing else to do.
///
/// # Errors
/// When nobody answers, or something that speaks no HTTP.
pub(super) fn ask(admin: &str, method: &str, path: &str) -> anyhow::Result<(u16, String)> {
    let asked = exchange(admin, method, path);
    asked.with_context(|| format!("no host answers at {admin}; is `wasmbay serve` running?"))
}

fn exchange(admin: &str, method: &str, path: &str) -> anyhow::Result<(u16, String)> {
    let addr = admin.to_socket_addrs()?.next().context("the name has no address")?;
    let mut socket = TcpStream::connect_timeout(&addr, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    // Asked by address: the operator's listener does not answer to names.
    write!(socket, "{method} {path} HTTP/1.1\r\nhost: {addr}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    Ok((status.context("the answer is not HTTP")?, body.to_owned()))
}
