//! Connections that count what they send.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

use crate::HANG;

static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static READ: AtomicU64 = AtomicU64::new(0);

/// The part of a segment that is no payload: the headers of IPv4 and TCP.
const SEGMENT_HEAD: u64 = 40;

/// The least a client sends for a connection besides its payload: SYN, ACK, FIN.
const BARE_SEGMENTS: u64 = 3;

/// The payload of a full segment on Ethernet.
const SEGMENT: u64 = 1460;

/// What the attacks of this process have sent so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Connections opened.
    pub connections: u64,
    /// Payload.
    pub bytes: u64,
    /// Payload that was read. Who reads acknowledges.
    pub read: u64,
}

/// See [`Spent`].
pub fn spent() -> Spent {
    Spent {
        connections: CONNECTIONS.load(Ordering::Relaxed),
        bytes: BYTES.load(Ordering::Relaxed),
        read: READ.load(Ordering::Relaxed),
    }
}

impl Spent {
    /// What was sent since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            connections: self.connections - before.connections,
            bytes: self.bytes - before.bytes,
            read: self.read - before.read,
        }
    }

    /// Bytes on the wire, at the least: payload in full segments, what opens and closes a connection, and an acknowledgement of
    /// each second full segment that was read (RFC 9293, section 3.8.6.3).
    pub fn on_the_wire(self) -> u64 {
        let bare = BARE_SEGMENTS * self.connections + self.read / (2 * SEGMENT);
        self.bytes + SEGMENT_HEAD * (bare + self.bytes.div_ceil(SEGMENT))
    }
}

/// How the host ended a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// After these bytes, cleanly.
    Closed(String),
    /// By a reset, after these bytes.
    Reset(String),
}

impl End {
    /// What was said before.
    pub fn text(&self) -> &str {
        match self {
            Self::Closed(text) | Self::Reset(text) => text,
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Socket(TcpStream);

impl Socket {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens, or this process has no descriptor left.
    pub async fn open(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        Ok(Self(stream))
    }

    /// Sends.
    ///
    /// # Errors
    /// When the peer has closed.
    ///
    /// # Panics
    /// When the peer neither reads nor closes.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(HANG, self.0.write_all(bytes)).await.expect("the peer reads, or closes")?;
        BYTES.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Reads some bytes; 0 is the end.
    ///
    /// # Errors
    /// When the connection was reset.
    pub async fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(into).await?;
        READ.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    /// Reads exactly so many bytes.
    ///
    /// # Errors
    /// When there are fewer.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn read_exact(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        timeout(HANG, self.0.read_exact(&mut bytes)).await.expect("bytes")?;
        READ.fetch_add(count as u64, Ordering::Relaxed);
        Ok(bytes)
    }

    /// Reads until the host has ended the connection.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ended(&mut self) -> End {
        let mut text = Vec::new();
        let said = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        let reading = async {
            let mut piece = vec![0; 16 << 10];
            loop {
                match self.0.read(&mut piece).await {
                    Ok(0) => return End::Closed(said(&text)),
                    Ok(count) => text.extend_from_slice(&piece[..count]),
                    Err(error) => {
                        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
                        return End::Reset(said(&text));
                    }
                }
            }
        };
        timeout(HANG, reading).await.expect("the connection ends")
    }

    /// Leaves with a reset instead of an end.
    ///
    /// # Errors
    /// When the socket does not take the option.
    pub fn reset(self) -> io::Result<()> {
        self.0.set_zero_linger()
    }

    /// The two directions, for a client that reads and writes at once. What it writes counts by [`count`].
    pub(crate) fn split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        self.0.into_split()
    }
}

/// Counts bytes that a half of a connection has sent.
pub(crate) fn count(bytes: usize) {
    BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
}
