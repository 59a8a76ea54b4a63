//! Bodies: whole, or visibly not.

use http::Request;
use http_body_util::BodyExt;
use wasmbay_tests::client::{Protocol, full};

use super::Door;

#[tokio::test]
async fn a_large_body_passes_both_ways() -> anyhow::Result<()> {
    let door = Door::open().await;
    let large: Vec<u8> = (0..8 << 20).map(|index: u32| (index / 7) as u8).collect();
    for protocol in Protocol::BOTH {
        let request = Request::post("/echo").body(full(large.clone()))?;
        let answer = door.connect(protocol).await.send(request).await?;
        assert!(answer.body == large, "{protocol:?}: {} bytes came back", answer.body.len());
    }
    Ok(())
}

#[tokio::test]
async fn a_response_that_breaks_never_ends_cleanly() -> anyhow::Result<()> {
    let door = Door::open().await;
    for protocol in Protocol::BOTH {
        for how in ["chunked", "length", "early", "late"] {
            let mut connection = door.connect(protocol).await;
            // The failure may overtake the head: then there is no response at all, which is no clean end either.
            let Ok(response) = connection.begin(Request::get(format!("/break/{how}")).body(full(""))?).await else {
                continue;
            };
            assert_eq!(response.status(), 200);
            let end = response.into_body().collect().await;
            assert!(end.is_err(), "{protocol:?} {how}: {end:?}");
        }
    }
    door.shows(r#"wasmbay_unrouted_requests_total{code="trap"} 4"#).await;
    door.shows(r#"wasmbay_unrouted_requests_total{code="bad-response"} 4"#).await;
    Ok(())
}

#[tokio::test]
async fn a_broken_stream_spares_the_others_of_its_connection() -> anyhow::Result<()> {
    let door = Door::open().await;
    let mut connection = door.connect(Protocol::Http2).await;
    assert!(connection.get("/break/chunked").await.is_err());
    assert_eq!(connection.get("/hello").await?.text(), "hello");
    Ok(())
}

#[tokio::test]
async fn without_chunks_a_reset_tells_that_the_response_broke() {
    let door = Door::open().await;
    let mut raw = door.raw().await;
    raw.write("GET /break/chunked HTTP/1.0\r\nhost: a\r\n\r\n").await;
    let end = raw.rest().await;
    assert!(end.is_err(), "{end:?}");
}

#[tokio::test]
async fn a_malformed_body_is_a_bad_request_whatever_was_answered_and_the_connection_ends() -> anyhow::Result<()> {
    let door = Door::open().await;
    for chunk in ["0x5\r\nhello\r\n", "hello\r\n", "5\r\nhelloX\r\n", "fffffffffffffffff\r\n"] {
        let mut raw = door.raw().await;
        raw.write(&format!("POST /deaf HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunk}")).await;
        raw.write("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let answers = raw.rest().await?;
        assert!(answers.starts_with("HTTP/1.1 400 ") && answers.contains("connection: close"), "{chunk}{answers}");
        assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{chunk}{answers}");
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_before_the_body_is_read_reaches_the_client() -> anyhow::Result<()> {
    let door = Door::open().await;
    let mut raw = door.raw().await;
    // More than the sockets hold: the server answers while the client is still sending.
    let body = "x".repeat(128 * 1024);
    raw.write(&format!("POST /fail/body-too-large HTTP/1.1\r\nhost: a\r\ncontent-length: 200000\r\n\r\n{body}")).await;
    let answer = raw.rest().await?;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("\"body-too-large\""), "{answer}");
    Ok(())
}
