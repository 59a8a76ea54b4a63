//! A client that leaves takes its request with it.

use http::Request;
use wasmbay_tests::client::{Protocol, empty};

use super::{Door, Gate};

#[tokio::test]
async fn a_request_is_dropped_when_its_client_leaves() {
    for protocol in Protocol::BOTH {
        let door = Door::open().await;
        let mut connection = door.connect(protocol).await;
        let request = tokio::spawn(async move { connection.get("/hold").await });
        Gate::wait(&door.gate.entered).await;
        request.abort();
        Gate::wait(&door.gate.left).await;
        door.shows(r#"wasmbay_unrouted_requests_total{code="client-gone"} 1"#).await;
    }
}

#[tokio::test]
async fn also_while_its_body_waits_for_a_reader() {
    let door = Door::open().await;
    let mut raw = door.raw().await;
    raw.write("POST /hold HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\nsome of it").await;
    Gate::wait(&door.gate.entered).await;
    drop(raw);
    Gate::wait(&door.gate.left).await;
}

#[tokio::test]
async fn also_while_a_second_request_is_in_line() {
    let door = Door::open().await;
    let mut raw = door.raw().await;
    let request = "GET /hold HTTP/1.1\r\nhost: a\r\n\r\n";
    raw.write(&request.repeat(2)).await;
    Gate::wait(&door.gate.entered).await;
    drop(raw);
    Gate::wait(&door.gate.left).await;
    // The second was never begun.
    assert_eq!(door.gate.entered.available_permits(), 0);
}

#[tokio::test]
async fn a_stream_that_is_reset_ends_its_request_and_no_other() -> anyhow::Result<()> {
    let door = Door::open().await;
    let mut connection = door.connect(Protocol::Http2).await;
    {
        let held = connection.begin(Request::get("/hold").body(empty())?);
        tokio::select! {
            _ = held => panic!("it is held"),
            () = Gate::wait(&door.gate.entered) => {}
        }
    }
    Gate::wait(&door.gate.left).await;
    assert_eq!(connection.get("/hello").await?.text(), "hello");
    Ok(())
}

#[tokio::test]
async fn a_response_stops_when_its_client_leaves() -> anyhow::Result<()> {
    for protocol in Protocol::BOTH {
        let door = Door::open().await;
        let mut connection = door.connect(protocol).await;
        let response = connection.begin(Request::get("/flood").body(empty())?).await?;
        drop((response, connection));
        Gate::wait(&door.gate.left).await;
        door.shows(r#"wasmbay_unrouted_requests_total{code="client-gone"} 1"#).await;
    }
    Ok(())
}
