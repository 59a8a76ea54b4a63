//! What the server sends, looked at before anything is made of it: no message may be larger than the host can hold, and
//! what the driver would keep for good is counted.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hasher as _},
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that may come before the server is ready for the first statement.
const GREETING: u64 = 256 << 10;

/// Parameters of a session that a server may tell of.
const PARAMETERS: usize = 256;

/// Bytes of the longest name of one that are looked at, and of one with its value.
const PARAMETER: u64 = 8 << 10;

/// What was seen of the server, for the connection's owner.
#[derive(Debug, Default)]
pub(super) struct Seen {
    status: AtomicU8,
    breach: AtomicU8,
}

/// Why a connection was broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Breach {
    /// A message is too large.
    TooLarge = 1,
    /// The server wants to be sent a file, or sends one.
    Copy,
    /// It is no message, or one too many.
    Nonsense,
}

impl Seen {
    /// Whether a transaction is open, as the server last said.
    pub(super) fn is_in_transaction(&self) -> bool {
        matches!(self.status.load(Relaxed), b'T' | b'E')
    }

    /// Why the connection was broken off, if it was.
    pub(super) fn breach(&self) -> Option<Breach> {
        let all = [Breach::TooLarge, Breach::Copy, Breach::Nonsense];
        let seen = self.breach.load(Relaxed);
        all.into_iter().find(|breach| *breach as u8 == seen)
    }
}

/// A socket to a server, with messages on it.
pub(super) struct Guarded<S> {
    socket: S,
    watch: Watch,
}

impl<S> Guarded<S> {
    /// Of which no message is larger than this.
    pub(super) fn new(socket: S, most: u64, seen: &Arc<Seen>) -> Self {
        Self { socket, watch: Watch::new(most, Arc::clone(seen)) }
    }
}

/// Follows the messages.
struct Watch {
    most: u64,
    seen: Arc<Seen>,
    /// Of the message's tag and length, as far as they are there.
    head: [u8; 5],
    has: usize,
    /// Bytes of the message that are to come.
    left: u64,
    /// Bytes that came so far, until the server was ready first.
    greeting: Option<u64>,
    /// Of the name of a parameter that is told, until its end.
    name: Option<DefaultHasher>,
    names: HashSet<u64>,
}

impl Watch {
    fn new(most: u64, seen: Arc<Seen>) -> Self {
        let names = HashSet::new();
        Self { most, seen, head: [0; 5], has: 0, left: 0, greeting: Some(0), name: None, names }
    }

    /// Looks at bytes that came.
    fn look(&mut self, mut bytes: &[u8]) -> Result<(), Breach> {
        if let Some(greeting) = &mut self.greeting {
            *greeting += bytes.len() as u64;
            if *greeting > GREETING {
                return Err(Breach::TooLarge);
            }
        }
        while !bytes.is_empty() {
            if self.has < self.head.len() {
                self.head[self.has] = bytes[0];
                self.has += 1;
                bytes = &bytes[1..];
                if self.has == self.head.len() {
                    self.begin()?;
                }
            } else {
                let here = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.inside(&bytes[..here])?;
                self.left -= here as u64;
                bytes = &bytes[here..];
            }
            if self.has == self.head.len() && self.left == 0 {
                self.has = 0;
            }
        }
        Ok(())
    }

    /// A message's head is there.
    fn begin(&mut self) -> Result<(), Breach> {
        let [tag, length @ ..] = self.head;
        // The length counts itself.
        self.left = u64::from(u32::from_be_bytes(length)).checked_sub(4).ok_or(Breach::Nonsense)?;
        match tag {
            b'G' | b'H' | b'W' => return Err(Breach::Copy),
            b'S' if self.left > PARAMETER => return Err(Breach::TooLarge),
            b'S' => self.name = Some(DefaultHasher::new()),
            _ if self.left > self.most => return Err(Breach::TooLarge),
            _ => {}
        }
        Ok(())
    }

    /// More of a message.
    fn inside(&mut self, bytes: &[u8]) -> Result<(), Breach> {
        match self.head[0] {
            b'Z' => {
                self.seen.status.store(bytes[bytes.len() - 1], Relaxed);
                self.greeting = None;
            }
            b'S' => {
                let Some(name) = &mut self.name else { return Ok(()) };
                let end = bytes.iter().position(|byte| *byte == 0);
                name.write(&bytes[..end.unwrap_or(bytes.len())]);
                if end.is_some() {
                    self.names.insert(name.finish());
                    self.name = None;
                }
                if self.names.len() > PARAMETERS {
                    return Err(Breach::Nonsense);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = to.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, to))?;
        Poll::Ready(this.watch.look(&to.filled()[before..]).map_err(|breach| {
            this.watch.seen.breach.store(breach as u8, Relaxed);
            io::Error::other("the server sent what cannot be taken")
        }))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut message = vec![tag];
        message.extend((body.len() as u32 + 4).to_be_bytes());
        message.extend(body);
        message
    }

    /// What is seen when it comes in pieces of this many bytes.
    fn watch(bytes: &[u8], most: u64, piece: usize) -> (Result<(), Breach>, u8) {
        let seen = Arc::<Seen>::default();
        let mut watch = Watch::new(most, Arc::clone(&seen));
        let how = bytes.chunks(piece).try_for_each(|bytes| watch.look(bytes));
        (how, seen.status.load(Relaxed))
    }

    #[test]
    fn messages_are_told_apart_however_they_come() {
        let mut bytes = message(b'Z', b"I");
        bytes.extend(message(b'1', b""));
        bytes.extend(message(b'D', &[b'Z'; 1000]));
        bytes.extend(message(b'C', b"SELECT 1\0"));
        bytes.extend(message(b'Z', b"T"));
        for piece in [1, 2, 5, 7, 4096] {
            assert_eq!(watch(&bytes, 1000, piece), (Ok(()), b'T'), "{piece}");
            assert_eq!(watch(&bytes, 999, piece), (Err(Breach::TooLarge), b'I'), "{piece}");
        }
    }

    #[test]
    fn what_cannot_be_taken_is_seen_by_its_head() {
        let copy = message(b'G', &[0; 3]);
        assert_eq!(watch(&copy, 1000, 4096).0, Err(Breach::Copy));
        assert_eq!(watch(&[b'D', 0xff, 0xff, 0xff, 0xff], 1000, 1).0, Err(Breach::TooLarge));
        assert_eq!(watch(&[b'D', 0, 0, 0, 3], 1000, 1).0, Err(Breach::Nonsense));
    }

    #[test]
    fn what_the_driver_keeps_is_counted() {
        let ready = message(b'Z', b"I");
        let told = |n: usize| message(b'S', format!("p{n}\0v\0").as_bytes());
        let some: Vec<u8> = (0..PARAMETERS).flat_map(told).collect();
        let again = [ready.clone(), some.clone(), some.clone(), some.clone()].concat();
        assert_eq!(watch(&again, 1000, 11).0, Ok(()));
        let more: Vec<u8> = [ready.clone(), (0..=PARAMETERS).flat_map(told).collect()].concat();
        assert_eq!(watch(&more, 1000, 11).0, Err(Breach::Nonsense));
        // Notices before the server is ready are kept by the driver.
        let notices = message(b'N', &[b'x'; 900]).repeat(300);
        assert_eq!(watch(&notices, 1000, 4096).0, Err(Breach::TooLarge));
        assert_eq!(watch(&[ready, notices].concat(), 1000, 4096).0, Ok(()));
    }
}
