//! The socket: a peer that stops reading, or reads next to nothing, is cut off.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{Limits, flow::Flow, patience::Patience};

/// One connection's bytes.
///
/// The writing half is shared with the connection's task, which watches it for the peer's end and closes it.
pub(super) struct Wire {
    read: OwnedReadHalf,
    write: Arc<OwnedWriteHalf>,
    /// How long a write is made to wait.
    patience: Patience,
    flow: Arc<Flow>,
}

impl Wire {
    pub(super) fn new(read: OwnedReadHalf, write: Arc<OwnedWriteHalf>, limits: &Limits, flow: Arc<Flow>) -> Self {
        Self { read, write, patience: Patience::new(limits.write_stall, limits), flow }
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let socket = self.write.as_ref().as_ref();
        loop {
            if socket.poll_write_ready(cx)?.is_pending() {
                self.flow.stop();
                ready!(self.patience.poll_end(cx));
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client stopped reading")));
            }
            match write(socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => {
                    let taken = result.as_ref().map_or(0, |taken| *taken);
                    self.patience.moved(taken);
                    self.flow.moved(taken);
                    return Poll::Ready(result);
                }
            }
        }
    }
}

impl Drop for Wire {
    /// Nobody is to wait for what is gone.
    fn drop(&mut self) {
        self.flow.moved(0);
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |socket| socket.try_write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |socket| socket.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The connection's task closes the socket, once hyper has let go of it.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
