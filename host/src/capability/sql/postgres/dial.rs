//! How a connection to a PostgreSQL server is made: a socket, TLS where it is wanted, whom the host says to be.

use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::super::{address::Address, server::Refusal, tls::Socket};
use crate::config::TlsMode;

/// Asks for TLS: the message's length and the number that stands for a version.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A socket to the server, protected as the address says. Has no deadline of its own.
///
/// # Errors
/// When there is none. No message holds the address.
pub(super) async fn dial(address: &Address) -> Result<Socket, Refusal> {
    let unreachable = |error: io::Error| Refusal::Unreachable(error.to_string());
    let mut socket = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(unreachable)?;
    socket.set_nodelay(true).map_err(unreachable)?;
    if address.tls == TlsMode::Disable {
        return Ok(Socket::Plain(socket));
    }
    socket.write_all(&SSL_REQUEST).await.map_err(unreachable)?;
    // One byte and no more: what else came before the handshake would be nobody's word.
    match socket.read_u8().await.map_err(unreachable)? {
        b'S' => address.client.connect(&address.host, socket).await,
        b'N' if address.tls == TlsMode::Prefer => Ok(Socket::Plain(socket)),
        b'N' => Err(Refusal::Unreachable("it has no TLS, and tls or sslmode asks for it".to_owned())),
        _ => Err(Refusal::Unreachable("it answers as no PostgreSQL server does".to_owned())),
    }
}
