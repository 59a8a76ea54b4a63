//! A connection's bytes as hyper sees them, with TLS or without, the first of them read already.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::wire::Wire;

/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much of a first flight is read in one go; an ordinary request's head fits.
const FIRST_READ: usize = 4096;

/// What carries a connection's bytes.
pub(super) enum Carrier {
    /// The socket itself.
    Plain(Wire),
    /// Through TLS.
    Tls(Box<TlsStream<Wire>>),
}

/// A connection whose protocol is known.
pub(super) struct Transport {
    /// What was read to tell the protocol; hyper gets it first.
    prefix: Bytes,
    carrier: Carrier,
}

impl Transport {
    /// Reads until it is clear which protocol is spoken: whether it is HTTP/2. `None` when the peer left first.
    pub(super) async fn open(mut carrier: Carrier) -> Option<(Self, bool)> {
        let mut bytes = BytesMut::new();
        loop {
            let before = bytes.len();
            poll_fn(|cx| carrier.poll_first(cx, &mut bytes)).await.ok()?;
            if bytes.len() == before {
                return None;
            }
            let length = bytes.len().min(PREFACE.len());
            let alike = bytes[..length] == PREFACE[..length];
            if length == PREFACE.len() || !alike {
                return Some((Self { prefix: bytes.freeze(), carrier }, alike));
            }
        }
    }
}

impl Carrier {
    /// Reads what there is. Who waits for a peer that says nothing holds no buffer for it: there may be thousands.
    fn poll_first(&mut self, cx: &mut Context<'_>, bytes: &mut BytesMut) -> Poll<io::Result<()>> {
        let mut space = [MaybeUninit::uninit(); FIRST_READ];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(Pin::new(self).poll_read(cx, &mut read))?;
        bytes.extend_from_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.carrier).poll_read(cx, buf);
        }
        let length = self.prefix.len().min(buf.remaining());
        buf.put_slice(&self.prefix[..length]);
        self.prefix.advance(length);
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
