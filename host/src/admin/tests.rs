//! The operator's listener over its own socket, with a view that is set by hand.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Mutex,
};

use futures_util::future::BoxFuture;

use super::*;
use crate::{failure::Failure, jobs::Ask};

struct Fixed(Mutex<Readiness>);

impl View for Fixed {
    fn readiness(&self) -> Readiness {
        self.0.lock().unwrap().clone()
    }
    fn metrics(&self) -> String {
        "wasmbay_panics_total 0\n".into()
    }
    fn status(&self) -> serde_json::Value {
        serde_json::json!({ "plugins": [] })
    }
    fn jobs(&self, ask: Ask) -> BoxFuture<'static, Result<serde_json::Value, Failure>> {
        Box::pin(async move { Ok(serde_json::json!({ "asked": format!("{ask:?}") })) })
    }
}

fn start() -> (Admin, Arc<Fixed>) {
    let view = Arc::new(Fixed(Mutex::new(Readiness::Ready)));
    let admin = Admin::start("127.0.0.1:0".parse().unwrap(), Metrics::new(), view.clone()).unwrap();
    (admin, view)
}

/// Sends one request with a blocking socket and reads the answer to its end.
fn ask(admin: &Admin, method: &str, path: &str, host: &str) -> String {
    let mut socket = TcpStream::connect(admin.addr()).unwrap();
    write!(socket, "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn each_path_answers_without_a_runtime_of_the_hosts() {
    let (admin, _) = start();
    for (path, body) in [
        ("/healthz", "ok\n"),
        ("/readyz", "ready\n"),
        ("/metrics", "wasmbay_panics_total 0\n"),
        ("/status", "\"plugins\""),
    ] {
        let answer = ask(&admin, "GET", path, "localhost");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(body), "{path}: {answer}");
        assert!(answer.contains("wasmbay-request-id: "), "{path}: {answer}");
    }
    let answer = ask(&admin, "HEAD", "/healthz", "[::1]:80");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(answer.contains("content-length: 3\r\n"), "{answer}");
}

#[test]
fn what_is_not_served_is_a_problem_with_its_code() {
    let (admin, _) = start();
    let answer = ask(&admin, "GET", "/secret", "127.0.0.1");
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains(r#""code":"no-route""#), "{answer}");
    let answer = ask(&admin, "POST", "/metrics", "127.0.0.1");
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, HEAD\r\n"), "{answer}");
}

#[test]
fn a_name_that_could_be_rebound_gets_nothing() {
    let (admin, _) = start();
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example"] {
        let answer = ask(&admin, "GET", "/status", host);
        assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("plugins\""), "{host}: {answer}");
    }
}

#[test]
fn readiness_is_told_with_its_reason() {
    let (admin, view) = start();
    *view.0.lock().unwrap() = Readiness::Starting("3 plugins are still loading".into());
    let answer = ask(&admin, "GET", "/readyz", "localhost");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("3 plugins are still loading"), "{answer}");
    *view.0.lock().unwrap() = Readiness::Draining;
    assert!(ask(&admin, "GET", "/readyz", "localhost").contains(r#""code":"draining""#));
    assert!(ask(&admin, "GET", "/healthz", "localhost").starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn it_stops_when_told_and_frees_its_address() {
    let (admin, _) = start();
    let addr = admin.addr();
    admin.stop(Duration::from_secs(5)).await;
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn an_address_in_use_is_an_error_not_a_thread() {
    let (admin, view) = start();
    let second = Admin::start(admin.addr(), Metrics::new(), view);
    assert_eq!(second.err().map(|error| error.kind()), Some(io::ErrorKind::AddrInUse));
}
