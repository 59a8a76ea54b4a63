//! Files are few: the host takes as many as it may, keeps some back, and goes on when there are none.

use std::{net::SocketAddr, process::Stdio};

use anyhow::Context;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpStream,
    process::Command,
    time::timeout,
};
use wasmbay_tests::client::{Connection, HANG, Protocol};

use crate::command_line::{Serving, serve, serve_with};

const TURNED_AWAY: &str = r#"wasmbay_connections_cut_total{listener="public",reason="no-descriptor"}"#;

/// The value of a metric with this name and these labels, 0 while there is none.
fn metric(metrics: &str, series: &str) -> u64 {
    let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    value.unwrap_or(0)
}

async fn limit_files(serving: &Serving, files: usize) -> anyhow::Result<()> {
    let id = serving.child.id().context("it runs")?;
    let limit = ["--pid", &id.to_string(), &format!("--nofile={files}:{files}")].map(str::to_owned);
    anyhow::ensure!(Command::new("prlimit").args(limit).status().await?.success(), "the limit is not set");
    Ok(())
}

/// A connection that was answered, or `None` when it was turned away.
async fn visit(addr: SocketAddr) -> Option<Connection> {
    let mut connection = Connection::open(addr, Protocol::Http1).await.ok()?;
    let answer = connection.get("/").await.ok()?;
    assert_eq!(answer.status, 404, "there are no plugins");
    Some(connection)
}

#[tokio::test]
async fn without_a_descriptor_clients_are_turned_away_and_the_host_recovers() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let serving = serve(folder.path()).await?;
    let listen: SocketAddr = serving.says("listen").parse()?;
    let mut admin = Connection::open(serving.says("admin").parse()?, Protocol::Http1).await?;
    assert_eq!(admin.get("/healthz").await?.status, 200);
    let open = std::fs::read_dir(format!("/proc/{}/fd", serving.child.id().context("it runs")?))?.count();
    limit_files(&serving, open + 3).await?;
    let mut inside = Vec::new();
    while let Some(connection) = visit(listen).await {
        inside.push(connection);
        assert!(inside.len() < 10, "more are served than there are files");
    }
    assert!(!inside.is_empty(), "nobody is served");
    // Nobody is left to hang in the kernel's queue, and nobody waits for them in a circle.
    let mut turned_away = TcpStream::connect(listen).await?;
    let ended = timeout(HANG, turned_away.read(&mut [0; 1])).await.context("it hangs")?;
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    // The client may hear of it before it is counted.
    let metrics = timeout(HANG, async {
        loop {
            let metrics = admin.get("/metrics").await?.text().to_owned();
            if metric(&metrics, TURNED_AWAY) >= 2 {
                return anyhow::Ok(metrics);
            }
        }
    });
    let metrics = metrics.await.context("who was turned away is not counted")??;
    assert_eq!(metric(&metrics, TURNED_AWAY), 2, "{metrics}");
    assert_eq!(metric(&metrics, r#"wasmbay_accept_errors_total{listener="public"}"#), 2, "it turns in a circle");
    for connection in &mut inside {
        assert_eq!(connection.get("/").await?.status, 404, "who was inside is served on");
    }
    drop(inside);
    let again = async { while visit(listen).await.is_none() {} };
    timeout(HANG, again).await.context("the host does not recover")?;
    Ok(())
}

#[tokio::test]
async fn the_limit_of_open_files_is_raised_and_what_it_leaves_is_told() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut serving = serve_with(folder.path(), |command| {
        let bin = command.as_std().get_program().to_owned();
        let words: Vec<_> = command.as_std().get_args().map(ToOwned::to_owned).collect();
        let mut limited = Command::new("prlimit");
        limited.arg("--nofile=256:2048").arg(bin).args(words).stdin(Stdio::null()).stdout(Stdio::piped());
        limited.stderr(Stdio::piped()).kill_on_drop(true);
        *command = limited;
    })
    .await?;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", serving.child.id().context("it runs")?))?;
    let files = limits.lines().find(|line| line.starts_with("Max open files")).context("a limit")?;
    assert_eq!(files.split_whitespace().filter(|word| *word == "2048").count(), 2, "{files}");
    let mut log = BufReader::new(serving.child.stderr.take().expect("piped")).lines();
    let told = async {
        while let Some(line) = log.next_line().await? {
            let line: serde_json::Value = serde_json::from_str(&line)?;
            if line["message"] == "room for connections" {
                return anyhow::Ok(line);
            }
        }
        anyhow::bail!("the room for connections is not in the log")
    };
    let told = timeout(HANG, told).await??;
    let connections = told["connections"].as_u64().context("a number")?;
    assert!((1000..1536).contains(&connections), "{told}");
    assert_eq!(told["per_address"], connections / 4, "{told}");
    Ok(())
}
