//! One question to one name server: over UDP, and over TCP when the answer does not fit.

use std::{
    hash::{BuildHasher as _, RandomState},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
};

use super::wire::{Answer, Family, Query};

/// A message over UDP without extensions has no more (RFC 1035); room for servers that send more all the same.
const DATAGRAM: usize = 4096;

/// Asks one server and waits for its answer, for as long as the caller does.
pub(super) async fn ask(server: SocketAddr, name: &str, family: Family) -> io::Result<Answer> {
    let query = Query::new(unguessable(), name, family);
    let message = query.bytes().ok_or_else(|| io::Error::other("the name does not fit into a question"))?;
    match by_datagram(server, &query, &message).await? {
        Answer::Cut => by_stream(server, &query, &message).await,
        answer => Ok(answer),
    }
}

/// A number that a stranger who forges answers has to guess, beside the port that the system chose.
fn unguessable() -> u16 {
    // Each state is made from the system's random numbers.
    RandomState::new().hash_one(0) as u16
}

async fn by_datagram(server: SocketAddr, query: &Query, message: &[u8]) -> io::Result<Answer> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // A socket, and so a port, for each question; connected, it takes datagrams from the server alone.
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(message).await?;
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let length = socket.recv(&mut buffer).await?;
        match query.read(&buffer[..length]) {
            // A forger's, or one that came late: the real one may be next.
            Answer::NotMine => {}
            answer => return Ok(answer),
        }
    }
}

async fn by_stream(server: SocketAddr, query: &Query, message: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; length.into()];
    stream.read_exact(&mut answer).await?;
    match query.read(&answer) {
        Answer::Cut | Answer::NotMine => Err(io::Error::other("the name server's answer is none to the question")),
        answer => Ok(answer),
    }
}
