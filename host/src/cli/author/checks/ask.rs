//! Sends one check's request over a connection of its own, and reads the whole answer.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use crate::config::{Check, Sent};

/// The longest that an answer may take. The plugin's own limits end it earlier, unless its author raised them far.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sends the request and reads the answer to its end.
///
/// # Errors
/// When there is no answer, or it breaks off.
pub(super) async fn ask(addr: SocketAddr, check: &Check) -> anyhow::Result<Response<Bytes>> {
    timeout(PATIENCE, exchange(addr, request(addr, check)?))
        .await
        .with_context(|| format!("none within {PATIENCE:?}"))?
}

async fn exchange(addr: SocketAddr, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Bytes>> {
    let socket = TcpStream::connect(addr).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    let answer = async move {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await.with_context(|| format!("it broke off after its head, {}", head.status))?;
        anyhow::Ok(Response::from_parts(head, body.to_bytes()))
    };
    tokio::pin!(connection);
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // What the end of the connection means, the answer says.
        _ = &mut connection => answer.await,
    }
}

fn request(addr: SocketAddr, check: &Check) -> anyhow::Result<Request<Full<Bytes>>> {
    let (body, kind) = match &check.body {
        Sent::Nothing => (Bytes::new(), None),
        Sent::Text(text) => (Bytes::from(text.clone()), None),
        Sent::Json(value) => (Bytes::from(serde_json::to_vec(value)?), Some("application/json".parse()?)),
    };
    let mut request = Request::builder().method(&check.method).uri(&check.path).body(Full::new(body))?;
    let headers = request.headers_mut();
    headers.insert(header::HOST, addr.to_string().parse()?);
    headers.extend(kind.map(|kind| (header::CONTENT_TYPE, kind)));
    for (name, value) in &check.headers {
        headers.insert(name, value.clone());
    }
    Ok(request)
}
