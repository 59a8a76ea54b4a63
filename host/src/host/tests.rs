//! The life of a host around a stand-in for the plugins.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use tokio::sync::{Semaphore, watch};

use super::*;
use crate::body;

/// Settles, answers and ends when the test says so.
struct StandIn {
    settled: watch::Sender<bool>,
    entered: Semaphore,
    open: Arc<Semaphore>,
    ended: AtomicBool,
}

impl Behind for StandIn {
    fn call(
        &self,
        _: Arrival,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Body>, Failure>> + Send + use<> {
        self.entered.add_permits(1);
        let open = self.open.clone();
        async move {
            if request.uri().path() == "/hold" {
                open.acquire().await.expect("never closed").forget();
            }
            Ok(Response::new(body::full("answered")))
        }
    }

    fn listening(&self, own: &[SocketAddr]) {
        assert!(own.len() == 2 && own.iter().all(|listener| listener.port() != 0), "{own:?}");
    }

    async fn settled(&self) {
        self.settled.subscribe().wait_for(|settled| *settled).await.expect("the sender lives");
    }

    fn waiting(&self) -> (u64, u64) {
        (0, 1)
    }

    fn shed(&self, _: bool) {}

    fn measure(&self, metrics: &Metrics) {
        metrics.slots_taken("io", 3);
    }

    fn limits(&self, _: &str, _: &str) -> Option<(PathBuf, config::Limits)> {
        None
    }

    fn status(&self) -> serde_json::Value {
        serde_json::json!({ "plugins": [] })
    }

    fn jobs(&self, _: Ask) -> BoxFuture<'static, Result<serde_json::Value, Failure>> {
        Box::pin(async { Ok(serde_json::json!({ "jobs": [] })) })
    }

    fn drain(&self) {}

    async fn end(&self, _: Instant) {
        self.ended.store(true, Ordering::Release);
    }
}

fn start() -> Host<StandIn> {
    let any = "127.0.0.1:0".parse().unwrap();
    let settings = Settings { listen: any, admin: any, ..Settings::default() };
    let behind = StandIn {
        settled: watch::Sender::new(false),
        entered: Semaphore::new(0),
        open: Arc::new(Semaphore::new(0)),
        ended: AtomicBool::new(false),
    };
    Host::open(&settings, Mode::Serve, Metrics::new(), Arc::new(behind)).unwrap()
}

/// The status and the body, from a blocking thread: the host's own runtime stays free.
async fn get(addr: SocketAddr, path: &'static str) -> String {
    let asked = tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(addr)?;
        write!(socket, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        std::io::Result::Ok(answer)
    });
    asked.await.unwrap().unwrap_or_else(|error| error.to_string())
}

#[tokio::test]
async fn requests_are_let_in_once_every_plugin_is_live_or_refused() {
    let host = start();
    assert!(get(host.admin(), "/readyz").await.starts_with("HTTP/1.1 503 "));
    assert!(get(host.admin(), "/healthz").await.starts_with("HTTP/1.1 200 "));
    let early = get(host.public(), "/").await;
    assert!(early.starts_with("HTTP/1.1 503 ") && early.contains("the host is starting"), "{early}");
    host.behind().settled.send_replace(true);
    host.ready().await;
    assert!(get(host.admin(), "/readyz").await.starts_with("HTTP/1.1 200 "));
    assert!(get(host.public(), "/").await.ends_with("answered"));
    let metrics = get(host.admin(), "/metrics").await;
    assert!(metrics.contains("wasmbay_unrouted_requests_total{code=\"unavailable\"} 1"), "{metrics}");
    assert!(metrics.contains("wasmbay_instance_slots_taken{lane=\"io\"} 3"), "{metrics}");
}

#[tokio::test]
async fn the_operator_sees_the_drain_and_is_the_last_to_go() {
    let host = start();
    host.behind().settled.send_replace(true);
    host.ready().await;
    let (public, admin, behind) = (host.public(), host.admin(), host.behind().clone());
    let held = tokio::spawn(get(public, "/hold"));
    behind.entered.acquire().await.unwrap().forget();
    let draining = tokio::spawn(host.drain(Duration::from_secs(30)));
    while TcpStream::connect(public).is_ok() {
        tokio::task::yield_now().await;
    }
    let ready = get(admin, "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("\"draining\""), "{ready}");
    assert!(!behind.ended.load(Ordering::Acquire), "ended before the connections");
    behind.open.add_permits(1);
    assert!(held.await.unwrap().ends_with("answered"));
    assert!(draining.await.unwrap());
    assert!(behind.ended.load(Ordering::Acquire));
    assert!(TcpStream::connect(admin).is_err());
}
