//! Shutdown: what was begun ends well, within a deadline.

use std::time::Duration;

use http::Request;
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};
use wasmbay_tests::client::{HANG, Protocol, empty, full};

use super::{Door, Gate};

/// Starts to drain and returns once nothing is accepted any more.
async fn drain(server: wasmbay::server::Server, deadline: Duration) -> JoinHandle<bool> {
    let addr = server.addr();
    let draining = tokio::spawn(server.drain(deadline));
    let refused = async { while TcpStream::connect(addr).await.is_ok() {} };
    timeout(HANG, refused).await.expect("connections are still accepted");
    draining
}

#[tokio::test]
async fn idle_connections_close_at_once() -> anyhow::Result<()> {
    for protocol in Protocol::BOTH {
        let door = Door::open().await;
        let mut connection = door.connect(protocol).await;
        connection.get("/hello").await?;
        let silent = door.raw().await;
        door.shows(r#"wasmbay_connections{listener="public"} 2"#).await;
        assert!(drain(door.server, HANG).await.await?, "{protocol:?}");
        connection.ended().await?.ok();
        drop(silent);
    }
    Ok(())
}

#[tokio::test]
async fn a_request_in_flight_is_answered_and_its_connection_then_closed() -> anyhow::Result<()> {
    for protocol in Protocol::BOTH {
        let door = Door::open().await;
        let mut connection = door.connect(protocol).await;
        let request = tokio::spawn(async move { (connection.get("/hold").await, connection) });
        Gate::wait(&door.gate.entered).await;
        let draining = drain(door.server, HANG).await;
        door.gate.open.add_permits(1);
        let (answer, connection) = request.await?;
        let answer = answer?;
        assert_eq!(answer.text(), "held 0");
        assert_eq!(answer.headers.get("connection").is_some_and(|value| value == "close"), protocol == Protocol::Http1);
        connection.ended().await?.ok();
        assert!(draining.await?);
    }
    Ok(())
}

#[tokio::test]
async fn a_body_half_sent_may_be_sent_to_its_end() -> anyhow::Result<()> {
    let door = Door::open().await;
    let mut raw = door.raw().await;
    raw.write("POST /hold HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf ").await;
    Gate::wait(&door.gate.entered).await;
    door.gate.open.add_permits(1);
    let draining = drain(door.server, HANG).await;
    raw.write("whole").await;
    let answer = raw.rest().await?;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("held 10"), "{answer}");
    assert!(draining.await?);
    Ok(())
}

#[tokio::test]
async fn http2_is_told_to_go_away_and_begins_nothing_new() -> anyhow::Result<()> {
    let door = Door::open().await;
    let mut connection = door.connect(Protocol::Http2).await;
    let mut holding = Box::pin(connection.begin(Request::get("/hold").body(empty())?));
    tokio::select! {
        _ = &mut holding => panic!("it is held"),
        () = Gate::wait(&door.gate.entered) => {}
    }
    let draining = drain(door.server, HANG).await;
    door.gate.open.add_permits(1);
    assert_eq!(holding.await?.status(), 200);
    let late = connection.send(Request::post("/echo").body(full("late"))?).await;
    assert!(late.is_err(), "{late:?}");
    assert!(draining.await?);
    Ok(())
}

#[tokio::test]
async fn what_takes_too_long_is_cut_at_the_deadline() -> anyhow::Result<()> {
    for protocol in Protocol::BOTH {
        let door = Door::open().await;
        let mut connection = door.connect(protocol).await;
        let request = tokio::spawn(async move { connection.get("/hold").await });
        Gate::wait(&door.gate.entered).await;
        assert!(!drain(door.server, Duration::from_millis(50)).await.await?, "{protocol:?}");
        assert!(request.await?.is_err());
        Gate::wait(&door.gate.left).await;
    }
    Ok(())
}
