//! The servers that applications are written for, with the same packages, to compare with.

use std::{net::SocketAddr, process::Stdio};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
};
use wasmbay_tests::client::HANG;

use super::applications;

/// A running server; it ends with the test.
pub(super) struct Reference {
    pub(super) addr: SocketAddr,
    _child: Child,
}

impl Reference {
    /// uvicorn, for ASGI.
    pub(super) async fn uvicorn(application: &str) -> Self {
        Self::start(application, &["-m", "uvicorn", "main:app", "--port", "0"]).await
    }

    /// gunicorn with one worker, for WSGI.
    pub(super) async fn gunicorn(application: &str) -> Self {
        Self::start(application, &["-m", "gunicorn", "main:app", "--bind", "127.0.0.1:0", "--threads", "8"]).await
    }

    async fn start(application: &str, words: &[&str]) -> Self {
        let folder = applications();
        let mut command = Command::new("python3");
        command.args(words).current_dir(folder.join(application)).env("PYTHONPATH", folder.join("reference"));
        command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("python3 starts");
        let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
        let listening = async {
            let mut said = String::new();
            loop {
                let line = log.next_line().await.expect("a log").unwrap_or_else(|| panic!("it ended:\n{said}"));
                let addr = line.split("http://").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
                if let Some(addr) = addr {
                    return addr;
                }
                said += &line;
            }
        };
        let addr = timeout(HANG, listening).await.expect("it listens");
        // Read on, or the pipe fills and the server waits.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self { addr, _child: child }
    }
}

/// What was answered.
pub(super) type Answer = (StatusCode, HeaderMap, Bytes);

/// Asks any server over a connection of its own.
///
/// # Errors
/// An answer that breaks off.
pub(super) async fn ask(addr: SocketAddr, request: Request<Bytes>) -> anyhow::Result<Answer> {
    let asking = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(TcpStream::connect(addr).await?)).await?;
        let connection = tokio::spawn(connection);
        let (parts, body) = sender.send_request(request.map(Full::new)).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        drop(sender);
        connection.await??;
        anyhow::Ok((parts.status, parts.headers, body))
    };
    timeout(HANG, asking).await.context("no answer")?
}
