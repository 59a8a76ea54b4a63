//! One connection, from its first byte to its close.
//!
//! hyper has no deadline before the first byte, no limit on a peer that stops reading, and cannot always see that the
//! peer is gone: those are here (`decisions/0022-connections.md`).

use std::{
    convert::Infallible,
    error::Error,
    future::{Future, pending, poll_fn},
    net::SocketAddr,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, Version, header, uri::Scheme};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use tokio::{
    io::Interest,
    net::{TcpStream, tcp::OwnedWriteHalf},
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use super::{
    Arrived, Limits, Phase, Rung, Shared,
    addresses::Full,
    arriving,
    closing::{self, End},
    filter,
    flow::Flow,
    forwarded::Link,
    intake::Intake,
    pace,
    requests::Requests,
    streams::Streams,
    transport::{Carrier, Nothing, Spoken, Transport},
    unsent,
    wire::Wire,
};
use crate::{
    body::Body,
    failure::{Code, Failure},
    telemetry::ListenerMetrics,
};

/// What the connection's task and its requests share.
pub(super) struct State {
    pub(super) link: Link,
    /// HTTP/2 streams under way.
    pub(super) streams: AtomicUsize,
    /// Whether a request's body was not read to its end.
    pub(super) unread: Arc<AtomicBool>,
    /// Whether the last request was of HTTP/1.0, where only a reset can say that a response broke.
    pub(super) http10: AtomicBool,
    /// How its bytes leave.
    pub(super) flow: Arc<Flow>,
    /// What is under way of HTTP/1's requests.
    requests: Arc<Requests>,
    /// What comes of the body of the last of them.
    intake: Intake,
}

/// Counts a connection as long as it is open.
struct Open<'a>(&'a ListenerMetrics);

impl<'a> Open<'a> {
    fn new(listener: &'a ListenerMetrics) -> Self {
        listener.accepted.inc();
        listener.connections.inc();
        Self(listener)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

/// Serves one connection until it ends. Panics in it are caught and counted: they cost this connection alone.
pub(super) async fn serve<S, F>(
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared<S>>,
    mut phase: watch::Receiver<Phase>,
) where
    S: Fn(Arrived) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let _open = Open::new(&shared.listener);
    // Small writes are whole answers here: waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let _ = unsent::limit(&stream);
    let (read, write) = stream.into_split();
    let write = Arc::new(write);
    let socket = Arc::new(unsent::Socket::new(write.clone()));
    let flow = Arc::new(Flow::new(socket.clone()));
    let wire = Wire::new(read, write.clone(), &shared.limits, flow.clone());
    let carrier = tokio::select! {
        carrier = shake_hands(wire, &shared) => carrier,
        // Nobody waits for an answer yet: a connection without a request ends with the listener.
        _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
    };
    let Some(carrier) = carrier else { return };
    let scheme = if shared.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
    let state = Arc::new(State {
        link: Link::new(peer, scheme, &shared.proxies),
        streams: AtomicUsize::new(0),
        unread: Arc::default(),
        http10: AtomicBool::new(false),
        flow,
        requests: Requests::new(),
        intake: Intake::default(),
    });
    let (mut transport, mut since) = (Transport::new(carrier), None);
    let end = loop {
        let spoken = tokio::select! {
            spoken = transport.listen(since, &shared.limits) => Some(spoken),
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => None,
        };
        // On the heap: a connection that has said nothing yet would hold the room for either all the same.
        match spoken {
            None => {
                // Who does not take the goodbye has left.
                let _ = timeout(shared.limits.linger, transport.close()).await;
                return;
            }
            Some(Err(Nothing::Left)) => return,
            Some(Err(Nothing::Late(reason))) => return shared.listener.cut(reason),
            Some(Ok(Spoken::Http2)) => break Box::pin(over_http2(transport, &state, &shared, &mut phase)).await,
            Some(Ok(Spoken::Http1)) => match Box::pin(over_http1(transport, &state, &shared, &mut phase, &write)).await
            {
                Ok(resting) => (transport, since) = (resting, Some(state.requests.done())),
                Err(end) => break end,
            },
        }
    };
    socket.let_go();
    closing::finish(end, &state, &shared, write).await;
}

/// The server's part of a TLS handshake, where TLS is spoken. `None` when it failed.
async fn shake_hands<S>(wire: Wire, shared: &Shared<S>) -> Option<Carrier> {
    let Some(tls) = &shared.tls else { return Some(Carrier::Plain(wire)) };
    match timeout(shared.limits.handshake, tls.accept(wire)).await {
        Err(_) => shared.listener.cut("handshake"),
        Ok(Err(error)) => {
            tracing::debug!(error = &error as &dyn Error, "a TLS handshake failed");
            shared.listener.cut("tls");
        }
        Ok(Ok(stream)) => return Some(Carrier::Tls(Box::new(stream))),
    }
    None
}

/// Serves HTTP/2 to the connection's end.
async fn over_http2<S, F>(
    transport: Transport,
    state: &Arc<State>,
    shared: &Arc<Shared<S>>,
    phase: &mut watch::Receiver<Phase>,
) -> End
where
    S: Fn(Arrived) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let leave = Notify::new();
    let streams = Streams { state: state.clone(), phase: phase.clone(), shared: shared.clone() };
    let service = service_fn(|request| answer(shared, state, request));
    let connection = pin!(http2(&shared.limits, streams).serve_connection(TokioIo::new(transport), service));
    drive(connection, state, phase, pending(), idle(state, shared, &leave), &leave).await
}

/// Serves requests of HTTP/1 until the connection ends, or rests: then it is given back, and holds nothing until the next.
async fn over_http1<S, F>(
    transport: Transport,
    state: &Arc<State>,
    shared: &Arc<Shared<S>>,
    phase: &mut watch::Receiver<Phase>,
    write: &OwnedWriteHalf,
) -> Result<Transport, End>
where
    S: Fn(Arrived) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service_fn(|request| answer(shared, state, request));
    let mut connection = http1(&shared.limits).serve_connection(TokioIo::new(transport), service);
    let rest = async {
        loop {
            state.requests.rest().await;
            // What was not read of a body, or not taken of an answer, is hyper's to bring to an end.
            if !state.unread.load(Ordering::Relaxed) && !state.flow.is_stuck() {
                return;
            }
        }
    };
    match drive(Pin::new(&mut connection), state, phase, gone(write), rest, &Notify::new()).await {
        End::Idle => {
            let parts = connection.into_parts();
            let mut transport = parts.io.into_inner();
            transport.put_back(&parts.read_buf);
            Ok(transport)
        }
        end => Err(end),
    }
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Without a timer hyper drops the deadline. It is the deadline of a head and of an idle connection alike.
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(limits.buffer).half_close(false);
    builder
}

fn http2<E>(limits: &Limits, executor: E) -> http2::Builder<E>
where
    E: Clone,
{
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(pace::GATHERED.into())
        .max_header_list_size(16 * 1024)
        .keep_alive_interval(limits.ping)
        .keep_alive_timeout(limits.ping / 2);
    builder
}

/// Runs hyper's connection beside everything that may end it first.
async fn drive<C>(
    mut connection: Pin<&mut C>,
    state: &State,
    phase: &mut watch::Receiver<Phase>,
    gone: impl Future<Output = ()>,
    idle: impl Future<Output = ()>,
    leave: &Notify,
) -> End
where
    C: GracefulConnection<Error = hyper::Error>,
{
    let driving = async {
        let (mut gone, mut idle) = (pin!(gone), pin!(idle));
        let (helping, mut leaving) = (state.intake.begin(), false);
        loop {
            tokio::select! {
                // In this order: what can be answered at once is answered, even to a peer that has stopped sending.
                biased;
                result = poll_fn(|cx| helping.poll_connection(connection.as_mut(), cx)) => return End::Done(result),
                changed = phase.changed() => {
                    if changed.is_err() || *phase.borrow_and_update() == Phase::Cut {
                        return End::Cut;
                    }
                }
                () = gone.as_mut() => return End::Gone,
                () = leave.notified(), if !leaving => {}
                () = idle.as_mut() => return End::Idle,
            }
            leaving = true;
            connection.as_mut().graceful_shutdown();
        }
    };
    AssertUnwindSafe(driving).catch_unwind().await.unwrap_or(End::Panicked)
}

/// Resolves when the peer has sent its end of stream, or reset the connection: also while hyper reads nothing because
/// a body waits for its reader or a second request is in the buffer. (HTTP/2 is always read: hyper sees for itself.)
async fn gone(write: &OwnedWriteHalf) {
    // Readiness for urgent data is readiness for "closed" too, and unlike readability it does not stay on while
    // ordinary bytes wait. Nobody sends urgent data in HTTP: who does is cut off.
    #[cfg(target_os = "linux")]
    let _ = write.ready(Interest::PRIORITY).await;
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (write, Interest::READABLE);
        pending::<()>().await;
    }
}

/// Asks an HTTP/2 connection to `leave` when it has had no stream open at two looks in a row. Resolves when it has
/// still not left one look later: its peer does not take the last bytes of a response, or is in no hurry to go. Under
/// load it is looked at sooner.
async fn idle<S>(state: &State, shared: &Shared<S>, leave: &Notify) {
    let (limits, level) = (&shared.limits, &shared.level);
    let mut quiet = 0;
    while quiet < 2 {
        tokio::select! {
            () = sleep(limits.idle) => {}
            () = async { level.until(Rung::CloseIdle).await; sleep(limits.linger).await } => {}
        }
        quiet = if state.streams.load(Ordering::Relaxed) == 0 { quiet + 1 } else { 0 };
    }
    leave.notify_one();
    sleep(limits.idle).await;
}

fn answer<S, F>(
    shared: &Arc<Shared<S>>,
    state: &Arc<State>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<S, F>
where
    S: Fn(Arrived) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let version = request.version();
    state.http10.store(version == Version::HTTP_10, Ordering::Relaxed);
    let (mut parts, incoming) = request.into_parts();
    let http2 = version == Version::HTTP_2;
    let requests = (!http2).then(|| &state.requests);
    let (body, watch) = arriving::arriving(incoming, &shared.limits, requests, &state.intake, state.unread.clone());
    if !http2 {
        parts.extensions.insert(state.flow.taken().clone());
    }
    let (flow, under_way) = (state.flow.clone(), requests.map(Requests::begin));
    let origin = state.link.origin(&parts.headers);
    let mut refused = filter::check(&mut parts, &origin).err();
    let seat = match &origin.proxied {
        None => None,
        Some(_) => shared.addresses.enter(origin.client.ip()).unwrap_or_else(|Full| {
            refused = Some(too_many());
            None
        }),
    };
    let arrived = Arrived { request: Request::from_parts(parts, body), refused, client: origin.client, body: watch };
    let close = !http2 && shared.level.reached(Rung::CloseIdle);
    // On the heap, and gone with the answer's head: hyper keeps the room for it as long as the answer is under way.
    Box::pin((shared.service)(arrived).map(move |response| {
        let mut response = response.map(|body| pace::watched(body, &flow, under_way));
        if close {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(match seat {
            None => response,
            Some(seat) => response.map(|body| seat.held_by(body)),
        })
    }))
}

fn too_many() -> Failure {
    let mut failure = Failure::new(Code::QuotaExceeded, "too many requests at once from this address");
    failure.retry_after = Some(Duration::from_secs(1));
    failure.remedy("the operator can raise max_connections_per_address in wasmbay.toml")
}
