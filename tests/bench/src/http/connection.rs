//! One kept connection and the exchanges on it.

use std::{fmt, io, net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{
    chunk::Chunked,
    head::{self, Framing, Head},
};

/// Why there was no whole reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    /// No connection could be made.
    Connect,
    /// The peer reset the connection.
    Reset,
    /// The peer closed before its reply was whole.
    Closed,
    /// What came is not HTTP/1.1.
    Malformed,
    /// Nothing whole came in the time allowed.
    Timeout,
    /// Any other error of the socket.
    Socket,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection could be made",
            Self::Reset => "the peer reset the connection",
            Self::Closed => "the peer closed before its reply was whole",
            Self::Malformed => "the reply is not HTTP/1.1",
            Self::Timeout => "no whole reply in the time allowed",
            Self::Socket => "the socket failed",
        })
    }
}

impl std::error::Error for Fault {}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                Self::Reset
            }
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Socket,
        }
    }
}

/// What a reply was; its body lies in [`Connection::body`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply {
    /// The status code.
    pub(crate) status: u16,
    /// Whether the connection is at its end.
    pub(crate) close: bool,
}

/// A request up to this size fits in what the kernel keeps of a socket: it is sent before its reply is read.
const AT_ONCE: usize = 16 << 10;

/// A connection on which requests follow one another.
pub(crate) struct Connection {
    requests: OwnedWriteHalf,
    replies: Replies,
}

/// What comes back.
struct Replies {
    stream: OwnedReadHalf,
    /// Bytes received and not yet understood.
    pending: Vec<u8>,
    body: Vec<u8>,
}

impl Connection {
    /// Connects with small packets sent at once.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Fault> {
        let stream = TcpStream::connect(address).await.map_err(|_| Fault::Connect)?;
        stream.set_nodelay(true).map_err(|_| Fault::Connect)?;
        let (stream, requests) = stream.into_split();
        Ok(Self { requests, replies: Replies { stream, pending: Vec::new(), body: Vec::new() } })
    }

    /// Sends `request` and reads the reply whole. Not cancel safe: a connection left in the middle is of no further use.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Reply, Fault> {
        if request.len() <= AT_ONCE {
            self.requests.write_all(request).await?;
            return self.replies.next().await;
        }
        // A server that sends back what comes in takes no more of it while nobody reads.
        let write = async { Ok(self.requests.write_all(request).await?) };
        tokio::try_join!(write, self.replies.next()).map(|((), reply)| reply)
    }

    /// The last reply's body.
    pub(crate) fn body(&self) -> &[u8] {
        &self.replies.body
    }
}

impl Replies {
    async fn next(&mut self) -> Result<Reply, Fault> {
        self.body.clear();
        let head = self.head().await?;
        match head.framing {
            Framing::Length(length) => self.length(length).await?,
            Framing::Chunked => self.chunks().await?,
            Framing::UntilClose => self.until_close().await?,
        }
        Ok(Reply { status: head.status, close: head.close })
    }

    async fn head(&mut self) -> Result<Head, Fault> {
        loop {
            if let Some(head) = head::parse(&self.pending).map_err(|_| Fault::Malformed)? {
                self.pending.drain(..head.bytes);
                return Ok(head);
            }
            self.receive().await?;
        }
    }

    async fn length(&mut self, length: usize) -> Result<(), Fault> {
        while self.pending.len() < length {
            self.receive().await?;
        }
        self.body.extend(self.pending.drain(..length));
        Ok(())
    }

    async fn chunks(&mut self) -> Result<(), Fault> {
        let mut state = Chunked::default();
        loop {
            let used = state.feed(&self.pending, &mut self.body).map_err(|_| Fault::Malformed)?;
            self.pending.drain(..used);
            if state == Chunked::Done {
                return Ok(());
            }
            self.receive().await?;
        }
    }

    async fn until_close(&mut self) -> Result<(), Fault> {
        loop {
            self.body.append(&mut self.pending);
            match self.receive().await {
                Ok(()) => {}
                Err(Fault::Closed) => return Ok(()),
                Err(fault) => return Err(fault),
            }
        }
    }

    async fn receive(&mut self) -> Result<(), Fault> {
        // A hello fits; 10 000 held connections cost 10 MB until they have a reply to read.
        self.pending.reserve(1024);
        match self.stream.read_buf(&mut self.pending).await? {
            0 => Err(Fault::Closed),
            _ => Ok(()),
        }
    }
}

/// A GET request for `target`, ready to send.
pub(crate) fn request_bytes(address: SocketAddr, target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes()
}

/// A POST request for `target` with so many bytes, ready to send.
pub(crate) fn upload_bytes(address: SocketAddr, target: &str, bytes: usize) -> Vec<u8> {
    let head = format!("POST {target} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {bytes}\r\n\r\n");
    let mut request = head.into_bytes();
    request.resize(request.len() + bytes, b'u');
    request
}

/// One GET on a connection of its own.
///
/// # Errors
///
/// A [`Fault`], also when no whole reply came within `limit`.
pub(crate) async fn fetch(address: SocketAddr, target: &str, limit: Duration) -> Result<(u16, Vec<u8>), Fault> {
    let exchange = async {
        let mut connection = Connection::open(address).await?;
        let reply = connection.exchange(&request_bytes(address, target)).await?;
        Ok((reply.status, connection.replies.body))
    };
    tokio::time::timeout(limit, exchange).await.unwrap_or(Err(Fault::Timeout))
}
