//! What the door does on the rungs of the overload ladder.

use std::time::Duration;

use wasmbay::server::{Level, Limits, Rung};
use wasmbay_tests::client::Protocol;

use super::{Door, Gate, SHORT};

fn door(level: &Level) -> Door {
    let limits = Limits { linger: SHORT, ..Limits::default() };
    Door::over(Door::acceptor().giving_way(level.clone()), limits, false)
}

#[tokio::test]
async fn under_load_connections_are_not_kept() -> anyhow::Result<()> {
    for protocol in Protocol::BOTH {
        let level = Level::default();
        let door = door(&level);
        let mut connection = door.connect(protocol).await;
        assert!(!connection.get("/hello").await?.headers.contains_key("connection"));
        level.set(Rung::CloseIdle);
        if protocol == Protocol::Http1 {
            assert_eq!(connection.get("/hello").await?.headers["connection"], "close");
        }
        // Long before anybody would have called it idle.
        let ended = tokio::time::timeout(Duration::from_secs(8), connection.ended()).await?;
        ended?.ok();
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_under_way_is_not_closed_with_the_idle_ones() -> anyhow::Result<()> {
    let level = Level::default();
    let door = door(&level);
    let mut connection = door.connect(Protocol::Http2).await;
    let mut idle = door.connect(Protocol::Http2).await;
    idle.get("/hello").await?;
    let held = tokio::spawn(async move { connection.get("/hold").await });
    Gate::wait(&door.gate.entered).await;
    level.set(Rung::CloseIdle);
    idle.ended().await?.ok();
    door.gate.open.add_permits(1);
    assert_eq!(held.await??.text(), "held 0");
    Ok(())
}

#[tokio::test]
async fn on_the_last_rung_nobody_new_is_let_in_until_it_is_left() -> anyhow::Result<()> {
    let level = Level::default();
    let door = door(&level);
    let mut inside = door.connect(Protocol::Http2).await;
    assert_eq!(inside.get("/hello").await?.text(), "hello");
    level.set(Rung::Shut);
    // One may have been on its way in.
    let mut outside = Vec::new();
    for _ in 0..3 {
        let mut raw = door.raw().await;
        raw.write("GET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        outside.push(raw);
    }
    for _ in 0..20 {
        assert_eq!(inside.get("/hello").await?.text(), "hello", "who is inside is served");
    }
    let accepted = |most: u64| {
        (1..=most).any(|count| {
            let line = format!(r#"wasmbay_connections_accepted_total{{listener="public"}} {count}"#);
            door.metrics.encode().lines().any(|shown| shown == line)
        })
    };
    assert!(accepted(2), "they are let in: {}", door.metrics.encode());
    level.set(Rung::Refuse);
    for mut raw in outside {
        assert!(raw.rest().await?.starts_with("HTTP/1.1 200 "));
    }
    Ok(())
}
