//! A connection to a checked address, with TLS where the origin wants it, ready for requests.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http::{Request, Response, Uri, header};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::sleep,
};

use super::{Trouble, leaving::Leaving, tls};
use crate::config::{Origin, Scheme};

/// The largest head of a response, and the most that is read ahead of its reader.
pub const HEAD_BYTES: usize = 64 << 10;

/// Header lines of a response.
pub(super) const HEAD_LINES: usize = 100;

/// All that is read while a response's head is waited for: what comes before the real one (1xx) counts, and so does
/// what comes right behind it.
const BEFORE_HEAD: usize = 1 << 20;

/// What a server may send ahead of its reader over HTTP/2: in one response, and in all of a connection.
const WINDOWS: (u32, u32) = (256 << 10, 1 << 20);

/// How long one address is waited for before the next is tried beside it (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);

/// Addresses tried for one connection.
const MOST_TRIED: usize = 6;

/// How often a connection that speaks HTTP/2 is asked whether it lives, and how long its answer may take.
const PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// The sending side of a connection.
pub(super) enum Line {
    /// One request at a time.
    Http1(http1::SendRequest<Leaving>, HeadBudget),
    /// Many at once: clones share the connection.
    Http2(http2::SendRequest<Leaving>),
}

impl Line {
    /// Whether it takes a request now.
    pub(super) fn is_ready(&self) -> bool {
        match self {
            Self::Http1(sender, _) => sender.is_ready(),
            Self::Http2(sender) => sender.is_ready(),
        }
    }

    /// Whether so much came before a response's head that nothing more is read.
    pub(super) fn is_flooded(&self) -> bool {
        matches!(self, Self::Http1(_, budget) if budget.is_spent())
    }

    /// Sends a request and waits for its response's head.
    pub(super) async fn send(
        &mut self,
        request: Request<Leaving>,
        origin: &Origin,
    ) -> Result<Response<Incoming>, TrySendError<Request<Leaving>>> {
        match self {
            Self::Http1(sender, budget) => {
                budget.begin();
                let response = sender.try_send_request(request).await;
                budget.end_if(response.is_ok());
                response
            }
            Self::Http2(sender) => sender.try_send_request(absolute(request, origin)).await,
        }
    }
}

/// HTTP/2 says scheme and authority with the target, and has no `Host`.
fn absolute(mut request: Request<Leaving>, origin: &Origin) -> Request<Leaving> {
    let mut uri = request.uri().clone().into_parts();
    uri.scheme = origin.scheme.name().parse().ok();
    uri.authority = origin.authority().parse().ok();
    if let Ok(uri) = Uri::from_parts(uri) {
        *request.uri_mut() = uri;
    }
    request.headers_mut().remove(header::HOST);
    request
}

/// Connects to the first of these addresses that answers. Has no deadline of its own; dropping it ends every attempt.
pub(super) async fn dial(origin: &Origin, addresses: &[SocketAddr], tls: &tls::Client) -> Result<Line, Trouble> {
    let stream = connect(origin, addresses).await?;
    // Requests are written whole; waiting for more to send only makes them late.
    let _ = stream.set_nodelay(true);
    match origin.scheme {
        Scheme::Http => http1(stream, origin).await,
        Scheme::Https => match tls.connect(&origin.host, stream).await? {
            (stream, true) => http2(stream, origin).await,
            (stream, false) => http1(stream, origin).await,
        },
    }
}

async fn connect(origin: &Origin, addresses: &[SocketAddr]) -> Result<TcpStream, Trouble> {
    let mut left = addresses.iter().take(MOST_TRIED);
    let mut tries = FuturesUnordered::new();
    let mut last = None;
    loop {
        let next = left.next();
        let is_last = next.is_none();
        tries.extend(next.map(|address| TcpStream::connect(*address)));
        let ended = tokio::select! {
            ended = tries.next() => ended,
            () = sleep(STAGGER), if !is_last => continue,
        };
        match ended {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => last = Some(error),
            None => return Err(unreachable(origin, last)),
        }
    }
}

fn unreachable(origin: &Origin, error: Option<io::Error>) -> Trouble {
    match error {
        Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Trouble::ConnectionRefused(origin.to_string())
        }
        Some(error) => Trouble::Unreachable(origin.to_string(), error.to_string()),
        None => Trouble::Unreachable(origin.to_string(), "it has no address".to_owned()),
    }
}

async fn http1<T>(stream: T, origin: &Origin) -> Result<Line, Trouble>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let budget = HeadBudget::default();
    let io = TokioIo::new(Counted { stream, budget: budget.clone() });
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_LINES)
        .handshake(io)
        .await
        .map_err(|error| Trouble::Unreachable(origin.to_string(), error.to_string()))?;
    // It ends with its sender and its last response. What broke it is told to whoever waits for a response.
    tokio::spawn(connection);
    Ok(Line::Http1(sender, budget))
}

async fn http2<T>(stream: T, origin: &Origin) -> Result<Line, Trouble>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_header_list_size(HEAD_BYTES as u32)
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Trouble::Unreachable(origin.to_string(), error.to_string()))?;
    tokio::spawn(connection);
    Ok(Line::Http2(sender))
}

/// How much more may be read before a response's head is whole.
#[derive(Clone, Debug)]
pub(super) struct HeadBudget(Arc<AtomicUsize>);

impl Default for HeadBudget {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(BEFORE_HEAD)))
    }
}

impl HeadBudget {
    /// A request is sent: its response's head is waited for from now on.
    fn begin(&self) {
        self.0.store(BEFORE_HEAD, Relaxed);
    }

    /// The head is here, if it is: then the body has limits of its own.
    fn end_if(&self, is_here: bool) {
        if is_here {
            self.0.store(usize::MAX, Relaxed);
        }
    }

    /// Whether a head was awaited for so long that nothing more is read.
    fn is_spent(&self) -> bool {
        self.0.load(Relaxed) == 0
    }
}

/// A stream that stops reading when its budget is spent.
struct Counted<T> {
    stream: T,
    budget: HeadBudget,
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.budget.is_spent() {
            return Poll::Ready(Err(io::Error::other("too much came before a response's head")));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let read = buffer.filled().len() - before;
        // Without a limit there is nothing to count; a request that begins meanwhile has a whole budget again.
        let _ = self
            .budget
            .0
            .fetch_update(Relaxed, Relaxed, |left| (left != usize::MAX).then(|| left.saturating_sub(read)));
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
