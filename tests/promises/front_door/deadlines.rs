//! Nothing waits for ever: each way to keep a connection busy with nothing has an end.

use http::Request;
use http_body_util::BodyExt;
use wasmbay::server::Limits;
use wasmbay_tests::client::{Protocol, empty};

use super::{Door, Gate, SHORT};

#[tokio::test]
async fn silence_and_half_a_preface_are_cut_off() -> anyhow::Result<()> {
    let door = Door::with(Limits { first_byte: SHORT, ..Limits::default() }, false).await;
    for said in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        let mut raw = door.raw().await;
        raw.write(said).await;
        assert_eq!(raw.rest().await?, "", "{said}");
    }
    door.shows(r#"wasmbay_connections_cut_total{listener="public",reason="first-byte"} 3"#).await;
    Ok(())
}

#[tokio::test]
async fn half_a_head_is_cut_off() -> anyhow::Result<()> {
    let door = Door::with(Limits { head: SHORT, ..Limits::default() }, false).await;
    let mut raw = door.raw().await;
    raw.write("GET /hello HTTP/1.1\r\nhost: a\r\n").await;
    let answer = raw.rest().await?;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}

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

#[tokio::test]
async fn a_body_that_stops_coming_is_a_request_timeout() -> anyhow::Result<()> {
    let door = Door::with(Limits { body_idle: SHORT, ..Limits::default() }, false).await;
    let mut raw = door.raw().await;
    raw.write("POST /deaf HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhel").await;
    let answer = raw.rest().await?;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"request-timeout\""), "{answer}");
    Ok(())
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let door = Door::with(Limits { write_stall: SHORT, ..Limits::default() }, false).await;
    let mut raw = door.raw().await;
    raw.write("GET /flood HTTP/1.1\r\nhost: a\r\n\r\n").await;
    // The stand-in learns that nobody takes its bytes any more, although the client is still there.
    Gate::wait(&door.gate.left).await;
    door.shows(r#"wasmbay_connections{listener="public"} 0"#).await;
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
