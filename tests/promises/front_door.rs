//! The public listener with a stand-in for the plugins: what holds whatever they do.

mod answers;
mod bodies;
mod deadlines;
mod departures;
mod descriptors;
mod drain;
mod overload;
mod proxies;
mod tls;

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Semaphore, mpsc},
    time::timeout,
};
use wasmbay::{
    body::{self, Body},
    failure::{Code, Failure, TABLE},
    front,
    server::{Acceptor, Limits, Server},
    telemetry::Metrics,
};
use wasmbay_tests::client::{Connection, HANG, Protocol};

/// A listener with a stand-in behind it.
struct Door {
    server: Server,
    addr: SocketAddr,
    metrics: Arc<Metrics>,
    gate: Arc<Gate>,
}

/// What the stand-in and the test tell each other: each a number of events that can be waited for.
struct Gate {
    /// Requests that have entered.
    entered: Semaphore,
    /// Held requests that were let go or dropped.
    left: Semaphore,
    /// Permits for held requests to go on.
    open: Semaphore,
}

impl Gate {
    async fn wait(events: &Semaphore) {
        timeout(HANG, events.acquire()).await.expect("it does not happen").expect("never closed").forget();
    }
}

/// Tells the gate that a request has ended, however it ended.
struct Leaving(Arc<Gate>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.left.add_permits(1);
    }
}

impl Door {
    async fn open() -> Self {
        Self::with(Limits::default(), false).await
    }

    async fn with(limits: Limits, dev: bool) -> Self {
        Self::over(Self::acceptor(), limits, dev)
    }

    fn acceptor() -> Acceptor {
        Acceptor::bind(([127, 0, 0, 1], 0).into()).expect("a free port")
    }

    fn over(acceptor: Acceptor, limits: Limits, dev: bool) -> Self {
        let addr = acceptor.addr();
        let metrics = Metrics::new();
        let gate = Arc::new(Gate { entered: Semaphore::new(0), left: Semaphore::new(0), open: Semaphore::new(0) });
        let inside = gate.clone();
        let author = dev.then(|| front::Author::new(metrics.clone(), Arc::new(|_, _| None)));
        let server = front::serve(acceptor, limits, metrics.clone(), author, move |_, request| {
            stand_in(inside.clone(), request)
        });
        Self { server, addr, metrics, gate }
    }

    async fn connect(&self, protocol: Protocol) -> Connection {
        Connection::open(self.addr, protocol).await.expect("a connection")
    }

    async fn raw(&self) -> Raw {
        Raw(TcpStream::connect(self.addr).await.expect("a connection"))
    }

    /// Waits until the metrics show `line`.
    async fn shows(&self, line: &str) {
        let shown = async {
            while !self.metrics.encode().lines().any(|shown| shown == line) {
                tokio::task::yield_now().await;
            }
        };
        if timeout(HANG, shown).await.is_err() {
            panic!("{line} is not among\n{}", self.metrics.encode());
        }
    }
}

/// A connection on which a test writes and reads bytes.
struct Raw(TcpStream);

impl Raw {
    async fn write(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.expect("the server reads");
    }

    /// Reads to the end. `Err` is a connection that was reset.
    async fn rest(&mut self) -> std::io::Result<String> {
        let mut text = Vec::new();
        timeout(HANG, self.0.read_to_end(&mut text)).await.expect("the connection stays open")?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// What stands in for the plugins.
async fn stand_in(gate: Arc<Gate>, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let path = request.uri().path().to_owned();
    let (place, rest) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    match place {
        "hello" => Ok(Response::new(body::full("hello"))),
        "told" => Ok(Response::new(body::full(told(&request)))),
        "seen" => Ok(Response::new(body::full(seen(&request)))),
        "echo" => Ok(Response::new(request.into_body())),
        "deaf" => match request.into_body().collect().await {
            Ok(_) | Err(_) => Ok(Response::new(body::full("all well"))),
        },
        "fail" => Err(failure(rest)),
        "panic" => panic!("on request"),
        "answer" => Ok(answer(rest)),
        "break" => Ok(broken(rest)),
        "flood" => Ok(Response::new(flood(gate))),
        "hold" => {
            let _leaving = Leaving(gate.clone());
            gate.entered.add_permits(1);
            Gate::wait(&gate.open).await;
            let body = request.into_body().collect().await?.to_bytes();
            Ok(Response::new(body::full(format!("held {}", body.len()))))
        }
        _ => Err(Failure::plain(Code::NoRoute)),
    }
}

fn seen(request: &Request<Body>) -> String {
    let names: Vec<_> = request.headers().keys().map(http::HeaderName::as_str).collect();
    format!("{} {} {}", request.method(), request.uri(), names.join(","))
}

/// Where the guest is told that the request comes from.
fn told(request: &Request<Body>) -> String {
    let said = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().contains("forward") || name == "x-real-ip")
            .then(|| format!("{name}={}", value.to_str().expect("ASCII")))
    };
    let mut said: Vec<_> = request.headers().iter().filter_map(said).collect();
    said.sort_unstable();
    format!("{} {}", request.uri().scheme_str().expect("an absolute target"), said.join(" "))
}

fn failure(code: &str) -> Failure {
    let row = TABLE.iter().find(|row| row.name == code).expect("a code of the table");
    let mut failure = Failure::plain(row.code).inside("the secret cause");
    failure.allow = vec![Method::GET, Method::PUT];
    failure
}

/// Answers that a plugin should not give.
fn answer(which: &str) -> Response<Body> {
    let response = Response::builder();
    let response = match which {
        "continue" => response.status(100),
        "short" => response.header("content-length", "6"),
        "twice" => response.header("content-length", "5").header("content-length", "5"),
        "words" => response.header("content-length", "five"),
        "empty" => response.status(204).header("content-length", "5"),
        "hops" => response.header("connection", "close").header("keep-alive", "1").header("transfer-encoding", "x"),
        other => panic!("no answer {other}"),
    };
    response.body(body::full("hello")).expect("a response")
}

/// Responses that break after their first bytes.
fn broken(how: &str) -> Response<Body> {
    let (body, frames) = frames();
    let part = Frame::data(Bytes::from_static(b"part"));
    frames.try_send(Ok(part)).expect("room");
    let mut response = Response::new(body);
    match how {
        "chunked" => frames.try_send(Err(Failure::plain(Code::Trap))).expect("room"),
        "length" => {
            response.headers_mut().insert("content-length", 10.into());
            frames.try_send(Err(Failure::plain(Code::Trap))).expect("room");
        }
        "early" => drop(response.headers_mut().insert("content-length", 10.into())),
        "late" => drop(response.headers_mut().insert("content-length", 2.into())),
        other => panic!("no break {other}"),
    }
    response
}

/// A body whose frames come from a channel; it ends when the channel is closed.
struct Frames(mpsc::Receiver<Result<Frame<Bytes>, Failure>>);

fn frames() -> (Body, mpsc::Sender<Result<Frame<Bytes>, Failure>>) {
    let (sender, receiver) = mpsc::channel(4);
    (Frames(receiver).boxed_unsync(), sender)
}

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        self.0.poll_recv(cx)
    }
}

/// A body without end, as fast as it is taken. It tells the gate when nobody takes it any more.
fn flood(gate: Arc<Gate>) -> Body {
    let (body, frames) = frames();
    tokio::spawn(async move {
        let _leaving = Leaving(gate);
        let block = Bytes::from(vec![b'x'; 64 * 1024]);
        while frames.send(Ok(Frame::data(block.clone()))).await.is_ok() {}
    });
    body
}

/// A deadline short enough to be waited out. A test shortens just the one it is about: any other could pass first.
const SHORT: Duration = Duration::from_millis(100);
