//! HTTP/2 as no client speaks it.

use wasmbay_attacks::frames::{self, SMALL};

use crate::{
    rows::soak,
    scene::{EVERYWHERE, Scene},
    stage::of,
};

/// What a connection may make the host hold: a page of buffers each way, and what the allocator rounds up to. A flood
/// that is kept anywhere is many times as long.
const HELD: u64 = 16 << 20;

/// Frames of each flood. Enough to pass any count that the server keeps.
fn flood() -> u32 {
    if soak() { 1_000_000 } else { 20_000 }
}

async fn scene() -> Scene {
    Scene::of(&EVERYWHERE[..1], "[limits]\ntimeout = \"2m\"").await
}

pub(crate) async fn c_07_rapid_reset() {
    let scene = scene().await;
    let said = frames::rapid_reset(&scene.mark(), flood()).await.expect("a connection");
    assert!(said.goaway, "the connection is told to go: {said:?}");
    // As many as may be open at once in a connection, and the few that went before the server had enough.
    let executed = scene.executed().await;
    assert!(executed <= 200.0, "{executed} guests");
    scene.end().await;
}

pub(crate) async fn c_08_reset_once_the_guest_runs() {
    let scene = scene().await;
    let times = if soak() { 100_000 } else { 50 };
    let said = frames::reset_once_the_guest_runs(&scene.mark(), times).await.expect("a connection");
    // The server may have enough before; what began is gone.
    assert!(said.heads == times as usize || said.goaway, "{said:?}");
    scene.until("the guests are gone", |page| of(page, "wasmbay_in_flight", "p0") == 0.0).await;
    assert_eq!(scene.executed().await, said.heads as f64);
    scene.end().await;
}

pub(crate) async fn c_09_headers_without_end() {
    let scene = scene().await;
    let said = frames::headers_without_end(&scene.mark(), flood()).await.expect("a connection");
    assert!(said.goaway && said.heads == 0, "{said:?}");
    assert_eq!(scene.executed().await, 0.0);
    scene.end().await;
}

pub(crate) async fn c_10_frames_that_make_the_server_reset() {
    let scene = scene().await;
    let said = frames::provoke_resets(&scene.mark(), flood()).await.expect("a connection");
    assert!(said.goaway, "{said:?}");
    scene.end().await;
}

pub(crate) async fn c_11_floods_of_small_frames() {
    let scene = scene().await;
    for kind in SMALL {
        let before = scene.serving.rss().expect("the host lives");
        let said = frames::small_frames(&scene.mark(), kind, flood()).await.expect("a connection");
        assert_eq!(said.heads, 0, "{kind}: {said:?}");
        let grown = scene.serving.rss().expect("the host lives").saturating_sub(before);
        assert!(grown <= HELD, "{kind}: {grown} bytes are held");
    }
    scene.end().await;
}

pub(crate) async fn c_12_header_lists_that_grow_when_they_are_read() {
    let scene = scene().await;
    for (what, head) in frames::growing_heads(&scene.mark()) {
        let before = scene.serving.rss().expect("the host lives");
        frames::send_head(&scene.mark(), &head).await.expect("a connection");
        assert_eq!(scene.executed().await, 0.0, "{what}: the guest was called");
        let grown = scene.serving.rss().expect("the host lives").saturating_sub(before);
        assert!(grown <= HELD, "{what}: {grown} bytes are held");
    }
    scene.end().await;
}

pub(crate) async fn c_16_heads_that_http2_forbids() {
    let scene = scene().await;
    for (what, head) in frames::forbidden_heads(&scene.mark()) {
        frames::send_head(&scene.mark(), &head).await.expect("a connection");
        assert_eq!(scene.executed().await, 0.0, "{what} reached the guest");
    }
    scene.end().await;
}
