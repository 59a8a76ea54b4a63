//! How much of an answer the kernel holds that it has not sent.

use std::io;

use tokio::net::TcpStream;

/// Bytes. The kernel would take megabytes for a client that reads nothing, and a stuck socket would be seen only then. This is
/// as much as a client's window at first, and a fast client empties it no faster than it is filled.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 64 << 10;

/// Has the kernel hold no more than that.
#[cfg(target_os = "linux")]
pub(super) fn set(stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT)
}

/// Leaves it to the kernel.
#[cfg(not(target_os = "linux"))]
pub(super) fn set(_stream: &TcpStream) -> io::Result<()> {
    Ok(())
}
