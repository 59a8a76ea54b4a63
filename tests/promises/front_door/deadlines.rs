//! Nothing waits for ever: each way to keep a connection busy with nothing has an end. The plain ones are rows C-01 to C-06
//! of `../../hostile`; here are those that need other deadlines, and what else goes on.

use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{interval, timeout},
};
use wasmbay::server::Limits;
use wasmbay_tests::client::{HANG, Protocol, empty, pieces};

use super::{Door, Gate, SHORT};

#[tokio::test]
async fn an_idle_connection_is_closed() -> anyhow::Result<()> {
    for protocol in Protocol::BOTH {
        let door = Door::with(Limits { head: SHORT, idle: SHORT, ..Limits::default() }, false).await;
        let mut connection = door.connect(protocol).await;
        assert_eq!(connection.get("/hello").await?.text(), "hello");
        connection.ended().await?.ok();
    }
    Ok(())
}

/// A rate that nobody reaches who has to be waited for.
const UNHEARD_OF: u32 = u32::MAX;

/// How often somebody slow does something.
const NOW_AND_THEN: Duration = Duration::from_millis(5);

#[tokio::test]
async fn a_body_that_trickles_is_a_request_timeout() -> anyhow::Result<()> {
    let limits = Limits { rate: UNHEARD_OF, grace: SHORT, ..Limits::default() };
    let door = Door::with(limits, false).await;
    let mut raw = door.raw().await;
    raw.write("POST /deaf HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let (mut read, mut write) = raw.0.split();
    let (mut answer, mut pace) = (Vec::new(), interval(NOW_AND_THEN));
    let trickling = async {
        loop {
            tokio::select! {
                end = read.read_to_end(&mut answer) => return end,
                _ = pace.tick() => drop(write.write_all(b"1\r\nx\r\n").await),
            }
        }
    };
    // A reset after the answer is the end of the trickle's own making.
    let _ = timeout(HANG, trickling).await?;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"request-timeout\""), "{answer}");

    let (sender, body) = pieces();
    let trickle = tokio::spawn(async move {
        let mut pace = interval(NOW_AND_THEN);
        while sender.send("x".into()).is_ok() {
            pace.tick().await;
        }
    });
    let mut connection = door.connect(Protocol::Http2).await;
    let answer = connection.send(Request::post("/deaf").body(body)?).await?;
    assert_eq!((answer.status.as_u16(), &answer.problem()["code"]), (408, &"request-timeout".into()));
    assert_eq!(connection.get("/hello").await?.text(), "hello", "the other streams go on");
    trickle.abort();
    Ok(())
}

#[tokio::test]
async fn a_client_that_takes_a_byte_now_and_then_is_cut_off() -> anyhow::Result<()> {
    let limits = Limits { rate: UNHEARD_OF, grace: SHORT, write_stall: HANG * 2, ..Limits::default() };
    let door = Door::with(limits, false).await;
    let mut raw = door.raw().await;
    raw.write("GET /flood HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut pace = interval(NOW_AND_THEN);
    let tasting = async {
        loop {
            pace.tick().await;
            if raw.0.read_exact(&mut [0; 1024]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = tasting => {}
        () = Gate::wait(&door.gate.left) => {}
    }
    door.shows(r#"wasmbay_connections{listener="public"} 0"#).await;
    Ok(())
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_cut_off_and_the_others_go_on() -> anyhow::Result<()> {
    let door = Door::with(Limits { write_stall: SHORT, ..Limits::default() }, false).await;
    let mut connection = door.connect(Protocol::Http2).await;
    let unread = connection.begin(Request::get("/flood").body(empty())?).await?;
    Gate::wait(&door.gate.left).await;
    door.shows(r#"wasmbay_connections_cut_total{listener="public",reason="stream-stall"} 1"#).await;
    assert_eq!(connection.get("/hello").await?.text(), "hello");
    assert!(unread.into_body().collect().await.is_err(), "a clean end");
    Ok(())
}

#[tokio::test]
async fn connections_past_the_limit_wait_and_are_served_when_there_is_room() -> anyhow::Result<()> {
    let door = Door::with(Limits { connections: 1, ..Limits::default() }, false).await;
    let mut first = door.connect(Protocol::Http1).await;
    assert_eq!(first.get("/hello").await?.text(), "hello");
    let mut second = door.raw().await;
    second.write("GET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert_eq!(first.get("/hello").await?.text(), "hello");
    door.shows(r#"wasmbay_connections_accepted_total{listener="public"} 1"#).await;
    drop(first);
    assert!(second.rest().await?.starts_with("HTTP/1.1 200 "));
    Ok(())
}
