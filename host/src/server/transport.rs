//! A connection's bytes as hyper sees them, with TLS or without. Until a request's head is there, hyper is not: it would hold
//! room for both directions from the first byte on (`decisions/0067-silent-connections.md`).

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, timeout_at},
};
use tokio_rustls::server::TlsStream;

use super::{Limits, wire::Wire};

/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much of a first flight is read in one go; an ordinary request's head fits.
const FIRST_READ: usize = 4096;

/// Why a connection is cut that says nothing, and one whose head does not end.
const FIRST_BYTE: &str = "first-byte";
const HEAD: &str = "head";

/// What carries a connection's bytes.
pub(super) enum Carrier {
    /// The socket itself.
    Plain(Wire),
    /// Through TLS.
    Tls(Box<TlsStream<Wire>>),
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1,
    Http2,
}

/// Why no request came.
pub(super) enum Nothing {
    /// The client left.
    Left,
    /// It took too long: the reason for which the connection is cut.
    Late(&'static str),
}

/// A connection, and what was read of it and not yet used.
pub(super) struct Transport {
    /// What was read to tell the protocol and to find a head's end; hyper gets it first.
    said: BytesMut,
    carrier: Carrier,
}

impl Transport {
    pub(super) fn new(carrier: Carrier) -> Self {
        Self { said: BytesMut::new(), carrier }
    }

    /// Gives back what was read ahead.
    pub(super) fn put_back(&mut self, read: &[u8]) {
        // A copy: what hyper read into is far larger than what it read.
        self.said = [read, &self.said[..]].concat().as_slice().into();
    }

    /// Reads until there is something for hyper to do. `since` is when the request before it was answered, if there was one.
    ///
    /// The deadlines are those that hyper keeps for heads.
    pub(super) async fn listen(&mut self, since: Option<Instant>, limits: &Limits) -> Result<Spoken, Nothing> {
        let (mut until, mut late) = match since {
            None => (Instant::now() + limits.first_byte, FIRST_BYTE),
            Some(since) => (since + limits.head, HEAD),
        };
        let mut looked = 0;
        loop {
            match self.spoken(looked, limits.buffer) {
                // A connection that began with HTTP/1 stays with it, and what this is, is refused there.
                Some(_) if since.is_some() => return Ok(Spoken::Http1),
                Some(spoken) => return Ok(spoken),
                None => {}
            }
            if late == FIRST_BYTE && self.is_http1() {
                (until, late) = (Instant::now() + limits.head, HEAD);
            }
            looked = self.said.len();
            match timeout_at(until, poll_fn(|cx| self.carrier.poll_more(cx, &mut self.said))).await {
                Ok(Ok(count)) if count > 0 => {}
                Ok(_) => return Err(Nothing::Left),
                Err(_) => return Err(Nothing::Late(late)),
            }
            // Blank lines before a request are passed over (RFC 9112, section 2.2).
            if looked == 0 {
                let blank = self.said.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                self.said.advance(blank);
            }
        }
    }

    /// Says goodbye as the carrier does.
    pub(super) async fn close(mut self) {
        // Who does not hear it has left.
        let _ = poll_fn(|cx| Pin::new(&mut self).poll_shutdown(cx)).await;
    }

    fn is_http1(&self) -> bool {
        !PREFACE.starts_with(&self.said[..self.said.len().min(PREFACE.len())])
    }

    /// What is spoken, once hyper has something to do: a whole head, one that is too long, or what can be none. Everything
    /// before `looked` was looked at.
    fn spoken(&self, looked: usize, most: usize) -> Option<Spoken> {
        if !self.is_http1() {
            return (self.said.len() >= PREFACE.len()).then_some(Spoken::Http2);
        }
        let ready = self.said.len() >= most || !self.said[0].is_ascii_graphic() || has_end(&self.said, looked);
        ready.then_some(Spoken::Http1)
    }
}

/// Whether a head ends in what was read, or its first line is none of HTTP/1.
fn has_end(said: &[u8], looked: usize) -> bool {
    let mut ends = (looked..said.len()).filter(|at| said[*at] == b'\n');
    ends.any(|end| {
        let line = said[..end].strip_suffix(b"\r").unwrap_or(&said[..end]);
        line.ends_with(b"\n") || (!line.contains(&b'\n') && !is_request_line(line))
    })
}

fn is_request_line(line: &[u8]) -> bool {
    [b" HTTP/1.1".as_slice(), b" HTTP/1.0"].iter().any(|version| line.ends_with(version))
}

impl Carrier {
    /// Reads what there is. Who waits for a peer that says nothing holds no buffer for it: there may be thousands.
    fn poll_more(&mut self, cx: &mut Context<'_>, bytes: &mut BytesMut) -> Poll<io::Result<usize>> {
        let mut space = [MaybeUninit::uninit(); FIRST_READ];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(Pin::new(self).poll_read(cx, &mut read))?;
        bytes.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.said.is_empty() {
            return Pin::new(&mut self.carrier).poll_read(cx, buf);
        }
        let length = self.said.len().min(buf.remaining());
        buf.put_slice(&self.said[..length]);
        self.said.advance(length);
        if self.said.is_empty() {
            self.said = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

/// Calls the same method of whichever carrier it is.
macro_rules! carried {
    ($self:ident, $method:ident($($argument:expr),*)) => {
        match $self.get_mut() {
            Carrier::Plain(wire) => Pin::new(wire).$method($($argument),*),
            Carrier::Tls(stream) => Pin::new(stream.as_mut()).$method($($argument),*),
        }
    };
}

impl AsyncRead for Carrier {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        carried!(self, poll_read(cx, buf))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let carrier = Pin::new(&mut self.carrier);
        carried!(carrier, poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let carrier = Pin::new(&mut self.carrier);
        carried!(carrier, poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.carrier {
            Carrier::Plain(wire) => wire.is_write_vectored(),
            Carrier::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let carrier = Pin::new(&mut self.carrier);
        carried!(carrier, poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let carrier = Pin::new(&mut self.carrier);
        carried!(carrier, poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many bytes a head that comes byte by byte is given to hyper; `None` when it never is.
    fn ready_after(head: &[u8]) -> Option<usize> {
        (1..=head.len()).find(|length| has_end(&head[..*length], length - 1))
    }

    #[test]
    fn a_head_is_whole_at_its_blank_line_however_it_comes() {
        for head in ["GET / HTTP/1.1\r\nhost: a\r\n\r\n", "GET / HTTP/1.0\n\n", "GET / HTTP/1.1\r\na: b\n\r\n"] {
            assert_eq!(ready_after(head.as_bytes()), Some(head.len()), "{head:?}");
            assert!(has_end(head.as_bytes(), 0) && has_end(format!("{head}body\n").as_bytes(), 0), "{head:?}");
        }
        for part in ["", "GET / HTTP/1.1", "GET / HTTP/1.1\r\nhost: a\r\n", "GET / HTTP/1.1\r\na: \r\n b: c\r\n"] {
            assert!(!has_end(part.as_bytes(), 0) && ready_after(part.as_bytes()).is_none(), "{part:?}");
        }
    }

    #[test]
    fn what_is_no_request_is_told_at_once() {
        for line in ["GET /\r\n", "nonsense\n", "GET / HTTP/3.7\r\n"] {
            assert_eq!(ready_after(line.as_bytes()), Some(line.len()), "{line:?}");
        }
    }
}
