//! The generator beside a server that misbehaves on purpose: everything wrong must be counted as what it is.

use std::{future::pending, net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::LocalSet,
};

use super::{Body, Group, LoadReport, Plan, Shape, run};
use crate::http::Fault;

/// What the server does with one request.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Answers with this status and body.
    Answer(u16, &'static str),
    /// Resets the connection.
    Reset,
    /// Closes in the middle of a body.
    Truncate,
    /// Sends something else than HTTP.
    Babble,
    /// Never answers.
    Silence,
}

/// Serves the acts in turn, one a request, then `Answer(200, "right")` for ever; notifies after the last act.
async fn server(acts: Vec<Act>) -> anyhow::Result<(SocketAddr, Arc<Notify>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let done = Arc::new(Notify::new());
    let notify = done.clone();
    tokio::task::spawn_local(async move {
        let mut acts = acts.into_iter();
        while let Ok((stream, _)) = listener.accept().await {
            // One connection at a time: the acts come in the order of the requests.
            let _ = serve(stream, &mut acts, &notify).await;
        }
    });
    Ok((address, done))
}

async fn serve(
    mut stream: TcpStream,
    acts: &mut impl ExactSizeIterator<Item = Act>,
    done: &Notify,
) -> anyhow::Result<()> {
    let mut buffer = vec![0; 4096];
    while stream.read(&mut buffer).await? > 0 {
        let act = acts.next().unwrap_or_else(|| {
            done.notify_one();
            Act::Answer(200, "right")
        });
        match act {
            Act::Answer(status, body) => {
                let length = body.len();
                let reply = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}");
                stream.write_all(reply.as_bytes()).await?;
            }
            Act::Reset => {
                stream.set_zero_linger()?;
                return Ok(());
            }
            Act::Truncate => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf").await?;
                return Ok(());
            }
            Act::Babble => {
                stream.write_all(b"220 mail\r\n\r\n").await?;
                return Ok(());
            }
            Act::Silence => {
                let _ = stream.read(&mut buffer).await?;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Sends on one connection until every act was played.
async fn load(acts: Vec<Act>, body: Body) -> anyhow::Result<LoadReport> {
    load_within(acts, body, 30_000).await
}

/// The same, waiting so many milliseconds for each reply.
async fn load_within(acts: Vec<Act>, body: Body, reply_timeout_ms: u64) -> anyhow::Result<LoadReport> {
    let local = LocalSet::new();
    local
        .run_until(async {
            let (address, done) = server(acts).await?;
            let group = Group { reply_timeout_ms, ..Group::closed("g", address, "/", 1).body(body) };
            run(Plan { groups: vec![group], warmup_ms: 0, measure_ms: None }, done.notified()).await
        })
        .await
}

#[tokio::test]
async fn a_good_server_has_no_faults() -> anyhow::Result<()> {
    let report = load(vec![Act::Answer(200, "right"); 20], Body::Exact("right".into())).await?;
    let group = report.group("g")?;
    assert_eq!(group.faulty(), 0, "{group:?}");
    assert!(group.requests >= 20 && group.latency.count == group.requests, "{group:?}");
    Ok(())
}

#[tokio::test]
async fn wrong_bodies_are_counted() -> anyhow::Result<()> {
    let acts = vec![Act::Answer(200, "right"), Act::Answer(200, "wrong"), Act::Answer(200, "rightt")];
    let report = load(acts, Body::Exact("right".into())).await?;
    assert_eq!((report.group("g")?.wrong_bodies, report.group("g")?.faulty()), (2, 2));
    Ok(())
}

#[tokio::test]
async fn statuses_outside_2xx_are_counted_by_problem_code() -> anyhow::Result<()> {
    let acts = vec![Act::Answer(503, r#"{"code":"queue-full"}"#), Act::Answer(500, "oops"), Act::Answer(200, "right")];
    let report = load(acts, Body::Any).await?;
    let group = report.group("g")?;
    assert_eq!((group.non_2xx, group.statuses[&503], group.statuses[&500]), (2, 1, 1));
    assert_eq!((group.problems["queue-full"], group.problems["none"]), (1, 1));
    assert_eq!((group.refusal_latency.count, group.resets), (2, 0));
    Ok(())
}

#[tokio::test]
async fn broken_connections_are_counted_by_reason() -> anyhow::Result<()> {
    let acts = vec![Act::Reset, Act::Truncate, Act::Babble, Act::Reset];
    let report = load(acts, Body::Any).await?;
    let group = report.group("g")?;
    assert_eq!(group.errors[&Fault::Reset], 2, "{group:?}");
    assert_eq!(group.errors[&Fault::Closed], 1, "{group:?}");
    assert_eq!(group.errors[&Fault::Malformed], 1, "{group:?}");
    assert_eq!((group.resets, group.faulty()), (3, 4));
    Ok(())
}

#[tokio::test]
async fn a_request_without_a_reply_is_a_timeout() -> anyhow::Result<()> {
    let report = load_within(vec![Act::Silence], Body::Any, 100).await?;
    // On a stalled machine later requests may run out of time as well.
    assert!(report.group("g")?.errors[&Fault::Timeout] >= 1, "{report:?}");
    Ok(())
}

#[tokio::test]
async fn an_older_revision_after_a_newer_one_is_stale() -> anyhow::Result<()> {
    let acts = ["r1\nr1\n", "r2\nr2\n", "r1\nr1\n", "r2\nr1\n"].map(|body| Act::Answer(200, body));
    let report = load(acts.to_vec(), Body::Marker).await?;
    let group = report.group("g")?;
    // The closing "right" replies carry no revision.
    assert_eq!((group.stale, group.wrong_bodies), (1, group.requests - 3), "{group:?}");
    Ok(())
}

#[tokio::test]
async fn an_open_loop_sends_what_was_due_even_behind_a_stall() -> anyhow::Result<()> {
    let local = LocalSet::new();
    let report = local
        .run_until(async {
            let (address, _) = server(Vec::new()).await?;
            let group = Group::closed("g", address, "/", 1).shape(Shape::Open { rate: 500.0, connections: 1 });
            run(Plan { groups: vec![group], warmup_ms: 0, measure_ms: Some(100) }, pending()).await
        })
        .await?;
    let group = report.group("g")?;
    assert_eq!(group.faulty(), 0, "{group:?}");
    assert!(group.requests >= 50, "100 ms at 500 a second are 50 starts: {group:?}");
    Ok(())
}

#[tokio::test]
async fn held_requests_end_the_run_when_the_last_is_answered() -> anyhow::Result<()> {
    let local = LocalSet::new();
    let report = local
        .run_until(async {
            let (address, _) = server(Vec::new()).await?;
            let group = Group::closed("g", address, "/", 1).shape(Shape::Hold { requests: 7, ramp_ms: 0 });
            run(Plan { groups: vec![group], warmup_ms: 0, measure_ms: None }, pending()).await
        })
        .await?;
    let group = report.group("g")?;
    let hold = group.hold.context("a held group says how it held")?;
    assert_eq!((group.requests, group.faulty()), (7, 0), "{group:?}");
    assert!(hold.peak_open >= 1 && hold.whole_seconds > 0.0, "{hold:?}");
    Ok(())
}
