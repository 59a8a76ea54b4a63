//! A client that checks the shape of every answer: the date, the request id, the length.
//!
//! Raw connections on purpose: a pool would hide which connection an answer came over and when it was closed.

use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use hyper::{
    body::{Body, Frame, Incoming},
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};

/// After this a test hangs: generous, for it is never waited out in a test that passes.
pub const HANG: Duration = Duration::from_secs(30);

/// A request's body as this client sends it.
pub type Sent = UnsyncBoxBody<Bytes, std::io::Error>;

/// No body.
pub fn empty() -> Sent {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body at hand.
pub fn full(bytes: impl Into<Bytes>) -> Sent {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body whose pieces are sent when the test sends them; it ends when the sender is dropped.
pub fn pieces() -> (mpsc::UnboundedSender<Bytes>, Sent) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Pieces(receiver).boxed_unsync())
}

struct Pieces(mpsc::UnboundedReceiver<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// An answer, whole and checked.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Its trailers.
    pub trailers: Option<HeaderMap>,
}

impl Answer {
    /// The body as text.
    ///
    /// # Panics
    /// When it is no UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text")
    }

    /// The body as a problem, with its code checked against the status.
    ///
    /// # Panics
    /// When the answer is no problem, or one without its members.
    pub fn problem(&self) -> serde_json::Value {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(problem["status"], self.status.as_u16(), "{problem}");
        assert_eq!(problem["request_id"], self.headers["wasmbay-request-id"].to_str().expect("ASCII"), "{problem}");
        for member in ["type", "title", "detail", "code"] {
            assert!(problem[member].is_string(), "{member} is missing: {problem}");
        }
        problem
    }
}

/// One connection.
pub struct Connection {
    sender: Sender,
    /// The task that moves its bytes; it ends when the connection does.
    pub task: JoinHandle<Result<(), hyper::Error>>,
    authority: String,
}

enum Sender {
    Http1(http1::SendRequest<Sent>),
    Http2(http2::SendRequest<Sent>),
}

/// Which protocol a test speaks: most promises hold for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

impl Protocol {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::Http1, Self::Http2];
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens, or the handshake fails.
    pub async fn open(addr: SocketAddr, protocol: Protocol) -> anyhow::Result<Self> {
        Self::over(TcpStream::connect(addr).await?, protocol, addr.to_string()).await
    }

    /// Speaks over bytes that are carried already.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn over<T>(carrier: T, protocol: Protocol, authority: String) -> anyhow::Result<Self>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(carrier);
        let (sender, task) = match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await?;
                (Sender::Http1(sender), tokio::spawn(connection))
            }
            Protocol::Http2 => {
                let builder = http2::Builder::new(TokioExecutor::new()).timer(TokioTimer::new()).clone();
                let (sender, connection) = builder.handshake(io).await?;
                (Sender::Http2(sender), tokio::spawn(connection))
            }
        };
        Ok(Self { sender, task, authority })
    }

    /// Sends a request and waits for the answer's head alone. The head's shape is checked.
    ///
    /// # Errors
    /// When the connection breaks, or the head lacks what every answer has.
    pub async fn begin(&mut self, mut request: Request<Sent>) -> anyhow::Result<Response<Incoming>> {
        self.address(&mut request)?;
        let sending = async {
            match &mut self.sender {
                Sender::Http1(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Sender::Http2(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        };
        let response = timeout(HANG, sending).await.context("no answer")??;
        check_head(&response)?;
        Ok(response)
    }

    /// Sends a request and reads the answer to its end. Its shape is checked.
    ///
    /// # Errors
    /// When the connection breaks or the answer is not whole.
    pub async fn send(&mut self, request: Request<Sent>) -> anyhow::Result<Answer> {
        let head = request.method() == Method::HEAD;
        let response = self.begin(request).await?;
        finish(response, head).await
    }

    /// GET.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.send(Request::get(path).body(empty())?).await
    }

    /// Resolves when the connection has ended.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn ended(self) -> anyhow::Result<Result<(), hyper::Error>> {
        let Self { sender, task, .. } = self;
        let result = timeout(HANG, task).await.context("the connection stays open")??;
        drop(sender);
        Ok(result)
    }

    /// HTTP/1 wants a `Host`, HTTP/2 an absolute target: a test writes just the path.
    fn address(&self, request: &mut Request<Sent>) -> anyhow::Result<()> {
        match self.sender {
            Sender::Http1(_) => {
                let host = self.authority.parse()?;
                request.headers_mut().entry("host").or_insert(host);
            }
            Sender::Http2(_) if request.uri().authority().is_none() => {
                *request.uri_mut() = format!("http://{}{}", self.authority, request.uri()).parse()?;
            }
            Sender::Http2(_) => {}
        }
        Ok(())
    }
}

fn check_head<B>(response: &Response<B>) -> anyhow::Result<()> {
    let one = |name: &str| {
        let mut values = response.headers().get_all(name).iter();
        let value = values.next().with_context(|| format!("no {name} in {:?}", response.headers()))?;
        ensure!(values.next().is_none(), "more than one {name}");
        Ok(value.to_str()?.to_owned())
    };
    ensure!(one("date")?.ends_with(" GMT"), "not a date");
    ensure!(one("wasmbay-request-id")?.len() == 26, "not a request id");
    Ok(())
}

/// Reads the rest of an answer and checks its length against what its head declares.
///
/// # Errors
/// When it breaks off, or its length is another.
pub async fn finish(response: Response<Incoming>, head: bool) -> anyhow::Result<Answer> {
    let (parts, body) = response.into_parts();
    let announced = body.size_hint().exact();
    let collected = timeout(HANG, body.collect()).await.context("the body does not end")??;
    let trailers = collected.trailers().cloned();
    let body = collected.to_bytes();
    if let (Some(declared), false) = (parts.headers.get("content-length"), head || parts.status == 304) {
        ensure!(declared.to_str()?.parse() == Ok(body.len()), "{declared:?} is declared, {} came", body.len());
    }
    ensure!(head || announced.is_none_or(|announced| announced == body.len() as u64), "the length changed under way");
    Ok(Answer { status: parts.status, headers: parts.headers, body, trailers })
}

/// A text as one value of a query: every byte as two digits.
pub fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
