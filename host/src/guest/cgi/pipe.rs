//! A command's standard input and output as pipes into the host.

use std::{
    io,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};
use wasmtime_wasi::{
    cli::{IsTerminal, StdinStream, StdoutStream},
    p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult},
};
use wasmtime_wasi_http::{WasiBody, p2::body::HostIncomingBody};

use crate::{
    body::pieces::Pace,
    guest::outlet::{self, Outlet},
};

/// Chunks in flight between the command and the client; past that the command waits.
const CHUNKS: usize = 2;

/// Streams a command may have asked for room at once, before any of them writes.
const WRITERS: usize = 14;

/// Standard output: writing waits while the client is slow. The reader sees the end once the sender is dropped, whatever
/// streams the command has left open.
pub(super) fn pipe(pace: Pace) -> (mpsc::Sender<Bytes>, Stdout, mpsc::Receiver<Bytes>) {
    let (sender, receiver) = mpsc::channel(CHUNKS + WRITERS);
    let stdout = Stdout { sender: sender.downgrade(), pace };
    (sender, stdout, receiver)
}

/// The writing end; each stream opened on it writes into the same pipe.
pub(super) struct Stdout {
    sender: mpsc::WeakSender<Bytes>,
    pace: Pace,
}

impl StdoutStream for Stdout {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Commands speak WASI 0.2, whose streams are below; a write through another version's stream fails loudly.
        Box::new(Refusing)
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Outlet::new(Box::new(Writer { sender: self.sender.clone() }), self.pace.clone()))
    }
}

impl IsTerminal for Stdout {
    fn is_terminal(&self) -> bool {
        false
    }
}

struct Writer {
    sender: mpsc::WeakSender<Bytes>,
}

impl Writer {
    fn sender(&self) -> StreamResult<mpsc::Sender<Bytes>> {
        self.sender.upgrade().filter(|sender| !sender.is_closed()).ok_or(StreamError::Closed)
    }
}

impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.sender()?.try_send(bytes).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                StreamError::Trap(wasmtime::Error::msg("a write without asking for room first"))
            }
            mpsc::error::TrySendError::Closed(_) => StreamError::Closed,
        })
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(if self.sender()?.capacity() > WRITERS { outlet::MOST } else { 0 })
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        if let Ok(sender) = self.sender() {
            // Room for one more than the reserve; given back at once. A closed pipe is told by the next `check_write`.
            let _ = sender.reserve_many(WRITERS + 1).await;
        }
    }
}

/// Standard input: the request's body.
pub(super) struct Stdin(Mutex<Option<Box<dyn InputStream>>>);

impl Stdin {
    pub(super) fn new(body: WasiBody) -> Self {
        let stream = HostIncomingBody::new(body).take_stream();
        Self(Mutex::new(stream.map(|stream| Box::new(stream) as Box<dyn InputStream>)))
    }
}

impl StdinStream for Stdin {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(Refusing)
    }

    /// The body, for the first who asks; there is only one.
    fn p2_stream(&self) -> Box<dyn InputStream> {
        let stream = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        stream.unwrap_or_else(|| Box::new(wasmtime_wasi::p2::pipe::ClosedInputStream))
    }
}

impl IsTerminal for Stdin {
    fn is_terminal(&self) -> bool {
        false
    }
}

/// The streams of a WASI version that commands do not speak.
struct Refusing;

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "a command reads and writes through WASI 0.2")
}

impl AsyncRead for Refusing {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut tokio::io::ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(refused()))
    }
}

impl AsyncWrite for Refusing {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(refused()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
