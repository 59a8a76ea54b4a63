//! What the operator may ask, and the answers.

use std::{net::IpAddr, sync::Arc};

use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Response, header, uri::Authority};

use super::jobs;
use crate::{
    body::{self, Body},
    failure::{Code, Failure},
    front::reply,
    jobs::Ask,
    server::Arrived,
    telemetry::RequestId,
};

/// Whether the host should get requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Every plugin is live or refused.
    Ready,
    /// Not all plugins have been looked at yet; the text says what is missing.
    Starting(String),
    /// The host is shutting down.
    Draining,
}

/// What the operator's listener shows. Called on its own thread: it must not wait for anything that requests hold.
pub trait View: Send + Sync + 'static {
    /// For `/readyz`.
    fn readiness(&self) -> Readiness;
    /// For `/metrics`: Prometheus' text format.
    fn metrics(&self) -> String;
    /// For `/status`: what `wasmbay status` prints.
    fn status(&self) -> serde_json::Value;
    /// For `/jobs`: what `wasmbay jobs` asks. The future waits for the thread that keeps the jobs, and for nothing else.
    fn jobs(&self, ask: Ask) -> BoxFuture<'static, Result<serde_json::Value, Failure>>;
}

/// Prometheus' text format, version 0.0.4.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers one request.
pub(super) async fn answer(view: Arc<dyn View>, arrived: Arrived) -> Response<Body> {
    let request_id = RequestId::generate();
    let head = *arrived.request.method() == Method::HEAD;
    let mut response = respond(&*view, arrived).await.unwrap_or_else(|failure| {
        tracing::debug!(%request_id, %failure, "an operator's request failed");
        reply::reply(&failure, reply::About { request_id, plugin: None, report: None })
    });
    response.headers_mut().insert(reply::REQUEST_ID, request_id.header());
    if head {
        reply::without_body(&mut response);
    }
    response
}

async fn respond(view: &dyn View, arrived: Arrived) -> Result<Response<Body>, Failure> {
    if let Some(failure) = arrived.refused {
        return Err(failure);
    }
    let request = arrived.request;
    check_host(request.uri().authority())?;
    if let Some(ask) = jobs::read(&request)? {
        return Ok(text(format!("{:#}\n", view.jobs(ask).await?), "application/json"));
    }
    let respond = match request.uri().path() {
        "/healthz" => |_: &dyn View| Ok(text("ok\n".into(), "text/plain; charset=utf-8")),
        "/readyz" => readyz,
        "/metrics" => |view: &dyn View| Ok(text(view.metrics(), METRICS_TYPE)),
        "/status" => |view: &dyn View| Ok(text(format!("{:#}\n", view.status()), "application/json")),
        _ => {
            let paths = "the operator's listener serves /healthz, /readyz, /metrics, /status and /jobs";
            return Err(Failure::new(Code::NoRoute, paths));
        }
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut failure = Failure::plain(Code::MethodNotAllowed);
        failure.allow = vec![Method::GET, Method::HEAD];
        return Err(failure);
    }
    respond(view)
}

/// A name that resolves to this machine today and elsewhere tomorrow lets a web page read these answers (DNS
/// rebinding). An address cannot be rebound, and `localhost` belongs to this machine.
fn check_host(authority: Option<&Authority>) -> Result<(), Failure> {
    let host = authority.map_or("", Authority::host);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if host == "localhost" || bare.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    Err(Failure::new(Code::BadRequest, "the operator's listener is asked by address or as localhost, not by name"))
}

fn readyz(view: &dyn View) -> Result<Response<Body>, Failure> {
    match view.readiness() {
        Readiness::Ready => Ok(text("ready\n".into(), "text/plain; charset=utf-8")),
        Readiness::Starting(reason) => Err(Failure::new(Code::Unavailable, reason)),
        Readiness::Draining => Err(Failure::plain(Code::Draining)),
    }
}

fn text(text: String, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(body::full(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // What an operator sees is how it is now.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
